"""Downloads: from local disks the kernel copies, and still it is one version."""

import os

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.tiers import FileStore, downloading

MIB = 1 << 20
OLD, NEW = b"old " * MIB, b"new " * MIB


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(downloading, "_PIECE", MIB)


def test_the_file_is_an_ordinary_one(tmp_path, colour):
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "k").write_bytes(OLD)
    (tmp_path / "target").write_bytes(b"before")
    with FileStore(tmp_path / "near") as fs:
        assert colour(fs).download("k", tmp_path / "target").size == len(OLD)
        assert colour(fs).download("k", tmp_path / "below" / "target", resume=True).size == len(OLD)
    (tmp_path / "other").write_bytes(b"")
    for path in (tmp_path / "target", tmp_path / "below" / "target"):
        assert path.read_bytes() == OLD
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["below", "near", "other", "target"]
    assert os.listdir(tmp_path / "below") == ["target"]


@pytest.mark.parametrize("act", ["replaced", "deleted", "rewritten"])
def test_a_file_that_changes_meanwhile(act, tmp_path, colour, monkeypatch):
    """What was opened is what comes, if it is there still; of a file that others write over in place that cannot be said."""
    source = tmp_path / "near" / "k"
    source.parent.mkdir()
    source.write_bytes(OLD)
    os.utime(source, (1_000_000_000, 1_000_000_000))  # a clock that ticks slowly could give both contents one time
    fill, pieces = downloading.Draft.fill, []

    def meddled(self, path, etag, at):
        count = fill(self, path, etag, at)
        pieces.append(count)
        if len(pieces) == 2:
            if act == "rewritten":
                source.write_bytes(NEW)
            else:
                source.unlink()
                if act == "replaced":
                    source.write_bytes(NEW)
        return count

    monkeypatch.setattr(downloading.Draft, "fill", meddled)
    with FileStore(tmp_path / "near") as fs:
        colour(fs).download("k", tmp_path / "target")
    assert pieces == [MIB, MIB, 0]
    whole = (tmp_path / "target").read_bytes() == (NEW if act == "rewritten" else OLD)
    assert whole


def test_verified_downloads_are_read(tmp_path, colour, monkeypatch):
    monkeypatch.setattr(downloading.Draft, "fill", None)
    with FileStore(tmp_path / "near", MemoryStore(), verify_reads=True) as fs:
        colour(fs).put("k", OLD)
        assert colour(fs).download("k", tmp_path / "target").size == len(OLD)
