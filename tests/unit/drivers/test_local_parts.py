"""Part uploads on local disk: any order and size, several processes, a life after death, no litter."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.core.options import PutOptions
from holdall.drivers import _local_system
from holdall.drivers._local_layout import Layout
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    ClosedError,
    HoldallError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from holdall.sources import AsyncSizedChunks, SizedChunks
from holdall.wrappers.prefix import PrefixStore


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    with LocalStore(root, create=True) as store:
        yield store


def files(root):
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)


def copied(monkeypatch):
    """Watch how many bytes are copied within the kernel."""
    seen = []
    copy_range = _local_system.copy_range

    def watching(src, dst, size, **named):
        done = copy_range(src, dst, size, **named)
        seen.append(done)
        return done

    monkeypatch.setattr(_local_system, "copy_range", watching)
    return seen


@settings(max_examples=120, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    step=st.none() | st.integers(1, 40),
    again=st.lists(st.integers(0, 7), max_size=3),
)
def test_any_sizes_in_any_order(tmp_path_factory, sizes, seed, step, again):
    """Whatever comes when, and comes again with another size: the whole is right."""
    store = LocalStore(tmp_path_factory.mktemp("parts"))
    rng = random.Random(seed)
    parts = {number: rng.randbytes(size) for number, size in enumerate(sizes, 1)}
    order = [*parts, *(i % len(sizes) + 1 for i in again)]
    rng.shuffle(order)
    with store.parts("k", PutOptions(part_size=step)) as writer:
        for number in order:
            writer.put_part(number, rng.randbytes(rng.randrange(50)))
        rng.shuffle(order)
        for number in order:
            writer.put_part(number, parts[number])
        assert writer.sent() == {number: len(data) for number, data in parts.items()}
        result = writer.complete()
    assert store.get("k").bytes() == b"".join(parts.values())
    assert (result.size, result.etag) == (sum(sizes), store.head("k").etag)
    assert files(store.root) == ["k"]


@pytest.mark.parametrize(
    ("order", "step"),
    [([1, 2, 3, 4], 1000), ([4, 3, 2, 1], 1000), ([2, 4, 1, 3], 1000), ([1, 2, 3, 4], None), ([3, 1, 4, 2], None)],
)
def test_regular_parts_are_not_copied(colour, store, root, monkeypatch, order, step):
    """They are written where they stay, and published by a rename."""
    seen = copied(monkeypatch)
    data = {1: b"1" * 1000, 2: b"2" * 1000, 3: b"3" * 1000, 4: b"4" * 17}
    with colour(store).parts("k", PutOptions(part_size=step)) as writer:
        for number in order:
            writer.put_part(number, data[number])
        writer.complete()
    assert seen == []
    assert (root / "k").read_bytes() == b"".join(data.values())


def test_parts_of_odd_sizes_in_order_are_not_copied(colour, store, root, monkeypatch):
    """A new head, what stays, a new tail."""
    seen = copied(monkeypatch)
    with colour(store).parts("k") as writer:
        for number, size in enumerate((5, 700, 0, 3, 9000, 1), 1):
            writer.put_part(number, bytes([number]) * size)
        writer.complete()
    assert seen == []
    assert (root / "k").stat().st_size == 9709


def test_irregular_parts_are_copied_into_order(colour, store, root, monkeypatch):
    seen = copied(monkeypatch)
    with colour(store).parts("k") as writer:
        writer.put_part(3, b"last")
        writer.put_part(1, b"first, and longer")
        writer.put_part(2, b"middle")
        writer.complete()
    assert (root / "k").read_bytes() == b"first, and longermiddlelast"
    assert seen


def test_no_parts_make_an_empty_object(colour, store, root):
    with colour(store).parts("k") as writer:
        assert writer.sent() == {}
        assert writer.complete().size == 0
    assert (root / "k").read_bytes() == b""


def test_nothing_shows_and_nothing_stays(colour, store, root):
    verbs = colour(store)
    with verbs.parts("d/k") as writer:
        writer.put_part(1, b"x")
        assert list(verbs.list()) == []
        assert not (root / "d").exists()
    assert os.listdir(root) == []
    with verbs.parts("d/k") as writer:
        writer.put_part(1, b"x")
        writer.complete()
        for call in (lambda: writer.put_part(2, b"y"), writer.complete, writer.sent):
            with pytest.raises(ClosedError):
                call()
    assert os.listdir(root) == ["d"]


def test_two_uploads_of_one_key(colour, store, root):
    verbs = colour(store)
    one, two = verbs.parts("k"), verbs.parts("k")
    one.put_part(1, b"one")
    two.put_part(1, b"two")
    assert sorted(u.upload_id for u in verbs.uploads()) == sorted([one.upload_id, two.upload_id])
    one.complete()
    assert verbs.get("k").bytes() == b"one"
    with pytest.raises(AlreadyExistsError):
        two.complete(mode="create")
    assert two.sent() == {1: 3}, "a refused completion loses nothing"
    two.complete(mode="update", if_match=verbs.head("k").etag)
    assert verbs.get("k").bytes() == b"two"
    assert os.listdir(root) == ["k"]


def test_taken_up_with_its_options(colour, store, root):
    verbs = colour(store)
    options = PutOptions(
        mode="create", content_type="a/b", metadata={"ü": "1"}, tags={"t": "2"}, part_size=3, content_language="de"
    )
    first = verbs.parts("d/k", options)
    first.put_part(2, b"456")
    before = datetime.now(UTC)
    [upload] = LocalStore(root).uploads("d/")
    assert upload.key == "d/k"
    assert abs(upload.started - before) < timedelta(minutes=1)
    again = colour(LocalStore(root)).parts("d/k", upload_id=upload.upload_id)
    again.put_part(1, b"123")
    verbs.put("d/k", b"somebody was quicker")
    with pytest.raises(AlreadyExistsError):
        again.complete()
    verbs.delete("d/k")
    again.complete()
    assert verbs.get("d/k").bytes() == b"123456"
    meta = verbs.head("d/k")
    assert (meta.content_type, dict(meta.metadata), verbs.tags("d/k")) == ("a/b", {"ü": "1"}, {"t": "2"})


@pytest.mark.parametrize("wrong", ["", "x", "../../etc", "0" * 32, "A" * 32, ".holdall/parts"])
def test_uploads_that_are_none(colour, store, wrong):
    verbs = colour(store)
    with pytest.raises(NotFoundError, match="unfinished"):
        verbs.parts("k", upload_id=wrong)
    real = verbs.parts("k")
    with pytest.raises(NotFoundError):
        verbs.parts("other", upload_id=real.upload_id)
    real.abort()
    assert verbs.uploads() == []


def test_half_an_upload_is_none(store, root):
    """A process killed while it began or ended one."""
    one, two, three = (store.parts(f"k{i}") for i in range(3))
    staged = root / ".holdall/parts"
    (staged / one.upload_id / "data").unlink()
    (staged / two.upload_id / "head").unlink()
    (staged / three.upload_id / "head").write_bytes(b'{"key": "k')
    (staged / "no-upload").mkdir()
    assert store.uploads() == []
    for writer in (one, two, three):
        with pytest.raises(NotFoundError):
            store.parts(writer.key, upload_id=writer.upload_id)


def test_half_a_line_of_the_log(colour, store, root):
    """A process killed while it noted a part: the part counts as not sent."""
    verbs = colour(store)
    first = verbs.parts("k", PutOptions(part_size=5))
    first.put_part(1, b"11111")
    log = root / ".holdall/parts" / first.upload_id / "log"
    with log.open("ab") as file:
        file.write(b"r 2 5 5\nd 2 5")
    again = verbs.parts("k", upload_id=first.upload_id)
    assert again.sent() == {1: 5}
    again.put_part(2, b"22222")
    again.put_part(3, b"3")
    assert again.sent() == {1: 5, 2: 5, 3: 1}
    again.complete()
    assert verbs.get("k").bytes() == b"11111222223"


def test_nonsense_in_the_log(store, root):
    writer = store.parts("k")
    writer.put_part(1, b"1")
    with (root / ".holdall/parts" / writer.upload_id / "log").open("ab") as file:
        file.write(b"what\nx 1 2 3\n\n")
    writer.put_part(2, b"2")
    assert writer.complete().size == 2


SENDER = """
    import sys, time
    from holdall.drivers.local import LocalStore
    root, upload_id, me = sys.argv[1:]
    writer = LocalStore(root).parts("k", upload_id=upload_id)
    for number in range(int(me) + 1, 61, 3):
        writer.put_part(number, bytes([number]) * 10_000)
    print("sent", flush=True)
    time.sleep(600 if me == "0" else 0)
"""


def test_processes_send_parts_of_one_upload(store, root, monkeypatch):
    """Three at once, one of them killed in the end; its parts are there."""
    seen = copied(monkeypatch)
    writer = store.parts("k")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SENDER), str(root), writer.upload_id, str(me)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(3)
    ]
    for process in running:
        assert process.stdout.readline() == "sent\n"
    running[0].send_signal(signal.SIGKILL)
    for process in running:
        process.communicate(timeout=60)
    assert writer.sent() == dict.fromkeys(range(1, 61), 10_000)
    writer.complete()
    assert (root / "k").read_bytes() == b"".join(bytes([n]) * 10_000 for n in range(1, 61))
    assert seen == [], "each found its place"


def test_threads_send_parts_at_once(colour, store, root):
    writer = store.parts("k", PutOptions(part_size=1000))

    def send(number, own):
        mine = own(writer)
        for n in range(number + 1, 81, 8):
            mine.put_part(n, bytes([n]) * 1000)

    colour.in_threads(8, send)
    colour(writer).complete()
    assert (root / "k").read_bytes() == b"".join(bytes([n]) * 1000 for n in range(1, 81))


def test_a_part_under_way_is_not_written_over(store):
    """The same number from two senders, the first still at it: each writes to a place of its own, the last one counts."""
    writer = store.parts("k")
    reached, go = threading.Event(), threading.Event()
    write_at = _local_system.write_at

    def slow(fd, data, offset):
        if data[:4] == b"slow":
            reached.set()
            go.wait(30)
        write_at(fd, data, offset)

    _local_system.write_at = slow
    try:
        thread = threading.Thread(target=writer.put_part, args=(1, b"slow one"))
        thread.start()
        assert reached.wait(30)
        writer.put_part(1, b"quick 1!")
        assert writer.sent() == {1: 8}
        go.set()
        thread.join(30)
    finally:
        _local_system.write_at = write_at
    writer.complete()
    assert store.get("k").bytes() == b"slow one"


def test_copied_parts(colour, store, tmp_path):
    verbs = colour(store)
    other = LocalStore(tmp_path / "other", create=True)
    other.put("d/src", b"0123456789")
    with verbs.parts("k") as writer:
        writer.copy_part(1, "d/src", (2, 5), source=other)
        writer.copy_part(2, "src", (8, 100), source=PrefixStore(other, "d/"))
        writer.copy_part(3, "src", (0, 1), if_match=other.head("d/src").etag, source=PrefixStore(other, "d/"))
        with pytest.raises(PreconditionError):
            writer.copy_part(4, "d/src", (0, 1), if_match="no", source=other)
        with pytest.raises(RangeNotSatisfiableError) as caught:
            writer.copy_part(4, "d/src", (10, 11), source=other)
        assert caught.value.key == "d/src"
        with pytest.raises(NotFoundError):
            writer.copy_part(4, "nothing", (0, 1))
        with pytest.raises(NotSupportedError):
            writer.copy_part(4, "x", (0, 1), source=MemoryStore())
        with pytest.raises(ValueError, match="range"):
            writer.copy_part(4, "d/src", (3, 3), source=other)
        writer.complete()
    assert verbs.get("k").bytes() == b"234890"


def test_an_upload_whose_root_vanishes(store, root):
    writer = store.parts("k")
    os.rename(root, f"{root}-away")
    for call in (lambda: writer.put_part(1, b"x"), writer.sent, writer.complete):
        with pytest.raises(UnavailableError):
            call()
    with pytest.raises(UnavailableError):
        writer.abort()
    os.rename(f"{root}-away", root)
    assert store.uploads() != []


def test_bad_completion_mode(store):
    with store.parts("k") as writer:
        writer.put_part(1, b"x")
        with pytest.raises(ValueError, match="mode"):
            writer.complete(mode="nonsense")
        with pytest.raises(ValueError, match="if_match"):
            writer.complete(mode="update")


def test_another_file_system_below_the_root(colour, store, root, tmp_path):
    """The staged data cannot be renamed there: it is copied beside its place, then renamed."""
    store.put("disk/", b"")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(root / "disk")], capture_output=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a tmpfs: {mounted.stderr!r}")
        pytest.skip("mounting needs root")
    try:
        verbs = colour(store)
        with verbs.parts("disk/d/k", PutOptions(content_type="a/b")) as writer:
            writer.put_part(1, b"123")
            writer.complete()
        assert verbs.head("disk/d/k").content_type == "a/b"
        assert verbs.get("disk/d/k").bytes() == b"123"
        with verbs.parts("disk/d/k", PutOptions(mode="create")) as writer:
            writer.put_part(1, b"456")
            with pytest.raises(AlreadyExistsError):
                writer.complete()
        verbs.put("here", b"1")
        with pytest.raises(NotSupportedError, match="file system"):
            verbs.rename("here", "disk/there")
        verbs.copy("here", "disk/there")
        assert files(root) == ["disk/d/k", "disk/there", "here"]
    finally:
        subprocess.run(["umount", str(root / "disk")], check=True)


def test_the_layout_keeps_its_invariant():
    """Reserved stretches never overlap, whatever is asked for."""
    layout = Layout()
    rng = random.Random(1)
    for _ in range(500):
        number, size = rng.randrange(1, 40), rng.choice([0, 1, 5, 10, 10, 10, 33])
        offset = layout.choose(number, size, 0)
        if number not in layout.done:
            assert layout.free(offset, size)
        layout.reserve(number, offset, size)
        if rng.random() < 0.8:
            layout.finish(number, offset, size)
        stretches = sorted((start, start + layout.sizes[start]) for start in layout.starts)
        assert all(one[1] <= other[0] for one, other in pairwise(stretches))


def test_a_part_that_is_poured_lies_in_its_place_at_once(root, store, monkeypatch):
    """Chunks are written as they come, each once, to where they will be in the whole; nothing is held until the part is whole."""
    seen, calls = copied(monkeypatch), []
    write_at = _local_system.write_at
    monkeypatch.setattr(
        _local_system, "write_at", lambda fd, data, offset: calls.append((len(data), offset)) or write_at(fd, data, offset)
    )
    with store.parts("k", PutOptions(part_size=100)) as writer:
        for number in (2, 1):
            drawn = []

            def chunks(number=number, drawn=drawn):
                for i in range(4):
                    [data] = (path for path in root.glob(".holdall/parts/*/data"))
                    drawn.append(data.stat().st_size)
                    yield bytes([10 * number + i]) * 25

            calls.clear()
            writer.pour_part(number, SizedChunks(chunks(), 100))
            assert [call for call in calls if call[0] == 25] == [(25, 100 * (number - 1) + 25 * i) for i in range(4)]
            assert drawn == ([0, 125, 150, 175] if number == 2 else [200] * 4)
        writer.complete()
    assert seen == []
    assert store.get("k").bytes() == b"".join(bytes([10 * number + i]) * 25 for number in (1, 2) for i in range(4))


@pytest.mark.parametrize("order", [(1, 2, 6, 10), (10, 6, 2, 1), (6, 1, 10, 2)])
def test_numbers_say_the_places_of_parts_of_several_sizes(colour, store, monkeypatch, order):
    """With a part size given, a part of some parts' size has its number, and what it takes up is left out: nothing is moved."""
    seen = copied(monkeypatch)
    sizes = {1: 10, 2: 40, 6: 40, 10: 7}
    with colour(colour(store).parts("k", PutOptions(part_size=10))) as writer:
        for number in order:
            writer.put_part(number, bytes([number]) * sizes[number])
        writer.complete()
    assert store.get("k").bytes() == b"".join(bytes([number]) * size for number, size in sizes.items())
    assert seen == []


def test_a_part_that_is_given_up_while_a_thread_writes(store, monkeypatch):
    """The file stays open until the thread is done, and is closed then; the upload goes on."""
    begun, go, closed = threading.Event(), threading.Event(), []
    write_at, close = _local_system.write_at, os.close

    def slow(fd, data, offset):
        if bytes(data) == b"slow":
            begun.set()
            assert go.wait(60)
            assert fd not in closed
        write_at(fd, data, offset)

    async def chunks():
        yield b"slow"

    async def main():
        writer = await store.parts_async("k")
        task = asyncio.create_task(writer.pour_part_async(1, AsyncSizedChunks(chunks(), 8)))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert await writer.sent_async() == {}
        await writer.put_part_async(1, b"whole")
        return await writer.complete_async()

    monkeypatch.setattr(_local_system, "write_at", slow)
    monkeypatch.setattr(os, "close", lambda fd: (closed.append(fd), close(fd)))
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    assert asyncio.run(main()).size == 5
    assert store.get("k").bytes() == b"whole"
    if before:
        held = {
            os.readlink(f"/proc/self/fd/{fd}")
            for fd in set(os.listdir("/proc/self/fd")) - before
            if os.path.exists(f"/proc/self/fd/{fd}")
        }
        assert not [path for path in held if str(store.root) in path]


def test_what_the_source_of_a_part_raises_is_not_taken_for_the_disks(colour, store):
    """A source's own `OSError` comes out as it is."""

    def chunks():
        yield b"1"
        raise FileNotFoundError(2, "the source's own")

    with store.parts("k") as writer:
        with pytest.raises(FileNotFoundError, match="the source's own") as raised:
            writer.pour_part(1, SizedChunks(chunks(), 2))
        assert not isinstance(raised.value, HoldallError)
        assert writer.sent() == {}
