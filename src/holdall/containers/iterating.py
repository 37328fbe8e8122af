"""Go through a list or map from one end to the other, or bring what lies below a place into the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from holdall.containers.archive import Cursor
from holdall.containers.cache import Span
from holdall.containers.loading import AT_ONCE, block_of, grouped, is_plain
from holdall.containers.members import below, inner, member
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf
from holdall.containers.walking import resolve, settled
from holdall.containers.waves import Flow, Steps, Want, together

__all__ = ["iterate", "pairs", "warm"]

FIRST_READ = 64 * 1024
"""Encoded bytes of an iteration's first wave; each one may be twice as large as the one before."""
LARGEST_READ = 32 * 1024 * 1024
LARGEST_AT_HAND = 4 * 1024 * 1024
"""The same for a local file."""
MOST_MEMBERS = 1024
"""Members of a container that are looked at in the table at once."""


def iterate(cursor: Cursor) -> Flow:
    """Iterate over the items of a list: plain values, or cursors of large ones."""
    node = cursor.node
    if isinstance(node, Blocks):
        for wave in grouped(node, FIRST_READ, _largest(cursor)):
            yield from _wave(cursor, node, wave)
    elif isinstance(node, (Indexed, Combined)):
        for several in _several(cursor, node, range(len(node.children))):
            places = yield from together([member(cursor, node, i) for i in several])
            yield (yield from settled(places))


def _largest(cursor: Cursor) -> int:
    """Return how large a wave may become: what each request to a store costs beside its bytes is paid seldom."""
    origin = cursor.archive.origin
    if origin.file is not None:
        return LARGEST_AT_HAND
    return LARGEST_READ if origin.ahead is None else origin.ahead.step


def _several(cursor: Cursor, node: Indexed | Combined, segments: Sequence[Any]) -> Iterable[list[Any]]:
    """Group members of a container so that those of a group that are read whole have at most so many bytes, growing from one to the next."""
    if isinstance(node, Combined):
        yield from (list(segments[at : at + AT_ONCE]) for at in range(0, len(segments), AT_ONCE))
        return
    children: Any = node.children
    several, size, most = list[Any](), 0, FIRST_READ
    for segment in segments:
        place = below(cursor, node, children[segment], segment)
        weight = place.node.end - place.node.start if is_plain(place.node) else 0
        if several and (size + weight > most or len(several) >= MOST_MEMBERS):
            yield several
            several, size, most = [], 0, min(2 * most, _largest(cursor))
        several.append(segment)
        size += weight
    if several:
        yield several


def _wave(cursor: Cursor, node: Blocks, wave: range) -> Flow:
    plain = [i for i in wave if i not in node.nested]
    found = (yield Want([cursor.archive.at(node.starts[i], node.ends[i]) for i in plain], keep=False)) if plain else []
    data = dict(zip(plain, found, strict=True))
    nested = [i for i in wave if i in node.nested]
    large = dict(zip(nested, (yield from settled([inner(cursor, node, i, node.edges[i] - 1) for i in nested])), strict=True))
    for i in wave:
        yield [large[i]] if i in large else block_of(cursor, node, i, data.pop(i))


def pairs(cursor: Cursor) -> Flow:
    """Iterate over the pairs of a map: values plain, or cursors of large ones."""
    node = cursor.node
    if isinstance(node, Leaf) and node.run is not None:
        for wave in grouped(node.run, FIRST_READ, _largest(cursor)):
            spans = [cursor.archive.at(node.run.starts[i], node.run.ends[i]) for i in wave]
            for i, data in zip(wave, (yield Want(spans, keep=False)), strict=True):
                yield list(block_of(cursor, node.run, i, data, is_map=True).items())
    elif isinstance(node, (Indexed, Combined)) and isinstance(node.children, dict):
        for several in _several(cursor, node, list(node.children)):
            places = yield from together([member(cursor, node, key) for key in several])
            yield list(zip(several, (yield from settled(places)), strict=True))


def warm(cursor: Cursor, paths: Sequence[tuple[Any, ...]] | None, most: int | None) -> Steps[int]:
    """Bring what paths lead to into the cache, at most so many bytes; return how many there are now."""
    if paths is None:
        places: list[Any] = [cursor]
    else:
        places = yield from together([resolve(cursor, path) for path in paths])
    total = 0
    while places:
        spans: list[Span] = []
        deeper: list[Steps[Cursor]] = []
        for place in places:
            if isinstance(place, Cursor):
                _collect(place, spans, deeper)
        for wave in _limited(spans, None if most is None else most - total):
            yield Want(wave)
            total += sum(end - start for start, end in wave)
        if most is not None and total >= most:
            break
        places = yield from together(deeper)
    return total


def _collect(cursor: Cursor, spans: list[Span], deeper: list[Steps[Cursor]]) -> None:
    """Note the ranges of all leaves and blocks below a place, and the embedded archives that have to be opened."""
    stack = [cursor]
    while stack:
        at = stack.pop()
        node, archive = at.node, at.archive
        if isinstance(node, Combined):
            named: Any = node.children if isinstance(node.children, dict) else range(len(node.children))
            deeper.extend(member(at, node, segment) for segment in named)
        elif isinstance(node, Indexed):
            named = node.children.items() if isinstance(node.children, dict) else enumerate(node.children)
            stack.extend(reversed([below(at, node, raw, segment) for segment, raw in named]))
        elif isinstance(node, Leaf) and node.run is None:
            spans.append(archive.at(node.start, node.end))
        else:
            blocked = node.run if isinstance(node, Leaf) else node
            assert blocked is not None  # a leaf without one went the other way
            for i in range(len(blocked.counts)):
                if i in blocked.nested:
                    stack.append(inner(at, blocked, i, blocked.edges[i] - 1))
                else:
                    spans.append(archive.at(blocked.starts[i], blocked.ends[i]))


def _limited(spans: Sequence[Span], most: int | None) -> Iterable[list[Span]]:
    """Group ranges into waves, and stop before there are too many bytes."""
    wave: list[Span] = []
    size = total = 0
    for start, end in spans:
        total += end - start
        if most is not None and total > most:
            break
        if wave and size + end - start > LARGEST_READ:
            yield wave
            wave, size = [], 0
        wave.append((start, end))
        size += end - start
    if wave:
        yield wave
