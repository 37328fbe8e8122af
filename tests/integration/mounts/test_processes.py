"""Several processes at one key (A9), and a mover that is killed at every step (A18).

Content of a memory mount is in one process, so there is nothing to show across processes for it: its threads and tasks are in `test_nodes`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.integration.mounts import racing

from holdall import StorageManager

HERE = Path(__file__).parent
TIMEOUT = 100


@pytest.fixture(params=["disk", "s3"])
def mount(request, tmp_path, s3_mount):
    """The description of a mount that several processes can reach."""
    if request.param == "s3":
        return s3_mount(request.getfixturevalue("moto_bucket"))
    (tmp_path / "root").mkdir()
    return {"type": "local", "path": str(tmp_path / "root")}


@contextmanager
def racers(mount, act, colour, names):
    """Start processes that wait for the word; yields a function that gives it and returns what each of them said."""
    with ExitStack() as stack:
        started = []
        for name in names:
            command = [sys.executable, str(HERE / "racing.py"), json.dumps(mount), act, colour, name]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stdout.readline() == "ready\n"

        def say_go():
            for process in started:
                process.stdin.write("go\n")
                process.stdin.flush()

        def answers():
            return [json.loads(process.communicate(timeout=TIMEOUT)[0]) for process in started]

        yield say_go, answers


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a09_one_winner_among_16_threads_or_tasks_and_4_processes(mount, colour):
    with StorageManager({"m": mount}) as storage, racers(mount, "claim", colour, [f"process {n}" for n in range(4)]) as race:
        say_go, answers = race
        node = storage.node("m:race")
        won = []

        def work(name):
            barrier.wait(TIMEOUT)
            if racing.claim(node, name):
                won.append(name)

        async def tasks():
            say_go()
            names = [f"task {n}" for n in range(16)]
            found = await asyncio.gather(*(racing.claim_async(node, name) for name in names))
            won.extend(name for name, mine in zip(names, found, strict=True) if mine)

        if colour == "async":
            asyncio.run(tasks())
        else:
            barrier = threading.Barrier(16, action=say_go)
            threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(TIMEOUT)
        won += [f"process {n}" for n, mine in enumerate(answers()) if mine]
        assert len(won) == 1
        assert node.read() == won[0]


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a09_appenders_in_two_processes_lose_no_line(mount, colour):
    names = ["one", "two"]
    with StorageManager({"m": mount}) as storage, racers(mount, "append", colour, names) as race:
        node = storage.node("m:race")
        node.write("")
        say_go, answers = race
        say_go()
        answers()
        lines = node.read().splitlines()
        assert sorted(lines) == sorted(f"{name}-{number}" for name in names for number in range(racing.LINES))


# -- moving ---------------------------------------------------------------------------------------------------------------


@contextmanager
def mover(mounts, colour):
    """Start a process that has loaded everything and opened nothing; yields what moves ``a:t`` to ``b:t`` and dies at a step."""
    command = [sys.executable, str(HERE / "dying.py"), json.dumps(mounts), colour]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def move(step):
            process.stdin.write(f"{step}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        try:
            yield move
        finally:
            process.stdin.close()
            process.wait(TIMEOUT)


@pytest.mark.parametrize(("colour", "pair"), [("blocking", "disk s3"), ("async", "disk s3"), ("async", "s3 disk")])
def test_a18_a_move_killed_at_every_step_loses_no_file_and_a_rerun_completes(colour, pair, tmp_path, moto_bucket, s3_mount):
    """Each verb that the move asks of either store is a step before it and one after it; the mover gets SIGKILL there."""
    mounts = {}
    for name, kind in zip("ab", pair.split(), strict=True):
        (tmp_path / name).mkdir()
        mounts[name] = (
            {"type": "local", "path": str(tmp_path / name)} if kind == "disk" else s3_mount(moto_bucket, path=name)
        )
    with StorageManager(mounts) as storage, mover(mounts, colour) as move:
        ours, theirs = storage.node("a:t/d/1.txt"), storage.node("b:t/d/1.txt")
        for step in range(100):
            ours.write("one")
            theirs.delete()
            killed = move(step) != 0
            left, arrived = ours.exists, theirs.exists
            assert left or arrived, step
            assert {node.read() for node, there in ((ours, left), (theirs, arrived)) if there} == {"one"}, step
            if not killed:
                break
            if left:
                storage.move("a:t", "b:t")
            assert (ours.exists, theirs.exists) == (False, True), step
        assert not killed
        assert step >= 8, (
            "a move is a listing, a read, a write and a deletion at the least, with a step before and one after each"
        )
        assert [node.path for node in storage.node("a:").rglob("*") if node.info.is_file()] == []
        assert [node.path for node in storage.node("b:").rglob("*") if node.info.is_file()] == ["t/d/1.txt"]
