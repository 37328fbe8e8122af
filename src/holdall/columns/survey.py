"""Rows and stores compared: what is there that no row holds, and what rows hold that is not there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Engine, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

from holdall.columns import bridge
from holdall.columns.backends import store_named
from holdall.columns.file import FileObject
from holdall.columns.inventory import Entry, Inventory
from holdall.columns.names import STAGING
from holdall.columns.tracking import FileAttribute, every_attribute, files_of
from holdall.core.keys import ReservedKey
from holdall.core.meta import ObjectMeta
from holdall.errors import ConfigError, NotFoundError, NotSupportedError
from holdall.store import Store

__all__ = ["Finding", "Kind", "Survey", "audit", "audit_async", "content_digest", "engine_of"]

Kind = Literal["orphan", "staged", "incomplete", "dangling", "mismatch"]
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: ``orphan``: no row holds the object; ``staged``: it waits to replace another; ``incomplete``: an upload that was
            never completed; ``dangling``: a row without bytes; ``mismatch``: other bytes than the row says.
        store: Key of the backend.
        key: Key of the object.
        table, primary_key: The row, where there is one.
        size: Bytes of the object.
        age: Seconds since it was written.
        detail: A sentence.
    """

    kind: Kind
    store: str
    key: str
    table: str | None = None
    primary_key: tuple[Any, ...] | None = None
    size: int | None = None
    age: float | None = None
    detail: str = ""
    etag: str | None = None


class Survey:
    """One comparison of some columns with the stores that they write to.

    Args:
        bind: Engine, connection or session, in either colour.
        columns: Mapped attributes; those of all mapped classes by default.
        stores: Keys of backends; those that the columns name by default.
        grace: What is younger is left alone.
        verify: ``head`` compares size and etag, ``checksum`` reads the content.
    """

    def __init__(
        self,
        bind: Any,
        *,
        columns: Iterable[Any] | None = None,
        stores: Iterable[str] | None = None,
        grace: timedelta = DAY,
        verify: Literal["head", "checksum"] = "head",
    ) -> None:
        if verify not in {"head", "checksum"}:
            raise ValueError(f"verify is 'head' or 'checksum', not {verify!r}")
        self.engine = engine_of(bind)
        self.attributes = _chosen(columns)
        named = [attribute.type.backend for attribute in self.attributes]
        self.backends = list(dict.fromkeys(key for key in (named if stores is None else stores) if key is not None))
        self.grace = grace.total_seconds()
        self.verify = verify

    def findings(self, inventory: Inventory) -> Iterator[Finding]:
        """Yield what is not as it should be; lists first, reads rows then."""
        for backend in self.backends:
            store = store_named(backend)
            if store.capabilities.list:
                for prefix in ("", ReservedKey(STAGING)):
                    for objects in pages(store, prefix):
                        inventory.add(backend, objects)
        for attribute in self.attributes:
            yield from self._rows(attribute, inventory)
        for entry in inventory.unheld():
            if self.old(entry.age):
                staged = entry.key.startswith(STAGING)
                yield _of_entry("staged" if staged else "orphan", entry, "no row holds it")
        for backend in self.backends:
            yield from self._incomplete(backend, store_named(backend))

    def old(self, age: float | None) -> bool:
        """Tell whether something is old enough to be touched; what has no age is not."""
        return age is not None and age >= self.grace

    def _rows(self, attribute: FileAttribute, inventory: Inventory) -> Iterator[Finding]:
        column = attribute.column
        statement = select(*column.table.primary_key, column).where(column.is_not(None))
        with self.engine.connect() as connection:
            result = connection.execution_options(yield_per=500).execute(statement)
            for row in result:
                for file in files_of(row[-1]):
                    backend = file.backend_key or ""
                    inventory.hold(backend, file.path)
                    if file.staged is not None:
                        inventory.hold(backend, file.staged)
                    if backend in self.backends:
                        found = self._checked(attribute, tuple(row[:-1]), file, inventory)
                        if found is not None:
                            yield found

    def _checked(
        self, attribute: FileAttribute, identity: tuple[Any, ...], file: FileObject, inventory: Inventory
    ) -> Finding | None:
        """Compare one file of a row with what the listing said; what looks wrong is asked for again before it is told."""
        backend = file.backend_key or ""
        where: Any = {"store": backend, "key": file.path, "table": attribute.column.table.name, "primary_key": identity}
        waiting = None if file.staged is None else inventory.find(backend, file.staged)
        entry = waiting or inventory.find(backend, file.path)
        if entry is None or not _alike(file, entry.size, entry.etag):
            meta = None
            for key in (file.staged, file.path):
                meta = meta or (None if key is None else head(store_named(backend), key))
            if not self._still(attribute, identity, file):
                return None
            if meta is None:
                return Finding(kind="dangling", **where, detail="the row's bytes are not there")
            if not _alike(file, meta.size, meta.etag) and not self._same_content(file, meta):
                detail = f"{meta.size} bytes with etag {meta.etag}, the row says {file.size} and {file.etag}"
                return Finding(kind="mismatch", **where, size=meta.size, detail=detail)
        if self.verify == "checksum" and file.checksum is not None:
            found = content_digest(file)
            if found != file.checksum and self._still(attribute, identity, file):
                return Finding(kind="mismatch", **where, size=file.size, detail=f"content is {found}, not {file.checksum}")
        if waiting is not None and self.old(waiting.age):
            where["key"] = waiting.key
            return Finding(kind="staged", **where, size=waiting.size, age=waiting.age, detail=f"waits for {file.path}")
        return None

    def _same_content(self, file: FileObject, meta: ObjectMeta) -> bool:
        """Tell whether only the etag is another one, as it is where the bytes moved to another store: the content decides."""
        return file.size == meta.size and file.checksum is not None and content_digest(file) == file.checksum

    def _still(self, attribute: FileAttribute, identity: tuple[Any, ...], file: FileObject) -> bool:
        """Tell whether the row says the same in a new transaction."""
        column = attribute.column
        statement = select(column).where(of_row(column.table, identity))
        with self.engine.connect() as connection:
            return any(held.same(file) for held in files_of(connection.execute(statement).scalar()))

    def _incomplete(self, backend: str, store: Store) -> Iterator[Finding]:
        if store.capabilities.parts is None:
            return
        try:
            uploads = bridge.call(store.uploads, store.uploads_async)
        except NotSupportedError:
            return
        for upload in uploads:
            age = _age(upload.started)
            if self.old(age):
                yield Finding(kind="incomplete", store=backend, key=upload.key, age=age, detail=upload.upload_id)


def audit(
    bind: Any,
    *,
    columns: Iterable[Any] | None = None,
    stores: Iterable[str] | None = None,
    grace: timedelta = DAY,
    verify: Literal["head", "checksum"] = "head",
) -> Iterator[Finding]:
    """Yield what is not as it should be, between rows and stores; nothing is changed.

    Args:
        bind: Engine, connection or session.
        columns: Mapped attributes, ``[Document.file]``; those of all mapped classes by default.
        stores: Keys of backends; those that the columns name by default.
        grace: Objects younger than that are not looked at: a transaction may be about to commit them.
        verify: ``head`` compares size and etag; ``checksum`` reads every file.
    """
    survey = Survey(bind, columns=columns, stores=stores, grace=grace, verify=verify)
    with Inventory() as inventory:
        yield from survey.findings(inventory)


async def audit_async(
    bind: Any,
    *,
    columns: Iterable[Any] | None = None,
    stores: Iterable[str] | None = None,
    grace: timedelta = DAY,
    verify: Literal["head", "checksum"] = "head",
) -> AsyncIterator[Finding]:
    """Yield what is not as it should be. See `audit`; the bind is an asyncio engine, connection or session."""
    findings: Any = audit(bind, columns=columns, stores=stores, grace=grace, verify=verify)
    try:
        while True:
            finding: Finding | None = await greenlet_spawn(lambda: next(findings, None))
            if finding is None:
                break
            yield finding
    finally:
        await greenlet_spawn(findings.close)


def engine_of(bind: Any) -> Engine:
    """Return the engine below an engine, connection or session.

    Raises:
        TypeError: None of these.
    """
    if isinstance(bind, AsyncSession):
        bind = bind.sync_session
    if isinstance(bind, Session):
        bind = bind.get_bind()
    if isinstance(bind, AsyncEngine):
        bind = bind.sync_engine
    if isinstance(bind, AsyncConnection):
        bind = bind.sync_connection
    found = getattr(bind, "engine", None)
    if not isinstance(found, Engine):
        raise TypeError(f"an engine, connection or session is needed, not a {type(bind).__name__}")
    return found


def pages(store: Store, prefix: str) -> Iterator[Sequence[ObjectMeta]]:
    """Yield the pages of a listing, in the session's colour."""
    if not in_greenlet():
        for page in store.list(prefix):
            yield page.objects
        return
    listing = aiter(store.list_async(prefix))
    while (page := await_only(_next(listing))) is not None:
        yield page.objects


async def _next(listing: Any) -> Any:
    return await anext(listing, None)


def head(store: Store, key: str) -> ObjectMeta | None:
    """Return what a store says of a key, ``None`` if nothing is there."""
    try:
        return bridge.call(store.head, store.head_async, key)
    except NotFoundError:
        return None


def of_row(table: Any, identity: Sequence[Any]) -> Any:
    """Return the condition that selects one row."""
    return and_(*(column == value for column, value in zip(table.primary_key, identity, strict=True)))


def _chosen(columns: Iterable[Any] | None) -> list[FileAttribute]:
    known = every_attribute()
    if columns is None:
        return known
    wanted = [column.property.columns[0] for column in columns]
    found = [attribute for attribute in known if any(attribute.column is column for column in wanted)]
    if len(found) != len(wanted):
        raise ConfigError("columns= takes mapped attributes of files, such as Document.file")
    return found


def _alike(file: FileObject, size: int, etag: str | None) -> bool:
    if file.size is not None and file.size != size:
        return False
    return file.staged is not None or file.etag is None or etag is None or file.etag == etag


def content_digest(file: FileObject) -> str:
    """Read a file, in the session's colour, and return its checksum as rows have it."""
    whole = hashlib.sha256()
    if in_greenlet():
        await_only(_digested(file, whole))
    else:
        for chunk in file.stream():
            whole.update(chunk)
    return f"sha256:{whole.hexdigest()}"


async def _digested(file: FileObject, whole: Any) -> None:
    async for chunk in file.stream_async():
        whole.update(chunk)


def _of_entry(kind: Kind, entry: Entry, detail: str) -> Finding:
    return Finding(
        kind=kind, store=entry.backend, key=entry.key, size=entry.size, age=entry.age, detail=detail, etag=entry.etag
    )


def _age(started: Any) -> float | None:
    return None if started is None else Entry("", "", 0, None, started.timestamp()).age
