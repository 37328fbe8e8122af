"""Names of nodes: pure, by pathlib's words."""

from __future__ import annotations

import pickle
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall import StorageManager, StorageNode
from holdall.drivers.memory import MemoryStore
from holdall.errors import InvalidKeyError


@pytest.fixture
def node(memory):
    return memory.node("mem:a/b/archive.tar.gz")


def test_words(node):
    assert node.mount_name == "mem"
    assert node.path == "a/b/archive.tar.gz"
    assert node.fullpath == str(node) == "mem:a/b/archive.tar.gz"
    assert repr(node) == "StorageNode('mem:a/b/archive.tar.gz')"
    assert node.name == node.basename == "archive.tar.gz"
    assert (node.stem, node.suffix, node.ext, node.suffixes) == ("archive.tar", ".gz", "gz", [".tar", ".gz"])
    assert node.parts == ("a", "b", "archive.tar.gz")
    assert node.parent.fullpath == node.dirname == "mem:a/b"
    assert [p.fullpath for p in node.parents] == ["mem:a/b", "mem:a", "mem:"]
    assert node.splitext() == ("a/b/archive.tar", ".gz")
    assert node.version is None
    assert node.info is None
    assert not node.is_snapshot
    assert bool(node)


def test_the_root_is_its_own_parent(memory):
    root = memory.node("mem")
    assert root == memory.node("mem:") == memory.node("mem:/") == root.parent
    assert (root.path, root.name, root.fullpath, root.parts, root.parents) == ("", "", "mem:", (), ())
    with pytest.raises(ValueError, match="root"):
        root.with_name("x")


@given(st.text(alphabet="ab.", min_size=1, max_size=6).filter(lambda name: name not in {".", ".."}))
def test_suffixes_are_those_of_pathlib(name):
    storage = StorageManager()
    storage.add_mount("mem", MemoryStore())
    node, path = storage.node("mem", name), PurePosixPath(name)
    assert (node.name, node.suffixes) == (path.name, path.suffixes)
    if not name.endswith(".") and not name.startswith(".."):  # about which Python 3.14 changed its mind
        assert (node.stem, node.suffix) == (path.stem, path.suffix)


def test_media_types(memory):
    assert memory.node("mem:a.json").mimetype == "application/json"
    assert memory.node("mem:nothing").mimetype == "application/octet-stream"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (("mem:a/b",), "a/b"), (("mem", "a", "b"), "a/b"), (("mem:a", "b/c"), "a/b/c"), (("mem:/a//b/",), "a/b"), (("mem:./a/./b",), "a/b"),
        (("mem:a\\b",), "a\\b"), (("mem:a:b",), "a:b"), (("mem:ü/%2F",), "ü/%2F"), (("mem",), ""), (("mem", ""), ""),
    ],
)  # fmt: skip
def test_paths_are_cleaned(memory, given, path):
    assert memory.node(*given).path == path


def test_raw_keeps_the_key(memory):
    assert memory.node("mem:a//b", raw=True).path == "a//b"
    assert memory.node("mem:d/", raw=True).path == "d/"


@pytest.mark.parametrize("bad", ["mem:../x", "mem:a/../b", "mem:a/..", "mem:a\0b"])
def test_a06_paths_cannot_climb(memory, bad):
    with pytest.raises(ValueError, match=r"traversal|NUL") as raised:
        memory.node(bad)
    assert isinstance(raised.value, InvalidKeyError)
    mount, _, path = bad.partition(":")
    with pytest.raises(ValueError, match=r"traversal|NUL"):
        memory.node(mount).child(path)
    with pytest.raises(ValueError, match=r"traversal|NUL"):
        memory.node(mount) / path


def test_children(memory):
    top = memory.node("mem:a")
    assert top.child("b", "c//d").path == (top / "b" / "c/d").path == "a/b/c/d"
    assert top.child() is top
    assert top.child("", ".") is top
    with pytest.raises(TypeError):
        top / 5  # type: ignore[operator]


def test_neighbours(memory):
    node = memory.node("mem:a/b.txt")
    assert node.with_name("c").path == "a/c"
    assert node.with_stem("c").path == "a/c.txt"
    assert node.with_suffix(".py").path == "a/b.py"
    assert node.with_suffix("").path == "a/b"
    for bad in ("", ".", "..", "x/y"):
        with pytest.raises(ValueError, match="not a name"):
            node.with_name(bad)
    for bad in ("py", ".", ".a/b"):
        with pytest.raises(ValueError, match="not a suffix"):
            node.with_suffix(bad)


def test_relative(memory):
    node = memory.node("mem:a/b/c")
    assert node.relative_to("mem:a") == "b/c"
    assert node.relative_to(node) == ""
    assert node.relative_to("mem") == "a/b/c"
    assert node.is_relative_to(memory.node("mem:a/b"))
    assert not node.is_relative_to("mem:a/b/c/d")
    assert not node.is_relative_to("mem:a/bb")
    assert not node.is_relative_to("old:a")
    with pytest.raises(ValueError, match="not below"):
        node.relative_to("mem:x")


def test_matching(memory):
    node = memory.node("mem:a/b/c.txt")
    assert node.match("*.txt")
    assert node.match("b/*.txt")
    assert not node.match("*.py")
    assert node.full_match("**/*.txt")
    assert node.full_match("a/*/c.txt")
    assert not node.full_match("*.txt")


def test_identity_is_the_location(memory):
    one, again, other = memory.node("mem:a"), memory.node("mem", "a"), memory.node("mem:b")
    assert one == again
    assert hash(one) == hash(again)
    assert one != other
    assert one != memory.node("mem:a", version="1")
    assert one != "mem:a"
    assert len({one, again, other}) == 2
    assert sorted([other, one, memory.node("mem:A")]) == [memory.node("mem:A"), one, other]
    assert one < other
    assert one <= memory.node("mem:a")
    assert other > one
    assert one >= memory.node("mem:a")
    with pytest.raises(TypeError):
        one < "mem:b"  # type: ignore[operator]  # noqa: B015
    with StorageManager() as stranger:
        stranger.add_mount("mem", MemoryStore())
        assert stranger.node("mem:a") != one


def test_a37_nodes_are_small_and_go_into_sets(memory):
    nodes = {memory.node(f"mem:dir/{i}.txt") for i in range(10_000)}
    assert len(nodes) == 10_000
    assert not hasattr(next(iter(nodes)), "__dict__")


def test_a37_every_node_is_of_the_managers_class(say):
    class MyNode(StorageNode):
        def shout(self) -> str:
            return self.name.upper()

    with StorageManager(node_class=MyNode) as storage:
        storage.add_mount("mem", MemoryStore(versioned=True))
        node = storage.node("mem:a/b.txt")
        say(node, "write", "x")
        top = storage.node("mem")
        made = [
            node, node.parent, node.child("x"), node / "y", node.with_name("z"), node.with_suffix(".q"), *node.parents, node.at(0),
            *say(top, "iterdir"), *say(top, "children"), *say(top, "glob", "**"), *(step[0] for step in say(top, "walk")),
            say(node, "copy_to", "mem:c.txt"), say(storage.node("mem:c.txt"), "move_to", "mem:d.txt"),
            say(storage.node("mem:d.txt"), "rename", "mem:e.txt"), say(node, "copy_into", "mem:deeper"),
            say(storage.node("mem:e.txt"), "replace", "mem:f.txt"), say(storage.node("mem:f.txt"), "move_into", "mem:deeper"),
            node.with_stem("s"), *say(top, "rglob", "*"), storage.node("mem:a", version=0), storage.node(), storage.iternode(node),
            storage.diffnode(node, node), *(step[0] for step in say(top, "walk", top_down=False)),
        ]  # fmt: skip
        told: list[StorageNode] = []
        say(
            top.child("a"), "copy_to", "mem:copied", filter=lambda node, path: told.append(node) or True, on_file=told.append,
            skip="custom", skip_fn=lambda ours, theirs: told.extend([ours, theirs]) or False,
        )  # fmt: skip
        say(top.child("a"), "copy_to", "mem:copied", skip="exists", on_skip=lambda node, reason: told.append(node))
        assert len(told) >= 3
        made += told
        assert {type(n) for n in made} == {MyNode}
        assert made[0].shout() == "B.TXT"


def test_unknown_mounts_name_the_known_ones(memory):
    with pytest.raises(KeyError, match=r"Mount point 'nope' not found \(available: 'mem', 'old'\)"):
        memory.node("nope:a")
    with pytest.raises(FileNotFoundError):
        memory.node("nope:a")


def test_a_node_is_no_path_for_open(memory):
    with pytest.raises(TypeError):
        open(memory.node("mem:a"))  # type: ignore[call-overload]  # noqa: SIM115


def test_nodes_below_no_mount_cannot_be_pickled(memory):
    node = StorageNode(memory, "", "a", given=MemoryStore())
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(node)
