"""What a store can do, as a value that programs read before they ask."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from holdall.core.keys import MAX_KEY_BYTES
from holdall.core.options import Method

__all__ = ["Capabilities", "Identity", "PartRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRules:
    """The rules of a store's part writer (bytes and counts).

    Attributes:
        smallest: Least size of every part but the last.
        largest: Greatest size of one part.
        most: Greatest number of parts.
        equal: All parts but the last must have one size.
        any_order: Parts may be sent in any order.
        copies: Parts may be copied from objects of the same service.
        conditional: Completion may carry ``create`` or ``update``.
        resumable: An upload outlives the process and can be taken up by its id.
    """

    smallest: int = 1
    largest: int = 5 * 1024**3
    most: int = 10_000
    equal: bool = False
    any_order: bool = True
    copies: bool = False
    conditional: bool = False
    resumable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What works on this store, permissions and wrappers included. Frozen; no I/O to get it.

    Attributes:
        read, write, delete, list: The groups of verbs.
        ordered: `list` is in key order (code points).
        ranges: Ranged reads transfer only the range.
        suffix_ranges: "The last n bytes" in one request.
        create: ``mode="create"`` is race-free.
        update: ``mode="update"`` is compare-and-set.
        large_conditional: Both hold for sources of any size too, not only for those sent in one request.
        conditional_delete: ``delete(key, if_match=…)`` works.
        conditional_read: ``if_match`` and friends are honoured by reads.
        metadata: User metadata is kept.
        attributes: Content type and the other headers are kept.
        tags, versions, storage_class: Those verbs and options work.
        versioned: Every overwrite is known to keep the old version.
        set_metadata, set_modified: Those verbs work.
        copy: Copies run on the server's side.
        rename: Rename is atomic.
        sign: Methods that `sign` can allow.
        strong_etag: Equal etags mean equal bytes of one write; ``etag`` alone means validators exist.
        digests: Algorithms that `head` may vouch for.
        parts: Rules of the part writer, ``None`` if there is none.
        directories: ``real`` (they exist by themselves), ``marker`` (a ``d/`` object), ``implied`` (only by what is below).
        local: Objects are plain local files (`local_path`).
        max_key_bytes: Longest key.
        symlinks: Objects may be symbolic links (followed inside the root).
        temporary: Content dies with the process.
    """

    read: bool = True
    write: bool = True
    delete: bool = True
    list: bool = True
    ordered: bool = True
    ranges: bool = True
    suffix_ranges: bool = True
    create: bool = False
    update: bool = False
    large_conditional: bool = False
    conditional_delete: bool = False
    conditional_read: bool = False
    metadata: bool = False
    attributes: bool = False
    tags: bool = False
    versions: bool = False
    versioned: bool = False
    storage_class: bool = False
    set_metadata: bool = False
    set_modified: bool = False
    copy: bool = False
    rename: bool = False
    sign: frozenset[Method] = frozenset()
    etag: bool = True
    strong_etag: bool = False
    digests: frozenset[str] = frozenset()
    parts: PartRules | None = None
    directories: Literal["real", "marker", "implied"] = "implied"
    local: bool = False
    max_key_bytes: int = MAX_KEY_BYTES
    symlinks: bool = False
    temporary: bool = False

    def narrowed(self, **changes: Any) -> Capabilities:
        """Return these capabilities with some changed.

        Example:
            >>> Capabilities().narrowed(write=False).write
            False
        """
        return replace(self, **changes)

    def __str__(self) -> str:
        shown = [f.name for f in fields(self) if getattr(self, f.name) is True]
        return ", ".join(shown) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where a store's objects really are, without secrets: equal identities and keys mean the same object.

    Attributes:
        service: Driver and endpoint, e.g. ``s3+https://s3.eu-west-1.amazonaws.com`` or ``file``.
        place: Bucket, container, root directory, or a unique mark of an in-process store.
        prefix: Key prefix below the place, ``""`` or ending with ``/``.
        principal: Who asks: access key id, user name, profile; ``""`` if none.
    """

    service: str
    place: str
    prefix: str = ""
    principal: str = ""

    def __str__(self) -> str:
        who = f"{self.principal}@" if self.principal else ""
        return f"{self.service}#{who}{self.place}/{self.prefix}"

    def below(self, prefix: str) -> Identity:
        """Return the identity of a part of this store."""
        return replace(self, prefix=self.prefix + prefix)
