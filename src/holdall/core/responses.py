"""The answer to an HTTP request for one object, as a value: status, headers and which bytes (RFC 9110).

`plan_response` decides everything before the first byte is read; WSGI and ASGI only carry it out, so they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from holdall.core.meta import ObjectMeta

__all__ = [
    "Redirect",
    "Response",
    "Segment",
    "ServeOptions",
    "content_disposition",
    "format_date",
    "parse_date",
    "parse_etags",
    "parse_ranges",
    "plain_response",
    "plan_response",
]

MOST_RANGES = 32
"""More ranges than these in one request are answered by the whole object."""

REASONS = {
    200: "OK",
    206: "Partial Content",
    302: "Found",
    304: "Not Modified",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    416: "Range Not Satisfiable",
    503: "Service Unavailable",
}

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_IMF = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT")
_RFC850 = re.compile(r"[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT")
_ASCTIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})")
_ETAG = re.compile(r'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)')
_SPEC = re.compile(r"[ \t]*(?:(\d{1,4000})-(\d{0,4000})|-(\d{1,4000}))?[ \t]*", re.ASCII)


Redirect = Literal["never", "auto", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How an object is served.

    Attributes:
        download: Answer as an attachment.
        download_name: File name of the attachment; implies ``download``.
        cache_control: Value of ``Cache-Control``; else ``cache_max_age``, else what is stored with the object.
        cache_max_age: Seconds that caches may keep the answer.
        content_type: Replaces the stored or guessed type.
        ranges: Whether ranges are served.
        redirect: ``auto`` sends GETs to a signed URL where the store can sign what was asked, ``always`` insists on it.
        redirect_min_size: Smaller objects (bytes) are served all the same.
        redirect_expires: Seconds that the signed URL holds.
    """

    download: bool = False
    download_name: str | None = None
    cache_control: str | None = None
    cache_max_age: int | None = None
    content_type: str | None = None
    ranges: bool = True
    redirect: Redirect = "never"
    redirect_min_size: int = 0
    redirect_expires: int = 300

    def __post_init__(self) -> None:
        for name in ("cache_control", "content_type"):
            value = getattr(self, name)
            if value is not None and (_CONTROL.search(value) or not value.isascii()):
                raise ValueError(f"{name} cannot hold control or non-ASCII characters")
        if self.cache_max_age is not None and self.cache_max_age < 0:
            raise ValueError("cache_max_age is at least 0 seconds")
        if self.redirect not in {"never", "auto", "always"}:
            raise ValueError(f"redirect is 'never', 'auto' or 'always', not {self.redirect!r}")

    def disposition(self, key: str) -> str | None:
        """Return the ``Content-Disposition`` that these options ask for, if any."""
        if self.download or self.download_name is not None:
            return content_disposition(self.download_name or key.rstrip("/").rsplit("/", 1)[-1])
        return None


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the body: literal bytes, or bytes ``start`` to ``end`` (exclusive) of the object."""

    literal: bytes = b""
    start: int = 0
    end: int = 0

    @property
    def length(self) -> int:
        """Bytes that this piece sends."""
        return len(self.literal) if self.literal else self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A planned answer.

    Attributes:
        status: HTTP status code.
        headers: Names and values in sending order, latin-1, free of control characters.
        segments: The body, in order; empty for HEAD, 304 and errors without text.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    segments: tuple[Segment, ...] = field(default=())

    @property
    def reason(self) -> str:
        """The reason phrase."""
        return REASONS[self.status]

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(segment.length for segment in self.segments)

    @property
    def reads(self) -> bool:
        """Whether the object's bytes are needed."""
        return any(not segment.literal and segment.end > segment.start for segment in self.segments)


def plan_response(
    method: str,
    headers: Mapping[str, str],
    meta: ObjectMeta,
    options: ServeOptions | None = None,
    *,
    now: datetime,
    boundary: str = "",
) -> Response:
    """Decide the whole answer to a GET or HEAD of one object.

    Args:
        method: The request's method.
        headers: Its headers, names in lower case.
        meta: The object.
        options: How to serve it.
        now: The time of the answer (aware).
        boundary: Separator of a multipart answer, known not to occur in the data (random text will do).

    Example:
        >>> meta = ObjectMeta(key="a.txt", size=10, etag="x")
        >>> answer = plan_response("GET", {"range": "bytes=2-4"}, meta, now=datetime(2026, 1, 1, tzinfo=UTC))
        >>> answer.status, dict(answer.headers)["Content-Range"]
        (206, 'bytes 2-4/10')
    """
    options = options or ServeOptions()
    if method not in {"GET", "HEAD"}:
        return plain_response(405, "method not allowed", method=method, extra=[("Allow", "GET, HEAD")])
    etag = _etag_header(meta.etag)
    modified = None if meta.last_modified is None else min(meta.last_modified, now).astimezone(UTC).replace(microsecond=0)
    validators = [("ETag", etag)] if etag else []
    if modified is not None:
        validators.append(("Last-Modified", format_date(modified)))
    cache = _cache_control(meta, options)
    if cache:
        validators.append(("Cache-Control", cache))
    status = _conditions(headers, etag, modified, now)
    if status == 304:
        return Response(status=304, headers=tuple(validators))
    if status == 412:
        return plain_response(412, "precondition failed", method=method, extra=validators)
    common = [*validators, *_content_headers(meta, options)]
    accept = ("Accept-Ranges", "bytes" if options.ranges else "none")
    content_type = _content_type(meta, options)
    wanted: list[tuple[int, int]] | None = None
    if method == "GET" and options.ranges and "range" in headers and _if_range(headers, etag, modified, now):
        wanted = parse_ranges(headers["range"], meta.size)
    if wanted is not None and not wanted:
        extra = [*validators, accept, ("Content-Range", f"bytes */{meta.size}")]
        return plain_response(416, "range not satisfiable", method=method, extra=extra)
    if wanted is None:
        whole = [("Content-Type", content_type), ("Content-Length", str(meta.size)), accept, *common]
        body = (Segment(start=0, end=meta.size),) if method == "GET" and meta.size else ()
        return Response(status=200, headers=tuple(whole), segments=body)
    if len(wanted) == 1:
        start, end = wanted[0]
        part = [
            ("Content-Type", content_type),
            ("Content-Length", str(end - start)),
            ("Content-Range", f"bytes {start}-{end - 1}/{meta.size}"),
            accept,
            *common,
        ]
        return Response(status=206, headers=tuple(part), segments=(Segment(start=start, end=end),))
    segments = _multipart(wanted, content_type, meta.size, boundary)
    many = [
        ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
        ("Content-Length", str(sum(s.length for s in segments))),
        accept,
        *common,
    ]
    return Response(status=206, headers=tuple(many), segments=segments)


def plain_response(status: int, text: str, *, method: str = "GET", extra: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an answer of one line of text (none of it for HEAD).

    Example:
        >>> plain_response(404, "not found").length
        10
    """
    body = text.encode() + b"\n"
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
        *extra,
    ]
    return Response(status=status, headers=tuple(headers), segments=() if method == "HEAD" else (Segment(body),))


# -- validators and conditions -----------------------------------------------------------------------------------------


def _etag_header(etag: str | None) -> str | None:
    if etag is None:
        return None
    weak, opaque = ("W/", etag[2:]) if etag.startswith("W/") else ("", etag)
    return f'{weak}"{quote(opaque, safe="!#$&()*+,-./:;<=>?@[]^_`{|}~")}"'


def parse_etags(value: str) -> list[str] | None:
    """Return the entity tags of a header, quotes kept; ``["*"]`` for any; ``None`` if it cannot be read.

    Example:
        >>> parse_etags('"a", W/"b"'), parse_etags("*"), parse_etags("a b")
        (['"a"', 'W/"b"'], ['*'], None)
    """
    value = value.strip(" \t")
    if value == "*":
        return ["*"]
    tags: list[str] = []
    at = 0
    while at < len(value):
        found = _ETAG.match(value, at)
        if found is None:
            return None
        tags.append(found[1])
        at = found.end()
    return tags or None


def _conditions(headers: Mapping[str, str], etag: str | None, modified: datetime | None, now: datetime) -> int | None:
    """Evaluate the conditions in the order of RFC 9110, 13.2.2; 412, 304 or ``None`` to go on."""
    if "if-match" in headers:
        tags = parse_etags(headers["if-match"])
        strong = etag is not None and not etag.startswith("W/")
        if tags is None or not (tags == ["*"] or (strong and etag in tags)):
            return 412
    elif "if-unmodified-since" in headers:
        since = parse_date(headers["if-unmodified-since"], now=now)
        if since is not None and modified is not None and modified > since:
            return 412
    if "if-none-match" in headers:
        tags = parse_etags(headers["if-none-match"]) or []
        weak = etag.removeprefix("W/") if etag else None
        if tags == ["*"] or (weak is not None and weak in {tag.removeprefix("W/") for tag in tags}):
            return 304
    elif "if-modified-since" in headers:
        since = parse_date(headers["if-modified-since"], now=now)
        if since is not None and modified is not None and modified <= since:
            return 304
    return None


def _if_range(headers: Mapping[str, str], etag: str | None, modified: datetime | None, now: datetime) -> bool:
    """Tell whether the range may be served (RFC 9110, 13.1.5): strong etag, or exactly the strong date."""
    value = headers.get("if-range", "").strip(" \t")
    if not value:
        return True
    if value.startswith(('"', "W/")):
        return etag is not None and not etag.startswith("W/") and value == etag
    since = parse_date(value, now=now)
    return since is not None and since == modified and now - since >= timedelta(seconds=1)


def format_date(moment: datetime) -> str:
    """Return an HTTP date (RFC 9110, 5.6.7).

    Example:
        >>> format_date(datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC))
        'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    m = moment.astimezone(UTC)
    return f"{_DAYS[m.weekday()]}, {m.day:02} {_MONTHS[m.month - 1]} {m.year:04} {m.hour:02}:{m.minute:02}:{m.second:02} GMT"


def parse_date(value: str, *, now: datetime) -> datetime | None:
    """Return the time of an HTTP date in any of its three forms, or ``None`` if it is none.

    Args:
        value: The header's value.
        now: Decides the century of two-digit years.

    Example:
        >>> parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now=datetime(2026, 1, 1, tzinfo=UTC)).year
        1994
    """
    value = value.strip(" \t")
    if found := _IMF.fullmatch(value):
        day, month, year, *clock = found.groups()
    elif found := _RFC850.fullmatch(value):
        day, month, short, *clock = found.groups()
        full = now.year // 100 * 100 + int(short)
        year = str(full - 100 if full > now.year + 50 else full)
    elif found := _ASCTIME.fullmatch(value):
        month, day, *clock, year = found.groups()
    else:
        return None
    try:
        hour, minute, second = map(int, clock)
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


# -- ranges ------------------------------------------------------------------------------------------------------------


def parse_ranges(value: str, size: int) -> list[tuple[int, int]] | None:
    """Return the ranges ``(start, end)`` to send; empty if none can be; ``None`` if the header is to be ignored.

    Overlapping and touching ranges are merged where the first of them stood. More than 32, or a sum above the size, is no
    honest request: the whole object is sent.

    Example:
        >>> parse_ranges("bytes=0-1,-2", 10), parse_ranges("bytes=20-", 10), parse_ranges("lines=1-2", 10)
        ([(0, 2), (8, 10)], [], None)
    """
    unit, equals, text = value.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    specs: list[tuple[int, int]] = []
    seen = 0
    for item in text.split(","):
        found = _SPEC.fullmatch(item)
        if found is None:
            return None
        first, last, suffix = str(found[1] or ""), str(found[2] or ""), str(found[3] or "")
        seen += bool(first or suffix)
        if suffix:
            length = int(suffix)
            if length and size == 0:
                return None
            if length:
                specs.append((max(0, size - length), size))
        elif first:
            start, end = int(first), int(last) + 1 if last else size
            if last and end <= start:
                return None
            if start < size:
                specs.append((start, min(end, size)))
    if not seen or seen > MOST_RANGES or sum(end - start for start, end in specs) > size:
        return None
    return _merge(specs)


def _merge(specs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in specs:
        touching = [at for at, (low, high) in enumerate(merged) if start <= high and low <= end]
        if not touching:
            merged.append((start, end))
            continue
        first = touching[0]
        merged[first] = (min(start, *(merged[i][0] for i in touching)), max(end, *(merged[i][1] for i in touching)))
        for i in reversed(touching[1:]):
            del merged[i]
    return merged


def _multipart(wanted: list[tuple[int, int]], content_type: str, size: int, boundary: str) -> tuple[Segment, ...]:
    if not boundary:
        raise ValueError("a multipart answer needs a boundary")
    segments: list[Segment] = []
    for at, (start, end) in enumerate(wanted):
        head = (
            f"{'' if at == 0 else chr(13) + chr(10)}--{boundary}\r\nContent-Type: {content_type}\r\n"
            f"Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n"
        )
        segments += [Segment(head.encode("latin-1")), Segment(start=start, end=end)]
    return (*segments, Segment(f"\r\n--{boundary}--\r\n".encode()))


# -- headers of the content --------------------------------------------------------------------------------------------


def _cache_control(meta: ObjectMeta, options: ServeOptions) -> str | None:
    if options.cache_control is not None:
        return options.cache_control
    if options.cache_max_age is not None:
        return f"max-age={options.cache_max_age}"
    return _clean(meta.attributes.cache_control)


def _content_type(meta: ObjectMeta, options: ServeOptions) -> str:
    return options.content_type or _clean(meta.content_type) or "application/octet-stream"


def _content_headers(meta: ObjectMeta, options: ServeOptions) -> list[tuple[str, str]]:
    headers = [("X-Content-Type-Options", "nosniff")]
    if disposition := options.disposition(meta.key) or _clean(meta.attributes.content_disposition):
        headers.append(("Content-Disposition", disposition))
    for name, value in (
        ("Content-Encoding", meta.attributes.content_encoding),
        ("Content-Language", meta.attributes.content_language),
    ):
        if cleaned := _clean(value):
            headers.append((name, cleaned))
    return headers


def content_disposition(name: str, *, inline: bool = False) -> str:
    r"""Return a ``Content-Disposition`` that no name can break out of (RFC 6266, RFC 8187).

    Control characters and path parts of the name are removed.

    Example:
        >>> content_disposition('a "b".txt'), content_disposition("../é.txt")
        ('attachment; filename="a \\"b\\".txt"', 'attachment; filename="_.txt"; filename*=UTF-8\'\'%C3%A9.txt')
    """
    kind = "inline" if inline else "attachment"
    name = name.encode("utf-8", "replace").decode()
    name = _CONTROL.sub("", name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].strip()
    if name in {"", ".", ".."}:
        return kind
    plain = "".join(c if c.isascii() else "_" for c in name).replace('"', '\\"')
    value = f'{kind}; filename="{plain}"'
    return value if name.isascii() else f"{value}; filename*=UTF-8''{quote(name, safe='!#$&+-.^_`|~')}"


def _clean(value: str | None) -> str | None:
    """Return a stored value that is safe in a header, or ``None``: control characters go, non-ASCII makes it unusable."""
    if not value:
        return None
    value = _CONTROL.sub("", value).strip()
    return value if value.isascii() and value else None
