"""Requests of our own: connections are kept where the next answer can follow, and only there."""

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request

import pytest

from holdall.drivers import objects_connections
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_connections import DRAINED, Connections
from holdall.testing.servers.files import certificate


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.opened.append(self.client_address)

    def answer(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, sent, dict(self.headers)))
        path = self.path.partition("?")[0]
        if path == "/silent":
            self.close_connection = True
            return
        if path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
            return
        if path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    self.wfile.write(b"x")
                    if self.server.gone.wait(0.05):
                        break
            self.close_connection = True
            return
        body = b"x" * (2 * DRAINED if path == "/large" else 100)
        self.send_response({"/missing": 404, "/elsewhere": 307, "/large": 200}.get(path, 200))
        self.send_header("Content-Length", str(len(body)))
        if path == "/elsewhere":
            self.send_header("Location", "http://127.0.0.1:1/")
        if path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815  # the names that http.server looks for

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as running:
        running.daemon_threads = True
        running.opened, running.seen, running.gone = [], [], threading.Event()
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def connections():
    made = Connections(ClientSettings(timeout=10.0))
    yield made
    made.close()


def test_a_connection_is_kept(server, connections):
    for path, method in (("/a?b=c", "GET"), ("/a", "HEAD"), ("/a", "DELETE")):
        with connections.open(Request(server.url + path, method=method, headers={"If-Match": '"1"'})) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == "100"
    with connections.open(Request(f"{server.url}/a", data=b"sent", method="PUT")) as answer:
        assert (answer.read(7), len(answer.read()), answer.read()) == (b"x" * 7, 93, b"")
    for path, code in (("/missing", 404), ("/elsewhere", 307)):  # no redirection is followed
        with pytest.raises(urllib.error.HTTPError) as failed:
            connections.open(Request(server.url + path))
        with failed.value as answer:
            assert answer.code == code
            assert answer.read() == b"x" * 100
    assert [(method, path, sent) for method, path, sent, _ in server.seen[:4]] == [
        ("GET", "/a?b=c", b""),
        ("HEAD", "/a", b""),
        ("DELETE", "/a", b""),
        ("PUT", "/a", b"sent"),
    ]
    assert server.seen[0][3]["If-match"] == '"1"'  # as urllib.request writes names
    assert len(server.opened) == 1


@pytest.mark.parametrize("path", ["/large", "/last"])
def test_what_the_next_answer_cannot_follow_is_closed(server, connections, path):
    connections.open(Request(server.url + path)).close()
    connections.open(Request(server.url + "/a")).close()
    assert len(server.opened) == 2


def test_an_answer_that_trickles_is_not_waited_for(server, connections, monkeypatch):
    monkeypatch.setattr(objects_connections, "PATIENCE", 0.01)
    connections.open(Request(server.url + "/slow")).close()
    server.gone.set()
    assert connections._kept == []
    connections.open(Request(server.url + "/a")).close()
    assert len(server.opened) == 2


def test_a_closed_one_keeps_nothing(server, connections):
    answer = connections.open(Request(server.url + "/a"))
    connections.close()
    answer.close()
    assert connections._kept == []


def test_an_answer_that_is_cut_off(server, connections):
    answer = connections.open(Request(server.url + "/cut"))
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    answer.close()
    connections.open(Request(server.url + "/cut")).close()  # not read at all: nobody asks
    with pytest.raises(http.client.RemoteDisconnected):
        connections.open(Request(server.url + "/silent"))
    connections.open(Request(server.url + "/a")).close()
    assert len(server.opened) == 4


def test_what_the_other_side_closed_is_not_used(connections):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            for _ in range(2):
                peer, _ = listening.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        connections.open(Request(address)).close()
        [(_, _, kept)] = connections._kept
        assert kept.sock.recv(1, socket.MSG_PEEK) == b""  # waits for the other side's end
        connections.open(Request(address)).close()
        thread.join()


def test_what_was_idle_for_long_is_not_used(server, connections, monkeypatch):
    connections.open(Request(server.url)).close()
    monkeypatch.setattr(objects_connections, "IDLE", -1.0)
    connections.open(Request(server.url)).close()
    assert len(server.opened) == 2
    assert len(connections._kept) == 1


def test_threads_have_connections_of_their_own(server):
    both = threading.Barrier(2, timeout=30)

    def ask(_):
        with connections.open(Request(server.url)) as answer:
            both.wait()
            return len(answer.read())

    connections = Connections(ClientSettings(max_connections=1))
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(4))) == [100] * 4
    assert len(connections._kept) == 1
    connections.close()
    assert connections._kept == []
    connections.close()


def test_nobody_there(connections):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(urllib.error.URLError) as failed:
        connections.open(Request(f"http://127.0.0.1:{port}/"))
    assert isinstance(failed.value.reason, ConnectionRefusedError)


def test_certificates(server, tmp_path):
    pem = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"https://localhost:{server.server_port}/"
    trusting = Connections(ClientSettings(ca_file=str(pem)))
    for _ in range(2):
        with trusting.open(Request(address)) as answer:
            assert len(answer.read()) == 100
    assert len(server.opened) == 1
    trusting.close()
    strange = Connections(ClientSettings())
    with pytest.raises(urllib.error.URLError) as failed:
        strange.open(Request(address))
    assert isinstance(failed.value.reason, ssl.SSLCertVerificationError)


def test_a_proxy_of_the_environment_is_used(server, connections, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with connections.open(Request("http://service.example/a")) as answer:
        assert len(answer.read()) == 100
    assert server.seen[-1][1] == "http://service.example/a"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connections.open(Request(f"{server.url}/b")).close()
    assert server.seen[-1][1] == "/b"
