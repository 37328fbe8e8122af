"""The local driver beyond the contract: its life, its root, what is an object, how files look on disk."""

import copy
import os
import pickle
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from holdall.core.capabilities import Identity
from holdall.core.keys import ReservedKey
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.drivers._local_meta import moment
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    ClosedError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import CHUNK
from holdall.wrappers.prefix import PrefixStore


@pytest.fixture
def store(tmp_path):
    with LocalStore(tmp_path / "root", create=True) as store:
        yield store


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


# -- the root ---------------------------------------------------------------------------------------------------------


def test_making_one_touches_nothing(tmp_path):
    store = LocalStore(tmp_path / "nowhere", create=True)
    assert repr(store) == f"LocalStore({str(tmp_path / 'nowhere')!r})"
    assert store.root == str(tmp_path / "nowhere")
    assert store.identity.service == "file"
    assert store.local_path("a/b") == str(tmp_path / "nowhere/a/b")
    assert not (tmp_path / "nowhere").exists()
    store.head_async("x").close()  # a coroutine that is never run does nothing either
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("bad", ["", "nul\0"])
def test_bad_roots(bad):
    with pytest.raises(ValueError, match="name"):
        LocalStore(bad)


@pytest.mark.parametrize("bad", [None, 7, b"/tmp"])
def test_roots_of_wrong_type(bad):
    with pytest.raises(TypeError):
        LocalStore(bad)


def test_a_relative_root_is_fixed_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = LocalStore("data", create=True)
    monkeypatch.chdir("/")
    store.put("k", b"1")
    assert (tmp_path / "data/k").read_bytes() == b"1"


def test_a_missing_root_is_no_missing_key(colour, tmp_path):
    verbs = colour(LocalStore(tmp_path / "nowhere"))
    calls = [
        lambda: verbs.get("k"),
        lambda: verbs.head("k"),
        lambda: verbs.head("d/"),
        lambda: verbs.put("k", b"1"),
        lambda: verbs.put("d/", b""),
        lambda: verbs.delete("k"),
        lambda: verbs.copy("k", "l"),
        lambda: verbs.rename("k", "l"),
        lambda: verbs.tags("k"),
        lambda: verbs.set_tags("k", {}),
        lambda: verbs.set_modified("k", datetime.now(UTC)),
        lambda: verbs.parts("k"),
        verbs.uploads,
        lambda: list(verbs.list()),
        lambda: list(verbs.list("a/")),
    ]
    for call in calls:
        with pytest.raises(UnavailableError, match="root directory"):
            call()
    assert not (tmp_path / "nowhere").exists()


def test_a_root_that_vanishes_is_unavailable_and_comes_back(colour, store, root):
    verbs = colour(store)
    verbs.put("a/k", b"1")
    os.rename(root, f"{root}-away")
    for call in (
        lambda: verbs.get("a/k"),
        lambda: verbs.head("nothing"),
        lambda: verbs.put("a/k", b"2"),
        lambda: verbs.delete("a/k"),
        lambda: list(verbs.list()),
        lambda: verbs.rename("a/k", "b"),
    ):
        with pytest.raises(UnavailableError):
            call()
    [result] = verbs.delete(["a/k"])
    assert isinstance(result.error, UnavailableError)
    assert not root.exists()  # create=True is for the first use: it would hide a disk that is not mounted
    os.rename(f"{root}-away", root)
    assert verbs.get("a/k").bytes() == b"1"


def test_a_root_that_is_swapped_is_seen_at_once(store, root, tmp_path):
    store.put("k", b"old")
    os.rename(root, tmp_path / "old")
    root.mkdir()
    (root / "k").write_bytes(b"new")
    assert store.get("k").bytes() == b"new"
    store.put("k2", b"2")
    assert (root / "k2").exists()


def test_a_linked_root_follows_its_link(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "k").write_bytes(name.encode())
    (tmp_path / "current").symlink_to("one")
    store = LocalStore(tmp_path / "current")
    assert store.get("k").bytes() == b"one"
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", tmp_path / "current")
    assert store.get("k").bytes() == b"two"
    assert [meta.key for page in store.list() for meta in page.objects] == ["k"]
    store.put("l", b"1")
    assert (tmp_path / "two/l").exists()


def test_a_root_that_becomes_a_link_is_followed(tmp_path):
    (tmp_path / "data").mkdir()
    store = LocalStore(tmp_path / "data")
    store.put("d/k", b"1")
    os.rename(tmp_path / "data", tmp_path / "moved")
    (tmp_path / "data").symlink_to("moved")
    assert store.get("d/k").bytes() == b"1"
    store.put("d/k", b"2")
    assert (tmp_path / "moved/d/k").read_bytes() == b"2"


def test_a_file_as_root(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    for store in (
        LocalStore(tmp_path / "file"),
        LocalStore(tmp_path / "file", create=True),
        LocalStore(tmp_path / "file/x"),
    ):
        with pytest.raises((NotDirectoryError, UnavailableError)):
            store.get("k")
        with pytest.raises((NotDirectoryError, UnavailableError)):
            store.put("k", b"1")


def test_the_root_of_the_system(tmp_path):
    store = LocalStore("/")
    (tmp_path / "k").write_bytes(b"1")
    key = str(tmp_path / "k").lstrip("/")
    assert store.get(key).bytes() == b"1"
    assert store.head(key).size == 1
    assert [meta.key for page in store.list(key) for meta in page.objects] == [key]
    assert store.local_path(key) == str(tmp_path / "k")


# -- what it is -------------------------------------------------------------------------------------------------------


def test_identity_of_nested_roots(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    outer, inner, linked = LocalStore(tmp_path), LocalStore(tmp_path / "a"), LocalStore(tmp_path / "link")
    assert inner.identity == outer.identity.below("a/") == linked.identity == PrefixStore(outer, "a/").identity
    assert inner.identity != outer.identity
    assert str(inner.identity) == f"file#{tmp_path.resolve()}/a/"
    assert LocalStore("/").identity == Identity(service="file", place="")


def test_local_path(store, root, tmp_path):
    assert store.local_path("a/ü b") == str(root / "a/ü b")
    assert store.local_path("") == str(root)
    store.put("d/x", b"1")
    assert store.local_path("d/") == str(root / "d") + "/"
    (root / "in").symlink_to("d")
    (root / "out").symlink_to(tmp_path)
    assert store.local_path("in/x") == str(root / "in/x")
    assert store.local_path("out/x") is None
    with pytest.raises(InvalidKeyError):
        store.local_path("../x")


def test_pickle_and_copy(store, root):
    store = LocalStore(root, create=True, durable=True, file_mode=0o600, dir_mode=0o700)
    store.put("d/k", b"1")
    for twin in (pickle.loads(pickle.dumps(store)), copy.copy(store), copy.deepcopy(store)):
        assert twin.__getstate__() == store.__getstate__()
        assert twin.get("d/k").bytes() == b"1"
        twin.close()
    assert store.get("d/k").bytes() == b"1"


def test_after_close(colour, store):
    verbs = colour(store)
    verbs.put("k", b"1")
    writer = verbs.parts("p")
    verbs.close()
    for call in (
        lambda: verbs.copy("k", "l"),
        lambda: verbs.rename("k", "l"),
        lambda: verbs.tags("k"),
        lambda: verbs.set_tags("k", {}),
        lambda: verbs.set_metadata("k", {}),
        lambda: verbs.set_modified("k", datetime.now(UTC)),
        lambda: verbs.parts("k"),
        verbs.uploads,
        lambda: verbs.put("d/", b""),
        lambda: verbs.delete(["k"]),
        verbs.sweep,
        lambda: writer.put_part(1, b"1"),
        writer.complete,
    ):
        with pytest.raises(ClosedError):
            call()


def test_the_driver_loads_no_third_party_module():
    code = (
        "import sys, holdall.drivers.local, holdall.drivers.inline, holdall.drivers.memory;"
        "print([m for m in ('obstore', 'fsspec', 'msgspec', 'boto3', 'ctypes') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


# -- descriptions -----------------------------------------------------------------------------------------------------


def test_a_description_is_an_object_meta_like_others(store, root):
    store.put("k", b"12345", PutOptions(content_type="text/plain", metadata={"a": "b"}))
    meta = store.head("k")
    seen = os.stat(root / "k")
    same = ObjectMeta(
        key="k",
        size=5,
        last_modified=datetime.fromtimestamp(seen.st_mtime_ns // 1000 / 1_000_000, UTC),
        etag=f"{seen.st_mtime_ns:x}-5-{seen.st_ino:x}",
        attributes=meta.attributes,
    )
    assert meta == same
    assert same == meta
    assert meta != replace(same, size=6)
    assert meta != "k"
    assert (meta.version, meta.storage_class, dict(meta.digests), meta.kind) == (None, None, {}, "file")
    assert replace(store.head("k"), key="other") == replace(same, key="other")
    twin = pickle.loads(pickle.dumps(store.head("k")))
    assert type(twin) is ObjectMeta
    assert twin == same
    assert copy.copy(store.head("k")) == same
    assert "etag" in repr(store.head("k"))
    with pytest.raises(AttributeError):
        store.head("k").nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        store.head("k").etag = "x"


def test_times_that_no_datetime_holds(store, root):
    store.put("k", b"1")
    os.utime(root / "k", ns=(-5 * 10**18, -5 * 10**18))  # file systems clip what they cannot hold
    seen = os.stat(root / "k").st_mtime_ns
    assert store.head("k").last_modified == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=seen // 1000)
    assert store.get("k").meta.etag == store.head("k").etag
    assert moment(10**30) is None
    assert moment(-(10**30)) is None
    assert moment(-1) == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_set_modified_is_exact_and_changes_the_etag(colour, store, root):
    verbs = colour(store)
    first = verbs.put("k", b"1")
    moment = datetime(2020, 2, 3, 4, 5, 6, 123456, tzinfo=UTC)
    verbs.set_modified("k", moment)
    assert os.stat(root / "k").st_mtime_ns == 1_580_702_706_123_456_000
    meta = verbs.head("k")
    assert meta.last_modified == moment
    assert meta.etag != first.etag
    verbs.put("d/", b"")
    verbs.set_modified("d/", moment)
    assert verbs.head("d/").last_modified == moment
    for missing in ("no", "no/", "d"):
        with pytest.raises(NotFoundError):
            verbs.set_modified(missing, moment)


def test_equal_sizes_in_one_tick_never_share_an_etag(store):
    """Inodes are used again at once on ext4; the kernel's clock advances every few milliseconds."""
    etags = [store.put("k", b"same").etag for _ in range(500)]
    for i in range(500):
        store.delete("k")
        etags.append(store.put("k", b"same").etag)
        if i % 50 == 0:
            etags.append(store.copy("k", "k").etag)
    assert len(set(etags)) == len(etags)


# -- keys -------------------------------------------------------------------------------------------------------------


def test_keys_that_no_file_system_holds(colour, store, root):
    verbs = colour(store)
    for key in ("a//b", "a///b/", "d//"):
        for call in (verbs.get, verbs.head, verbs.delete, lambda k: verbs.put(k, b"")):
            with pytest.raises(InvalidKeyError, match="empty segment") as caught:
                call(key)
            assert caught.value.key == key
    for call in (verbs.get, verbs.head, verbs.delete, lambda k: verbs.put(k, b"1"), lambda k: verbs.put(f"{k}/x", b"1")):
        with pytest.raises(InvalidKeyError, match="hold") as caught:
            call("ü" * 128)  # 256 bytes
    assert list(root.iterdir()) == []


def test_names_of_ours_are_no_keys(colour, store, root):
    verbs = colour(store)
    for key in (".holdall-1.tmp", "a/.holdall-x.tmp", "a/.holdall/x", ".holdall/meta/1"):
        for call in (verbs.get, verbs.head, verbs.delete, lambda k: verbs.put(k, b"")):
            with pytest.raises(InvalidKeyError, match="reserved"):
                call(key)
    verbs.put(".holdallx", b"1")
    assert verbs.get(".holdallx").bytes() == b"1"


def test_reserved_keys_work_for_holdall_itself(colour, store, root):
    verbs = colour(store)
    key = ReservedKey(".holdall/journal/1")
    assert verbs.put(key, b"ours").key == ".holdall/journal/1"
    assert type(verbs.get(key).meta.key) is str
    assert verbs.get(key).bytes() == b"ours"
    assert [p.objects for p in verbs.list()] == []
    found = [meta.key for page in verbs.list(ReservedKey(".holdall/")) for meta in page.objects]
    assert found == [".holdall/journal/1"]
    verbs.rename(key, ReservedKey(".holdall/journal/2"))
    assert [result.existed for result in verbs.delete([ReservedKey(".holdall/journal/2")])] == [True]


def test_longest_keys(colour, store, root):
    verbs = colour(store)
    key = "/".join(["n" * 255] * 4)  # 1,023 bytes
    verbs.put(key, b"1")
    verbs.put(f"{key[:-1]}ü"[:1022] + "x", b"2")
    assert verbs.get(key).bytes() == b"1"
    assert key in [meta.key for page in verbs.list() for meta in page.objects]
    verbs.delete(key)
    assert not (root / key).exists()


# -- what is an object ------------------------------------------------------------------------------------------------


def test_fifos_are_no_objects_and_do_not_block(colour, store, root):
    verbs = colour(store)
    verbs.put("d/real", b"1")
    os.mkfifo(root / "d/fifo")
    for call in (verbs.get, verbs.head, verbs.tags):
        with pytest.raises(NotFoundError):
            call("d/fifo")
    assert [meta.key for page in verbs.list() for meta in page.objects] == ["d/real"]
    [result] = verbs.delete(["d/fifo"])
    assert (result.error, result.existed) == (None, False)
    assert stat.S_ISFIFO(os.stat(root / "d/fifo").st_mode)
    with pytest.raises(NotFoundError):
        verbs.rename("d/fifo", "x")


def test_sockets_are_no_objects(store, root):
    import socket

    store.put("x", b"")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)  # socket paths are short
        try:
            server.bind("s")
        finally:
            os.chdir(here)
        with pytest.raises(NotFoundError):
            store.get("s")
        assert [meta.key for page in store.list() for meta in page.objects] == ["x"]


def test_directories_and_files_in_each_others_way(colour, store, root):
    verbs = colour(store)
    verbs.put("f", b"1")
    verbs.put("d/x", b"2")
    with pytest.raises(IsDirectoryError):
        verbs.put("d", b"1", PutOptions(mode="create"))
    with pytest.raises((IsDirectoryError, PreconditionError)):
        verbs.put("d", b"1", PutOptions(if_match="*"))
    with pytest.raises(NotDirectoryError):
        verbs.put("f/", b"")
    with pytest.raises(NotDirectoryError):
        verbs.put("f/x/y", b"1")
    with pytest.raises(NotDirectoryError):
        verbs.copy("f", "f/x")
    with pytest.raises(IsDirectoryError):
        verbs.copy("f", "d")
    with pytest.raises(NotDirectoryError):
        verbs.rename("d/x", "f/x")
    with pytest.raises(IsDirectoryError):
        verbs.rename("f", "d")
    with pytest.raises(NotDirectoryError):
        verbs.rename("d/", "f/")
    with pytest.raises(InvalidKeyError):
        verbs.rename("d/", "e")
    with pytest.raises(InvalidKeyError):
        verbs.rename("f", "e/")
    with pytest.raises(NotFoundError):
        verbs.rename("f/", "e/")
    with pytest.raises(NotFoundError):
        verbs.rename("d", "e")
    assert sorted(os.listdir(root)) == ["d", "f"]
    for key in ("f/", "f/x", "d"):
        [result] = verbs.delete([key])
        assert (result.error, result.existed) == (None, False)
        with pytest.raises(PreconditionError):
            verbs.delete(key, if_match="*")


def test_making_directories(colour, store, root):
    verbs = colour(store)
    result = verbs.put("a/b/", b"")
    assert (result.key, result.size, result.etag) == ("a/b/", 0, None)
    verbs.put("a/b/", b"")
    with pytest.raises(AlreadyExistsError):
        verbs.put("a/b/", b"", PutOptions(mode="create"))
    with pytest.raises(PreconditionError):
        verbs.put("a/b/", b"", PutOptions(if_match="0"))
    with pytest.raises(PreconditionError):
        verbs.put("new/one/", b"", PutOptions(if_match="0"))
    assert not (root / "new/one").exists()
    verbs.put("a/c/", b"", PutOptions(mode="create"))
    for bad in (b"x", bytearray(), [b""]):
        with pytest.raises(InvalidKeyError):
            verbs.put("a/b/", bad)
    for options in (PutOptions(content_type="a/b"), PutOptions(metadata={"a": "b"}), PutOptions(tags={"a": "b"})):
        with pytest.raises(NotSupportedError):
            verbs.put("a/d/", b"", options)
    assert not (root / "a/d").exists()
    for call in (verbs.get, verbs.tags, lambda k: verbs.set_tags(k, {}), lambda k: verbs.set_metadata(k, {})):
        with pytest.raises(NotFoundError):
            call("a/b/")
    with pytest.raises(InvalidKeyError):
        verbs.parts("a/b/")
    with pytest.raises(NotSupportedError):
        verbs.copy("a/b/", "a/e/")


def test_deleting_directories(colour, store, root):
    verbs = colour(store)
    verbs.put("d/e/f", b"1")
    with pytest.raises(NotEmptyError) as caught:
        verbs.delete("d/")
    assert isinstance(caught.value, OSError)
    assert caught.value.key == "d/"
    [one, two, three] = verbs.delete(["d/", "d/e/f", "d/e/"])
    assert isinstance(one.error, NotEmptyError)
    assert (two.existed, three.existed) == (True, True)
    with pytest.raises(PreconditionError):
        verbs.delete("d/", if_match="123")
    verbs.delete("d/", if_match="*")
    assert os.listdir(root) == []
    with pytest.raises(PreconditionError):
        verbs.delete("d/", if_match="*")


def test_delete_many_needs_no_condition(colour, store):
    with pytest.raises(ValueError, match="one key"):
        colour(store).delete(["a"], if_match="x")


# -- how files look ---------------------------------------------------------------------------------------------------


def test_permissions_come_from_the_umask(store, root):
    before = os.umask(0o027)
    try:
        store.put("d/k", b"1")
        store.copy("d/k", "d/l")
        with store.parts("d/m") as writer:
            writer.put_part(1, b"1")
            writer.complete()
    finally:
        os.umask(before)
    for name in ("d/k", "d/l", "d/m"):
        assert stat.S_IMODE(os.stat(root / name).st_mode) == 0o640, name
    assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o750


def test_permissions_given(tmp_path):
    store = LocalStore(tmp_path / "r", create=True, file_mode=0o664, dir_mode=0o2775)
    before = os.umask(0o077)
    try:
        store.put("d/e/k", b"1", PutOptions(content_type="a/b"))
        store.put("big", (bytes(CHUNK) for _ in range(3)))
        store.copy("d/e/k", "d/l")
        with store.parts("d/m") as writer:
            writer.put_part(1, b"1")
            writer.complete()
    finally:
        os.umask(before)
    for name in ("d/e/k", "big", "d/l", "d/m"):
        assert stat.S_IMODE(os.stat(tmp_path / "r" / name).st_mode) == 0o664, name
    for name in ("d", "d/e"):
        assert stat.S_IMODE(os.stat(tmp_path / "r" / name).st_mode) == 0o2775, name


def test_durable_syncs_files_and_directories(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")) or fsync(fd))
    store = LocalStore(tmp_path / "r", create=True, durable=True)
    store.put("d/k", b"1")
    assert any(".holdall-" in path for path in synced), "the file, before it has its name"
    assert str(tmp_path / "r/d") in synced, "the directory, for the name"
    assert str(tmp_path / "r") in synced, "the directory above, for the new directory"
    synced.clear()
    store.rename("d/k", "e")
    store.delete("e")
    assert synced.count(str(tmp_path / "r")) == 2
    synced.clear()
    LocalStore(tmp_path / "r").put("k", b"1")
    assert synced == []


def test_a_write_through_a_link_replaces_the_link(colour, store, root):
    verbs = colour(store)
    verbs.put("t", b"target")
    (root / "l").symlink_to("t")
    verbs.put("l", b"new")
    assert (root / "t").read_bytes() == b"target"
    assert not (root / "l").is_symlink()


def test_hard_links(colour, store, root):
    verbs = colour(store)
    verbs.put("a", b"1", PutOptions(tags={"t": "1"}))
    os.link(root / "a", root / "b")
    verbs.put("a", b"2")
    assert verbs.get("b").bytes() == b"1"
    assert verbs.tags("b") == {"t": "1"}
    os.link(root / "a", root / "c")
    verbs.rename("a", "c")  # rename(2) of two names of one file does nothing at all
    assert sorted(os.listdir(root)) == ["b", "c"]


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_small_and_large_bodies(colour, store, size):
    verbs = colour(store)
    data = os.urandom(size)
    verbs.put("k", data)
    result = verbs.get("k")
    assert result.buffered == (size <= CHUNK)
    assert result.bytes() == data
    assert b"".join(verbs.get("k")) == data
    with verbs.get("k", GetOptions(range=(1, size))) as part:
        assert part.bytes() == data[1:]
    with verbs.get("k", GetOptions(range=(size - 5, None))) as part:
        assert part.bytes() == data[-5:]


def test_results_of_either_verb_are_read_in_either_colour(store):
    import asyncio

    data = os.urandom(2 * CHUNK + 1)
    store.put("big", data)
    store.put("small", b"1")

    async def main():
        assert (await store.get_async("big")).bytes() == data
        assert await store.get("big").bytes_async() == data
        assert b"".join([chunk async for chunk in store.get("big")]) == data
        assert await store.get("small").bytes_async() == b"1"
        assert (await store.get_async("small")).bytes() == b"1"

    asyncio.run(main())


def test_get_ranges_reads_each_in_one_call(colour, store):
    verbs = colour(store)
    data = os.urandom(3 * CHUNK)
    etag = verbs.put("k", data).etag
    wanted = [(0, 3 * CHUNK), (5, 9), (5, 5), (3 * CHUNK - 1, 5 * CHUNK)]
    assert verbs.get_ranges("k", wanted, if_match=etag) == [data[start:end] for start, end in wanted]
    for bad in ([(5, 3)], [(-1, 3)]):
        with pytest.raises(ValueError, match="range"):
            verbs.get_ranges("k", bad)
    with pytest.raises(PreconditionError):
        verbs.get_ranges("k", wanted, if_match="no")


# -- copies and renames -----------------------------------------------------------------------------------------------


def test_copy_between_stores(colour, store, tmp_path):
    other = LocalStore(tmp_path / "other", create=True)
    other.put("deep/src", b"bytes", PutOptions(content_type="a/b", metadata={"m": "1"}, tags={"t": "1"}))
    verbs = colour(store)
    for source, key in ((other, "deep/src"), (PrefixStore(other, "deep/"), "src")):
        verbs.copy(key, "d/dst", source=source)
        meta = verbs.head("d/dst")
        assert (meta.content_type, dict(meta.metadata), verbs.tags("d/dst")) == ("a/b", {"m": "1"}, {"t": "1"})
        assert verbs.get("d/dst").bytes() == b"bytes"
    with pytest.raises(NotSupportedError):
        verbs.copy("k", "l", source=MemoryStore())
    with pytest.raises(NotSupportedError):
        verbs.copy("d/dst", "l", CopyOptions(version="1"))
    with pytest.raises(NotFoundError) as caught:
        verbs.copy("no", "l", source=other)
    assert caught.value.store == repr(other)


def test_copy_over_itself_changes_the_metadata(colour, store):
    verbs = colour(store)
    verbs.put("k", b"1", PutOptions(content_type="a/b", metadata={"old": "1"}))
    verbs.copy("k", "k", CopyOptions(metadata={"new": "1"}))
    meta = verbs.head("k")
    assert (meta.content_type, dict(meta.metadata)) == ("a/b", {"new": "1"})


def test_rename_of_directories(colour, store, root):
    verbs = colour(store)
    verbs.put("d/e/k", b"1", PutOptions(tags={"t": "1"}))
    verbs.put("full/x", b"1")
    verbs.put("empty/", b"")
    with pytest.raises(AlreadyExistsError):
        verbs.rename("d/", "empty/", mode="create")
    with pytest.raises(NotEmptyError):
        verbs.rename("d/", "full/")
    with pytest.raises(InvalidKeyError, match="within"):
        verbs.rename("d/", "d/e/f/")
    with pytest.raises(ValueError, match="mode"):
        verbs.rename("d/", "g/", mode="update")
    assert (root / "d/e/k").exists()
    assert sorted(os.listdir(root)) == ["d", "empty", "full"]
    assert os.listdir(root / "d/e") == ["k"]
    verbs.rename("d/", "empty/")
    assert verbs.tags("empty/e/k") == {"t": "1"}
    verbs.rename("empty/", "x/y/", mode="create")
    assert verbs.get("x/y/e/k").bytes() == b"1"
    verbs.rename("x/y/", "x/y/")
    assert verbs.get("x/y/e/k").bytes() == b"1"


def test_a_failed_write_leaves_no_directory(colour, store, root):
    verbs = colour(store)
    verbs.put("here/x", b"1")
    for call in (
        lambda: verbs.put("a/b/c", b"1", PutOptions(if_match="x")),
        lambda: verbs.copy("here/x", "a/b/c", CopyOptions(if_match="x")),
        lambda: verbs.rename("no", "a/b/c"),
        lambda: verbs.put("here/y/z", (n for n in [bytes(CHUNK), "text"])),
    ):
        with pytest.raises((PreconditionError, NotFoundError, TypeError)):
            call()
    assert os.listdir(root) == ["here"]
    assert os.listdir(root / "here") == ["x"]


# -- fork -------------------------------------------------------------------------------------------------------------


FORKS = """
    import asyncio, itertools, os, sys, threading
    from holdall.drivers.local import LocalStore
    store = LocalStore(sys.argv[1], create=True)
    store.put("k", b"0")
    asyncio.run(store.put_async("k", b"0"))
    stop = threading.Event()
    def write():
        for i in itertools.count():
            if stop.is_set():
                return
            store.put("busy", str(i).encode())
    thread = threading.Thread(target=write)
    thread.start()
    for i in range(20):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.put(f"child{i}", b"1")
                store.put("busy", b"child")
                assert store.get("k").bytes() == b"0"
                assert list(store.list("child"))
                if i % 4 == 0:
                    asyncio.run(store.put_async("busy", b"child"))
                    assert asyncio.run(store.get_async("k")).bytes() == b"0"
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        store.put(f"parent{i}", b"1")
    stop.set()
    thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_use_works_in_parent_and_child(root):
    """While another thread of the parent writes: the child may inherit an open, locked directory.

    In a process of its own: tools that trace the test's own process hold locks of theirs over the fork.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORKS), str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout.split(), run.stderr) == (["0"] * 20, "")
    names = ["k", "busy", *(f"child{i}" for i in range(20)), *(f"parent{i}" for i in range(20))]
    assert sorted(os.listdir(root)) == sorted(names)
