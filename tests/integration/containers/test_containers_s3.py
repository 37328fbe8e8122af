"""Containers on real S3 servers: requests counted at the socket, no file on disk, conditions, nothing left behind."""

import contextlib
import json
import os
import stat
import tempfile
import traceback
import tracemalloc

import pytest
import s3fs
from tests.object_stores import behind, opened, requests
from typer.testing import CliRunner
from upath import UPath

from holdall import containers
from holdall.cli import container
from holdall.containers import FileInfo, LazyReader, LazyWriter, WriteOptions
from holdall.errors import AlreadyExistsError, PermissionDeniedError, PreconditionError
from holdall.testing import Fault, FaultProxy

MiB = 1024 * 1024
ROWS = [{"id": i, "text": "t" * 900} for i in range(20_000)]
PARTS = WriteOptions(part_size=5 * MiB)


@pytest.fixture(params=["moto_bucket", "radosgw_bucket"])
def bucket(request):
    return request.getfixturevalue(request.param)


def test_a13_large_archives_stream_without_a_file(bucket, monkeypatch, face, colour):
    def refused(*_arguments, **_named):
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        result = face.dump("a", (row for row in ROWS), store=store, options=PARTS)
        numbers = [target.partition("partNumber=")[2].partition("&")[0] for _, target in proxy.traffic.requests]
        sent = [number for number in numbers if number]
        assert sorted(map(int, sent)) == list(range(1, len(sent) + 1))
        assert sent[-1] == "1"  # the part with the header goes last
        assert len(sent) >= result.size // (5 * MiB)
        assert face.load("a", store=store) == ROWS
        colour(store).close()


def test_a13_through_an_instance_of_s3fs(bucket, face, colour):
    server = bucket.server
    access = {
        "key": server.access_key,
        "secret": server.secret_key,
        "client_kwargs": {"endpoint_url": server.endpoint},
        "skip_instance_cache": True,
    }
    fs = s3fs.S3FileSystem(**access)
    assert fs.ls(bucket.name) == []
    result = face.dump(f"{bucket.name}/a", iter(ROWS), s3fs=fs, options=PARTS)
    assert not result.spooled
    assert fs.ls(bucket.name) == [f"{bucket.name}/a"]
    with fs.open(f"{bucket.name}/a", "rb") as file, colour(LazyReader(file)) as reader:
        assert reader.read("-1/id") == 19_999
    face.combine(f"{bucket.name}/c", [FileInfo(f"{bucket.name}/a", "a", fs=fs), FileInfo(obj=[1], name="b")], fs=fs)
    assert face.load(f"{bucket.name}/c", fs=fs) == {"a": ROWS, "b": [1]}
    where = UPath(f"s3://{bucket.name}/u", **access)
    face.dump(where, ROWS[:100])
    assert face.load(where) == ROWS[:100]


def test_a11_opening_takes_two_requests_at_once_and_no_head(bucket, face, colour):
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        face.dump("a", ROWS, store=store)
        since = len(proxy.traffic.requests)
        with colour(LazyReader("a", store=store)) as reader:
            assert requests(proxy, since) == ["GET", "GET"]
            assert reader.stats.serial_rounds == 1
            assert reader.stats.bytes <= 128 * 1024
            since = len(proxy.traffic.requests)
            before = reader.stats.bytes  # the proxy counts what it passes on a little later than it arrives
            assert reader.read_many([[i, "id"] for i in range(0, 20_000, 2000)]) == list(range(0, 20_000, 2000))
            assert requests(proxy, since) == ["GET"] * 10
            assert reader.stats.bytes - before <= 10 * 18 * 1024
            assert reader.stats.serial_rounds == 2
        colour(store).close()


def test_unpacking_a_large_archive_takes_few_large_ranges(moto_bucket, monkeypatch, tmp_path):
    """What the command does: 100 MB as JSON, from a server that takes as long for a few bytes as for many."""
    document = {
        "leaves": [f"{i:*>150000}" for i in range(200)],
        "rows": [{"id": i, "text": "t" * 900} for i in range(40_000)],
        "lists": {f"n{i}": [f"{j:->60}" for j in range(30_000)] for i in range(16)},
    }
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        contextlib.closing(behind(proxy, moto_bucket, timeout=60.0)) as store,
    ):
        size = containers.dump("a", document, store=store).size
        since = len(proxy.traffic.requests)

        @contextlib.contextmanager
        def there(_place, _config):
            with LazyReader("a", store=store) as reader:
                yield reader

        monkeypatch.setattr(container, "_opened", there)
        target = tmp_path / "a.json"
        assert CliRunner().invoke(container.group, ["unpack", "a", str(target)], catch_exceptions=False).exit_code == 0
        asked = requests(proxy, since)
        assert asked == ["GET"] * len(asked)
        assert len(asked) <= size / (8 * MiB) + 4
        assert json.loads(target.read_text(encoding="utf-8")) == document


def test_d17_combining_asks_for_each_child_twice(bucket, face, colour):
    """Its header, in one wave for all, and what follows it."""
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        for i in range(20):
            face.dump(f"n{i}", ROWS[:100], store=store)
        face.dump("all", "old", store=store)  # what is found out once was found out
        since, down = len(proxy.traffic.requests), proxy.traffic.bytes_down
        face.combine("all", [FileInfo(f"n{i}", f"n{i}", store=store) for i in range(20)], store=store)
        assert requests(proxy, since) == ["GET"] * 40 + ["PUT"]
        assert proxy.traffic.bytes_down - down <= 20 * store.head("n0").size + 41 * 1500  # heads of answers
        assert face.load("all", store=store)["n19"] == ROWS[:100]
        colour(store).close()


def test_a10_a_replaced_object_is_noticed(bucket, face, colour):
    store = opened(bucket)
    face.dump("a", ROWS, store=store)
    with colour(LazyReader("a", store=store, cached=False)) as reader:
        assert reader.read("7/id") == 7
        face.dump("a", ROWS[::-1], store=store)
        with pytest.raises(PreconditionError) as caught:
            reader.read("7/id")
        assert caught.value.kind == "changed"
    colour(store).close()


def test_a15_a_failure_leaves_the_old_object_and_no_upload(bucket, face, colour):
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        face.dump("a", "old", store=store)
        before = store.head("a").etag

        def rows():
            yield from ROWS
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError, match="broke"):
            face.dump("a", rows(), store=store, options=PARTS)
        proxy.fail(
            Fault(answer=400, body=b"<Error><Code>InvalidRequest</Code></Error>"),
            method="PUT",
            target="partNumber=2",
            times=100,
        )
        with pytest.raises(Exception):  # noqa: B017  # whatever the service says
            face.dump("a", ROWS, store=store, options=PARTS)
        proxy.heal()
        assert store.uploads() == []
        assert store.head("a").etag == before
        assert face.load("a", store=store) == "old"
        proxy.fail(Fault(answer=503), method="PUT", target="partNumber=2")  # once: it is sent again
        face.dump("a", ROWS, store=store, options=PARTS)
        assert proxy.traffic.faults > 1
        assert face.load("a", store=store) == ROWS
        colour(store).close()


def test_a16_conditions_hold_where_the_service_has_them(moto_bucket, face, colour):
    store = opened(moto_bucket)
    for document in (["small"], ROWS):
        store.delete("a")
        etag = face.dump("a", document, store=store, mode="x", options=PARTS).etag
        with pytest.raises(AlreadyExistsError):
            face.dump("a", document, store=store, mode="x", options=PARTS)
        face.dump("a", [0], store=store, if_match=etag)
        with pytest.raises(PreconditionError):
            face.dump("a", document, store=store, if_match=etag, options=PARTS)
    face.combine("c", [FileInfo(obj=1, name="a")], store=store)
    face.append("c", FileInfo(obj=ROWS, name="b"), store=store)
    assert face.load("c", store=store) == {"a": 1, "b": ROWS}
    colour(store).close()


@pytest.mark.parametrize("kind", ["moto_bucket", "radosgw_bucket", "localstack_bucket", "s3fs"])
def test_a16_nobody_has_to_probe(kind, request, moto_bucket, face, colour):
    """Large conditional writes work at once, whatever the service honours when an upload by parts is completed."""
    if kind == "s3fs":
        server = moto_bucket.server
        fs = s3fs.S3FileSystem(
            key=server.access_key,
            secret=server.secret_key,
            client_kwargs={"endpoint_url": server.endpoint},
            skip_instance_cache=True,
        )
        place, named = f"{moto_bucket.name}/", {"fs": fs}
    else:
        store = opened(request.getfixturevalue(kind))
        place, named = "", {"store": store}
    rows = ROWS[:7000]  # of two parts
    one, two = place + "one", place + "two"
    etag = face.dump(one, rows, mode="x", options=PARTS, **named).etag
    with pytest.raises(AlreadyExistsError):
        face.dump(one, rows, mode="x", options=PARTS, **named)
    assert face.dump(one, rows[::-1], if_match=etag, options=PARTS, **named).etag != etag
    with pytest.raises(PreconditionError):
        face.dump(one, rows, if_match=etag, options=PARTS, **named)
    face.combine(two, [FileInfo(obj=1, name="a")], **named)
    face.append(two, FileInfo(obj=rows, name="b"), options=PARTS, **named)
    face.append(two, FileInfo(obj=2, name="c"), options=PARTS, **named)
    assert face.load(two, **named) == {"a": 1, "b": rows, "c": 2}
    assert face.load(one, **named) == rows[::-1]
    if kind != "s3fs":
        assert store.uploads() == []
        colour(store).close()


def test_a11_a_large_table_takes_one_more_request_and_a_known_size_none(bucket, face, colour):
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        face.dump("wide", ROWS[:4000], store=store, options=WriteOptions(index="full", leaf_bytes=512))
        face.dump("small", {"a": [1, 2, 3]}, store=store)
        since = len(proxy.traffic.requests)
        with colour(LazyReader("wide", store=store)) as reader:
            assert requests(proxy, since) == ["GET", "GET", "GET"]
            assert reader.stats.serial_rounds == 2
            assert reader.read("3999/id") == 3999
        server = bucket.server
        fs = s3fs.S3FileSystem(
            key=server.access_key,
            secret=server.secret_key,
            client_kwargs={"endpoint_url": proxy.url},
            skip_instance_cache=True,
        )
        for name, expected in (("small", ["GET"]), ("wide", ["GET", "GET", "GET"])):
            with fs.open(f"{bucket.name}/{name}", "rb") as file:
                since = len(proxy.traffic.requests)
                with colour(LazyReader(file)) as reader:
                    assert reader.read() is not None
                    found = requests(proxy, since)
                    assert found in (expected, [*expected, "GET"])  # the last one: items of the list
        colour(store).close()


def test_a13_300_mib_with_no_file_and_within_the_memory_that_is_promised(moto_bucket, monkeypatch, tmp_path, face, colour):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    text, files = "t" * MiB, set()
    count = 300 if colour.name == "blocking" else 80

    def regular():
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.stat(f"/proc/self/fd/{number}").st_mode):
                    yield os.readlink(f"/proc/self/fd/{number}")

    before = set(regular())

    def rows():
        for i in range(count):
            yield f"{i:08}{text}"
            if i % 25 == 0:
                files.update(regular())

    store = opened(moto_bucket)
    face.dump("warm", ROWS, store=store, options=PARTS)  # what a first upload imports is not of interest
    tracemalloc.start()
    try:
        result = face.dump("a", rows(), store=store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    options = WriteOptions()
    assert peak <= options.part_size * (1 + 1 + options.in_flight) + 32 * MiB + result.toc_size + len(text)
    assert not {name for name in files - before if "(deleted)" in name or name.startswith(str(tmp_path))}
    assert os.listdir(tmp_path) == []
    assert result.size > count * MiB
    assert not result.spooled
    with colour(LazyReader("a", store=store)) as reader:
        assert reader.outline(depth=0)[0].items == count
        assert reader.read("-1").startswith(f"{count - 1:08}")
    colour(store).close()


def test_a16_the_lost_answer_of_a_success_is_recognised(bucket, face, colour):
    with FaultProxy(bucket.server.endpoint) as proxy:
        store = behind(proxy, bucket, timeout=60.0)
        proxy.fail(Fault(lose_reply=True), method="PUT", target="/small")
        small = face.dump("small", ["small"], store=store, mode="x")
        face.dump("warm", ROWS, store=store, options=PARTS)
        proxy.fail(Fault(lose_reply=True), method="POST", target="uploadId=")
        large = face.dump("large", ROWS, store=store, options=PARTS)
        assert proxy.traffic.faults == 2
        assert small.etag == store.head("small").etag
        assert large.size == store.head("large").size
        assert face.load("large", store=store) == ROWS
        assert store.uploads() == []
        colour(store).close()


def test_a16_of_twenty_writers_one_wins(localstack_bucket, face, colour):
    def write(number, own):
        store = opened(localstack_bucket)
        try:
            own(containers).dump("a", [number], store=store, mode="x")
        except AlreadyExistsError:
            return None
        finally:
            own(store).close()
        return number

    won = [number for number in colour.in_threads(20, write) if number is not None]
    store = opened(localstack_bucket)
    assert face.load("a", store=store) == won
    colour(store).close()


def test_a28_no_secret_in_any_text(radosgw_bucket, face, colour):
    secret = "hunter2hunter2hunter2"
    store = opened(radosgw_bucket, secret_access_key=secret)
    texts = []
    for act in (
        lambda: face.dump("a", [1], store=store),
        lambda: face.dump("a", ROWS, store=store, options=PARTS),
        lambda: face.load("a", store=store),
        lambda: face.combine("a", [FileInfo("b", store=store)], store=store),
        lambda: face.append("a", [FileInfo(obj=1)], store=store),
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            act()
        texts += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
    reader = LazyReader("a", store=store)
    writer = LazyWriter("a", store=store)
    texts += [repr(reader), repr(writer), repr(reader.stats)]
    writer.abort()
    assert not [text for text in texts if secret in text]
    colour(store).close()
