"""Ids that SQLite's functions of text see a part of: what the mirror answers is what the storage answers without one."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdall.drivers.memory import MemoryStore
from holdall.errors import InvalidKeyError
from holdall.records import Filter, Not, ObjectDatabase, Query, QueryError, Record, SerializationError, SQLDatabase
from holdall.testing.colour import colour_named
from holdall.testing.stores import CountingStore

SIGNS = ["\0", "\1", "a", "b", "A", "0", "1", "'", '"', "%", "_", "\\", "/", "é", "\ud7ff", "\ue000", "\uffff", "\U0001f600", "\U0010ffff"]  # fmt: skip
texts = st.text(st.sampled_from(SIGNS), min_size=1, max_size=5)
ids = st.one_of(texts, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))


@st.composite
def asked(draw):
    """Return ids, and a condition on the id that is about some of them."""
    stored = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    near = st.one_of(st.sampled_from(stored), st.sampled_from(stored).map(lambda text: text[: len(text) // 2 + 1]), ids)
    one = st.one_of(
        st.builds(lambda op, value: Filter("id", op, value), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), near),
        st.builds(lambda op, value: Filter("id", op, value), st.sampled_from(["in", "not in"]), st.lists(near, max_size=3)),
        st.builds(lambda value: Filter("id", "startswith", value), near),
        st.builds(
            lambda op, pattern: Filter("id", op, pattern),
            st.sampled_from(["like", "not like"]),
            st.one_of(near, near.map(lambda text: text + "%"), near.map(lambda text: "%" + text[-1:]), st.just("%a%")),
        ),
        st.builds(lambda low, high: Filter("id", "between", [low, high]), near, near),
    )
    condition = draw(
        st.one_of(one, one.map(Not), st.builds(lambda a, b: a & b, one, one), st.builds(lambda a, b: a | b, one, one))
    )
    return stored, condition, draw(near)


def opened(stored):
    """Return a database with a mirror that is up to date, and one without a mirror on the same objects."""
    store = MemoryStore()
    plain = ObjectDatabase(store, mirror="off")
    plain.batch_create([Record({"n": number}, id=id) for number, id in enumerate(stored)])
    db = ObjectDatabase(store, cache_ttl=math.inf)
    db.refresh()
    return db, plain


def test_a06_answers_of_the_mirror_are_those_of_the_storage():
    with colour_named("blocking") as blocking, colour_named("async") as asynchronous:

        @given(asked())
        @settings(max_examples=150, deadline=None)
        @example((["a", "a\0b", "a\0c"], Filter("id", "=", "a\0b"), "a\0"))
        @example((["a", "a\0b"], Filter("id", "in", ["a\0b", "a"]), "a"))
        @example((["a", "a\0b"], Filter("id", "startswith", "a\0"), "a\0b"))
        @example((["a", "a\0b"], Filter("id", "like", "a"), "\0"))
        @example((["a", "a\0b"], Filter("id", "like", "%b"), "\0"))
        @example((["a", "a\0b"], Filter("id", "not like", "a"), "\0"))
        @example((["\ue000", "\ue0001", "\ue0000", "\0"], Filter("id", "in", ["\ue0000", "\ue0001", "\0"]), "\ue000"))
        @example((["\ud7ff", "\ue000", "\ud7ffa"], Filter("id", "startswith", "\ud7ff"), "\ud7ff"))
        @example((["\U0010ffff", "\U0010ffffa", "a"], Filter("id", "startswith", "\U0010ffff"), "\U0010ffff"))
        def same(case):
            stored, condition, prefix = case
            db, plain = opened(stored)
            wanted = [record.id for record in plain.search(condition)]
            begun = [id for id in sorted(stored) if id.startswith(prefix)]
            for colour in (blocking, asynchronous):
                seen, bare = colour(db), colour(plain)
                assert [record.id for record in seen.search(condition)] == wanted
                assert [record.id for record in seen.search(Query().filter(condition).limit(2))] == wanted[:2]
                assert [record.id for record in seen.stream(Query().filter(condition))] == wanted
                assert seen.count(condition) == bare.count(condition) == len(wanted)
                assert list(seen.ids(prefix)) == list(bare.ids(prefix)) == begun

        same()


def test_a06_many_ids_at_once(colour):
    """More than SQLite takes as parameters."""
    stored = [f"{number}\0{'x' * (number % 3)}" for number in range(50)]
    db, _ = opened(stored)
    wanted = [*stored, *(f"{number}\0no" for number in range(40_000))]
    assert [record.id for record in colour(db).search(Filter("id", "in", wanted))] == sorted(stored)
    assert sorted(db.mirror.there(wanted)) == sorted(stored)


def test_a06_deletes_are_told_by_the_mirror(colour, tmp_path):
    """Which ids are there is known of a fresh mirror: of those with NUL, too, nothing is asked of the storage."""
    store = CountingStore(MemoryStore())
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=math.inf) as first:
        first.batch_create([Record({}, id=id) for id in ("a", "a\0b", "a\0c")])
        first.refresh()
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=math.inf) as db:
        before = store.counts
        assert colour(db).batch_delete(["a\0b", "a\0c", "a"]) == [True] * 3
        after = store.counts
        assert {verb: after.calls[verb] - before.calls.get(verb, 0) for verb in after.calls} | {
            "delete": 0
        } == dict.fromkeys(after.calls, 0)
        assert colour(db).count() == 0


def test_a06_lone_surrogates_are_refused_alike(colour):
    """No storage holds them: neither as an id nor in a condition."""
    for mirror in ("auto", "off"):
        db = colour(ObjectDatabase(MemoryStore(), mirror=mirror))
        with pytest.raises((InvalidKeyError, SerializationError)):
            db.create(Record({}, id="a\ud800"))
        with pytest.raises(InvalidKeyError):
            db.read("a\ud800")
    with pytest.raises(QueryError, match="lone surrogate"):
        Filter("id", "startswith", "\ud800")


def test_a06_sql_refuses_ids_with_nul(colour):
    """PostgreSQL's text has no NUL; that the two SQL engines differ would be worse than to refuse it."""
    with SQLDatabase("sqlite://") as plain:
        with pytest.raises(SerializationError, match="NUL"):
            colour(plain).create(Record({}, id="a\0b"))
        assert colour(plain).count() == 0
