"""Open archives, fetch exact ranges, and follow paths through them: all the I/O of reading."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from itertools import accumulate
from typing import Any

from holdall._concurrency import gather_async
from holdall.containers.archive import Archive, Cursor, Table, table_of
from holdall.containers.errors import FormatError
from holdall.containers.header import HEADER, parse_header
from holdall.containers.paths import as_position, key_error, shown, walk
from holdall.containers.toc import Blocks, Combined, Indexed, Leaf, RunMap, parse_node
from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange, Coalesce, coalesce
from holdall.errors import ClosedError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult

__all__ = [
    "attach_async",
    "fetch_async",
    "follow_async",
    "iterate_async",
    "load_async",
    "pairs_async",
    "resolve_async",
    "settle_async",
]

MOST_NESTED = 64
"""Archives within archives."""
WAVE = 64 * 1024 * 1024
"""Encoded bytes in flight while a whole value is read."""


# -- opening -----------------------------------------------------------------------------------------------------------


async def attach_async(archive: Archive) -> Table:
    """Open an archive: header and end are asked for at once, the table comes with them or in one more request.

    Raises:
        FormatError: Not an archive.
        PreconditionError: It is being replaced faster than it can be opened.
    """
    if archive.closed:
        raise ClosedError("the reader is closed", key=archive.key, store=archive.store)
    if archive.table is not None:
        return archive.table
    for _ in range(3):
        try:
            archive.table = await _attach_async(archive)
            return archive.table
        except PreconditionError:
            if archive.etag is not None:
                raise
    raise _changed(archive)


async def _attach_async(archive: Archive) -> Table:
    window = archive.options.window

    async def part_async(wanted: ByteRange) -> tuple[GetResult, bytes]:
        options = GetOptions(range=wanted, if_match=archive.etag, version=archive.version)
        async with await archive.store.get_async(archive.key, options) as result:
            return result, await result.bytes_async()

    try:
        if archive.store.capabilities.suffix_ranges:
            wanted = [ByteRange(0, window), ByteRange.last(window)]
            (result, front), (other, back) = await gather_async([lambda w=w: part_async(w) for w in wanted])  # type: ignore[misc]
            if other.meta.etag != result.meta.etag or other.meta.size != result.meta.size:
                raise _changed(archive)
        else:
            result, front = await part_async(ByteRange(0, window))
            back = b""
    except RangeNotSatisfiableError as error:
        raise FormatError("an empty object is no archive", kind="magic", key=archive.key) from error
    archive.stats.requests += 2 if back else 1
    archive.stats.serial_rounds += 1
    archive.stats.bytes += len(front) + len(back)
    size = result.meta.size
    header = parse_header(front, archive.options.magic)
    _check_size(archive, header.end, header.toc_size, size)
    if archive.etag is None and archive.store.capabilities.conditional_read:
        archive.etag = result.meta.etag
    low, high = HEADER + header.toc_start, header.end
    if high <= len(front):
        toc = front[low:high]
    elif back and low >= size - len(back):
        toc = back[low - (size - len(back)) : high - (size - len(back))]
    else:
        _, toc = await part_async(ByteRange(low, high))
        archive.stats.requests += 1
        archive.stats.serial_rounds += 1
        archive.stats.bytes += len(toc)
    return table_of(front, toc, size, archive.options)


async def embedded_async(archive: Archive, offset: int, end: int, path: tuple[Any, ...]) -> Archive:
    """Open an embedded archive: its header and the end of its slot are fetched in one wave."""
    known = archive.children.get(offset)
    if known is not None:
        return known
    if archive.nesting >= MOST_NESTED:
        raise FormatError(f"archives nested deeper than {MOST_NESTED}", kind="depth", key=archive.key)
    base, stop = archive.base + HEADER + offset, archive.base + HEADER + end
    size = stop - base
    window = archive.options.window
    spans = [(base, min(base + window, stop)), (max(base, stop - window), stop)]
    front, back = await _ranges_async(archive, spans)
    header = parse_header(front, archive.options.magic)
    _check_size(archive, header.end, header.toc_size, size)
    low, high = HEADER + header.toc_start, header.end
    if high <= len(front):
        toc = front[low:high]
    elif low >= size - len(back):
        toc = back[low - (size - len(back)) : high - (size - len(back))]
    else:
        (toc,) = await _ranges_async(archive, [(base + low, base + high)])
    child = Archive(
        archive.store, archive.key, archive.options, archive.stats, archive.cache, base, archive.etag, archive.version,
        table_of(front, toc, size, archive.options), path, archive.nesting + 1,
    )  # fmt: skip
    archive.children[offset] = child
    return child


def _check_size(archive: Archive, end: int, toc_size: int, size: int) -> None:
    if end > size or toc_size < 1:
        raise FormatError(f"the header points to byte {end} of {size}", kind="header", offset=30, key=archive.key)
    if toc_size > archive.options.max_toc_bytes:
        raise FormatError(f"a table of contents of {toc_size} bytes", kind="limit", offset=40, key=archive.key)


# -- fetching ----------------------------------------------------------------------------------------------------------


async def fetch_async(archive: Archive, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return the bytes of ranges of the document (counted from byte 50), those at hand from the cache.

    Raises:
        PreconditionError: The object was replaced since it was opened (``kind="changed"``).
    """
    shift = archive.base + HEADER
    absolute = [(start + shift, end + shift) for start, end in spans]
    held = {span: archive.cache.get(span) for span in set(absolute)}
    missing = sorted(span for span, data in held.items() if data is None)
    archive.stats.cache_hits += len(held) - len(missing)
    if missing:
        for span, data in zip(missing, await _ranges_async(archive, missing), strict=True):
            if len(data) != span[1] - span[0]:
                raise FormatError("the object ends within a value", kind="range", offset=span[0], key=archive.key)
            held[span] = data
            archive.cache.put(span, data)
    return [held[span] or b"" for span in absolute]


async def _ranges_async(archive: Archive, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    if archive.closed:
        raise ClosedError("the reader is closed", key=archive.key, store=archive.store)
    options = archive.options
    rule = Coalesce(gap=options.coalesce_gap, largest=options.coalesce_max)
    try:
        if archive.version is not None:
            parts = await gather_async([lambda s=s: _version_async(archive, s) for s in spans], limit=options.concurrency)  # type: ignore[misc]
        else:
            parts = await archive.store.get_ranges_async(archive.key, list(spans), if_match=archive.etag, coalesce=rule)
    except (PreconditionError, NotFoundError) as error:
        raise _changed(archive) from error
    fetched = coalesce(list(spans), rule)
    archive.stats.requests += len(fetched)
    archive.stats.bytes += sum(part.end - part.start for part in fetched)
    archive.stats.serial_rounds += 1
    return parts


async def _version_async(archive: Archive, span: tuple[int, int]) -> bytes:
    options = GetOptions(range=ByteRange(*span), version=archive.version)
    async with await archive.store.get_async(archive.key, options) as result:
        return await result.bytes_async()


def _changed(archive: Archive) -> PreconditionError:
    return PreconditionError(
        f"{archive.key!r} was replaced while it was read", key=archive.key, store=archive.store, kind="changed"
    )


# -- following ---------------------------------------------------------------------------------------------------------


async def resolve_async(place: Any, rest: Sequence[Any]) -> Any:
    """Follow segments from a place; the answer is a plain value, or a `Cursor` that was not read."""
    for at, segment in enumerate(rest):
        if not isinstance(place, Cursor):
            return walk(place, rest[at:], tuple(rest[:at]))
        place = await follow_async(place, segment)
    return place


async def follow_async(cursor: Cursor, segment: Any) -> Any:
    """Take one step from a place that was not read.

    Raises:
        MissingKeyError, MissingIndexError: There is no such member; decided without I/O where the table knows.
    """
    archive, node, path = cursor.archive, cursor.node, cursor.path
    rules = archive.options.paths
    if isinstance(node, Leaf) and node.run is not None:
        return await _find_async(cursor, node.run, segment)
    if isinstance(node, Leaf):
        return walk(await load_async(cursor), (segment,), path, rules)
    if isinstance(node, Blocks):
        position = as_position(segment, node.count, path, rules)
        if isinstance(position, slice):
            return await _several_async(cursor, range(node.count)[position])
        return (await _items_async(cursor, node, [position]))[0]
    children = node.children
    if isinstance(children, dict):
        try:
            chosen = children[segment]
        except (KeyError, TypeError):
            raise key_error(path, segment) from None
    else:
        position = as_position(segment, len(children), path, rules)
        if isinstance(position, slice):
            return await _several_async(cursor, range(len(children))[position])
        segment, chosen = position, children[position]
    if isinstance(node, Combined):
        child = await embedded_async(archive, chosen, node.slots[chosen], (*path, segment))
        return Cursor(child, child.opened.node, (*path, segment))
    return _below(cursor, node, chosen, segment)


def _below(cursor: Cursor, node: Indexed, raw: Any, segment: Any) -> Cursor:
    within = cursor.within if node.start is None or node.end is None else (node.start, node.end)
    return Cursor(cursor.archive, parse_node(raw, cursor.archive.opened.bounds, within), (*cursor.path, segment), within)


async def _several_async(cursor: Cursor, positions: Sequence[int]) -> list[Any]:
    """Return several items of a list, plain ones fetched in one wave."""
    if isinstance(cursor.node, Blocks):
        return [await settle_async(item) for item in await _items_async(cursor, cursor.node, positions)]
    places = [await follow_async(cursor, position) for position in positions]
    leaves = [p for p in places if isinstance(p, Cursor) and isinstance(p.node, Leaf) and p.node.run is None]
    await fetch_async(
        cursor.archive,
        [(p.node.start, p.node.end) for p in leaves if p.archive is cursor.archive and isinstance(p.node, Leaf)],
    )
    return [await settle_async(place) for place in places]


async def _items_async(cursor: Cursor, node: Blocks, positions: Sequence[int]) -> list[Any]:
    """Return items of a blocked list: the blocks that hold them are fetched in one wave."""
    edges = list(accumulate(node.counts))
    chosen = [bisect_right(edges, position) for position in positions]
    nested = node.nested or {}
    wanted = sorted({block for block in chosen if block not in nested})
    spans = [(node.starts[block], node.ends[block]) for block in wanted]
    decoded: dict[int, Any] = {}
    for block, span, data in zip(wanted, spans, await fetch_async(cursor.archive, spans), strict=True):
        checksum = node.checksums[block] if node.checksums else None
        checked = cursor.archive.checked(data, checksum, (*cursor.path, f"block {block}"), span)
        decoded[block] = cursor.archive.items(checked, node.counts[block])
    answers: list[Any] = []
    for position, block in zip(positions, chosen, strict=True):
        if block in nested:
            span = (node.starts[block], node.ends[block])
            child = parse_node(nested[block], cursor.archive.opened.bounds, span)
            answers.append(Cursor(cursor.archive, child, (*cursor.path, position), span))
        else:
            answers.append(decoded[block][position - (edges[block] - node.counts[block])])
    return answers


async def _find_async(cursor: Cursor, run: RunMap, key: Any) -> Any:
    """Find a key of a run map: by bisection over first keys, by its directory, or by a scan where both are missing."""
    if run.firsts is not None and run.firsts:
        if type(key) is not type(run.firsts[0]) or key < run.firsts[0]:
            raise key_error(cursor.path, key)
        blocks = [bisect_right(run.firsts, key) - 1]
    elif run.directory is not None:
        start, end, checksum = run.directory
        (data,) = await fetch_async(cursor.archive, [(start, end)])
        checked = cursor.archive.checked(data, checksum, (*cursor.path, "keys"), (start, end))
        keys = cursor.archive.engine().decode(checked)
        try:
            at = keys.index(key)
        except ValueError:
            raise key_error(cursor.path, key) from None
        blocks = [bisect_right(list(accumulate(run.counts)), at)]
    else:
        blocks = list(range(len(run.counts)))
    for block in blocks:
        pairs = await _block_async(cursor, run, block)
        try:
            return pairs[key]
        except (KeyError, TypeError):
            continue
    raise key_error(cursor.path, key)


async def _block_async(cursor: Cursor, run: RunMap, block: int) -> dict[Any, Any]:
    span = (run.starts[block], run.ends[block])
    (data,) = await fetch_async(cursor.archive, [span])
    checksum = run.checksums[block] if run.checksums else None
    if checksum == 0:
        checksum = None  # a large value: its own leaves have checksums
    checked = cursor.archive.checked(data, checksum, (*cursor.path, f"block {block}"), span)
    pairs: dict[Any, Any] = cursor.archive.items(checked, run.counts[block], is_map=True)
    return pairs


# -- whole values ------------------------------------------------------------------------------------------------------


async def settle_async(place: Any) -> Any:
    """Return a plain value for a place that is one; containers that are read in part stay a `Cursor`."""
    if isinstance(place, Cursor) and isinstance(place.node, Leaf) and place.node.run is None and place.node.array is None:
        return await load_async(place)
    return place


async def load_async(place: Any) -> Any:
    """Return the whole value of a place as fresh plain containers."""
    if not isinstance(place, Cursor):
        return place
    archive, node = place.archive, place.node
    if isinstance(node, Leaf):
        return await _span_async(place, node.start, node.end, node.checksum)
    if isinstance(node, Indexed) and node.start is not None and node.end is not None:
        return await _span_async(place, node.start, node.end, None)
    if isinstance(node, Blocks):
        return [item async for item in _block_items_async(place, node)]  # async in one colour
    if isinstance(node.children, dict):
        keys = list(node.children)
        if isinstance(node, Indexed):
            _check_sum(archive, place, [_below(place, node, raw, key) for key, raw in node.children.items()])
        found = await gather_async([lambda k=k: _member_async(place, k) for k in keys], limit=archive.options.concurrency)  # type: ignore[misc]
        return dict(zip(keys, found, strict=True))
    positions = range(len(node.children))
    return await gather_async([lambda i=i: _member_async(place, i) for i in positions], limit=archive.options.concurrency)  # type: ignore[misc]


async def _member_async(place: Cursor, segment: Any) -> Any:
    return await load_async(await follow_async(place, segment))


def _check_sum(archive: Archive, place: Cursor, children: Sequence[Cursor]) -> None:
    total = sum(c.node.end - c.node.start for c in children if isinstance(c.node, Leaf))
    if total > archive.opened.size:
        raise FormatError(f"{shown(place.path)}: values that overlap", kind="limit", key=archive.key)


async def _span_async(cursor: Cursor, start: int, end: int, checksum: int | None) -> Any:
    archive = cursor.archive
    if end - start > archive.options.max_value_bytes:
        raise FormatError(f"{shown(cursor.path)}: a value of {end - start} bytes", kind="limit", key=archive.key)
    size = archive.options.coalesce_max
    spans = [(at, min(at + size, end)) for at in range(start, end, size)] if end - start > 2 * size else [(start, end)]
    data = b"".join(await fetch_async(archive, spans))
    return archive.engine().decode(archive.checked(data, checksum, cursor.path, (start, end)))


async def _block_items_async(cursor: Cursor, node: Blocks) -> AsyncIterator[Any]:
    """Iterate over all items of a blocked list, plain, wave by wave."""
    archive = cursor.archive
    at = 0
    while at < len(node.counts):
        last, size = at, 0
        while last < len(node.counts) and (last == at or size + node.ends[last] - node.starts[last] <= WAVE):
            size += node.ends[last] - node.starts[last]
            last += 1
        spans = [(node.starts[i], node.ends[i]) for i in range(at, last)]
        for i, data in zip(range(at, last), await fetch_async(archive, spans), strict=True):
            nested = node.nested is not None and i in node.nested
            checksum = node.checksums[i] if node.checksums and not nested else None
            for item in archive.items(
                archive.checked(data, checksum, (*cursor.path, f"block {i}"), spans[i - at]), node.counts[i]
            ):
                yield item
        at = last


async def iterate_async(cursor: Cursor) -> AsyncIterator[Any]:
    """Iterate over the items of a list: plain values, or cursors of large ones; blocks are read ahead by one wave."""
    node = cursor.node
    if isinstance(node, Blocks) and not node.nested:
        edge = 0
        for i, count in enumerate(node.counts):
            span = (node.starts[i], node.ends[i])
            (data,) = await fetch_async(cursor.archive, [span])
            checksum = node.checksums[i] if node.checksums else None
            for item in cursor.archive.items(cursor.archive.checked(data, checksum, (*cursor.path, edge), span), count):
                yield item
            edge += count
        return
    length = node.count if isinstance(node, Blocks) else len(node.children) if not isinstance(node, Leaf) else 0
    for position in range(length):
        yield await follow_async(cursor, position)


async def pairs_async(cursor: Cursor) -> AsyncIterator[tuple[Any, Any]]:
    """Iterate over the pairs of a map: plain values, or cursors of large ones."""
    node = cursor.node
    if isinstance(node, Leaf) and node.run is not None:
        for block in range(len(node.run.counts)):
            for pair in (await _block_async(cursor, node.run, block)).items():
                yield pair
    elif not isinstance(node, (Leaf, Blocks)) and isinstance(node.children, dict):
        for key in node.children:
            yield key, await follow_async(cursor, key)


async def many_async(root: Cursor, paths: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Follow many paths; an answer may be the error of its path. Leaves are fetched in one wave."""
    places = await gather_async([lambda p=path: _attempt_async(root, p) for path in paths])  # type: ignore[misc]
    leaves: dict[int, list[Cursor]] = {}
    for place in places:
        if isinstance(place, Cursor) and isinstance(place.node, Leaf) and place.node.run is None:
            leaves.setdefault(id(place.archive), []).append(place)
    for group in leaves.values():
        await fetch_async(group[0].archive, [(c.node.start, c.node.end) for c in group if isinstance(c.node, Leaf)])
    return [await settle_async(place) for place in places]


async def _attempt_async(root: Cursor, path: tuple[Any, ...]) -> Any:
    try:
        return await resolve_async(root, path)
    except (KeyError, IndexError) as error:
        return error


async def stretch_async(archive: Archive, start: int, end: int) -> AsyncIterator[bytes]:
    """Iterate over bytes of the archive, counted from its beginning."""
    step = archive.options.coalesce_max
    for at in range(start, end, step):
        for data in await _ranges_async(archive, [(archive.base + at, archive.base + min(at + step, end))]):
            yield data


async def payload_async(archive: Archive) -> AsyncIterator[bytes]:
    """Iterate over the document's bytes."""
    table = await attach_async(archive)
    async for data in stretch_async(archive, HEADER, HEADER + table.header.toc_start):
        yield data
