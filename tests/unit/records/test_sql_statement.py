"""What users write for `select_query`, without a database."""

import pytest

from holdall.records.errors import QueryError
from holdall.records.pieces import MARK
from holdall.records.sql_statement import Statement


@pytest.mark.parametrize(
    ("sql", "names", "star"),
    [
        ("SELECT * FROM S3Object WHERE department = 'Engineering'", ("department",), True),
        ("select count(*) from records", (), False),
        ('SELECT "Odd ""name", r.age AS years FROM records AS r -- note', ('Odd "name', "r", "age"), False),
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
    assert Statement("SELECT ?, '?'", [b"x"]).params == (b"x",)
    for bad in ([object()], [[1]], [1, 2]):
        with pytest.raises(QueryError):
            Statement("SELECT ?", bad)


def test_over_a_view():
    assert Statement("SELECT a FROM records WHERE b = ?", [1]).over("V") == (
        f"WITH S3Object AS (V), records AS (SELECT * FROM S3Object) SELECT a FROM records WHERE b = {MARK}"
    )
    assert Statement("with recursive n AS (SELECT 1) SELECT Name FROM n").over("V", quoted={"Name": '"Name"'}) == (
        'WITH recursive S3Object AS (V), records AS (SELECT * FROM S3Object), n AS (SELECT 1) SELECT "Name" FROM n'
    )
