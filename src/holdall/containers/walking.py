"""Follow paths through an archive without any I/O: generators that ask for ranges (`Want`) and are given their bytes.

`together` runs several at once, so that one wave of requests serves them all; `fetching` carries the waves out in either colour.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from holdall.containers.archive import Archive, Cursor, Origin, Span, table_of
from holdall.containers.errors import FormatError, MissingIndexError, MissingKeyError
from holdall.containers.header import HEADER, Header, parse_header
from holdall.containers.paths import as_position, key_error, shown, walk
from holdall.containers.toc import Blocks, Combined, Indexed, Leaf, Node, RunMap

__all__ = [
    "Flow", "Steps", "Want", "below", "check_size", "embedded", "follow", "inner", "iterate", "kind_of", "load", "many", "member", "pairs",
    "resolve", "settle", "together", "warm",
]  # fmt: skip

T = TypeVar("T")
MOST_NESTED = 64
"""Archives within archives, and tables within tables that have no range of their own."""
WAVE = 64 * 1024 * 1024
"""Encoded bytes in flight while a long list is read."""
AT_ONCE = 16
"""Members of a container without a range of its own that are read at once."""
FIRST_READ = 64 * 1024
"""Encoded bytes of an iteration's first wave; each one may be twice as large as the one before."""
LARGEST_READ = 4 * 1024 * 1024


class Want(NamedTuple):
    """A request for ranges of the object, answered by their bytes; ``keep`` says whether they may go into the cache."""

    spans: list[Span]
    keep: bool = True


Steps = Generator[Want, Any, T]
Flow = Generator["Want | list[Any]", Any, None]


def together(tasks: Iterable[Steps[T]], *, missing: bool = False) -> Steps[list[Any]]:
    """Run several steps in lock-step: what they ask for at one time is one `Want`.

    Args:
        tasks: The steps.
        missing: Give the error of a path that leads nowhere as its result, instead of raising it.
    """
    live = list(enumerate(tasks))
    results: list[Any] = [None] * len(live)
    answers: list[Any] = [None] * len(live)
    while live:
        asked: list[tuple[int, Steps[T]]] = []
        counts: list[int] = []
        spans: list[Span] = []
        keep = True
        for i, task in live:
            try:
                want = task.send(answers[i])
            except StopIteration as end:
                results[i] = end.value
            except (MissingKeyError, MissingIndexError) as error:
                if not missing:
                    raise
                results[i] = error
            else:
                asked.append((i, task))
                counts.append(len(want.spans))
                spans += want.spans
                keep = keep and want.keep
        live = asked
        if asked:
            found = yield Want(spans, keep)
            at = 0
            for (i, _), count in zip(asked, counts, strict=True):
                answers[i] = found[at : at + count]
                at += count
    return results


# -- embedded archives -------------------------------------------------------------------------------------------------


def check_size(origin: Origin, header: Header, size: int) -> None:
    """Check where a header says that its table lies.

    Raises:
        FormatError: Outside the archive, or larger than the options allow.
    """
    if header.end > size or header.toc_size < 1:
        raise FormatError(f"the header points to byte {header.end} of {size}", kind="header", offset=30, key=origin.key)
    if header.toc_size > origin.options.max_toc_bytes:
        raise FormatError(f"a table of contents of {header.toc_size} bytes", kind="limit", offset=40, key=origin.key)


def embedded(archive: Archive, offset: int, end: int) -> Steps[Archive]:
    """Open an embedded archive: its header and the end of its slot are fetched in one wave."""
    known = archive.children.get(offset)
    if known is not None:
        return known
    origin = archive.origin
    if archive.nesting >= MOST_NESTED:
        raise FormatError(f"archives nested deeper than {MOST_NESTED}", kind="depth", key=origin.key)
    base, stop = archive.at(offset, end)
    size, window = stop - base, archive.options.window
    front, back = yield Want([(base, min(base + window, stop)), (max(base, stop - window), stop)])
    header = parse_header(front, archive.options.magic)
    check_size(origin, header, size)
    low, high = HEADER + header.toc_start, header.end
    if high <= len(front):
        toc = front[low:high]
    elif low >= size - len(back):
        toc = back[low - (size - len(back)) : high - (size - len(back))]
    else:
        (toc,) = yield Want([(base + low, base + high)])
    child = Archive(origin, table_of(front, toc, size, archive.options), base, archive.nesting + 1)
    return archive.children.setdefault(offset, child)


# -- following ---------------------------------------------------------------------------------------------------------


def resolve(cursor: Cursor, rest: Sequence[Any]) -> Steps[Any]:
    """Follow segments from a place; the answer is a plain value, or a `Cursor` that was not read."""
    start, rules = cursor.path, cursor.archive.options.paths
    place: Any = cursor
    for at, segment in enumerate(rest):
        if not isinstance(place, Cursor):
            return walk(place, rest[at:], (*start, *rest[:at]), rules)
        node = place.node
        if (
            isinstance(node, Indexed)
            and type(segment) is str
            and isinstance(node.children, dict)
            and segment in node.children
        ):
            place = below(place, node, node.children[segment], segment)  # what `follow` would do, without its steps
        else:
            place = yield from follow(place, segment)
    return place


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
            return (yield from _settled((yield from _items(cursor, node, range(node.count)[position]))))
        return (yield from _item(cursor, node, position))
    if isinstance(node.children, dict):
        return (yield from member(cursor, node, segment))
    position = as_position(segment, len(node.children), path, rules)
    if not isinstance(position, slice):
        return (yield from member(cursor, node, position))
    several = yield from together([member(cursor, node, at) for at in range(len(node.children))[position]])
    return (yield from _settled(several))


def _settled(places: Sequence[Any]) -> Steps[list[Any]]:
    if any(isinstance(place, Cursor) for place in places):
        return (yield from together([settle(place) for place in places]))
    return list(places)


def member(cursor: Cursor, node: Indexed | Combined, segment: Any) -> Steps[Cursor]:
    """Return the place of a member that the table lists."""
    children: Any = node.children
    try:
        chosen = children[segment]
    except (KeyError, TypeError):
        raise key_error(cursor.path, segment) from None
    if isinstance(node, Combined):
        child = yield from embedded(cursor.archive, chosen, node.slots[chosen])
        return Cursor(child, child.table.node, (*cursor.path, segment))
    return below(cursor, node, chosen, segment)


def below(cursor: Cursor, node: Indexed, raw: Any, segment: Any) -> Cursor:
    """Return the place of a member of an indexed container."""
    within = cursor.within if node.start is None or node.end is None else (node.start, node.end)
    return Cursor(cursor.archive, cursor.archive.node(raw, within), (*cursor.path, segment), within)


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
    decoded = {i: _block(cursor, node, i, data) for i, data in zip(wanted, found, strict=True)}
    answers: list[Any] = []
    for position, block in zip(positions, chosen, strict=True):
        if block in node.nested:
            answers.append(inner(cursor, node, block, position))
        else:
            answers.append(decoded[block][position - node.edges[block] + node.counts[block]])
    return answers


def _block(cursor: Cursor, node: Blocks | RunMap, block: int, data: bytes, *, is_map: bool = False) -> Any:
    """Return the items of a block, or its pairs as a dict."""
    start = node.starts[block]
    if node.checksums and block not in node.nested:
        cursor.archive.checked(data, node.checksums[block], (*cursor.path, f"block {block}"), start)
    return cursor.archive.items(data, node.counts[block], is_map=is_map)


def inner(cursor: Cursor, node: Blocks | RunMap, block: int, segment: Any) -> Cursor:
    """Return the place of the one big item of a block."""
    span = (node.starts[block], node.ends[block])
    return Cursor(cursor.archive, cursor.archive.node(node.nested[block], span), (*cursor.path, segment), span)


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
            block = bisect_right(run.edges, directory[key])
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


def _directory(cursor: Cursor, run: RunMap, place: tuple[int, int, int]) -> Steps[dict[Any, int]]:
    """Return where each key stands; the directory that was read last is kept."""
    archive, (start, end, checksum) = cursor.archive, place
    kept = archive.directory
    if kept is not None and kept[0] == (start, end):
        return kept[1]
    _check_value(cursor, end - start)
    (data,) = yield Want([archive.at(start, end)])
    archive.checked(data, checksum, (*cursor.path, "keys"), start)
    keys = archive.decoded(data)
    try:
        directory = {key: at for at, key in enumerate(keys)}
    except TypeError as error:
        raise FormatError("a key directory with keys that are none", kind="toc", key=archive.origin.key) from error
    if not isinstance(keys, list) or len(directory) != sum(run.counts):
        raise FormatError("a key directory that does not match its map", kind="toc", key=archive.origin.key)
    archive.directory = (start, end), directory
    return directory


def _pairs(cursor: Cursor, run: RunMap, block: int) -> Steps[dict[Any, Any]]:
    (data,) = yield Want([cursor.archive.at(run.starts[block], run.ends[block])])
    pairs: dict[Any, Any] = _block(cursor, run, block, data, is_map=True)
    return pairs


def many(root: Cursor, paths: Sequence[tuple[Any, ...]]) -> Steps[list[Any]]:
    """Follow many paths at once; an answer may be the error of its path."""

    def one(path: tuple[Any, ...]) -> Steps[Any]:
        return (yield from settle((yield from resolve(root, path))))

    return (yield from together([one(path) for path in paths], missing=True))


# -- whole values ------------------------------------------------------------------------------------------------------


def settle(place: Any) -> Steps[Any]:
    """Return a plain value for a place that is one; containers that are read in part stay a `Cursor`."""
    if isinstance(place, Cursor) and isinstance(place.node, Leaf) and place.node.run is None and place.node.array is None:
        return (yield from load(place))
    return place


class _Budget:
    """The encoded bytes that one value may still take: ranges that are shared cannot multiply."""

    def __init__(self, cursor: Cursor) -> None:
        self.left = cursor.archive.table.size
        self._key = cursor.archive.origin.key

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise FormatError("values that overlap", kind="limit", key=self._key)


def load(place: Any, budget: _Budget | None = None, depth: int = 0) -> Steps[Any]:
    """Return the whole value of a place as fresh plain containers."""
    if not isinstance(place, Cursor):
        return place
    node = place.node
    budget = budget or _Budget(place)
    if depth > 2 * MOST_NESTED:
        raise FormatError("tables nested too deep", kind="depth", key=place.archive.origin.key)
    if isinstance(node, Leaf) or (isinstance(node, Indexed) and node.start is not None):
        return (yield from _whole(place, node, budget))
    if isinstance(node, Blocks):
        return (yield from _list(place, node, budget))
    segments: list[Any] = list(node.children) if isinstance(node.children, dict) else list(range(len(node.children)))
    found: list[Any] = []
    for at in range(0, len(segments), AT_ONCE):
        chosen = segments[at : at + AT_ONCE]
        found += yield from together([_loaded(place, node, segment, budget, depth) for segment in chosen])
    return dict(zip(segments, found, strict=True)) if isinstance(node.children, dict) else found


def _loaded(cursor: Cursor, node: Indexed | Combined, segment: Any, budget: _Budget, depth: int) -> Steps[Any]:
    return (yield from load((yield from member(cursor, node, segment)), budget, depth + 1))


def _whole(cursor: Cursor, node: Leaf | Indexed, budget: _Budget) -> Steps[Any]:
    start, end = node.start, node.end
    assert start is not None  # of a leaf, or checked by `load`
    assert end is not None
    _check_value(cursor, end - start)
    budget.take(end - start)
    (data,) = yield Want([cursor.archive.at(start, end)])
    if cursor.archive.options.verify != "read":
        return cursor.archive.decoded(data)
    check_below(cursor, data, start)
    value = cursor.archive.decoded(data)
    if not isinstance(node, Leaf) or node.run is not None:
        check_value(cursor, value)
    return value


def _list(cursor: Cursor, node: Blocks, budget: _Budget) -> Steps[list[Any]]:
    """Return all items of a blocked list, wave by wave."""
    items: list[Any] = []
    archive = cursor.archive
    # Blocks follow each other: where none is cached, a wave is one range and one document.
    whole = archive.origin.file is not None or archive.origin.cache.size == 0
    for wave in _waves(node, WAVE, WAVE):
        groups = [wave] if whole else [range(i, i + 1) for i in wave]
        spans = [(node.starts[group[0]], node.ends[group[-1]]) for group in groups]
        budget.take(sum(end - start for start, end in spans))
        found = yield Want([archive.at(*span) for span in spans], keep=False)
        for group, (start, _), data in zip(groups, spans, found, strict=True):
            if archive.options.verify == "read":
                _check_blocks(cursor, node, group, memoryview(data), start)
            items += archive.items(data, sum(node.counts[group[0] : group[-1] + 1]))
    return items


def _check_blocks(cursor: Cursor, node: Blocks | RunMap, blocks: Iterable[int], view: memoryview, start: int) -> None:
    """Compare blocks within a range that was fetched whole with their CRC-32."""
    for i in blocks:
        piece = view[node.starts[i] - start : node.ends[i] - start]
        if i in node.nested:
            check_below(inner(cursor, node, i, node.edges[i] - 1), piece, node.starts[i])
        elif node.checksums:
            cursor.archive.checked(piece, node.checksums[i], (*cursor.path, f"block {i}"), node.starts[i])


def check_below(cursor: Cursor, data: bytes | memoryview, start: int) -> None:
    """Compare all leaves and blocks within a range that was fetched whole with their CRC-32.

    Raises:
        IntegrityError: One differs; names its path.
    """
    archive, view = cursor.archive, memoryview(data)
    stack = [cursor]
    while stack:
        at = stack.pop()
        node = at.node
        if isinstance(node, Leaf):
            archive.checked(view[node.start - start : node.end - start], node.checksum, at.path, node.start)
            if node.run is not None:
                _check_blocks(at, node.run, range(len(node.run.counts)), view, start)
        elif isinstance(node, Blocks):
            _check_blocks(at, node, range(len(node.counts)), view, start)
        elif isinstance(node, Indexed):
            named: Any = node.children.items() if isinstance(node.children, dict) else enumerate(node.children)
            for segment, raw in named:
                place = raw.get("p") if type(raw) is dict and raw.keys() == _LEAF else None
                if place is None or not _tallies(place, raw["c"], view, start):
                    stack.append(below(at, node, raw, segment))  # anything but a sound leaf of ours: a look in detail


def check_value(cursor: Cursor, value: Any) -> None:
    """Compare the keys and counts of a decoded value with its table: they stand outside leaves, where no checksum covers them.

    Raises:
        FormatError: They differ.
    """
    stack: list[tuple[Cursor, Any]] = [(cursor, value)]
    while stack:
        at, found = stack.pop()
        node = at.node
        if isinstance(node, Indexed):
            if node.array is not None:
                continue
            named: Any = node.children.items() if isinstance(node.children, dict) else list(enumerate(node.children))
            sound = _alike(node.children, found)
            stack.extend((below(at, node, raw, key), found[key]) for key, raw in named if sound and raw.keys() != _LEAF)
        elif isinstance(node, Blocks):
            sound = type(found) is list and len(found) == node.count
            nested = [(i, node.edges[i] - 1) for i in node.nested if sound]
            stack.extend((inner(at, node, i, position), found[position]) for i, position in nested)
        else:
            run = node.run if isinstance(node, Leaf) else None
            sound = run is None or (type(found) is dict and len(found) == sum(run.counts))
            if run is not None and run.firsts is not None and sound:
                sound = all(run.firsts[i] in found for i in run.nested)
                stack.extend((inner(at, run, i, run.firsts[i]), found[run.firsts[i]]) for i in run.nested if sound)
        if not sound:
            raise FormatError(f"{shown(at.path)}: the table and the document differ", kind="toc", key=at.archive.origin.key)


def _alike(children: Any, found: Any) -> bool:
    if not isinstance(children, dict):
        return type(found) is list and len(found) == len(children)
    if type(found) is not dict or len(found) != len(children):
        return False
    return found.keys() == children.keys() or any(key != key for key in children)  # noqa: PLR0124  # not a number


_LEAF = {"p", "c"}


def _tallies(place: Any, checksum: Any, view: memoryview, start: int) -> bool:
    """Tell whether a range is there and has this CRC-32."""
    if type(place) is not list or len(place) != 2 or type(place[0]) is not int or type(place[1]) is not int:
        return False
    low, high = place[0] - start, place[1] - start
    return 0 <= low < high <= len(view) and zlib.crc32(view[low:high]) == checksum


def _check_value(cursor: Cursor, size: int) -> None:
    if size > cursor.archive.options.max_value_bytes:
        raise FormatError(f"{shown(cursor.path)}: a value of {size} bytes", kind="limit", key=cursor.archive.origin.key)


# -- one after the other -----------------------------------------------------------------------------------------------


def _waves(node: Blocks | RunMap, first: int, largest: int) -> Iterable[range]:
    """Group blocks so that each group has at most so many bytes, growing from one to the next."""
    at, most = 0, first
    while at < len(node.counts):
        last, size = at, 0
        while last < len(node.counts) and (last == at or size + node.ends[last] - node.starts[last] <= most):
            size += node.ends[last] - node.starts[last]
            last += 1
        yield range(at, last)
        at, most = last, min(2 * most, largest)


def iterate(cursor: Cursor) -> Flow:
    """Iterate over the items of a list: plain values, or cursors of large ones."""
    node = cursor.node
    if isinstance(node, Blocks):
        for wave in _waves(node, FIRST_READ, LARGEST_READ):
            yield from _wave(cursor, node, wave)
    elif isinstance(node, (Indexed, Combined)):
        for at in range(0, len(node.children), AT_ONCE):
            several = range(at, min(at + AT_ONCE, len(node.children)))
            places = yield from together([member(cursor, node, i) for i in several])
            yield (yield from _settled(places))


def _wave(cursor: Cursor, node: Blocks, wave: range) -> Flow:
    plain = [i for i in wave if i not in node.nested]
    found = (yield Want([cursor.archive.at(node.starts[i], node.ends[i]) for i in plain], keep=False)) if plain else []
    data = dict(zip(plain, found, strict=True))
    for i in wave:
        if i in node.nested:
            yield [(yield from settle(inner(cursor, node, i, node.edges[i] - 1)))]
        else:
            yield _block(cursor, node, i, data[i])


def pairs(cursor: Cursor) -> Flow:
    """Iterate over the pairs of a map: values plain, or cursors of large ones."""
    node = cursor.node
    if isinstance(node, Leaf) and node.run is not None:
        for wave in _waves(node.run, FIRST_READ, LARGEST_READ):
            spans = [cursor.archive.at(node.run.starts[i], node.run.ends[i]) for i in wave]
            for i, data in zip(wave, (yield Want(spans, keep=False)), strict=True):
                yield list(_block(cursor, node.run, i, data, is_map=True).items())
    elif isinstance(node, (Indexed, Combined)) and isinstance(node.children, dict):
        keys = list(node.children)
        for at in range(0, len(keys), AT_ONCE):
            several = keys[at : at + AT_ONCE]
            places = yield from together([member(cursor, node, key) for key in several])
            yield list(zip(several, (yield from _settled(places)), strict=True))


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


# -- ahead -------------------------------------------------------------------------------------------------------------


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
