"""One body, two colours: stand-ins run the async half of an object and nothing else."""

import asyncio
import threading

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError
from holdall.testing import AsyncColour, BlockingColour, colour_named


class Both:
    """Tells which half was called."""

    plain = 7

    def __init__(self):
        self.closed = None

    def name(self):
        return "blocking"

    async def name_async(self):
        await asyncio.sleep(0)
        return "async"

    def only_blocking(self):
        return "blocking"

    def items(self):
        yield from (1, 2)

    async def items_async(self):
        try:
            for item in (10, 20):
                yield item
        finally:
            self.closed = "async"

    def child(self):
        return Both()

    async def child_async(self):
        return Both()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.closed = "blocking"

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        self.closed = "async"

    def __truediv__(self, other):
        return Both()

    def fail(self):
        raise ZeroDivisionError

    async def fail_async(self):
        raise ZeroDivisionError


def test_calls_the_half_of_its_colour(colour):
    both = colour(Both())
    assert both.name() == colour.name
    assert both.only_blocking() == "blocking"
    assert both.plain == 7
    assert both.child().name() == colour.name
    assert (both / "x").name() == colour.name
    with pytest.raises(ZeroDivisionError):
        both.fail()


def test_iterates_and_closes(colour):
    both = colour(Both())
    assert list(both.items()) == ([1, 2] if colour.name == "blocking" else [10, 20])
    items = both.items()
    next(items)
    items.close()
    if colour.name == "async":
        assert both.closed == "async"


def test_enters_and_leaves(colour):
    with colour(Both()) as both:
        assert both.name() == colour.name
    assert both.closed == colour.name
    both.closed = "again"
    assert both.closed == "again"


def test_blocking_hands_out_the_object_itself():
    both = Both()
    assert BlockingColour()(both) is both


def test_stand_ins_are_like_the_object():
    store = MemoryStore(name="x")
    with AsyncColour() as colour:
        seen = colour(store)
        assert (repr(seen), str(seen), seen, hash(seen)) == (repr(store), str(store), store, hash(store))
        seen.put("a", b"1")
        other = colour(MemoryStore())
        other.copy("a", "b", source=seen)  # stand-ins among the arguments are looked through
        assert other.get("b").bytes() == b"1"
        assert [chunk for chunk in other.get("b")] == [b"1"]


def test_at_once(colour):
    store = MemoryStore()
    from holdall import PutOptions

    calls = [("k", str(i).encode(), PutOptions(mode="create")) for i in range(8)]
    answers = colour.at_once(store.put, calls)
    assert len(answers) == 8
    assert sum(isinstance(answer, AlreadyExistsError) for answer in answers) == 7
    answers = colour.at_once(colour(store).head, [("k",), ("k",)])
    assert [answer.size for answer in answers] == [1, 1]


def test_in_threads(colour):
    seen = set()

    def body(number, own):
        seen.add(threading.get_ident())
        return own(Both()).name(), number

    assert colour.in_threads(4, body) == [(colour.name, i) for i in range(4)]
    assert len(seen) == 4


def test_in_threads_tells_errors(colour):
    def body(number, own):
        if number == 2:
            raise ZeroDivisionError
        return number

    with pytest.raises(ZeroDivisionError):
        colour.in_threads(4, body)


def test_unknown_colour():
    with pytest.raises(ValueError, match="blue"):
        colour_named("blue")
