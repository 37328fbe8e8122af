"""`map_bounded` in both colours: order, how many are under way, how far ahead, what an error and an early end leave."""

import asyncio
import threading
from contextlib import aclosing, closing

import pytest

from holdall._concurrency import map_bounded, map_bounded_async


class Work:
    """Functions that count how many of them are under way."""

    def __init__(self, fails=()):
        self.lock, self.now, self.most, self.begun, self.fails = threading.Lock(), 0, 0, 0, set(fails)

    def step(self, by):
        with self.lock:
            self.now += by
            self.begun += by > 0
            self.most = max(self.most, self.now)

    def __call__(self, item):
        self.step(1)
        try:
            if item in self.fails:
                raise KeyError(item)
            return item * 2
        finally:
            self.step(-1)

    async def call_async(self, item):
        self.step(1)
        try:
            for _ in range(item % 3):
                await asyncio.sleep(0)
            if item in self.fails:
                raise KeyError(item)
            return item * 2
        finally:
            self.step(-1)


def run(colour, work, items, take=None, **options):
    """Return what comes, in either colour."""
    if colour.name == "blocking":
        with closing(map_bounded(work, items, **options)) as source:
            return list(source) if take is None else [next(source) for _ in range(take)]

    async def body():
        tasks = asyncio.all_tasks()
        try:
            async with aclosing(map_bounded_async(work.call_async, items, **options)) as source:
                return [each async for each in source] if take is None else [await anext(source) for _ in range(take)]
        finally:
            assert asyncio.all_tasks() == tasks

    return colour.run(body())


@pytest.mark.parametrize("count", [0, 1, 7, 300])
@pytest.mark.parametrize("limit", [1, 3, 16])
def test_order_and_bounds(colour, count, limit):
    work, drawn = Work(), []
    items = (drawn.append(n) or n for n in range(count))
    assert run(colour, work, items, limit=limit) == [n * 2 for n in range(count)]
    assert work.most <= limit
    assert drawn == list(range(count))
    assert work.now == 0


def test_what_is_drawn_ahead(colour):
    work, drawn = Work(), []
    items = (drawn.append(n) or n for n in range(1000))
    assert run(colour, work, items, take=5, limit=2, window=6) == [0, 2, 4, 6, 8]
    assert len(drawn) <= 5 + 6
    assert work.now == 0, "what was under way has ended"


def test_an_error_ends_it(colour):
    work = Work(fails=[20])
    with pytest.raises(KeyError):
        run(colour, work, range(1000), limit=4)
    assert work.begun < 100
    assert work.now == 0


def test_an_error_of_the_source(colour):
    def items():
        yield from range(5)
        raise ValueError

    with pytest.raises(ValueError):
        run(colour, Work(), items(), limit=2)


def test_the_width_is_asked_before_each_start(colour):
    """It narrows and widens on the way, within the limit."""
    work, asked = Work(), []

    def width():
        asked.append(work.begun)
        return 1 if work.begun < 5 else 99

    assert run(colour, work, range(20), limit=3, width=width) == [2 * item for item in range(20)]
    assert work.most <= 3
    assert asked[0] == 0
    narrow = Work()
    assert run(colour, narrow, range(20), limit=3, width=lambda: 1) == [2 * item for item in range(20)]
    assert narrow.most == 1
