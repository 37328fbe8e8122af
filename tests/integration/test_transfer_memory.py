"""Memory of transfers, measured as growth of a process of its own: bounded by parts in flight, not by sizes or numbers."""

import json
import subprocess
import sys

import pytest

from holdall.testing.servers import NginxS3Stub

MIB = 1024 * 1024
BOUND = 8 * 8 + 48
"""Parts in flight times part size, and 48 MiB (in MiB)."""

PROGRAM = """
import asyncio, json, sys
from holdall.drivers.local import LocalStore
from holdall.drivers.s3 import S3Store
from holdall.engine import transfer, transfer_async
from holdall.engine.progress import TransferOptions

colour, way, verify, root, endpoint = sys.argv[1:]
far = S3Store("bench", endpoint_url=endpoint, access_key_id="test", secret_access_key="testtest", region="us-east-1")
near = LocalStore(root)
far.put("warm", b"x")
far.get("warm").bytes()
one, other = ((near, "big"), (far, "up")) if way == "up" else ((far, "big"), (near, "down"))
options = TransferOptions(preserve=False, verify=verify)  # the stub has no tags to ask for
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew: a process inherits that of its parent
before = status("VmRSS")
if way == "whole":
    async def read():
        return len(await (await far.get_async("big")).bytes_async())  # the bytes themselves asyncio would want to print
    report = type("Report", (), {"bytes": asyncio.run(read()) if colour == "async" else len(far.get("big").bytes())})
elif colour == "async":
    report = asyncio.run(transfer_async.copy_async(one, other, options))
else:
    report = transfer.copy(one, other, options)
after = status("VmHWM")
print(json.dumps({"growth": (after - before) / 1024, "bytes": report.bytes}))
"""


def grown(*arguments: str) -> dict[str, float]:
    """Run a transfer in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def big(nginx_s3_stub: NginxS3Stub, tmp_path_factory):
    """A file of 256 MiB, on this side and on the other."""
    root = tmp_path_factory.mktemp("big")
    for path in (root / "big", f"{nginx_s3_stub.files}/bench/big"):
        with open(path, "wb") as file:
            file.writelines(bytes([i]) * MIB for i in range(256))
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blocking", "async"])
@pytest.mark.parametrize(("way", "verify"), [("up", "size"), ("down", "size"), ("down", "checksum")])
def test_a_big_file_needs_the_room_of_its_parts_in_flight(nginx_s3_stub, big, name, way, verify):
    found = grown(name, way, verify, str(big), nginx_s3_stub.endpoint)
    assert found["bytes"] == 256 * MIB
    assert 4 < found["growth"] <= BOUND
    if way == "down":
        with open(big / "down", "rb") as one, open(big / "big", "rb") as other:
            assert all(one.read(MIB) == other.read(MIB) for _ in range(257))


TREE = """
import json, sys, tracemalloc
from holdall.core.capabilities import Capabilities
from holdall.core.meta import ListPage, ObjectMeta
from holdall.engine import transfer
from holdall.engine.progress import TransferOptions
from holdall.results import GetResult, PutResult
from tests.unit.engine.stores import Apart

class Endless(Apart):
    def list(self, prefix="", **named):
        for page in range(int(sys.argv[1]) // 1000):
            yield ListPage([ObjectMeta(key=f"{prefix}{page:06}/{i:03}.dat", size=3, etag="x") for i in range(1000)])
    def get(self, key, options=None):
        return GetResult(ObjectMeta(key=key, size=3, etag="x"), b"abc")

class Sink(Apart):
    def put(self, key, source, options=None):
        return PutResult(key=key, size=len(source), etag="x")

named = {"progress": lambda done, total: None} if sys.argv[2] == "progress" else {}
tracemalloc.start()
report = transfer.copy((Endless(), "t/"), (Sink(set_modified=False), "u"), TransferOptions(keep_items=100, **named))
print(json.dumps({"peak": tracemalloc.get_traced_memory()[1], "copied": report.copied}))
"""


def peak(files: int, way: str) -> int:
    """Return the peak of traced memory of a copy of so many files."""
    done = subprocess.run(
        [sys.executable, "-c", TREE, str(files), way], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["copied"] == files
    return found["peak"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files():
    assert peak(40_000, "plain") < peak(4_000, "plain") + MIB


@pytest.mark.slow
def test_with_progress_a_planned_item_takes_at_most_400_bytes():
    assert (peak(24_000, "progress") - peak(4_000, "progress")) / 20_000 <= 400


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blocking", "async"])
def test_all_bytes_of_a_big_object_are_held_once(nginx_s3_stub, big, name):
    """Not the pieces that came beside what they are joined to, nor that beside a copy."""
    found = grown(name, "whole", "size", str(big), nginx_s3_stub.endpoint)
    assert found["bytes"] == 256 * MIB
    assert 255 < found["growth"] <= 256 + 48
