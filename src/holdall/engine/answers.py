# Generated from answers_async.py by tools/twins.py: change that file, not this one.
"""Answer HTTP requests for one object of a store: plan, open what the plan reads, hand out the body.

The plan is `holdall.core.responses`; `holdall.engine.wsgi` and `holdall.engine.asgi` carry the answer to a client.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, SignOptions
from holdall.core.responses import Response, Segment, ServeOptions, plain_response, plan_response
from holdall.errors import (
    ClosedError,
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import GetResult
from holdall.store import Store

__all__ = ["Answer", "answer", "refusal"]

PIECE = 1024 * 1024
"""Largest piece of a body (bytes)."""

_DECIDING = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_RETRY_AFTER = "5"
_UNTYPED = "binary/octet-stream"
"""What S3 calls content that was put without a type."""


class Answer:
    """A planned answer and its body. Iterate over `chunks` once, then `close`.

    Attributes:
        response: Status, headers, segments.
        meta: The object, ``None`` where there is none to speak of.
    """

    def __init__(
        self,
        response: Response,
        *,
        store: Store | None = None,
        key: str = "",
        version: str | None = None,
        meta: ObjectMeta | None = None,
        opened: GetResult | None = None,
    ) -> None:
        self.response = response
        self.meta = meta
        self._store = store
        self._key = key
        self._version = version
        self._opened = opened

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the body in pieces of at most 1 MiB.

        Raises:
            PreconditionError: The object was replaced under way; the connection must be broken off.
            IntegrityError: The object is shorter than announced.
        """
        for segment in self.response.segments:
            if segment.literal:
                yield segment.literal
                continue
            opened, self._opened = self._opened, None
            if opened is None and self._store is not None:
                opened = _open(self._store, self._key, self._version, self.meta, segment)
            if opened is None:
                raise ClosedError("this answer was sent or closed already", key=self._key)
            self._opened = opened
            for chunk in opened:
                for start in range(0, len(chunk), PIECE):
                    yield chunk if len(chunk) <= PIECE else chunk[start : start + PIECE]
            self._opened = None

    def file(self) -> str | None:
        """Return the path of a local file that *is* the body, for ``sendfile``; ``None`` where there is none.

        The body must be the whole object or reach to its end; the file is checked to be the planned version still.
        """
        segments = self.response.segments
        if (
            len(segments) != 1
            or segments[0].literal
            or self.meta is None
            or self._store is None
            or self._version is not None
            or segments[0].end != self.meta.size
        ):
            return None
        path = self._store.local_path(self._key)
        if path is None:
            return None
        with suppress(NotFoundError):
            if (self._store.head(self._key)).etag == self.meta.etag:
                return path
        return None

    def close(self) -> None:
        """Let go of the object; idempotent."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def answer(
    store: Store,
    key: str,
    method: str,
    headers: Mapping[str, str],
    options: ServeOptions | None = None,
    *,
    version: str | None = None,
    now: datetime | None = None,
) -> Answer:
    """Answer one request; everything that can be said by a status is said before the body begins.

    Args:
        store: Where the object is.
        key: Which.
        method: The request's method.
        headers: The request's headers, names in lower case.
        options: How to serve.
        version: Which version of it; the latest if ``None``.
        now: The time of the answer, for tests.

    Raises:
        IsDirectoryError: The key is a directory.
        NotSupportedError: ``redirect="always"`` and the store cannot sign.
    """
    options = options or ServeOptions()
    now = now or datetime.now(UTC)
    if method not in {"GET", "HEAD"}:
        nothing = ObjectMeta(key=key, size=0)
        return Answer(plan_response(method, {}, nothing, options, now=now), store=store, key=key)
    try:
        for _ in range(3):
            try:
                return _answer(store, key, method, headers, options, version, now)
            except PreconditionError:  # replaced between the plan and the open: plan again
                continue
        raise UnavailableError(f"{key!r} is replaced faster than it can be opened", key=key, store=store)
    except (NotFoundError, InvalidKeyError, PermissionDeniedError, UnavailableError) as error:
        return Answer(refusal(error, method), store=store, key=key)


def refusal(error: HoldallError, method: str) -> Response:
    """Return the answer that stands for an error: 404, 403 or 503; any other error is raised."""
    if isinstance(error, (NotFoundError, InvalidKeyError)):
        return plain_response(404, "not found", method=method)
    if isinstance(error, PermissionDeniedError):
        return plain_response(403, "forbidden", method=method)
    if isinstance(error, UnavailableError):
        return plain_response(503, "storage unavailable", method=method, extra=[("Retry-After", _RETRY_AFTER)])
    raise error


def _answer(
    store: Store,
    key: str,
    method: str,
    headers: Mapping[str, str],
    options: ServeOptions,
    version: str | None,
    now: datetime,
) -> Answer:
    opened: GetResult | None = None
    if method == "GET" and options.redirect == "never" and not any(name in headers for name in _DECIDING):
        opened = store.get(key, GetOptions(version=version) if version else None)  # one request says it all
        meta = opened.meta
    else:
        meta = store.head(key, version=version)
    try:
        if meta.kind == "directory":
            raise IsDirectoryError(f"{key!r} is a directory", key=key, store=store)
        meta = _with_type(meta, key)
        if not store.capabilities.ranges:
            options = replace(options, ranges=False)
        response = plan_response(method, headers, meta, options, now=now, boundary=secrets.token_hex(16))
        if method == "GET" and response.status in {200, 206} and (location := _redirect(store, key, version, meta, options)):
            cache = f"private, max-age={options.redirect_expires // 2}"
            extra = [("Location", location), ("Cache-Control", cache)]
            return Answer(plain_response(302, "elsewhere", method=method, extra=extra), store=store, key=key, meta=meta)
        if opened is None and response.reads:
            first = next(s for s in response.segments if not s.literal)
            opened = _open(store, key, version, meta, first)
        body = opened if response.reads else None
        answer = Answer(response, store=store, key=key, version=version, meta=meta, opened=body)
        if response.reads:
            opened = None
        return answer
    finally:
        if opened is not None:
            opened.close()


def _open(store: Store, key: str, version: str | None, meta: ObjectMeta | None, segment: Segment) -> GetResult:
    """Open a part of the planned version; another one is `PreconditionError`."""
    pinned = meta.etag if meta is not None and store.capabilities.conditional_read else None
    if pinned is not None and pinned.startswith("W/"):
        pinned = None
    whole = meta is not None and (segment.start, segment.end) == (0, meta.size)
    part = None if whole else (segment.start, segment.end)
    result = store.get(key, GetOptions(range=part, if_match=pinned, version=version))
    if meta is not None and result.meta.size != meta.size:
        result.close()
        raise PreconditionError(f"{key!r} was replaced", key=key, store=store)
    return result


def _redirect(store: Store, key: str, version: str | None, meta: ObjectMeta, options: ServeOptions) -> str | None:
    if options.redirect == "never" or meta.size < options.redirect_min_size:
        return None
    wanted = SignOptions(
        expires_in=options.redirect_expires,
        content_type=options.content_type,
        content_disposition=options.disposition(key),
        version=version,
    )
    try:
        if "GET" not in store.capabilities.sign:
            raise NotSupportedError(f"{store!r} cannot sign URLs", key=key, store=store)
        return store.sign(key, wanted)
    except NotSupportedError:
        if options.redirect == "always":
            raise
        return None


def _with_type(meta: ObjectMeta, key: str) -> ObjectMeta:
    """Guess the content type by the name where none is stored; S3 says so by a type of its own."""
    if meta.content_type and meta.content_type != _UNTYPED:
        return meta
    guessed, encoding = mimetypes.guess_type(key)
    attributes = replace(
        meta.attributes,
        content_type=None if encoding and not meta.attributes.content_encoding else guessed,
    )
    return replace(meta, attributes=attributes)
