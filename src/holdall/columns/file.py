"""`FileObject`: a file in a store, as a value that rows, models and programs carry around."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self

from holdall.columns.names import clean_key
from holdall.columns.pending import Pending
from holdall.columns.puts import PART, in_parts, kept_options
from holdall.columns.rules import Rules
from holdall.columns.value import FileValue, placed
from holdall.core.keys import ReservedKey
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.core.ranges import ByteRange
from holdall.core.responses import content_disposition
from holdall.errors import NotFoundError, NotSupportedError
from holdall.results import CHUNK, GetResult
from holdall.sources import check_source, source_size
from holdall.store import Store

__all__ = ["FileObject"]

Range = tuple[int, int] | tuple[int, None] | None


class FileObject(FileValue):
    """A file: where its bytes are, what is known of them, and the ways to read and write them.

    Nothing is uploaded here: content waits for `save`, or for the commit of the row that it is put into.

    Args:
        backend: The key of a registered backend, a backend, a Store, or ``None`` (the column's).
        filename: The name; also the key, unless the column or ``to_filename`` says otherwise.
        to_filename: A key to be taken literally.
        content_type: Guessed from the name if not given.
        size, last_modified, checksum, etag, version_id: What is known of bytes that are stored already.
        metadata: Values of the application's, kept in the row, and at the object where the store can.
        source_path: A local file, read when it is saved.
        content: Bytes-like, a binary file, or an iterable of bytes, also an async one.
        name, original_filename, staged, borrowed: As rows have them.

    Raises:
        ValueError: An empty or climbing name, a negative size, or both ``content`` and ``source_path``.
        TypeError: Of another type.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> file = FileObject(MemoryStore(), "a/hello.txt", content=b"hello").save()
        >>> file.get_content(), file.size, file.content_type
        (b'hello', 5, 'text/plain')
    """

    __slots__ = ()

    def __init__(
        self,
        backend: Any,
        filename: str,
        to_filename: str | None = None,
        content_type: str | None = None,
        size: int | None = None,
        last_modified: float | None = None,
        checksum: str | None = None,
        etag: str | None = None,
        version_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        source_path: str | os.PathLike[str] | None = None,
        content: Any = None,
        *,
        name: str | None = None,
        original_filename: str | None = None,
        staged: str | None = None,
        borrowed: bool = False,
    ) -> None:
        if size is not None and size < 0:
            raise ValueError(f"a size is not negative: {size}")
        if content is not None and source_path is not None:
            raise ValueError("content or source_path, not both")
        self._original = original = clean_key(filename)
        self._name = self._path = original if to_filename is None else clean_key(to_filename)
        self.explicit = to_filename is not None
        self._parents = ()
        self._home = self._more = self._given = None
        if backend is None or type(backend) is str:
            self._backend = backend
        else:
            self._backend, self._given = placed(backend)
        if name is not None:
            self._name = self._original = name
        if original_filename is not None:
            self._original = original_filename
        self._content_type = content_type
        self._metadata = metadata
        self.size = size
        self.last_modified = last_modified
        self.checksum = checksum
        self.etag = etag
        self.version_id = version_id
        self.staged = None if staged is None else ReservedKey(staged)
        self.borrowed = borrowed
        self.owned = False
        if source_path is not None:
            content = Path(source_path)
        self.pending = None if content is None else Pending(content)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the file of a JSON document as rows have it (`to_dict`); keys that are not known are kept.

        A document from a client must not come here unchecked: it may name any key.

        Example:
            >>> FileObject.from_dict({"filename": "a.txt", "backend": "uploads"})
            FileObject(backend='uploads', filename='a.txt')
        """
        file = cls.__new__(cls)
        file._load(document)
        return file

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

    # -- writing ------------------------------------------------------------------------------------------------------

    def save(
        self,
        data: Any = None,
        *,
        session: Any = None,
        column: Any = None,
        use_multipart: bool | None = None,
        chunk_size: int = PART,
        max_concurrency: int = 12,
    ) -> Self:
        """Store the content now, replacing atomically what is at the key.

        Args:
            data: The content; else what was given before.
            session: Join this session's transaction: a rollback removes the file again.
            column: With a session: the mapped attribute whose rules hold, ``Document.file``.
            use_multipart: ``False`` sends the whole in one request; anything else lets the driver choose.
            chunk_size: Bytes per part.
            max_concurrency: Upper limit of parts in flight; they and what is collected meanwhile take at most 20 MiB.

        Raises:
            TypeError: No content, or an async iterable.
            UnsavedFileError: The content was a stream that is used up.
            HoldallError: The store's.
        """
        pending = self._content(data, blocking=True)
        if session is not None:
            from holdall.columns.joining import save_in_session  # noqa: PLC0415  # needs SQLAlchemy

            save_in_session(session, column, self, pending)
            return self
        from holdall.columns.sending import send  # noqa: PLC0415  # digests and such, for writers only

        source, store = pending.take(), self.store
        options = self._put_options(store, source, use_multipart, chunk_size, max_concurrency)
        self._saved(send(store, self._path, source, options, rules=_FREE, file=self))
        return self

    async def save_async(
        self,
        data: Any = None,
        *,
        session: Any = None,
        column: Any = None,
        use_multipart: bool | None = None,
        chunk_size: int = PART,
        max_concurrency: int = 12,
    ) -> Self:
        """Store the content now. See `save`; async iterables are content too."""
        pending = self._content(data, blocking=False)
        if session is not None:
            from holdall.columns.joining import save_in_session_async  # noqa: PLC0415  # needs SQLAlchemy

            await save_in_session_async(session, column, self, pending)
            return self
        from holdall.columns.sending_async import send_async  # noqa: PLC0415  # for writers only

        source, store = pending.take(), self.store
        options = self._put_options(store, source, use_multipart, chunk_size, max_concurrency)
        self._saved(await send_async(store, self._path, source, options, rules=_FREE, file=self))
        return self

    def delete(self) -> None:
        """Delete the file now; what is absent counts as deleted. To delete it with the row, assign ``None`` to the column."""
        self.store.delete(self._path)
        if self.staged is not None:
            self.store.delete(self.staged)

    async def delete_async(self) -> None:
        """Delete the file now. See `delete`."""
        await self.store.delete_async(self._path)
        if self.staged is not None:
            await self.store.delete_async(self.staged)

    def copy(self, filename: str | None = None, *, backend: Any = None) -> FileObject:
        """Return a copy that is stored already: on the server's side within one store, streamed between two.

        Args:
            filename: Its key; a new one beside this file's if not given.
            backend: Where; the same place if not given.
        """
        from holdall.engine.transfer import copy  # noqa: PLC0415  # few programs copy

        target = self._twin(filename, backend)
        copy((self.store, self._readable()), (target.store, target.path))
        target.refresh()
        return target

    async def copy_async(self, filename: str | None = None, *, backend: Any = None) -> FileObject:
        """Return a copy that is stored already. See `copy`."""
        from holdall.engine.transfer_async import copy_async  # noqa: PLC0415  # few programs copy

        target = self._twin(filename, backend)
        await copy_async((self.store, await self._readable_async()), (target.store, target.path))
        await target.refresh_async()
        return target

    # -- reading ------------------------------------------------------------------------------------------------------

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

    def _content(self, data: Any, *, blocking: bool) -> Pending:
        pending = self.pending if data is None else Pending(data)
        if pending is None:
            raise TypeError(f"{self._path!r} has no content to save: give data")
        if blocking:
            check_source(pending.source, blocking=True)
        return pending

    def _put_options(
        self, store: Store, source: Any, use_multipart: bool | None, chunk_size: int, max_concurrency: int
    ) -> PutOptions:
        values, keeps = self._metadata, store.capabilities
        scalars = {k: str(v) for k, v in values.items() if isinstance(v, (str, int, float))} if values else {}
        options = kept_options(store, self.content_type, scalars)
        if keeps.local or keeps.temporary:
            return options
        size = source_size(source)
        part = size if use_multipart is False and size is not None else chunk_size
        return in_parts(options, source, size, part=part, concurrency=max_concurrency)

    def _saved(self, sent: Any) -> None:
        self.size, self.etag, self.version_id = sent.result.size, sent.result.etag, sent.result.version
        self.checksum, self.last_modified = sent.checksum, sent.last_modified
        self.owned, self.borrowed, self.staged, self.pending = True, False, None, None
        self._changed()

    def _refreshed(self, meta: ObjectMeta, *, own: bool = False) -> Self:
        self.size, self.etag = meta.size, meta.etag
        self.last_modified = None if meta.last_modified is None else meta.last_modified.timestamp()
        self.version_id = meta.version
        if own:
            self.owned, self.borrowed = True, False
        self._changed()
        return self

    def _twin(self, filename: str | None, backend: Any) -> FileObject:
        from holdall.columns.names import renamed  # noqa: PLC0415  # few programs copy

        place = backend if backend is not None else (self.backend_key or self._given)
        target = FileObject(place, filename or self._path)
        if filename is None and target.store is self.store:
            target._path = renamed(self._path)
        target._name = self._name if filename is None else target._path
        target._original = self._original if filename is None else target._name
        target._content_type, target.checksum, target.owned = self._content_type, self.checksum, True
        target._metadata = dict(self.metadata)
        return target

    # -- other libraries ----------------------------------------------------------------------------------------------

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Tell Pydantic how to read and write it."""
        from holdall.columns.pydantic import file_schema  # noqa: PLC0415  # only Pydantic calls this

        return file_schema(cls)


_FREE = Rules()


@asynccontextmanager
async def _localized(file: FileObject) -> AsyncGenerator[Any]:
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
