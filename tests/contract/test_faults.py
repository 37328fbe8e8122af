"""Drivers of network storage behind a proxy that injects faults: HTTP's request by request, SFTP's by connection."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from tests.file_servers import over_sshfs
from tests.object_stores import pages_of

from holdall.core.options import PutOptions
from holdall.drivers import azureextra, fsspec_s3_calls, fsspec_s3_verbs, fsspec_s3_verbs_async
from holdall.drivers.fsspec import FsspecStore
from holdall.drivers.objects import AzureStore, HTTPStore, S3Store
from holdall.drivers.sftp import SFTPStore
from holdall.drivers.smb import SMBStore
from holdall.drivers.webdav import WebDAVStore
from holdall.errors import AlreadyExistsError, UnavailableError
from holdall.store import Store
from holdall.testing import ConnectionFaultContract, Fault, FaultContract, FaultProxy, Ground
from holdall.testing.servers import Bucket, Container, Folder, Nginx, Samba, Site, Sshd, WebDav

PATIENCE = {"timeout": 2.0, "connect_timeout": 2.0, "retries": 2}


def patience(request: pytest.FixtureRequest) -> dict[str, float]:
    """Return how long a store waits: a put five times as long for each attempt, so not for long where that is what is asked."""
    return {**PATIENCE, "timeout": 1.0} if "silent" in request.node.name else PATIENCE


def secret_of(sshd: Sshd) -> str:
    """Return a line of the private key."""
    return Path(sshd.client_key).read_text(encoding="utf-8").splitlines()[1]


class TestS3(FaultContract):
    secrets = ("testtest",)
    many = 25
    large = 9 * 1024 * 1024

    def test_listing_that_breaks(self, store: S3Store, ground: Ground, proxy: FaultProxy) -> None:
        """With pages of ten."""
        pages_of(store, 10)
        super().test_listing_that_breaks(store=store, ground=ground, proxy=proxy)

    @pytest.fixture
    def proxy(self, moto_bucket: Bucket) -> Iterator[FaultProxy]:
        with FaultProxy(moto_bucket.server.endpoint) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, moto_bucket: Bucket, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[S3Store]:
        server = moto_bucket.server
        with S3Store(
            moto_bucket.name,
            endpoint_url=proxy.url,
            region=server.region,
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
            **patience(request),
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, moto_bucket: Bucket) -> Ground:
        return moto_bucket.ground


class TestS3fs(FaultContract):
    """A program's own instance: it is its own patience and its own attempts that count."""

    secrets = ("testtest",)
    many = 25
    large = 9 * 1024 * 1024

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (fsspec_s3_verbs, fsspec_s3_verbs_async):
            monkeypatch.setattr(module, "BATCH", 10)
        monkeypatch.setattr(fsspec_s3_calls, "PATIENCE", 5.0)

    @pytest.fixture
    def proxy(self, moto_bucket: Bucket) -> Iterator[FaultProxy]:
        with FaultProxy(moto_bucket.server.endpoint) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, moto_bucket: Bucket, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[FsspecStore]:
        server = moto_bucket.server
        attempts = {"max_attempts": 2 if "busy" in request.node.name else 0}  # botocore waits long between them
        fs = s3fs.S3FileSystem(
            key=server.access_key,
            secret=server.secret_key,
            endpoint_url=proxy.url,
            client_kwargs={"region_name": server.region},
            config_kwargs={"connect_timeout": 5, "read_timeout": 5, "retries": attempts},
            skip_instance_cache=True,
        )
        fs.retries = 1
        with FsspecStore(fs, path=moto_bucket.name) as store:
            yield store

    @pytest.fixture
    def ground(self, moto_bucket: Bucket) -> Ground:
        return moto_bucket.ground


class TestAzure(FaultContract):
    many = 25
    large = 9 * 1024 * 1024

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(azureextra, "PAGE", 10)

    @pytest.fixture
    def proxy(self, azurite_container: Container) -> Iterator[FaultProxy]:
        with FaultProxy(azurite_container.server.endpoint) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, azurite_container: Container, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[AzureStore]:
        server = azurite_container.server
        self.secrets = (server.key,)
        with AzureStore(
            azurite_container.name,
            account_name=server.account,
            account_key=server.key,
            endpoint_url=f"{proxy.url}/{server.account}",
            **patience(request),
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, azurite_container: Container) -> Ground:
        return azurite_container.ground


class TestHTTP(FaultContract):
    """Behind a password; read-only and without listing, so that what writes or lists does not apply."""

    test_cut_put = test_refused_put = test_lost_reply_of_a_put = test_lost_reply_of_a_delete = None
    test_lost_reply_of_a_create = test_lost_reply_of_an_update = test_listing_that_breaks = None

    @pytest.fixture
    def site(self, nginx: Nginx) -> Iterator[Site]:
        with nginx.site("private/") as site:
            yield site

    @pytest.fixture
    def proxy(self, nginx: Nginx) -> Iterator[FaultProxy]:
        with FaultProxy(nginx.url) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, nginx: Nginx, site: Site, proxy: FaultProxy) -> Iterator[HTTPStore]:
        self.secrets = (nginx.password,)
        url = site.url.replace(nginx.url, proxy.url)
        with HTTPStore(url, username=nginx.user, password=nginx.password, **PATIENCE) as store:
            yield store

    @pytest.fixture
    def ground(self, site: Site) -> Ground:
        return site.ground


class TestSFTP(ConnectionFaultContract):
    large = 5_000_000

    @pytest.fixture
    def proxy(self, sshd: Sshd) -> Iterator[FaultProxy]:
        with FaultProxy((sshd.host, sshd.port), http=False) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, sshd: Sshd, sshd_folder: Folder, proxy: FaultProxy) -> Iterator[SFTPStore]:
        self.secrets = (secret_of(sshd),)
        with SFTPStore(
            "127.0.0.1",
            path=sshd_folder.path,
            port=proxy.port,
            username=sshd.user,
            key_filename=sshd.client_key,
            known_hosts=None,  # they know the server by its own port
            timeout=2.0,
            connect_timeout=2.0,
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, sshd_folder: Folder) -> Ground:
        return sshd_folder.ground


class TestSshfs(ConnectionFaultContract):
    """A program's own instance, which notices a silent server by the keepalive it was given, and never connects again itself."""

    large = 5_000_000

    @pytest.fixture
    def proxy(self, sshd: Sshd) -> Iterator[FaultProxy]:
        with FaultProxy((sshd.host, sshd.port), http=False) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, sshd: Sshd, sshd_folder: Folder, proxy: FaultProxy) -> Iterator[FsspecStore]:
        self.secrets = (secret_of(sshd),)
        with over_sshfs(
            sshd_folder.path,
            host="127.0.0.1",
            port=proxy.port,
            username=sshd.user,
            client_keys=[sshd.client_key],
            known_hosts=None,
            connect_timeout=5,
            keepalive_interval=1,
            keepalive_count_max=5,
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, sshd_folder: Folder) -> Ground:
        return sshd_folder.ground


class TestSMB(ConnectionFaultContract):
    large = 5_000_000

    @pytest.fixture
    def proxy(self, samba: Samba) -> Iterator[FaultProxy]:
        with FaultProxy((samba.host, samba.port), http=False) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, samba: Samba, samba_folder: Folder, proxy: FaultProxy) -> Iterator[SMBStore]:
        self.secrets = (samba.password,)
        with SMBStore(
            "127.0.0.1",
            samba.share,
            path=samba_folder.path,
            port=proxy.port,
            username=samba.user,
            password=samba.password,
            timeout=6.0,  # the protocol is computed in Python: a busy machine needs its time
            connect_timeout=6.0,
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, samba_folder: Folder) -> Ground:
        return samba_folder.ground

    @pytest.mark.filterwarnings("ignore:unclosed SMB handle:ResourceWarning")
    def test_listing_that_breaks(self, store: SMBStore, ground: Ground, proxy: FaultProxy) -> None:
        """The library warns of a directory's handle that has gone with its connection."""
        super().test_listing_that_breaks(store=store, ground=ground, proxy=proxy)
        gc.collect()


class TestWebDAV(FaultContract):
    large = 5_000_000
    gone = UnavailableError
    test_lost_reply_of_an_update = None  # it has no compare-and-set

    @pytest.fixture
    def proxy(self, webdav: WebDav) -> Iterator[FaultProxy]:
        with FaultProxy(webdav.url) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, webdav: WebDav, webdav_folder: Folder, proxy: FaultProxy) -> Iterator[WebDAVStore]:
        self.secrets = (webdav.password,)
        with WebDAVStore(
            proxy.url, path=webdav_folder.path, username=webdav.user, password=webdav.password, **PATIENCE
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, webdav_folder: Folder) -> Ground:
        return webdav_folder.ground

    def test_lost_reply_of_a_create(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """It is the MOVE that creates: repeated because its answer got lost, it finds that it has happened."""
        proxy.fail(Fault(lose_reply=True), times=1, method="MOVE")
        verbs.put("k", b"first", PutOptions(mode="create"))
        assert proxy.traffic.faults == 1
        proxy.fail(Fault(lose_reply=True), times=1, method="MOVE")
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", b"second", PutOptions(mode="create"))
        assert ground.read("k") == b"first"
