"""`FileObject.save(session=…)`: an upload of the caller's that joins a session's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, configure_mappers, scoped_session

from holdall.columns import placing, placing_async
from holdall.columns.file import FileObject
from holdall.columns.flushing import new_put, note_upload
from holdall.columns.hooks import open_journal
from holdall.columns.names import renamed
from holdall.columns.pending import Pending
from holdall.columns.puts import Put
from holdall.columns.tracking import FileAttribute, attributes_of
from holdall.columns.types import StoredObject
from holdall.errors import AlreadyExistsError

__all__ = ["save_in_session", "save_in_session_async"]


@dataclass(slots=True, eq=False)
class _Unplaced:
    """The row that a file is meant for, which is not known yet."""

    attribute: Any
    state: Any = None


def save_in_session(session: Any, column: Any, file: FileObject, pending: Pending) -> None:
    """Store a file now, under a column's rules, and note it in the session's journal."""
    frame, put, row = _prepared(_plain(session), column, file, pending)
    try:
        placing.place_all([put], 1)
        if put.taken:
            placing.place_all([_again(put, row)], 1)
    finally:
        if put.sent is not None or put.begun:
            note_upload(frame, put, row)


async def save_in_session_async(session: Any, column: Any, file: FileObject, pending: Pending) -> None:
    """Store a file now. See `save_in_session`."""
    frame, put, row = _prepared(_plain(session), column, file, pending)
    try:
        await placing_async.place_all_async([put], 1)
        if put.taken:
            await placing_async.place_all_async([_again(put, row)], 1)
    finally:
        if put.sent is not None or put.begun:
            note_upload(frame, put, row)


def _prepared(session: Session, column: Any, file: FileObject, pending: Pending) -> Any:
    if column is None:
        raise TypeError("save(session=…) needs the column whose rules hold: column=Document.file")
    attribute = _attribute(column)
    frame = open_journal(session).frame
    file.pending = pending
    row = _Unplaced(attribute)
    return frame, new_put(file, attribute.type, row), row


def _again(put: Put, row: _Unplaced) -> Put:
    """Return how a file is stored whose key is taken: it is no row's yet, so that nothing is replaced."""
    if put.file.explicit or row.attribute.type.on_conflict != "rename":
        raise AlreadyExistsError(f"{put.key!r} is taken", key=put.key, store=put.store)
    put.key, put.fresh, put.taken = renamed(put.key), True, False
    return put


def _plain(session: Any) -> Session:
    if isinstance(session, (scoped_session, async_scoped_session)):
        session = session()
    if isinstance(session, AsyncSession):
        session = session.sync_session
    if not isinstance(session, Session):
        raise TypeError(f"session= is a Session or AsyncSession, not a {type(session).__name__}")
    return session


def _attribute(column: Any) -> FileAttribute:
    cls = getattr(column, "class_", None)
    if cls is not None:
        configure_mappers()  # a class that was not used yet is not known
        for attribute in attributes_of(cls):
            if attribute.key == column.key and isinstance(attribute.type, StoredObject):
                return attribute
    raise TypeError(f"column= is a mapped attribute of files, such as Document.file, not {column!r}")
