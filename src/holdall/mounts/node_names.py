"""`NodeNames`: the words of pathlib over a node's key. Pure: no I/O, no async twins."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from holdall._lazy import lazy
from holdall.core.keys import clean_path
from holdall.mounts.globs import glob as read_pattern
from holdall.mounts.node_base import as_node
from holdall.mounts.node_versions import NodePin
from holdall.mounts.stat import NodeStat

if TYPE_CHECKING:
    import mimetypes
    from collections.abc import Sequence

    from holdall.mounts.node import StorageNode
    from holdall.store import Store
else:
    mimetypes = lazy("mimetypes")

__all__ = ["NodeNames", "guess_type"]


class NodeNames(NodePin):
    """Names of a node and of its neighbours."""

    __slots__ = ()

    @property
    def mount_name(self) -> str:
        """Name of the mount."""
        return self._mount

    @property
    def path(self) -> str:
        """Exact key below the mount, ``""`` for the root."""
        return self._key

    @property
    def key(self) -> str:
        """Exact key in `store`; the same as `path`."""
        return self._key

    @property
    def store(self) -> Store:
        """The store behind the mount, as one operation sees it: what the engine and the other faces work on."""
        return self._store()

    @property
    def fullpath(self) -> str:
        """``mount:path``; the root is ``mount:``."""
        return f"{self._mount}:{self._key}"

    @property
    def name(self) -> str:
        """Last segment; ``""`` for the root."""
        return self._key.rpartition("/")[2]

    @property
    def basename(self) -> str:
        """Last segment; the same as `name`."""
        return self._key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Name without its last suffix."""
        return _split_name(self.name)[0]

    @property
    def suffix(self) -> str:
        """Last suffix with its dot, or ``""``."""
        return _split_name(self.name)[1]

    @property
    def suffixes(self) -> list[str]:
        """All suffixes with their dots."""
        name = self.name
        return [] if name.endswith(".") else [f".{piece}" for piece in name.lstrip(".").split(".")[1:]]

    @property
    def ext(self) -> str:
        """Last suffix without its dot."""
        return _split_name(self.name)[1][1:]

    @property
    def parts(self) -> tuple[str, ...]:
        """Segments of the path."""
        return tuple(self._key.split("/")) if self._key else ()

    @property
    def parent(self) -> StorageNode:
        """The directory above; the root is its own parent."""
        return self._at(self._key.rpartition("/")[0])

    @property
    def parents(self) -> Sequence[StorageNode]:
        """All directories above, the nearest first."""
        segments = self._key.split("/") if self._key else []
        return tuple(self._at("/".join(segments[:i])) for i in range(len(segments) - 1, -1, -1))

    @property
    def dirname(self) -> str:
        """``fullpath`` of the parent."""
        return f"{self._mount}:{self._key.rpartition('/')[0]}"

    @property
    def mimetype(self) -> str:
        """Type guessed from the name, else ``application/octet-stream``."""
        if self._virtual is not None:
            return self._virtual.mimetype
        return guess_type(self.name) or "application/octet-stream"

    @property
    def version(self) -> str | int | None:
        """Version this node is fixed to: the id once that is known, else what was asked for."""
        return self._version if self._pin is None else self._pin

    @property
    def is_snapshot(self) -> bool:
        """Whether this node is fixed to a version or moment; such nodes only read."""
        return self._version is not None or self._as_of is not None

    @property
    def info(self) -> NodeStat | None:
        """What the listing that made this node said; ``None`` otherwise. Never refreshed."""
        return None if self._info is None else NodeStat(self._info)

    @property
    def resolved_path(self) -> str | None:
        """Absolute path of the real local file behind this node, existing or not; else ``None``."""
        return self._store().local_path(self._key)

    def child(self, *parts: str) -> StorageNode:
        """Return the node below this one.

        Args:
            parts: Joined with ``/``; repeated slashes and ``.`` segments drop.

        Raises:
            InvalidKeyError: A ``..`` segment or NUL (it is a `ValueError`).

        Example:
            >>> from holdall import StorageManager
            >>> storage = StorageManager({"m": {"type": "memory"}})
            >>> storage.node("m:a").child("b", "c.txt")
            StorageNode('m:a/b/c.txt')
        """
        self._check_structure()
        cleaned = clean_path(*parts)
        if not cleaned:
            return as_node(self)
        return self._at(f"{self._key}/{cleaned}" if self._key else cleaned)

    def __truediv__(self, part: str) -> StorageNode:
        return self.child(part) if isinstance(part, str) else NotImplemented

    def with_name(self, name: str) -> StorageNode:
        """Return the node beside this one.

        Raises:
            ValueError: The root has no name; or the new one is empty, ``.``, ``..`` or holds ``/``.
        """
        if not self._key:
            raise ValueError(f"{self.fullpath!r} is a root and has no name")
        if not name or "/" in name or name in {".", ".."}:
            raise ValueError(f"not a name: {name!r}")
        head = self._key.rpartition("/")[0]
        return self._at(clean_path(head, name))

    def with_stem(self, stem: str) -> StorageNode:
        """Return the node beside this one with another stem and the same suffix."""
        return self.with_name(stem + self.suffix)

    def with_suffix(self, suffix: str) -> StorageNode:
        """Return the node beside this one with another suffix (``""`` drops it).

        Raises:
            ValueError: A suffix without a leading dot, a bare dot, or one with ``/``.
        """
        if suffix and (not suffix.startswith(".") or suffix == "." or "/" in suffix):
            raise ValueError(f"not a suffix: {suffix!r}")
        return self.with_name(self.stem + suffix)

    def splitext(self) -> tuple[str, str]:
        """Return the path without its suffix, and the suffix, as `os.path.splitext` does."""
        head, slash, name = self._key.rpartition("/")
        stem, suffix = _split_name(name)
        return head + slash + stem, suffix

    def relative_to(self, other: StorageNode | str) -> str:
        """Return the path below another node.

        Raises:
            ValueError: This node is not there or below.
        """
        base = self._manager._as_node(other)
        if base._mount == self._mount and base._manager is self._manager and base._given is self._given:
            if self._key == base._key:
                return ""
            if self._key.startswith(base._below):
                return self._key[len(base._below) :]
        raise ValueError(f"{self.fullpath!r} is not below {base.fullpath!r}")

    def is_relative_to(self, other: StorageNode | str) -> bool:
        """Tell whether this node is another one or below it."""
        try:
            self.relative_to(other)
        except ValueError:
            return False
        return True

    def match(self, pattern: str) -> bool:
        """Tell whether the end of the path matches a glob pattern, as `pathlib.PurePath.match` does."""
        return PurePosixPath(self._key).match(pattern)

    def full_match(self, pattern: str) -> bool:
        """Tell whether the whole path matches a glob pattern; ``**`` crosses ``/``."""
        return read_pattern(pattern).matches(self._key)

    def __str__(self) -> str:
        return self.fullpath

    def __repr__(self) -> str:
        mark = ""
        if self._version is not None:
            mark = f", version={self.version!r}"
        elif self._as_of is not None:
            mark = f", as_of={self._as_of.isoformat()!r}"
        return f"{type(self).__name__}({self.fullpath!r}{mark})"


def _split_name(name: str) -> tuple[str, str]:
    """Split a name into stem and suffix by pathlib's rule: a leading or trailing dot begins no suffix."""
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if 0 < dot < len(name) - 1 and name[:dot].strip(".") else (name, "")


@lru_cache(maxsize=1024)
def guess_type(name: str) -> str | None:
    """Return the media type that a name suggests.

    Example:
        >>> guess_type("a.json"), guess_type("nothing")
        ('application/json', None)
    """
    return mimetypes.guess_type(name)[0]
