"""Values between our contract and the object stores': read options, headers, user metadata, object descriptions. Pure.

User metadata travels in HTTP headers, which hold ASCII: other text, and text that HTTP would trim, goes as one encoded word
of RFC 2047, the form in which S3 itself hands out such metadata.
"""

from __future__ import annotations

import base64
import email.errors
import email.header
import re
from collections.abc import Mapping
from typing import Any, Final

from holdall._tokens import random_bytes
from holdall.core.meta import NO_ATTRIBUTES, Attributes, LazyMeta, ObjectMeta, lazy_meta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import strip_etag
from holdall.core.ranges import ByteRange
from holdall.errors import NotSupportedError
from holdall.results import PutResult

__all__ = [
    "MARK",
    "attributes_of",
    "decoded",
    "decoded_name",
    "encoded",
    "encoded_metadata",
    "head_meta",
    "identifier",
    "is_odd",
    "meta_of",
    "native_attributes",
    "native_options",
    "native_range",
    "new_mark",
    "quoted",
    "result_of",
]

MARK: Final = "holdallwrite"
"""User metadata that marks a conditional write, so that its writer knows it again; hidden from reads."""

_ODD = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
_HEXED = re.compile(r"holdall_((?:[0-9a-f]{2})+)\Z")
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+\Z")
_HEADERS: Final = {
    "content_type": "Content-Type",
    "cache_control": "Cache-Control",
    "content_disposition": "Content-Disposition",
    "content_encoding": "Content-Encoding",
    "content_language": "Content-Language",
}
_FIELDS: Final = {header: name for name, header in _HEADERS.items()}
_TAKEN: Final = frozenset(header.lower() for header in _HEADERS.values()) | {"storage-class", MARK}


def is_odd(path: str) -> bool:
    """Tell whether obstore cannot name an object: it normalises ``//`` and trailing ``/``, and refuses control characters.

    Example:
        >>> is_odd("a//b"), is_odd("d/"), is_odd("a/b %2F")
        (True, True, False)
    """
    return "//" in path or path[-1:] == "/" or (not path.isprintable() and _ODD.search(path) is not None)


def new_mark() -> str:
    """Return a mark for one conditional write: 96 random bits."""
    return random_bytes(12).hex()


def quoted(etag: str) -> str:
    """Return an etag as HTTP wants it.

    Example:
        >>> quoted("abc"), quoted("W/abc"), quoted('"abc"')
        ('"abc"', 'W/"abc"', '"abc"')
    """
    bare = strip_etag(etag) or ""
    return f'W/"{bare[2:]}"' if bare.startswith("W/") else f'"{bare}"'


def native_range(wanted: ByteRange) -> tuple[int, int] | dict[str, int]:
    """Return a range in obstore's form."""
    if wanted.start < 0:
        return {"suffix": -wanted.start}
    return {"offset": wanted.start} if wanted.end is None else (wanted.start, wanted.end)


def native_options(options: GetOptions) -> Any:
    """Return read options in obstore's form. ``"*"`` is decided by us: services compare it as if it were an etag."""
    native: dict[str, Any] = {}
    if (wanted := options.byte_range) is not None:
        native["range"] = native_range(wanted)
    if options.version is not None:
        native["version"] = options.version
    if options.if_match is not None and options.if_match != "*":
        native["if_match"] = quoted(options.if_match)
    if options.if_none_match is not None and options.if_none_match != "*":
        native["if_none_match"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        native["if_modified_since"] = options.if_modified_since
    if options.if_unmodified_since is not None:
        native["if_unmodified_since"] = options.if_unmodified_since
    return native


def encoded(value: str) -> str:
    """Return a metadata value as a header can carry it.

    Example:
        >>> encoded("blue"), encoded("grün"), decoded(encoded(" x "))
        ('blue', '=?UTF-8?B?Z3LDvG4=?=', ' x ')
    """
    if (_PLAIN.match(value) and "=?" not in value) or not value:
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def decoded(value: str) -> str:
    """Return a metadata value from its header: encoded words are decoded, anything else stays as it is."""
    if "=?" not in value:
        return value
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        return value


def identifier(name: str) -> str:
    """Return a metadata name as a service can take it that wants identifiers; `decoded_name` undoes it.

    Example:
        >>> identifier("colour"), identifier("long-name"), decoded_name(identifier("long-name"))
        ('colour', 'holdall_6c6f6e672d6e616d65', 'long-name')
    """
    if name.isascii() and name.isidentifier() and not _HEXED.match(name):
        return name
    return f"holdall_{name.encode().hex()}"


def decoded_name(name: str) -> str:
    """Return a metadata name from the form that `identifier` gave it."""
    found = _HEXED.match(name)
    if found is None:
        return name
    try:
        return bytes.fromhex(found.group(1)).decode()
    except ValueError:
        return name


def encoded_metadata(metadata: Mapping[str, str], *, store: object = None) -> dict[str, str]:
    """Return user metadata as headers can carry it.

    Raises:
        NotSupportedError: A name that no header can have, or that obstore takes for a header of its own.
    """
    for name in metadata:
        if not _NAME.match(name) or name in _TAKEN:
            raise NotSupportedError(f"user metadata cannot be named {name!r} here", store=store)
    return {name: encoded(value) for name, value in metadata.items()}


def native_attributes(options: PutOptions, *, mark: str | None = None, store: object = None) -> dict[str, str]:
    """Return headers, metadata and storage class in obstore's form.

    Raises:
        NotSupportedError: Text that HTTP headers cannot carry.
    """
    native = encoded_metadata(options.metadata, store=store) if options.metadata else {}
    if options.annotated:
        for name, header in _HEADERS.items():
            value = getattr(options, name)
            if value:
                if not _PLAIN.match(value):
                    raise NotSupportedError(f"{name} must be printable ASCII here, not {value!r}", store=store)
                native[header] = value
    if options.storage_class is not None:
        if not _PLAIN.match(options.storage_class):
            raise NotSupportedError(f"no storage class: {options.storage_class!r}", store=store)
        native["Storage-Class"] = options.storage_class
    if mark is not None:
        native[MARK] = mark
    return native


def attributes_of(native: Mapping[str, str]) -> Attributes:
    """Return headers and metadata from obstore's form."""
    if not native:
        return NO_ATTRIBUTES
    named: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, value in native.items():
        field = _FIELDS.get(name)
        if field is not None:
            named[field] = value
        elif name not in {"Storage-Class", MARK}:
            metadata[decoded_name(name.lower())] = decoded(value)
    if metadata:
        named["metadata"] = metadata
    return Attributes(**named)


class NativeMeta(LazyMeta):
    """What obstore says of an object: the source is its description and its headers (``None`` where they were not sent)."""

    __slots__ = ()

    def _derive(self, name: str) -> Any:
        native, attributes = self._source
        match name:
            case "last_modified":
                modified = native["last_modified"]
                return modified if modified is None or modified.year > 1970 else None  # the epoch stands for "not told"
            case "etag":
                return strip_etag(native["e_tag"]) or None
            case "version":
                return native["version"]
            case "attributes":
                return NO_ATTRIBUTES if attributes is None else attributes_of(attributes)
            case "storage_class":
                return None if attributes is None else attributes.get("Storage-Class")
            case "kind":
                return "directory" if self.key[-1] == "/" else "file"
            case _:
                return super()._derive(name)


class _HeadMeta(NativeMeta):
    """The same of an answer without a body, which is asked when a first thing but the size is looked at."""

    __slots__ = ()

    def _derive(self, name: str) -> Any:
        native = self._source
        if type(native) is not tuple:
            object.__setattr__(self, "_source", (native.meta, native.attributes))
        return super()._derive(name)


def head_meta(key: str, native: Any) -> ObjectMeta:
    """Return an object's description from obstore's answer to HEAD."""
    return lazy_meta(_HeadMeta, key, native.range[1], native)


def meta_of(key: str, native: Mapping[str, Any], attributes: Mapping[str, str] | None = None) -> ObjectMeta:
    """Return an object's description from obstore's."""
    return lazy_meta(NativeMeta, key, native["size"], (native, attributes))


class NativePut(PutResult):
    """What obstore answered to a write; what it says is worked out when it is looked at. Made by `result_of`."""

    __slots__ = ("_native",)
    _native: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name not in _TOLD:
            raise AttributeError(name)
        version = self._native["version"]
        told = _bare(self._native["e_tag"]), None if version == "null" else version, None
        for each, value in zip(_TOLD, told, strict=True):
            _set(self, each, value)
        return getattr(self, name)

    def _plain(self) -> PutResult:
        return _plain(*(getattr(self, name) for name in _ALL))

    def __eq__(self, other: object) -> bool:
        return self._plain() == (other._plain() if isinstance(other, NativePut) else other)

    __hash__ = PutResult.__hash__

    def __repr__(self) -> str:
        return repr(self._plain())

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, tuple(getattr(self, name) for name in _ALL)


_TOLD = ("etag", "version", "last_modified")
_ALL = ("key", "size", *_TOLD)
_new = object.__new__
_set = object.__setattr__
_members: Any = {**vars(PutResult), **vars(NativePut)}
_set_key, _set_size, _set_native = (_members[name].__set__ for name in ("key", "size", "_native"))


def _plain(*values: Any) -> PutResult:
    return PutResult(**dict(zip(_ALL, values, strict=True)))


def _bare(etag: str | None) -> str | None:
    return etag[1:-1] if etag and len(etag) > 2 and etag[0] == etag[-1] == '"' else strip_etag(etag) or None


def result_of(key: str, size: int, native: Mapping[str, Any]) -> PutResult:
    """Return the result of a write from obstore's: its own constructor would take a fifth of what a put costs here."""
    result = _new(NativePut)
    _set_key(result, key)
    _set_size(result, size)
    _set_native(result, native)
    return result
