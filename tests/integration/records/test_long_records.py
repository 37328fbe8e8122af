"""What a question holds does not grow with the records that it passes, be they as long as they like (section 2.4, P17)."""

import gc
import tracemalloc

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Query, Record, SQLDatabase, migrate
from holdall.wrappers.forwarding import ForwardingStore

COUNT, LENGTH = 160, 500_000
MOST = 60 * 2**20
"""Bytes: some dozens of these records as they come and as they are read, and no more; all of them are 80 MB, and as much again."""

LONG = Filter("text", "regex", "^x")
QUESTIONS = {
    "stream": lambda db, to: [sum(1 for _ in db.stream()), COUNT],
    "stream sorted": lambda db, to: [sum(1 for _ in db.stream(Query().sort("n", "DESC"))), COUNT],
    "stream sorted, limit": lambda db, to: [sum(1 for _ in db.stream(Query().sort("n", "DESC").limit(3))), 3],
    "search sorted, limit": lambda db, to: [[r.id for r in db.search(Query().sort("n", "DESC").limit(2))], ["r159", "r158"]],
    "search for long ones, sorted, limit": lambda db, to: [
        [r.id for r in db.search(Query().filter(LONG).sort("n", "DESC").limit(2))],
        ["r159", "r158"],
    ],
    "search, limit": lambda db, to: [[r.id for r in db.search(Query().filter(LONG).limit(2))], ["r000", "r001"]],
    "count": lambda db, to: [db.count(LONG), COUNT],
    "check": lambda db, to: [db.check().records, COUNT],
    "export": lambda db, to: [db.export(f"file://{to}/out.jsonl", format="jsonl").records, COUNT],
}


@pytest.fixture(scope="module", params=["disk", "disk without a mirror", "SQLite", "PostgreSQL"])
def full(request, tmp_path_factory):
    """A database of long records."""
    place = tmp_path_factory.mktemp("long")
    if request.param == "PostgreSQL":
        postgres = request.getfixturevalue("postgres")
        with postgres.database() as name, SQLDatabase(postgres.url(name)) as database:
            yield filled(database)
    elif request.param == "SQLite":
        with SQLDatabase(f"sqlite:///{place}/long.db") as database:
            yield filled(database)
    else:
        mirror = "off" if request.param == "disk without a mirror" else place / "mirror"
        with ObjectDatabase(LocalStore(place / "objects", create=True), mirror=mirror, max_workers=8) as database:
            yield filled(database)


def filled(database):
    half, names = LENGTH // 2, [f"f{n}" for n in range(LENGTH // 8_000)]  # one long value, and many that a mirror holds
    database.batch_create(
        Record({"n": n, "text": "x" * half, **dict.fromkeys(names, "y" * 4_000)}, id=f"r{n:03}") for n in range(COUNT)
    )
    return database


def peak(act):
    gc.collect()
    tracemalloc.start()
    try:
        return act(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("question", QUESTIONS)
def test_p17_long_records_pass_and_are_not_held(full, tmp_path, colour, question):
    (found, expected), grown = peak(lambda: QUESTIONS[question](colour(full), tmp_path))
    assert found == expected
    assert grown < MOST


def test_p17_a_migration_holds_few_long_records(full, tmp_path):
    with SQLDatabase(f"sqlite:///{tmp_path}/new.db") as target:
        report, grown = peak(lambda: migrate(full, target))
        assert report.written == COUNT
    assert grown < MOST


def test_p17_a_cold_mirror_is_filled_with_few_long_records(full):
    if isinstance(full, ObjectDatabase) and full.mirror is not None:
        full.mirror.drop()
        found, grown = peak(lambda: full.count(LONG))
        assert found == COUNT
        assert grown < MOST


class Reads(ForwardingStore):
    """Notes each object that is read, and each listing."""

    def __init__(self, inner):
        super().__init__(inner)
        self.sent = []

    def get(self, key, *given, **named):
        self.sent.append(key)
        return super().get(key, *given, **named)

    async def get_async(self, key, *given, **named):
        self.sent.append(key)
        return await super().get_async(key, *given, **named)

    def list(self, *given, **named):
        self.sent.append("list")
        return super().list(*given, **named)

    def list_async(self, *given, **named):
        self.sent.append("list")
        return super().list_async(*given, **named)


@pytest.fixture
def reads():
    """A store with two hundred records, each with a value that a mirror leaves out."""
    store = Reads(MemoryStore())
    with ObjectDatabase(store, mirror="off") as database:
        database.batch_create(Record({"n": n, "long": "x" * 5_000}, id=f"r{n:03}") for n in range(200))
    store.sent.clear()
    return store


def asked(store, question):
    store.sent.clear()
    return question(), len(store.sent)


def test_a_search_with_a_limit_reads_no_more_than_it_needs(reads, colour):
    with ObjectDatabase(reads, mirror="off", max_workers=4) as database:
        db = colour(database)
        found, sent = asked(reads, lambda: db.search(Query().filter("n", ">=", 10).limit(3)))
    assert [record.id for record in found] == ["r010", "r011", "r012"]
    assert found.cursor is not None
    assert 14 < sent < 100


def test_a_search_ends_with_the_match_that_it_needs(reads, colour):
    with ObjectDatabase(reads, mirror="off", max_workers=4) as database:
        db, six = colour(database), Query().filter("n", "<", 6)
        found, sent = asked(reads, lambda: db.search(six.limit(5)))
        assert (len(found), found.cursor is None) == (5, False)
        assert 6 < sent < 60
        found, sent = asked(reads, lambda: list(db.stream(six.limit(6))))
        assert len(found) == 6
        assert 6 < sent < 60


def test_a_sorted_stream_reads_only_what_the_mirror_does_not_hold(reads, colour):
    with ObjectDatabase(reads, mirror="memory", cache_ttl=60, max_workers=4) as database:
        database.refresh()
        db = colour(database)
        found, sent = asked(reads, lambda: [r["n"] for r in db.stream(Query().sort("n", "DESC").select("n"))])
        assert (found, sent) == ([*range(199, -1, -1)], 0)
        found, sent = asked(reads, lambda: [len(r["long"]) for r in db.stream(Query().sort("n", "DESC").limit(10))])
        assert (found, sent) == ([5_000] * 10, 10)
