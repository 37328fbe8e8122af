"""Blocking files: what libraries expect of them, what is published when, and what never is."""

# what happens inside a with block is what is tested here

import csv
import gc
import io
import os
import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leftovers import Threads
from tests.unit.engine.stores import Apart, everything

from holdall.core.capabilities import PartRules
from holdall.core.options import GetOptions, PutOptions
from holdall.core.plans import MIB
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import reading, writing
from holdall.engine.streams import ReadFile, open_file, open_reader, open_writer
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

DATA = random.Random(1).randbytes(5 * MIB + 123)


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


def assert_only(store, expected):
    """Assert what the store holds, and that nothing unfinished is there."""
    assert everything(store) == expected
    if isinstance(store, LocalStore):
        assert LocalGround(store.root).everything() == set(expected)
    else:
        assert store._uploads == {}


# -- reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_reading_gives_the_bytes(store, data):
    store.put("f", data)
    with open_file(store, "f") as file:
        assert isinstance(file, io.BufferedReader)
        assert file.read() == data
        assert file.read() == b""
        assert file.seek(0) == 0
        assert b"".join(iter(lambda: file.read(100_003), b"")) == data
        assert file.tell() == len(data)
    assert file.closed


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2_000_000, 6_000_000), st.integers(-1, 3_000_000)), max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_seeks_and_reads_agree_with_a_file_in_memory(steps):
    store = Apart()
    store.put("f", DATA)
    truth, file = io.BytesIO(DATA), ReadFile(reader := reading.RangeReader(store, "f", read_ahead=MIB))
    reader.open()
    buffered = io.BufferedReader(file)
    for whence, offset, size in steps:
        if whence < 3:
            base = (0, truth.tell(), len(DATA))[whence]
            if base + offset < 0:
                with pytest.raises(ValueError, match=r"negative|invalid"):
                    file.seek(base + offset)  # not relative: what is buffered was read already, so the raw file is ahead
                continue
            assert buffered.seek(offset, whence) == truth.seek(offset, whence)
        assert buffered.read(size) == truth.read(size)
        assert buffered.tell() == truth.tell()


def test_a_raw_file_reads_into_buffers():
    store = Apart()
    store.put("f", b"0123456789")
    raw = open_file(store, "f", buffering=0)
    assert isinstance(raw, io.RawIOBase)
    assert (raw.readable(), raw.seekable(), raw.writable()) == (True, True, False)
    buffer = bytearray(4)
    assert raw.readinto(buffer) == 4
    assert bytes(buffer) == b"0123"
    assert raw.readall() == b"456789"
    assert raw.readinto(buffer) == 0
    raw.close()
    for act in (raw.read, raw.tell, raw.readall, lambda: raw.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            act()


def test_small_files_cost_one_request_and_long_ones_few():
    store = CountingStore(Apart())
    store.put("small", b"x" * 1000)
    store.put("large", bytes(64 * MIB))
    store.reset()
    assert len(open_file(store, "small").read()) == 1000
    assert dict(store.counts.calls) == {"get": 1}
    store.reset()
    with open_file(store, "large") as file:
        assert sum(len(chunk) for chunk in iter(lambda: file.read(100_000), b"")) == 64 * MIB
    assert store.counts.calls["get"] <= 14
    assert store.counts.bytes_read == 64 * MIB


def test_reading_a_whole_large_file_at_once_is_two_requests():
    store = CountingStore(Apart())
    store.put("large", bytes(64 * MIB))
    store.reset()
    assert len(open_file(store, "large").read()) == 64 * MIB
    assert store.counts.calls["get"] <= 3


def test_a_jump_fetches_little():
    store = CountingStore(Apart())
    store.put("large", bytes(64 * MIB))
    store.reset()
    with open_file(store, "large") as file:
        for at in (60 * MIB, 5, 30 * MIB, 60 * MIB + 10):
            file.seek(at)
            assert len(file.read(10)) == 10
    assert store.counts.bytes_read < 2 * MIB


def test_an_object_replaced_while_it_is_read_is_an_error(tmp_path):
    for store in (Apart(), Apart(conditional_read=False)):
        store.put("f", DATA)
        with open_file(store, "f") as file:
            assert file.read(10) == DATA[:10]
            store.put("f", DATA[::-1])
            with pytest.raises(PreconditionError):
                file.read()
    local = LocalStore(tmp_path)
    local.put("f", DATA)
    with open_file(local, "f") as file:
        local.put("f", b"new")
        assert file.read() == DATA  # an open file keeps what it opened


def test_an_object_deleted_while_it_is_read_is_an_error():
    store = Apart()
    store.put("f", DATA)
    with open_file(store, "f") as file:
        store.delete("f")
        with pytest.raises(PreconditionError):
            file.read()


def test_a_version_or_an_etag_is_read():
    store = MemoryStore(versioned=True)
    old = store.put("f", DATA)
    store.put("f", b"new")
    assert open_file(store, "f", reading=GetOptions(version=old.version)).read() == DATA
    with pytest.raises(PreconditionError):
        open_file(store, "f", reading=GetOptions(if_match=old.etag))
    with pytest.raises(ValueError, match="historical"):
        open_file(store, "f", "w", reading=GetOptions(version=old.version))


def test_a_store_without_ranges_is_read_from_a_private_copy():
    store = CountingStore(Apart(ranges=False))
    store.put("f", DATA)
    store.reset()
    with open_file(store, "f") as file:
        file.seek(-5, io.SEEK_END)
        assert file.read() == DATA[-5:]
        file.seek(1)
        assert file.read(3) == DATA[1:4]
    assert dict(store.counts.calls) == {"get": 1}


def test_local_files_are_real_ones(tmp_path):
    store = LocalStore(tmp_path)
    store.put("d/f", b"1")
    with open_file(store, "d/f") as file:
        assert os.fstat(file.fileno()).st_size == 1
        assert file.name == str(tmp_path / "d/f")


def test_missing_files_and_directories(store):
    store.put("d/f", b"1")
    with pytest.raises(NotFoundError):
        open_file(store, "nothing")
    with pytest.raises(NotFoundError):
        open_file(store, "nothing", "r+b")
    for key in ("", "d/"):
        for mode in ("r", "wb", "a+"):
            with pytest.raises(IsDirectoryError):
                open_file(store, key, mode)
    with pytest.raises(IsDirectoryError if store.capabilities.local else NotFoundError):
        open_file(store, "d")


def test_no_thread_outlives_a_reader():
    started = Threads()
    store = Apart()
    store.put("f", bytes(64 * MIB))
    with open_file(store, "f") as file:
        file.read(30 * MIB)
    assert started.left() == []


# -- libraries ------------------------------------------------------------------------------------------------------------


def test_zipfile_reads_and_writes(store):
    names = {f"d/{i}.txt": bytes([i]) * 40_000 for i in range(60)}
    with open_file(store, "z.zip", "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    with open_file(store, "z.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in reversed(archive.namelist())} == names


def test_text_wrappers_and_csv(store):
    rows = [["a", "ü"], ["1", "two\nlines"]]
    with open_file(store, "t.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with open_file(store, "t.csv", "r", newline="") as file:
        assert list(csv.reader(file)) == rows
    with io.TextIOWrapper(open_reader(store, "t.csv"), encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == rows[0]


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_is_what_the_builtin_would_write_and_read(store, tmp_path, newline, encoding):
    text = "één\ntwee\r\ndrie\rvier"
    with open_file(store, "t", "w", encoding=encoding, newline=newline) as file:
        assert file.write(text) == len(text)
    with open(tmp_path / "truth", "w", encoding=encoding, newline=newline) as truth:
        truth.write(text)
    assert store.get("t").bytes() == (tmp_path / "truth").read_bytes()
    with (
        open_file(store, "t", "r", encoding=encoding, newline=newline) as file,
        open(tmp_path / "truth", encoding=encoding, newline=newline) as truth,
    ):
        assert file.readlines() == truth.readlines()


def test_a_byte_order_mark_stands_at_the_start_only(store):
    for mode in ("w", "a", "a+"):
        with open_file(store, "t", mode, encoding="utf-16") as file:
            file.write("x")
    assert store.get("t").bytes().decode("utf-16") == "xxx"


def test_errors_of_decoding_are_the_callers_choice(store):
    store.put("t", b"a\xffb")
    with pytest.raises(UnicodeDecodeError):
        open_file(store, "t", "r").read()
    assert open_file(store, "t", "r", errors="replace").read() == "a�b"


# -- writing --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 64 KiB, so that small content takes every way."""
    monkeypatch.setattr(writing, "PART", MIB // 16)


@pytest.mark.parametrize("size", [0, 1, MIB // 16, MIB // 16 + 1, MIB])
@pytest.mark.parametrize("piece", [1000, 300_000])
@pytest.mark.usefixtures("small_parts")
def test_what_is_written_is_published_on_close(store, size, piece):
    data = DATA[:size]
    with open_file(store, "d/f", "wb", options=PutOptions(content_type="text/x", metadata={"a": "b"})) as file:
        for at in range(0, size, piece):
            assert file.write(memoryview(data)[at : at + piece]) == len(data[at : at + piece])
            with pytest.raises(NotFoundError):
                store.head("d/f")
        assert file.tell() == size
    assert file.result.size == size
    assert store.head("d/f").content_type == "text/x"
    assert_only(store, {"d/f": data})


@pytest.mark.parametrize("size", [10, MIB])
@pytest.mark.parametrize("mode", ["wb", "ab", "r+b", "w+b", "a+b", "w", "r+"])
@pytest.mark.usefixtures("small_parts")
def test_an_exception_leaves_the_old_object(store, size, mode):
    store.put("f", b"old" * 1000)
    if mode == "ab" and store.capabilities.local:
        mode = "a+b"  # plain appending to a local file is immediate, as the system does it
    with pytest.raises(KeyError), open_file(store, "f", mode) as file:
        file.write(DATA[:size] if "b" in mode else "x" * size)
        raise KeyError("not published")
    assert file.closed
    assert_only(store, {"f": b"old" * 1000})


@pytest.mark.parametrize("size", [10, MIB])
@pytest.mark.parametrize("mode", ["wb", "w", "r+b", "r+", "xb"])
@pytest.mark.usefixtures("small_parts")
def test_collection_without_close_leaves_the_old_object(store, size, mode):
    old = {} if mode == "xb" else {"f": b"old"}
    for key, data in old.items():
        store.put(key, data)
    started = Threads()
    file = open_file(store, "f", mode)
    file.write(DATA[:size] if "b" in mode else "x" * size)
    del file
    gc.collect()
    assert started.left() == []
    assert_only(store, old)


@pytest.mark.usefixtures("small_parts")
def test_abort_and_close_are_idempotent(store):
    store.put("f", b"old")
    file = open_writer(store, "f")
    file.write(DATA[:MIB])
    file.abort()
    file.abort()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")
    assert_only(store, {"f": b"old"})
    file = open_writer(store, "f")
    file.write(b"new")
    file.close()
    file.close()
    file.abort()
    assert_only(store, {"f": b"new"})


@pytest.mark.parametrize("verb", ["put", "put_part", "complete", "parts"])
@pytest.mark.usefixtures("small_parts")
def test_a_store_that_fails_ends_the_file_unpublished(store, verb):
    store.put("f", b"old")
    flaky = FlakyStore(store)
    for name in {"put", verb}:
        flaky.fail(name, times=99)

    def write():
        with open_file(flaky, "f", "wb") as file:
            for at in range(0, MIB, 10_000):
                file.write(DATA[at : at + 10_000])

    parts = store.capabilities.parts is not None
    if parts == (verb != "put"):
        with pytest.raises(UnavailableError, match="injected"):
            write()
        assert_only(store, {"f": b"old"})
    elif not parts:
        with pytest.raises(UnavailableError):
            write()


@pytest.mark.usefixtures("small_parts")
def test_a_text_file_whose_store_fails_does_not_publish_a_part(store):
    store.put("f", b"old")
    flaky = FlakyStore(store)
    for verb in ("put", "put_part", "parts"):
        flaky.fail(verb, nth=1, times=1)
    file = open_file(flaky, "f", "w")
    with pytest.raises(UnavailableError):
        for _ in range(1000):
            file.write("x" * 1000)
        file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write("more")
    assert_only(store, {"f": b"old"})


def test_only_bytes_go_into_a_binary_file(store):
    for mode in ("wb", "w+b"):
        with pytest.raises(TypeError), open_file(store, "f", mode) as file:
            file.write("text")
    with pytest.raises(TypeError), open_file(store, "f", "w") as file:
        file.write(b"bytes")
    assert_only(store, {})


def test_a_writer_cannot_read_or_seek():
    with open_file(Apart(), "f", "wb") as file:
        assert (file.readable(), file.writable(), file.seekable()) == (False, True, False)
        for act in (file.read, lambda: file.seek(0), file.truncate, file.fileno):
            with pytest.raises(io.UnsupportedOperation):
                act()
        file.flush()


# -- creating, appending, editing ------------------------------------------------------------------------------------------


def test_x_looks_at_once_and_is_race_free_at_publishing(store):
    store.put("there", b"1")
    for mode in ("x", "xb", "x+b"):
        with pytest.raises(AlreadyExistsError):
            open_file(store, "there", mode)
    one, other = open_file(store, "f", "xb"), open_file(store, "f", "x+b")
    one.write(b"one")
    other.write(b"other")
    one.close()
    if store.capabilities.create:
        with pytest.raises(AlreadyExistsError):
            other.close()
        assert store.get("f").bytes() == b"one"
    else:
        other.close()


@pytest.mark.parametrize("base", [0, 10, MIB // 16, 5 * MIB // 16 + 7])
@pytest.mark.parametrize("more", [0, 3, MIB])
@pytest.mark.parametrize("mode", ["ab", "a+b"])
@pytest.mark.usefixtures("small_parts")
def test_appending_keeps_what_was_there(store, base, more, mode):
    store.put("f", DATA[:base], PutOptions(content_type="text/x", metadata={"a": "b"}))
    with open_file(store, "f", mode) as file:
        if "+" in mode:
            file.seek(0)
            assert file.read() == DATA[:base]
            file.seek(0)
        for at in range(0, more, 100_000):
            file.write(DATA[base + at : base + min(at + 100_000, more)])
    assert_only(store, {"f": DATA[: base + more]})
    meta = store.head("f")
    assert (meta.content_type, dict(meta.metadata)) == ("text/x", {"a": "b"})


@pytest.mark.parametrize("mode", ["a", "a+"])
def test_appending_makes_what_is_missing(store, mode):
    with open_file(store, "d/log", mode) as file:
        file.write("line\n")
    assert_only(store, {"d/log": b"line\n"})


@pytest.mark.parametrize("base", [None, b"base\n"])
@pytest.mark.parametrize("mode", ["ab", "a+b"])
def test_two_appenders_never_lose_data(store, base, mode):
    if base is not None:
        store.put("f", base)
    one, other = open_file(store, "f", mode), open_file(store, "f", mode)
    one.write(b"one\n")
    other.write(b"other\n")
    one.close()
    if store.capabilities.local and mode == "ab":
        other.close()
        assert store.get("f").bytes() == (base or b"") + b"one\nother\n"
        return
    if base is None and not store.capabilities.create:
        other.close()  # this store cannot tell
        return
    with pytest.raises(PreconditionError):
        other.close()
    assert_only(store, {"f": (base or b"") + b"one\n"})


def test_appending_to_a_large_object_moves_none_of_it():
    store = CountingStore(Apart(parts=PartRules(smallest=5 * MIB, copies=True, conditional=True)))
    store.put("f", bytes(64 * MIB))
    store.reset()
    with open_file(store, "f", "ab") as file:
        file.write(b"tail")
    assert store.counts.bytes_read == 0
    assert store.counts.bytes_written < MIB
    assert store.head("f").size == 64 * MIB + 4
    assert store.get("f", GetOptions(range=(64 * MIB, 64 * MIB + 4))).bytes() == b"tail"


def test_editing_in_place(store):
    store.put("f", b"0123456789", PutOptions(content_type="text/x"))
    with open_file(store, "f", "r+b") as file:
        assert file.read(3) == b"012"
        assert file.tell() == 3
        file.seek(5)
        file.write(b"X")
        file.seek(0)
        buffer = bytearray(7)
        assert file.readinto(buffer) == 7
        assert bytes(buffer) == b"01234X6"
        file.truncate(8)
    assert store.head("f").content_type == "text/x"
    assert_only(store, {"f": b"01234X67"})
    with open_file(store, "f", "r+", encoding="ascii") as file:
        assert file.readline() == "01234X67"
        file.write("\nmore")
    assert_only(store, {"f": b"01234X67\nmore"})


def test_editing_without_a_change_writes_nothing():
    store = CountingStore(MemoryStore())
    store.put("f", b"1")
    store.reset()
    with open_file(store, "f", "r+b") as file:
        file.read()
    assert "put" not in store.counts.calls


def test_an_edit_loses_against_somebody_quicker(store):
    store.put("f", b"one")
    with pytest.raises(PreconditionError), open_file(store, "f", "r+b") as file:
        file.write(b"two")
        store.put("f", b"three")
    assert_only(store, {"f": b"three"})


def test_writing_and_reading_back(store):
    with open_file(store, "f", "w+") as file:
        file.write("hello\nworld\n")
        file.seek(0)
        assert file.readlines() == ["hello\n", "world\n"]
    assert_only(store, {"f": b"hello\nworld\n"})


def test_every_letter_that_writes_needs_permission():
    store = Apart(write=False)
    for mode in ("w", "a", "xb", "r+b", "a+", "w+b"):
        with pytest.raises(PermissionDeniedError, match="read-only"):
            open_file(store, "f", mode)
    with pytest.raises(PermissionDeniedError, match="reading"):
        open_file(Apart(read=False), "f", "r")


def test_memory_of_a_long_writer_is_bounded():
    import tracemalloc

    class Sink(Apart):
        """Reads what comes and forgets it."""

        def put(self, key, source, options=None):
            total = sum(len(chunk) for chunk in ([source] if isinstance(source, bytes) else source))
            return super().put(key, str(total).encode())

    store = Sink()
    tracemalloc.start()
    with open_file(store, "f", "wb") as file:
        block = bytes(MIB)
        for _ in range(200):
            file.write(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert store.get("f").bytes() == str(200 * MIB).encode()
    assert peak < 64 * MIB
