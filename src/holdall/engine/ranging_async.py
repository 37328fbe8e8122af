"""Parallel reads of one version of an object: in order through a window, or scattered to their places in a part writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from holdall._concurrency import map_bounded_async, run_async
from holdall.core.options import GetOptions
from holdall.core.plans import MIB
from holdall.engine.colours import closed_async
from holdall.results import GetResult
from holdall.sources import AsyncSizedChunks
from holdall.store import PartWriter, Store

__all__ = ["Ranges", "update_async"]


class Ranges:
    """The ranges of one object, each read by a request of its own and pinned to the version that the first one found.

    Args:
        store: The source.
        key: The object.
        first: The answer to the first range, not read yet.
        part: Bytes of the first range.
        reading: Makes the options of a further range.
        checkpoint: Called before every request; raises if the transfer was stopped.

    Attributes:
        step: Bytes of each further range: whole parts.
        arrived: Called with the size of every chunk that was written to its place, by any thread.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        first: GetResult,
        part: int,
        reading: Callable[[tuple[int, int]], GetOptions | None],
        checkpoint: Callable[[], None],
    ) -> None:
        self.store = store
        self.key = key
        self.first = first
        self.part = self.step = part
        self.size = first.meta.size
        self._reading = reading
        self._checkpoint = checkpoint
        self.arrived: Callable[[int], None] | None = None

    async def in_order_async(self, window: int) -> AsyncIterator[bytes]:
        """Yield the ranges in order; at most ``window`` of them are under way or waiting."""
        async with closed_async(map_bounded_async(self._whole_async, self._starts(), limit=window, window=window)) as parts:
            async for data in parts:
                yield data

    async def scatter_async(self, writer: PartWriter, slots: int) -> None:
        """Write every range to its place as it comes."""

        async def pour(start: int) -> None:
            async with await self._open_async(start) as result:
                await self._pour_async(writer, start, result)

        async with closed_async(map_bounded_async(pour, self._starts(), limit=slots, window=2 * slots)) as poured:
            async for _ in poured:
                pass

    async def in_order_to_async(self, writer: PartWriter, slots: int, digest: Any) -> None:
        """Write every range to its place as it comes, and take them into a digest in order."""

        async def move(start: int) -> list[bytes]:
            held: list[bytes] = []
            async with await self._open_async(start) as result:
                await self._pour_async(writer, start, result, held)
            return held

        # The chunks of a range are held until those before it have been taken in.
        window = max(1, slots - 2)
        async with closed_async(map_bounded_async(move, self._starts(), limit=window, window=window)) as moved:
            async for chunks in moved:
                for chunk in chunks:
                    await update_async(digest, chunk)

    def _starts(self) -> Iterator[int]:
        yield 0
        yield from range(self.part, self.size, self.step)

    async def _open_async(self, start: int) -> GetResult:
        self._checkpoint()
        if start == 0:
            return self.first
        return await self.store.get_async(self.key, self._reading((start, min(start + self.step, self.size))))

    async def _whole_async(self, start: int) -> bytes:
        async with await self._open_async(start) as result:
            return await result.bytes_async()

    async def _pour_async(self, writer: PartWriter, start: int, result: GetResult, held: list[bytes] | None = None) -> None:
        """Write one range as it comes, and add its chunks to those held, if any are to be."""
        failed: list[Exception] = []

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in result:
                    self._checkpoint()
                    if held is not None:
                        held.append(chunk)
                    yield chunk
                    if self.arrived is not None:
                        self.arrived(len(chunk))
            except Exception as error:
                failed.append(error)
                raise

        try:
            async with closed_async(chunks()) as coming:
                await writer.pour_part_async(start // self.part + 1, AsyncSizedChunks(coming, result.size))
        except Exception:
            if failed:
                raise failed[0] from failed[0].__cause__  # what the source said, not what the target made of it
            raise


async def update_async(digest: Any, data: bytes) -> None:
    """Take bytes into a digest; big ones beside the event loop."""
    if len(data) > MIB:
        await run_async(lambda: digest.update(data))
    else:
        digest.update(data)
