"""The contract on a real OpenSSH server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdall.drivers.sftp import SFTPStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Folder, Sshd


class TestSFTP(StoreContract):
    """SFTP, by key."""

    batch = 45  # each key is a request

    @pytest.fixture
    def store(self, sshd: Sshd, sshd_folder: Folder) -> Iterator[SFTPStore]:
        self.secrets = (Path(sshd.client_key).read_text(encoding="utf-8").splitlines()[1],)
        with SFTPStore(
            sshd.host,
            path=sshd_folder.path,
            port=sshd.port,
            username=sshd.user,
            key_filename=sshd.client_key,
            known_hosts=sshd.known_hosts,
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, sshd_folder: Folder) -> Ground:
        return sshd_folder.ground
