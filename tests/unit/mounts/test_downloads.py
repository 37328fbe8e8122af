"""Filling a node from a URL: redirects, limits, short bodies, errors; both colours, against a real server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdall.mounts import DownloadError

BODY = b"content of the page" * 1000
seen: list[tuple[str, dict[str, str]]] = []


class Site(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self):
        seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path == "/page":
            self.answer(200, BODY, {"Content-Type": "text/x-page"})
        elif self.path == "/moved":
            self.answer(302, b"", {"Location": "/page"})
        elif self.path == "/to-file":
            self.answer(302, b"", {"Location": "file:///etc/passwd"})
        elif self.path == "/to-other":
            self.answer(302, b"", {"Location": f"http://localhost:{self.server.server_port}/page"})
        elif self.path == "/to-user":
            self.answer(302, b"", {"Location": f"http://other:own@localhost:{self.server.server_port}/page"})
        elif self.path == "/short":
            self.answer(200, BODY, {"Content-Length": str(len(BODY) + 10)})
        elif self.path == "/chunked":
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY)
        elif self.path == "/broken":
            self.answer(500, b"oops", {})
        else:
            self.answer(404, b"", {})

    def answer(self, code, body, headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def node(memory):
    node = memory.node("mem:page.html")
    node.write("old")
    return node


def test_fill(site, node, say):
    say(node, "fill_from_url", f"{site}/page")
    assert node.read_bytes() == BODY
    assert node.stat().content_type == "text/x-page"
    say(node, "fill_from_url", f"{site}/moved", headers={"X-Mine": "1"})
    assert seen[-1][1]["x-mine"] == "1"
    say(node, "fill_from_url", f"{site}/chunked")
    assert node.read_bytes() == BODY


@pytest.mark.parametrize("path", ["/short", "/broken", "/none", "/to-file"])
def test_a35_what_fails_leaves_the_old_content(site, node, say, path):
    with pytest.raises(OSError, match="Failed to download") as raised:
        say(node, "fill_from_url", site + path)
    assert isinstance(raised.value, DownloadError)
    assert node.read() == "old"


def test_limits(site, node, say):
    for path in ("/page", "/chunked"):
        with pytest.raises(DownloadError, match="more than 100 bytes"):
            say(node, "fill_from_url", site + path, max_size=100)
    say(node, "fill_from_url", f"{site}/page", max_size=len(BODY))
    assert node.read_bytes() == BODY


def test_only_what_is_allowed(site, node, say):
    asked: list[str] = []

    def allow(url):
        asked.append(url)
        return url.endswith("/moved")

    with pytest.raises(DownloadError, match="not allowed"):
        say(node, "fill_from_url", f"{site}/moved", allow=allow)
    assert asked == [f"{site}/moved", f"{site}/page"]
    with pytest.raises(DownloadError, match="not allowed"):
        say(node, "fill_from_url", f"{site}/page", allow=lambda url: False)
    assert node.read() == "old"


def test_credentials_stay_with_their_host(site, node, say):
    say(node, "fill_from_url", f"{site}/to-other", headers={"Authorization": "Bearer secret", "X-Mine": "1"})
    path, headers = seen[-1]
    assert path == "/page"
    assert headers["host"].startswith("localhost")
    assert "authorization" not in headers
    assert headers["x-mine"] == "1"
    say(node, "fill_from_url", f"{site}/moved", headers={"Authorization": "Bearer secret"})
    assert seen[-1][1]["authorization"] == "Bearer secret"


def test_user_and_password_of_a_url_are_sent_to_its_host_only(site, node, say):
    address = site.removeprefix("http://")
    say(node, "fill_from_url", f"http://me:p%40ss@{address}/moved")
    assert node.read_bytes() == BODY
    assert [headers.get("authorization") for _, headers in seen[-2:]] == ["Basic bWU6cEBzcw=="] * 2
    say(node, "fill_from_url", f"http://me:p%40ss@{address}/to-other")
    assert "authorization" not in seen[-1][1]
    say(node, "fill_from_url", f"http://me:p%40ss@{address}/to-user")
    assert seen[-1][1]["authorization"] == "Basic b3RoZXI6b3du"
    say(node, "fill_from_url", f"http://me:p%40ss@{address}/page", headers={"Authorization": "Bearer mine"})
    assert seen[-1][1]["authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "nonsense", "http://", "http://host:port/", "http://host/a b", "", "data:,x"],
)
def test_other_urls(node, say, url):
    with pytest.raises(ValueError, match="Invalid URL"):
        say(node, "fill_from_url", url)
    assert node.read() == "old"


def test_a35_no_credentials_in_errors(node, say):
    with pytest.raises(DownloadError) as raised:
        say(node, "fill_from_url", "http://user:hunter2@127.0.0.1:1/x?token=hunter2", timeout=2)
    assert "refused" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(raised.value)
