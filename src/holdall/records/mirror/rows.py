"""Rows of the mirror: stored bodies as SQL sees them, long values left out. Pure."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from holdall.records.documents import decode_document, encode_document
from holdall.records.encoding import Body, iso
from holdall.records.plans import Scope
from holdall.records.query import And, Condition, Not, Or, Query

__all__ = ["COLUMNS", "LONGEST", "Row", "State", "body_of", "paths_of", "row_of", "scoped", "times_of", "touches"]

State = Literal["listed", "loaded", "cut", "archived", "corrupt", "gone"]
LONGEST = 4096
"""Characters of JSON up to which a field's value is held."""
COLUMNS = "id, etag, state, fields, metadata, info, created_at, updated_at, token, cuts, reason, checksum"


class Row(NamedTuple):
    """One record as the mirror holds it; the columns of `COLUMNS`."""

    id: str
    etag: str | None
    state: State
    fields: str | None = None
    metadata: str | None = None
    info: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    token: str | None = None
    cuts: str | None = None
    reason: str | None = None
    checksum: int | None = None

    def sum(self) -> int:
        """Return the checksum of the content."""
        return _sum(
            (
                self.id,
                self.etag,
                self.fields,
                self.metadata,
                self.info,
                self.created_at,
                self.updated_at,
                self.token,
                self.cuts,
            )
        )

    @property
    def names(self) -> frozenset[str]:
        """What was left out: field names, and names of metadata behind ``metadata.``."""
        return frozenset(json.loads(self.cuts)) if self.cuts else frozenset()


def row_of(body: Body, etag: str | None, size: int) -> Row:
    """Return the row of a stored body."""
    fields, metadata, cuts = body.fields, body.metadata, list[str]()
    if size > LONGEST:
        fields, metadata = dict(fields), dict(metadata)
        for values, head in ((fields, ""), (metadata, "metadata.")):
            for name in [name for name, value in values.items() if len(encode_document({name: value})) > LONGEST]:
                values[name] = None
                cuts.append(head + name)
    texts = (
        encode_document(fields),
        encode_document(metadata),
        encode_document(body.info) if body.info else None,
        iso(body.created),
        iso(body.updated),
        body.write,
        json.dumps(cuts) if cuts else None,
    )
    checksum = _sum((body.id, etag, *texts))
    return Row(body.id, etag, "cut" if cuts else "loaded", *texts, None, checksum)


def _sum(parts: Iterable[str | None]) -> int:
    return zlib.crc32("\0".join([part or "" for part in parts]).encode("utf-8", "surrogatepass"))


def body_of(row: Row) -> Body:
    """Return the body of a row, what was left out as ``None``.

    Raises:
        sqlite3.DatabaseError: The row is not what was written into it.
    """
    if row.checksum != row.sum():
        raise sqlite3.DatabaseError(f"a row of the mirror is damaged: {row.id!r}")
    assert row.fields is not None
    assert row.metadata is not None
    assert row.created_at is not None
    assert row.updated_at is not None
    try:
        return Body(
            id=row.id,
            created=datetime.fromisoformat(row.created_at),
            updated=datetime.fromisoformat(row.updated_at),
            write=row.token or "",
            fields=decode_document(row.fields),
            metadata=decode_document(row.metadata),
            info=decode_document(row.info) if row.info else {},
        )
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a row of the mirror is damaged: {row.id!r}") from error


def times_of(row: Row) -> tuple[str, str]:
    """Return the two times of a row that has a body, as text."""
    return row.created_at or "", row.updated_at or ""


def paths_of(query: Query) -> set[str]:
    """Return the paths that decide on membership and order in a query."""
    paths = {sort.field for sort in query.sorting}

    def walk(conditions: Iterable[Condition]) -> None:
        for condition in conditions:
            if isinstance(condition, (And, Or)):
                walk(condition.conditions)
            elif isinstance(condition, Not):
                walk([condition.condition])
            else:
                paths.add(condition.field)

    walk(query.conditions)
    return paths


def touches(paths: Iterable[str], cuts: frozenset[str]) -> bool:
    """Tell whether one of the paths leads to something that was left out.

    Example:
        >>> touches(["data.0.x"], frozenset({"data"})), touches(["id", "fields.name"], frozenset({"data"}))
        (True, False)
    """
    for path in paths:
        if path in cuts:
            return True
        root, _, rest = path.partition(".")
        if root in cuts:
            return True
        if root == "fields" and (rest in cuts or rest.partition(".")[0] in cuts):
            return True
        if root == "metadata" and f"metadata.{rest.partition('.')[0]}" in cuts:
            return True
    return False


def scoped(scope: Scope) -> tuple[str, list[Any]]:
    """Return the SQL of a scope of ids."""
    parts: list[str] = []
    values: list[Any] = []
    if scope.ids is not None:
        parts.append("id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(scope.ids))
    if scope.prefix:
        parts.append("id >= ? AND substr(id, 1, ?) = ?")
        values += [scope.prefix, len(scope.prefix), scope.prefix]
    return " AND ".join(parts) or "TRUE", values
