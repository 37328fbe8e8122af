"""Moving: a rename where one is possible, else copy, verify, delete, pinned to what was copied."""

import os

import pytest
from tests.unit.engine.stores import Apart, engine, everything, fill

from holdall.core.options import PutOptions
from holdall.core.plans import MIB
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine.progress import TransferOptions
from holdall.errors import (
    AlreadyExistsError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    TransferError,
    UnavailableError,
)
from holdall.testing import CountingStore, FlakyStore
from holdall.wrappers.prefix import PrefixStore

TREE = {"a": b"1", "b/c": b"22", "b/d/e": b"333"}


def test_a_file_on_one_filesystem_is_renamed(colour, tmp_path):
    store = LocalStore(tmp_path)
    store.put("x/f", b"1", PutOptions(content_type="text/x"))
    inode = os.stat(tmp_path / "x/f").st_ino
    report = colour(engine).move((store, "x/f"), (store, "y/g"))
    assert (report.copied, os.stat(tmp_path / "y/g").st_ino) == (1, inode)
    assert store.head("y/g").content_type == "text/x"
    assert everything(store) == {"y/g": b"1"}


def test_a_directory_is_renamed_in_one_act(colour, tmp_path):
    store = CountingStore(LocalStore(tmp_path))
    fill(store, {f"t/{key}": data for key, data in TREE.items()})
    store.put("t/empty/", b"")
    inode = os.stat(tmp_path / "t/b/c").st_ino
    store.reset()
    report = colour(engine).move((store, "t/"), (store, "new/place"))
    assert os.stat(tmp_path / "new/place/b/c").st_ino == inode
    assert (tmp_path / "new/place/empty").is_dir()
    assert not (tmp_path / "t").exists()
    assert [item.action for item in report.items] == ["renamed"]
    assert dict(store.counts.calls) == {"rename": 1}


def test_two_local_roots_rename_as_well(colour, tmp_path):
    here, there = LocalStore(tmp_path / "a/here", create=True), LocalStore(tmp_path / "there", create=True)
    fill(here, {f"t/{key}": data for key, data in TREE.items()} | {"f": b"x"})
    there.put("keep", b"me")
    inodes = [os.stat(tmp_path / "a/here" / name).st_ino for name in ("f", "t/b/c")]
    colour(engine).move((here, "f"), (there, "g"))
    colour(engine).move((here, "t"), (there, "deep/t"))
    assert [os.stat(tmp_path / "there" / name).st_ino for name in ("g", "deep/t/b/c")] == inodes
    assert everything(here) == {}
    assert everything(there) == {f"deep/t/{key}": data for key, data in TREE.items()} | {"g": b"x", "keep": b"me"}


def test_a_rename_between_roots_keeps_to_their_bounds(colour, tmp_path):
    here, there = LocalStore(tmp_path / "here", create=True), LocalStore(tmp_path / "there", create=True)
    (tmp_path / "outside").mkdir()
    here.put("f", b"1")
    there.put("x", b"")
    (tmp_path / "there/link").symlink_to(tmp_path / "outside")
    with pytest.raises(PermissionDeniedError):
        colour(engine).move((here, "f"), (there, "link/f"))
    assert list((tmp_path / "outside").iterdir()) == []
    assert everything(here) == {"f": b"1"}


def test_a_directory_moved_onto_a_filled_one_merges_by_renames(colour, tmp_path):
    store = LocalStore(tmp_path)
    fill(store, {f"t/{key}": data for key, data in TREE.items()} | {"u/b/c": b"old", "u/z": b"26"})
    store.put("t/empty/", b"")
    inode = os.stat(tmp_path / "t/b/c").st_ino
    report = colour(engine).move((store, "t"), (store, "u"))
    assert everything(store, "u/") == TREE | {"z": b"26"}
    assert os.stat(tmp_path / "u/b/c").st_ino == inode
    assert (tmp_path / "u/empty").is_dir()
    assert not (tmp_path / "t").exists()
    assert report.copied == len(TREE)


def test_prefixes_of_one_store_are_looked_through(colour):
    store = CountingStore(MemoryStore())
    fill(store, {"p/t/a": b"1"})
    store.reset()
    one, other = PrefixStore(store, "p"), PrefixStore(store, "q")
    colour(engine).move((one, "t/a"), (other, "b"))
    assert everything(store) == {"q/b": b"1"}


@pytest.mark.parametrize("size", [0, 5, 9 * MIB])
def test_a_move_between_stores_verifies_and_deletes(colour, size):
    source, target = CountingStore(Apart()), Apart()
    source.put("t/f", b"z" * size, PutOptions(content_type="text/x"))
    report = colour(engine).move((source, "t/f"), (target, "g"))
    assert target.get("g").bytes() == b"z" * size
    assert target.head("g").content_type == "text/x"
    assert everything(source) == {}
    assert report.items[0].digest.startswith("sha256:")
    assert not any(verb == "rename" for verb, _ in source.counts.log)


@pytest.mark.parametrize("single", [True, False])
def test_moving_onto_itself_does_nothing(colour, tmp_path, single):
    store = LocalStore(tmp_path)
    fill(store, {"t/a": b"1"})
    name = "t/a" if single else "t"
    report = colour(engine).move((store, name), (PrefixStore(store, "t"), "a" if single else ""))
    assert (report.copied, report.skipped) == (0, 0)
    assert everything(store) == {"t/a": b"1"}


@pytest.mark.parametrize("name", ["absent", "absent/", "t/absent"])
def test_what_is_not_there_cannot_be_moved_onto_itself(colour, tmp_path, name):
    for store in (LocalStore(tmp_path), MemoryStore()):
        fill(store, {"t/a": b"1"})
        for options in (None, TransferOptions(errors="collect"), TransferOptions(dry_run=True)):
            with pytest.raises(NotFoundError, match="Source not found"):
                colour(engine).move((store, name), (PrefixStore(store, ""), name), options)


def test_trees_and_roots_can_be_moved_onto_themselves(colour, tmp_path):
    for store in (LocalStore(tmp_path), MemoryStore()):
        fill(store, {"t/a": b"1"})
        for name in ("t/a", "t", "t/", ""):
            assert colour(engine).move((store, name), (store, name)).items == []
        assert everything(store) == {"t/a": b"1"}


def test_skipped_files_stay_at_the_source(colour, tmp_path):
    for source, target in (
        (Apart(), Apart()),
        (LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)),
    ):
        fill(source, {"t/a.py": b"1", "t/b.txt": b"2", "t/d/c.py": b"3"})
        fill(target, {"u/a.py": b"old"})
        options = TransferOptions(include="*.py", skip="exists")
        report = colour(engine).move((source, "t"), (target, "u"), options)
        assert (report.copied, report.skipped) == (1, 2)
        assert everything(source) == {"t/a.py": b"1", "t/b.txt": b"2"}
        assert everything(target) == {"u/a.py": b"old", "u/d/c.py": b"3"}


def test_directories_left_empty_go_others_stay(colour, tmp_path):
    source, target = LocalStore(tmp_path, create=True), Apart()
    fill(source, {"t/d/a": b"1", "t/e/b": b"2", "t/e/keep.log": b"3"})
    source.put("t/empty/", b"")
    colour(engine).move((source, "t"), (target, ""), TransferOptions(exclude="*.log"))
    assert sorted(os.listdir(tmp_path / "t")) == ["e", "empty"]  # nothing else could keep the empty one
    colour(engine).move((source, "t/e"), (target, "e"))
    assert not (tmp_path / "t/e").exists()


def test_without_permission_to_delete_nothing_is_copied(colour):
    source, target = CountingStore(Apart(delete=False)), CountingStore(Apart())
    source.put("f", b"1")
    source.reset()
    with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
        colour(engine).move((source, "f"), (target, "f"))
    assert (source.counts.total, target.counts.total) == (0, 0)


def test_a_missing_source_is_not_found(colour, tmp_path):
    for store in (MemoryStore(), Apart(), LocalStore(tmp_path)):
        for name in ("x", "x/"):
            with pytest.raises(NotFoundError, match="Source not found"):
                colour(engine).move((store, name), (store, "y"))


def test_overwrite_false_does_not_replace_by_rename(colour, tmp_path):
    store = LocalStore(tmp_path)
    fill(store, {"a": b"1", "b": b"2"})
    with pytest.raises(AlreadyExistsError):
        colour(engine).move((store, "a"), (store, "b"), TransferOptions(overwrite=False))
    assert everything(store) == {"a": b"1", "b": b"2"}


class Meddling(Apart):
    """Lets somebody change the source as soon as the target has its copy."""

    def __init__(self, source, **changes):
        super().__init__(**changes)
        self.source = source

    def put(self, key, *arguments, **named):
        result = super().put(key, *arguments, **named)
        self.source.put("f", b"changed meanwhile")
        return result

    async def put_async(self, key, *arguments, **named):
        result = await super().put_async(key, *arguments, **named)
        self.source.put("f", b"changed meanwhile")
        return result


@pytest.mark.parametrize("conditional", [True, False])
def test_a_source_changed_after_it_was_copied_is_kept(colour, conditional):
    source = Apart(conditional_delete=conditional)
    source.put("f", b"1")
    target = Meddling(source)
    with pytest.raises(PreconditionError):
        colour(engine).move((source, "f"), (target, "g"))
    assert everything(source) == {"f": b"changed meanwhile"}


def test_a_source_without_etags_is_compared_by_size_and_time(colour):
    class Bare(Apart):
        def head(self, key, *, version=None):
            import dataclasses

            return dataclasses.replace(super().head(key, version=version), etag=None)

        async def head_async(self, key, *, version=None):
            return self.head(key, version=version)

        def get(self, key, options=None):
            import dataclasses

            result = super().get(key, options)
            result.meta = dataclasses.replace(result.meta, etag=None)
            return result

        async def get_async(self, key, options=None):
            return self.get(key, options)

    source = Bare(etag=False, conditional_read=False, conditional_delete=False)
    source.put("f", b"1")
    with pytest.raises(PreconditionError):
        colour(engine).move((source, "f"), (Meddling(source), "g"))
    assert colour(engine).move((source, "f"), (Apart(), "g")).copied == 1
    assert everything(source) == {}


@pytest.mark.parametrize("verb", ["get", "put", "head", "delete"])
def test_a18_an_interrupted_move_loses_nothing_and_can_be_finished(colour, verb):
    source, target = FlakyStore(Apart()), FlakyStore(Apart())
    tree = {f"t/{i:02}": bytes([i]) * 100 for i in range(20)}
    fill(source, tree)
    (target if verb == "put" else source).fail(verb, nth=8, times=3)
    if verb == "head":
        source.fail("delete", nth=8, times=3)
    with pytest.raises((UnavailableError, TransferError)):
        colour(engine).move((source, "t/"), (target, ""), TransferOptions(errors="collect"))
    here, there = everything(source), everything(target)
    assert all(here.get(key, there.get(key[2:])) == data for key, data in tree.items())
    assert here
    source.heal()
    target.heal()
    colour(engine).move((source, "t/"), (target, ""))
    assert everything(source) == {}
    assert everything(target) == {key[2:]: data for key, data in tree.items()}


class Corrupting(Apart):
    """Stores other bytes than it was given, of the same number."""

    def _publish(self, key, data, options):
        return super()._publish(key, b"!" + data[1:] if key.startswith("g") else data, options)


@pytest.mark.parametrize("size", [5, 9 * MIB])
def test_a_corrupted_copy_keeps_the_source_and_goes(colour, size):
    source, target = Apart(), Corrupting()
    source.put("f", b"z" * size)
    with pytest.raises(IntegrityError, match="sha256 differs"):
        colour(engine).move((source, "f"), (target, "g"))
    assert everything(target) == {}
    assert source.head("f").size == size


def test_progress_counts_a_rename(colour, tmp_path):
    store = LocalStore(tmp_path)
    fill(store, {"t/a": b"1", "t/b": b"2"})
    seen = []
    options = TransferOptions(progress=lambda *numbers: seen.append(numbers))
    colour(engine).move((store, "t/"), (store, "u"), options)
    assert seen == [(1, 1)]
