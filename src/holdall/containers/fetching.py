# Generated from fetching_async.py by tools/twins.py: change that file, not this one.
"""Fetch exact ranges, and carry out the steps that `walking` asks for: all the I/O of reading what is open."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, TypeVar

from holdall._concurrency import gather, run
from holdall.containers.archive import Origin
from holdall.containers.cache import Span
from holdall.containers.errors import FormatError
from holdall.containers.flights import landed
from holdall.containers.held import HeldBytes, HeldFile
from holdall.containers.lookahead import PIECES, Lookahead
from holdall.containers.waves import Want, step_of
from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange, Coalesce, Merged, coalesce
from holdall.errors import NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult

__all__ = ["LONG", "changed", "drive", "fetch", "get", "items", "ranges", "stretch"]

T = TypeVar("T")
LONG = 4 * 1024 * 1024
"""Bytes from which decoding them would hold up an event loop."""


def get(origin: Origin, span: ByteRange) -> tuple[GetResult, bytes]:
    """Return one range of the version that is read, with what the store says of the object."""
    options = GetOptions(range=span, if_match=origin.etag, version=origin.version)
    with origin.store.get(origin.key, options) as result:
        return result, result.bytes()


def fetch(origin: Origin, spans: Sequence[Span], *, keep: bool = True, fresh: bool = False) -> list[Any]:
    """Return ranges of the object: from the cache, from a fetch that is under way, or from the store, near ones together.

    Raises:
        PreconditionError: The object was replaced since it was opened (``kind="changed"``).
    """
    origin.check_open()
    if origin.file is not None:
        return _at_hand(origin, origin.file, spans, keep=keep, fresh=fresh)
    if origin.ahead is not None and origin.ahead.serves(spans):
        return _ahead(origin, origin.ahead, spans)
    held: dict[Span, bytes] = {}
    missing: list[Span] = []
    for span in sorted(set(spans)):
        data = origin.cache.get(span)
        if data is None:
            missing.append(span)
        else:
            held[span] = data
    origin.stats.cache_hits += len(held)
    while missing:
        mine, others = origin.flights.claim(missing)
        if mine:
            try:
                found = ranges(origin, mine)
            except BaseException:
                origin.flights.land(mine, None)
                raise
            origin.flights.land(mine, found)
            for span, data in zip(mine, found, strict=True):
                held[span] = data
                if keep:
                    origin.cache.put(span, data)
        missing = []
        for span, flight in others.items():
            data = landed(flight)
            if data is None:  # whoever fetched it failed or was cancelled
                missing.append(span)
            else:
                held[span] = data
    return [held[span] for span in spans]


def _at_hand(
    origin: Origin, file: HeldFile | HeldBytes, spans: Sequence[Span], *, keep: bool = False, fresh: bool = False
) -> list[bytes]:
    """Return ranges of a local file or of bytes in memory: from the cache or by position, waiting for nobody."""
    cache, stats = origin.cache, origin.stats
    cached: dict[Span, bytes] = {}
    missing = spans
    if cache.size and not file.inline:
        cached = {span: data for span in spans if (data := cache.get(span)) is not None}
        stats.cache_hits += len(cached)
    if cached or len(spans) > 1:
        missing = [span for span in dict.fromkeys(spans) if span not in cached]
        if not missing:
            return [cached[span] for span in spans]
    try:
        found = file.read(missing) if file.inline else run(lambda: file.read(missing, fresh=fresh))
    except PreconditionError as error:
        raise changed(origin) from error
    stats.requests += len(missing)
    stats.serial_rounds += 1
    for (start, end), data in zip(missing, found, strict=True):
        stats.bytes += len(data)
        if len(data) != end - start:
            raise FormatError("the object ends within a value", kind="range", offset=start, key=origin.key)
        if keep and not file.inline and not fresh:
            cache.put((start, end), data)
    if missing is spans:
        return found
    cached |= zip(missing, found, strict=True)
    return [cached[span] for span in spans]


def _ahead(origin: Origin, ahead: Lookahead, spans: Sequence[Span]) -> list[bytes]:
    """Return ranges for one who reads from one end to the other: large pieces are fetched, those that follow at the same time."""
    lacking = ahead.lacking(spans)
    if lacking:
        ahead.take(lacking, ranges(origin, lacking))
    return ahead.cut(spans)


def ranges(origin: Origin, spans: Sequence[Span]) -> list[bytes]:
    """Fetch ranges in one wave; large ones in pieces."""
    if origin.file is not None:
        return _at_hand(origin, origin.file, spans)
    options = origin.options
    rule = Coalesce(gap=options.coalesce_gap, largest=options.coalesce_max)
    pieces = [_pieces(span, rule.largest) for span in spans]
    asked = [piece for several in pieces for piece in several]
    try:
        plan = coalesce(asked, rule)
        requests, size = len(plan), sum(part.end - part.start for part in plan)
        if origin.version is not None:
            parts = _versioned(origin, asked, plan)
        else:
            parts = origin.store.get_ranges(origin.key, asked, if_match=origin.etag, coalesce=rule)
    except (PreconditionError, NotFoundError) as error:
        if origin.archive is None and isinstance(error, NotFoundError):
            raise
        raise changed(origin) from error
    except RangeNotSatisfiableError as error:
        raise FormatError("the object ends before a value", kind="range", key=origin.key) from error
    origin.stats.requests += requests
    origin.stats.bytes += size
    origin.stats.serial_rounds += 1
    for (start, end), part in zip(asked, parts, strict=True):
        if len(part) != end - start:
            raise FormatError("the object ends within a value", kind="range", offset=start, key=origin.key)
    rest = iter(parts)
    return [next(rest) if len(several) == 1 else b"".join([next(rest) for _ in several]) for several in pieces]


def _versioned(origin: Origin, spans: Sequence[Span], plan: Sequence[Merged]) -> list[bytes]:
    answers = gather(
        [lambda m=merged: get(origin, ByteRange(m.start, m.end)) for merged in plan],  # type: ignore[misc]
        limit=origin.options.concurrency,
    )
    parts = [b""] * len(spans)
    for merged, (_, data) in zip(plan, answers, strict=True):
        for i in merged.members:
            start, end = spans[i]
            parts[i] = data[start - merged.start : end - merged.start]
    return parts


def _pieces(span: Span, size: int) -> list[Span]:
    start, end = span
    if end - start <= 2 * size:
        return [span]
    return [(at, min(at + size, end)) for at in range(start, end, size)]


def stretch(origin: Origin, start: int, end: int) -> Iterator[bytes]:
    """Iterate over bytes of the object; from a store several pieces are fetched at once."""
    step = origin.options.coalesce_max
    pieces = [(at, min(at + step, end)) for at in range(start, end, step)]
    at_once = PIECES if origin.file is None else 1
    for at in range(0, len(pieces), at_once):
        found = fetch(origin, pieces[at : at + at_once], keep=False)
        while found:
            yield found.pop(0)


def drive(origin: Origin, steps: Generator[Want, Any, T]) -> T:
    """Carry out steps and return their result."""
    answer: Any = None
    while True:
        want, ended = _taken(steps, answer)
        if want is None:
            result: T = ended
            return result
        answer = fetch(origin, want.spans, keep=want.keep, fresh=want.fresh)


def _taken(steps: Generator[Any, Any, Any], answer: Any) -> tuple[Any, Any]:
    """Give steps their answer, and return the next request and the result, one of which is ``None``; what takes long is left to a thread."""
    if answer is not None and sum(map(len, answer)) > LONG:
        return run(lambda: step_of(steps, answer))
    return step_of(steps, answer)


def items(origin: Origin, steps: Generator[Want | list[Any], Any, None]) -> Iterator[Any]:
    """Carry out steps and iterate over the items that come up between them."""
    answer: Any = None
    while True:
        step, _ = _taken(steps, answer)
        if step is None:
            return
        answer = None
        if isinstance(step, Want):
            answer = fetch(origin, step.spans, keep=step.keep)
        else:
            yield from step


def changed(origin: Origin) -> PreconditionError:
    """Return the error for an object that is not what was opened."""
    return PreconditionError(
        f"{origin.key!r} was replaced while it was read", key=origin.key, store=origin.store, kind="changed"
    )
