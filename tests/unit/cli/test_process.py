"""The command as a process: pipes, signals, many keys, terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


def test_the_installed_command_works(here):
    command = os.path.join(os.path.dirname(sys.executable), "holdall")
    done = subprocess.run([command, "ls", "src"], cwd=here, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.txt\nd/\n", "")


def test_a_closed_pipe_is_quiet(spawn, here):
    (here / "many").mkdir()
    for i in range(20_000):
        (here / "many" / f"{i:05}").touch()
    process = spawn("ls", "many")
    assert process.stdout is not None
    assert process.stdout.readline() == b"00000\n"
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_names_come_before_the_listing_ends(spawn, here):
    (here / "many").mkdir()
    for i in range(5_000):
        (here / "many" / f"{i:05}").touch()
    process = spawn("ls", "-r", "--json", "many")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out.count(b"\n") == 5_000


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        ("SIGINT", 130, b"holdall: interrupted\n"),
        ("SIGTERM", 143, b"holdall: ended by SIGTERM\n"),
    ],
)
def test_interrupting_a_copy_leaves_nothing_half_done(spawn, here, number, code, said):
    (here / "big").mkdir()
    for i in range(40):
        with open(here / "big" / f"{i}", "wb") as file:
            file.truncate(64 * 1024 * 1024)
    process = spawn("cp", "-r", "big", "disk:big")
    end = time.monotonic() + 30
    while not (here / "store/big").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, said)
    left = [path for path in (here / "store").rglob("*") if path.is_file()]
    assert all(path.stat().st_size == 64 * 1024 * 1024 for path in left)
    assert not [path for path in left if path.name.startswith(".holdall")]
    assert len(left) < 40


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(spawn, here):
    leader, follower = pty.openpty()
    process = spawn("cp", "-r", "src", "disk:t", stderr=follower)
    os.close(follower)
    out, _ = process.communicate(timeout=60)
    drawn = b""
    try:
        while piece := os.read(leader, 65536):
            drawn += piece
    except OSError:
        pass
    os.close(leader)
    assert process.returncode == 0
    assert b"copying" in drawn
    assert out.decode().splitlines()[0].startswith("3 copied")
    process = spawn("cp", "-r", "src", "disk:u")
    out, err = process.communicate(timeout=60)
    assert len(out.splitlines()) == 4
    assert err == b""


def test_serve(spawn, here):
    """One place stands at the root, several below their names; Ctrl-C ends it."""
    (here / "src" / "index.html").write_text("home")
    for places, paths in ((["src"], ["a.txt", ""]), (["src", "disk:"], ["src/a.txt", "src/"])):
        process = spawn("serve", "--port", "0", "--index", "index.html", "--max-age", "60", *places)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        url = line.split()[-1]
        assert line.startswith("serving src")
        with urllib.request.urlopen(
            urllib.request.Request(url + paths[0], headers={"Range": "bytes=1-"}), timeout=60
        ) as answer:
            assert (answer.status, answer.read(), answer.headers["Cache-Control"]) == (206, b"aa", "max-age=60")
        with urllib.request.urlopen(url + paths[1], timeout=60) as answer:
            assert answer.read() == b"home"
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(url + "holdall.toml", timeout=60)
        raised.value.close()
        assert raised.value.code == 404
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert b'" 206 2\n' in err and b"Traceback" not in err


def test_serve_refuses_what_is_not_there(spawn):
    for places, code in ((["nowhere"], 1), (["src", "./src"], 2)):
        process = spawn("serve", "--port", "0", *places)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (code, b"")
        assert err.startswith(b"holdall: ") and err.count(b"\n") == 1


def test_commands_on_files_load_no_other_face(here):
    code = "import sys; from holdall.cli import main; main(['ls', 'src']); print(sorted(set(sys.modules) & set(sys.argv)))"
    faces = [f"holdall.{face}" for face in ("records", "tiers", "containers", "columns")]
    said = subprocess.run(
        [sys.executable, "-c", code, *faces], cwd=here, capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout == "a.txt\nd/\n[]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_streams(here):
    command = os.path.join(os.path.dirname(sys.executable), "holdall")

    def shell(line):
        return subprocess.run(
            ["sh", "-c", f'"{command}" {line}'], cwd=here, capture_output=True, text=True, timeout=60, check=False
        )

    done = shell("cat src/a.txt >&-")
    assert (done.returncode, done.stderr) == (1, "holdall: standard output is closed: write >/dev/null if nobody reads it\n")
    done = shell("ls nothing-here 2>&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert shell("cp -r src disk:copy 2>&-").returncode == 0
    assert (here / "store" / "copy" / "d" / "b.txt").read_text() == "bbbb"
