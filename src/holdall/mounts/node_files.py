"""`NodeFiles`: a node as an open file, and as a real local file for programs that want a path."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.modes import OpenMode
from holdall.core.options import GetOptions, PutOptions
from holdall.errors import NotFoundError
from holdall.mounts import lookup
from holdall.mounts.node_versions import NodePin

if TYPE_CHECKING:
    from holdall.engine import async_streams, localize, localize_async, streams
    from holdall.engine.async_streams import AsyncFile
    from holdall.mounts import lookup_async
else:
    localize, localize_async = lazy("holdall.engine.localize"), lazy("holdall.engine.localize_async")
    streams, async_streams = lazy("holdall.engine.streams"), lazy("holdall.engine.async_streams")
    lookup_async = lazy("holdall.mounts.lookup_async")

__all__ = ["NodeFiles"]


class NodeFiles(NodePin):
    """Open files. What is written is published by a clean close only; an exception inside ``with`` leaves the old content."""

    __slots__ = ()

    def open(
        self,
        mode: str = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        buffering: int = -1,
        version: str | int | None = None,
        as_of: datetime | None = None,
        **put_options: Any,
    ) -> IO[Any]:
        """Open as a file, as the builtin `open` does: a real `io` object.

        Args:
            mode: ``r``, ``w``, ``a`` or ``x``, with ``b`` or ``t``, and ``+``. ``x`` is race-free; ``a`` and ``+`` publish only if
                nobody else wrote meanwhile; ``+`` works on a private copy. Parents are made.
            encoding: Of text; UTF-8 if ``None``.
            errors: Of text.
            newline: Of text, as in `open`.
            buffering: As in `open`.
            version: Read this version, by id or index.
            as_of: Read what was there then.
            put_options: The fields of `PutOptions`, for modes that write.

        Raises:
            NotFoundError: Reading, and nothing is there.
            AlreadyExistsError: ``x``, and something is there.
            IsDirectoryError: A directory.
            PermissionDeniedError: The mount does not allow the mode.
            ValueError: An unknown mode, text arguments for bytes, or an old version with a writing mode.

        Example:
            >>> from holdall import StorageManager
            >>> storage = StorageManager({"scratch": {"type": "memory"}})
            >>> with storage.node("scratch:a.txt").open("w") as file:
            ...     _ = file.write("hello")
            >>> storage.node("scratch:a.txt").open().read()
            'hello'
        """
        options = self._opening(mode, version, as_of, put_options)
        store = self._store()
        pinned = self._pinned(store, version, as_of)
        reading = None if pinned is None else GetOptions(version=pinned)
        try:
            return streams.open_file(
                store,
                self._key,
                mode,
                buffering=buffering,
                encoding=encoding,
                errors=errors,
                newline=newline,
                options=options,
                reading=reading,
            )
        except NotFoundError as error:
            if pinned is not None:
                raise
            raise lookup.absence(store, self._key, error) from error

    def open_async(
        self,
        mode: str = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        buffering: int = -1,
        version: str | int | None = None,
        as_of: datetime | None = None,
        **put_options: Any,
    ) -> NodeOpening:
        """Open as an async file: ``async with node.open_async() as file``, or ``file = await node.open_async()``. See `open`."""
        options = self._opening(mode, version, as_of, put_options)
        given = {"encoding": encoding, "errors": errors, "newline": newline, "buffering": buffering}
        return NodeOpening(self, mode, version, as_of, options, given)

    def _opening(self, mode: str, version: object, as_of: object, put_options: dict[str, Any]) -> PutOptions | None:
        parsed = OpenMode.parse(mode)
        options = PutOptions(**put_options) if put_options else None
        if parsed.writes:
            if version is not None or as_of is not None:
                raise ValueError(f"Cannot write to historical versions (mode {mode!r})")
            self._check_writable()
        return options

    @contextmanager
    def local_path(self, mode: str = "r", *, atomic: bool = False) -> Generator[str]:
        """Give the path of a real local file, for programs that want one.

        On local mounts it is the real path. Elsewhere a private copy, which is written back after a clean exit: for ``w``, and
        for ``rw`` if it was changed and nobody else wrote meanwhile. Nothing is written back after an exception, and nothing
        is left behind.

        Args:
            mode: ``r``: to be read; ``w``: to be made; ``rw``: to be changed. Directories work in ``r`` and ``w``.
            atomic: On local mounts, work on a sibling that replaces the original after a clean exit.

        Raises:
            ValueError: An unknown mode.
            PermissionDeniedError: The mount does not allow it; nothing was downloaded.
            NotFoundError: Nothing to read; or, on leaving, nothing was made.
            PreconditionError: On leaving: somebody else wrote; the edit is kept and its path is in the message.
        """
        if "w" in mode:
            self._check_writable()
        store = self._store()
        version = self._pinned(store)
        with localize.Localize(store, self._key, mode, atomic=atomic, version=version) as path:
            yield path

    @asynccontextmanager
    async def local_path_async(self, mode: str = "r", *, atomic: bool = False) -> AsyncGenerator[str]:
        """Give the path of a real local file. See `local_path`."""
        if "w" in mode:
            self._check_writable()
        store = self._store()
        version = await self._pinned_async(store)
        async with localize_async.Localize(store, self._key, mode, atomic=atomic, version=version) as path:
            yield path


class NodeOpening:
    """An async file about to be opened; made by `NodeFiles.open_async`."""

    def __init__(
        self,
        node: NodeFiles,
        mode: str,
        version: str | int | None,
        as_of: datetime | None,
        options: PutOptions | None,
        given: dict[str, Any],
    ) -> None:
        self._node = node
        self._mode = mode
        self._wanted = (version, as_of)
        self._options = options
        self._given = given
        self._file: AsyncFile[Any] | None = None

    def __await__(self) -> Generator[Any, None, AsyncFile[Any]]:
        return self._open().__await__()

    async def _open(self) -> AsyncFile[Any]:
        node = self._node
        store = node._store()
        pinned = await node._pinned_async(store, *self._wanted)
        reading = None if pinned is None else GetOptions(version=pinned)
        try:
            return await async_streams.open_file_async(
                store, node._key, self._mode, options=self._options, reading=reading, **self._given
            )
        except NotFoundError as error:
            if pinned is not None:
                raise
            raise await lookup_async.absence_async(store, node._key, error) from error

    async def __aenter__(self) -> AsyncFile[Any]:
        self._file = await self._open()
        return self._file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None  # it was entered
        await self._file.__aexit__(kind, error, trace)
