"""Combining and appending: names, validation, atomicity, exact sizes."""

import asyncio
import io
import subprocess
import sys

import pytest

from holdall.containers import (
    FileInfo,
    FormatError,
    LazyCombiner,
    LazyReader,
    WriteOptions,
    combine,
    dumps,
    load,
)
from holdall.core.ranges import ByteRange
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, IntegrityError, NotFoundError, PreconditionError

A, B = {"x": list(range(9000))}, [{"id": i} for i in range(3000)]


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


def test_a18_combining_replaces_and_counts_exactly(store, face, colour):
    face.dump("a", A, store=store)
    face.dump("b", B, store=store, options=WriteOptions(codec="cbor"))
    store.put("all", b"z" * 1_000_000)
    result = face.combine("all", [FileInfo("a", "a", store=store), FileInfo("b", "b", store=store)], store=store)
    assert face.load("all", store=store) == {"a": A, "b": B}
    sizes = [store.head(key).size for key in ("a", "b", "all")]
    assert result.size == sizes[2] == 50 + sizes[0] + sizes[1] + result.toc_size
    with colour(LazyReader("all", store=store)) as reader:
        assert reader.read("b/-1/id") == 2999
        assert reader.child("a").to_obj() == A
        assert b"".join(reader.child("b").raw()) == store.get("b").bytes()
        assert reader.verify().archives == 3


def test_a18_an_empty_combination_can_be_appended_to(store, face):
    face.combine("all", [], store=store)
    assert face.load("all", store=store) == {}
    face.append("all", [dumps(1)], store=store)
    assert face.load("all", store=store) == [1]


class Asked(MemoryStore):
    """A store that notes the ranges that are asked for, and how many gets are under way at one time."""

    def __init__(self):
        super().__init__()
        self.ranges = []

    def get(self, key, options=None):
        self.ranges.append((key, options and options.range))
        return super().get(key, options)

    async def get_async(self, key, options=None):
        await asyncio.sleep(0)
        return self.get(key, options)


@pytest.mark.parametrize("given", [list, iter])
def test_d17_a_header_of_each_child_is_read_once_and_then_the_rest(face, given):
    source, target = Asked(), MemoryStore()
    for i in range(40):
        face.dump(f"n{i}", B, store=source)
    size = source.head("n0").size
    face.combine("all", given([FileInfo(f"n{i}", f"n{i}", store=source) for i in range(40)]), store=target)
    heads = {(f"n{i}", ByteRange(0, 50)) for i in range(40)}
    assert set(source.ranges) == heads | {(f"n{i}", ByteRange(50, size)) for i in range(40)}
    assert len(source.ranges) == 80  # no byte twice
    if given is list:
        assert set(source.ranges[:40]) == heads  # before anything is copied
    assert face.load("all", store=target)["n39"] == B
    source.ranges.clear()
    with pytest.raises(NotFoundError):
        face.combine("all", [FileInfo("n1", store=source), FileInfo("none", store=source)], store=target)
    assert all(asked == ByteRange(0, 50) for _, asked in source.ranges)


def test_a17_a_child_that_is_replaced_after_its_header_was_read(face):
    source, target = MemoryStore(), MemoryStore()
    face.dump("a", A, store=source)
    face.dump("b", B, store=source)

    class Replacing(MemoryStore):
        def parts(self, *given, **named):
            raise AssertionError("one part is enough")

        def put(self, *given, **named):
            raise AssertionError("nothing is published")

        put_async = put

    def changing():
        yield dumps(1)
        source.put("b", dumps("another"))

    for again in (target, Replacing()):
        face.dump("b", B, store=source)
        files = [FileInfo("a", store=source), FileInfo(changing()), FileInfo("b", store=source)]
        with pytest.raises(PreconditionError) as caught:
            face.combine("all", files, store=again)
        assert caught.value.kind == "changed"


def test_a_child_is_copied_without_what_lies_around_it(store, face):
    face.combine("all", [FileInfo(obj=A, name="a"), FileInfo(obj=B, name="b")], store=store)
    for validate in (True, False, "toc", "full"):
        with LazyReader("all", store=store) as reader:
            face.combine("one", [FileInfo(reader.child("b"), "x")], store=store, validate=validate)
        assert face.load("one", store=store) == {"x": B}


def test_appending_keeps_what_is_there(store, face):
    face.combine("all", [FileInfo(obj=A, name="a")], store=store)
    before = store.head("all").etag
    face.append("all", [FileInfo(obj=B, name="b")], store=store, if_match=before)
    face.append("all", FileInfo(obj=[3], name="c"), store=store)
    assert face.load("all", store=store) == {"a": A, "b": B, "c": [3]}
    with pytest.raises(PreconditionError):
        face.append("all", FileInfo(obj=[4], name="d"), store=store, if_match=before)


def test_a19_a_conflicting_append_is_reported_and_loses_nothing(store, face, colour):
    face.combine("all", [FileInfo(obj=1, name="a")], store=store)
    with pytest.raises(PreconditionError), colour(LazyCombiner("all", mode="a", store=store)) as combiner:
        combiner.write_obj(2, "b")
        face.append("all", FileInfo(obj=3, name="c"), store=store)
    assert face.load("all", store=store) == {"a": 1, "c": 3}


STEP_BY_STEP = """
import os, shutil, signal, sys
from holdall.containers import FileInfo, LazyReader, append, combine
from holdall.drivers.local import LocalStore

STEPS = "open write writev pwrite ftruncate truncate copy_file_range sendfile fsync utime setxattr link rename replace mkdir unlink"
A, B, C = [1] * 100_000, {"b": "text" * 50_000}, [3]

def killed_at(step):
    left = [step]
    def counted(function):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    for name in STEPS.split():
        if hasattr(os, name):
            setattr(os, name, counted(getattr(os, name)))
    append("all", FileInfo(obj=B, name="b"), store=LocalStore(root))
    os._exit(0)

top = sys.argv[1]
for step in range(1000):
    root = os.path.join(top, str(step))
    store = LocalStore(root, create=True)
    combine("all", [FileInfo(obj=A, name="a")], store=store)
    child = os.fork()
    if not child:
        killed_at(step)
    status = os.waitpid(child, 0)[1]
    with LazyReader("all", store=store) as reader:
        reader.verify()
        names, found = list(reader), reader.to_obj()
    assert found == ({"a": A} if names == ["a"] else {"a": A, "b": B}), names
    assert [meta.key for page in store.list() for meta in page.objects] == ["all"]
    append("all", FileInfo(obj=C, name="c"), store=store)
    with LazyReader("all", store=store) as reader:
        assert list(reader) == [*names, "c"]
    shutil.rmtree(root)
    print(*names, flush=True)
    if not os.WIFSIGNALED(status):
        assert status == 0, status
        break
"""


def test_a19_an_append_that_is_killed_at_any_step_leaves_the_old_archive_or_the_new_one(tmp_path):
    """Killed before each call that changes the disk, one after the other; what is left can be appended to."""
    done = subprocess.run([sys.executable, "-c", STEP_BY_STEP, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.splitlines()
    assert set(outcomes) == {"a", "a b"}
    assert outcomes == sorted(outcomes)
    assert outcomes.count("a") >= 5


@pytest.mark.parametrize(
    ("mode", "files", "error"),
    [
        ("w", [FileInfo(obj=1, name="a"), FileInfo(obj=2, name="a")], ValueError),
        ("w", [FileInfo(obj=1, name="a"), FileInfo(obj=2)], ValueError),
        ("a", [FileInfo(obj=1)], ValueError),
        ("a", [FileInfo(obj=1, name="old")], ValueError),
        ("x", [FileInfo(obj=1, name="a")], AlreadyExistsError),
        ("w", [FileInfo(b"no archive at all", "a")], FormatError),
        ("w", [FileInfo(iter([dumps(1)[:-9]]), "a")], FormatError),
    ],
)
def test_a20_what_is_refused_leaves_the_target_alone(store, face, mode, files, error):
    face.combine("all", [FileInfo(obj=0, name="old")], store=store)
    before = store.get("all").bytes(), store.head("all").etag
    given = [FileInfo(iter([dumps(1)[:-9]]), "a")] if not isinstance(files[0].source, (bytes, type(None))) else files
    with pytest.raises(error):
        face.combine("all", (file for file in given), mode=mode, store=store)
    assert (store.get("all").bytes(), store.head("all").etag) == before


def test_appending_to_what_is_no_combination(store, face):
    with pytest.raises(NotFoundError):
        face.append("nothing", FileInfo(obj=1), store=store)
    face.dump("plain", [1], store=store)
    with pytest.raises(FormatError, match="combined"):
        face.append("plain", FileInfo(obj=1), store=store)
    with pytest.raises(TypeError):
        FileInfo("a", obj=1)


def test_validation_is_as_close_as_asked(store, face):
    archive = bytearray(dumps({"t": "some text that is long enough"}))
    archive[60] ^= 1
    with pytest.raises(IntegrityError):
        face.combine("all", [bytes(archive)], validate="full", store=store)
    assert face.combine("all", [bytes(archive)], store=store).size > len(archive)
    before = store.head("all").etag
    for files in ([bytes(archive)], []):
        with pytest.raises(ValueError, match="validate"):
            face.combine("all", files, validate="yes", store=store)
    archive[-1] ^= 1  # the checksum of the table
    with pytest.raises(IntegrityError):
        face.combine("all", [bytes(archive)], validate="toc", store=store)
    assert store.head("all").etag == before


def test_children_are_chunks_readers_and_objects(colour, face):
    target = io.BytesIO()
    archive = dumps(B)
    with LazyReader(archive) as reader, colour(LazyCombiner(target)) as combiner:
        combiner.write(reader)
        combiner.write([archive[:100], archive[100:]])
        combiner.write_obj(A)
    assert load(target) == [B, B, A]

    async def chunks():
        for at in range(0, len(archive), 1000):
            yield archive[at : at + 1000]

    with colour(LazyCombiner(target)) as combiner:
        combiner.write(chunks() if colour.name == "async" else [archive], "one")
    assert face.append(target, FileInfo(obj=load(target), name="two")).size == len(target.getvalue())
    assert load(target) == {"one": B, "two": {"one": B}}


def test_archives_nest_up_to_a_limit():
    archive = dumps("core")
    for _ in range(64):
        archive = _wrapped(archive)
    with LazyReader(archive) as reader:
        assert reader.read([0] * 64) == "core"
    with LazyReader(_wrapped(archive)) as reader, pytest.raises(FormatError, match="nested deeper"):
        reader.read([0] * 65)


def _wrapped(archive):
    target = io.BytesIO()
    combine(target, [archive])
    return target.getvalue()
