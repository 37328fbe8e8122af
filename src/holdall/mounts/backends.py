"""`MountBackend`: what `StorageManager.get_backend` returns: path methods, and the way down to the library below."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange
from holdall.drivers.storage_backend import StorageBackend
from holdall.engine.streams import open_file
from holdall.errors import IsDirectoryError, NotFoundError, PermissionDeniedError
from holdall.mounts import lookup, tree
from holdall.store import Store

__all__ = ["MountBackend", "backend_of"]


def backend_of(store: Store, *, restricted: bool) -> StorageBackend:
    """Return the backend of a mount: the user's own instance for a custom one, else an adapter.

    Args:
        store: The mount's store.
        restricted: Whether the mount has permissions, which the library below would not know of.
    """
    driver, _ = store.locate("a")
    own = getattr(driver, "backend", None)
    return own if isinstance(own, StorageBackend) else MountBackend(store, restricted=restricted)


class MountBackend(StorageBackend):
    """A mount by paths, and what is below it.

    Args:
        store: The mount's store.
        restricted: Refuse to hand out what would step around the permissions.
    """

    def __init__(self, store: Store, *, restricted: bool) -> None:
        self.store = store
        self._restricted = restricted
        self._fs: Any = None

    def __repr__(self) -> str:
        return f"MountBackend({self.store!r})"

    # -- below --------------------------------------------------------------------------------------------------------

    @property
    def native(self) -> Any:
        """The library's own object: obstore's store, the filesystem, the root directory.

        Raises:
            PermissionDeniedError: The mount is restricted.
        """
        driver = self._driver("native")
        for name in ("native", "fs", "root"):
            if hasattr(type(driver), name):
                return getattr(driver, name)
        return driver

    @property
    def client(self) -> Any:
        """The boto3 client, on S3.

        Raises:
            PermissionDeniedError: The mount is restricted.
            AttributeError: This is no S3.
        """
        driver = self._driver("client")
        client = getattr(getattr(driver, "extra", None), "client", None)
        if client is None:
            raise AttributeError(f"{type(driver).__name__} has no client: only S3 has")
        return client

    @property
    def fs(self) -> Any:
        """An fsspec filesystem: the very instance on fsspec mounts; s3fs and its like for clouds, if installed.

        Paths are ``bucket/key`` on object stores. A restricted mount gives an adapter that knows the permissions.
        """
        if self._fs is None:
            self._fs = self._filesystem()
        return self._fs

    def probe(self) -> bool:
        """Ask whether the storage keeps versions; from then on ``capabilities.versioning`` says so.

        Only S3 needs to be asked; elsewhere the mount itself says it.
        """
        driver, _ = self.store.locate("a")
        extra = getattr(driver, "extra", None)
        if extra is not None:
            status = extra.client.get_bucket_versioning(Bucket=getattr(driver, "bucket", "")).get("Status")
            vars(driver)["versioned"] = status == "Enabled"
            vars(driver)["_known"] = None  # its capabilities are made anew
        return self.store.capabilities.versioned

    def _driver(self, what: str) -> Store:
        if self._restricted:
            raise PermissionDeniedError(f"this mount has permissions, which .{what} would step around; use .fs or .store")
        return self.store.locate("a")[0]

    def _filesystem(self) -> Any:
        from holdall.mounts.filesystem import StoreFileSystem  # noqa: PLC0415  # loads fsspec

        driver, key = self.store.locate("a")
        bucket = str(getattr(driver, "bucket", None) or getattr(driver, "container", None) or "")
        if not self._restricted:
            if hasattr(type(driver), "fs"):
                return getattr(driver, "fs")  # noqa: B009  # no attribute of Store
            if driver.capabilities.local:
                return importlib.import_module("fsspec").filesystem("file")
            from holdall.mounts.cloud_filesystems import cloud_filesystem  # noqa: PLC0415  # few programs ask

            own = cloud_filesystem(driver)
            if own is not None:
                return own
        whole = f"{bucket}/{getattr(driver, 'prefix', '')}{key.removesuffix('a')}" if bucket else ""
        return StoreFileSystem(self.store, root=whole.strip("/"))

    # -- by paths -----------------------------------------------------------------------------------------------------

    def read_bytes(self, path: str) -> bytes:
        """Return the content of a file."""
        return self.store.get(path).bytes()

    def write_bytes(self, path: str, data: bytes) -> None:
        """Make this the content of a file."""
        self.store.put(path, data)

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory is there."""
        return lookup.describe(self.store, path) is not None

    def is_file(self, path: str) -> bool:
        """Tell whether a file is there."""
        return lookup.file(self.store, path) is not None

    def is_dir(self, path: str) -> bool:
        """Tell whether a directory is there."""
        return lookup.directory(self.store, path) is not None

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return self.store.head(path).size

    def mtime(self, path: str) -> float:
        """Return when a file was last modified; 0 where the storage does not know."""
        modified = self.store.head(path).last_modified
        return 0.0 if modified is None else modified.timestamp()

    def delete(self, path: str) -> None:
        """Delete a file, or a directory with everything below."""
        if not path:
            raise IsDirectoryError("the root of a mount stays")
        tree.delete_tree(self.store, path)

    def list_dir(self, path: str) -> Iterable[str]:
        """Return the names in a directory."""
        cut = len(path) + 1 if path else 0
        return [meta.key[cut:] for meta in tree.entries(self.store, path)]

    def iter_keys(self, prefix: str) -> Iterator[str]:
        """Yield the paths of all files that start with a text."""
        for page in self.store.list(prefix):
            for meta in page.objects:
                yield meta.key

    def mkdir(self, path: str) -> None:
        """Make a directory, its parents too."""
        tree.make_directory(self.store, path, parents=True, exist_ok=True)

    def rename(self, src: str, dst: str) -> None:
        """Rename a file."""
        self.store.rename(src, dst)

    def copy(self, src: str, dst: str) -> None:
        """Copy a file."""
        from holdall.engine.transfer import copy  # noqa: PLC0415

        copy((self.store, src), (self.store, dst))

    def open(self, path: str, mode: str = "rb") -> IO[bytes]:
        """Open a file."""
        return open_file(self.store, path, mode)

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Return a part of a file."""
        return self.store.get(path, GetOptions(range=ByteRange(start, end))).bytes()

    def get_hash(self, path: str) -> str:
        """Return the MD5 of a file."""
        return lookup.digest(self.store, path, "md5")

    def get_metadata(self, path: str) -> dict[str, str]:
        """Return the user metadata of a file."""
        return dict(self.store.head(path).metadata)

    def set_metadata(self, path: str, metadata: Mapping[str, str]) -> None:
        """Replace the user metadata of a file."""
        self.store.set_metadata(path, metadata)

    def get_versions(self, path: str) -> list[dict[str, Any]]:
        """Return the versions of a file, oldest first."""
        from holdall.mounts.history import listed, living, shown  # noqa: PLC0415

        return [shown(version) for version in living(listed(self.store, path))]

    def open_version(self, path: str, version_id: str) -> IO[bytes]:
        """Open one version for reading."""
        return open_file(self.store, path, "rb", reading=GetOptions(version=version_id))

    def delete_version(self, path: str, version_id: str) -> None:
        """Delete one version for good."""
        self.store.delete_version(path, version_id)

    def url(self, path: str) -> str:
        """Return the plain address of a file.

        Raises:
            NotFoundError: It has none.
        """
        address = self.store.url(path)
        if address is None:
            raise NotFoundError(f"{path!r} has no public address", key=path, store=self.store)
        return address

    def close(self) -> None:
        """Do nothing: the mount closes its store."""
