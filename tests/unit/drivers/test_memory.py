"""The memory driver beyond the contract: isolation, versions, pages, threads, forks."""

import asyncio
import os
import pickle
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest

from holdall.core.keys import ReservedKey
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.drivers import memory
from holdall.drivers.memory import YIELD, MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    ClosedError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    VersionNotFoundError,
)
from holdall.results import CHUNK
from holdall.wrappers.prefix import PrefixStore


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def verbs(colour, store):
    return colour(store)


@pytest.fixture
def versioned(colour):
    return colour(MemoryStore(versioned=True))


def read(verbs, key, **options):
    with verbs.get(key, GetOptions(**options)) as result:
        return result.bytes()


def everything(verbs, prefix="", **options):
    pages = list(verbs.list(prefix, **options))
    return [meta.key for page in pages for meta in page.objects], [name for page in pages for name in page.prefixes]


# -- what it is -------------------------------------------------------------------------------------------------------


def test_each_is_its_own(colour):
    one, other = MemoryStore(), MemoryStore()
    colour(one).put("k", b"1")
    with pytest.raises(NotFoundError):
        colour(other).get("k")
    assert one.identity != other.identity
    assert one.identity.place != MemoryStore().identity.place


def test_repr():
    assert repr(MemoryStore()) == "MemoryStore()"
    assert repr(MemoryStore(name="cache", versioned=True)) == "MemoryStore('cache', versioned=True)"


def test_what_it_cannot_is_a_sentence(store, colour):
    for ask, said in [
        (lambda: colour(store).versions("k"), "cannot list versions: the store is not versioned"),
        (lambda: colour(store).restore("k", "1"), "cannot restore versions: the store is not versioned"),
    ]:
        with pytest.raises(NotSupportedError, match=said):
            ask()


def test_capabilities_tell_versions_apart(store):
    assert (store.capabilities.versions, store.capabilities.versioned) == (False, False)
    capabilities = MemoryStore(versioned=True).capabilities
    assert (capabilities.versions, capabilities.versioned) == (True, True)
    assert capabilities.temporary
    assert not capabilities.local


def test_it_does_not_travel(store):
    """Content dies with the process: a copy elsewhere would be another store that looks like this one."""
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(store)


def test_what_was_given_can_be_changed_by_its_owner(verbs):
    """A put keeps its own copy of the bytes."""
    data = bytearray(b"abc")
    verbs.put("k", data)
    verbs.put("l", memoryview(data))
    with verbs.parts("m") as writer:
        writer.put_part(1, data)
        data[:] = b"xyz"
        writer.complete()
    assert [read(verbs, key) for key in "klm"] == [b"abc"] * 3


def test_close_drops_everything(verbs, store):
    verbs.put("k", b"1")
    pages = verbs.list()
    writer = verbs.parts("p")
    verbs.close()
    with pytest.raises(ClosedError):
        next(iter(pages))
    with pytest.raises(ClosedError):
        writer.put_part(1, b"1")
    writer.abort()
    assert store._history == {}


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [YIELD, YIELD + 1, 2 * YIELD + 3])
def test_large_bodies_come_in_chunks(verbs, size):
    data = os.urandom(CHUNK) * (size // CHUNK) + bytes(size % CHUNK)
    verbs.put("k", data)
    result = verbs.get("k")
    assert result.buffered == (size <= YIELD)
    chunks = list(result)
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= (size if size <= YIELD else CHUNK)
    assert read(verbs, "k", range=(5, size)) == data[5:]
    assert verbs.get("k").bytes() is verbs.get("k").bytes(), "it is not copied"


def test_a_loop_breathes_while_much_is_read(store):
    """Other tasks run between the chunks of a large body and the pages of a listing."""
    store.put("k", bytes(3 * YIELD))
    for i in range(3000):
        store.put(f"many/{i}", b"")

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(tick())
        await asyncio.sleep(0)
        before = ticks
        assert sum([len(chunk) async for chunk in await store.get_async("k")]) == 3 * YIELD
        assert ticks - before >= 10
        before = ticks
        assert sum([len(page.objects) async for page in store.list_async("many/")]) == 3000
        assert ticks - before >= 2
        task.cancel()

    asyncio.run(main())


def test_an_old_reader_keeps_what_it_opened(verbs):
    verbs.put("k", bytes(2 * YIELD))
    with verbs.get("k") as result:
        chunks = iter(result)
        first = next(chunks)
        verbs.put("k", b"new")
        verbs.delete("k")
        assert len(first) + sum(map(len, chunks)) == 2 * YIELD


# -- listing ----------------------------------------------------------------------------------------------------------


def test_pages_and_groups(verbs, monkeypatch):
    """Every page size gives the same; a group counts once, also with the greatest of all characters in it."""
    monkeypatch.setattr(memory, "PAGE", 3)
    last = "\U0010ffff"
    keys = ["a", "a-", "a/", "a/1", f"a/{last}", f"a/{last}{last}x", "a0", "b/c/d", "b/c/e", "z"]
    for key in keys:
        verbs.put(key, b"")
    assert everything(verbs) == (sorted(keys), [])
    assert everything(verbs, delimiter="/") == (["a", "a-", "a0", "z"], ["a/", "b/"])
    assert everything(verbs, "a/", delimiter="/") == (["a/", "a/1", f"a/{last}", f"a/{last}{last}x"], [])
    assert everything(verbs, "b", delimiter="/", start_after="b/") == ([], [])
    assert everything(verbs, start_after="b/c/d") == (["b/c/e", "z"], [])
    assert all(len(page.objects) + len(page.prefixes) <= 3 for page in verbs.list())


def test_what_comes_and_goes_during_a_listing(verbs, monkeypatch):
    monkeypatch.setattr(memory, "PAGE", 2)
    for key in "abcdef":
        verbs.put(key, b"")
    seen = []
    for page in verbs.list():
        seen += [meta.key for meta in page.objects]
        if seen == ["a", "b"]:
            verbs.delete(["a", "b", "c"])
            verbs.put("aa", b"")
            verbs.put("dd", b"")
    assert seen == ["a", "b", "d", "dd", "e", "f"]


def test_reserved_keys(verbs):
    ours = ReservedKey(".holdall/x")
    verbs.put(ours, b"1")
    verbs.put("k", b"2")
    assert read(verbs, ours) == b"1"
    assert type(verbs.head(ours).key) is str
    assert everything(verbs) == (["k"], [])
    assert everything(verbs, ReservedKey(".holdall/")) == ([".holdall/x"], [])
    assert everything(verbs, ".holdall/") == ([], [])
    with pytest.raises(InvalidKeyError):
        verbs.get(".holdall/x")


# -- writing ----------------------------------------------------------------------------------------------------------


def test_etags_never_come_back(verbs):
    etags = set()
    for _ in range(50):
        etags.add(verbs.put("k", b"same").etag)
        verbs.delete("k")
    assert len(etags) == 50


def test_markers_hold_no_bytes(verbs):
    verbs.put("k", b"1")
    verbs.put("d/", b"")
    for call in (
        lambda: verbs.put("e/", b"1"),
        lambda: verbs.put("e/", [b""]),
        lambda: verbs.copy("k", "e/"),
        lambda: verbs.rename("k", "e/"),
        lambda: verbs.parts("e/"),
    ):
        with pytest.raises(InvalidKeyError, match="directory"):
            call()
    verbs.copy("d/", "e/")
    assert verbs.head("e/").kind == "directory"
    assert everything(verbs) == (["d/", "e/", "k"], [])


def test_options_that_memory_cannot_honour(verbs):
    with pytest.raises(NotSupportedError, match="storage class"):
        verbs.put("k", b"1", PutOptions(storage_class="COLD"))
    with pytest.raises(NotSupportedError, match="not versioned"):
        verbs.get("k", GetOptions(version="1"))
    with pytest.raises(NotSupportedError, match="no memory store"):
        verbs.copy("k", "l", source=PrefixStore(_Other(), "x/"))


class _Other(MemoryStore):
    """A store of another kind, as far as `locate` tells."""

    def locate(self, key):
        from holdall.drivers.inline import InlineStore

        return InlineStore(), key


def test_copies_between_stores(verbs):
    other = MemoryStore()
    other.put("d/k", b"1", PutOptions(content_type="a/b", metadata={"m": "1"}, tags={"t": "1"}))
    verbs.copy("k", "copy", source=PrefixStore(other, "d/"))
    assert read(verbs, "copy") == b"1"
    assert (verbs.head("copy").content_type, verbs.tags("copy")) == ("a/b", {"t": "1"})
    with pytest.raises(AlreadyExistsError):
        verbs.copy("k", "copy", CopyOptions(mode="create"), source=PrefixStore(other, "d/"))


def test_a_refused_rename_changes_nothing(verbs):
    etag = verbs.put("a", b"1").etag
    verbs.put("b", b"2")
    with pytest.raises(AlreadyExistsError):
        verbs.rename("a", "b", mode="create")
    with pytest.raises(NotFoundError):
        verbs.rename("no", "b")
    assert verbs.head("a").etag == etag
    assert read(verbs, "b") == b"2"


def test_times_are_kept_in_utc(verbs):
    from datetime import timedelta, timezone

    verbs.put("k", b"1")
    moment = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    verbs.set_modified("k", moment)
    assert verbs.head("k").last_modified == moment
    assert verbs.head("k").last_modified.tzinfo is UTC


def test_set_metadata_makes_a_new_etag(verbs):
    etag = verbs.put("k", b"1", PutOptions(tags={"t": "1"})).etag
    result = verbs.set_metadata("k", {"A": "b"}, if_match=etag)
    assert result.etag not in {None, etag}
    assert verbs.tags("k") == {"t": "1"}
    with pytest.raises(PreconditionError):
        verbs.set_metadata("k", {}, if_match=etag)


# -- versions ---------------------------------------------------------------------------------------------------------


def test_history(versioned):
    one = versioned.put("k", b"1").version
    two = versioned.put("k", b"2", PutOptions(tags={"t": "2"})).version
    versioned.delete("k")
    three = versioned.put("k", b"3").version
    history = versioned.versions("k")
    assert [v.delete_marker for v in history] == [False, False, True, False]
    assert [v.is_latest for v in history] == [False, False, False, True]
    assert [v.version for v in history] == sorted(v.version for v in history)
    assert [history[i].version for i in (0, 1, 3)] == [one, two, three]
    assert [read(versioned, "k", version=v) for v in (one, two, three)] == [b"1", b"2", b"3"]
    assert versioned.head("k", version=two).size == 1
    assert versioned.tags("k", version=two) == {"t": "2"}
    assert versioned.tags("k") == {}
    for wrong in ("nonsense", history[2].version):
        for call in (versioned.head, versioned.tags):
            with pytest.raises(VersionNotFoundError):
                call("k", version=wrong)
    assert versioned.versions("never") == []


def test_restoring_destroys_nothing(versioned):
    one = versioned.put("k", b"1", PutOptions(content_type="a/b", tags={"t": "1"})).version
    versioned.put("k", b"2")
    versioned.delete("k")
    back = versioned.restore("k", one)
    assert read(versioned, "k") == b"1"
    assert versioned.head("k").version == back.version != one
    assert (versioned.head("k").content_type, versioned.tags("k")) == ("a/b", {"t": "1"})
    assert len(versioned.versions("k")) == 4
    with pytest.raises(VersionNotFoundError):
        versioned.restore("k", "nonsense")


def test_deleting_versions(versioned):
    one, two = (versioned.put("k", data).version for data in (b"1", b"2"))
    versioned.delete("k")
    marker = versioned.versions("k")[-1].version
    assert everything(versioned) == ([], [])
    versioned.delete_version("k", marker)
    assert everything(versioned) == (["k"], [])
    assert read(versioned, "k") == b"2"
    versioned.delete_version("k", two)
    assert read(versioned, "k") == b"1"
    versioned.delete_version("k", one)
    assert (versioned.versions("k"), everything(versioned)) == ([], ([], []))
    with pytest.raises(VersionNotFoundError):
        versioned.delete_version("k", one)


def test_deleting_what_is_absent_makes_no_marker(versioned):
    [result] = versioned.delete(["k"])
    assert result.existed is False
    versioned.put("k", b"1")
    versioned.delete("k")
    versioned.delete("k")
    assert len(versioned.versions("k")) == 2


def test_a_rename_keeps_the_history_of_both(versioned):
    versioned.put("a", b"1")
    versioned.put("b", b"2")
    versioned.rename("a", "b")
    assert [v.delete_marker for v in versioned.versions("a")] == [False, True]
    assert len(versioned.versions("b")) == 2
    assert read(versioned, "b") == b"1"


# -- parts ------------------------------------------------------------------------------------------------------------


def test_uploads_below_a_prefix(verbs):
    writers = [verbs.parts(key) for key in ("b/2", "a", "b/1")]
    assert [upload.key for upload in verbs.uploads()] == ["a", "b/1", "b/2"]
    assert [upload.key for upload in verbs.uploads("b/")] == ["b/1", "b/2"]
    assert all(upload.started.tzinfo is UTC for upload in verbs.uploads())
    for writer in writers:
        writer.abort()
    assert verbs.uploads() == []
    with pytest.raises(ValueError, match="Parent"):
        verbs.uploads("../")


def test_copied_parts(verbs, store):
    other = MemoryStore()
    other.put("k", b"0123456789")
    with verbs.parts("p") as writer:
        writer.copy_part(2, "k", (0, 3), source=other)
        writer.copy_part(1, "k", (8, 100), source=other, if_match=other.head("k").etag)
        with pytest.raises(PreconditionError):
            writer.copy_part(3, "k", (0, 1), source=other, if_match="no")
        with pytest.raises(NotSupportedError):
            writer.copy_part(3, "k", (0, 1), source=_Other())
        writer.complete()
    assert read(verbs, "p") == b"89012"


# -- threads and forks ------------------------------------------------------------------------------------------------


def test_threads_count_without_loss(colour, store):
    store.put("n", b"0")

    def count(_, own):
        mine = own(store)
        for _ in range(50):
            while True:
                with mine.get("n") as result:
                    value, etag = int(result.bytes()), result.meta.etag
                try:
                    mine.put("n", str(value + 1).encode(), PutOptions(if_match=etag))
                    break
                except PreconditionError:
                    continue

    colour.in_threads(8, count)
    assert store.get("n").bytes() == b"400"


def test_listing_beside_writers(colour, store):
    for i in range(50):
        store.put(f"stay/{i:02}", b"")

    def body(number, own):
        mine = own(store)
        for i in range(100):
            if number:
                mine.put(f"stay/{i % 50:02}-{number}", b"")
                mine.delete(f"stay/{i % 50:02}-{number}")
            else:
                found, _ = everything(mine)
                assert found == sorted(found)
                assert {f"stay/{n:02}" for n in range(50)} <= set(found)

    colour.in_threads(4, body)


FORKS = """
    import asyncio, itertools, os, threading
    from holdall.drivers.memory import MemoryStore
    store = MemoryStore()
    store.put("k", b"1")
    stop = threading.Event()
    def write():
        for i in itertools.count():
            if stop.is_set():
                return
            store.put("busy", str(i).encode())
    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.put("k", b"child")
                code = 0 if store.get("k").bytes() == b"child" and list(store.list()) else 2
                asyncio.run(store.put_async("k", b"awaited"))
                assert asyncio.run(store.get_async("k")).bytes() == b"awaited"
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
    stop.set()
    thread.join()
    print(store.get("k").bytes())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_holds_the_lock():
    """The child gets a copy with a lock of its own, and does not hang.

    In a process of its own: tools that trace the test's own process hold locks of theirs over the fork.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORKS)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout.split(), run.stderr) == ([*["0"] * 20, "b'1'"], "")
