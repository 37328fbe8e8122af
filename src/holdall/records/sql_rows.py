"""Records as rows: values for the columns on the way in, `Record` on the way out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdall.records.documents import decode_document, encode_document
from holdall.records.drafts import Draft, record_of
from holdall.records.encoding import Body, iso
from holdall.records.errors import CorruptRecordError, SerializationError
from holdall.records.record import Record

__all__ = ["MOST_ID_BYTES", "check_id", "possible", "record_of_row", "row_of"]

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
    body = draft.stamped()
    return (
        check_id(body.id),
        encode_document(body.fields),
        encode_document(body.metadata, "metadata"),
        encode_document(body.info) if body.info else None,
        iso(body.created),
        iso(body.updated),
        body.write,
    )


def record_of_row(row: Sequence[Any]) -> Record:
    """Return the record of a row.

    Raises:
        CorruptRecordError: Somebody else wrote something unreadable into it.
    """
    id, fields, metadata, info, created, updated, version = row
    try:
        body = Body(
            id=id,
            created=datetime.fromisoformat(created),
            updated=datetime.fromisoformat(updated),
            write=version,
            fields=decode_document(fields),
            metadata=decode_document(metadata),
            info=decode_document(info) if info else {},
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptRecordError(f"row {id!r} is no readable record", id=id, key=id, reason="unreadable values") from error
    return record_of(body, version)
