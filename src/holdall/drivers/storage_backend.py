"""The simple extension point: a class with a few methods on paths becomes a Store.

`StorageBackend` is for people with a few methods and an afternoon; whoever has streams, conditions and listings to offer
derives from `holdall.Store`. What is overridden is used, and the capabilities follow from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from holdall.errors import NotSupportedError

if TYPE_CHECKING:
    from holdall.drivers.storage_adapter import BackendStore

__all__ = ["StorageBackend"]


class StorageBackend(ABC):
    """A storage by paths. Override `read_bytes` and `write_bytes`, and whichever of the others the storage has.

    ``write_bytes`` should publish the whole content at once or nothing of it: that is all the atomicity there is. A file
    that is not there is ``FileNotFoundError`` in every method. The methods block; the async colour runs them in threads, so
    they should be safe for that.

    Example:
        >>> class Dict(StorageBackend):
        ...     def __init__(self):
        ...         self.files = {}
        ...     def read_bytes(self, path):
        ...         try:
        ...             return self.files[path]
        ...         except KeyError:
        ...             raise FileNotFoundError(path) from None
        ...     def write_bytes(self, path, data):
        ...         self.files[path] = data
        >>> store = Dict().as_store()
        >>> store.put("a/b.txt", b"hello").size
        5
        >>> store.capabilities.delete
        False
    """

    @abstractmethod
    def read_bytes(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: Nothing there.
        """

    @abstractmethod
    def write_bytes(self, path: str, data: bytes) -> None:
        """Make this the content of a file, at once or not at all."""

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory is there."""
        raise self._absent("exists")

    def is_file(self, path: str) -> bool:
        """Tell whether a file is there."""
        raise self._absent("is_file")

    def is_dir(self, path: str) -> bool:
        """Tell whether a directory is there."""
        raise self._absent("is_dir")

    def size(self, path: str) -> int:
        """Return the bytes of a file. Without it, a file is read to know."""
        raise self._absent("size")

    def mtime(self, path: str) -> float | datetime:
        """Return when a file was last modified: seconds since the epoch, or an aware datetime."""
        raise self._absent("mtime")

    def delete(self, path: str) -> None:
        """Delete a file, or an empty directory where there are directories."""
        raise self._absent("delete")

    def list_dir(self, path: str) -> Iterable[str]:
        """Return the names in a directory (``""`` is the root); `is_dir` says which are directories."""
        raise self._absent("list_dir")

    def iter_keys(self, prefix: str) -> Iterable[str]:
        """Yield the paths of all files that start with a text. Used for listings if there is no `list_dir`."""
        raise self._absent("iter_keys")

    def mkdir(self, path: str) -> None:
        """Make a directory, its parents too."""
        raise self._absent("mkdir")

    def rename(self, src: str, dst: str) -> None:
        """Rename a file atomically, over what is there."""
        raise self._absent("rename")

    def copy(self, src: str, dst: str) -> None:
        """Copy a file, over what is there."""
        raise self._absent("copy")

    def open(self, path: str, mode: str = "rb") -> IO[bytes]:
        """Open a file for reading (mode ``rb``): large files are then not held in memory."""
        raise self._absent("open")

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Return the bytes of ``[start, end)``."""
        raise self._absent("read_range")

    def get_hash(self, path: str) -> str:
        """Return a digest of the content: it becomes the etag."""
        raise self._absent("get_hash")

    def get_metadata(self, path: str) -> Mapping[str, str]:
        """Return the user metadata of a file."""
        raise self._absent("get_metadata")

    def set_metadata(self, path: str, metadata: Mapping[str, str]) -> None:
        """Replace the user metadata of a file."""
        raise self._absent("set_metadata")

    def get_versions(self, path: str) -> Iterable[Mapping[str, Any]]:
        """Return the versions, oldest first: ``version_id``, and if known ``is_latest``, ``size``, ``last_modified``, ``etag``."""
        raise self._absent("get_versions")

    def open_version(self, path: str, version_id: str) -> IO[bytes]:
        """Open one version for reading."""
        raise self._absent("open_version")

    def delete_version(self, path: str, version_id: str) -> None:
        """Delete one version for good."""
        raise self._absent("delete_version")

    def url(self, path: str) -> str:
        """Return the plain address of a file."""
        raise self._absent("url")

    def close(self) -> None:  # noqa: B027  # nothing to let go of is a sound default
        """Let go of connections."""

    def as_store(self) -> BackendStore:
        """Return this backend as a `holdall.Store`."""
        from holdall.drivers.storage_adapter import BackendStore  # noqa: PLC0415  # the adapter knows this module

        return BackendStore(self)

    def _absent(self, method: str) -> NotSupportedError:
        return NotSupportedError(f"{type(self).__name__} has no {method}()")
