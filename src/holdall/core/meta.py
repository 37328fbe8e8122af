"""What is known of an object without reading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypeVar

__all__ = ["EMPTY", "Attributes", "Kind", "LazyMeta", "ListPage", "ObjectMeta", "ObjectVersion", "lazy_meta"]

Kind = Literal["file", "directory"]


class _Empty(Mapping[str, str]):
    """The empty mapping; a proxy of an empty dict would do if it could be pickled and copied."""

    __slots__ = ()

    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __reduce__(self) -> str:
        return "EMPTY"

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, str] = _Empty()
"""The empty mapping, shared."""


def empty() -> Mapping[str, str]:
    """Return the shared empty mapping (a dataclass default must be made)."""
    return EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a store keeps beside the bytes and sends with them: HTTP headers and user metadata.

    ``metadata`` keys are lower case (services fold them); values are ``str``.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=empty)


NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """One object as `head`, `get` and `list` describe it.

    Attributes:
        key: Where it is.
        size: Bytes.
        last_modified: Aware, UTC; ``None`` where the store does not know (never the clock).
        etag: Opaque validator, unquoted; equal from `put`, `head`, `get` and `list`. ``None`` where there is none.
        version: Version id on stores that keep versions.
        attributes: Headers and user metadata; listings and some stores leave them empty.
        storage_class: The service's name of it.
        digests: Digests that the store vouches for, lower-case hex by algorithm (``{"md5": "…"}``).
        kind: ``"directory"`` for a real directory or a marker whose key ends with ``/``.
    """

    key: str
    size: int
    last_modified: datetime | None = None
    etag: str | None = None
    version: str | None = None
    attributes: Attributes = NO_ATTRIBUTES
    storage_class: str | None = None
    digests: Mapping[str, str] = field(default_factory=empty)
    kind: Kind = "file"

    @property
    def content_type(self) -> str | None:
        """The stored content type."""
        return self.attributes.content_type

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user metadata."""
        return self.attributes.metadata


class LazyMeta(ObjectMeta):
    """An `ObjectMeta` that works out on first use what its source says: most reads and listings look at little of it.

    Made by `lazy_meta`. Slots that were not filled come through `__getattr__`; from then on they are ordinary slots.
    """

    __slots__ = ("_source",)

    def _derive(self, name: str) -> Any:
        """Return a field from ``_source``; what a subclass does not know has its default."""
        return _DEFAULTS[name]

    def __getattr__(self, name: str) -> Any:
        if name not in _DEFAULTS:
            raise AttributeError(name)
        value = self._derive(name)
        _set(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectMeta):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    __hash__ = ObjectMeta.__hash__

    def __repr__(self) -> str:
        return repr(_plain(*(getattr(self, name) for name in _FIELDS)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, tuple(getattr(self, name) for name in _FIELDS)


M = TypeVar("M", bound=LazyMeta)
_FIELDS = tuple(f.name for f in fields(ObjectMeta))
_DEFAULTS: dict[str, Any] = {
    "last_modified": None,
    "etag": None,
    "version": None,
    "attributes": NO_ATTRIBUTES,
    "storage_class": None,
    "digests": EMPTY,
    "kind": "file",
}
_new = object.__new__
_set = object.__setattr__
_members: Any = {**vars(ObjectMeta), **vars(LazyMeta)}
_set_key, _set_size, _set_source = (_members[name].__set__ for name in ("key", "size", "_source"))


def lazy_meta(kind: type[M], key: str, size: int, source: object) -> M:
    """Return a description whose other fields are worked out from ``source`` when they are asked for."""
    meta = _new(kind)
    _set_key(meta, key)
    _set_size(meta, size)
    _set_source(meta, source)
    return meta


def _plain(*values: Any) -> ObjectMeta:
    return ObjectMeta(**dict(zip(_FIELDS, values, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object, or a delete marker, as `versions` lists them (oldest first)."""

    key: str
    version: str
    is_latest: bool
    size: int = 0
    last_modified: datetime | None = None
    etag: str | None = None
    delete_marker: bool = False


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing.

    Attributes:
        objects: The objects, in key order where `Capabilities.ordered`.
        prefixes: With a delimiter: the "directories", each ending with it. Without one: *empty real directories* on
            stores that have such; nothing elsewhere.
    """

    objects: Sequence[ObjectMeta] = ()
    prefixes: Sequence[str] = field(default=())
