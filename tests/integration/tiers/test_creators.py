"""A22: sixteen processes create one key in two locations: one of them wins, on each driver that can decide it."""

import subprocess
import sys

import pytest
from tests.integration.tiers import creators
from tests.tier_places import tier_place

from holdall.core.retry import RetryPolicy
from holdall.drivers.sftp_tree import SFTPTree
from holdall.drivers.smb_tree import SMBTree
from holdall.errors import AlreadyExistsError
from holdall.testing import Fault
from holdall.tiers import FileStore

KEYS = ["one", "d/two", "three"]
QUICK = RetryPolicy(attempts=3, first=0.01, cap=0.05)


@pytest.fixture(params=["file", "sftp", "webdav", "smb", "localstack", "azure"])
def place(request):
    """A place on each kind of storage that creates race-free."""
    with tier_place(request.param, request) as place:
        yield place


def test_a22_sixteen_processes(place, tmp_path):
    (tmp_path / "far").mkdir()
    keys = KEYS[1:2] if place.kind in {"webdav", "smb"} else KEYS  # one costs a dozen requests of each there
    urls = [place.url(name="hot", stall_timeout="90s"), f"file://{tmp_path}/far?name=cold"]
    with FileStore(*urls) as fs:
        assert fs.store.capabilities.create
        assert fs.locations[0].store.capabilities.create
    program = [sys.executable, "-W", "ignore", creators.__file__, *urls, *keys]
    ended = subprocess.run(program, check=False, capture_output=True, timeout=110, text=True)
    assert ended.returncode == 0, ended.stderr
    winners = dict(line.rsplit(" ", 1) for line in ended.stdout.splitlines())
    assert len(ended.stdout.splitlines()) == len(keys)
    for key in keys:
        content = f"{winners[key]} ".encode() * 500
        assert (place.ground.read(key), (tmp_path / "far" / key).read_bytes()) == (content, content)


def lose(place, monkeypatch):
    """Have the answer lost by which a server tells that it created ``k``."""
    if place.proxy.http:
        method = "MOVE" if place.kind == "webdav" else "PUT"
        place.proxy.fail(Fault(lose_reply=True), method=method, target="base/nested/" + ("" if method == "MOVE" else "k"))
        return
    kind, name = (SFTPTree, "_rename_new") if place.kind == "sftp" else (SMBTree, "_link")
    genuine = getattr(kind, name)

    def name_it(*args, **named):
        monkeypatch.setattr(kind, name, genuine)
        place.proxy.lose_replies()
        return genuine(*args, **named)

    monkeypatch.setattr(kind, name, name_it)


@pytest.mark.parametrize("kind", ["sftp", "webdav", "smb", "localstack", "azure"])
def test_a22_the_winners_answer_got_lost(kind, request, tmp_path, colour, monkeypatch):
    with tier_place(kind, request) as place:
        urls = [place.url(name="hot"), f"file://{tmp_path}/far?name=cold"]
        with FileStore(*urls, retry=QUICK) as plain:
            fs = colour(plain)
            fs.put("before", b"x", mode="create")
            lose(place, monkeypatch)
            assert [loc.name for loc in fs.put("k", b"mine", mode="create")] == ["hot", "cold"]
            assert place.proxy.traffic.faults == 1
            assert place.ground.read("k") == b"mine"
            with pytest.raises(AlreadyExistsError):
                fs.put("k", b"other", mode="create")
        assert place.ground.everything() == {"before", "k"}
