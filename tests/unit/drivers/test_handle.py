"""Bytes and open files of the caller's as a store with one object."""

import asyncio
import gzip
import io
import os
import tempfile
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.options import GetOptions, PutOptions
from holdall.drivers.handle import HandleStore
from holdall.errors import (
    ClosedError,
    IntegrityError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    RangeNotSatisfiableError,
)

DATA = bytes(range(256)) * 20_000  # 5 MB: read in several chunks


def opened(kind, tmp_path, data=DATA):
    """Return a source of each kind that holds the data."""
    path = tmp_path / "f"
    path.write_bytes(data)
    if kind == "gzip":
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(data)
        return gzip.open(path)
    if kind == "temporary":
        file = tempfile.TemporaryFile()  # noqa: SIM115
        file.write(data)
        return file
    if kind == "named":
        file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        file.write(data)
        return file
    if kind == "spooled":
        file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
        file.write(data)
        return file
    return {
        "bytes": lambda: data,
        "bytearray": lambda: bytearray(data),
        "memoryview": lambda: memoryview(data),
        "BytesIO": lambda: io.BytesIO(data),
        "file": lambda: path.open("rb"),
        "raw": lambda: path.open("rb", buffering=0),
        "update": lambda: path.open("r+b"),
    }[kind]()


KINDS = ["bytes", "bytearray", "memoryview", "BytesIO", "file", "raw", "update", "gzip", "temporary", "named", "spooled"]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_in_both_colours(kind, tmp_path):
    source = opened(kind, tmp_path)
    store = HandleStore(source)
    try:
        if hasattr(source, "seek"):
            source.seek(17)
        assert store.head("data").size == len(DATA)
        assert store.get("data").bytes() == DATA
        assert store.get("data", GetOptions(range=(5, 9))).bytes() == DATA[5:9]
        assert store.get_ranges("data", [(0, 3), (4_000_000, 4_000_004), (2, 2)]) == [
            DATA[:3],
            DATA[4_000_000:4_000_004],
            b"",
        ]
        assert [m.key for page in store.list() for m in page.objects] == ["data"]

        async def check():
            assert await (await store.get_async("data")).bytes_async() == DATA
            assert (await store.head_async("data")).size == len(DATA)
            assert [m.key async for page in store.list_async() for m in page.objects] == ["data"]

        asyncio.run(check())
        if hasattr(source, "tell"):
            assert source.tell() == 17, "the caller's position stays"
    finally:
        if hasattr(source, "close"):
            source.close()


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_mean_slices(data, start, end):
    store = HandleStore(data)
    if end > start:
        try:
            assert store.get("data", GetOptions(range=(start, end))).bytes() == data[start:end]
        except RangeNotSatisfiableError:
            assert start >= len(data)


def test_threads_read_one_file_without_mixing(tmp_path):
    with opened("gzip", tmp_path, DATA[:300_000]) as file:
        store = HandleStore(file)
        faults = []

        def read(n):
            for i in range(20):
                start = (n * 7919 + i * 104_729) % 290_000
                if store.get("data", GetOptions(range=(start, start + 100))).bytes() != DATA[start : start + 100]:
                    faults.append((n, i))

        threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not faults


@pytest.mark.parametrize("kind", ["BytesIO", "update", "temporary", "named", "spooled"])
def test_writing_in_place(kind, tmp_path):
    source = opened(kind, tmp_path, b"old content that is longer")
    store = HandleStore(source)
    assert store.capabilities.write
    result = store.put("data", [b"new", b" ", b"content"])
    assert result.size == 11
    assert result.etag == store.head("data").etag
    assert store.get("data").bytes() == b"new content"

    async def chunks():
        yield b"as"
        yield b"ync"

    asyncio.run(store.put_async("data", chunks()))
    assert store.get("data").bytes() == b"async"
    asyncio.run(store.put_async("data", b"plain"))
    source.seek(0)
    assert source.read() == b"plain"
    source.close()


def test_a_failing_source_changes_nothing(tmp_path):
    source = io.BytesIO(b"old")

    def chunks():
        yield b"new"
        raise RuntimeError("broken source")

    with pytest.raises(RuntimeError):
        HandleStore(source).put("data", chunks())

    async def chunks_async():
        yield b"new"
        raise RuntimeError("broken source")

    with pytest.raises(RuntimeError):
        asyncio.run(HandleStore(source).put_async("data", chunks_async()))
    assert source.getvalue() == b"old"


class Sips(io.RawIOBase):
    """A raw file that takes and gives three bytes at a time."""

    def __init__(self):
        self.inner = io.BytesIO()

    def writable(self):
        return True

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *where):
        return self.inner.seek(*where)

    def tell(self):
        return self.inner.tell()

    def truncate(self, size=None):
        return self.inner.truncate(size)

    def write(self, data):
        return self.inner.write(data[:3])

    def read(self, size=-1):
        return self.inner.read(min(size, 3))


def test_files_that_take_and_give_little():
    store = HandleStore(Sips())
    store.put("data", b"0123456789")
    assert store.get("data").bytes() == b"0123456789"


def test_what_the_caller_wrote_through_a_buffer_is_seen(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    with path.open("r+b") as file:
        store = HandleStore(file)
        first = store.head("data")
        file.seek(3)
        file.write(b"def")
        assert store.get("data").bytes() == b"abcdef"
        assert store.head("data").etag != first.etag
        with pytest.raises(PreconditionError):
            store.get("data", GetOptions(if_match=first.etag))


def test_a_file_that_shrinks_is_noticed(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        result = HandleStore(file).get("data")
        os.truncate(path, 1_500_000)
        with pytest.raises(IntegrityError):
            result.bytes()


def test_one_object_only():
    store = HandleStore(b"x", key="dir/name")
    assert store.get("dir/name").bytes() == b"x"
    with pytest.raises(NotFoundError):
        store.get("data")
    with pytest.raises(NotFoundError):
        store.head("dir")
    assert [(p.objects, p.prefixes) for p in store.list(delimiter="/")] == [((), ("dir/",))]
    assert [m.key for p in store.list("dir/", delimiter="/") for m in p.objects] == ["dir/name"]
    assert list(store.list("other")) == []
    assert list(store.list(start_after="dir/name")) == []
    assert [m.key for p in store.list(start_after="dir") for m in p.objects] == ["dir/name"]


def test_what_it_refuses(tmp_path):
    with pytest.raises(NotSupportedError, match="not opened for writing"):
        HandleStore(b"x").put("data", b"y")
    with (tmp_path / "f").open("w+b") as file:
        store = HandleStore(file)
        with pytest.raises(NotSupportedError, match="another object"):
            store.put("other", b"")
        for options in (PutOptions(mode="create"), PutOptions(if_match="x")):
            with pytest.raises(NotSupportedError, match="knows no conditions"):
                store.put("data", b"", options)
        for options in (PutOptions(content_type="a/b"), PutOptions(tags={"a": "b"}), PutOptions(storage_class="X")):
            with pytest.raises(NotSupportedError, match="attributes"):
                store.put("data", b"", options)
        with pytest.raises(NotSupportedError):
            store.delete("data")
        with pytest.raises(NotSupportedError):
            store.head("data", version="1")
        with pytest.raises(TypeError):
            store.put("data", "text")


@pytest.mark.parametrize("source", [io.StringIO("x"), object(), 3])
def test_what_is_no_binary_file(source):
    with pytest.raises(TypeError):
        HandleStore(source)


def test_files_that_cannot_be_used(tmp_path):
    file = (tmp_path / "f").open("wb")
    file.close()
    with pytest.raises(ValueError, match="closed"):
        HandleStore(file)
    read, write = os.pipe()
    with open(read, "rb") as pipe, open(write, "wb"), pytest.raises(ValueError, match="cannot seek"):
        HandleStore(pipe)


def test_after_close():
    file = io.BytesIO(b"x")
    store = HandleStore(file)
    with store:
        assert store.get("data").bytes() == b"x"
    for act in (lambda: store.get("data"), lambda: list(store.list()), lambda: store.put("data", b"")):
        with pytest.raises(ClosedError):
            act()
    assert not file.closed
    other = HandleStore(file)
    file.close()
    with pytest.raises(ClosedError):
        other.get("data")
    assert not other.capabilities.write


def test_identity_is_that_of_the_handle():
    data = b"x"
    assert HandleStore(data).identity == HandleStore(data).identity
    assert HandleStore(io.BytesIO(data)).identity != HandleStore(data).identity
    assert repr(HandleStore(data)) == "HandleStore(bytes)"
    assert repr(HandleStore(io.BytesIO())) == "HandleStore(BytesIO)"
