"""S3 without boto3: what obstore can do works, the rest names the extra before any request."""

import pytest
from tests.object_stores import behind, requests

from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.drivers import s3, s3settings
from holdall.drivers.objects import S3Store
from holdall.errors import (
    AlreadyExistsError,
    MissingExtraError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
)
from holdall.testing import Colour, Fault, FaultProxy
from holdall.testing.servers import Bucket

MIB = 1024 * 1024


@pytest.fixture
def proxy(localstack_bucket: Bucket):
    with FaultProxy(localstack_bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(localstack_bucket: Bucket, proxy: FaultProxy, monkeypatch):
    monkeypatch.setattr(s3, "boto_installed", lambda: False)
    monkeypatch.setattr(s3settings, "boto_installed", lambda: False)
    with behind(proxy, localstack_bucket) as store:
        yield store


def test_the_plain_verbs(store: S3Store, localstack_bucket: Bucket, colour: Colour):
    verbs, ground = colour(store), localstack_bucket.ground
    result = verbs.put("a/b", b"0123456789", PutOptions(content_type="text/x", metadata={"a": "ü"}, tags={"t": "1 2"}))
    with verbs.get("a/b", GetOptions(range=(2, 5))) as got:
        assert got.bytes() == b"234"
    meta = verbs.head("a/b")
    assert (meta.size, meta.etag, meta.content_type, dict(meta.metadata)) == (10, result.etag, "text/x", {"a": "ü"})
    assert localstack_bucket.client.get_object_tagging(Bucket=localstack_bucket.name, Key="a/b")["TagSet"]
    verbs.put("new", b"1", PutOptions(mode="create"))
    with pytest.raises(AlreadyExistsError):
        verbs.put("new", b"2", PutOptions(mode="create"))
    verbs.put("new", b"3", PutOptions(if_match=store.head("new").etag))
    with pytest.raises(PreconditionError):
        verbs.put("new", b"4", PutOptions(if_match=result.etag))
    assert verbs.copy("a/b", "c").etag == result.etag
    assert "X-Amz-Signature" in verbs.sign("c")
    assert verbs.get_ranges("c", [(0, 2), (8, 20)]) == [b"01", b"89"]
    large = verbs.put("large", iter([bytes(MIB)] * 20))
    assert large.size == ground.unfinished() + 20 * MIB
    verbs.put("known", bytes(9 * MIB))
    assert [r.error for r in verbs.delete(["a/b", "c", "none"])] == [None] * 3
    assert ground.everything() == {"new", "large", "known"}


def test_capabilities_tell(store: S3Store):
    caps = store.capabilities
    assert (caps.create, caps.update, caps.copy, caps.metadata, caps.conditional_read) == (True,) * 5
    assert not any(
        (caps.tags, caps.versions, caps.set_metadata, caps.storage_class, caps.conditional_delete, caps.large_conditional)
    )
    assert caps.parts is None
    assert caps.directories == "implied"


def test_what_needs_boto3_says_so_before_any_request(store: S3Store, proxy: FaultProxy, colour: Colour):
    verbs = colour(store)
    calls = [
        lambda: verbs.tags("k"),
        lambda: verbs.set_tags("k", {}),
        lambda: verbs.versions("k"),
        lambda: verbs.delete_version("k", "1"),
        lambda: verbs.restore("k", "1"),
        lambda: verbs.set_metadata("k", {}),
        lambda: verbs.set_storage_class("k", "X"),
        lambda: verbs.parts("k"),
        verbs.uploads,
        lambda: verbs.delete("k", if_match="x"),
        lambda: verbs.copy("k", "l", CopyOptions(mode="create")),
        lambda: verbs.copy("k", "l", CopyOptions(if_match="x")),
        lambda: verbs.copy("k", "l", CopyOptions(metadata={})),
        lambda: verbs.sign("k", SignOptions(content_type="text/x")),
        lambda: verbs.sign("a//b"),
        lambda: verbs.get("a//b"),
        lambda: verbs.head("a//b"),
        lambda: verbs.put("a//b", b""),
        lambda: verbs.put("d/", b""),
        lambda: verbs.delete("a//b"),
        verbs.probe,
    ]
    for call in calls:
        with pytest.raises(MissingExtraError, match=r'pip install "holdall\[s3\]"'):
            call()
    assert proxy.traffic.requests == ()
    for options in ({"profile": "p"}, {"create": True}):
        with pytest.raises(MissingExtraError, match=r"holdall\[s3\]"):
            S3Store("b", **options)


def test_a_large_conditional_write_stays_in_memory_up_to_a_bound(store: S3Store, localstack_bucket: Bucket, colour: Colour):
    verbs = colour(store)
    verbs.put("k", iter([bytes(MIB)] * 9), PutOptions(mode="create"))
    assert len(localstack_bucket.ground.read("k")) == 9 * MIB
    with pytest.raises(AlreadyExistsError):
        verbs.put("k", iter([bytes(MIB)] * 9), PutOptions(mode="create"))
    with pytest.raises(NotSupportedError, match=r"holdall\[s3\]"):
        verbs.put("l", iter([bytes(MIB)] * 65), PutOptions(mode="create"))
    assert localstack_bucket.ground.everything() == {"k"}


# -- listing by obstore -----------------------------------------------------------------------------------------------


def test_a_literal_prefix_reaches_the_server(store: S3Store, localstack_bucket: Bucket, proxy, colour: Colour):
    keys = [f"logs/2026-{month:02}" for month in range(1, 13)] + ["logs/2025-12", "logs/2027-01", "logs2", "a"]
    localstack_bucket.ground.write_many(dict.fromkeys(keys, b"x"))
    before = len(proxy.traffic.requests)
    found = [meta.key for page in colour(store).list("logs/2026-1") for meta in page.objects]
    assert found == ["logs/2026-10", "logs/2026-11", "logs/2026-12"]
    [(_, target)] = proxy.traffic.requests[before:]
    assert "prefix=logs%2F&" in target
    assert "start-after=logs%2F2026-0" in target


def test_markers_are_told_from_empty_objects(store: S3Store, localstack_bucket: Bucket, colour: Colour):
    keys = {"d/", "d/x", "e", "f/", "f", "g-h", "g/", "g/i/", "z"}
    localstack_bucket.ground.write_many(dict.fromkeys(keys, b""))
    verbs = colour(store)
    assert {meta.key for page in verbs.list() for meta in page.objects} == keys
    assert {meta.key for page in verbs.list("g/") for meta in page.objects} == {"g/", "g/i/"}
    assert {meta.key for page in verbs.list("d/", delimiter="/") for meta in page.objects} == {"d/", "d/x"}
    assert {text for page in verbs.list(delimiter="/") for text in page.prefixes} == {"d/", "f/", "g/"}
    assert {text for page in verbs.list("g", delimiter="/") for text in page.prefixes} == {"g/"}
    assert verbs.head("d/").kind == "directory"
    with pytest.raises(NotFoundError):
        verbs.head("e/")


def test_an_odd_key_stops_the_listing_loudly(store: S3Store, localstack_bucket: Bucket, colour: Colour):
    localstack_bucket.ground.write_many({"a//b": b"", "c": b""})
    for delimiter in (None, "/"):
        with pytest.raises(NotSupportedError, match=r"holdall\[s3\]"):
            list(colour(store).list("a" if delimiter is None else "a/", delimiter=delimiter))
    assert [meta.key for page in colour(store).list("c") for meta in page.objects] == ["c"]


def test_listing_from_somewhere(store: S3Store, localstack_bucket: Bucket, proxy, colour: Colour):
    localstack_bucket.ground.write_many({f"k{i:02}": b"x" for i in range(30)})
    before = len(proxy.traffic.requests)
    found = [meta.key for page in colour(store).list(start_after="k27") for meta in page.objects]
    assert found == ["k28", "k29"]
    assert requests(proxy, before) == ["GET"]
    found = [meta.key for page in colour(store).list(start_after="k27//x") for meta in page.objects]
    assert found == ["k28", "k29"]


def test_conditions_are_proven_without_boto3_too(radosgw_bucket: Bucket, radosgw, monkeypatch, colour: Colour):
    monkeypatch.setattr(s3, "boto_installed", lambda: False)
    with radosgw.bucket(versioned=True) as bucket, FaultProxy(radosgw.endpoint) as proxy:
        with behind(proxy, bucket) as store:
            with pytest.raises(NotSupportedError, match="ignores"):
                colour(store).put("k", b"", PutOptions(mode="create"))
            assert not store.capabilities.create
            before = len(proxy.traffic.requests)
            with pytest.raises(NotSupportedError):
                colour(store).put("k", b"", PutOptions(if_match="x"))
            assert requests(proxy, before) == []
        assert bucket.ground.everything() == set()
    with FaultProxy(radosgw.endpoint) as proxy, behind(proxy, radosgw_bucket) as store:
        colour(store).put("k", b"1", PutOptions(mode="create"))
        assert requests(proxy) == ["PUT", "PUT", "PUT", "POST", "PUT"]  # three to prove, one to tidy, and ours
        with pytest.raises(AlreadyExistsError):
            colour(store).put("k", b"2", PutOptions(mode="create"))
        assert radosgw_bucket.ground.everything() == {"k"}


def created(store, colour):
    """Create sixteen objects at once, and return the errors."""
    create = PutOptions(mode="create")
    found = colour.at_once(store.put, [(f"k{n}", b"1", create) for n in range(16)])
    return [each for each in found if isinstance(each, Exception)]


def test_conditions_are_proven_once_for_all_that_wait(radosgw_bucket: Bucket, radosgw, monkeypatch, colour: Colour):
    monkeypatch.setattr(s3, "boto_installed", lambda: False)
    with FaultProxy(radosgw.endpoint) as proxy, behind(proxy, radosgw_bucket) as store:
        proxy.fail(Fault(delay=0.3), times=1, target="probe")
        assert created(store, colour) == []
        assert len(requests(proxy)) == 4 + 16


def test_who_waited_in_vain_for_the_proof_asks_itself(radosgw_bucket: Bucket, radosgw, monkeypatch, colour: Colour):
    monkeypatch.setattr(s3, "boto_installed", lambda: False)
    with FaultProxy(radosgw.endpoint) as proxy, behind(proxy, radosgw_bucket) as store:
        proxy.fail(Fault(delay=0.3, answer=503), times=1, target="probe")
        assert len(created(store, colour)) == 1
        assert len(radosgw_bucket.ground.everything()) == 15
        assert not store.proving.locked()
