"""What `explain` expects is what is then sent; and what it shows is what decides."""

import math
from collections import Counter

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Record
from holdall.testing import CountingStore

IDS = [f"n{n}" for n in range(7)]


@pytest.fixture
def store():
    inner = MemoryStore()
    ObjectDatabase(inner, mirror="off").batch_create([Record({"n": n}, id=f"n{n}") for n in range(7)])
    return CountingStore(inner)


def sent(store, act):
    """Return the reads and listings of an act."""
    before = store.counts.calls
    act()
    made = Counter(store.counts.calls) - Counter(before)
    return made["get"], made["list"]


def forecast(db, condition):
    requests = db.explain(condition).requests
    return int(requests.removesuffix(" GET")) if requests.endswith(" GET") else requests


@pytest.mark.parametrize(
    "condition", [Filter("id", "=", "n3"), Filter("id", "in", ["n1", "n2", "n6"])], ids=["one", "three"]
)
def test_ids_are_read_without_a_mirror(store, colour, condition):
    db = colour(ObjectDatabase(store, mirror="off"))
    expected = forecast(db, condition)
    assert sent(store, lambda: db.search(condition)) == (expected, 0)
    assert expected in {1, 3}


def test_all_is_listed_and_read_without_a_mirror(store, colour):
    db = colour(ObjectDatabase(store, mirror="off"))
    condition = Filter("n", ">", 2)
    assert forecast(db, condition) == "every record is listed and read"
    assert sent(store, lambda: db.search(condition)) == (7, 1)


def test_what_the_mirror_lacks_is_read(store, colour):
    db = colour(ObjectDatabase(store, mirror="memory", cache_ttl=math.inf))
    condition = Filter("n", ">", 2)
    assert forecast(db, condition) == "one LIST per 1000 records, one GET per record that changed"
    assert db.count() == 7  # lists, and reads nothing
    assert forecast(db, condition) == 7
    assert sent(store, lambda: db.search(Filter("id", "=", "n1"))) == (1, 0)
    assert forecast(db, condition) == 6
    assert sent(store, lambda: db.search(condition)) == (6, 0)
    assert forecast(db, condition) == 0
    assert sent(store, lambda: db.search(condition)) == (0, 0)


def test_who_decides(store, colour):
    db = colour(ObjectDatabase(store, mirror="memory"))
    exact, loose = db.explain(Filter("name", "=", "x")), db.explain(Filter("name", "regex", "x$"))
    assert (exact.exact, loose.exact) == (True, False)
    assert "x" in exact.params
    assert "a superset, decided by the matcher" in str(loose)
