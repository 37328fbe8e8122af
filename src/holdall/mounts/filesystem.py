"""`StoreFileSystem`: a store as an fsspec filesystem, for libraries that want one. What it may do is what the store may."""

from __future__ import annotations

from typing import Any

from fsspec.spec import AbstractFileSystem

from holdall.core.keys import clean_path
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.engine.streams import open_file
from holdall.errors import NotEmptyError, NotFoundError
from holdall.mounts import lookup, tree
from holdall.store import Store

__all__ = ["StoreFileSystem"]


class StoreFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """A store as an fsspec filesystem.

    Args:
        store: The store.
        root: What stands before every path: a bucket's name, with the prefix in it that the store is; or nothing.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> fs = StoreFileSystem(MemoryStore(), root="bucket")
        >>> fs.pipe_file("bucket/a/b.txt", b"hello")
        >>> fs.ls("bucket/a", detail=False), fs.cat_file("bucket/a/b.txt")
        (['bucket/a/b.txt'], b'hello')
    """

    protocol = "holdall"
    cachable = False

    def __init__(self, store: Store, *, root: str = "") -> None:
        super().__init__()
        self.store = store
        self.root = root

    @property
    def fsid(self) -> str:
        """What tells filesystems apart."""
        return f"holdall-{self.store.identity}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(path).removeprefix("holdall://").strip("/")

    def _key(self, path: str) -> str:
        """Return the key of a path.

        Raises:
            NotFoundError: It is in another bucket.
        """
        plain = clean_path(self._strip_protocol(path))
        if not self.root:
            return plain
        if plain != self.root and not plain.startswith(f"{self.root}/"):
            raise NotFoundError(f"nothing at {path!r}: this filesystem is {self.root!r} alone", key=plain, store=self.store)
        return plain[len(self.root) + 1 :]

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}".strip("/") if self.root else key

    def _entry(self, meta: ObjectMeta, key: str | None = None) -> dict[str, Any]:
        folder = meta.kind == "directory"
        return {
            "name": self._path(meta.key.rstrip("/") if key is None else key),
            "size": 0 if folder else meta.size,
            "type": "directory" if folder else "file",
            "mtime": meta.last_modified,
            "ETag": meta.etag,
        }

    # -- looking ------------------------------------------------------------------------------------------------------

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a path."""
        key = self._key(path)
        found = lookup.describe(self.store, key)
        if found is None:
            raise NotFoundError(f"nothing at {path!r}", key=key, store=self.store)
        return self._entry(found, key)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory."""
        key = self._key(path)
        try:
            found = [self._entry(meta) for meta in tree.entries(self.store, key)]
        except NotADirectoryError:
            found = [self.info(path)]
        return found if detail else [entry["name"] for entry in found]

    def modified(self, path: str) -> Any:
        """Return the time of last modification."""
        return self.info(path)["mtime"]

    # -- content ------------------------------------------------------------------------------------------------------

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: Any = None,  # the store's reader chooses
        autocommit: bool = True,
        cache_options: Any = None,
        **_: Any,
    ) -> Any:
        return open_file(self.store, self._key(path), mode)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **named: Any) -> bytes:
        """Return the content of a file, or a part of it."""
        del named
        key = self._key(path)
        if start is None and end is None:
            return self.store.get(key).bytes()
        size = self.store.head(key).size
        low, high, _ = slice(start, end).indices(size)
        return b"" if high <= low else self.store.get(key, GetOptions(range=(low, high))).bytes()

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a whole file."""
        self.store.put(self._key(path), value, PutOptions(mode="create") if mode == "create" else None)

    # -- changing -----------------------------------------------------------------------------------------------------

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        tree.remove_file(self.store, self._key(path), missing_ok=False)

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and directories with ``recursive``."""
        del maxdepth
        for one in [path] if isinstance(path, str) else path:
            key = self._key(one)
            if recursive:
                tree.delete_tree(self.store, key)
            else:
                tree.remove_file(self.store, key, missing_ok=False)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file."""
        from holdall.engine.transfer import copy  # noqa: PLC0415

        copy((self.store, self._key(path1)), (self.store, self._key(path2)))

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a directory."""
        if key := self._key(path):
            tree.make_directory(self.store, key, parents=create_parents, exist_ok=False)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory and its parents."""
        if key := self._key(path):
            tree.make_directory(self.store, key, parents=True, exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Delete an empty directory."""
        try:
            tree.remove_empty(self.store, self._key(path))
        except NotEmptyError as error:
            raise OSError(str(error)) from error

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        """Return a signed URL."""
        return self.store.sign(self._key(path), SignOptions(expires_in=expiration))
