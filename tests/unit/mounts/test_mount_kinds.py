"""Relative mounts, permissions, path functions: what a mount adds to a store."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from datetime import UTC, datetime

import pytest

from holdall import StorageManager
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, InvalidKeyError, NotSupportedError, PermissionDeniedError, UnknownMountError

# -- relative mounts ------------------------------------------------------------------------------------------------------


def test_a11_relative_mounts_in_any_order(say):
    storage = StorageManager(
        [
            {"name": "deep", "path": "child:x/y"}, {"name": "child", "path": "base:sub"}, {"name": "base", "type": "memory"},
            {"name": "all", "path": "base:"},
        ]
    )  # fmt: skip
    say(storage.node("deep:a.txt"), "write", "x")
    assert storage.node("base:sub/x/y/a.txt").read() == "x"
    assert storage.node("child:x/y/a.txt").read() == "x"
    assert storage.node("all:sub/x/y/a.txt").read() == "x"
    assert [n.fullpath for n in say(storage.node("deep"), "rglob", "*")] == ["deep:a.txt"]
    assert say(storage.node("deep:a.txt"), "rename", "deep:b.txt").read() == "x"


def test_a11_a_replaced_parent_moves_its_children():
    storage = StorageManager({"base": "memory://", "child": "base:sub"})
    storage.node("child:a").write("1")
    kept = storage._table["base"]
    storage.configure({"base": "memory://"})
    assert not storage.node("child:a").exists
    storage.add_mount("base", kept)
    assert storage.node("child:a").read() == "1"


def test_a11_a_deleted_parent_is_named():
    storage = StorageManager({"base": "memory://", "child": "base:sub"})
    node = storage.node("child:a")
    storage.delete_mount("base")
    with pytest.raises(UnknownMountError, match="Parent mount 'base' not found"):
        node.read()
    with pytest.raises(UnknownMountError, match="Parent mount 'base' not found"):
        storage.configure({"other": "base:x"})
    assert not storage.has_mount("other")


def test_a11_circles_are_refused():
    with pytest.raises(ConfigError, match=r"circle: (one -> two -> one|two -> one -> two)"):
        StorageManager({"one": "two:x", "two": "one:y"})
    with pytest.raises(ConfigError, match="circle"):
        StorageManager({"me": "me:x"})


def test_a06_relative_mounts_cannot_climb():
    with pytest.raises(ValueError, match="traversal"):
        StorageManager({"base": "memory://", "up": "base:../x"})
    storage = StorageManager({"base": "memory://", "child": "base:sub"})
    with pytest.raises(ValueError, match="traversal"):
        storage.node("child:../secret")


def test_relative_mounts_have_few_keys():
    with pytest.raises(ConfigError, match="'timeout' belongs to a mount with a type"):
        StorageManager({"base": "memory://", "child": {"path": "base:sub", "timeout": 5}})
    with pytest.raises(ConfigError, match="unknown field 'permission', did you mean 'permissions'"):
        StorageManager({"base": "memory://", "child": {"path": "base:sub", "permission": "readonly"}})


# -- permissions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def permitted():
    store = MemoryStore()
    store.put("d/a.txt", b"x")
    storage = StorageManager()
    storage.add_mount("free", store)
    for permissions in ("readonly", "readwrite", "delete"):
        storage.add_mount(permissions, store, permissions=permissions)
    storage.configure({"child": {"path": "readonly:d"}, "narrow": {"path": "readwrite:d", "permissions": "readonly"}})
    return storage


WRITES = [
    ("write", "x"), ("write_bytes", b"x"), ("put", b"x"), ("write_text", "x"), ("touch",), ("mkdir",), ("set_metadata", {"a": "b"}), ("set_tags", {}),
]  # fmt: skip
REMOVALS = [("delete",), ("unlink",)]


@pytest.mark.parametrize("mount", ["readonly", "child", "narrow"])
def test_a10_readonly_refuses_every_writing_verb(permitted, say, mount):
    path = "a.txt" if mount in {"child", "narrow"} else "d/a.txt"
    node = permitted.node(mount, path)
    assert say(node, "read") == "x"
    for call in WRITES:
        target = permitted.node(mount, "new") if call[0] in {"mkdir", "touch"} else node
        with pytest.raises(PermissionDeniedError, match="read-only"):
            say(target, *call)
    for call in REMOVALS:
        with pytest.raises(PermissionDeniedError):
            say(node, *call)
    for mode in ("w", "wb", "a", "ab", "x", "xb", "r+", "r+b", "w+", "a+", "x+b"):
        with pytest.raises(PermissionDeniedError, match="read-only"):
            node.open(mode)
        with pytest.raises(PermissionDeniedError, match="read-only"):
            _opened_async(node, mode)
    for mode in ("w", "rw"):
        with pytest.raises(PermissionDeniedError, match="read-only"), node.local_path(mode):
            pass
    with node.local_path() as path_here, open(path_here) as file:
        assert file.read() == "x"
    with pytest.raises(PermissionDeniedError, match="read-only"):
        say(permitted.node("free:d/a.txt"), "copy_to", permitted.node(mount, "copy"))
    with pytest.raises(PermissionDeniedError):
        say(node, "move_to", "free:moved")
    with pytest.raises(PermissionDeniedError):
        say(node, "rename", permitted.node(mount, "renamed"))
    assert sorted(n.path for n in permitted.node("free").rglob("*")) == ["d", "d/a.txt"]
    capabilities = node.capabilities
    assert capabilities.readonly
    assert not capabilities.write
    assert not capabilities.delete
    assert not capabilities.atomic_rename


def _opened_async(node, mode):
    async def opening():
        async with node.open_async(mode):
            pass

    asyncio.run(opening())


def test_a10_readwrite_refuses_removal(permitted, say):
    node = permitted.node("readwrite:d/a.txt")
    for call in WRITES:
        if call[0] not in {"mkdir", "touch"}:
            say(node, *call)
    say(permitted.node("readwrite:new.txt"), "touch")
    for act in (
        lambda: say(node, "delete"),
        lambda: say(node, "unlink"),
        lambda: say(node, "move_to", "free:moved"),
        lambda: say(node, "rename", "readwrite:renamed"),
        lambda: say(permitted.node("free:d"), "sync_to", "readwrite:e", delete=True),
    ):
        with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
            act()
    assert say(node, "copy_to", "readwrite:copy").read() == "x"
    assert not permitted.node("free:moved").exists
    assert node.capabilities.write
    assert not node.capabilities.delete


def test_a10_a_child_narrows_and_never_widens(permitted):
    assert permitted.node("child:a").capabilities.readonly
    with pytest.raises(ConfigError, match="read-only"):
        permitted.configure({"wide": {"path": "readonly:d", "permissions": "readwrite"}})
    with pytest.raises(ConfigError, match="does not have delete permission"):
        permitted.configure({"wide": {"path": "readwrite:d", "permissions": "delete"}})
    with pytest.raises(ConfigError):
        permitted.configure({"wide": {"path": "child:", "permissions": "delete"}})
    permitted.configure({"same": {"path": "readwrite:d", "permissions": "readwrite"}})
    # The parent is narrowed later: the child goes with it.
    permitted.add_mount("readwrite", permitted._table["free"], permissions="readonly")
    with pytest.raises(PermissionDeniedError):
        permitted.node("same:x").write("y")


def test_more_than_a_driver_can_is_a_configuration_error(permitted):
    from holdall.wrappers.readonly import ReadOnlyStore

    with pytest.raises(ConfigError, match="read-only"):
        permitted.add_mount("wide", ReadOnlyStore(MemoryStore()), permissions="readwrite")


# -- path functions -------------------------------------------------------------------------------------------------------

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@pytest.fixture
def homes(tmp_path):
    for name in ("ann", "bob", "nobody"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_path_function_is_asked_at_each_operation(homes, say):
    storage = StorageManager({"home": {"type": "local", "path": lambda: str(homes / tenant.get())}})
    for name in ("ann", "bob"):
        tenant.set(name)
        say(storage.node("home:a.txt"), "write", name)
        assert storage.node("home:a.txt").resolved_path == str(homes / name / "a.txt")
    tenant.set("ann")
    assert say(storage.node("home:a.txt"), "read") == "ann"
    assert [n.path for n in say(storage.node("home"), "children")] == ["a.txt"]
    assert (homes / "bob" / "a.txt").read_text() == "bob"


def test_one_operation_asks_once(homes, say):
    asked: list[int] = []

    def where() -> str:
        asked.append(1)
        return str(homes / ("ann" if len(asked) % 2 else "bob"))

    storage = StorageManager({"home": {"type": "local", "path": where}})
    assert asked == []
    (homes / "ann" / "src").mkdir()
    for i in range(20):
        (homes / "ann" / "src" / f"{i}").write_text("x")
    say(storage.node("home:src"), "copy_to", "home:copy", include="?")
    assert len(asked) == 1
    assert len(list((homes / "ann" / "copy").iterdir())) == 10
    assert not (homes / "bob" / "copy").exists()
    assert storage.node("home:x").capabilities.write
    assert len(asked) == 1


def test_switched_mounts_choose_by_the_first_segment(homes, say):
    storage = StorageManager({"tenants": {"type": "local", "path": lambda name: str(homes / name)}})
    say(storage.node("tenants:ann/x/a.txt"), "write", "A")
    say(storage.node("tenants:bob/x/a.txt"), "write", "B")
    assert (homes / "ann" / "x" / "a.txt").read_text() == "A"
    assert [n.path for n in say(storage.node("tenants:bob"), "rglob", "*")] == ["bob/x", "bob/x/a.txt"]
    say(storage.node("tenants:ann/x/a.txt"), "copy_to", "tenants:bob/y.txt")
    assert (homes / "bob" / "y.txt").read_text() == "A"
    with pytest.raises(NotSupportedError, match="root"):
        say(storage.node("tenants"), "children")


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_place_of_a_switched_mount_is_a_directory(homes, say, kind):
    described = {
        "type": kind,
        "path": (lambda name: str(homes / name)) if kind == "local" else (lambda name: f"homes/{name}"),
    }
    with StorageManager({"tenants": described, "ram": "memory://", "ann": "tenants:ann"}) as storage:
        storage.node("tenants:ann/d/a.txt").write("A")
        place = storage.node("tenants:ann")
        assert (say(place, "exists"), say(place, "isdir"), say(place, "isfile")) == (True, True, False)
        assert say(place, "stat").kind == "directory"
        assert place.resolved_path == (str(homes / "ann") if kind == "local" else None)
        assert storage.node("ann:d/a.txt").resolved_path == (str(homes / "ann/d/a.txt") if kind == "local" else None)
        assert say(storage, "copy", place, "ram:saved").copied == 1
        assert storage.node("ram:saved/d/a.txt").read() == "A"
        assert say(storage, "sync", "ram:saved", "tenants:bob").copied == 1
        assert storage.node("tenants:bob/d/a.txt").read() == "A"
        assert len(say(place, "zip")) > 100
        with place.local_path() as path:
            assert [name for _, _, names in os.walk(path) for name in names] == ["a.txt"]
        say(place, "delete")
        assert [storage.node(f"tenants:{name}/d/a.txt").exists for name in ("ann", "bob")] == [False, True]
        assert say(place, "exists") == (kind == "local")  # real directories stay
        assert not say(storage.node("tenants:nobody-at-all"), "exists")
        assert say(storage.node("tenants"), "exists")
        for climbing in ("..", ""):
            with pytest.raises(ValueError, match=r"traversal|empty"):
                storage._open("tenants").delete(climbing)


def test_a_coroutine_function_serves_the_async_colour(homes):
    async def where() -> str:
        await asyncio.sleep(0)
        return str(homes / tenant.get())

    storage = StorageManager({"home": {"type": "local", "path": where}})
    tenant.set("ann")

    async def main() -> str:
        await storage.node("home:a").write_async("x")
        return await storage.node("home:a").read_async()

    assert asyncio.run(main()) == "x"
    assert (homes / "ann" / "a").read_text() == "x"
    with pytest.raises(NotSupportedError, match="async"):
        storage.node("home:a").read()


def test_path_functions_on_other_types(say):
    storage = StorageManager({"home": {"type": "memory", "path": lambda: f"users/{tenant.get()}"}, "part": "home:docs"})
    tenant.set("ann")
    say(storage.node("home:a"), "write", "A")
    say(storage.node("part:b"), "write", "B")
    tenant.set("bob")
    assert not say(storage.node("home:a"), "exists")
    whole = storage._table.mount("home")._base()
    assert [m.key for page in whole.list() for m in page.objects] == ["users/ann/a", "users/ann/docs/b"]


@pytest.mark.parametrize("answer", ["", "relative/dir", None, 5, "/a/../b"])
def test_a06_bad_answers(answer, say):
    storage = StorageManager({"home": {"type": "local", "path": lambda: answer}})
    for call in (("exists",), ("read",), ("write", "x")):
        with pytest.raises(InvalidKeyError, match="Path escapes base directory"):
            say(storage.node("home:a"), *call)


@pytest.mark.parametrize("answer", ["", "..", "/abs", "a/../../b"])
def test_bad_answers_on_other_types(answer, say):
    storage = StorageManager({"home": {"type": "memory", "path": lambda: answer}})
    with pytest.raises(InvalidKeyError, match="Path escapes base directory"):
        say(storage.node("home:a"), "write", "x")


def test_what_the_function_raises_comes_out(say):
    def where() -> str:
        raise LookupError("nobody is logged in")

    storage = StorageManager({"home": {"type": "local", "path": where}})
    with pytest.raises(LookupError, match="nobody is logged in"):
        say(storage.node("home:a"), "exists")


def test_a_function_of_two_arguments_is_refused():
    with pytest.raises(ConfigError, match="2 arguments"):
        StorageManager({"home": {"type": "local", "path": lambda a, b: "/"}})


def test_a06_links_cannot_lead_from_one_tenant_to_another(homes, say):
    (homes / "bob" / "secret").write_text("bob's")
    os.symlink(homes / "bob", homes / "ann" / "friend")
    os.symlink(homes / "bob" / "secret", homes / "ann" / "stolen")
    storage = StorageManager({"home": {"type": "local", "path": lambda: str(homes / "ann")}})
    for path in ("friend/secret", "stolen"):
        with pytest.raises((InvalidKeyError, PermissionDeniedError)):
            say(storage.node("home", path), "read")


def test_permissions_hold_for_path_functions(homes, say):
    storage = StorageManager({"home": {"type": "local", "path": lambda: str(homes / "ann"), "permissions": "readonly"}})
    with pytest.raises(PermissionDeniedError, match="read-only"):
        say(storage.node("home:a"), "write", "x")
    assert storage.node("home:a").capabilities.readonly


def test_a12_tenants_stay_apart_under_concurrency(homes):
    storage = StorageManager({"home": {"type": "local", "path": lambda: str(homes / tenant.get())}})
    errors: list[object] = []

    def work(name: str) -> None:
        tenant.set(name)
        for i in range(100):
            node = storage.node(f"home:{i}.txt")
            node.write(name)
            if node.read() != name:
                errors.append((name, i))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "nobody")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    async def task(name: str) -> None:
        tenant.set(name)
        for i in range(50):
            node = storage.node(f"home:async-{i}.txt")
            await node.write_async(name)
            if await node.read_async() != name:
                errors.append((name, i))

    async def main() -> None:
        await asyncio.gather(*(asyncio.create_task(task(name)) for name in ("ann", "bob", "nobody")))

    asyncio.run(main())
    assert not errors
    for name in ("ann", "bob", "nobody"):
        assert {path.read_text() for path in (homes / name).iterdir()} == {name}


def test_versions_of_a_snapshot_by_moment_through_a_part():
    storage = StorageManager({"old": {"type": "memory", "versioned": True}, "part": "old:x"})
    storage.node("part:a").write("1")
    storage.node("part:a").write("2")
    assert storage.node("part:a").at(0).read() == "1"
    assert storage.node("part:a").at(as_of=datetime.now(UTC)).read() == "2"
