"""The contract on a program's own sshfs instance, against OpenSSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sshfs import SSHFileSystem
from tests.file_servers import ssh_filesystem

from holdall.drivers.fsspec import FsspecStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Folder, Sshd


@pytest.fixture(scope="module")
def fs(sshd: Sshd) -> Iterator[SSHFileSystem]:
    login = {"username": sshd.user, "client_keys": [sshd.client_key], "known_hosts": sshd.known_hosts}
    with ssh_filesystem(host=sshd.host, port=sshd.port, **login) as fs:
        yield fs


class TestSshfs(StoreContract):
    """A folder."""

    batch = 45  # each key is a request
    many = 205

    @pytest.fixture
    def store(self, fs: SSHFileSystem, sshd: Sshd, sshd_folder: Folder) -> Iterator[FsspecStore]:
        self.secrets = (Path(sshd.client_key).read_text(encoding="utf-8").splitlines()[1],)
        with FsspecStore(fs, path=sshd_folder.path) as store:
            yield store

    @pytest.fixture
    def ground(self, sshd_folder: Folder) -> Ground:
        return sshd_folder.ground
