"""A pytest plugin: both colours, the real servers, and a place of its own on them for each test.

Add ``pytest_plugins = ["holdall.testing.fixtures"]`` to a ``conftest.py`` in the root of a test suite. Servers start on first
use and are shared between the workers of a run. A server that is not installed skips its tests, visibly; where the environment
variable ``CI`` is set, it fails them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from holdall.errors import MissingExtraError
from holdall.testing.colour import NAMES, Colour, colour_named
from holdall.testing.servers import (
    Azurite,
    Bucket,
    Container,
    Folder,
    Ftpd,
    FtpdImplicit,
    FtpdTls,
    LocalStack,
    Moto,
    Nginx,
    NginxS3Stub,
    Postgres,
    Radosgw,
    Samba,
    Server,
    ServerMissingError,
    Site,
    Sshd,
    WebDav,
    shared,
)
from holdall.testing.servers.installing import tell

try:
    import pytest
except ImportError as error:  # pragma: no cover  # a plugin of pytest is of no use without it
    raise MissingExtraError('the fixtures need pytest: pip install "holdall[testing]"') from error

pytest.register_assert_rewrite("holdall.testing.contract", "holdall.testing.records_contract", "holdall.testing.stateful")

S = TypeVar("S", bound=Server)


class _Servers:
    """The servers that this worker uses, each entered once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stack = ExitStack()
        self._running: dict[str, Server] = {}

    def get(self, kind: type[S]) -> S:
        """Return the running server of a kind; skip or fail if it is not installed."""
        server = self._running.get(kind.name)
        if server is None:
            try:
                server = self._stack.enter_context(shared(kind, self._root))
            except ServerMissingError as error:
                if os.environ.get("CI"):
                    pytest.fail(f"{kind.name} must be there where CI is set: {error}", pytrace=False)
                pytest.skip(str(error).partition("\n")[0])
            self._running[kind.name] = server
        assert isinstance(server, kind)
        return server

    def close(self) -> None:
        """Leave them all; the last worker ends them."""
        self._stack.close()


@pytest.fixture(params=NAMES)
def colour(request: Any) -> Iterator[Colour]:
    """Each colour in turn: ``colour(store).get("a")`` is ``get`` or ``get_async``."""
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[_Servers]:
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "servers"
    root.mkdir(exist_ok=True)
    capture: Any = request.config.pluginmanager.getplugin("capturemanager")

    def announce(message: str) -> None:
        with capture.global_and_fixture_disabled() if capture is not None else ExitStack():
            os.write(2, f"\n{message}\n".encode())

    servers = _Servers(root)
    tell.append(announce)
    try:
        yield servers
    finally:
        tell.remove(announce)
        servers.close()


@pytest.fixture(scope="session")
def moto(_servers: _Servers) -> Moto:
    """The S3 server of moto."""
    return _servers.get(Moto)


@pytest.fixture(scope="session")
def localstack(_servers: _Servers) -> LocalStack:
    """LocalStack's S3 server."""
    return _servers.get(LocalStack)


@pytest.fixture(scope="session")
def radosgw(_servers: _Servers) -> Radosgw:
    """Ceph's S3 gateway."""
    return _servers.get(Radosgw)


@pytest.fixture(scope="session")
def azurite(_servers: _Servers) -> Azurite:
    """Azurite's blob service."""
    return _servers.get(Azurite)


@pytest.fixture(scope="session")
def nginx(_servers: _Servers) -> Nginx:
    """An nginx with a directory of files."""
    return _servers.get(Nginx)


@pytest.fixture(scope="session")
def nginx_s3_stub(_servers: _Servers) -> NginxS3Stub:
    """An nginx answering in S3's shapes."""
    return _servers.get(NginxS3Stub)


@pytest.fixture(scope="session")
def sshd(_servers: _Servers) -> Sshd:
    """OpenSSH with SFTP."""
    return _servers.get(Sshd)


@pytest.fixture(scope="session")
def samba(_servers: _Servers) -> Samba:
    """Samba with one share."""
    return _servers.get(Samba)


@pytest.fixture(scope="session")
def ftpd(_servers: _Servers) -> Ftpd:
    """Plain FTP."""
    return _servers.get(Ftpd)


@pytest.fixture(scope="session")
def ftpd_tls(_servers: _Servers) -> FtpdTls:
    """FTP with explicit TLS."""
    return _servers.get(FtpdTls)


@pytest.fixture(scope="session")
def ftpd_implicit(_servers: _Servers) -> FtpdImplicit:
    """FTP with implicit TLS."""
    return _servers.get(FtpdImplicit)


@pytest.fixture(scope="session")
def webdav(_servers: _Servers) -> WebDav:
    """WebDAV."""
    return _servers.get(WebDav)


@pytest.fixture(scope="session")
def postgres(_servers: _Servers) -> Postgres:
    """PostgreSQL."""
    return _servers.get(Postgres)


@pytest.fixture
def moto_bucket(moto: Moto) -> Iterator[Bucket]:
    """A bucket on moto."""
    with moto.bucket() as bucket:
        yield bucket


@pytest.fixture
def moto_versioned_bucket(moto: Moto) -> Iterator[Bucket]:
    """A versioned bucket on moto."""
    with moto.bucket(versioned=True) as bucket:
        yield bucket


@pytest.fixture
def localstack_bucket(localstack: LocalStack) -> Iterator[Bucket]:
    """A bucket on LocalStack."""
    with localstack.bucket() as bucket:
        yield bucket


@pytest.fixture
def localstack_versioned_bucket(localstack: LocalStack) -> Iterator[Bucket]:
    """A versioned bucket on LocalStack."""
    with localstack.bucket(versioned=True) as bucket:
        yield bucket


@pytest.fixture
def radosgw_bucket(radosgw: Radosgw) -> Iterator[Bucket]:
    """A bucket on radosgw."""
    with radosgw.bucket() as bucket:
        yield bucket


@pytest.fixture
def radosgw_versioned_bucket(radosgw: Radosgw) -> Iterator[Bucket]:
    """A versioned bucket on radosgw."""
    with radosgw.bucket(versioned=True) as bucket:
        yield bucket


@pytest.fixture
def azurite_container(azurite: Azurite) -> Iterator[Container]:
    """A container on Azurite."""
    with azurite.container() as container:
        yield container


@pytest.fixture
def nginx_site(nginx: Nginx) -> Iterator[Site]:
    """A directory served by nginx."""
    with nginx.site() as site:
        yield site


@pytest.fixture
def sshd_folder(sshd: Sshd) -> Iterator[Folder]:
    """A folder reached by SFTP."""
    with sshd.folder() as folder:
        yield folder


@pytest.fixture
def samba_folder(samba: Samba) -> Iterator[Folder]:
    """A folder reached by SMB."""
    with samba.folder() as folder:
        yield folder


@pytest.fixture
def ftpd_folder(ftpd: Ftpd) -> Iterator[Folder]:
    """A folder reached by FTP."""
    with ftpd.folder() as folder:
        yield folder


@pytest.fixture
def ftpd_tls_folder(ftpd_tls: FtpdTls) -> Iterator[Folder]:
    """A folder reached by FTP with explicit TLS."""
    with ftpd_tls.folder() as folder:
        yield folder


@pytest.fixture
def ftpd_implicit_folder(ftpd_implicit: FtpdImplicit) -> Iterator[Folder]:
    """A folder reached by FTP with implicit TLS."""
    with ftpd_implicit.folder() as folder:
        yield folder


@pytest.fixture
def webdav_folder(webdav: WebDav) -> Iterator[Folder]:
    """A folder reached by WebDAV."""
    with webdav.folder() as folder:
        yield folder


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """The name of an empty database on PostgreSQL."""
    with postgres.database() as name:
        yield name
