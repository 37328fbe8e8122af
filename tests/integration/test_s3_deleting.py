"""Conditional deletes on S3: one request of our own for what is done at once, boto3 for all else."""

import logging

import pytest
from tests.object_stores import behind, requests

from holdall.errors import PreconditionError, UnavailableError
from holdall.testing import Colour, Fault, FaultProxy
from holdall.testing.servers import Bucket


@pytest.fixture
def proxy(moto_bucket: Bucket):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        yield proxy


def prepared(store, colour: Colour, *keys: str) -> list[str]:
    """Return the etags of new objects; the service has been asked already whether it knows the condition."""
    etags = [str(store.put(key, key.encode()).etag) for key in ("first", *keys)]
    colour(store).delete("first", if_match=etags[0])
    return etags[1:]


def test_one_request_and_one_connection(moto_bucket: Bucket, proxy: FaultProxy, colour: Colour, caplog):
    keys = ["a", "d/b c", "%2F", "é", "+&?#", "a" * 900]
    with behind(proxy, moto_bucket) as store:
        etags = prepared(store, colour, *keys)
        before = proxy.traffic
        with caplog.at_level(logging.DEBUG):
            for key, etag in zip(keys, etags, strict=True):
                colour(store).delete(key, if_match=etag)
        assert requests(proxy, len(before.requests)) == ["DELETE"] * len(keys)
        assert moto_bucket.ground.everything() == set()
    assert "X-Amz-Signature" not in caplog.text


def test_a_condition_that_fails_deletes_nothing(moto_bucket: Bucket, proxy: FaultProxy, colour: Colour):
    with behind(proxy, moto_bucket) as store:
        [etag] = prepared(store, colour, "k")
        store.put("k", b"another")
        with pytest.raises(PreconditionError) as failed:
            colour(store).delete("k", if_match=etag)
        assert failed.value.key == "k"
        assert moto_bucket.ground.read("k") == b"another"
        with pytest.raises(PreconditionError):
            colour(store).delete("none", if_match=etag)


@pytest.mark.parametrize("fault", [Fault(answer=503), Fault(answer=403), Fault(answer=200, body=b"<html>")])
def test_what_is_not_done_at_once_is_boto3s(moto_bucket: Bucket, proxy: FaultProxy, colour: Colour, fault: Fault):
    with behind(proxy, moto_bucket) as store:
        [etag] = prepared(store, colour, "k")
        before = proxy.traffic
        proxy.fail(fault, times=1)
        colour(store).delete("k", if_match=etag)
        assert requests(proxy, len(before.requests)) == ["DELETE"] * 2
        assert moto_bucket.ground.everything() == set()


def test_a_service_that_is_gone(moto_bucket: Bucket, proxy: FaultProxy, colour: Colour):
    with behind(proxy, moto_bucket, retries=1) as store:
        [etag] = prepared(store, colour, "k")
        proxy.down()
        with pytest.raises(UnavailableError):
            colour(store).delete("k", if_match=etag)
        proxy.up()
        colour(store).delete("k", if_match=etag)
        assert moto_bucket.ground.everything() == set()


def test_who_wants_no_repetition_has_none(moto_bucket: Bucket, proxy: FaultProxy, colour: Colour):
    with behind(proxy, moto_bucket, retries=0) as store:
        [etag] = prepared(store, colour, "k")
        before = proxy.traffic
        proxy.fail(Fault(answer=503), times=1)
        with pytest.raises(UnavailableError):
            colour(store).delete("k", if_match=etag)
        assert requests(proxy, len(before.requests)) == ["DELETE"]
        assert moto_bucket.ground.everything() == {"k"}
