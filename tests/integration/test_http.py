"""HTTP beyond the contract: errors of servers, authentication, servers without ranges or validators, redirections."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange
from holdall.drivers.objects import HTTPStore
from holdall.errors import (
    ConfigError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.testing import Colour
from holdall.testing.servers import Nginx, Site

BODY = b"0123456789"


class Plain(BaseHTTPRequestHandler):
    """Serves one body at every path but `/gone`, without ranges, validators or times; keeps the headers it was sent."""

    protocol_version = "HTTP/1.1"
    seen: list = []  # noqa: RUF012  # one per test

    def do_GET(self):
        self.seen.append(dict(self.headers))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response({"/gone": 410, "/round": 302, "/lost": 301}.get(self.path, 200))
        if self.path == "/endless":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(BODY)))
        if self.path == "/when":
            self.send_header("Last-Modified", "yesterday")
        if self.path == "/round":
            self.send_header("Location", "/round")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def log_message(self, *_):
        pass


def serving():
    handler = type("Handler", (Plain,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def plain():
    server = serving()
    yield server
    server.shutdown()
    server.server_close()


def address(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_errors_of_a_server(nginx: Nginx, colour: Colour):
    with HTTPStore(nginx.url, retries=1) as store:
        verbs = colour(store)
        for path, kind in {
            "forbidden/x": PermissionDeniedError,
            "private/x": UnauthenticatedError,
            "broken/x": UnavailableError,
            "busy/x": UnavailableError,
            "nothing/x": NotFoundError,
        }.items():
            for call in (lambda path=path: verbs.get(path), lambda path=path: verbs.head(path)):
                with pytest.raises(kind) as caught:
                    call()
                assert caught.value.key == path


def test_passwords_and_tokens(nginx: Nginx, plain, colour: Colour):
    with nginx.site("private/") as site:
        site.ground.write("k", BODY)
        host = site.url.partition("://")[2]
        for store in (
            HTTPStore(site.url, username=nginx.user, password=nginx.password),
            HTTPStore(f"http://{nginx.user}:{nginx.password}@{host}"),
        ):
            assert nginx.password not in f"{store!r} {store.identity} {store.url('k')}"
            with store, colour(store).get("k") as result:
                assert result.bytes() == BODY
        with HTTPStore(site.url, username=nginx.user, password="wrong") as store, pytest.raises(UnauthenticatedError):
            colour(store).get("k")
    with HTTPStore(address(plain), token="t0ken", headers={"X-Trace": "1"}) as store:
        colour(store).head("k")
    sent = plain.RequestHandlerClass.seen[-1]
    assert sent["authorization"] == "Bearer t0ken"
    assert sent["x-trace"] == "1"
    with HTTPStore(address(plain), username="u", password="") as store:
        colour(store).head("k")
    assert plain.RequestHandlerClass.seen[-1]["authorization"] == "Basic " + base64.b64encode(b"u:").decode()


def test_a_server_without_ranges_and_validators(plain, colour: Colour):
    with HTTPStore(address(plain)) as store:
        verbs = colour(store)
        meta = verbs.head("k")
        assert (meta.size, meta.etag, meta.last_modified) == (10, None, None)
        for wanted, expected in (((2, 5), b"234"), (ByteRange(7), b"789"), (ByteRange.last(3), b"789"), ((8, 99), b"89")):
            with verbs.get("k", GetOptions(range=wanted)) as result:
                assert result.bytes() == expected
                assert result.meta.size == 10
        assert verbs.get_ranges("k", [(0, 2), (5, 6)]) == [b"01", b"5"]
        with pytest.raises(RangeNotSatisfiableError):
            verbs.get("k", GetOptions(range=(10, 12)))
        with pytest.raises(NotFoundError):
            verbs.get("gone")


def test_redirections_are_followed_and_secrets_stay(plain, nginx: Nginx, colour: Colour):
    other = serving()
    try:
        plain.elsewhere = f"http://localhost:{other.server_address[1]}/k"
        with HTTPStore(address(plain), token="t0ken") as store, colour(store).get("away") as result:
            assert result.bytes() == BODY
        assert "authorization" not in {name.lower() for name in other.RequestHandlerClass.seen[-1]}
    finally:
        other.shutdown()
        other.server_close()
    with nginx.site() as site:
        site.ground.write("d/k", BODY)
        name = site.url.rpartition("/")[2]
        with HTTPStore(f"{nginx.url}/moved/{name}") as store, colour(store).get("d/k") as result:
            assert result.bytes() == BODY


def test_a_prefix_and_a_slash(nginx_site: Site, colour: Colour):
    nginx_site.ground.write("a/b/c d.txt", BODY)
    for store in (HTTPStore(f"{nginx_site.url}/", prefix="a/b"), HTTPStore(f"{nginx_site.url}/a/", prefix="b/")):
        with store, colour(store).get("c d.txt") as result:
            assert result.bytes() == BODY
            assert result.meta.content_type == "text/plain"
        assert store.url("c d.txt").endswith("/a/b/c%20d.txt")


def test_what_http_cannot(nginx_site: Site, colour: Colour):
    with HTTPStore(nginx_site.url) as store:
        verbs = colour(store)
        for call in (
            lambda: verbs.put("k", b""),
            lambda: verbs.delete("k"),
            lambda: list(verbs.list()),
            lambda: verbs.copy("a", "b"),
            lambda: verbs.sign("a"),
            lambda: verbs.parts("a"),
        ):
            with pytest.raises(NotSupportedError):
                call()
        with pytest.raises(InvalidKeyError):
            verbs.get("a//b")
        nginx_site.ground.write("d/x", BODY)
        with pytest.raises(NotFoundError):
            verbs.get("d")


@pytest.mark.parametrize(
    ("key", "error", "said"),
    [
        ("endless", UnavailableError, "no Content-Length"),
        ("when", UnavailableError, "Last-Modified that is no time"),
        ("round", UnavailableError, "redirects in circles"),
        ("lost", ConfigError, "redirects, and does not say where to"),
    ],
)
def test_answers_that_say_too_little(plain, colour: Colour, key: str, error: type[Exception], said: str):
    with HTTPStore(address(plain), retries=0) as store:
        verbs = colour(store)
        for act in (verbs.get, verbs.head):
            with pytest.raises(error, match=said):
                act(key)
