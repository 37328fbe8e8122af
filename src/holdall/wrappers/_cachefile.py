"""The file of one cached content: bytes that can be checked in part.

::

    content | footer (JSON: name, description, a digest per block) | length of the footer | digest of the footer | magic

The content stands first, so a range of it is a range of the file. Every read is checked against the digests of the blocks it
touches: damage is found where it is, before a byte of it is served.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from dataclasses import fields
from datetime import datetime
from typing import Any, BinaryIO

from holdall.core.meta import Attributes, ObjectMeta
from holdall.wrappers._shelf import DamagedError, Entry

__all__ = ["BLOCK", "Digester", "FileEntry", "footer", "open_entry"]

BLOCK = 256 * 1024
"""Bytes that share a digest: what a small range costs to check."""

_TRAILER = struct.Struct(">I16s8s")
_MAGIC = b"holdall1"
_WIDTH = 16


def _digest(data: bytes | memoryview) -> bytes:
    """Return the digest of a block: SHA-256, which processors have built in, cut to 128 bits."""
    return hashlib.sha256(data).digest()[:_WIDTH]


class Digester:
    """Digests of the blocks of a stream."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._held = 0
        self._done = bytearray()
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Add bytes."""
        view = memoryview(chunk)
        self.size += len(view)
        while view:
            part = view[: BLOCK - self._held]
            self._hash.update(part)
            self._held += len(part)
            view = view[len(part) :]
            if self._held == BLOCK:
                self._cut()

    def digests(self) -> bytes:
        """Return the digests of all blocks; nothing can be added afterwards."""
        if self._held:
            self._cut()
        return bytes(self._done)

    def _cut(self) -> None:
        self._done += self._hash.digest()[:_WIDTH]
        self._hash = hashlib.sha256()
        self._held = 0


def footer(name: str, meta: ObjectMeta, digests: bytes) -> bytes:
    """Return what stands behind the content."""
    told = _told(meta) | {
        "last_modified": None if meta.last_modified is None else meta.last_modified.isoformat(),
        "attributes": _told(meta.attributes) | {"metadata": dict(meta.metadata)},
        "digests": dict(meta.digests),
    }
    text = json.dumps({"name": name, "meta": told, "blocks": digests.hex()}).encode()
    return text + _TRAILER.pack(len(text), _digest(text), _MAGIC)


def _told(value: ObjectMeta | Attributes) -> dict[str, Any]:
    """Return the fields by name (`dataclasses.asdict` copies deeply, which a mapping proxy does not bear)."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def open_entry(path: str, name: str) -> FileEntry:
    """Open the file of a cached content.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It is not the whole and sound file of this name.
    """
    file = open(path, "rb", buffering=0)  # noqa: SIM115  # the entry closes it
    try:
        size = os.fstat(file.fileno()).st_size
        return _parse(file, size, name)
    except BaseException:
        file.close()
        raise


def _parse(file: BinaryIO, size: int, name: str) -> FileEntry:
    if size < _TRAILER.size:
        raise DamagedError("too short")
    length, digest, magic = _TRAILER.unpack(_at(file, size - _TRAILER.size, _TRAILER.size))
    if magic != _MAGIC or length > size - _TRAILER.size:
        raise DamagedError("no trailer")
    text = _at(file, size - _TRAILER.size - length, length)
    if _digest(text) != digest:
        raise DamagedError("footer")
    told = json.loads(text)
    meta, blocks = told["meta"], bytes.fromhex(told["blocks"])
    content = size - _TRAILER.size - length
    if told["name"] != name or meta["size"] != content or len(blocks) != -(-content // BLOCK) * _WIDTH:
        raise DamagedError("another content")
    modified = meta["last_modified"]
    meta |= {
        "last_modified": None if modified is None else datetime.fromisoformat(modified),
        "attributes": Attributes(**meta["attributes"]),
    }
    return FileEntry(file, ObjectMeta(**meta), blocks)


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class FileEntry(Entry):
    """A content in an open file.

    Its lock keeps `close` from pulling the file away under a read: a task that is cancelled leaves its worker thread reading.
    """

    __slots__ = ("_blocks", "_file", "_lock", "meta")

    def __init__(self, file: BinaryIO, meta: ObjectMeta, blocks: bytes) -> None:
        self.meta = meta
        self._file = file
        self._blocks = blocks
        self._lock = threading.Lock()

    def read(self, start: int, end: int) -> bytes:
        end = min(end, self.meta.size)
        if start >= end:
            return b""
        first = start // BLOCK * BLOCK
        last = min(-(-end // BLOCK) * BLOCK, self.meta.size)
        try:
            with self._lock:
                data = _at(self._file, first, last - first)
        except OSError as error:
            raise DamagedError(f"cannot be read: {error.strerror}") from error
        if len(data) != last - first:
            raise DamagedError("too short")
        view = memoryview(data)
        for at in range(0, len(data), BLOCK):
            number = (first + at) // BLOCK
            if _digest(view[at : at + BLOCK]) != self._blocks[number * _WIDTH : (number + 1) * _WIDTH]:
                raise DamagedError(f"block {number}")
        return data if (first, last) == (start, end) else data[start - first : end - first]

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def __del__(self) -> None:
        self._file.close()  # a result that was dropped unread
