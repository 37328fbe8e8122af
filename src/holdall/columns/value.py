"""What a `FileObject` is without any I/O: names, facts, metadata, its JSON, equality, copies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Protocol

from holdall.columns.names import guessed_type
from holdall.columns.pending import Pending
from holdall.columns.tracked import TrackedDict, plain
from holdall.core.keys import ReservedKey
from holdall.core.responses import content_disposition, format_date
from holdall.engine.table import default_table
from holdall.errors import ConfigError
from holdall.store import Store

__all__ = ["FileValue", "Parent", "placed"]

_NINE = ("filename", "content_type", "size", "last_modified", "checksum", "etag", "version_id", "metadata", "backend")
_PLAIN = frozenset(_NINE)
_KNOWN = frozenset({*_NINE, "name", "original_filename", "staged", "borrowed"})


class Parent(Protocol):
    """Whatever holds a file and wants to know that it was changed in place."""

    def changed(self) -> None:
        """Note the change."""


def placed(backend: Any) -> tuple[str | None, Store | None]:
    """Return the key and the Store of what a caller named as a backend.

    Raises:
        TypeError: It is none.
    """
    if isinstance(backend, str):
        return backend, None
    if isinstance(backend, Store):
        return None, backend
    if isinstance(getattr(backend, "key", None), str) and isinstance(getattr(backend, "store", None), Store):
        return backend.key, backend.store
    raise TypeError(f"a backend is a key, a backend or a Store, not a {type(backend).__name__}")


class FileValue:
    """The facts of a file: see `holdall.columns.FileObject`, which adds what reads and writes."""

    __slots__ = (
        "__weakref__",
        "_backend",
        "_content_type",
        "_given",
        "_home",
        "_metadata",
        "_more",
        "_name",
        "_original",
        "_parents",
        "_path",
        "borrowed",
        "checksum",
        "etag",
        "explicit",
        "last_modified",
        "owned",
        "pending",
        "size",
        "staged",
        "version_id",
    )

    _backend: str | None
    _given: Any
    _home: Any
    _metadata: Any
    _more: dict[str, Any] | None
    _parents: tuple[Parent, ...]
    pending: Pending | None
    """Content that waits to be stored."""
    staged: str | None
    """Key that the content is read from until it was moved to `path`."""
    borrowed: bool
    """Whether the row merely refers to the file, which is not deleted with it."""
    owned: bool
    """Whether the file was stored for whoever holds this object: by a save, or by a row."""
    explicit: bool
    """Whether the key was given literally (``to_filename``)."""
    size: int | None
    last_modified: float | None
    checksum: str | None
    etag: str | None
    version_id: str | None

    # -- names --------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The storage key."""
        return self._path

    @property
    def key(self) -> str:
        """The storage key, by the name that every place in holdall has it."""
        return self._path

    @property
    def filename(self) -> str:
        """The name that the caller chose; never one that was made up."""
        return self._name

    @property
    def original_filename(self) -> str:
        """The ``filename`` argument."""
        return self._original

    @property
    def content_type(self) -> str:
        """The type given, else guessed from the original name, else ``application/octet-stream``."""
        return self._content_type or guessed_type(self._original)

    @content_type.setter
    def content_type(self, value: str | None) -> None:
        self._content_type = value
        self._changed()

    # -- where --------------------------------------------------------------------------------------------------------

    @property
    def backend_key(self) -> str | None:
        """The key of the backend; ``None`` for the column's, or for a Store without a name."""
        if self._backend is None and self._given is not None:
            self._backend = next((m.name for m in default_table().mounts() if m.opened is self._given), None)
        return self._backend

    @property
    def store(self) -> Store:
        """The Store, looked up at each use.

        Raises:
            ConfigError: No backend was named, or none is registered under the key.
        """
        key, given = self._backend, self._given
        if key is None:
            if given is not None:
                return given  # type: ignore[no-any-return]  # checked when it came
            raise ConfigError(f"{self._path!r} names no backend, and is in no column that has one")
        table = default_table()
        if given is not None and key not in table:
            return given  # type: ignore[no-any-return]
        return table.mount(key).bind()

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def has_pending_data(self) -> bool:
        """Whether there is content that is not stored yet, be it empty."""
        return self.pending is not None

    @property
    def modified_at(self) -> datetime | None:
        """`last_modified` as an aware time."""
        return None if self.last_modified is None else datetime.fromtimestamp(self.last_modified, UTC)

    @property
    def metadata(self) -> dict[str, Any]:
        """Values of the application's; changes in place are noticed, nested ones too."""
        found = self._metadata
        if type(found) is not TrackedDict:
            found = self._metadata = TrackedDict(found or {}, self._changed)
        return found

    @metadata.setter
    def metadata(self, values: Mapping[str, Any] | None) -> None:
        self._metadata = None if values is None else TrackedDict(values, self._changed)
        self._changed()

    def update_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Set some values of the metadata, leaving the others (shallow)."""
        self.metadata.update(metadata)

    def headers(self, *, inline: bool = False) -> dict[str, str]:
        """Return HTTP headers for an answer with the whole file; no name breaks out of them.

        Args:
            inline: Ask the browser to show the file, not to save it.
        """
        headers = {"Content-Disposition": content_disposition(self._original, inline=inline)}
        if self.size is not None:
            headers["Content-Length"] = str(self.size)
        if self.modified_at is not None:
            headers["Last-Modified"] = format_date(self.modified_at)
        if self.etag is not None and self.etag.isascii() and self.etag.isprintable() and '"' not in self.etag:
            weak = "W/" if self.etag.startswith("W/") else ""
            headers["ETag"] = f'{weak}"{self.etag.removeprefix("W/")}"'
        return headers

    # -- JSON ---------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document: the nine keys, and others only where they are needed."""
        path, name = self._path, self._name
        document: dict[str, Any] = {
            "filename": path if type(path) is str else str(path),
            "content_type": self._content_type or guessed_type(self._original),
            "size": self.size,
            "last_modified": self.last_modified,
            "checksum": self.checksum,
            "etag": self.etag,
            "version_id": self.version_id,
            "metadata": plain(self._metadata) if self._metadata else {},
            "backend": self._backend or self.backend_key,
        }
        if name is not path and name != path:
            document["name"] = name
        if self._original is not name and self._original != name:
            document["original_filename"] = self._original
        if self.staged is not None:
            document["staged"] = str(self.staged)
        if self.borrowed:
            document["borrowed"] = True
        if self._more:
            document.update(self._more)
        return document

    def _load(self, document: Mapping[str, Any]) -> None:
        """Take the facts of a document that was stored."""
        get = document.get
        path: str = document["filename"]
        self._path = self._name = self._original = path
        self._content_type = get("content_type")
        self._metadata = get("metadata")
        self._backend = get("backend")
        self.size = get("size")
        self.last_modified = get("last_modified")
        self.checksum = get("checksum")
        self.etag = get("etag")
        self.version_id = get("version_id")
        self.owned = self.explicit = self.borrowed = False
        self.pending = self._given = self._home = self._more = self.staged = None
        self._parents = ()
        if document.keys() != _PLAIN:
            self._load_rest(document)

    def _load_rest(self, document: Mapping[str, Any]) -> None:
        """Take what only some documents have."""
        self._name = document.get("name") or self._path
        self._original = document.get("original_filename") or self._name
        staged = document.get("staged")
        self.staged = None if staged is None else ReservedKey(staged)
        self.borrowed = bool(document.get("borrowed"))
        self._more = {k: v for k, v in document.items() if k not in _KNOWN} or None

    # -- life ---------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        for parent in self._parents:
            parent.changed()

    def _attach(self, parent: Parent) -> None:
        if not self._parents:
            self._parents = (parent,)
        elif parent not in self._parents:
            self._parents = (*self._parents, parent)

    def _detach(self, parent: Parent) -> None:
        self._parents = tuple(p for p in self._parents if p != parent)

    def _snapshot(self) -> tuple[Any, ...]:
        """Return all that an upload changes, for `_restore`."""
        return (*_uploaded(self), self.pending)

    def _restore(self, snapshot: tuple[Any, ...]) -> None:
        for name, value in zip(_UPLOADED, snapshot[:-1], strict=True):
            setattr(self, name, value)
        self.pending = snapshot[-1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileValue):
            return NotImplemented
        return self._path == other._path and self.backend_key == other.backend_key and self._nameless is other._nameless

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def _nameless(self) -> Any:
        return self._given if self._backend is None else None

    def same(self, other: FileValue) -> bool:
        """Tell whether two files say the same, which is what the history of a row compares: not by key alone."""
        if self is other:
            return True
        if self.pending is not None or other.pending is not None:
            return False
        if self._path != other._path or self.etag != other.etag or self.checksum != other.checksum:
            return False  # most that differ do so here
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        shown = [f"backend={self._backend!r}", f"filename={str(self._path)!r}"]
        if self.size is not None:
            shown.append(f"size={self.size}")
        if self.pending is not None:
            shown.append("pending")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __getstate__(self) -> dict[str, Any]:
        pending = None if self.pending is None else self.pending.carried
        if self.backend_key is None and self._given is not None:
            raise TypeError("a file of a Store without a name cannot be copied: register the store")
        state = {"document": self.to_dict(), "explicit": self.explicit, "owned": self.owned and self._home is None}
        return state if self.pending is None else {**state, "pending": pending}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._load(state["document"])
        self.explicit, self.owned = state["explicit"], state["owned"]
        if "pending" in state:
            self.pending = Pending(state["pending"])


_UPLOADED = (
    "_path",
    "_backend",
    "_home",
    "borrowed",
    "checksum",
    "etag",
    "last_modified",
    "owned",
    "size",
    "staged",
    "version_id",
)
_uploaded = attrgetter(*_UPLOADED)
