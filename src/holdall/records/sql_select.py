"""`select_query` on the table: the user's ``SELECT`` over a view that has a column per field, read-only and limited in time."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa

from holdall.records.aside import LONG
from holdall.records.documents import key_text, name_of
from holdall.records.errors import QueryError
from holdall.records.pieces import MARK, quote
from holdall.records.pushdown import expression
from holdall.records.sql_aside import aside
from holdall.records.sql_outline import (
    HIDDEN,
    NUMBERS,
    SYSTEM_COLUMNS,
    TEXTS,
    Outline,
    answers,
    identifier,
    lite_exact,
    lite_field,
    lite_path,
    reachable,
)
from holdall.records.sql_statement import READY, Statement, lite_values
from holdall.records.sql_table import Layout, run

__all__ = ["guarded", "select"]

_PAGE = 1000
"""Rows of an answer that PostgreSQL sends at once."""
_LONGEST = 2**31 - 1
"""Milliseconds that PostgreSQL can be told to take at most."""
_HARMLESS = [
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "system",
    "timeofday",
    "uuidv4",
    "uuidv7",
]
"""Functions of PostgreSQL that it calls volatile although they change nothing."""
_OTHERS = f"""
SELECT nspname FROM pg_namespace WHERE nspname = ANY(CAST({MARK} AS name[]))
UNION ALL SELECT relname FROM pg_class WHERE relname = ANY(CAST({MARK} AS name[]))
AND relnamespace IN (CAST('pg_catalog' AS regnamespace), pg_my_temp_schema())
UNION ALL SELECT proname FROM pg_proc WHERE proname = ANY(CAST({MARK} AS name[])) AND pronamespace = CAST('pg_catalog' AS regnamespace)
AND (provolatile = 'v' AND proname <> ALL(CAST({MARK} AS name[])) OR proname ~ '^pg_|^current_setting$|_to_xml|_description$')
LIMIT 1
"""
"""Finds one of these: a schema before a dot, a table that needs none, a function that is not for users."""
_UNSAFE = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob", "writefts"}


def select(connection: sa.Connection, layout: Layout, statement: Statement, time_limit: float) -> list[dict[str, Any]]:
    """Answer a statement.

    Raises:
        QueryError: The database refuses it, or it takes too long.
    """
    return (_lite if layout.lite else _big)(connection, layout, statement, time_limit)


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _lite(connection: sa.Connection, layout: Layout, statement: Statement, time_limit: float) -> list[dict[str, Any]]:
    table = f"main.{layout.name}"
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    others = {str(name) for (name,) in run(connection, layout, "SELECT name FROM sqlite_master")} - {layout.table.name}
    values = lite_values(statement.params)
    run(connection, layout, READY).close()
    with guarded(driver, others, time_limit):
        named = statement.columns(_lite_known(connection, layout, table, statement))
        columns = [f"{layout.column(name)} AS {name}" for name in SYSTEM_COLUMNS]
        for name, field in named.items():
            text = "NULL" if field is None else _lite_field(connection, layout, table, field)
            columns.append(f"{text} AS {identifier(name)}")
        view = f"SELECT {', '.join(columns)}, t.fields AS {identifier(HIDDEN)} FROM {table} AS t"
        rows = run(connection, layout, statement.over(view, more=lite_exact(statement.outline, named)), values)
        return answers(tuple(rows.keys()), rows, statement.outline)


def _lite_known(connection: sa.Connection, layout: Layout, table: str, statement: Statement) -> list[str]:
    """Return the fields that a statement may mean; one that is there as it is written ends the search early."""
    if statement.star:
        found = run(connection, layout, f"SELECT DISTINCT key FROM {table} AS t, json_each(t.fields) ORDER BY key")
        return [name_of(str(key)) for (key,) in found]
    known: list[str] = []
    for name in statement.names:
        there = f"json_type(t.fields, {quote(lite_path(name))}) IS NOT NULL" if reachable(name) else "TRUE"
        if run(connection, layout, f"SELECT EXISTS (SELECT 1 FROM {table} AS t WHERE {there})").scalar_one():
            known.append(name)
    rest = [name.lower() for name in statement.names if name not in known and name.lower() not in statement.labels]
    if rest:
        marks = ", ".join(MARK for _ in rest)
        folded = f"SELECT DISTINCT key FROM {table} AS t, json_each(t.fields) WHERE lower(key) IN ({marks}) ORDER BY key"
        known += [name_of(str(key)) for (key,) in run(connection, layout, folded, rest)]
    return known


def _lite_field(connection: sa.Connection, layout: Layout, table: str, name: str) -> str:
    """Return the SQL of a field; if there is an index that tells that all its values are plain ones, so that the index is used."""
    if (name,) in layout.indexes and reachable(name) and "." not in name:
        found = expression(name, "sqlite", layout.column)
        odd = f"SELECT EXISTS (SELECT 1 FROM {table} AS t WHERE {found} >= '{{\"$' AND {found} < '{{\"%')"
        if found is not None and not run(connection, layout, odd).scalar_one():
            return found
    return lite_field(layout.column("fields"), name)


@contextmanager
def guarded(connection: sqlite3.Connection, others: set[str], time_limit: float) -> Generator[None]:
    """Let a connection read for so many seconds, nothing else; neither other tables nor what reaches files.

    Args:
        connection: One of `sqlite3`.
        others: Tables that are not to be read.
        time_limit: Seconds.
    """
    hidden = {name.lower() for name in others} | {
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
        "sqlite_temp_schema",
    }

    def may(action: int, one: str | None, two: str | None, place: str | None, source: str | None) -> int:  # noqa: ARG001
        if action == sqlite3.SQLITE_READ:
            return sqlite3.SQLITE_DENY if str(one).lower() in hidden else sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if str(two).lower() in _UNSAFE else sqlite3.SQLITE_OK
        return sqlite3.SQLITE_OK if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE} else sqlite3.SQLITE_DENY

    end = time.monotonic() + time_limit
    connection.set_authorizer(may)
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def _big(connection: sa.Connection, layout: Layout, statement: Statement, time_limit: float) -> list[dict[str, Any]]:
    _check(connection, layout, statement)
    longest = max(1, math.ceil(min(time_limit * 1000, _LONGEST)))
    run(connection, layout, f"SET LOCAL statement_timeout = {longest}")
    run(connection, layout, "SET LOCAL standard_conforming_strings = on")  # text ends where `Statement` sees its end
    kinds = _kinds(connection, layout, statement)
    names = statement.columns(sorted(kinds))
    filled = {name: field for name, field in names.items() if field is not None and kinds[field]}
    known = {name.lower(): _type(kinds[field]) for name, field in filled.items()}
    needs = statement.needs(known) if len(filled) < len(names) else {}
    system = [f"{layout.column(name)} AS {name}" for name in SYSTEM_COLUMNS]
    fields: list[str] = []
    for name in names:
        field = filled.get(name)
        value = f"CAST(NULL AS {needs.get(name.lower()) or 'text'})" if field is None else _typed(field, kinds[field])
        fields.append(f"{value} AS {identifier(name)}")
    where = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    table = run(connection, layout, f"{where} WHERE c.oid = to_regclass({MARK})", (layout.name,)).scalar_one()
    found = statement.outline
    document = "CAST(t.fields AS text)" if found is None else "t.fields"
    view = f"SELECT {', '.join([*system, *fields])}, {document} AS {identifier(HIDDEN)} FROM {table} AS t"
    run(connection, layout, "SET LOCAL search_path = ''")
    run(connection, layout, "SET LOCAL cursor_tuple_fraction = 1")  # all of it is fetched, by and by
    quoted = [*names, *statement.aliases]
    more = "" if found is None else _exact(found, statement.spelt(found.source, quoted), found.fields(names))
    text = statement.over(view, more=more, quoted=quoted, big=True)
    titles = statement.titles()
    end = time.monotonic() + time_limit
    run(connection, layout, f"DECLARE holdall_answer NO SCROLL CURSOR FOR {text}", statement.params)
    answer: list[dict[str, Any]] = []
    while True:
        page = run(connection, layout, f"FETCH {_PAGE} FROM holdall_answer")
        labels, rows = tuple(page.keys()), page.all()
        labels = (*(given or label for label, given in zip(labels, titles, strict=False)), *labels[len(titles) :])
        made = partial(answers, labels, rows, statement.outline)
        long = len(rows) > 1 or any(isinstance(value, str) and len(value) > LONG for row in rows for value in row)
        answer += aside(made) if long else made()
        if len(rows) < _PAGE:
            break
        if time.monotonic() > end:
            raise QueryError("the statement took longer than its time limit")
    connection.rollback()  # the connection goes back to the pool without a setting that a function may have left
    return answer


def _check(connection: sa.Connection, layout: Layout, statement: Statement) -> None:
    """Refuse names of schemas, of PostgreSQL's own tables and of its functions that change something or read beside the view.

    The place of a name does not matter: ``TREAT(a AS f)`` and ``(a).f`` call functions too.
    """
    every = statement.words()
    refused = run(connection, layout, _OTHERS, (statement.words(dotted=True), every, every, _HARMLESS)).scalar()
    if refused is not None:
        raise QueryError(f"{refused} is not for a SELECT over records")


def _exact(found: Outline, source: str, fields: list[str]) -> str:
    """Return the column with the stored values of fields that stand by themselves."""
    document = f"{source}.{identifier(HIDDEN)}"
    values = ", ".join(f"{document} -> {quote(key_text(name))}" for name in fields)
    text = f"CAST(jsonb_build_array({values}) AS text)"
    return f"min({text})" if found.grouped else text


def _kinds(connection: sa.Connection, layout: Layout, statement: Statement) -> dict[str, set[str]]:
    """Return which JSON types, or tags, the fields of a statement have; a column of SQL has one type."""
    text = (
        "SELECT key, CASE jsonb_typeof(value) WHEN 'number' THEN CASE WHEN CAST(value AS text) LIKE '%.%' THEN 'real' ELSE 'number' END "
        "WHEN 'object' THEN coalesce(substring(CAST(value AS text) FROM '^{\"(\\$[a-z]+)\": \"[^\"]*\"}$'), 'object') "
        f"ELSE jsonb_typeof(value) END AS kind FROM {layout.name} AS t, jsonb_each(t.fields)"
    )
    values: list[Any] = []
    if not statement.star:
        text += f" WHERE lower(key) = ANY(CAST({MARK} AS text[]))"
        values = [[key_text(name).lower() for name in statement.names]]
    kinds: dict[str, set[str]] = {}
    found: Any = run(connection, layout, f"{text} GROUP BY 1, 2", values)
    for name, kind in found:
        kinds.setdefault(name_of(str(name)), set()).update({str(kind)} - {"null"})
    return kinds


def _type(kinds: set[str]) -> str:
    """Return what `Statement.needs` is to know of a field."""
    return "boolean" if kinds == {"boolean"} else "numeric" if kinds <= {"number", "real", *NUMBERS} else ""


def _typed(name: str, kinds: set[str]) -> str:
    """Return the SQL of a field as the one type that its values have, else as text."""
    value = f"t.fields -> {quote(key_text(name))}"
    text = f"t.fields ->> {quote(key_text(name))}"
    if kinds == {"boolean"}:
        return f"CAST({text} AS boolean)"
    if kinds == {"number"}:
        return f"CAST(nullif({value}, 'null') AS numeric)"
    tags = [tag for tag in (*NUMBERS, *TEXTS) if tag in kinds]
    if tags:
        inner = " ".join(f"WHEN jsonb_build_object('{tag}', {value} ->> '{tag}') THEN {value} ->> '{tag}'" for tag in tags)
        text = f"CASE {value} {inner} ELSE {text} END"
    if kinds <= {"number", "real", *NUMBERS}:
        number = "numeric" if kinds <= {"number", "$decimal"} else "double precision"
        return (
            f"CAST(CASE WHEN {text} ILIKE '%nan%' THEN NULL WHEN {text} ~ 'E-\\d{{4}}' THEN '0' "
            f"WHEN {text} ~ 'E\\+\\d{{4}}' THEN regexp_replace({text}, '\\d.*', 'Infinity') ELSE {text} END AS {number})"
            if tags
            else f"CAST({text} AS {number})"
        )
    return f'({text}) COLLATE "C"'
