"""What users name becomes a store and a key."""

import io
import os
import pathlib
import pickle

import fsspec
import fsspec.core
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.urls import url_scheme
from holdall.drivers.inline import InlineStore
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.drivers.registry import Registry, default_registry
from holdall.engine.resolve import Resolved, mount_reference, resolve
from holdall.engine.table import MountTable, set_default
from holdall.errors import ConfigError, InvalidKeyError, NotSupportedError, UnknownMountError


@pytest.fixture
def table():
    with_mounts = MountTable({"up": MemoryStore(name="up"), "b64": InlineStore()})
    before = set_default(with_mounts)
    yield with_mounts
    set_default(before)
    with_mounts.close()


def parts(where, **options):
    found = resolve(where, **options)
    return repr(found.store), found.key


# -- mounts


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("up:a/b", "a/b"),
        ("up:", ""),
        ("up:/a//b/./c/", "a/b/c"),
        ("up:a:b", "a:b"),
        ("up:C:/x", "C:/x"),
        ("up:a\\b", "a\\b"),
        ("up:%2F ü", "%2F ü"),
    ],
)
def test_mounts(table, text, key):
    found = resolve(text)
    assert (found.store, found.key, found.mount) == (table["up"], key, "up")
    assert str(found) == f"up:{key}"
    assert resolve(text, table=table) == found


def test_a_path_may_be_meant_exactly(table):
    assert resolve("up:a//b/", raw=True).key == "a//b/"


def test_inline_content_is_literal(table):
    assert resolve("b64:/+8A//==").key == "/+8A//=="


@pytest.mark.parametrize("text", ["up:../a", "up:a/../b", "up:a\0"])
def test_a_mount_cannot_be_left(table, text):
    with pytest.raises(InvalidKeyError):
        resolve(text)


def test_an_unknown_mount_names_the_way_to_a_local_file(table):
    with pytest.raises(
        UnknownMountError, match=r"Mount point 'nope' not found \(available: 'up', 'b64'\); .*pathlib.Path"
    ) as caught:
        resolve("nope:a")
    assert isinstance(caught.value, ConfigError)
    with pytest.raises(UnknownMountError):
        resolve("up:a", table=MountTable())


def test_mounts_bind_for_an_operation(table):
    calls = []

    class Asking(type(table.mount("up"))):
        def bind(self):
            calls.append(1)
            return self.store

    table["asked"] = Asking("asked", MemoryStore())
    resolve("asked:a")
    assert calls == [1]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("a:b", ("a", "b")), ("C:b", ("C", "b")), ("C:/b", None), ("C:\\b", None), ("C:", None), ("s3://b", None), (":b", None),
        ("./a:b", None), ("a/b:c", None), ("a\\b:c", None), ("plain", None), ("", None), ("data:,x", None), ("up:", ("up", "")),
    ],
)  # fmt: skip
def test_what_is_a_mount_reference(text, split):
    assert mount_reference(text) == split


@given(st.text(max_size=30))
def test_any_text_is_one_thing(text):
    reference = mount_reference(text)
    if reference is not None:
        assert url_scheme(text) is None
        assert ":".join(reference) == text
        assert not set(reference[0]) & set("/\\:")


# -- local paths


def test_local_paths(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    store = repr(LocalStore(tmp_path))
    assert parts("f.txt") == (store, "f.txt")
    assert parts("./f.txt") == (store, "f.txt")
    assert parts(tmp_path / "f.txt") == (store, "f.txt")
    assert parts("sub") == (store, "sub")
    assert parts("sub/") == (store, "sub")
    assert parts("sub/../f") == (store, "f")
    assert parts("new/dir/f") == (store, "new/dir/f")
    assert parts(pathlib.Path("a:b")) == (store, "a:b")
    assert parts("sub/a:b") == (repr(LocalStore(tmp_path / "sub")), "a:b")
    root = os.path.abspath(os.sep)
    assert parts(root) == (repr(LocalStore(root)), "")


def test_local_content_really(tmp_path):
    found = resolve(str(tmp_path / "new" / "f"))
    found.store.put(found.key, b"1")
    assert (tmp_path / "new" / "f").read_bytes() == b"1"


def test_links_are_followed_as_open_does(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "f").write_bytes(b"1")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there" / "f")
    found = resolve(tmp_path / "here" / "link")
    assert found.store.get(found.key).bytes() == b"1"
    found.store.put(found.key, b"2")
    assert (tmp_path / "here" / "link").is_symlink()
    assert (tmp_path / "there" / "f").read_bytes() == b"2"


def test_windows_paths_are_never_mounts(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("C:\\x", "C:/x", "c:/x", "C:"):
        assert isinstance(resolve(text).store, LocalStore)


@pytest.mark.parametrize("where", ["", "a\0b"])
def test_names_that_are_none(where):
    with pytest.raises(InvalidKeyError):
        resolve(where)


class Path:
    def __init__(self, text):
        self.text = text

    def __fspath__(self):
        return self.text


def test_path_likes(tmp_path):
    assert parts(Path(str(tmp_path / "f"))) == (repr(LocalStore(tmp_path)), "f")
    assert parts(Path(os.fsencode(tmp_path / "f"))) == (repr(LocalStore(tmp_path)), "f")
    with pytest.raises(InvalidKeyError):
        resolve(Path(""))


# -- URLs


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://bucket/a/b.txt", "a/b.txt"),
        ("s3://bucket", ""),
        ("s3://bucket/", ""),
        ("s3://bucket//a//b/", "a/b"),
        ("s3://KEY:SECRET@localhost:9/bucket/a%20b?use_ssl=false", "a b"),
        ("gs://bucket/a?anon=1", "a"),
        ("az://container/a/b?account_name=x&anon=1", "a/b"),
        ("http://host/a/b.txt", "a/b.txt"),
        ("http://host", ""),
        ("sftp://me@host/srv/a.txt", "a.txt"),
        ("sftp://me@host/~/a.txt", "a.txt"),
        ("sftp://me@host/", ""),
        ("ftp://host/a.txt", "a.txt"),
        ("webdavs://host/dav/files/a%20b.txt", "a b.txt"),
        ("webdav://host", ""),
        ("smb://me@host/share/dir/a.txt", "dir/a.txt"),
        ("data:text/plain,hi%20there", "data:text/plain,hi%20there"),
        ("memory://share/a", "a"),
    ],
)
def test_urls(table, url, key):
    assert resolve(url).key == key


def test_exact_keys_of_urls(table):
    assert resolve("s3://bucket/a//b/", raw=True).key == "a//b/"
    assert resolve("s3://bucket//a", raw=True).key == "a"
    assert resolve("http://host/a//b/", raw=True).key == "a//b/"
    assert resolve("s3://bucket", raw=True).key == ""


def test_one_bucket_is_one_store(table):
    one, two = resolve("s3://bucket/a"), resolve("s3://bucket/b/c")
    assert one.store is two.store
    assert resolve("s3://bucket/a?region=eu-west-1").store is not one.store
    assert resolve("s3://K:S@bucket/a?host=bucket").store is not resolve("s3://K:T@bucket/a?host=bucket").store
    assert "prefix" not in repr(one.store)
    assert resolve("s3://bucket/a", table=MountTable()).store is not one.store


def test_the_server_of_a_url(table):
    assert repr(resolve("http://host:81/a/b").store) == repr(default_registry().open("http://host:81"))
    found = resolve("sftp://me@host/srv/x/a.txt")
    assert found.store.path == "/srv/x"
    assert resolve("sftp://me@host/a.txt").store.path == "/"
    assert resolve("sftp://me@host/~/a.txt").store.path == ""


def test_memory_by_url_is_that_of_the_table(table):
    first = resolve("memory:///a/b.txt")
    first.store.put(first.key, b"1")
    again = resolve("memory:///a/b.txt")
    assert again.store.get(again.key).bytes() == b"1"
    other = resolve("memory:///a/b.txt", table=MountTable())
    assert other.store is not first.store


def test_file_urls(table, tmp_path):
    found = resolve(f"file://{tmp_path}/new/f%20g?fsync=on")
    assert (repr(found.store), found.key) == (repr(LocalStore(tmp_path)), "new/f g")
    found.store.put(found.key, b"1")
    assert (tmp_path / "new" / "f g").read_bytes() == b"1"


def test_urls_with_faults(table):
    with pytest.raises(ConfigError, match="unknown parameter 'regoin'"):
        resolve("s3://bucket/a?regoin=x")
    with pytest.raises(ConfigError, match="layout"):
        resolve("memory://?layout=sharded")


def test_permissions_of_a_url(table):
    assert not resolve("memory:///a?read_only=yes").store.capabilities.write


def test_types_of_the_table(table):
    table.registry = Registry(parent=default_registry())
    made = []

    def make(path=""):
        made.append(path)
        return MemoryStore()

    table.registry.register("mine", make, schemes=["mine"])
    found = resolve("mine:///a/b")
    assert (found.key, made) == ("a/b", [""])


def test_stores_by_hand_that_take_unhashable_things(table):
    table.registry = Registry(parent=default_registry())
    table.registry.register("odd", lambda things=None: MemoryStore(), schemes=["odd"])
    assert resolve("odd://").store is resolve("odd://").store


# -- beside a store or filesystem


def test_a_key_of_a_store():
    store = MemoryStore()
    found = resolve("a//b/", store=store)
    assert (found.store, found.key) == (store, "a//b/")
    assert str(found) == "MemoryStore():a//b/"
    assert resolve(store).key == ""


@pytest.mark.parametrize(
    "call",
    [
        lambda: resolve("a", store=MemoryStore(), fs=object()),
        lambda: resolve("a", store="up"),
        lambda: resolve(b"a", store=MemoryStore()),
        lambda: resolve(pathlib.Path("a"), fs=object()),
        lambda: resolve("a", fs=object()),
        lambda: resolve(3),
        lambda: resolve(None),
        lambda: resolve(["a"]),
    ],
)
def test_what_does_not_go_together(call):
    with pytest.raises(TypeError):
        call()


# -- fsspec


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory", skip_instance_cache=True)
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("path", ["/dir/sub/f", "memory://dir/sub/f", "/f", "dir/f"])
def test_a_path_of_a_filesystem(memory, path):
    memory.pipe_file(path, b"hello")
    found = resolve(path, fs=memory)
    assert found.key == "f"
    assert found.store.fs is memory
    assert found.store.get(found.key).bytes() == b"hello"


def test_a_local_filesystem(tmp_path):
    (tmp_path / "a b").write_bytes(b"hello")
    found = resolve(str(tmp_path / "a b"), fs=fsspec.filesystem("file"))
    assert found.store.get(found.key).bytes() == b"hello"


class Buckets(MemoryFileSystem):
    """A filesystem whose first segment is a bucket, as s3fs has it."""

    protocol = "gs"
    cachable = False


@pytest.mark.parametrize(("path", "root", "key"), [("b/x//y", "b", "x//y"), ("/b/x/", "b", "x"), ("b", "b", "")])
def test_the_bucket_of_a_filesystem(path, root, key):
    found = resolve(path, fs=Buckets())
    assert (found.store.path, found.key) == (root, key)


def test_open_files_of_fsspec(memory):
    memory.pipe_file("/dir/f", b"hello")

    class File(io.BytesIO):
        fs, path, mode, size, version_id = memory, "/dir/f", "rb", 5, "v1"

    file = File(b"hello")
    found = resolve(file)
    assert (found.key, found.size, found.version, found.handle) == ("f", 5, "v1", file)
    assert found.store.fs is memory
    File.mode, File.version_id = "wb", 3
    found = resolve(file)
    assert (found.size, found.version) == (None, None)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        resolve(file)


def test_files_that_are_not_open_yet(memory):
    memory.pipe_file("/dir/f", b"hello")
    found = resolve(fsspec.core.OpenFile(memory, "/dir/f"))
    assert found.store.get(found.key).bytes() == b"hello"
    with pytest.raises(NotSupportedError, match="decompresses"):
        resolve(fsspec.core.OpenFile(memory, "/dir/f.gz", compression="gzip"))


class UPath(Path):
    def __init__(self, fs, path):
        super().__init__(path)
        self.fs, self.path = fs, path


def test_upaths(memory, tmp_path):
    memory.pipe_file("/dir/f", b"hello")
    found = resolve(UPath(memory, "/dir/f"))
    assert (found.store.fs, found.key) == (memory, "f")
    local = resolve(UPath(fsspec.filesystem("file"), str(tmp_path / "f")))
    assert isinstance(local.store, LocalStore)
    with pytest.raises(TypeError):
        resolve(UPath(memory, "/dir/f"), fs=memory)


def test_urls_of_fsspec(table, memory, tmp_path):
    memory.pipe_file("/dir/a b", b"hello")
    found = resolve("fsspec+memory://dir/a%20b")
    assert found.key == "a b"
    assert found.store.get(found.key).bytes() == b"hello"
    assert resolve("fsspec+memory://dir/other").store is found.store
    assert resolve("fsspec+memory://dir2/other").store is not found.store
    (tmp_path / "x").write_bytes(b"local")
    found = resolve(f"fsspec+file://{tmp_path}/x")
    assert found.store.get(found.key).bytes() == b"local"
    assert resolve("fsspec+memory://").key == ""
    again = pickle.loads(pickle.dumps(resolve("fsspec+memory://dir/x").store))
    assert again.get("a b").bytes() == b"hello"


def test_logins_that_fsspec_cannot_read(table):
    for url in ("fsspec+ftp://u:a%40b@h/x", "fsspec+ftp://u%3Ax:p@h/x"):
        with pytest.raises(ConfigError, match="as options") as caught:
            resolve(url)
        assert "a@b" not in str(caught.value)
    assert "ftp" in repr(resolve("fsspec+ftp://u:hunter2@h/x").store)
    assert "hunter2" not in repr(resolve("fsspec+ftp://u:hunter2@h/x").store)
    assert "u" in repr(resolve("fsspec+sftp://u@h/x"))


# -- things that know where they are


def test_nodes():
    class Node:
        store = MemoryStore()
        key = "a"
        version = "7"

    found = resolve(Node())
    assert (found.store, found.key, found.version) == (Node.store, "a", "7")
    Node.version = 3
    assert resolve(Node()).version is None
    assert resolve(found) is found


def test_resolved_is_itself():
    found = Resolved(store=MemoryStore(), key="a")
    assert resolve(found) is found


# -- content


@pytest.mark.parametrize("where", [b"hello", bytearray(b"hello"), memoryview(b"hello"), io.BytesIO(b"hello")])
def test_content(where):
    found = resolve(where)
    assert found.store.get(found.key).bytes() == b"hello"
    assert found.handle is where


def test_open_files(tmp_path):
    (tmp_path / "f").write_bytes(b"hello")
    with (tmp_path / "f").open("rb") as file:
        found = resolve(file)
        assert found.store.get(found.key).bytes() == b"hello"
        assert found.handle is file
    with pytest.raises(ValueError, match="closed"):
        resolve(file)
    with (tmp_path / "f").open() as text, pytest.raises(TypeError):
        resolve(text)
