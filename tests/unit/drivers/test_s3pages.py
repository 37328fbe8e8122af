"""Bodies of listings are taken out of boto3's hands; errors sent as a success are not."""

from types import SimpleNamespace

import pytest

from holdall.drivers.s3pages import BODY, keep_body

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
