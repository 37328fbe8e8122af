"""What users write for `select_query`, without a database."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from holdall.records.errors import QueryError
from holdall.records.pieces import MARK
from holdall.records.sql_statement import Statement


@pytest.mark.parametrize(
    ("sql", "names", "star"),
    [
        ("SELECT * FROM S3Object WHERE department = 'Engineering'", ("department",), True),
        ("select count(*) from records", (), False),
        ('SELECT "Odd ""name", r.age AS years FROM records AS r -- note', ('Odd "name', "age"), False),
        ("SELECT 2 * 3, a * b FROM records /* note; */ ;", ("a", "b"), False),
        ("WITH x AS (SELECT name FROM records) SELECT DISTINCT * FROM x", ("x", "name"), True),
        ("SELECT id, metadata FROM records ORDER BY created_at", (), False),
    ],
)
def test_names(sql, names, star):
    statement = Statement(sql)
    assert (statement.names, statement.star) == (names, star)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "DELETE FROM records",
        "UPDATE records SET id = 'x'",
        "PRAGMA user_version",
        "ATTACH 'x' AS y",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM records",
        "SELECT pg_read_file('/etc/passwd')",
        'SELECT "pg_sleep"(10)',
        "SELECT set_config('a', 'b', true)",
        "SELECT load_extension('x')",
        "SELECT E'\\''",
        "SELECT $$x$$",
        "SELECT 'open",
        "SELECT `a`",
        "SELECT [a] FROM records",
        "SELECT ?",
        "SELECT 1\0",
        5,
    ],
)
def test_refused(sql):
    with pytest.raises(QueryError):
        Statement(sql)


def test_values_are_plain():
    """As SQL sees those of fields."""
    given = [b"x", Decimal("1.50"), date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), UUID(int=1), None, True]
    wanted = ("eA==", Decimal("1.50"), "2024-01-01", "2024-01-01T00:00:00+00:00", str(UUID(int=1)), None, True)
    assert Statement("SELECT ?, ?, ?, ?, ?, ?, ?, '?'", given).params == wanted
    for bad in ([object()], [[1]], [1, 2]):
        with pytest.raises(QueryError):
            Statement("SELECT ?", bad)


def test_over_a_view():
    assert Statement("SELECT a FROM records WHERE b = ?", [1]).over("V") == (
        f"WITH S3Object AS (V), records AS (SELECT * FROM S3Object) SELECT a FROM records WHERE b = {MARK}"
    )
    assert Statement("with recursive n AS (SELECT 1) SELECT Name FROM n").over("V", quoted=["Name"]) == (
        'WITH recursive S3Object AS (V), records AS (SELECT * FROM S3Object), n AS (SELECT 1) SELECT "Name" FROM n'
    )


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        ("SELECT a, b AS c, upper(d), records.e x FROM records", [(0, "a"), (1, "b"), (3, "e")]),
        ('SELECT r."A ""b", id, metadata FROM S3Object AS r WHERE x = 1', [(0, 'A "b')]),
        ("SELECT count(*), a FROM records r GROUP BY a HAVING count(*) > 1", [(1, "a")]),
        ("WITH x AS (SELECT a FROM records) SELECT b FROM records WHERE b IN (SELECT a FROM x)", [(0, "b")]),
        ("SELECT (SELECT a FROM records), a + 1, -a, NULL, 5 FROM records", []),
        ("SELECT DISTINCT a FROM records", []),
        ("SELECT a FROM records UNION SELECT b FROM records", []),
        ("SELECT a, b FROM records, records AS r", []),
        ("SELECT a FROM records r JOIN records s ON r.id = s.id", []),
        ("SELECT a FROM x", []),
        ("SELECT *, a FROM records", []),
        ("SELECT r.* FROM records AS r", []),
        ("SELECT 5", []),
    ],
)
def test_fields_that_stand_by_themselves(sql, plain):
    found = Statement(sql).outline
    wanted = [each for each in plain if '"' not in each[1]]  # SQLite's paths do not reach that one
    assert (list(found.plain) if found is not None else []) == wanted
    if found is not None:
        assert Statement(sql).text(more="more").replace(', more AS "\ue000" ', "") == Statement(sql).text()


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT CITY, city, Dept, shoe FROM records", {"CITY": "city", "Dept": "dept", "shoe": None}),
        ("SELECT upper(city) AS town, n AS dept FROM records GROUP BY town", {"city": "city", "n": None}),
        ("SELECT count(*) total FROM records r ORDER BY total, r.city", {"city": "city"}),
        ("SELECT CASE WHEN city = 'x' THEN 1 END size FROM records ORDER BY size", {"city": "city"}),
        ("SELECT CAST(city AS text) FROM records", {"city": "city"}),
        ("SELECT * FROM records WHERE DEPT = 'x'", {"DEPT": "dept", "city": "city"}),
    ],
)
def test_which_columns_are_fields(sql, columns):
    """Fields in any case, and nothing that hides a label."""
    assert Statement(sql).columns(["city", "dept"]) == columns


def test_names_are_quoted_where_they_are_no_calls():
    statement = Statement("SELECT Upper(City) AS Upper, CAST(n AS Text) FROM records AS R WHERE R.CITY ILIKE 'x'")
    assert (statement.names, statement.aliases) == (("City", "n", "ILIKE"), ("Upper", "R"))
    assert statement.text(quoted=["City", *statement.aliases]) == (
        """SELECT Upper("City") AS "Upper", CAST(n AS Text) FROM records AS "R" WHERE "R"."City" ILIKE 'x'"""
    )
