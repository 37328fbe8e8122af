"""Rules of the mirror that nothing else would show the loss of: who may read it, how old it may be, who lists, what a weak etag tells."""

import asyncio
import gc
import itertools
import math
import os
import sqlite3
import stat
import sys
import threading
import time
import warnings
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ClosedError, NotSupportedError
from holdall.records import Filter, ObjectDatabase, Query, Record
from holdall.records.mirror import file, listing
from holdall.records.mirror.file import MirrorFile, MirrorWarning
from holdall.records.mirror.flight import Flight
from holdall.testing.stores import CountingStore
from holdall.wrappers.forwarding import ForwardingStore


@pytest.fixture
def clock(monkeypatch):
    """The machine's clock, which goes by so many seconds before or behind the real one."""
    real, clock = time.time, SimpleNamespace(by=0.0)
    monkeypatch.setattr(time, "time", lambda: real() + clock.by)
    return clock


def calls(store, verb):
    return store.counts.calls.get(verb, 0)


def filled(count=3, **options):
    """Return a store that counts, and a database on it that the store does not count."""
    inner = MemoryStore()
    stranger = ObjectDatabase(inner, mirror="off", **options)
    stranger.batch_create([Record({"id": f"r{n}", "n": n}) for n in range(count)])
    return CountingStore(inner), stranger


# -- section 5: the file -----------------------------------------------------------------------------------------------


def test_the_file_is_readable_by_its_owner_alone(tmp_path, monkeypatch, colour):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "root").mkdir()
    before = os.umask(0)
    try:
        with ObjectDatabase(LocalStore(tmp_path / "root"), owned=True) as db:
            colour(db).create(Record({"id": "a"}))
            assert colour(db).count() == 1
            place = tmp_path / "cache" / "holdall" / "records"
            assert os.path.dirname(db.mirror.path) == str(place)
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [place, *place.rglob("*")]}
    finally:
        os.umask(before)
    assert len([path for path in modes if path.is_file() or "sqlite" in path.name]) >= 3
    odd = {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert odd == {}


def test_an_index_is_added_without_requests(tmp_path, colour):
    store, _ = filled(50)
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=math.inf) as db:
        assert len(db.search()) == 50
    store.reset()
    indexes = ["n", ("address.city", "n")]
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=math.inf, indexes=indexes) as db:
        assert [record.id for record in colour(db).search(Filter("n", "=", 7))] == ["r7"]
    assert store.counts.total == 0
    with closing(sqlite3.connect(tmp_path / "mirror")) as connection:
        for name in ("ix_n", "ix_address.city__n"):
            assert connection.execute(f'SELECT count(*) FROM rec INDEXED BY "{name}"').fetchone() == (50,)


# -- S1 and acceptance 19: how old an answer may be ----------------------------------------------------------------------

QUESTIONS = {
    "count": lambda db, **age: db.count(**age),
    "count of a query": lambda db, **age: db.count(Filter("n", ">=", 0), **age),
    "search": lambda db, **age: len(db.search(Filter("n", ">=", 0), **age)),
    "stream": lambda db, **age: len(list(db.stream(Query(), **age))),
    "select_query": lambda db, **age: len(db.select_query("SELECT id FROM records", **age)),
    "ids": lambda db: len(list(db.ids())),
}


@pytest.mark.parametrize("question", list(QUESTIONS))
@pytest.mark.parametrize("where", ["memory", "file"])
def test_a19_what_others_do_is_seen_after_the_bound_and_not_before(tmp_path, clock, colour, question, where):
    store, stranger = filled()
    ask = QUESTIONS[question]
    with ObjectDatabase(store, mirror="memory" if where == "memory" else tmp_path / "mirror", cache_ttl=60) as plain:
        db = colour(plain)
        assert ask(db) == 3
        stranger.create(Record({"id": "other", "n": 3}))
        store.reset()
        clock.by = 55
        assert ask(db) == 3, "within the bound"
        assert store.counts.total == 0
        clock.by = 65
        assert ask(db) == 4, "after the bound"
        assert calls(store, "list") == 1
        assert ask(db) == 4
        assert calls(store, "list") == 1


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "ids"])
def test_a19_an_age_is_for_one_call(clock, colour, question):
    store, stranger = filled()
    ask = QUESTIONS[question]
    with ObjectDatabase(store, cache_ttl=60) as plain:
        db = colour(plain)
        assert ask(db) == 3
        stranger.create(Record({"id": "other", "n": 3}))
        store.reset()
        clock.by = 100
        assert ask(db, max_age=200) == 3
        assert store.counts.total == 0
        assert ask(db, max_age=90) == 4
        assert calls(store, "list") == 1
        stranger.delete("other")
        assert ask(db) == 4
        assert calls(store, "list") == 1
        assert ask(db, max_age=0) == 3
        assert calls(store, "list") == 2


@pytest.mark.parametrize("question", ["count", "search"])
def test_s01_a_clock_that_went_back_is_not_believed(tmp_path, clock, colour, question):
    store, stranger = filled()
    ask = QUESTIONS[question]
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=3600) as plain:
        db = colour(plain)
        assert ask(db) == 3
        stranger.create(Record({"id": "other", "n": 3}))
        store.reset()
        clock.by = -100
        assert ask(db) == 4
        assert calls(store, "list") == 1
        assert ask(db) == 4
        assert calls(store, "list") == 1, "what was listed by the new time is believed"


@pytest.mark.parametrize("question", ["count", "search"])
def test_s01_a_clock_that_goes_back_meanwhile_costs_one_listing(clock, colour, question):
    """What a call has listed itself is enough for it."""
    store, _ = filled()

    class Back(ForwardingStore):
        def list(self, *arguments, **options):
            clock.by -= 100
            return super().list(*arguments, **options)

        def list_async(self, *arguments, **options):
            clock.by -= 100
            return super().list_async(*arguments, **options)

    with ObjectDatabase(Back(store), mirror="memory", cache_ttl=0) as plain:
        assert QUESTIONS[question](colour(plain)) == 3
    assert calls(store, "list") == 1


def test_s01_the_clock_of_another_boot_is_not_believed(tmp_path, monkeypatch, colour):
    store, stranger = filled()
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=3600) as first:
        assert colour(first).count() == 3
    stranger.create(Record({"id": "other", "n": 3}))
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=3600) as same:
        assert colour(same).count() == 3
    monkeypatch.setattr(listing, "_boot", lambda: "another")
    store.reset()
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=3600) as again:
        assert colour(again).count() == 4
        assert colour(again).count() == 4
    assert calls(store, "list") == 1


class Far(ForwardingStore):
    """A store that is not near: what it deletes it does not tell."""

    @property
    def capabilities(self):
        return replace(super().capabilities, temporary=False)


@pytest.mark.parametrize(("ids", "expected"), [("xy", {"head": 2}), ("wxyz", {"list": 1})])
def test_a08_the_cheaper_of_heads_and_pages(colour, ids, expected):
    """A listing has three pages, as the index knows."""
    store, _ = filled(2100)
    far = CountingStore(Far(store.inner))
    with ObjectDatabase(far, mirror="memory", cache_ttl=3600) as plain:
        db = colour(plain)
        assert db.count() == 2100
        far.reset()
        assert db.batch_delete(list(ids)) == [False] * len(ids)
        assert {verb: number for verb, number in far.counts.calls.items() if number} == expected


# -- S2: one lister ----------------------------------------------------------------------------------------------------


class Held(ForwardingStore):
    """Its listings end when the test says so."""

    def __init__(self, inner, until):
        super().__init__(inner)
        self.until = until
        self.listings = 0

    def list(self, prefix="", *, delimiter=None, start_after=None):
        self.listings += 1
        assert self.until.wait(60)
        yield from super().list(prefix, delimiter=delimiter, start_after=start_after)

    async def list_async(self, prefix="", *, delimiter=None, start_after=None):
        self.listings += 1
        async with asyncio.timeout(60):
            while not self.until.is_set():  # noqa: ASYNC110  # threads set it
                await asyncio.sleep(0.01)
        async for page in super().list_async(prefix, delimiter=delimiter, start_after=start_after):
            yield page


@pytest.mark.parametrize("handles", ["one in memory", "one on a file", "two on a file"])
def test_s02_a_second_one_waits_for_the_lister(tmp_path, monkeypatch, colour, handles):
    """The listing goes on until both have tried to be the lister; the second one answers by what the first one found."""
    stored, _ = filled()
    both, tries, take = threading.Event(), [], Flight.take

    def noted(self):
        taken = take(self)
        tries.append(taken)
        if len(tries) >= 2:
            both.set()
        return taken

    monkeypatch.setattr(Flight, "take", noted)
    store = Held(stored.inner, both)
    mirror = "memory" if handles == "one in memory" else tmp_path / "mirror"
    with (
        ObjectDatabase(store, mirror=mirror, cache_ttl=3600) as one,
        ObjectDatabase(store, mirror=mirror, cache_ttl=3600) as two,
    ):
        assert [each.mirror.info().records for each in (one, two)] == [0, 0]  # both are open before they race
        turns = [one, two if handles.startswith("two") else one]
        found = colour.at_once(_Asking(turns).ask, [(0,), (1,)])
    assert found == [3, 3]
    assert sorted(tries[:2]) == [False, True]
    assert store.listings == 1


class _Asking:
    """Counts in both colours, by any of some databases."""

    def __init__(self, databases):
        self.databases = databases

    def ask(self, index):
        return self.databases[index].count()

    async def ask_async(self, index):
        return await self.databases[index].count_async()


# -- S10: weak etags ---------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


class Weak(ForwardingStore):
    """All its etags are alike; when an object was modified is for the test to say."""

    def __init__(self, inner):
        super().__init__(inner)
        self.at = {}

    def _narrowed(self, inner):
        return replace(inner, strong_etag=False)

    def _weak(self, meta):
        return replace(meta, etag='W/"x"', last_modified=self.at.get(meta.key, LONG_AGO))

    def _page(self, page):
        return replace(page, objects=[*map(self._weak, page.objects)])

    def get(self, key, options=None):
        result = super().get(key, options)
        result.meta = self._weak(result.meta)
        return result

    async def get_async(self, key, options=None):
        result = await super().get_async(key, options)
        result.meta = self._weak(result.meta)
        return result

    def list(self, prefix="", **options):
        yield from map(self._page, super().list(prefix, **options))

    async def list_async(self, prefix="", **options):
        async for page in super().list_async(prefix, **options):
            yield self._page(page)


@pytest.fixture
def weak(colour):
    """A database on weak etags that always lists, its store, and a stranger who writes beside it."""
    counted, stranger = filled(1)
    etags = Weak(counted.inner)
    store = CountingStore(etags)
    db = colour(ObjectDatabase(store, cache_ttl=0))

    def shows():
        """Return what a search finds, and how many bodies it read."""
        store.reset()
        [record] = db.search()
        return record["n"], calls(store, "get")

    return SimpleNamespace(db=db, at=etags.at, key="records/r0.json", stranger=stranger, shows=shows)


def test_s10_what_did_not_change_is_not_read_again(weak):
    assert [weak.shows() for _ in range(3)] == [(0, 1), (0, 0), (0, 0)]


def test_s10_another_size_or_time_is_a_change(weak):
    weak.shows()
    weak.stranger.update("r0", Record({"n": 1000}))
    assert [weak.shows() for _ in range(2)] == [(1000, 1), (1000, 0)], "another size"
    weak.stranger.update("r0", Record({"n": 2000}))
    weak.at[weak.key] = LONG_AGO + timedelta(seconds=1)
    assert [weak.shows() for _ in range(2)] == [(2000, 1), (2000, 0)], "another time"


def test_s10_what_changed_lately_is_read_again(weak, clock):
    """Within the same second it may have changed once more, to the same size."""
    weak.at[weak.key] = datetime.now(UTC)
    weak.stranger.update("r0", Record({"n": 0}))
    assert weak.shows() == (0, 1)
    weak.stranger.update("r0", Record({"n": 1}))
    assert weak.shows() == (1, 1)
    weak.stranger.update("r0", Record({"n": 2}))
    clock.by = 10
    assert weak.shows() == (2, 1), "the last time it was read was within these two seconds"
    assert weak.shows() == (2, 0)


def test_s10_versions_are_refused(weak):
    with pytest.raises(NotSupportedError):
        weak.db.update("r0", Record({"n": 1}), expected_version='W/"x"')
    assert weak.shows()[0] == 0


# -- S15: others at the file, and locks ----------------------------------------------------------------------------------


@contextmanager
def warned(text):
    """The block gives one warning, which says this."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    [warning] = caught
    assert warning.category is MirrorWarning
    assert text in str(warning.message)


@pytest.fixture
def taken(tmp_path):
    """A database on a mirror file that exists, and another connection that has taken it for a write."""
    store, _ = filled()
    path = tmp_path / "mirror"
    db = ObjectDatabase(store, mirror=path, cache_ttl=3600)
    assert db.count() == 3
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield SimpleNamespace(db=db, store=store, path=path, other=other)
    db.close()


def test_s15_a_busy_file_is_waited_for(taken, colour):
    assert file.BUSY_MS == 5000
    timer = threading.Timer(0.3, lambda: taken.other.execute("COMMIT"))
    timer.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colour(taken.db).create(Record({"id": "new", "n": 9}))
    timer.join()
    assert taken.db.mirror.path == str(taken.path)
    assert colour(taken.db).count() == 4


def test_s15_a_file_that_stays_busy_is_left(taken, colour, monkeypatch):
    monkeypatch.setattr(file, "BUSY_MS", 50)  # of the connections to come
    with ObjectDatabase(taken.store, mirror=taken.path, cache_ttl=3600) as db:
        with warned("database is locked"):
            colour(db).create(Record({"id": "new", "n": 9}))
            assert colour(db).count() == 4
            assert len(colour(db).search(Filter("n", ">=", 0))) == 4
        assert db.mirror.path is None
    taken.other.execute("COMMIT")
    with closing(sqlite3.connect(taken.path)) as connection:
        assert connection.execute("SELECT count(*) FROM rec").fetchone() == (3,), "the file is left as it was"


def _no_locks(fd):
    raise OSError(37, "No locks available")


@pytest.mark.parametrize("lock", [lambda fd: False, _no_locks], ids=["never free", "none"])
def test_s15_without_file_locks_the_index_is_in_memory(tmp_path, colour, monkeypatch, lock):
    store, _ = filled()
    monkeypatch.setattr(file, "lock_now", lock)
    with ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=3600) as db:
        with warned("locks"):
            assert colour(db).count() == 3
            colour(db).create(Record({"id": "new", "n": 9}))
            assert colour(db).count() == 4
        assert db.mirror.path is None
    assert not (tmp_path / "mirror").exists()


def test_s15_who_is_swept_before_it_holds_its_lock_takes_another_one(tmp_path, colour, monkeypatch):
    """A process that removes what dead ones left meets the new file of a living one, which has not locked it yet."""
    store, _ = filled()
    path, plain, swept = tmp_path / "mirror", file.lock_now, []

    def late(fd):
        if not swept:
            [name] = os.listdir(f"{path}.processes")
            swept.append(name)
            os.unlink(f"{path}.processes/{name}")
        return plain(fd)

    monkeypatch.setattr(file, "lock_now", late)
    with ObjectDatabase(store, mirror=path, cache_ttl=3600) as db:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert colour(db).count() == 3
        [name] = os.listdir(f"{path}.processes")
        assert name not in swept
        assert db.mirror._file.process == name


def test_s15_what_was_no_index_is_kept(tmp_path, colour):
    """A path that was mistyped costs no notes."""
    store, _ = filled()
    path = tmp_path / "notes.txt"
    for aside in ("notes.txt.damaged", "notes.txt.damaged-2"):
        path.write_text("precious\n" * 99)
        with ObjectDatabase(store, mirror=path, cache_ttl=3600) as db:
            with warned(str(tmp_path / aside)):
                assert colour(db).count() == 3
            assert db.mirror.path == str(path)
        assert (tmp_path / aside).read_text() == "precious\n" * 99


def test_s15_tables_of_others_are_left_alone(tmp_path, colour):
    store, _ = filled()
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.executescript("CREATE TABLE meta (theirs); INSERT INTO meta VALUES (1)")
    with ObjectDatabase(store, mirror=path, cache_ttl=3600) as db, warned("something else"):
        assert colour(db).count() == 3
    with closing(sqlite3.connect(path)) as theirs:
        assert theirs.execute("SELECT * FROM meta").fetchall() == [(1,)]


# -- the end of a handle, and of a call ----------------------------------------------------------------------------------


def test_handles_that_are_dropped_leave_nothing(tmp_path, colour):
    store, _ = filled()
    path = tmp_path / "mirror"

    for _ in range(3):
        assert colour(ObjectDatabase(store, mirror=path, cache_ttl=3600)).count() == 3
        until = time.monotonic() + 10
        while open_files(path) and time.monotonic() < until:  # the thread that asked lets go of it in a moment
            gc.collect()
            time.sleep(0.01)
        assert open_files(path) == []
        assert os.listdir(f"{path}.processes") == []


def open_files(path):
    """Return the files of a mirror that this process holds open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [name for name in found if name.startswith(str(path))]


class Closing(ForwardingStore):
    """Closes a database in the middle of its calls."""

    db = None

    def put(self, key, data, options=None):
        self.db.close()
        return super().put(key, data, options)

    async def put_async(self, key, data, options=None):
        await self.db.close_async()
        return await super().put_async(key, data, options)

    def list(self, prefix="", **options):
        self.db.close()
        yield from super().list(prefix, **options)

    async def list_async(self, prefix="", **options):
        await self.db.close_async()
        async for page in super().list_async(prefix, **options):
            yield page


def test_a_batch_that_is_under_way_at_close_ends_in_the_index(tmp_path, colour):
    """Its outcomes are noted, and seen by others; then nothing is open."""
    stored, _ = filled()
    path = tmp_path / "mirror"
    store = Closing(stored.inner)
    with ObjectDatabase(stored, mirror=path, cache_ttl=3600) as other:
        assert colour(other).count() == 3
        [theirs] = os.listdir(f"{path}.processes")
        db = store.db = ObjectDatabase(store, mirror=path, cache_ttl=3600)
        assert colour(db).batch_create([Record({"id": f"new{n}"}) for n in range(5)]) == [f"new{n}" for n in range(5)]
        assert os.listdir(f"{path}.processes") == [theirs]
        stored.reset()
        assert colour(other).count() == 8
        assert calls(stored, "list") == 0
        with pytest.raises(ClosedError):
            colour(db).count()
    assert open_files(path) == []


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_listing_that_is_under_way_at_close_ends_the_call(tmp_path, colour, where):
    stored, _ = filled()
    path = tmp_path / "mirror"
    store = Closing(stored.inner)
    db = store.db = ObjectDatabase(store, mirror="memory" if where == "memory" else path, cache_ttl=60)
    with pytest.raises(ClosedError):
        colour(db).search()
    assert open_files(path) == []


# -- exceptions that signals raise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["memory", "file"])
def test_an_interrupt_between_any_two_lines_breaks_nothing(tmp_path, where):
    """Ctrl-C within a transaction's beginning or end: the next call does not meet it, nor are fields unknown that it noted."""
    store, _ = filled()
    with ObjectDatabase(store, mirror="memory" if where == "memory" else tmp_path / "mirror", cache_ttl=3600) as db:
        assert db.count() == 3
        for line in range(99):
            with interrupted(line) as met, suppress(KeyboardInterrupt):
                db.upsert("r0", Record({f"f{line}": 1}))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                db.upsert("r0", Record({f"f{line}": 2}))
                assert db.count() == 3
                assert db.select_query(f"SELECT id, f{line} FROM records WHERE id = 'r0'") == [{"id": "r0", f"f{line}": 2}]
                assert len(db.search(Filter(f"f{line}", "=", 2))) == 1
            if not met:
                break
        assert line > 9


@contextmanager
def interrupted(line):
    """The block meets Ctrl-C before this line, of those that it runs to begin and end transactions; what is yielded says so."""
    met, count, before = [], itertools.count(), sys.gettrace()

    def trace(frame, event, argument):
        if frame.f_code is not MirrorFile._within.__code__:
            return None

        def within(frame, event, argument):
            if event == "line" and next(count) == line:
                met.append(frame.f_lineno)
                raise KeyboardInterrupt
            return within

        return within

    sys.settrace(trace)
    try:
        yield met
    finally:
        sys.settrace(before)
