"""Prepares what an open file needs: checks, the first request, a private copy to edit, the options of publishing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.core.modes import OpenMode
from holdall.core.options import GetOptions, PutOptions
from holdall.engine.reading_async import RangeReader
from holdall.engine.scratch import scratching
from holdall.engine.writing_async import PushWriter
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    IsDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["Edit", "Opener", "keeping_async"]


@dataclass(slots=True)
class Edit:
    """A private copy of an object, on disk, and how to publish it."""

    store: Store
    key: str
    file: IO[bytes]
    options: PutOptions
    guard: str | None
    dirty: bool
    append: bool

    async def publish_async(self) -> PutResult | None:
        """Publish the copy if it was changed.

        Raises:
            PreconditionError: The object was changed by somebody else meanwhile.
        """
        if not self.dirty:
            return None
        if self.guard is not None and (await self.store.head_async(self.key)).etag != self.guard:
            raise PreconditionError(f"{self.key!r} was replaced while it was edited", key=self.key, store=self.store)
        await run_async(lambda: self.file.seek(0))
        return await self.store.put_async(self.key, self.file, self.options)


class Opener:
    """Opens one key in one mode.

    Args:
        store: Where.
        key: What.
        mode: How.
        options: How to publish.
        reading: Version or etag to read.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        mode: OpenMode,
        *,
        options: PutOptions | None = None,
        reading: GetOptions | None = None,
        read_ahead: int | None = None,
    ) -> None:
        capabilities = store.capabilities
        if not key or key.endswith("/"):
            raise IsDirectoryError(f"{key or 'the root'!r} is a directory", key=key, store=store)
        if mode.writes and not capabilities.write:
            raise PermissionDeniedError(f"{key!r} cannot be opened with mode {str(mode)!r}: read-only", key=key, store=store)
        if (mode.act == "r" or mode.plus) and not capabilities.read:
            raise PermissionDeniedError(f"{key!r} cannot be opened for reading", key=key, store=store)
        if mode.writes and reading is not None and reading.version is not None:
            raise ValueError("Cannot write to historical versions")
        if not mode.writes and options is not None:
            raise ValueError("options of writing go with a mode that writes")
        self.store = store
        self.key = key
        self.mode = mode
        self.options = options or PutOptions()
        self.reading = reading
        self.read_ahead = read_ahead

    async def reader_async(self) -> RangeReader | IO[bytes]:
        """Open for reading: by ranges, or from a private copy where the store cannot read ranges."""
        if not self.store.capabilities.ranges:
            return (await self._copied_async(self.reading))[0]
        ahead = {} if self.read_ahead is None else {"read_ahead": self.read_ahead}
        reader = RangeReader(self.store, self.key, self.reading, **ahead)
        await reader.open_async()
        return reader

    async def writer_async(self) -> PushWriter:
        """Open for writing or appending without reading."""
        if self.mode.act == "x":
            await self._absent_async()
            return PushWriter(self.store, self.key, self._creating())
        if self.mode.act == "a":
            found = await self._found_async()
            if found is None:
                return PushWriter(self.store, self.key, self._creating())
            return PushWriter(
                self.store, self.key, await keeping_async(self.store, self.key, found, self.options), base=found
            )
        return PushWriter(self.store, self.key, self.options)

    async def edit_async(self) -> Edit:
        """Open for reading and writing, on a private copy."""
        act = self.mode.act
        if act in {"w", "x"}:
            if act == "x":
                await self._absent_async()
            file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the file that is handed out
            options = self._creating() if act == "x" else self.options
            return Edit(self.store, self.key, file, options, guard=None, dirty=True, append=False)
        try:
            file, found = await self._copied_async(self.reading)
        except NotFoundError:
            if act == "r":
                raise
            file = tempfile.TemporaryFile()  # noqa: SIM115
            return Edit(self.store, self.key, file, self._creating(), guard=None, dirty=True, append=True)
        options = await keeping_async(self.store, self.key, found, self.options)
        guard: str | None = None
        if options.mode == "overwrite" and found.etag is not None:
            if self.store.capabilities.update:
                options = replace(options, mode="update", if_match=found.etag)
            else:
                guard = found.etag
        return Edit(self.store, self.key, file, options, guard=guard, dirty=False, append=act == "a")

    def _creating(self) -> PutOptions:
        """Return the options that lose against anybody who was quicker, where the store can tell."""
        if self.options.mode != "overwrite" or not self.store.capabilities.create:
            return self.options
        return replace(self.options, mode="create")

    async def _found_async(self) -> ObjectMeta | None:
        try:
            return await self.store.head_async(self.key)
        except NotFoundError:
            return None

    async def _absent_async(self) -> None:
        if await self._found_async() is not None:
            raise AlreadyExistsError(f"{self.key!r} already exists", key=self.key, store=self.store)

    async def _copied_async(self, reading: GetOptions | None) -> tuple[IO[bytes], ObjectMeta]:
        """Return a private copy on disk, at its start; the operating system removes it with the last handle."""
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed below or by whom it is handed to
        complete = False
        try:
            async with await self.store.get_async(self.key, reading) as result:
                async for chunk in result:
                    await run_async(self._kept(file, chunk))
            await run_async(self._kept(file, None))
            complete = True
            return file, result.meta
        finally:
            if not complete:
                file.close()

    def _kept(self, file: IO[bytes], chunk: bytes | None) -> Callable[[], int]:
        """Return what writes a chunk to a private copy; ``None``, at the end, goes back to its start."""

        def keep() -> int:
            with scratching(self.key, self.store):
                return file.seek(0) if chunk is None else file.write(chunk)

        return keep


def lost_race(error: HoldallError) -> HoldallError:
    """Return the error of an appender whose create lost: to it, the object has changed."""
    if isinstance(error, AlreadyExistsError):
        return PreconditionError(error.message, key=error.key, store=error.store)
    return error


async def keeping_async(store: Store, key: str, found: ObjectMeta, given: PutOptions) -> PutOptions:
    """Return options that keep headers, metadata and tags of what is edited, as far as the caller gave no others."""
    capabilities = store.capabilities
    kept = PutOptions.from_attributes(found.attributes) if capabilities.attributes else PutOptions()
    if capabilities.metadata and not capabilities.attributes:
        kept = PutOptions(metadata=found.metadata)
    tags = await store.tags_async(key) if capabilities.tags and not given.tags else given.tags
    return replace(
        given,
        content_type=given.content_type or kept.content_type,
        cache_control=given.cache_control or kept.cache_control,
        content_disposition=given.content_disposition or kept.content_disposition,
        content_encoding=given.content_encoding or kept.content_encoding,
        content_language=given.content_language or kept.content_language,
        metadata=given.metadata or kept.metadata,
        tags=tags,
    )
