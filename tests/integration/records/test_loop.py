"""Acceptance 32: no async call holds up its event loop. Told by what runs in the thread of the loop, not by a clock."""

import asyncio
import json
import os
import sqlite3
import sys

import pytest
from tests.integration.records.s3 import opened as open_s3

from holdall import _turns
from holdall.drivers.memory import MemoryStore
from holdall.drivers.objects_base import NATIVES, ObjectsBase
from holdall.records import Filter, ObjectDatabase, Query, Record, SQLDatabase, lengthy, lengthy_reading, migrate_async

pytestmark = pytest.mark.timeout(600)  # looked at by a profiler, on a machine that may be busy
WORK = tuple(
    os.path.join("records", *name.split("/")) + ".py"
    for name in ("encoding", "documents", "matching", "mirror/rows", "sql_rows", "tags")
)
"""Modules that encode, decode, compare and digest records."""
BRIEF = {
    "Content.size", "Body.stamp", "iso", "possible", "check_id", "written_of",
    "encodable", "scoped", "paths_of", "paths_of.<locals>.walk", "paths_of.<locals>.<setcomp>", "Row.names",
    "predicate", "predicate.<locals>.<listcomp>", "_test", "key_text", "name_of", "cursor_mark",
    "Omissions.__init__", "Omissions.add", "Omissions.warning",
}  # fmt: skip
"""What they have that looks into no record: queries taken apart, ids, times."""
ASKED = os.path.join("records", "query.py")
"""Where they are asked about a value in a question, which is no record's."""


class Watch:
    """Looks at the thread of a loop: the most Python calls within one of its turns, calls of SQLite, and work on records."""

    turn = asyncio.BaseEventLoop._run_once.__code__

    def __init__(self):
        self.now = self.most = 0
        self.sql, self.work = [], {}

    def __call__(self, frame, event, argument):
        if event == "call":
            code = frame.f_code
            self.now = 0 if code is self.turn else self.now + 1
            self.most = max(self.most, self.now)
            if code.co_filename.endswith(WORK) and code.co_qualname not in BRIEF and not _of_a_question(frame):
                self.work[code.co_qualname] = self.work.get(code.co_qualname, 0) + 1
        elif (
            event == "c_call"
            and isinstance(getattr(argument, "__self__", None), (sqlite3.Connection, sqlite3.Cursor))
            and frame.f_code.co_name != "__del__"  # of a database that another test dropped
        ):
            self.sql.append(f"{frame.f_code.co_qualname}: {argument.__name__}")

    async def see(self, call):
        """Await a call and look at its loop meanwhile."""
        sys.setprofile(self)
        try:
            return await call
        finally:
            sys.setprofile(None)


def _of_a_question(frame):
    return frame.f_back is not None and frame.f_back.f_code.co_filename.endswith(ASKED)


@pytest.fixture(params=["file", "off", "sqlite", "postgres"])
def db(request, tmp_path):
    if request.param == "sqlite":
        return SQLDatabase(f"sqlite:///{tmp_path / 'x.db'}")
    if request.param == "postgres":
        return SQLDatabase(request.getfixturevalue("postgres").url(request.getfixturevalue("postgres_database")))
    return ObjectDatabase(MemoryStore(), mirror=tmp_path / "mirror.sqlite" if request.param == "file" else "off")


async def drained(source):
    return [each async for each in source]


MANY = {
    "batch_create": lambda db: db.batch_create_async(Record({"id": f"n{n:04}", "n": n, "t": "x"}) for n in range(1200)),
    "batch_read": lambda db: db.batch_read_async([f"n{n:04}" for n in range(1200)]),
    "search": lambda db: db.search_async(Filter("t", "regex", "x"), max_age=0),
    "search for all": lambda db: db.search_async(),
    "search in another order": lambda db: db.search_async(Query().sort("n", "DESC").select("n")),
    "stream": lambda db: drained(db.stream_async(max_age=0)),
    "stream in another order": lambda db: drained(db.stream_async(Query().sort("n", "DESC").select("t"))),
    "ids": lambda db: drained(db.ids_async()),
    "count": lambda db: db.count_async(Filter("t", "regex", "x")),
    "select_query": lambda db: db.select_query_async("SELECT id, n, t FROM records"),
    "to_arrow": lambda db: db.to_arrow_async(),
    "update": lambda db: db.update_async("n0001", Record({"n": 2})),
    "migrate": lambda db: migrate_async(db, ObjectDatabase(MemoryStore(), mirror="off"), verify="full"),
    "check": lambda db: db.check_async(),
    "batch_delete": lambda db: db.batch_delete_async([f"n{n:04}" for n in range(1100)]),
    "clear": lambda db: db.clear_async(),
}


def test_a32_many_records(db, monkeypatch):
    """SQLite is asked in threads, and no turn does more than some milliseconds of work: pieces of it, each as short as it can be."""
    monkeypatch.setattr(_turns, "TURN", 0)

    async def body():
        found = {}
        await db.count_async()  # the first call of all loads drivers
        for name, call in MANY.items():
            found[name] = watch = Watch()
            await watch.see(call(db))
        await db.close_async()
        return found

    found = asyncio.run(body())
    assert {name: watch.sql for name, watch in found.items() if watch.sql} == {}
    assert {name: watch.most for name, watch in found.items() if watch.most > LONGEST} == {}


LONGEST = 6_000
"""Calls within one turn: a call and what belongs to it takes some tenths of a microsecond."""

TEXT = "\u00e9" * 5_000_000
"""10 MB in UTF-8."""


def long(**more):
    return Record({"text": TEXT, "list": [*range(20_000)], **more}, {"note": "x" * 10_000})


ONE = {
    "create": lambda db: db.create_async(long(id="a")),
    "read": lambda db: db.read_async("a"),
    "update": lambda db: db.update_async("a", long(n=1)),
    "upsert": lambda db: db.upsert_async("b", long(n=2)),
    "modify": lambda db: db.modify_async("a", lambda record: long(n=3)),
    "batch_create": lambda db: db.batch_create_async([long(id="c")]),
    "batch_upsert": lambda db: db.batch_upsert_async([long(id="c", n=4)]),
    "batch_update": lambda db: db.batch_update_async([("c", long(n=5))]),
    "batch_read": lambda db: db.batch_read_async(["a"]),
    "search": lambda db: db.search_async(max_age=0),
    "search in Python": lambda db: db.search_async(Filter("text", "regex", "e\u00e9$")),
    "search in another order": lambda db: db.search_async(Query().sort("n").limit(2)),
    "stream": lambda db: drained(db.stream_async()),
    "count": lambda db: db.count_async(Filter("list", "contains", 5)),
    "select_query": lambda db: db.select_query_async("SELECT id, length(text) FROM records"),
    "select_query, one row": lambda db: db.select_query_async("SELECT * FROM records WHERE id = 'a'"),
    "to_arrow": lambda db: db.to_arrow_async(Filter("id", "=", "a")),
    "migrate": lambda db: migrate_async(db, ObjectDatabase(MemoryStore()), Filter("id", "=", "a"), verify="full"),
    "check": lambda db: db.check_async(),
}


def test_a32_a_record_of_10_mb(db):
    """The loop's own thread neither encodes nor decodes it, nor compares or digests it."""

    async def body():
        found = {}
        for name, call in ONE.items():
            watch = Watch()
            await watch.see(call(db))
            if watch.work:
                found[name] = watch.work
        await db.close_async()
        return found

    assert asyncio.run(body()) == {}


def shapes():
    """10 MB in values of many kinds, each longer than what one call into C may get."""
    deep = ["x" * 50_000]
    for _ in range(40):
        deep = [deep, {"k": "y" * 50_000}]
    return {
        "text": "\u00e9" * 2_000_000,
        "picture": ("x" * 99 + "\U0001f600") * 8_000,
        "bytes": bytes(2_000_000),
        "numbers": [*range(100_000)],
        "texts": [f'"{n}\\' for n in range(40_000)],
        "floats": {f"k{n}": n / 7 for n in range(15_000)},
        "maps": [{"a": n, "b": [f"x{n}"]} for n in range(8_000)],
        "deep": deep,
        **{f"f{n}": n for n in range(5_000)},
    }


IN_STEPS = {name: ONE[name] for name in ("read", "search", "count", "migrate")} | {
    "update": lambda db: db.update_async("a", Record(shapes() | {"n": 1})),
    "batch_upsert": lambda db: db.batch_upsert_async([Record(shapes() | {"n": 2}, id="a")]),
    "modify": lambda db: db.modify_async("a", lambda record: record),
    "search in another order": lambda db: db.search_async(Query().sort("maps").sort("floats", "DESC").sort("text").limit(1)),
    "count in Python": lambda db: db.count_async(Filter("text", "like", "%zz%")),
    "select_query": lambda db: db.select_query_async("SELECT maps, floats FROM records"),
    "to_arrow": lambda db: db.to_arrow_async(),
}


@pytest.mark.parametrize("db", ["file", "sqlite"], indirect=True)
def test_a32_no_call_into_c_gets_all_of_a_long_record(db, monkeypatch):
    """What a thread beside the loop cannot be interrupted in: encoders, decoders and their like get some 64 KiB at a time."""
    given = {}
    now = ["create"]

    def watched(owner, name):
        function = getattr(owner, name)

        def call(value, *args, **kwargs):
            made = function(value, *args, **kwargs)
            size = max(len(each) for each in (value, made) if isinstance(each, (str, bytes)))
            given[now[0], name] = max(given.get((now[0], name), 0), size)
            return made

        monkeypatch.setattr(owner, name, call)

    for owner, name in (
        (json, "loads"), (json, "dumps"), (lengthy, "_ENCODE"), (lengthy, "_ORDERED"), (lengthy, "b64encode"), (lengthy, "b64decode"),
        (lengthy_reading, "_read"),
    ):  # fmt: skip
        watched(owner, name)

    async def body():
        await db.create_async(Record(shapes(), id="a"))
        await db.create_async(Record(shapes() | {"n": 1}, id="b"))  # so that the page has a cursor
        found = {}
        for now[0], call in IN_STEPS.items():
            found[now[0]] = await call(db)
        await db.close_async()
        return found

    found = asyncio.run(body())
    assert found["read"].data == shapes()
    assert found["search"][0].data == shapes()
    assert len(found["search in another order"].cursor) > 1_000_000
    assert found["count in Python"] == 0
    assert {names[1] for names in given} >= {"loads", "_ENCODE", "b64encode", "b64decode", "_read"}
    assert {names: size for names, size in given.items() if size > 4 * lengthy.STEP} == {}


@pytest.mark.parametrize("db", ["file", "off", "sqlite"], indirect=True)
def test_long_values_are_selected_as_they_are(db):
    """They come and go in steps; beside them are short ones, and nothing."""
    long = '\u00e9\U0001f600"\\' * 50_000

    async def body():
        await db.create_async(Record({"id": "a", "v": long, "n": 1}, metadata={"m": "\u00e9"}))
        await db.create_async(Record({"id": "b", "v": "short", "n": 2}))
        await db.create_async(Record({"id": "c", "n": 3, "v": [long]}))
        await db.create_async(Record({"id": "d", "n": 4}))
        rows = await db.select_query_async(
            "SELECT id, v, v AS again, length(v) AS size, n FROM records WHERE n <> 3 ORDER BY id"
        )
        listed = await db.select_query_async("SELECT v FROM records WHERE id = 'c'")
        await db.close_async()
        return rows, listed

    rows, listed = asyncio.run(body())
    assert rows == [
        {"id": "a", "v": long, "again": long, "size": len(long), "n": 1},
        {"id": "b", "v": "short", "again": "short", "size": 5, "n": 2},
        {"id": "d", "v": None, "again": None, "size": None, "n": 4},
    ]
    assert listed == [{"v": [long]}]


@pytest.mark.parametrize("connected", [True, False])
def test_a32_connect_opens_what_first_calls_would(moto_bucket, monkeypatch, connected):
    """obstore's instances are the one thing that keeps a loop for longer wherever it is done: `connect` does it before there is a loop."""
    opened = []

    def watched(store, name, genuine=ObjectsBase._opened):
        opened.append(name)
        return genuine(store, name)

    async def body():
        await db.create_async(Record({"id": "a", "n": 1}))
        await db.upsert_async("b", Record({"n": 2}))
        assert len(await db.batch_create_async(Record({"id": f"c{n}"}) for n in range(20))) == 20
        assert (await db.read_async("a"))["n"] == 1
        assert len(await db.search_async(Filter("n", ">", 0))) == 2
        await db.clear_async()

    with open_s3(moto_bucket) as db:
        if connected:
            assert db.connect().compare_and_set
        monkeypatch.setattr(ObjectsBase, "_opened", watched)
        asyncio.run(body())
    assert sorted(opened) == ([] if connected else sorted(NATIVES))
