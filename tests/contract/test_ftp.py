"""The contract on a real FTP server, plain, with explicit and with implicit TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdall.drivers.ftp import FTPStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Folder, Ftpd, FtpdImplicit, FtpdTls


class FTPContract(StoreContract):
    """What the three have in common."""

    batch = 45  # each key is a request

    @pytest.fixture
    def ground(self, folder: Folder) -> Ground:
        return folder.ground


class TestFTP(FTPContract):
    """Plain FTP."""

    @pytest.fixture
    def folder(self, ftpd_folder: Folder) -> Folder:
        return ftpd_folder

    @pytest.fixture
    def store(self, ftpd: Ftpd, folder: Folder) -> Iterator[FTPStore]:
        self.secrets = (ftpd.password,)
        with FTPStore(ftpd.host, path=folder.path, port=ftpd.port, username=ftpd.user, password=ftpd.password) as store:
            yield store


class TestExplicitTLS(FTPContract):
    """``AUTH TLS``."""

    @pytest.fixture
    def folder(self, ftpd_tls_folder: Folder) -> Folder:
        return ftpd_tls_folder

    @pytest.fixture
    def store(self, ftpd_tls: FtpdTls, folder: Folder) -> Iterator[FTPStore]:
        self.secrets = (ftpd_tls.password,)
        with FTPStore(
            ftpd_tls.host,
            path=folder.path,
            port=ftpd_tls.port,
            username=ftpd_tls.user,
            password=ftpd_tls.password,
            tls="explicit",
            ca_file=ftpd_tls.certificate,
        ) as store:
            yield store


class TestImplicitTLS(FTPContract):
    """TLS from the first byte."""

    @pytest.fixture
    def folder(self, ftpd_implicit_folder: Folder) -> Folder:
        return ftpd_implicit_folder

    @pytest.fixture
    def store(self, ftpd_implicit: FtpdImplicit, folder: Folder) -> Iterator[FTPStore]:
        self.secrets = (ftpd_implicit.password,)
        with FTPStore(
            ftpd_implicit.host,
            path=folder.path,
            port=ftpd_implicit.port,
            username=ftpd_implicit.user,
            password=ftpd_implicit.password,
            tls="implicit",
            ca_file=ftpd_implicit.certificate,
        ) as store:
            yield store
