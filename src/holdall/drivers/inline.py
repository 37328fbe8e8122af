"""The inline driver: the key is the content itself, as base64 text or as a whole ``data:`` URI (RFC 2397).

Nothing is stored anywhere, so nothing can be written, listed or deleted: what "writes" is to take another key, which
`InlineStore.encode` makes. Keys are taken literally; the rules of `core.keys` do not hold for them.
"""

from __future__ import annotations

import base64
import binascii
import builtins
import hashlib
import urllib.parse
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NoReturn

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.meta import NO_ATTRIBUTES, Attributes, ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import check_get, etag_matches
from holdall.core.ranges import Coalesce
from holdall.errors import ClosedError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource, BytesLike, Source, as_bytes
from holdall.store import Store

__all__ = ["InlineStore"]

_DEFAULT_TYPE = "text/plain"
_SHOWN = 16
_STANDARD = bytes.maketrans(b"-_", b"+/")

_CAPABILITIES = Capabilities(
    write=False,
    delete=False,
    list=False,
    conditional_read=True,
    strong_etag=True,
    max_key_bytes=1 << 31,
)


class InlineStore(Store):
    """Objects whose keys are their content.

    Base64 in the standard or the URL-safe alphabet, with or without padding, or a ``data:`` URI, whose media type becomes the
    content type. Any other text, and no text, is `NotFoundError`.

    Example:
        >>> store = InlineStore()
        >>> store.get("aGVsbG8").bytes()
        b'hello'
        >>> store.head("data:text/plain;charset=utf-8,hello%20world").size
        11
        >>> store.encode(b"hello", "text/plain")
        'data:text/plain;base64,aGVsbG8='
    """

    def __init__(self) -> None:
        self._closed = False

    def __repr__(self) -> str:
        return "InlineStore()"

    def __getstate__(self) -> dict[str, bool]:
        return {"_closed": False}

    @property
    def capabilities(self) -> Capabilities:
        """What works here: reading."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """One for all: equal keys are equal content."""
        return Identity(service="inline", place="")

    @staticmethod
    def encode(data: BytesLike, mime: str | None = None) -> str:
        """Return the key of some content: bare base64, or a ``data:`` URI if a media type is given.

        Raises:
            ValueError: A media type that no URI can hold.
        """
        text = base64.b64encode(as_bytes(data)).decode("ascii")
        if mime is None:
            return text
        if "," in mime or not _printable(mime):
            raise ValueError(f"a media type for a data: URI is printable ASCII without a comma, not {mime!r}")
        return f"data:{mime};base64,{text}"

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Decode a key. See `Store.get`."""
        options = options or GetOptions()
        if options.version is not None:
            raise self._refusal("read versions")
        data, meta = self._decode(key)
        check_get(options, key=key, etag=meta.etag, last_modified=None, store=self)
        wanted = options.byte_range
        if wanted is None:
            return GetResult(meta, data)
        try:
            start, end = wanted.resolve(len(data))
        except RangeNotSatisfiableError as error:
            raise RangeNotSatisfiableError(error.message, key=key, store=self) from None
        return GetResult(meta, data[start:end], range=(start, end))

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Decode a key. See `Store.get`."""
        return self.get(key, options)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Decode a key and cut it. See `Store.get_ranges`."""
        data, meta = self._decode(key)
        if if_match is not None and not etag_matches(meta.etag, if_match):
            raise PreconditionError("the content is not the version asked for (if_match)", key=key, store=self)
        for start, end in ranges:
            if start < 0 or end < start:
                raise ValueError(f"no byte range: {start}..{end}")
            if start >= len(data) and end > start:
                raise RangeNotSatisfiableError(
                    f"range starts at byte {start} of an object of {len(data)} bytes", key=key, store=self
                )
        return [data[start:end] for start, end in ranges]

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Decode a key and cut it. See `Store.get_ranges`."""
        return self.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe what a key holds. See `Store.head`."""
        if version is not None:
            raise self._refusal("read versions")
        return self._decode(key)[1]

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe what a key holds. See `Store.head`."""
        return self.head(key, version=version)

    # -- what cannot be -----------------------------------------------------------------------------------------------

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """Refuse: there is no directory structure."""
        self._refuse("list", "there is no directory structure")

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """Refuse: there is no directory structure."""
        self._refuse("list", "there is no directory structure")

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Refuse: other content is another key, see `encode`."""
        self._refuse("put", "other content is another key, see encode()")

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Refuse: other content is another key, see `encode`."""
        self._refuse("put", "other content is another key, see encode()")

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Refuse: a key cannot cease to be its content."""
        self._refuse("delete", "a key is its content")

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Refuse: a key cannot cease to be its content."""
        self._refuse("delete", "a key is its content")

    def close(self) -> None:
        """Refuse from now on."""
        self._closed = True

    async def close_async(self) -> None:
        """Refuse from now on."""
        self._closed = True

    # -- inside -------------------------------------------------------------------------------------------------------

    def _refuse(self, verb: str, why: str) -> NoReturn:
        self._check_open()
        raise self._refusal(verb, why)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store is closed", store=self)

    def _decode(self, key: str) -> tuple[bytes, ObjectMeta]:
        if not isinstance(key, str):
            raise TypeError(f"a key is a str, not {type(key).__name__}")
        self._check_open()
        found = _from_uri(key) if key[:5].lower() == "data:" else _from_base64(key)
        if found is None:
            # the text may be a secret that was meant as content, or megabytes long: only its beginning is shown
            shown = key if len(key) <= _SHOWN else f"{key[:_SHOWN]}..."
            raise NotFoundError(f"Invalid base64, and no data: URI either: {shown!r}", key=key, store=self)
        data, content_type = found if isinstance(found, tuple) else (found, None)
        etag = hashlib.sha256(data, usedforsecurity=False).hexdigest()[:32]
        attributes = NO_ATTRIBUTES if content_type is None else Attributes(content_type=content_type)
        return data, ObjectMeta(key=key, size=len(data), etag=etag, attributes=attributes)


def _from_base64(text: str) -> bytes | None:
    """Return what base64 text stands for, ``None`` if it is none; empty text is none."""
    try:
        raw = text.encode("ascii").rstrip(b"=")
    except UnicodeEncodeError:
        return None
    if not raw or len(text) - len(raw) > 2 or len(raw) % 4 == 1:
        return None
    try:
        return base64.b64decode(raw.translate(_STANDARD) + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error:
        return None


def _from_uri(text: str) -> tuple[bytes, str] | None:
    """Return content and type of a ``data:`` URI, ``None`` if it is none."""
    head, comma, body = text[5:].partition(",")
    if not comma or not _printable(head):
        return None
    *described, last = head.split(";")
    encoded = last.strip().lower() == "base64" and bool(described)
    content_type = ";".join(described if encoded else [*described, last]).strip()
    if not content_type:
        content_type = f"{_DEFAULT_TYPE};charset=US-ASCII"
    elif content_type.startswith(";"):
        content_type = _DEFAULT_TYPE + content_type
    plain = urllib.parse.unquote_to_bytes(body)
    if not encoded:
        return plain, content_type
    if not plain:
        return b"", content_type
    data = _from_base64(plain.decode("latin-1"))
    return None if data is None else (data, content_type)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()
