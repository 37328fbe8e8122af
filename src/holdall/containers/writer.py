"""`LazyWriter`: encode a document while it streams, publish it as a whole or not at all."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any, Literal, Self

from holdall.containers import writing, writing_async
from holdall.containers.encoder import Encoder
from holdall.containers.finishing import finish
from holdall.containers.header import HEADER
from holdall.containers.options import WriteOptions, WriteResult
from holdall.containers.places import target_of
from holdall.containers.sinks import conditioned, sink_for
from holdall.containers.sinks_async import sink_for as sink_for_async
from holdall.errors import ClosedError
from holdall.store import Store

__all__ = ["LazyWriter", "Target", "dump", "dump_async", "dumps", "loads"]


class Target:
    """What the writer and the combiner share: where the archive goes, and that it is published as a whole or not at all."""

    result: WriteResult | None

    def __init__(
        self,
        dest: Any,
        *,
        fs: Any = None,
        s3fs: Any = None,
        store: Store | None = None,
        mode: str = "w",
        if_match: str | None = None,
        options: WriteOptions | None = None,
    ) -> None:
        if mode == "x" and if_match is not None:
            raise ValueError("if_match replaces, mode='x' creates: give one of them")
        self.options = options or WriteOptions()
        self.result = None
        self._place = target_of(dest, fs=fs, s3fs=s3fs, store=store)
        self._put = conditioned(self.options.put, mode, if_match)
        self._flow = self.options
        self._sink: Any = None
        self._asynchronous = False
        self._ended = False

    def abort(self) -> None:
        """Drop what was written; nothing is published."""
        self._ended = True
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abandon() if self._asynchronous else sink.abort()

    async def abort_async(self) -> None:
        """Drop what was written; nothing is published."""
        self._ended = True
        sink, self._sink = self._sink, None
        if sink is not None:
            await sink.abort_async()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.key!r}, {self._place.store!r})"

    def __del__(self) -> None:
        sink = getattr(self, "_sink", None)
        if sink is not None:
            self._sink = None
            sink.abandon()
            warnings.warn(f"{self!r} was neither closed nor aborted: nothing is published", ResourceWarning, stacklevel=2)

    def _begin(self) -> Any:
        """Return the sink of the blocking colour."""
        self._check_open()
        if self._sink is None:
            self._sink = sink_for(self._place.store, self._place.key, self._put, self._flow)
        return self._sink

    def _begin_async(self) -> Any:
        """Return the sink of the async colour."""
        self._check_open()
        if self._sink is None:
            self._sink = sink_for_async(self._place.store, self._place.key, self._put, self._flow)
            self._asynchronous = True
        return self._sink

    def _check_open(self) -> None:
        if self._ended:
            raise ClosedError(f"{type(self).__name__} was closed or aborted", key=self._place.key)

    def _leave(self) -> None:
        self._ended = True
        self._sink = None


class LazyWriter(Target):
    """Writes one archive. A clean exit of the block publishes it; an exception leaves what was there before.

    Args:
        dest: Where: key or path with ``store=`` or ``fs=``, URL, ``mount:path``, local path, node, `BytesIO` or another seekable
            binary file (patched in place, so not atomic).
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
        super().__init__(dest, fs=fs, s3fs=s3fs, store=store, mode=mode, if_match=if_match, options=options)
        self._encoder: Encoder | None = None
        self._node: dict[str, Any] | None = None

    def write(self, obj: Any) -> None:
        """Encode the document; once.

        Raises:
            EncodeError: A value that no archive can hold; nothing will be published.
            ValueError: A second document.
        """
        encoder = self._encoded_once()
        try:
            self._node = writing.encode(self._begin(), encoder, obj)
        except BaseException:
            self.abort()
            raise

    async def write_async(self, obj: Any) -> None:
        """Encode the document; async iterables in it are drawn as it is written. See `write`."""
        encoder = self._encoded_once()
        try:
            self._node = await writing_async.encode_async(self._begin_async(), encoder, obj)
        except BaseException:
            await self.abort_async()
            raise

    def close(self) -> WriteResult:
        """Publish the archive.

        Raises:
            ValueError: Nothing was written.
            AlreadyExistsError, PreconditionError: The condition of the writer does not hold.
        """
        if self.result is not None:
            return self.result
        encoder, node = self._written()
        try:
            self.result = writing.publish(self._begin(), node, self.options, encoder.annexes)
        except BaseException:
            self.abort()
            raise
        self._leave()
        return self.result

    async def close_async(self) -> WriteResult:
        """Publish the archive. See `close`."""
        if self.result is not None:
            return self.result
        encoder, node = self._written()
        try:
            self.result = await writing_async.publish_async(self._begin_async(), node, self.options, encoder.annexes)
        except BaseException:
            await self.abort_async()
            raise
        self._leave()
        return self.result

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

    def _encoded_once(self) -> Encoder:
        self._check_open()
        if self._encoder is not None:
            raise ValueError("a writer writes one document")
        self._encoder = Encoder(self.options.codec_name, self.options.layout, self.options.default)
        return self._encoder

    def _written(self) -> tuple[Encoder, dict[str, Any]]:
        self._check_open()
        if self._encoder is None or self._node is None:
            raise ValueError("nothing was written")
        return self._encoder, self._node


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


class _Memory:
    """Takes the bytes of an archive that goes nowhere else. See `PartSink`."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray(HEADER)

    @property
    def position(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def pin(self, start: int, end: int) -> None:
        """Nothing has to be held back here."""

    def patch(self, position: int, data: bytes) -> None:
        self.data[position : position + len(data)] = data


def dumps(obj: Any, *, options: WriteOptions | None = None) -> bytes:
    """Return a document as the bytes of an archive.

    Example:
        >>> loads(dumps([1, 2.5, "x"]))
        [1, 2.5, 'x']
    """
    options = options or WriteOptions()
    encoder = Encoder(options.codec_name, options.layout, options.default)
    sink: Any = _Memory()
    node = writing.encode(sink, encoder, obj)
    header, tail = finish(node, encoder.position, options, encoder.annexes)
    sink.patch(0, header)
    sink.write(tail)
    return bytes(sink.data)


def loads(data: bytes, **named: Any) -> Any:
    """Return the document of an archive in memory."""
    from holdall.containers.reader import load  # noqa: PLC0415  # reader and writer do not need each other

    return load(data, **named)
