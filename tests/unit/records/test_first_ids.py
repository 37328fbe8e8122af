"""The first records of a cold database: no page of the listing is read that cannot change them, and the order is that of ids."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.core.meta import ListPage
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, Query, Record
from holdall.wrappers.forwarding import ForwardingStore

IDS = st.text(st.sampled_from("-.0a~ :/%z\u00e9\U0001f600"), min_size=1, max_size=5)


class Paged(ForwardingStore):
    """Three objects a page; counts pages and heads."""

    pages = heads = 0

    def list(self, prefix="", *, delimiter=None, start_after=None):
        objects = [meta for page in super().list(prefix, delimiter=delimiter) for meta in page.objects]
        for at in range(0, len(objects), 3):
            self.pages += 1
            yield ListPage(objects=tuple(objects[at : at + 3]), prefixes=())

    async def list_async(self, prefix="", *, delimiter=None, start_after=None):
        for page in self.list(prefix, delimiter=delimiter):
            yield page

    def head(self, key, *, version=None):
        self.heads += 1
        return super().head(key, version=version)

    async def head_async(self, key, *, version=None):
        return self.head(key, version=version)


def first(db, n, *, blocking):
    query = Query().limit(n)
    found = db.search(query) if blocking else asyncio.run(db.search_async(query))
    return [record.id for record in found], found.cursor is not None


@given(st.lists(IDS, max_size=20, unique=True), st.integers(1, 8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_first_ids(ids, n, blocking):
    store = MemoryStore()
    ObjectDatabase(store, mirror="off").batch_create([Record({}, id=id) for id in ids])
    for mirror in ("off", "memory"):
        seen = first(ObjectDatabase(Paged(store), mirror=mirror), n, blocking=blocking)
        assert seen == (sorted(ids)[:n], len(ids) > n)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(
    ("shape", "n", "pages", "heads"),
    [("{:04}", 2, 1, 0), ("{0:04}-{0}", 1, 1, 0), ("user-{:04}", 2, 1, 1), ("{:04}", 5, 2, 0), ("u-{:04} \u00e9", 1, 1, 1)],
)
def test_pages_and_heads(blocking, shape, n, pages, heads):
    store = MemoryStore()
    ObjectDatabase(store, mirror="off").batch_create([Record({}, id=shape.format(at)) for at in range(30)])
    paged = Paged(store)
    assert first(ObjectDatabase(paged, mirror="memory"), n, blocking=blocking) == (
        [shape.format(at) for at in range(n)],
        True,
    )
    assert (paged.pages, paged.heads) == (pages, heads)


@pytest.mark.parametrize("blocking", [True, False])
def test_records_that_go_meanwhile_are_made_up_for(blocking):
    class Going(Paged):
        def get(self, key, options=None):
            if key.endswith(("0000.json", "0001.json", "0002.json")):
                self.delete(key)
            return super().get(key, options)

        async def get_async(self, key, options=None):
            if key.endswith(("0000.json", "0001.json", "0002.json")):
                self.delete(key)
            return await super().get_async(key, options)

    store = MemoryStore()
    ObjectDatabase(store, mirror="off").batch_create([Record({}, id=f"{at:04}") for at in range(30)])
    assert first(ObjectDatabase(Going(store), mirror="memory"), 2, blocking=blocking) == (["0003", "0004"], True)
