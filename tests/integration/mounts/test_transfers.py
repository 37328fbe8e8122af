"""Copy, move and sync of nodes between every pair of storages, in both colours."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from holdall.errors import IntegrityError, IsDirectoryError, TransferError
from holdall.mounts import SkipStrategy
from holdall.wrappers.forwarding import ForwardingStore

KINDS = ("ram", "disk", "s3")
FILES = {"a.txt": "aaa", "d/b.txt": "bbbb", "d/e/c.bin": "c" * 5000, "ü x%2F.txt": "odd"}


def fill(storage, mount, files=FILES):
    for name, text in files.items():
        storage.node(mount, name).write(text)


def tree(storage, mount, path=""):
    top = storage.node(mount, path)
    cut = len(path) + 1 if path else 0
    return {n.path[cut:]: n.read() for n in top.rglob("*") if n.info.is_file()}


# -- where copies land (A13) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)))
def test_a13_directories_always_merge(everywhere, say, source, target):
    storage = everywhere
    fill(storage, f"{source}:src")
    storage.node(f"{target}2:full/kept.txt").write("kept")
    storage.node(f"{target}2:full/a.txt").write("old")
    storage.node(f"{target}2:empty").mkdir(exist_ok=True)
    for where, more in (("missing", {}), ("empty", {}), ("full", {"kept.txt": "kept"})):
        new = say(storage.node(f"{source}:src"), "copy_to", f"{target}2:{where}")
        assert new == storage.node(f"{target}2:{where}")
        assert tree(storage, f"{target}2", where) == {**FILES, **more}
    say(storage.node(f"{source}:src"), "copy_into", f"{target}2:nest")
    assert tree(storage, f"{target}2", "nest") == {f"src/{name}": text for name, text in FILES.items()}
    assert tree(storage, source, "src") == FILES


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)))
def test_a13_files_go_to_exactly_the_target(everywhere, say, source, target):
    storage = everywhere
    node = storage.node(f"{source}:x/a.txt")
    node.write("one")
    assert say(node, "copy_to", f"{target}2:y/b.txt").read() == "one"
    assert say(node, "copy_into", f"{target}2:y").fullpath == f"{target}2:y/a.txt"
    for place in (f"{target}2:", "disk2:dir"):
        storage.node("disk2:dir").mkdir(exist_ok=True)
        with pytest.raises(IsDirectoryError, match="copy_into"):
            say(node, "copy_to", place)
    with pytest.raises(FileNotFoundError, match="Source not found"):
        say(storage.node(f"{source}:none"), "copy_to", f"{target}2:z")
    with pytest.raises(FileExistsError):
        say(node, "copy_to", f"{target}2:y/b.txt", overwrite=False)


def test_a_tree_cannot_go_into_itself(storage, say):
    fill(storage, "here:t")
    for pair in (("here:t", "here:t/in"), ("here:t/d", "here:t")):
        with pytest.raises(ValueError, match="inside"):
            say(storage.node(pair[0]), "copy_to", pair[1])
    assert tree(storage, "here", "t") == FILES


def test_one_object_under_two_names_is_not_truncated(everywhere, say, storage):
    storage.node("here:same").write("content")
    storage.configure({"alias": "here:"})
    reasons: list[str] = []
    say(storage.node("here:same"), "copy_to", "alias:same", on_skip=lambda node, reason: reasons.append(reason))
    assert reasons == ["same object"]
    assert storage.node("here:same").read() == "content"


# -- choosing (A14, A15) --------------------------------------------------------------------------------------------------


def test_a14_filters_in_their_order(storage, say, caplog):
    fill(storage, "here:f", {"a.txt": "1", "b.txt": "2", "c.csv": "3", "d/a.txt": "4", "d/x.txt": "5"})
    reasons: dict[str, str] = {}

    def odd(node, path):
        if path == "b.txt":
            raise RuntimeError("no idea")
        return path != "d/x.txt"

    report = say(
        storage, "copy", "here:f", "there:f", include="*.txt", exclude=["d/a*"], filter=odd,
        on_skip=lambda node, reason: reasons.__setitem__(node.relative_to("here:f"), reason),
    )  # fmt: skip
    assert tree(storage, "there", "f") == {"a.txt": "1"}
    assert reasons["c.csv"] == "not in include"
    assert reasons["d/a.txt"] == "excluded"
    assert reasons["b.txt"].startswith("filter error: ")
    assert "no idea" in reasons["b.txt"]
    assert "d/x.txt" in reasons
    assert {item.source: item.reason for item in report.items if item.action == "skipped"} == {
        storage.node("here:f", name).path: reason for name, reason in reasons.items()
    }
    assert "no idea" in caplog.text


def test_a14_filters_hold_for_single_files(storage, say):
    node = storage.node("here:one.txt")
    node.write("1")
    reasons: list[str] = []
    for options in ({"include": "*.csv"}, {"exclude": "one*"}, {"filter": lambda node, path: path != "one.txt"}):
        say(node, "copy_to", "there:one.txt", on_skip=lambda node, reason: reasons.append(reason), **options)
        assert not storage.node("there:one.txt").exists
    assert reasons[:2] == ["not in include", "excluded"]
    assert len(reasons) == 3


def test_a15_skip_strategies(storage, say):
    fill(storage, "here:s", {"same": "abc", "size": "abc", "other": "abcd", "new": "x"})
    fill(storage, "there:s", {"same": "abc", "size": "xyz", "other": "ab"})
    expected = {
        "never": set(),
        "exists": {"same", "size", "other"},
        "size": {"same", "size"},
        "hash": {"same"},
        "custom": {"other"},
    }
    for skip, left in expected.items():
        fill(storage, "there:s", {"same": "abc", "size": "xyz", "other": "ab"})
        storage.node("there:s/new").delete()
        skipped: dict[str, str] = {}
        note = skipped.__setitem__
        more = (
            {"skip_fn": lambda ours, theirs: ours.name == "other" and theirs.mount_name == "there"}
            if skip == "custom"
            else {}
        )
        say(
            storage.node("here:s"), "copy_to", "there:s", skip=SkipStrategy(skip) if skip == "size" else skip,
            on_skip=lambda node, reason, note=note: note(node.name, reason), **more,
        )  # fmt: skip
        assert set(skipped) == left, skip
        assert tree(storage, "there", "s")["new"] == "x"
        if skip == "exists":
            assert set(skipped.values()) == {"destination exists"}
        if skip == "size":
            assert skipped["same"] == "same size (3 bytes)"
        if skip == "hash":
            assert skipped["same"].startswith("same content (")
        if skip == "custom":
            assert skipped["other"] == "custom function returned True"
    for options, message in (
        ({"skip": "maybe"}, "Unknown skip strategy 'maybe'"),
        ({"skip": "custom"}, "skip='custom' requires skip_fn"),
    ):
        with pytest.raises(ValueError, match=message):
            say(storage.node("here:s"), "copy_to", "there:never", **options)
    with pytest.raises(TypeError, match="nonsense"):
        say(storage.node("here:s"), "copy_to", "there:never", nonsense=1)
    assert not storage.node("there:never").exists


# -- reporting (A16, A17) -------------------------------------------------------------------------------------------------


def test_a16_progress_ends_at_the_total(storage, say):
    fill(storage, "here:p")
    storage.node("there:p/a.txt").write("aaa")
    seen: list[tuple[int, int]] = []
    files: list[str] = []
    amounts: list[int] = []
    # Through this process: bytes are told of as they pass.
    storage.configure({"there": "disk2:there" if "disk" not in repr(storage._table.mount("here")) else "ram2:there"})
    storage.node("there:p/a.txt").write("aaa")
    say(
        storage.node("here:p"), "copy_to", "there:p", skip="size", progress=lambda done, total: seen.append((done, total)),
        on_file=lambda node: files.append(node.relative_to("here:p")), on_progress=lambda event: amounts.append(event.total),
    )  # fmt: skip
    assert seen[-1] == (4, 4)
    assert [done for done, _ in seen] == [1, 2, 3, 4]
    assert sorted(files) == ["d/b.txt", "d/e/c.bin", "ü x%2F.txt"]
    assert amounts[-1] == 4 + 5000 + 3
    single: list[tuple[int, int]] = []
    say(storage.node("here:p/a.txt"), "copy_to", "there:q", progress=lambda done, total: single.append((done, total)))
    assert single == [(1, 1)]


def test_a16_a_callback_may_stop_it(storage, say):
    fill(storage, "here:c", {f"{i:02}": "x" for i in range(30)})

    def stop(node):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        say(storage.node("here:c"), "copy_to", "there:c", on_file=stop, concurrency=1)
    assert 1 <= len(tree(storage, "there", "c")) < 30
    assert set(tree(storage, "there", "c").values()) == {"x"}


def test_callbacks_may_be_coroutine_functions(storage):
    fill(storage, "here:co")
    seen: list[str] = []

    async def note(node):
        await asyncio.sleep(0)
        seen.append(node.name)

    asyncio.run(storage.copy_async("here:co", "there:co", on_file=note))
    assert len(seen) == 4
    with pytest.raises(TypeError, match="coroutine"):
        storage.copy("here:co", "there:co2", on_file=note)


class Locked(ForwardingStore):
    """Refuses to give some keys out."""

    def _check(self, key):
        if key.endswith("bad"):
            raise PermissionError(13, "locked", key)

    def get(self, key, options=None):
        self._check(key)
        return super().get(key, options)

    async def get_async(self, key, options=None):
        self._check(key)
        return await super().get_async(key, options)

    def locate(self, key):
        return self, key  # no way around it by a copy on the server's side


def test_a17_errors_are_collected(storage, say):
    fill(storage, "here:e", {**{f"{i:02}": "x" for i in range(97)}, "1bad": "x", "2bad": "x", "3bad": "x"})
    storage.add_mount("locked", Locked(storage._open("here")))
    told: list[str] = []
    with pytest.raises(TransferError) as raised:
        say(
            storage.node("locked:e"),
            "copy_to",
            "there:e",
            errors="collect",
            on_error=lambda node, error: told.append(node.name),
        )
    report = raised.value.report
    assert (report.copied, report.failed) == (97, 3)
    assert sorted(item.source for item in report.failures) == ["e/1bad", "e/2bad", "e/3bad"]
    assert sorted(told) == ["1bad", "2bad", "3bad"]
    assert len(tree(storage, "there", "e")) == 97
    with pytest.raises(PermissionError):
        say(storage.node("locked:e"), "copy_to", "there:e2")


def test_a17_a_dry_run_writes_nothing_and_predicts(storage, say):
    fill(storage, "here:n")
    storage.node("there:n/a.txt").write("aaa")
    told = say(storage.node("here:n"), "copy_to", "there:n", skip="size", dry_run=True)
    assert told.dry_run
    assert tree(storage, "there", "n") == {"a.txt": "aaa"}
    done = say(storage, "copy", "here:n", "there:n", skip="size")
    assert (told.copied, told.skipped, told.bytes) == (done.copied, done.skipped, done.bytes) == (3, 1, 5007)


# -- moving (A18, A19) ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)))
def test_moves_leave_nothing_behind(everywhere, say, source, target):
    storage = everywhere
    fill(storage, f"{source}:m")
    new = say(storage.node(f"{source}:m"), "move_to", f"{target}2:moved")
    assert new.fullpath == f"{target}2:moved"
    assert tree(storage, f"{target}2", "moved") == FILES
    assert not storage.node(f"{source}:m").exists
    assert say(storage.node(f"{target}2:moved/a.txt"), "move_into", f"{source}:back").fullpath == f"{source}:back/a.txt"
    assert tree(storage, source, "back") == {"a.txt": "aaa"}


def test_what_is_skipped_stays(storage, say):
    fill(storage, "here:k", {"a": "1", "b": "2"})
    storage.node("there:k/a").write("there already")
    report = say(storage, "move", "here:k", "there:k", skip="exists")
    assert (report.copied, report.skipped) == (1, 1)
    assert tree(storage, "here", "k") == {"a": "1"}
    assert tree(storage, "there", "k") == {"a": "there already", "b": "2"}


def test_a18_a_move_on_one_disk_is_a_rename(everywhere, say, tmp_path):
    everywhere.node("disk:f").write("x")
    inode = (tmp_path / "one" / "f").stat().st_ino
    say(everywhere.node("disk:f"), "move_to", "disk2:g")
    assert (tmp_path / "two" / "g").stat().st_ino == inode


def test_moving_onto_itself_does_nothing(storage, say):
    storage.node("here:i").write("x")
    assert say(storage.node("here:i"), "move_to", "here:i").read() == "x"
    with pytest.raises(FileNotFoundError):
        say(storage.node("here:absent"), "move_to", "here:absent")


class Liar(ForwardingStore):
    """Publishes other bytes than it was given."""

    @property
    def capabilities(self):
        return super().capabilities.narrowed(copy=False, rename=False)

    def put(self, key, source, options=None):
        data = source if isinstance(source, bytes) else b"".join(source)
        return super().put(key, data[:-1] + b"!", options)

    async def put_async(self, key, source, options=None):
        data = source if isinstance(source, bytes) else b"".join([chunk async for chunk in source])
        return await super().put_async(key, data[:-1] + b"!", options)

    def locate(self, key):
        return self, key


def test_a19_a_corrupted_upload_is_found_and_the_source_kept(storage, say):
    storage.node("here:v").write("precious")
    storage.add_mount("liar", Liar(storage._open("there")))
    with pytest.raises(IntegrityError):
        say(storage.node("here:v"), "move_to", "liar:v")
    assert storage.node("here:v").read() == "precious"
    with pytest.raises(IntegrityError):
        say(storage.node("here:v"), "copy_to", "liar:w", verify="checksum")
    with pytest.raises(IntegrityError):
        say(storage.node("here:v"), "copy_to", "liar:w", verify="read")


# -- sync (A23) -----------------------------------------------------------------------------------------------------------


def test_a23_sync(storage, say):
    fill(storage, "here:y")
    first = say(storage.node("here:y"), "sync_to", "there:y")
    assert (first.copied, first.skipped) == (4, 0)
    again = say(storage, "sync", "here:y", "there:y")
    assert (again.copied, again.skipped, again.bytes) == (0, 4, 0)
    storage.node("here:y/a.txt").write("longer now")
    storage.node("here:y/d").delete()
    storage.node("there:y/extra.log").write("x")
    mirrored = say(storage, "sync", "here:y", "there:y", delete=True, exclude="*.log")
    assert (mirrored.copied, mirrored.deleted) == (1, 2)
    assert tree(storage, "there", "y") == {"a.txt": "longer now", "ü x%2F.txt": "odd", "extra.log": "x"}
    with pytest.raises(TransferError, match="delete"):
        say(storage, "sync", "here:nothing-here-but-made", "there:y", delete=True) if _made(storage) else None
    assert tree(storage, "there", "y")
    storage.node("here:y/a.txt").delete()
    with pytest.raises(TransferError):
        say(storage, "sync", "here:y", "there:y", delete=True, max_delete=1)
    assert "a.txt" in tree(storage, "there", "y")


def _made(storage):
    storage.node("here:nothing-here-but-made").mkdir()
    return storage.node("here:nothing-here-but-made").isdir
