"""Bodies of listings are taken out of boto3's hands; errors sent as a success are not."""

from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdall.core.meta import ObjectMeta
from holdall.drivers.s3pages import BODY, keep_bodies, keep_body, parse_page
from holdall.errors import UnavailableError

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


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)
WRITTEN = [escape, lambda text: escape(text, {'"': "&quot;", "'": "&#39;"}), quote, lambda text: f"<![CDATA[{text}]]>"]


@st.composite
def pages(draw):
    """Draw the XML of a page, as one service or another writes it."""
    gap = draw(st.sampled_from(["", "\n  "]))
    rows = []
    for key in draw(st.lists(TEXTS.filter(lambda text: "]]>" not in text), max_size=5)):
        etag = draw(st.sampled_from(["&quot;e&quot;", '"e-2"', "&#34;e&#34;", 'W/"e"', "e", "", "&amp;"]))
        members = [
            f"<Key>{draw(st.sampled_from(WRITTEN))(key)}</Key>",
            "<LastModified>2026-01-02T03:04:05.000Z</LastModified>",
            f"<ETag>{etag}</ETag>",
            *draw(st.sampled_from([(), ("<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>", "<ChecksumType>FULL_OBJECT</ChecksumType>")])),
            f"<Size>{draw(st.sampled_from([0, 7, 10**20]))}</Size>",
            *draw(st.sampled_from([("<StorageClass>GLACIER</StorageClass>",), (), ("<Owner><ID>me</ID></Owner>",), ("<StorageClass>STANDARD</StorageClass>", "<Type>Normal</Type>")])),
        ]  # fmt: skip
        rows.append(
            f"<Contents>{gap}{gap.join(draw(st.permutations(members)) if draw(st.booleans()) else members)}{gap}</Contents>"
        )
    encoding = draw(st.sampled_from(["", "<EncodingType>url</EncodingType>"]))
    head = draw(st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>\n']))
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>"
    space = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return f"{head}<ListBucketResult{space}>{encoding}{more}{gap.join(rows)}<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pages())
def test_what_is_read_without_expat_is_what_expat_reads(text):
    alone = text.replace("</ListBucketResult>", "<!-- expat reads this page --></ListBucketResult>")
    assert parse_page(text.encode(), 0) == parse_page(alone.encode(), 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pages(), st.data())
def test_a_page_that_was_cut_off_is_none(text, data):
    body = text.encode()
    with pytest.raises(UnavailableError):
        parse_page(body[: data.draw(st.integers(0, len(body) - 1))], 0)


@pytest.mark.parametrize(
    "text",
    [
        "<Contents><Key>\x01</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&quot;&quot;</ETag><Size>1</Size></Contents>",
        "<Contents><Key>&eacute;</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&quot;&quot;</ETag><Size>1</Size></Contents>",
        "<Contents><Key>a</Key>",
        "<Contents>" * 50_000,
        "<Contents><Key>" + "a" * 50_000,
        f"<Contents>{' ' * 50_000}" * 3,
    ],
)
def test_what_is_no_xml_is_no_page(text):
    with pytest.raises(UnavailableError):
        parse_page(f"<ListBucketResult>{text}</ListBucketResult>".encode(), 0)


def test_a_page_of_another_code_is_read():
    row = "<Contents><Key>é</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
    for code in ("utf-8", "iso-8859-1", "utf-16"):
        body = f'<?xml version="1.0" encoding="{code}"?><ListBucketResult>{row}</ListBucketResult>'.encode(code)
        assert [meta.key for meta in parse_page(body, 0)[0].objects] == ["é"]


@pytest.mark.parametrize("hidden", ["<!-- {} -->", "<Prefix><![CDATA[{}]]></Prefix>"])
def test_what_only_looks_like_an_object_is_none(hidden):
    row = "<Contents><Key>a</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
    page, _ = parse_page(f"<ListBucketResult>{hidden.format(row)}</ListBucketResult>".encode(), 0)
    assert not page.objects
