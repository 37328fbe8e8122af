"""Parallel reads of one version of an object: in order through a window, or scattered to their places in a part writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from holdall._concurrency import map_bounded_async, run_async
from holdall.core.options import GetOptions
from holdall.core.plans import MIB
from holdall.engine.colours import closed_async
from holdall.results import GetResult
from holdall.store import PartWriter, Store

__all__ = ["PIECES", "Ranges", "update_async"]

PIECES = 16
"""Part numbers that one range has at its disposal when it is written in pieces."""


class Ranges:
    """The ranges of one object, each read by a request of its own and pinned to the version that the first one found.

    Args:
        store: The source.
        key: The object.
        first: The answer to the first range, not read yet.
        part: Bytes per range.
        reading: Makes the options of a further range.
        checkpoint: Called before every request; raises if the transfer was stopped.
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
        self.part = part
        self.size = first.meta.size
        self._reading = reading
        self._checkpoint = checkpoint

    @property
    def step(self) -> int:
        """Bytes between two part numbers when ranges are written in pieces; ranges too small for that are one piece each."""
        return self.part // PIECES if self._in_pieces else self.part

    @property
    def _in_pieces(self) -> bool:
        return self.part >= MIB

    async def in_order_async(self, window: int) -> AsyncIterator[bytes]:
        """Yield the ranges in order; at most ``window`` of them are under way or waiting."""
        async with closed_async(map_bounded_async(self._whole_async, self._starts(), limit=window, window=window)) as parts:
            async for data in parts:
                yield data

    async def scatter_async(self, writer: PartWriter, slots: int) -> AsyncIterator[int]:
        """Write every range to its place as it comes, in small pieces; yield how many bytes arrived, range by range."""

        async def pour(start: int) -> int:
            async with await self._open_async(start) as result:
                await self._pour_async(writer, start, result)
                return result.size

        async with closed_async(map_bounded_async(pour, self._starts(), limit=slots, window=2 * slots)) as poured:
            async for size in poured:
                yield size

    async def in_order_to_async(self, writer: PartWriter, slots: int, digest: Any) -> AsyncIterator[int]:
        """Write every range to its place as it comes, and take them into a digest in order; yield bytes, range by range."""

        async def move(start: int) -> list[Any]:
            async with await self._open_async(start) as result:
                return await self._pour_async(writer, start, result, keep=True)

        # The pieces of a range are held until those before it have been taken in.
        window = max(1, slots - 2)
        async with closed_async(map_bounded_async(move, self._starts(), limit=window, window=window)) as moved:
            async for pieces in moved:
                for piece in pieces:
                    await update_async(digest, piece)
                yield sum(map(len, pieces))

    def _starts(self) -> range:
        return range(0, self.size, self.part)

    async def _open_async(self, start: int) -> GetResult:
        self._checkpoint()
        if start == 0:
            return self.first
        return await self.store.get_async(self.key, self._reading((start, min(start + self.part, self.size))))

    async def _whole_async(self, start: int) -> bytes:
        async with await self._open_async(start) as result:
            return await result.bytes_async()

    async def _pour_async(self, writer: PartWriter, start: int, result: GetResult, *, keep: bool = False) -> list[Any]:
        """Write one range in pieces, so that a slot holds little, and return them if they are to be kept.

        The first piece says where the others go: behind it.
        """
        number, step = start // self.step + 1, self.step
        kept: list[Any] = []

        async def write(block: Any) -> None:
            nonlocal number
            await writer.put_part_async(number, block)
            number += 1
            if keep:
                kept.append(block)

        held: list[Any] = []
        size, begun = 0, False
        async for chunk in result:
            self._checkpoint()
            held.append(chunk)
            size += len(chunk)
            if not begun and size > step:
                block = memoryview(_joined(held))
                await write(block[:step])
                held, size, begun = [block[step:]], size - step, True
            if begun and size >= step:
                await write(_joined(held))
                held, size = [], 0
        if size or not begun:
            await write(_joined(held))
        return kept


def _joined(held: list[Any]) -> Any:
    return held[0] if len(held) == 1 else b"".join(held)


async def update_async(digest: Any, data: bytes) -> None:
    """Take bytes into a digest; big ones beside the event loop."""
    if len(data) > MIB:
        await run_async(lambda: digest.update(data))
    else:
        digest.update(data)
