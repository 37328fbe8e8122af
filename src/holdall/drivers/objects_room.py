"""Room for bodies: the C library keeps what a body leaves free for the next one.

A body stands in memory twice for a moment, in Rust and in Python. glibc hands memory back to the system when more than
twice its largest block so far lies free at the end, which is just that: the kernel then has to find and clear every page again for
the next body, and that costs more than all else that a read of 1 MiB does. One large block that comes and goes, untouched, moves the
limit (mallopt(3): ``M_MMAP_THRESHOLD`` is adjusted dynamically). Limits that the program has set itself stay; other C libraries take no notice.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ROOM", "keep_room"]

ROOM: Final = 2 * 1024 * 1024
"""Bytes of the block; twice as many may stay with the process when bodies are let go of."""


def keep_room() -> None:
    """Let the process keep up to 4 MiB of freed memory for the next bodies. No page is touched."""
    bytes(ROOM)
