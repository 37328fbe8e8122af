"""S3 servers: moto, LocalStack and Ceph's radosgw."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import signal
import sys
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from holdall.errors import MissingExtraError
from holdall.testing.ground import S3Ground
from holdall.testing.servers.base import Server
from holdall.testing.servers.installing import localstack
from holdall.testing.servers.process import Process, free_port, launch, listens, program, responds, run, wait_until

__all__ = ["Bucket", "LocalStack", "Moto", "Radosgw", "S3Server"]


@dataclass(frozen=True, kw_only=True)
class S3Server(Server):
    """A server that speaks S3.

    Attributes:
        endpoint: Its URL.
        access_key, secret_key, region: Credentials that it takes.
    """

    REFUSES: ClassVar[str] = ""
    """Characters that the server cannot have in a key."""

    endpoint: str
    access_key: str = "test"
    secret_key: str = "testtest"  # noqa: S105  # of a throw-away server on loopback
    region: str = "us-east-1"

    def client(self, **options: Any) -> Any:
        """Return a new boto3 S3 client of this server."""
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise MissingExtraError('this needs boto3: pip install "holdall[s3]"') from error
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}, max_pool_connections=32)
        session = boto3.session.Session(
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key, region_name=self.region
        )
        return session.client("s3", endpoint_url=self.endpoint, config=options.pop("config", config), **options)

    @contextlib.contextmanager
    def bucket(self, *, versioned: bool = False) -> Generator[Bucket]:
        """Make a bucket of a new name, and remove it with all that it holds."""
        client = _client(self)
        name = f"b-{uuid.uuid4().hex[:20]}"
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        made = Bucket(server=self, name=name, client=client)
        try:
            yield made
        finally:
            made.clear()
            client.delete_bucket(Bucket=name)

    @property
    def options(self) -> dict[str, str]:
        """Obstore's names for what connects to this server."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which any AWS library connects to this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ALLOW_HTTP": "true",
        }


@functools.lru_cache(maxsize=8)
def _client(server: S3Server) -> Any:
    """Return this process's client of a server: making one costs more than most tests."""
    return server.client()


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket for one test.

    Attributes:
        server: Where it is.
        name: Its name.
        client: A boto3 client of the server.
    """

    server: S3Server
    name: str
    client: Any

    @property
    def ground(self) -> S3Ground:
        """Raw access to it."""
        return S3Ground(self.client, self.name, refuses=self.server.REFUSES)

    def clear(self) -> None:
        """Delete every version, marker and unfinished upload."""
        for upload in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ()):
            self.client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        while True:
            page = self.client.list_object_versions(Bucket=self.name)
            found = [
                {"Key": item["Key"], "VersionId": item["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for item in page.get(kind, ())
            ]
            if not found:
                return
            for item in [item for item in found if not item["Key"].isprintable()]:  # XML cannot carry all of them
                self.client.delete_object(Bucket=self.name, **item)
            plain = [item for item in found if item["Key"].isprintable()]
            if plain:
                self.client.delete_objects(Bucket=self.name, Delete={"Objects": plain[:1000], "Quiet": True})
            if len(found) < 1000:  # LocalStack's last page is not the only one that says it is
                return


@dataclass(frozen=True, kw_only=True)
class Moto(S3Server):
    """moto's server in a process of its own, one request at a time: light, checks no signatures."""

    name: ClassVar[str] = "moto"
    REFUSES: ClassVar[str] = "\n"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        if importlib.util.find_spec("moto") is None:
            raise MissingExtraError('this needs moto: pip install "holdall[testing]"')
        port = free_port()
        script = Path(__file__).with_name("moto_main.py")
        command = [sys.executable, "-P", str(script), "-H", "127.0.0.1", "-p", str(port)]
        process = launch(command, name="moto", directory=directory)
        wait_until(lambda: responds(f"http://127.0.0.1:{port}/moto-api/"), process, what="moto")
        return cls(directory=str(directory), processes=(process,), endpoint=f"http://127.0.0.1:{port}")


@dataclass(frozen=True, kw_only=True)
class LocalStack(S3Server):
    """LocalStack's S3 in host mode: conditional requests, atomic under contention, verifies presigned URLs."""

    name: ClassVar[str] = "localstack"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        python, port = localstack(), free_port()
        environment = {
            "SERVICES": "s3",
            "EAGER_SERVICE_LOADING": "1",
            "GATEWAY_SERVER": "hypercorn",  # the default one listens on every interface
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "S3_SKIP_SIGNATURE_VALIDATION": "0",
            "FILESYSTEM_ROOT": str(directory / "data"),
            "LOCALSTACK_VOLUME_DIR": str(directory / "data"),
            "PYTHONWARNINGS": "ignore",
        }
        command = [python, "-m", "localstack.runtime.main"]
        process = launch(command, name="localstack", directory=directory, environment=environment)
        wait_until(lambda: responds(f"http://127.0.0.1:{port}/_localstack/health"), process, what="LocalStack")
        return cls(
            directory=str(directory),
            processes=(process,),
            endpoint=f"http://127.0.0.1:{port}",
            secret_key="test",  # noqa: S106  # what presigned URLs must be signed with there
        )


CEPH_CONF = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
public network = 127.0.0.0/8
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
# without cephx, and without this mode, radosgw loops on its first authentication request
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon max pg per osd = 1000
# pools are made through the monitor: fast proposals make a start of seconds, not a quarter of a minute
paxos propose interval = 0.05
paxos min wait = 0.01
run dir = {root}
pid file =
admin socket = {root}/$name.$pid.asok
log file = {root}/$name.log
crash dir = {root}
[mon.a]
mon data = {root}/mon
[osd.0]
osd data = {root}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd op num shards = 2
[client.rgw]
rgw data = {root}/rgw
# without tcp_nodelay every small GET waits 44 ms
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 32
rgw enable usage log = false
rgw enable ops log = false
rgw dns name = localhost
rgw override bucket index max shards = 1
rgw crypt require ssl = false
"""


@dataclass(frozen=True, kw_only=True)
class Radosgw(S3Server):
    """Ceph's object gateway on an in-memory cluster of one: a real production server."""

    name: ClassVar[str] = "radosgw"
    STORAGE_CLASS: ClassVar[str] = "STANDARD_IA"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start monitor, storage daemon and gateway. See `Server.start`."""
        hint = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common"
        tools = {
            name: program(name, hint=hint)
            for name in ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
        }
        for name in ("mon", "osd", "rgw"):
            (directory / name).mkdir()
        fsid, mon2, mon1, port = str(uuid.uuid4()), free_port(), free_port(), free_port()
        conf = directory / "ceph.conf"
        conf.write_text(CEPH_CONF.format(fsid=fsid, mon1=mon1, mon2=mon2, port=port, root=directory), encoding="utf-8")
        use = ["-c", str(conf)]
        started: list[Process] = []
        try:
            address = f"[v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]"
            monmap = str(directory / "monmap")
            run([tools["monmaptool"], "--create", "--fsid", fsid, "--addv", "a", address, monmap])
            run([tools["ceph-mon"], *use, "-i", "a", "--mkfs", "--monmap", monmap])
            mon = launch([tools["ceph-mon"], *use, "-i", "a", "-f"], name="mon", directory=directory)
            started.insert(0, mon)
            wait_until(lambda: listens(mon2), mon, what="ceph-mon")
            ceph = [tools["ceph"], *use, "--connect-timeout", "20"]
            osd_id = str(uuid.uuid4())
            run([*ceph, "osd", "new", osd_id])
            run([tools["ceph-osd"], *use, "-i", "0", "--mkfs", "--osd-uuid", osd_id])
            # it hangs on SIGTERM once the monitor is gone, and its data is in memory anyway
            osd = launch([tools["ceph-osd"], *use, "-i", "0", "-f"], name="osd", directory=directory, ending=signal.SIGKILL)
            started.insert(0, osd)
            wait_until(lambda: '"num_up_osds":1' in run([*ceph, "osd", "stat", "-f", "json"]), osd, what="ceph-osd")
            run([*ceph, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost"])
            admin = [tools["radosgw-admin"], *use, "-n", "client.admin"]
            user = ["--uid=test", "--display-name=test", "--access-key=test", "--secret-key=testtest"]
            run([*admin, "user", "create", *user])
            place = ["--placement-id", "default-placement", "--storage-class", cls.STORAGE_CLASS]
            run([*admin, "zonegroup", "placement", "add", "--rgw-zonegroup", "default", *place])
            run(
                [
                    *admin,
                    "zone",
                    "placement",
                    "add",
                    "--rgw-zone",
                    "default",
                    *place,
                    "--data-pool",
                    "default.rgw.buckets.data",
                ]
            )
            gateway = launch([tools["radosgw"], *use, "-n", "client.rgw", "-f"], name="rgw", directory=directory)
            started.insert(0, gateway)
            wait_until(lambda: responds(f"http://127.0.0.1:{port}/"), gateway, what="radosgw")
        except BaseException:
            for process in started:
                process.stop()
            raise
        return cls(directory=str(directory), processes=tuple(started), endpoint=f"http://127.0.0.1:{port}")
