"""`ChunkStream`: a context manager, in either colour, over the chunks of an object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType

from holdall.core.options import GetOptions
from holdall.results import GetResult
from holdall.store import Store

__all__ = ["ChunkStream"]


class ChunkStream:
    """Chunks of an object, opened on entering and let go on leaving.

    Args:
        store: Where.
        key: What.
        options: Range.
        size: Bytes per chunk.
    """

    def __init__(self, store: Store, key: str, options: GetOptions | None, size: int) -> None:
        self._store = store
        self._key = key
        self._options = options
        self._size = size
        self._result: GetResult | None = None

    def __enter__(self) -> Iterator[bytes]:
        self._result = self._store.get(self._key, self._options)
        return self._result.chunks(self._size)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._result is not None:
            self._result.close()

    async def __aenter__(self) -> AsyncIterator[bytes]:
        self._result = await self._store.get_async(self._key, self._options)
        return self._result.chunks_async(self._size)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._result is not None:
            await self._result.close_async()
