# Generated from ranging_async.py by tools/twins.py: change that file, not this one.
"""Parallel reads of one version of an object: in order through a window, or scattered to their places in a part writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from holdall._concurrency import map_bounded, run
from holdall.core.options import GetOptions
from holdall.core.plans import MIB
from holdall.engine.colours import closed
from holdall.results import GetResult
from holdall.sources import SizedChunks
from holdall.store import PartWriter, Store

__all__ = ["Ranges", "update"]


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

    def in_order(self, window: int) -> Iterator[bytes]:
        """Yield the ranges in order; at most ``window`` of them are under way or waiting."""
        with closed(map_bounded(self._whole, self._starts(), limit=window, window=window)) as parts:
            yield from parts

    def scatter(self, writer: PartWriter, slots: int) -> None:
        """Write every range to its place as it comes."""

        def pour(start: int) -> None:
            with self._open(start) as result:
                self._pour(writer, start, result)

        with closed(map_bounded(pour, self._starts(), limit=slots, window=2 * slots)) as poured:
            for _ in poured:
                pass

    def in_order_to(self, writer: PartWriter, slots: int, digest: Any) -> None:
        """Write every range to its place as it comes, and take them into a digest in order."""

        def move(start: int) -> list[bytes]:
            held: list[bytes] = []
            with self._open(start) as result:
                self._pour(writer, start, result, held)
            return held

        # The chunks of a range are held until those before it have been taken in.
        window = max(1, slots - 2)
        with closed(map_bounded(move, self._starts(), limit=window, window=window)) as moved:
            for chunks in moved:
                for chunk in chunks:
                    update(digest, chunk)

    def _starts(self) -> Iterator[int]:
        yield 0
        yield from range(self.part, self.size, self.step)

    def _open(self, start: int) -> GetResult:
        self._checkpoint()
        if start == 0:
            return self.first
        return self.store.get(self.key, self._reading((start, min(start + self.step, self.size))))

    def _whole(self, start: int) -> bytes:
        with self._open(start) as result:
            return result.bytes()

    def _pour(self, writer: PartWriter, start: int, result: GetResult, held: list[bytes] | None = None) -> None:
        """Write one range as it comes, and add its chunks to those held, if any are to be."""
        failed: list[Exception] = []

        def chunks() -> Iterator[bytes]:
            try:
                for chunk in result:
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
            with closed(chunks()) as coming:
                writer.pour_part(start // self.part + 1, SizedChunks(coming, result.size))
        except Exception:
            if failed:
                raise failed[0] from failed[0].__cause__  # what the source said, not what the target made of it
            raise


def update(digest: Any, data: bytes) -> None:
    """Take bytes into a digest; big ones beside the event loop."""
    if len(data) > MIB:
        run(lambda: digest.update(data))
    else:
        digest.update(data)
