"""Why there is no connection, in words that say what to do: real servers, and every channel to them."""

import contextlib
import http.server
import socket
import ssl
import threading

import pytest

from holdall.drivers.objects import AzureStore, S3Store
from holdall.drivers.registry import open_store
from holdall.errors import NotFoundError, PermissionDeniedError, UnavailableError
from holdall.testing import Colour
from holdall.testing.servers.process import program, run


class Nothing(http.server.BaseHTTPRequestHandler):
    def setup(self):
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            try:
                self.request.do_handshake()
            except OSError:  # a client that does not trust us goes
                self.request.close()
                raise
        super().setup()

    def finish(self):
        super().finish()
        self.request.close()

    def do_GET(self):
        self.send_response(404)
        self.send_header("x-ms-error-code", "BlobNotFound")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    tls = None

    def handle_error(self, request, address):
        """Say nothing of clients that go."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority, and servers' certificates signed by it."""
    folder, openssl = tmp_path_factory.mktemp("authority"), program("openssl", hint="apt-get install openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=holdall test"]
    run(
        [
            openssl,
            "req",
            "-x509",
            *key,
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-days",
            "30",
            "-keyout",
            f"{folder}/ca.key",
            "-out",
            f"{folder}/ca.pem",
        ]
    )
    for name, (alternative, days) in {
        "good": ("IP:127.0.0.1", 30),
        "other": ("DNS:other.example", 30),
        "old": ("IP:127.0.0.1", -1),
    }.items():
        (folder / "extensions").write_text(
            f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        )
        run([openssl, "req", *key, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr"])
        signed = [
            "-CA",
            f"{folder}/ca.pem",
            "-CAkey",
            f"{folder}/ca.key",
            "-CAcreateserial",
            "-extfile",
            f"{folder}/extensions",
        ]
        run(
            [
                openssl,
                "x509",
                "-req",
                "-in",
                f"{folder}/{name}.csr",
                *signed,
                "-days",
                str(days),
                "-out",
                f"{folder}/{name}.pem",
            ]
        )
    return folder


@contextlib.contextmanager
def serving(authority, name):
    with Server(("127.0.0.1", 0), Nothing) as server:
        if name is not None:
            server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.tls.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def asked(colour: Colour, address: str, **options):
    """Yield calls of each channel: obstore, boto3, our own."""
    common = {"endpoint_url": address, "retries": 0, **options}
    s3 = S3Store("b", access_key_id="a", secret_access_key="b", **common)
    azure = AzureStore("b", account_name="abc", account_key="YWJj", **common)
    with contextlib.closing(s3), contextlib.closing(azure):
        yield lambda: colour(s3).head("k")
        yield lambda: colour(s3).tags("k")
        yield lambda: colour(azure).head("k")
        yield lambda: azure.extra.head("k", "k", None)


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("good", False, "nobody who is trusted has signed it|unable to get local issuer"),
        ("other", True, "it is for another name|IP address mismatch"),
        ("old", True, "it has expired|certificate has expired"),
    ],
)
def test_certificates(authority, colour: Colour, name, trusted, words):
    with serving(authority, name) as address:
        for ask in asked(colour, address, **({"ca_file": str(authority / "ca.pem")} if trusted else {})):
            with pytest.raises(PermissionDeniedError, match=f"the server's certificate was refused: ({words})") as failed:
                ask()
            assert failed.value.kind == "certificate"


def test_a_certificate_that_is_good(authority, colour: Colour):
    with serving(authority, "good") as address:
        for ask in asked(colour, address, ca_file=str(authority / "ca.pem")):
            with pytest.raises(NotFoundError):
                ask()


def test_nobody_there(colour: Colour):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for ask in asked(colour, f"http://127.0.0.1:{port}"):
        with pytest.raises(UnavailableError, match="no connection: connection refused"):
            ask()


def test_a_server_without_tls(authority, colour: Colour):
    with serving(authority, None) as address:
        for ask in asked(colour, address):
            with pytest.raises(UnavailableError, match="no connection: the server speaks no TLS here"):
                ask()


@pytest.mark.parametrize("scheme", ["http", "webdav"])
def test_the_web(authority, colour: Colour, scheme):
    with serving(authority, "good") as address, open_store(address.replace("https", f"{scheme}s")) as store:  # noqa: SIM117
        with pytest.raises(PermissionDeniedError, match="the server's certificate was refused"):
            colour(store).head("k")
    with serving(authority, None) as address, open_store(address.replace("https", f"{scheme}s")) as store:  # noqa: SIM117
        with pytest.raises(UnavailableError, match="the server speaks no TLS here"):
            colour(store).head("k")
    with open_store(address.replace("https", scheme)) as store, pytest.raises(UnavailableError, match="connection refused"):
        colour(store).head("k")
