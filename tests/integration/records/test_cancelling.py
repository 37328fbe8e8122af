"""Acceptance 32: a cancelled call or a stream that is left leaves no task, upload or lock."""

import asyncio
import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import Pool
from tests.integration.records.s3 import opened

from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Query, Record, SQLDatabase, drafts, migrate_async, objects_record_async
from holdall.testing import Fault, FaultProxy
from holdall.wrappers.forwarding import ForwardingStore

WAIT = 120


class Stopping(ForwardingStore):
    """The n-th request waits until it is cancelled."""

    stop_at = None

    def __init__(self, inner):
        super().__init__(inner)
        self.calls = 0
        self.stopped = asyncio.Event()

    async def _step(self):
        self.calls += 1
        if self.calls == self.stop_at:
            self.stopped.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    async def get_async(self, key, options=None):
        await self._step()
        return await super().get_async(key, options)

    async def put_async(self, key, source, options=None):
        await self._step()
        return await super().put_async(key, source, options)

    async def versions_async(self, key):
        await self._step()
        return await super().versions_async(key)

    async def tags_async(self, key, *, version=None):
        await self._step()
        return await super().tags_async(key, version=version)

    async def head_async(self, key, *, version=None):
        await self._step()
        return await super().head_async(key, version=version)

    async def delete_async(self, keys, *, if_match=None):
        await self._step()
        return await super().delete_async(keys, if_match=if_match)

    async def list_async(self, prefix="", *, delimiter=None, start_after=None):
        await self._step()
        async for page in super().list_async(prefix, delimiter=delimiter, start_after=start_after):
            yield page
            await self._step()


async def drained(source):
    return [each async for each in source]


def twenty():
    """A database of records that others have too."""
    db = ObjectDatabase(MemoryStore(), mirror="off")
    db.batch_create([Record({"id": f"r{n:02}", "n": n}) for n in range(20)])
    return db


async def changed(db):
    async with db.transaction("strict" if isinstance(db, SQLDatabase) else "best_effort") as changes:
        changes.create(Record({"id": "new"}))
        changes.update("r02", Record({"n": 5}))
        changes.delete("r03")


async def restored(db):
    [revision] = await db.history_async("r01")
    return await db.restore_async("r01", revision.version)


CALLS = {
    "create": lambda db: db.create_async(Record({"n": 1})),
    "read": lambda db: db.read_async("r01"),
    "update": lambda db: db.update_async("r01", Record({"n": 2})),
    "upsert": lambda db: db.upsert_async("r01", Record({"n": 2})),
    "modify": lambda db: db.modify_async("r01", lambda record: record),
    "delete": lambda db: db.delete_async("r01"),
    "exists": lambda db: db.exists_async("r01"),
    "batch_create": lambda db: db.batch_create_async([Record({"n": n}) for n in range(20)]),
    "batch_update": lambda db: db.batch_update_async([(f"r{n:02}", Record({})) for n in range(20)]),
    "batch_read": lambda db: db.batch_read_async([f"r{n:02}" for n in range(20)]),
    "batch_delete": lambda db: db.batch_delete_async([f"r{n:02}" for n in range(20)]),
    "clear": lambda db: db.clear_async(),
    "search": lambda db: db.search_async(Filter("n", ">", 3), max_age=0),
    "stream": lambda db: drained(db.stream_async(max_age=0)),
    "ids": lambda db: drained(db.ids_async()),
    "count": lambda db: db.count_async(max_age=0),
    "select_query": lambda db: db.select_query_async("SELECT count(*) FROM records", max_age=0),
    "refresh": lambda db: db.refresh_async(),
    "check": lambda db: db.check_async(),
    "connect": lambda db: db.connect_async(),
    "require": lambda db: db.require_async("r01"),
    "get_version": lambda db: db.get_version_async("r01"),
    "batch_upsert": lambda db: db.batch_upsert_async([Record({"id": f"r{n:02}", "n": -n}) for n in range(10, 30)]),
    "all": lambda db: db.all_async(),
    "explain": lambda db: db.explain_async(Filter("n", ">", 3)),
    "stream, sorted": lambda db: drained(db.stream_async(Query().sort("n", "DESC"), max_age=0)),
    "to_arrow": lambda db: db.to_arrow_async(),
    "migrate to it": lambda db: migrate_async(twenty(), db, on_conflict="upsert", verify="full"),
    "migrate from it": lambda db: migrate_async(db, ObjectDatabase(MemoryStore(), mirror="off"), verify="full"),
    "transaction": changed,
    "tags": lambda db: db.tags_async("r01"),
    "history": lambda db: db.history_async("r01"),
    "restore": restored,
}
"""Every verb that asks a storage; `test_export.py` has the one that writes a file, which ends with its row."""


async def at_rest(db, store, tasks):
    """Check that nothing is left, and that the next call answers right."""
    assert asyncio.all_tasks() == tasks
    if db.mirror is not None:
        flight = db.mirror.flight()
        assert flight.take(), "the lister's place is free"
        flight.give_back()
        assert db.mirror._file.call(lambda c: c.execute("SELECT * FROM intent").fetchall()) == []
    store.stop_at = None
    async with asyncio.timeout(WAIT):
        found = {record.id: record.data for record in await db.search_async(max_age=0)}
    assert found == {record.id: record.data for record in ObjectDatabase(store.inner, mirror="off").all()}


def prepared(place, mirror):
    inner = MemoryStore(versioned=True)
    ObjectDatabase(inner, mirror="off").batch_create([Record({"id": f"r{n:02}", "n": n}) for n in range(20)])
    store = Stopping(inner)
    return store, ObjectDatabase(store, mirror=place if mirror == "file" else mirror, max_workers=4)


@pytest.mark.parametrize("mirror", ["file", "off"])
def test_a32_cancelled_in_a_request(tmp_path, mirror):
    async def body():
        tasks = asyncio.all_tasks()
        for name, call in CALLS.items():
            for number in (1, 2, 4):
                store, db = prepared(tmp_path / f"{name}{number}.sqlite", mirror)
                store.stop_at = number
                task = asyncio.ensure_future(call(db))
                waiter = asyncio.ensure_future(store.stopped.wait())
                await asyncio.wait([task, waiter], timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
                for each in (task, waiter):
                    each.cancel()
                await asyncio.gather(task, waiter, return_exceptions=True)
                await at_rest(db, store, tasks)
                await db.close_async()

    asyncio.run(body())


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a32_cancelled_in_a_statement(request, tmp_path, engine):
    """Each call, after more and more turns of the loop: the database has no transaction of it, and others can write."""
    if engine == "sqlite":
        url = f"sqlite:///{tmp_path / 'x.db'}"
    else:
        server, name = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_database")
        url = server.url(name)
    with SQLDatabase(url) as other:
        other.batch_create([Record({"id": f"r{n:02}", "n": n}) for n in range(20)])

    def in_transactions():
        if engine == "sqlite":
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db", timeout=WAIT)) as connection:
                connection.execute("BEGIN IMMEDIATE")  # waits for a thread that is at its end, not for ever
            return "0"
        return server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND xact_start IS NOT NULL AND backend_type = 'client backend'", name,
        )  # fmt: skip

    async def body():
        tasks = asyncio.all_tasks()
        threads = ThreadPoolExecutor(4)
        asyncio.get_running_loop().set_default_executor(threads)
        db = SQLDatabase(url)
        for call in CALLS.values():
            for turns in (0, 1, 2, 4, 7, 11):
                task = asyncio.ensure_future(call(db))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert asyncio.all_tasks() == tasks
        threads.shutdown()  # a statement that was under way may still be at its end, in a thread
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        async with asyncio.timeout(WAIT):
            while await asyncio.to_thread(in_transactions) != "0":  # noqa: ASYNC110  # a server hears of a closed connection a little later
                await asyncio.sleep(0.05)
            await db.upsert_async("r01", Record({"n": 1}))
            found = {record.id: record.data for record in await db.search_async()}
        await db.close_async()
        return found

    found = asyncio.run(body())
    with SQLDatabase(url) as other:
        assert found == {record.id: record.data for record in other.all()}


class Inside:
    """Holds up a thread in the middle of a statement of SQLite, at its n-th step."""

    def __init__(self):
        self.at = None
        self.entered, self.go = threading.Event(), threading.Event()

    def _step(self):
        if self.at is not None:
            self.at -= 1
            if self.at < 0:
                self.at = None
                self.entered.set()
                assert self.go.wait(WAIT)
        return 0

    def connected(self, wire, _):
        wire.set_progress_handler(self._step, 1)


@pytest.fixture
def inside():
    inside = Inside()
    event.listen(Pool, "connect", inside.connected)
    yield inside
    inside.go.set()
    event.remove(Pool, "connect", inside.connected)


INSIDE = [
    *((name, 0) for name in CALLS if name not in {"migrate to it", "explain", "tags", "history", "restore"}),
    ("stream", 150), ("stream, sorted", 600), ("search", 150), ("batch_create", 150), ("transaction", 60),
]  # fmt: skip


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
@pytest.mark.parametrize(("name", "steps"), INSIDE, ids=[f"{name} {steps}" for name, steps in INSIDE])
def test_a32_cancelled_inside_a_statement(tmp_path, inside, whose, name, steps):
    """The thread in SQLite comes to its end before the cancellation goes on: the connection that it uses is nobody else's."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    engine = create_engine(url) if whose == "the caller's" else None
    with SQLDatabase(url) as other:
        other.batch_create([Record({"id": f"r{n:02}", "n": n}) for n in range(20)])
        before = {record.id: record.data for record in other.all()}

    async def body():
        tasks = asyncio.all_tasks()
        async with SQLDatabase(engine or url) as db:
            assert await db.count_async() == 20
            pool = db._link._engine.pool
            inside.at = steps
            task = asyncio.ensure_future(CALLS[name](db))
            assert await asyncio.to_thread(inside.entered.wait, WAIT)
            task.cancel()
            await asyncio.wait([task], timeout=0.02)
            task.cancel()  # whoever is impatient waits all the same
            ended, _ = await asyncio.wait([task], timeout=0.02)
            assert not ended
            assert pool.checkedout() == 1
            inside.go.set()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            assert asyncio.all_tasks() == tasks
            assert pool.checkedout() == 0
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db", timeout=0)) as connection:
                connection.execute("BEGIN IMMEDIATE")  # no lock is left: this one does not wait
            with SQLDatabase(url) as other:  # a snapshot that somebody left open would make the next write fail
                other.upsert("new", Record({"n": -1}))
            async with asyncio.timeout(WAIT):
                for number in range(3):
                    await db.upsert_async("new", Record({"n": number}))
                found = {record.id: record.data for record in await db.search_async()}
                assert [record.id async for record in db.stream_async()] == sorted(found)
            assert found.pop("new") == {"n": 2}
            return found

    found = asyncio.run(body())
    with SQLDatabase(url) as other:
        assert {"new", *found} == set(other.ids())
    if "create" not in name and name not in {*WRITES, "transaction"}:
        assert found == before
    if engine is not None:
        engine.dispose()


WRITES = {"update", "upsert", "modify", "delete", "batch_update", "batch_delete", "batch_upsert", "clear"}


@pytest.mark.parametrize("name", sorted({*WRITES, "create", "batch_create", "transaction"}))
def test_a32_cancelled_while_another_writes(tmp_path, name):
    """A call that waits for the lock of another program when it is cancelled writes nothing afterwards."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    waiting = threading.Event()

    def executes(connection, cursor, statement, *_):
        if statement == "BEGIN IMMEDIATE":
            waiting.set()

    async def body():
        async with SQLDatabase(url) as db:
            await db.batch_create_async([Record({"id": f"r{n:02}", "n": n}) for n in range(20)])
            before = [(record.id, record.version) for record in await db.all_async()]
            event.listen(db._link._engine, "before_cursor_execute", executes)
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                task = asyncio.ensure_future(CALLS[name](db))
                assert await asyncio.to_thread(waiting.wait, WAIT)
                task.cancel()
                ended, _ = await asyncio.wait([task], timeout=0.02)
                assert not ended
                connection.execute("ROLLBACK")
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            assert [(record.id, record.version) for record in await db.all_async()] == before

    asyncio.run(body())


def test_a32_a_question_that_is_cancelled_is_not_finished(tmp_path):
    """SQLite is told to stop; without that this statement would use a processor for an hour."""
    entered = threading.Event()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, records"

    def executes(connection, cursor, statement, *_):
        if "RECURSIVE" in statement:
            entered.set()

    async def body():
        async with SQLDatabase(f"sqlite:///{tmp_path / 'x.db'}") as db:
            await db.create_async(Record({"n": 1}))
            event.listen(db._link._engine, "before_cursor_execute", executes)
            task = asyncio.ensure_future(db.select_query_async(endless, timeout=3600))
            assert await asyncio.to_thread(entered.wait, WAIT)
            task.cancel()
            async with asyncio.timeout(WAIT):
                await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            assert await db.select_query_async("SELECT n FROM records") == [{"n": 1}]

    asyncio.run(body())


LONG = [f"{n} \u00e9" for n in range(10_000)]
ENCODING = {
    "create": lambda db: db.create_async(Record({"id": "new", "long": LONG})),
    "update": lambda db: db.update_async("r01", Record({"long": LONG})),
    "upsert": lambda db: db.upsert_async("r01", Record({"long": LONG})),
    "modify": lambda db: db.modify_async("r01", lambda record: Record({"long": LONG})),
    "batch_create": lambda db: db.batch_create_async([Record({"n": 1}), Record({"long": LONG}), Record({"n": 2})]),
}


@pytest.mark.parametrize("name", list(ENCODING))
@pytest.mark.parametrize("place", [(drafts, "encode_content"), (objects_record_async, "encode_body")], ids=["draft", "body"])
def test_a32_cancelled_while_a_long_record_is_encoded(tmp_path, monkeypatch, place, name):
    """The thread that encodes it goes on to its end, and nothing comes of it."""
    module, function = place
    encode, entered, go, left = getattr(module, function), threading.Event(), threading.Event(), threading.Event()

    def waiting(*arguments):
        encoded = encode(*arguments)
        if len(str(encoded)) > 50_000:
            entered.set()
            assert go.wait(WAIT)
            left.set()
        return encoded

    monkeypatch.setattr(module, function, waiting)

    async def body():
        tasks = asyncio.all_tasks()
        store, db = prepared(tmp_path / "mirror.sqlite", "file")
        await db.search_async()
        task = asyncio.ensure_future(ENCODING[name](db))
        assert await asyncio.to_thread(entered.wait, WAIT)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert asyncio.all_tasks() == tasks
        go.set()
        assert await asyncio.to_thread(left.wait, WAIT)
        await at_rest(db, store, tasks)
        assert not [record for record in await db.search_async(max_age=0) if "long" in record]
        await db.close_async()

    asyncio.run(body())


def test_a32_cancelled_at_any_turn(tmp_path):
    async def body():
        tasks = asyncio.all_tasks()
        for name in ("create", "batch_create", "delete", "search", "stream"):
            store, db = prepared(tmp_path / f"{name}.sqlite", "file")
            for turns in range(0, 120, 3):
                task = asyncio.ensure_future(CALLS[name](db))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await at_rest(db, store, tasks)
            await db.close_async()

    asyncio.run(body())


@pytest.mark.parametrize("mirror", ["file", "off"])
def test_a32_a_stream_that_is_left(tmp_path, mirror):
    async def body():
        tasks = asyncio.all_tasks()
        store, db = prepared(tmp_path / "mirror.sqlite", mirror)
        for source in (db.stream_async(batch_size=3), db.ids_async(), db.stream_async(Filter("n", ">", 1), batch_size=1)):
            await anext(source)
            await source.aclose()
            await at_rest(db, store, tasks)
        await db.close_async()

    asyncio.run(body())
    before = set(threading.enumerate())
    _, db = prepared(tmp_path / "other.sqlite", mirror)
    for source in (db.stream(batch_size=3), db.ids()):
        next(source)
        source.close()
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("holdall")}
    db.close()


def test_a32_a_cancelled_upload_is_taken_back(moto_bucket):
    """A record of several parts, cancelled when the first of them has been sent."""

    async def body(db, proxy):
        tasks = asyncio.all_tasks()
        task = asyncio.ensure_future(db.create_async(Record({"id": "large", "data": "x" * (12 * 1024 * 1024)})))
        async with asyncio.timeout(WAIT):
            while not any("partNumber" in target for _, target in proxy.traffic.requests):  # noqa: ASYNC110  # the proxy has a loop of its own
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert asyncio.all_tasks() == tasks
        assert await db.count_async(max_age=0) == 0
        await db.close_async()

    with FaultProxy(moto_bucket.server.endpoint) as proxy, opened(moto_bucket, proxy=proxy, tags="off") as db:
        proxy.fail(Fault(delay=2), method="PUT", target="partNumber", times=100)
        asyncio.run(body(db, proxy))
    assert not moto_bucket.client.list_multipart_uploads(Bucket=moto_bucket.name).get("Uploads")
