"""S13: a long listing in ranges of keys equals one that goes page by page, whatever the ids and wherever it is cut."""

import asyncio
import uuid
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.capabilities import Identity
from holdall.core.meta import ListPage, ObjectMeta
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, objects_spread, objects_spread_async
from holdall.records.spans import PAGE, Cuts, Span, spans
from holdall.wrappers.forwarding import ForwardingStore


class Service(ForwardingStore):
    """Lists keys as S3 does, in pages, from any key on; counts its pages, and the longest row of them that waited for each other."""

    lists_aside = True

    def __init__(self, keys):
        super().__init__(MemoryStore())
        self.metas = [ObjectMeta(key=key, size=1, etag="e") for key in sorted(keys)]
        self.keys = [meta.key for meta in self.metas]
        self.pages = 0

    @property
    def identity(self):
        return Identity(service="s3", place="b")

    def locate(self, key):
        return self, key

    def list(self, prefix="", *, delimiter=None, start_after=None):
        at = bisect_right(self.keys, start_after or "")
        while True:
            self.pages += 1
            yield ListPage(self.metas[at : at + PAGE], [])
            at += PAGE
            if at >= len(self.keys):
                return

    async def list_async(self, prefix="", *, delimiter=None, start_after=None):
        for page in self.list(prefix, delimiter=delimiter, start_after=start_after):
            yield page


def listed(store, cuts, colour):
    state = ObjectDatabase(store, mirror="off")._blocking.state
    if colour == "blocking":
        return [each for page in objects_spread.listed(state, cuts) for each in page]

    async def drawn():
        return [each async for page in objects_spread_async.listed_async(state, cuts) for each in page]

    return asyncio.run(drawn())


N = 100_000
SHAPES = {
    "uuid": lambda: [str(uuid.UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)) for n in range(N)],
    "numbered": lambda: [f"user-{n:06}" for n in range(N)],
    "deep": lambda: [f"{'same-' * 40}{n:08x}" for n in range(N)],
    "unicode": lambda: [f"{chr(0x3B1 + n % 24)}{chr(0x4E00 + n // 24)}" for n in range(N)],
    "cluster": lambda: [
        *(f"a{n}" for n in range(50)),
        *(f"mmmm{n:05}" for n in range(N - 100)),
        *(f"z{n}" for n in range(50)),
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a20_ranges_equal_a_serial_listing(shape):
    ids = SHAPES[shape]()
    state = ObjectDatabase(MemoryStore())._blocking.state
    keys = sorted(map(state.key, ids))
    pages = -(-N // PAGE)
    for colour, cuts in [("blocking", []), ("async", sorted(ids)[PAGE - 1 :: PAGE])]:
        store = Service(keys)
        assert sorted(meta.key for _, meta in listed(store, cuts, colour)) == keys
        assert store.pages <= (2 * pages + 80 if not cuts else pages + pages), (shape, store.pages)


@pytest.mark.parametrize("shape", ["uuid", "numbered"])
def test_a20_no_long_row_of_pages_waits_for_each_other(shape):
    """Ranges that were found together are listed together here, so that the rounds are the longest row of requests."""
    key = ObjectDatabase(MemoryStore())._blocking.state.key
    store = Service(map(key, SHAPES[shape]()))
    state, cuts = ObjectDatabase(store, mirror="off")._blocking.state, Cuts("records/")
    waiting, longest = [(Span(None, None), 0)], 0
    while waiting:
        found = []
        for span, before in waiting:
            begun = store.pages
            _, keys, rest = objects_spread._range(state, span)
            row = before + store.pages - begun
            longest = max(longest, row)
            found += [(part, row) for part in spans(rest, cuts.behind(keys, rest))] if keys else []
        waiting = found
    assert longest <= 12


def test_a_listing_of_two_pages_costs_no_more():
    for count, pages in [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (2 * PAGE - 1, 2)]:
        store = Service(f"records/{n:06}.json" for n in range(count))
        assert len(listed(store, [], "blocking")) == count
        assert store.pages == pages


def test_what_is_known_is_listed_again_in_as_many_pages():
    for count, pages in [(PAGE, 1), (5 * PAGE - 1, 5), (5 * PAGE, 5), (5 * PAGE + 1, 6)]:
        store = Service(f"records/{n:06}.json" for n in range(count))
        db = ObjectDatabase(store, mirror="memory")
        assert db.count() == count
        store.pages = 0
        assert db.count(max_age=0) == count
        assert store.pages == pages


def test_an_error_ends_all_ranges(colour):
    class Broken(Service):
        def list(self, prefix="", *, delimiter=None, start_after=None):
            if start_after and start_after > "records/003":
                raise ConnectionError("no")
            yield from super().list(prefix, delimiter=delimiter, start_after=start_after)

    db = colour(ObjectDatabase(Broken(f"records/{n:06}.json" for n in range(5000)), mirror="memory"))
    with pytest.raises(ConnectionError):
        db.count()


keys = st.text("ab0/\u00e9", min_size=1, max_size=6)


@given(st.lists(keys, min_size=1), st.sets(keys))
def test_ranges_cover_each_key_once(all_keys, cuts):
    parts = spans(Span(None, None), sorted(cuts))
    for key in all_keys:
        assert sum((p.after is None or p.after < key) and (p.until is None or key <= p.until) for p in parts) == 1


@given(st.sets(keys, min_size=2), keys | st.none(), st.integers(1, 50))
def test_cuts_lie_behind_the_page_and_within_the_range(page, until, spare):
    seen = sorted(page)
    if until is not None and until <= seen[-1]:
        until = None
    cuts = Cuts("", spare).behind(seen, Span(seen[-1], until))
    assert len(cuts) <= spare
    assert all(seen[-1] < cut and (until is None or cut < until) for cut in cuts)


def test_an_index_is_brought_up_to_date_by_ranges(colour):
    """What others added and removed is seen, wherever the index lets the listing be cut."""
    store = Service(f"records/{n:06}.json" for n in range(4500))
    db = colour(ObjectDatabase(store, mirror="memory"))
    assert db.count() == 4500
    store.metas = [ObjectMeta(key=f"records/{n:06}.json", size=1, etag="e") for n in range(3000, 9000)]
    store.keys = [meta.key for meta in store.metas]
    assert db.count(max_age=0) == 6000
    assert [*db.ids()][0::5999] == ["003000", "008999"]
