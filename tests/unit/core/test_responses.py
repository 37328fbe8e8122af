"""The planned HTTP answers, case by case against RFC 9110, and properties that hold for any input."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.meta import Attributes, ObjectMeta
from holdall.core.responses import (
    ServeOptions,
    content_disposition,
    format_date,
    parse_date,
    parse_etags,
    parse_ranges,
    plain_response,
    plan_response,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MODIFIED = datetime(2026, 11, 20, 8, 30, 15, 250_000, tzinfo=UTC)
LM = "Fri, 20 Nov 2026 08:30:15 GMT"
BEFORE = "Thu, 19 Nov 2026 08:30:15 GMT"
AFTER = "Sat, 21 Nov 2026 08:30:15 GMT"
META = ObjectMeta(
    key="dir/file.txt", size=10, etag="abc", last_modified=MODIFIED, attributes=Attributes(content_type="text/plain")
)
EMPTY = ObjectMeta(key="empty", size=0, etag="e")
WEAK = ObjectMeta(key="weak", size=10, etag="W/abc", last_modified=MODIFIED)
BARE = ObjectMeta(key="bare", size=10)


def plan(headers=None, meta=META, method="GET", **options):
    return plan_response(method, headers or {}, meta, ServeOptions(**options), now=NOW, boundary="BOUND")


def spans(answer):
    return [(s.start, s.end) for s in answer.segments if not s.literal]


RANGE_CASES = [
    ("bytes=0-0", 206, [(0, 1)]),
    ("bytes=0-9", 206, [(0, 10)]),
    ("bytes=2-4", 206, [(2, 5)]),
    ("BYTES=2-4", 206, [(2, 5)]),
    ("bytes = 2-4", 206, [(2, 5)]),
    ("bytes=2-", 206, [(2, 10)]),
    ("bytes=9-", 206, [(9, 10)]),
    ("bytes=-1", 206, [(9, 10)]),
    ("bytes=-3", 206, [(7, 10)]),
    ("bytes=-10", 206, [(0, 10)]),
    ("bytes=-99", 206, [(0, 10)]),
    ("bytes=5-99", 206, [(5, 10)]),
    ("bytes=0-99999999999999999999999", 206, [(0, 10)]),
    ("bytes= 2-4", 206, [(2, 5)]),
    ("bytes=2-4 ", 206, [(2, 5)]),
    ("bytes=2-4,", 206, [(2, 5)]),
    ("bytes=,2-4", 206, [(2, 5)]),
    ("bytes=10-", 416, None),
    ("bytes=10-20", 416, None),
    ("bytes=99999999999999999999999-", 416, None),
    ("bytes=-0", 416, None),
    ("bytes=10-,-0", 416, None),
    ("bytes=4-2", 200, [(0, 10)]),
    ("bytes=a-b", 200, [(0, 10)]),
    ("bytes=", 200, [(0, 10)]),
    ("bytes=,", 200, [(0, 10)]),
    ("bytes=-", 200, [(0, 10)]),
    ("bytes=1", 200, [(0, 10)]),
    ("bytes=1-2-3", 200, [(0, 10)]),
    ("bytes 1-2", 200, [(0, 10)]),
    ("lines=1-2", 200, [(0, 10)]),
    ("=1-2", 200, [(0, 10)]),
    ("", 200, [(0, 10)]),
    ("bytes=+1-2", 200, [(0, 10)]),
    ("bytes=1-2;3-4", 200, [(0, 10)]),
    ("bytes=0x1-2", 200, [(0, 10)]),
    ("bytes=\u0661-2", 200, [(0, 10)]),
    ("bytes=0-1,4-5", 206, [(0, 2), (4, 6)]),
    ("bytes=0-1, 4-5", 206, [(0, 2), (4, 6)]),
    ("bytes=4-5,0-1", 206, [(4, 6), (0, 2)]),
    ("bytes=0-1,2-3", 206, [(0, 4)]),
    ("bytes=0-4,3-6", 206, [(0, 7)]),
    ("bytes=0-1,-2", 206, [(0, 2), (8, 10)]),
    ("bytes=0-1,20-", 206, [(0, 2)]),
    ("bytes=0-1,4-5,1-4", 206, [(0, 6)]),
    ("bytes=0-1,6-7,8-9", 206, [(0, 2), (6, 10)]),
    ("bytes=0-9,0-9", 200, [(0, 10)]),
    ("bytes=0-5,3-9", 200, [(0, 10)]),
    ("bytes=0-0,a", 200, [(0, 10)]),
    ("bytes=" + ",".join("0-0" for _ in range(33)), 200, [(0, 10)]),
    ("bytes=0-0,2-2,4-4,6-6,8-8", 206, [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]),
]


@pytest.mark.parametrize(("value", "status", "wanted"), RANGE_CASES)
def test_range(value, status, wanted):
    answer = plan({"range": value})
    assert answer.status == status
    if wanted is None:
        assert dict(answer.headers)["Content-Range"] == "bytes */10" and not answer.reads
    else:
        assert spans(answer) == wanted
        assert int(dict(answer.headers)["Content-Length"]) == answer.length


@pytest.mark.parametrize(("value", "status", "wanted"), RANGE_CASES)
def test_head_ignores_range(value, status, wanted):
    answer = plan({"range": value}, method="HEAD")
    assert (answer.status, answer.length) == (200, 0)
    assert dict(answer.headers) == dict(plan({}).headers)


@pytest.mark.parametrize(
    ("value", "status"), [("bytes=-1", 200), ("bytes=-99", 200), ("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416)]
)
def test_range_of_empty_object(value, status):
    assert plan({"range": value}, EMPTY).status == status


CONDITION_CASES = [
    ({"if-match": '"abc"'}, META, 200),
    ({"if-match": '"x", "abc"'}, META, 200),
    ({"if-match": '"x"'}, META, 412),
    ({"if-match": "*"}, META, 200),
    ({"if-match": "*"}, BARE, 200),
    ({"if-match": 'W/"abc"'}, META, 412),
    ({"if-match": 'W/"abc"'}, WEAK, 412),
    ({"if-match": '"abc"'}, BARE, 412),
    ({"if-match": "abc"}, META, 412),
    ({"if-match": ""}, META, 412),
    ({"if-match": '"abc"', "if-unmodified-since": BEFORE}, META, 200),
    ({"if-match": '"x"', "if-none-match": '"abc"'}, META, 412),
    ({"if-unmodified-since": LM}, META, 200),
    ({"if-unmodified-since": AFTER}, META, 200),
    ({"if-unmodified-since": BEFORE}, META, 412),
    ({"if-unmodified-since": "yesterday"}, META, 200),
    ({"if-unmodified-since": BEFORE}, BARE, 200),
    ({"if-unmodified-since": BEFORE, "if-none-match": '"abc"'}, META, 412),
    ({"if-none-match": '"abc"'}, META, 304),
    ({"if-none-match": 'W/"abc"'}, META, 304),
    ({"if-none-match": '"abc"'}, WEAK, 304),
    ({"if-none-match": 'W/"abc"'}, WEAK, 304),
    ({"if-none-match": '"x"'}, META, 200),
    ({"if-none-match": '"x" , "abc"'}, META, 304),
    ({"if-none-match": '"x,abc"'}, META, 200),
    ({"if-none-match": "*"}, META, 304),
    ({"if-none-match": "*"}, BARE, 304),
    ({"if-none-match": "abc"}, META, 200),
    ({"if-none-match": '"abc"'}, BARE, 200),
    ({"if-none-match": '"x"', "if-modified-since": AFTER}, META, 200),
    ({"if-none-match": '"abc"', "if-modified-since": BEFORE}, META, 304),
    ({"if-modified-since": LM}, META, 304),
    ({"if-modified-since": AFTER}, META, 304),
    ({"if-modified-since": BEFORE}, META, 200),
    ({"if-modified-since": "Friday, 20-Nov-26 08:30:15 GMT"}, META, 304),
    ({"if-modified-since": "Fri Nov 20 08:30:15 2026"}, META, 304),
    ({"if-modified-since": "Thu Nov 19 08:30:15 2026"}, META, 200),
    ({"if-modified-since": "Fri, 20 Nov 2026 08:30:15 CET"}, META, 200),
    ({"if-modified-since": "Fri, 32 Nov 2026 08:30:15 GMT"}, META, 200),
    ({"if-modified-since": LM}, BARE, 200),
]


@pytest.mark.parametrize(("headers", "meta", "status"), CONDITION_CASES)
def test_conditions(headers, meta, status):
    for method in ("GET", "HEAD"):
        answer = plan(headers, meta, method)
        assert answer.status == status
        if status == 304:
            names = {name for name, _ in answer.headers}
            assert (
                not answer.segments
                and not names & {"Content-Length", "Content-Type"}
                and "ETag" in names | ({"ETag"} if meta is BARE else set())
            )


IF_RANGE_CASES = [
    ('"abc"', META, 206),
    ('"x"', META, 200),
    ('W/"abc"', META, 200),
    ('W/"abc"', WEAK, 200),
    ('"abc"', BARE, 200),
    (LM, META, 206),
    ("Friday, 20-Nov-26 08:30:15 GMT", META, 206),
    (BEFORE, META, 200),
    (AFTER, META, 200),
    (LM, BARE, 200),
    ("nonsense", META, 200),
    ("", META, 206),
]


@pytest.mark.parametrize(("value", "meta", "status"), IF_RANGE_CASES)
def test_if_range(value, meta, status):
    assert plan({"range": "bytes=0-1", "if-range": value}, meta).status == status


def test_if_range_date_of_this_very_second_is_weak():
    fresh = ObjectMeta(key="f", size=10, last_modified=NOW)
    assert plan({"range": "bytes=0-1", "if-range": format_date(NOW)}, fresh).status == 200


def test_conditions_come_before_ranges():
    assert plan({"range": "bytes=99-", "if-none-match": '"abc"'}).status == 304
    assert plan({"range": "bytes=99-", "if-match": '"x"'}).status == 412
    assert plan({"range": "bytes=99-", "if-range": '"x"'}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", ""])
def test_other_methods(method):
    answer = plan(method=method)
    assert answer.status == 405 and dict(answer.headers)["Allow"] == "GET, HEAD"


def test_multipart_body_is_exact():
    answer = plan({"range": "bytes=0-1,-2"})
    data = b"0123456789"
    body = b"".join(s.literal or data[s.start : s.end] for s in answer.segments)
    assert body == (
        b"--BOUND\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
        b"\r\n--BOUND\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--BOUND--\r\n"
    )
    assert dict(answer.headers)["Content-Type"] == "multipart/byteranges; boundary=BOUND"
    assert int(dict(answer.headers)["Content-Length"]) == len(body)


def test_headers_of_a_whole_answer():
    assert plan().headers == (
        ("Content-Type", "text/plain"),
        ("Content-Length", "10"),
        ("Accept-Ranges", "bytes"),
        ("ETag", '"abc"'),
        ("Last-Modified", LM),
        ("X-Content-Type-Options", "nosniff"),
    )
    assert dict(plan(ranges=False).headers)["Accept-Ranges"] == "none"
    assert plan({"range": "bytes=0-1"}, ranges=False).status == 200


def test_last_modified_is_never_in_the_future():
    ahead = ObjectMeta(key="f", size=1, last_modified=NOW + timedelta(days=1))
    assert dict(plan(meta=ahead).headers)["Last-Modified"] == format_date(NOW)


def test_unknown_validators_are_left_out():
    names = {name for name, _ in plan(meta=BARE).headers}
    assert not names & {"ETag", "Last-Modified", "Cache-Control"}
    assert dict(plan(meta=BARE).headers)["Content-Type"] == "application/octet-stream"


def test_cache_control():
    stored = ObjectMeta(key="f", size=1, attributes=Attributes(cache_control="no-store"))
    assert dict(plan(meta=stored).headers)["Cache-Control"] == "no-store"
    assert dict(plan(meta=stored, cache_max_age=60).headers)["Cache-Control"] == "max-age=60"
    assert dict(plan(meta=stored, cache_control="private", cache_max_age=60).headers)["Cache-Control"] == "private"


def test_downloads():
    assert dict(plan(download=True).headers)["Content-Disposition"] == 'attachment; filename="file.txt"'
    assert dict(plan(download_name="a b.txt").headers)["Content-Disposition"] == 'attachment; filename="a b.txt"'
    stored = ObjectMeta(
        key="f", size=1, attributes=Attributes(content_disposition="inline", content_encoding="gzip", content_language="de")
    )
    answer = dict(plan(meta=stored).headers)
    assert (answer["Content-Disposition"], answer["Content-Encoding"], answer["Content-Language"]) == (
        "inline",
        "gzip",
        "de",
    )


@pytest.mark.parametrize(
    "options",
    [
        {"cache_control": "a\r\nX: 1"},
        {"content_type": "a\nb"},
        {"cache_max_age": -1},
        {"content_type": "é"},
        {"redirect": "often"},
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError):
        ServeOptions(**options)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "\r\n", "a/.."])
def test_disposition_of_no_name(name):
    assert content_disposition(name) == "attachment"
    assert content_disposition(name, inline=True) == "inline"


def test_etags():
    assert parse_etags('"a","b"') == ['"a"', '"b"']
    assert parse_etags('"a" "b"') is None and parse_etags("") is None
    assert dict(plan(meta=ObjectMeta(key="k", size=1, etag='a"b c')).headers)["ETag"] == '"a%22b%20c"'


def test_dates():
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now=NOW) == parse_date("Sun Nov  6 08:49:37 1994", now=NOW)
    assert parse_date("Saturday, 06-Nov-77 08:49:37 GMT", now=NOW).year == 1977
    assert parse_date("Fri, 06-Nov-76 08:49:37 GMT", now=NOW) is None
    assert parse_date("Fri, 20 Foo 2026 08:30:15 GMT", now=NOW) is None
    assert parse_date("Fri, 20 Nov 2026 08:30:60 GMT", now=NOW).second == 59


def test_plain_response():
    assert plain_response(404, "not found", method="HEAD").length == 0
    assert plain_response(404, "not found").reason == "Not Found"


def test_multipart_needs_a_boundary():
    with pytest.raises(ValueError, match="boundary"):
        plan_response("GET", {"range": "bytes=0-0,2-2"}, META, now=NOW)


@given(st.text(), st.text(), st.text(), st.text(), st.booleans())
def test_no_stored_value_or_name_injects_a_header(key, kind, disposition, name, download):
    attributes = Attributes(
        content_type=kind, content_disposition=disposition, cache_control=kind, content_encoding=disposition
    )
    meta = ObjectMeta(key=key or "k", size=3, etag=kind or None, attributes=attributes)
    answer = plan(meta=meta, download=download, download_name=name or None)
    for header, value in answer.headers:
        value.encode("latin-1")
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in header + value)
    shown = dict(answer.headers).get("Content-Disposition", "")
    if download or name:
        assert shown.replace('\\"', "").count('"') in {0, 2}


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6))
def test_ranges_are_disjoint_within_and_cover_what_was_asked(size, pairs):
    value = "bytes=" + ",".join(f"{min(p)}-{max(p)}" for p in pairs)
    found = parse_ranges(value, size)
    if found is None:
        return
    asked = {byte for p in pairs for byte in range(min(p), max(p) + 1) if byte < size}
    assert sorted(byte for start, end in found for byte in range(start, end)) == sorted(asked)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2060, 1, 1)))
def test_dates_round_trip(moment):
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    assert parse_date(format_date(moment), now=NOW) == moment
