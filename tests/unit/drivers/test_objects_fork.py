"""Fork after use: an error in the child, in any store, never a hang; and the parent goes on. In interpreters of their own."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork there")

HEAD = """
    import asyncio, os, signal, sys
    import obstore.store
    from holdall.drivers.objects import ObstoreStore, S3Store
    from holdall.errors import ForkedProcessError

    def child(act):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            try:
                act()
            except ForkedProcessError as error:
                os._exit(7 if "spawn" in str(error) else 8)
            except BaseException:
                os._exit(9)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    store = ObstoreStore(obstore.store.MemoryStore())
"""


def run(code: str) -> str:
    program = textwrap.dedent(HEAD) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_store_used_before_is_refused_in_the_child():
    out = run("""
        store.put("a", b"1")
        store.put("large", bytes(100_000))
        small, result = store.get("a"), store.get("large")
        codes = [
            child(lambda: store.get("a")),
            child(lambda: store.put("b", b"")),
            child(lambda: store.head("a")),
            child(lambda: list(store.list())),
            child(lambda: store.delete("a")),
            child(lambda: store.copy("a", "b")),
            child(lambda: store.get_ranges("a", [(0, 1), (900_000, 900_001)])),
            child(lambda: asyncio.run(store.get_async("a"))),
            child(lambda: asyncio.run(store.put_async("b", b""))),
            child(result.bytes),
            child(lambda: ObstoreStore(obstore.store.MemoryStore()).put("new", b"")),
            child(lambda: S3Store("b", anonymous=True).get("k")),
            child(lambda: S3Store("b", access_key_id="a", secret_access_key="b").sign("k")),
        ]
        print(codes, child(small.bytes), store.get("a").bytes(), small.bytes(), len(result.bytes()))
    """)
    assert out == f"{[7] * 13} 0 b'1' b'1' 100000"


def test_a_store_that_was_only_built_works_in_the_child():
    assert (
        run("""
        def use():
            store.put("a", b"1")
            assert store.get("a").bytes() == b"1"

        codes = [child(use), child(lambda: asyncio.run(store.put_async("b", b"")))]
        store.put("a", b"1")
        print(codes, child(use))
    """)
        == "[0, 0] 7"
    )


def test_a_child_that_uses_nothing_ends():
    assert (
        run("""
        store.put("a", b"1")
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            sys.exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
        == "0"
    )


def test_requests_of_our_own_are_refused_in_the_child():
    """They keep connections, on which parent and child would take each other's answers."""
    out = run("""
        import http.server, threading
        from holdall.drivers.objects import AzureStore

        class Service(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("ETag", '"1"')
                self.send_header("Last-Modified", "Sun, 22 Nov 2026 16:00:00 GMT")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_DELETE = do_PUT

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = {"account_name": "abc", "account_key": "YWJj", "endpoint_url": f"http://127.0.0.1:{server.server_port}"}
        azure, other = AzureStore("c", **given), AzureStore("d", **given)
        azure.set_metadata("k", {})
        codes = [
            child(lambda: azure.set_metadata("k", {})),
            child(lambda: azure.delete("k", if_match="1")),
            child(lambda: asyncio.run(azure.set_metadata_async("k", {}))),
            child(lambda: asyncio.run(azure.delete_async("k", if_match="1"))),
            child(lambda: other.set_metadata("k", {})),
        ]
        azure.set_metadata("k", {})
        print(codes)
    """)
    assert out == f"{[7] * 5}"


def test_the_side_channel_of_s3_is_refused_in_the_child():
    """boto3 keeps connections as well; here nothing but boto3 was used."""
    out = run("""
        import http.server, threading

        class Service(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = b"<Tagging><TagSet></TagSet></Tagging>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
        s3 = S3Store("c", endpoint_url=f"http://127.0.0.1:{server.server_port}", **given)
        s3.tags("k")
        codes = [
            child(lambda: s3.tags("k")),
            child(lambda: list(s3.list())),
            child(lambda: asyncio.run(s3.tags_async("k"))),
            child(lambda: s3.get("k")),
        ]
        print(codes, s3.tags("k"))
    """)
    assert out == f"{[7] * 4} {{}}"
