"""A06, A09, A11, A13 to A16, A20: outages, full disks, cut bodies, refused names and layouts, on each kind of storage there is."""

import math
import pickle
import signal
import subprocess
import sys

import pytest
from tests.tier_places import KINDS, tier_place

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers import _local_system
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    IntegrityError,
    InvalidKeyError,
    NotSupportedError,
    PermissionDeniedError,
    StorageFullError,
    UnavailableError,
)
from holdall.testing import Fault, FaultProxy
from holdall.testing.servers.process import free_port
from holdall.tiers import FileStore, PartialWriteError

NEVER = BreakerPolicy(failures=10_000)
QUICK = {"retry": RetryPolicy(attempts=3, first=0.01, cap=0.05), "breaker": NEVER}
ONCE = {"retry": RetryPolicy(attempts=1), "breaker": NEVER}
DATA = bytes(range(256)) * 8000
HASH = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdef0123"


@pytest.fixture
def place(request):
    with tier_place(request.param, request) as place:
        yield place


def on(*kinds):
    """Run a test on each of some kinds of storage."""
    return pytest.mark.parametrize("place", kinds, indirect=True)


# -- outages ----------------------------------------------------------------------------------------------------------------


@on("s3", "azure")
@pytest.mark.parametrize("fault", ["500", "timeout", "403"])
def test_a06_a_server_in_trouble(place, fault, tmp_path, colour):
    far = MemoryStore()
    wanted = PermissionDeniedError if fault == "403" else UnavailableError
    with FileStore(place.url(stall_timeout="400ms"), far, **ONCE) as plain:
        fs = colour(plain)
        place.proxy.fail(Fault(blackhole=True) if fault == "timeout" else Fault(answer=int(fault)), times=math.inf)
        for verb in ("get", "exists", "stat", "download", "list"):
            with pytest.raises(wanted) as caught:
                list(fs.list()) if verb == "list" else fs.download("k", tmp_path / "x") if verb == "download" else getattr(
                    fs, verb
                )("k")
            if verb != "list":
                assert caught.value.report["memory-1"] is None
        far.put("k", b"x")
        assert fs.get("k") == b"x"
        assert fs.stat("k").degraded
        assert list(tmp_path.iterdir()) == []


@on("s3")
def test_a20_repetitions_are_counted_and_spread(place, pauses, colour):
    """500 n times, then success: n + 1 requests, at pauses within the bounds of the policy."""
    with FileStore(place.url(), retry=RetryPolicy(attempts=5, first=0.1, factor=2, cap=0.5), breaker=NEVER) as plain:
        fs = colour(plain)
        fs.put("k", b"x")
        for times in (1, 2, 4):
            pauses.clear()
            before = len(place.proxy.traffic.requests)
            place.proxy.fail(Fault(answer=500), times=times)
            assert fs.get("k") == b"x"
            assert len(place.proxy.traffic.requests) - before == times + 1
            assert len(pauses) == times
            assert all(0 <= pause <= bound for pause, bound in zip(pauses, (0.1, 0.2, 0.4, 0.5), strict=False))


# -- full disks -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(path)], capture_output=True, check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def files(path):
    return sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())


def test_a09_a_full_disk(small_disk, tmp_path, colour):
    with FileStore(f"file://{small_disk}?name=full", f"file://{tmp_path}/far?name=cold", **ONCE) as plain:
        fs = colour(plain)
        with pytest.raises(TypeError):
            fs.put("k", 123)
        assert files(small_disk) == []
        (small_disk / "filler").write_bytes(bytes(3_500_000))
        for content in (bytes(1_000_000), iter([bytes(500_000)] * 2), tmp_path / "source"):
            (tmp_path / "source").write_bytes(bytes(1_000_000))
            with pytest.raises(StorageFullError):
                fs.put("k", content, "full")
            assert files(small_disk) == ["filler"]
        with pytest.raises(PartialWriteError) as caught:
            fs.put("k", bytes(1_000_000))
        assert isinstance(caught.value.__cause__, StorageFullError)
        assert [location.name for location in caught.value.written] == ["cold"]
        (small_disk / "filler").unlink()
        assert [location.name for location in fs.put("k", bytes(1_000_000))] == ["full"]
        assert files(small_disk) == ["k"]


def test_a13_a_full_disk_under_a_download(small_disk, tmp_path, colour):
    with FileStore(f"file://{tmp_path}/far") as fs:
        fs.put("k", bytes(5_000_000))
        target = small_disk / "target"
        target.write_bytes(b"old")
        with pytest.raises(OSError, match="No space left"):
            colour(fs).download("k", target)
        assert target.read_bytes() == b"old"
        assert files(small_disk) == ["target"]


RESUMING = """
import pickle, resource, signal, sys
fs = pickle.load(sys.stdin.buffer)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000_000, 9_000_000))
fs.download("k", sys.argv[1], resume=True)
"""


@on("s3", "azure", "sftp")
def test_a13_a_download_goes_on_after_a_kill(place, tmp_path, monkeypatch, colour):
    """Only the rest is fetched. The store travels to the process that is killed without its secret."""
    monkeypatch.setenv("TIER_URL", place.url())
    large = DATA * 6
    with FileStore("${TIER_URL}", **ONCE) as plain:
        fs = colour(plain)
        fs.put("k", large)
        (tmp_path / "target").write_bytes(b"old")
        program = [sys.executable, "-W", "ignore", "-c", RESUMING, str(tmp_path / "target")]
        killed = subprocess.run(program, input=pickle.dumps(plain), capture_output=True, check=False, timeout=100)
        assert killed.returncode == -signal.SIGXFSZ, killed.stderr
        assert (tmp_path / "target").read_bytes() == b"old"
        left = (tmp_path / ".target.holdall-part").stat().st_size
        assert left
        before = place.proxy.traffic.bytes_down
        assert fs.download("k", tmp_path / "target", resume=True).size == len(large)
        assert place.proxy.traffic.bytes_down - before < len(large) - left + 500_000
        whole = (tmp_path / "target").read_bytes() == large
        assert whole
        assert sorted(path.name for path in tmp_path.iterdir() if "target" in path.name) == ["target"]


# -- bodies that are cut off ------------------------------------------------------------------------------------------------


@on("s3", "azure", "sftp")
def test_a11_a_body_that_is_cut_off(place, colour):
    """It is fetched again, or the next location serves; it is never returned. An empty object is no cut one."""
    with FileStore(place.url(), **QUICK) as plain:
        colour(plain).put("k", DATA)
        colour(plain).put("empty", b"")
    cut = Fault(drop_reply_after=1_000_000)
    method = None if place.kind == "sftp" else "GET"
    with FileStore(place.url(), **QUICK) as plain:
        place.proxy.fail(cut, times=1, method=method)
        assert colour(plain).get("k") == DATA
        assert place.proxy.traffic.faults == 1
        assert colour(plain).get("empty") == b""
    far = MemoryStore()
    far.put("k", DATA)
    with FileStore(place.url(), far, **ONCE) as plain:
        place.proxy.fail(cut, times=math.inf, method=method)
        assert colour(plain).get("k") == DATA
        assert place.proxy.traffic.faults > 1
    with FileStore(place.url(), **ONCE) as plain, pytest.raises((UnavailableError, IntegrityError)):
        colour(plain).get("k")


CUTTING = """
import sys
from pathlib import Path
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

root, port, cuts = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])

class Short:
    left = 1_000_000
    def __init__(self, inner, fails):
        self.inner, self.fails = inner, fails
    def more(self):
        data = self.inner.more()[: self.left]
        self.left -= len(data)
        if not data and self.fails:
            raise OSError("the disk broke")
        return data

class Handler(FTPHandler):
    use_sendfile = False
    def push_dtp_data(self, data, isproducer=False, file=None, cmd=None):
        way, left = cuts.read_text().split()
        if cmd == "RETR" and int(left):
            cuts.write_text(f"{way} {int(left) - 1}")
            data = Short(data, way == "broken")
        super().push_dtp_data(data, isproducer=isproducer, file=file, cmd=cmd)

Handler.authorizer = DummyAuthorizer()
Handler.authorizer.add_user("user", "word", root, perm="elradfmwMT")
server = ThreadedFTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("way", ["short", "broken"])
def test_a11_ftp(way, tmp_path, colour):
    """A server that ends a body too early, and says that all is well, or that it is not."""
    root, cuts, port = tmp_path / "root", tmp_path / "cuts", free_port()
    root.mkdir()
    (root / "k").write_bytes(DATA)
    (root / "empty").write_bytes(b"")
    cuts.write_text(f"{way} 0")
    url = f"ftp://user:word@127.0.0.1:{port}/?name=ftp"
    far = MemoryStore()
    far.put("k", DATA)
    command = [sys.executable, "-W", "ignore", "-c", CUTTING, str(root), str(port), str(cuts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout.readline() == b"ready\n"
            with FileStore(url, **QUICK) as plain:
                cuts.write_text(f"{way} 1")
                assert colour(plain).get("k") == DATA
                assert cuts.read_text() == f"{way} 0"
                assert colour(plain).get("empty") == b""
            cuts.write_text(f"{way} 1000")
            with FileStore(url, far, **ONCE) as plain:
                assert colour(plain).get("k") == DATA
            with FileStore(url, **ONCE) as plain, pytest.raises((UnavailableError, IntegrityError)):
                colour(plain).get("k")
            assert cuts.read_text() != f"{way} 1000"
        finally:
            server.kill()


def test_a11_file(tmp_path, monkeypatch, colour):
    """A disk that gives less than the file has, once or always."""
    far, left = MemoryStore(), [0]
    far.put("k", DATA)
    read_at = _local_system.read_at

    def short(fd: int, size: int, offset: int) -> bytes:
        left[0] -= 1
        return read_at(fd, size, offset)[: size // 2 if left[0] >= 0 else size]

    monkeypatch.setattr(_local_system, "read_at", short)
    with FileStore(f"file://{tmp_path}", **QUICK) as plain:
        fs = colour(plain)
        fs.put("k", DATA)
        fs.put("empty", b"")
        left[0] = 1
        assert fs.get("k") == DATA
        assert left[0] < 1
        assert fs.get("empty") == b""
    left[0] = 1_000_000
    with FileStore(f"file://{tmp_path}", far, **ONCE) as plain:
        assert colour(plain).get("k") == DATA
    with FileStore(f"file://{tmp_path}", **ONCE) as plain, pytest.raises((UnavailableError, IntegrityError)):
        colour(plain).get("k")
    assert left[0] < 1_000_000


def test_a11_a14_http(nginx_site, tmp_path, colour):
    """Cut bodies, redirections, and writes that are refused without a request."""
    nginx_site.ground.write("k", DATA)
    nginx_site.ground.write("a b%?#ü", b"x")
    name = nginx_site.url.rstrip("/").rpartition("/")[2]
    with FaultProxy(nginx_site.url) as proxy:
        with FileStore(f"{proxy.url}/{name}", f"file://{tmp_path}/far", **QUICK) as plain:
            fs = colour(plain)
            proxy.fail(Fault(drop_reply_after=1_000_000), times=1, method="GET")
            assert fs.get("k") == DATA
            assert fs.get("a b%?#ü") == b"x"
            before = len(proxy.traffic.requests)
            with pytest.raises(NotSupportedError):
                fs.put("new", b"x", "near")
            with pytest.raises(NotSupportedError):
                fs.delete("new", "near")
            assert len(proxy.traffic.requests) == before
            report = fs.put("new", b"x")
            assert [(o.location.name, o.status) for o in report.outcomes] == [("http-0", "read_only"), ("file-1", "written")]
            assert not [method for method, _ in proxy.traffic.requests if method not in {"GET", "HEAD"}]
        with FileStore(f"{proxy.url}/moved/{name}", **QUICK) as plain:
            assert colour(plain).get("k") == DATA
            assert colour(plain).get("absent") is None  # a redirection that leads to a 404
            assert not colour(plain).exists("absent")


# -- names ------------------------------------------------------------------------------------------------------------------


def refuse_bad_names(plain, colour, tmp_path):
    """Try each method with each bad name."""
    source = tmp_path / "source"
    source.write_bytes(b"x")
    fs = colour(plain)
    for name in ("..", "/etc/passwd", "a/../../x", "a\0b", "", ".holdall/x"):
        for call in (
            lambda name=name: fs.get(name), lambda name=name: fs.exists(name), lambda name=name: fs.stat(name),
            lambda name=name: fs.put(name, b"x"), lambda name=name: fs.delete(name), lambda name=name: fs.locate(name),
            lambda name=name: fs.upload(source, name), lambda name=name: fs.download(name, tmp_path / "y"),
            lambda name=name: fs.copy(name, "all"), lambda name=name: fs.copy("k", "all", dest=name or ".."),
            lambda name=name: plain.stream(name).__enter__(), lambda name=name: plain.open(name or "..").read(),
        ):  # fmt: skip
            with pytest.raises(InvalidKeyError):
                call()
        for failed in (
            fs.upload_batch([(source, name)]),
            fs.download_batch([(name, tmp_path / "y")]),
            fs.delete_batch([name]),
        ):
            assert isinstance(failed[0][2], InvalidKeyError)
        assert list(fs.promote(name).failures) == [name]


@on(*KINDS)
def test_a15_bad_names_reach_no_server(place, tmp_path, colour):
    with FileStore(place.url(), **ONCE) as plain:
        refuse_bad_names(plain, colour, tmp_path)
        for verb in (colour(plain).list, colour(plain).verify):
            for prefix in ("/etc/passwd", "a/../../x", "a\0b"):
                with pytest.raises(InvalidKeyError):
                    list(verb(prefix))
    assert place.ground.everything() == set()
    assert place.proxy is None or place.proxy.traffic.connections == 0


def test_a15_bad_names_reach_no_web_server(nginx_site, tmp_path, colour):
    """Beside a folder that could be written to."""
    with FaultProxy(nginx_site.url) as proxy, FileStore(f"file://{tmp_path}/near", proxy.url, **ONCE) as plain:
        refuse_bad_names(plain, colour, tmp_path)
        assert proxy.traffic.connections == 0
        assert list(colour(plain.at("near")).list()) == []


@on("file", "ftp", "sftp")
def test_a16_sharded_on_disk(place, colour):
    """Names of 64 digits lie in directories, others as they are; each comes back by its name, and by any prefix."""
    names = sorted(
        [HASH, "0123-flat", "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "upload/a"]
    )
    with FileStore(place.url(layout="sharded"), **QUICK) as plain:
        fs = colour(plain)
        for name in names:
            fs.put(name, name.encode())
        assert place.ground.everything() == {f"0/1/2/3/{HASH}", *names} - {HASH}
        assert [entry.path for entry in fs.list()] == names
        for length in range(1, 6):
            assert [entry.path for entry in fs.list(HASH[:length])] == [
                name for name in names if name.startswith(HASH[:length])
            ]
        assert [fs.get(name) for name in names] == [name.encode() for name in names]
