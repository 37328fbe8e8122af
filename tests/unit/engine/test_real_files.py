"""Files of local stores that cannot be opened or written: errors of the tree, and no waiting."""

import os
import shutil

import pytest

from holdall.drivers.local import LocalStore
from holdall.engine.streams import open_file
from holdall.errors import (
    HoldallError,
    InvalidKeyError,
    NotDirectoryError,
    NotFoundError,
    StorageFullError,
    UnavailableError,
)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(b"x")
    return LocalStore(tmp_path / "root")


@pytest.mark.parametrize(
    ("key", "mode", "error"),
    [
        ("file/below", "rb", NotFoundError),
        ("file/below", "ab", NotDirectoryError),
        ("n" * 256, "r", InvalidKeyError),
        ("n" * 256, "ab", InvalidKeyError),
        ("loop", "rb", NotFoundError),
        ("fifo", "rb", NotFoundError),
        ("fifo", "ab", HoldallError),
    ],
)
def test_what_cannot_be_opened(store, tmp_path, key, mode, error):
    os.symlink("loop", tmp_path / "root" / "loop")
    os.mkfifo(tmp_path / "root" / "fifo")
    with pytest.raises(error):
        open_file(store, key, mode)


@pytest.mark.parametrize("mode", ["rb", "a"])
def test_a_root_that_went_away_is_not_made_again(store, tmp_path, mode):
    shutil.rmtree(tmp_path / "root")
    with pytest.raises(UnavailableError):
        open_file(store, "file", mode)
    assert not (tmp_path / "root").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("buffering", [0, -1])
def test_appending_to_a_full_disk(store, tmp_path, monkeypatch, buffering):
    file = open_file(store, "file", "ab", buffering=buffering)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.fileno())
    os.close(full)
    with pytest.raises(StorageFullError, match="no space left for 'file'"):  # written at once, or when flushed
        file.write(b"more")
        file.flush()
    with pytest.raises(StorageFullError) if buffering else open(os.devnull):
        file.close()
    assert (tmp_path / "root" / "file").read_bytes() == b"x"
