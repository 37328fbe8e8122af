"""The contract on a program's own FTP filesystem of fsspec."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fsspec.implementations.ftp import FTPFileSystem

from holdall.drivers.fsspec import FsspecStore
from holdall.errors import UnavailableError
from holdall.store import Store
from holdall.testing import Ground, LocalGround, StoreContract
from holdall.testing.contract.base import keys_of
from holdall.testing.servers import Folder, Ftpd


class OneLineGround(LocalGround):
    """A folder without names that hold a line break: the filesystem takes its listings apart at those."""

    def can_hold(self, key: str) -> bool:
        return "\n" not in key and "\r" not in key and super().can_hold(key)


class TestFsspecFTP(StoreContract):
    """A folder."""

    batch = 45  # each key is a request
    many = 205

    @pytest.fixture
    def store(self, ftpd: Ftpd, ftpd_folder: Folder) -> Iterator[FsspecStore]:
        self.secrets = (ftpd.password,)
        fs = FTPFileSystem(ftpd.host, port=ftpd.port, username=ftpd.user, password=ftpd.password, skip_instance_cache=True)
        with FsspecStore(fs, path=ftpd_folder.path) as store:
            yield store
        fs.ftp.close()

    @pytest.fixture
    def ground(self, ftpd_folder: Folder) -> Ground:
        assert isinstance(ftpd_folder.ground, LocalGround)
        return OneLineGround(ftpd_folder.ground.root)

    def test_a_name_of_two_lines_is_no_empty_listing(self, verbs: Store, ground: Ground) -> None:
        """What the filesystem cannot read is told."""
        ground.write_many({"a": b"", "two\nlines": b""})
        with pytest.raises(UnavailableError, match="listing"):
            keys_of(verbs)
