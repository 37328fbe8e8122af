"""What is known to go wrong in the library that this face succeeds, as behaviour required here: one test per line of that table."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.integration.mounts.serving import asked

from holdall import StorageBackend, StorageManager
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    ClosedError,
    IntegrityError,
    NotSupportedError,
    PermissionDeniedError,
    StorageFullError,
    UnavailableError,
)
from holdall.mounts import StorageConfigError, inout
from holdall.testing import CountingStore, FlakyStore
from holdall.wrappers.forwarding import ForwardingStore

MIB = 1 << 20


@pytest.fixture
def storage(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    mounts = {name: {"type": "local", "path": str(tmp_path / name)} for name in ("one", "two")}
    with StorageManager({**mounts, "ram": {"type": "memory"}, "ram2": {"type": "memory"}}) as storage:
        yield storage


class Far(ForwardingStore):
    """A store that is on no other's server: every byte passes through this process."""

    @property
    def capabilities(self):
        return super().capabilities.narrowed(copy=False, rename=False)

    def locate(self, key):
        return self, key


def test_w01_documented_functions_exist(storage):
    class Mine(StorageBackend):
        def read_bytes(self, path):
            return b"mine"

        def write_bytes(self, path, data):
            pass

    storage.register_backend_type("mine", Mine)
    storage.configure([{"name": "m", "type": "mine"}])
    assert type(storage.get_backend("m")) is Mine
    assert storage.node("m:a").read() == "mine"
    assert storage.get_backend("one").fs.exists(f"{storage.get_backend('one').native}/a") is False
    with pytest.raises(NotSupportedError):
        storage.node("one:a").get_presigned_url()


def test_w02_copies_between_storages_hold_parts_not_files(storage, tmp_path):
    with open(tmp_path / "one/big", "wb") as file:
        file.truncate(96 * MIB)
    storage.add_mount("far", Far(storage.node("two:").store))
    tracemalloc.start()
    try:
        storage.node("one:big").copy_to("far:big", part_size=MIB, concurrency=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "two/big").stat().st_size == 96 * MIB
    assert peak < 36 * MIB


@pytest.mark.parametrize("target", ["two", "ram2"])
@pytest.mark.parametrize("source", ["one", "ram"])
def test_w03_directories_merge_whether_the_target_is_there_or_not(storage, say, source, target):
    storage.node(f"{source}:src/a").write("a")
    for _ in range(2):
        say(storage.node(f"{source}:src"), "copy_to", f"{target}:dst")
    assert [node.path for node in storage.node(target).rglob("*") if node.info.is_file()] == ["dst/a"]


def test_w04_an_unknown_strategy_is_an_error_before_any_request(storage, say):
    store = CountingStore(MemoryStore())
    storage.add_mount("counted", store)
    with pytest.raises(ValueError, match="Unknown skip strategy 'newest'"):
        say(storage.node("counted:a"), "copy_to", "ram:a", skip="newest")
    assert not store.counts.calls


def test_w05_each_side_is_read_at_most_once_to_compare(storage, say):
    ours, theirs = CountingStore(Far(MemoryStore())), CountingStore(Far(MemoryStore()))
    storage.add_mount("ours", ours)
    storage.add_mount("theirs", theirs)
    for mount in ("ours", "theirs"):
        storage.node(f"{mount}:a").write_bytes(b"x" * 1000)
    ours.reset(), theirs.reset()
    say(storage.node("ours:a"), "copy_to", "theirs:a", skip="hash")
    assert ours.counts.bytes_read <= 1000 and theirs.counts.bytes_read <= 1000
    assert "put" not in theirs.counts.calls


def test_w06_single_files_are_filtered_and_counted_and_failed_comparisons_told(storage, say):
    storage.node("one:a.txt").write("a")
    say(storage.node("one:a.txt"), "copy_to", "two:a.txt", exclude="*.txt")
    assert not storage.node("two:a.txt").exists
    seen = []
    say(storage.node("one:a.txt"), "copy_to", "two:a.txt", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]
    broken = FlakyStore(MemoryStore())
    broken.put("a.txt", b"b")
    for verb in ("head", "get"):
        broken.fail(verb, times=9, error=lambda: UnavailableError("gone"))
    storage.add_mount("broken", broken)
    with pytest.raises(UnavailableError):
        say(storage.node("one:a.txt"), "copy_to", "broken:a.txt", skip="hash")


def test_w07_a_move_renames_or_verifies_before_it_deletes(storage, say, tmp_path):
    storage.node("one:t/a").write("a")
    inode = (tmp_path / "one/t/a").stat().st_ino
    say(storage.node("one:t"), "move_to", "two:t")
    assert (tmp_path / "two/t/a").stat().st_ino == inode

    class Liar(Far):
        def put(self, key, source, options=None):
            return super().put(key, b"other", options)

        async def put_async(self, key, source, options=None):
            return await super().put_async(key, b"other", options)

    storage.add_mount("liar", Liar(MemoryStore()))
    storage.node("one:five").write("right")
    with pytest.raises(IntegrityError):
        say(storage.node("one:five"), "move_to", "liar:five")
    assert storage.node("one:five").read() == "right"


def test_w08_blocking_calls_block_and_coroutines_wait_within_a_running_loop(storage):
    async def main():
        storage.node("one:a").write("a")
        moved = storage.node("one:a").move_to("ram:a")
        assert moved.read() == "a" and not storage.node("one:a").exists
        moved = await moved.move_to_async("one:b")
        assert moved.read() == "a" and not storage.node("ram:a").exists

    asyncio.run(main())


def test_w09_fast_paths_survive_permissions_and_parts(storage, say, tmp_path):
    storage.configure({"part": "two:deep", "kept": {"path": "two:", "permissions": "readwrite"}})
    storage.node("one:a").write("a")
    for mount in ("part", "kept"):
        methods = {item.source: item for item in say(storage, "copy", "one:a", f"{mount}:a", dry_run=True).items}
        assert len(methods) == 1
        assert storage.node(f"{mount}:a").resolved_path is not None
        with storage.node(f"{mount}:a").local_path("w") as path, open(path, "w") as file:
            assert path == storage.node(f"{mount}:a").resolved_path
            file.write("here")
        store, key = storage.node(f"{mount}:a").store.locate("a")
        assert (type(store).__name__, key) == ("LocalStore", "deep/a" if mount == "part" else "a")


@pytest.mark.parametrize("mode", ["w", "wb", "x", "xb", "xt", "a", "ab", "r+", "r+b", "rb+", "w+b", "a+", "x+"])
def test_w10_no_mode_passes_a_readonly_mount(storage, mode):
    storage.node("one:a").write("a")
    storage.configure({"fixed": {"path": "one:", "permissions": "readonly"}})
    for name in ("a", "new"):
        with pytest.raises(PermissionDeniedError):
            storage.node("fixed", name).open(mode)
    assert [node.name for node in storage.node("one").iterdir()] == ["a"]


def test_w11_capabilities_say_what_will_work(storage):
    storage.configure(
        {
            "fixed": {"path": "one:", "permissions": "readonly"},
            "cloud": {"type": "s3", "bucket": "b", "region": "us-east-1", "key": "k", "secret": "${X:s}"},
            "said": {"type": "s3", "bucket": "b", "region": "us-east-1", "key": "k", "secret": "${X:s}", "versioned": True},
        }
    )
    fixed = storage.node("fixed:a").capabilities
    assert (fixed.readonly, fixed.write, fixed.delete, fixed.append_mode) == (True, False, False, False)
    assert not storage.node("cloud:a").capabilities.versioning
    assert storage.node("said:a").capabilities.versioning
    assert not storage.node("said:a", version="1").capabilities.versioning


def test_w12_memory_mounts_are_apart_and_unknown_times_stay_unknown(storage):
    storage.node("ram:a").write("a")
    assert not storage.node("ram2:a").exists

    class Timeless(StorageBackend):
        def read_bytes(self, path):
            return b"x"

        def write_bytes(self, path, data):
            pass

    storage.register_backend_type("timeless", Timeless)
    storage.configure({"t": {"type": "timeless"}})
    assert storage.node("t:a").mtime is None
    head = dict(asked(storage.node("t:a"))[1])
    assert "last-modified" not in head


class Tied(ForwardingStore):
    """Says that all versions were written at one instant."""

    def versions(self, key):
        return [replace(version, last_modified=datetime(2026, 1, 1, tzinfo=UTC)) for version in super().versions(key)]

    async def versions_async(self, key):
        return self.versions(key)


def test_w13_versions_of_one_instant_stay_in_order(say):
    storage = StorageManager()
    storage.add_mount("old", Tied(MemoryStore(versioned=True)))
    node = storage.node("old:a")
    for text in "abc":
        node.write(text)
    assert [node.read_text(version=v["version_id"]) for v in say(node, "versions")] == ["a", "b", "c"]
    assert say(node, "read_text", as_of=datetime(2026, 1, 1, tzinfo=UTC)) == "c"


def test_w14_a_version_that_cannot_be_deleted_is_told(say):
    store = FlakyStore(MemoryStore(versioned=True))
    storage = StorageManager()
    storage.add_mount("old", store)
    node = storage.node("old:a")
    for text in ("a", "a", "b"):
        node.write(text)
    store.fail("delete_version", times=1, error=lambda: PermissionDeniedError("locked"))
    with pytest.raises(PermissionDeniedError):
        say(node, "compact_versions")
    assert node.version_count == 3


def test_w15_a_write_that_fails_leaves_the_old_file(storage, say, tmp_path):
    node = storage.node("one:a")
    node.write("old")

    def source():
        yield b"half"
        raise StorageFullError("full")

    with pytest.raises(StorageFullError):
        say(node, "put", source()) if say.__name__ == "blocking" else node.put(source())
    assert node.read() == "old"
    assert [entry.name for entry in (tmp_path / "one").iterdir()] == ["a"]


def test_w16_nodes_are_places_and_content_is_compared_on_demand(storage):
    one, two = storage.node("one:a"), storage.node("two:a")
    one.write("same")
    two.write("same")
    assert one != two and one == storage.node("one:a")
    assert len({one, two, storage.node("one:a")}) == 2
    assert one.same_content(two)


@pytest.mark.parametrize("path", ["..", "a/../..", "../x", "a/.."])
def test_w17_nobody_climbs_and_drive_letters_are_no_mounts(storage, path):
    node = storage.node("one:d")
    for act in (node.child, lambda p: node / p, lambda p: storage.node("one", p), lambda p: storage.node(f"one:{p}")):
        with pytest.raises(ValueError, match="Parent directory traversal"):
            act(path)
    with pytest.raises(ValueError):
        storage.node("ram:x").copy_to(f"one:{path}")
    for drive in ("C:/x", "C:\\x"):
        with pytest.raises(StorageConfigError):
            storage.configure({"bad": {"path": drive}})


def test_w18_nodes_of_nodes_answer(storage, say):
    storage.node("one:a.txt").write("ab")
    for node, size in ((storage.iternode("one:a.txt", "one:a.txt"), 4), (storage.diffnode("one:a.txt", "one:a.txt"), 0)):
        assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir"), say(node, "size")) == (
            False,
            False,
            False,
            size,
        )
        assert node.mimetype.startswith("text/")
        assert repr(node).startswith("StorageNode(")


def test_w19_zip_keeps_empty_directories_and_renames_namesakes(storage, say):
    storage.node("one:t/empty").mkdir(parents=True)
    for name in ("t/x/a.txt", "t/y/a.txt"):
        storage.node("one", name).write(name)
    with zipfile.ZipFile(io.BytesIO(say(storage.node("one:t"), "zip"))) as archive:
        assert any(name.endswith("empty/") for name in archive.namelist())
    both = storage.iternode("one:t/x/a.txt", "one:t/y/a.txt")
    with zipfile.ZipFile(io.BytesIO(say(both, "zip"))) as archive:
        assert archive.namelist() == ["a.txt", "a (2).txt"]
    pieces = storage.node("one:t").iter_zip()
    assert next(pieces)[:2] == b"PK"
    pieces.close()


def test_w20_local_paths_have_parents_and_known_modes(storage):
    for mount in ("one", "ram"):
        with storage.node(f"{mount}:deep/er/a").local_path("w") as path, open(path, "w") as file:
            file.write("made")
        assert storage.node(f"{mount}:deep/er/a").read() == "made"
        with pytest.raises(ValueError, match="mode"), storage.node(f"{mount}:a").local_path("wx"):
            pass


def test_w21_programs_change_only_what_they_may(storage, say):
    for name in ("source", "other"):
        storage.node(f"ram:{name}").write(name)
    source, other = storage.node("ram:source"), storage.node("ram:other")
    etag = source.stat().etag
    say(source, "call", sys.executable, "-c", "pass", source, other)
    assert source.stat().etag == etag
    write = "import sys; open(sys.argv[1], 'w').write('changed')"
    with pytest.raises(PermissionDeniedError, match="other"):
        say(source, "call", sys.executable, "-c", write, other)
    assert other.read() == "other"
    say(source, "call", sys.executable, "-c", write, inout(other))
    assert other.read() == "changed"
    with StorageManager({"ram": {"type": "memory"}}) as short:
        short.node("ram:a").write("a")
        handle = short.node("ram:a").call(sys.executable, "-c", "raise SystemExit(3)", async_mode=True)
        with pytest.raises(Exception, match="3"):
            handle.result(60)


def test_w22_headers_cannot_be_injected(storage):
    storage.node("one:a.txt").write("hello")
    status, head, data = asked(
        storage.node("one:a.txt"), headers={"range": "bytes=1-2"}, download_name="x\r\nSet-Cookie: a=b"
    )
    assert (status, data) == (206, b"el")
    assert "set-cookie" not in dict(head)
    assert all("\r" not in value and "\n" not in value for _, value in head)


def test_w23_metadata_is_kept_on_local_and_memory_and_addresses_resolve(storage, say):
    for mount in ("one", "ram"):
        node = storage.node(f"{mount}:a")
        node.write("a")
        say(node, "set_metadata", {"who": "me"})
        assert say(node, "get_metadata") == {"who": "me"}
        with pytest.raises(NotSupportedError):
            say(node, "get_presigned_url")
        assert say(node, "url") is None
    assert storage.node("one:a").internal_url() is None
    storage.internal_base = "/files"
    assert storage.node("one:a").internal_url() == "/files/one/a"
    assert storage.node("one:a").internal_url(nocache=True).startswith("/files/one/a?v=")


@pytest.mark.parametrize("text", ["/+8=", "//8=", "a//b", "Pj4//w=="])
def test_w24_inline_content_is_literal_and_is_bound_again_under_permissions(text):
    storage = StorageManager(
        {"inline": {"type": "base64"}, "plain": {"type": "base64", "permissions": "readwrite"}, "ram": "memory://"}
    )
    for mount in ("inline", "plain"):
        node = storage.node(f"{mount}:{text}")
        assert node.path == text
        assert node.exists
        node.write_bytes(b"\xff\xff\xfe")
        assert (node.path, node.read_bytes()) == ("///+", b"\xff\xff\xfe")


def test_w25_configuration_is_all_or_nothing_and_ends(storage):
    with pytest.raises(StorageConfigError):
        storage.configure([{"name": "new", "type": "memory"}, {"name": "bad", "type": "no-such-type"}])
    assert not storage.has_mount("new")
    kept = storage.node("one:a")
    threads = [threading.Thread(target=storage.configure, args=({f"m{n}": {"type": "memory"}},)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"m{n}" for n in range(8)} <= set(storage)
    storage.close()
    storage.close()
    with pytest.raises(ClosedError):
        kept.exists  # noqa: B018  # the property asks


def test_w26_one_request_says_it_all(storage, say):
    store = CountingStore(MemoryStore())
    storage.add_mount("counted", store)
    node = storage.node("counted:a")
    node.write("a")
    for name in ("stat", "ext_attributes"):
        store.reset()
        say(node, name)
        assert sum(store.counts.calls.values()) == 1
