"""Transfers, files and local paths on S3 servers: moto, LocalStack and Ceph's radosgw."""

import asyncio
import io
import itertools
import os
import random
import zipfile
from pathlib import Path

import pytest
from tests.unit.engine.stores import Apart, engine, everything, fill, md5

from holdall.core.options import PutOptions
from holdall.core.plans import MIB
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.drivers.s3 import S3Store
from holdall.engine import transfer, transfer_async
from holdall.engine.async_streams import open_file_async
from holdall.engine.localize import Localize
from holdall.engine.progress import TransferOptions
from holdall.engine.streams import open_file
from holdall.errors import AlreadyExistsError, NotFoundError, PreconditionError, UnavailableError
from holdall.testing import CountingStore, FlakyStore
from holdall.testing.proxy import FaultProxy
from holdall.testing.servers import Bucket

BIG = random.Random(7).randbytes(20 * MIB + 321)
TREE = {f"d{i % 7}/ü {i:03}.bin": bytes([i % 256]) * (i * 37) for i in range(150)} | {"a//b": b"odd", "big": BIG}
LOCAL = {key: data for key, data in TREE.items() if "//" not in key}


def opened(bucket: Bucket, **options) -> S3Store:
    server = bucket.server
    named = {
        "endpoint_url": server.endpoint,
        "region": server.region,
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
    }
    return S3Store(bucket.name, **{**named, **options})


@pytest.fixture(params=["moto", "localstack", "radosgw"])
def bucket(request) -> Bucket:
    """A bucket on each server."""
    return request.getfixturevalue(f"{request.param}_bucket")


@pytest.fixture
def store(bucket):
    """The bucket as a store."""
    with opened(bucket) as store:
        yield store


def test_a_tree_goes_round_and_comes_back(colour, store, bucket, tmp_path):
    source, back = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    between = MemoryStore()
    fill(source, LOCAL)
    way = [(source, ""), (store, "t"), (between, "x/y"), (back, "")]
    for one, other in itertools.pairwise(way):
        report = colour(engine).copy(one, other)
        assert (report.copied, report.bytes) == (len(LOCAL), sum(map(len, LOCAL.values())))
    assert {key: md5(data) for key, data in everything(back).items()} == {key: md5(data) for key, data in LOCAL.items()}
    assert bucket.ground.keys() == {f"t/{key}" for key in LOCAL}
    assert bucket.ground.unfinished() == 0


def test_keys_that_no_disk_can_hold_go_between_stores(colour, store):
    source, target = Apart(), Apart()
    fill(source, TREE)
    assert colour(engine).copy((source, ""), (store, "p")).copied == len(TREE)
    colour(engine).copy((store, "p"), (target, ""))
    assert everything(target) == TREE


def test_headers_and_metadata_and_tags_survive_a_round(colour, store, bucket, tmp_path):
    source, back = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    kept = PutOptions(
        content_type="text/x; charset=utf-8",
        cache_control="no-store",
        content_disposition='attachment; filename="a.txt"',
        metadata={"who": "me"},
        tags={"one": "1"},
    )
    for key, data in {"small": b"1", "big": BIG}.items():
        source.put(key, data, kept)
        for one, other in (((source, key), (store, f"t/{key}")), ((store, f"t/{key}"), (back, key))):
            assert not colour(engine).copy(one, other).lost
        meta = back.head(key)
        assert (meta.attributes, back.tags(key)) == (kept.attributes, {"one": "1"})
        assert back.get(key).bytes() == data
    report = colour(engine).copy((store, "t"), (back, "u"))
    assert report.lost == {"tags (not read)": 2}
    assert not colour(engine).copy((store, "t"), (back, "v"), TransferOptions(preserve="strict")).lost
    assert back.tags("v/big") == {"one": "1"}


def test_within_one_service_no_bytes_come_by_us(colour, bucket):
    with FaultProxy(bucket.server.endpoint) as proxy, opened(bucket, endpoint_url=proxy.url) as store:
        store.put("t/small", b"1", PutOptions(content_type="text/x", metadata={"a": "b"}))
        store.put("t/big", BIG)
        before = proxy.traffic
        assert colour(engine).copy((store, "t/"), (store, "u")).copied == 2
        after = proxy.traffic
        assert after.bytes_up - before.bytes_up < MIB
        assert after.bytes_down - before.bytes_down < MIB
        meta = store.head("u/small")
        assert (meta.content_type, dict(meta.metadata)) == ("text/x", {"a": "b"})
        assert store.get("u/big").bytes() == BIG


def test_small_files_cost_one_request_each_and_a_listing(colour, moto_bucket, tmp_path):
    local, back = LocalStore(tmp_path / "a", create=True), LocalStore(tmp_path / "b", create=True)
    fill(local, {f"{i:03}": b"x" * i for i in range(60)})
    with FaultProxy(moto_bucket.server.endpoint) as proxy, opened(moto_bucket, endpoint_url=proxy.url) as store:
        colour(engine).copy((local, ""), (store, "t"))
        assert sorted({method for method, _ in proxy.traffic.requests}) == ["PUT"]
        assert len(proxy.traffic.requests) == 60
        before = len(proxy.traffic.requests)
        colour(engine).copy((store, "t/"), (back, ""))
        requests = proxy.traffic.requests[before:]
        assert len(requests) == 61
        assert {method for method, _ in requests} == {"GET"}
        before = len(proxy.traffic.requests)
        assert colour(engine).sync((local, ""), (store, "t"), TransferOptions(compare="size")).skipped == 60
        assert len(proxy.traffic.requests) == before + 1


def test_a15_multipart_etags_are_not_taken_for_digests(colour, store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    fill(local, {"big": BIG, "small": b"1"})
    colour(engine).copy((local, ""), (store, "t"))
    report = colour(engine).copy((local, ""), (store, "t"), TransferOptions(skip="hash"))
    assert report.skipped == 2
    assert all(item.reason.startswith("same content (") for item in report.items)
    local.put("big", BIG[::-1])
    assert colour(engine).copy((local, ""), (store, "t"), TransferOptions(skip="hash")).copied == 1
    assert store.get("t/big").bytes() == BIG[::-1]


def test_sync_and_mirror(colour, store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    fill(local, {"a": b"1", "b/c": b"2"})
    fill(store, {"t/old": b"3", "t/b/d": b"4", "keep": b"5"})
    report = colour(engine).sync((local, ""), (store, "t"), TransferOptions(delete=True))
    assert (report.copied, report.deleted) == (2, 2)
    assert everything(store) == {"t/a": b"1", "t/b/c": b"2", "keep": b"5"}
    again = colour(engine).sync((local, ""), (store, "t"), TransferOptions(delete=True))
    assert (again.copied, again.deleted) == (0, 0)


@pytest.mark.parametrize("size", [1000, len(BIG)])
def test_a_move_verifies_and_deletes(colour, store, tmp_path, size):
    local = LocalStore(tmp_path, create=True)
    local.put("f", BIG[:size])
    report = colour(engine).move((local, "f"), (store, "g"))
    assert report.items[0].digest
    assert everything(local) == {}
    colour(engine).move((store, "g"), (local, "h"))
    assert everything(store) == {}
    assert local.get("h").bytes() == BIG[:size]


@pytest.mark.parametrize("key", ["d/x", "d/"])
def test_a_move_onto_another_address_of_the_source_deletes_nothing(colour, bucket, key):
    with (
        FaultProxy(bucket.server.endpoint) as proxy,
        opened(bucket) as store,
        opened(bucket, endpoint_url=proxy.url) as alias,
    ):
        fill(store, {"d/x": b"1", "d/y": b"22"})
        with pytest.raises(PreconditionError, match="by two addresses"):
            colour(engine).move((store, key), (alias, key))
        assert everything(store) == {"d/x": b"1", "d/y": b"22"}
        colour(engine).move((store, key), (alias, "e/" if key == "d/" else "e/x"))  # other keys are other objects
        left = {} if key == "d/" else {"d/y": b"22"}
        assert everything(store) == left | {"e/x": b"1"} | ({"e/y": b"22"} if key == "d/" else {})
        assert bucket.ground.keys() == set(everything(store))


def test_create_does_not_overwrite(colour, store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    fill(local, {"f": b"new"})
    store.put("f", b"old")
    with pytest.raises(AlreadyExistsError):
        colour(engine).copy((local, "f"), (store, "f"), TransferOptions(overwrite=False))
    assert store.get("f").bytes() == b"old"


# -- faults ---------------------------------------------------------------------------------------------------------------


def test_a_source_that_fails_midway_leaves_no_parts(colour, store, bucket):
    store.put("big", b"old")
    source = FlakyStore(Apart(ranges=False))
    source.put("big", BIG)
    source.fail("get", when="during", after_bytes=12 * MIB)
    with pytest.raises(UnavailableError, match="injected"):
        colour(engine).copy((source, "big"), (store, "big"))
    assert everything(store) == {"big": b"old"}
    assert bucket.ground.unfinished() == 0


def test_a_local_source_changed_midway_leaves_no_parts(colour, store, bucket, tmp_path):
    local = LocalStore(tmp_path, create=True)
    local.put("big", BIG)
    changed = []

    def meddle(event):
        if not changed:
            changed.append(event)
            with open(tmp_path / "big", "r+b") as file:
                file.write(b"other")

    with pytest.raises(PreconditionError):
        colour(engine).copy((local, "big"), (store, "big"), TransferOptions(on_progress=meddle))
    assert everything(store) == {}
    assert bucket.ground.unfinished() == 0


def test_a20_a_source_replaced_midway_is_never_mixed(colour, store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    local.put("f", b"old")
    store.put("f", BIG)
    replaced = []

    def meddle(event):
        if not replaced:
            replaced.append(event)
            store.put("f", BIG[::-1])

    options = TransferOptions(on_progress=meddle, part_size=MIB, concurrency=1)
    with pytest.raises(PreconditionError):
        colour(engine).copy((store, "f"), (local, "f"), options)
    assert local.get("f").bytes() == b"old"
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == ["f"]


@pytest.mark.parametrize("upwards", [True, False])
def test_cancelling_leaves_nothing_behind(store, bucket, tmp_path, upwards):
    local = LocalStore(tmp_path, create=True)
    (local if upwards else store).put("big", BIG)
    one, other = ((local, "big"), (store, "out")) if upwards else ((store, "big"), (local, "out"))

    async def main():
        begun = asyncio.Event()
        options = TransferOptions(on_progress=lambda event: begun.set(), part_size=5 * MIB, concurrency=2)
        task = asyncio.create_task(transfer_async.copy_async(one, other, options))
        await asyncio.wait([task, asyncio.ensure_future(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert bucket.ground.unfinished() == 0
    assert bucket.ground.keys() == (set() if upwards else {"big"})
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == (["big"] if upwards else [])


def test_a_missing_bucket_is_not_a_missing_source(colour, bucket, tmp_path):
    local = LocalStore(tmp_path, create=True)
    local.put("f", b"1")
    with opened(bucket) as store, pytest.raises(NotFoundError, match="Source not found"):
        colour(engine).copy((store, "nothing"), (local, "x"))
    server = bucket.server
    with S3Store(
        "no-such-bucket-anywhere",
        endpoint_url=server.endpoint,
        region=server.region,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
    ) as gone:
        with pytest.raises(Exception, match="bucket") as caught:
            colour(engine).copy((local, "f"), (gone, "x"))
        assert "Source not found" not in str(caught.value)


# -- files ----------------------------------------------------------------------------------------------------------------


def test_files_on_s3(store, bucket):
    with open_file(store, "z.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for i in range(30):
            archive.writestr(f"{i}", BIG[i * 1000 : i * 1000 + 500_000])
    with open_file(store, "z.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("7") == BIG[7000:507_000]
    with open_file(store, "t.txt", "w", options=PutOptions(content_type="text/plain")) as file:
        file.writelines(f"línea {i}\n" for i in range(1000))
    with open_file(store, "t.txt", "a") as file:
        file.write("más\n")
    assert open_file(store, "t.txt", "r").readlines()[-2:] == ["línea 999\n", "más\n"]
    assert store.head("t.txt").content_type == "text/plain"
    assert bucket.ground.unfinished() == 0


def test_a_large_file_is_written_by_parts_and_appended_to(store, bucket):
    with open_file(store, "big", "wb") as file:
        for at in range(0, len(BIG), 300_000):
            file.write(BIG[at : at + 300_000])
    assert bucket.ground.unfinished() == 0
    with open_file(store, "big", "ab") as file:
        file.write(b"tail")
    with open_file(store, "big") as file:
        assert md5(file.read()) == md5(BIG + b"tail")
        file.seek(-4, io.SEEK_END)
        assert file.read() == b"tail"
    with pytest.raises(KeyError), open_file(store, "big", "wb") as file:
        file.write(BIG)
        raise KeyError("no")
    assert store.head("big").size == len(BIG) + 4
    assert bucket.ground.unfinished() == 0


def test_async_files_on_s3(store, bucket):
    async def main():
        async with open_file_async(store, "big", "wb") as file:
            for at in range(0, len(BIG), 300_000):
                await file.write(BIG[at : at + 300_000])
        async with open_file_async(store, "big") as file:
            assert md5(await file.read()) == md5(BIG)
        with pytest.raises(KeyError):
            async with open_file_async(store, "big", "wb") as file:
                await file.write(BIG)
                raise KeyError("no")

    asyncio.run(main())
    assert bucket.ground.unfinished() == 0
    assert store.head("big").size == len(BIG)


def test_a_local_path_for_s3(store):
    counting = CountingStore(store)
    store.put("d/f.txt", b"one", PutOptions(content_type="text/x"))
    with Localize(counting, "d/f.txt", "rw") as path:
        assert Path(path).read_bytes() == b"one"
    assert "put" not in counting.counts.calls
    with Localize(counting, "d/f.txt", "rw") as path:
        Path(path).write_bytes(b"two")
    assert store.get("d/f.txt").bytes() == b"two"
    assert store.head("d/f.txt").content_type == "text/x"


def test_a_plan_tells_what_will_happen(store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    fill(store, {"t/a": b"1", "t/big": BIG})
    assert [(item.path, item.method) for item in transfer.plan((store, "t"), (local, ""))] == [
        ("a", "whole"),
        ("big", "ranges"),
    ]
    assert {item.method for item in transfer.plan((store, "t"), (store, "u"))} == {"server"}
    local.put("big", BIG)
    assert [item.method for item in transfer.plan((local, ""), (store, "v"))] == ["stream"]
