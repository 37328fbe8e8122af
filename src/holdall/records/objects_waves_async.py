"""Requests for many records: so many under way as the window allows, and again for those that the storage was too busy for."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from holdall._concurrency import map_bounded_async, sleep_async
from holdall.engine.colours import closed_async
from holdall.errors import ThrottledError
from holdall.records.objects_state import ObjectState
from holdall.records.window import AsyncAsk

__all__ = ["waves_async"]

T = TypeVar("T")
R = TypeVar("R")

_WAVES = 4
_PAUSE = 0.2
"""Seconds before the second wave at most; twice as many before each further one."""


async def waves_async(
    state: ObjectState, function: AsyncAsk[T, R], items: Sequence[T], stopped: list[Exception]
) -> AsyncIterator[tuple[T, R | Exception]]:
    """Yield items with their answers, as they come. Items that the storage was too busy for follow in a later wave.

    Args:
        state: Of the database; its window narrows and widens.
        function: Sends one request, after the store's own retries; anything but `ThrottledError` that it raises ends all.
        items: What to call it with.
        stopped: Once there is a cause in it, that is the answer for every further item. It gets one if the storage refuses
            everything, although no more than one request is under way.
    """
    window, pending = state.window, items
    hopeless, in_a_row = 2 * state.options.max_workers + _WAVES, 0

    async def ask(item: T) -> tuple[T, R | Exception]:
        nonlocal in_a_row
        if stopped:
            return item, stopped[0]
        begun = window.round
        try:
            answer = await function(item)
        except ThrottledError as error:
            window.refused(begun)
            in_a_row += 1
            if in_a_row >= hopeless and not stopped:
                stopped.append(ThrottledError("the storage refuses every request, even one at a time", store=state.store))
            return item, error
        in_a_row = 0
        window.answered()
        return item, answer

    for wave in range(1, _WAVES + 1):
        refused: list[tuple[T, ThrottledError]] = []
        answers = map_bounded_async(ask, pending, limit=state.options.max_workers, width=window.width)
        async with closed_async(answers) as found:
            async for item, answer in found:
                if isinstance(answer, ThrottledError) and answer not in stopped:
                    refused.append((item, answer))
                else:
                    yield item, answer
        if stopped or wave == _WAVES:
            for item, error in refused:
                yield item, error
            return
        if not refused:
            return
        await sleep_async(random.uniform(0.5, 1.0) * _PAUSE * 2 ** (wave - 1))  # noqa: S311  # jitter
        pending = [item for item, _ in refused]
