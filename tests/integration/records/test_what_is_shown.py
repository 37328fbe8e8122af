"""What a question shows is what the storage holds, whatever a mirror holds, leaves out, or held before (section 5)."""

import sqlite3
from contextlib import closing

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import CorruptRecordError, ObjectDatabase, Query, Record, SQLDatabase

LONG = "x" * 5_000


@pytest.fixture(params=["memory", "off"])
def mirror(request):
    return request.param


def test_g01_a_sorted_question_about_ids_does_not_believe_an_old_mirror(colour, mirror):
    store = MemoryStore()
    with ObjectDatabase(store, mirror=mirror) as ours, ObjectDatabase(store, mirror="off") as theirs:
        ours.batch_create(Record({"n": n, "v": "old"}, id=f"r{n}") for n in range(4))
        assert len(ours.search()) == 4
        theirs.update("r1", Record({"n": 50, "v": "new"}))
        theirs.create(Record({"n": -1, "v": "new"}, id="r9"))
        theirs.delete("r3")
        db = colour(ours)
        ids = Query().filter("id", "in", ["r1", "r2", "r3", "r9"]).sort("n")
        for found in (db.search(ids.limit(10), max_age=0), db.search(ids, max_age=0), [*db.stream(ids, max_age=0)]):
            assert [(record.id, record["n"], record["v"]) for record in found] == [
                ("r9", -1, "new"),
                ("r2", 2, "old"),
                ("r1", 50, "new"),
            ]
        new = ids.filter("v", "=", "new")
        assert [record.id for record in db.stream(new, max_age=0)] == ["r9", "r1"]


@pytest.mark.parametrize("sort", [False, True])
def test_a_selection_keeps_long_metadata(colour, mirror, sort):
    with ObjectDatabase(MemoryStore(), mirror=mirror) as database:
        database.create(Record({"n": 1, "long": LONG}, {"told": LONG}, id="a"))
        db, first = colour(database), Query().select("n").sort("n") if sort else Query().select("n")
        for query in (first, first.limit(1)):
            for found in (db.search(query), [*db.stream(query)]):
                assert [(record.metadata["told"], record.data) for record in found] == [(LONG, {"n": 1})]


def test_m09_a_count_ignores_the_page(colour, mirror):
    with ObjectDatabase(MemoryStore(), mirror=mirror) as database:
        database.batch_create(Record({"n": n, "long": LONG}, id=f"r{n}") for n in range(9))
        query = Query().filter("n", "exists").sort("n").limit(2).offset(1)
        assert colour(database).count(query) == 9
        after = colour(database).search(query).cursor
        assert colour(database).count(query.after(after)) == 9


def test_s12_a_page_that_ends_before_an_unreadable_record_is_shown(colour, mirror):
    """And one that does not is not: each time, whatever comes first."""
    store = MemoryStore()
    with ObjectDatabase(store, mirror=mirror) as database:
        database.batch_create(Record({"n": n, "long": LONG}, id=f"r{n:02}") for n in range(20))
        store.put("records/r07.json", b"{")
        db = colour(database)
        first = Query().filter("long", "regex", "^x")
        for _ in range(10):
            assert [record["n"] for record in db.search(first.limit(6))] == [*range(6)]
            with pytest.raises(CorruptRecordError):
                db.search(first.limit(7))
        with pytest.raises(CorruptRecordError):
            db.search(first.sort("n").limit(1))


def test_s12_on_sql_too(colour, tmp_path):
    path = tmp_path / "a.db"
    with SQLDatabase(f"sqlite:///{path}") as database:
        database.batch_create(Record({"n": n, "text": "x"}, id=f"r{n:02}") for n in range(20))
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE records SET updated_at = 'never' WHERE id = 'r07'")
        db, first = colour(database), Query().filter("text", "regex", "^x")
        assert [record["n"] for record in db.search(first.limit(6))] == [*range(6)]
        assert [record["n"] for record in db.stream(first.limit(6))] == [*range(6)]
        for act in (lambda: db.search(first.limit(7)), lambda: list(db.stream(first.limit(8)))):
            with pytest.raises(CorruptRecordError):
                act()


def test_pages_lose_nothing_while_others_write(colour, mirror):
    """The last record of each page moves to the end before the next one is asked for: the rest comes once."""
    store = MemoryStore()
    with ObjectDatabase(store, mirror=mirror) as ours, ObjectDatabase(store, mirror="off") as theirs:
        ours.batch_create(Record({"n": n, "long": LONG}, id=f"r{n:02}") for n in range(12))
        db, query, seen = colour(ours), Query().sort("n").limit(3), []
        while True:
            page = db.search(query)
            seen += [record.id for record in page]
            if page.cursor is None:
                break
            moved = page[-1]
            if moved["n"] < 100:
                theirs.update(moved.id, Record({"n": 100 + moved["n"], "long": LONG}))
            query = query.after(page.cursor)
        assert sorted(set(seen)) == [f"r{n:02}" for n in range(12)]
