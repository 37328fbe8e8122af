"""`NodeStat`: what one request, or a listing, said about a node."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdall.core.meta import Kind, ObjectMeta

__all__ = ["NodeStat"]


class NodeStat:
    """One node as the storage described it; never refreshed.

    A thin view of an `ObjectMeta` in the words of this face: making one costs next to nothing, so listings can hand out
    one per node.

    Example:
        >>> NodeStat(ObjectMeta(key="a.txt", size=3)).is_file()
        True
    """

    __slots__ = ("meta",)

    def __init__(self, meta: ObjectMeta) -> None:
        """Take the description.

        Args:
            meta: As the store gave it.
        """
        self.meta = meta

    @property
    def size(self) -> int:
        """Bytes; 0 for a directory."""
        return self.meta.size

    @property
    def mtime(self) -> float | None:
        """Seconds since the epoch; ``None`` where the store does not know."""
        modified = self.meta.last_modified
        return None if modified is None else modified.timestamp()

    @property
    def last_modified(self) -> datetime | None:
        """Time of last modification, aware, UTC."""
        return self.meta.last_modified

    @property
    def etag(self) -> str | None:
        """Opaque validator, unquoted."""
        return self.meta.etag

    @property
    def version(self) -> str | None:
        """Version id, where the store keeps versions."""
        return self.meta.version

    @property
    def content_type(self) -> str | None:
        """The stored content type."""
        return self.meta.attributes.content_type

    @property
    def metadata(self) -> Mapping[str, str]:
        """User metadata; listings leave it empty."""
        return self.meta.attributes.metadata

    @property
    def storage_class(self) -> str | None:
        """The service's name of it."""
        return self.meta.storage_class

    @property
    def kind(self) -> Kind:
        """``"file"`` or ``"directory"``."""
        return self.meta.kind

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return self.meta.kind == "file"

    def is_dir(self) -> bool:
        """Tell whether it is a directory."""
        return self.meta.kind == "directory"

    def __eq__(self, other: object) -> bool:
        return self.meta == other.meta if isinstance(other, NodeStat) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # metadata is a mapping

    def __repr__(self) -> str:
        return f"NodeStat(kind={self.kind!r}, size={self.size}, mtime={self.mtime}, etag={self.etag!r})"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        modified = self.last_modified
        return {
            "kind": self.kind,
            "size": self.size,
            "mtime": self.mtime,
            "last_modified": None if modified is None else modified.isoformat(),
            "etag": self.etag,
            "version": self.version,
            "content_type": self.content_type,
            "metadata": dict(self.metadata),
            "storage_class": self.storage_class,
        }
