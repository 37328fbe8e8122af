"""A01, A12, A14, A15, A21: web servers by URL, streams that drop half way, links that lead out, locations that are left alone."""

import math
import ssl
import subprocess
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.tier_places import tier_place

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.memory import MemoryStore
from holdall.errors import HoldallError, IntegrityError, PermissionDeniedError, PreconditionError, UnavailableError
from holdall.testing import Fault
from holdall.tiers import FileStore

NEVER = BreakerPolicy(failures=10_000)
QUICK = {"retry": RetryPolicy(attempts=3, first=0.01, cap=0.05), "breaker": NEVER}
ONCE = {"retry": RetryPolicy(attempts=1), "breaker": NEVER}
DATA = bytes(range(256)) * 32_000


@pytest.fixture
def place(request):
    with tier_place(request.param, request) as place:
        yield place


def on(*kinds):
    """Run a test on each of some kinds of storage."""
    return pytest.mark.parametrize("place", kinds, indirect=True)


# -- web servers ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def serving():
    """Start web servers, each with a handler; gives their ports."""
    running = []

    def start(handler, tls=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return server.server_address[1]

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(60)


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of no authority, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "certificate.pem", folder / "key.pem"
    about = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=tiers"]
    command = ["openssl", "req", "-x509", *kind, *about, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made, key


def test_a01_https(serving, certificate, tmp_path, colour):
    """Who is not trusted is not asked; that is no miss."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "myfile").write_bytes(b"content")
    trusted, key = certificate
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(trusted, key)
    port = serving(partial(Files, directory=str(tmp_path)), tls)
    address = f"https://127.0.0.1:{port}/files"
    for query in (f"ca_file={trusted}", "verify=false"):
        with FileStore(f"{address}?{query}", **ONCE) as plain:
            fs = colour(plain)
            assert fs.get("myfile") == b"content"
            assert fs.exists("myfile")
            assert fs.download("myfile", tmp_path / "copy").size == 7
            assert fs.get("absent") is None
    with FileStore(address, **ONCE) as plain, pytest.raises(PermissionDeniedError, match="certificate was refused"):
        colour(plain).get("myfile")


def test_a01_http_with_a_password(nginx, colour):
    with nginx.site("private/") as site:
        site.ground.write("myfile", b"content")
        host = site.url.partition("://")[2]
        with FileStore(f"http://{nginx.user}:{nginx.password}@{host}", **ONCE) as fs:
            assert colour(fs).get("myfile") == b"content"
            assert colour(fs).get("absent") is None
        with FileStore(f"http://{nginx.user}:a-wrong-one@{host}", **ONCE) as fs, pytest.raises(PermissionDeniedError):
            colour(fs).get("myfile")


def test_a14_no_credentials_to_another_origin(serving, colour):
    asked = {}

    class Sending(BaseHTTPRequestHandler):
        """Sends everybody to the other server."""

        def log_message(self, *arguments):
            pass

        def do_GET(self):
            here = self.server.server_address[1]
            asked[here] = self.headers["Authorization"]
            self.send_response(302 if here == first else 200)
            self.send_header("Location", f"http://localhost:{second}{self.path}")
            self.send_header("Content-Length", "0" if here == first else "7")
            self.end_headers()
            if here == second:
                self.wfile.write(b"content")

    first, second = serving(Sending), serving(Sending)
    with FileStore(f"http://user:the-pass-word@127.0.0.1:{first}/", **ONCE) as fs:
        assert colour(fs).get("myfile") == b"content"
    assert asked[first].startswith("Basic ")
    assert asked[second] is None


# -- streams ----------------------------------------------------------------------------------------------------------------

HALF = Fault(drop_reply_after=len(DATA) // 2)


@on("s3", "azure", "sftp")
def test_a12_a_drop_half_way(place, colour):
    """The same bytes go on; not if the object was replaced; in another location only if the digests are equal."""
    method = None if place.kind == "sftp" else "GET"
    with FileStore(place.url(), **QUICK) as plain:
        colour(plain).put("k", DATA)
    with FileStore(place.url(), **QUICK) as plain:
        place.proxy.fail(HALF, method=method)
        with colour(plain.store).get("k") as result:
            same = b"".join(result) == DATA
        assert (same, place.proxy.traffic.faults) == (True, 1)
    for content, goes_on in ((DATA, place.kind != "sftp"), (DATA[::-1], False)):  # files over SSH have no digest
        with FileStore(place.url(), MemoryStore(), **ONCE) as plain:
            colour(plain).put("k", content, "far")
            place.proxy.fail(HALF, method=method)
            place.proxy.fail(Fault(drop_reply_after=0), times=math.inf, method=method)
            with colour(plain.store).get("k") as result:
                if goes_on:
                    assert sum(map(len, result)) == len(DATA)
                else:
                    with pytest.raises((UnavailableError, IntegrityError)):
                        b"".join(result)
            place.proxy.heal()
    with FileStore(place.url(), **QUICK) as plain:
        place.proxy.fail(HALF, method=method)
        with pytest.raises((IntegrityError, PreconditionError)), colour(plain.store).get("k") as result:
            for i, _ in enumerate(result):
                if i == 0:
                    replace(place, "k", b"another")


def replace(place, key, data):
    """Put another object in the place of one, as other programs do: what is open stays as it was."""
    if place.kind != "sftp":
        place.ground.write(key, data)
        return
    place.ground.write("beside", data)
    root = Path(place.ground.root)
    (root / "beside").replace(root / key)


# -- links that lead out ----------------------------------------------------------------------------------------------------


@on("file", "sftp")
def test_a15_links_that_lead_out(place, tmp_path, colour):
    """Neither a link to a file nor one to a directory is a way out, in no method; what lies there stays as it was."""
    secret, source = tmp_path / "secret", tmp_path / "source"
    secret.mkdir()
    (secret / "x").write_bytes(b"private")
    source.write_bytes(b"overwritten")
    root = Path(place.ground.root)
    (root / "file").symlink_to(secret / "x")
    (root / "folder").symlink_to(secret)
    with FileStore(place.url(), **ONCE) as plain:
        fs = colour(plain)
        for name in ("file", "folder/x"):
            for call in (
                lambda name=name: fs.get(name),
                lambda name=name: fs.stat(name),
                lambda name=name: fs.download(name, tmp_path / "copy"),
                lambda name=name: plain.open(name).read(),
            ):
                with pytest.raises(HoldallError):
                    call()
        for call in (
            lambda: fs.put("folder/y", b"overwritten"),
            lambda: fs.put("folder/x", b"overwritten", force=True),
            lambda: fs.upload(source, "folder/y"),
            lambda: fs.delete("folder/x"),
        ):
            with pytest.raises(HoldallError):
                call()
        assert len(fs.upload_batch([(source, "folder/y")])) == len(fs.delete_batch(["folder/x"])) == 1
        assert [entry.path for entry in fs.list() if entry.path.startswith("folder")] == []
    assert not (tmp_path / "copy").exists()
    assert {path.name: path.read_bytes() for path in secret.iterdir()} == {"x": b"private"}


# -- locations that are left alone ------------------------------------------------------------------------------------------


@on("s3")
def test_a21_a_location_that_is_left_alone(place, colour):
    """After five failures: then a thousand reads make neither connection nor request, and what only it may have is no miss."""
    far = MemoryStore()
    far.put("k", b"x")
    policy = BreakerPolicy(first=3600, cap=3600)
    with FileStore(place.url(), far, retry=RetryPolicy(attempts=1), breaker=policy) as plain:
        fs = colour(plain)
        place.proxy.fail(Fault(answer=500), times=math.inf)
        for _ in range(5):
            assert plain.status().locations["place"].state == "closed"
            assert fs.get("k") == b"x"
        assert plain.status().locations["place"].state == "open"
        before = place.proxy.traffic
        for _ in range(1000):
            assert fs.get("k") == b"x"
        with pytest.raises(UnavailableError) as caught:
            fs.get("absent")
        assert caught.value.report["memory-1"] is None
        after = place.proxy.traffic
        assert (len(after.requests), after.connections) == (len(before.requests), before.connections)
