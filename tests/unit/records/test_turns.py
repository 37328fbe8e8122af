"""Threads beside an event loop give way: how much they do between two pauses is counted, not timed."""

import asyncio
import re
import sys
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdall import _turns
from holdall._concurrency import run_async
from holdall.records import Filter, Query, Record
from holdall.records.documents import decode_document, document_of
from holdall.records.encoding import Stamp, decode_body, encode_body, encode_content
from holdall.records.lengthy import STEP, base64, binary, contains, unbase64
from holdall.records.matching import Like, cut, matches, ordered, row_key
from holdall.records.mirror import rows

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


def counted(monkeypatch, function):
    """Call a function as beside a loop, a pause at every opportunity; return what it did, and the counts."""
    between = Between()
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
    assert between.most <= 10_000  # 256 records in one call of the sort, which compares in Python
    _, between = counted(monkeypatch, lambda: [rows.record_in(_row(record)) for record in found[:500]])
    assert between.most <= 200


def _row(record):
    stamp = Stamp(record.id, NOW, NOW, "w")
    return rows.row_of(stamp, encode_content(record.data, {}), "e")


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
    monkeypatch.setattr(_turns, "_wait", lambda _: waited.append(clock[0]))

    def work():
        for _ in range(10):
            clock[0] += _turns.HELD * 0.4
            _turns.give_way()

    _turns.beside(Between(), work)
    assert waited == pytest.approx([_turns.HELD * 0.4 * turn for turn in (3, 6, 9)])


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
            parts.append(re.escape(pattern[at]))
        else:
            parts.append({"%": ".*", "_": "."}.get(pattern[at]) or re.escape(pattern[at]))
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
