"""Real servers that refuse, fail, or lack what they should have: never taken for "not there"."""

import shutil
import socket

import pytest

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.memory import MemoryStore
from holdall.errors import HoldallError, NotFoundError, PermissionDeniedError, UnavailableError
from holdall.testing.proxy import Fault, FaultProxy
from holdall.tiers import FileStore, PartialWriteError

QUICK = RetryPolicy(attempts=2, first=0.01, cap=0.05)
DATA = bytes(range(256)) * 8000
LARGE = DATA * 7


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def s3_url(server, bucket, host=None, more=""):
    host = host or server.endpoint.partition("://")[2]
    user = f"{server.access_key}:{server.secret_key}"
    return f"s3://{user}@{host}/{bucket}/base?use_ssl=false&aws_region={server.region}&name=broken{more}"


@pytest.fixture(params=["file", "s3 bucket", "s3 refused", "ftp refused", "sftp refused", "http refused"])
def broken(request, tmp_path):
    """The URL of a storage that cannot be asked."""
    kind = request.param
    if kind == "file":
        base = tmp_path / "gone"
        base.mkdir()
        return f"file://{base}?create=false&name=broken", lambda: shutil.rmtree(base)
    if kind.startswith("s3"):
        server = request.getfixturevalue("moto")
        if kind == "s3 bucket":
            return s3_url(server, "no-such-bucket-of-ours"), lambda: None
        return s3_url(server, "any", f"127.0.0.1:{free_port()}"), lambda: None
    scheme, user = kind.split()[0], "" if kind.startswith("http") else "user:word@"
    more = "&validate_host=false" if scheme == "sftp" else ""
    return f"{scheme}://{user}127.0.0.1:{free_port()}/base?name=broken{more}", lambda: None


@pytest.mark.parametrize("verb", ["get", "exists", "stat", "download"])
def test_a06_an_outage_is_never_a_miss(broken, verb, tmp_path, colour):
    url, end = broken
    far = MemoryStore()
    with FileStore(url, far, retry=QUICK) as plain:
        end()
        fs = colour(plain)

        def ask():
            return fs.download("k", tmp_path / "x") if verb == "download" else getattr(fs, verb)("k")

        with pytest.raises(UnavailableError) as caught:
            ask()
        assert isinstance(caught.value.report["broken"], HoldallError)
        assert caught.value.report["memory-1"] is None
        far.put("k", b"x")
        assert ask()
        assert fs.stat("k").degraded
    assert not list(tmp_path.glob(".*holdall-part*"))


def test_a06_listing(broken, colour):
    url, end = broken
    with FileStore(url, MemoryStore(), retry=QUICK) as fs:
        end()
        with pytest.raises(HoldallError) as caught:
            list(colour(fs).list())
        assert isinstance(caught.value, UnavailableError) or url.startswith("http")
        found = colour(fs).health(30)
        assert not found.ok or url.startswith(("file", "s3"))
        assert found.locations["memory-1"].ok


def test_a06_wrong_credentials_are_a_refusal(moto, azurite_container, colour):
    server = azurite_container.server
    host = server.endpoint.partition("://")[2]
    wrong = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmc="
    with FileStore(f"azure://{host}/{azurite_container.name}?use_ssl=false&access_key={wrong}", retry=QUICK) as fs:
        with pytest.raises(PermissionDeniedError) as caught:
            colour(fs).get("k")
        assert wrong not in str(caught.value)


def test_a07_a_far_location_that_fails(moto_bucket, tmp_path, colour):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        url = s3_url(moto_bucket.server, moto_bucket.name, proxy.url.partition("://")[2].rstrip("/"))
        with FileStore(tmp_path / "one", tmp_path / "two", url, retry=QUICK, breaker=BreakerPolicy(failures=1000)) as plain:
            fs = colour(plain)
            proxy.down()
            with pytest.raises(PartialWriteError) as caught:
                fs.put("k", DATA)
            assert [loc.index for loc in caught.value.written] == [0, 1]
            source = tmp_path / "source"
            source.write_bytes(DATA)
            with pytest.raises(PartialWriteError):
                fs.upload(source, "u")
            assert [item[1] for item in fs.upload_batch([(source, "b")])] == ["b"]
            with pytest.raises(PartialWriteError), plain.open("o", "wb") as file:
                file.write(DATA)
            proxy.up()
            assert [loc.name for loc in fs.put("k", DATA)] == ["broken"]
            assert [loc.name for loc in fs.upload(source, "u")] == ["broken"]
            assert fs.upload_batch([(source, "b")]) == []
            seen = {name: (tmp_path / name / "o").stat() for name in ("one", "two")}
            with plain.open("o", "wb") as file:
                file.write(DATA)
            assert {
                name: (tmp_path / name / "o").stat() for name in ("one", "two")
            } == seen  # equal there: only far is written
            for name in ("k", "u", "b", "o"):
                assert moto_bucket.ground.read(f"base/{name}") == DATA


def test_a11_a12_a_body_that_is_cut_off(moto_bucket, tmp_path, colour):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        url = s3_url(moto_bucket.server, moto_bucket.name, proxy.url.partition("://")[2].rstrip("/"))
        with FileStore(url, retry=QUICK) as plain:
            fs = colour(plain)
            fs.put("k", DATA)
            fs.put("empty", b"")
            proxy.fail(Fault(drop_reply_after=1_000_000), times=1, method="GET")
            assert fs.get("k") == DATA
            proxy.fail(Fault(drop_reply_after=1_000_000), times=1, method="GET")
            with colour(plain.store).get("k") as result:
                assert b"".join(result) == DATA
            proxy.fail(Fault(drop_reply_after=1_000_000), times=1, method="GET")
            assert fs.download("k", tmp_path / "x").size == len(DATA)
            assert (tmp_path / "x").read_bytes() == DATA
            assert fs.get("empty") == b""


def test_a20_requests_are_counted(moto_bucket, colour):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        url = s3_url(moto_bucket.server, moto_bucket.name, proxy.url.partition("://")[2].rstrip("/"))
        with FileStore(url, retry=RetryPolicy(attempts=4, first=0.01, cap=0.05)) as plain:
            fs = colour(plain)

            def requests(call):
                before = len(proxy.traffic.requests)
                call()
                return len(proxy.traffic.requests) - before

            fs.put("first", b"x")  # asks once whether the service honours conditions
            assert requests(lambda: fs.put("small", b"x")) == 1
            assert requests(lambda: fs.put("large", DATA)) == 2
            assert requests(lambda: fs.get("small")) == 1
            assert requests(lambda: fs.put("small", b"y")) <= 3
            assert requests(lambda: fs.put("small", b"y", force=True)) == 1
            proxy.fail(Fault(answer=500), times=3)
            assert requests(lambda: fs.get("small")) == 4  # nothing is multiplied by the driver's own repetitions


def test_a13_a_download_that_fails_leaves_the_old_file(moto_bucket, tmp_path, colour, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        url = s3_url(moto_bucket.server, moto_bucket.name, proxy.url.partition("://")[2].rstrip("/"))
        with FileStore(url, retry=RetryPolicy(attempts=1)) as plain:
            fs = colour(plain)
            fs.put("k", LARGE)
            with pytest.raises(NotFoundError):
                fs.download("absent", target)
            for fault in (Fault(answer=500), Fault(drop_reply_after=12_000_000)):
                proxy.fail(fault, method="GET")
                with pytest.raises(HoldallError):
                    fs.download("k", "target")
                proxy.heal()
            assert target.read_bytes() == b"old"
            assert [p.name for p in tmp_path.iterdir()] == ["target"]
            proxy.fail(Fault(drop_reply_after=12_000_000), method="GET")
            with pytest.raises(HoldallError):
                fs.download("k", "target", resume=True)
            proxy.heal()
            left = (tmp_path / ".target.holdall-part").stat().st_size
            assert left > 0
            sent = len(proxy.traffic.requests)
            fs.download("k", "target", resume=True)
            assert target.read_bytes() == LARGE
            assert len(proxy.traffic.requests) == sent + 1
            assert [p.name for p in tmp_path.iterdir()] == ["target"]
