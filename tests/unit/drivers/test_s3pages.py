"""Bodies of listings are taken out of boto3's hands; errors sent as a success are not."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from holdall.core.meta import ObjectMeta
from holdall.drivers.s3pages import BODY, keep_bodies, keep_body, parse_page

LISTING = b'<?xml version="1.0"?><ListBucketResult><Contents><Key>&lt;Error&gt;</Key></Contents></ListBucketResult>'
ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'


@pytest.mark.parametrize(
    ("operation", "status", "body", "taken"),
    [
        ("ListObjectsV2", 200, LISTING, True),
        ("ListObjectsV2", 200, ERROR, False),
        ("ListObjectsV2", 503, ERROR, False),
        ("GetObjectTagging", 200, LISTING, False),
    ],
)
def test_only_the_bodies_of_listings_are_taken(operation, status, body, taken):
    answer, kept = {"status_code": status, "body": body}, {}
    keep_body(SimpleNamespace(name=operation), answer, kept)
    assert (kept.get(BODY) == body) is taken
    assert (answer["body"] == body) is not taken


@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjectVersions"])
def test_bodies_are_taken_before_boto3_looks_into_them(operation, monkeypatch):
    """boto3 reads the whole body of a success in search of an error: it finds what was left to it."""
    boto3, handlers = pytest.importorskip("boto3"), pytest.importorskip("botocore.handlers")
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    keep_bodies(client.meta.events)
    seen = []
    monkeypatch.setattr(handlers, "_looks_like_special_case_error", lambda status, body: seen.append(body))
    answer, kept = {"status_code": 200, "headers": {}, "body": LISTING}, {}
    client.meta.events.emit(
        f"before-parse.s3.{operation}",
        operation_model=client.meta.service_model.operation_model(operation),
        response_dict=answer,
        customized_response_dict=kept,
    )
    assert kept[BODY] == LISTING
    assert seen
    assert LISTING not in seen


def test_a_page_is_read():
    body = (
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
        b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>p/a%2Fb+c</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
        b"<ETag>&quot;e&quot;</ETag><Size>3</Size><StorageClass>GLACIER</StorageClass></Contents>"
        b"<Contents><Key>p/d/</Key><Size>0</Size></Contents>"
        b"<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    page, token = parse_page(body, 2)
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert list(page.objects) == [
        ObjectMeta(key="a/b c", size=3, last_modified=moment, etag="e", storage_class="GLACIER"),
        ObjectMeta(key="d/", size=0, kind="directory"),
    ]
    assert (list(page.prefixes), token) == (["x/"], "t")
