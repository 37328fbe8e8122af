"""Bytes before rows: what a flush does to stores before its first statement, and what it notes in the journal."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from holdall.columns import bridge, placing, placing_async
from holdall.columns.backends import store_named
from holdall.columns.changes import Change, Stored, held_by_others, read_stored
from holdall.columns.file import FileObject
from holdall.columns.journal import Blob, Drop, Frame, Journal, Swap, Upload
from holdall.columns.names import clean_key, renamed, staged_key, unique_key
from holdall.columns.puts import PART, Put
from holdall.columns.survey import content_digest
from holdall.columns.types import StoredObject
from holdall.errors import AlreadyExistsError, ConfigError, NotFoundError, PreconditionError
from holdall.sources import source_size

__all__ = ["Flush", "Naming", "blobs_of", "let_go", "new_put", "note_upload", "object_metadata"]

AT_ONCE = 12
"""Streams of unknown size at once: with parts of 5 MiB they hold at most 64 MiB."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What a naming function is told beside the file.

    Attributes:
        table: Name of the table.
        attribute: Name of the attribute.
        instance: The instance, ``None`` in bulk statements.
        now: The time, aware.
    """

    table: str
    attribute: str
    instance: Any
    now: datetime


class Flush:
    """One flush: changes in, files stored, the journal's frame filled. Nothing is left of it if it fails.

    Args:
        session: The session.
        journal: Its journal; a frame is open.
        changes: What is about to be written.
    """

    def __init__(self, session: Session, journal: Journal, changes: Sequence[Change], *, connection: Any = None) -> None:
        assert journal.frame is not None  # the caller opened it
        self._session = session
        self._journal = journal
        self._frame: Frame = journal.frame
        self._changes = changes
        self._connection = connection
        self._stored: Stored | None = None
        self._known: set[Blob] = set()
        self._held: dict[Hashable, dict[Blob, FileObject]] = {}

    def run(self) -> None:
        """Store what is pending, look at the rows, settle whose each file is, note it."""
        mark = len(self._frame.uploads)
        try:
            self._upload()
            self._settle()
            self._note()
        except BaseException:
            failures = bridge.finish(placing.undo_plan, placing_async.undo_plan_async, self._frame.undo(mark))
            for failure in failures:
                placing_async.log.error("could not undo an upload: %s", failure)
            raise

    def stored(self, change: Change) -> list[FileObject]:
        """Return the files that the row has in the database now; it is locked from then on."""
        if not change.persistent:
            return []
        if self._stored is None:
            self._stored = read_stored(self._session, self._changes, connection=self._connection)
        return self._stored.get(change.token, [])

    # -- uploads ------------------------------------------------------------------------------------------------------

    def _upload(self) -> None:
        pending: dict[int, tuple[Change, FileObject]] = {}
        for change in self._changes:
            for file in change.files:
                if file.pending is not None:
                    pending.setdefault(id(file), (change, file))
        puts = [(new_put(file, change.attribute.type, change), change) for change, file in pending.values()]
        self._place(puts)
        again = [(self._second(put, change), change) for put, change in puts if put.taken]
        if again:
            self._place(again)
            lost = next((put for put, _ in again if put.taken), None)
            if lost is not None:
                raise AlreadyExistsError(f"{lost.key!r} is taken", key=lost.key, store=lost.store)

    def _place(self, puts: Sequence[tuple[Put, Change]]) -> None:
        if not puts:
            return
        limit = min(change.attribute.type.concurrency for _, change in puts)
        if any(put.size is None or put.size > PART for put, _ in puts):
            limit = min(limit, AT_ONCE)
        work = [put for put, _ in puts]
        try:
            bridge.call(placing.place_all, placing_async.place_all_async, work, limit)
        finally:
            for put, change in puts:
                if put.sent is not None or put.begun:
                    note_upload(self._frame, put, change)

    def _second(self, put: Put, change: Change) -> Put:
        """Decide what becomes of a file whose key is taken."""
        kind, key = change.attribute.type, put.key
        own = any(old.path == key and old.backend_key == put.backend and not old.borrowed for old in self.stored(change))
        if not own and put.file.explicit:
            if kind.on_conflict != "replace" and held_by_others(self._session, key, put.backend, change):
                raise AlreadyExistsError(f"{key!r} belongs to another row", key=key, store=put.store)
            own = True
        if not own and kind.on_conflict == "error":
            raise AlreadyExistsError(f"{key!r} is taken", key=key, store=put.store)
        put.taken = False
        put.fresh = True
        if own or kind.on_conflict == "replace":
            found = bridge.call(placing.head_all, placing_async.head_all_async, [(put.store, key)], 1)[0]
            put.seen = None if found is None else found.etag or ""
            put.target = key
            put.key = staged_key()
        else:
            put.key = renamed(key)
        return put

    # -- whose each file is -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Give each stored file that a row takes to that row, copy it, or mark it as borrowed."""
        frames = self._journal.frames
        self._known = {blob for frame in frames for blob in (*frame.drops, *(upload.blob for upload in frame.uploads))}
        for change in self._changes:
            seen: set[int] = set()
            for index, file in enumerate(change.files):
                again = id(file) in seen
                seen.add(id(file))
                self._check_backend(file, change.attribute.type)
                if again or self._is_of_another(file, change):
                    self._copy(file, change, index)
                elif file._home is None and not file.owned:
                    self._refer(file, change)
                else:
                    if file.owned and file._home is not None and not self._is_held(file, change):
                        raise PreconditionError(
                            f"the row that {file.path!r} was read from holds it no more: "
                            "another transaction let go of it or replaced it; refresh the row and try again",
                            key=file.path,
                            store=file.store,
                        )
                    file._home = change.holder if file.owned else None

    def _check_backend(self, file: FileObject, kind: StoredObject) -> None:
        if file.backend_key is None:
            _backend_of(file, kind)  # raises if there is none
            file._backend = kind.backend
        elif kind.strict_backend and file.backend_key != kind.backend:
            raise ConfigError(f"this column keeps its files in {kind.backend!r}, not in {file.backend_key!r}")

    def _is_of_another(self, file: FileObject, change: Change) -> bool:
        """Tell whether another row holds a file, and goes on holding it."""
        home = file._home
        if home is None or home is change.holder or home == change.holder:
            return False
        row, blob = home.row, _blob(file)
        if row is None:
            return False
        token = _token_of(home)
        for other in self._changes:
            if other.token == token:
                return any(_blob(held) == blob for held in other.files)
        held = self._journal.holds(token)
        return isinstance(row, tuple) if held is None else blob in held

    def _is_held(self, file: FileObject, change: Change) -> bool:
        """Tell whether the row that a file was read from holds it still, with the same content, or held it in this transaction."""
        if not self._known.isdisjoint(blobs_of((file,))) or change.attribute.type.on_delete == "keep":
            return True
        home = file._home
        origin: Change | None = change
        if home != change.holder:
            token = _token_of(home)
            origin = next((other for other in self._changes if other.token == token), None)
        if origin is None:
            return False
        held = self._held.get(origin.token)
        if held is None:
            held = self._held[origin.token] = {_blob(old): old for old in self.stored(origin)}
        if self._stored is None or origin.token not in self._stored:
            return True  # a new row, or one that is gone: the statement will tell
        old = held.get(_blob(file))
        if old is None:
            return False
        if old.size == file.size and old.checksum == file.checksum and (file.checksum is not None or old.etag == file.etag):
            return True
        # Other content than the row says: the program saved it there by itself, or it is of before another transaction's.
        meta = bridge.call(placing.head_all, placing_async.head_all_async, [(file.store, file.path)], 1)[0]
        return meta is not None and (meta.size, meta.etag) == (file.size, file.etag)

    def _copy(self, file: FileObject, change: Change, index: int) -> None:
        """Give a row its own copy of a file that another row holds."""
        kind = change.attribute.type
        copy = FileObject.from_dict({**file.to_dict(), "staged": None, "borrowed": False})
        copy._path = unique_key(file.filename) if kind.naming == "unique" else renamed(file.path)
        source, target = (file.store, file._path if file.staged is None else file.staged), (copy.store, copy._path)
        if file.staged is not None and bridge.call(placing.head_all, placing_async.head_all_async, [source], 1)[0] is None:
            source = (file.store, file._path)
        self._frame.uploads.append(Upload(_blob(copy), copy, None))
        meta = bridge.call(placing.copy_file, placing_async.copy_file_async, source, target)
        if not self._is_copy(file, source, copy, meta):
            raise PreconditionError(
                f"{file.path!r} is not what the row says that it was read from: refresh that row and try again",
                key=file.path,
                store=file.store,
            )
        copy.etag, copy.version_id, copy.owned, copy._home = meta.etag, meta.version, True, change.holder
        if kind.multiple:
            list.__setitem__(change.value, index, copy)  # the row is written anyway
            copy._attach(change.value)
        else:
            setattr(change.state.obj(), change.attribute.key, copy)
            change.value = copy

    @staticmethod
    def _is_copy(file: FileObject, source: tuple[Any, str], copy: FileObject, meta: Any) -> bool:
        """Tell whether what was copied is the file's content: by the source's etag, else by digest."""
        if file.size is not None and file.size != meta.size:
            return False
        if file.checksum is None:
            return True
        found = bridge.call(placing.head_all, placing_async.head_all_async, [source], 1)[0]
        return (found is not None and found.etag is not None and found.etag == file.etag) or content_digest(
            copy
        ) == file.checksum

    def _refer(self, file: FileObject, change: Change) -> None:
        """Settle a file that was named by key: the row's own, or borrowed."""
        blob = _blob(file)
        for old in self.stored(change):
            if _blob(old) == blob:
                file.owned, file.borrowed, file.staged = old.owned, old.borrowed, old.staged
                file._home = change.holder if old.owned else None
                return
        if file.borrowed:
            return
        meta = bridge.call(placing.head_all, placing_async.head_all_async, [(file.store, file.path)], 1)[0]
        if meta is None:
            raise NotFoundError(f"nothing at {file.path!r}", key=file.path, store=file.store)
        file.size, file.etag, file.version_id = meta.size, meta.etag, meta.version
        file.last_modified = None if meta.last_modified is None else meta.last_modified.timestamp()
        file.borrowed = True

    # -- the journal --------------------------------------------------------------------------------------------------

    def _note(self) -> None:
        for change in self._changes:
            let_go(self._frame, self.stored(change), change.attribute.type)
            self._frame.hold(change.token, blobs_of(change.files))


def let_go(frame: Frame, files: Iterable[FileObject], kind: StoredObject) -> None:
    """Note that a row no longer holds files."""
    for old in files:
        if old.borrowed or kind.on_delete == "keep":
            continue
        backend, path = _blob(old)
        shared = kind.on_conflict == "replace" and old.staged is None
        frame.let_go(Drop((backend, path), old.etag if shared else None), (backend, old.staged) if old.staged else None)


def blobs_of(files: Iterable[FileObject]) -> list[Blob]:
    """Return where the content of files is, and where it waits to be moved from."""
    return [(file.backend_key or "", key) for file in files for key in (file.path, file.staged) if key is not None]


def _blob(file: FileObject) -> Blob:
    return file.backend_key or "", file.path


def _token_of(home: Any) -> Hashable:
    """Return what the journal knows the attribute by that holds a file."""
    row = home.row
    return row if row is None else (row if isinstance(row, tuple) else id(row), home.key)


def _backend_of(file: FileObject, kind: StoredObject) -> str:
    own = file.backend_key
    if own is None:
        if file._given is not None:
            raise ConfigError("a file in a row names its backend: register the store under a key")
        own = kind.backend
    elif kind.strict_backend and own != kind.backend:
        raise ConfigError(f"this column keeps its files in {kind.backend!r}, not in {own!r}")
    if own is None:
        raise ConfigError(f"neither the column nor the file {file.filename!r} names a backend")
    return own


def new_put(file: FileObject, kind: StoredObject, change: Any) -> Put:
    """Return how a file is stored first: under the key that its column gives it."""
    backend = _backend_of(file, kind)
    store = store_named(backend)
    attribute = change.attribute
    fresh = False
    if file.explicit:
        key = file.path
    elif kind.naming == "unique":
        key, fresh = unique_key(file.filename), True
    elif isinstance(kind.naming, str):
        key = clean_key(file.filename)
    else:
        context = Naming(attribute.column.table.name, attribute.key, change.state and change.state.obj(), datetime.now(UTC))
        key = clean_key(kind.naming(file, context))
    assert file.pending is not None  # the caller looked
    source = file.pending.source
    size = source_size(source) if not isinstance(source, os.PathLike) or os.path.exists(source) else None
    return Put(
        file=file,
        backend=backend,
        store=store,
        key=key,
        rules=kind.rules,
        metadata=object_metadata(file, kind, attribute),
        size=size,
        fresh=fresh,
    )


def object_metadata(file: FileObject, kind: StoredObject, attribute: Any) -> dict[str, str]:
    """Return what is kept at the object of a file, where the store can."""
    chosen = kind.object_metadata
    values = file._metadata
    kept = (
        {}
        if not values
        else {
            key: str(value)
            for key, value in values.items()
            if (key in chosen if isinstance(chosen, tuple) else chosen) and isinstance(value, (str, int, float))
        }
    )
    if kind.label is not None:
        kept["holdall-label"] = kind.label
        kept["holdall-column"] = attribute.label
    return kept


def note_upload(frame: Frame, put: Put, change: Any) -> None:
    """Note an upload, and let the file object say what was stored; one that may have failed is noted to be undone."""
    file, sent = put.file, put.sent
    frame.uploads.append(Upload((put.backend, put.key), file, None if sent is None else file._snapshot()))
    if sent is None:
        return
    target = put.target
    file._path = put.key if target is None else target
    file._backend = put.backend
    file.staged = None if target is None else put.key
    file.size, file.etag, file.version_id = sent.result.size, sent.result.etag, sent.result.version
    file.checksum, file.last_modified = sent.checksum, sent.last_modified
    file.owned, file.borrowed, file.pending = True, False, None
    file._home = None if change.state is None else change.holder
    if target is not None:
        frame.swaps.append(Swap((put.backend, put.key), (put.backend, target), put.seen, file))
