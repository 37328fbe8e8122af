"""The reading half of a `FileObject`: where its bytes are, and the ways to them. Nothing here writes."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self

from holdall.columns.value import FileValue
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, SignOptions
from holdall.core.ranges import ByteRange
from holdall.core.responses import content_disposition
from holdall.errors import NotFoundError, NotSupportedError
from holdall.results import CHUNK, GetResult

__all__ = ["ReadableFile"]

Range = tuple[int, int] | tuple[int, None] | None


class ReadableFile(FileValue):
    """A file that can be read: see `holdall.columns.FileObject`, which adds how it is made and written."""

    __slots__ = ()

    @property
    def backend(self) -> Any:
        """The registered backend (its ``.key`` is what rows hold); for a Store without a name, the Store.

        Raises:
            ConfigError: None was named, or none is registered under the key.
        """
        from holdall.columns.backends import backend_named  # noqa: PLC0415  # it makes what drivers there are

        key = self.backend_key
        return self.store if key is None else backend_named(key)

    @property
    def protocol(self) -> str:
        """The backend's protocol, such as ``s3`` or ``file``."""
        return getattr(self.backend, "protocol", "") or self.store.identity.service.partition("+")[0]

    @property
    def url(self) -> str | None:
        """The plain address, where the store has public ones; else ``None``."""
        return self.store.url(self._path)

    def get_content(self, *, options: Any = None, range: Range = None) -> bytes:
        """Return the content, or a range of it.

        Args:
            options: `holdall.GetOptions` or its fields.
            range: ``(start, end)``, end exclusive; ``(start, None)`` to the end.

        Raises:
            NotFoundError: Nothing there.
            TypeError: An unknown option.
        """
        return self._get(_reading(options, range)).bytes()

    async def get_content_async(self, *, options: Any = None, range: Range = None) -> bytes:
        """Return the content. See `get_content`."""
        return await (await self._get_async(_reading(options, range))).bytes_async()

    def stream(self, *, chunk_size: int = CHUNK, range: Range = None) -> Iterator[bytes]:
        """Yield the content in chunks; independent of any session."""
        with self._get(_reading(None, range)) as result:
            yield from result.chunks(chunk_size)

    async def stream_async(self, *, chunk_size: int = CHUNK, range: Range = None) -> AsyncIterator[bytes]:
        """Yield the content in chunks. See `stream`."""
        async with await self._get_async(_reading(None, range)) as result:
            async for chunk in result.chunks_async(chunk_size):
                yield chunk

    def open(self, mode: str = "rb", encoding: str | None = None) -> IO[Any]:
        """Open the file for reading, with seek and read-ahead.

        Raises:
            NotSupportedError: A mode that writes: give a new `FileObject` to the row instead.
        """
        from holdall.engine.streams import open_file  # noqa: PLC0415  # few programs need a file

        _check_mode(mode)
        return open_file(self.store, self._readable(), mode, encoding=encoding)  # type: ignore[no-any-return,unused-ignore]

    async def open_async(self, mode: str = "rb", encoding: str | None = None) -> Any:
        """Open the file for reading, as an async file (an async context manager). See `open`."""
        from holdall.engine.async_streams import open_file_async  # noqa: PLC0415  # few programs need a file

        _check_mode(mode)
        return open_file_async(self.store, await self._readable_async(), mode, encoding=encoding)

    def exists(self) -> bool:
        """Tell whether the bytes are there. One request."""
        try:
            self._head()
        except NotFoundError:
            return False
        return True

    async def exists_async(self) -> bool:
        """Tell whether the bytes are there. One request."""
        try:
            await self._head_async()
        except NotFoundError:
            return False
        return True

    def refresh(self, *, own: bool = False) -> Self:
        """Ask the store for size, etag and time.

        Args:
            own: Take the file over, so that it is deleted with the row: for what a browser uploaded to a signed URL.

        Raises:
            NotFoundError: Nothing there.
        """
        return self._refreshed(self._head(), own=own)

    async def refresh_async(self, *, own: bool = False) -> Self:
        """Ask the store for size, etag and time. See `refresh`."""
        return self._refreshed(await self._head_async(), own=own)

    def download_to(self, path: str | os.PathLike[str]) -> None:
        """Download to a local file, which appears when it is complete."""
        from holdall.engine.resolve import resolve  # noqa: PLC0415  # few programs download
        from holdall.engine.transfer import copy  # noqa: PLC0415

        place = resolve(Path(path))
        copy((self.store, self._readable()), (place.store, place.key))

    async def download_to_async(self, path: str | os.PathLike[str]) -> None:
        """Download to a local file. See `download_to`."""
        from holdall.engine.resolve import resolve  # noqa: PLC0415  # few programs download
        from holdall.engine.transfer_async import copy_async  # noqa: PLC0415

        place = resolve(Path(path))
        await copy_async((self.store, await self._readable_async()), (place.store, place.key))

    def localize(self) -> AbstractContextManager[Any]:
        """Return a context manager that gives the path of a local file for a while, for programs that want one."""
        from holdall.engine.localize import Localize  # noqa: PLC0415  # few programs need it

        return Localize(self.store, self._readable(), "r")

    def localize_async(self) -> AbstractAsyncContextManager[Any]:
        """Return an async context manager that gives the path of a local file. See `localize`."""
        return _localized(self)

    def sign(
        self,
        *,
        expires_in: int | None = None,
        for_upload: bool = False,
        content_type: str | None = None,
        download_name: str | None = None,
    ) -> str:
        """Return a URL that allows to read the file, or to upload it, for a while.

        Args:
            expires_in: Seconds; 3600 if not given.
            for_upload: Allow a PUT.
            content_type: Which the answer gets, or the upload must have.
            download_name: Name under which browsers save it.

        Raises:
            NotSupportedError: The store cannot sign.
        """
        options = _signing(expires_in, for_upload, content_type, download_name)
        return self.store.sign(self._path if for_upload else self._readable(), options)

    async def sign_async(
        self,
        *,
        expires_in: int | None = None,
        for_upload: bool = False,
        content_type: str | None = None,
        download_name: str | None = None,
    ) -> str:
        """Return a signed URL. See `sign`."""
        options = _signing(expires_in, for_upload, content_type, download_name)
        return await self.store.sign_async(self._path if for_upload else await self._readable_async(), options)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _get(self, options: GetOptions | None) -> GetResult:
        if self.staged is not None:
            try:
                return self.store.get(self.staged, options)
            except NotFoundError:
                pass  # it was moved to its place
        return self.store.get(self._path, options)

    async def _get_async(self, options: GetOptions | None) -> GetResult:
        if self.staged is not None:
            try:
                return await self.store.get_async(self.staged, options)
            except NotFoundError:
                pass  # it was moved to its place
        return await self.store.get_async(self._path, options)

    def _head(self) -> ObjectMeta:
        return self.store.head(self._readable())

    async def _head_async(self) -> ObjectMeta:
        return await self.store.head_async(await self._readable_async())

    def _readable(self) -> str:
        """Return the key that has the content now."""
        if self.staged is not None:
            try:
                self.store.head(self.staged)
            except NotFoundError:
                return self._path
            return self.staged
        return self._path

    async def _readable_async(self) -> str:
        """Return the key that has the content now."""
        if self.staged is not None:
            try:
                await self.store.head_async(self.staged)
            except NotFoundError:
                return self._path
            return self.staged
        return self._path

    def _refreshed(self, meta: ObjectMeta, *, own: bool = False) -> Self:
        self.size, self.etag = meta.size, meta.etag
        self.last_modified = None if meta.last_modified is None else meta.last_modified.timestamp()
        self.version_id = meta.version
        if own:
            self.owned, self.borrowed = True, False
        self._changed()
        return self


@asynccontextmanager
async def _localized(file: ReadableFile) -> AsyncGenerator[Any]:
    from holdall.engine.localize_async import Localize  # noqa: PLC0415  # few programs need it

    async with Localize(file.store, await file._readable_async(), "r") as path:
        yield path


def _reading(options: Any, range: Range) -> GetOptions | None:
    if options is None:
        return None if range is None else GetOptions(range=ByteRange.of(range))
    chosen = options if isinstance(options, GetOptions) else GetOptions(**dict(options))
    return chosen if range is None else replace(chosen, range=ByteRange.of(range))


def _check_mode(mode: str) -> None:
    if set(mode) & set("wax+"):
        raise NotSupportedError(f"a file of a row is not written through open({mode!r}): assign a new FileObject")


def _signing(expires_in: int | None, for_upload: bool, content_type: str | None, download_name: str | None) -> SignOptions:
    return SignOptions(
        method="PUT" if for_upload else "GET",
        expires_in=3600 if expires_in is None else expires_in,
        content_type=content_type,
        content_disposition=None if download_name is None else content_disposition(download_name),
    )
