"""The contract on a zip archive: read-only, by an instance and by a name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fsspec.implementations.zip import ZipFileSystem

from holdall.drivers.fsspec import FsspecStore
from holdall.testing import Ground, StoreContract


class ZipGround(Ground):
    """The archive by zipfile: written anew for each change, and opened anew by the filesystem, which reads its directory once."""

    def __init__(self, path: Path, root: str) -> None:
        self.path, self.root = path, root
        self.files: dict[str, bytes] = {}
        self.store: FsspecStore | None = None
        self._save()

    def _save(self) -> None:
        with zipfile.ZipFile(self.path, "w") as archive:
            if self.root:
                archive.mkdir(self.root)
            for key, data in self.files.items():
                archive.writestr(zipfile.ZipInfo(self.root + key, (2026, 1, 2, 3, 4, 6)), data)
        if self.store is not None:
            fs = self.store.fs
            fs.zip.close()
            fs.zip, fs.dir_cache = zipfile.ZipFile(self.path), None

    def write(self, key: str, data: bytes) -> None:
        self.write_many({key: data})

    def write_many(self, objects: Mapping[str, bytes]) -> None:
        self.files.update(objects)
        self._save()

    def read(self, key: str) -> bytes | None:
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.root + key) if self.root + key in archive.namelist() else None

    def delete(self, key: str) -> None:
        del self.files[key]
        self._save()

    def everything(self) -> set[str]:
        with zipfile.ZipFile(self.path) as archive:
            return {name.removeprefix(self.root) for name in archive.namelist() if name != self.root}

    def can_hold(self, key: str) -> bool:
        return "//" not in key and not key.endswith("/") and not key.startswith(("/", "./"))


class TestZip(StoreContract):
    """An instance."""

    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return ZipGround(tmp_path / "a.zip", "")

    @pytest.fixture
    def store(self, ground: ZipGround) -> Iterator[FsspecStore]:
        with FsspecStore(ZipFileSystem(str(ground.path))) as store:
            ground.store = store
            yield store


class TestZipFolder(TestZip):
    """A folder of an archive, by the protocol's name."""

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return ZipGround(tmp_path / "a.zip", "folder/of/")

    @pytest.fixture
    def store(self, ground: ZipGround) -> Iterator[FsspecStore]:
        with FsspecStore("zip", path="folder/of", options={"fo": str(ground.path)}) as store:
            ground.store = store
            yield store
