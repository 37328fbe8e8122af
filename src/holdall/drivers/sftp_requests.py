"""Requests to an SFTP server that are sent side by side, each of whose answers is awaited.

asyncssh sends the blocks of a large piece side by side too, but leaves their tasks behind when the connection is lost: a
traceback of each in the user's log, for an error that the caller was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["both", "read_blocks", "write_blocks"]

T = TypeVar("T")
U = TypeVar("U")
LEAST = 16 * 1024
"""Bytes of a block, at the least: whatever a server says it takes, it has to be told a piece in a bounded number of requests."""


async def both(one: Awaitable[T], two: Awaitable[U]) -> tuple[T, U]:
    """Await two requests sent at once; a file that one of them opened is closed if the other one fails."""
    first, second = await asyncio.gather(one, two, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        close = getattr(first, "close", None)
        if close is not None:
            with suppress(Exception):
                await close()
        raise second
    return first, second


async def read_blocks(file: Any, start: int, size: int) -> bytes:
    """Return the bytes of ``[start, start + size)`` of an open file, all of them unless the file ends."""
    block = max(file.read_len, LEAST)
    wanted = [min(block, start + size - at) for at in range(start, start + size, block)]
    blocks = await _all(file.read(length, start + number * block) for number, length in enumerate(wanted))
    data = bytearray()
    for length, found in zip(wanted, blocks, strict=True):
        data += found
        if len(found) < length:  # the end
            break
    return bytes(data)


async def write_blocks(file: Any, data: bytes, offset: int) -> None:
    """Write bytes into an open file at an offset."""
    block = max(file.write_len, LEAST)
    await _all(file.write(data[at : at + block], offset + at) for at in range(0, len(data), block))


async def _all(requests: Iterable[Awaitable[T]]) -> list[T]:
    answers: list[T] = []
    for answer in await asyncio.gather(*requests, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers
