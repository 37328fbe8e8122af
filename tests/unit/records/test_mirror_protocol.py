"""Acceptance 17: every order of the steps of writes, listings and loads on one mirror ends in what the storage holds.

The storage is a dict, the actors are generators that stop at each step; Hypothesis chooses who goes on. The model is the storage
itself: once all have ended, and what is in doubt was read, the mirror must say exactly that, without a further listing.
"""

import sqlite3
import time
import zlib
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.core.meta import ObjectMeta
from holdall.records.encoding import Body
from holdall.records.mirror.mirror import Interrupted, Mirror
from holdall.records.mirror.rows import Row, row_of
from holdall.records.plans import EVERYTHING

NOW = datetime(2024, 1, 1, tzinfo=UTC)
IDS = ("a", "b")


class World:
    """The storage, and the numbers of its writes."""

    def __init__(self):
        self.objects = {}
        self.writes = 0

    def put(self, id):
        self.writes += 1
        self.objects[id] = f"e{self.writes}"
        return self.objects[id]


def row(id, etag):
    body = Body(id=id, created=NOW, updated=NOW, write="", fields={"etag": etag}, metadata={}, info={})
    return row_of(body.stamp, body.content, etag)


def writer(world, mirror, id, kind):
    """S8: intent, request, outcome; a lost answer is an outcome in doubt."""
    intents = mirror.begin([id])
    yield
    effects = {}
    if kind == "delete":
        world.objects.pop(id, None)
        effects[id] = Row(id, None, "gone")
    elif kind == "refused":
        effects[id] = None
    else:
        etag = world.put(id)
        if kind == "put":
            effects[id] = row(id, etag)
    yield
    mirror.end(intents, effects)


def lister(world, mirror):
    """S3 to S5, a page per id."""
    listing = mirror.start(weak=False)
    yield
    for id in IDS:
        if id in world.objects:
            meta = ObjectMeta(key=id, size=1, etag=world.objects[id], last_modified=NOW)
            mirror.note(listing, [(id, meta)])
        yield
    mirror.apply(listing)


def loader(world, mirror, *, unknown=False):
    """S6."""
    for pending in mirror.pending(EVERYTHING, unknown=unknown):
        yield
        etag = world.objects.get(pending.id)
        yield
        mirror.loaded([(pending, None if etag is None else row(pending.id, etag))])


def run(generator):
    for _ in generator:
        pass


def shown(mirror):
    """Return what an answer would be made of."""
    rows, _ = mirror.rows(EVERYTHING, "TRUE", ())
    return {r.id: r.etag if r.state == "loaded" else r.state for r in rows}


ACTORS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(IDS), st.sampled_from(["put", "put", "delete", "lost", "refused"])),
        st.tuples(st.sampled_from(["list", "load", "load"])),
    ),
    min_size=1,
    max_size=7,
)


def interleaved(world, mirror, actors, choices):
    making = {
        "write": lambda key, kind: writer(world, mirror, key, kind),
        "list": lambda: lister(world, mirror),
        "load": lambda: loader(world, mirror),
    }
    # two listings at once are kept apart by a lock (S2)
    waiting = [making[name](*rest) for name, *rest in actors if name != "list"]
    waiting += [making["list"]() for name, *_ in actors if name == "list"][:1]
    while waiting:
        actor = waiting[choices.draw(st.integers(0, len(waiting) - 1))]
        if next(actor, "done") == "done":
            waiting.remove(actor)


@given(st.data(), ACTORS, st.sets(st.sampled_from(IDS)))
@settings(max_examples=200, deadline=None)
def test_a17_every_order_of_steps_ends_in_the_truth(data, actors, present):
    world, mirror = World(), Mirror(None, "")
    for id in sorted(present):
        world.put(id)
    run(lister(world, mirror))
    run(loader(world, mirror))
    interleaved(world, mirror, actors, data)
    run(loader(world, mirror, unknown=True))
    assert mirror.ids(EVERYTHING, limit=10) == sorted(world.objects), "what is counted"
    run(loader(world, mirror))
    assert shown(mirror) == world.objects
    mirror.close()


def test_a17_a_deletion_that_was_looked_at_stays_one():
    """It met the start of a listing, so it was in doubt; somebody looks, and then the listing ends, which had shown the record."""
    world, mirror = World(), Mirror(None, "")
    world.put("a")
    run(lister(world, mirror))
    deleting, listing = writer(world, mirror, "a", "delete"), lister(world, mirror)
    next(deleting)
    next(listing)
    next(listing)  # it has seen the record
    run(deleting)
    run(loader(world, mirror, unknown=True))
    assert mirror.ids(EVERYTHING, limit=10) == []
    run(listing)
    assert mirror.ids(EVERYTHING, limit=10) == [] and mirror.count(EVERYTHING, "TRUE", ()) == 0
    run(lister(world, mirror))
    assert mirror.info().records == 0
    mirror.close()


def test_a_mirror_that_was_emptied_takes_no_older_listing():
    world, mirror = World(), Mirror(None, "")
    world.put("a")
    listing = mirror.start(weak=False)
    mirror.note(listing, [("a", ObjectMeta(key="a", size=1, etag="e1", last_modified=NOW))])
    mirror.drop()
    with pytest.raises(Interrupted):
        mirror.apply(listing)
    mirror.abandon(listing)
    del world.objects["a"]
    run(lister(world, mirror))
    assert mirror.ids(EVERYTHING, limit=10) == []
    mirror.close()


@given(st.data(), ACTORS, st.lists(st.sampled_from(IDS), max_size=3))
@settings(max_examples=100, deadline=None)
def test_a17_writes_of_strangers_are_seen_by_the_next_listing(data, actors, strangers):
    def stranger(id):
        yield
        if id in world.objects and len(strangers) > 1:
            del world.objects[id]
        else:
            world.put(id)

    world, mirror = World(), Mirror(None, "")
    run(lister(world, mirror))
    waiting = [("stranger", stranger(id)) for id in strangers]
    for _, one in waiting:
        next(one)
    interleaved(world, mirror, actors, data)
    for _, one in waiting:
        run(one)
    run(lister(world, mirror))
    run(loader(world, mirror))
    assert shown(mirror) == world.objects
    mirror.close()


def test_a_dead_writer_leaves_a_doubt(tmp_path):
    """S9: the intents of a handle that is gone end as unknown at the next listing."""
    path = str(tmp_path / "mirror.sqlite")
    world, first = World(), Mirror(path, "x")
    run(lister(world, first))
    first.begin(["a"])
    world.put("a")
    first.close()  # gives its lock back, as the end of a process does
    second = Mirror(path, "x")
    run(lister(world, second))
    assert [pending.id for pending in second.pending(EVERYTHING)] == ["a"]
    run(loader(world, second))
    assert shown(second) == world.objects
    intents = second.info()
    assert intents.loaded == 1
    second.close()


def test_s09_a_write_of_more_than_an_hour_is_a_doubt(monkeypatch):
    """Whoever began it, and although it is alive; one of less than that is waited for."""
    real, past = time.time, [0]
    monkeypatch.setattr(time, "time", lambda: real() + past[0])
    world, mirror = World(), Mirror(None, "")
    world.put("a")
    run(lister(world, mirror))
    run(loader(world, mirror))
    intents = mirror.begin(["a"])
    past[0] = 3590
    run(lister(world, mirror))
    assert shown(mirror) == {"a": "e1"}
    past[0] = 3610
    run(lister(world, mirror))
    assert shown(mirror) == {"a": "listed"}
    run(loader(world, mirror))
    assert shown(mirror) == {"a": "e1"}
    mirror.end(intents, {"a": row("a", "e0")})
    assert shown(mirror) == {"a": "listed"}, "nobody knows any more what was meanwhile"
    mirror.close()


def agreeing(world):
    pass


def rewritten(world):
    world.put("a")


def removed(world):
    del world.objects["a"]


def added(world):
    world.put("b")


@pytest.mark.parametrize(
    ("meanwhile", "rows", "unknown"),
    [
        (agreeing, {"a": "e1"}, []),
        (rewritten, {"a": "listed"}, ["a"]),
        (removed, {"a": "listed"}, ["a"]),
        (added, {"a": "e1", "b": "listed"}, ["b"]),
    ],
)
def test_s05_of_a_record_that_is_being_written_only_what_agrees_is_kept(meanwhile, rows, unknown):
    """The listing may be of before the write or of after it: what it says of such a record is no reason to take its etag, or to drop it."""
    world, mirror = World(), Mirror(None, "")
    world.put("a")
    run(lister(world, mirror))
    run(loader(world, mirror))
    mirror.begin(["a", "b"])
    meanwhile(world)
    run(lister(world, mirror))
    assert shown(mirror) == rows
    assert [pending.id for pending in mirror.pending(EVERYTHING, unknown=True)] == unknown
    run(loader(world, mirror))
    assert shown(mirror) == world.objects
    mirror.close()


@pytest.mark.parametrize("back", [False, True])
def test_s05_of_a_deleted_record_that_is_being_written(back):
    world, mirror = World(), Mirror(None, "")
    world.put("a")
    run(lister(world, mirror))
    run(loader(world, mirror))
    run(writer(world, mirror, "a", "delete"))
    mirror.begin(["a"])
    if back:
        world.put("a")
    run(lister(world, mirror))
    assert shown(mirror) == ({"a": "listed"} if back else {})
    assert [pending.id for pending in mirror.pending(EVERYTHING, unknown=True)] == (["a"] if back else [])
    mirror.close()


def test_a_listing_during_a_write_is_believed_more_than_the_write(tmp_path):
    """S8: a stranger deletes what was just written, a listing shows it, and only then the writer notes its outcome."""
    world, mirror = World(), Mirror(None, "")
    run(lister(world, mirror))
    write = writer(world, mirror, "a", "put")
    next(write)
    next(write)  # stored, not noted yet
    del world.objects["a"]
    run(lister(world, mirror))
    run(write)
    assert shown(mirror) == {"a": "listed"}
    run(loader(world, mirror))
    assert shown(mirror) == {}
    mirror.close()


def test_ids_of_one_checksum_do_not_meet():
    """Intents are kept by a checksum of the id; these two have the same CRC-32."""
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    mirror = Mirror(None, "")
    run(lister(World(), mirror))
    one, other = mirror.begin(["plumless"]), mirror.begin(["buckeroo"])
    mirror.end(one, {"plumless": row("plumless", "e1")})
    mirror.end(other, {"buckeroo": row("buckeroo", "e2")})
    assert shown(mirror) == {"buckeroo": "e2", "plumless": "e1"}
    mirror.close()


@pytest.mark.parametrize("batch", [["a", "b"], ["b", "a", "a"], ["a"]])
def test_writes_that_meet_on_an_id_leave_a_doubt(batch):
    mirror = Mirror(None, "")
    run(lister(World(), mirror))
    first = mirror.begin(["a"])
    second = mirror.begin(batch)
    mirror.end(second, {id: row(id, "e2") for id in batch})
    mirror.end(first, {"a": row("a", "e1")})
    assert shown(mirror) == {"a": "listed"} | ({"b": "e2"} if "b" in batch else {})
    assert [pending.id for pending in mirror.pending(EVERYTHING)] == ["a"]
    mirror.close()


def test_a_file_of_another_format_is_made_anew(tmp_path):
    path = str(tmp_path / "mirror.sqlite")
    old = Mirror(path, "x")
    old.end(old.begin(["a"]), {"a": row("a", "e1")})
    old.close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
    new = Mirror(path, "x")
    assert new.info().records == 0
    assert new.path == path
    new.close()
