"""What is known of an object without reading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = ["EMPTY", "Attributes", "Kind", "ListPage", "ObjectMeta", "ObjectVersion"]

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
