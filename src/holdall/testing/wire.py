"""The framing of HTTP/1.1 messages, as far as a proxy between two connections needs it: where a head and a body end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

__all__ = ["Head", "body_of", "read_head"]

BLOCK = 64 * 1024
LARGEST_HEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request or an answer.

    Attributes:
        raw: Its bytes, the empty line included.
        first: The words of its first line.
        fields: Header fields, names in lower case; of repeated ones the last.
    """

    raw: bytes
    first: tuple[str, ...]
    fields: dict[str, str]

    @property
    def method(self) -> str:
        """Method of a request."""
        return self.first[0] if self.first else ""

    @property
    def target(self) -> str:
        """Path and query of a request."""
        return self.first[1] if len(self.first) > 1 else ""

    @property
    def status(self) -> int:
        """Status of an answer."""
        return int(self.first[1])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next head, ``None`` at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    return Head(raw, tuple(first.split(" ", 2)), fields)


async def body_of(head: Head, reader: asyncio.StreamReader, *, request: Head | None = None) -> AsyncIterator[bytes]:
    """Yield the raw bytes of the body that follows a head, chunked framing included.

    Args:
        head: Of the message.
        reader: Where it comes from.
        request: For an answer: what was asked.
    """
    if request is not None and (request.method == "HEAD" or head.status in {204, 304} or head.status < 200):
        return
    if head.fields.get("transfer-encoding", "").lower().endswith("chunked"):
        while True:
            line = await reader.readuntil(b"\r\n")
            yield line
            size = int(line.split(b";")[0], 16)
            async for block in _exactly(reader, size + 2 if size else 0):
                yield block
            if not size:
                while (trailer := await reader.readuntil(b"\r\n")) != b"\r\n":
                    yield trailer
                yield trailer
                return
    if "content-length" in head.fields:
        async for block in _exactly(reader, int(head.fields["content-length"])):
            yield block
    elif request is not None:
        while block := await reader.read(BLOCK):
            yield block


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        block = await reader.read(min(size, BLOCK))
        if not block:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(block)
        yield block
