"""A temporary directory that is full is named, in both colours; the store is as it was."""

import asyncio
import errno
import io
import os
import shutil
import tempfile
from contextlib import contextmanager

import pytest

from holdall.core.options import PutOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine.async_streams import open_file_async
from holdall.engine.localize import Localize
from holdall.engine.localize_async import Localize as LocalizeAsync
from holdall.engine.scratch import scratching
from holdall.engine.streams import open_file
from holdall.errors import HoldallError, NotDirectoryError, NotFoundError, StorageFullError, UnavailableError


@contextmanager
def full_disk(monkeypatch):
    """Let temporary files be on a device that is always full."""
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", lambda: io.FileIO("/dev/full", "r+"))
        yield


@pytest.fixture
def store():
    store = MemoryStore()
    store.put("big", b"old")
    return store


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("mode", ["r+b", "w+b", "a+b"])
def test_edited_files(store, monkeypatch, mode):
    def blocking():
        with open_file(store, "big", mode) as file:
            file.write(b"more")

    async def awaited():
        async with open_file_async(store, "big", mode) as file:
            await file.write(b"more")

    with full_disk(monkeypatch):
        for act in (blocking, lambda: asyncio.run(awaited())):
            with pytest.raises(StorageFullError, match=r"temporary directory .* for a local copy of 'big'"):
                act()
    assert store.get("big").bytes() == b"old"


def test_local_paths(store, monkeypatch):
    def full(**_named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(StorageFullError, match="temporary directory"), Localize(store, "big"):
        pass

    async def awaited():
        async with LocalizeAsync(store, "big", "rw"):
            pass

    with pytest.raises(StorageFullError, match="temporary directory"):
        asyncio.run(awaited())


def test_only_a_full_disk_is_explained(store):
    for error in (OSError(errno.EIO, "broken"), NotFoundError("nothing", key="big")):
        with pytest.raises(type(error)) as raised, scratching("big", store):
            raise error
        assert raised.value is error


@pytest.mark.parametrize("key", ["made", "deep/er/made"])
def test_the_root_of_a_local_path_is_not_made_again(tmp_path, key):
    store = LocalStore(tmp_path / "root", create=True)
    with Localize(store, key, "w") as path, open(path, "wb") as file:
        file.write(b"1")
    assert store.get(key).bytes() == b"1"
    shutil.rmtree(tmp_path / "root")
    with pytest.raises(UnavailableError), Localize(store, key, "w"):
        pass
    assert not (tmp_path / "root").exists()


def test_a_local_path_below_a_file(tmp_path):
    store = LocalStore(tmp_path)
    store.put("file", b"1", PutOptions())
    with pytest.raises(NotDirectoryError) as raised, Localize(store, "file/below", "w"):
        pass
    assert isinstance(raised.value, HoldallError)
