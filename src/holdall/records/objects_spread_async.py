"""A long listing in ranges of keys, several at once (S13): where a service lists on from any key, and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.engine.colours import closed_async
from holdall.engine.crew import AsyncCrew
from holdall.records import objects_many_async as many
from holdall.records.objects_state import ObjectState
from holdall.records.spans import PAGE, Cuts, Span, spans

__all__ = ["listed_async"]

_AT_ONCE = 8
"""Ranges that are listed at once: to read a page takes about as long as to wait for it."""

Named = list[tuple[str | None, ObjectMeta]]


def _spreads(state: ObjectState) -> bool:
    """Tell whether the service begins a listing at any key for the price of a page."""
    driver, _ = state.store.locate(state.key("x"))
    s3 = state.store.identity.service.startswith("s3") and getattr(driver, "lists_aside", False)
    return s3 and state.store.capabilities.ordered and state.options.max_workers > 1


async def listed_async(state: ObjectState, cuts: Sequence[str]) -> AsyncIterator[Named]:
    """Yield all objects as `objects_many_async.listed_async` does, in any order of pages.

    A listing of two pages or less costs as many requests; of P pages no more than 2 P + 80.

    Args:
        state: Of the database.
        cuts: Ids between which there are about as many as a page holds, as far as is known.
    """
    if not _spreads(state):
        async with closed_async(many.listed_async(state)) as pages:
            async for page in pages:
                yield page
        return
    guessed = Cuts(state.prefix)
    waiting = deque(spans(Span(None, None), [state.key(id) for id in cuts]))

    async def work(span: Span) -> tuple[Named, list[str], Span]:
        return await _range_async(state, span)

    async with AsyncCrew[Any](work, _AT_ONCE) as crew:
        while True:
            while waiting and crew.busy < min(_AT_ONCE, state.options.max_workers):
                crew.start(waiting.popleft())
            if not crew.busy:
                return
            ended = await crew.next_async()
            if ended.error is not None:
                raise ended.error
            found, keys, rest = ended.result
            if keys:
                waiting.extend(spans(rest, guessed.behind(keys, rest)))
            yield found


async def _range_async(state: ObjectState, span: Span) -> tuple[Named, list[str], Span]:
    """Return the objects of a range; if that is long, those of its first pages, their keys, and what is left of the range."""
    enough = 2 * PAGE if span.until is None else PAGE  # whether a first page is the last one, the service alone knows
    found: Named = []
    keys: list[str] = []
    async with closed_async(state.store.list_async(state.prefix, delimiter="/", start_after=span.after)) as pages:
        async for page in pages:
            keys += sorted([*[meta.key for meta in page.objects], *page.prefixes])
            found += await run_async(lambda page=page: many.named(state, page, ""))  # type: ignore[misc]
            if span.until is not None and keys and keys[-1] >= span.until:
                until = span.until
                return [each for each in found if each[1].key <= until], [], span
            if len(keys) >= enough:
                return found, keys, Span(keys[-1], span.until)
    return found, [], span
