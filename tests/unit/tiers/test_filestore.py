"""`FileStore`: names, layouts, batches, files, verify and repair, configuration, life."""

import asyncio
import json
import logging
import math
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leftovers import Threads

import holdall.tiers
from holdall.core.keys import ReservedKey
from holdall.core.options import PutOptions
from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine.table import MountTable, default_table, set_default
from holdall.errors import (
    ClosedError,
    ConfigError,
    HoldallError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    UnavailableError,
)
from holdall.results import PutResult
from holdall.testing import CountingStore, FlakyStore
from holdall.tiers import FileStore, PartialWriteError, Sharded, checking, checking_async, loader
from holdall.tiers.sorting import Listed, Sorter
from holdall.wrappers.forwarding import ForwardingStore

QUICK = RetryPolicy(attempts=2, first=0.0001, cap=0.001)
HASH = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdef0123"


@pytest.fixture
def places():
    return [MemoryStore() for _ in range(3)]


@pytest.fixture
def plain(places):
    with FileStore(*places, names=["hot", "warm", "cold"], retry=QUICK) as fs:
        yield fs


@pytest.fixture
def fs(plain, colour):
    return colour(plain)


# -- locations --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("near", "hot"), ("FAR", "cold"), ("all", "hot warm cold"), ("Any", "hot warm cold"), ("warm", "warm"), (0, "hot"), (-1, "cold"),
        (["far", "near"], "hot cold"), ([1, "warm"], "warm"),
    ],
)  # fmt: skip
def test_words_names_and_indexes(plain, where, names):
    assert " ".join(loc.name for loc in plain.at(where).locations) == names


@pytest.mark.parametrize("where", ["nowhere", 3, -4, True, None, [], 1.5, "worm"])
def test_unknown_locations(plain, fs, where):
    with pytest.raises(ConfigError):
        fs.get("k", where)


def test_an_unknown_location_lists_the_names(fs):
    with pytest.raises(ConfigError, match=r"did you mean 'warm'\? \(known: hot, warm, cold, near, far, all, any\)"):
        fs.get("k", "worm")


@pytest.mark.parametrize(
    "make",
    [
        FileStore,
        lambda: FileStore("relative/path"),
        lambda: FileStore(42),
        lambda: FileStore("memory://", names=["a"]),
        lambda: FileStore("memory://", names=["near"]),
        lambda: FileStore("memory://", "memory://", names=["aa", "aa"]),
        lambda: FileStore("memory://?name=all"),
        lambda: FileStore("memory://", names="ab"),
        lambda: FileStore("memory://", layout="round"),
        lambda: FileStore("memory://", digest="md5"),
        lambda: FileStore("memory://", existing="sometimes"),
        lambda: FileStore("memory://", degraded="maybe"),
        lambda: FileStore("memory://", confirm="yes"),
        lambda: FileStore("memory://", concurrency=0),
        lambda: FileStore("memory://", concurrency="4"),
        lambda: FileStore("memory://", retry=0),
        lambda: FileStore("memory://", breaker=5),
        lambda: FileStore("memory://", timeouts=3.0),
        lambda: FileStore("memory://", connection_attempts="2"),
        lambda: FileStore("memory://", connect="now"),
        lambda: FileStore("memory://", connection_attempts=0),
        lambda: FileStore("memory://", connection_attempts=1, retry=QUICK),
        lambda: FileStore("memory://", "memory://", arbiter="all"),
        lambda: FileStore("memory://?read_only=1", arbiter=0),
        lambda: FileStore({"url": "memory://", "nmae": "x"}),
        lambda: FileStore({"name": "xx"}),
        lambda: FileStore({"url": "memory://", "read_only": "maybe"}),
        lambda: FileStore({"url": "memory://?name=aa", "name": "bb"}),
        lambda: FileStore("s3://KEY:SECRET@host/bucket?s3_buket=x"),
    ],
)
def test_bad_configurations(make):
    with pytest.raises(ConfigError) as caught:
        make()
    assert "SECRET" not in str(caught.value)


def test_unknown_keywords():
    with pytest.raises(TypeError):
        FileStore("memory://", promte_on_read=True)


def test_kinds_of_locations(tmp_path, colour):
    table = MountTable({"uploads": MemoryStore()})
    before = set_default(table)
    try:
        plain = FileStore(
            f"file://{tmp_path}/a",
            tmp_path / "b",
            MemoryStore(),
            "uploads:sub/dir",
            {"url": "memory://", "name": "fifth", "read_only": "yes"},
            {"store": MemoryStore(), "name": "sixth", "layout": "sharded"},
        )
    finally:
        set_default(before)
    assert default_table() is not table
    assert [loc.name for loc in plain.locations] == ["file-0", "file-1", "memory-2", "uploads-3", "fifth", "sixth"]
    assert [loc.read_only for loc in plain.locations] == [False] * 4 + [True, False]
    fs = colour(plain)
    fs.put(HASH, b"x")
    assert (tmp_path / "a" / HASH).read_bytes() == b"x"
    assert plain.locations[5].store.head(f"0/1/2/3/{HASH}").size == 1
    assert table["uploads"].get(f"sub/dir/{HASH}").bytes() == b"x"
    assert len(fs.exists(HASH, "all")) == 5


# -- content, files, streams ------------------------------------------------------------------------------------------------


def test_text_is_utf8_everywhere(fs, places):
    fs.put("k", "grün")
    assert [place.get("k").bytes() for place in places] == ["grün".encode()] * 3


def test_metadata_is_kept_and_our_digest_is_not_shown(plain, fs, places):
    fs.put("k", b"x", options=PutOptions(metadata={"author": "me"}))
    assert plain.store.head("k").metadata == {"author": "me"}
    assert set(plain.store.head("k").digests) >= {"sha256"}
    assert fs.stat("k").digest == plain.store.head("k").digests["sha256"]
    assert fs.put("k", b"x", options=PutOptions(metadata={"author": "me"})) == []
    assert len(fs.put("k", b"x", options=PutOptions(metadata={"author": "you"}))) == 3


def test_streams(plain, colour):
    plain.put("k", bytes(range(100)))
    with plain.stream("k", chunk_size=30) as chunks:
        assert [len(chunk) for chunk in chunks] == [30, 30, 30, 10]
    with plain.stream("k", range=(10, 20)) as chunks:
        assert b"".join(chunks) == bytes(range(10, 20))

    async def read():
        async with plain.stream_async("k", "far", chunk_size=64) as chunks:
            return [len(chunk) async for chunk in chunks]

    assert asyncio.run(read()) == [64, 36]
    with pytest.raises(NotFoundError), plain.stream("absent"):
        pass


def test_files(plain, places):
    with plain.open("k", "wb") as file:
        file.write(b"he")
        file.write(b"llo")
    assert [place.get("k").bytes() for place in places] == [b"hello"] * 3
    with pytest.raises(RuntimeError), plain.open("k", "wb") as file:
        file.write(b"half")
        raise RuntimeError
    assert plain.open("k").read() == b"hello"
    with plain.open("t", "w", "far") as file:
        file.write("text")
    assert plain.exists("t", "near") == []
    with pytest.raises(FileExistsError), plain.open("k", "xb") as file:
        file.write(b"x")

    async def both():
        async with plain.open_async("a", "wb") as file:
            await file.write(b"async")
        async with plain.open_async("a") as file:
            return await file.read()

    assert asyncio.run(both()) == b"async"


def test_download(fs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fs.put("k", b"content")
    report = fs.download("k", "bare")
    assert (report[0].name, report.size, report.degraded) == ("hot", 7, False)
    assert fs.download("k", tmp_path / "x" / "y" / "z").digest == fs.stat("k").digest
    assert (tmp_path / "bare").read_bytes() == (tmp_path / "x/y/z").read_bytes() == b"content"
    (tmp_path / "bare").write_bytes(b"old")
    with pytest.raises(NotFoundError):
        fs.download("absent", "bare")
    assert (tmp_path / "bare").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["bare", "x"]


def test_upload(fs, tmp_path, places):
    counting = CountingStore(MemoryStore())
    with FileStore(counting) as other:
        with pytest.raises(FileNotFoundError):
            other.upload(tmp_path / "absent", "k")
        assert counting.counts.total == 0
    source = tmp_path / "source"
    source.write_bytes(bytes(9_000_000))
    assert len(fs.upload(str(source), "k", verify=True)) == 3
    assert fs.upload(source, "k") == []
    assert len(fs.upload(source, "k", force=True)) == 3


def test_copy_and_promote(fs, places):
    fs.put("k", b"far", "far")
    assert [loc.name for loc in fs.copy("k", "warm", dest="l")] == ["warm"]
    assert fs.copy("k", "warm", dest="l") == []
    report = fs.promote("k", "absent")
    assert list(report) == ["k"]
    assert list(report.failures) == ["absent"]
    assert fs.promote("k").skipped == ["k"]
    assert [len(fs.exists(name, "all")) for name in ("k", "l")] == [2, 1]
    with pytest.raises(NotFoundError):
        fs.copy("absent", "warm")


@pytest.mark.parametrize("served", [True, False])
def test_copies_of_one_service_stay_in_it(served, colour):
    """Bytes go through this machine only where the service does not copy, and the reports are the same."""
    counting = [CountingStore(MemoryStore()) for _ in range(2)]
    two = [store if served else Unhelpful(store) for store in counting]
    options = PutOptions(content_type="text/x", metadata={"author": "me"})
    with FileStore(*two, names=["one", "two"], retry=QUICK) as plain:
        fs = colour(plain)
        fs.put("k", b"far", "two", options=options)
        assert [loc.name for loc in fs.copy("k", "one", dest="l")] == ["one"]
        assert fs.copy("k", "one", dest="l") == []
        assert [loc.name for loc in fs.copy("k", "one", dest="l", force=True)] == ["one"]
        assert list(fs.promote("k")) == ["k"]
        counting[0].delete("k")
        assert fs.repair("k").repaired == [("k", "one")]
        fs.put("k", b"newer", "two", options=options)
        assert [loc.name for loc in fs.copy("k", "one", "two")] == ["one"]
        assert counting[0].get("k").bytes() == b"newer"
        for name, store in (("l", counting[0]), ("k", counting[0])):
            assert store.head(name).content_type == "text/x"
            assert store.head(name).metadata["author"] == "me"
        assert ("copy" in counting[0].counts.calls) == served
        assert fs.copy("k", "two") == []  # onto itself
        with pytest.raises(NotFoundError):
            fs.copy("absent", "one")


class Unhelpful(ForwardingStore):
    def _narrowed(self, inner):
        return inner.narrowed(copy=False)


def test_locate_never_raises_for_one_location(places, colour):
    flaky = FlakyStore(places[1])
    with FileStore(places[0], flaky, places[2], names=["one", "two", "three"], retry=QUICK) as fs:
        fs.put("k", b"x", "one")
        flaky.fail("*", times=100)
        found = colour(fs).locate("k")
        assert found["one"].size == 1
        assert isinstance(found["two"], UnavailableError)
        assert found["three"] is None


# -- keys and layouts -------------------------------------------------------------------------------------------------------

BAD = ["..", "/etc/passwd", "a/../../x", "a\0b", "", ".holdall/x", ".holdall-x", "a/.holdall/b"]


@pytest.mark.parametrize("name", BAD)
def test_a15_containment(name, tmp_path, colour):
    counting = CountingStore(MemoryStore())
    with FileStore(counting, retry=QUICK) as plain:
        fs = colour(plain)
        source = tmp_path / "source"
        source.write_bytes(b"x")
        calls = [
            lambda: fs.get(name), lambda: fs.exists(name), lambda: fs.stat(name), lambda: fs.put(name, b"x"), lambda: fs.delete(name),
            lambda: fs.upload(source, name), lambda: fs.download(name, tmp_path / "y"), lambda: fs.copy(name, "all"), lambda: fs.locate(name),
            lambda: plain.store.get(name), lambda: plain.store.head(name), lambda: plain.store.put(name, b""), lambda: plain.store.delete([name]),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(InvalidKeyError):
                call()
        for failures in (
            fs.upload_batch([(source, name)]),
            fs.download_batch([(name, tmp_path / "y")]),
            fs.delete_batch([name]),
        ):
            assert isinstance(failures[0][2], InvalidKeyError)
        assert list(fs.promote(name).failures) == [name]
        assert counting.counts.total == 0


def test_a16_sharded(tmp_path, colour):
    md5 = "d41d8cd98f00b204e9800998ecf8427e"
    with FileStore(f"file://{tmp_path}/a", MemoryStore(), layout="sharded") as plain:
        fs = colour(plain)
        for name in (HASH, md5, "upload/a", "0123-flat", "0/x"):
            fs.put(name, name.encode())
        assert (tmp_path / "a" / "0" / "1" / "2" / "3" / HASH).read_text() == HASH
        assert (tmp_path / "a" / md5).is_file()
        assert plain.locations[1].store.head(HASH).size == 64  # object stores stay flat
        everything = sorted([HASH, md5, "upload/a", "0123-flat", "0/x"])
        assert [entry.path for entry in fs.list()] == everything
        assert all(len(entry.locations) == 2 for entry in fs.list())
        for length in range(1, 6):
            prefix = HASH[:length]
            assert [entry.path for entry in fs.list(prefix)] == [name for name in everything if name.startswith(prefix)]
        assert [entry.path for entry in fs.list(start_after="0123-flat")] == [
            name for name in everything if name > "0123-flat"
        ]
        assert fs.get(HASH, "near") == HASH.encode()
        fs.delete(HASH)
        assert not (tmp_path / "a" / "0" / "1" / "2" / "3" / HASH).exists()


@settings(deadline=None)
@given(st.one_of(st.text("0123456789abcdefABCDEF", min_size=64, max_size=64), st.text("0aF/-.x", min_size=1, max_size=80)))
def test_a16_names_come_back(name):
    layout = Sharded()
    key = layout.to_key(name)
    assert layout.to_name(key) == name
    for length in range(6):
        assert any(key.startswith(prefix) for prefix in layout.to_prefixes(name[:length]))


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=5), max_size=60))
def test_runs_are_merged_in_order(names):
    sorter = Sorter(run=7)
    for name in names:
        sorter.add([Listed(name, 1)])
    assert [entry.name for entry in sorter.sorted()] == sorted(names)


# -- batches and listings ---------------------------------------------------------------------------------------------------


def test_a30_batches(fs, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 10)

    def pairs():
        for i in range(500):
            yield (tmp_path / "absent" if i % 100 == 7 else source), (f"../{i}" if i % 100 == 9 else f"b/{i}")

    batch = fs.upload_batch(pairs())
    assert (batch.done, len(batch), batch.bytes) == (490, 10, 4900)
    assert {type(error).__name__ for _, _, error in batch} == {"FileNotFoundError", "InvalidKeyError"}
    assert len(batch.outcomes) < 1100
    names = [entry.path for entry in fs.list("b/")]
    assert len(names) == 490
    got = fs.download_batch((name, tmp_path / "out" / name) for name in [*names[:50], "absent"])
    assert [item[0] for item in got] == ["absent"]
    assert got.done == 50
    assert fs.delete_batch(iter(names)) == []
    assert list(fs.list()) == []


class Sink(ForwardingStore):
    """Takes content and forgets it; everything can be deleted."""

    def __init__(self, inner):
        super().__init__(inner)
        self.puts = []

    def put(self, key, source, options=None):
        self.puts.append(key)
        return PutResult(key=key, size=10)

    async def put_async(self, key, source, options=None):
        return self.put(key, source, options)


def test_a30_ten_thousand_from_a_generator(tmp_path, colour):
    """Exactly the missing sources and the refused names fail; no more is drawn than is under way, no more kept than the failures."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 10)
    sink = Sink(MemoryStore())

    def pairs():
        for i in range(10_000):
            assert i - len(sink.puts) < 100
            yield (tmp_path / "absent" if i % 1000 == 7 else source), (f"../{i}" if i % 1000 == 9 else f"b/{i:05}")

    with FileStore(sink, retry=QUICK) as plain:
        batch = colour(plain).upload_batch(pairs())
        assert sorted(dest for _, dest, _ in batch) == sorted(
            [f"b/{i:05}" for i in range(7, 10_000, 1000)] + [f"../{i}" for i in range(9, 10_000, 1000)]
        )
        assert batch.done == len(sink.puts) == 9_980
        assert len(batch.outcomes) < 1100
        assert colour(plain).delete_batch(f"b/{i:05}" for i in range(10_000)) == []


def test_a30_a_batch_that_is_cancelled_leaves_whole_objects(places, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)

    async def work(fs):
        drawn = asyncio.Event()

        def pairs():
            for i in range(100_000):
                if i == 100:
                    drawn.set()
                yield source, f"k{i}"

        task = asyncio.create_task(fs.upload_batch_async(pairs()))
        await drawn.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FileStore(tmp_path / "near", Remote(places[0]), retry=QUICK) as fs:
        asyncio.run(work(fs))
        names = [entry.path for entry in fs.list()]
        assert 0 < len(names) < 100_000
        assert {fs.get(name, where) for name in names for where in ("near", "far")} <= {b"x" * 100_000, None}
    assert {path.stat().st_size for path in (tmp_path / "near").iterdir() if path.name.startswith("k")} == {100_000}


# -- verify and repair ------------------------------------------------------------------------------------------------------


def test_a10_corruption_is_found_and_healed(fs, places):
    fs.put("k", b"right")
    fs.put("l", b"fine")
    kept = places[1].head("k").metadata
    places[1].put("k", b"wrong", PutOptions(metadata=kept))
    assert list(fs.verify()) == []
    found = list(fs.verify(deep=True))
    assert [(f.path, f.problem, [loc.name for loc in f.locations]) for f in found] == [("k", "corrupt", ["warm"])]
    assert fs.repair(found, dry_run=True).repaired == [("k", "warm")]
    assert places[1].get("k").bytes() == b"wrong"
    assert fs.repair(found).repaired == [("k", "warm")]
    assert places[1].get("k").bytes() == b"right"
    assert list(fs.verify(deep=True)) == []


def test_a10_two_sound_copies_are_not_guessed_between(fs, places):
    fs.put("k", b"one", ["hot", "warm"])
    fs.put("k", b"two", "far")
    found = list(fs.verify())
    assert [f.problem for f in found] == ["differs"]
    report = fs.repair(found)
    assert [f.path for f in report.unresolved] == ["k"]
    assert not report.ok
    assert fs.get("k", "far") == b"two"
    assert fs.repair("", prefer="far").ok
    assert [place.get("k").bytes() for place in places] == [b"two"] * 3
    with pytest.raises(ConfigError):
        fs.repair("", prefer="nobody")


def test_repair_prefers_the_newest(fs, places):
    fs.put("k", b"one", "near")
    threading.Event().wait(0.002)
    fs.put("k", b"two", "far")
    assert fs.repair("k", prefer="newest").ok
    assert [place.get("k").bytes() for place in places] == [b"two"] * 3


@pytest.mark.parametrize("deep", [False, True])
def test_a_location_that_cannot_list_takes_part(places, colour, deep):
    """What it has of the others' names is compared; alone, or out of reach, it is no sound store."""
    flaky = FlakyStore(Mute(places[1]))
    with FileStore(places[0], flaky, retry=QUICK) as plain:
        fs = colour(plain)
        fs.put("k", b"one", "near")
        fs.put("l", b"one", "near")
        places[1].put("k", b"three")
        assert [(f.path, f.problem) for f in fs.verify(deep=deep)] == [("k", "differs")]
        flaky.fail("*", times=math.inf)
        assert [(f.path, f.problem, f.locations[0].index) for f in fs.verify(deep=deep)] == [("", "unreachable", 1)]
    with FileStore(Mute(places[1])) as plain, pytest.raises(NotSupportedError):
        list(colour(plain).verify())


class Mute(ForwardingStore):
    """Cannot list, as a web server cannot."""

    def _narrowed(self, inner):
        return inner.narrowed(list=False)


def test_gaps_are_filled(fs, places):
    fs.put("k", b"x")
    places[1].delete("k")
    assert [(f.problem, f.locations[0].name) for f in fs.verify()] == [("missing", "warm")]
    assert list(fs.verify(expect="somewhere")) == []
    with pytest.raises(ConfigError):
        list(fs.verify(expect="most"))
    assert fs.repair().repaired == [("k", "warm")]
    assert fs.put("k", b"x") == []


def test_an_unreachable_location_is_told(places, colour):
    flaky = FlakyStore(places[1])
    with FileStore(places[0], flaky, retry=QUICK) as fs:
        fs.put("k", b"x")
        flaky.fail("*", times=1000)
        found = list(colour(fs).verify())
        assert [f.problem for f in found] == ["unreachable"]
        assert list(colour(fs).repair(found).failures) == [("", "flaky-1")]
        assert not colour(fs).health().ok
        assert not fs.status().ok


def test_temporaries_are_removed_when_they_are_old(tmp_path, colour):
    far = MemoryStore()
    with FileStore(tmp_path, far) as plain:
        fs = colour(plain)
        fs.put("d/k", b"x")
        for name, age in ((".holdall-new.tmp", 0), (".holdall-old.tmp", 200_000)):
            path = tmp_path / "d" / name
            path.write_bytes(b"half")
            os.utime(path, (path.stat().st_mtime - age,) * 2)
        far.put(ReservedKey("d/.holdall-young"), b"half")
        assert [entry.path for entry in fs.list()] == ["d/k"]
        assert [(f.path, f.problem) for f in fs.verify()] == [("d/.holdall-young", "temporary")]
        report = fs.repair()
        assert (report.swept, report.removed, report.ok) == (1, [], True)
        assert sorted(os.listdir(tmp_path / "d")) == [".holdall-new.tmp", "k"]


def test_old_temporaries_elsewhere_are_removed_too(colour):
    class Old(ForwardingStore):
        def _aged(self, meta):
            return replace(meta, last_modified=datetime(2020, 1, 1, tzinfo=UTC))

        def head(self, key, *, version=None):
            return self._aged(super().head(key, version=version))

        async def head_async(self, key, *, version=None):
            return self._aged(await super().head_async(key, version=version))

    far = Old(MemoryStore())
    far.put(ReservedKey("d/.holdall-old"), b"half")
    far.put(ReservedKey(".holdall/kept"), b"ours")
    with FileStore(far) as fs:
        assert colour(fs).repair("", dry_run=True).removed == ["d/.holdall-old"]
        assert colour(fs).repair().removed == ["d/.holdall-old"]
        assert list(colour(fs).verify()) == []
        assert far.head(ReservedKey(".holdall/kept")).size == 4


def test_uploads_that_nobody_completes_are_aborted(colour, monkeypatch):
    """Those that are old: a younger one may be under way."""
    far = MemoryStore()
    with FileStore(far) as plain:
        fs = colour(plain)
        fs.put("d/k", b"x")
        far.parts("d/k").put_part(1, b"half")
        far.parts("e").put_part(1, b"half")
        found = list(fs.verify("d/"))
        assert [(f.path, f.problem) for f in found] == [("d/k", "temporary")]
        assert fs.repair().removed == []
        for module in (checking, checking_async):
            monkeypatch.setattr(module, "OLD", timedelta(minutes=-1))
        assert fs.repair(found, dry_run=True).removed == ["d/k"]
        assert len(far.uploads()) == 2
        assert fs.repair(found).removed == ["d/k"]
        assert [upload.key for upload in far.uploads()] == ["e"]
        assert fs.repair().removed == ["e"]
        assert (far.uploads(), list(fs.verify()), fs.get("d/k")) == ([], [], b"x")


# -- configuration ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HOLDALL_CONFIG", "HOLDALL_FILESTORE", "HOLDALL_FILESTORE_ARCHIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    return tmp_path


def names_of(fs):
    return [location.name for location in fs.locations]


def test_sources_of_configuration(bare, monkeypatch):
    with pytest.raises(ConfigError, match=r"give config=, set HOLDALL_FILESTORE, or write a \[filestore\] section"):
        loader.get_filestore()
    (bare / "holdall.toml").write_text(
        '[filestore]\nimmutable = true\nlocations = ["memory://?name=filed", { url = "${WHERE:memory://}", name = "second" }]\n'
        '[filestore.retry]\nattempts = 2\n[filestore.archive]\nlocations = "memory://?name=old"\n',
        encoding="utf-8",
    )
    assert names_of(loader.get_filestore()) == ["filed", "second"]
    assert loader.get_filestore().locations[0].line.retry.attempts == 2
    assert loader.get_filestore("memory://", connection_attempts=3).locations[0].line.retry.attempts == 3
    assert names_of(loader.filestore(name="archive")) == ["old"]
    monkeypatch.setenv("HOLDALL_FILESTORE", "memory://?name=first  memory://?name=second")
    assert names_of(loader.get_filestore()) == ["first", "second"]
    monkeypatch.setenv(
        "HOLDALL_FILESTORE_ARCHIVE", json.dumps(["memory://?name=json", {"url": "memory://", "name": "mapped"}])
    )
    assert names_of(loader.get_filestore(name="archive")) == ["json", "mapped"]
    assert names_of(loader.get_filestore("memory://?name=given")) == ["given"]
    assert names_of(loader.get_filestore(["memory://?name=given", MemoryStore()])) == ["given", "memory-1"]
    assert names_of(loader.get_filestore(bare / "holdall.toml")) == ["filed", "second"]
    assert names_of(loader.get_filestore({"locations": ["memory://"], "names": ["named"]})) == ["named"]


@pytest.mark.parametrize(
    "config",
    [
        {"locations": ["memory://"], "promte": True}, {"locations": 5}, {}, 5, "no such thing", {"locations": ["memory://"], "retry": {"tries": 3}},
        "[not json memory://",
    ],
)  # fmt: skip
def test_bad_configuration(bare, config):
    with pytest.raises(ConfigError):
        loader.get_filestore(config)


def test_a_broken_variable_is_named(bare, monkeypatch):
    monkeypatch.setenv("HOLDALL_FILESTORE", "[broken")
    with pytest.raises(ConfigError, match="HOLDALL_FILESTORE"):
        loader.get_filestore()
    monkeypatch.setenv("HOLDALL_FILESTORE", "memory://?nmae=x")
    with pytest.raises(ConfigError, match="HOLDALL_FILESTORE: "):
        loader.get_filestore()


def test_a_password_from_the_environment_needs_no_encoding(bare, monkeypatch):
    monkeypatch.setenv("WORD", "p@s/s+w#rd")
    with loader.get_filestore("ftp://me:${WORD}@127.0.0.1:1/x?name=server") as fs:
        again = pickle.loads(pickle.dumps(fs))
        assert names_of(again) == ["server"]
        assert "p@s" not in repr(fs) + repr(fs.locations) + repr(fs.store)


# -- secrets and travelling -------------------------------------------------------------------------------------------------

SECRET = "s3cr3t-W0RD"


def test_a03_no_secret_shows(colour, caplog):
    caplog.set_level(logging.DEBUG)
    url = f"s3://AKIAEXAMPLEKEY:{SECRET}@127.0.0.1:1/bucket/x?use_ssl=false&aws_region=us-east-1&name=cold"
    with FileStore(f"ftp://me:{SECRET}@127.0.0.1:1/x", url, retry=QUICK) as plain:
        fs = colour(plain)
        shown = [repr(plain), str(plain), repr(plain.store), repr(plain.locations), repr(plain.store.identity)]
        for call in (lambda: fs.get("k"), lambda: fs.put("k", b"x"), lambda: list(fs.list()), lambda: fs.delete("k")):
            with pytest.raises(HoldallError) as caught:
                call()
            error = caught.value
            while error is not None:
                shown += [str(error), repr(error), repr(getattr(error, "report", None))]
                error = error.__cause__ or error.__context__
        shown += [repr(plain.status()), repr(fs.health(20)), *(record.getMessage() for record in caplog.records)]
        assert not [text for text in shown if SECRET in text]
        for thing in (plain, plain.store, plain.at("near")):
            with pytest.raises(ConfigError, match="literal secret"):
                pickle.dumps(thing)


def test_travelling(tmp_path):
    with FileStore(f"file://{tmp_path}/a?name=one", tmp_path / "b", immutable=True) as fs:
        fs.put("k", b"x")
        for thing in (fs, fs.at("far")):
            again = pickle.loads(pickle.dumps(thing))
            assert names_of(again) == names_of(thing)
            assert again.get("k") == b"x"
        assert pickle.loads(pickle.dumps(fs.store)).get("k").bytes() == b"x"


# -- life -------------------------------------------------------------------------------------------------------------------


def test_a34_nothing_is_asked_by_the_constructor(colour):
    counting = CountingStore(MemoryStore())
    plain = FileStore(counting, "ftp://127.0.0.1:1/x", retry=RetryPolicy(attempts=1))
    assert counting.counts.total == 0
    fs = colour(plain)
    fs.close()
    fs.close()
    for call in (
        lambda: fs.get("k"),
        lambda: fs.put("k", b""),
        lambda: list(fs.list()),
        fs.health,
        lambda: plain.open("k"),
    ):
        with pytest.raises(ClosedError):
            call()


class Closing(ForwardingStore):
    closed = False

    def close(self):
        self.closed = True


def test_a34_eager():
    good = Closing(MemoryStore())
    with pytest.raises(UnavailableError) as caught:
        FileStore(good, "ftp://127.0.0.1:1/x", "http://127.0.0.1:1/x", connect="eager")
    assert set(caught.value.report) == {"ftp-1", "http-2"}
    assert good.closed
    FileStore(MemoryStore(), connect="eager").close()


def test_views_share_their_locations(plain):
    view = plain.at(["warm", "cold"])
    view.put("k", b"x")
    assert plain.exists("k", "near") == []
    assert view.exists("k", "near")[0].name == "warm"
    with pytest.raises(ConfigError):
        view.get("k", "hot")


class Remote(ForwardingStore):
    """Behind a network, as it were: asked in threads."""

    def _narrowed(self, inner):
        return inner.narrowed(temporary=False)


def test_a21_a_probe_in_the_background_finds_that_it_answers_again(places, colour):
    flaky = FlakyStore(places[0])
    policy = BreakerPolicy(failures=2, first=0.001, cap=0.001)
    with FileStore(flaky, places[1], names=["one", "two"], retry=RetryPolicy(attempts=1), breaker=policy) as plain:
        fs = colour(plain)
        fs.put("k", b"x", "two")
        flaky.fail("*", times=4)
        for _ in range(500):
            assert fs.get("k") == b"x"
            plain.flush(60)
            if plain.status().locations["one"].state == "closed" and flaky.failures >= 4:
                break
            threading.Event().wait(0.002)
        assert plain.status().ok
        assert fs.exists("absent") == []


def test_a21_a_miss_elsewhere_while_open(places, colour):
    flaky = FlakyStore(places[0])
    policy = BreakerPolicy(failures=1, first=3600, cap=3600)
    with FileStore(flaky, places[1], retry=RetryPolicy(attempts=1), breaker=policy) as plain:
        flaky.fail("*", times=1)
        for _ in range(50):
            with pytest.raises(UnavailableError):
                colour(plain).get("k")
        assert flaky.failures == 1
        with pytest.raises(PartialWriteError):
            colour(plain).put("k", b"x")
        assert places[1].get("k").bytes() == b"x"


def test_a33_threads_and_a_loop_at_once(tmp_path):
    started = Threads()
    with FileStore(tmp_path / "a", Remote(MemoryStore()), tmp_path / "c") as fs:
        errors = []

        def use(n):
            try:
                for i in range(10):
                    fs.put(f"{n}/{i}", f"{n}/{i}".encode())
                    assert fs.get(f"{n}/{i}", "far") == f"{n}/{i}".encode()
            except Exception as error:
                errors.append(error)

        async def use_async():
            await asyncio.gather(*(fs.put_async(f"async/{i}", b"x") for i in range(50)))
            return [entry.path async for entry in fs.list_async("async/")]

        threads = [threading.Thread(target=use, args=(n,)) for n in range(32)]
        for thread in threads:
            thread.start()
        assert len(asyncio.run(use_async())) == 50
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(list(fs.list())) == 370
    assert started.left() == []


def _in_child(fs, queue):
    fs.put("child", b"x")
    queue.put((fs.get("parent"), sorted(entry.path for entry in fs.list())))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a33_a_forked_child(tmp_path):
    context = multiprocessing.get_context("fork")
    with FileStore(LocalStore(tmp_path / "a", create=True), tmp_path / "b") as fs:
        fs.put("parent", b"y")
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(fs, queue))
        child.start()
        assert queue.get(timeout=60) == (b"y", ["child", "parent"])
        child.join(60)
        assert fs.get("child") == b"x"


def test_a33_a_spawned_process(tmp_path):
    with FileStore(f"file://{tmp_path}/a", tmp_path / "b") as fs:
        fs.put("parent", b"y")
        body = "import pickle, sys; fs = pickle.load(sys.stdin.buffer); fs.put('child', fs.get('parent')); fs.close()"
        subprocess.run([sys.executable, "-c", body], input=pickle.dumps(fs), check=True, timeout=100)
        assert fs.get("child", "far") == b"y"


def test_a32_a_mount_of_tiers(tmp_path):
    from holdall.mounts import StorageManager

    with StorageManager(
        {
            "near": {"type": "local", "path": str(tmp_path / "near"), "create": True},
            "both": {"type": "tiers", "locations": [f"file://{tmp_path}/near?name=hot", f"file://{tmp_path}/far?name=cold"]},
        }
    ) as storage:
        node = storage.node("both:a/b.txt")
        node.write("hello")
        assert (tmp_path / "far" / "a" / "b.txt").read_text() == (tmp_path / "near" / "a" / "b.txt").read_text() == "hello"
        (tmp_path / "near" / "a" / "b.txt").unlink()
        assert node.read() == "hello"
        assert [child.fullpath for child in storage.node("both:a").children()] == ["both:a/b.txt"]
        node.delete()
        assert not node.exists
    with pytest.raises(ConfigError):
        StorageManager({"both": {"type": "tiers", "locations": "file:///x", "nonsense": 1}})


def test_names_are_lazy():
    assert dir(holdall.tiers) == sorted(holdall.tiers.__all__)
    for name in holdall.tiers.__all__:
        assert getattr(holdall.tiers, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = holdall.tiers.nonsense
