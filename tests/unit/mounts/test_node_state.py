"""What is there: kinds, sizes, times, digests; in both colours, on memory."""

from __future__ import annotations

import hashlib

import pytest

from holdall.core.meta import ObjectMeta
from holdall.errors import IsDirectoryError, NotFoundError, UnavailableError
from holdall.mounts import MountCapabilities


@pytest.fixture
def tree(memory):
    memory.node("mem:d/a.txt").write("hello")
    return memory


def test_kinds(tree, say):
    expected = {
        "mem:d/a.txt": (True, True, False),
        "mem:d": (True, False, True),
        "mem:x": (False, False, False),
        "mem:": (True, False, True),
    }
    for path, kinds in expected.items():
        node = tree.node(path)
        found = tuple(say(node, name) for name in ("exists", "isfile", "isdir"))
        assert found == kinds
        assert all(type(value) is bool for value in found)
        assert (say(node, "is_file"), say(node, "is_dir")) == kinds[1:]


def test_an_object_beside_its_namesake_directory_is_both(tree, say):
    tree.node("mem:d").write("I am an object too")
    node = tree.node("mem:d")
    assert (say(node, "isfile"), say(node, "isdir"), say(node, "size")) == (True, True, 18)
    assert [(n.path, n.info.kind) for n in say(tree.node("mem"), "children")] == [("d", "file"), ("d", "directory")]


def test_stat(tree, say):
    tree.node("mem:d/a.txt").put(b"hello", content_type="text/x-test", metadata={"Who": "me"})
    stat = say(tree.node("mem:d/a.txt"), "stat")
    assert (stat.size, stat.kind, stat.content_type, dict(stat.metadata)) == (5, "file", "text/x-test", {"who": "me"})
    assert stat.is_file()
    assert not stat.is_dir()
    assert stat.mtime == stat.last_modified.timestamp() == say(tree.node("mem:d/a.txt"), "mtime")
    assert stat.etag
    assert stat.storage_class is None
    assert stat.version is None
    assert stat == tree.node("mem:d/a.txt").stat()
    assert stat != 5
    assert "size=5" in repr(stat)
    assert stat.as_dict()["last_modified"].endswith("+00:00")
    with pytest.raises(TypeError):
        hash(stat)


def test_directories_have_neither_size_nor_digest(tree, say):
    for path in ("mem:d", "mem:"):
        node = tree.node(path)
        assert say(node, "stat").is_dir()
        assert say(node, "mtime") is None
        with pytest.raises(IsDirectoryError, match="no size"):
            say(node, "size")
        for ask in ("md5hash", "checksum"):
            with pytest.raises(ValueError, match="Cannot compute hash of directory"):
                say(node, ask)


def test_missing(memory, say):
    node = memory.node("mem:none")
    for ask in (
        "stat",
        "size",
        "mtime",
        "md5hash",
        "checksum",
        "get_metadata",
        "get_tags",
        "read_bytes",
        "read_text",
        "read",
    ):
        with pytest.raises(FileNotFoundError) as raised:
            say(node, ask)
        assert isinstance(raised.value, NotFoundError)
    assert say(node, "ext_attributes") == (None, None, False)


def test_ext_attributes(tree, say):
    mtime, size, isdir = say(tree.node("mem:d/a.txt"), "ext_attributes")
    assert (mtime, size, isdir) == (tree.node("mem:d/a.txt").mtime, 5, False)
    assert say(tree.node("mem:d"), "ext_attributes") == (None, None, True)


def test_digests(tree, say):
    node = tree.node("mem:d/a.txt")
    assert say(node, "md5hash") == hashlib.md5(b"hello").hexdigest()
    assert say(node, "checksum") == hashlib.sha256(b"hello").hexdigest()
    assert say(node, "checksum", "sha1") == hashlib.sha1(b"hello").hexdigest()
    big = bytes(range(256)) * 100_000
    node.write_bytes(big)
    assert say(node, "checksum", "blake2b") == hashlib.blake2b(big).hexdigest()
    with pytest.raises(ValueError, match="nonsense"):
        say(node, "checksum", "nonsense")


def test_a_digest_that_the_store_vouches_for_is_not_computed(tree, say, monkeypatch):
    store = tree._open("mem")
    vouched = ObjectMeta(key="d/a.txt", size=5, digests={"md5": "0123"})
    asked: list[str] = []

    async def head_async(key: str, **named: object) -> ObjectMeta:
        asked.append(key)
        return vouched

    capable = store.capabilities.narrowed(digests=frozenset({"md5"}))
    monkeypatch.setattr(type(store), "capabilities", property(lambda self: capable))
    monkeypatch.setattr(store, "head", lambda key, **named: asked.append(key) or vouched)
    monkeypatch.setattr(store, "head_async", head_async)
    assert say(tree.node("mem:d/a.txt"), "md5hash") == "0123"
    assert asked == ["d/a.txt"]


def test_content_is_compared_by_itself(tree, say):
    one, same, other, longer = (tree.node(f"mem:{name}") for name in "asol")
    for node, text in ((one, "abc"), (same, "abc"), (other, "abd"), (longer, "abcd")):
        node.write(text)
    assert [say(one, "same_content", node) for node in (same, other, longer)] == [True, False, False]


def test_unreachable_is_never_missing(tree, say, monkeypatch):
    store = tree._open("mem")

    def refuse(*args: object, **named: object) -> object:
        raise UnavailableError("connection refused")

    async def refuse_async(*args: object, **named: object) -> object:
        raise UnavailableError("connection refused")

    monkeypatch.setattr(store, "head", refuse)
    monkeypatch.setattr(store, "head_async", refuse_async)
    for ask in ("exists", "isfile", "size", "stat", "ext_attributes", "md5hash"):
        if ask == "md5hash":
            monkeypatch.setattr(store, "get", refuse)
            monkeypatch.setattr(store, "get_async", refuse_async)
        with pytest.raises(UnavailableError):
            say(tree.node("mem:d/a.txt"), ask)


def test_at_most_two_requests(tree, say, monkeypatch):
    store = tree._open("mem")
    asked: list[str] = []
    for verb in ("head", "list"):
        real = getattr(store, verb)

        def counted(*args: object, real: object = real, verb: str = verb, **named: object) -> object:
            asked.append(verb)
            return real(*args, **named)  # type: ignore[operator]

        monkeypatch.setattr(store, verb, counted)  # memory's async verbs are built on these
    for path, ask, most in (
        ("mem:d/a.txt", "exists", 1), ("mem:d", "exists", 2), ("mem:x", "exists", 2), ("mem:d/a.txt", "isfile", 1), ("mem:d", "isdir", 1),
        ("mem:d/a.txt", "stat", 1), ("mem:d/a.txt", "ext_attributes", 1), ("mem:x", "ext_attributes", 2), ("mem:", "exists", 1),
    ):  # fmt: skip
        asked.clear()
        say(tree.node(path), ask)
        assert len(asked) <= most, (path, ask, asked)


def test_listings_say_what_they_know(tree, say):
    tree.node("mem:d/e/f").write("deep")
    (file, folder) = say(tree.node("mem:d"), "children")
    assert (file.path, file.info.size, file.info.is_file()) == ("d/a.txt", 5, True)
    assert (folder.path, folder.info.is_dir()) == ("d/e", True)
    tree.node("mem:d/a.txt").write("changed")
    assert (file.info.size, file.size) == (5, 7)
    assert {n.path: n.info.size for n in say(tree.node("mem"), "glob", "**/*") if n.info.is_file()} == {
        "d/a.txt": 7,
        "d/e/f": 4,
    }


def test_capabilities(memory):
    capabilities = memory.node("mem:a").capabilities
    assert capabilities == memory.node("mem:b").capabilities
    assert hash(capabilities) == hash(memory.node("mem:b").capabilities)
    assert capabilities.read
    assert capabilities.write
    assert capabilities.metadata
    assert capabilities.tags
    assert capabilities.temporary
    assert not capabilities.readonly
    assert not capabilities.versioning
    assert capabilities.directories == "marker"
    assert memory.node("old:a").capabilities.versioning
    snapshot = memory.node("old:a").at(0).capabilities
    assert snapshot.readonly
    assert not snapshot.write
    assert not snapshot.versioning
    assert snapshot.version_access
    assert "versioning, metadata, tags" in str(memory.node("old:a").capabilities)
    assert str(snapshot).startswith("read-only")
    assert str(MountCapabilities()) == "basic file operations"
    with pytest.raises(AttributeError):
        capabilities.read = False  # type: ignore[misc]
