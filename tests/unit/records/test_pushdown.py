"""Conditions as SQL: on a real SQLite the loose text misses no record, the sure one takes no wrong one, exact ones are both."""

import re
import sqlite3
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.records.pushing import conditions, records, rows, values

from holdall.records.documents import decode_document, document_of, encode_document
from holdall.records.encoding import encode_content
from holdall.records.matching import matches
from holdall.records.pushdown import certain, expression, pushdown
from holdall.records.query import And, Filter, Not, Or
from holdall.records.record import Record


def itself(name):
    return name


@pytest.fixture(scope="module")
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, fields TEXT, metadata TEXT, created_at TEXT, updated_at TEXT)")
    yield connection
    connection.close()


def chosen(database, where, parameters):
    return {id for (id,) in database.execute(f"SELECT id FROM t WHERE {where}", parameters)}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=records, condition=conditions)
def test_a04_pushdown_is_a_superset_and_certain_a_subset(database, found, condition):
    database.execute("DELETE FROM t")
    database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows(found))
    wanted = {record.id for record in found if matches(condition, record)}
    where, parameters, exact = pushdown(condition, "sqlite", itself)
    loose, sure = chosen(database, where, parameters), chosen(database, *certain(condition, "sqlite", itself))
    assert sure <= wanted <= loose
    if exact:
        assert wanted == loose


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_documents_keep_each_value(value):
    for data in ({"v": value}, {"$v": value, "\0": [value], "\ue000": {"\0\ue000": value, "$x": 1}}):
        kept = decode_document(encode_document(data))
        assert repr(kept) == repr(data) or kept == data
        assert "\0" not in encode_document(data)
        assert document_of(encode_content(data, {}).fields) == encode_document(data)


@pytest.mark.parametrize(
    ("condition", "exact"),
    [
        (Filter("name", "=", "Ada"), True),
        (~Filter("name", "=", "Ada"), True),
        (Filter("name", "in", ["Ada", "Bob"]), True),
        (Filter("name", "exists"), True),
        (Filter("address.city", "!=", "Ghent"), True),
        (Filter("active", "=", True) & Filter("name", "=", None), True),
        (Filter("id", ">", "a") | Filter("metadata.updated_at", "<", datetime(2024, 1, 1)), False),
        (Filter("metadata.updated_at", "not exists"), False),  # a field may have this very name
        (Filter("age", ">", 3), False),  # a Decimal may be there
        (Filter("name", "like", "a%"), False),
        (And(), True),
        (Or(), True),
        (Not(Or()), True),
    ],
)
def test_what_is_exact(condition, exact):
    for dialect in ("sqlite", "postgresql"):
        assert pushdown(condition, dialect, itself)[2] is exact


def test_no_condition_is_all():
    assert pushdown(None, "sqlite", itself) == ("TRUE", [], True)
    assert pushdown(None, "postgresql", itself) == ("TRUE", [], True)
    assert certain(None, "postgresql", itself) == ("TRUE", [])


def test_too_many_values_are_left_to_the_matcher():
    condition = Filter("name", "in", [f"n{i}" for i in range(6000)])
    assert pushdown(condition, "sqlite", itself) == ("TRUE", [], False)
    assert certain(condition, "sqlite", itself) == ("FALSE", [])
    condition = Filter("name", "in", [f"n{i}" for i in range(5000)])
    assert len(pushdown(condition, "sqlite", itself)[1]) == 5000, "which are sure: counted once"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_values_are_bound_and_names_quoted(database, dialect):
    """Behind its string literals, the text of a condition has nothing of a name; no value is in it anywhere."""
    evil, value = "x'); DROP TABLE t; --", "v'); DROP TABLE t; --"
    for condition in (
        Filter(evil, "=", value),
        Filter(f"a.{evil}", "exists"),
        Filter(f"metadata.{evil}", "<", value),
        Filter(evil, "in", [value, "w"]),
        Filter(evil, "startswith", value),
        Filter("id", "=", value),
    ):
        where, parameters, _ = pushdown(condition, dialect, itself)
        for text, given_values in ((where, parameters), certain(condition, dialect, itself)):
            assert "v')" not in text
            assert "v''" not in text
            bare = re.sub(r"'(?:[^']|'')*'", "''", text)
            assert "DROP" not in bare
            assert ";" not in bare
            assert "'" not in bare.replace("''", "")
            if dialect == "sqlite":
                chosen(database, text, given_values)
        assert condition.op == "exists" or any("v')" in str(each) for each in parameters)
    assert chosen(database, "TRUE", []) is not None, "the table is still there"


def test_an_index_serves_equality(database):
    database.execute("CREATE TABLE i (id TEXT PRIMARY KEY, fields TEXT, metadata TEXT, created_at TEXT, updated_at TEXT)")
    for path in ("department", "address.city"):
        database.execute(f'CREATE INDEX "by {path}" ON i ({expression(path, "sqlite", itself)})')
        for wanted in ("x", "2024-01-01", 5):
            where, parameters, _ = pushdown(Filter(path, "=", wanted), "sqlite", itself)
            plan = database.execute(f"EXPLAIN QUERY PLAN SELECT id FROM i WHERE {where}", parameters).fetchall()
            assert "SCAN i" not in str(plan), plan
    assert expression("a.$b", "sqlite", itself) is None
    record = Record({"a": 1})
    assert matches(Filter("a.$b", "not exists"), record)
