"""The commands, as functions of their arguments: output, JSON, exit codes, errors in one line."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from holdall import __version__
from holdall.drivers.local import LocalStore
from holdall.errors import PermissionDeniedError


def test_ls(run):
    assert run("ls").lines == ["holdall.toml", "src/", "store/"]
    assert run("ls", "src").lines == ["a.txt", "d/"]
    assert run("ls", "-r", "src").lines == ["a.txt", "d/b.txt", "d/c.bin"]
    assert run("ls", "src/a.txt").lines == ["src/a.txt"]
    said = run("ls", "-l", "src")
    assert said.lines[0].split()[0] == "3"
    assert said.lines[0].endswith("  a.txt")
    assert said.lines[1].split()[0] == "-"
    assert "4 B" in run("ls", "-lHr", "src").lines[1]
    found = [json.loads(line) for line in run("ls", "-r", "--json", "src").lines]
    assert [(f["name"], f["size"], f["kind"]) for f in found] == [
        ("a.txt", 3, "file"),
        ("d/b.txt", 4, "file"),
        ("d/c.bin", 2, "file"),
    ]
    assert found[0]["path"].endswith("/src/a.txt")
    assert run("ls", "disk:").lines == []


def test_cp_files(run, here):
    said = run("cp", "src/a.txt", "disk:x/y.txt")
    assert (said.code, said.err) == (0, "")
    assert said.lines[-1].startswith("1 copied; 3 bytes")
    assert (here / "store/x/y.txt").read_text() == "aaa"
    run("cp", "-q", "src/a.txt", "disk:x/")
    run("cp", "-q", "src/a.txt", "disk:")
    run("cp", "-q", "src/a.txt", "disk:x")
    assert sorted(str(p.relative_to(here / "store")) for p in (here / "store").rglob("*.txt")) == [
        "a.txt",
        "x/a.txt",
        "x/y.txt",
    ]
    said = run("cp", "--json", "disk:a.txt", "out.txt")
    report = json.loads(said.out)
    assert (report["copied"], report["bytes"], report["source"]) == (1, 3, "disk:a.txt")
    assert report["target"].endswith("/out.txt")
    assert (here / "out.txt").read_text() == "aaa"
    assert run("cp", "-q", "disk:a.txt", f"file://{here}/url.txt").code == 0
    assert (here / "url.txt").read_text() == "aaa"


def test_cp_directories(run, here):
    said = run("cp", "src", "disk:copy")
    assert said.code == 1
    assert said.err == "holdall: 'src' is a directory: -r copies it\n"
    assert sorted(run("cp", "-r", "src", "disk:copy").lines[:3]) == [
        f"copied {here}/src/{name}" for name in ("a.txt", "d/b.txt", "d/c.bin")
    ]
    run("cp", "-rq", "src", "disk:copy")
    assert run("ls", "-r", "disk:copy").lines == ["a.txt", "d/b.txt", "d/c.bin"]
    [line] = run("cp", "-r", "--skip", "size", "src", "disk:copy").lines
    assert line.startswith("3 skipped; 0 bytes in ")
    run("cp", "-rq", "--include", "*.txt", "--exclude", "d/*", "src", "disk:some")
    assert run("ls", "-r", "disk:some").lines == ["a.txt"]
    said = run("cp", "-rn", "src", "disk:none")
    assert said.lines[0].startswith("would be copied: ")
    assert said.lines[-1].startswith("would be: ")
    assert run("ls", "disk:none").code == 1


def test_cp_many(run, here):
    assert run("cp", "-rq", "src/a.txt", "src/d", "disk:all").code == 0
    assert run("ls", "-r", "disk:all").lines == ["a.txt", "d/b.txt", "d/c.bin"]


def test_mv(run, here):
    run("cp", "-rq", "src", "disk:m")
    assert run("mv", "disk:m/a.txt", "disk:m/z.txt").lines[-1].startswith("1 moved")
    assert run("mv", "-q", "disk:m/d", "moved").code == 0
    assert run("ls", "-r", "disk:m").lines == ["z.txt"]
    assert sorted(p.name for p in (here / "moved").iterdir()) == ["b.txt", "c.bin"]
    report = json.loads(run("mv", "--json", "moved", "renamed").out)
    assert (report["copied"], report["target"]) == (1, str(here / "renamed"))  # a directory is renamed as one
    assert not (here / "moved").exists()
    assert sorted(p.name for p in (here / "renamed").iterdir()) == ["b.txt", "c.bin"]


def test_rm(run, here):
    run("cp", "-rq", "src", "disk:r")
    assert run("rm", "disk:r/a.txt").lines == ["deleted disk:r/a.txt"]
    assert run("rm", "disk:r").err == "holdall: 'disk:r' is a directory: -r deletes it\n"
    assert run("rm", "disk:none").code == 1
    assert run("rm", "-r", "disk:none").code == 1
    for flags in ("-f", "-rf"):
        said = run("rm", flags, "disk:none")
        assert (said.code, said.out) == (0, "")  # nothing was deleted
    assert json.loads(run("rm", "-r", "--json", "disk:r").out) == {"deleted": "disk:r"}
    assert run("rm", "-r", "disk:").code == 2
    run("cp", "-rq", "src", "disk:r")
    assert run("rm", "-rq", "--root", "disk:").code == 0
    assert list((here / "store").iterdir()) == []
    assert run("rm", "-rq", "src/d").code == 0
    assert not (here / "src/d").exists()


def test_rm_takes_the_link_not_what_it_leads_to(run, here):
    (here / "link").symlink_to(here / "src" / "a.txt")
    assert run("cat", "link").out == "aaa"
    assert run("rm", "-q", "link").code == 0
    assert not (here / "link").is_symlink()
    assert (here / "src/a.txt").read_text() == "aaa"


def test_cat(run):
    assert run("cat", "src/a.txt", "src/d/b.txt").out == "aaabbbb"
    assert base64.b64decode(json.loads(run("cat", "--json", "src/d/c.bin").out)["content"]) == b"\0\1"
    said = run("cat", "src")
    assert (said.code, said.err) == (1, "holdall: 'src' is a directory: ls lists it\n")
    said = run("cat", "src/none.txt")
    assert (said.code, said.out) == (1, "")
    assert "nothing at 'none.txt'" in said.err


def test_several_places_go_on_after_one_that_fails(run, here):
    said = run("cat", "src/a.txt", "src/none", "src/d/b.txt")
    assert (said.code, said.out) == (1, "aaabbbb")
    assert said.err.startswith("holdall: src/none: nothing at 'none'")
    assert said.err.count("\n") == 1
    assert run("rm", "src/none", "s3://u:hunter2@", "src/a.txt").code == 2  # wrong usage: nothing is done
    said = run("rm", "src/none", "src/a.txt")
    assert (said.code, said.lines) == (1, [f"deleted {here}/src/a.txt"])
    assert run("stat", "src/none", "src/d").code == 1


def test_no_mounts_at_all(run, here):
    (here / "holdall.toml").unlink()
    said = run("mounts")
    assert (said.code, said.out) == (0, "")
    assert "no mounts are configured" in said.err


def test_stat(run):
    lines = run("stat", "src/a.txt").lines
    assert "kind: file" in lines
    assert "size: 3" in lines
    stat = json.loads(run("stat", "--json", "src").out)
    assert stat["kind"] == "directory"
    assert run("stat", "none").code == 1


def test_mounts(run):
    said = run("mounts")
    assert [line.split()[0] for line in said.lines] == ["disk", "docs", "fixed", "cloud"]
    assert "relative  disk:docs" in said.out
    assert "hunter2" not in said.out
    found = [json.loads(line) for line in run("mounts", "--json").lines]
    assert found[2]["capabilities"].startswith("read-only")


def test_sync_and_verify(run, here):
    said = run("verify", "src", "disk:s")
    assert (said.code, said.err) == (1, "holdall: nothing at 'disk:s'\n")
    assert said.lines[-1] == "0 the same, 3 different"
    assert run("sync", "-q", "src", "disk:s").code == 0
    said = run("verify", "src", "disk:s")
    assert (said.code, said.lines) == (0, ["3 the same, 0 different"])
    (here / "store/s/extra").write_text("x")
    (here / "src/a.txt").write_text("AAA")
    found = {
        json.loads(line)["path"]: json.loads(line)["difference"] for line in run("verify", "--json", "src", "disk:s").lines
    }
    assert found == {"a.txt": "differs or is missing", "extra": "is only in the target"}
    assert (
        run("sync", "src", "disk:s", "--delete", "--compare", "hash").lines[-1].startswith("1 copied, 2 skipped, 1 deleted")
    )
    assert run("sync", "src", "disk:s", "--compare", "hash").lines[-1].startswith("3 skipped")
    assert run("verify", "src", "disk:s").code == 0


def test_verify_tells_paths_below_the_places_that_are_compared(run, here):
    for name in ("docs/old/d/x", "docs/old/d/gone", "s/new/d/x", "s/new/d/more"):
        (here / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "store" / name).write_text(name)
    wanted = {"d/x": "differs or is missing", "d/gone": "differs or is missing", "d/more": "is only in the target"}
    for source, target in (("docs:old", "disk:s/new"), ("store/docs/old", "store/s/new")):
        found = [json.loads(line) for line in run("verify", "--json", source, target).lines]
        assert {line["path"]: line["difference"] for line in found} == wanted
        assert set(run("verify", source, target).lines[:-1]) == {f"{path}: {word}" for path, word in wanted.items()}
    said = run("sync", "--delete", "--dry-run", "docs:old", "disk:s/new").lines[:-1]
    assert set(said) == {"would be copied: d/gone", "would be copied: d/x", "would be deleted: d/more"}
    assert run("verify", "docs:old/d/x", "disk:s/new/d/x").lines[0] == "x: differs or is missing"


def test_verify_goes_on_after_what_cannot_be_compared(run, monkeypatch):
    assert run("sync", "-q", "src", "disk:s").code == 0
    read = LocalStore.get

    def get(store, key, options=None, **more):
        if key.endswith("d/b.txt"):
            raise PermissionDeniedError("not yours", key=key)
        return read(store, key, options, **more)

    monkeypatch.setattr(LocalStore, "get", get)
    said = run("verify", "src", "disk:s")
    assert (said.code, len(said.lines), said.lines[-1]) == (1, 2, "2 the same, 1 different")
    assert said.lines[0].startswith("d/b.txt: cannot be compared: not yours")
    (line,) = run("verify", "--json", "src", "disk:s").lines
    assert (json.loads(line)["path"], json.loads(line)["difference"]) == ("d/b.txt", "cannot be compared")


def test_usage_errors_are_one_line_and_code_2(run):
    for arguments in (
        ["ls", "--nonsense"],
        ["nonsense"],
        ["cp", "one"],
        ["cp"],
        ["rm"],
        ["ls", "a", "b"],
        ["cp", "-r", "--skip", "maybe", "src", "disk:x"],
        ["cp", "-r", "--verify", "maybe", "src", "disk:x"],
        ["sync", "--compare", "maybe", "src", "disk:x"],
    ):
        said = run(*arguments)
        assert said.err.count("\n") == 1, said.err
        assert said.err.startswith("holdall: ")
        assert said.code == 2, arguments


def test_configuration_errors_are_code_2(run, here):
    said = run("ls", "nope:x")
    assert said.code == 2
    assert "Mount point 'nope' not found (available: 'disk', 'docs', 'fixed', 'cloud')" in said.err
    said = run("--config", "missing.toml", "ls", "disk:")
    assert (said.code, said.err) == (2, "holdall: there is no configuration at missing.toml\n")
    (here / "bad.toml").write_text('[mounts.x]\ntype = "lokal"\n')
    said = run("ls", "x:", "--config", "bad.toml")
    assert said.code == 2
    assert "Unknown storage type 'lokal', did you mean 'local'?" in said.err
    assert run("ls", "nonsense://x").code == 2


def test_a_wrong_mount_troubles_only_who_asks_for_it(run, here):
    (here / "some.yaml").write_text(
        f"far: {{type: s3, bucket: '${{NO_SUCH_BUCKET_IS_SET}}'}}\nbelow: {{path: 'far:x'}}\nsub: {{path: 'good:d'}}\n"
        f"gone: {{type: local, path: '{here}/none'}}\ngood: {{type: local, path: '{here}/src'}}\n"
    )
    said = run("--config", "some.yaml", "ls", "good:")
    assert (said.code, said.lines, said.err) == (0, ["a.txt", "d/"], "")
    assert run("--config", "some.yaml", "ls", "sub:").lines == ["b.txt", "c.bin"]
    for name, wrong in {
        "far": "NO_SUCH_BUCKET_IS_SET is not set",
        "below": "NO_SUCH_BUCKET_IS_SET is not set",
        "gone": "none' does not exist",
    }.items():
        said = run("--config", "some.yaml", "cp", "src/a.txt", f"{name}:a.txt")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("holdall: some.yaml: mount ")
        assert wrong in said.err
    said = run("--config", "some.yaml", "mounts")
    assert (said.code, said.err) == (2, "holdall: 2 of 5 mounts cannot be used\n")
    assert [line.split()[0] for line in said.lines] == ["far", "below", "sub", "gone", "good"]
    assert "far  not usable: some.yaml: mount 'far': environment variable" in said.out
    told = [json.loads(line) for line in run("--config", "some.yaml", "mounts", "--json").lines]
    assert [line["name"] for line in told if "error" in line] == ["far", "gone"]
    (here / "bad.yaml").write_text(f"a b: {{type: memory}}\ngood: {{type: local, path: '{here}/src'}}\n")
    said = run("--config", "bad.yaml", "ls", "good:")
    assert (said.code, said.err) == (2, "holdall: bad.yaml: a mount name cannot hold ' ': 'a b'\n")


def test_other_configurations(run, here, monkeypatch):
    (here / "other.yaml").write_text(f"mounts:\n  o: {{type: local, path: '{here}/src'}}\n")
    for arguments in (["--config", "other.yaml", "ls", "o:"], ["ls", "o:", "--config", "other.yaml"]):
        assert run(*arguments).lines == ["a.txt", "d/"]
    monkeypatch.setenv("HOLDALL_CONFIG", str(here / "other.yaml"))
    assert run("ls", "o:d").lines == ["b.txt", "c.bin"]


def test_permissions(run):
    said = run("cp", "src/a.txt", "fixed:a.txt")
    assert said.code == 1
    assert "read-only" in said.err


def test_secrets_do_not_come_out(run):
    said = run(
        "ls", "s3://AKIAIOSFODNN7EXAMPLE:hunter2-secret@bucket/x?endpoint_url=http://127.0.0.1:1&allow_http=true&retries=0"
    )
    assert said.code != 0
    assert "hunter2" not in said.out + said.err
    assert said.err.count("\n") == 1


def test_names_cannot_forge_lines(run, here):
    (here / "src" / "two\nlines\x1b[31m").write_text("x")
    assert run("ls", "src").lines == ["a.txt", "d/", "two\\nlines\\x1b[31m"]
    assert json.loads(run("ls", "--json", "src").lines[-1])["name"] == "two\nlines\x1b[31m"


def test_odd_local_names(run, here):
    (here / "a:b").write_text("colon")
    assert run("cat", "a:b").out == "colon"
    assert run("cat", "./a:b").out == "colon"
    (here / "ü %2F").write_text("odd")
    assert run("cat", "ü %2F").out == "odd"


def test_version_and_help(run):
    assert run("--version").out == f"holdall {__version__}\n"
    said = run("--help")
    assert said.code == 0
    assert "Exit codes" in said.out
    assert run().code == 2
    from holdall.cli.app import command_names

    for name in command_names():
        assert run(name, "--help").code == 0
        assert name in said.out


def test_what_is_not_there_is_named_as_it_was_written(run, here):
    assert run("stat", f"file://{here}/none").err == f"holdall: nothing at 'file://{here}/none'\n"
    assert run("stat", "memory:///none").err == "holdall: nothing at 'memory:///none'\n"


def test_content_in_a_url_is_named_by_itself(run, here):
    assert json.loads(run("stat", "--json", "data:;base64,aGk=").out)["path"] == "data:;base64,aGk="
    assert run("cp", "data:;base64,aGk=", "disk:hi").lines[0] == "copied data:;base64,aGk="
    assert (here / "store/hi").read_text() == "hi"


def test_versions(run, here, tmp_path):
    (tmp_path / "versioned.toml").write_text('[mounts.old]\ntype = "memory"\nversioned = true\n')
    place = ("--config", str(tmp_path / "versioned.toml"))
    said = run("versions", *place, "old:none")
    assert (said.code, said.out, said.err) == (1, "", "holdall: no version of anything at 'old:none'\n")
    assert run("versions", *place, "old:").err == "holdall: 'old:' is a directory: files have versions\n"
    assert run("versions", "disk:a").err.startswith("holdall: this mount does not support versioning")


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_a_missing_extra_is_one_line(module, monkeypatch, capfd):
    import importlib.util

    from holdall.cli import main

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == module else real(name, *rest))
    assert main(["ls"]) == 2
    assert capfd.readouterr().err == f'holdall: this command needs {module}: pip install "holdall[cli]"\n'


def test_a_bug_is_one_line_too(run, monkeypatch):
    from holdall.cli import acts

    def broken(*args, **named):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(acts, "list_place", broken)
    said = run("ls")
    assert said.code == 1
    assert said.err == "holdall: internal error: ZeroDivisionError: oops (set HOLDALL_DEBUG=1 to see where)\n"
    monkeypatch.setenv("HOLDALL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("ls")


def test_places_in_the_parent(run, here, monkeypatch):
    (here / "src/d").mkdir(exist_ok=True)
    monkeypatch.chdir(here / "src" / "d")
    assert run("ls", "..").lines == ["a.txt", "d/"]
    assert run("cp", "-q", "../a.txt", ".").code == 0
    assert Path("a.txt").read_text() == "aaa"


def test_zip(run, here):
    import io
    import zipfile

    assert run("zip", "src", "disk:").lines[0].startswith("disk:src.zip: ")
    with zipfile.ZipFile(here / "store/src.zip") as archive:
        assert archive.namelist() == ["a.txt", "d/b.txt", "d/c.bin"]
    assert json.loads(run("zip", "--json", "src/a.txt", "out.zip").out)["path"].endswith("/out.zip")
    assert zipfile.is_zipfile(here / "out.zip")
    assert run("zip", "none", "x.zip").code == 1
    assert not (here / "x.zip").exists()
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "holdall.cli", "zip", "src", "-"], cwd=here, capture_output=True, timeout=60, check=True
    )
    assert zipfile.ZipFile(io.BytesIO(done.stdout)).testzip() is None


@pytest.mark.parametrize("path", [".", "./", "..", "src/.", "src/d/..", "src/d/../"])
@pytest.mark.parametrize("command", [("rm", "-r"), ("mv",)])
def test_this_and_the_directory_above_are_neither_removed_nor_renamed(run, here, command, path):
    said = run(*command, path, *(["elsewhere"] if command == ("mv",) else []))
    assert said.code == 2
    assert "neither removed nor renamed: name the directory" in said.err
    assert (here / "src" / "d" / "b.txt").read_text() == "bbbb"
    assert not (here / "elsewhere").exists()


def test_what_stands_above_a_link_is_what_the_system_says(run, here):
    (here / "far" / "deep").mkdir(parents=True)
    (here / "far" / "a.txt").write_text("far")
    (here / "link").symlink_to("far/deep")
    (here / "a.txt").write_text("near")
    assert run("cat", "link/../a.txt").out == "far"
    assert run("rm", "link/../a.txt").code == 0
    assert (here / "a.txt").read_text() == "near"
    assert not (here / "far" / "a.txt").exists()
    assert run("rm", "-r", "link").code == 0
    assert (here / "far" / "deep").is_dir()


def test_a_working_directory_that_went_away_is_named(run, here, monkeypatch):
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    for command in (("ls",), ("rm", "x"), ("cp", "x", "y")):
        said = run(*command)
        assert (said.code, said.err) == (1, "holdall: the current directory is not there any more\n")
    assert run("ls", f"{here}/src").lines == ["a.txt", "d/"]
    monkeypatch.chdir(here)
