"""What is kept beside local files: one extended attribute, or a sidecar that follows the content and no other."""

import contextlib
import errno
import json
import os
import subprocess
import threading
from datetime import UTC, datetime

import pytest
from tests.leftovers import open_below

from holdall.core.meta import Attributes
from holdall.core.options import CopyOptions, PutOptions
from holdall.drivers import _local_attributes
from holdall.drivers._local_attributes import NAME, NOTHING, Kept, ReplacedError
from holdall.drivers.local import LocalStore
from holdall.errors import PreconditionError, UnavailableError

FULL = PutOptions(
    content_type="text/plain; charset=utf-8",
    cache_control="no-store",
    content_disposition='attachment; filename="ü"',
    content_encoding="gzip",
    content_language="de",
    metadata={"colour": "grün 🎒", "empty": ""},
    tags={"a b": "c=d"},
)
MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture(params=["xattr", "sidecar", "unsupported", "too large"])
def way(request, monkeypatch):
    """Where the attributes go."""
    if request.param == "sidecar":
        monkeypatch.setattr(_local_attributes, "_XATTRS", False)
    elif request.param == "unsupported":  # as on ramfs: attributes can be listed, but users have none

        def unsupported(*arguments, **named):
            raise OSError(errno.EOPNOTSUPP, "no attributes of users here")

        for name in ("getxattr", "setxattr", "removexattr"):
            monkeypatch.setattr(os, name, unsupported)
    elif request.param == "too large":
        setxattr = os.setxattr

        def small(fd, name, value):
            if len(value) > 20:
                raise OSError(errno.ENOSPC, "no room for that")
            setxattr(fd, name, value)

        monkeypatch.setattr(os, "setxattr", small)
    return request.param


@pytest.fixture
def store(root, way):
    with LocalStore(root, create=True) as store:
        yield store


def sidecars(root):
    path = root / ".holdall/meta"
    return sorted(os.listdir(path)) if path.exists() else []


def kept(store, key):
    return store.head(key).attributes, store.tags(key)


def test_everything_comes_back(colour, store, root, way):
    verbs = colour(store)
    verbs.put("d/k", b"1", FULL)
    assert kept(verbs, "d/k") == (FULL.attributes, FULL.tags)
    with verbs.get("d/k") as result:
        assert result.attributes == FULL.attributes
        assert result.bytes() == b"1"
    verbs.put("plain", b"1")
    assert kept(verbs, "plain") == (Attributes(), {})
    names = [meta.key for page in verbs.list() for meta in page.objects]
    assert names == ["d/k", "plain"]
    assert len(sidecars(root)) == (0 if way == "xattr" else 1)


def test_listings_say_nothing_of_them(colour, store):
    verbs = colour(store)
    verbs.put("k", b"1", FULL)
    [meta] = [meta for page in verbs.list() for meta in page.objects]
    assert meta.attributes == Attributes()


def test_they_follow_every_rename(colour, store, root):
    verbs = colour(store)
    verbs.put("d/k", b"1", FULL)
    verbs.rename("d/k", "e/l")
    verbs.rename("e/", "f/g/")
    os.rename(root / "f/g/l", root / "by-mv")
    assert kept(verbs, "by-mv") == (FULL.attributes, FULL.tags)


def test_they_go_with_the_content(colour, store, root):
    verbs = colour(store)
    for forget in (
        lambda: verbs.put("k", b"2"),
        lambda: verbs.delete("k"),
        lambda: verbs.put("k", b"2", PutOptions(if_match=verbs.head("k").etag)),
        lambda: verbs.put("other", b"3") and verbs.rename("other", "k"),
        lambda: verbs.put("other", b"3") and verbs.copy("other", "k"),
    ):
        verbs.put("k", b"1", FULL)
        forget()
        verbs.put("new", b"1", PutOptions(mode="create"))
        for key in ("k", "new"):
            with contextlib.suppress(FileNotFoundError):
                assert kept(verbs, key) == (Attributes(), {})
        assert sidecars(root) == []
        verbs.delete("new")


def test_another_program_that_writes_a_new_file(colour, store, root):
    verbs = colour(store)
    verbs.put("k", b"1", FULL)
    (root / "tmp").write_bytes(b"2")
    os.replace(root / "tmp", root / "k")
    assert kept(verbs, "k") == (Attributes(), {})
    store.sweep(older_than=0)
    assert sidecars(root) == []


def test_sweeping_sidecars_of_files_that_are_gone(store, root, way):
    store.put("k", b"1", FULL)
    store.put("d/stays", b"1", FULL)
    os.unlink(root / "k")
    assert store.sweep() == 0
    assert store.sweep(older_than=0) == (0 if way == "xattr" else 1)
    assert kept(store, "d/stays") == (FULL.attributes, FULL.tags)


def test_changes(colour, store, root, way):
    verbs = colour(store)
    etag = verbs.put("k", b"1", FULL).etag
    verbs.set_tags("k", {"new": "1"})
    assert kept(verbs, "k") == (FULL.attributes, {"new": "1"})
    result = verbs.set_metadata("k", {"Other": "1"}, if_match=etag)
    assert (result.etag, result.size) == (etag, 1)
    attributes, tags = kept(verbs, "k")
    assert (dict(attributes.metadata), attributes.content_language, tags) == ({"other": "1"}, "de", {"new": "1"})
    with pytest.raises(PreconditionError):
        verbs.set_metadata("k", {}, if_match="no")
    with pytest.raises(ValueError, match="CR, LF"):
        verbs.set_metadata("k", {"a": "b\n"})
    with pytest.raises(ValueError, match="CR, LF"):
        verbs.set_tags("k", {"a": "b\0"})
    assert verbs.head("k").etag == etag
    verbs.put("bare", b"1", PutOptions(tags={"a": "b"}))
    verbs.set_tags("bare", {})
    assert kept(verbs, "bare") == (Attributes(), {})
    assert len(sidecars(root)) == (0 if way == "xattr" else 1)
    if way in {"xattr", "too large"}:
        assert NAME not in os.listxattr(root / "bare")


def test_set_modified_keeps_them(colour, store, root, way):
    verbs = colour(store)
    verbs.put("k", b"1", FULL)
    verbs.set_modified("k", MOMENT)
    assert kept(verbs, "k") == (FULL.attributes, FULL.tags)
    assert verbs.head("k").last_modified == MOMENT
    assert len(sidecars(root)) == (0 if way == "xattr" else 1)


def test_copies_have_their_own(colour, store, root):
    verbs = colour(store)
    verbs.put("k", b"1", FULL)
    verbs.copy("k", "l", CopyOptions(metadata={"x": "y"}))
    verbs.copy("k", "m")
    verbs.delete("k")
    assert dict(verbs.head("l").metadata) == {"x": "y"}
    assert verbs.tags("l") == FULL.tags
    assert kept(verbs, "m") == (FULL.attributes, FULL.tags)


def test_parts_keep_them(colour, store):
    verbs = colour(store)
    with verbs.parts("k", FULL) as writer:
        writer.put_part(1, b"1")
        writer.complete()
    assert kept(verbs, "k") == (FULL.attributes, FULL.tags)


def test_hard_links_share_them(store, root):
    store.put("k", b"1", FULL)
    os.link(root / "k", root / "l")
    store.delete("k")
    assert kept(store, "l") == (FULL.attributes, FULL.tags)
    os.link(root / "l", root / "m")
    store.put("l", b"2")
    assert kept(store, "m") == (FULL.attributes, FULL.tags)


def test_readers_beside_a_writer(store):
    """A reader whose file is replaced between opening and the sidecar looks again: never another's attributes, nor none."""
    store.put("k", b"0", PutOptions(metadata={"n": "0"}))
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            i += 1
            store.put("k", str(i % 10).encode(), PutOptions(metadata={"n": str(i % 10)}))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(300):
            with store.get("k") as result:
                assert result.bytes().decode() == result.meta.metadata["n"]
    finally:
        stop.set()
        thread.join(30)


def test_large_metadata_goes_to_a_sidecar(colour, root):
    """A real file system: ext4 has 4 KiB for all attributes, tmpfs 64."""
    verbs = colour(LocalStore(root, create=True))
    large = {f"key-{i}": "v" * 1000 for i in range(100)}
    verbs.put("k", b"1", PutOptions(metadata=large, content_type="a/b"))
    assert dict(verbs.head("k").metadata) == large
    assert len(sidecars(root)) == 1
    verbs.set_metadata("k", {"small": "1"})
    assert dict(verbs.head("k").metadata) == {"small": "1"}
    assert verbs.head("k").content_type == "a/b"
    assert sidecars(root) == []


def test_a_real_file_system_without_attributes(colour, tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "ramfs", "none", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a ramfs: {mounted.stderr!r}")
        pytest.skip("mounting needs root; the simulated file system does not")
    try:
        verbs = colour(LocalStore(path))
        verbs.put("d/k", b"1", FULL)
        assert kept(verbs, "d/k") == (FULL.attributes, FULL.tags)
        assert len(sidecars(path)) == 1
        verbs.set_modified("d/k", MOMENT)
        verbs.set_tags("d/k", {})
        verbs.rename("d/", "e/")
        assert kept(verbs, "e/k") == (FULL.attributes, {})
        verbs.delete("e/k")
        assert sidecars(path) == []
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize(
    "raw", [b"", b"nonsense", b"\xff", b"[1]", b'"x"', b'{"content_type": 7, "metadata": [1], "tags": {"a": 1}}']
)
def test_what_others_wrote_there(colour, root, raw):
    verbs = colour(LocalStore(root, create=True))
    verbs.put("k", b"1")
    os.setxattr(root / "k", NAME, raw)
    assert kept(verbs, "k") == (Attributes(), {})
    assert verbs.get("k").bytes() == b"1"
    verbs.set_tags("k", {"a": "b"})
    assert verbs.tags("k") == {"a": "b"}


def test_other_attributes_stay(root):
    store = LocalStore(root, create=True)
    store.put("k", b"1")
    os.setxattr(root / "k", "user.other", b"theirs")
    assert store.head("k").attributes == Attributes()
    store.set_tags("k", {"a": "b"})
    store.set_tags("k", {})
    assert os.getxattr(root / "k", "user.other") == b"theirs"


def test_the_attribute_is_readable_json(root):
    store = LocalStore(root, create=True)
    store.put("k", b"1", PutOptions(content_type="a/b", metadata={"x": "ü"}))
    assert json.loads(os.getxattr(root / "k", NAME)) == {"content_type": "a/b", "metadata": {"x": "ü"}}


def test_encoding():
    assert NOTHING.encode() == b""
    full = Kept(FULL.attributes, FULL.tags)
    assert Kept.decode(full.encode()) == full


def test_a_failing_attribute_leaves_the_old_object(colour, root, monkeypatch):
    verbs = colour(LocalStore(root, create=True))
    verbs.put("k", b"old", FULL)

    def failing(*arguments, **named):
        raise OSError(errno.EIO, "as the test says")

    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", failing)
        for call in (lambda: verbs.put("k", b"new", FULL), lambda: verbs.set_tags("k", {"x": "y"})):
            with pytest.raises(UnavailableError):
                call()
    assert kept(verbs, "k") == (FULL.attributes, FULL.tags)
    assert verbs.get("k").bytes() == b"old"
    assert os.listdir(root) == ["k"]


def test_a_failing_sidecar_leaves_nothing(root, monkeypatch):
    monkeypatch.setattr(_local_attributes, "_XATTRS", False)
    store = LocalStore(root, create=True)
    replace = os.replace

    def failing(src, dst, **named):
        if src.endswith(".tmp") and not dst.startswith("k"):
            raise OSError(errno.EIO, "as the test says")
        replace(src, dst, **named)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UnavailableError):
        store.put("k", b"new", FULL)
    assert [name for _, _, names in os.walk(root) for name in names] == []


def test_a_file_that_is_replaced_without_end(root, monkeypatch):
    """Bounded: it is said, not looped over for ever."""
    store = LocalStore(root, create=True)
    store.put("k", b"1")

    def replaced(*arguments):
        raise ReplacedError

    monkeypatch.setattr(store._shelf, "read", replaced)
    before = open_below(root)
    with pytest.raises(UnavailableError, match="again and again"):
        store.get("k")
    assert open_below(root) == before
