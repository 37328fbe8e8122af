"""A31: one listing of several locations, in bounded memory; an outage raises, never a shorter list."""

import json
import subprocess
import sys

import pytest
from tests.leftovers import Threads
from tests.unit.tiers import long_listing
from tests.unit.tiers.long_listing import Long

from holdall.core.retry import RetryPolicy
from holdall.drivers.memory import MemoryStore
from holdall.errors import UnavailableError
from holdall.testing import CountingStore
from holdall.tiers import FileStore


def test_a31_a_hundred_thousand_names():
    """Half of them in both places: each once, in order, with the right locations, in both colours; memory holds pages, or runs, not listings."""
    ended = subprocess.run([sys.executable, long_listing.__file__], capture_output=True, check=False, timeout=110)
    assert ended.returncode == 0, ended.stderr
    grown = json.loads(ended.stdout)
    assert len(grown) == 4
    assert max(value for title, value in grown.items() if title.endswith(", in order")) < 25, grown
    assert max(grown.values()) < 50, grown


def test_a31_listing(colour):
    one, two = CountingStore(MemoryStore()), CountingStore(MemoryStore())
    for i in range(5000):
        if i % 2:
            one.put(f"k{i:05}", b"")
        if i % 3:
            two.put(f"k{i:05}", b"")
    two.put("k//odd", b"")
    with FileStore(one, two) as plain:
        entries = {entry.path: len(entry.locations) for entry in colour(plain).list()}
        wanted = {f"k{i:05}": bool(i % 2) + bool(i % 3) for i in range(5000) if i % 2 or i % 3} | {"k//odd": 1}
        assert entries == wanted
        assert list(entries) == sorted(wanted)
        one.reset(), two.reset()
        next(iter(plain.list()))
        assert max(one.counts.pages, two.counts.pages) <= 2


class Far(Long):
    """Behind a network, as it were: its next pages are fetched while one is looked at."""

    def _narrowed(self, inner):
        return super()._narrowed(inner).narrowed(temporary=False)


def test_a_listing_that_is_left_early_ends_what_it_began(colour):
    started = Threads()
    places = Far(0), Far(1)
    with FileStore(*places) as fs:
        entries = colour(fs).list()
        assert [entry.path for entry, _ in zip(entries, range(5), strict=False)] == [f"k{i:06}" for i in range(5)]
        entries.close()
        assert max(place.drawn for place in places) <= 2000
    assert started.left() == []


@pytest.mark.parametrize("kind", [Long, Far])
@pytest.mark.parametrize("ordered", [True, False])
def test_a31_an_outage_on_page_three_raises(ordered, kind, colour):
    """What came before it may be told; the end is an error, never a shorter list."""
    told = 0
    places = Long(0), kind(1, ordered=ordered, fails_at=3)
    with FileStore(*places, retry=RetryPolicy(attempts=1)) as fs, pytest.raises(UnavailableError):
        for _ in colour(fs).list():
            told += 1
    assert told <= 3000
