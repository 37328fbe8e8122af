"""Acceptance 11 and the outcomes of lost races, in an order of steps that a store between decides: no luck is needed."""

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import BatchError, ConcurrencyError, ObjectDatabase, Record, SQLDatabase
from holdall.wrappers.forwarding import ForwardingStore


class Meddling(ForwardingStore):
    """Lets somebody else act right before a record is written: when it was read, and its answer not yet acted upon."""

    act = None
    """What somebody else does, given the key."""
    writes = 0

    def _meddle(self, key):
        if self.act is not None and key.endswith(".json"):
            self.writes += 1
            self.act(key)

    def put(self, key, source, options=None):
        self._meddle(key)
        return super().put(key, source, options)

    async def put_async(self, key, source, options=None):
        self._meddle(key)
        return await super().put_async(key, source, options)


@pytest.fixture(params=["memory", "disk", "S3"])
def store(request, tmp_path):
    if request.param == "memory":
        yield Meddling(MemoryStore())
    elif request.param == "disk":
        with LocalStore(tmp_path / "root", create=True) as inner:
            yield Meddling(inner)
    else:
        with opened(request.getfixturevalue("moto_bucket"), tags="off") as db:
            db.store.probe()
            yield Meddling(db.store)


VERBS = {
    "update": lambda db: db.update("a", Record({"n": 1})),
    "batch_update": lambda db: db.batch_update([("a", Record({"n": 1}))])[0],
}


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("verb", list(VERBS))
def test_a11_an_update_does_not_revive_what_is_deleted_before_its_write(store, colour, verb, known):
    """Whether its version was known from a write of ours or has just been read."""
    db = colour(ObjectDatabase(store, mirror="memory"))
    (db if known else ObjectDatabase(store, mirror="off")).create(Record({"id": "a", "n": 0}))
    store.act = store.inner.delete
    assert VERBS[verb](db) is False
    store.act = None
    assert store.writes == 1
    assert db.read("a") is None
    assert db.search() == []
    assert [meta.key for page in store.list("records/", delimiter="/") for meta in page.objects] == []


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_an_update_goes_on_from_what_another_wrote_before_it(store, colour, known):
    """Its age is the record's, and the last write stands."""
    db, other = colour(ObjectDatabase(store, mirror="memory")), ObjectDatabase(store.inner, mirror="off")
    (db if known else other).create(Record({"id": "a", "n": 0}))
    age = other.require("a").created_at

    def once(_key):
        store.act = None
        other.update("a", Record({"n": 5}))

    store.act = once
    assert db.update("a", Record({"n": 1})) is True
    found = db.require("a")
    assert (found["n"], found.created_at, found.version) == (1, age, db.get_version("a"))
    assert db.search()[0]["n"] == 1


def test_an_endless_race_ends_as_a_conflict(store, colour):
    """Where another writer is always quicker, a batch says so of this record alone, and single verbs raise."""
    db, other = colour(ObjectDatabase(store, mirror="memory")), ObjectDatabase(store.inner, mirror="off")
    db.batch_create([Record({"id": name, "n": 0}) for name in "abc"])

    def quicker(key):
        if key == "records/b.json":
            other.upsert("b", Record({"n": store.writes}))

    store.act = quicker
    for batch in (
        lambda: db.batch_update([(name, Record({"n": "mine"})) for name in "abc"]),
        lambda: db.batch_upsert([Record({"id": name, "n": "mine"}) for name in "abc"]),
    ):
        with pytest.raises(BatchError) as caught:
            batch()
        assert [(o.id, o.status) for o in caught.value.outcomes] == [("a", "written"), ("b", "conflict"), ("c", "written")]
        assert [outcome.id for outcome in caught.value.failed] == ["b"]
        assert isinstance(caught.value.failed[0].error, ConcurrencyError)
    for single in (lambda: db.update("b", Record({})), lambda: db.upsert("b", Record({}))):
        with pytest.raises(ConcurrencyError):
            single()
    last = store.writes
    store.act = None
    assert [db.require(name)["n"] for name in "abc"] == ["mine", last, "mine"]
    assert [record["n"] for record in db.search(max_age=0)] == ["mine", last, "mine"]


@pytest.fixture(params=["memory", "SQLite", "PostgreSQL"])
def database(request, tmp_path):
    if request.param == "memory":
        made = ObjectDatabase(MemoryStore())
    elif request.param == "SQLite":
        made = SQLDatabase(f"sqlite:///{tmp_path}/x.db")
    else:
        server = request.getfixturevalue("postgres")
        made = SQLDatabase(server.url(request.getfixturevalue("postgres_database")))
    with made as database:
        yield database


@pytest.mark.parametrize("attempts", [1, 3])
def test_modify_runs_out_of_attempts(database, colour, attempts):
    """The function is called as often as was said; then the last conflict is told, and the other's write stands."""
    db = colour(database)
    db.create(Record({"id": "a", "n": 0}))
    seen = []

    def change(record):
        seen.append(record["n"])
        database.update("a", Record({"n": record["n"] + 1}))  # somebody else, meanwhile
        record["n"] = "mine"

    with pytest.raises(ConcurrencyError) as caught:
        db.modify("a", change, attempts=attempts)
    assert seen == list(range(attempts)), "each time it gets what is there now"
    assert caught.value.id == "a"
    assert caught.value.database is not None
    assert caught.value.actual_version == db.get_version("a") != caught.value.expected_version
    assert db.require("a")["n"] == attempts


def test_modify_succeeds_at_its_last_attempt(database, colour):
    db = colour(database)
    db.create(Record({"id": "a", "n": 0}))

    def change(record):
        if record["n"] < 2:
            database.update("a", Record({"n": record["n"] + 1}))
        record["mine"] = True

    assert db.modify("a", change, attempts=3).data == {"n": 2, "mine": True}
    assert db.require("a").data == {"n": 2, "mine": True}
