"""`NodeContent`: reading and writing whole files, with everything the storage keeps beside the bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, overload

from holdall._lazy import lazy
from holdall.core.options import GetOptions, PutOptions
from holdall.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PermissionDeniedError
from holdall.mounts import content, lookup
from holdall.mounts.node_versions import NodePin
from holdall.results import GetResult, PutResult
from holdall.sources import AsyncSource, BytesLike, Source, iter_chunks, iter_chunks_async

if TYPE_CHECKING:
    from holdall.mounts import content_async, lookup_async
else:
    content_async = lazy("holdall.mounts.content_async")
    lookup_async = lazy("holdall.mounts.lookup_async")

__all__ = ["NodeContent"]


class NodeContent(NodePin):
    """Content of a file. Writing is atomic: readers see the old content or the new; parents are made."""

    __slots__ = ()

    # -- reading ------------------------------------------------------------------------------------------------------

    def read_bytes(self, *, version: str | int | None = None, as_of: datetime | None = None) -> bytes:
        """Return the content.

        Args:
            version: Of this version, by id or index.
            as_of: As it was then; naive means UTC.

        Raises:
            NotFoundError: Nothing there.
            IsDirectoryError: A directory.
        """
        store = self._store()
        return content.read(store, self._key, self._pinned(store, version, as_of))

    async def read_bytes_async(self, *, version: str | int | None = None, as_of: datetime | None = None) -> bytes:
        """Return the content. See `read_bytes`."""
        store = self._store()
        return await content_async.read_async(store, self._key, await self._pinned_async(store, version, as_of))

    def read_text(self, encoding: str = "utf-8", *, version: str | int | None = None, as_of: datetime | None = None) -> str:
        """Return the content as text; newlines are not translated. See `read_bytes`."""
        return self.read_bytes(version=version, as_of=as_of).decode(encoding)

    async def read_text_async(
        self, encoding: str = "utf-8", *, version: str | int | None = None, as_of: datetime | None = None
    ) -> str:
        """Return the content as text. See `read_text`."""
        return (await self.read_bytes_async(version=version, as_of=as_of)).decode(encoding)

    @overload
    def read(self, mode: Literal["r"] = "r", encoding: str = "utf-8") -> str: ...
    @overload
    def read(self, mode: Literal["rb"], encoding: str = "utf-8") -> bytes: ...
    def read(self, mode: str = "r", encoding: str = "utf-8") -> str | bytes:
        """Return the content: text for ``"r"``, bytes for ``"rb"``.

        Raises:
            ValueError: Another mode.
        """
        return self.read_text(encoding) if _read_mode(mode) else self.read_bytes()

    @overload
    async def read_async(self, mode: Literal["r"] = "r", encoding: str = "utf-8") -> str: ...
    @overload
    async def read_async(self, mode: Literal["rb"], encoding: str = "utf-8") -> bytes: ...
    async def read_async(self, mode: str = "r", encoding: str = "utf-8") -> str | bytes:
        """Return the content. See `read`."""
        return await self.read_text_async(encoding) if _read_mode(mode) else await self.read_bytes_async()

    def get(self, *, version: str | int | None = None, as_of: datetime | None = None, **get_options: Any) -> GetResult:
        """Open the content as a stream.

        Args:
            version: Of this version, by id or index.
            as_of: As it was then.
            get_options: The fields of `GetOptions`: range and conditions.

        Raises:
            NotFoundError: Nothing there.
            PreconditionError, NotModifiedError: A condition does not hold.
        """
        options = GetOptions(**get_options)
        store = self._store()
        pinned = self._pinned(store, version, as_of)
        return content.opened(store, self._key, _with_version(options, pinned))

    async def get_async(
        self, *, version: str | int | None = None, as_of: datetime | None = None, **get_options: Any
    ) -> GetResult:
        """Open the content as a stream. See `get`."""
        options = GetOptions(**get_options)
        store = self._store()
        pinned = await self._pinned_async(store, version, as_of)
        return await content_async.opened_async(store, self._key, _with_version(options, pinned))

    # -- writing ------------------------------------------------------------------------------------------------------

    def write_bytes(self, data: BytesLike, *, skip_if_unchanged: bool = False, **put_options: Any) -> bool:
        """Publish bytes as the whole content.

        Args:
            data: The bytes.
            skip_if_unchanged: Write nothing if the file holds them already.
            put_options: The fields of `PutOptions`.

        Returns:
            Whether anything was written.

        Raises:
            TypeError: Not bytes-like.
            PreconditionError: With ``skip_if_unchanged``: somebody else wrote in the meantime.
        """
        checked = _bytes(data)
        options = PutOptions(**put_options) if put_options else None
        self._check_writable()
        if self._inline:
            return self._take(bytes(checked), options) or not skip_if_unchanged
        store = self._store()
        if skip_if_unchanged:
            return content.write_changed(store, self._key, bytes(checked), options)
        content.write(store, self._key, checked, options)
        return True

    async def write_bytes_async(self, data: BytesLike, *, skip_if_unchanged: bool = False, **put_options: Any) -> bool:
        """Publish bytes as the whole content. See `write_bytes`."""
        checked = _bytes(data)
        options = PutOptions(**put_options) if put_options else None
        self._check_writable()
        if self._inline:
            return self._take(bytes(checked), options) or not skip_if_unchanged
        store = self._store()
        if skip_if_unchanged:
            return await content_async.write_changed_async(store, self._key, bytes(checked), options)
        await content_async.write_async(store, self._key, checked, options)
        return True

    def write_text(self, text: str, encoding: str = "utf-8", *, skip_if_unchanged: bool = False, **put_options: Any) -> bool:
        """Publish text as the whole content; newlines are not translated. See `write_bytes`."""
        return self.write_bytes(_text(text).encode(encoding), skip_if_unchanged=skip_if_unchanged, **put_options)

    async def write_text_async(
        self, text: str, encoding: str = "utf-8", *, skip_if_unchanged: bool = False, **put_options: Any
    ) -> bool:
        """Publish text as the whole content. See `write_text`."""
        encoded = _text(text).encode(encoding)
        return await self.write_bytes_async(encoded, skip_if_unchanged=skip_if_unchanged, **put_options)

    def write(
        self,
        data: str | BytesLike,
        mode: str = "w",
        encoding: str = "utf-8",
        *,
        skip_if_unchanged: bool = False,
        **put_options: Any,
    ) -> bool:
        """Publish text (``mode="w"``) or bytes (``"wb"``) as the whole content.

        Returns:
            Whether anything was written.

        Raises:
            ValueError: Another mode.
            TypeError: ``w`` needs a ``str``, ``wb`` bytes.
        """
        encoded = _written(data, mode, encoding)
        return self.write_bytes(encoded, skip_if_unchanged=skip_if_unchanged, **put_options)

    async def write_async(
        self,
        data: str | BytesLike,
        mode: str = "w",
        encoding: str = "utf-8",
        *,
        skip_if_unchanged: bool = False,
        **put_options: Any,
    ) -> bool:
        """Publish text or bytes as the whole content. See `write`."""
        encoded = _written(data, mode, encoding)
        return await self.write_bytes_async(encoded, skip_if_unchanged=skip_if_unchanged, **put_options)

    def put(self, source: Source, **put_options: Any) -> PutResult:
        """Publish a source as the whole content: bytes, a path, a binary file or an iterable of chunks.

        Args:
            source: What to write; streamed in bounded memory.
            put_options: The fields of `PutOptions`.
        """
        options = PutOptions(**put_options) if put_options else None
        self._check_writable()
        if self._inline:
            data = b"".join(iter_chunks(source))
            self._take(data, options)
            return PutResult(key=self._key, size=len(data))
        return content.write(self._store(), self._key, source, options)

    async def put_async(self, source: AsyncSource, **put_options: Any) -> PutResult:
        """Publish a source as the whole content; async iterables too. See `put`."""
        options = PutOptions(**put_options) if put_options else None
        self._check_writable()
        if self._inline:
            data = b"".join([chunk async for chunk in iter_chunks_async(source)])
            self._take(data, options)
            return PutResult(key=self._key, size=len(data))
        return await content_async.write_async(self._store(), self._key, source, options)

    def touch(self, exist_ok: bool = True) -> None:
        """Make an empty file; an existing one is not truncated, its time is set.

        Args:
            exist_ok: A file that is there is no error.

        Raises:
            AlreadyExistsError: It is there.
            NotSupportedError: It is there, and this storage sets its times itself.
        """
        self._check_mounted("touched")
        store = self._store()
        try:
            content.create(store, self._key)
        except AlreadyExistsError:
            if not exist_ok:
                raise
            store.set_modified(self._key, datetime.now(UTC))

    async def touch_async(self, exist_ok: bool = True) -> None:
        """Make an empty file. See `touch`."""
        self._check_mounted("touched")
        store = self._store()
        try:
            await content_async.create_async(store, self._key)
        except AlreadyExistsError:
            if not exist_ok:
                raise
            await store.set_modified_async(self._key, datetime.now(UTC))

    def _take(self, data: bytes, options: PutOptions | None) -> bool:
        """Become other content: the path of an inline node is what it holds. Tells whether that is a change."""
        from holdall.drivers.inline import InlineStore  # noqa: PLC0415  # inline nodes only

        if self._manager._is_readonly(self._mount):
            raise PermissionDeniedError(f"{self._mount!r} is read-only", key=self._key)
        if options is not None and options != PutOptions(content_type=options.content_type):
            raise NotSupportedError("inline content keeps a content type and nothing else", key=self._key)
        kept = self._key[5:].partition(",")[0].partition(";")[0] if self._key[:5].lower() == "data:" else ""
        key = InlineStore.encode(data, (options.content_type if options is not None else None) or kept or None)
        changed, self._key, self._info = key != self._key, key, None
        return changed

    # -- beside the content -------------------------------------------------------------------------------------------

    def get_metadata(self) -> dict[str, str]:
        """Return the user metadata.

        Raises:
            NotFoundError: Nothing there.
        """
        store = self._store()
        try:
            return dict(store.head(self._key, version=self._pinned(store)).metadata)
        except NotFoundError as error:
            raise lookup.absence(store, self._key, error) from error

    async def get_metadata_async(self) -> dict[str, str]:
        """Return the user metadata. See `get_metadata`."""
        store = self._store()
        try:
            return dict((await store.head_async(self._key, version=await self._pinned_async(store))).metadata)
        except NotFoundError as error:
            raise await lookup_async.absence_async(store, self._key, error) from error

    def set_metadata(self, metadata: dict[str, str], *, merge: bool = False) -> None:
        """Replace the user metadata; content type, other headers, tags and storage class stay.

        Args:
            metadata: Keys are folded to lower case.
            merge: Keep what is there under other keys.

        Raises:
            NotSupportedError: This mount does not support metadata.
        """
        self._check_writable()
        content.set_metadata(self._store(), self._key, metadata, merge=merge)

    async def set_metadata_async(self, metadata: dict[str, str], *, merge: bool = False) -> None:
        """Replace the user metadata. See `set_metadata`."""
        self._check_writable()
        await content_async.set_metadata_async(self._store(), self._key, metadata, merge=merge)

    def get_tags(self) -> dict[str, str]:
        """Return the tags.

        Raises:
            NotSupportedError: This mount has no tags.
        """
        store = self._store()
        return store.tags(self._key, version=self._pinned(store))

    async def get_tags_async(self) -> dict[str, str]:
        """Return the tags. See `get_tags`."""
        store = self._store()
        return await store.tags_async(self._key, version=await self._pinned_async(store))

    def set_tags(self, tags: dict[str, str]) -> None:
        """Replace the tags; content and metadata stay."""
        self._check_writable()
        self._store().set_tags(self._key, tags)

    async def set_tags_async(self, tags: dict[str, str]) -> None:
        """Replace the tags. See `set_tags`."""
        self._check_writable()
        await self._store().set_tags_async(self._key, tags)


def _read_mode(mode: str) -> bool:
    """Tell whether a mode means text."""
    if mode not in {"r", "rb"}:
        raise ValueError(f"Invalid read mode {mode!r}: 'r' or 'rb'")
    return mode == "r"


def _bytes(data: BytesLike) -> BytesLike:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"bytes-like content is needed, not {type(data).__name__}")
    return data


def _text(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a str is needed, not {type(text).__name__}")
    return text


def _written(data: str | BytesLike, mode: str, encoding: str) -> BytesLike:
    if mode not in {"w", "wb"}:
        raise ValueError(f"Invalid write mode {mode!r}: 'w' or 'wb'")
    if mode == "wb":
        if isinstance(data, str):
            raise TypeError("mode 'wb' needs bytes-like content, not str")
        return _bytes(data)
    if not isinstance(data, str):
        raise TypeError(f"mode 'w' needs a str, not {type(data).__name__}")
    return data.encode(encoding)


def _with_version(options: GetOptions, version: str | None) -> GetOptions:
    if version is None:
        return options
    from dataclasses import replace  # noqa: PLC0415  # snapshots only

    return replace(options, version=version)
