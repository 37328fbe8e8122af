"""The contract on backends with a few methods: with directories, and as flat keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest

from holdall.drivers.storage_adapter import BackendStore
from holdall.drivers.storage_backend import StorageBackend
from holdall.store import Store
from holdall.testing import Ground, LocalGround, StoreContract


class Folder(StorageBackend):
    """A directory, written whole by rename."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, path: str) -> str:
        return os.path.join(self.root, path)

    def read_bytes(self, path: str) -> bytes:
        if os.path.isdir(self._path(path)):
            raise FileNotFoundError(path)
        try:
            return Path(self._path(path)).read_bytes()
        except NotADirectoryError:
            raise FileNotFoundError(path) from None

    def write_bytes(self, path: str, data: bytes) -> None:
        temporary = Path(f"{self._path('')}.new-{os.getpid()}-{id(data)}")
        temporary.write_bytes(data)
        try:
            os.replace(temporary, self._path(path))
        except BaseException:
            temporary.unlink()
            raise

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self._path(path))

    def is_file(self, path: str) -> bool:
        return os.path.isfile(self._path(path))

    def size(self, path: str) -> int:
        return os.path.getsize(self._path(path))

    def mtime(self, path: str) -> float:
        return os.path.getmtime(self._path(path))

    def delete(self, path: str) -> None:
        if self.is_dir(path):
            os.rmdir(self._path(path))
            return
        try:
            os.remove(self._path(path))
        except NotADirectoryError:
            raise FileNotFoundError(path) from None

    def list_dir(self, path: str) -> list[str]:
        return os.listdir(self._path(path))

    def mkdir(self, path: str) -> None:
        os.makedirs(self._path(path), exist_ok=True)

    def rename(self, src: str, dst: str) -> None:
        os.replace(self._path(src), self._path(dst))

    def copy(self, src: str, dst: str) -> None:
        if not os.path.isfile(self._path(dst)) or not os.path.samefile(self._path(src), self._path(dst)):
            shutil.copyfile(self._path(src), self._path(dst))

    def open(self, path: str, mode: str = "rb"):
        return open(self._path(path), "rb")


class TestFolderBackend(StoreContract):
    """Nearly every method."""

    test_no_secret_shows = None  # it has none

    many = 1005

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        (tmp_path / "root").mkdir()
        with Folder(tmp_path / "root").as_store() as store:
            yield store

    @pytest.fixture
    def ground(self, tmp_path: Path, store: Store) -> Ground:
        return LocalGround(tmp_path / "root")


class Keys(StorageBackend):
    """A dict of keys."""

    def __init__(self, files: MutableMapping[str, bytes]) -> None:
        self.files = files

    def read_bytes(self, path: str) -> bytes:
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def write_bytes(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def delete(self, path: str) -> None:
        if self.files.pop(path, None) is None:
            raise FileNotFoundError(path)

    def iter_keys(self, prefix: str) -> list[str]:
        return [key for key in list(self.files) if key.startswith(prefix)]


class DictGround(Ground):
    """The dict behind the backend."""

    def __init__(self, files: MutableMapping[str, bytes]) -> None:
        self.files = files

    def write(self, key: str, data: bytes) -> None:
        self.files[key] = data

    def read(self, key: str) -> bytes | None:
        return self.files.get(key)

    def delete(self, key: str) -> None:
        del self.files[key]

    def everything(self) -> set[str]:
        return set(self.files)


class TestKeysBackend(StoreContract):
    """Four methods."""

    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def files(self) -> dict[str, bytes]:
        return {}

    @pytest.fixture
    def store(self, files: dict[str, bytes]) -> Iterator[Store]:
        with BackendStore(Keys(files)) as store:
            yield store

    @pytest.fixture
    def ground(self, files: dict[str, bytes], store: Store) -> Ground:
        return DictGround(files)
