"""The contract on fsspec's memory filesystem, shared by the process and isolated."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import fsspec
import pytest

from holdall.drivers.fsspec import FsspecStore
from holdall.testing import Ground, StoreContract


class MemoryFilesystemGround(Ground):
    """The dict of the filesystem."""

    def __init__(self, files: dict, root: str) -> None:
        self.files, self.root = files, root

    def write(self, key: str, data: bytes) -> None:
        from fsspec.implementations.memory import MemoryFile

        self.files[f"{self.root}/{key}"] = MemoryFile(None, f"{self.root}/{key}", data)

    def read(self, key: str) -> bytes | None:
        file = self.files.get(f"{self.root}/{key}")
        return None if file is None else file.getvalue()

    def delete(self, key: str) -> None:
        del self.files[f"{self.root}/{key}"]

    def everything(self) -> set[str]:
        return {name[len(self.root) + 1 :] for name in list(self.files) if name.startswith(self.root + "/")}

    def can_hold(self, key: str) -> bool:
        return "//" not in key and not key.endswith("/")


class TestFsspecMemory(StoreContract):
    """An instance with a dict of its own."""

    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def fs(self):
        return fsspec.filesystem("memory", global_store=False, skip_instance_cache=True)

    @pytest.fixture
    def store(self, fs) -> Iterator[FsspecStore]:
        with FsspecStore(fs, path="/root") as store:
            yield store

    @pytest.fixture
    def ground(self, fs, store: FsspecStore) -> Ground:
        return MemoryFilesystemGround(fs.store, "/root")


class TestFsspecMemoryByName(TestFsspecMemory):
    """By the protocol's name: the filesystem that the whole process shares."""

    @pytest.fixture
    def fs(self):
        fs = fsspec.filesystem("memory")
        yield fs
        fs.store.clear()

    @pytest.fixture
    def store(self, fs) -> Iterator[FsspecStore]:
        with FsspecStore("memory", path=f"/{uuid.uuid4().hex}") as store:
            yield store

    @pytest.fixture
    def ground(self, fs, store) -> Ground:
        return MemoryFilesystemGround(fs.store, store.path)
