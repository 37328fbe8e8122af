"""Rows of the mirror: stored bodies as SQL sees them, long values left out. Pure."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from holdall._turns import give_way
from holdall.records.documents import decode_document, document_of, key_text, name_of
from holdall.records.encoding import Content, Stamp, iso
from holdall.records.lengthy import STEP, compact, let_go, pieces
from holdall.records.lengthy_reading import loads
from holdall.records.plans import Scope
from holdall.records.query import And, Condition, Not, Or, Query
from holdall.records.record import Record

__all__ = ["AMONG", "COLUMNS", "LONGEST", "Row", "State", "among", "paths_of", "record_in", "row_of", "scoped", "touches"]

State = Literal["listed", "loaded", "cut", "archived", "corrupt", "gone"]
LONGEST = 4096
"""Characters of JSON up to which a field's value is held."""
COLUMNS = "id, etag, state, fields, metadata, info, created_at, updated_at, token, cuts, reason, checksum"

AMONG = "id IN (SELECT replace(replace(value, char(57344, 48), char(0)), char(57344, 49), char(57344)) FROM json_each(?))"
"""The test whether an id is one of those of `among`; what `json_each` gives ends at NUL, so that they are escaped."""


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
        return _sum(self[:2] + self[3:10])

    @property
    def names(self) -> frozenset[str]:
        """What was left out: field names, and names of metadata behind ``metadata.``."""
        return frozenset(json.loads(self.cuts)) if self.cuts else frozenset()


def row_of(stamp: Stamp, content: Content, etag: str | None) -> Row:
    """Return the row of what was written, or read."""
    give_way()
    fields, metadata, cuts = document_of(content.fields), document_of(content.metadata), list[str]()
    if len(fields) + len(metadata) > LONGEST:
        fields, metadata = _shortened(fields, "", cuts), _shortened(metadata, "metadata.", cuts)
    created = iso(stamp.created)
    texts = (
        fields,
        metadata,
        document_of(content.info) if content.info else None,
        created,
        created if stamp.updated is stamp.created else iso(stamp.updated),
        stamp.write,
        json.dumps(cuts) if cuts else None,
    )
    return Row(stamp.id, etag, "cut" if cuts else "loaded", *texts, None, _sum((stamp.id, etag, *texts)))


def _shortened(document: str, head: str, cuts: list[str]) -> str:
    """Return a document without its long values, and note their names."""
    values: dict[str, Any] = loads(document)
    long = [name for name, value in values.items() if len(compact({name: value})) > LONGEST]
    if not long:
        return document
    cuts += [head + name_of(name) for name in long]
    short = compact(values | dict.fromkeys(long))
    let_go(values)
    return short


def _sum(parts: Iterable[str | None]) -> int:
    text = "\0".join([part or "" for part in parts])
    if len(text) <= STEP:
        return zlib.crc32(text.encode("utf-8", "surrogatepass"))
    found = 0
    for piece in pieces(text):
        found = zlib.crc32(piece.encode("utf-8", "surrogatepass"), found)
    return found


def record_in(row: Row) -> Record:
    """Return the record of a row, what was left out as ``None``.

    Raises:
        sqlite3.DatabaseError: The row is not what was written into it.
    """
    id, etag, _, fields, metadata, info, created, updated, *_ = row
    if row.checksum != row.sum():
        raise sqlite3.DatabaseError(f"a row of the mirror is damaged: {id!r}")
    assert fields and metadata and created and updated  # noqa: PT018  # the checksum says so
    try:
        system = id, etag, datetime.fromisoformat(created), datetime.fromisoformat(updated)
        about = {**decode_document(metadata), "id": id, "created_at": created, "updated_at": updated}
        return Record._stored(
            decode_document(fields), about, decode_document(info) if info else {}, system, len(fields) + len(metadata)
        )
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a row of the mirror is damaged: {id!r}") from error


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


def among(ids: Iterable[str]) -> str:
    """Return the parameter of `AMONG`: any number of ids."""
    return json.dumps([key_text(id) for id in ids])


def scoped(scope: Scope) -> tuple[str, list[Any]]:
    """Return the SQL of a scope of ids. Of an id with NUL in it, SQLite's functions of text see the beginning alone."""
    parts: list[str] = []
    values: list[Any] = []
    if scope.ids is not None:
        parts.append(AMONG)
        values.append(among(scope.ids))
    if scope.prefix:
        parts.append("id >= ?")
        values.append(scope.prefix)
        behind = _behind(scope.prefix)
        if behind:
            parts.append("id < ?")
            values.append(behind)
    return " AND ".join(parts) or "TRUE", values


def _behind(prefix: str) -> str:
    r"""Return the first text behind all that begin so; nothing if there is none.

    Example:
        >>> _behind("ab"), _behind("a\ud7ff"), _behind("a\U0010ffff"), _behind("\U0010ffff")
        ('ac', 'a\ue000', 'b', '')
    """
    stem = prefix.rstrip("\U0010ffff")
    return stem and stem[:-1] + ("\ue000" if stem[-1] == "\ud7ff" else chr(ord(stem[-1]) + 1))
