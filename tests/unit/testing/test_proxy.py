"""The fault proxy does to real connections what it is told, and nothing else."""

import asyncio
import http.client
import http.server
import math
import socket
import threading
import time
from typing import ClassVar

import pytest

from holdall.testing import Fault, FaultProxy
from holdall.testing.proxy import _Link

BODY = b"0123456789" * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET, HEAD and PUT; keeps what was put."""

    protocol_version = "HTTP/1.1"
    stored: ClassVar[dict[str, bytes]] = {}

    def do_GET(self):
        body = self.stored.get(self.path, BODY)
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 3000):
                piece = body[start : start + 3000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  # http.server's way

    def do_PUT(self):
        if self.path == "/refused":
            self.close_connection = True
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) < int(self.headers["Content-Length"]):
                self.close_connection = True
                return
        self.stored[self.path] = body
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle_expect_100(self):
        return self.path == "/refused" or super().handle_expect_100()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Cut connections are what these tests are about: no news."""

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    Handler.stored = {}
    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with FaultProxy(server) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    yield client
    client.close()


def ask(client, method="GET", path="/x", body=None, **headers):
    client.request(method, path, body=body, headers=headers)
    with client.getresponse() as answer:
        return answer.status, answer.read()


def test_passes_everything(proxy, client):
    for path in ("/x", "/chunked", "/x"):
        assert ask(client, path=path) == (200, BODY)
    assert ask(client, "HEAD") == (200, b"")
    assert ask(client, "PUT", "/put", b"a" * 300_000) == (201, b"")
    assert ask(client, "PUT", "/put2", iter([b"abc", b"def"])) == (201, b"")
    assert (Handler.stored["/put"], Handler.stored["/put2"]) == (b"a" * 300_000, b"abcdef")
    traffic = proxy.traffic
    assert traffic.connections == 1
    assert traffic.requests[3:] == (("HEAD", "/x"), ("PUT", "/put"), ("PUT", "/put2"))
    assert traffic.bytes_up > 300_000
    assert traffic.bytes_down > 3 * len(BODY)
    assert traffic.faults == 0


def test_answers_in_the_servers_place(proxy, client):
    proxy.fail(Fault(answer=503, headers={"Retry-After": "1"}, body=b"busy"), times=2, method="PUT")
    assert ask(client) == (200, BODY)
    for _ in range(2):
        assert ask(client, "PUT", "/p", b"x" * 100_000) == (503, b"busy")
    assert Handler.stored == {}
    assert ask(client, "PUT", "/p", b"x") == (201, b"")
    assert proxy.traffic.faults == 2
    assert proxy.traffic.connections == 1


def test_loses_the_reply(proxy, client):
    proxy.fail(Fault(lose_reply=True))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(client, "PUT", "/p", b"kept")
    assert Handler.stored == {"/p": b"kept"}


def test_truncates_the_reply(proxy, client):
    proxy.fail(Fault(drop_reply_after=1234))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client)
    assert caught.value.partial == BODY[:1234]
    client.close()
    assert ask(client) == (200, BODY)


@pytest.mark.parametrize("reset", [False, True])
def test_drops_the_request(proxy, client, reset):
    proxy.fail(Fault(drop_request_after=10_000, reset=reset))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(client, "PUT", "/p", b"x" * 5_000_000)
    assert Handler.stored == {}


def test_resets(proxy, client):
    proxy.fail(Fault(drop_reply_after=0, reset=True))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask(client)


def test_blackhole(proxy, client):
    proxy.fail(Fault(blackhole=True))
    client.timeout = 0.3
    with pytest.raises(TimeoutError):
        ask(client, "PUT", "/p", b"x" * 1000)
    assert Handler.stored == {}


def test_delays_and_drips(proxy, client):
    proxy.script([Fault(delay=2), None, Fault(rate=30_000)])
    assert _seconds(lambda: ask(client)) >= 2
    assert _seconds(lambda: ask(client)) < 2
    assert _seconds(lambda: ask(client)) >= 0.25
    assert proxy.traffic.faults == 2


def test_skip_target_and_heal(proxy, client):
    proxy.fail(Fault(answer=500), times=math.inf, skip=1, target=r"part=\d")
    assert ask(client, path="/x?part=1")[0] == 200
    assert ask(client, path="/x?part=2")[0] == 500
    assert ask(client, path="/x?whole=1")[0] == 200
    assert ask(client, path="/x?part=3")[0] == 500
    proxy.heal()
    assert ask(client, path="/x?part=4")[0] == 200


def test_dead_server(proxy, client):
    assert ask(client) == (200, BODY)
    proxy.down()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(client)
    client.close()
    with pytest.raises(ConnectionRefusedError):
        ask(client)
    client.close()
    proxy.up()
    assert ask(client) == (200, BODY)


def test_early_answer_without_the_body(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as raw:
        raw.sendall(b"PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 412")


def test_server_that_is_not_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with FaultProxy(("127.0.0.1", unused.getsockname()[1])) as proxy:
            client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
            with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
                ask(client)
            client.close()


# -- bare connections -------------------------------------------------------------------------------------------------


@pytest.fixture
def echo():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with link:
                    while data := link.recv(65536):
                        link.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def talk(proxy, data):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        got = b""
        while block := link.recv(65536):
            got += block
        return got


def test_bare_connections(echo):
    with FaultProxy(echo, http=False) as proxy:
        assert talk(proxy, b"hello" * 1000) == b"hello" * 1000
        proxy.script([Fault(drop_reply_after=7), Fault(lose_reply=True), Fault(drop_request_after=3), None])
        assert talk(proxy, b"hello world") == b"hello w"
        assert talk(proxy, b"hello") == b""
        assert talk(proxy, b"hello") in {b"", b"hel"}
        assert talk(proxy, b"hello") == b"hello"
        assert proxy.traffic.connections == 5
        assert proxy.traffic.faults == 3
        proxy.fail(Fault(drop_request_after=0, reset=True))
        with pytest.raises(ConnectionResetError):
            talk(proxy, b"hello")


def test_open_connections_lose_their_next_answer(echo):
    with FaultProxy(echo, http=False) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
            client.sendall(b"one")
            assert client.recv(3, socket.MSG_WAITALL) == b"one"
            proxy.lose_replies()
            client.sendall(b"two")
            assert client.recv(3) == b""
        assert proxy.traffic.faults == 1
        assert talk(proxy, b"hello") == b"hello"


def test_close_lets_go_of_the_server_when_the_client_took_its_time():
    async def closing():
        (ours, client), (to_server, server) = socket.socketpair(), socket.socketpair()
        client.setblocking(False)
        server.settimeout(60)
        with client, server:
            link = _Link(None, *await asyncio.open_connection(sock=ours))
            link._server = await asyncio.open_connection(sock=to_server)
            link._writer.write(bytes(5_000_000))
            task = asyncio.ensure_future(link.close(60))
            got = 0
            while block := await asyncio.get_running_loop().sock_recv(client, 100_000):
                got += len(block)
            await task
            assert got == 5_000_000
            assert server.recv(1) == b""

    asyncio.run(closing())


def test_close_is_idempotent_and_leaves_no_thread(server):
    before = threading.active_count()
    proxy = FaultProxy(server)
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    assert ask(client) == (200, BODY)
    proxy.close()
    proxy.close()
    client.close()
    assert threading.active_count() <= before + 1  # the server's own thread for that connection may still end


def _seconds(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
