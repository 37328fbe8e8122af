"""`select_query`: the portable subset gives equal rows on all engines, the rest is refused."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, QueryError, Record, SQLDatabase

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
