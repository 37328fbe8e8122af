"""Async files: the same contents and the same promises as blocking ones."""

# what happens inside a with block is what is tested here

import asyncio
import gc
import io
import random

import pytest
from tests.unit.engine.stores import Apart, everything

from holdall.core.capabilities import PartRules
from holdall.core.options import GetOptions, PutOptions
from holdall.core.plans import MIB
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import writing_async
from holdall.engine.async_streams import open_file_async
from holdall.errors import (
    AlreadyExistsError,
    IsDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnavailableError,
)
from holdall.testing import CountingStore, FlakyStore
from holdall.testing.ground import LocalGround

DATA = random.Random(1).randbytes(3 * MIB + 123)


@pytest.fixture(params=["memory", "apart", "apart with parts", "no conditions", "local"])
def store(request, tmp_path):
    """A store of each kind that files are written to in another way."""
    return {
        "memory": MemoryStore,
        "apart": Apart,
        "apart with parts": lambda: Apart(parts=PartRules()),
        "no conditions": lambda: Apart(update=False, create=False, conditional_read=False, tags=False),
        "local": lambda: LocalStore(tmp_path / "root", create=True),
    }[request.param]()


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 64 KiB, so that small content takes every way."""
    monkeypatch.setattr(writing_async, "PART", MIB // 16)


def assert_only(store, expected):
    """Assert what the store holds, and that nothing unfinished is there."""
    assert everything(store) == expected
    if isinstance(store, LocalStore):
        assert LocalGround(store.root).everything() == set(expected)
    else:
        assert store._uploads == {}


def test_reading(store):
    store.put("f", DATA)

    async def main():
        async with open_file_async(store, "f") as file:
            assert (file.readable(), file.writable(), file.mode, file.name) == (True, False, "rb", "f")
            assert await file.read(10) == DATA[:10]
            assert await file.tell() == 10
            assert await file.seek(-10, io.SEEK_END) == len(DATA) - 10
            assert await file.read() == DATA[-10:]
            assert await file.read(5) == b""
            await file.seek(0)
            buffer = bytearray(100)
            assert await file.readinto(buffer) == 100
            assert bytes(buffer) == DATA[:100]
            assert await file.read() == DATA[100:]
            for act in (file.write(b"x"), file.truncate()):
                with pytest.raises(io.UnsupportedOperation):
                    await act
        assert file.closed
        with pytest.raises(ValueError, match="closed"):
            await file.read()
        file = await open_file_async(store, "f")
        await file.close()
        await file.close()

    asyncio.run(main())


def test_lines_of_bytes():
    store = Apart()
    lines = [b"x" * size + b"\n" for size in (0, 1, 100_000, 3, 700_000)] + [b"no end"]
    store.put("f", b"".join(lines))

    async def main():
        async with open_file_async(store, "f") as file:
            assert [line async for line in file] == lines
            await file.seek(1)
            assert await file.readline() == lines[1]

    asyncio.run(main())


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_is_what_the_builtin_would_write_and_read(store, tmp_path, newline, encoding):
    text = "één\ntwee\r\ndrie\rvier" * 20_000
    with open(tmp_path / "truth", "w", encoding=encoding, newline=newline) as truth:
        truth.write(text)
        truth.write("end\r\n")

    async def main():
        async with open_file_async(store, "t", "w", encoding=encoding, newline=newline) as file:
            assert await file.write(text) == len(text)
            assert await file.write("end\r\n") == 5
        assert store.get("t").bytes() == (tmp_path / "truth").read_bytes()
        async with open_file_async(store, "t", "r", encoding=encoding, newline=newline) as file:
            return [await file.read(7), await file.readline(), *[line async for line in file]]

    found = asyncio.run(main())
    with open(tmp_path / "truth", encoding=encoding, newline=newline) as truth:
        assert found == [truth.read(7), truth.readline(), *truth]


def test_text_reads_in_part_and_again(store):
    store.put("t", "añb\ncd".encode())

    async def main():
        async with open_file_async(store, "t", "r") as file:
            assert [await file.read(2), await file.read(1), await file.read()] == ["añ", "b", "\ncd"]
            assert await file.read() == ""
            assert await file.readline() == ""
            await file.seek(0)
            assert await file.readline() == "añb\n"
            for act in (file.seek(3), file.tell(), file.write("x")):
                with pytest.raises(io.UnsupportedOperation):
                    await act

    asyncio.run(main())


@pytest.mark.parametrize("size", [0, MIB // 16, MIB])
@pytest.mark.usefixtures("small_parts")
def test_what_is_written_is_published_on_close(store, size):
    async def main():
        async with open_file_async(store, "d/f", "wb", options=PutOptions(content_type="text/x")) as file:
            for at in range(0, size, 50_000):
                await file.write(DATA[at : min(at + 50_000, size)])
            assert await file.tell() == size
            await file.flush()
            with pytest.raises(NotFoundError):
                store.head("d/f")
        assert file.result.size == size
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert store.head("d/f").content_type == "text/x"
    assert_only(store, {"d/f": DATA[:size]})


@pytest.mark.parametrize("size", [10, MIB])
@pytest.mark.parametrize("mode", ["wb", "ab", "r+b", "w+b", "a+b", "w", "r+"])
@pytest.mark.usefixtures("small_parts")
def test_an_exception_leaves_the_old_object(store, size, mode):
    store.put("f", b"old" * 1000)

    async def main():
        with pytest.raises(KeyError):
            async with open_file_async(store, "f", mode) as file:
                await file.write(DATA[:size] if "b" in mode else "x" * size)
                raise KeyError("not published")
        assert file.closed
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_only(store, {"f": b"old" * 1000})


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("buffering", [-1, 0, 1, 2, 7, 5000])
def test_buffering_changes_no_content(store, buffering):
    data = ("grüß\n" * 2000 + "é" * 9000 + "\r\nend").encode()

    async def main():
        async with open_file_async(store, "k", "wb", buffering=buffering) as file:
            await file.write(data)
        async with open_file_async(store, "k", "rb", buffering=buffering) as file:
            lines = [line async for line in file]
        assert lines == io.BytesIO(data).readlines()
        async with open_file_async(store, "k", "rb", buffering=buffering) as file:
            parts = [await file.read(300)]
            while parts[-1]:
                parts.append(await file.read(300))
            assert b"".join(parts) == data
            assert max(map(len, parts)) <= 300
        if buffering:
            async with open_file_async(store, "k", "r", newline="", buffering=buffering) as file:
                assert await file.read() == data.decode()

    asyncio.run(main())


def test_without_a_buffer_a_read_returns_what_is_at_hand():
    store = Apart()
    store.put("k", DATA)

    async def main():
        async with open_file_async(store, "k", "rb", buffering=0) as file:
            first = await file.read(len(DATA))
            assert 0 < len(first) < len(DATA)
            assert first + await file.read() == DATA

    asyncio.run(main())


def test_text_needs_a_buffer(store):
    with pytest.raises(ValueError, match="unbuffered text"):
        open_file_async(store, "k", "r", buffering=0)


def test_cancelling_leaves_the_old_object(store):
    store.put("f", b"old")

    async def write(reached):
        async with open_file_async(store, "f", "wb") as file:
            await file.write(DATA)
            reached.set()
            await asyncio.Event().wait()

    async def main():
        reached = asyncio.Event()
        task = asyncio.create_task(write(reached))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_only(store, {"f": b"old"})


@pytest.mark.parametrize("mode", ["wb", "w", "r+b"])
@pytest.mark.usefixtures("small_parts")
def test_collection_without_close_leaves_the_old_object(mode):
    store = Apart()
    store.put("f", b"old")

    async def main():
        file = await open_file_async(store, "f", mode)
        await file.write(DATA if "b" in mode else "x" * MIB)
        del file
        gc.collect()
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_only(store, {"f": b"old"})


@pytest.mark.parametrize("verb", ["put", "put_part", "complete", "parts"])
@pytest.mark.usefixtures("small_parts")
def test_a_store_that_fails_ends_the_file_unpublished(store, verb):
    if (store.capabilities.parts is None) != (verb == "put"):
        return
    store.put("f", b"old")
    flaky = FlakyStore(store)
    flaky.fail(verb)

    async def main():
        with pytest.raises(UnavailableError, match="injected"):
            async with open_file_async(flaky, "f", "wb") as file:
                for at in range(0, MIB, 10_000):
                    await file.write(DATA[at : at + 10_000])
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_only(store, {"f": b"old"})


@pytest.mark.parametrize("base", [0, 10, 5 * MIB // 16 + 7])
@pytest.mark.parametrize("more", [0, 3, MIB])
@pytest.mark.parametrize("mode", ["ab", "a+b"])
@pytest.mark.usefixtures("small_parts")
def test_appending_keeps_what_was_there(store, base, more, mode):
    store.put("f", DATA[:base], PutOptions(content_type="text/x"))

    async def main():
        async with open_file_async(store, "f", mode) as file:
            assert await file.tell() == base
            await file.write(DATA[base : base + more])

    asyncio.run(main())
    assert_only(store, {"f": DATA[: base + more]})
    assert store.head("f").content_type == "text/x"


def test_two_appenders_never_lose_data(store):
    async def main():
        one, other = await open_file_async(store, "f", "a"), await open_file_async(store, "f", "a")
        await one.write("one\n")
        await other.write("other\n")
        await one.close()
        if store.capabilities.create:
            with pytest.raises(PreconditionError):
                await other.close()
            assert_only(store, {"f": b"one\n"})
        else:
            await other.close()

    asyncio.run(main())


def test_editing_text_and_bytes(store):
    store.put("f", b"0123456789")

    async def main():
        async with open_file_async(store, "f", "r+b") as file:
            assert await file.read(3) == b"012"
            await file.seek(5)
            await file.write(b"X")
            await file.truncate(8)
            await file.seek(0)
            buffer = bytearray(4)
            assert await file.readinto(buffer) == 4
        assert_only(store, {"f": b"01234X67"})
        async with open_file_async(store, "f", "a+") as file:
            await file.write("\nmore")
            await file.seek(0)
            assert [line async for line in file] == ["01234X67\n", "more"]
        assert_only(store, {"f": b"01234X67\nmore"})
        with pytest.raises(PreconditionError):
            async with open_file_async(store, "f", "r+") as file:
                await file.write("mine")
                store.put("f", b"theirs")
        assert_only(store, {"f": b"theirs"})

    asyncio.run(main())


def test_a_store_without_ranges_is_read_from_a_private_copy():
    store = CountingStore(Apart(ranges=False))
    store.put("f", b"one\ntwo\n")

    async def main():
        async with open_file_async(store, "f", "r") as file:
            assert [line async for line in file] == ["one\n", "two\n"]
        async with open_file_async(store, "f") as file:
            await file.seek(4)
            assert await file.read() == b"two\n"
            for act in (file.write(b"x"), file.truncate()):
                with pytest.raises(io.UnsupportedOperation):
                    await act

    asyncio.run(main())
    assert store.counts.calls["get"] == 2


def test_what_is_refused(store):
    store.put("f", b"1")

    async def main():
        with pytest.raises(AlreadyExistsError):
            await open_file_async(store, "f", "x")
        with pytest.raises(NotFoundError):
            await open_file_async(store, "nothing")
        for key in ("", "d/"):
            with pytest.raises(IsDirectoryError):
                await open_file_async(store, key, "w")
        with pytest.raises(PermissionDeniedError):
            await open_file_async(Apart(write=False), "f", "w")
        for mode, data in (("wb", "text"), ("w", b"bytes")):
            with pytest.raises(TypeError):
                async with open_file_async(store, "g", mode) as file:
                    await file.write(data)

    asyncio.run(main())
    assert_only(store, {"f": b"1"})


def test_a_version_is_read():
    store = MemoryStore(versioned=True)
    old = store.put("f", b"old").version
    store.put("f", b"new")

    async def main():
        async with open_file_async(store, "f", "r", reading=GetOptions(version=old)) as file:
            return await file.read()

    assert asyncio.run(main()) == "old"
