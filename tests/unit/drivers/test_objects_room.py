"""Memory of bodies is used again: the kernel does not have to find and clear it for each one."""

import http.server
import platform
import subprocess
import sys
import threading

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory by their own rules")

BODY = b"x" * (1024 * 1024)
READ = """
import resource, sys
from holdall.drivers.http import HTTPStore

store = HTTPStore(sys.argv[1])
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    assert len(store.get("body").bytes()) == 1024 * 1024
before = faults()
for _ in range(50):
    store.get("body").bytes()
print((faults() - before) // 50)
"""


class Bodies(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bodies) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_bodies_take_the_memory_of_those_before(server):
    done = subprocess.run([sys.executable, "-c", READ, server], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50, "pages per body of 256; without `keep_room` it is 480"
