"""Acceptance of mounts: what no other test of the face shows. The names carry the numbers of the list; most lines stand in the
files beside this one, in `tests/unit/mounts` and in `tests/unit/engine`."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdall import StorageBackend, StorageManager
from holdall.errors import NotSupportedError, PermissionDeniedError, TransferError
from holdall.testing import FaultProxy

KINDS = ("ram", "disk", "s3")
PAIRS = [(source, target) for source in KINDS for target in KINDS]
MIB = 1 << 20


def names(storage, mount):
    return sorted(node.path for node in storage.node(mount).rglob("*") if node.info.is_file())


# -- writing --------------------------------------------------------------------------------------------------------------

HALF_WRITTEN = """
    import asyncio, time
    from holdall import StorageManager
    storage = StorageManager({mount!r})
    def blocking():
        with storage.node("m:w.bin").open("wb") as file:
            for _ in range(12):
                file.write(b"n" * (1 << 20))
            print("written", flush=True)
            time.sleep(600)
    async def awaited():
        async with storage.node("m:w.bin").open_async("wb") as file:
            for _ in range(12):
                await file.write(b"n" * (1 << 20))
            print("written", flush=True)
            await asyncio.sleep(600)
    blocking() if {colour!r} == "blocking" else asyncio.run(awaited())
"""


@pytest.mark.parametrize("colour", ["blocking", "async"])
@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_a08_a_killed_writer_leaves_the_old_content(kind, colour, tmp_path, moto_bucket, s3_mount):
    (tmp_path / "root").mkdir()
    mount = {"m": {"type": "local", "path": str(tmp_path / "root")} if kind == "disk" else s3_mount(moto_bucket)}
    with StorageManager(mount) as storage:
        node = storage.node("m:w.bin")
        node.write_bytes(b"old")
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HALF_WRITTEN).format(mount=mount, colour=colour)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            try:
                assert writer.stdout.readline() == b"written\n"
                assert node.read_bytes() == b"old"
            finally:
                writer.send_signal(signal.SIGKILL)
        assert node.read_bytes() == b"old"
        assert names(storage, "m") == ["w.bin"]
        node.write_bytes(b"new")
        assert node.read_bytes() == b"new"


# -- relative mounts ------------------------------------------------------------------------------------------------------


def test_a11_real_paths_and_renames_go_through_relative_mounts(tmp_path, say):
    with StorageManager({"base": {"type": "local", "path": str(tmp_path)}, "part": "base:a", "deep": "part:b"}) as storage:
        storage.add_mount("fixed", {"path": "deep:", "permissions": "readonly"})
        node = storage.node("deep:x.txt")
        node.write("x")
        inode = (tmp_path / "a/b/x.txt").stat().st_ino
        for mount in ("deep", "fixed"):
            assert storage.node(f"{mount}:x.txt").resolved_path == str(tmp_path / "a/b/x.txt")
        moved = say(node, "move_to", "part:y.txt")
        assert moved.resolved_path == str(tmp_path / "a/y.txt")
        assert (tmp_path / "a/y.txt").stat().st_ino == inode


# -- transfers ------------------------------------------------------------------------------------------------------------


def by_parts(node, data):
    """Write content in two parts, so that its etag on S3 is no MD5."""
    node.put(iter([data[: 5 * MIB], data[5 * MIB :]]), part_size=5 * MIB)


@pytest.mark.parametrize(
    ("source", "target"), [("s3", "disk2"), ("s3", "ram2"), ("s3", "s32"), ("disk", "s32"), ("ram", "s32")]
)
def test_a15_multipart_objects_are_skipped_by_hash_when_equal_and_copied_when_not(everywhere, say, source, target):
    data = os.urandom(9 * MIB)
    ours, theirs = everywhere.node(f"{source}:big.bin"), everywhere.node(f"{target}:big.bin")
    by_parts(ours, data)
    assert source != "s3" or "-" in ours.stat().etag
    reasons = []
    for there, copied in ((data, False), (data[:-1] + bytes([data[-1] ^ 1]), True)):
        by_parts(theirs, there)
        if target == "s32":
            assert "-" in theirs.stat().etag
        say(ours, "copy_to", theirs, skip="hash", on_skip=lambda node, reason: reasons.append(reason))
        assert theirs.read_bytes() == data
        assert len(reasons) == 1, copied
    assert reasons[0].startswith("same content (")


def test_a16_a_raising_callback_leaves_no_half_file_and_no_open_upload(everywhere, say, moto_bucket):
    everywhere.node("disk:big.bin").write_bytes(bytes(24 * MIB))
    overlapping, inside = [], threading.Lock()

    def stop(event):
        if not inside.acquire(blocking=False):
            overlapping.append(event)
            return
        try:
            if event.bytes > 12 * MIB:
                raise KeyError("enough")
        finally:
            inside.release()

    for target in ("s3:big.bin", "ram:big.bin"):
        with pytest.raises(KeyError, match="enough"):
            say(
                everywhere.node("disk:big.bin"),
                "copy_to",
                target,
                part_size=5 * MIB,
                on_progress=stop,
            )
    assert not overlapping
    for target in ("s3:big.bin", "ram:big.bin"):  # whole, if the last part had arrived before this thread was told of it
        node = everywhere.node(target)
        assert not node.exists or node.read_bytes() == bytes(24 * MIB)
    client = moto_bucket.client
    assert not client.list_multipart_uploads(Bucket=moto_bucket.name).get("Uploads")


def test_a18_a_move_killed_at_any_point_loses_no_file_and_is_finished_by_another(tmp_path, moto_bucket, s3_mount):
    """The mover is killed after 0, 1, 2 ... files; each file is at one place or both, and the next run finishes."""
    (tmp_path / "root").mkdir()
    mounts = {"disk": {"type": "local", "path": str(tmp_path / "root")}, "s3": s3_mount(moto_bucket)}
    script = textwrap.dedent("""
        import os, signal, sys
        from holdall import StorageManager
        left = int(sys.argv[1])
        def told(node):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        StorageManager(%r).move("disk:t", "s3:t", on_file=told, concurrency=2)
    """) % (mounts,)  # fmt: skip
    files = {f"{i:02}.txt": str(i) * 10 for i in range(24)}
    with StorageManager(mounts) as storage:
        for name, text in files.items():
            storage.node("disk:t", name).write(text)
        for steps in (0, 2, 99):
            done = subprocess.run([sys.executable, "-c", script, str(steps)], timeout=100, check=False)
            # the first callback may come when several files are through: the second run has what is left
            assert done.returncode in {0: {-signal.SIGKILL}, 2: {-signal.SIGKILL, 0}, 99: {0}}[steps]
            for name, text in files.items():
                places = [node for node in (storage.node("disk:t", name), storage.node("s3:t", name)) if node.exists]
                assert places and {node.read() for node in places} == {text}, (steps, name)
        assert names(storage, "disk") == []
        assert names(storage, "s3") == [f"t/{name}" for name in files]


def test_a22_odd_keys_survive_list_read_copy_and_delete(everywhere, say, moto_bucket):
    client = moto_bucket.client
    odd = ("a//b", "d/", "%2F", "ü", "with space", "plus+and&", "dot./x")
    for key in odd:
        client.put_object(Bucket=moto_bucket.name, Key=f"one/odd/{key}", Body=key.encode() if not key.endswith("/") else b"")
    top = everywhere.node("s3:odd")
    found = {node.path for node in say(top, "rglob", "*")}
    for key in odd:
        assert f"odd/{key}".rstrip("/") in {path.rstrip("/") for path in found}, (key, found)
        node = everywhere.node("s3", f"odd/{key}", raw=True)
        if not key.endswith("/"):
            assert say(node, "read_bytes") == key.encode()
            copied = say(node, "copy_to", everywhere.node("s32", f"copy/{key}", raw=True))
            assert (copied.path, say(copied, "read_bytes")) == (f"copy/{key}", key.encode())
    say(top, "delete")
    assert not client.list_objects_v2(Bucket=moto_bucket.name, Prefix="one/odd").get("Contents")


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a27_what_stands_beside_the_bytes_travels_between_all_stores(everywhere, say, source, target):
    node = everywhere.node(f"{source}:m.bin")
    node.put(b"x", content_type="text/x-test", cache_control="no-store", metadata={"who": "me"}, tags={"t": "1"})
    copied = say(node, "copy_to", f"{target}2:m.bin")
    stat = copied.stat()
    assert (stat.content_type, dict(stat.metadata), copied.get_tags()) == ("text/x-test", {"who": "me"}, {"t": "1"})
    assert stat.meta.attributes.cache_control == "no-store"


class Plain(StorageBackend):
    """Keeps bytes and nothing beside them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read_bytes(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write_bytes(self, path: str, data: bytes) -> None:
        self.files[path] = data


def test_a27_what_is_lost_is_in_the_report_and_an_error_if_strict(storage, say):
    storage.register_backend_type("plain", Plain)
    storage.configure({"plain": {"type": "plain"}})
    node = storage.node("here:m.bin")
    node.put(b"x", content_type="text/x-test", metadata={"who": "me"}, tags={"t": "1"})
    report = say(storage, "copy", node, "plain:m.bin")
    assert {"content_type", "metadata"} <= set(report.lost)
    assert any(name.startswith("tags") for name in report.lost)
    with pytest.raises(NotSupportedError):
        say(storage, "copy", node, "plain:strict.bin", preserve="strict")
    assert not storage.node("plain:strict.bin").exists


# -- versions -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "s3"])
def versioned(request, s3_mount):
    """Storages that list versions and delete markers in one order: Ceph's gateway, as moto lists all markers last, with whole seconds."""
    described = {"type": "memory", "versioned": True}
    if request.param == "s3":
        described = s3_mount(request.getfixturevalue("radosgw_versioned_bucket"), versioned=True)
    with StorageManager({"old": described}) as storage:
        yield storage


def test_a24_versions_written_at_once_come_back_in_writing_order(versioned, say):
    node = versioned.node("old:quick.txt")
    for i in range(12):
        node.write(str(i))
    found = say(node, "versions")
    assert [node.read_text(version=v["version_id"]) for v in found] == [str(i) for i in range(12)]
    assert say(node, "read_text", version=-1) == say(node, "read_text", version=found[-1]["version_id"]) == "11"
    assert say(node, "read_text", version=0) == "0"
    assert say(node, "read_text", as_of=found[-1]["last_modified"]) == "11"


def test_a25_a_deletion_stands_between_equal_versions(versioned, say):
    node = versioned.node("old:gone.txt")
    node.write("same")
    node.write("same")
    say(node, "delete")
    assert not say(node, "exists")
    marker = node.list_versions(delete_markers=True)[-1]
    assert marker["delete_marker"]
    with pytest.raises(FileNotFoundError):
        say(node, "read_text", as_of=marker["last_modified"])
    node.write("same")
    assert say(node, "compact_versions") == 1  # the two before the deletion; what stands behind it is another matter
    assert say(node, "version_count") == 2
    assert say(node, "rollback", 0)
    assert say(node, "version_count") == 3
    say(node, "delete")
    assert say(node, "restore")
    assert say(node, "read") == "same"
    with pytest.raises(PermissionDeniedError, match="Cannot write to versioned snapshot"):
        say(node.at(0), "write", "x")


# -- helpers --------------------------------------------------------------------------------------------------------------


def test_a28_a_large_zip_streams_in_the_async_colour(tmp_path):
    """Stored, as the blocking colour shows that deflated pieces are let go of."""
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(1024 * MIB)

    async def count(node):
        return sum([len(piece) async for piece in node.iter_zip_async(compression="store")])

    with StorageManager({"disk": {"type": "local", "path": str(tmp_path)}}) as storage:
        tracemalloc.start()
        try:
            assert asyncio.run(count(storage.node("disk:"))) > 1024 * MIB
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
        finally:
            tracemalloc.stop()


def test_a28_a_large_zip_streams_and_unzip_takes_it(tmp_path):
    (tmp_path / "t/empty").mkdir(parents=True)
    with open(tmp_path / "t/large.bin", "wb") as file:
        file.truncate(1024 * MIB)
    (tmp_path / "t/ü small.txt").write_text("small")
    with StorageManager({"disk": {"type": "local", "path": str(tmp_path)}}) as storage:
        tracemalloc.start()
        try:
            with open(tmp_path / "out.zip", "wb") as out:
                out.writelines(storage.node("disk:t").iter_zip(level=1))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 16 * MIB
        done = subprocess.run(
            ["unzip", "-t", str(tmp_path / "out.zip")], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            assert [name.partition("t/")[2] or name for name in archive.namelist()][-1].endswith("ü small.txt")
            assert any(name.endswith("empty/") for name in archive.namelist())


def test_a28_nodes_of_nodes_answer_copy_and_zip_everywhere(storage, say):
    for name in "ab":
        storage.node(f"here:{name}/x.txt").write(name)
    both = storage.iternode("here:a/x.txt", storage.iternode("here:b/x.txt"))
    assert (say(both, "read"), say(both, "size")) == ("ab", 2)
    assert (say(both, "exists"), say(both, "isfile"), say(both, "isdir")) == (False, False, False)
    assert say(both, "copy_to", "there:both.txt").read() == "ab"
    with zipfile.ZipFile(io.BytesIO(say(storage.iternode("here:a/x.txt", "here:b/x.txt"), "zip"))) as archive:
        assert archive.namelist() == ["x.txt", "x (2).txt"]


# -- processes, threads, loops --------------------------------------------------------------------------------------------


def test_a36_a_second_loop_and_many_threads_use_one_manager(storage):
    node = storage.node("here:shared.txt")
    node.write("start")

    async def there_and_back(number):
        mine = storage.node(f"here:loops/{number}.txt")
        await mine.write_async(str(number))
        return await mine.read_async()

    for number in range(2):
        assert asyncio.run(there_and_back(number)) == str(number)

    def work(number):
        mine = storage.node(f"here:threads/{number}.txt")
        mine.write(str(number))
        assert asyncio.run(there_and_back(10 + number)) == str(10 + number)
        return mine.read(), node.read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [(str(n), "start") for n in range(8)]
    assert len(names(storage, "here:loops")) == 10


def test_a05_a_failing_transfer_shows_no_secret(tmp_path, caplog, moto_bucket, s3_mount):
    secret = moto_bucket.server.secret_key
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        mount = s3_mount(moto_bucket, retries=0)
        mount["endpoint_url"] = proxy.url
        with StorageManager({"s3": mount, "ram": {"type": "memory"}}) as storage:
            for i in range(3):
                storage.node(f"ram:t/{i}").write("x")
            storage.node("s3:before").write("x")
        proxy_url = proxy.url
    mount["endpoint_url"] = proxy_url  # nobody listens there any more
    with StorageManager({"s3": mount, "ram": {"type": "memory"}}) as storage:
        for i in range(3):
            storage.node(f"ram:t/{i}").write("x")
        with pytest.raises(TransferError) as raised:
            storage.copy("ram:t", "s3:t", errors="collect")
    texts = [
        repr(raised.value),
        str(raised.value),
        repr(raised.value.report),
        str(raised.value.report.to_dict()),
        caplog.text,
    ]
    assert not [text for text in texts if secret in text]
