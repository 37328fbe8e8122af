"""Threads beside an event loop give way: how much they do between two pauses is counted, not timed."""

import asyncio
import itertools
import os
import random
import re
import selectors
import sys
import threading
import time
import warnings
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdall import _turns
from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Query, Record, SQLDatabase
from holdall.records.documents import decode_document, document_of
from holdall.records.encoding import Stamp, decode_body, encode_body, encode_content
from holdall.records.lengthy import STEP, base64, binary, contains, unbase64
from holdall.records.matching import Like, _folded, matches
from holdall.records.mirror import rows
from holdall.records.mirror.mirror import Mirror
from holdall.records.objects_state import KnownRecords
from holdall.records.ordering import Leading, _Descending, cursor_after, cut, ordered, placed, row_key
from holdall.records.plans import EVERYTHING
from holdall.records.sql_statement import Statement
from holdall.results import CHUNK, GetResult

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
"""The machine may be busy."""
NOW = datetime(2024, 1, 2, tzinfo=UTC)
MOST = 8_000
"""Calls between two pauses: some tenths of a microsecond each."""


class Between:
    """Counts the calls of a thread between two times that it gives way."""

    def __init__(self):
        self.now = self.most = self.pauses = 0

    def __call__(self, frame, event, argument):
        if event in {"call", "c_call"}:
            self.now += 1
            self.most = max(self.most, self.now)

    def call_soon_threadsafe(self, callback, *args):
        """Have a turn at once, as a loop."""
        self.now = 0
        self.pauses += 1
        callback(*args)


def counted(monkeypatch, function, between=None):
    """Call a function as beside a loop, a pause at every opportunity; return what it did, and the counts."""
    between = between or Between()
    monkeypatch.setattr(_turns, "HELD", -1)

    def watched():
        sys.setprofile(between)
        try:
            return function()
        finally:
            sys.setprofile(None)

    return _turns.beside(between, watched), between


def deep():
    value = ["x" * 10_000]
    for _ in range(150):
        value = [value, {"k": "y" * 10_000}]
    return value


SHAPES = {
    "text": "\u00e9\0" * 500_000,
    "emoji": ("x" * 99 + "\U0001f600") * 10_000,
    "bytes": bytes(750_000),
    "numbers": [*range(1_000_000, 1_100_000)],
    "floats": [n / 7 for n in range(50_000)],
    "texts": [f"text {n} \u00e9" for n in range(50_000)],
    "names": {f"name{n:07}": n for n in range(50_000)},
    "maps": [{"a": n, "b": [f"x{n}"]} for n in range(30_000)],
    "tagged": [{"$a": b"x"} for _ in range(20_000)],
    "deep": deep(),
}


@pytest.fixture(params=[*SHAPES])
def value(request):
    return SHAPES[request.param]


def test_between_two_pauses_little_is_done(value, monkeypatch):
    """Encoded, made a row and a document of, decoded and compared; each in steps."""
    stamp = Stamp("a", NOW, NOW, "w")

    def work():
        content = encode_content({"v": value}, {})
        data = encode_body(stamp, content)
        row = rows.row_of(stamp, content, "e")
        document = document_of(content.fields)
        read = decode_body(data, id="a").fields, decode_document(document)
        record = Record(read[0], id="a")
        key = row_key(Query().sort("v"), record)
        return row.cuts, read, key, matches(Filter("v", "like", "%zz%"), record)

    (cuts, read, key, like), between = counted(monkeypatch, work)
    assert (cuts, read, key[-1], like) == ('["v"]', ({"v": value}, {"v": value}), "a", False)
    assert between.most <= MOST
    assert between.pauses > 10


def test_many_records_are_done_with_pauses(monkeypatch):
    found = [Record({"n": -n, "t": "x"}, id=f"{n:05}") for n in range(5_000)]
    (page, more), between = counted(monkeypatch, lambda: cut(Query().sort("t", "DESC").sort("n").limit(3), found))
    assert ([record.id for record in page], more) == (["04999", "04998", "04997"], True)
    assert between.most <= 5_000  # 64 records in one call of the sort, which compares in Python
    _, between = counted(monkeypatch, lambda: [rows.record_in(_row(record)) for record in found[:500]])
    assert between.most <= 200


def _row(record):
    stamp = Stamp(record.id, NOW, NOW, "w")
    return rows.row_of(stamp, encode_content(record.data, {}), "e")


class Stacks(Between):
    """Counts pauses by the functions within which they were made."""

    def __init__(self):
        super().__init__()
        self.within = Counter()

    def call_soon_threadsafe(self, callback, *args):
        super().call_soon_threadsafe(callback, *args)
        frame, names = sys._getframe(), set()
        while frame is not None:
            names.add(frame.f_code.co_qualname)
            frame = frame.f_back
        self.within.update(names)


def test_an_index_takes_and_gives_rows_with_pauses(monkeypatch):
    """SQLite keeps the interpreter from row to row: between two rows of it, and of what it is given, threads pause."""
    count, ids = 640, [f"{n:05}" for n in range(640)]
    found = {id: _row(Record({"t": "x"}, id=id)) for id in ids}
    metas = [(id, ObjectMeta(key=id, size=1, etag="e")) for id in [*ids, *(f"x{n}" for n in range(count))]]

    def work():
        mirror = Mirror(None, "")
        mirror.end(mirror.begin(ids), found)
        listing = mirror.start(weak=False)
        mirror.note(listing, metas)
        mirror.apply(listing)
        pending = mirror.pending(EVERYTHING)
        mirror.loaded([(each, None) for each in pending])
        rows, _ = mirror.rows(EVERYTHING, "TRUE", ())
        answer = mirror.ids(EVERYTHING, limit=10_000), mirror.there(ids), len(pending), len(rows)
        return answer, mirror.select(Statement("SELECT id, t FROM records", ()), {}, 60)

    (answer, selected), between = counted(monkeypatch, work, Stacks())
    assert answer == (ids, ids, count, count)
    assert selected == [{"id": id, "t": "x"} for id in ids]
    least = {
        "begin": 1, "end": 3, "note": 4, "Mirror.pending.<locals>.work": 1, "Mirror.loaded.<locals>.work": 1,
        "Mirror.rows.<locals>.work": 1, "Mirror.ids.<locals>.<lambda>": 1, "Mirror.there.<locals>.work": 1,
        "_run": 1, "answers": 1,
    }  # fmt: skip
    assert {name: between.within[name] for name in least if between.within[name] < least[name] * count // 64} == {}


def test_a_table_takes_and_gives_rows_with_pauses(monkeypatch):
    count = 640
    ids = [f"{n:05}" for n in range(count)]
    db = SQLDatabase("sqlite://")
    db.connect()

    def work():
        db.batch_create([Record({"n": n, "t": "x"}, id=id) for n, id in enumerate(ids)])
        db.batch_read(ids)
        db.search(Filter("t", "=", "x"))
        sum(1 for _ in db.stream(Query().sort("n", "DESC")))
        assert db.search(Query().sort("n", "DESC").limit(1))[0].id == ids[-1]
        assert list(db.ids()) == ids
        db.select_query("SELECT id, t FROM records")
        return db.batch_delete(ids)

    gone, between = counted(monkeypatch, work, Stacks())
    db.close()
    assert gone == [True] * count
    least = {
        "fetched": 6, "Batch._written": 1, "read_many": 1, "search": 1, "ids_after": 1, "delete_many": 1, "Plan.pages": 2,
        "answers": 1, "settled": 4, "_ids": 3, "_done": 3, "Leading.add": 2,
    }  # fmt: skip
    assert {name: between.within[name] for name in least if between.within[name] < least[name] * count // 64} == {}


@pytest.fixture
def fleeting(monkeypatch):
    """Records and descending places call something when they are let go of, which is counted."""
    for kind in (Record, _Descending):
        monkeypatch.setattr(kind, "__del__", lambda self: None, raising=False)


@pytest.mark.parametrize("behind", [None, 9_990])
def test_what_is_let_go_of_goes_with_pauses(behind, fleeting, monkeypatch):
    """Records that are not on a page, and places of records, a few at a time."""
    query = Query().sort("n", "DESC").limit(3)
    if behind is not None:
        query = query.after(cursor_after(query, Record({"n": behind}, id="09990")))
    records = [Record({"n": n}, id=f"{n:05}") for n in range(10_000)]
    random.Random(1).shuffle(records)
    expected = ["09999", "09998", "09997"] if behind is None else ["09989", "09988", "09987"]

    def page():
        leading = Leading(query)
        leading.add(placed(query, (records.pop() for _ in range(len(records)))))
        return leading.page()

    (found, more), between = counted(monkeypatch, page)
    assert ([record.id for record in found], more) == (expected, True)
    assert between.most <= MOST


def test_who_only_blocks_never_pauses(monkeypatch):
    monkeypatch.setattr(_turns, "HELD", -1)
    monkeypatch.setattr(_turns, "_wait", None)
    _turns.give_way()
    assert list(_turns.in_turns([1, 2])) == [1, 2]
    assert unbase64(base64(bytes(200_000))) == bytes(200_000)


def test_a_thread_is_beside_a_loop_as_long_as_it_works():
    threads = []

    def noted():
        threads.append(threading.get_ident())
        assert threads[-1] in _turns.BESIDE
        raise LookupError

    async def body():
        with pytest.raises(LookupError):
            await run_async(noted)

    asyncio.run(body())
    assert not set(threads) & _turns.BESIDE.keys()


def test_a_pause_comes_when_the_interpreter_was_held(monkeypatch):
    clock, waited = [0.0], []
    monkeypatch.setattr(_turns, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(_turns, "_wait", lambda _: (waited.append(clock[0]), clock[0])[1])

    def work():
        for _ in range(10):
            clock[0] += _turns.HELD * 0.4
            _turns.give_way()

    _turns.beside(Between(), work)
    assert waited == pytest.approx([_turns.HELD * 0.4 * turn for turn in (3, 6, 9)])


def test_a_pause_comes_before_a_dear_call_however_short_the_work_was(monkeypatch):
    monkeypatch.setattr(_turns, "HELD", 3600)
    loop = Between()
    _turns.pause()  # beside no loop
    assert loop.pauses == 0
    _turns.beside(loop, _turns.pause)
    _turns.beside(loop, _turns.give_way)
    assert loop.pauses == 1


class Later(Between):
    """A loop that has its turn when it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def call_soon_threadsafe(self, callback, *args):
        self.asked.append((callback, args))

    def turn(self):
        [(callback, args)] = self.asked
        callback(*args)


def test_all_threads_wait_for_the_same_turn(monkeypatch):
    """One that has worked for long asks for it; another one beside the same loop joins it, however short its work was."""
    loop, joined = Later(), []
    monkeypatch.setattr(_turns, "LONGEST", 60)
    monkeypatch.setattr(_turns, "HELD", -1)
    first = threading.Thread(target=_turns.beside, args=(loop, _turns.give_way))
    first.start()
    while not loop.asked:
        time.sleep(0.001)
    monkeypatch.setattr(_turns, "HELD", 3600)
    with monkeypatch.context() as patch:
        patch.setattr(_turns, "_wait", joined.append)
        _turns.beside(Later(), _turns.give_way)
        _turns.beside(loop, _turns.give_way)
    assert joined == [loop]
    monkeypatch.setattr(_turns, "LONGEST", 0.001)
    _turns.beside(loop, _turns.give_way)
    assert len(loop.asked) == 1  # the first one's turn was waited for
    loop.turn()
    first.join(60)
    assert not first.is_alive()
    assert loop not in _turns._wanted


@pytest.mark.parametrize("closed", [False, True])
def test_a_loop_that_has_no_turn_is_not_waited_for(closed, monkeypatch):
    loop = Later()
    if closed:
        loop = asyncio.new_event_loop()
        loop.close()
    monkeypatch.setattr(_turns, "HELD", -1)
    _turns.beside(loop, _turns.give_way)
    assert loop not in _turns._wanted
    if not closed:
        loop.turn()  # too late for anybody


def test_who_has_waited_in_vain_works_for_as_long(monkeypatch):
    """The loop may wait for what this thread holds: of 200 steps of more than a millisecond each few wait."""
    clock, loop = [0.0], Later()
    monkeypatch.setattr(_turns, "LONGEST", 0.02)
    monkeypatch.setattr(_turns, "perf_counter", lambda: clock[0])

    def work():
        for _ in range(200):
            clock[0] += _turns.HELD * 1.1
            _turns.give_way()

    _turns.beside(loop, work)
    assert 8 <= len(loop.asked) <= 11  # a wait, and 20 ms of work


def test_who_works_after_that_joins_nobody(monkeypatch):
    clock, loop = [0.0], Later()
    monkeypatch.setattr(_turns, "LONGEST", 0.02)
    monkeypatch.setattr(_turns, "perf_counter", lambda: clock[0])

    def work():
        _turns.pause()
        theirs = _turns._wanted[loop] = threading.Lock()  # another thread waits
        theirs.acquire()
        _turns.give_way()
        assert _turns._wanted[loop] is theirs
        clock[0] += 0.0201
        _turns.give_way()
        assert loop not in _turns._wanted  # nor does anybody, after this thread has joined it in vain

    _turns.beside(loop, work)
    assert len(loop.asked) == 1


class Counting(selectors.DefaultSelector):
    """Counts the turns of a loop."""

    turns = 0

    def select(self, timeout=None):
        self.turns += 1
        return super().select(timeout)


def test_tasks_share_a_turn(monkeypatch):
    """Work that never waits goes on for so long in each turn, whosever it is; who waits comes in order; a cancelled one holds up nobody."""
    clock, selector, done = itertools.count(), Counting(), []
    monkeypatch.setattr(_turns, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(_turns, "TURN", 4)

    async def work(name):
        for _ in range(20):
            await _turns.turn_async()
            done.append((selector.turns, name))

    async def body():
        tasks = [asyncio.ensure_future(work(name)) for name in range(10)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(body())
    assert Counter(name for _, name in done) == {name: 20 for name in range(10) if name != 5}
    assert max(Counter(turn for turn, _ in done).values()) <= 5
    first = [min(turn for turn, other in done if other == name) for name in range(10) if name != 5]
    assert max(first) < min(max(turn for turn, other in done if other == name) for name in range(10) if name != 5)


class Together(MemoryStore):
    """Answers all of so many requests at once, when the last one has come."""

    def __init__(self, count):
        super().__init__()
        self.come = 0
        self.all = count
        self.there = asyncio.Event()

    async def _met(self):
        self.come += 1
        if self.come == self.all:
            self.there.set()
        await self.there.wait()

    async def get_async(self, key, options=None):
        await self._met()
        return await super().get_async(key, options)

    async def put_async(self, key, source, options=None):
        await self._met()
        return await super().put_async(key, source, options)


@pytest.mark.parametrize("verb", ["read", "create"])
def test_answers_that_come_at_once_are_worked_on_in_turns(verb, monkeypatch):
    """All requests under way may be answered in one turn: each further piece of work on an answer waits for its own."""
    monkeypatch.setattr(_turns, "TURN", -1)
    selector, count = Counting(), 16
    turns, records = [], [Record({"id": f"{n:03}", "n": n}) for n in range(count)]

    def counted(owner, name):
        function = getattr(owner, name)

        def call(*args):
            turns.append(selector.turns)
            return function(*args)

        monkeypatch.setattr(owner, name, call)

    async def body():
        db = ObjectDatabase(Together(count), mirror="off", max_workers=count)
        if verb == "create":
            counted(KnownRecords, "note")
            return await db.batch_create_async(records)
        db.batch_create(records)
        counted(GetResult, "bytes_async")
        return await db.batch_read_async([record.id for record in records])

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        found = runner.run(body())
    assert len(found) == len(turns) == count
    assert max(Counter(turns).values()) <= 2


def test_a_long_body_is_read_in_turns(monkeypatch):
    monkeypatch.setattr(_turns, "TURN", 0)
    selector, count = Counting(), 8
    size = count * CHUNK

    async def chunks():
        for _ in range(count):
            yield bytes(CHUNK)

    async def body():
        return await GetResult(ObjectMeta(key="a", size=size), chunks()).bytes_async()

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(body()) == bytes(size)
    assert selector.turns >= count


@given(st.lists(st.integers(0, 5)))
@settings(deadline=None, suppress_health_check=SLOW)
def test_values_in_turns_are_the_values(values):
    assert _turns.beside(Between(), lambda: list(_turns.in_turns(values))) == values


@given(st.integers(0, 2000).flatmap(lambda n: st.randoms().map(lambda random: [random.randrange(50) for _ in range(n)])))
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
def test_ordered_in_turns_is_sorted(numbers):
    pairs = [(number, at) for at, number in enumerate(numbers)]  # equal ones stay in their order
    wanted = sorted(pairs, key=lambda pair: pair[0])
    assert _turns.beside(Between(), lambda: ordered(pairs, key=lambda pair: pair[0])) == wanted
    assert ordered(pairs, key=lambda pair: pair[0]) == wanted


def regex_of(pattern):
    """One regular expression for a LIKE pattern."""
    parts, at = [], 0
    while at < len(pattern):
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append(_folded(pattern[at]))
        else:
            parts.append({"%": ".*", "_": "."}.get(pattern[at]) or _folded(pattern[at]))
        at += 1
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


@given(st.text("aAb%_\\\n\u0130i\u00df", max_size=7), st.text("aAbi\n\u0130\u00dfs%_\\", max_size=14), st.integers(1, 6))
@settings(max_examples=600, deadline=None, suppress_health_check=SLOW)
@example("%a_b%b%", "xxaxbxxbx", 1)
@example("%a%a", "a", 1)
@example("%%", "", 1)
def test_like_in_steps_is_like_at_once(pattern, text, step):
    once = regex_of(pattern).fullmatch(text) is not None
    assert Like(pattern, step)(text) is once
    assert Like(pattern)(text) is once


def test_like_finds_what_lies_between_two_steps():
    text = "-" * (STEP - 1) + "Needle" + "-" * STEP
    assert Like("%needle%")(text)
    assert Like("-%need%le%-")(text)
    assert not Like("%needles%")(text)
    assert contains(text, "Needle")
    assert binary(text) == text.encode()


def test_a_copy_is_deep_and_made_with_pauses(monkeypatch):
    shared = [1]
    value = {"a": shared, "b": shared, "t": (shared,), "maps": SHAPES["maps"], "bytes": b"x"}
    value["self"] = value
    record = Record({"id": "x", "v": value})
    made, between = counted(monkeypatch, record.copy)
    assert between.most <= MOST
    assert made.id == "x" and type(made) is Record
    found = made["v"]
    assert found["self"] is found is not value
    assert found["a"] is found["b"] is found["t"][0] is not shared
    assert found["maps"] == value["maps"] and found["maps"][0] is not value["maps"][0]
    made["v"] = None
    assert record["v"] is value


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_forked_child_knows_no_threads_of_its_parent(monkeypatch):
    monkeypatch.setitem(_turns.BESIDE, -1, (None, 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os._exit(0 if not _turns.BESIDE else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert -1 in _turns.BESIDE
