"""Configuring in either colour: the same mounts, the same errors, all or nothing, and an event loop that goes on."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from holdall import StorageManager
from holdall.drivers.memory import MemoryStore
from holdall.drivers.registry import default_registry
from holdall.errors import ClosedError, ConfigError, NotFoundError
from holdall.mounts import MountPathError, configuration

MOUNTS = {"one": {"type": "memory"}, "two": {"path": "one:sub"}}


@pytest.fixture
def storage():
    with StorageManager({"first": "memory://"}) as storage:
        yield storage


@pytest.fixture
def shared():
    store = default_registry().open("memory://colours-of-configure")
    store.put("conf/app.json", json.dumps({"mounts": MOUNTS}).encode())
    store.put("conf/latin.json", b'{"\xe9": {}}')
    store.put("conf/wrong.json", b'{"three": {"type": "memory"}, "four": {"type": "local"}}')
    yield "memory://colours-of-configure/conf"  # what is shared lives as long as somebody has it open
    store.close()


def test_every_kind_of_source(storage, say, shared, tmp_path):
    path = tmp_path / "app.json"
    path.write_text(json.dumps(MOUNTS))
    for source in (MOUNTS, {"mounts": MOUNTS}, [{"name": k, **v} for k, v in MOUNTS.items()], path, f"{shared}/app.json"):
        say(storage, "configure", source)
        assert storage.get_mount_names() == ["first", "one", "two"]
        storage.node("two:a").write("x")
        assert storage.node("one:sub/a").read() == "x"
        storage.delete_mount("two")
        storage.delete_mount("one")


def test_what_is_wrong_changes_nothing(storage, say, shared, tmp_path):
    (tmp_path / "wrong.json").write_text('[{"name": "three", "type": "memory"}, {"name": "four", "type": "local"}]')
    absent = {"three": {"type": "memory"}, "four": {"type": "local", "path": str(tmp_path / "absent")}}
    for source, kind, words in (
        (f"{shared}/absent.json", NotFoundError, "absent"),
        (f"{shared}/app.txt", ConfigError, "Unsupported configuration file format"),
        (f"{shared}/latin.json", ConfigError, "not UTF-8"),
        (f"{shared}/wrong.json", ConfigError, r"wrong\.json.*mount 'four'.*'path'"),
        (tmp_path / "wrong.json", ConfigError, r"wrong\.json.*mount 'four'.*'path'"),
        (str(tmp_path / "absent.toml"), FileNotFoundError, "absent"),
        (absent, MountPathError, "does not exist"),
        (5, TypeError, "int"),
        (b"x.json", TypeError, "bytes"),
    ):
        with pytest.raises(kind, match=words):
            say(storage, "configure", source)
        assert storage.get_mount_names() == ["first"]


@pytest.mark.parametrize("mounts", ["", "mounts:\n  a: memory://x\n", "a: memory://x\n"])
def test_a_file_may_have_sections_of_other_faces(storage, say, tmp_path, mounts):
    others = "databases:\n  - {name: d, backend: memory}\nfilestore:\n  locations: [memory://y]\n"
    (tmp_path / "holdall.yaml").write_text(mounts + others)
    say(storage, "configure", tmp_path / "holdall.yaml")
    assert storage.get_mount_names() == ["first", *(["a"] if mounts else [])]


def test_a_mount_may_be_called_like_a_section(storage, say, tmp_path):
    (tmp_path / "holdall.yaml").write_text("databases: {type: memory}\nfilestore: memory://y\nmounts: {type: memory}\n")
    say(storage, "configure", tmp_path / "holdall.yaml")
    assert sorted(storage.get_mount_names()) == ["databases", "filestore", "first", "mounts"]


def test_one_mount(storage, say):
    say(storage, "add_mount", "one", "memory://", permissions="readwrite")
    say(storage, "add_mount", {"name": "two", "type": "memory"})
    say(storage, "add_mount", "three", MemoryStore())
    assert storage.get_mount_names() == ["first", "one", "two", "three"]
    for bad in (("x",), ({"name": "x"}, "memory://"), (5, "memory://")):
        with pytest.raises(TypeError):
            say(storage, "add_mount", *bad)
    storage.close()
    for verb, words in (("configure", (MOUNTS,)), ("add_mount", ("x", "memory://"))):
        with pytest.raises(ClosedError):
            say(storage, verb, *words)


def test_the_loop_goes_on_while_a_file_is_read(storage, tmp_path, monkeypatch):
    (tmp_path / "app.json").write_text(json.dumps(MOUNTS))
    threads = []
    original = configuration.load_document

    def load(path):
        threads.append(threading.get_ident())
        return original(path)

    monkeypatch.setattr(configuration, "load_document", load)
    asyncio.run(storage.configure_async(tmp_path / "app.json"))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_the_loop_goes_on_while_another_storage_is_asked(storage, shared, monkeypatch):
    def get(self, key, options=None):
        raise AssertionError("a blocking call")

    monkeypatch.setattr(MemoryStore, "get", get)
    monkeypatch.setattr(MemoryStore, "get_async", _get_async)
    asyncio.run(storage.configure_async(f"{shared}/app.json"))
    assert storage.get_mount_names() == ["first", "one", "two"]


async def _get_async(self, key, options=None):
    await asyncio.sleep(0)
    return _GET(self, key, options)


_GET = MemoryStore.get


def test_a_cancelled_caller_has_changed_nothing(storage, monkeypatch):
    entered, release = threading.Event(), threading.Event()
    original = StorageManager._understood

    def slow(self, entries):
        entered.set()
        assert release.wait(60)
        return original(self, entries)

    async def main():
        task = asyncio.create_task(storage.configure_async(MOUNTS))
        assert await asyncio.to_thread(entered.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    monkeypatch.setattr(StorageManager, "_understood", slow)
    asyncio.run(main())
    assert storage.get_mount_names() == ["first"]
