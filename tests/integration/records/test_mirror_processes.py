"""Acceptance 9, 10, 13 to 15 and 33: several processes, killed ones, and a mirror file that is deleted or damaged under way."""

import asyncio
import gc
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial

import pytest

from holdall.drivers.local import LocalStore
from holdall.records import DuplicateRecordError, Filter, ObjectDatabase, Record
from holdall.records.encoding import decode_body
from holdall.records.keys import key_to_id
from holdall.records.mirror.file import MirrorWarning
from holdall.testing.colour import colour_named

HEAD = """
import os, signal, sys
from holdall.drivers.local import LocalStore
from holdall.records import DuplicateRecordError, Filter, ObjectDatabase, Record
from holdall.testing.colour import colour_named

root, mirror, name = sys.argv[1:4]
context = colour_named(name)
db = context.__enter__()(ObjectDatabase(LocalStore(root), mirror=mirror))
def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(place, **options):
    root = place / "root"
    root.mkdir(exist_ok=True)
    return ObjectDatabase(LocalStore(root), **{"mirror": place / "mirror.sqlite", "owned": True, **options})


def start(place, colour, body):
    """Run a program in a process of its own, whose ``db`` has this colour."""
    (place / "root").mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-c",
        HEAD + textwrap.dedent(body),
        str(place / "root"),
        str(place / "mirror.sqlite"),
        colour.name,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def truth(place):
    """Return what is really stored, read without the library's search."""
    found = {}
    for path in (place / "root" / "records").glob("*.json"):
        id = key_to_id(path.name)
        found[id] = decode_body(path.read_bytes(), id=id).fields
    return found


def agrees(place, db):
    stored = truth(place)
    assert {record.id: record.data for record in db.search()} == stored
    assert db.count() == len(stored)


def test_a09_two_processes_create_the_same_ids(tmp_path, colour):
    body = """
        won = []
        for number in range(500):
            try:
                won.append(db.create(Record({"id": f"{number:03}", "by": os.getpid()})))
            except DuplicateRecordError:
                pass
        print(*won)
    """
    first, second = (set(ended(p).split()) for p in [start(tmp_path, colour, body), start(tmp_path, colour, body)])
    assert first | second == {f"{number:03}" for number in range(500)}
    assert not first & second
    with opened(tmp_path) as db:
        agrees(tmp_path, db)


def test_a10_four_processes_modify_one_counter(tmp_path, colour):
    with opened(tmp_path) as db:
        db.create(Record({"id": "n", "n": 0}))
        body = """
            def grow(record):
                record["n"] += 1
            for _ in range(250):
                db.modify("n", grow, attempts=100_000)
        """
        for process in [start(tmp_path, colour, body) for _ in range(4)]:
            ended(process)
        assert db.require("n")["n"] == 1000
        assert [record["n"] for record in db.search()] == [1000]


def test_a13_kill_in_a_batch(tmp_path, colour):
    body = """
        import threading
        def watch():
            while len(os.listdir(os.path.join(root, "records"))) < 1500:
                pass
            die()
        os.makedirs(os.path.join(root, "records"))
        threading.Thread(target=watch, daemon=True).start()
        db.batch_create([Record({"id": f"{n:04}", "n": n}) for n in range(5000)])
    """
    process = start(tmp_path, colour, body)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    stored = truth(tmp_path)
    assert 0 < len(stored) < 5000
    assert all(fields == {"id": id, "n": int(id)} for id, fields in stored.items()), "every stored object is whole"
    with opened(tmp_path) as db:
        agrees(tmp_path, db)
        assert len(db.batch_upsert([Record({"id": f"{n:04}", "n": n}) for n in range(5000)])) == 5000
        assert db.count() == 5000
        agrees(tmp_path, db)


FAULTS = {
    "after the intent": "one.create = one.create_async = die; db.create(Record({'id': 'new'}))",
    "before the outcome": "journal.end = die; db.create(Record({'id': 'new'}))",
    "in the outcome": "journal.next_number = die; db.create(Record({'id': 'new'}))",
    "update before the outcome": "journal.end = die; db.update('a', Record({'n': 100}))",
    "delete before the outcome": "journal.end = die; db.delete('a')",
    "before the listing is taken over": "listing.apply = die; db.search()",
    "while it is taken over": "listing.drop = die; db.search()",
    "before bodies are kept": "mirror.Mirror.loaded = die; db.search()",
    "while bodies are kept": "journal.store_row = die; db.search()",
}


@pytest.mark.parametrize("where", list(FAULTS))
def test_a14_kill_within_the_protocol(tmp_path, colour, where):
    """The next process answers right, its mirror warm or cold, and no lock stays."""
    with opened(tmp_path, mirror="off") as plain, opened(tmp_path) as db:
        plain.batch_create([Record({"id": name, "n": number}) for number, name in enumerate("abc")])
        if "listing" not in where and "bodies" not in where:
            db.search()
        body = f"""
            from holdall.records import objects_record{"_async" if colour.name == "async" else ""} as one
            from holdall.records.mirror import journal, listing, mirror
            {FAULTS[where]}
        """
        process = start(tmp_path, colour, body)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
        agrees(tmp_path, db)
        db.create(Record({"id": "later", "n": 7}))
        db.update("a", Record({"n": 8})) or db.create(Record({"id": "a", "n": 8}))
        agrees(tmp_path, db)
    with opened(tmp_path, cache_ttl=60) as again:
        agrees(tmp_path, again)


def _noise(path):
    path.write_bytes(os.urandom(50_000))


def _truncated(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    os.truncate(path, path.stat().st_size // 2)


def _told(sql, path):
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()


DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "noise": _noise,
    "truncated": _truncated,
    "emptied": lambda path: os.truncate(path, 0),
    "no meta": partial(_told, "DELETE FROM meta"),
    "no counter": partial(_told, "DELETE FROM meta WHERE name = 'seq'"),
    "odd time": partial(_told, "UPDATE meta SET value = 'x' WHERE name = 'started'"),
}


@pytest.mark.parametrize("open_meanwhile", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("how", list(DAMAGE))
def test_a15_damage(tmp_path, colour, how, open_meanwhile):
    """Answers are right, without a warning: the file is replaced. One that is not seen to be a mirror is kept aside, with one."""
    db = opened(tmp_path, cache_ttl=60)
    db.batch_create([Record({"id": f"{n:03}", "n": n, "text": "x" * 200}) for n in range(200)])
    assert db.count(Filter("n", ">=", 150)) == 50
    if not open_meanwhile:
        db.close()
        db = opened(tmp_path, cache_ttl=60)
    DAMAGE[how](tmp_path / "mirror.sqlite")
    seen, odd = colour(db), how in {"noise", "truncated"} and not open_meanwhile
    with pytest.warns(MirrorWarning, match="damaged") if odd else nullcontext():
        assert seen.count(Filter("n", ">=", 150)) == 50
    assert (tmp_path / "mirror.sqlite.damaged").exists() == odd
    seen.update("000", Record({"n": 1000}))
    seen.delete("001")
    assert sorted(r["n"] for r in seen.search(Filter("n", ">=", 198))) == [198, 199, 1000]
    agrees(tmp_path, seen)
    db.close()


def test_a15_a_changed_row_is_not_returned(tmp_path, colour):
    """What somebody wrote into the file is not an answer: rows carry a checksum."""
    with opened(tmp_path, cache_ttl=60) as db:
        db.batch_create([Record({"id": f"{n}", "n": n}) for n in range(3)])
        db.search()
        with sqlite3.connect(tmp_path / "mirror.sqlite") as connection:
            connection.execute('UPDATE rec SET fields = \'{"id":"1","n":99}\' WHERE id = \'1\'')
        connection.close()
        assert [r["n"] for r in colour(db).search()] == [0, 1, 2]
        agrees(tmp_path, colour(db))


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_a15_a_file_that_cannot_be_written(tmp_path, colour, how, monkeypatch):
    """SQLite itself refuses: one warning, and answers stay right."""
    with opened(tmp_path) as db:
        db.batch_create([Record({"id": f"{n:03}", "n": n}) for n in range(100)])
        db.search()
    connect = sqlite3.connect

    def limited(place, **options):
        if place == ":memory:":
            return connect(place, **options)
        if how == "read-only":
            return connect(f"file:{place}?mode=ro", uri=True, **options)
        connection = connect(place, **options)
        connection.execute("PRAGMA max_page_count=1")  # as many as there are: no more is to be had
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)
    db = opened(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = colour(db)
        seen.batch_create([Record({"id": f"new{n:03}", "n": n, "text": "x" * 3000}) for n in range(100)])
        seen.update("000", Record({"n": 1000}))
        seen.delete("001")
        assert seen.count(Filter("n", ">=", 90)) == 21
        agrees(tmp_path, seen)
        db.close()
    assert [w.category for w in caught] == [MirrorWarning]


def test_a15_a_file_that_cannot_be_used(tmp_path, colour):
    """One warning, then the index is kept in memory; a file of another program is left alone."""
    foreign = tmp_path / "mirror.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = foreign.read_bytes()
    for place in (foreign, tmp_path / "mirror.sqlite" / "below-a-file"):
        db = opened(tmp_path, mirror=place)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen = colour(db)
            seen.upsert(Record({"id": "a", "n": 1}))
            assert [r["n"] for r in seen.search()] == [1]
            assert seen.count() == 1
        assert [w.category for w in caught] == [MirrorWarning]
        if colour.name == "blocking":  # the other one asks an index from threads, which have no line of ours
            assert caught[0].filename == __file__
        db.close()
    assert foreign.read_bytes() == before


def test_a15_a_file_that_cannot_be_opened_is_not_mourned(tmp_path, monkeypatch):
    """What Python tells of objects that die with an error would be on the screen of every user."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    (tmp_path / "mirror.sqlite").mkdir()
    with opened(tmp_path) as db:
        with pytest.warns(MirrorWarning, match="unable to open"):
            db.create(Record({"id": "a"}))
        assert db.count() == 1
    gc.collect()
    assert [each for each in told if "_Connection" in repr(each.object)] == []


def test_a33_after_fork_and_in_threads(tmp_path, colour):
    """A child after fork opens the mirror itself; many threads share one handle."""
    db = opened(tmp_path)
    db.batch_create([Record({"id": f"{n}"}) for n in range(20)])
    assert db.count() == 20

    def child(queue):
        with colour_named(colour.name) as own:
            own(db).create(Record({"id": "child"}))
            queue.put(own(db).count())

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = context.Process(target=child, args=(queue,))
        process.start()
    assert queue.get(timeout=120) == 21
    process.join(120)
    assert db.count() == 21
    errors = []

    def work(number):
        try:
            with colour_named(colour.name) as own:
                for step in range(10):
                    own(db).upsert(f"t{number}", Record({"step": step}))
                    assert own(db).count() >= 21
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    agrees(tmp_path, db)
    db.close()


FORKING = """
import atexit, threading, time, warnings
from contextlib import ExitStack
from holdall.errors import ForkedProcessError
from holdall.records.mirror.file import MirrorWarning
from holdall.wrappers.forwarding import ForwardingStore

warnings.simplefilter("error", MirrorWarning)

def forked(body):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a hang ends so
        code = 1
        try:
            with colour_named(name) as own:
                body(own)
            code = 0
        except BaseException as error:
            print("in the child:", repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid

def well(pid):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, code

def held(lock):
    began, over = threading.Event(), threading.Event()
    def hold():
        with lock:
            began.set()
            over.wait()
    threading.Thread(target=hold).start()
    began.wait()
    return over

plain = ObjectDatabase(LocalStore(root), mirror=mirror, cache_ttl=3600)
colour = colour_named(name).__enter__()
db = colour(plain)
db.create(Record({"id": "a"}))
assert db.count() == 1
"""

FORKS = {
    "the parent closes": """
        told, go_on = os.pipe(), os.pipe()
        def child(own):
            own(plain).create(Record({"id": "one"}))
            os.write(told[1], b"x"), os.read(go_on[0], 1)
            own(plain).create(Record({"id": "two"}))
            assert own(plain).mirror.path == mirror
        pid = forked(child)
        os.read(told[0], 1)
        assert db.count() == 2
        db.close()
        os.write(go_on[1], b"x")
        well(pid)
        other = ObjectDatabase(LocalStore(root), mirror=mirror, cache_ttl=3600)
        assert [record.id for record in colour(other).search()] == ["a", "one", "two"]
    """,
    "a transaction": """
        inside = threading.Event()
        def slow(connection):
            connection.execute("INSERT OR REPLACE INTO names VALUES ('x')")
            inside.set()
            time.sleep(0.5)
        thread = threading.Thread(target=lambda: plain.mirror._file.call(slow))
        thread.start()
        inside.wait()
        well(forked(lambda own: own(plain).create(Record({"id": "child"}))))
        thread.join()
        assert [record.id for record in db.search()] == ["a", "child"]
        assert plain.mirror.path == mirror
    """,
    "a transaction that takes too long": """
        from holdall.records import forks
        inside, over = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: plain.mirror._file.call(lambda connection: (inside.set(), over.wait())))
        thread.start()
        inside.wait()
        forks.PATIENCE = 0.1
        def child(own):
            again = own(ObjectDatabase(LocalStore(root), mirror=mirror))
            for act in (own(plain).search, lambda: own(plain).create(Record({"id": "child"})), again.count):
                try:
                    act()
                except ForkedProcessError as error:
                    assert "spawn" in str(error)
                else:
                    raise AssertionError
            assert own(plain).read("a")["id"] == "a"
            assert own(ObjectDatabase(LocalStore(root), mirror=mirror + "2")).count() == 1
            own(plain).close()
        well(forked(child))
        over.set()
        thread.join()
        assert [record.id for record in db.search()] == ["a"]
    """,
    "locks": """
        state = plain._state
        over = [held(lock) for lock in (state.known._lock, state.window._lock, state._lock)]
        def child(own):
            state.window.refused(state.window.round)
            assert own(plain).batch_create([Record({"id": f"c{n}"}) for n in range(9)]) == [f"c{n}" for n in range(9)]
            assert own(plain).read("c1")["id"] == "c1"
            own(plain).delete("c1")
            assert own(plain).count() == 9
            fresh = ObjectDatabase(LocalStore(root), mirror=mirror)
            assert own(fresh).count() == 9
        pid = forked(child)
        well(pid)
        for each in over:
            each.set()
        assert db.count() == 9
    """,
    "the lock of a living process": """
        [alive] = os.listdir(f"{mirror}.processes")
        def child(own):
            assert own(plain).count() == 1
            theirs = set(os.listdir(f"{mirror}.processes"))
            assert alive in theirs and len(theirs) == 2
            atexit._run_exitfuncs()
            assert os.listdir(f"{mirror}.processes") == [alive]
        well(forked(lambda own: atexit._run_exitfuncs()))
        well(forked(child))
        assert db.count() == 1
        assert len(os.listdir(f"{mirror}.processes")) == 1
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
@pytest.mark.parametrize("when", list(FORKS))
def test_a33_fork_after_use(tmp_path, colour, when):
    """Children work on the file as any process does, whatever threads of the parent are at; where they cannot they are told."""
    ended(start(tmp_path, colour, FORKING + textwrap.dedent(FORKS[when])))


LISTING = """
class Slow(LocalStore):
    def list(self, *args, **named):
        for page in super().list(*args, **named):
            if os.getpid() == parent:
                listing.set()
                time.sleep(60)
            yield page

    async def list_async(self, *args, **named):
        for page in self.list(*args, **named):
            yield page

parent, listing = 0, threading.Event()
slow = ObjectDatabase(Slow(root), mirror=mirror, cache_ttl=0)
parent = os.getpid()
def search():
    with colour_named(name) as own:
        own(slow).search()
threading.Thread(target=search, daemon=True).start()
listing.wait()
def child(own):
    while os.getppid() == parent:
        time.sleep(0.01)
    assert [record.id for record in own(slow).search()] == ["a"]
    print("found", flush=True)
    time.sleep(60)
print(forked(child), flush=True)
die()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_a33_a_lister_that_forked_is_killed(tmp_path, colour):
    """Its child does not keep the lister's place, which is free for the child itself, and for others."""
    process = start(tmp_path, colour, FORKING + LISTING)
    told = process.stdout
    child = int(told.readline())
    try:
        assert process.wait(60) == -signal.SIGKILL
        assert told.readline() == "found\n"
        with opened(tmp_path) as db:
            agrees(tmp_path, db)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        process.communicate(timeout=60)


def test_s09_processes_that_end_leave_no_file(tmp_path, colour):
    """One that closes nothing removes its lock when it ends; what a killed one left the next listing removes."""
    processes = tmp_path / "mirror.sqlite.processes"
    ended(start(tmp_path, colour, "db.create(Record({'id': 'a'}))\nassert db.count() == 1"))
    assert list(processes.iterdir()) == []
    for _ in range(3):
        start(tmp_path, colour, "db.count()\ndie()").communicate(timeout=60)
    assert len(list(processes.iterdir())) == 1, "each one removed what the one before left"
    with opened(tmp_path) as db:
        assert colour(db).count() == 1
        assert len(list(processes.iterdir())) == 1
    assert list(processes.iterdir()) == []


def _asked(name, db, n):
    """Be a process of a pool."""
    with colour_named(name) as own:
        own(db).upsert(f"p{n}", Record({"n": n}))
        return own(db).require(f"p{n}")["n"] + len(own(db).search(Filter("id", "startswith", "p0")))


def test_a33_a_process_pool(tmp_path, colour):
    """Databases travel to processes that were spawned, and work there."""
    with opened(tmp_path) as db:
        db.upsert("p0", Record({"n": 0}))
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            assert sorted(pool.map(partial(_asked, colour.name), [db] * 4, range(4))) == [1, 2, 3, 4]
        assert db.count() == 4
        agrees(tmp_path, db)


def test_a33_two_loops(tmp_path):
    """One handle, in event loops one after the other and at once in threads, beside blocking calls."""
    with opened(tmp_path) as db:

        async def body(number):
            await asyncio.gather(*(db.upsert_async(f"{number}-{n}", Record({"n": n})) for n in range(5)))
            return len(await db.search_async(Filter("id", "startswith", f"{number}-")))

        assert [asyncio.run(body(number)) for number in (0, 1)] == [5, 5]
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda number: asyncio.run(body(number)), (2, 3))) == [5, 5]
        assert db.count() == 20
        agrees(tmp_path, db)


def test_g02_writes_of_another_handle_are_seen_at_once(tmp_path, colour):
    """Two handles on one mirror: what one has written the other one finds, without a listing."""
    with opened(tmp_path, cache_ttl=3600) as first, opened(tmp_path, cache_ttl=3600) as second:
        first.refresh()
        for step in range(5):
            colour(first).create(Record({"id": f"{step}", "n": step}))
            assert [r["n"] for r in colour(second).search(Filter("n", "=", step))] == [step]
        colour(second).delete("0")
        assert colour(first).count() == 4
        with pytest.raises(DuplicateRecordError):
            first.create(Record({"id": "1"}))
        agrees(tmp_path, first)
