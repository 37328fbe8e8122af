"""Options of the verbs: frozen, keyword-only, checked when made. Results stand in `holdall.results`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from holdall.core.meta import NO_ATTRIBUTES, Attributes, empty
from holdall.core.ranges import ByteRange

__all__ = ["CopyMode", "CopyOptions", "GetOptions", "Method", "PutMode", "PutOptions", "SignOptions"]

PutMode = Literal["overwrite", "create", "update"]
CopyMode = Literal["overwrite", "create"]
Method = Literal["GET", "PUT"]


_HEADERS = ("content_type", "cache_control", "content_disposition", "content_encoding", "content_language")


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOptions:
    """What to read and on which conditions (names and meaning of RFC 9110, section 13).

    Attributes:
        range: A `ByteRange` or a ``(start, end)`` pair, end exclusive.
        version: A version id of the store.
        if_match: Etag the object must have, else `PreconditionError`.
        if_none_match: Etag the object must not have, else `NotModifiedError`; ``"*"`` matches any.
        if_modified_since: Aware time, else `NotModifiedError`; ignored beside ``if_none_match``.
        if_unmodified_since: Aware time, else `PreconditionError`; ignored beside ``if_match``.

    Example:
        >>> GetOptions(range=(0, 4)).range
        ByteRange(start=0, end=4)
    """

    range: ByteRange | tuple[int, int] | None = None
    version: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None

    def __post_init__(self) -> None:
        if self.range is not None:
            object.__setattr__(self, "range", ByteRange.of(self.range))
        for name in ("if_modified_since", "if_unmodified_since"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} must be an aware datetime")
        for name in ("if_match", "if_none_match"):
            value = getattr(self, name)
            if value is not None:
                _check_text(name, value)

    @property
    def byte_range(self) -> ByteRange | None:
        """The range as a `ByteRange`."""
        return ByteRange.of(self.range)

    @property
    def conditional(self) -> bool:
        """Whether any condition is set."""
        return not (
            self.if_match is None
            and self.if_none_match is None
            and self.if_modified_since is None
            and self.if_unmodified_since is None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOptions:
    """How to write, and what to keep beside the bytes.

    Attributes:
        mode: ``overwrite``; ``create`` (`AlreadyExistsError` if there); ``update`` (`PreconditionError` unless the etag
            is ``if_match``).
        if_match: The etag for ``update``; giving it implies that mode.
        content_type, cache_control, content_disposition, content_encoding, content_language: Sent with every read.
        metadata: User metadata; keys are folded to lower case.
        tags: Object tags.
        storage_class: The service's name of it.
        part_size: Bytes per part of a multipart upload, and of what goes in one request at most; the driver's choice if ``None``.
        concurrency: Parts in flight; the driver's choice if ``None``.

    Example:
        >>> PutOptions(if_match="abc").mode
        'update'
    """

    mode: PutMode = "overwrite"
    if_match: str | None = None
    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=empty)
    tags: Mapping[str, str] = field(default_factory=empty)
    storage_class: str | None = None
    part_size: int | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in {"overwrite", "create", "update"}:
            raise ValueError(f"mode is 'overwrite', 'create' or 'update', not {self.mode!r}")
        if self.if_match is not None and self.mode == "overwrite":
            object.__setattr__(self, "mode", "update")
        if (self.mode == "update") != (self.if_match is not None):
            raise ValueError("mode 'update' and if_match go together")
        for name in ("if_match", *_HEADERS):
            value = getattr(self, name)
            if value is not None:
                _check_text(name, value)
        object.__setattr__(self, "metadata", _folded(self.metadata) if self.metadata else {})
        object.__setattr__(self, "tags", _texts("tags", self.tags) if self.tags else {})
        for name in ("part_size", "concurrency"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1")

    @classmethod
    def from_attributes(cls, attributes: Attributes, **more: Any) -> PutOptions:
        """Return options that write these attributes again."""
        named: dict[str, Any] = {f.name: getattr(attributes, f.name) for f in fields(attributes)}
        return cls(**{**named, **more})

    @property
    def attributes(self) -> Attributes:
        """The part that comes back with reads."""
        if not self.annotated:
            return NO_ATTRIBUTES
        return Attributes(
            content_type=self.content_type,
            cache_control=self.cache_control,
            content_disposition=self.content_disposition,
            content_encoding=self.content_encoding,
            content_language=self.content_language,
            metadata=self.metadata,
        )

    @property
    def annotated(self) -> bool:
        """Whether there is any header or user metadata to keep."""
        return bool(
            self.content_type
            or self.cache_control
            or self.content_disposition
            or self.content_encoding
            or self.content_language
            or self.metadata
        )

    def unconditional(self) -> PutOptions:
        """Return the same options with mode ``overwrite``."""
        return replace(self, mode="overwrite", if_match=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How to copy on the server's side.

    Attributes:
        mode: ``overwrite`` or ``create``.
        if_match: Etag that the source must have.
        version: Version of the source.
        metadata: Replaces the user metadata (``None`` keeps it).
        modified: Time of modification of the copy, aware; needs the capability ``set_modified``. Unlike `Store.set_modified` after the
            copy it is there from the beginning where the store can (local disk, memory), so the etag of the result stays right.

    Raises:
        ValueError: An unknown mode, or a naive time.
    """

    mode: CopyMode = "overwrite"
    if_match: str | None = None
    version: str | None = None
    metadata: Mapping[str, str] | None = None
    modified: datetime | None = None

    def __post_init__(self) -> None:
        if self.modified is not None and self.modified.tzinfo is None:
            raise ValueError("the time of modification must be an aware datetime")
        if self.mode not in {"overwrite", "create"}:
            raise ValueError(f"mode is 'overwrite' or 'create', not {self.mode!r}")
        if self.if_match is not None:
            _check_text("if_match", self.if_match)
        if self.metadata is not None:
            object.__setattr__(self, "metadata", _folded(self.metadata))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOptions:
    """What a signed URL allows.

    Attributes:
        method: ``GET`` or ``PUT``.
        expires_in: Seconds, 1 to 604,800 (seven days, the limit of AWS Signature V4).
        content_type: The type the answer gets (GET) or the upload must have (PUT).
        content_disposition: The disposition the answer gets (GET only).
        version: Version to read (GET only).
    """

    method: Method = "GET"
    expires_in: int = 3600
    content_type: str | None = None
    content_disposition: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.method not in {"GET", "PUT"}:
            raise ValueError(f"method is 'GET' or 'PUT', not {self.method!r}")
        if not 1 <= self.expires_in <= 604_800:
            raise ValueError("expires_in is 1 to 604,800 seconds")
        for name in ("content_type", "content_disposition"):
            value = getattr(self, name)
            if value is not None:
                _check_text(name, value)
        if self.method == "PUT" and (self.content_disposition or self.version):
            raise ValueError("content_disposition and version go with GET")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"{name} cannot hold CR, LF or NUL")


def _folded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata with its keys in lower case, as services keep them; none may vanish by that."""
    folded = {key.lower(): value for key, value in _texts("metadata", metadata).items()}
    if len(folded) != len(metadata):
        raise ValueError("metadata has keys that differ in case only")
    return folded


def _texts(name: str, values: Mapping[str, str]) -> dict[str, str]:
    for key, value in values.items():
        if not (type(key) is type(value) is str and key.isprintable() and value.isprintable()):
            _check_text(f"{name} key", key)
            _check_text(f"{name}[{key!r}]", value)
    return dict(values)
