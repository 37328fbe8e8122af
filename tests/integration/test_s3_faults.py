"""S3 when things go wrong: lost answers, dead and slow servers, broken transfers, wrong credentials, missing buckets."""

import asyncio
import functools
import hashlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import asdict

import pytest
from tests.object_stores import behind, opened, requests

from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.drivers import s3
from holdall.drivers.objects import S3Store
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.s3probe import conditions, learn
from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    HoldallError,
    IntegrityError,
    MissingPlaceError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    StoreTimeoutError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.testing import Colour, Fault, FaultProxy
from holdall.testing.servers import Bucket, LocalStack, Radosgw

LARGE = 9 * 1024 * 1024


@pytest.fixture
def proxy(localstack_bucket: Bucket):
    with FaultProxy(localstack_bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def honoured(localstack: LocalStack):
    """Which conditions the server honours, asked once: behind a proxy of its own each test would ask anew."""
    with localstack.bucket() as bucket, opened(bucket) as store:
        store.probe()
        return asdict(conditions(store.settings))


@pytest.fixture
def store(localstack_bucket: Bucket, proxy: FaultProxy, honoured):
    with behind(proxy, localstack_bucket) as store:
        learn(store.settings, **honoured)
        yield store


# -- lost answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [PutOptions(mode="create"), PutOptions(mode="create", metadata={"a": "b"}, tags={"t": "1"})]
)
def test_a_create_whose_answer_got_lost_knows_itself(store, proxy, colour: Colour, options):
    proxy.fail(Fault(lose_reply=True), method="PUT")
    before = len(proxy.traffic.requests)
    result = colour(store).put("k", b"mine", options)
    assert requests(proxy, before) == ["PUT", "PUT", "HEAD"]
    meta = store.head("k")
    assert (result.etag, result.size) == (meta.etag, 4)
    assert dict(meta.metadata) == dict(options.metadata)  # the mark does not show
    with pytest.raises(AlreadyExistsError):
        colour(store).put("k", b"mine", options)


def test_an_update_whose_answer_got_lost_knows_itself(store, proxy, colour: Colour):
    first = store.put("k", b"one")
    proxy.fail(Fault(lose_reply=True), method="PUT")
    second = colour(store).put("k", b"two", PutOptions(if_match=first.etag))
    assert second.etag == store.head("k").etag
    with pytest.raises(PreconditionError):
        colour(store).put("k", b"three", PutOptions(if_match=first.etag))


def test_somebody_elses_equal_object_is_not_ours(store, proxy, localstack_bucket: Bucket, colour: Colour):
    """The first try never arrives; meanwhile another writer creates the object with the same bytes."""
    localstack_bucket.ground.write("k", b"same")
    proxy.fail(Fault(drop_request_after=0), method="PUT")
    with pytest.raises(AlreadyExistsError):
        colour(store).put("k", b"same", PutOptions(mode="create"))


def test_a_server_error_after_the_write_counts_as_lost(store, proxy, localstack_bucket: Bucket, colour: Colour):
    proxy.fail(Fault(answer=500), method="PUT", times=2)
    colour(store).put("k", b"mine", PutOptions(mode="create"))
    assert localstack_bucket.ground.read("k") == b"mine"


def test_a_conflict_costs_one_request(store, proxy, colour: Colour):
    store.put("k", b"1")
    before = len(proxy.traffic.requests)
    with pytest.raises(AlreadyExistsError):
        colour(store).put("k", b"2", PutOptions(mode="create"))
    assert requests(proxy, before) == ["PUT"]


def test_a_lost_answer_to_a_large_conditional_write(store, proxy, localstack_bucket: Bucket, colour: Colour):
    data = hashlib.sha256(b"x").digest() * (LARGE // 32)
    proxy.fail(Fault(lose_reply=True), method="POST", target="uploadId=[^&]*$")
    chunks = [data[i : i + 1_000_000] for i in range(0, len(data), 1_000_000)]
    result = colour(store).put("k", iter(chunks), PutOptions(mode="create"))
    assert localstack_bucket.ground.read("k") == data
    assert result.etag == store.head("k").etag
    assert localstack_bucket.ground.unfinished() == 0


def test_a_plain_put_is_sent_again(store, proxy, localstack_bucket: Bucket, colour: Colour):
    for fault in (
        Fault(lose_reply=True),
        Fault(drop_request_after=0),
        Fault(answer=503),
        Fault(reset=True, drop_reply_after=0),
    ):
        proxy.fail(fault, method="PUT")
        colour(store).put("k", b"bytes")
        assert localstack_bucket.ground.read("k") == b"bytes"


# -- servers in trouble -----------------------------------------------------------------------------------------------


def test_trouble_that_passes_is_not_seen(store, proxy, colour: Colour):
    store.put("k", b"bytes")
    proxy.fail(Fault(answer=500), times=3)
    with colour(store).get("k") as result:
        assert result.bytes() == b"bytes"
    proxy.fail(Fault(answer=503), times=2)
    assert colour(store).head("k").size == 5
    proxy.fail(Fault(answer=500), times=2)
    assert [meta.key for page in colour(store).list() for meta in page.objects] == ["k"]


def test_trouble_that_stays(localstack_bucket: Bucket, proxy, colour: Colour):
    slow_down = b"<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"
    with behind(proxy, localstack_bucket, retries=1) as store:
        verbs = colour(store)
        proxy.fail(Fault(answer=500), times=100)
        for call in (
            lambda: verbs.get("k"),
            lambda: verbs.head("k"),
            lambda: verbs.put("k", b""),
            lambda: verbs.delete("k"),
            lambda: list(verbs.list()),
            lambda: verbs.tags("k"),
            lambda: verbs.copy("k", "l"),
        ):
            with pytest.raises(UnavailableError):
                call()
        proxy.heal()
        proxy.fail(Fault(answer=503, body=slow_down), times=100)
        with pytest.raises(ThrottledError):
            verbs.get("k")
        before = len(proxy.traffic.requests)
        results = verbs.delete([f"k{i}" for i in range(50)])
        assert all(isinstance(result.error, UnavailableError) for result in results)
        assert len(requests(proxy, before)) == 2  # one bulk request, sent twice: not one per key


def test_no_retries_means_none(localstack_bucket: Bucket, proxy, colour: Colour):
    with behind(proxy, localstack_bucket, retries=0) as store:
        proxy.fail(Fault(answer=500), times=100)
        for call in (lambda: colour(store).get("k"), lambda: colour(store).put("k", b"")):
            before = len(proxy.traffic.requests)
            with pytest.raises(UnavailableError):
                call()
            assert len(requests(proxy, before)) == 1


def test_nobody_listens(colour: Colour):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "access_key_id": "a", "secret_access_key": "b", "retries": 1}
    with S3Store("b", **options) as store:
        for call in (
            lambda: colour(store).get("k"),
            lambda: colour(store).head("k"),
            lambda: colour(store).put("k", b""),
            lambda: colour(store).put("k", b"", PutOptions(mode="create")),
            lambda: list(colour(store).list()),
            lambda: colour(store).versions("k"),
        ):
            with pytest.raises(UnavailableError) as caught:
                call()
            assert not isinstance(caught.value, FileNotFoundError)


def test_a_server_that_does_not_answer(localstack_bucket: Bucket, proxy, colour: Colour):
    with behind(proxy, localstack_bucket, timeout=0.3, retries=0) as store:
        proxy.fail(Fault(blackhole=True), times=100)
        for call in (
            lambda: colour(store).get("k"),
            lambda: colour(store).head("k"),
            lambda: colour(store).put("k", b"x"),
            lambda: list(colour(store).list()),
        ):
            begun = time.monotonic()
            with pytest.raises(StoreTimeoutError):
                call()
            assert time.monotonic() - begun < 10


def test_the_side_channel_does_not_send_again_for_ever(localstack_bucket: Bucket, proxy, colour: Colour, monkeypatch):
    """boto3 counts its tries, and does not look at the clock: five of the longest silence are five minutes."""
    monkeypatch.setattr(s3, "ClientSettings", functools.partial(ClientSettings, deadline=0.7))
    with behind(proxy, localstack_bucket, timeout=0.4, retries=50) as store:
        store.put("k", b"x")
        proxy.fail(Fault(blackhole=True), times=1000)
        for call in (lambda: list(colour(store).list()), lambda: colour(store).tags("k")):
            before = proxy.traffic.connections
            with pytest.raises(StoreTimeoutError):
                call()
            assert 2 <= proxy.traffic.connections - before <= 3


def test_a_slow_line_is_not_a_dead_one(localstack_bucket: Bucket, proxy, colour: Colour):
    """A download that takes longer than the limit goes through, as long as bytes keep coming."""
    data = bytes(3_000_000)
    localstack_bucket.ground.write("k", data)
    with behind(proxy, localstack_bucket, timeout=1.0, retries=0) as store:
        proxy.fail(Fault(rate=1_500_000), method="GET")
        begun = time.monotonic()
        with colour(store).get("k") as result:
            assert result.bytes() == data
        assert time.monotonic() - begun > 1.5


@pytest.mark.parametrize("whole", [True, False], ids=["bytes", "stream"])
def test_a_broken_download_goes_on_or_fails(localstack_bucket: Bucket, proxy, colour: Colour, whole: bool):
    data = hashlib.sha256(b"x").digest() * 100_000
    localstack_bucket.ground.write("k", data)
    with behind(proxy, localstack_bucket, retries=2) as store:
        proxy.fail(Fault(drop_reply_after=1_000_000), method="GET")
        with colour(store).get("k") as result:
            assert (result.bytes() if whole else b"".join(result)) == data
    with behind(proxy, localstack_bucket, retries=0) as store:
        proxy.fail(Fault(drop_reply_after=1_000_000), method="GET", times=100)
        with pytest.raises((IntegrityError, UnavailableError)) as caught, colour(store).get("k") as result:
            if whole:
                result.bytes()
            else:
                list(result)
        assert caught.value.key == "k"


def test_a_truncated_listing_fails(localstack_bucket: Bucket, proxy, colour: Colour):
    localstack_bucket.ground.write_many({f"k{i}": b"" for i in range(50)})
    with behind(proxy, localstack_bucket, retries=0) as store:
        proxy.fail(Fault(drop_reply_after=500), method="GET", times=100)
        with pytest.raises((IntegrityError, UnavailableError)):
            list(colour(store).list())


def test_a_failing_part_leaves_no_upload(localstack_bucket: Bucket, proxy, colour: Colour):
    localstack_bucket.ground.write("k", b"old")
    with behind(proxy, localstack_bucket, retries=0) as store:
        for source in (bytes(3 * LARGE), iter([bytes(LARGE)] * 3)):
            proxy.fail(Fault(answer=500), method="PUT", target="partNumber=2", times=100)
            with pytest.raises(UnavailableError):
                colour(store).put("k", source)
            proxy.heal()
            assert localstack_bucket.ground.read("k") == b"old"
            assert localstack_bucket.ground.unfinished() == 0


@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_a_cancelled_upload_leaves_nothing(localstack_bucket: Bucket, proxy, kind: str):
    """Cancelled while parts are under way: by obstore (bytes), by boto3 (a stream)."""

    async def cancelled(store: S3Store) -> None:
        source = bytes(6 * LARGE) if kind == "bytes" else iter([bytes(LARGE)] * 6)
        task = asyncio.ensure_future(store.put_async("k", source, PutOptions(concurrency=2)))
        for _ in range(500):
            await asyncio.sleep(0.01)
            if any("partNumber" in target for _, target in proxy.traffic.requests):
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)

    with behind(proxy, localstack_bucket) as store:
        proxy.fail(Fault(delay=0.3), method="PUT", times=100)
        asyncio.run(cancelled(store))
    assert localstack_bucket.ground.read("k") is None
    assert localstack_bucket.ground.unfinished() == 0


# -- who asks, and where ----------------------------------------------------------------------------------------------


def test_wrong_credentials(radosgw: Radosgw, radosgw_bucket: Bucket, colour: Colour):
    wrong = {"endpoint_url": radosgw.endpoint, "region": "us-east-1", "retries": 0}
    for pair in (
        {"access_key_id": "nobody", "secret_access_key": "s3cr3t-of-nobody"},
        {"access_key_id": radosgw.access_key, "secret_access_key": "s3cr3t-and-wrong"},
    ):
        with S3Store(radosgw_bucket.name, **wrong, **pair) as store:
            for call in (
                lambda verbs: verbs.get("k"),
                lambda verbs: verbs.put("k", b""),
                lambda verbs: list(verbs.list()),
                lambda verbs: verbs.tags("k"),
            ):
                with pytest.raises(UnauthenticatedError) as caught:
                    call(colour(store))
                shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
                assert pair["secret_access_key"] not in shown
                assert "Signature=" not in shown
            with pytest.raises(PermissionDeniedError):  # the answer to HEAD does not say more
                colour(store).head("k")


def test_anonymous_is_refused(radosgw: Radosgw, radosgw_bucket: Bucket, colour: Colour):
    with S3Store(radosgw_bucket.name, endpoint_url=radosgw.endpoint, anonymous=True, retries=0) as store:
        with pytest.raises(PermissionDeniedError):
            colour(store).get("k")
        with pytest.raises(PermissionDeniedError):
            list(colour(store).list())
        assert store.url("a b") == f"{radosgw.endpoint}/{radosgw_bucket.name}/a%20b"
    with S3Store(
        radosgw_bucket.name, endpoint_url=radosgw.endpoint, anonymous=True, retries=0, missing_on_403=True
    ) as store:
        with pytest.raises(NotFoundError):
            colour(store).get("k")
        with pytest.raises(NotFoundError):
            colour(store).head("k")
        with pytest.raises(PermissionDeniedError):
            colour(store).put("k", b"")


@pytest.mark.parametrize("kind", ["moto", "localstack", "radosgw"])
def test_a_missing_bucket_is_no_missing_object(request, kind: str, colour: Colour):
    bucket = request.getfixturevalue(f"{kind}_bucket")
    server = bucket.server
    with S3Store(
        "no-such-bucket-at-all",
        endpoint_url=server.endpoint,
        region=server.region,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
    ) as store:
        verbs = colour(store)
        for call in (
            lambda: verbs.head("k"),
            lambda: verbs.get("k"),
            lambda: verbs.get("k", GetOptions(range=(0, 1))),
            lambda: verbs.put("k", b""),
            lambda: verbs.put("k", b"", PutOptions(mode="create")),
            lambda: verbs.put("k", b"", PutOptions(if_match="x")),
            lambda: verbs.delete("k"),
            lambda: list(verbs.list()),
            lambda: verbs.copy("k", "l"),
            lambda: verbs.copy("k", "l", CopyOptions(mode="create")),
            lambda: verbs.versions("k"),
            lambda: verbs.parts("k"),
        ):
            with pytest.raises(HoldallError) as caught:
                call()
            assert isinstance(caught.value, MissingPlaceError), caught.value
            assert not isinstance(caught.value, NotFoundError), "of a key in it nobody can say that it is absent"
            assert not isinstance(caught.value, FileNotFoundError)


def test_a_miss_asks_for_the_bucket_once_a_minute(store, proxy, localstack_bucket: Bucket, colour: Colour):
    with behind(proxy, localstack_bucket) as fresh:
        before = len(proxy.traffic.requests)
        for _ in range(3):
            with pytest.raises(NotFoundError):
                colour(fresh).head("k")
        assert requests(proxy, before) == ["HEAD", "GET", "HEAD", "HEAD"]
    with behind(proxy, localstack_bucket) as fresh:
        fresh.put("there", b"")
        before = len(proxy.traffic.requests)
        with pytest.raises(NotFoundError):
            colour(fresh).head("k")
        assert requests(proxy, before) == ["HEAD"]


def test_a_missing_certificate_file(tmp_path, colour: Colour):
    store = S3Store("b", endpoint_url="https://127.0.0.1:1", anonymous=True, ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="ca_file"):
        colour(store).get("k")


# -- killed writers ---------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, json, sys, time
from holdall.core.options import PutOptions
from holdall.drivers.objects import S3Store
from holdall.drivers.s3probe import conditions, learn
bucket, options, colour, mode = json.loads(sys.argv[1])
store = S3Store(bucket, **options)
def chunks():
    for _ in range(24):
        yield bytes(1 << 20)
    print("under way", flush=True)
    time.sleep(600)
async def write():
    await store.put_async("k", chunks(), PutOptions(mode=mode))
asyncio.run(write()) if colour == "async" else store.put("k", chunks(), PutOptions(mode=mode))
"""


@pytest.mark.parametrize("mode", ["overwrite", "create"])
def test_a_writer_that_is_killed_leaves_the_old_object(localstack_bucket: Bucket, mode, colour: Colour):
    """What had been sent of it is no object, and can be found and aborted."""
    server, old = localstack_bucket.server, {"k": b"old"} if mode == "overwrite" else {}
    localstack_bucket.ground.write_many(old)
    options = {"endpoint_url": server.endpoint, "region": server.region}
    options |= {"access_key_id": server.access_key, "secret_access_key": server.secret_key}
    described = json.dumps([localstack_bucket.name, options, colour.name, mode])
    with subprocess.Popen([sys.executable, "-c", WRITER, described], stdout=subprocess.PIPE) as writer:
        try:
            ready, _, _ = select.select([writer.stdout], [], [], 100)
            assert ready, "the writer does not begin"
            assert writer.stdout.readline() == b"under way\n"
        finally:
            writer.send_signal(signal.SIGKILL)
    assert localstack_bucket.ground.snapshot() == old
    with opened(localstack_bucket) as store:
        verbs = colour(store)
        assert [meta.key for page in verbs.list() for meta in page.objects] == list(old)
        for upload in verbs.uploads():
            assert upload.key == "k"
            verbs.parts("k", upload_id=upload.upload_id).abort()
        assert localstack_bucket.ground.unfinished() == 0
        verbs.put("k", b"new", PutOptions(mode=mode))
    assert localstack_bucket.ground.read("k") == b"new"
