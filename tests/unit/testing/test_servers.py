"""Each real server answers a client that is not ours, and leaves nothing behind."""

import asyncio
import ftplib
import importlib.util
import io
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest

from holdall.errors import UnavailableError
from holdall.testing.servers import Ftpd, Server, ServerMissingError, shared
from holdall.testing.servers.process import free_port, launch, listens, program, wait_until

ODD = ("a//b", "ü %2F+#?", "d/", "x/y")


@pytest.mark.parametrize("name", ["moto_bucket", "localstack_bucket", "radosgw_bucket", "azurite_container"])
def test_object_servers(request, name):
    ground = request.getfixturevalue(name).ground
    assert ground.snapshot() == {}
    for key in ODD:
        ground.write(key, key.encode())
    assert ground.snapshot() == {key: key.encode() for key in ODD}
    ground.delete("a//b")
    assert ground.read("a//b") is None
    assert ground.everything() == set(ODD) - {"a//b"}
    assert ground.unfinished() == 0


@pytest.mark.parametrize("name", ["moto_versioned_bucket", "localstack_versioned_bucket", "radosgw_versioned_bucket"])
def test_versioned_buckets(request, name):
    bucket = request.getfixturevalue(name)
    for data in (b"1", b"2"):
        bucket.ground.write("k", data)
    bucket.ground.delete("k")
    found = bucket.client.list_object_versions(Bucket=bucket.name)
    assert len(found["Versions"]) == 2
    assert len(found["DeleteMarkers"]) == 1


@pytest.mark.parametrize("name", ["moto_bucket", "localstack_bucket", "radosgw_bucket"])
def test_bucket_counts_unfinished_uploads(request, name):
    bucket = request.getfixturevalue(name)
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="k")
    assert bucket.ground.unfinished() == 1
    bucket.clear()
    assert bucket.ground.unfinished() == 0
    assert begun["UploadId"]


def test_nginx(nginx_site, nginx):
    nginx_site.ground.write("a b.txt", b"hello")
    with urllib.request.urlopen(f"{nginx_site.url}/a%20b.txt") as answer:
        assert answer.read() == b"hello"
        assert answer.headers["ETag"]
    part = urllib.request.Request(f"{nginx_site.url}/a%20b.txt", headers={"Range": "bytes=1-2"})
    with urllib.request.urlopen(part) as answer:
        assert (answer.status, answer.read()) == (206, b"el")
    for place, code in (("forbidden/", 403), ("broken/", 500), ("busy/", 503), ("private/", 401)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{nginx.url}/{place}x")
        caught.value.close()
        assert caught.value.code == code


def test_nginx_s3_stub(nginx_s3_stub):
    obstore = pytest.importorskip("obstore")
    store = obstore.store.S3Store(
        "bench", **nginx_s3_stub.options, client_options={"allow_http": True}, virtual_hosted_style_request=False
    )
    obstore.put(store, "k", b"x" * 100)
    assert bytes(obstore.get(store, "k").bytes()) == b"x" * 100
    obstore.put(store, "large", b"y" * 11_000_000)  # by parts
    assert (Path(nginx_s3_stub.files) / "bench" / "k").read_bytes() == b"x" * 100
    nginx_s3_stub.set_listing("tree", {f"tree/{i:04}": i for i in range(1005)})
    found = [meta for page in obstore.list(store, "tree/") for meta in page]
    assert [(meta["path"], meta["size"]) for meta in found] == [(f"tree/{i:04}", i) for i in range(1005)]
    assert list(obstore.list(store, "other/")) == []


def test_sshd(sshd_folder):
    asyncssh = pytest.importorskip("asyncssh")
    server = sshd_folder.server

    async def use():
        connection = asyncssh.connect(
            server.host, server.port, username=server.user, client_keys=[server.client_key], known_hosts=server.known_hosts
        )
        async with (
            connection as shell,
            shell.start_sftp_client() as client,
            client.open(f"{sshd_folder.path}/x", "wb") as file,
        ):
            await file.write(b"by sftp")

    asyncio.run(use())
    assert sshd_folder.ground.snapshot() == {"x": b"by sftp"}


class ImplicitTls(ftplib.FTP_TLS):
    """ftplib knows explicit TLS only: wrap the socket as soon as it is there."""

    _wrapped = None

    @property
    def sock(self):
        return self._wrapped

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname="127.0.0.1")
        self._wrapped = value


@pytest.mark.parametrize("name", ["ftpd", "ftpd_tls", "ftpd_implicit"])
def test_ftp(request, name):
    folder = request.getfixturevalue(f"{name}_folder")
    server = folder.server
    if name == "ftpd":
        client = ftplib.FTP(timeout=20)
    else:
        client = (ftplib.FTP_TLS if name == "ftpd_tls" else ImplicitTls)(context=server.ssl_context(), timeout=20)
    client.connect(server.host, server.port)
    try:
        client.login(server.user, server.password)
        if isinstance(client, ftplib.FTP_TLS):
            client.prot_p()
        client.cwd(folder.path)
        assert client.nlst() == []  # over TLS, a data connection without data
        client.storbinary("STOR empty", io.BytesIO())
        client.storbinary("STOR big", io.BytesIO(b"x" * 3_000_000))
        assert sorted(client.nlst()) == ["big", "empty"]
        client.quit()
    finally:
        client.close()
    assert folder.ground.snapshot() == {"empty": b"", "big": b"x" * 3_000_000}


def test_webdav(webdav_folder):
    server = webdav_folder.server
    reply = httpx.put(f"{server.url}{webdav_folder.path}/x", content=b"by dav", auth=(server.user, server.password))
    assert reply.status_code == 201
    assert webdav_folder.ground.snapshot() == {"x": b"by dav"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.url)
    caught.value.close()
    assert caught.value.code == 401


def test_postgres(postgres, postgres_database):
    postgres.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (41)", postgres_database)
    assert postgres.execute("SELECT a + 1 FROM t", postgres_database) == "42"
    assert postgres.url("d", "asyncpg").startswith("postgresql+asyncpg://")


# -- the machinery ----------------------------------------------------------------------------------------------------

needs_ftp = pytest.mark.skipif(importlib.util.find_spec("pyftpdlib") is None, reason="pip install pyftpdlib")


@needs_ftp
def test_running_leaves_nothing():
    with Ftpd.running() as server:
        assert listens(server.port)
        assert os.path.isdir(server.directory)
        [process] = server.processes
        assert process.alive()
    assert not process.alive()
    assert not listens(server.port)
    assert not os.path.exists(server.directory)


@needs_ftp
def test_shared_server_is_ended_by_its_last_user(tmp_path):
    with shared(Ftpd, tmp_path) as first:
        with shared(Ftpd, tmp_path) as second:
            assert second == first
        assert listens(first.port)
    assert not listens(first.port)
    with shared(Ftpd, tmp_path) as again:
        assert listens(again.port)


def test_shared_failure_is_remembered(tmp_path):
    calls = []

    class Missing(Server):
        name = "missing"

        @classmethod
        def start(cls, directory):
            calls.append(directory)
            raise ServerMissingError("install it")

    for _ in range(2):
        with pytest.raises(ServerMissingError, match="install it"), shared(Missing, tmp_path):
            pass
    [directory] = calls
    assert not directory.exists()


def test_a_server_that_ends_shows_its_log(tmp_path):
    process = launch([sys.executable, "-c", "print('no such option'); raise SystemExit(3)"], name="bad", directory=tmp_path)
    with pytest.raises(UnavailableError, match="no such option"):
        wait_until(lambda: False, process, what="bad", seconds=20)


def test_a_server_that_never_answers_is_ended(tmp_path):
    process = launch([sys.executable, "-c", "import time; time.sleep(600)"], name="slow", directory=tmp_path)
    with pytest.raises(UnavailableError, match="did not answer"):
        wait_until(lambda: listens(free_port()), process, what="slow", seconds=0.3)
    assert not process.alive()


def test_missing_program():
    with pytest.raises(ServerMissingError, match="apt-get install it"):
        program("no-such-program-here", hint="apt-get install it")


def test_a_killed_test_run_takes_its_servers_along(tmp_path):
    """The leash ends the server when the process that started it is killed."""
    code = f"""
import sys, time
from pathlib import Path
from holdall.testing.servers.process import launch
pid = launch([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"],
             name="child", directory=Path({str(tmp_path)!r})).pid
print(pid, flush=True)
time.sleep(600)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as run:
        leash = int(run.stdout.readline())
        log = tmp_path / "child.log"
        child = int(_until(lambda: log.exists() and log.read_text().strip()))
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    assert _until(lambda: not _runs(leash) and not _runs(child))


def _until(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("not in time")


def _runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_killed_leash_takes_its_server_along(tmp_path):
    """Nobody is left to end the server then but the kernel."""
    if sys.platform != "linux":
        return
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    process = launch([sys.executable, "-c", code], name="child", directory=tmp_path)
    log = tmp_path / "child.log"
    child = int(_until(lambda: log.exists() and log.read_text().strip()))
    os.kill(process.pid, signal.SIGKILL)
    assert _until(lambda: not _runs(child))


def test_stopped_while_it_starts(tmp_path):
    """Being ended between any two steps of the start leaves no orphan."""
    for step in range(6):
        log = tmp_path / f"child{step}.log"
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
        process = launch([sys.executable, "-c", code], name=f"child{step}", directory=tmp_path)
        time.sleep(step * 0.02)
        process.stop()
        assert not process.alive()
        started = log.read_text().strip() if log.exists() else ""
        assert not (started and _runs(int(started)))
