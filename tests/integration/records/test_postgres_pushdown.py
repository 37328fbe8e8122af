"""Conditions as SQL on a real PostgreSQL: the same properties as on SQLite."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from tests.unit.records.pushing import conditions, records, rows

from holdall.records.matching import matches
from holdall.records.pushdown import certain, expression, pushdown
from holdall.records.query import Filter


def itself(name):
    return name


@pytest.fixture(scope="module")
def table(postgres):
    with postgres.database() as name:
        engine = sa.create_engine(postgres.url(name, "psycopg"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            columns = 'id text COLLATE "C" PRIMARY KEY, fields jsonb, metadata jsonb, created_at text, updated_at text'
            connection.execute(sa.text(f"CREATE TABLE t ({columns})"))
            connection.commit()
            yield connection
        engine.dispose()


def chosen(table, where, parameters):
    return {id for (id,) in table.exec_driver_sql(f"SELECT id FROM t WHERE {where}", tuple(parameters))}


INSERT = sa.text("INSERT INTO t VALUES (:id, CAST(:fields AS jsonb), CAST(:metadata AS jsonb), :created, :updated)")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=records, condition=conditions)
def test_a04_pushdown_is_a_superset_and_certain_a_subset(table, found, condition):
    table.rollback()
    names = ("id", "fields", "metadata", "created", "updated")
    table.execute(INSERT, [dict(zip(names, row, strict=True)) for row in rows(found)])
    wanted = {record.id for record in found if matches(condition, record)}
    where, parameters, exact = pushdown(condition, "postgresql", itself)
    loose = chosen(table, where, parameters)
    sure = chosen(table, *certain(condition, "postgresql", itself))
    table.rollback()
    assert sure <= wanted <= loose
    if exact:
        assert wanted == loose


def test_an_index_serves_equality(table):
    for path in ("department", "address.city"):
        table.execute(sa.text(f'CREATE INDEX "by {path}" ON t (({expression(path, "postgresql", itself)}))'))
        table.execute(sa.text("SET LOCAL enable_seqscan = off"))
        where, parameters, _ = pushdown(Filter(path, "=", "x"), "postgresql", itself)
        plan = str(table.exec_driver_sql(f"EXPLAIN SELECT id FROM t WHERE {where}", tuple(parameters)).fetchall())
        assert f"by {path}" in plan
    table.rollback()
