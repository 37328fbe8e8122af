"""Versions and snapshots, on versioned memory; both colours."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from holdall.errors import NotFoundError, NotSupportedError, VersionNotFoundError
from holdall.mounts import UnsupportedNodeError


@pytest.fixture
def node(memory):
    node = memory.node("old:a.txt")
    for text in ("one", "two", "three"):
        node.write(text)
    return node


def _moment() -> datetime:
    time.sleep(0.002)
    moment = datetime.now(UTC)
    time.sleep(0.002)
    return moment


def test_versions_are_oldest_first(node, say):
    versions = say(node, "versions")
    assert [set(v) for v in versions] == [{"version_id", "is_latest", "last_modified", "size", "etag"}] * 3
    assert [v["size"] for v in versions] == [3, 3, 5]
    assert [v["is_latest"] for v in versions] == [False, False, True]
    assert say(node, "version_count") == 3
    assert [say(node, "read_text", version=v["version_id"]) for v in versions] == ["one", "two", "three"]


def test_a24_indexes_ids_and_moments_agree(memory, say):
    node = memory.node("old:b")
    node.write("one")
    after_one = _moment()
    node.write("two")
    ids = [v["version_id"] for v in node.versions]
    assert (
        say(node, "read_text", version=0)
        == say(node, "read_text", version=-2)
        == say(node, "read_text", as_of=after_one)
        == "one"
    )
    assert say(node, "read_text", version=-1) == say(node, "read_text", version=1) == "two"
    assert say(node, "read_text", as_of=after_one.replace(tzinfo=None)) == "one"
    assert say(node, "stat", version=0).version == ids[0]
    assert say(node, "get", version=0).meta.version == ids[0]
    for bad in (2, -3):
        with pytest.raises(VersionNotFoundError, match="out of range"):
            say(node, "read_text", version=bad)
    with pytest.raises(IndexError):
        say(node, "read_text", as_of=after_one - timedelta(days=1))
    with pytest.raises(ValueError, match="Cannot specify both"):
        say(node, "read_text", version=0, as_of=after_one)


def test_a25_snapshots_read_and_never_write(node, say, memory):
    old = node.at(0)
    assert old == memory.node("old:a.txt", version=0)
    assert old.is_snapshot
    assert (say(old, "read"), say(old, "size"), say(old, "exists"), say(old, "isfile"), say(old, "isdir")) == (
        "one",
        3,
        True,
        True,
        False,
    )
    assert old.version == node.versions[0]["version_id"]
    assert "version=" in repr(old)
    calls = [
        ("write", "x"), ("write_bytes", b"x"), ("put", b"x"), ("touch",), ("mkdir",), ("delete",), ("unlink",), ("rmdir",), ("rename", "old:z"),
        ("set_metadata", {}), ("set_tags", {}), ("rollback",), ("restore",), ("compact_versions",), ("delete_version", "x"),
        ("prune_versions", 1), ("move_to", "old:z"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(UnsupportedNodeError, match="Cannot write to versioned snapshot"):
            say(old, *call)
    assert node.version_count == 3
    with pytest.raises(ValueError, match="Cannot specify both"):
        say(old, "read_text", version=1)
    with pytest.raises(ValueError, match="Cannot specify both"):
        node.at(0).at(1)
    with pytest.raises(ValueError, match="needed"):
        node.at()


def test_an_index_is_fixed_at_first_use(node, say):
    newest = node.at(-1)
    assert say(newest, "read") == "three"
    node.write("four")
    assert say(newest, "read") == "three"


def test_a_snapshot_can_be_copied(node, say, memory):
    say(node.at(0), "copy_to", "mem:copy.txt")
    assert memory.node("mem:copy.txt").read() == "one"
    say(node.at(1), "copy_to", "old:copy.txt")
    assert memory.node("old:copy.txt").read() == "two"


def test_a25_deletion_is_a_version_too(node, say):
    before = _moment()
    node.delete()
    deleted = _moment()
    assert not say(node, "exists")
    assert say(node, "version_count") == 3
    assert [v.get("delete_marker", False) for v in say(node, "list_versions", delete_markers=True)] == [False] * 3 + [True]
    assert say(node, "read_text", as_of=before) == "three"
    with pytest.raises(FileNotFoundError, match="deleted"):
        say(node, "read_text", as_of=deleted)
    assert not say(node.at(as_of=deleted), "exists")
    assert not say(node.at(as_of=deleted), "isfile")
    restored = say(node, "restore")
    assert node.read() == "three"
    assert restored == node.versions[-1]["version_id"]
    assert say(node, "restore") == restored
    assert node.version_count == 4


def test_rollback_adds_a_version(node, say):
    new = say(node, "rollback")
    assert node.read() == "two"
    assert (node.version_count, node.versions[-1]["version_id"]) == (4, new)
    say(node, "rollback", 0)
    assert node.read() == "one"
    say(node, "rollback", node.versions[2]["version_id"])
    assert node.read() == "three"


def test_delete_version(node, say):
    first = node.versions[0]["version_id"]
    say(node, "delete_version", first)
    assert node.version_count == 2
    with pytest.raises(NotFoundError):
        say(node, "delete_version", first)


def test_a25_compaction_keeps_what_every_instant_showed(memory, say):
    node = memory.node("old:c")
    for text in ("a", "a", "b", "b", "b", "a"):
        node.write(text)
    node.delete()
    node.write("a")
    node.put(b"a", metadata={"new": "1"})
    assert say(node, "compact_versions", dry_run=True) == 3
    assert node.version_count == 8
    assert say(node, "compact_versions") == 3
    assert [node.read_text(version=v["version_id"]) for v in node.versions] == ["a", "b", "a", "a", "a"]
    assert say(node, "compact_versions") == 0


def test_pruning_never_takes_the_latest(node, say):
    assert say(node, "prune_versions", keep_last=2, dry_run=True) == 1
    assert say(node, "prune_versions", keep_last=2) == 1
    assert [node.read_text(version=v["version_id"]) for v in node.versions] == ["two", "three"]
    future = datetime.now(UTC) + timedelta(days=1)
    assert say(node, "prune_versions", keep_since=future) == 1
    assert node.read() == "three"
    for bad in ({}, {"keep_last": 0}):
        with pytest.raises(ValueError, match="keep_last"):
            say(node, "prune_versions", **bad)


def test_mounts_without_versions_refuse_before_asking(memory, say):
    node = memory.node("mem:a")
    node.write("x")
    store = memory._open("mem")
    for verb in ("head", "get", "list", "versions"):
        setattr(store, verb, None)
        setattr(store, f"{verb}_async", None)
    for call in (
        ("versions",),
        ("list_versions",),
        ("version_count",),
        ("rollback",),
        ("restore",),
        ("compact_versions",),
        ("prune_versions", 1),
    ):
        with pytest.raises(NotSupportedError, match="does not support versioning"):
            say(node, *call)
    for named in ({"version": 0}, {"version": "x"}, {"as_of": datetime.now(UTC)}):
        with pytest.raises(NotSupportedError, match="does not support versioning"):
            say(node, "read_text", **named)


def test_no_versions_at_all(memory, say):
    node = memory.node("old:never")
    assert say(node, "versions") == []
    with pytest.raises(VersionNotFoundError, match="No versions available"):
        say(node, "read_text", version=-1)
    with pytest.raises(FileNotFoundError):
        say(node, "restore")


def test_a26_unchanged_content_makes_no_version(node, say):
    assert say(node, "write", "three", skip_if_unchanged=True) is False
    assert node.version_count == 3


def test_a_version_of_a_tree_is_refused(memory, say):
    memory.node("old:d/a").write("1")
    for node in (memory.node("old:", version="x"), memory.node("old:d", version="x")):
        for verb, words in (("iterdir", ()), ("children", ()), ("glob", ("*",))):
            with pytest.raises(NotSupportedError, match="of one file"):
                say(node, verb, *words)
        with pytest.raises((NotFoundError, ValueError)):
            say(node, "copy_to", "mem:tree")
    assert memory.node("mem:").children() == []
