"""Nodes of the table of contents: what stands where in a document (format sections 2 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["ArrayInfo", "Blocks", "Bounds", "Combined", "Indexed", "Leaf", "Node", "Root", "RunMap"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where positions of an archive may lie (counted from byte 50): ``data`` ends the document, ``size`` the archive."""

    data: int
    size: int


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """A typed array that can be read in part.

    Attributes:
        dtype, shape: What it is.
        starts: Where its elements start, or those of each of its slabs.
        slab: Bytes of a slab; the last one may be smaller.
    """

    dtype: str
    shape: tuple[int, ...]
    starts: tuple[int, ...]
    slab: int

    def spans(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Return where a range of the elements' bytes lies."""
        found: list[tuple[int, int]] = []
        while begin < end:
            at, offset = divmod(begin, self.slab)
            size = min(end - begin, self.slab - offset)
            found.append((self.starts[at] + offset, self.starts[at] + offset + size))
            begin += size
        return found


@dataclass(frozen=True, slots=True)
class RunMap:
    """A map stored as blocks of pairs: found by the first key of each block, or by a directory of keys in the annex.

    Attributes:
        counts, starts, ends: Pairs and byte range of each block.
        checksums: CRC-32 of each block, or empty.
        firsts: The first key of each block, ascending; or ``None``.
        directory: ``(start, end, crc)`` of all keys as one array; or ``None``.
        nested: The node of the value in a block that is one big pair.
        edges: Pairs up to the end of each block.
    """

    counts: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    checksums: tuple[int, ...] = ()
    firsts: tuple[Any, ...] | None = None
    directory: tuple[int, int, int] | None = None
    nested: Mapping[int, Any] = field(default_factory=dict[int, Any])
    edges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """One document at ``[start, end)``."""

    start: int
    end: int
    checksum: int | None = None
    array: ArrayInfo | None = None
    run: RunMap | None = None


@dataclass(frozen=True, slots=True)
class Blocks:
    """A list stored as blocks of items without a header; ``nested`` has the node of a block that is one big item."""

    counts: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    checksums: tuple[int, ...] = ()
    nested: Mapping[int, Any] = field(default_factory=dict[int, Any])
    edges: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Items in the list."""
        return self.edges[-1] if self.edges else 0


@dataclass(frozen=True, slots=True)
class Indexed:
    """A map or list whose children have nodes of their own; they are parsed when touched."""

    children: Mapping[Any, Any] | Sequence[Any]
    start: int | None = None
    end: int | None = None
    array: ArrayInfo | None = None

    @property
    def is_map(self) -> bool:
        """Whether the container is a map."""
        return isinstance(self.children, Mapping)


@dataclass(frozen=True, slots=True)
class Combined:
    """Complete archives side by side: their offsets by name or in order."""

    children: Mapping[Any, int] | Sequence[int]
    slots: Mapping[int, int]

    @property
    def is_map(self) -> bool:
        """Whether the children have names."""
        return isinstance(self.children, Mapping)


Node: TypeAlias = Leaf | Blocks | Indexed | Combined


@dataclass(frozen=True, slots=True)
class Root:
    """What our writers say of the whole archive."""

    version: int
    writer: str
    length: int | None
    meta: Mapping[str, Any]
    checksum: int | None
