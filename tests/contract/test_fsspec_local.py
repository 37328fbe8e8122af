"""The contract on fsspec's local filesystem: an instance, below ``dir::``, and through caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem

from holdall.drivers.fsspec import FsspecStore
from holdall.testing import Ground, LocalGround, StoreContract


class LocalContract(StoreContract):
    """What they have in common."""

    test_no_secret_shows = None  # it has none

    many = 1005

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "root").mkdir()
        return tmp_path / "root"

    @pytest.fixture
    def ground(self, root: Path) -> Ground:
        return LocalGround(root)


class TestFsspecLocal(LocalContract):
    """An instance without ``auto_mkdir``."""

    @pytest.fixture
    def store(self, root: Path) -> Iterator[FsspecStore]:
        with FsspecStore(fsspec.filesystem("file"), path=str(root)) as store:
            yield store


class TestFsspecDirectory(LocalContract):
    """``dir::`` is looked through."""

    @pytest.fixture
    def store(self, root: Path) -> Iterator[FsspecStore]:
        with FsspecStore(DirFileSystem(path=str(root), fs=fsspec.filesystem("file"))) as store:
            yield store


class TestFilecache(LocalContract):
    """``filecache``: local copies, never stale."""

    @pytest.fixture
    def store(self, root: Path, tmp_path: Path) -> Iterator[FsspecStore]:
        fs = fsspec.filesystem("filecache", fs=fsspec.filesystem("file"), cache_storage=str(tmp_path / "cache"))
        with FsspecStore(fs, path=str(root)) as store:
            yield store


class TestSimplecache(LocalContract):
    """``simplecache``, by a chain of names."""

    @pytest.fixture
    def store(self, root: Path, tmp_path: Path) -> Iterator[FsspecStore]:
        options = {"simplecache": {"cache_storage": str(tmp_path / "cache")}}
        with FsspecStore("simplecache::file", path=str(root), options=options) as store:
            yield store
