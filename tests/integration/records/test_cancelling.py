"""Acceptance 32: a cancelled call or a stream that is left leaves no task, upload or lock; no async call holds up its event loop."""

import asyncio
import sqlite3
import sys
import threading

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Record, SQLDatabase
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
}


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
    inner = MemoryStore()
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


class Watch:
    """Looks at the thread of a loop: the most Python calls within one callback, and calls of SQLite."""

    callback = asyncio.Handle._run.__code__

    def __init__(self):
        self.now = self.most = 0
        self.sql = []

    def __call__(self, frame, event, argument):
        if event == "call":
            self.now = 0 if frame.f_code is self.callback else self.now + 1
            self.most = max(self.most, self.now)
        elif event == "c_call" and isinstance(getattr(argument, "__self__", None), (sqlite3.Connection, sqlite3.Cursor)):
            self.sql.append(f"{frame.f_code.co_qualname}: {argument.__name__}")


MANY = {
    "batch_create": lambda db: db.batch_create_async(Record({"id": f"n{n:04}", "n": n, "t": "x"}) for n in range(1200)),
    "batch_read": lambda db: db.batch_read_async([f"n{n:04}" for n in range(1200)]),
    "search": lambda db: db.search_async(Filter("t", "regex", "x"), max_age=0),
    "stream": lambda db: drained(db.stream_async(max_age=0)),
    "count": lambda db: db.count_async(Filter("t", "regex", "x")),
    "update": lambda db: db.update_async("n0001", Record({"n": 2})),
    "batch_delete": lambda db: db.batch_delete_async([f"n{n:04}" for n in range(1100)]),
    "clear": lambda db: db.clear_async(),
}


@pytest.mark.parametrize("engine", ["file", "off", "sqlite"])
def test_a32_the_loop_is_not_held_up(tmp_path, engine):
    """SQLite is asked in threads, and no callback does more than some milliseconds of work: told by what it calls, not by a clock."""
    if engine == "sqlite":
        db = SQLDatabase(f"sqlite:///{tmp_path / 'x.db'}")
    else:
        db = ObjectDatabase(MemoryStore(), mirror=tmp_path / "mirror.sqlite" if engine == "file" else "off")

    async def body():
        found = {}
        for name, call in MANY.items():
            watch = Watch()
            sys.setprofile(watch)
            try:
                await call(db)
            finally:
                sys.setprofile(None)
            found[name] = watch
        await db.close_async()
        return found

    found = asyncio.run(body())
    assert {name: watch.sql for name, watch in found.items() if watch.sql} == {}
    assert {name: watch.most for name, watch in found.items() if watch.most > LONGEST} == {}


LONGEST = 12_000
"""Calls within one callback: a call and what belongs to it takes some tenths of a microsecond."""
