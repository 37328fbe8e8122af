"""3.1: how records reach S3: encrypted as was said, in parts under the condition of their verb, or whole where no part can have one."""

from contextlib import contextmanager

import pytest
from tests.integration.records.s3 import Counted, opened

from holdall.errors import NotSupportedError
from holdall.records import ConcurrencyError, DuplicateRecordError, Filter, Record
from holdall.testing import FaultProxy

MIB = 1024 * 1024
LARGE = "x" * (6 * MIB)
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"sse": "AES256"}, ("AES256", None)),
        ({"sse": "aws:kms", "kms_key_id": KEY}, ("aws:kms", KEY)),
        ({"sse": "aws:kms", "kms_key_id": KEY, "storage_class": "STANDARD_IA", "tags": "fit"}, ("aws:kms", KEY)),
    ],
    ids=["AES256", "KMS", "with a class and tags"],
)
def test_encryption_is_asked_for_with_every_write(moto_bucket, colour, options, shown):
    """What the service says of the objects of each verb, of single ones and of those in parts."""
    with opened(moto_bucket, **{"tags": "off", **options}) as database:
        db = colour(database)
        db.create(Record({"id": "created"}))
        db.batch_create([Record({"id": f"batch{n}"}) for n in range(2)])
        db.upsert(Record({"id": "upserted", "n": 0}))
        db.create(Record({"id": "large", "text": LARGE}))

        def told():
            keys = moto_bucket.ground.keys()
            heads = {key: moto_bucket.client.head_object(Bucket=moto_bucket.name, Key=key) for key in keys}
            assert {head.get("StorageClass") for head in heads.values()} == {options.get("storage_class")}
            return {key: (head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) for key, head in heads.items()}

        names = ("created", "batch0", "batch1", "upserted", "large")
        assert told() == {f"records/{name}.json": shown for name in names}
        for name in names[:-1]:
            assert db.update(name, Record({"n": 1})) is True
        assert db.modify("upserted", lambda record: record.set_value("n", 2))["n"] == 2
        assert db.batch_update([("batch0", Record({"n": 3}))]) == [True]
        assert told() == {f"records/{name}.json": shown for name in names}
        assert len(db.require("large")["text"]) == len(LARGE)


def test_without_being_asked_for_there_is_none(moto_bucket):
    with opened(moto_bucket, tags="off") as db:
        db.create(Record({"id": "a"}))
    head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key="records/a.json")
    assert head.get("SSEKMSKeyId") is None
    assert head.get("ServerSideEncryption") in {None, "AES256"}, "the service's own default"


@contextmanager
def two(place):
    """Two databases on one bucket: one behind a proxy, which knows what the service can, and one that goes there by itself."""
    with (
        FaultProxy(place.server.endpoint) as proxy,
        opened(place, proxy=proxy, tags="off", mirror="memory") as database,
        opened(place, tags="off", mirror="off") as other,
    ):
        database.store.probe()
        yield proxy, database, other


@pytest.mark.parametrize("verb", ["create", "upsert", "batch_create"])
def test_a25_above_5_mib_a_record_goes_in_parts(moto_bucket, colour, verb):
    with two(moto_bucket) as (proxy, database, _):
        for size, parts in ((5 * MIB - 1000, 0), (5 * MIB + 1, 2), (11 * MIB, 3)):
            record = Record({"id": f"{size}", "text": "x" * size})
            with Counted(proxy) as sent:
                getattr(colour(database), verb)([record] if verb == "batch_create" else record)
            uploaded = [target for method, target in sent.all if method == "PUT" and "partNumber" in target]
            assert len(uploaded) == parts
            writes = [method for method, _ in sent.all if method in {"PUT", "POST"}]
            assert len(writes) == (parts + 2 if parts else 1), "an upload begins and is completed"
            head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key=f"records/{size}.json")
            assert ("-" in head["ETag"]) is bool(parts)
        assert moto_bucket.ground.unfinished() == 0


IN_PARTS = {"moto": {"create": True, "update": False}, "radosgw": {"create": False, "update": False}}
"""Which completions of uploads heed their condition."""


@pytest.mark.parametrize("server", list(IN_PARTS))
def test_a_large_record_is_never_written_without_its_condition(server, request, colour):
    """moto ignores ``If-Match`` on completion, Ceph's gateway both conditions: then it goes in one request, which heeds them."""
    place = request.getfixturevalue(f"{server}_bucket")
    with two(place) as (proxy, database, other):
        db = colour(database)

        def parts(act):
            with Counted(proxy) as sent:
                act()
            targets = [target for method, target in sent.all if method in {"PUT", "POST"} and "probe" not in target]
            assert all("a.json" in target for target in targets)
            assert len(targets) == 1 or any("uploadId" in target for target in targets)
            return len(targets) > 1

        def mine(n):
            return Record({"id": "a", "n": n, "text": LARGE})

        def refused(error, act):
            def body():
                with pytest.raises(error):
                    act()

            return body

        wanted = IN_PARTS[server]
        assert parts(lambda: db.create(mine(1))) is wanted["create"]
        refused(DuplicateRecordError, lambda: db.create(mine(2)))()
        assert other.require("a")["n"] == 1, "a create writes over nothing"
        first = db.get_version("a")
        assert parts(lambda: db.update("a", mine(3), expected_version=first)) is wanted["update"]
        second = db.get_version("a")
        assert other.update("a", mine(4)) is True
        refused(ConcurrencyError, lambda: db.update("a", mine(5), expected_version=second))()
        refused(ConcurrencyError, lambda: db.upsert("a", mine(5), expected_version=first))()
        assert other.require("a")["n"] == 4, "nor does a stale version"
        assert place.ground.unfinished() == 0
        assert other.delete("a") is True
        assert db.update("a", mine(6)) is False, "known from before: the write itself finds out"
        assert other.read("a") is None


@pytest.mark.parametrize("server", ["moto", "radosgw"])
def test_a_write_at_a_version_is_one_request(server, request, colour):
    """Section 4: whether that version was read, written or found by a search here, or known of old."""
    place = request.getfixturevalue(f"{server}_bucket")
    with two(place) as (proxy, database, other):
        db = colour(database)
        other.batch_create([Record({"id": name, "n": 0}) for name in "abc"])
        read, [found] = db.require("a"), db.search(Filter("id", "=", "b"))
        db.create(Record({"id": "own"}))
        db.update("own", Record({}), expected_version=db.get_version("own"))  # how etags are spelt here is learnt once
        for verb in ("update", "upsert"):
            for name, version in (("a", read.version), ("b", found.version), ("own", db.get_version("own"))):
                with Counted(proxy) as sent:
                    done = getattr(db, verb)(name, Record({"n": verb}), expected_version=version)
                assert done in (True, name)
                assert sent.methods == ["PUT"], (verb, name)
                assert other.require(name)["n"] == verb
            read, found = db.require("a"), db.require("b")
        can = database.capabilities.conditional_delete
        with Counted(proxy) as sent:
            if can:
                assert db.delete("a", expected_version=read.version) is True
            else:
                with pytest.raises(NotSupportedError):
                    db.delete("a", expected_version=read.version)
        assert sent.methods == ["DELETE"] * can
        assert other.exists("a") is not can
