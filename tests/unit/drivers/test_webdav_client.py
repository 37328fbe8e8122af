"""A program's own httpx client, lent to our requests."""

import http.server
import threading

import httpx
import pytest

from holdall.drivers.webdav import WebDAVStore
from holdall.drivers.webdav_client import proxy_of, through
from holdall.errors import ConfigError, NotFoundError, UnavailableError


@pytest.fixture
def environment(monkeypatch):
    """Nothing about proxies but what a test sets."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_proxy_that_the_environment_names(environment):
    address = "https://cloud.example.test:8443/dav"
    assert proxy_of(address) is None
    environment.setenv("ALL_PROXY", "proxy.example.test:3128")
    assert proxy_of(address) == "http://proxy.example.test:3128"
    environment.setenv("HTTPS_PROXY", "http://other.example.test:3128")
    assert proxy_of(address) == "http://other.example.test:3128"
    environment.setenv("NO_PROXY", "example.org,.example.test")
    assert proxy_of(address) is None


def test_requests_go_through_the_proxy(environment):
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_PROPFIND(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        environment.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
        with (
            WebDAVStore("http://dav.example.test/a", create=False) as store,
            pytest.raises((NotFoundError, UnavailableError)),
        ):
            store.head("k")
        server.shutdown()
        thread.join()
    assert asked[0] == "http://dav.example.test/a/k"


@pytest.mark.parametrize("proxy", ["gopher://u:s3cret@h", "socks9://u:s3cret@h:1"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(environment, proxy):
    environment.setenv("HTTP_PROXY", proxy)
    with WebDAVStore("http://dav.example.test/a") as store, pytest.raises(ConfigError, match="proxy") as caught:
        store.head("k")
    assert "s3cret" not in str(caught.value)


def test_requests_go_out_as_the_program_s_own_but_for_the_encoding():
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(200, content=b"x")

    own = httpx.Client(transport=httpx.MockTransport(answer), headers={"X-Own": "1"}, auth=("ada", "s3cret"))
    with through(own) as client:
        assert client.get("http://dav.example/k").content == b"x"
    assert not own.is_closed
    [request] = asked
    assert request.headers["X-Own"] == "1"
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.headers.get_list("Accept-Encoding") == ["identity"]
    with through(own, ("grace", "other")) as client:
        client.get("http://dav.example/k")
    assert asked[1].headers["Authorization"] != request.headers["Authorization"]
    own.close()
