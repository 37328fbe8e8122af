"""Copying files and trees: what lands where, what is chosen, what is told, and at how many requests."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.engine.stores import Apart, engine, everything, fill

from holdall.core.capabilities import PartRules
from holdall.core.options import PutOptions
from holdall.core.plans import MIB, PlanItem
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import transfer, transfer_async
from holdall.engine.progress import TransferOptions
from holdall.errors import (
    AlreadyExistsError,
    IsDirectoryError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    TransferError,
    UnavailableError,
)
from holdall.testing import CountingStore, FlakyStore

TREE = {"a.txt": b"1", "b/c.txt": b"22", "b/d/e.bin": b"333" * 1000, "b-x": b"", "ü/%2F": b"odd"}


@pytest.fixture(params=["memory", "apart", "local"])
def source(request, tmp_path):
    """A store to copy from."""
    return {"memory": MemoryStore, "apart": Apart, "local": lambda: LocalStore(tmp_path / "from", create=True)}[
        request.param
    ]()


@pytest.fixture(params=["memory", "apart", "apart with parts", "local"])
def target(request, tmp_path):
    """A store to copy to."""
    return {
        "memory": MemoryStore,
        "apart": Apart,
        "apart with parts": lambda: Apart(parts=PartRules()),
        "local": lambda: LocalStore(tmp_path / "to", create=True),
    }[request.param]()


# -- what lands where -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 9 * MIB, 20 * MIB + 7])
def test_a_file_goes_to_exactly_the_target(colour, source, target, size):
    data = bytes(range(251)) * (size // 251 + 1)
    source.put("x/file", data[:size], PutOptions(content_type="text/x", metadata={"k": "v"}))
    report = colour(engine).copy((source, "x/file"), (target, "y/z"))
    assert (report.copied, report.skipped, report.failed, report.bytes) == (1, 0, 0, size)
    assert target.get("y/z").bytes() == data[:size]
    assert everything(target).keys() == {"y/z"}
    meta = target.head("y/z")
    assert (meta.content_type, dict(meta.metadata)) == ("text/x", {"k": "v"})
    assert report.items[0].source == "x/file"
    assert report.items[0].target == "y/z"


@pytest.mark.parametrize("name", ["t", "t/"])
@pytest.mark.parametrize("existing", [{}, {"b/c.txt": b"old", "keep": b"me"}])
def test_the_contents_of_a_tree_land_in_the_target_and_merge(colour, source, target, name, existing):
    fill(source, {f"t/{key}": data for key, data in TREE.items()} | {"tx": b"not below t/"})
    fill(target, {f"u/{key}": data for key, data in existing.items()})
    report = colour(engine).copy((source, name), (target, "u"))
    assert everything(target, "u/") == existing | TREE
    assert report.copied == len(TREE)
    assert report.bytes == sum(map(len, TREE.values()))


def test_a_whole_store_is_a_tree(colour, source, target):
    fill(source, TREE)
    colour(engine).copy((source, ""), (target, ""))
    assert everything(target) == TREE


def test_keys_that_others_made_survive(colour):
    source, target = Apart(), Apart()
    odd = {"a//b": b"1", "%2F": b"2", " space ": b"3", "x/" * 100 + "deep": b"4", "a+b&c": b"5"}
    fill(source, odd)
    colour(engine).copy((source, ""), (target, "p"))
    assert everything(target, "p/") == odd


def test_a_missing_source_is_not_found(colour, source, target):
    with pytest.raises(NotFoundError, match="Source not found"):
        colour(engine).copy((source, "nothing"), (target, "x"))
    with pytest.raises(NotFoundError, match="Source not found"):
        colour(engine).copy((source, "nothing/"), (target, "x"))
    assert everything(target) == {}


def test_a_file_cannot_take_the_place_of_a_directory(colour, source, target):
    source.put("f", b"1")
    for name in ("", "d/"):
        with pytest.raises(IsDirectoryError, match="copy_into"):
            colour(engine).copy((source, "f"), (target, name))
    if target.capabilities.local:
        target.put("d/x", b"")
        with pytest.raises(IsDirectoryError, match="copy_into"):
            colour(engine).copy((source, "f"), (target, "d"))


def test_one_tree_within_the_other_is_refused(colour, tmp_path):
    for store in (MemoryStore(), LocalStore(tmp_path)):
        fill(store, {"a/b/c": b"1"})
        for here, there in (("a/", "a/b/"), ("a/b/", "a/"), ("", "a/"), ("a", "")):
            with pytest.raises(ValueError, match="inside"):
                colour(engine).copy((store, here), (store, there))
        assert everything(store) == {"a/b/c": b"1"}
        assert colour(engine).copy((store, "a/"), (store, "ab/")).copied == 1


def test_nested_local_roots_are_known_to_be_one_place(colour, tmp_path):
    outer, inner = LocalStore(tmp_path), LocalStore(tmp_path / "in", create=True)
    inner.put("x", b"1")
    with pytest.raises(ValueError, match="inside"):
        colour(engine).copy((outer, ""), (inner, ""))
    report = colour(engine).copy((outer, "in"), (inner, ""))
    assert [item.reason for item in report.items] == ["same object"]


def test_an_object_under_two_names_is_skipped_and_never_cut(colour, tmp_path):
    for one, other in ((LocalStore(tmp_path), LocalStore(tmp_path)), (store := MemoryStore(), store)):
        one.put("f", b"content")
        report = colour(engine).copy((one, "f"), (other, "f"))
        assert (report.copied, report.skipped, report.items[0].reason) == (0, 1, "same object")
        assert one.get("f").bytes() == b"content"


def test_a_link_to_the_same_directory_is_the_same_tree(colour, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    one, other = LocalStore(tmp_path / "real"), LocalStore(tmp_path / "link")
    one.put("f", b"content")
    report = colour(engine).copy((one, ""), (other, ""))
    assert report.skipped == 1
    assert one.get("f").bytes() == b"content"


# -- directories ----------------------------------------------------------------------------------------------------------


def test_empty_directories_are_made_where_they_are_real(colour, tmp_path):
    source, target = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    source.put("t/e1/e2/", b"")
    source.put("t/f", b"1")
    report = colour(engine).copy((source, "t"), (target, "u"))
    assert (tmp_path / "b/u/e1/e2").is_dir()
    assert (report.copied, report.directories) == (1, 1)
    colour(engine).copy((source, "t"), (target, "v"), TransferOptions(empty_dirs=False))
    assert not (tmp_path / "b/v/e1").exists()


def test_empty_directories_are_dropped_where_there_are_none(colour, tmp_path):
    source, target = LocalStore(tmp_path, create=True), MemoryStore()
    source.put("t/e/", b"")
    assert colour(engine).copy((source, "t"), (target, "u")).copied == 0
    assert not [meta for page in target.list() for meta in page.objects]


def test_an_empty_directory_is_a_source(colour, tmp_path):
    source, target = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    source.put("e/", b"")
    colour(engine).copy((source, "e"), (target, "x/y"))
    assert (tmp_path / "b/x/y").is_dir()


def test_markers_become_directories(colour, tmp_path):
    source, target = MemoryStore(), LocalStore(tmp_path, create=True)
    fill(source, {"m/": b"", "m/e/": b"", "m/d/": b"", "m/d/f": b"1"})
    assert colour(engine).copy((source, "m"), (target, "n")).copied == 1
    assert (tmp_path / "n/e").is_dir()
    assert everything(target) == {"n/d/f": b"1"}
    other = MemoryStore()
    colour(engine).copy((source, "m"), (other, "n"))
    assert [meta.key for page in other.list() for meta in page.objects] == ["n/d/", "n/d/f", "n/e/"]


# -- choosing -------------------------------------------------------------------------------------------------------------


def test_include_exclude_filter_in_that_order(colour, source, target):
    fill(source, {"t/a.py": b"1", "t/b.txt": b"2", "t/tmp/c.py": b"3", "t/d/e.py": b"4", "t/bad.py": b"5"})
    asked = []

    def choose(meta, path):
        asked.append(path)
        if path == "bad.py":
            raise RuntimeError("no idea")
        return path != "d/e.py"

    options = TransferOptions(include="*.py", exclude=["tmp/*"], filter=choose)
    report = colour(engine).copy((source, "t"), (target, "u"), options)
    assert everything(target, "u/") == {"a.py": b"1"}
    assert asked == ["a.py", "bad.py", "d/e.py"]
    reasons = {item.source: item.reason for item in report.items if item.action == "skipped"}
    assert reasons == {
        "t/b.txt": "not in include",
        "t/tmp/c.py": "excluded",
        "t/d/e.py": "filtered out",
        "t/bad.py": "filter error: RuntimeError('no idea')",
    }


def test_patterns_apply_to_the_name_of_a_single_file(colour, source, target):
    source.put("x/a.txt", b"1")
    report = colour(engine).copy((source, "x/a.txt"), (target, "b"), TransferOptions(include="*.py"))
    assert (report.skipped, report.items[0].reason) == (1, "not in include")
    assert everything(target) == {}
    assert colour(engine).copy((source, "x/a.txt"), (target, "b"), TransferOptions(include="a.*")).copied == 1


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(
    ("skip", "kept", "reason"),
    [
        ("never", set(), None),
        ("exists", {"same", "other", "longer"}, "destination exists"),
        ("size", {"same", "other"}, "same size (4 bytes)"),
        ("hash", {"same"}, "same content ("),
    ],
)
def test_skip_strategies_leave_targets_alone(colour, source, target, skip, kept, reason, single):
    fill(source, {"t/same": b"same", "t/other": b"this", "t/longer": b"longer", "t/new": b"new!"})
    old = {"same": b"same", "other": b"that", "longer": b"short"}
    fill(target, {f"u/{key}": data for key, data in old.items()})
    before = {key: target.head(f"u/{key}").etag for key in old}
    seen = {}
    options = TransferOptions(skip=skip, on_skip=lambda item, reason: seen.update({item.source[2:]: reason}))
    for name in [*old, "new"] if single else [""]:
        colour(engine).copy((source, f"t/{name}"), (target, f"u/{name}"), options)
    assert seen.keys() == kept
    assert all(text.startswith(reason) for text in seen.values())
    assert {key for key in old if target.head(f"u/{key}").etag == before[key]} == kept
    assert target.get("u/new").bytes() == b"new!"


def test_a_skip_function_decides_and_its_error_means_copy(colour):
    source, target = Apart(), Apart()
    fill(source, {"t/a": b"1", "t/b": b"2", "t/c": b"3"})
    fill(target, {"u/a": b"x", "u/b": b"y"})

    def skip(ours, theirs):
        if ours.key == "t/b":
            raise RuntimeError("no idea")
        return (ours.size, theirs.size) == (1, 1)

    report = colour(engine).copy((source, "t"), (target, "u"), TransferOptions(skip="custom", skip_fn=skip))
    assert everything(target, "u/") == {"a": b"x", "b": b"2", "c": b"3"}
    assert {item.source: item.reason for item in report.items} == {
        "t/a": "custom function returned True",
        "t/b": "skip_fn error: RuntimeError('no idea')",
        "t/c": None,
    }


def test_skip_custom_needs_its_function():
    with pytest.raises(ValueError, match="skip='custom' requires skip_fn"):
        TransferOptions(skip="custom")
    with pytest.raises(TypeError, match="progress"):
        TransferOptions(progress=1)


def test_overwrite_false_creates_or_fails(colour, source, target):
    fill(source, {"t/a": b"new", "t/b": b"new", "big": bytes(9 * MIB)})
    fill(target, {"u/b": b"old", "big": b"old"})
    with pytest.raises(AlreadyExistsError):
        colour(engine).copy((source, "t/b"), (target, "u/b"), TransferOptions(overwrite=False))
    with pytest.raises(AlreadyExistsError):
        colour(engine).copy((source, "big"), (target, "big"), TransferOptions(overwrite=False))
    with pytest.raises(TransferError) as caught:
        colour(engine).copy((source, "t"), (target, "u"), TransferOptions(overwrite=False, errors="collect"))
    assert [(item.target, type(item.error)) for item in caught.value.report.failures] == [("u/b", AlreadyExistsError)]
    assert everything(target) == {"u/a": b"new", "u/b": b"old", "big": b"old"}


def test_a_comparison_that_fails_is_the_items_error(colour):
    source, target = Apart(), Apart()
    fill(source, {"t/a": b"1", "t/b": b"2"})
    fill(target, {"u/a": b"1", "u/b": b"x"})
    flaky = FlakyStore(source)
    flaky.fail("get", key="t/a")
    with pytest.raises(TransferError) as caught:
        colour(engine).copy((flaky, "t"), (target, "u"), TransferOptions(skip="hash", errors="collect"))
    assert isinstance(caught.value.report.failures[0].error, UnavailableError)
    assert everything(target, "u/") == {"a": b"1", "b": b"2"}


# -- what travels along ---------------------------------------------------------------------------------------------------


def test_headers_metadata_tags_and_times_travel(colour, source, target):
    options = PutOptions(content_type="text/x", cache_control="no-store", metadata={"who": "me"}, tags={"t": "1"})
    source.put("one/f", b"1", options)
    colour(engine).copy((source, "one/f"), (target, "f"))
    meta = target.head("f")
    assert (meta.content_type, meta.attributes.cache_control, dict(meta.metadata)) == ("text/x", "no-store", {"who": "me"})
    assert target.tags("f") == {"t": "1"}
    assert meta.last_modified == source.head("one/f").last_modified


def test_tags_of_a_far_tree_are_read_on_demand_only(colour):
    source, target = CountingStore(Apart()), Apart()
    source.put("t/f", b"1", PutOptions(tags={"t": "1"}))
    report = colour(engine).copy((source, "t"), (target, "u"))
    assert report.lost == {"tags (not read)": 1}
    assert "tags" not in source.counts.calls
    for preserve in ("all", "strict"):
        assert not colour(engine).copy((source, "t"), (target, "v"), TransferOptions(preserve=preserve)).lost
        assert target.tags("v/f") == {"t": "1"}


def test_what_the_target_cannot_keep_is_reported_or_refused(colour):
    source, target = MemoryStore(), Apart(attributes=False, metadata=False, tags=False, set_modified=False)
    source.put("f", b"1", PutOptions(content_type="text/x", metadata={"a": "b"}, tags={"t": "1"}))
    report = colour(engine).copy((source, "f"), (target, "f"))
    assert report.items[0].lost == ("content_type", "metadata", "tags")
    assert report.lost == {"content_type": 1, "metadata": 1, "tags": 1}
    assert not colour(engine).copy((source, "f"), (target, "g"), TransferOptions(preserve=False)).lost
    with pytest.raises(NotSupportedError, match="content_type, metadata, tags"):
        colour(engine).copy((source, "f"), (target, "h"), TransferOptions(preserve="strict"))
    assert everything(target).keys() == {"f", "g"}


# -- telling --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t", "t/a.txt"])
def test_progress_ends_with_all_done(colour, source, target, name):
    fill(source, {f"t/{key}": data for key, data in TREE.items()})
    seen, files, moved = [], [], []
    options = TransferOptions(
        progress=lambda done, total: seen.append((done, total)),
        on_file=lambda item: files.append(item.source),
        on_progress=moved.append,
        exclude="b-x",
    )
    report = colour(engine).copy((source, name), (target, "u"), options)
    total = len(TREE) if name == "t" else 1
    assert [done for done, _ in seen] == list(range(1, total + 1))
    assert {t for _, t in seen} == {total}
    assert len(files) == report.copied
    assert max((event.total for event in moved), default=0) == report.bytes
    assert {event.key for event in moved} == set(files)


def test_bytes_are_told_as_they_arrive(colour, target):
    source = Apart()
    source.put("big", bytes(30 * MIB))
    events = []
    colour(engine).copy((source, "big"), (target, "big"), TransferOptions(on_progress=events.append, part_size=4 * MIB))
    assert [event.bytes for event in events] == sorted(event.bytes for event in events)
    assert len(events) > 3
    assert (events[-1].bytes, events[-1].size, events[-1].total, events[-1].key) == (30 * MIB, 30 * MIB, 30 * MIB, "big")


def test_callbacks_run_in_the_callers_thread():
    source, target = Apart(), Apart()
    fill(source, {f"t/{i}": b"x" for i in range(50)})
    threads = set()

    def note(*_):
        threads.add(threading.get_ident())

    options = TransferOptions(progress=note, on_progress=note, on_file=note, on_skip=note, filter=lambda *_: note() is None)
    transfer.copy((source, "t"), (target, "u"), options)
    assert threads == {threading.get_ident()}


def test_a_tree_from_disk_to_disk_needs_no_threads(tmp_path, monkeypatch):
    """One thread does it, the caller's; with `concurrency` there are others; times and etags are right either way."""
    source, target = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    fill(source, {f"t/{i:03}": bytes([i]) for i in range(40)})
    source.set_modified("t/007", datetime(2001, 2, 3, tzinfo=UTC))
    copiers = set()
    copy = LocalStore.copy

    def watched(*args, **options):
        copiers.add(threading.get_ident())
        return copy(*args, **options)

    monkeypatch.setattr(LocalStore, "copy", watched)
    for prefix, concurrency in (("one/", None), ("two/", 4)):
        copiers.clear()
        report = transfer.copy((source, "t/"), (target, prefix), TransferOptions(concurrency=concurrency))
        assert (threading.get_ident() in copiers) == (concurrency is None)
        assert concurrency is not None or len(copiers) == 1
        assert everything(target, prefix) == {f"{i:03}": bytes([i]) for i in range(40)}
        for item in report.items:
            assert item.etag == target.head(item.target).etag
        assert target.head(f"{prefix}007").last_modified == datetime(2001, 2, 3, tzinfo=UTC)


def test_callbacks_may_be_coroutine_functions_in_the_async_colour_only():
    source, target = Apart(), Apart()
    fill(source, {"t/a": b"1", "t/b": b"2"})
    seen = []

    async def note(*arguments):
        await asyncio.sleep(0)
        seen.append(arguments)
        return True

    options = TransferOptions(progress=note, on_file=note, filter=note)
    asyncio.run(transfer_async.copy_async((source, "t"), (target, "u"), options))
    assert len(seen) == 6
    with pytest.raises(TypeError, match="coroutine"):
        transfer.copy((source, "t"), (target, "v"), TransferOptions(progress=note))


def test_a_callback_that_raises_stops_the_transfer(colour, source, target):
    fill(source, {f"t/{i:03}": bytes([i]) * 10 for i in range(200)})

    def stop(done, total):
        if done == 3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        colour(engine).copy((source, "t"), (target, "u"), TransferOptions(progress=stop, concurrency=2))
    arrived = everything(target, "u/")
    assert 3 <= len(arrived) < 50
    assert all(data == bytes([int(key)]) * 10 for key, data in arrived.items())


def test_the_first_error_stops_new_work_and_is_raised_itself(colour):
    source, target = FlakyStore(Apart()), CountingStore(Apart())
    fill(source, {f"t/{i:03}": b"x" for i in range(500)})
    source.fail("get", key="t/005")
    with pytest.raises(UnavailableError, match="injected"):
        colour(engine).copy((source, "t"), (target, "u"), TransferOptions(concurrency=2))
    assert target.counts.calls["put"] < 50


def test_errors_can_be_collected(colour, target):
    source = FlakyStore(Apart())
    fill(source, {f"t/{i:03}": b"x" for i in range(100)})
    told = []
    for i in (7, 50, 99):
        source.fail("get", key=f"t/{i:03}")
    options = TransferOptions(errors="collect", on_error=lambda item, error: told.append((item.source, type(error))))
    with pytest.raises(TransferError, match="3 of 100") as caught:
        colour(engine).copy((source, "t"), (target, "u"), options)
    report = caught.value.report
    assert (report.copied, report.failed, len(report.failures)) == (97, 3, 3)
    assert sorted(told) == [(f"t/{i:03}", UnavailableError) for i in (7, 50, 99)]
    assert len(everything(target, "u/")) == 97


def test_a_dry_run_writes_nothing_and_predicts(colour, source, target):
    fill(source, {"t/a": b"1", "t/b": b"22", "t/c": b"333"})
    fill(target, {"u/b": b"22", "u/c": b"xxx"})
    options = TransferOptions(skip="hash", exclude="z*")
    before = everything(target)
    predicted = colour(engine).copy((source, "t"), (target, "u"), TransferOptions(**{**vars(options), "dry_run": True}))
    assert everything(target) == before
    assert predicted.dry_run
    report = colour(engine).copy((source, "t"), (target, "u"), options)
    keep = ("source", "target", "action", "reason", "bytes")
    one, other = ({tuple(getattr(item, name) for name in keep) for item in found.items} for found in (predicted, report))
    assert one == other
    assert (predicted.copied, predicted.skipped, predicted.bytes) == (report.copied, report.skipped, report.bytes)


def test_the_report_keeps_failures_and_a_bounded_number_of_others(colour):
    source, target = FlakyStore(Apart()), Apart()
    fill(source, {f"t/{i:02}": b"x" for i in range(40)})
    source.fail("get", key="t/39")
    with pytest.raises(TransferError) as caught:
        colour(engine).copy((source, "t"), (target, "u"), TransferOptions(keep_items=5, errors="collect"))
    report = caught.value.report
    assert (report.copied, len(report.items), report.dropped) == (39, 6, 34)
    assert report.to_dict()["items"][-1]["error"]["kind"] == "unavailable"
    assert str(report).startswith("39 copied, 1 failed; 39 bytes")


def test_a_plan_is_made_without_writing(colour, source, target):
    fill(source, {"t/a": b"1", "t/b": bytes(9 * MIB)})
    items = list(colour(engine).plan((source, "t"), (target, "u")))
    assert [(item.path, item.action, item.size) for item in items] == [("a", "copy", 1), ("b", "copy", 9 * MIB)]
    assert [PlanItem.from_dict(item.to_dict()) for item in items] == items
    assert [item.size for item in colour(engine).plan((source, "t/a"), (target, "u"))] == [1]
    assert everything(target) == {}


# -- requests -------------------------------------------------------------------------------------------------------------


def test_small_files_cost_one_read_and_one_write(colour):
    source, target = CountingStore(Apart()), CountingStore(Apart(set_modified=False))
    fill(source, {f"t/{i:04}": b"x" * i for i in range(1500)})
    source.reset()
    colour(engine).copy((source, "t/"), (target, "u"))
    assert dict(source.counts.calls) == {"list": 1, "get": 1500}
    assert dict(target.counts.calls) == {"put": 1500}


def test_one_small_file_costs_one_read_and_one_write(colour):
    source, target = CountingStore(Apart(tags=False, set_modified=False)), CountingStore(Apart())
    source.put("f", b"1")
    source.reset()
    colour(engine).copy((source, "f"), (target, "g"))
    assert (dict(source.counts.calls), dict(target.counts.calls)) == ({"get": 1}, {"put": 1})


def test_skip_by_size_costs_the_listings_only(colour):
    source, target = CountingStore(Apart()), CountingStore(Apart())
    fill(source, {f"t/{i:04}": b"x" * i for i in range(1500)})
    colour(engine).copy((source, "t/"), (target, "u"))
    source.reset()
    target.reset()
    assert colour(engine).copy((source, "t/"), (target, "u/"), TransferOptions(skip="size")).skipped == 1500
    assert (dict(source.counts.calls), dict(target.counts.calls)) == ({"list": 1}, {"list": 1})


def test_the_servers_copy_moves_no_bytes_through_us(colour):
    source, target = CountingStore(MemoryStore()), CountingStore(MemoryStore())
    fill(source, {"t/a": b"1", "t/b": bytes(9 * MIB)})
    source.reset()
    events = []
    colour(engine).copy((source, "t/"), (target, "u"), TransferOptions(on_progress=events.append))
    assert everything(target, "u/") == {"a": b"1", "b": bytes(9 * MIB)}
    assert source.counts.bytes_read == 0
    assert target.counts.calls["copy"] == 2
    assert sorted((event.key, event.bytes, event.size) for event in events) == [("t/a", 1, 1), ("t/b", 9 * MIB, 9 * MIB)]


def test_a_declined_copy_on_the_server_is_streamed(colour):
    source, target = MemoryStore(), FlakyStore(MemoryStore())
    fill(source, {"t/a": b"1", "t/b": bytes(9 * MIB)})
    target.fail("copy", times=99, error=lambda: NotSupportedError("not for you"))
    assert colour(engine).copy((source, "t"), (target, "u")).copied == 2
    assert everything(target, "u/") == {"a": b"1", "b": bytes(9 * MIB)}


def test_concurrency_counts_parts_over_all_files(colour):
    source, target = CountingStore(Apart()), CountingStore(Apart())
    fill(source, {f"t/{i}": bytes(3 * MIB) for i in range(10)} | {"t/big": bytes(20 * MIB)})
    colour(engine).copy((source, "t/"), (target, "u"), TransferOptions(concurrency=3, part_size=MIB))
    assert source.counts.at_once <= 4  # three parts, and the listing
    assert everything(target, "u/") == everything(source, "t/")


# -- permissions ----------------------------------------------------------------------------------------------------------


def test_what_may_not_be_written_is_refused_before_reading(colour):
    source, target = CountingStore(Apart()), Apart(write=False)
    source.put("f", b"1")
    source.reset()
    with pytest.raises(PermissionDeniedError, match="read-only"):
        colour(engine).copy((source, "f"), (target, "f"))
    assert source.counts.total == 0


def test_delete_goes_with_sync_only():
    with pytest.raises(ValueError, match="sync"):
        transfer.copy((MemoryStore(), ""), (MemoryStore(), ""), TransferOptions(delete=True))


# -- versions -------------------------------------------------------------------------------------------------------------


def test_an_old_version_is_copied(colour, target):
    source = MemoryStore(versioned=True)
    old = source.put("f", b"old").version
    source.put("f", b"new")
    colour(engine).copy((source, "f"), (target, "g"), TransferOptions(version=old))
    assert target.get("g").bytes() == b"old"
    with pytest.raises(ValueError, match="moved"):
        colour(engine).move((source, "f"), (target, "g"), TransferOptions(version=old))


# -- properties -----------------------------------------------------------------------------------------------------------

NAMES = st.text(st.sampled_from("ab-./ü0"), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("/") and not {".", ".."} & set(name.split("/")) and not name.endswith("/")
)
TREES = st.dictionaries(NAMES, st.binary(max_size=40), max_size=12)


@given(TREES, TREES, st.sampled_from([1, 2, 8, None]), st.sampled_from([7, None]), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_copied_equals_its_source(tree, existing, concurrency, part_size, asynchronous):
    source, target = Apart(), Apart(parts=PartRules())
    fill(source, {f"t/{key}": data for key, data in tree.items()} | {"t/.keep": b""})
    fill(target, {f"u/{key}": data for key, data in existing.items()})
    options = TransferOptions(concurrency=concurrency, part_size=part_size)
    if asynchronous:
        asyncio.run(transfer_async.copy_async((source, "t/"), (target, "u"), options))
    else:
        transfer.copy((source, "t/"), (target, "u"), options)
    assert everything(target, "u/") == existing | tree | {".keep": b""}


@given(TREES, TREES)
@settings(deadline=None)
def test_a_mirror_equals_its_source_and_is_idempotent(tree, existing):
    source, target = Apart(), CountingStore(Apart())
    fill(source, {f"t/{key}": data for key, data in tree.items()} | {"t/.keep": b""})
    fill(target, {f"u/{key}": data for key, data in existing.items()})
    transfer.sync((source, "t/"), (target, "u"), TransferOptions(delete=True, compare="hash"))
    assert everything(target, "u/") == tree | {".keep": b""}
    target.reset()
    again = transfer.sync((source, "t/"), (target, "u"), TransferOptions(delete=True, compare="size"))
    assert (again.copied, again.deleted) == (0, 0)
    assert dict(target.counts.calls) == {"list": 1}
