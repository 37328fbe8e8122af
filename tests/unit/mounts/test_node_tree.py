"""What lies below: listing, walking, making and removing; both colours, on memory."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, InvalidKeyError, IsDirectoryError, NotDirectoryError, NotFoundError
from holdall.mounts import NotEmptyError
from holdall.mounts.tree import delete_tree
from holdall.mounts.tree_async import delete_tree_async

FILES = ["a.txt", "d/b.txt", "d/e/c.txt", "d/e/f/g.txt", "z.txt"]


@pytest.fixture
def top(memory):
    for name in FILES:
        memory.node(f"mem:{name}").write(name)
    return memory.node("mem")


def test_children_are_sorted_and_shallow(top, say):
    assert [n.path for n in say(top, "children")] == ["a.txt", "d", "z.txt"]
    assert sorted(n.path for n in say(top / "d", "iterdir")) == ["d/b.txt", "d/e"]


def test_listing_is_lazy(memory):
    for i in range(3000):
        memory.node(f"mem:n/{i:04}").write("")
    store = memory._open("mem")
    pages = 0
    real = store.list

    def counted(*args, **named):
        nonlocal pages
        for page in real(*args, **named):
            pages += 1
            yield page

    store.list = counted
    entries = memory.node("mem:n").iterdir()
    assert next(entries).path == "n/0000"
    entries.close()
    assert pages == 1


def test_missing_and_files_cannot_be_listed(top, say):
    with pytest.raises(NotFoundError):
        say(top / "none", "children")
    with pytest.raises(NotDirectoryError) as raised:
        say(top / "a.txt", "iterdir")
    assert isinstance(raised.value, ValueError)
    assert say(top, "children")
    assert say(top._manager.node("old"), "children") == []


def test_walk(top, say):
    steps = [(node.path, sorted(folders), sorted(files)) for node, folders, files in say(top, "walk")]
    assert steps == [
        ("", ["d"], ["a.txt", "z.txt"]),
        ("d", ["e"], ["b.txt"]),
        ("d/e", ["f"], ["c.txt"]),
        ("d/e/f", [], ["g.txt"]),
    ]
    upwards = [node.path for node, _, _ in say(top, "walk", top_down=False)]
    assert upwards == ["d/e/f", "d/e", "d", ""]


def test_a_walk_can_be_steered(top):
    seen = []
    for node, folders, _ in top.walk():
        seen.append(node.path)
        if node.path == "d":
            folders.clear()
    assert seen == ["", "d"]


def test_make_and_remove_directories(top, say):
    new = top / "new"
    say(new, "mkdir")
    assert new.isdir
    assert say(new, "children") == []
    with pytest.raises(AlreadyExistsError):
        say(new, "mkdir")
    say(new, "mkdir", exist_ok=True)
    with pytest.raises(FileExistsError):
        say(top / "a.txt", "mkdir", exist_ok=True)
    say(new, "rmdir")
    assert not new.exists
    with pytest.raises(NotFoundError):
        say(new, "rmdir")
    with pytest.raises(NotEmptyError) as raised:
        say(top / "d", "rmdir")
    assert raised.value.errno == errno.ENOTEMPTY
    with pytest.raises(NotDirectoryError):
        say(top / "a.txt", "rmdir")


def test_the_root_is_there(memory, say):
    root = memory.node("mem")
    say(root, "mkdir", exist_ok=True)
    with pytest.raises(IsDirectoryError):
        say(root, "mkdir")
    with pytest.raises(IsDirectoryError):
        say(root, "rmdir")


def test_unlink(top, say):
    say(top / "a.txt", "unlink")
    assert not (top / "a.txt").exists
    with pytest.raises(NotFoundError):
        say(top / "a.txt", "unlink")
    say(top / "a.txt", "unlink", missing_ok=True)
    with pytest.raises(IsDirectoryError):
        say(top / "d", "unlink")
    assert (top / "d/b.txt").exists


def test_delete_is_recursive_and_idempotent(top, say):
    say(top / "d", "delete")
    assert [n.path for n in top.glob("**/*")] == ["a.txt", "z.txt"]
    say(top / "d", "delete")
    say(top / "a.txt", "delete")
    assert [n.path for n in top.children()] == ["z.txt"]


def test_delete_takes_no_namesakes(top, say):
    (top / "dd.txt").write("x")
    (top / "d2/x").write("x")
    say(top / "d", "delete")
    assert sorted(n.path for n in top.children()) == ["a.txt", "d2", "dd.txt", "z.txt"]


def test_a_whole_mount_is_emptied_only_on_purpose(top, say):
    with pytest.raises(ValueError, match="whole mount"):
        say(top, "delete")
    assert len(list(top.glob("**/*"))) == 8
    say(top, "delete", root=True)
    assert list(top.glob("**/*")) == []


def test_deleting_goes_on_after_a_failure(top, say, memory, monkeypatch):
    from holdall.errors import PermissionDeniedError
    from holdall.results import DeleteResult

    store = memory._open("mem")
    real = store.delete

    def refusing(keys, **named):
        if isinstance(keys, str):
            return real(keys, **named)
        return [
            DeleteResult(key=key, error=PermissionDeniedError("locked", key=key)) if key == "d/e/c.txt" else real(key)[0]
            for key in keys
        ]

    async def refusing_async(keys, **named):
        return refusing(keys, **named)

    monkeypatch.setattr(store, "delete", refusing)
    monkeypatch.setattr(store, "delete_async", refusing_async)
    with pytest.raises(PermissionError, match="locked"):
        say(top / "d", "delete")
    assert [n.path for n in top.glob("d/**/*") if n.info.is_file()] == ["d/e/c.txt"]


def test_rename(top, say):
    new = say(top / "a.txt", "rename", "mem:b.txt")
    assert (new.path, new.read()) == ("b.txt", "a.txt")
    assert not (top / "a.txt").exists
    with pytest.raises(FileExistsError):
        say(new, "rename", "mem:z.txt")
    with pytest.raises(FileNotFoundError):
        say(top / "a.txt", "rename", "mem:q.txt")
    with pytest.raises(ValueError, match="another mount"):
        say(new, "rename", "old:b.txt")
    assert say(new, "rename", new) == new


def test_replace(top, say):
    say(top / "a.txt", "replace", "mem:z.txt")
    assert (top / "z.txt").read() == "a.txt"
    with pytest.raises(IsDirectoryError):
        say(top / "z.txt", "replace", "mem:d")
    with pytest.raises(NotDirectoryError):
        say(top / "d", "replace", "mem:z.txt")
    (top / "empty").mkdir()
    say(top / "d", "replace", "mem:empty")
    assert sorted(n.path for n in top.glob("empty/**/*")) == [
        "empty/b.txt",
        "empty/e",
        "empty/e/c.txt",
        "empty/e/f",
        "empty/e/f/g.txt",
    ]
    assert not (top / "d").exists
    (top / "other/x").write("x")
    with pytest.raises(NotEmptyError):
        say(top / "other", "replace", "mem:empty")


def test_odd_keys_made_by_others(memory, say):
    store = memory._open("mem")
    for key in ("a//b", "a/", "sp ace/%2F", "ü"):
        store.put(key, b"" if key.endswith("/") else b"x")
    found = {n.path for n in say(memory.node("mem"), "children")}
    assert found == {"a", "sp ace", "ü"}
    inner = say(memory.node("mem:a"), "children")
    assert [(n.path, n.info.is_dir()) for n in inner] == [("a/", True)]
    assert [n.path for n in say(inner[0], "children")] == ["a//b"]
    assert say(memory.node("mem:a//b", raw=True), "read") == "x"
    assert say(memory.node("mem:sp ace/%2F"), "read") == "x"
    say(memory.node("mem:a"), "delete")
    assert {n.path for n in memory.node("mem").children()} == {"sp ace", "ü"}


def test_what_is_missing_cannot_be_renamed_even_onto_itself(memory, say):
    node = memory.node("mem:none")
    for verb in ("rename", "replace"):
        with pytest.raises(FileNotFoundError):
            say(node, verb, node)
        with pytest.raises(FileNotFoundError):
            say(node, verb, "mem:other")


@pytest.mark.parametrize("delete", [delete_tree, lambda *given: asyncio.run(delete_tree_async(*given))])
def test_a_name_with_a_slash_at_its_end_is_the_directory_alone(delete):
    store = MemoryStore()
    for key in ("d", "d/a", "d/b/c", "e"):
        store.put(key, b"")
    with suppress(InvalidKeyError):
        delete(store, "/")
    assert len(keys_of(store)) == 4, "a slash alone is no name of everything"
    delete(store, "d/")
    assert keys_of(store) == ["d", "e"]


def keys_of(store):
    return [meta.key for page in store.list() for meta in page.objects]
