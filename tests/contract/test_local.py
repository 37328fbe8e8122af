"""The local driver keeps the contract: on disk, on tmpfs, and along each of its ways round what a system lacks."""

import os
import shutil
import tempfile

import pytest

from holdall.drivers import _local_attributes, _local_system
from holdall.drivers.local import LocalStore
from holdall.testing import LocalGround, StoreContract


class TestLocal(StoreContract):
    """On the disk of temporary files."""

    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "root"

    @pytest.fixture
    def store(self, root):
        with LocalStore(root, create=True) as store:
            yield store

    @pytest.fixture
    def ground(self, root, store):
        root.mkdir(exist_ok=True)
        return LocalGround(root)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no tmpfs at /dev/shm on this system")
class TestLocalOnTmpfs(TestLocal):
    @pytest.fixture
    def root(self, tmp_path):
        path = tempfile.mkdtemp(dir="/dev/shm", prefix="holdall-test-")
        yield tmp_path.__class__(path) / "root"
        shutil.rmtree(path)


class TestLocalThroughALink(TestLocal):
    """The way to the root goes through a symbolic link; everything is made durable, with permissions of its own."""

    @pytest.fixture
    def root(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        return tmp_path / "link" / "root"

    @pytest.fixture
    def store(self, root):
        with LocalStore(root, create=True, durable=True, file_mode=0o640, dir_mode=0o750) as store:
            yield store


class GroundWithLock(LocalGround):
    """The lock file that locks the root where directories cannot be locked is nobody's object."""

    def everything(self):
        return super().everything() - {".holdall/lock"}


class TestLocalByPath(TestLocal):
    """No openat2 or renameat2, no names relative to open directories, no locks on directories, no /proc: as on Windows."""

    @pytest.fixture
    def ground(self, root, store):
        root.mkdir(exist_ok=True)
        return GroundWithLock(root)

    @pytest.fixture(autouse=True)
    def windows(self, monkeypatch):
        monkeypatch.setattr(_local_system, "plain_opener", lambda flags: None)
        monkeypatch.setattr(_local_system, "_rename_at", False)
        monkeypatch.setattr(_local_system, "RELATIVE", False)
        monkeypatch.setattr(_local_system, "path_of", lambda fd: None)


class TestLocalSidecars(TestLocal):
    """Attributes in sidecar files, as where a file system has no extended attributes."""

    @pytest.fixture(autouse=True)
    def no_xattrs(self, monkeypatch):
        monkeypatch.setattr(_local_attributes, "_XATTRS", False)
