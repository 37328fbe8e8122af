"""2.1: ids of our own invention, by the hook ``new_id``: one that is taken is never overwritten, another one is made."""

import itertools
import uuid

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import BatchError, DuplicateRecordError, ObjectDatabase, Record, SQLDatabase

OBJECTS = ["memory", "no mirror", "disk", "S3"]


@pytest.fixture(params=[*OBJECTS, "SQLite", "PostgreSQL"])
def make(request, tmp_path):
    """Opens a database of each engine with options; closes it."""
    made = []

    def open_one(**options):
        kind = request.param
        if kind == "S3":
            place = request.getfixturevalue("moto_bucket")
            db = opened(place, prefix=uuid.uuid4().hex, tags="off", mirror="memory", **options)
        elif kind == "SQLite":
            db = SQLDatabase(f"sqlite:///{tmp_path}/x.db", **options)
        elif kind == "PostgreSQL":
            server = request.getfixturevalue("postgres")
            db = SQLDatabase(server.url(request.getfixturevalue("postgres_database")), **options)
        elif kind == "disk":
            db = ObjectDatabase(LocalStore(tmp_path / "root", create=True), owned=True, **options)
        else:
            db = ObjectDatabase(MemoryStore(), mirror="off" if kind == "no mirror" else "auto", **options)
        made.append(db)
        return db

    yield open_one
    for db in made:
        db.close()


def hook(*first):
    """Return a maker of ids that gives these, then numbered ones; and the list of what it gave."""
    given = []
    ids = itertools.chain(first, (f"free{n}" for n in itertools.count()))

    def mint():
        given.append(next(ids))
        return given[-1]

    return mint, given


def test_a_taken_id_is_minted_again(make, colour):
    """Twice, if need be; nobody else's record is touched, and no record that names its id asks the hook."""
    mint, given = hook("first", "first", "second", "free", "first")
    db = colour(make(new_id=mint))
    assert db.create(Record({"n": 1})) == "first"
    assert db.create(Record({"id": "second", "n": 2})) == "second"
    assert given == ["first"]
    assert db.create(Record({"n": 3})) == "free", "two taken ones"
    assert given == ["first", "first", "second", "free"]
    assert db.create(Record({"n": 4})) == "free0"
    assert {record.id: record["n"] for record in db.search()} == {"first": 1, "second": 2, "free": 3, "free0": 4}
    assert db.count() == 4


def test_a_batch_mints_again(make, colour):
    """Each id of its answer is where its record is."""
    mint, _ = hook("a", "taken", "b", "taken", "c")
    db = colour(make(new_id=mint))
    db.create(Record({"id": "taken", "n": -1}))
    ids = db.batch_create([Record({"n": n}) for n in range(3)])
    assert len(set(ids)) == 3
    assert "taken" not in ids
    assert [record["n"] for record in db.batch_read(ids)] == [0, 1, 2]
    assert db.require("taken")["n"] == -1
    assert db.count() == 4


def test_an_upsert_under_a_minted_id_replaces_nothing(make, colour):
    """A record without an id is a new one, by whichever verb it comes."""
    mint, _ = hook("taken", "free", "taken", "more")
    db = colour(make(new_id=mint))
    db.create(Record({"id": "taken", "n": -1}))
    assert db.upsert(Record({"n": 1})) == "free"
    assert db.batch_upsert([Record({"n": 2})]) == ["more"]
    assert {record.id: record["n"] for record in db.search()} == {"taken": -1, "free": 1, "more": 2}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("verb", ["create", "upsert"])
def test_a_hook_that_gives_one_id_for_ever_is_given_up(make, colour, verb):
    given = []
    db = colour(make(new_id=lambda: given.append("same") or "same"))
    assert getattr(db, verb)(Record({"n": 1})) == "same"
    given.clear()
    with pytest.raises(DuplicateRecordError) as caught:
        getattr(db, verb)(Record({"n": 2}))
    assert (caught.value.id, len(given)) == ("same", 33)
    with pytest.raises(BatchError) as failed:
        getattr(db, f"batch_{verb}")([Record({"n": 3}), Record({"id": "given", "n": 4}), Record({"n": 5})])
    assert [outcome.status for outcome in failed.value.outcomes] == ["exists", "written", "exists"]
    assert {record.id: record["n"] for record in db.search()} == {"same": 1, "given": 4}


@pytest.mark.parametrize("verb", ["batch_create", "batch_upsert"])
def test_a_batch_mints_again_what_it_minted_before(make, colour, verb):
    mint, _ = hook("x", "x", "x", "y")
    db = colour(make(new_id=mint))
    assert getattr(db, verb)([Record({"n": 1}), Record({"n": 2})]) == ["x", "y"]
    assert {record.id: record["n"] for record in db.search()} == {"x": 1, "y": 2}


def test_a_batch_upserts_minted_and_given_ids_together(make, colour):
    mint, _ = hook("taken", "new")
    db = colour(make(new_id=mint))
    db.batch_create([Record({"id": "taken", "n": -1}), Record({"id": "old", "n": -1})])
    assert db.batch_upsert([Record({"id": "old", "n": 1}), Record({"n": 2}), Record({"id": "other", "n": 3})]) == [
        "old",
        "new",
        "other",
    ]
    assert {record.id: record["n"] for record in db.search()} == {"taken": -1, "old": 1, "new": 2, "other": 3}
