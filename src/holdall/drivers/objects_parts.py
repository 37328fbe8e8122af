"""How an upload is cut into parts. Pure: sizes and counts from what is known of the source.

Services take at most 10,000 parts, so a fixed part size is a fixed greatest object. Where the size is known, parts are as
large as it needs. Where it is not, parts sent one by one double every 1,000 (8 MiB reaches 8 TiB); obstore, which sends
parts of one size only, gets larger ones, and the upload is refused at the last part rather than by the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.core.options import PutOptions
from holdall.errors import NotSupportedError

__all__ = ["PART", "SINGLE", "PartPlan", "check_memory", "growing_parts", "part_plan", "single_limit"]

MIB: Final = 1024 * 1024
SINGLE: Final = 8 * MIB
"""Content up to this goes in one request."""

PART: Final = 8 * MIB
"""Part size where nothing asks for another."""

UNKNOWN_PART: Final = 16 * MIB
"""Part size of obstore's uploads of unknown length."""

LEAST: Final = 5 * MIB
IN_FLIGHT: Final = 256 * MIB
"""Parts in flight hold at most this much memory, or one part."""

MEMORY: Final = 64 * MIB
"""Largest content under a condition that is collected in memory, where a service can condition only single requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """How to send one upload: bytes per part, parts at once, and bytes after which the service takes no more parts."""

    size: int
    concurrency: int
    limit: int


def single_limit(options: PutOptions) -> int:
    """Return up to how many bytes content goes in one request: a part, for who asks for parts that are smaller.

    Example:
        >>> single_limit(PutOptions(part_size=5 * MIB)) // MIB, single_limit(PutOptions()) // MIB
        (5, 8)
    """
    return SINGLE if options.part_size is None else min(SINGLE, max(LEAST, options.part_size))


def part_plan(size: int | None, options: PutOptions, *, most: int = 10_000, concurrency: int = 8) -> PartPlan:
    """Return how to send an upload in parts of one size.

    Args:
        size: Bytes of the source, if known.
        options: May ask for a part size and a concurrency.
        most: Parts that the service takes.
        concurrency: Parts in flight unless asked otherwise.

    Example:
        >>> part_plan(100 * 1024**3, PutOptions()).size // MIB
        11
    """
    part = max(LEAST, options.part_size or (PART if size is not None else UNKNOWN_PART))
    if size is not None and part * most < size:
        part = -(-size // most)
        part += -part % MIB  # whole MiB: some services align to it
    at_once = max(1, min(options.concurrency or concurrency, IN_FLIGHT // part))
    return PartPlan(size=part, concurrency=at_once, limit=part * most)


def growing_parts(first: int, *, most: int = 10_000, largest: int = 5 * 1024**3, equal: bool = False) -> Iterator[int]:
    """Yield the size of each part of an upload of unknown length: doubled every 1,000 parts, unless all must be equal.

    Example:
        >>> sum(growing_parts(PART)) // 1024**4
        7
    """
    for number in range(most):
        yield first if equal else min(largest, first << (number // 1000))


def check_memory(held: Sequence[bytes], store: object) -> None:
    """Refuse to collect more in memory than is reasonable.

    Raises:
        NotSupportedError: The service conditions single requests only, and the content is large.
    """
    if sum(map(len, held)) > MEMORY:
        raise NotSupportedError(
            f"content above {MEMORY // MIB} MiB cannot be written under a condition here: it would have to be sent in one "
            'request from memory; on S3, pip install "holdall[s3]"',
            store=store,
        )
