"""Reading and writing whole files, with what is kept beside them; both colours, on memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from holdall.errors import AlreadyExistsError, IsDirectoryError, NotSupportedError, PreconditionError
from holdall.wrappers.forwarding import ForwardingStore


@pytest.fixture
def node(memory):
    return memory.node("mem:d/a.txt")


def test_text_and_bytes(node, say):
    assert say(node, "write", "grüß\r\nGott") is True
    assert say(node, "read") == say(node, "read", "r") == say(node, "read_text") == "grüß\r\nGott"
    assert say(node, "read", "rb") == say(node, "read_bytes") == "grüß\r\nGott".encode()
    assert say(node, "write", b"\x00\xff", "wb") is True
    assert say(node, "read_bytes") == b"\x00\xff"
    say(node, "write", "ü", "w", "latin-1")
    assert say(node, "read_bytes") == b"\xfc"
    assert say(node, "read", "r", "latin-1") == "ü"
    say(node, "write_text", "ä", "utf-16")
    assert say(node, "read_text", "utf-16") == "ä"
    for data in (bytearray(b"1"), memoryview(b"2")):
        say(node, "write_bytes", data)
        assert say(node, "read_bytes") == bytes(data)


@pytest.mark.parametrize("mode", ["w", "a", "rw", "r+", "", "x"])
def test_read_modes(node, say, mode):
    node.write("x")
    with pytest.raises(ValueError, match="Invalid read mode"):
        say(node, "read", mode)


@pytest.mark.parametrize(("data", "mode", "error"), [("x", "a", ValueError), ("x", "r", ValueError), (b"x", "w", TypeError), ("x", "wb", TypeError), (5, "w", TypeError), (5, "wb", TypeError)])  # fmt: skip
def test_write_modes(node, say, data, mode, error):
    with pytest.raises(error):
        say(node, "write", data, mode)
    assert not node.exists


def test_unknown_options_are_errors(node, say):
    for call in (("write", "x"), ("put", b"x"), ("write_bytes", b"x"), ("write_text", "x"), ("get",)):
        with pytest.raises(TypeError, match="nonsense"):
            say(node, *call, nonsense=1)
    assert not node.exists


def test_writing_needs_the_right_type(node, say):
    with pytest.raises(TypeError):
        say(node, "write_bytes", "text")
    with pytest.raises(TypeError):
        say(node, "write_text", b"bytes")
    with pytest.raises(TypeError):
        say(node, "put", "text")


def test_directories_have_no_content(node, say):
    node.write("x")
    for path in ("mem:d", "mem:"):
        for ask in ("read_bytes", "read_text", "get"):
            with pytest.raises(IsDirectoryError):
                say(node.parent.child() if path == "mem:d" else node.parent.parent, ask)
    for call in (("write", "x"), ("put", b"x"), ("write_bytes", b"x")):
        with pytest.raises(IsDirectoryError):
            say(node.parent.parent, *call)


def test_streams(node, say, tmp_path):
    (tmp_path / "f").write_bytes(b"from a file")
    assert say(node, "put", tmp_path / "f").size == 11
    assert say(node, "put", iter([b"ab", b"cd"])).size == 4
    result = say(node, "get", range=(1, 3))
    assert (result.range, result.size) == ((1, 3), 2)
    assert node.get(range=(1, 3)).bytes() == b"bc"

    async def chunks():
        for piece in (b"one", b"two"):
            yield piece

    assert asyncio.run(node.put_async(chunks())).size == 6
    assert node.read() == "onetwo"
    with pytest.raises(TypeError):
        node.put(chunks())


def test_a_source_that_fails_leaves_the_old_content(node, say):
    node.write("old")

    def broken():
        yield b"new"
        raise RuntimeError("source broke")

    with pytest.raises(RuntimeError, match="source broke"):
        say(node, "put", broken())
    assert node.read() == "old"


def test_conditions(node, say):
    first = say(node, "put", b"1", mode="create")
    with pytest.raises(FileExistsError):
        say(node, "put", b"2", mode="create")
    say(node, "put", b"2", if_match=first.etag)
    with pytest.raises(PreconditionError):
        say(node, "write_bytes", b"3", if_match=first.etag)
    with pytest.raises(PreconditionError):
        say(node, "get", if_match=first.etag)
    assert node.read() == "2"


def test_unchanged_content_is_not_written(node, say):
    assert say(node, "write", "same", skip_if_unchanged=True) is True
    etag = node.stat().etag
    assert say(node, "write", "same", skip_if_unchanged=True) is False
    assert say(node, "write_text", "same", skip_if_unchanged=True) is False
    assert say(node, "write_bytes", b"same", skip_if_unchanged=True) is False
    assert node.stat().etag == etag
    assert say(node, "write", "diff", skip_if_unchanged=True) is True
    assert say(node, "write", "longer", skip_if_unchanged=True) is True
    assert node.read() == "longer"


class Meddler(ForwardingStore):
    """Lets somebody else write between the look and the write."""

    other: bytes | None = None

    def _meddle(self, key: str) -> None:
        other, self.other = self.other, None
        if other is not None:
            self.inner.put(key, other)

    def head(self, key, **named):
        try:
            return super().head(key, **named)
        finally:
            self._meddle(key)

    async def head_async(self, key, **named):
        try:
            return await super().head_async(key, **named)
        finally:
            self._meddle(key)


@pytest.mark.parametrize("there", [True, False])
def test_a26_what_somebody_else_wrote_meanwhile_is_not_lost(memory, say, there):
    if there:
        memory.node("mem:k").write("old")
    meddler = Meddler(memory._open("mem"))
    memory.add_mount("raced", meddler)
    meddler.other = b"theirs"
    with pytest.raises(PreconditionError):
        say(memory.node("raced:k"), "write", "new", skip_if_unchanged=True)
    assert memory.node("mem:k").read() == "theirs"


def test_touch(node, say, monkeypatch):
    say(node, "touch")
    assert node.read_bytes() == b""
    node.write("content")
    node._store().set_modified(node.path, datetime(2001, 1, 1, tzinfo=UTC))
    say(node, "touch")
    assert node.read() == "content"
    assert node.mtime > 1_500_000_000
    with pytest.raises(AlreadyExistsError):
        say(node, "touch", exist_ok=False)


def test_touch_where_the_storage_sets_times_itself(memory, say):
    class NoTimes(ForwardingStore):
        def set_modified(self, key, modified):
            raise self._refusal("set_modified")

        async def set_modified_async(self, key, modified):
            raise self._refusal("set_modified")

    memory.add_mount("timeless", NoTimes(memory._open("mem")))
    node = memory.node("timeless:a")
    say(node, "touch")
    with pytest.raises(NotSupportedError):
        say(node, "touch")


def test_metadata_and_tags(node, say):
    node.put(b"x", content_type="text/x", metadata={"A": "1"}, tags={"t": "1"})
    assert say(node, "get_metadata") == {"a": "1"}
    assert say(node, "set_metadata", {"B": "2"}) is None
    assert say(node, "get_metadata") == {"b": "2"}
    say(node, "set_metadata", {"C": "3"}, merge=True)
    assert say(node, "get_metadata") == {"b": "2", "c": "3"}
    assert node.stat().content_type == "text/x"
    assert say(node, "get_tags") == {"t": "1"}
    say(node, "set_tags", {"u": "2"})
    assert say(node, "get_tags") == {"u": "2"}
    assert node.read() == "x"


def test_a_storage_without_metadata_says_so(memory, say):
    class Poor(ForwardingStore):
        @property
        def capabilities(self):
            return super().capabilities.narrowed(set_metadata=False)

    memory.add_mount("poor", Poor(memory._open("mem")))
    memory.node("poor:a").write("x")
    with pytest.raises(NotSupportedError, match="does not support metadata"):
        say(memory.node("poor:a"), "set_metadata", {"a": "1"})


def test_buffering_is_taken_in_both_colours(memory):
    node = memory.node("mem:buffered")

    async def through_async(mode, buffering, data=None):
        async with node.open_async(mode, buffering=buffering) as file:
            return await (file.read() if data is None else file.write(data))

    for buffering in (-1, 0, 1, 8):
        asyncio.run(through_async("wb", buffering, b"some bytes"))
        with node.open("rb", buffering=buffering) as file:
            assert file.read() == asyncio.run(through_async("rb", buffering)) == b"some bytes"
    with pytest.raises(ValueError, match="unbuffered text"):
        node.open("r", buffering=0)
    with pytest.raises(ValueError, match="unbuffered text"):
        asyncio.run(through_async("r", 0))


@pytest.mark.parametrize("given", [{"encoding": "utf-8"}, {"errors": "replace"}, {"newline": ""}])
def test_bytes_take_no_arguments_of_text(node, given):
    node.write("grüß")
    with pytest.raises(ValueError, match=f"binary mode doesn't take an '{next(iter(given))}' argument"):
        node.open("rb", **given)

    async def opened():
        async with node.open_async("rb", **given) as file:
            return await file.read()

    with pytest.raises(ValueError, match=f"binary mode doesn't take an '{next(iter(given))}' argument"):
        asyncio.run(opened())
    with node.open("r", **{**given, "errors": "strict"}) as file:
        assert file.read() == "grüß"
