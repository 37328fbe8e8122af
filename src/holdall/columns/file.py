"""`FileObject`: a file in a store, as a value that rows, models and programs carry around."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from holdall.columns.names import clean_key
from holdall.columns.pending import Pending
from holdall.columns.puts import PART, in_parts, kept_options
from holdall.columns.readable import ReadableFile
from holdall.columns.rules import Rules
from holdall.columns.value import placed
from holdall.core.keys import ReservedKey
from holdall.core.options import PutOptions
from holdall.sources import check_source, source_size
from holdall.store import Store

__all__ = ["FileObject"]


class FileObject(ReadableFile):
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

    # -- inside -------------------------------------------------------------------------------------------------------

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
