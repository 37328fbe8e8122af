"""What is open: the object that bytes come from, and the archives in it with their tables. State only; `fetching` does the I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import unpack_from
from typing import Any, NamedTuple, cast

from holdall.containers.cache import ByteCache, Span
from holdall.containers.checksums import crc32
from holdall.containers.directory import Directory
from holdall.containers.engines import Engine, engine
from holdall.containers.errors import ChecksumError, DamagedError, Fault, FormatError
from holdall.containers.flights import Flights
from holdall.containers.header import HEADER, Header, parse_header
from holdall.containers.held import HeldBytes, HeldFile
from holdall.containers.legacy import restored
from holdall.containers.lookahead import Lookahead
from holdall.containers.nodes import Bounds, Leaf, Node, Root
from holdall.containers.options import ReadOptions, ReadStats
from holdall.containers.toc import parse_node, parse_root, plain_leaf
from holdall.containers.wire import CodecName, array_head, map_head
from holdall.errors import ClosedError, IntegrityError
from holdall.store import Store

__all__ = ["Archive", "Cursor", "Origin", "Table", "table_of"]

SLIGHT = 16
"""Items smaller than this on average are decoded as quickly as they are told apart."""


@dataclass(slots=True)
class Origin:
    """The object that an archive and those embedded in it are read from.

    Attributes:
        store, key: Where it is.
        etag, version: What every read is pinned to.
        size: Its size, where it was known before opening.
        recipe: What names it in another process.
        file: The local file, held open, or bytes in memory.
        front: The header, where it was read by itself.
        ahead: What is read ahead, for one who reads from one end to the other.
        flights, flights_async: What each colour is fetching: a thread never waits for a task of a loop that it may be blocking.
    """

    store: Store
    key: str
    options: ReadOptions
    stats: ReadStats
    cache: ByteCache
    etag: str | None = None
    version: str | None = None
    size: int | None = None
    file: HeldFile | HeldBytes | None = None
    closed: bool = False
    recipe: Any = None
    archive: Archive | None = None
    front: bytes | None = None
    ahead: Lookahead | None = None
    flights: Flights = field(default_factory=Flights)
    flights_async: Flights = field(default_factory=Flights)

    def check_open(self) -> None:
        """Raise if the reader was closed.

        Raises:
            ClosedError: It was.
        """
        if self.closed:
            raise ClosedError("the reader is closed", key=self.key, store=self.store)

    def close(self) -> None:
        """Let go of the file and of what was read."""
        self.closed = True
        self.file = None
        self.archive = None
        self.ahead = None
        self.cache.clear()


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
        origin: The object.
        table: Its table of contents.
        base: Where it begins in the object.
        nesting: How many archives it lies in.
        children: The archives in it that were opened, by offset.
        directory: The key directory that was read last, with its place.
    """

    origin: Origin
    table: Table
    base: int = 0
    nesting: int = 0
    children: dict[int, Archive] = field(default_factory=dict[int, "Archive"])
    directory: tuple[Span, Directory] | None = None
    _nodes: dict[int, Node] = field(default_factory=dict[int, Node])
    _engine: Engine | None = None

    @property
    def options(self) -> ReadOptions:
        """How to read."""
        return self.origin.options

    @property
    def end(self) -> int:
        """Where it ends in the object."""
        return self.base + self.table.size

    def at(self, start: int, end: int) -> Span:
        """Return a range of the document as a range of the object."""
        shift = self.base + HEADER
        return start + shift, end + shift

    def node(self, raw: Any, within: Span | None) -> Node:
        """Return the node of a raw entry of the table; those that take work are parsed once."""
        found = self._nodes.get(id(raw))
        if found is None:
            low, high = (0, self.table.bounds.data) if within is None else within
            leaf = plain_leaf(raw, low, high)
            if leaf is not None:
                return leaf
            found = parse_node(raw, self.table.bounds, within)
            if not isinstance(found, Leaf) or found.run is not None:
                self._nodes[id(raw)] = found  # the table keeps `raw`, so its identity stays its own
        return found

    def checked(self, data: bytes | memoryview, checksum: int | None, path: tuple[Any, ...], start: int) -> None:
        """Compare bytes of the document with their CRC-32.

        Raises:
            ChecksumError: They differ; has path and byte range.
        """
        if checksum is not None and self.options.verify == "read" and crc32(data) != checksum:
            low, high = self.at(start, start + len(data))
            said = f"bytes {low} to {high} are damaged"
            place = "/".join(map(str, path))
            raise ChecksumError(said, path=place, span=(low, high), key=self.origin.key, store=self.origin.store)

    def decoded(self, data: bytes) -> Any:
        """Decode one document."""
        value = self._codec().decode(data)
        return restored(value) if self.options.legacy_arrays else value

    def _codec(self) -> Engine:
        if self._engine is None:
            self._engine = engine(self.table.header.codec, max_depth=self.options.max_depth)
        return self._engine

    def keys(self, data: bytes, count: int) -> Directory:
        """Return the directory of a map of so many pairs."""
        return Directory(data, count, self._codec())

    def item(self, data: bytes, count: int, at: int) -> Any:
        """Decode one of the ``count`` items of a block; the others are only told apart."""
        codec = self._codec()
        if len(data) == 9 * count and data[::9] == (b"\xcb" if codec.codec == "msgpack" else b"\xfb") * count:
            return unpack_from(">d", data, 9 * at + 1)[0]  # nothing but numbers of nine bytes
        if len(data) < SLIGHT * count:
            return self.items(data, count)[at]
        items = codec.split(array_head(count, codec.codec) + data)
        if len(items) != count:
            raise FormatError(f"a block of {len(items)} instead of {count} items", kind="toc", key=self.origin.key)
        return self.decoded(items[at])

    def items(self, data: bytes, count: int, *, is_map: bool = False) -> Any:
        """Decode a block: ``count`` items, or pairs, without a header."""
        head = (map_head if is_map else array_head)(count, self.table.header.codec)
        found = self.decoded(head + data)
        if len(found) != count:
            raise FormatError(f"a block of {len(found)} instead of {count} items", kind="toc", key=self.origin.key)
        return found


class Cursor(NamedTuple):
    """A place in an archive that has not been read."""

    archive: Archive
    node: Node
    path: tuple[Any, ...]
    within: Span | None = None


def table_of(head: bytes, toc: bytes, size: int, options: ReadOptions, where: str = "") -> Table:
    """Return what header and table of contents say, checked.

    Args:
        head: The first 50 bytes.
        toc: The table's bytes.
        size: Bytes of the archive, or of the slot that it lies in.
        options: Whether to check the CRC.
        where: What begins the message of an error.

    Raises:
        FormatError: Their CRC-32 holds, but they say what cannot be.
        IntegrityError: Their CRC-32 does not hold. Where they cannot even be read this is a `DamagedError`, which is both.
    """
    header = parse_header(head, options.magic, where)
    try:
        raw = engine(header.codec, max_depth=options.max_depth).decode(toc)
        root = parse_root(raw)
        length = size if root is None or root.length is None else root.length
        bounds = Bounds(header.toc_start, min(size, length) - HEADER)
        node = parse_node(raw, bounds, root=True)
    except FormatError as error:
        if error.kind in {"limit", "depth"} or _holds(head, toc):
            raise
        said = f"{where}the header or the table of contents cannot be read, and no checksum holds: {error}"
        raise DamagedError(said, kind=cast("Fault", error.kind)) from error
    claimed = root.checksum is not None if root is not None else _ends_as_ours(toc, header.codec)
    if claimed and options.verify == "read" and not _holds(head, toc):
        raise IntegrityError(f"{where}the header or the table of contents is damaged")
    return Table(header, bounds, root, node, size)


def _holds(head: bytes, toc: bytes) -> bool:
    """Tell whether a table ends with the CRC-32 of what stands before, header included."""
    return toc[-4:] == crc32(toc[:-4], crc32(head[:HEADER])).to_bytes(4, "big")


def _ends_as_ours(toc: bytes, codec: CodecName) -> bool:
    """Tell whether a table without ``h`` still has what ours have in it, so that the key itself is damaged."""
    begin, end = (b"\xa1v\x01\xa1w", b"\xa1c\xce") if codec == "msgpack" else (b"av\x01aw", b"ac\x1a")
    return toc[-7:-4] == end and begin in toc
