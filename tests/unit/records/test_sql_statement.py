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
        "SELECT E'\\''",
        "SELECT 1E'\\'",
        'SELECT 1 u, who FROM U&"publi\\0063".salaries',
        "SELECT u&'d\\0061t'",
        'SELECT 1U&"x" FROM records',
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


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM records ORDER BY id DESC LIMIT 1",
        "SELECT n AS \"order\", CAST(n AS text), n::text FROM records WHERE n LIKE 'from' ORDER BY n",
        'SELECT id AS "ID", version AS Version FROM Records ORDER BY Id',
    ],
)
def test_words_of_sql_are_no_names(sql):
    """Whatever fields and labels are called."""
    statement = Statement(sql)
    names = ["from", "desc", "like", "order", "Text", "ID", "Version", "RECORDS", "'from'", *statement.aliases]
    assert statement.text(quoted=names) == sql


def test_remarks_are_spaces():
    assert Statement("SELECT A /* a */ -- a\n (a) FROM records").text(quoted=["a"]) == 'SELECT A ("a") FROM records'


def test_words_that_may_name_something():
    statement = Statement('SELECT TREAT(a AS F), (b)."G" FROM Public . "My ""own" AS t -- c')
    assert {"a", "F", "f", "b", "G", "Public", "public", 'My "own', "t"} <= set(statement.words())
    assert statement.words(dotted=True) == ["Public", "public"]


@pytest.mark.parametrize(
    ("sql", "params", "needed"),
    [
        ("SELECT id FROM records WHERE a > 5 OR 5 < b OR c = ?", (1.5,), {"a": "numeric", "b": "numeric", "c": "numeric"}),
        ("SELECT id FROM records WHERE a NOT IN (1, 2) AND b BETWEEN 1 AND 2", (), {"a": "numeric", "b": "numeric"}),
        ("SELECT sum(a), avg(r.b), round(c, 2), sum(DISTINCT d) FROM records AS r", (), dict.fromkeys("abcd", "numeric")),
        ("SELECT -a, b * 2, coalesce(c, 0), max(d) FROM records HAVING max(d) > 5", (), dict.fromkeys("abcd", "numeric")),
        ("SELECT sum(CASE WHEN a THEN b ELSE 0 END) FROM records", (), {"a": "boolean", "b": "numeric"}),
        ("SELECT id FROM records WHERE a = true OR b <> ?", (False,), {"a": "boolean", "b": "boolean"}),
        ("SELECT id FROM records AS r WHERE r.a AND NOT b AND (c OR d)", (), dict.fromkeys("abcd", "boolean")),
        ("SELECT id FROM records WHERE a = n AND b = yes", (), {"a": "numeric", "b": "boolean"}),
        ("SELECT id FROM records WHERE c < b AND b < a AND a > 5", (), dict.fromkeys("abc", "numeric")),
        ("SELECT r.a FROM records AS r, records AS s WHERE r.a = s.b AND s.b > 5 AND r.c = s.d", (), {"a": "numeric", "c": "", "d": ""}),
        ("SELECT a, 5, count(*), b FROM records WHERE c = 'x' LIMIT 5", (), {"a": "", "b": "", "c": ""}),
        ("SELECT a FROM records WHERE b BETWEEN 'x' AND c AND length(d) > 5 ORDER BY a DESC LIMIT 5", (), dict.fromkeys("abcd", "")),
    ],
)  # fmt: skip
def test_types_of_fields_without_values(sql, params, needed):
    found = Statement(sql, params).needs({"n": "numeric", "yes": "boolean"})
    assert {name: found[name] for name in needed} == needed


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM records WHERE nick IS NOT NULL AND nick <> 'x'",
        "SELECT id FROM records WHERE age IN (30, 41) OR nick IN ('a', 'b')",
        "SELECT nick AS n, age + 1 AS older FROM records WHERE nick LIKE 'a%'",
        "SELECT id FROM records WHERE nick LIKE 'a%' ORDER BY age DESC, nick DESC",
        "SELECT sum(length(nick)) AS n FROM records",
        "SELECT id FROM records WHERE NOT active AND nick NOT LIKE 'a%'",
        "SELECT nick || age AS both FROM records",
    ],
)
def test_words_of_sql_and_functions_give_no_type_on(sql):
    """What stands beside `NOT`, `IN`, `LIKE` or in a function is not of a type for that."""
    assert Statement(sql, ()).needs({"age": "numeric", "active": "boolean"}).get("nick", "") == ""
