"""Programs over nodes, and local paths; both colours."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from holdall import StorageManager
from holdall.errors import PermissionDeniedError, PreconditionError
from holdall.mounts import CallHandle, inout, output

PYTHON = sys.executable
COPY = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read().upper())"
APPEND = "import sys; open(sys.argv[1], 'ab').write(b' more')"


@pytest.fixture(params=["ram", "disk"])
def storage(request, tmp_path):
    (tmp_path / "root").mkdir()
    mounts = {"ram": {"type": "memory"}, "disk": {"type": "local", "path": str(tmp_path / "root")}}
    with StorageManager({"here": mounts[request.param]}) as storage:
        storage.node("here:in.txt").write("text")
        yield storage


@pytest.fixture(autouse=True)
def private_temporaries(tmp_path, monkeypatch):
    """Look afterwards that nothing is left in the place of temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert list((tmp_path / "tmp").iterdir()) == []


# -- call -----------------------------------------------------------------------------------------------------------------


def test_inputs_and_outputs(storage, say):
    source, target = storage.node("here:in.txt"), storage.node("here:deep/out.txt")
    done: list[int] = []
    assert say(source, "call", PYTHON, "-c", COPY, source, target, callback=lambda: done.append(1)) is None
    assert target.read() == "TEXT"
    assert source.read() == "text"
    assert done == [1]
    say(source, "call", PYTHON, "-c", COPY, source, output(target))
    assert target.read() == "TEXT"


def test_names_are_kept(storage, say):
    node = storage.node("here:in.txt")
    printed = say(node, "call", PYTHON, "-c", "import sys; print(sys.argv[1])", node, return_output=True)
    assert printed.strip().endswith("in.txt")


def test_the_node_itself_may_be_changed(storage, say):
    node = storage.node("here:in.txt")
    say(node, "call", PYTHON, "-c", APPEND, node)
    assert node.read() == "text more"
    other = storage.node("here:other.txt")
    other.write("x")
    say(node, "call", PYTHON, "-c", APPEND, inout(other))
    assert other.read() == "x more"


def test_a30_nothing_is_written_back_if_nothing_changed(storage, say):
    node = storage.node("here:in.txt")
    etag = node.stat().etag
    say(node, "call", PYTHON, "-c", "pass", node)
    assert node.stat().etag == etag


def test_a30_an_input_that_is_changed_is_named(storage, say):
    node, other = storage.node("here:in.txt"), storage.node("here:other.txt")
    other.write("x")
    with pytest.raises(PermissionDeniedError, match=r"here:other\.txt"):
        say(node, "call", PYTHON, "-c", APPEND, other)


def test_a30_inputs_need_no_permission(storage, say):
    storage.configure({"fixed": {"path": "here:", "permissions": "readonly"}})
    source = storage.node("fixed:in.txt")
    say(storage.node("here:out"), "call", PYTHON, "-c", COPY, source, storage.node("here:out"))
    assert storage.node("here:out").read() == "TEXT"
    with pytest.raises(PermissionDeniedError, match="read-only"):
        say(source, "call", PYTHON, "-c", COPY, source, storage.node("fixed:new"))
    show = (
        "import os, sys; print(os.listdir(sys.argv[1]) if os.path.isdir(sys.argv[1]) else open(sys.argv[1]).read(), end='')"
    )
    assert say(source, "call", PYTHON, "-c", show, source, return_output=True) == "text"  # the node itself too
    storage.node("here:d/a").write("1")
    assert say(storage.node("here:d"), "call", PYTHON, "-c", show, storage.node("here:d"), return_output=True) == "['a']"
    with pytest.raises(PermissionDeniedError, match="changed 'fixed:in.txt'"):
        say(source, "call", PYTHON, "-c", APPEND, source)


def test_a_failing_program_writes_nothing_back(storage, say):
    node, new = storage.node("here:in.txt"), storage.node("here:new.txt")
    code = "import sys; [open(a, 'w').write('half') for a in sys.argv[1:]]; sys.exit('it broke')"
    done: list[int] = []
    with pytest.raises(subprocess.CalledProcessError) as raised:
        say(node, "call", PYTHON, "-c", code, node, new, callback=lambda: done.append(1))
    assert raised.value.returncode == 1
    assert "it broke" in raised.value.stderr
    assert node.read() == "text"
    assert not new.exists
    assert done == []


def test_output_that_was_not_made(storage, say):
    with pytest.raises(FileNotFoundError):
        say(storage.node("here:in.txt"), "call", PYTHON, "-c", "pass", storage.node("here:never"))


def test_options_of_the_program(storage, say, tmp_path):
    node = storage.node("here:in.txt")
    code = "import os, sys; print(os.environ['WORD'], os.getcwd(), sys.stdin.read())"
    printed = say(node, "call", PYTHON, "-c", code, env={"WORD": "hi"}, cwd=str(tmp_path), input="given", return_output=True)
    assert printed.split() == ["hi", str(tmp_path), "given"]
    with pytest.raises(subprocess.TimeoutExpired):
        say(node, "call", PYTHON, "-c", "import time; time.sleep(60)", timeout=0.3)
    with pytest.raises(ValueError, match="shell"):
        say(node, "call", "cat", node, shell=True)
    assert say(node, "call", "echo a b", shell=True, return_output=True) == "a b\n"
    with pytest.raises(TypeError, match="text"):
        say(node, "call", PYTHON, "-c", "pass", text=True)
    with pytest.raises(FileNotFoundError):
        say(node, "call", "no-such-program-anywhere", node)


def test_snapshots_are_inputs(say):
    with StorageManager({"old": {"type": "memory", "versioned": True}}) as storage:
        node = storage.node("old:a")
        node.write("one")
        node.write("two")
        say(node, "call", PYTHON, "-c", COPY, node.at(0), storage.node("old:b"))
        assert storage.node("old:b").read() == "ONE"


# -- in the background ----------------------------------------------------------------------------------------------------


def test_background(storage):
    node, target = storage.node("here:in.txt"), storage.node("here:out")
    done: list[int] = []
    handle = node.call(PYTHON, "-c", COPY, node, target, async_mode=True, callback=lambda: done.append(1))
    assert isinstance(handle, CallHandle)
    handle.wait(60)
    assert target.read() == "TEXT"
    assert done == [1]
    assert handle.pid
    printed = node.call(PYTHON, "-c", "print(5)", async_mode=True, return_output=True)
    assert printed.result(60) == "5\n"


def test_a30_background_errors_surface(storage):
    node = storage.node("here:in.txt")
    handle = node.call(PYTHON, "-c", "raise SystemExit('no')", async_mode=True)
    with pytest.raises(subprocess.CalledProcessError):
        handle.wait(60)
    storage.close()  # it was fetched


def test_background_errors_that_nobody_fetched_are_raised_at_the_end(storage, caplog):
    storage.node("here:in.txt").call(PYTHON, "-c", "raise SystemExit('no')", async_mode=True)
    with pytest.raises(subprocess.CalledProcessError):
        storage.close()
    assert "nobody asked" in caplog.text
    storage.close()


def test_background_programs_can_be_ended(storage):
    handle = storage.node("here:in.txt").call(PYTHON, "-c", "import time; time.sleep(60)", async_mode=True)
    end = time.monotonic() + 30
    while handle.pid is None and time.monotonic() < end:
        time.sleep(0.01)
    handle.terminate()
    with pytest.raises(subprocess.CalledProcessError) as raised:
        handle.wait(60)
    assert raised.value.returncode == -signal.SIGTERM


def test_a30_cancelling_leaves_no_process(storage):
    node = storage.node("here:in.txt")
    code = "import os, sys, time; print(os.getpid(), flush=True); open(sys.argv[1], 'w').write('half'); time.sleep(60)"
    read, write = os.pipe()

    async def main() -> int:
        task = asyncio.create_task(node.call_async(PYTHON, "-c", code, node, stdout=write))
        pid = int(await asyncio.to_thread(os.read, read, 100))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    try:
        pid = asyncio.run(main())
    finally:
        os.close(read)
        os.close(write)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert node.read() == "text"


# -- local_path (A29) -----------------------------------------------------------------------------------------------------


def in_place(node, colour, mode, work, **named):
    """Work on a local path in one colour."""
    if colour == "blocking":
        with node.local_path(mode, **named) as path:
            return work(path)

    async def main():
        async with node.local_path_async(mode, **named) as path:
            return work(path)

    return asyncio.run(main())


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a29_local_paths(storage, colour):
    node = storage.node("here:in.txt")
    assert in_place(node, colour, "r", lambda path: Path(path).read_text()) == "text"
    assert in_place(node, colour, "r", os.path.basename) == "in.txt"
    in_place(node, colour, "rw", lambda path: Path(path).write_text("changed"))
    assert node.read() == "changed"
    etag = node.stat().etag
    in_place(node, colour, "rw", lambda path: Path(path).read_text())
    assert node.stat().etag == etag
    new = storage.node("here:made/new.bin")
    in_place(new, colour, "w", lambda path: Path(path).write_bytes(b"new"))
    assert new.read_bytes() == b"new"
    with pytest.raises(FileNotFoundError):
        in_place(storage.node("here:none"), colour, "r", lambda path: path)
    with pytest.raises(ValueError, match="mode"):
        in_place(node, colour, "x", lambda path: path)


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a29_local_paths_after_an_exception(storage, colour):
    node, new = storage.node("here:in.txt"), storage.node("here:new")

    def fail(path):
        Path(path).write_text("half")
        raise RuntimeError("broken")

    for place, mode in ((node, "rw"), (new, "w")):
        with pytest.raises(RuntimeError, match="broken"):
            in_place(place, colour, mode, fail, atomic=True)
    assert node.read() == "text"
    assert not new.exists


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a29_local_paths_and_somebody_else(colour):
    with StorageManager({"ram": "memory://"}) as storage:
        node = storage.node("ram:f")
        node.write("old")

        def race(path):
            node.write("theirs")
            Path(path).write_text("mine")

        with pytest.raises(PreconditionError) as raised:
            in_place(node, colour, "rw", race)
        assert node.read() == "theirs"
        kept = Path(str(raised.value).rpartition("kept at ")[2].split(" [")[0])
        assert kept.read_text() == "mine"
        kept.unlink()
        kept.parent.rmdir()


def test_local_paths_of_directories(storage):
    storage.node("here:d/a.txt").write("1")
    storage.node("here:d/e/b.txt").write("2")
    with storage.node("here:d").local_path() as path:
        assert (Path(path) / "e" / "b.txt").read_text() == "2"


def test_a_whole_mount_is_a_directory_for_programs(storage, say):
    """The root itself, a relative mount's too, and under permissions."""
    storage.node("here:d/a.txt").write("1")
    storage.configure({"part": "here:d", "fixed": {"path": "here:d", "permissions": "readonly"}})
    for mount in ("part", "fixed"):
        top = storage.node(mount)
        assert in_place(top, "blocking", "r", os.listdir) == in_place(top, "async", "r", os.listdir) == ["a.txt"]
        assert say(storage.node("here:in.txt"), "call", "ls", top, return_output=True) == "a.txt\n"
        real = storage.node("here:d").resolved_path
        assert top.resolved_path == real
        assert (real is None) == (storage.node("here:").resolved_path is None)
    assert "d" in in_place(storage.node("here:"), "blocking", "r", os.listdir)
    in_place(
        storage.node("part:"),
        "blocking",
        "w",
        lambda path: (Path(path).mkdir(exist_ok=True), Path(path, "b").write_text("2")),
    )
    assert storage.node("here:d/b").read() == "2"
