"""An opened archive: what its header and table say, and the bytes fetched so far. State only; `walking` does the I/O."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from holdall.containers.engines import Engine, engine
from holdall.containers.errors import FormatError
from holdall.containers.header import HEADER, Header, parse_header
from holdall.containers.options import ReadOptions, ReadStats
from holdall.containers.toc import Bounds, Node, Root, parse_node, parse_root
from holdall.containers.wire import array_head, map_head
from holdall.errors import IntegrityError
from holdall.store import Store

__all__ = ["Archive", "ByteCache", "Cursor", "Table", "table_of"]


class ByteCache:
    """Encoded bytes by range, least recently used out first; shared by the threads of a reader.

    Args:
        limit: Most bytes; ``None`` for no bound, 0 for no cache.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.size = 0
        self._held: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, span: tuple[int, int]) -> bytes | None:
        """Return the bytes of a range, if held."""
        with self._lock:
            data = self._held.get(span)
            if data is not None:
                self._held.move_to_end(span)
            return data

    def put(self, span: tuple[int, int], data: bytes) -> None:
        """Hold the bytes of a range."""
        if self.limit is not None and len(data) > self.limit:
            return
        with self._lock:
            if span not in self._held:
                self._held[span] = data
                self.size += len(data)
            while self.limit is not None and self.size > self.limit:
                _, dropped = self._held.popitem(last=False)
                self.size -= len(dropped)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._held.clear()
            self.size = 0


@dataclass(frozen=True, slots=True)
class Table:
    """What a header and a table of contents say."""

    header: Header
    bounds: Bounds
    root: Root | None
    node: Node
    size: int


@dataclass(slots=True)
class Archive:
    """One archive, or one embedded in another.

    Attributes:
        store, key: The object it lies in.
        base: Where it begins in the object.
        etag: Validator that every read is pinned to.
        table: Its table of contents.
        prefix: Path of this archive in the outermost one.
    """

    store: Store
    key: str
    options: ReadOptions
    stats: ReadStats
    cache: ByteCache
    base: int = 0
    etag: str | None = None
    version: str | None = None
    table: Table | None = None
    prefix: tuple[Any, ...] = ()
    nesting: int = 0
    closed: bool = False
    children: dict[int, Archive] = field(default_factory=dict)
    _engines: dict[str, Engine] = field(default_factory=dict)

    @property
    def opened(self) -> Table:
        """The table; only used behind `walking.attach`."""
        assert self.table is not None
        return self.table

    def engine(self) -> Engine:
        """Return the engine of this archive's codec."""
        codec = self.opened.header.codec
        if codec not in self._engines:
            self._engines[codec] = engine(codec)
        return self._engines[codec]

    def checked(self, data: bytes, checksum: int | None, path: tuple[Any, ...], span: tuple[int, int]) -> bytes:
        """Return bytes whose CRC-32 holds.

        Raises:
            IntegrityError: It does not; names path and byte range.
        """
        if checksum is not None and self.options.verify == "read" and zlib.crc32(data) != checksum:
            where = "/".join(map(str, path)) or "the root"
            low, high = self.base + HEADER + span[0], self.base + HEADER + span[1]
            raise IntegrityError(f"{where}: bytes {low} to {high} are damaged", key=self.key, store=self.store)
        return data

    def items(self, data: bytes, count: int, *, is_map: bool = False) -> Any:
        """Decode a block: ``count`` items, or pairs, without a header."""
        codec = self.opened.header.codec
        head = (map_head if is_map else array_head)(count, codec)
        found = self.engine().decode(head + data)
        if len(found) != count:
            raise FormatError(f"a block of {len(found)} instead of {count} items", kind="toc")
        return found


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an archive that has not been read."""

    archive: Archive
    node: Node
    path: tuple[Any, ...]
    within: tuple[int, int] | None = None


def table_of(head: bytes, toc: bytes, size: int, options: ReadOptions) -> Table:
    """Return what header and table of contents say, checked.

    Args:
        head: The first 50 bytes.
        toc: The table's bytes.
        size: Bytes of the archive, or of the slot that it lies in.
        options: Whether to check the CRC.

    Raises:
        FormatError: They are no header and table of ours.
        IntegrityError: Their CRC-32 does not hold.
    """
    header = parse_header(head, options.magic)
    raw = engine(header.codec).decode(toc) if toc else None
    root = parse_root(raw)
    if root is not None and root.checksum is not None and options.verify == "read":
        stored = root.checksum.to_bytes(4, "big")
        if toc[-4:] == stored and zlib.crc32(toc[:-4], zlib.crc32(head[:HEADER])) != root.checksum:
            raise IntegrityError("the header or the table of contents is damaged")
        if toc[-4:] != stored:
            raise IntegrityError("the table of contents does not end with its checksum")
    length = size if root is None or root.length is None else root.length
    bounds = Bounds(header.toc_start, min(size, length) - HEADER)
    return Table(header, bounds, root, parse_node(raw, bounds, root=True), size)
