"""Acceptance 14, without a listing that would tell anyway: what a killed process left in doubt is read again, and nothing else is."""

import signal

import pytest
from tests.integration.records.test_mirror_processes import opened, start

from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase
from holdall.records.record import Record
from holdall.testing.stores import CountingStore
from holdall.wrappers.forwarding import ForwardingStore


class Late(ForwardingStore):
    """Behind the pages of its first listing, the request of somebody who is dead by then arrives."""

    def __init__(self, inner, arrives):
        super().__init__(inner)
        self.arrives = [arrives]

    def list(self, prefix="", **options):
        yield from super().list(prefix, **options)
        if self.arrives:
            self.arrives.pop()()

    async def list_async(self, prefix="", **options):
        async for page in super().list_async(prefix, **options):
            yield page
        if self.arrives:
            self.arrives.pop()()


@pytest.mark.parametrize(
    ("verb", "write", "expected"),
    [
        ("update", lambda db: db.update("a", Record({"n": 100})), {"a": 100, "b": 1, "c": 2}),
        ("delete", lambda db: db.delete("a"), {"b": 1, "c": 2}),
    ],
    ids=["update", "delete"],
)
def test_a14_a_request_that_outlives_its_process(tmp_path, colour, verb, write, expected):
    """The listing agrees with the row, and for an hour there is no other one: only the doubt tells that the record is to be read."""
    with opened(tmp_path, cache_ttl=3600) as db:
        db.batch_create([Record({"id": name, "n": number}) for number, name in enumerate("abc")])
        assert len(db.search()) == 3
    arguments = "'a', Record({'n': 100})" if verb == "update" else "'a'"
    body = f"""
        from holdall.records import objects_record{"_async" if colour.name == "async" else ""} as one
        one.{verb} = one.{verb}_async = die
        db.{verb}({arguments})
    """
    process = start(tmp_path, colour, body)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    with opened(tmp_path, mirror="off") as late:
        inner = LocalStore(tmp_path / "root")
        store = CountingStore(Late(inner, lambda: write(late)))
        with ObjectDatabase(store, mirror=tmp_path / "mirror.sqlite", cache_ttl=3600, owned=True) as db:
            seen = colour(db)
            assert {record.id: record["n"] for record in seen.search(max_age=0)} == expected
            assert [key for verb, key in store.counts.log if verb == "get"] == ["records/a.json"]
            store.reset()
            assert {record.id: record["n"] for record in seen.search()} == expected
            assert seen.count() == len(expected)
            assert store.counts.total == 0


def test_what_is_cleared_while_it_is_listed_does_not_come_back(tmp_path, colour):
    """Another handle on the same index clears, and writes; the listing under way had seen what is gone, and not what is new."""
    with opened(tmp_path, cache_ttl=3600) as other:
        other.batch_create([Record({"id": name}) for name in "abc"])

        def clear():
            assert other.clear() == 3
            other.create(Record({"id": "new"}))

        store = Late(LocalStore(tmp_path / "root"), clear)
        with ObjectDatabase(store, mirror=tmp_path / "mirror.sqlite", cache_ttl=3600, owned=True) as db:
            assert colour(db).count() == 1
            for one in (db, other):
                assert list(colour(one).ids()) == ["new"]
                assert [record.id for record in colour(one).search()] == ["new"]


def test_fields_are_known_after_another_handle_emptied_the_index(tmp_path, colour):
    with opened(tmp_path) as one, opened(tmp_path) as two:
        one.create(Record({"id": "a", "n": 1}))
        assert colour(one).select_query("SELECT n FROM records") == [{"n": 1}]
        two.clear()
        one.create(Record({"id": "b", "n": 2}))
        for db in (one, two):
            assert colour(db).select_query("SELECT n FROM records WHERE n > 1") == [{"n": 2}]


@pytest.mark.parametrize("fault", ["journal.end = die", "journal.next_number = die"])
def test_a14_a_killed_write_that_was_stored(tmp_path, colour, fault):
    """Its outcome was not noted; with one listing for an hour, the answer of the next process is right and stays so."""
    with opened(tmp_path, cache_ttl=3600) as db:
        db.batch_create([Record({"id": name, "n": number}) for number, name in enumerate("abc")])
        assert len(db.search()) == 3
    body = f"""
        from holdall.records.mirror import journal
        {fault}
        db.update("a", Record({{"n": 100}}))
    """
    process = start(tmp_path, colour, body)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    store = CountingStore(LocalStore(tmp_path / "root"))
    with ObjectDatabase(store, mirror=tmp_path / "mirror.sqlite", cache_ttl=3600, owned=True) as db:
        seen = colour(db)
        assert [record["n"] for record in seen.search(max_age=0)] == [100, 1, 2]
        assert [key for verb, key in store.counts.log if verb == "get"] == ["records/a.json"]
        store.reset()
        assert [record["n"] for record in seen.search()] == [100, 1, 2]
        assert store.counts.total == 0
