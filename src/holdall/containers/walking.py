"""Follow paths through an archive without any I/O, to plain values or to places that were not read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from holdall.containers.archive import Cursor
from holdall.containers.arrayparts import cut_out, planned, stretch_of
from holdall.containers.checking import check_length
from holdall.containers.directory import Directory
from holdall.containers.loading import block_of, load, settle
from holdall.containers.members import inner, member
from holdall.containers.nodes import ArrayInfo, Blocks, Indexed, Leaf, RunMap
from holdall.containers.paths import as_position, key_error, walk
from holdall.containers.waves import Steps, Want, together

__all__ = ["follow", "many", "resolve", "settled"]


def many(root: Cursor, paths: Sequence[tuple[Any, ...]]) -> Steps[list[Any]]:
    """Follow many paths at once; an answer may be the error of its path."""

    def one(path: tuple[Any, ...]) -> Steps[Any]:
        return (yield from settle((yield from resolve(root, path))))

    return (yield from together([one(path) for path in paths], missing=True))


def resolve(cursor: Cursor, rest: Sequence[Any]) -> Steps[Any]:
    """Follow segments from a place; the answer is a plain value, or a `Cursor` that was not read."""
    start, rules = cursor.path, cursor.archive.options.paths
    place: Any = cursor
    at = 0
    while at < len(rest):
        if type(place) is not Cursor:
            return walk(place, rest[at:], (*start, *rest[:at]), rules)
        node = place.node
        if (type(node) is Leaf or type(node) is Indexed) and node.array is not None and node.array.shape:
            return (yield from _element(place, node.array, rest[at:]))
        if type(node) is Leaf and node.run is None:
            return walk((yield from load(place)), rest[at:], (*start, *rest[:at]), rules)
        passed, place = _passed(place, rest[at:]) if type(node) is Indexed else (0, place)
        if not passed:
            place, passed = (yield from follow(place, rest[at])), 1
        at += passed
    return place


def _passed(cursor: Cursor, rest: Sequence[Any]) -> tuple[int, Any]:
    """Pass through containers whose members the table lists, and return how many and where that leads: what `follow` would do, at once."""
    archive, node, within = cursor.archive, cursor.node, cursor.within
    passed = 0
    for segment in rest:
        if type(node) is not Indexed or node.array is not None:
            break
        children: Any = node.children
        kind = type(children)
        if not (
            (kind is dict and type(segment) is str and segment in children)
            or (kind is list and type(segment) is int and 0 <= segment < len(children))
        ):
            break
        if node.start is not None and node.end is not None:
            within = (node.start, node.end)
        node = archive.node(children[segment], within)
        passed += 1
    return passed, Cursor(archive, node, (*cursor.path, *rest[:passed]), within) if passed else cursor


def follow(cursor: Cursor, segment: Any) -> Steps[Any]:
    """Take one step from a place that was not read.

    Raises:
        MissingKeyError, MissingIndexError: There is no such member; decided without I/O where the table knows.
    """
    node, path, rules = cursor.node, cursor.path, cursor.archive.options.paths
    if isinstance(node, Leaf):
        if node.run is not None:
            return (yield from _find(cursor, node.run, segment))
        return walk((yield from load(cursor)), (segment,), path, rules)
    if isinstance(node, Blocks):
        position = as_position(segment, node.count, path, rules)
        if isinstance(position, slice):
            return (yield from settled((yield from _items(cursor, node, range(node.count)[position]))))
        return (yield from _item(cursor, node, position))
    if isinstance(node.children, dict):
        return (yield from member(cursor, node, segment))
    position = as_position(segment, len(node.children), path, rules)
    if not isinstance(position, slice):
        return (yield from member(cursor, node, position))
    several = yield from together([member(cursor, node, at) for at in range(len(node.children))[position]])
    return (yield from settled(several))


def _element(cursor: Cursor, info: ArrayInfo, rest: Sequence[Any]) -> Steps[Any]:
    """Follow segments into an array: positions, and a slice behind them, are read alone."""
    path, rules, index = cursor.path, cursor.archive.options.paths, list[Any]()
    for length, segment in zip(info.shape, rest, strict=False):
        index.append(as_position(segment, length, (*path, *rest[: len(index)]), rules))
        if isinstance(index[-1], slice):
            break
    span, shape, left = planned(info, tuple(index))
    value = cut_out(info.dtype, (yield from stretch_of(cursor, info, span)), shape, left)
    passed = len(index)
    return walk(value, rest[passed:], (*path, *rest[:passed]), rules)


def settled(places: Sequence[Any]) -> Steps[list[Any]]:
    """Return plain values for the places that are ones. See `settle`."""
    if any(isinstance(place, Cursor) for place in places):
        return (yield from together([settle(place) for place in places]))
    return list(places)


def _item(cursor: Cursor, node: Blocks, position: int) -> Steps[Any]:
    """Return one item of a blocked list."""
    block = bisect_right(node.edges, position)
    if block in node.nested:
        return inner(cursor, node, block, position)
    start, end, count = node.starts[block], node.ends[block], node.counts[block]
    (data,) = yield Want([cursor.archive.at(start, end)])
    if node.checksums:
        cursor.archive.checked(data, node.checksums[block], (*cursor.path, f"block {block}"), start)
    return cursor.archive.item(data, count, position - node.edges[block] + count)


def _items(cursor: Cursor, node: Blocks, positions: Sequence[int]) -> Steps[list[Any]]:
    """Return items of a blocked list: the blocks that hold them are asked for in one wave."""
    archive = cursor.archive
    chosen = [bisect_right(node.edges, position) for position in positions]
    wanted = sorted({block for block in chosen if block not in node.nested})
    found = (yield Want([archive.at(node.starts[i], node.ends[i]) for i in wanted])) if wanted else []
    decoded = {i: block_of(cursor, node, i, data) for i, data in zip(wanted, found, strict=True)}
    answers: list[Any] = []
    for position, block in zip(positions, chosen, strict=True):
        if block in node.nested:
            answers.append(inner(cursor, node, block, position))
        else:
            answers.append(decoded[block][position - node.edges[block] + node.counts[block]])
    return answers


def _find(cursor: Cursor, run: RunMap, key: Any) -> Steps[Any]:
    """Find a key of a run map: by bisection over first keys, by its directory, or by a scan where both are missing."""
    if run.firsts:
        if type(key) is not type(run.firsts[0]) or key < run.firsts[0]:
            raise key_error(cursor.path, key)
        block = bisect_right(run.firsts, key) - 1
        if block in run.nested and run.firsts[block] != key:
            raise key_error(cursor.path, key)
    elif run.directory is not None:
        directory = yield from _directory(cursor, run, run.directory)
        try:
            block = bisect_right(run.edges, directory.position(key))
        except (KeyError, TypeError):
            raise key_error(cursor.path, key) from None
    else:
        for block in range(len(run.counts)):
            pairs = yield from _pairs(cursor, run, block)
            if key in pairs:
                return pairs[key]
        raise key_error(cursor.path, key)
    if block in run.nested:
        return inner(cursor, run, block, key)
    try:
        return (yield from _pairs(cursor, run, block))[key]
    except (KeyError, TypeError):
        raise key_error(cursor.path, key) from None


def _directory(cursor: Cursor, run: RunMap, place: tuple[int, int, int]) -> Steps[Directory]:
    """Return where each key stands; the directory that was read last is kept."""
    archive, (start, end, checksum) = cursor.archive, place
    if archive.directory is None or archive.directory[0] != (start, end):
        check_length(cursor, end - start)
        (data,) = yield Want([archive.at(start, end)])
        if archive.directory is None or archive.directory[0] != (start, end):  # nobody else has made it meanwhile
            archive.checked(data, checksum, (*cursor.path, "keys"), start)
            archive.directory = (start, end), archive.keys(data, sum(run.counts))
    return archive.directory[1]


def _pairs(cursor: Cursor, run: RunMap, block: int) -> Steps[dict[Any, Any]]:
    (data,) = yield Want([cursor.archive.at(run.starts[block], run.ends[block])])
    pairs: dict[Any, Any] = block_of(cursor, run, block, data, is_map=True)
    return pairs
