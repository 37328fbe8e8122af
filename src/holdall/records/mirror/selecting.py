"""``select_query`` over the mirror: one ``SELECT`` over a view of records, read-only, within a time limit."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdall._turns import give_way, in_turns
from holdall.records.errors import QueryError
from holdall.records.lengthy import pieces
from holdall.records.lengthy import text as text_of
from holdall.records.pieces import MARK
from holdall.records.sql_outline import HIDDEN, VIEWS, answers, identifier, lite_exact, lite_field
from holdall.records.sql_statement import READY, Statement, lite_values

__all__ = ["mentions", "select"]

_REFUSED = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob"})


def mentions(statement: Statement, names: Iterable[str]) -> bool:
    """Tell whether a statement may read one of these columns."""
    read = {name.lower() for name in statement.names}
    return statement.star or any(name.startswith("metadata.") or name.lower() in read for name in names)


def select(
    connection: sqlite3.Connection,
    statement: Statement,
    *,
    names: Sequence[str],
    whole: Mapping[str, tuple[str, str]],
    time_limit: float,
) -> list[dict[str, Any]]:
    """Answer a statement.

    Args:
        connection: Of the mirror, in a transaction.
        statement: What the user wrote.
        names: Known top-level fields.
        whole: Fields and metadata of records of which the mirror holds a part only, as documents, by id.
        time_limit: Seconds.

    Raises:
        QueryError: It is wrong, writes, or takes too long.
    """
    connection.execute("CREATE TEMP TABLE whole (id TEXT PRIMARY KEY, fields TEXT, metadata TEXT)")
    for row, (id, (fields, metadata)) in enumerate(whole.items(), 1):
        connection.execute("INSERT INTO whole (rowid, id, metadata) VALUES (?, ?, ?)", (row, id, metadata))
        _pour(connection, row, fields)
    values = lite_values(statement.params)
    columns = statement.columns(names)
    text = statement.text(more=lite_exact(statement.outline, columns)).replace(MARK, "?")
    try:
        _make_views(connection, columns)
        connection.text_factory = text_of if whole else str
        labels, rows = _run(connection, text, values, time.monotonic() + time_limit)
        return answers(labels, rows, statement.outline)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, TypeError) as error:
        raise _explained(error) from error
    finally:
        connection.text_factory = str


def _pour(connection: sqlite3.Connection, row: int, fields: str) -> None:
    """Write the fields of a record in steps: SQLite takes a value from Python in one call, and Python waits for that."""
    parts = [piece.encode() for piece in pieces(fields)]
    connection.execute("UPDATE whole SET fields = zeroblob(?) WHERE rowid = ?", (sum(map(len, parts)), row))
    with connection.blobopen("whole", "fields", row, name="temp") as blob:
        for part in parts:
            give_way()
            blob.write(part)
    connection.execute("UPDATE whole SET fields = CAST(fields AS TEXT) WHERE rowid = ?", (row,))


def _explained(error: Exception) -> QueryError:
    text = str(error)
    if text == "interrupted":
        text = "it took longer than its time limit"
    elif "prohibited" in text or "not authorized" in text:
        text = f"only reading from {' or '.join(VIEWS)} is allowed ({text})"
    return QueryError(f"select_query: {text}")


def _make_views(connection: sqlite3.Connection, fields: Mapping[str, str | None]) -> None:
    document = "coalesce(w.fields, r.fields)"
    columns = ["r.id AS id", "r.created_at AS created_at", "r.updated_at AS updated_at", "r.etag AS version"]
    columns.append("coalesce(w.metadata, r.metadata) AS metadata")
    for name, field in fields.items():
        columns.append(f"{'NULL' if field is None else lite_field(document, field)} AS {identifier(name)}")
    body = (
        f"SELECT {', '.join(columns)}, {document} AS {identifier(HIDDEN)} FROM main.rec AS r"
        " LEFT JOIN temp.whole AS w ON w.id = r.id WHERE r.state IN ('loaded', 'cut')"
    )
    for view in VIEWS:
        connection.execute(f"CREATE TEMP VIEW {view} AS {body}")


def _run(
    connection: sqlite3.Connection, text: str, params: Sequence[Any], deadline: float
) -> tuple[list[str], list[tuple[Any, ...]]]:
    def late() -> int:
        return int(time.monotonic() > deadline)

    connection.execute(READY).close()
    connection.set_authorizer(_allowed)
    connection.set_progress_handler(late, 10_000)
    try:
        cursor = connection.execute(text, params)
        return [column[0] for column in cursor.description], list(in_turns(cursor))
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)


def _allowed(action: int, one: str | None, two: str | None, database: str | None, within: str | None) -> int:  # noqa: ARG001
    if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if (two or "").lower() in _REFUSED else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ:
        hidden = one in {"rec", "whole", "meta", "intent", "names"} or (one or "").startswith(
            ("sqlite_", "seen_", "pragma_")
        )
        inside = within is not None and within.lower() in {view.lower() for view in VIEWS}
        return sqlite3.SQLITE_DENY if hidden and not inside else sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
