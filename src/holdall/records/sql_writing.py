"""Writes on one connection: atomic insert, compare-and-set, batches in statements of many rows. Each can be sent twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from holdall._turns import in_turns
from holdall.errors import HoldallError
from holdall.records.drafts import Draft, Item, WriteVerb, Written
from holdall.records.errors import ConcurrencyError, DuplicateRecordError, Outcome, SerializationError
from holdall.records.lengthy import compact
from holdall.records.pieces import MARK
from holdall.records.sql_aside import aside
from holdall.records.sql_errors import translate
from holdall.records.sql_rows import possible, row_of, written_of
from holdall.records.sql_table import COLUMNS, Layout, fetched, run

__all__ = [
    "BATCH",
    "BATCH_BYTES",
    "Batch",
    "batches",
    "clear",
    "delete",
    "delete_many",
    "insert",
    "listed",
    "replace",
    "stale",
    "upsert",
    "version_of",
]

BATCH = 1000
"""Rows of a statement."""
BATCH_BYTES = 4 * 1024 * 1024
"""Of its documents, from which it goes on with another one."""
_WRITTEN = [name for name in COLUMNS if name not in {"id", "created_at"}]
Row = Sequence[str | None]


def version_of(connection: sa.Connection, layout: Layout, id: str) -> str | None:
    """Return the version token of a record, ``None`` if it is absent."""
    found = run(connection, layout, f"SELECT t.version FROM {layout.name} AS t WHERE t.id = {MARK}", (id,)).scalar()
    return None if found is None else str(found)


def insert(connection: sa.Connection, layout: Layout, row: Row) -> bool:
    """Insert a row and tell whether its id was free (or the row is there already, from a first try)."""
    values = ", ".join(layout.given(name, MARK) for name in COLUMNS)
    text = f"INSERT INTO {layout.name} ({', '.join(COLUMNS)}) VALUES ({values}) ON CONFLICT (id) DO NOTHING RETURNING id"
    if run(connection, layout, text, row).first() is not None:
        return True
    return version_of(connection, layout, str(row[0])) == row[-1]


def replace(connection: sa.Connection, layout: Layout, row: Row, expected: str | None) -> Written | None:
    """Replace a row, which keeps its age; ``None`` if it is absent.

    Raises:
        ConcurrencyError: It is at another version.
    """
    sets = ", ".join(f"{name} = {layout.given(name, MARK)}" for name in _WRITTEN)
    values = [value for name, value in zip(COLUMNS, row, strict=True) if name in _WRITTEN]
    text = f"UPDATE {layout.name} SET {sets} WHERE id = {MARK}"
    if expected is not None:
        text += f" AND version = {MARK}"
    found = run(
        connection,
        layout,
        f"{text} RETURNING created_at",
        [*values, row[0], *([] if expected is None else [_askable(expected)])],
    )
    created = found.scalar()
    if created is None and expected is not None:
        actual = version_of(connection, layout, str(row[0]))
        if actual is not None and actual == row[-1]:  # our own first try
            created = run(
                connection, layout, f"SELECT t.created_at FROM {layout.name} AS t WHERE t.id = {MARK}", (row[0],)
            ).scalar()
        elif actual is not None:
            raise stale(layout.name, str(row[0]), expected, actual)
    return None if created is None else written_of(row, created)


def upsert(connection: sa.Connection, layout: Layout, row: Row) -> Written:
    """Replace or insert a row."""
    values = ", ".join(layout.given(name, MARK) for name in COLUMNS)
    text = f"INSERT INTO {layout.name} ({', '.join(COLUMNS)}) VALUES ({values}) {_ON_CONFLICT} RETURNING created_at"
    created = run(connection, layout, text, row).scalar_one()
    return written_of(row, created)


_ON_CONFLICT = f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _WRITTEN)}"


def delete(connection: sa.Connection, layout: Layout, id: str, expected: str | None) -> bool:
    """Delete a row and tell whether it was there.

    Raises:
        ConcurrencyError: It is at another version.
    """
    text, values = f"DELETE FROM {layout.name} WHERE id = {MARK}", [id]
    if expected is not None:
        text, values = f"{text} AND version = {MARK}", [id, _askable(expected)]
    if run(connection, layout, f"{text} RETURNING id", values).first() is not None:
        return True
    if expected is not None:
        actual = version_of(connection, layout, id)
        if actual is not None:
            raise stale(layout.name, id, expected, actual)
    return False


def _askable(version: str) -> str:
    """Return a version to be compared with: what SQL cannot hold (a lone surrogate, NUL) is that of no row, as the empty one is."""
    return version if possible(version) else ""


def stale(database: object, id: str, expected: str, actual: str | None) -> ConcurrencyError:
    """Return the error for a record that is at another version, or gone."""
    what = "is at another version" if actual is not None else "is not there"
    return ConcurrencyError(
        f"record {id!r} {what}", id=id, database=database, expected_version=expected, actual_version=actual
    )


# -- many --------------------------------------------------------------------------------------------------------------


class Batch:
    """Some items of a batch as one statement, with an outcome for each."""

    def __init__(self, verb: WriteVerb, items: Sequence[Item]) -> None:
        self.verb = verb
        self.outcomes: list[Outcome] = []
        self._rows: dict[str, tuple[Item, Row]] = {}
        for item in items:
            if item.draft is None:
                assert item.outcome is not None
                self.outcomes.append(item.outcome)
                continue
            try:
                self._rows[item.draft.id] = (item, row_of(item.draft))
            except SerializationError as error:
                self.outcomes.append(item.ended("failed", error))

    def __bool__(self) -> bool:
        return bool(self._rows)

    def write(self, connection: sa.Connection, layout: Layout) -> list[Outcome]:
        """Send the statement and return the outcomes of its items."""
        written = self._written(connection, layout, [row for _, row in self._rows.values()])
        lacking = [id for id in self._rows if id not in written]
        if lacking and self.verb == "create":  # perhaps of our own first try
            marks, values = listed(layout, lacking)
            text = f"SELECT t.id, t.version FROM {layout.name} AS t WHERE t.id {marks}"
            found: Any = fetched(connection, layout, text, values)
            written |= {id for id, version in found if version == self._rows[id][1][-1]}
        return [self._settled(connection, layout, item, item.id in written) for item, _ in in_turns(self._rows.values())]

    def write_each(self, connection: sa.Connection, layout: Layout) -> list[Outcome]:
        """Send a statement for each item, to find out which one the database refuses."""
        outcomes: list[Outcome] = []
        for item, row in self._rows.values():
            try:
                written = self._written(connection, layout, [row])
                outcomes.append(self._settled(connection, layout, item, bool(written)))
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                outcomes.append(item.ended("failed", translate(error, layout.name)))
        return outcomes

    def failed(self, error: HoldallError, status: Any) -> list[Outcome]:
        """Return outcomes that name this error for each item."""
        return [item.ended(status, error) for item, _ in self._rows.values()]

    def _written(self, connection: sa.Connection, layout: Layout, rows: list[Row]) -> set[str]:
        table, values = aside(lambda: _table_of_rows(layout, rows)) if len(rows) > 1 else _table_of_rows(layout, rows)
        names = ", ".join(COLUMNS)
        if self.verb == "update":
            sets = ", ".join(f"{name} = {layout.given(name, f'v.{name}')}" for name in _WRITTEN)
            own = "id" if layout.lite else "t.id"
            text = f"UPDATE {layout.name} AS t SET {sets} FROM {table} WHERE t.id = v.id RETURNING {own}"
        else:
            chosen = ", ".join(layout.given(name, f"v.{name}") for name in COLUMNS)
            action = "ON CONFLICT (id) DO NOTHING" if self.verb == "create" else _ON_CONFLICT
            text = f"INSERT INTO {layout.name} ({names}) SELECT {chosen} FROM {table} WHERE TRUE {action} RETURNING id"
        return {str(id) for (id,) in fetched(connection, layout, text, values)}

    def _settled(self, connection: sa.Connection, layout: Layout, item: Item, written: bool) -> Outcome:
        if written:
            return item.ended("written")
        if self.verb == "update":
            return item.ended("missing")
        assert item.draft is not None
        draft: Draft = item.draft
        while (again := draft.renamed()) is not None:  # an id of our own invention that is taken: another one
            draft = again
            if insert(connection, layout, row_of(draft)):
                return Outcome(index=item.index, id=draft.id, status="written")
        error = DuplicateRecordError(f"record {item.id!r} is there already", id=item.id)
        return item.ended("exists", error)


def batches(verb: WriteVerb, items: Sequence[Item]) -> list[Batch]:
    """Return the statements that some items take: an upsert under an id of our own invention replaces nothing."""
    minted = [item for item in items if item.draft is not None and item.draft.mint is not None] if verb == "upsert" else []
    if not minted:
        return [Batch(verb, items)]
    given = [item for item in items if item.draft is None or item.draft.mint is None]
    return [Batch("create", minted), *([Batch(verb, given)] if given else [])]


def delete_many(connection: sa.Connection, layout: Layout, ids: Sequence[str]) -> set[str]:
    """Delete rows and return the ids of those that were there."""
    marks, values = listed(layout, ids)
    text = f"DELETE FROM {layout.name} WHERE id {marks} RETURNING id"
    return {str(id) for (id,) in fetched(connection, layout, text, values)}


def clear(connection: sa.Connection, layout: Layout) -> int:
    """Delete all rows and return how many there were."""
    return int(run(connection, layout, f"DELETE FROM {layout.name}").rowcount)


def _table_of_rows(layout: Layout, rows: list[Row]) -> tuple[str, list[Any]]:
    """Return a table ``v`` of many rows that is one text, whatever their number."""
    member, source = (
        ("json_extract(value, '$[{}]')", "json_each") if layout.lite else ("value ->> {}", "jsonb_array_elements")
    )
    columns = ", ".join(f"{member.format(at)} AS {name}" for at, name in enumerate(COLUMNS))
    given = MARK if layout.lite else f"CAST({MARK} AS jsonb)"
    return f"(SELECT {columns} FROM {source}({given})) AS v", [compact([list(row) for row in rows])]


def listed(layout: Layout, ids: Sequence[str]) -> tuple[str, list[Any]]:
    """Return the SQL behind a column that is one of many ids, and its value."""
    kept = [id for id in in_turns(ids) if possible(id)]
    if layout.lite:
        return f"IN (SELECT value FROM json_each({MARK}))", [json.dumps(kept, ensure_ascii=False)]
    return f"= ANY(CAST({MARK} AS text[]))", [kept]
