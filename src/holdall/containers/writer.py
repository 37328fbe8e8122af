"""`LazyWriter`: encode a document while it streams, publish it as a whole or not at all."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator
from itertools import islice
from types import TracebackType
from typing import IO, Any, Literal, Self

from holdall._concurrency import run_async
from holdall.containers.encoder import Emit, Encoder, Patch, Step
from holdall.containers.errors import EncodeError
from holdall.containers.finishing import finish
from holdall.containers.header import HEADER
from holdall.containers.options import WriteOptions, WriteResult
from holdall.containers.places import place_of
from holdall.core.options import PutOptions
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["LazyWriter", "dump", "dump_async", "dumps", "loads"]


class LazyWriter:
    """Writes one archive. A clean exit of the block publishes it; an exception leaves what was there before.

    Args:
        dest: Where: key or path with ``store=`` or ``fs=``, URL, ``mount:path``, local path, node, or a `BytesIO`.
        fs, s3fs: An fsspec filesystem for a path (two names of one thing).
        store: A store for a key.
        mode: ``w`` overwrites, ``x`` creates.
        if_match: Replace only the object of this etag.
        options: How to write.

    Example:
        >>> import io
        >>> with LazyWriter(target := io.BytesIO()) as writer:
        ...     writer.write({"hello": "world"})
        >>> loads(target.getvalue())
        {'hello': 'world'}
    """

    def __init__(
        self,
        dest: Any,
        *,
        fs: Any = None,
        s3fs: Any = None,
        store: Store | None = None,
        mode: Literal["w", "x"] = "w",
        if_match: str | None = None,
        options: WriteOptions | None = None,
    ) -> None:
        if mode not in {"w", "x"}:
            raise ValueError(f"mode is 'w' or 'x', not {mode!r}")
        if mode == "x" and if_match is not None:
            raise ValueError("if_match replaces, mode='x' creates: give one of them")
        self.options = options or WriteOptions()
        self.result: WriteResult | None = None
        self._buffer = dest if isinstance(dest, io.BytesIO) else None
        self._place = None if self._buffer is not None else place_of(dest, fs=fs, s3fs=s3fs, store=store)
        self._mode = mode
        self._if_match = if_match
        self._draft: _Draft | None = None
        self._ended = False

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, obj: Any) -> None:
        """Encode the document; once.

        Raises:
            EncodeError: A value that no archive can hold; nothing will be published.
            ValueError: A second document.
        """
        draft = self._begin()
        steps = draft.encoder.run(obj)
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, (Emit, Patch)):
                    draft.take(step)
                else:
                    raise EncodeError("an async stream needs write_async", type=type(step.stream).__name__)
        except StopIteration as end:
            draft.node = end.value
        except BaseException:
            self._drop()
            raise

    async def write_async(self, obj: Any) -> None:
        """Encode the document; async iterables in it are drawn as it is written. See `write`."""
        draft = self._begin()
        steps = draft.encoder.run(obj)
        sources: dict[int, AsyncIterator[Any]] = {}
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, (Emit, Patch)):
                    draft.take(step)
                else:
                    source = sources.setdefault(id(step.stream), aiter(step.stream))
                    answer = [item async for _, item in _numbered(source, step.most)]
        except StopIteration as end:
            draft.node = end.value
        except BaseException:
            self._drop()
            raise

    def close(self) -> WriteResult:
        """Publish the archive.

        Raises:
            ValueError: Nothing was written.
            AlreadyExistsError, PreconditionError: The condition of the writer does not hold.
        """
        if self.result is not None:
            return self.result
        draft = self._finish()
        try:
            published = None
            if self._place is not None:
                published = self._place.store.put(self._place.key, draft.file, self._put_options())
            return self._published(draft, published)
        finally:
            self._drop()

    async def close_async(self) -> WriteResult:
        """Publish the archive. See `close`."""
        if self.result is not None:
            return self.result
        draft = self._finish()
        try:
            published = None
            if self._place is not None:
                published = await self._place.store.put_async(self._place.key, draft.file, self._put_options())
            return self._published(draft, published)
        finally:
            self._drop()

    def abort(self) -> None:
        """Drop what was written; nothing is published."""
        self._drop()

    async def abort_async(self) -> None:
        """Drop what was written; nothing is published."""
        await run_async(self._drop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close_async()
        else:
            await self.abort_async()

    def __repr__(self) -> str:
        where = "BytesIO" if self._place is None else f"{self._place.key!r}, {self._place.store!r}"
        return f"LazyWriter({where})"

    # -- inside -------------------------------------------------------------------------------------------------------

    def _begin(self) -> _Draft:
        if self._draft is not None or self._ended:
            raise ValueError("a writer writes one document")
        self._draft = _Draft(self.options)
        return self._draft

    def _finish(self) -> _Draft:
        draft = self._draft
        if draft is None or draft.node is None:
            raise ValueError("nothing was written")
        draft.finish(self.options)
        return draft

    def _published(self, draft: _Draft, published: PutResult | None) -> WriteResult:
        if self._buffer is not None:
            draft.file.seek(0)
            self._buffer.seek(0)
            self._buffer.truncate()
            self._buffer.write(draft.file.read())
        self.result = WriteResult(
            size=draft.size,
            data_size=draft.encoder.position,
            toc_size=draft.size - HEADER - draft.encoder.position,
            etag=published.etag if published else None,
            version=published.version if published else None,
            bytes_uploaded=draft.size if published else 0,
            spooled=draft.size > self.options.spool_memory,
        )
        return self.result

    def _put_options(self) -> PutOptions:
        from dataclasses import replace  # noqa: PLC0415

        if self._mode == "x":
            return replace(self.options.put, mode="create")
        if self._if_match is not None:
            return replace(self.options.put, mode="update", if_match=self._if_match)
        return self.options.put

    def _drop(self) -> None:
        self._ended = True
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.file.close()


class _Draft:
    """The archive as it grows: in memory, and on disk beyond ``spool_memory``."""

    def __init__(self, options: WriteOptions) -> None:
        self.encoder = Encoder(options.codec, options.layout, options.default)
        self.node: dict[str, Any] | None = None
        self.size = 0
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=options.spool_memory)  # noqa: SIM115  # closed by the writer
        self.file.write(bytes(HEADER))

    def take(self, step: Step) -> None:
        """Write or patch bytes of the document."""
        if isinstance(step, Emit):
            self.file.write(step.data)
        elif isinstance(step, Patch):
            self.file.seek(HEADER + step.position)
            self.file.write(step.data)
            self.file.seek(0, io.SEEK_END)

    def finish(self, options: WriteOptions) -> None:
        """Add the table of contents and fill in the header."""
        assert self.node is not None
        header, rest = finish(self.node, self.encoder.position, options, self.encoder.annexes)
        self.file.write(rest)
        self.size = HEADER + self.encoder.position + len(rest)
        self.file.seek(0)
        self.file.write(header)
        self.file.seek(0)


def dump(dest: Any, obj: Any, **named: Any) -> WriteResult:
    """Write a document as an archive. Takes what `LazyWriter` takes."""
    with LazyWriter(dest, **named) as writer:
        writer.write(obj)
        return writer.close()


async def dump_async(dest: Any, obj: Any, **named: Any) -> WriteResult:
    """Write a document as an archive. See `dump`."""
    async with LazyWriter(dest, **named) as writer:
        await writer.write_async(obj)
        return await writer.close_async()


def dumps(obj: Any, *, options: WriteOptions | None = None) -> bytes:
    """Return a document as the bytes of an archive.

    Example:
        >>> loads(dumps([1, 2.5, "x"]))
        [1, 2.5, 'x']
    """
    target = io.BytesIO()
    dump(target, obj, options=options)
    return target.getvalue()


def loads(data: bytes, **named: Any) -> Any:
    """Return the document of an archive in memory."""
    from holdall.containers.reader import load  # noqa: PLC0415  # reader and writer do not need each other

    return load(data, **named)


async def _numbered(source: AsyncIterator[Any], most: int) -> AsyncIterator[tuple[int, Any]]:
    for number in islice(iter(int, 1), most):
        try:
            yield number, await anext(source)
        except StopAsyncIteration:
            return
