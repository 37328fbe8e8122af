# Generated from objects_spread_async.py by tools/twins.py: change that file, not this one.
"""A long listing in ranges of keys, several at once (S13): where a service lists on from any key, and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from holdall._concurrency import run
from holdall.core.meta import ObjectMeta
from holdall.engine.colours import closed
from holdall.engine.crew import Crew
from holdall.records import objects_many as many
from holdall.records.objects_state import ObjectState
from holdall.records.spans import PAGE, Cuts, Span, spans

__all__ = ["listed"]

_AT_ONCE = 8
"""Ranges that are listed at once: to read a page takes about as long as to wait for it."""

Named = list[tuple[str | None, ObjectMeta]]


def _spreads(state: ObjectState) -> bool:
    """Tell whether the service begins a listing at any key for the price of a page."""
    driver, _ = state.store.locate(state.key("x"))
    s3 = state.store.identity.service.startswith("s3") and getattr(driver, "lists_aside", False)
    return s3 and state.store.capabilities.ordered and state.options.max_workers > 1


def listed(state: ObjectState, cuts: Sequence[str]) -> Iterator[Named]:
    """Yield all objects as `objects_many.listed` does, in any order of pages.

    A listing of two pages or less costs as many requests; of P pages no more than 2 P + 80.

    Args:
        state: Of the database.
        cuts: Ids between which there are about as many as a page holds, as far as is known.
    """
    if not _spreads(state):
        with closed(many.listed(state)) as pages:
            yield from pages
        return
    guessed = Cuts(state.prefix)
    waiting = deque(spans(Span(None, None), [state.key(id) for id in cuts]))

    def work(span: Span) -> tuple[Named, list[str], Span]:
        return _range(state, span)

    with Crew[Any](work, _AT_ONCE) as crew:
        while True:
            while waiting and crew.busy < min(_AT_ONCE, state.options.max_workers):
                crew.start(waiting.popleft())
            if not crew.busy:
                return
            ended = crew.next()
            if ended.error is not None:
                raise ended.error
            found, keys, rest = ended.result
            if keys:
                waiting.extend(spans(rest, guessed.behind(keys, rest)))
            yield found


def _range(state: ObjectState, span: Span) -> tuple[Named, list[str], Span]:
    """Return the objects of a range; if that is long, those of its first pages, their keys, and what is left of the range."""
    enough = 2 * PAGE if span.until is None else PAGE  # whether a first page is the last one, the service alone knows
    found: Named = []
    keys: list[str] = []
    with closed(state.store.list(state.prefix, delimiter="/", start_after=span.after)) as pages:
        for page in pages:
            keys += sorted([*[meta.key for meta in page.objects], *page.prefixes])
            found += run(lambda page=page: many.named(state, page, ""))  # type: ignore[misc]
            if span.until is not None and keys and keys[-1] >= span.until:
                until = span.until
                return [each for each in found if each[1].key <= until], [], span
            if len(keys) >= enough:
                return found, keys, Span(keys[-1], span.until)
    return found, [], span
