"""Marks for `StorageNode.call`: which nodes a program makes or changes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["Marked", "inout", "output", "stamp"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A node and what a program does with it."""

    node: StorageNode
    mode: Literal["", "w", "rw"]


def output(node: StorageNode) -> Marked:
    """Mark a node that the program makes, whether it exists or not; it is not downloaded."""
    return Marked(node, "w")


def inout(node: StorageNode) -> Marked:
    """Mark a node that the program changes."""
    return Marked(node, "rw")


def stamp(path: str) -> Any:
    """Return what changes when a file is written; ``None`` for a directory."""
    if os.path.isdir(path):
        return None
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
