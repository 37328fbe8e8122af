"""A17, A18, A19: how file stores log in to SFTP, FTP, Azure and S3, and what happens when a server comes and goes."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import urllib.parse
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import asyncssh
import pytest
from botocore.credentials import RefreshableCredentials
from tests.file_servers import serving
from tests.integration.test_azure import account_sas
from tests.tier_places import tier_place

from holdall.core.retry import RetryPolicy
from holdall.drivers import s3settings
from holdall.errors import HoldallError, PermissionDeniedError, PreconditionError, UnavailableError
from holdall.testing import Fault
from holdall.testing.ground import LocalGround
from holdall.testing.servers.process import free_port
from holdall.tiers import FileStore

DATA = bytes(range(256)) * 4000
PHRASE = "hunter2 passphrase"


def used(fs):
    """Write, read, list and delete."""
    fs.put("d/k", DATA)
    assert fs.get("d/k") == DATA
    assert [entry.path for entry in fs.list()] == ["d/k"]
    assert fs.get("absent") is None
    fs.delete("d/k")
    assert not fs.exists("d/k")


# -- SFTP -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sftp():
    """A server of its own, behind a proxy, that can be started again."""
    with serving("sftp") as served:
        yield served


@pytest.fixture
def base(sftp):
    """A folder on it, as a path on this machine."""
    path = sftp.files / uuid.uuid4().hex
    path.mkdir()
    return path


def sftp_url(sftp, base, **query):
    known = {"private_key": sftp.server.client_key, "validate_host": "false", **query}
    shown = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in known.items() if value is not None)
    return f"sftp://{sftp.server.user}@127.0.0.1:{sftp.proxy.port}{base}?{shown}"


def test_a17_keys(sftp, base, tmp_path, colour):
    key = asyncssh.read_private_key(sftp.server.client_key)
    key.write_private_key(tmp_path / "encrypted", passphrase=PHRASE, rounds=50)
    (tmp_path / "encrypted").chmod(0o600)
    locked = {"private_key": tmp_path / "encrypted"}
    for way in ({}, {**locked, "private_key_pass": PHRASE}):
        with FileStore(sftp_url(sftp, base, **way)) as fs:
            used(colour(fs))
    with (
        FileStore(sftp_url(sftp, base, **locked, private_key_pass="hunter2 wrong")) as fs,
        pytest.raises(HoldallError) as caught,
    ):
        colour(fs).get("k")
    assert "hunter2" not in str(caught.value)


def test_a17_host_keys(sftp, base, tmp_path, colour):
    """The right one by file and by fingerprint; a wrong one and an unknown host are refused."""
    kind, public = (Path(sftp.server.directory) / "host.pub").read_text().split()[:2]
    other = asyncssh.generate_private_key("ssh-ed25519")
    host = f"[127.0.0.1]:{sftp.proxy.port}"
    fingerprint = asyncssh.import_public_key(f"{kind} {public}").get_fingerprint()
    right, wrong, none = tmp_path / "right", tmp_path / "wrong", tmp_path / "none"
    right.write_text(f"{host} {kind} {public}\n")
    wrong.write_text(f"{host} {other.export_public_key().decode().strip()}\n")
    none.write_text("")
    checked = {"validate_host": "true"}
    for way in ({**checked, "known_hosts": right}, {"validate_host": None, "known_hosts": none, "host_key": fingerprint}):
        with FileStore(sftp_url(sftp, base, **way)) as fs:
            used(colour(fs))
    for way in (
        {**checked, "known_hosts": wrong},
        {**checked, "known_hosts": none},
        {**checked, "host_key": other.get_fingerprint()},
    ):
        with FileStore(sftp_url(sftp, base, **way)) as fs, pytest.raises(PermissionDeniedError) as caught:
            colour(fs).put("k", b"x")
        assert fingerprint in str(caught.value)
    assert [path for path in base.rglob("*") if path.is_file()] == []


class Asking(asyncssh.SSHServer):
    """Takes one user's password, and no key."""

    password = "p@ss/w+rd#1"

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("us@er", self.password)


@contextlib.contextmanager
def asking(root):
    """Run an SFTP server that asks for a password; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    host = asyncssh.generate_private_key("ssh-ed25519")

    async def listen():
        files = {"sftp_factory": lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode())}
        return await asyncssh.create_server(Asking, "127.0.0.1", 0, server_host_keys=[host], **files)

    server = call(listen())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:

        async def end():
            server.close()
            await server.wait_closed()
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        call(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def test_a17_passwords(sftp, tmp_path, colour):
    """A password alone; a key that is not taken, and then the password; a wrong one."""
    root = tmp_path / "root"
    root.mkdir()
    with asking(root) as port:
        user = f"us%40er:{quote(Asking.password, safe='')}"
        for query in ("validate_host=false", f"validate_host=false&private_key={sftp.server.client_key}"):
            with FileStore(f"sftp://{user}@127.0.0.1:{port}/base?{query}") as fs:
                used(colour(fs))
        with FileStore(f"sftp://us%40er:hunter2@127.0.0.1:{port}/base?validate_host=false") as fs:
            with pytest.raises(PermissionDeniedError) as caught:
                colour(fs).get("k")
            assert "hunter2" not in str(caught.value)


def test_a17_a_hundred_overwrites_leave_one_file(sftp, base, colour):
    with FileStore(sftp_url(sftp, base)) as fs:
        for i in range(100):
            colour(fs).put("k", b"%d" % i, force=True)
    assert [(path.name, path.read_bytes()) for path in base.iterdir()] == [("k", b"99")]


def test_a17_a_server_that_is_restarted(sftp, base, colour):
    """Between calls nobody notices; in a read or a write it goes on, or is done again, at the same port with the same key."""
    large = DATA * 20
    patient = RetryPolicy(attempts=12, first=0.2, cap=2.0, deadline=100)
    with FileStore(sftp_url(sftp, base), retry=patient) as plain:
        fs = colour(plain)
        fs.put("k", large)
        sftp.restart()
        assert fs.get("k") == large
        sftp.restart()
        fs.put("l", DATA)
        got = bytearray()
        with colour(plain.store).get("k") as result:
            for chunk in result:
                if not got:
                    sftp.restart()
                got += chunk
        assert got == large
        restarting = threading.Thread(target=sftp.restart)
        restarting.start()
        fs.put("m", large)
        restarting.join()
        assert LocalGround(base).read("m") == large


# -- FTP --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["ftp", "ftps", "ftps-implicit", "ftps-strict"])
def ftp(request):
    """Plain, explicit TLS, implicit TLS, and explicit TLS on a server that demands that sessions are used again."""
    with serving(request.param) as served:
        yield served


def ftp_url(ftp, folder, **query):
    server = ftp.server
    known = dict(query)
    scheme = "ftp" if ftp.kind == "ftp" else "ftps"
    if scheme == "ftps":
        known = {"tls": "implicit" if ftp.kind == "ftps-implicit" else "explicit", "ca_file": server.certificate, **known}
    shown = "&".join(f"{key}={value}" for key, value in known.items() if value is not None)
    return f"{scheme}://{server.user}:{quote(server.password, safe='')}@127.0.0.1:{ftp.proxy.port}/{folder}?name=ftp&{shown}".rstrip(
        "&"
    )


def test_a18_ways_of_tls(ftp, colour):
    with FileStore(ftp_url(ftp, f"ways-{colour.name}")) as fs:
        for _ in range(3):
            used(colour(fs))
    if ftp.kind == "ftp":
        return
    with (
        FileStore(ftp_url(ftp, "other", ca_file=None), retry=RetryPolicy(attempts=1)) as fs,
        pytest.raises(HoldallError) as caught,
    ):
        colour(fs).get("k")
    assert not isinstance(caught.value, FileNotFoundError)
    assert ftp.server.password not in str(caught.value)
    with FileStore(ftp_url(ftp, f"trusting-{colour.name}", ca_file=None, verify="false")) as fs:
        used(colour(fs))


def test_a18_sixteen_threads_and_an_idle_disconnect(ftp, colour):
    with FileStore(ftp_url(ftp, f"threads-{colour.name}")) as fs:

        def work(i, own):
            mine = own(fs)
            for turn in range(4):
                content = b"%d-%d " % (i, turn) * 500
                mine.put(f"{i}", content, force=True)
                assert mine.get(f"{i}") == content
                assert len(mine.exists(f"{i}")) == 1

        colour.in_threads(16, work)
        assert sorted(int(entry.path) for entry in colour(fs).list()) == list(range(16))
        ftp.proxy.down()  # as a server does that ends idle connections, or a gateway that forgets them
        ftp.proxy.up()
        assert colour(fs).get("3") == b"3-3 " * 500
        ftp.proxy.down()
        ftp.proxy.up()
        assert len(colour(fs).put("3", b"new")) == 1


STINGY = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user("user", "word", sys.argv[1], perm="el")
server = ThreadedFTPServer(("127.0.0.1", int(sys.argv[2])), FTPHandler)
print("ready", flush=True)
server.serve_forever()
"""


def test_a18_what_550_means(tmp_path, colour):
    """Missing, forbidden and a directory have one code on FTP, and three answers here."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-c", STINGY, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout.readline() == b"ready\n"
            with FileStore(f"ftp://user:word@127.0.0.1:{port}/") as plain:
                fs = colour(plain)
                assert fs.get("absent") is None
                assert fs.get("no such directory/absent") is None
                assert not fs.exists("directory")
                with pytest.raises(PermissionDeniedError):
                    fs.get("secret")
                with pytest.raises(PermissionDeniedError):
                    fs.put("new", b"x")
                assert fs.exists("secret")
        finally:
            server.kill()


# -- Azure and S3 -----------------------------------------------------------------------------------------------------------


def test_a19_azure(request, colour):
    with tier_place("azure", request) as place:
        server = place.folder.server
        for more in ({}, {"access_key": None, "sas_token": quote(account_sas(server), safe="")}):
            with FileStore(place.url(**more)) as fs:
                used(colour(fs))
                colour(fs).put("k", b"x")
                assert place.folder.ground.everything() == {"base/nested/k"}
                colour(fs).delete("k")
        wrong = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmc="
        with FileStore(place.url(access_key=wrong)) as fs:
            for call in (lambda: colour(fs).get("k"), lambda: colour(fs).put("k", b"y"), lambda: list(colour(fs).list())):
                with pytest.raises(PermissionDeniedError) as caught:
                    call()
                assert wrong not in str(caught.value)


def test_a19_six_hundred_deletions_on_azure_are_three_requests(request, colour):
    """And each has its own verdict: what is leased stays, and is told; what is not there counts as deleted."""
    names = [f"d {i}%ü" for i in range(600)]
    with tier_place("azure", request) as place:
        server = place.folder.server
        for name in names[::30]:
            place.ground.write(name, b"x")
        with FileStore(place.url()) as plain:
            assert colour(plain).delete_batch(names) == []
        sent = place.proxy.traffic.requests
        assert [(method, "comp=batch" in target) for method, target in sent] == [("POST", True)] * 3
        assert place.ground.everything() == set()
        place.ground.write(names[0], b"x")
        place.ground.write(names[1], b"x")
        leased = f"/{place.folder.name}/base/nested/{quote(names[0])}?comp=lease"
        server.request("PUT", leased, x_ms_lease_action="acquire", x_ms_lease_duration="-1")
        with FileStore(place.url()) as plain:
            failed = colour(plain).delete_batch(names[:3])
            assert [name for name, *_ in failed] == names[:1]
            assert isinstance(failed[0][2], PreconditionError)
            assert place.ground.everything() == {names[0]}
            server.request("PUT", leased, x_ms_lease_action="break", x_ms_lease_break_period="0")
            place.proxy.fail(Fault(answer=500), method="POST")  # no batches here: then one by one
            assert colour(plain).delete_batch(names[:3]) == []
            assert place.ground.everything() == set()
        place.ground.write(names[0], b"x")
        with FileStore(place.url(access_key=None, sas_token=quote(account_sas(server), safe=""))) as plain:
            assert colour(plain).delete_batch(names[:3]) == []
            assert place.ground.everything() == set()
        with FileStore(place.url(), retry=RetryPolicy(attempts=1)) as plain:
            place.proxy.down()
            failed = colour(plain).delete_batch(names[:300])
            place.proxy.up()
            assert len(failed) == 300
            assert all(isinstance(error, UnavailableError) for _, _, error in failed)


class Stub(BaseHTTPRequestHandler):
    """The metadata service of an instance, and the token service of web identities; each answer holds for a while."""

    given = 0
    lasts = 3600

    def log_message(self, *arguments):
        pass

    def _answer(self, text, kind="text/plain"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _credentials(self):
        type(self).given += 1
        expires = datetime.now(UTC) + timedelta(seconds=self.lasts)
        return {"AccessKeyId": f"AKIA{self.given}", "SecretAccessKey": "stub-secret", "Token": "stub-token",
                "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}  # fmt: skip

    def do_PUT(self):
        self._answer("session")

    def do_GET(self):
        if self.path.rstrip("/").endswith("security-credentials"):
            self._answer("the-role")
            return
        self._answer(
            json.dumps({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", **self._credentials()})
        )

    def do_POST(self):
        asked = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert asked["WebIdentityToken"] == ["the web token"]
        made = self._credentials()
        fields = "".join(f"<{name}>{made[old]}</{name}>" for name, old in
                         {"AccessKeyId": "AccessKeyId", "SecretAccessKey": "SecretAccessKey", "SessionToken": "Token", "Expiration": "Expiration"}.items())  # fmt: skip
        user = "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>"
        self._answer(
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
            f"<Credentials>{fields}</Credentials>{user}</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            "text/xml",
        )


@pytest.mark.parametrize("way", ["metadata", "web identity"])
def test_a19_credentials_of_the_surroundings(way, moto_bucket, tmp_path, monkeypatch, colour):
    """No key in the URL: the chain finds one, and asks again before it expires."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_EC2_METADATA_DISABLED",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr(s3settings, "FRESH", timedelta(0))  # obstore asks for each request
    handler = type("Handler", (Stub,), {})
    stub = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=stub.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{stub.server_address[1]}"
    if way == "metadata":
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
    else:
        handler.lasts = 120  # so long before the end boto asks again
        (tmp_path / "token").write_text("the web token")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", address)
    try:
        server = moto_bucket.server
        host = server.endpoint.partition("://")[2]
        with FileStore(f"s3://{host}/{moto_bucket.name}/base?use_ssl=false&aws_region={server.region}") as fs:
            used(colour(fs))
            before = handler.given
            for limit in (
                "_advisory_refresh_timeout",
                "_mandatory_refresh_timeout",
            ):  # seconds before the end: it is time now
                monkeypatch.setattr(RefreshableCredentials, limit, 7200)
            used(colour(fs))
            assert handler.given > before > 0
            assert "stub-secret" not in repr(fs) + repr(fs.store.identity)
    finally:
        stub.shutdown()
        stub.server_close()
        thread.join(60)


def test_a19_nobody_vouches(monkeypatch, tmp_path, moto, colour):
    """Without any credentials the answer is a refusal or an outage, never "not there"."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    host = moto.endpoint.partition("://")[2]
    store = FileStore(f"s3://{host}/bucket?use_ssl=false&aws_region=us-east-1", retry=RetryPolicy(attempts=1))
    with store as fs, pytest.raises((PermissionDeniedError, UnavailableError)):
        colour(fs).get("k")
