"""Records as rows: values for the columns on the way in, `Record` on the way out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdall._turns import give_way
from holdall.records.documents import decode_document, document_of
from holdall.records.drafts import Draft, Written
from holdall.records.encoding import iso
from holdall.records.errors import CorruptRecordError, SerializationError
from holdall.records.record import Record

__all__ = ["MOST_ID_BYTES", "check_id", "possible", "record_of_row", "row_of", "written_of"]

MOST_ID_BYTES = 2000
"""PostgreSQL's indexes take rows up to 2704 bytes."""


def check_id(id: str) -> str:
    """Return the id.

    Raises:
        SerializationError: Empty, with NUL, longer than an index takes, or no UTF-8.
    """
    if not id:
        raise SerializationError("an id cannot be empty")
    if "\0" in id:
        raise SerializationError("an id with NUL cannot be kept by SQL", id=id)
    try:
        size = len(id.encode())
    except UnicodeEncodeError:
        raise SerializationError("id: text with a lone surrogate") from None
    if size > MOST_ID_BYTES:
        raise SerializationError(f"an id of {size} bytes; SQL keeps up to {MOST_ID_BYTES}", id=id[:50])
    return id


def possible(id: str) -> bool:
    """Tell whether a record can have this id."""
    try:
        return bool(check_id(id))
    except SerializationError:
        return False


def row_of(draft: Draft) -> tuple[str | None, ...]:
    """Return the values of a draft as it is to be written now, in the order of `holdall.records.sql_table.COLUMNS`."""
    give_way()
    stamp, content = draft.stamped(), draft.content
    return (
        check_id(stamp.id),
        document_of(content.fields),
        document_of(content.metadata),
        document_of(content.info) if content.info else None,
        iso(stamp.created),
        iso(stamp.updated),
        stamp.write,
    )


def written_of(row: Sequence[Any], created: str | None = None) -> Written:
    """Return what is told of a row that was written.

    Args:
        row: Its values.
        created: Since when it is there, if that is not what the row says.
    """
    return Written(row[0], row[6], datetime.fromisoformat(created or row[4]), datetime.fromisoformat(row[5]))


def record_of_row(row: Sequence[Any]) -> Record:
    """Return the record of a row.

    Raises:
        CorruptRecordError: Somebody else wrote something unreadable into it.
    """
    id, fields, metadata, info, created, updated, version = row
    try:
        system = id, version, datetime.fromisoformat(created), datetime.fromisoformat(updated)
        about = {**decode_document(metadata), "id": id, "created_at": iso(system[2]), "updated_at": iso(system[3])}
        return Record._stored(
            decode_document(fields), about, decode_document(info) if info else {}, system, len(fields) + len(metadata)
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptRecordError(f"row {id!r} is no readable record", id=id, key=id, reason="unreadable values") from error
