"""The table of named stores: lazy, copy-on-write, overridable, closable."""

import asyncio
import os
import pickle
import signal
import threading
import time

import pytest

from holdall.drivers.inline import InlineStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import table as tables
from holdall.engine.table import Mount, MountTable, check_mount_name, default_table, set_default, set_default_factory
from holdall.errors import ClosedError, ConfigError, UnknownMountError


class Counted(Mount):
    """A mount that counts how often it was opened."""

    def __init__(self, name, gate=None):
        super().__init__(name, {"type": "memory"})
        self.times = []
        self.gate = gate

    def open(self):
        self.times.append(1)
        if self.gate is not None:
            self.gate.wait(5)
        return MemoryStore()


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "a\\b", "a b", "a\0", "a\u2028b"])
def test_names_that_cannot_stand_before_the_colon_are_refused(name):
    with pytest.raises(ConfigError):
        check_mount_name(name)
    table = MountTable()
    with pytest.raises(ConfigError):
        table[name] = MemoryStore()
    assert list(table) == []


def test_a_name_is_a_str():
    with pytest.raises(TypeError):
        check_mount_name(3)


@pytest.mark.parametrize("name", ["c", "up", "up-loads", "x.y_z", "名前", "7"])
def test_names_that_are_fine(name):
    assert check_mount_name(name) == name


def test_it_is_a_mutable_mapping_in_order():
    a, b = MemoryStore(), MemoryStore()
    table = MountTable({"first": a, "second": b})
    assert list(table) == ["first", "second"]
    assert table["first"] is a
    assert dict(table) == {"first": a, "second": b}
    table["first"] = b
    assert list(table) == ["first", "second"]
    assert table["first"] is b
    del table["second"]
    assert "second" not in table
    assert len(table) == 1
    assert table.pop("gone", None) is None
    assert table.pop("first") is b
    assert repr(table) == "MountTable()"


def test_an_unknown_name_lists_the_known_ones():
    table = MountTable({"first": MemoryStore()})
    with pytest.raises(UnknownMountError, match=r"Mount point 'x' not found \(available: 'first'\)"):
        table["x"]
    with pytest.raises(KeyError):
        del table["x"]
    with pytest.raises(UnknownMountError, match="available: none"):
        MountTable()["x"]


def test_a_mount_opens_at_first_use_and_only_once():
    mount = Counted("lazy")
    table = MountTable({"lazy": mount})
    assert mount.opened is None
    assert mount.times == []
    assert table["lazy"] is table["lazy"] is mount.opened
    assert mount.times == [1]


def test_threads_that_open_at_once_get_the_same_store():
    gate = threading.Event()
    mount = Counted("lazy", gate)
    table = MountTable({"lazy": mount})
    got = []
    threads = [threading.Thread(target=lambda: got.append(table["lazy"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(got) == 8
    assert len({id(store) for store in got}) == 1


def test_a_change_is_all_or_nothing():
    table = MountTable({"old": MemoryStore()})
    with pytest.raises(ConfigError):
        table.change(put={"new": MemoryStore(), "bad:name": MemoryStore()}, remove=["old"])
    assert list(table) == ["old"]
    table.change(put={"new": MemoryStore()}, remove=["old", "absent"])
    assert list(table) == ["new"]


def test_iteration_sees_one_state_while_others_write():
    table = MountTable({f"m{i}": MemoryStore() for i in range(10)})
    seen = []
    for name in table:
        seen.append(name)
        table.change(remove=[f"m{i}" for i in range(10)])
    assert len(seen) == 10
    assert len(table) == 0


def test_writers_in_threads_lose_nothing():
    table = MountTable()
    store = MemoryStore()

    def write(n):
        for i in range(50):
            table[f"m{n}-{i}"] = store

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(table) == 400


def test_override_restores_what_was_there():
    old, new = MemoryStore(), MemoryStore()
    table = MountTable({"up": old, "other": old})
    with table.override("up", new):
        assert table["up"] is new
        assert list(table) == ["up", "other"]
    assert table["up"] is old
    with table.override("fresh", new):
        assert table["fresh"] is new
    assert "fresh" not in table


def test_override_in_the_async_colour():
    table = MountTable({"up": MemoryStore()})
    new = MemoryStore()

    async def check():
        async with table.override("up", new):
            assert table["up"] is new
        assert table["up"] is not new

    asyncio.run(check())


def test_overrides_that_end_out_of_order():
    old, one, two = MemoryStore(), MemoryStore(), MemoryStore()
    table = MountTable({"up": old})
    first, second = table.override("up", one), table.override("up", two)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert table["up"] is two
    second.__exit__(None, None, None)
    assert table["up"] is old
    second.__exit__(None, None, None)
    assert table["up"] is old


def test_what_was_set_within_an_override_stays():
    table = MountTable({"up": MemoryStore()})
    third = MemoryStore()
    with table.override("up", MemoryStore()):
        table["up"] = third
    assert table["up"] is third


class Closing(MemoryStore):
    def __init__(self):
        super().__init__()
        self.closes = 0

    def close(self):
        self.closes += 1
        super().close()


class Opens(Mount):
    def __init__(self, name):
        super().__init__(name, "memory://")

    def open(self):
        return Closing()


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_close_closes_what_the_table_opened_and_nothing_else(colour):
    mine = Closing()
    table = MountTable({"mine": mine, "theirs": Opens("theirs"), "unused": Opens("unused"), "under": Opens("under")})
    theirs, under = table["theirs"], table["under"]
    over = table.override("under", mine)
    over.__enter__()
    for _ in range(2):
        if colour == "blocking":
            table.close()
        else:
            asyncio.run(table.close_async())
    assert table.closed
    assert (mine.closes, theirs.closes, under.closes) == (0, 1, 1)
    with pytest.raises(ClosedError):
        table["mine"]
    with pytest.raises(ClosedError):
        table["new"] = mine
    with pytest.raises(ClosedError), table.override("new", mine):
        pass
    over.__exit__(None, None, None)
    assert len(table) == 0


def test_pickle_carries_descriptions_not_stores():
    table = MountTable({"scratch": {"type": "memory"}})
    store = table["scratch"]
    again = pickle.loads(pickle.dumps(table))
    assert list(again) == ["scratch"]
    assert again.mount("scratch").opened is None
    assert again["scratch"] is not store


def test_repr_of_a_mount_shows_no_secret():
    mount = Mount("up", {"type": "s3", "bucket": "b", "key": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI"})
    assert "wJalrXUtnFEMI" not in repr(mount)
    assert "uploads" not in repr(mount)
    assert "hunter2" not in repr(Mount("up", "sftp://me:hunter2@host/dir"))


@pytest.fixture
def no_default():
    before, factory = set_default(None), tables._factory
    yield
    set_default(before)
    set_default_factory(factory)


@pytest.mark.usefixtures("no_default")
def test_the_default_table_is_made_once_by_the_factory():
    made = []

    def factory():
        made.append(MountTable({"only": MemoryStore()}))
        return made[-1]

    set_default_factory(factory)
    assert default_table() is default_table()
    assert len(made) == 1
    other = MountTable()
    assert set_default(other) is made[0]
    assert default_table() is other


@pytest.mark.usefixtures("no_default")
def test_without_a_factory_the_faces_are_asked_once():
    set_default_factory(None)
    assert isinstance(default_table(), MountTable)
    assert default_table() is default_table()


def test_what_stands_for_content_itself():
    assert Mount("b64", {"type": "base64"}).inline
    assert Mount("b64", {"protocol": "inline"}).inline
    assert Mount("b64", InlineStore()).inline
    assert not Mount("mem", {"type": "memory"}).inline
    assert not Mount("mem", MemoryStore()).inline
    assert not Mount("mem", "memory://").inline


def test_a_mount_is_bound_for_an_operation():
    mount = Counted("lazy")
    assert mount.bind() is mount.store is mount.bind()


def test_stores_opened_by_url_are_kept_and_the_oldest_forgotten():
    table = MountTable()

    class Lasting(MemoryStore):
        capabilities = MemoryStore().capabilities.narrowed(temporary=False)

    memory = table.kept("m", MemoryStore)
    first = table.kept(0, Lasting)
    assert table.kept(0, Lasting) is first
    for i in range(1, 200):
        table.kept(i, Lasting)
        if i < 50:
            assert table.kept(0, Lasting) is first
    assert table.kept("m", MemoryStore) is memory
    assert table.kept(0, Lasting) is not first
    table.close()
    with pytest.raises(ClosedError):
        table.kept("m", MemoryStore)
    with pytest.raises(ClosedError):
        memory.put("a", b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_write():
    table = MountTable()
    with tables._writing:
        child = os.fork()
        if not child:
            table["new"] = MemoryStore()
            os._exit(0 if "new" in table else 1)
    deadline = time.monotonic() + 10
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if done == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert done == (child, 0)
