"""Acceptance 16: what a search shows while another process writes. Every answer is held against the journal of the writer.

For the minute of the requirement: ``HOLDALL_SOAK=60 pytest tests/integration/records/test_freshness.py``.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase, Record

HEAD = """
import asyncio, json, select, sys, time
from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase, Record

root, mirror, ttl, colour = sys.argv[1:5]
db = ObjectDatabase(LocalStore(root), mirror=mirror, cache_ttl=float(ttl))
runner = asyncio.Runner()

def call(verb, *arguments):
    if colour == "blocking":
        return getattr(db, verb)(*arguments)
    async def body():
        return await getattr(db, verb + "_async")(*arguments)
    return runner.run(body())

print("ready", flush=True)
sys.stdin.readline()
until = time.monotonic() + float(sys.argv[5])
notes = []
"""
WRITER = """
step = 0
while time.monotonic() < until or step < 300:
    step += 1
    id = f"r{step % 7}"
    begin = time.monotonic()
    if step % 5 == 0:
        call("delete", id)
    else:
        call("upsert", id, Record({"n": step}))
    notes.append([id, None if step % 5 == 0 else step, begin, time.monotonic()])
    begin = time.monotonic()
    call("upsert", "kept", Record({"n": step}))  # always there, and always another: an old answer shows
    notes.append(["kept", step, begin, time.monotonic()])
    time.sleep(0.002)  # others have their turn
print(json.dumps(notes))
"""
SEARCHER = """
while time.monotonic() < until or len(notes) < 20:
    begin = time.monotonic()
    found = {record.id: record["n"] for record in call("search")}
    notes.append([begin, time.monotonic(), found])
    time.sleep(0.005)
print(json.dumps(notes))
"""
SECONDS = float(os.environ.get("HOLDALL_SOAK") or 4)
SLACK = 0.05
"""The guarantee is told by the clock of the day, this journal by another one."""


def start(root, body, mirror, ttl, colour):
    command = [sys.executable, "-c", textwrap.dedent(HEAD + body), str(root), str(mirror), str(ttl), colour, str(SECONDS)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def states(journal):
    """Return, for each id, its states with the span in which each may have been the present one."""
    found = {"kept": [[0, float("-inf"), float("inf")]]}
    for id, n, begin, end in journal:
        past = found.setdefault(id, [[None, float("-inf"), float("inf")]])
        past[-1][2] = end  # it may have been current until the next write was acknowledged
        past.append([n, begin, float("inf")])
    return found


@pytest.mark.timeout(600 + 10 * SECONDS)
def test_a16_a_writer_and_searchers_in_processes(tmp_path):
    """Separate mirrors with a ``cache_ttl`` of 0 and 2: G1; the writer's own mirror, never listed again: G2.

    One record is never deleted, and every step writes it: who does not look again has it of too old a state, or not at all.
    """
    root = tmp_path / "root"
    root.mkdir()
    ObjectDatabase(LocalStore(root), mirror="off").create(Record({"n": 0}, id="kept"))
    shared = tmp_path / "shared.sqlite"
    searchers = {
        (0, "blocking"): tmp_path / "zero.sqlite",
        (0, "async"): tmp_path / "zero-async.sqlite",
        (2, "blocking"): tmp_path / "two.sqlite",
        (3600, "blocking"): shared,
        (3600, "async"): shared,
    }
    children = [start(root, WRITER, shared, 3600, "blocking")]
    children += [start(root, SEARCHER, mirror, ttl, colour) for (ttl, colour), mirror in searchers.items()]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * len(children)
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    journal, *answers = (json.loads(child.communicate(timeout=300 + 5 * SECONDS)[0]) for child in children)
    assert len(journal) >= 600
    history = states(journal)
    for (ttl, colour), searches in zip(searchers, answers, strict=True):
        age = 0 if ttl == 3600 else ttl + SLACK if ttl else 0
        assert len(searches) >= 20
        assert searches[-1][1] - searches[0][0] > 1.5 * ttl or ttl == 3600, "long enough for an answer to be too old"
        versions = {found["kept"] for _, _, found in searches}
        assert len(versions) >= (2 if ttl == 2 else 20), f"{ttl}, {colour}: answers change: {versions}"
        for begin, end, found in searches:
            assert found.keys() <= history.keys()
            for id, spans in history.items():
                seen = found.get(id)
                assert any(n == seen and since <= end and until >= begin - age for n, since, until in spans), (
                    f"{ttl}, {colour}: {id} was {seen} from {begin} to {end}: {spans}"
                )
