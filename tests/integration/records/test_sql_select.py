"""`select_query`: the portable subset gives equal rows on all engines, the rest is refused."""

from datetime import date
from decimal import Decimal

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
def db(request, colour, tmp_path):
    if request.param == "objects":
        with ObjectDatabase(MemoryStore()) as database:
            database.batch_create(PEOPLE)
            yield colour(database)
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/x.db"
    else:
        url = request.getfixturevalue("postgres").url(request.getfixturevalue("postgres_database"))
    with SQLDatabase(url) as database:
        database.batch_create(PEOPLE)
        yield colour(database)


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
    ],
)  # fmt: skip
def test_a28_the_portable_subset(db, sql, params, rows):
    assert db.select_query(sql, params) == rows


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


@pytest.mark.parametrize("db", ["sqlite", "postgres"], indirect=True)
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
