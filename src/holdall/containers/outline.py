"""What an archive holds, as lines of a tree: told from its tables alone, without reading the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdall.containers.archive import Cursor
from holdall.containers.members import below, kind_of, member, size_of
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf
from holdall.containers.waves import Steps

__all__ = ["Line", "outline"]


@dataclass(frozen=True, slots=True)
class Line:
    """One place in an archive.

    Attributes:
        path: Where; empty for the root.
        kind: What is there: see `LazyReader.kind`.
        items: Its members, where the table tells.
        size: Its encoded bytes, where the table tells.
    """

    path: tuple[Any, ...]
    kind: str
    items: int | None = None
    size: int | None = None


def outline(cursor: Cursor, depth: int, most: int) -> Steps[list[Line]]:
    """Return a place and what is below it, ``depth`` levels down, at most ``most`` members of each container."""
    lines: list[Line] = []
    stack = [cursor]
    while stack:
        at = stack.pop()
        lines.append(_line(at))
        node = at.node
        if len(at.path) - len(cursor.path) >= depth or not isinstance(node, (Combined, Indexed)):
            continue
        segments: list[Any] = list(node.children) if isinstance(node.children, dict) else list(range(len(node.children)))
        children: list[Cursor] = []
        for segment in segments[:most]:
            if isinstance(node, Indexed):
                raw: Any = node.children[segment]
                children.append(below(at, node, raw, segment))
            else:
                children.append((yield from member(at, node, segment)))
        stack.extend(reversed(children))
    return lines


def _line(cursor: Cursor) -> Line:
    node, kind, size = cursor.node, kind_of(cursor.node), size_of(cursor.node)
    if isinstance(node, Leaf):
        return Line(cursor.path, kind, None if node.run is None else sum(node.run.counts), size)
    if isinstance(node, Blocks):
        return Line(cursor.path, kind, node.count, size)
    return Line(cursor.path, kind, len(node.children), cursor.archive.table.size if isinstance(node, Combined) else size)
