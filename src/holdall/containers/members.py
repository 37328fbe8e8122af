"""What stands below a place: members that a table lists, the one big item of a block, archives embedded in one."""

from __future__ import annotations

from typing import Any

from holdall.containers.archive import Archive, Cursor, Origin, table_of
from holdall.containers.errors import DamagedError, FormatError
from holdall.containers.header import HEADER, Header, parse_header
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf, Node, RunMap
from holdall.containers.paths import key_error, shown
from holdall.containers.waves import Steps, Want

__all__ = ["MOST_NESTED", "below", "check_size", "embedded", "inner", "kind_of", "member", "size_of"]

MOST_NESTED = 64
"""Archives within archives, and tables within tables that have no range of their own."""


def check_size(origin: Origin, header: Header, size: int, where: str = "") -> None:
    """Check where a header says that its table lies.

    Raises:
        DamagedError: Outside the archive.
        FormatError: Larger than the options allow.
    """
    if header.end > size or header.toc_size < 1:
        said = f"{where}the header points to byte {header.end} of {size}"
        raise DamagedError(said, kind="header", offset=30, key=origin.key)
    most = origin.options.max_toc_bytes
    if header.toc_size > most:
        said = f"{where}a table of contents of {header.toc_size} bytes, above max_toc_bytes={most}"
        raise FormatError(said, kind="limit", offset=40, key=origin.key)


def embedded(archive: Archive, offset: int, end: int, path: tuple[Any, ...]) -> Steps[Archive]:
    """Open an embedded archive: its header and the end of its slot are fetched in one wave; errors name its path."""
    known = archive.children.get(offset)
    if known is not None:
        return known
    origin = archive.origin
    if archive.nesting >= MOST_NESTED:
        raise FormatError(f"archives nested deeper than {MOST_NESTED}", kind="depth", key=origin.key)
    base, stop = archive.at(offset, end)
    size, window, where = stop - base, archive.options.window, f"{shown(path)}: "
    front, back = yield Want([(base, min(base + window, stop)), (max(base, stop - window), stop)])
    header = parse_header(front, archive.options.magic, where)
    check_size(origin, header, size, where)
    low, high = HEADER + header.toc_start, header.end
    if high <= len(front):
        toc = front[low:high]
    elif low >= size - len(back):
        toc = back[low - (size - len(back)) : high - (size - len(back))]
    else:
        (toc,) = yield Want([(base + low, base + high)])
    child = Archive(origin, table_of(front, toc, size, archive.options, where), base, archive.nesting + 1)
    return archive.children.setdefault(offset, child)


def member(cursor: Cursor, node: Indexed | Combined, segment: Any) -> Steps[Cursor]:
    """Return the place of a member that the table lists."""
    children: Any = node.children
    try:
        chosen = children[segment]
    except (KeyError, TypeError):
        raise key_error(cursor.path, segment) from None
    if isinstance(node, Combined):
        child = yield from embedded(cursor.archive, chosen, node.slots[chosen], (*cursor.path, segment))
        return Cursor(child, child.table.node, (*cursor.path, segment))
    return below(cursor, node, chosen, segment)


def below(cursor: Cursor, node: Indexed, raw: Any, segment: Any) -> Cursor:
    """Return the place of a member of an indexed container."""
    within = cursor.within if node.start is None or node.end is None else (node.start, node.end)
    return Cursor(cursor.archive, cursor.archive.node(raw, within), (*cursor.path, segment), within)


def inner(cursor: Cursor, node: Blocks | RunMap, block: int, segment: Any) -> Cursor:
    """Return the place of the one big item of a block."""
    span = (node.starts[block], node.ends[block])
    return Cursor(cursor.archive, cursor.archive.node(node.nested[block], span), (*cursor.path, segment), span)


def size_of(node: Node) -> int | None:
    """Return the encoded bytes of a node, where the table tells."""
    if isinstance(node, Leaf) or (isinstance(node, Indexed) and node.start is not None and node.end is not None):
        return (node.end or 0) - (node.start or 0)
    if isinstance(node, Blocks):
        return node.ends[-1] - node.starts[0] if node.ends else 0
    return None


def kind_of(node: Node) -> str:
    """Return what a node holds, in a word or two."""
    if isinstance(node, Leaf):
        return "map" if node.run is not None else "array" if node.array is not None else "value"
    if isinstance(node, Blocks):
        return "list"
    kind = "map" if node.is_map else "list"
    return (
        f"combined {kind}" if isinstance(node, Combined) else "array" if isinstance(node, Indexed) and node.array else kind
    )
