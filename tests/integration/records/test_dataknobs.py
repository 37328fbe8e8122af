"""Acceptance 31: a bucket that dataknobs-data 0.4.13 really wrote (`dataknobs/bucket.json` says how) opens, is searched, and turns to v1."""

import json
from pathlib import Path

import boto3
import pytest
from tests.integration.records.s3 import opened

from holdall.records import Filter, Query, Record

OBJECTS = {
    each["key"]: each["body"]
    for each in json.loads((Path(__file__).parent / "dataknobs" / "bucket.json").read_text(encoding="utf-8"))["objects"]
}


@pytest.fixture
def bucket(moto_bucket):
    server = moto_bucket.server
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    for key, body in OBJECTS.items():
        client.put_object(Bucket=moto_bucket.name, Key=key, Body=body.encode(), ContentType="application/json")
    yield moto_bucket
    client.close()


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_a31_a_bucket_of_dataknobs_data(bucket, colour, mirror):
    with opened(bucket, prefix="people/", mirror=mirror, tags="off") as both:
        db = colour(both)
        everybody = {record["name"]: record for record in db.search()}
        assert set(everybody) == {"Ada", "Jos\u00e9 \U0001f600", "Grace", "batch 0", "batch 1", "Typed"}
        ada = everybody["Ada"]
        assert ada.data == {
            "name": "Ada",
            "age": 36,
            "active": True,
            "score": 1.5,
            "nothing": None,
            "tags": ["x", "y"],
            "address": {"city": "Ghent", "zip": {"code": "9000"}},
        }
        assert (ada.metadata["team"], ada.metadata["level"], ada.metadata["id"]) == ("x", 3, ada.id)
        old = json.loads(OBJECTS[f"people/{ada.id}.json"])["metadata"]
        assert ada.created_at.isoformat() == f"{old['created_at']}+00:00"  # its times are UTC, and do not say so
        assert everybody["Typed"].fields["name"].metadata == {"unit": "text"}
        assert everybody["Grace"].data["$odd"] == {"$bytes": "no"}  # plain data there, no tag of ours
        assert db.read("jos")["age"] == 18
        assert [found["name"] for found in db.search(Query().filter("age", ">=", 36).sort("age", "DESC"))] == [
            "Grace",
            "Ada",
        ]
        assert [found.id for found in db.search(Filter("address.city", "=", "Ghent"))] == [ada.id]
        assert db.count() == db.count(Filter("name", "exists")) == 6
        assert [found["name"] for found in db.batch_read(["jos", "chosen"])] == ["Jos\u00e9 \U0001f600", "Grace"]
        assert {found["name"] for found in db.stream()} == set(everybody)

        def older(record):
            record["age"] += 1

        for name, record in everybody.items():
            if name == "Typed":
                record["age"] = 1
                assert db.update(record.id, record, expected_version=record.version) is True
            else:
                db.modify(record.id, older)
        assert db.delete("jos") is True
        for name in set(everybody) - {"Jos\u00e9 \U0001f600"}:
            body = json.loads(_body(bucket, f"people/{everybody[name].id}.json"))
            assert body["holdall"] == 1
            assert body["created"] == everybody[name].metadata["created_at"]
        again = {record["name"]: record for record in db.search(max_age=0)}
        assert again["Ada"].data == ada.data | {"age": 37}
        assert again["Typed"].fields["name"].metadata == {"unit": "text"}
        assert again["Grace"].data["$odd"] == {"$bytes": "no"}


def test_a31_what_its_async_class_wrote(bucket, colour):
    """Under a prefix without a slash at its end; with one it writes ``prefix//``, which no database of ours has."""
    with opened(bucket, prefix="later", tags="off") as both:
        db = colour(both)
        assert {record["name"]: record["age"] for record in db.search()} == {"Async": 7, "Mine": 8}
        assert db.require("mine")["name"] == "Mine"
        assert db.upsert("mine", Record({"name": "Mine", "age": 9})) == "mine"
        assert json.loads(_body(bucket, "later/mine.json"))["holdall"] == 1
    with opened(bucket, prefix="async/", tags="off") as both:
        assert colour(both).count() == 0


def _body(place, key):
    server = place.server
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    try:
        return client.get_object(Bucket=place.name, Key=key)["Body"].read()
    finally:
        client.close()
