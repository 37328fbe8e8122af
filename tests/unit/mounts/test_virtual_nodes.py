"""Nodes made of other nodes, and nodes that are their own content; both colours."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest

from holdall import StorageManager
from holdall.errors import PermissionDeniedError
from holdall.mounts import UnsupportedNodeError, VirtualNodeError

# -- iternode -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(memory):
    for name, text in {"a.txt": "one\n", "b.txt": "two\n", "c.txt": "three\n"}.items():
        memory.node("mem", name).write(text)
    return memory


def test_an_iternode_reads_as_all_of_them(three, say):
    node = three.iternode("mem:a.txt", three.node("mem:b.txt"))
    assert say(node, "read") == "one\ntwo\n"
    assert say(node, "size") == 8
    assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir")) == (False, False, False)
    assert node.mimetype == "text/plain"
    assert "iternode" in repr(node)
    three.node("mem:a.txt").write("ONE\n")
    node.append("mem:c.txt")
    node.extend("mem:a.txt", three.node("mem:b.txt"))
    assert say(node, "read_bytes") == b"ONE\ntwo\nthree\nONE\ntwo\n"
    assert say(node, "checksum") == say(three.node("mem:copy"), "checksum") if node.copy_to("mem:copy") else None
    assert list(node.open()) == ["ONE\n", "two\n", "three\n", "ONE\n", "two\n"]
    with node.open("rb") as file:
        file.seek(5)
        assert file.read(6) == b"wo\nthr"
    for start, end in ((0, 4), (3, 5), (4, 4 + 10), (7, 22)):
        assert say(node, "get", range=(start, end)).range == (start, end)
        assert node.get(range=(start, end)).bytes() == b"ONE\ntwo\nthree\nONE\ntwo\n"[start:end]


def test_a28_iternodes_nest_and_travel(three, say):
    inner = three.iternode("mem:a.txt", "mem:b.txt")
    outer = three.iternode(inner, "mem:c.txt", inner)
    assert say(outer, "read") == "one\ntwo\nthree\none\ntwo\n"
    assert say(outer, "copy_to", "mem:out.txt").read() == outer.read()
    assert three.iternode().read() == ""
    assert three.node().read() == ""
    assert three.iternode("mem:a.txt").name == "a.txt"
    mixed = three.iternode("mem:a.txt", three.node("mem:x.png"))
    assert mixed.mimetype == "application/octet-stream"
    with pytest.raises(FileNotFoundError):
        say(mixed, "read")


def test_virtual_nodes_cannot_be_written(three, say):
    for node in (three.iternode("mem:a.txt"), three.diffnode("mem:a.txt", "mem:b.txt")):
        for call in (
            ("write", "x"),
            ("write_bytes", b"x"),
            ("put", b"x"),
            ("delete",),
            ("mkdir",),
            ("touch",),
            ("unlink",),
            ("set_metadata", {}),
        ):
            with pytest.raises(ValueError, match="made of other nodes") as raised:
                say(node, *call)
            assert isinstance(raised.value, VirtualNodeError)
        with pytest.raises(ValueError, match="no directory structure"):
            node.child("x")
        with pytest.raises(ValueError, match="no directory structure"):
            say(node, "children")
        with pytest.raises(ValueError, match="made of other nodes"):
            node.open("w")
        assert node.capabilities.readonly
    for node in (three.node("mem:a.txt"), three.diffnode("mem:a.txt", "mem:b.txt")):
        with pytest.raises(ValueError, match="no iternode"):
            node.append("mem:b.txt")
        with pytest.raises(ValueError, match="no iternode"):
            node.extend("mem:b.txt")


def test_a28_diffnodes(three, say):
    node = three.diffnode("mem:a.txt", "mem:b.txt")
    assert say(node, "read") == "--- mem:a.txt\n+++ mem:b.txt\n@@ -1 +1 @@\n-one\n+two\n"
    assert say(node, "size") == len(node.read())
    assert node.mimetype == "text/x-diff"
    assert three.diffnode("mem:a.txt", "mem:a.txt").read() == ""
    three.node("mem:d.txt").write("one")
    assert "\\ No newline at end of file" in three.diffnode("mem:a.txt", "mem:d.txt").read()
    three.node("mem:bin").write_bytes(b"\0")
    three.node("mem:latin").write_bytes(b"\xff")
    for other in ("mem:bin", "mem:latin"):
        with pytest.raises(ValueError, match="Cannot diff binary files"):
            say(three.diffnode("mem:a.txt", other), "read")
    assert three.iternode(node, node).read() == node.read() * 2


def test_large_texts_are_not_compared(three, say, monkeypatch):
    from holdall.mounts import virtual

    monkeypatch.setattr(virtual, "LARGEST_DIFF", 3)
    with pytest.raises(ValueError, match="too large"):
        say(three.diffnode("mem:a.txt", "mem:b.txt"), "read")


# -- zip ------------------------------------------------------------------------------------------------------------------


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_zip_of_a_tree(memory, say):
    for name in ("t/b.txt", "t/a.txt", "t/d/c.txt", "x.txt"):
        memory.node("mem", name).write(name)
    memory.node("mem:t/empty").mkdir()
    data = say(memory.node("mem:t"), "zip")
    assert unzipped(data) == {"a.txt": b"t/a.txt", "b.txt": b"t/b.txt", "d/c.txt": b"t/d/c.txt", "empty/": b""}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert [info.filename for info in archive.infolist()] == ["a.txt", "b.txt", "d/c.txt", "empty/"]
        moment = archive.getinfo("a.txt").date_time
        assert moment[0] >= 2020
    assert unzipped(say(memory.node("mem:x.txt"), "zip")) == {"x.txt": b"x.txt"}
    say(memory.node("mem:t"), "zip", memory.node("mem:out/t.zip"))
    assert unzipped(memory.node("mem:out/t.zip").read_bytes()) == unzipped(data)
    say(memory.node("mem:t"), "zip", "mem:again.zip")
    buffer = io.BytesIO()
    say(memory.node("mem:t"), "zip", buffer)
    assert unzipped(buffer.getvalue()) == unzipped(data)
    with pytest.raises(FileNotFoundError):
        say(memory.node("mem:none"), "zip")


def test_zip_of_several(memory, say):
    for name in ("a.txt", "other/a.txt", "dir/x.txt", "dir/y/z.txt"):
        memory.node("mem", name).write(name)
    parts = memory.iternode("mem:a.txt", "mem:other/a.txt", "mem:dir", memory.diffnode("mem:a.txt", "mem:other/a.txt"))
    names = unzipped(say(parts, "zip"))
    assert list(names) == ["a.txt", "a (2).txt", "dir/x.txt", "dir/y/z.txt", "a.txt.diff"]
    assert names["a (2).txt"] == b"other/a.txt"


@pytest.mark.parametrize("compression", ["deflate", "store", "bzip2", "lzma"])
def test_zip_methods(memory, say, compression):
    memory.node("mem:f").write("text " * 10_000)
    data = b"".join(say(memory.node("mem:f"), "iter_zip", compression=compression))
    assert unzipped(data) == {"f": b"text " * 10_000}
    assert (len(data) > 50_000) == (compression == "store")
    assert len(b"".join(memory.node("mem:f").iter_zip(level=9))) <= len(b"".join(memory.node("mem:f").iter_zip(level=1)))
    with pytest.raises(ValueError, match="Unknown compression"):
        say(memory.node("mem:f"), "iter_zip", compression="rar")


def test_a28_zip_streams(memory):
    memory.node("mem:big").write_bytes(bytes(1024) * 8192)
    pieces = memory.node("mem:big").iter_zip(compression="store")
    sizes = [len(piece) for piece in pieces]
    assert sum(sizes) > 8 * 1024 * 1024
    assert max(sizes) <= 1024 * 1024


def test_zip_names_cannot_climb(memory):
    store = memory._open("mem")
    for key in ("t/a\\..\\b", "t/C:/x", "t//deep"):
        store.put(key, b"x")
    names = list(unzipped(memory.node("mem:t").zip()))
    assert all(
        not name.startswith("/") and ".." not in name.split("/") and "\\" not in name and ":" not in name for name in names
    )
    assert len(names) == 3


def test_zip_of_a_snapshot(memory, say):
    node = memory.node("old:v.txt")
    node.write("one")
    node.write("two")
    assert unzipped(say(node.at(0), "zip")) == {"v.txt": b"one"}


# -- inline nodes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def inline():
    return StorageManager({"b64": {"type": "base64"}, "mem": "memory://", "fixed": {"type": "base64", "permissions": "readonly"}, "rw": {"type": "base64", "permissions": "readwrite"}})  # fmt: skip


@pytest.mark.parametrize("data", [b"hello", b"\xff\xef\xbe" * 5, b"\xfb\xff\xfe", bytes(range(256))])
def test_a31_inline_content(inline, say, data):
    texts = [
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
        base64.b64encode(data).decode().rstrip("="),
    ]
    texts.append(f"data:text/x;base64,{texts[0]}")
    for text in texts:
        node = inline.node(f"b64:{text}")
        assert node.path == text
        assert say(node, "read_bytes") == data
        assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir"), say(node, "size")) == (
            True,
            True,
            False,
            len(data),
        )
        assert say(node, "mtime") == 0.0
        assert say(node, "copy_to", "mem:out").read_bytes() == data
        assert inline.node("b64", text).read_bytes() == data


def test_a31_inline_content_begins_with_anything(inline):
    payload = base64.b64encode(b"\xff\xff\xff\x00").decode()
    assert payload.startswith("////")
    assert inline.node(f"b64:{payload}").read_bytes() == b"\xff\xff\xff\x00"


def test_invalid_inline_content(inline, say):
    for text in ("", "not base64!", "a"):
        node = inline.node(f"b64:{text}")
        assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir")) == (False, False, False)
        with pytest.raises(FileNotFoundError):
            say(node, "read")
    with pytest.raises(FileNotFoundError, match="Invalid base64"):
        say(inline.node("b64:not base64!"), "read")


def test_a31_writing_changes_the_node_itself(inline, say):
    for mount in ("b64", "rw"):
        node = inline.node(f"{mount}:")
        assert say(node, "write", "hello") is True
        assert node.path == "aGVsbG8="
        assert node.read() == "hello"
        assert say(node, "write", "hello", skip_if_unchanged=True) is False
        assert say(node, "put", b"typed", content_type="text/x").size == 5
        assert node.path == "data:text/x;base64,dHlwZWQ="
        assert say(node, "write_bytes", b"again") is True
        assert node.path == "data:text/x;base64,YWdhaW4="
        assert not node.capabilities.readonly
        with pytest.raises(TypeError, match="hash"):
            hash(node)
        with pytest.raises(NotImplementedError):
            say(node, "put", b"x", metadata={"a": "b"})
    inline.node("mem:src").write("from memory")
    target = inline.node("b64:")
    say(inline.node("mem:src"), "copy_to", target)
    assert target.read() == "from memory"
    fixed = inline.node("fixed:aGVsbG8=")
    assert fixed.read() == "hello"
    assert fixed.capabilities.readonly
    with pytest.raises(PermissionDeniedError, match="read-only"):
        say(fixed, "write", "x")


def test_inline_content_has_no_structure(inline, say):
    node = inline.node("b64:aGVsbG8=")
    for call in (("children",), ("iterdir",), ("glob", "*")):
        with pytest.raises(ValueError, match="no directory structure"):
            say(node, *call)
    with pytest.raises(ValueError, match="no directory structure"):
        node.child("x")
    for call in (("delete",), ("mkdir",), ("unlink",), ("rmdir",), ("touch",), ("rename", "b64:x"), ("move_to", "mem:x")):
        with pytest.raises(UnsupportedNodeError):
            say(node, *call)


def test_to_base64(memory, say):
    memory.node("mem:a.txt").write("hello")
    node = memory.node("mem:a.txt")
    assert say(node, "to_base64") == "data:text/plain;base64,aGVsbG8="
    assert say(node, "to_base64", mime="text/x") == "data:text/x;base64,aGVsbG8="
    assert say(node, "to_base64", include_uri=False) == "aGVsbG8="
    memory.node("mem:d/x").write("")
    with pytest.raises(ValueError, match="Cannot encode directory"):
        say(memory.node("mem:d"), "to_base64")
    with pytest.raises(FileNotFoundError):
        say(memory.node("mem:none"), "to_base64")
