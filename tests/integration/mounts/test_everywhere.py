"""Acceptance on memory, local disk and S3 alike: what `tests/unit/mounts` shows in more detail on memory."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.object_stores import pages_of
from tests.unit.mounts.test_downloads import BODY, site  # noqa: F401  # a fixture
from tests.unit.mounts.test_mount_kinds import WRITES
from tests.unit.mounts.test_node_calls import in_place
from tests.unit.mounts.test_node_content import Meddler

from holdall import StorageManager
from holdall.errors import PermissionDeniedError, PreconditionError
from holdall.testing import CountingStore, FaultProxy

KINDS = ("ram", "disk", "s3")


# -- permissions (A10) ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def unreachable(request, tmp_path, moto_bucket, s3_mount):
    """A mount that fails at any request: what is refused on it was refused before."""
    if request.param == "ram":
        store = CountingStore(StorageManager({"ram": "memory://"})._open("ram"))
        yield {"store": store}
        assert store.counts.total == 0
    elif request.param == "disk":
        (tmp_path / "gone").mkdir()
        yield {"type": "local", "path": str(tmp_path / "gone")}
    else:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{closed.getsockname()[1]}"
            yield {**s3_mount(moto_bucket, retries=0), "endpoint_url": address}


def test_a10_refusals_come_before_any_request(unreachable, say, tmp_path):
    with StorageManager() as storage:
        for permissions in ("readonly", "readwrite"):
            storage.configure({permissions: {**unreachable, "permissions": permissions}})
        storage.configure({"child": "readonly:d", "other": "memory://"})
        storage.node("other:a").write("x")
        if (tmp_path / "gone").exists():
            (tmp_path / "gone").rmdir()
        for mount in ("readonly", "child"):
            node = storage.node(mount, "a.txt")
            for call in (*WRITES, ("delete",), ("unlink",), ("rmdir",), ("move_to", "other:m"), ("rename", f"{mount}:b")):
                with pytest.raises(PermissionDeniedError, match="read-only|delete permission"):
                    say(node, *call)
            for mode in ("w", "wb", "a", "ab", "x", "xb", "r+", "r+b", "w+", "a+", "x+b"):
                with pytest.raises(PermissionDeniedError, match="read-only"):
                    node.open(mode)
            for mode in ("w", "rw"):
                with pytest.raises(PermissionDeniedError, match="read-only"):
                    in_place(node, "blocking", mode, lambda path: path)
            with pytest.raises(PermissionDeniedError, match="read-only"):
                say(storage.node("other:a"), "copy_to", node)
            assert (node.capabilities.readonly, node.capabilities.write, node.capabilities.delete) == (True, False, False)
        node = storage.node("readwrite:a.txt")
        for call in (("delete",), ("unlink",), ("rmdir",), ("move_to", "other:m"), ("rename", "readwrite:b")):
            with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
                say(node, *call)
        with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
            say(storage.node("other:"), "sync_to", "readwrite:", delete=True)
        assert (node.capabilities.write, node.capabilities.delete) == (True, False)


# -- tenants (A12) --------------------------------------------------------------------------------------------------------

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")


@pytest.mark.parametrize("kind", ["ram", "s3"])
def test_a12_tenants_have_files_of_their_own_in_threads_and_in_tasks(kind, moto_bucket, s3_mount):
    described = {"type": "memory"} if kind == "ram" else s3_mount(moto_bucket)
    mounts = {
        "home": {**described, "path": lambda: f"homes/{tenant.get()}"},
        "all": {**described, "path": lambda name: f"homes/{name}"},
    }
    names = [f"t{n}" for n in range(6)]
    with StorageManager(mounts) as storage:
        node = storage.node("home:a.txt")

        def in_thread(name):
            tenant.set(name)
            node.write(name)
            return [node.read() for _ in range(3)]

        async def in_task(name):
            tenant.set(name)
            await node.write_async(f"{name}!")
            return [await node.read_async() for _ in range(3)]

        async def tasks():
            return await asyncio.gather(*(asyncio.create_task(in_task(name)) for name in names))

        with ThreadPoolExecutor(len(names)) as pool:
            assert list(pool.map(in_thread, names)) == [[name] * 3 for name in names]
        assert asyncio.run(tasks()) == [[f"{name}!"] * 3 for name in names]
        if kind == "s3":
            assert [storage.node("all", name, "a.txt").read() for name in names] == [f"{name}!" for name in names]
            for name in names:
                storage.node("all", name, "b.txt").write(name)
            tenant.set("t2")
            assert [child.name for child in storage.node("home").children()] == ["a.txt", "b.txt"]


# -- writing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_a26_what_somebody_else_wrote_meanwhile_is_not_lost(storage, say, there):
    node = storage.node("here:k")
    if there:
        node.write("old")
    meddler = Meddler(storage._open("here"))
    storage.add_mount("raced", meddler)
    meddler.other = b"theirs"
    with pytest.raises(PreconditionError):
        say(storage.node("raced:k"), "write", "new", skip_if_unchanged=True)
    assert node.read() == "theirs"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a29_local_paths_upload_what_changed_and_nothing_else(storage, colour, temporary):
    node = storage.node("here:deep/in.txt")
    node.write("text")
    etag = node.stat().etag
    assert in_place(node, colour, "r", lambda path: (os.path.basename(path), Path(path).read_text())) == ("in.txt", "text")
    in_place(node, colour, "rw", lambda path: Path(path).read_text())
    assert node.stat().etag == etag
    in_place(node, colour, "rw", lambda path: Path(path).write_text("changed"))
    assert node.read() == "changed"

    def fail(path):
        Path(path).write_text("half")
        raise RuntimeError("broken")

    for place, mode in ((node, "rw"), (storage.node("here:new"), "w")):
        with pytest.raises(RuntimeError, match="broken"):
            in_place(place, colour, mode, fail, atomic=True)
    assert (node.read(), storage.node("here:new").exists) == ("changed", False)
    with StorageManager() as fixed:
        fixed.add_mount("fixed", storage._open("here"), permissions="readonly")
        assert in_place(fixed.node("fixed:deep/in.txt"), colour, "r", lambda path: Path(path).read_text()) == "changed"
    assert list(temporary.iterdir()) == []

    def race(path):
        node.write("theirs")
        Path(path).write_text("mine")

    if node.resolved_path is None:
        with pytest.raises(PreconditionError) as raised:
            in_place(node, colour, "rw", race)
        assert node.read() == "theirs"
        assert Path(str(raised.value).rpartition("kept at ")[2].split(" [")[0]).read_text() == "mine"


def test_a35_a_download_that_breaks_off_leaves_the_old_content(site, storage, say):  # noqa: F811
    node = storage.node("here:page.html")
    node.write("old")
    for path, more in (("/short", {}), ("/broken", {}), ("/to-file", {}), ("/page", {"max_size": 100})):
        with pytest.raises(OSError, match="Failed to download"):
            say(node, "fill_from_url", f"{site}{path}", **more)
        assert node.read() == "old"
    say(node, "fill_from_url", f"{site}/page")
    assert (node.read_bytes(), node.stat().content_type) == (BODY, "text/x-page")


# -- requests (section 9) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "pages"), [("disk", 2), ("part", 4)])
def test_the_same_tree_again_costs_the_listings_and_nothing_else(source, pages, say, moto_bucket, s3_mount, tmp_path):
    """From disk two pages of one listing, from S3 to S3 two of each; a proxy sees every request that is made."""
    files = 30
    (tmp_path / "d").mkdir()
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        s3 = {**s3_mount(moto_bucket), "endpoint_url": proxy.url}
        mounts = {"disk": {"type": "local", "path": str(tmp_path / "d")}, "s3": s3, "part": "s3:from", "back": "s3:to"}
        with StorageManager(mounts) as storage:
            pages_of(storage._open("s3"), 20)
            for number in range(files):
                (tmp_path / "d" / f"{number:04}").write_bytes(b"x" * (number % 7))
            storage.copy("disk:", "part:")
            ours, theirs = ("disk:", "part:") if source == "disk" else ("part:", "back:")
            if source == "part":
                storage.copy(ours, theirs)
            for act in (
                lambda: say(storage, "copy", ours, theirs, skip="size"),
                lambda: say(storage, "sync", ours, theirs),
                lambda: say(storage, "sync", ours, theirs, delete=True),
            ):
                before = len(proxy.traffic.requests)
                report = act()
                asked = proxy.traffic.requests[before:]
                assert (report.copied, report.skipped, report.bytes) == (0, files, 0)
                assert len(asked) == pages
                assert all(method == "GET" and "list-type=2" in target for method, target in asked)


def test_a_tree_costs_one_request_for_each_object_and_the_listing_in_both_directions(say, moto_bucket, s3_mount, tmp_path):
    names = [f"d{number % 3}/{number:02}" for number in range(40)]
    for folder in ("up", "down"):
        (tmp_path / folder).mkdir()
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        mounts = {folder: {"type": "local", "path": str(tmp_path / folder)} for folder in ("up", "down")}
        mounts |= {"s3": {**s3_mount(moto_bucket), "endpoint_url": proxy.url}, "part": "s3:t"}
        with StorageManager(mounts) as storage:
            for name in names:
                storage.node("up", name).write(name * 5)
            assert say(storage, "copy", "up:", "part:").copied == 40
            assert [method for method, _ in proxy.traffic.requests] == ["PUT"] * 40
            assert say(storage, "copy", "part:", "down:").copied == 40
            asked = proxy.traffic.requests[40:]
            assert {method for method, _ in asked} == {"GET"}
            assert ["list-type=2" in target for _, target in asked].count(True) == 1
            assert len(asked) == 41
            say(storage, "copy", "s3:t", "down:named")  # a name is looked at: is it an object, is there anything below?
            assert len(proxy.traffic.requests) == 40 + 41 + 43
            assert {name: storage.node("down", name).read() for name in names} == {name: name * 5 for name in names}


def test_between_mounts_of_the_same_credentials_no_bytes_come_by_the_client(say, moto_bucket, s3_mount):
    """Part of one bucket to another part, and to another bucket of mounts that were described on their own; small and by parts."""
    other = f"{moto_bucket.name}-other"
    moto_bucket.client.create_bucket(Bucket=other)
    large = os.urandom(12 << 20)
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        one = {**s3_mount(moto_bucket), "endpoint_url": proxy.url}
        mounts = {"one": one, "part": {**one, "path": "part"}, "other": {**one, "bucket": other}, "under": "other:under"}
        with StorageManager(mounts) as storage:
            storage.node("one:t/large").put(large, content_type="text/x-large")
            storage.node("one:t/small").write("small")
            for target in ("part:t", "other:t", "under:t"):
                before = proxy.traffic
                assert say(storage, "copy", "one:t", target).copied == 2
                after = proxy.traffic
                assert after.bytes_up - before.bytes_up < 1 << 18
                assert after.bytes_down - before.bytes_down < 1 << 18
                assert storage.node(f"{target}/large").read_bytes() == large
                assert storage.node(f"{target}/large").stat().content_type == "text/x-large"
            before = proxy.traffic
            say(storage, "move", "under:t/large", "part:moved")
            assert proxy.traffic.bytes_up - before.bytes_up < 1 << 18
            assert storage.node("part:moved").read_bytes() == large
            assert not storage.node("under:t/large").exists
