"""Sync: what is new or different goes over, and what the source lacks goes away, under guard."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.engine.stores import Apart, engine, everything, fill, md5

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine.progress import TransferOptions
from holdall.errors import (
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    TransferError,
    UnavailableError,
)
from holdall.results import DeleteResult
from holdall.testing import CountingStore, FlakyStore

TREE = {"a": b"1", "b/c": b"22", "b/d/e": b"333"}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["memory", "apart", "local"])
def target(request, tmp_path):
    """A store to mirror to."""
    return {"memory": MemoryStore, "apart": Apart, "local": lambda: LocalStore(tmp_path / "to", create=True)}[
        request.param
    ]()


@pytest.mark.parametrize("compare", [None, "auto", "size", "mtime", "hash"])
def test_the_second_time_nothing_is_copied(colour, target, tmp_path, compare):
    source = LocalStore(tmp_path / "from", create=True)
    fill(source, {f"t/{key}": data for key, data in TREE.items()})
    options = TransferOptions(compare=compare) if compare else None
    assert colour(engine).sync((source, "t"), (target, "u"), options).copied == 3
    assert everything(target, "u/") == TREE
    again = colour(engine).sync((source, "t"), (target, "u"), options)
    assert (again.copied, again.skipped) == (0, 3)


def test_the_second_time_costs_two_listings(colour):
    source, target = CountingStore(Apart()), CountingStore(Apart())
    fill(source, {f"{i:05}": b"x" for i in range(2500)})
    colour(engine).sync((source, ""), (target, ""))
    source.reset()
    target.reset()
    assert colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True)).skipped == 2500
    assert (source.counts.calls, target.counts.calls) == ({"list": 1}, {"list": 1})
    assert source.counts.pages <= 4


def test_what_changed_is_copied(colour, target):
    source = Apart()
    fill(source, {"same": b"1", "longer": b"22", "newer": b"3", "new": b"4"})
    colour(engine).sync((source, ""), (target, ""), TransferOptions(exclude="new"))
    fill(source, {"longer": b"222", "newer": b"x"})
    report = colour(engine).sync((source, ""), (target, ""))
    assert {item.source for item in report.items if item.action == "copied"} == {"longer", "newer", "new"}
    assert everything(target) == {"same": b"1", "longer": b"222", "newer": b"x", "new": b"4"}


def test_an_older_source_of_equal_size_is_left(colour):
    source, target = Apart(), Apart()
    fill(source, {"f": b"1"})
    fill(target, {"f": b"2"})
    source.set_modified("f", LONG_AGO)
    report = colour(engine).sync((source, ""), (target, ""))
    assert report.items[0].reason == "same size (1 bytes), not newer"
    assert colour(engine).sync((source, ""), (target, ""), TransferOptions(compare="hash")).copied == 1


class Vouching(Apart):
    """Vouches for the MD5 of what it holds."""

    def __init__(self):
        super().__init__(digests=frozenset({"md5"}))

    def _find(self, key, version):
        import dataclasses

        found = super()._find(key, version)
        return dataclasses.replace(found, meta=dataclasses.replace(found.meta, digests={"md5": md5(found.data)}))


def test_digests_that_a_store_vouches_for_are_not_read_again(colour):
    source, target = CountingStore(Vouching()), CountingStore(Vouching())
    fill(source, {"same": b"1234", "other": b"aaaa"})
    fill(target, {"same": b"1234", "other": b"bbbb"})
    source.reset()
    target.reset()
    report = colour(engine).copy((source, ""), (target, ""), TransferOptions(skip="hash"))
    assert (report.copied, report.skipped) == (1, 1)
    assert [item.reason for item in report.items if item.action == "skipped"] == [
        f"same content (MD5: {md5(b'1234')[:8]}...)"
    ]
    assert source.counts.log.count(("get", "same")) == 0
    assert target.counts.calls.get("get", 0) == 0


def test_one_side_that_vouches_spares_reading_that_side(colour):
    source, target = CountingStore(Apart()), CountingStore(Vouching())
    fill(source, {"f": b"1234"})
    fill(target, {"f": b"1234"})
    target.reset()
    report = colour(engine).copy((source, ""), (target, ""), TransferOptions(skip="hash"))
    assert report.items[0].reason == f"same content (MD5: {md5(b'1234')[:8]}...)"
    assert target.counts.calls.get("get", 0) == 0


# -- deleting -------------------------------------------------------------------------------------------------------------


def test_delete_removes_what_the_source_lacks(colour, target):
    source = Apart()
    fill(source, TREE)
    fill(target, {"u/" + key: b"older" for key in ("b/x", "b/d/e", "z", "c/d/e/f")} | {"other": b"not below u/"})
    report = colour(engine).sync((source, ""), (target, "u"), TransferOptions(delete=True))
    assert everything(target) == {f"u/{key}": data for key, data in TREE.items()} | {"other": b"not below u/"}
    assert report.deleted == 3
    assert {item.target for item in report.items if item.action == "deleted"} == {"u/b/x", "u/z", "u/c/d/e/f"}


def test_directories_that_became_empty_go(colour, tmp_path):
    source, target = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    fill(source, {"keep/f": b"1"})
    source.put("both/", b"")
    fill(target, {"u/c/d/e/f": b"1", "u/keep/g": b"2", "u/both/h": b"3"})
    target.put("u/gone/", b"")
    colour(engine).sync((source, ""), (target, "u"), TransferOptions(delete=True))
    assert sorted(str(path.relative_to(tmp_path / "b/u")) for path in (tmp_path / "b/u").rglob("*")) == [
        "both",
        "keep",
        "keep/f",
    ]


def test_delete_never_takes_what_filters_hide(colour, target):
    source = Apart()
    fill(source, {"a.py": b"1"})
    fill(target, {"b.py": b"2", "c.log": b"3", "d.py": b"4"})
    options = TransferOptions(delete=True, include="*.py", filter=lambda meta, path: path != "d.py")
    colour(engine).sync((source, ""), (target, ""), options)
    assert everything(target) == {"a.py": b"1", "c.log": b"3", "d.py": b"4"}


def test_too_many_deletions_are_none(colour, target):
    source = Apart()
    fill(source, {"a": b"1"})
    fill(target, {f"x{i}": b"2" for i in range(5)})
    with pytest.raises(TransferError, match="5 deletions are more than max_delete=4") as caught:
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, max_delete=4))
    assert caught.value.report.copied == 1
    assert len(everything(target)) == 6
    assert colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, max_delete=5)).deleted == 5


def test_an_empty_source_deletes_nothing_unless_told(colour, target):
    source = Apart()
    fill(target, TREE)
    with pytest.raises(TransferError, match="allow_empty"):
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True))
    with pytest.raises(NotFoundError, match="Source not found"):
        colour(engine).sync((source, "unmounted/"), (target, ""), TransferOptions(delete=True))
    assert everything(target) == TREE
    report = colour(engine).sync((source, "unmounted/"), (target, ""), TransferOptions(delete=True, allow_empty=True))
    assert report.deleted == 3
    assert everything(target) == {}


def test_a_failed_copy_prevents_deletions(colour, target):
    source = FlakyStore(Apart())
    fill(source, {"a": b"1", "b": b"2"})
    fill(target, {"old": b"3"})
    source.fail("get", key="b")
    with pytest.raises(TransferError) as caught:
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, errors="collect"))
    assert caught.value.report.deleted == 0
    assert everything(target) == {"a": b"1", "old": b"3"}
    source.fail("get", key="b")
    with pytest.raises(UnavailableError):
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True))
    assert "old" in everything(target)


BEFORE = {"d": b"was a file", "e/x/y": b"was a directory", "f/g": b"was one, too", "gone": b"3", "same": b"4"}
AFTER = {"d/x/y": b"1", "d/z": b"22", "e": b"333", "f/g/h": b"4444", "same": b"4"}


@pytest.mark.parametrize("progress", [None, print])
@pytest.mark.parametrize("errors", ["raise", "collect"])
def test_a_file_becomes_a_directory_and_the_other_way_round(colour, target, tmp_path, errors, progress):
    source = LocalStore(tmp_path / "from", create=True)
    fill(source, AFTER)
    fill(target, BEFORE)
    (tmp_path / "to" / "e/empty").mkdir(parents=True, exist_ok=True)  # for the local one
    options = TransferOptions(delete=True, errors=errors, progress=progress)
    report = colour(engine).sync((source, ""), (target, ""), options)
    assert everything(target) == AFTER
    assert (report.copied, report.skipped, report.failed) == (4, 1, 0)
    again = colour(engine).sync((source, ""), (target, ""), options)
    assert (again.copied, again.skipped, again.deleted) == (0, 5, 0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, NotDirectoryError),
        ({"delete": True, "max_delete": 3}, NotDirectoryError),
        ({"delete": True, "exclude": "d"}, NotDirectoryError),
        ({"delete": True, "exclude": "e/*"}, IsDirectoryError),
    ],
)
def test_what_stands_in_the_way_and_stays_is_an_error(colour, tmp_path, options, error):
    """Without leave to delete it, above `max_delete`, or hidden by a filter; and then nothing else is deleted either."""
    source, target = LocalStore(tmp_path / "from", create=True), LocalStore(tmp_path / "to", create=True)
    fill(source, AFTER)
    fill(target, BEFORE)
    with pytest.raises(TransferError) as caught:
        colour(engine).sync((source, ""), (target, ""), TransferOptions(errors="collect", **options))
    assert error in {type(item.error) for item in caught.value.report.items}
    assert caught.value.report.deleted == 0
    assert everything(target) == BEFORE
    with pytest.raises((NotDirectoryError, IsDirectoryError)):
        colour(engine).sync((source, ""), (target, ""), TransferOptions(**options))
    assert everything(target) == BEFORE


def test_a_failed_copy_leaves_what_stands_in_the_way(colour, tmp_path):
    source, target = FlakyStore(Apart()), LocalStore(tmp_path)
    fill(source, AFTER)
    fill(target, BEFORE)
    source.fail("get", key="same")
    target.put("same", b"differs")
    with pytest.raises(TransferError) as caught:
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, errors="collect"))
    assert caught.value.report.failed == 5
    assert everything(target) == BEFORE | {"same": b"differs"}


def test_what_cannot_be_deleted_stays_in_the_way(colour, tmp_path):
    class Holding(LocalStore):
        def delete(self, keys):
            for key in keys:
                yield from [DeleteResult(key="d", error=UnavailableError("held"))] if key == "d" else super().delete([key])

        async def delete_async(self, keys):
            return list(self.delete(keys))

    source, target = Apart(), Holding(tmp_path)
    fill(source, AFTER)
    fill(target, BEFORE)
    with pytest.raises(TransferError) as caught:
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, errors="collect"))
    failed = {item.target: type(item.error) for item in caught.value.report.items if item.action == "failed"}
    assert failed["d"] is UnavailableError
    assert {failed[key] for key in ("d/x/y", "d/z", "f/g/h")} == {NotDirectoryError}
    assert failed["e"] is IsDirectoryError


def test_a_listing_that_breaks_off_deletes_nothing(colour):
    source, target = FlakyStore(Apart()), Apart()
    fill(source, {f"{i:05}": b"x" for i in range(1500)})
    fill(target, {"zzz": b"3"})
    source.fail("list", when="during")
    with pytest.raises(UnavailableError):
        colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True))
    assert "zzz" in everything(target)


def test_deleting_needs_permission(colour):
    with pytest.raises(PermissionDeniedError, match="delete permission"):
        colour(engine).sync((Apart(), ""), (Apart(delete=False), ""), TransferOptions(delete=True))


def test_a_dry_mirror_predicts_deletions(colour, target):
    source = Apart()
    fill(source, {"a": b"1"})
    fill(target, {"b": b"2"})
    report = colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True, dry_run=True))
    assert (report.copied, report.deleted) == (1, 1)
    assert everything(target) == {"b": b"2"}


def test_a_store_without_order_is_sorted_first(colour):
    class Shuffled(Apart):
        def list(self, *arguments, **named):
            pages = list(super().list(*arguments, **named))
            for page in reversed(pages):
                yield type(page)(list(reversed(page.objects)), page.prefixes)

        async def list_async(self, *arguments, **named):
            for page in self.list(*arguments, **named):
                yield page

    source, target = Shuffled(ordered=False), Shuffled(ordered=False)
    tree = {f"{i:05}": b"x" for i in range(1200)}
    fill(source, tree)
    fill(target, {"00007x": b"old"})
    report = colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True))
    assert (report.copied, report.deleted) == (1200, 1)
    assert colour(engine).sync((source, ""), (target, ""), TransferOptions(delete=True)).skipped == 1200


def test_one_file_is_synced(colour, target):
    source = Apart()
    source.put("f", b"1")
    assert colour(engine).sync((source, "f"), (target, "g")).copied == 1
    assert colour(engine).sync((source, "f"), (target, "g")).skipped == 1
    source.put("f", b"2")
    source.set_modified("f", datetime.now(UTC) + timedelta(seconds=9))
    assert colour(engine).sync((source, "f"), (target, "g")).copied == 1
    assert target.get("g").bytes() == b"2"
