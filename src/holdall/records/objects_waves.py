# Generated from objects_waves_async.py by tools/twins.py: change that file, not this one.
"""Requests for many records: so many under way as the window allows, and again for those that the storage was too busy for."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from holdall._concurrency import sleep
from holdall._turns import turn
from holdall.engine.colours import closed
from holdall.engine.crew import Crew
from holdall.errors import ThrottledError
from holdall.records.errors import untried
from holdall.records.objects_state import ObjectState
from holdall.records.stride import Stride
from holdall.records.window import Ask

__all__ = ["in_order", "waves"]

T = TypeVar("T")
R = TypeVar("R")

_WAVES = 4
_PAUSE = 0.2
"""Seconds before the second wave at most; twice as many before each further one."""
_AHEAD = 4
"""Answers that are held for a slow caller, for each request that may be under way."""
_HELD = 32 * 1024 * 1024
"""Characters that are asked for at once where answers are wanted in order, if it is more than one record."""


def waves(
    state: ObjectState, function: Ask[T, R], items: Sequence[T], stopped: list[Exception]
) -> Iterator[tuple[T, R | Exception]]:
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

    def ask(item: T) -> R | Exception:
        nonlocal in_a_row
        if stopped:
            return stopped[0]
        begun = window.round
        try:
            answer = function(item)
        except ThrottledError as error:
            window.refused(begun)
            in_a_row += 1
            if in_a_row >= hopeless and not stopped:
                refusal = ThrottledError("the storage refuses every request, even one at a time", store=state.store)
                stopped.append(untried(refusal))
            return error
        in_a_row = 0
        window.answered()
        return answer

    for wave in range(1, _WAVES + 1):
        refused: list[tuple[T, ThrottledError]] = []
        with closed(_answers(state, ask, pending)) as found:
            for item, answer in found:
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
        sleep(random.uniform(0.5, 1.0) * _PAUSE * 2 ** (wave - 1))  # noqa: S311  # jitter
        pending = [item for item, _ in refused]


def _answers(state: ObjectState, ask: Ask[T, R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Yield items with their answers, as they come. Each worker takes one item after the other; one that the window has no place for ends."""
    most, width = min(state.options.max_workers, len(items)), state.window.width
    if most == 1:
        for item in items:
            turn()
            yield item, ask(item)
        return
    lock = threading.Lock()
    answered: list[tuple[T, R]] = []
    ready: deque[tuple[T, R]] = deque()
    at = under_way = done = read = 0
    rung = False

    def work(crew: Crew[Any]) -> None:  # which is handed over: a cycle would keep the items
        nonlocal at, under_way, done, rung
        pair: tuple[T, R] | None = None
        while True:
            ring = False
            with lock:
                if pair is not None:
                    answered.append(pair)
                    done, under_way = done + 1, under_way - 1
                    if not rung and len(answered) >= min(most, width()):
                        ring = rung = True
                if crew.stopping or at == len(items) or under_way >= width() or done - read >= _AHEAD * most:
                    return  # its end wakes the caller, too
                item = items[at]
                at, under_way = at + 1, under_way + 1
            if ring:  # for a round of answers at once: to wake the caller for each costs more than to ask
                crew.post(None)
            try:
                turn()
                pair = item, ask(item)
            except BaseException:
                with lock:
                    under_way -= 1
                raise

    with Crew[Any](work, most) as crew:
        while True:
            while at < len(items) and crew.busy < min(most, width()) and done - read <= most:
                crew.start(crew)
            if ready:
                read += 1
                yield ready.popleft()
                continue
            if not crew.busy and not crew.ready():
                return
            event = crew.next()
            with lock:
                ready.extend(answered)
                answered.clear()
                rung = False
            if event is not None and event.error is not None:
                yield from ready
                raise event.error


def in_order(state: ObjectState, function: Ask[T, R | Exception], items: Sequence[T], lengths: list[int]) -> Iterator[R]:
    """Yield the answers for items, each of which is another, in the order of the items.

    Args:
        state: Of the database.
        function: Sends one request; what it raises is raised at once, an error that it returns in its turn.
        items: What to call it with.
        lengths: Gets from it how many characters came; is emptied.
    """
    most = state.options.max_workers
    stride = Stride(2 * _AHEAD * most, first=most, held=_HELD)
    start = 0
    while part := items[start : start + stride.size]:
        start += len(part)
        at = 0
        early: dict[T, R | Exception] = {}
        with closed(waves(state, function, part, [])) as answers:
            for item, answer in answers:
                early[item] = answer
                while at < len(part) and part[at] in early:
                    now = early.pop(part[at])
                    if isinstance(now, Exception):
                        raise now
                    yield now
                    at += 1
        stride.took(len(part), sum(lengths))
        lengths.clear()
