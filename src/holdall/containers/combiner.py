"""`LazyCombiner`: many archives in one, copied as they are; the table of contents holds where each begins."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from holdall.containers import children, children_async, writing, writing_async
from holdall.containers.drawing import each, each_async
from holdall.containers.fileinfo import MISSING, FileInfo, Validate, at_hand, check_validate, info_of, is_stream, reader_of
from holdall.containers.header import HEADER
from holdall.containers.options import WriteOptions, WriteResult
from holdall.containers.reader import LazyReader
from holdall.containers.sinks import conditioned, frugal
from holdall.containers.writer import Target
from holdall.store import Store

__all__ = ["LazyCombiner", "append", "append_async", "combine", "combine_async"]


class LazyCombiner(Target):
    """Combines archives into one. A clean exit of the block publishes it; an exception leaves what was there before.

    All children have names (the result is a map), or none has (a list). Bytes stream through with bounded memory.

    Args:
        dest: Where; see `LazyWriter`.
        mode: ``w`` overwrites, ``x`` creates, ``a`` adds to a combined archive (published only if nobody changed it meanwhile).
        fs, s3fs: An fsspec filesystem for a path (two names of one thing).
        store: A store for a key.
        if_match: Replace only the object of this etag.
        options: How to write.

    Example:
        >>> import io
        >>> from holdall.containers import dumps, load
        >>> with LazyCombiner(target := io.BytesIO()) as combiner:
        ...     combiner.write(dumps([1, 2]), "numbers")
        ...     combiner.write_obj({"x": "y"}, "letters")
        >>> load(target)
        {'numbers': [1, 2], 'letters': {'x': 'y'}}
    """

    def __init__(
        self,
        dest: Any,
        *,
        mode: Literal["w", "x", "a"] = "w",
        fs: Any = None,
        s3fs: Any = None,
        store: Store | None = None,
        if_match: str | None = None,
        options: WriteOptions | None = None,
    ) -> None:
        if mode not in {"w", "x", "a"}:
            raise ValueError(f"mode is 'w', 'x' or 'a', not {mode!r}")
        super().__init__(dest, fs=fs, s3fs=s3fs, store=store, mode=mode, if_match=if_match, options=options)
        self._flow = frugal(self.options)
        self._offsets: list[int] = []
        self._names: list[Any] = []
        self._taken: set[Any] = set()
        self._old: LazyReader | None = None
        if mode == "a":
            self._old = LazyReader(self._place.key, store=self._place.store, if_match=if_match, cached=False)

    # -- children -----------------------------------------------------------------------------------------------------

    def write(self, source: Any, name: str | None = None, *, validate: Validate = True) -> None:
        """Embed an archive.

        Args:
            source: A `FileInfo`, anything that `LazyReader` reads, a reader, or an iterable of an archive's bytes.
            name: Its name.
            validate: ``True`` looks at the header, ``"toc"`` at the table of contents too, ``"full"`` verifies everything, ``False``
                takes it as it is.

        Raises:
            ValueError: A name that is taken, or missing where the others have one; ``validate`` is none of these.
            FormatError, IntegrityError: No archive, or a damaged one.
        """
        info = info_of(source, name)
        check_validate(validate)
        try:
            sink = self._prepared()
            self._note(info.name, sink.position)
            if info.obj is not MISSING:
                children.copy_object(sink, info.obj, self.options)
            elif is_stream(info.source):
                children.copy_chunks(sink, info.source, validate)
            else:
                reader, own = reader_of(info)
                try:
                    children.copy_archive(sink, reader, validate)
                finally:
                    if own:
                        reader.close()
        except BaseException:
            self.abort()
            raise

    async def write_async(self, source: Any, name: str | None = None, *, validate: Validate = True) -> None:
        """Embed an archive; async iterables of bytes too. See `write`."""
        info = info_of(source, name)
        check_validate(validate)
        try:
            sink = await self._prepared_async()
            self._note(info.name, sink.position)
            if info.obj is not MISSING:
                await children_async.copy_object_async(sink, info.obj, self.options)
            elif is_stream(info.source):
                await children_async.copy_chunks_async(sink, info.source, validate)
            else:
                reader, own = reader_of(info)
                try:
                    await children_async.copy_archive_async(sink, reader, validate)
                finally:
                    if own:
                        await reader.close_async()
        except BaseException:
            await self.abort_async()
            raise

    def write_obj(self, obj: Any, name: str | None = None) -> None:
        """Encode an object straight into an embedded archive."""
        self.write(FileInfo(name=name, obj=obj))

    async def write_obj_async(self, obj: Any, name: str | None = None) -> None:
        """Encode an object straight into an embedded archive."""
        await self.write_async(FileInfo(name=name, obj=obj))

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> WriteResult:
        """Publish the archive.

        Raises:
            AlreadyExistsError, PreconditionError: The condition of the combiner does not hold.
        """
        if self.result is not None:
            return self.result
        try:
            sink = self._prepared()
            self.result = writing.publish(sink, {"t": self._table()}, self.options)
        except BaseException:
            self.abort()
            raise
        self._leave()
        return self.result

    async def close_async(self) -> WriteResult:
        """Publish the archive. See `close`."""
        if self.result is not None:
            return self.result
        try:
            sink = await self._prepared_async()
            self.result = await writing_async.publish_async(sink, {"t": self._table()}, self.options)
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

    # -- inside -------------------------------------------------------------------------------------------------------

    def _prepared(self) -> Any:
        """Return the sink; before the first child, what the archive held is copied into it."""
        self._check_open()
        old, self._old = self._old, None
        if old is None:
            return self._begin()
        with old:
            self._pin(old)
            sink = self._begin()
            self._learn(children.old_children(sink, old))
        return sink

    async def _prepared_async(self) -> Any:
        """Return the sink. See `_prepared`."""
        self._check_open()
        old, self._old = self._old, None
        if old is None:
            return self._begin_async()
        async with old:
            self._pin(old)
            sink = self._begin_async()
            self._learn(await children_async.old_children_async(sink, old))
        return sink

    def _pin(self, old: LazyReader) -> None:
        """Publish only over the archive that was read, where the store can tell."""
        if old.etag is not None and self._place.store.capabilities.update:
            self._put = conditioned(replace(self.options.put), "w", old.etag)

    def _learn(self, table: Any) -> None:
        named = isinstance(table, dict)
        self._offsets = list(table.values() if named else table)
        self._names = list(table) if named else [None] * len(table)
        self._taken = set(self._names)

    def _note(self, name: str | None, position: int) -> None:
        """Take down where a child begins."""
        if self._names and (name is None) != (self._names[0] is None):
            raise ValueError("either all children of a combined archive have names, or none has")
        if name is not None and name in self._taken:
            raise ValueError(f"the name {name!r} is taken")
        self._taken.add(name)
        self._names.append(name)
        self._offsets.append(position - HEADER)

    def _table(self) -> dict[Any, int] | list[int]:
        if not self._names or self._names[0] is not None:
            return dict(zip(self._names, self._offsets, strict=True))
        return self._offsets


def combine(
    dest: Any,
    files: FileInfo | Iterable[Any],
    *,
    mode: Literal["w", "x", "a"] = "w",
    validate: Validate = True,
    **named: Any,
) -> WriteResult:
    """Combine archives into one. Takes what `LazyCombiner` takes.

    Args:
        dest: Where.
        files: `FileInfo`, or what `LazyCombiner.write` takes; may be lazy.
        mode: ``w``, ``x`` or ``a``.
        validate: How closely each is looked at; see `LazyCombiner.write`.
        named: ``fs``, ``store``, ``if_match``, ``options``.
    """
    check_validate(validate)
    with LazyCombiner(dest, mode=mode, **named) as combiner:
        if isinstance(files, (list, tuple)) and validate is True:
            files = at_hand(files)
            children.look_at_all(file.source for file in files if isinstance(file.source, LazyReader))
        for file in each([files] if isinstance(files, FileInfo) else files):
            combiner.write(file, validate=validate)
        return combiner.close()


async def combine_async(
    dest: Any,
    files: FileInfo | Iterable[Any] | AsyncIterable[Any],
    *,
    mode: Literal["w", "x", "a"] = "w",
    validate: Validate = True,
    **named: Any,
) -> WriteResult:
    """Combine archives into one. See `combine`."""
    check_validate(validate)
    async with LazyCombiner(dest, mode=mode, **named) as combiner:
        if isinstance(files, (list, tuple)) and validate is True:
            files = at_hand(files)
            await children_async.look_at_all_async(file.source for file in files if isinstance(file.source, LazyReader))
        async for file in each_async([files] if isinstance(files, FileInfo) else files):
            await combiner.write_async(file, validate=validate)
        return await combiner.close_async()


def append(dest: Any, files: FileInfo | Iterable[Any], **named: Any) -> WriteResult:
    """Add archives to a combined one: `combine` with ``mode="a"``."""
    return combine(dest, files, mode="a", **named)


async def append_async(dest: Any, files: FileInfo | Iterable[Any] | AsyncIterable[Any], **named: Any) -> WriteResult:
    """Add archives to a combined one: `combine_async` with ``mode="a"``."""
    return await combine_async(dest, files, mode="a", **named)
