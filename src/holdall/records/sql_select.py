"""`select_query` on the table: the user's ``SELECT`` over a view that has a column per field, read-only and limited in time."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from holdall.records.documents import decode_document, key_text, undocument
from holdall.records.errors import QueryError
from holdall.records.pieces import MARK, quote
from holdall.records.pushdown import expression
from holdall.records.sql_aside import aside
from holdall.records.sql_statement import SYSTEM_COLUMNS, Statement, identifier
from holdall.records.sql_table import Layout, run

__all__ = ["decoded", "guarded", "lite_view", "select"]

_PAGE = 1000
"""Rows of an answer that PostgreSQL sends at once."""
_UNSAFE = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob", "writefts"}


def select(connection: sa.Connection, layout: Layout, statement: Statement, time_limit: float) -> list[dict[str, Any]]:
    """Answer a statement.

    Raises:
        QueryError: The database refuses it, or it takes too long.
    """
    return (_lite if layout.lite else _big)(connection, layout, statement, time_limit)


def decoded(name: str, value: Any) -> Any:
    """Return the value of a result's column: values of types that JSON lacks as they were stored, metadata as a mapping."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if not isinstance(value, str) or not value.startswith('{"$' if name != "metadata" else "{"):
        return value
    try:
        if name == "metadata":
            return decode_document(value)
        found = undocument(json.loads(value))
    except (ValueError, TypeError, RecursionError):
        return value
    return value if isinstance(found, dict) else found


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _lite(connection: sa.Connection, layout: Layout, statement: Statement, time_limit: float) -> list[dict[str, Any]]:
    names = dict.fromkeys(statement.names)
    table = f"main.{layout.name}"
    if statement.star:
        found = run(connection, layout, f"SELECT DISTINCT key FROM {table} AS t, json_each(t.fields) ORDER BY key")
        known = {name.lower() for name in names} | set(SYSTEM_COLUMNS)
        names.update(dict.fromkeys(str(key) for (key,) in found if str(key).lower() not in known))
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    others = {str(name) for (name,) in run(connection, layout, "SELECT name FROM sqlite_master")} - {layout.table.name}
    text = statement.over(lite_view(list(names), table, layout.column))
    with guarded(driver, others, time_limit):
        return _decoded(run(connection, layout, text, statement.params).mappings())


def lite_view(names: list[str], table: str, column: Callable[[str], str]) -> str:
    """Return the view of a table in SQLite: the columns of the system and one for each of these fields."""
    system = [f"{column(name)} AS {name}" for name in SYSTEM_COLUMNS]
    fields = [f"{_top(name, column)} AS {identifier(name)}" for name in names]
    return f"SELECT {', '.join([*system, *fields])} FROM {table} AS t"


def _top(name: str, column: Callable[[str], str]) -> str:
    """Return the SQL of a top-level field; an odd name is looked up among the keys."""
    if "." not in name:
        found = expression(name, "sqlite", column)
        if found is not None:
            return found
    if any(character in '"\\' or character < " " for character in name):
        return f"(SELECT value FROM json_each({column('fields')}) WHERE key = {quote(key_text(name))})"
    path = quote(f'$."{key_text(name)}"')
    return f"json_extract({column('fields')}, {path})"


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
    schemas = {str(name) for (name,) in run(connection, layout, "SELECT nspname FROM pg_namespace")}
    for word in statement.words():
        if word in schemas or word.lower() in schemas:
            raise QueryError(f"a SELECT over records reads no schema ({word})")
    kinds = _kinds(connection, layout, statement)
    names = dict.fromkeys([*statement.names, *(sorted(kinds) if statement.star else ())])
    system = [f"{layout.column(name)} AS {name}" for name in SYSTEM_COLUMNS]
    fields = [f"{_typed(name, kinds.get(name, set()))} AS {identifier(name)}" for name in names]
    where = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    table = run(connection, layout, f"{where} WHERE c.oid = to_regclass({MARK})", (layout.name,)).scalar_one()
    view = f"SELECT {', '.join([*system, *fields])} FROM {table} AS t"
    run(connection, layout, "SET LOCAL search_path = ''")
    run(connection, layout, f"SET LOCAL statement_timeout = {max(1, math.ceil(time_limit * 1000))}")
    run(connection, layout, "SET LOCAL cursor_tuple_fraction = 1")  # all of it is fetched, by and by
    text = statement.over(view, quoted={name: identifier(name) for name in names})
    end = time.monotonic() + time_limit
    run(connection, layout, f"DECLARE holdall_answer NO SCROLL CURSOR FOR {text}", statement.params)
    answer: list[dict[str, Any]] = []
    while rows := run(connection, layout, f"FETCH {_PAGE} FROM holdall_answer").mappings().all():
        answer += aside(partial(_decoded, rows)) if len(rows) > 1 else _decoded(rows)
        if len(rows) < _PAGE:
            break
        if time.monotonic() > end:
            raise QueryError("the statement took longer than its time limit")
    return answer


def _decoded(rows: Iterable[sa.RowMapping]) -> list[dict[str, Any]]:
    return [{name: decoded(name, value) for name, value in row.items()} for row in rows]


def _kinds(connection: sa.Connection, layout: Layout, statement: Statement) -> dict[str, set[str]]:
    """Return which JSON types the fields of a statement have; a column of SQL has one type."""
    text = (
        "SELECT key, CASE WHEN jsonb_typeof(value) = 'number' AND CAST(value AS text) LIKE '%.%' THEN 'real' "
        f"ELSE jsonb_typeof(value) END AS kind FROM {layout.name} AS t, jsonb_each(t.fields)"
    )
    values: list[Any] = []
    if not statement.star:
        text += f" WHERE key = ANY(CAST({MARK} AS text[]))"
        values = [[key_text(name) for name in statement.names]]
    kinds: dict[str, set[str]] = {}
    found: Any = run(connection, layout, f"{text} GROUP BY 1, 2", values)
    for name, kind in found:
        kinds.setdefault(str(name), set()).update({str(kind)} - {"null"})
    return kinds


def _typed(name: str, kinds: set[str]) -> str:
    """Return the SQL of a field as the one type that its values have, else as text."""
    value = f"t.fields -> {quote(key_text(name))}"
    text = f"t.fields ->> {quote(key_text(name))}"
    if kinds == {"boolean"}:
        return f"CAST({text} AS boolean)"
    if kinds == {"number"}:
        return f"CAST(nullif({value}, 'null') AS numeric)"
    if kinds and kinds <= {"number", "real"}:
        return f"CAST({text} AS double precision)"
    return f'({text}) COLLATE "C"'
