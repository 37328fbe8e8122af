"""Google Cloud Storage against a stand-in for the few calls that matter: no emulator speaks the interface that obstore uses.

What this shows is that our side sends the right things (generations, conditions, credentials); not that Google answers so.
"""

import email.utils
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from holdall.core.options import GetOptions, PutOptions
from holdall.drivers.objects import GCSStore
from holdall.errors import AlreadyExistsError, ConfigError, NotFoundError, NotSupportedError, PreconditionError
from holdall.testing import Colour


class StandIn(BaseHTTPRequestHandler):
    """Objects with generations, and conditions on them, by the XML interface."""

    protocol_version = "HTTP/1.1"

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket").removeprefix("/")

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key, wanted = self._key(), self.headers.get("x-goog-if-generation-match")
        self.server.sent.append(dict(self.headers.items()))
        with self.server.lock:
            present = self.server.objects.get(key)
            if wanted is not None and wanted != str(present[0] if present else 0):
                self._answer(412)
                return
            if self.headers.get("x-goog-copy-source"):
                data = self.server.objects[unquote(self.headers["x-goog-copy-source"]).partition("/")[2]][1]
            self.server.generation += 1
            self.server.objects[key] = (self.server.generation, data)
        self._answer(200, ETag=f'"{hashlib.md5(data).hexdigest()}"', x_goog_generation=str(self.server.generation))

    def do_GET(self):
        self.server.sent.append(dict(self.headers.items()))
        key, query = self._key(), parse_qs(urlsplit(self.path).query)
        if not key:
            prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
            self.server.listed.append(self.path)
            items = "".join(
                f"<Contents><Key>{name}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><Size>{len(data)}</Size>"
                f"<ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag></Contents>"
                for name, (_, data) in sorted(self.server.objects.items())
                if name.startswith(prefix) and name > after
            )
            self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode())
            return
        if key not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        generation, data = self.server.objects[key]
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        moment = email.utils.formatdate(time.time(), usegmt=True)
        self._answer(200, data, ETag=etag, x_goog_generation=str(generation), Last_Modified=moment)

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def do_DELETE(self):
        self._answer(204 if self.server.objects.pop(self._key(), None) else 404)

    def log_message(self, *_):
        pass


@pytest.fixture
def google():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.daemon_threads = True
    server.objects, server.generation, server.lock, server.sent, server.listed = {}, 0, threading.Lock(), [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Credentials:
    """What google-auth gives, as far as it is looked at."""

    token, expiry, service_account_email = "t0ken", None, "me@example.org"

    def refresh(self, request):
        raise AssertionError("it does not expire")


def opened(google, **options) -> GCSStore:
    address = f"http://127.0.0.1:{google.server_address[1]}"
    return GCSStore("bucket", endpoint_url=address, **{"token": Credentials(), **options})


@pytest.mark.parametrize("token", ["ya29.hunter2", "/no/hunter2", '{"type": "service_account", "private_key": "hunter2'])
def test_a_token_that_is_no_key_file_does_not_show(token, colour: Colour):
    with pytest.raises(ConfigError, match="key file") as caught, GCSStore("bucket", token=token) as store:
        colour(store).get("k")
    error = caught.value
    assert "hunter2" not in f"{error}{error.__cause__!r}"
    assert error.__cause__ is None


def test_a_key_file_may_be_given_as_json():
    key = json.dumps({"type": "service_account", "client_email": "me@example.org"})
    assert GCSStore("bucket", token=key).identity.principal == "me@example.org"


def test_a_key_file_that_is_not_there_is_named(tmp_path, colour: Colour):
    with (
        pytest.raises(ConfigError, match=r"no such file, '.*/key\.json'"),
        GCSStore("b", token=tmp_path / "key.json") as store,
    ):
        colour(store).get("k")


def test_compare_and_set_goes_by_generation(google, colour: Colour):
    with opened(google) as store:
        verbs = colour(store)
        first = verbs.put("k", b"one", PutOptions(mode="create"))
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", b"two", PutOptions(mode="create"))
        second = verbs.put("k", b"two", PutOptions(if_match=first.etag))
        assert google.sent[-1]["x-goog-if-generation-match"] == "1"
        for etag in (first.etag, "0123"):
            with pytest.raises(PreconditionError):
                verbs.put("k", b"three", PutOptions(if_match=etag))
        with pytest.raises(PreconditionError):
            verbs.put("none", b"", PutOptions(if_match=second.etag))
        assert google.objects["k"][1] == b"two"
        meta = verbs.head("k")
        assert (meta.etag, meta.version) == (second.etag, "2")


def test_equal_bytes_written_between_are_a_conflict(google, colour: Colour):
    """The etag is a digest of the bytes; the generation tells writes of equal bytes apart."""
    with opened(google) as store:
        etag = store.put("k", b"same").etag
        original = StandIn.do_PUT

        def beaten(self):
            with google.lock:
                google.generation += 1
                google.objects["k"] = (google.generation, b"same")
            original(self)

        StandIn.do_PUT = beaten
        try:
            with pytest.raises(PreconditionError):
                colour(store).put("k", b"new", PutOptions(if_match=etag))
        finally:
            StandIn.do_PUT = original


def test_reading_listing_deleting(google, colour: Colour):
    with opened(google, prefix="p") as store:
        verbs = colour(store)
        for key in ("a", "logs/2026-01", "logs/2026-02", "logs/2027"):
            verbs.put(key, key.encode())
        with verbs.get("a", GetOptions()) as result:
            assert result.bytes() == b"a"
        assert [meta.key for page in verbs.list("logs/2026-") for meta in page.objects] == ["logs/2026-01", "logs/2026-02"]
        assert "prefix=p%2Flogs%2F" in google.listed[-1]
        verbs.delete(["a", "none"])
        with pytest.raises(NotFoundError):
            verbs.get("a")


def test_without_credentials(google, colour: Colour):
    google.objects["k"] = (1, b"1")
    with opened(google, token=None, anonymous=True) as store:
        with colour(store).get("k") as result:
            assert result.bytes() == b"1"
        assert store.url("a b").endswith("/bucket/a%20b")
        for call in (
            lambda: colour(store).put("k", b""),
            lambda: colour(store).delete("k"),
            lambda: colour(store).copy("k", "l"),
            lambda: colour(store).sign("k"),
        ):
            with pytest.raises(NotSupportedError):
                call()
    assert google.objects == {"k": (1, b"1")}


def test_credentials(google, colour: Colour):
    with opened(google, project="who-pays") as store:
        colour(store).put("k", b"1")
        sent = {name.lower(): value for name, value in google.sent[-1].items()}
        assert sent["authorization"] == "Bearer t0ken"
        assert sent["x-goog-user-project"] == "who-pays"
        assert store.identity.principal == "me@example.org"
        assert "t0ken" not in repr(store)
