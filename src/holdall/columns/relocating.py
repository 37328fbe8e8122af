"""`relocate`: the bytes of columns move to another store while rows and models stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.util import greenlet_spawn

from holdall.columns import bridge, carrying, carrying_async
from holdall.columns.backends import store_named
from holdall.columns.file import FileObject
from holdall.columns.flushing import object_metadata
from holdall.columns.puts import Errand
from holdall.columns.survey import Survey
from holdall.columns.tracking import FileAttribute, files_of
from holdall.errors import ConfigError, HoldallError
from holdall.store import Store

__all__ = ["RelocationReport", "relocate", "relocate_async"]

PAGE = 200
"""Rows read at once; no connection is held while their files are copied."""


@dataclass(slots=True, kw_only=True)
class RelocationReport:
    """What a relocation did.

    Attributes:
        copied: Files that were copied.
        present: Files that were there already, with the content that their rows name.
        bytes: Bytes copied.
        failures: What went wrong, each error with its key; the other files were copied all the same.
    """

    copied: int = 0
    present: int = 0
    bytes: int = 0
    failures: list[HoldallError] = field(default_factory=list[HoldallError])

    def add(self, errand: Errand) -> None:
        """Count one file."""
        if errand.error is not None:
            self.failures.append(errand.error)
        elif errand.copied is None:
            self.present += 1
        else:
            self.copied += 1
            self.bytes += errand.copied


def relocate(
    bind: Any,
    backend: str,
    *,
    to: Store,
    source: Store | None = None,
    columns: Iterable[Any] | None = None,
    read_back: bool = False,
    concurrency: int = 8,
    progress: Callable[[FileObject], Any] | None = None,
) -> RelocationReport:
    """Copy the files that rows hold in a backend to another store, under the same keys; rows are read and not changed.

    Run it beside the application, again for what came meanwhile (files that are there are not copied again, so that a run that was
    killed goes on where it was), then register the new store under the backend's key. Content is held against the checksum of
    its row while it is copied; what differs is not stored.

    Args:
        bind: Engine, connection or session.
        backend: Key of the backend that rows name.
        to: The new store.
        source: The old store; what is registered under the key if not given.
        columns: Mapped attributes, ``[Document.file]``; those of all mapped classes by default.
        read_back: Read each copy and compare it too.
        concurrency: Files at once.
        progress: Called with each file that was dealt with.

    Raises:
        ConfigError: Both are one place.
    """
    source = store_named(backend) if source is None else source
    if source.identity == to.identity:
        raise ConfigError(f"{backend!r} is there already")
    survey = Survey(bind, columns=columns)
    report = RelocationReport()
    for attribute in survey.attributes:
        for files in _pages(survey, attribute, backend):
            errands = [Errand(file, object_metadata(file, attribute.type, attribute)) for file in files]
            bridge.call(
                lambda e=errands: carrying.carry_all(e, source, to, read_back=read_back, limit=concurrency),
                lambda e=errands: carrying_async.carry_all_async(e, source, to, read_back=read_back, limit=concurrency),
            )
            for errand in errands:
                report.add(errand)
                if progress is not None:
                    progress(errand.file)
    return report


async def relocate_async(bind: Any, backend: str, **options: Any) -> RelocationReport:
    """Copy the files that rows hold to another store. See `relocate`; the bind is an asyncio engine, connection or session."""
    return await greenlet_spawn(lambda: relocate(bind, backend, **options))


def _pages(survey: Survey, attribute: FileAttribute, backend: str) -> Iterator[list[FileObject]]:
    """Yield the files of a column, page by page in the order of primary keys."""
    column, keys = attribute.column, tuple(attribute.column.table.primary_key)
    statement = select(*keys, column).where(column.is_not(None)).order_by(*keys).limit(PAGE)
    last: tuple[Any, ...] | None = None
    while True:
        asked = statement
        if last is not None:
            asked = asked.where(keys[0] > last[0] if len(keys) == 1 else tuple_(*keys) > last)
        with survey.engine.connect() as connection:
            rows = connection.execute(asked).all()
        found = {file.path: file for row in rows for file in files_of(row[-1]) if file.backend_key == backend}
        if found:
            yield list(found.values())
        if len(rows) < PAGE:
            return
        last = tuple(rows[-1][:-1])
