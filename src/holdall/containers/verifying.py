"""Read a whole archive once and check everything that can be checked: checksums, counts, keys, that the nodes tile the document.

A table says where leaves and blocks lie. What stands between two of them must be exactly what the table lets one expect there: heads of
containers with their counts, and keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from holdall.containers.archive import Archive, Cursor
from holdall.containers.errors import FormatError
from holdall.containers.members import below, inner, member
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf, RunMap
from holdall.containers.options import VerifyReport
from holdall.containers.paths import shown
from holdall.containers.waves import Steps, Want
from holdall.containers.wire import Kind, head, skip

__all__ = ["verify"]

WAVE = 16 * 1024 * 1024
"""Bytes in flight."""


class _Head(NamedTuple):
    """The head of a container that must come next."""

    kind: Kind
    members: int
    path: tuple[Any, ...]


class _Key(NamedTuple):
    """The key that must come next."""

    key: Any
    path: tuple[Any, ...]


class _Solid(NamedTuple):
    """A leaf (``items`` ``None``), or a block of so many items or pairs."""

    start: int
    end: int
    path: tuple[Any, ...]
    checksum: int | None
    items: int | None = None
    is_map: bool = False


class _Annex(NamedTuple):
    """The key directory of a map, behind the table."""

    start: int
    end: int
    path: tuple[Any, ...]
    checksum: int
    items: int


class _Stretch(NamedTuple):
    """Bytes of the document, what is expected in front, and the solid they end with."""

    start: int
    end: int
    expected: list[_Head | _Key]
    solid: _Solid | None


def verify(root: Cursor) -> Steps[VerifyReport]:
    """Check an archive and all that are embedded in it.

    Raises:
        IntegrityError: A checksum differs.
        FormatError: Table and document contradict each other.
    """
    archive, node = root.archive, root.node
    if isinstance(node, Combined):
        return (yield from _combined(root, node))
    leaves = checksums = size = 0
    wave: list[_Stretch] = []
    annexes: list[_Annex] = []
    for stretch in _stretches(root, annexes):
        wave.append(stretch)
        size += stretch.end - stretch.start
        if stretch.solid is not None:
            leaves += 1
            checksums += stretch.solid.checksum is not None
        if size >= WAVE:
            yield from _check(archive, wave)
            wave, size = [], 0
    yield from _check(archive, wave)
    for annex in annexes:
        (data,) = yield Want([archive.at(annex.start, annex.end)], keep=False)
        archive.checked(data, annex.checksum, (*annex.path, "keys"), annex.start)
        if len(archive.decoded(data)) != annex.items:
            raise _contradiction(archive, annex.path, "its key directory has another number of keys")
        checksums += 1
    checksums += archive.table.root is not None and archive.table.root.checksum is not None
    return VerifyReport(size=archive.table.size, leaves=leaves, checksums=checksums)


def _combined(root: Cursor, node: Combined) -> Steps[VerifyReport]:
    leaves = checksums = 0
    archives = 1
    for segment in list(node.children) if isinstance(node.children, dict) else range(len(node.children)):
        child = yield from member(root, node, segment)
        report: VerifyReport = yield from verify(child)
        leaves += report.leaves
        checksums += report.checksums
        archives += report.archives
    own = root.archive.table.root
    checksums += own is not None and own.checksum is not None
    return VerifyReport(size=root.archive.table.size, leaves=leaves, checksums=checksums, archives=archives)


# -- what the table says -----------------------------------------------------------------------------------------------


def _stretches(root: Cursor, annexes: list[_Annex]) -> Iterator[_Stretch]:
    """Cut the document where solids end, and note key directories."""
    expected: list[_Head | _Key] = []
    at = 0
    for part in _parts(root):
        if isinstance(part, _Annex):
            annexes.append(part)
            continue
        if not isinstance(part, _Solid):
            expected.append(part)
            continue
        if part.start < at:
            raise _contradiction(root.archive, part.path, f"byte {part.start} belongs to two values")
        yield _Stretch(at, part.end, expected, part)
        at, expected = part.end, []
    end = root.archive.table.header.toc_start
    if at < end and (expected or root.archive.table.root is not None):
        yield _Stretch(at, end, expected, None)


def _parts(root: Cursor) -> Iterator[_Head | _Key | _Solid | _Annex]:
    """Iterate over all that a document is made of, in order."""
    stack: list[Iterator[_Head | _Key | _Solid | _Annex | Cursor]] = [iter((root,))]
    while stack:
        for found in stack[-1]:
            if isinstance(found, Cursor):
                stack.append(_of(found))
                break
            yield found
        else:
            stack.pop()


def _of(cursor: Cursor) -> Iterator[_Head | _Key | _Solid | _Annex | Cursor]:
    node, path = cursor.node, cursor.path
    if isinstance(node, Leaf):
        if node.run is None:
            yield _Solid(node.start, node.end, path, node.checksum)
            return
        yield _Head(Kind.MAP, sum(node.run.counts), path)
        yield from _blocks(cursor, node.run, is_map=True)
        if node.run.directory is not None:
            start, end, checksum = node.run.directory
            yield _Annex(start, end, path, checksum, sum(node.run.counts))
    elif isinstance(node, Blocks):
        yield _Head(Kind.ARRAY, node.count, path)
        yield from _blocks(cursor, node, is_map=False)
    elif isinstance(node, Indexed):
        yield _Head(Kind.MAP if node.is_map else Kind.ARRAY, len(node.children), path)
        named: Any = node.children.items() if isinstance(node.children, dict) else enumerate(node.children)
        for segment, raw in named:
            if node.is_map:
                yield _Key(segment, path)
            yield below(cursor, node, raw, segment)


def _blocks(cursor: Cursor, node: Blocks | RunMap, *, is_map: bool) -> Iterator[_Head | _Key | _Solid | _Annex | Cursor]:
    for i, count in enumerate(node.counts):
        path = (*cursor.path, f"block {i}")
        if i not in node.nested:
            yield _Solid(node.starts[i], node.ends[i], path, node.checksums[i] if node.checksums else None, count, is_map)
        elif is_map and isinstance(node, RunMap) and node.firsts is not None:
            yield _Key(node.firsts[i], path)
            yield inner(cursor, node, i, node.firsts[i])
        elif is_map:
            yield _Solid(node.starts[i], node.ends[i], path, None, count, is_map)
        else:
            yield inner(cursor, node, i, node.edges[i] - 1)


# -- what the bytes say ------------------------------------------------------------------------------------------------


def _check(archive: Archive, wave: list[_Stretch]) -> Steps[None]:
    """Fetch stretches and compare them with what they must be."""
    if not wave:
        return
    found = yield Want([archive.at(stretch.start, stretch.end) for stretch in wave], keep=False)
    for stretch, data in zip(wave, found, strict=True):
        solid = stretch.solid
        split = len(data) if solid is None else solid.start - stretch.start
        _compare(archive, stretch, data[:split])
        if solid is not None:
            body = data[split:]
            archive.checked(body, solid.checksum, solid.path, solid.start)
            if solid.items is None:
                archive.decoded(body)
            else:
                archive.items(body, solid.items, is_map=solid.is_map)


def _compare(archive: Archive, stretch: _Stretch, data: bytes) -> None:
    """Read what stands in front of a solid: heads and keys as expected, and nothing else but breaks."""
    codec, at = archive.table.header.codec, 0
    for expected in stretch.expected:
        while at < len(data) and codec == "cbor" and data[at] == 0xFF:
            at += 1
        if isinstance(expected, _Head):
            found = head(data, at, codec)
            if found.kind is not expected.kind or found.value not in {None, expected.members}:
                raise _contradiction(archive, expected.path, f"the table has {expected.members} members, the document not")
            at = found.end
        else:
            end = skip(data, at, codec)
            key = archive.decoded(data[at:end])
            if key != expected.key or type(key) is not type(expected.key):
                raise _contradiction(archive, expected.path, f"the table has the key {expected.key!r}, the document {key!r}")
            at = end
    rest = data[at:].strip(b"\xff") if codec == "cbor" else data[at:]
    if rest:
        raise _contradiction(archive, () if stretch.solid is None else stretch.solid.path, "bytes that no node accounts for")


def _contradiction(archive: Archive, path: tuple[Any, ...], why: str) -> FormatError:
    return FormatError(f"{shown(path)}: {why}", kind="toc", key=archive.origin.key)
