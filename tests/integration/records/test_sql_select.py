"""`select_query`: the portable subset gives equal rows on all engines, the rest is refused."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, QueryError, Record, SQLDatabase, sql_select

PEOPLE = [
    Record({"id": "ada", "name": "Ada", "department": "Engineering", "age": 36, "score": 1.5, "Active": True}, {"team": "x"}),
    Record({"id": "bob", "name": "Bob", "department": "Sales", "age": 17, "score": 2, "Active": False, "joined": date(2024, 1, 1)}),
    Record({"id": "cy", "name": "Cy", "department": "Engineering", "age": 40, 'odd "key': "x", "mixed": 5, "pay": Decimal("1.50")}),
    Record({"id": "di", "name": "100%", "age": None, "mixed": "text", "list": [1, 2], "raw": b"\0"}),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres", "objects"])
def empty(request, colour, tmp_path):
    if request.param == "objects":
        with ObjectDatabase(MemoryStore()) as database:
            yield colour(database)
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/x.db"
    else:
        url = request.getfixturevalue("postgres").url(request.getfixturevalue("postgres_database"))
    with SQLDatabase(url) as database:
        yield colour(database)


@pytest.fixture
def db(empty):
    empty.batch_create(PEOPLE)
    return empty


@pytest.mark.parametrize(
    ("sql", "params", "rows"),
    [
        ("SELECT id FROM S3Object WHERE department = 'Engineering' ORDER BY id", (), [{"id": "ada"}, {"id": "cy"}]),
        ("SELECT name, age FROM records WHERE age > ? AND NOT name = ?", (17, "Ada"), [{"name": "Cy", "age": 40}]),
        ("SELECT department, count(*) AS n, avg(age) AS mean FROM records WHERE department IS NOT NULL GROUP BY department ORDER BY department",
         (), [{"department": "Engineering", "n": 2, "mean": 38}, {"department": "Sales", "n": 1, "mean": 17}]),
        ("SELECT id FROM records WHERE age BETWEEN 17 AND 36 OR name IN ('Cy') ORDER BY age DESC LIMIT 2", (), [{"id": "cy"}, {"id": "ada"}]),
        ("SELECT id FROM records WHERE name LIKE 'C%'", (), [{"id": "cy"}]),
        ("SELECT id FROM records WHERE name LIKE '%\\%' ESCAPE '\\' ORDER BY id", (), [{"id": "di"}]),
        ("SELECT sum(score) AS total, max(score) AS most FROM records", (), [{"total": 3.5, "most": 2.0}]),
        ("SELECT shoe, id FROM records WHERE shoe IS NULL AND id = 'ada'", (), [{"shoe": None, "id": "ada"}]),
        ("SELECT joined, pay FROM records WHERE id IN ('bob', 'cy') ORDER BY id", (),
         [{"joined": date(2024, 1, 1), "pay": None}, {"joined": None, "pay": Decimal("1.50")}]),
        ('SELECT "odd ""key" AS odd, raw FROM records WHERE id IN (?, ?) ORDER BY id', ("cy", "di"), [{"odd": "x", "raw": None}, {"odd": None, "raw": b"\0"}]),
        ("SELECT Active FROM records WHERE id = 'ada'", (), [{"Active": 1}]),
        ("SELECT metadata FROM records WHERE id = 'ada';", (), [{"metadata": {"team": "x"}}]),
        ("WITH old AS (SELECT name FROM records WHERE age > 30) SELECT count(*) AS n FROM old", (), [{"n": 2}]),
        ("SELECT a.id FROM records AS a JOIN records AS b ON a.age < b.age WHERE b.id = 'ada'", (), [{"id": "bob"}]),
        ("SELECT id FROM records WHERE score = 2", (), [{"id": "bob"}]),
        ("SELECT upper(department) AS Place, count(*) AS n FROM records WHERE age > 1 GROUP BY place ORDER BY PLACE", (),
         [{"Place": "ENGINEERING", "n": 2}, {"Place": "SALES", "n": 1}]),
        ("SELECT CASE WHEN age > 38 THEN 'old' ELSE 'young' END AS stage, count(*) k FROM records WHERE age > 0 GROUP BY stage ORDER BY k", (),
         [{"stage": "old", "k": 1}, {"stage": "young", "k": 2}]),
        ("SELECT NAME, active, CAST(age AS integer) AS years FROM Records WHERE ID = 'ada'", (), [{"NAME": "Ada", "active": True, "years": 36}]),
        ("WITH t(place, years) AS (SELECT department, age FROM records) SELECT place, max(years) AS most FROM t WHERE years > 1 GROUP BY place ORDER BY place",
         (), [{"place": "Engineering", "most": 40}, {"place": "Sales", "most": 17}]),
        ("SELECT id FROM records WHERE shoe = 1 OR shoe IN (1, 2) OR shoe >= ? OR shoe BETWEEN 1 AND 2", (5,), []),
        ("SELECT id FROM records WHERE shoe = 'x' OR shoe LIKE ?", ("%x",), []),
        ("SELECT id FROM records WHERE shoe IS NULL AND NOT hat = 1.5 OR id = 'ada' AND age > 3", (), [{"id": "ada"}]),
        ("SELECT id FROM records ORDER BY age, id LIMIT 2", (), [{"id": "di"}, {"id": "bob"}]),
        ("SELECT id FROM records ORDER BY age DESC, id DESC LIMIT 3", (), [{"id": "cy"}, {"id": "ada"}, {"id": "bob"}]),
        ("SELECT id FROM records ORDER BY score NULLS LAST, upper(id) DESC LIMIT 3", (), [{"id": "ada"}, {"id": "bob"}, {"id": "di"}]),
        ("SELECT id FROM (SELECT id, age FROM records ORDER BY age LIMIT 1) AS t", (), [{"id": "di"}]),
        ("SELECT max(n) AS most FROM (SELECT row_number() OVER (ORDER BY age DESC) AS n, age FROM records) AS t WHERE age IS NULL", (), [{"most": 4}]),
        ("SELECT id FROM records WHERE name LIKE 'a%' OR name LIKE ? ORDER BY id", ("%B",), [{"id": "ada"}, {"id": "bob"}]),
        ("SELECT id FROM records WHERE name NOT LIKE 'É%' AND name LIKE '100\\%'", (), []),
        ("SELECT count(*), avg(age), max( age ) , name AS who, id FROM records WHERE id = 'ada' GROUP BY name, id", (),
         [{"count(*)": 1, "avg(age)": 36, "max( age )": 36, "who": "Ada", "id": "ada"}]),
        ("SELECT DISTINCT age + 1, 'x', age > ?, CASE WHEN age > 3 THEN 1 END FROM records WHERE id = 'bob'", (20,),
         [{"age + 1": 18, "'x'": "x", "age > ?": False, "CASE WHEN age > 3 THEN 1 END": 1}]),
        ("SELECT count(*) FROM records UNION SELECT 7 FROM records ORDER BY 1", (), [{"count(*)": 4}, {"count(*)": 7}]),
    ],
)  # fmt: skip
def test_a28_the_portable_subset(db, sql, params, rows):
    assert db.select_query(sql, params) == rows


TYPED = [
    Record(
        {
            "id": "a", "pay": Decimal("1.50"), "due": date(2024, 1, 1), "at": datetime(2024, 1, 1, 10, tzinfo=UTC), "raw": b"x",
            "who": UUID(int=1), "hour": time(8, 30), "odd": 1e22, "big": 2**70, "list": [1, {"d": Decimal("0.10")}], "on": True,
            "$date": 1, "map": {"$date": "2024-01-01", "longer": 1}, "tagged": {"$decimal": "5"}, "mixed": Decimal(1), "nul": "a\0b",
        }
    ),
    Record(
        {
            "id": "b", "pay": Decimal(10), "due": date(2023, 5, 1), "at": datetime(2025, 1, 1, tzinfo=UTC), "raw": b"y",
            "who": UUID(int=2), "hour": time(9), "odd": math.inf, "big": 1, "list": [], "on": False, "mixed": "text",
        }
    ),
    Record({"id": "c", "pay": Decimal("12345678901234567890.123"), "odd": math.nan, "mixed": 2.5}),
]  # fmt: skip


@pytest.fixture
def typed(db):
    db.clear()
    db.batch_create(TYPED)
    return db


@pytest.mark.parametrize(
    ("sql", "params", "rows"),
    [
        ("SELECT id FROM records WHERE pay > 9 ORDER BY pay DESC", (), [{"id": "c"}, {"id": "b"}]),
        ("SELECT id FROM records WHERE pay < ? AND pay = 1.5", (Decimal(2),), [{"id": "a"}]),
        ("SELECT avg(pay) AS mean, min(pay) AS least, sum(pay) AS total, max(pay) AS most FROM records WHERE pay < 100", (),
         [{"mean": 5.75, "least": 1.5, "total": 11.5, "most": 10}]),
        ("SELECT pay * 2 AS twice FROM records WHERE id = 'a'", (), [{"twice": 3}]),
        ("SELECT id FROM records WHERE due >= '2024-01-01'", (), [{"id": "a"}]),
        ("SELECT id FROM records WHERE due BETWEEN ? AND ?", (date(2023, 1, 1), date(2023, 12, 31)), [{"id": "b"}]),
        ("SELECT min(due) AS least, max(at) AS latest FROM records", (), [{"least": "2023-05-01", "latest": "2025-01-01T00:00:00+00:00"}]),
        ("SELECT id FROM records WHERE at < ?", (datetime(2024, 6, 1, tzinfo=UTC),), [{"id": "a"}]),
        ("SELECT id FROM records WHERE who = ? OR hour = ?", (UUID(int=1), time(9)), [{"id": "a"}, {"id": "b"}]),
        ("SELECT id FROM records WHERE raw = ?", (b"y",), [{"id": "b"}]),
        ("SELECT max(odd) AS most, count(odd) AS n FROM records WHERE odd < 1e300", (), [{"most": 1e22, "n": 1}]),
        ("SELECT id FROM records WHERE odd > 1e300", (), [{"id": "b"}]),
        ("SELECT due, count(*) AS n FROM records WHERE due IS NOT NULL GROUP BY due ORDER BY due", (),
         [{"due": date(2023, 5, 1), "n": 1}, {"due": date(2024, 1, 1), "n": 1}]),
        ("SELECT DISTINCT due FROM records WHERE due IS NOT NULL ORDER BY due", (), [{"due": "2023-05-01"}, {"due": "2024-01-01"}]),
        ("SELECT r.who AS owner FROM records AS r WHERE r.id = 'b'", (), [{"owner": UUID(int=2)}]),
        ("SELECT mixed FROM records ORDER BY id", (), [{"mixed": Decimal(1)}, {"mixed": "text"}, {"mixed": 2.5}]),
    ],
)  # fmt: skip
def test_a28_values_that_json_lacks(typed, sql, params, rows):
    found = typed.select_query(sql, params)
    assert found == rows
    assert [[type(v) for v in row.values() if not isinstance(v, (int, float))] for row in found] == [
        [type(v) for v in row.values() if not isinstance(v, (int, float))] for row in rows
    ]


def test_a28_a_plain_column_is_as_it_was_stored(typed):
    names = list(TYPED[0].data)[1:]
    listed = ", ".join(f'"{name}"' for name in names)
    for sql in (f"SELECT id, {listed} FROM records ORDER BY id", "SELECT * FROM records AS r ORDER BY id"):
        found = typed.select_query(sql)
        for row, record in zip(found, TYPED, strict=True):
            for name in names:
                value, wanted = row[name], record.data.get(name)
                assert (repr(value), type(value)) == (repr(wanted), type(wanted)), (sql, name)
        assert not any("\ue000" in name for name in found[0])


def test_a28_a_star_is_all_fields(db):
    [row] = db.select_query("SELECT * FROM S3Object WHERE department = 'Sales'")
    assert row["name"] == "Bob" and row["joined"] == date(2024, 1, 1) and row['odd "key'] is None
    assert row["version"] == db.get_version("bob") and row["created_at"] == db.require("bob").metadata["created_at"]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM records",
        "SELECT nonsense(",
        "SELECT id FROM records; DROP TABLE records",
        "WITH gone AS (DELETE FROM records RETURNING id) SELECT * FROM gone",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_tables",
        "SELECT * FROM public.records",
        "SELECT tablename FROM information_schema.tables",
        "SELECT * FROM other",
        "SELECT readfile('/etc/passwd')",
        "SELECT * FROM pragma_database_list",
    ],
)
def test_a28_the_rest_is_refused(db, sql):
    with pytest.raises(QueryError):
        db.select_query(sql)
    assert db.count() == 4


@pytest.mark.parametrize("empty", ["sqlite", "postgres"], indirect=True)
def test_a28_other_tables_are_hidden(db):
    other = SQLDatabase(db._link.url, table="other")
    other.create(Record({"id": "secret"}))
    other.close()
    for sql in ("SELECT * FROM other", "SELECT (SELECT id FROM other) AS id FROM records", "SELECT * FROM main.other"):
        with pytest.raises(QueryError):
            db.select_query(sql)


def beside(db, *statements):
    """Execute SQL of somebody else."""
    with SQLDatabase(db._link.url, table="other") as other:
        other.upsert(Record({"id": "secret"}))
        for sql in statements:
            other._link.run(lambda connection, sql=sql: connection.exec_driver_sql(sql), way="write")


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        'SELECT 1 u, id FROM U&"publi\\0063".other',
        "SELECT id FROM PUBLIC . other",
        f"SELECT id FROM {'s' * 63}longer.other",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(id) FROM public.other') FROM records",
        "SELECT ts_stat('SELECT to_tsvector(id) FROM public.other') FROM records",
        "SELECT query_to_xml('SELECT id FROM public.other', true, true, '') FROM records",
        "SELECT table_to_xml('public.other', true, true, '') FROM records",
        "SELECT DATABASE_TO_XML(true, true, '') FROM records",
        "SELECT relname FROM pg_class",
        "SELECT 1 UNION TABLE pg_class",
        'SELECT * FROM records, "pg_class" AS c',
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT TREAT('/etc/hostname' AS pg_read_file) FROM records",
        "SELECT ('/etc/hostname'::text).pg_read_file FROM records",
        "SELECT lo_import('/etc/hostname')",
        "SELECT loread(0, 1)",
        "SELECT set_config('default_transaction_read_only', 'on', false)",
        "SELECT 1 u, U&\"se\\0074_config\"('default_transaction_read_only', 'on', false) FROM records",
        "SELECT current_setting('data_directory')",
        "SELECT nextval('public.other_seq')",
        "SELECT setseed(0.5)",
        "SELECT pg_advisory_lock(1)",
    ],
)
def test_postgresql_reads_the_view_alone(db, sql):
    """Neither other tables nor files, by whatever way, and a statement leaves nothing behind."""
    beside(db, f"CREATE SCHEMA {'s' * 63}", f"CREATE TABLE {'s' * 63}.other AS TABLE other", "CREATE SEQUENCE other_seq")
    with pytest.raises(QueryError, match="is not for a SELECT|without a prefix"):
        db.select_query(sql)
    db.create(Record({"id": "later"}))


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
def test_a_setting_does_not_outlive_a_statement(db, monkeypatch):
    """Even one of a function that we do not know of."""
    monkeypatch.setattr(sql_select, "_HARMLESS", ["set_config"])
    sql = "SELECT set_config('default_transaction_read_only', 'on', false) AS now FROM records LIMIT 1"
    assert db.select_query(sql) == [{"now": "on"}]
    db.create(Record({"id": "later"}))


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
def test_a_backslash_is_one_whatever_the_server_says(empty):
    beside(empty, f'ALTER DATABASE "{empty._link.url.database}" SET standard_conforming_strings = off')
    empty.create(Record({"id": "a"}))
    sql = "SELECT '\\' || ', (SELECT max(id) FROM public.other) --' AS text FROM records"
    assert empty.select_query(sql) == [{"text": "\\, (SELECT max(id) FROM public.other) --"}]


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
def test_tables_of_a_session_are_hidden(db):
    db._link.run(lambda connection: connection.exec_driver_sql("CREATE TEMP TABLE basket AS SELECT 1 AS n"), way="write")
    with pytest.raises(QueryError):
        db.select_query("SELECT n FROM basket")


def test_fields_may_be_called_like_functions(empty):
    """Unless PostgreSQL has a function of that name that is not for users."""
    empty.create(Record({"id": "a", "pg_rating": 5, "lo_water": 1, "dblinks": 2, "random": 3, "page_to_xml": 4}))
    sql = "SELECT pg_rating, lo_water, dblinks, random, page_to_xml AS pg_x FROM records WHERE pg_rating > 4"
    assert empty.select_query(sql) == [{"pg_rating": 5, "lo_water": 1, "dblinks": 2, "random": 3, "pg_x": 4}]


@pytest.mark.parametrize("field", ["from", "order", "desc", "limit", "group", "end", "user", "count", "where", "like", "values", "text"])  # fmt: skip
def test_fields_may_be_called_like_words_of_sql(empty, field):
    empty.create(Record({"id": "k", field: "v", "n": 1, "Records": 2}))
    [row] = empty.select_query("SELECT * FROM records WHERE CAST(n AS text) LIKE '1' ORDER BY id DESC LIMIT 1")
    assert (row[field], row["n"]) == ("v", 1)
    sql = f'SELECT "{field}", count(*) AS c FROM records WHERE "{field}" LIKE \'V\' GROUP BY "{field}" LIMIT 1'
    assert empty.select_query(sql) == [{field: "v", "c": 1}]
    assert row.keys() >= {"Records"}
    sql = f'SELECT n AS "{field}" FROM records WHERE n = 1 ORDER BY n DESC LIMIT 1'
    assert empty.select_query(sql) == [{field: 1}]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ('SELECT id AS "ID" FROM records ORDER BY id LIMIT 2', [{"ID": "ada"}, {"ID": "bob"}]),
        ("SELECT id AS ID, name AS NAME FROM records ORDER BY Name, ID LIMIT 1", [{"ID": "di", "NAME": "100%"}]),
        ("SELECT upper(id) AS Id FROM records WHERE id < 'b' ORDER BY ID", [{"Id": "ADA"}]),
        ("SELECT 0 - age AS Age FROM records WHERE age > 1 ORDER BY Age", [{"Age": -40}, {"Age": -36}, {"Age": -17}]),
        ("SELECT count(*) AS Records FROM records ORDER BY Records", [{"Records": 4}]),
        ("SELECT CASE WHEN age > 38 THEN 1 END AS old FROM records WHERE id = 'cy'", [{"old": 1}]),
    ],
)
def test_labels_are_as_they_were_written(db, sql, rows):
    """Also if a field, a column or the view is called so in another case."""
    assert db.select_query(sql) == rows


@pytest.mark.parametrize("records", [[], [{"score": None, "active": None, "n": 3}]], ids=["nothing", "none"])
def test_fields_without_values_have_the_type_that_is_asked_for(empty, records):
    empty.batch_create([Record({"id": f"r{n}", **each}) for n, each in enumerate(records)])
    for condition, params in [
        ("score > 5 OR 5 < score OR score IN (1, 2)", ()),
        ("score = ? OR score * 2 > 3 OR n < score", (5,)),
        ("active = true OR false = active", ()),
        ("active = ? AND records.active", (True,)),
        ("active OR (active AND NOT active)", ()),
        ("score = 'x' OR score LIKE 'x%' OR active IS NOT NULL", ()),
    ]:
        assert empty.select_query(f"SELECT id FROM records WHERE {condition} LIMIT 5", params) == []
    sql = "SELECT sum(score) AS a, avg(records.score) AS b, max(score) AS c, sum(CASE WHEN active THEN 1 END) AS d FROM records"
    assert empty.select_query(sql) == [dict.fromkeys("abcd")]
    each = "SELECT abs(score) AS a, round(score, 1) AS b, -score AS c, coalesce(score, 0) AS d FROM records"
    assert empty.select_query(each) == [{"a": None, "b": None, "c": None, "d": 0}] * len(records)
    assert empty.select_query("SELECT max(score) AS most FROM records HAVING max(score) > 5") == []


def test_numbers_beyond_those_of_sql(empty):
    """One of them is no reason to answer nothing: in expressions it is infinite, or 0."""
    numbers = [Decimal("1E+999999"), Decimal("-1.5E+131073"), Decimal("1E-99999"), Decimal("2.5")]
    empty.batch_create([Record({"id": str(n), "pay": pay, "mixed": pay}) for n, pay in enumerate(numbers)])
    empty.create(Record({"id": "4", "mixed": 0.5}))
    for field in ("pay", "mixed"):
        rows = empty.select_query(f"SELECT {field} FROM records WHERE id < '4' ORDER BY id")
        assert [row[field] for row in rows] == numbers
        sql = f"SELECT max({field}) AS most, min({field}) AS least FROM records"
        assert empty.select_query(sql) == [{"most": math.inf, "least": -math.inf}]
        sql = f"SELECT id FROM records WHERE {field} >= 0 AND {field} < 0.001 OR {field} > 1e300 ORDER BY id"
        assert empty.select_query(sql) == [{"id": "0"}, {"id": "2"}]


@pytest.mark.parametrize("timeout", [math.inf, 1e7])
def test_any_time_limit(empty, timeout):
    assert empty.select_query("SELECT id FROM records", timeout=timeout) == []


def test_a28_endless_recursion_times_out(db):
    with pytest.raises(QueryError):
        db.select_query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", timeout=0.2
        )
    assert db.count() == 4 and db.select_query("SELECT count(*) AS n FROM records") == [{"n": 4}]


def test_a28_an_indexed_field_may_hold_decimals(colour):
    with SQLDatabase("sqlite://", indexes=["pay"]) as bare:
        db = colour(bare)
        db.create(Record({"id": "a", "pay": 1}))
        assert db.select_query("SELECT sum(pay) AS total FROM records WHERE pay >= 1") == [{"total": 1}]
        db.create(Record({"id": "b", "pay": Decimal("0.5")}))
        assert db.select_query("SELECT sum(pay) AS total FROM records WHERE pay < 2") == [{"total": 1.5}]


NOTHING = [
    "SELECT a FROM records",
    "SELECT * FROM S3Object",
    "SELECT a, b FROM records WHERE c = 'x' AND \"d e\" IS NULL ORDER BY e DESC LIMIT 5",
    "SELECT a, count(*) AS n FROM records GROUP BY a HAVING count(*) > 0",
    "SELECT DISTINCT records.a FROM records WHERE b LIKE 'x%' OR b IN ('y', 'z')",
    "SELECT upper(a) AS big FROM records AS r WHERE r.b BETWEEN 'a' AND 'z'",
]


def test_of_nothing(empty):
    """Without records, new or cleared, a statement answers nothing, whatever fields it names; what no record has is NULL."""
    for _ in range(2):
        for statement in NOTHING:
            assert empty.select_query(statement) == []
        assert empty.select_query("SELECT count(*) AS n, max(a) AS most FROM records") == [{"n": 0, "most": None}]
        empty.create(Record({"id": "r", "other": 1}))
        assert empty.select_query("SELECT a FROM records WHERE b IS NULL ORDER BY c") == [{"a": None}]
        assert empty.select_query("SELECT a FROM records WHERE b = 'x' ORDER BY c") == []
        assert empty.clear() == 1


@pytest.mark.parametrize("place", ["sqlite", "objects"])
def test_a_list_in_a_statement_on_a_new_connection(colour, tmp_path, place):
    """SQLite's functions of JSON are for users too, although an authorizer watches what a new connection does first."""
    made = ObjectDatabase(MemoryStore(), mirror="off") if place == "objects" else SQLDatabase(f"sqlite:///{tmp_path}/x.db")
    with made as database:
        colour(database).create(Record({"id": "a"}))
        assert colour(database).select_query("SELECT e.value AS v FROM records, json_each('[1]') AS e") == [{"v": 1}]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT name FROM records WHERE name = '\ud800'", ()),
        ('SELECT "a\ud800" FROM records', ()),
        ("SELECT name FROM records WHERE name = ?", ("a\ud800",)),
        ("SELECT name FROM records WHERE age < ?", (10**5000,)),
    ],
    ids=["text", "name", "value", "number"],
)
def test_what_no_record_can_hold(db, sql, params):
    with pytest.raises(QueryError, match=r"lone surrogate|digits"):
        db.select_query(sql, params)


def test_numbers_that_sqlite_does_not_take(db, request):
    """They are refused by name; PostgreSQL compares them."""
    if request.node.callspec.params["empty"] == "postgres":
        assert len(db.select_query("SELECT name FROM records WHERE age < ?", [2**70])) == 3
        return
    for number in (2**70, -(2**63) - 1, Decimal("sNaN")):
        with pytest.raises(QueryError, match=r"^(SQLite takes|a signaling NaN)"):
            db.select_query("SELECT name FROM records WHERE age < ?", [number])
    assert len(db.select_query("SELECT name FROM records WHERE age < ?", [2**63 - 1])) == 3


def test_a_time_limit_is_a_number_of_seconds(db):
    for odd in (0, -1, "30", True, float("nan")):
        with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
            db.select_query("SELECT id FROM records", timeout=odd)
