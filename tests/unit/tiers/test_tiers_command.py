"""`holdall tiers`: output, JSON, exit codes; the store by URL, environment and file."""

import json

import pytest

from holdall.cli.running import run
from holdall.tiers import FileStore


@pytest.fixture
def command(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    for name in ("HOLDALL_CONFIG", "HOLDALL_FILESTORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    (tmp_path / "holdall.toml").write_text(
        f'[filestore]\nlocations = ["file://{tmp_path}/near?name=hot", "file://{tmp_path}/far?name=cold"]\n'
    )

    def call(*arguments):
        capfdbinary.readouterr()
        code = run(["tiers", *arguments])
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return call


def test_files_in_and_out(command, tmp_path):
    (tmp_path / "source").write_bytes(b"content")
    assert command("put", "source", "a/b") == (0, "hot  written\ncold  written\n", "")
    assert command("put", "source", "a/b")[1] == "hot  already\ncold  already\n"
    assert [json.loads(line)["status"] for line in command("put", "source", "a/b", "--force", "--json")[1].splitlines()] == [
        "written"
    ] * 2
    assert command("put", "source", "a/b", "--create")[0] == 1
    assert command("put", "source", "far only", "-l", "far", "-q") == (0, "", "")
    assert command("get", "a/b") == (0, "content", "")
    assert command("get", "far only", "copy")[1] == "copy: 7 bytes from cold\n"
    assert command("get", "far only", "-l", "near")[0] == 1
    code, out, _ = command("ls")
    assert (code, [line.split("  ")[-2:] for line in out.splitlines()]) == (0, [["a/b", "hot,cold"], ["far only", "cold"]])
    assert json.loads(command("ls", "far", "--json")[1])["locations"] == ["cold"]
    code, out, _ = command("locate", "far only")
    assert (code, out.splitlines()[0]) == (0, "hot  not there")
    assert [json.loads(line)["found"] for line in command("locate", "a/b", "--json")[1].splitlines()] == [True, True]
    assert command("promote", "far only") == (0, "far only\n", "")
    code, out, err = command("promote", "nobody has it", "a/b", "nor this")
    assert (code, out, [line.split(": ")[1] for line in err.splitlines()]) == (1, "", ["nobody has it", "nor this"])
    code, out, err = command("rm", "../x", "a/b", "/y", "far only", "absent")
    assert (code, out, [line.split(": ")[1] for line in err.splitlines()]) == (1, "", ["../x", "/y"])
    assert command("locate", "a/b")[0] == 1


def test_usage(command):
    """The parser adds its own brackets and dots."""
    for name in ("rm", "get", "ls"):
        usage = command(name, "--help")[1].splitlines()[0]
        assert "[[" not in usage
        assert "...}" not in usage


def test_verify_and_repair(command, tmp_path):
    with FileStore(f"file://{tmp_path}/near?name=hot", f"file://{tmp_path}/far?name=cold") as fs:
        fs.put("both", b"same")
        fs.put("gap", b"x", "cold")
        fs.put("split", b"one", "hot")
        fs.put("split", b"two", "cold")
    code, out, err = command("verify")
    assert (code, err) == (1, "")
    assert out.splitlines() == ["missing  gap  hot", "differs  split  hot,cold  (the copies are not the same)"]
    assert json.loads(command("verify", "gap", "--json")[1])["problem"] == "missing"
    assert command("verify", "gap", "--expect", "somewhere")[0] == 0
    assert command("repair", "gap", "--dry-run") == (0, "would be repaired  gap  hot\n", "")
    code, out, _ = command("repair")
    assert (code, out.splitlines()) == (1, ["repaired  gap  hot", "unresolved  split  sound copies differ: say --prefer"])
    assert json.loads(command("repair", "--prefer", "far", "--json")[1])["outcome"] == "repaired"
    assert command("verify", "--deep") == (0, "", "")
    assert (tmp_path / "near" / "split").read_bytes() == b"two"
    assert command("verify", "--expect", "most")[0] == 2


def test_where_the_store_comes_from(command, tmp_path, monkeypatch):
    assert command("status") == (
        0,
        f"hot  file://{tmp_path}/near?name=hot  answers\ncold  file://{tmp_path}/far?name=cold  answers\n",
        "",
    )
    dead = "ftp://me:hunter2@127.0.0.1:1/x?name=dead"
    code, out, _ = command("status", "--url", f"file://{tmp_path}/near?name=one", "--url", dead, "--json")
    assert (code, [json.loads(line)["ok"] for line in out.splitlines()]) == (1, [True, False])
    assert "hunter2" not in out
    code, out, err = command("put", "holdall.toml", "k", "--url", f"file://{tmp_path}/near?name=one", "--url", dead)
    assert (code, out) == (1, "")
    assert "'k' is held by one; failed: dead:" in err
    assert "hunter2" not in err
    monkeypatch.setenv("HOLDALL_FILESTORE", "memory://?name=of-the-environment")
    assert command("status")[1].startswith("of-the-environment  ")
    assert command("ls", "--name", "archive")[0] == 2
    assert command("ls", "--config", str(tmp_path / "holdall.toml"))[0] == 0
    assert command("ls", "--config", "other.toml") == (2, "", "holdall: there is no configuration at other.toml\n")
    assert command("get", "k", "--location", "nowhere")[0] == 2
