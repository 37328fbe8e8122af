"""The tour, on a part of its files: right results, right exit codes, and a wrong byte is found."""

from __future__ import annotations

import sys

import pytest

from holdall.cli import tour
from holdall.cli.tour import mounts
from holdall.cli.tour.mounts import files_below, tree_digest
from holdall.cli.tour.stage import Memory, Stage, resident

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its server is started on POSIX only")


def test_the_mounts_scene(capfd):
    assert tour.main(["mounts", "--files", "40"]) == 0
    out = capfd.readouterr().out
    assert "local -> S3" in out
    assert "WRONG" not in out
    row = next(line for line in out.splitlines() if line.startswith("local -> S3  "))
    assert row.split()[3] == "40"


def test_a_wrong_byte_is_found(capfd, monkeypatch):
    real = mounts._compared

    def spoiled(stage, storage, truth, back):
        with open(back / min(truth), "ab") as file:
            file.write(b"!")
        return real(stage, storage, truth, back)

    monkeypatch.setattr(mounts, "_compared", spoiled)
    assert tour.main(["mounts", "--files", "10"]) == 1
    assert "WRONG" in capfd.readouterr().out


def test_unknown_scenes(capsys):
    with pytest.raises(SystemExit) as raised:
        tour.main(["nonsense"])
    assert raised.value.code == 2


def test_digests_do_not_depend_on_order():
    assert tree_digest({"a": "1", "b": "2"}) == tree_digest({"b": "2", "a": "1"})
    assert tree_digest({"a": "1", "b": "2"}) != tree_digest({"a": "2", "b": "1"})


def test_the_truth_leaves_out_links_and_caches(tmp_path):
    for name in ("a.py", "__pycache__/a.pyc", "d/site-packages/x.py", "d/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "a.py")
    assert list(files_below(str(tmp_path))) == ["a.py", "d/b.py"]
    assert len(list(files_below(str(tmp_path), everything=True))) == 4


def test_memory_is_watched():
    with Memory() as memory:
        data = bytearray(64 * 1024 * 1024)
        data[::4096] = b"x" * len(data[::4096])
        del data
    assert memory.peak >= resident() > 0


def test_tables_are_plain_without_a_terminal(capsys):
    Stage().table("Title", ("leg", "n"), [["a", "10"], ["longer", "9"]])
    assert capsys.readouterr().out == "Title\nleg      n\na       10\nlonger   9\n"
