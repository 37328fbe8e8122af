"""Batches over 5 ms of latency: 1,000 files of 4 KiB to S3, SFTP and FTP, and their deletion, next to Assemblyline; deletion on Azure.

``python -m benchmarks.tiers.batches [--files N] [--rounds N] [--scale X] [--json]``. S3 is the small server of `benchmarks.records.quick`, which
answers each request 5 ms later; SFTP (asyncssh: Assemblyline's needs a password) and FTP (pyftpdlib) lie behind a relay that takes 2.5 ms each way. Assemblyline has no call
for many deletions: it deletes one by one. Goals, its seconds in holdall's: uploads S3 8, SFTP 4, FTP 3; deletions SFTP 4, FTP 3; S3 in one request,
Azure in four.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile

from benchmarks import counting, measuring
from benchmarks.tiers.relay import HERE, Relay

PEER = "assemblyline"
DELAY = 5
GOALS = {"S3": (8, None), "SFTP": (4, 4), "FTP": (3, 3)}
FTP = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user("user", "word", sys.argv[1], perm="elradfmwMT")
FTPHandler.passive_ports = range(int(sys.argv[2]) + 1, int(sys.argv[3]))
server = FTPServer(("127.0.0.1", int(sys.argv[2])), FTPHandler)
print(sys.argv[2], flush=True)
server.serve_forever()
"""
SFTP = """
import asyncio, sys
import asyncssh

class Login(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True
    def password_auth_supported(self):
        return True
    def validate_password(self, username, password):
        return (username, password) == ("user", "word")

async def main():
    files = lambda channel: asyncssh.SFTPServer(channel, chroot=sys.argv[1].encode())
    key = asyncssh.generate_private_key("ssh-rsa")
    server = await asyncssh.create_server(Login, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=files)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()

asyncio.run(main())
"""


def opened(library, url):
    if library == PEER:
        from assemblyline.filestore import FileStore

        return FileStore(url)
    from holdall.tiers import FileStore

    return FileStore(url)


def work(library, known):
    """Be the process of one library; its rows go on where the row before ended."""
    known = json.loads(known)
    fs = opened(library, known["urls"].get(library) or known["urls"]["holdall"])
    turn, written = 0, []

    def upload():
        nonlocal turn
        turn += 1
        pairs = [(known["source"], f"{library}-{turn}-{i}") for i in range(known["files"])]
        failed = fs.upload_batch(pairs)
        if failed:
            raise SystemExit(f"{library}: {len(failed)} failed, the first: {failed[0]}")
        written[:] = [name for _, name in pairs]

    def delete():
        if library == PEER:
            for name in written:
                fs.delete(name)
        elif failed := fs.delete_batch(written):
            raise SystemExit(f"{len(failed)} failed, the first: {failed[0]}")
        if fs.exists(written[-1]):
            raise SystemExit(f"{library}: {written[-1]} is still there")

    measuring.answer({f"{known['title']}: upload": (upload, 1), f"{known['title']}: delete": (delete, 1)})
    fs.close()


def program(stack, code, *arguments):
    """Run a server for a while; return what it says first."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    stack.callback(server.kill)
    return server.stdout.readline() or sys.exit("a server did not start")


@contextlib.contextmanager
def s3(stack):
    from benchmarks.records.quick import QuickS3

    server = stack.enter_context(QuickS3())
    host = server.url.partition("://")[2]
    yield server, {"holdall": f"s3://key:secret-word@{host}/?s3_bucket=bench&use_ssl=false&aws_region=us-east-1"}


@contextlib.contextmanager
def sftp(stack):
    root = stack.enter_context(tempfile.TemporaryDirectory(prefix="holdall-bench-"))
    port = int(program(stack, SFTP, root))
    os.mkdir(os.path.join(root, "bench"))
    url = f"sftp://user:word@{HERE}:{port}/bench?validate_host=false"
    yield stack.enter_context(Relay(port)), {"holdall": url}


@contextlib.contextmanager
def ftp(stack):
    first, last = 42_100, 42_300
    root = stack.enter_context(tempfile.TemporaryDirectory(prefix="holdall-bench-"))
    program(stack, FTP, root, str(first), str(last))
    os.mkdir(os.path.join(root, "bench"))
    yield stack.enter_context(Relay(*range(first, last))), {"holdall": f"ftp://user:word@{HERE}:{first}/bench"}


def azure(files):
    """Return how many requests a deletion of many objects is."""
    from holdall.testing import FaultProxy
    from holdall.testing.servers import Azurite
    from holdall.tiers import FileStore

    with Azurite.running() as server, server.container() as box, FaultProxy(server.endpoint) as proxy:
        url = f"azure://127.0.0.1:{proxy.port}/{server.account}/{box.name}?use_ssl=false&access_key={server.key}"
        with FileStore(url) as fs:
            fs.exists("looks for the container, once a minute")
            before = len(proxy.traffic.requests)
            if fs.delete_batch(f"k{i}" for i in range(files)):
                raise SystemExit("deletions failed")
            return len(proxy.traffic.requests) - before


def main():
    asked = measuring.arguments(__doc__, files=1000)
    if asked.worker:
        work(*asked.worker)
        return
    found = {}
    with tempfile.NamedTemporaryFile(prefix="holdall-bench-") as source:
        source.write(os.urandom(4096))
        source.flush()
        for title, place in {"S3": s3, "SFTP": sftp, "FTP": ftp}.items():
            with contextlib.ExitStack() as stack, place(stack) as (proxy, urls):
                known = {"title": title, "urls": urls, "source": source.name, "files": asked.files}
                rows = [f"{title}: upload", f"{title}: delete"]
                found |= counting.count(
                    "benchmarks.tiers.batches", [PEER, "holdall"], rows, proxy, asked.rounds, [DELAY], known
                )
    requests = azure(asked.files)
    found["Azure: delete"] = {"holdall": {"requests": requests}}
    measuring.save("benchmarks.tiers.batches", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        if PEER in rows:
            counting.show(title, rows)
    print(f"\nAssemblyline's seconds in holdall's ({asked.files} files of 4 KiB, {DELAY} ms)")
    for title, goals in GOALS.items():
        for row, goal in zip(("upload", "delete"), goals, strict=True):
            both = found[f"{title}: {row}, {DELAY} ms"]
            if PEER in both:
                print(
                    f"  {title + ' ' + row:14}{1 / both['holdall']['ratio']:8.1f}x" + (f" (goal: {goal}x)" if goal else "")
                )
    s3_requests = found[f"S3: delete, {DELAY} ms"]["holdall"]["requests"] - 1  # one to look whether they are gone
    print(f"  requests of the deletion: S3 {s3_requests:.0f}, Azure {requests} (goal for 1,000: 1 and 4)")


if __name__ == "__main__":
    sys.exit(main())
