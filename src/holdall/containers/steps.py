"""What passes between the encoder, its driver and its frames: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Annex", "Descend", "Emit", "Layout", "Patch", "Pull", "Step", "Written"]


class Emit(NamedTuple):
    """Bytes that follow what was emitted before; ``pin`` promises that all of them will be patched."""

    data: bytes
    pin: bool = False


class Patch(NamedTuple):
    """Bytes to put over earlier ones, at a position counted from the document's start."""

    position: int
    data: bytes


class Pull(NamedTuple):
    """A request for at most ``most`` items of a stream, answered by a list, empty at its end; ``most`` 0 asks for a lazy value."""

    stream: Any
    most: int


Step = Emit | Patch | Pull


class Descend(NamedTuple):
    """A frame's request to have a value written by a frame of its own."""

    value: Any
    segment: Any


class Written(NamedTuple):
    """A frame's result: where the value lies, its node, and whether it came out small."""

    start: int
    end: int
    node: dict[str, Any]
    small: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the document is cut (bytes)."""

    leaf_bytes: int = 16 * 1024
    max_block: int = 1024 * 1024
    full_index: bool = False
    checksum: bool = True
    max_depth: int = 10_000
    typed_arrays: bool = True


@dataclass(slots=True)
class Annex:
    """The keys of a run map that are not in order, to be written behind the table of contents and noted in its node."""

    node: dict[str, Any]
    keys: list[Any]
