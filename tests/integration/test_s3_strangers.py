"""What is served at an S3 address and is no S3: pages of proxies and logins, redirects in circles. Each is told, none taken for an answer."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdall.core.options import PutOptions
from holdall.drivers.azure import AzureStore
from holdall.drivers.s3 import S3Store
from holdall.errors import ConfigError, HoldallError, IntegrityError, NotFoundError, UnavailableError
from holdall.testing import Colour

PAGE = b"<html><body>Please log in</body></html>"


class Stranger(BaseHTTPRequestHandler):
    """Answers everything alike."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status = self.server.status
        body = b"" if status in {204, 302} else PAGE
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/login")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  # the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


ACTS = {
    "list": lambda verbs: list(verbs.list()),
    "put": lambda verbs: verbs.put("a", b"x"),
    "create": lambda verbs: verbs.put("a", b"x", PutOptions(mode="create")),
    "large": lambda verbs: verbs.put("a", bytes(12 << 20)),
    "delete": lambda verbs: verbs.delete("a"),
    "delete many": lambda verbs: _failed(verbs.delete(["a", "b"])),
    "uploads": lambda verbs: list(verbs.uploads()),
}


def _failed(results):
    """Raise the error that each result has."""
    errors = [result.error for result in results]
    assert all(errors)
    raise errors[0]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [200, 204, 302, 404])
def test_a_stranger_is_told(stranger, colour: Colour, status, act):
    stranger.status = status
    address = f"http://127.0.0.1:{stranger.server_address[1]}"
    with S3Store("b", endpoint_url=address, access_key_id="a", secret_access_key="hunter2", retries=0) as store:
        with pytest.raises(HoldallError) as caught:
            ACTS[act](colour(store))
        assert isinstance(caught.value, (UnavailableError, ConfigError, IntegrityError))
        assert "hunter2" not in f"{caught.value}{caught.value.__cause__!r}"


def test_a_stranger_has_no_missing_objects(stranger, colour: Colour):
    """A 404 that no S3 says: the bucket is missing, if it is one, not the object."""
    stranger.status = 404
    address = f"http://127.0.0.1:{stranger.server_address[1]}"
    with S3Store("b", endpoint_url=address, access_key_id="a", secret_access_key="b", retries=0) as store:
        for act in (lambda: colour(store).get("a"), lambda: colour(store).head("a")):
            with pytest.raises(UnavailableError, match="bucket does not exist"):
                act()
        with pytest.raises((UnavailableError, NotFoundError)):
            colour(store).copy("a", "b")


def test_what_is_no_azure_is_told(stranger, colour: Colour):
    """A page at Azure's address lists nothing as empty and deletes nothing."""
    stranger.status = 200
    address = f"http://127.0.0.1:{stranger.server_address[1]}/acct"
    with AzureStore("box", account_name="acct", account_key="YWJjZA==", endpoint_url=address, retries=0) as store:
        verbs = colour(store)
        for act in (
            lambda: list(verbs.list()),
            lambda: verbs.delete("k"),
            lambda: verbs.delete("k", if_match="e"),
        ):
            with pytest.raises(UnavailableError, match="something else"):
                act()
        assert all(isinstance(result.error, UnavailableError) for result in verbs.delete(["a", "b"]))
