"""A watchdog of the event loop: how long async calls on records keep it from its next turn, at the longest. The goal is 5 ms.

``python -m benchmarks.records.loop [--records N] [--kb N] [--engines …] [--shapes …] [--first] [--json]``. Each call runs beside a timer
of half a millisecond. The first number is processor time of this process between the moment at which the loop should have gone on and the
one at which it did, or the time for which its thread did not wait for a processor, if that is less: so other programs do not count. The
second one is the clock's. Python's garbage collector is off: its pauses belong to the program, and who listens to them lets the loop have
turns that it would not have. "nothing" is a loop that only computes, half a millisecond in each turn: what it shows above that is the
machine's own, such as a host that takes its processors back. First many records of ordinary size, then one record of ``--kb`` in each of
some shapes: on S3 and in memory, with a mirror in a file, in memory without one, on SQLite, and on PostgreSQL where that is installed.
``--first`` measures the first calls of this process instead, with all that they import.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import selectors
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import measuring
from benchmarks.records.quick import QuickS3

from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Query, Record, S3Database, SQLDatabase, migrate_async
from holdall.testing.servers import Postgres, ServerMissingError

GOAL = 0.005
TICK = 0.0005
SOON = 0.01
"""When a call is cancelled."""
AFTER = 1.0
"""Seconds in which the thread that it left ends."""


class Moment(NamedTuple):
    """A moment, or what has passed: by the clock, of processor time in this process, and without a processor in the loop's thread."""

    clock: float
    work: float
    idle: float

    def __sub__(self, other):
        return Moment(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def kept(self):
        """For how long this process kept the loop."""
        return min(self.clock - self.idle, self.work)


NOTHING = Moment(0.0, 0.0, 0.0)


class Watch(selectors.DefaultSelector):
    """A selector that notes for how long its loop was kept: from when it should have gone on to when it waits again."""

    def __init__(self):
        super().__init__()
        place = Path("/proc/thread-self/schedstat")
        self._queue = place.open("rb", 0) if place.exists() else None
        self.begin()

    def begin(self):
        """Look from now on."""
        self.most = self.most_clock = 0.0
        self._late = NOTHING
        self._went_on = self._now()

    def _now(self):
        idle = 0.0 if self._queue is None else int(os.pread(self._queue.fileno(), 64, 0).split()[1]) / 1e9
        return Moment(time.perf_counter(), time.process_time(), idle)

    def select(self, timeout=None):
        """Wait as any selector does."""
        waits = self._now()
        busy = waits - self._went_on
        self.most = max(self.most, max(0.0, self._late.kept) + busy.kept)
        self.most_clock = max(self.most_clock, self._late.clock + busy.clock)
        found = super().select(timeout)
        self._went_on = self._now()
        late = self._went_on - waits - Moment(timeout or 0.0, 0.0, 0.0)
        self._late = late if late.clock > 0 else NOTHING
        return found

    def close(self):
        """Let go of what it looks at."""
        super().close()
        queue, self._queue = self._queue, None  # garbage may be collected after this
        if queue is not None:
            queue.close()


async def ticking():
    """Want a turn again and again."""
    while True:  # noqa: ASYNC110  # a timer, as others on a loop have them
        await asyncio.sleep(TICK)


async def drained(source):
    return [each async for each in source]


async def left(source):
    """Read the first of a stream, and leave it."""
    found = await anext(source)
    await source.aclose()
    return found


async def cancelled(call):
    """Cancel a call that is under way."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(SOON)
    task.cancel()
    answer = await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(AFTER)
    return answer


async def computing():
    """Work for as long as a call here does, a little in each turn."""
    until = time.perf_counter() + AFTER
    while time.perf_counter() < until:
        went_on = time.perf_counter()
        while time.perf_counter() - went_on < TICK:
            pass
        await asyncio.sleep(0)


def target():
    return ObjectDatabase(MemoryStore(), mirror="off")


def person(n, **more):
    return Record(
        {"id": f"p{n:06}", "n": n, "name": f"person {n}", "tags": ["a", "b"], "at": {"city": ("Ghent", "Oslo")[n % 2], "zip": n}, **more}
    )  # fmt: skip


def many(count):
    """Name -> what to prepare, and the call, on many ordinary records."""
    ids = [f"p{n:06}" for n in range(count)]
    return {
        "nothing": (None, lambda *_: computing()),
        "first call": (None, lambda db, _: db.exists_async("nobody")),
        "batch_create": (lambda: [person(n) for n in range(count)], lambda db, given: db.batch_create_async(given)),
        "batch_read": (None, lambda db, _: db.batch_read_async(ids)),
        "batch_update": (
            lambda: [(each, person(n, again=True)) for n, each in enumerate(ids)],
            lambda db, given: db.batch_update_async(given),
        ),
        "batch_upsert": (
            lambda: [person(n, third=True) for n in range(count)],
            lambda db, given: db.batch_upsert_async(given),
        ),
        "search": (None, lambda db, _: db.search_async(Filter("at.city", "regex", "sl"), max_age=0)),
        "search for all": (None, lambda db, _: db.search_async()),
        "search, sorted": (None, lambda db, _: db.search_async(Query().sort("name", "DESC").limit(50))),
        "stream": (None, lambda db, _: drained(db.stream_async(max_age=0))),
        "stream, sorted": (None, lambda db, _: drained(db.stream_async(Query().sort("name", "DESC")))),
        "stream, left": (None, lambda db, _: left(db.stream_async())),
        "ids": (None, lambda db, _: drained(db.ids_async())),
        "count": (None, lambda db, _: db.count_async(Filter("name", "regex", "9"))),
        "select_query": (None, lambda db, _: db.select_query_async("SELECT id, n, name FROM records")),
        "to_arrow": (None, lambda db, _: db.to_arrow_async()),
        "check": (None, lambda db, _: db.check_async()),
        "migrate": (target, lambda db, given: migrate_async(db, given, verify="full")),
        "search, cancelled": (None, lambda db, _: cancelled(db.search_async(Filter("name", "regex", "9"), max_age=0))),
        "batch_read, cancelled": (None, lambda db, _: cancelled(db.batch_read_async(ids))),
        "batch_delete": (None, lambda db, _: db.batch_delete_async(ids[: count // 2])),
        "clear": (None, lambda db, _: db.clear_async()),
    }


def deep(size):
    """Lists and mappings within each other."""
    value = ["x" * 1000]
    for _ in range(150):
        value = [value, {"k": "y" * (size // 160)}]
    return value


SHAPES = {
    "text": lambda size: "\u00e9" * (size // 2),
    "emoji": lambda size: ("x" * 99 + "\U0001f600") * (size // 103),
    "bytes": lambda size: bytes(size // 4 * 3),
    "numbers": lambda size: [*range(1_000_000, 1_000_000 + size // 8)],
    "floats": lambda size: [n / 7 for n in range(size // 20)],
    "texts": lambda size: [f"text {n} \u00e9" for n in range(size // 18)],
    "names": lambda size: {f"name{n:07}": n for n in range(size // 20)},
    "maps": lambda size: [{"a": n, "b": [f"x{n}"]} for n in range(size // 32)],
    "deep": deep,
}
"""Values of so many bytes of JSON, each of one kind."""


def one(value):
    """Name -> what to prepare, and the call, on one long record."""

    def record(**more):
        return lambda: Record({"v": value, **more})

    return {
        "first call": (None, lambda db, _: db.exists_async("nobody")),
        "create": (record(id="a"), lambda db, given: db.create_async(given)),
        "read": (None, lambda db, _: db.read_async("a")),
        "update": (record(n=1), lambda db, given: db.update_async("a", given)),
        "upsert": (record(n=2), lambda db, given: db.upsert_async("b", given)),
        "modify": (None, lambda db, _: db.modify_async("a", lambda found: found.set_value("n", 3))),
        "batch_upsert": (
            lambda: [Record({"v": value, "n": 4}, id="b")],
            lambda db, given: db.batch_upsert_async(given),
        ),
        "batch_read": (None, lambda db, _: db.batch_read_async(["a", "b"])),
        "search": (None, lambda db, _: db.search_async(Filter("n", ">", 1), max_age=0)),
        "search, sorted": (None, lambda db, _: db.search_async(Query().sort("v").limit(1))),
        "stream": (None, lambda db, _: drained(db.stream_async())),
        "stream, left": (None, lambda db, _: left(db.stream_async(batch_size=1))),
        "count": (None, lambda db, _: db.count_async(Filter("v", "like", "%zz%"))),
        "select_query": (None, lambda db, _: db.select_query_async("SELECT v FROM records WHERE id = 'a'")),
        "to_arrow": (None, lambda db, _: db.to_arrow_async(Filter("id", "=", "a"))),
        "check": (None, lambda db, _: db.check_async()),
        "migrate": (target, lambda db, given: migrate_async(db, given, Filter("id", "=", "a"), verify="full")),
        "read, cancelled": (None, lambda db, _: cancelled(db.read_async("a"))),
        "upsert, cancelled": (record(n=5), lambda db, given: cancelled(db.upsert_async("b", given))),
        "delete": (None, lambda db, _: db.delete_async("a")),
    }


async def watched(watch, db, calls):
    """Make calls one after the other; return for each how long the loop was kept at most."""
    found = {}
    tick = asyncio.ensure_future(ticking())
    tasks = asyncio.all_tasks()
    for name, (prepare, call) in calls.items():
        given = prepare() if prepare else None
        await asyncio.sleep(0)
        watch.begin()
        answer = await call(db, given)
        await asyncio.sleep(TICK)
        found[name] = watch.most, watch.most_clock
        del answer, given  # a caller's own time
        if asyncio.all_tasks() != tasks:
            raise SystemExit(f"{name} left a task")
    tick.cancel()
    await asyncio.gather(tick, return_exceptions=True)
    return found


def measured(make, calls, *, connected=False):
    """Run calls on a new database, in a loop of their own; ``connected`` before there is one."""
    watch = Watch()
    db = make()
    if connected:
        db.connect()

    async def body():
        try:
            return await watched(watch, db, calls)
        finally:
            await db.clear_async()
            await db.close_async()

    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(watch)) as runner:
            return runner.run(body())
    finally:
        gc.enable()


@contextlib.contextmanager
def engines(wanted):
    """Yield functions that make an empty database, by name: those that are wanted, and can be had."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        number = iter(range(10_000))
        found = {
            "mirror": lambda: ObjectDatabase(MemoryStore(), mirror=Path(place, f"{next(number)}.mirror")),
            "no mirror": target,
            "sqlite": lambda: SQLDatabase(f"sqlite:///{place}/{next(number)}.db"),
        }
        if "s3" in wanted:
            server = stack.enter_context(QuickS3())
            s3 = server.settings | {"create_bucket": False}
            found["s3"] = lambda: S3Database.from_config(
                {**s3, "prefix": f"{next(number)}/", "mirror": f"{place}/{next(number)}.mirror"}
            )
        try:
            if "postgres" in wanted:
                server = stack.enter_context(Postgres.running())
                url = server.url(stack.enter_context(server.database()))
                found["postgres"] = lambda: SQLDatabase(url)
        except ServerMissingError as error:
            print(f"without PostgreSQL: {error}")
        yield {name: make for name, make in found.items() if name in wanted}


def show(title, rows):
    """Print one table: milliseconds of processor time, and by the clock."""
    names = list(next(iter(rows.values())))
    print(f"\n{title}: the loop was kept for at most (goal: {GOAL * 1e3:.0f} ms)")
    print(f"  {'':24}" + "".join(f"{name:>16}" for name in names))
    for call, row in rows.items():
        cells = (f"{most * 1e3:.1f}{'!' if most > GOAL else ' '}({clock * 1e3:5.1f})" for most, clock in row.values())
        print(f"  {call:24}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=5000, help="how many ordinary ones")
    parser.add_argument("--kb", type=int, default=10_000, help="size of the long one")
    parser.add_argument(
        "--engines", default="s3,mirror,no mirror,sqlite,postgres", help="those alone, with commas between them"
    )
    parser.add_argument("--shapes", default=",".join(["many", *SHAPES]), help="those alone, with commas between them")
    parser.add_argument("--first", action="store_true", help="the first calls of this process, on 20 records")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    found = {}

    def measure(title, calls, **how):
        columns = {name: measured(make, calls, **how) for name, make in made.items()}
        found[title] = {call: {name: column[call] for name, column in columns.items()} for call in calls}
        show(title, found[title])

    with engines(asked.engines.split(",")) as made:
        shapes = asked.shapes.split(",")
        if asked.first:
            shapes = []
            measure("first calls", many(20))
        for make in made.values() if shapes else ():  # what is imported by a first call counts for nobody
            measured(make, many(20))
            measured(make, one("short"))
        gc.collect()
        gc.freeze()  # what is there by now is the program's: a loop that must not wait does so after its start
        for shape in shapes:
            if shape == "many":
                calls = many(asked.records)
                measure(f"{asked.records} records", calls)
                measure("after connect", {"first call": calls["first call"]}, connected=True)
            else:
                measure(f"{asked.kb} KB of {shape}", one(SHAPES[shape](asked.kb * 1000)))
    measuring.save("benchmarks.records.loop", found, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
