"""A `StorageBackend` as a Store: what it overrides is used, what it has not is derived or refused."""

from __future__ import annotations

import builtins
import io
import uuid
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any, TypeVar

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import ReservedKey, check_key, check_prefix, is_reserved
from holdall.core.meta import NO_ATTRIBUTES, Attributes, ListPage, ObjectVersion
from holdall.core.options import PutOptions
from holdall.drivers.os_errors import translate_os_error
from holdall.drivers.storage_backend import StorageBackend
from holdall.drivers.tree import (
    BlockingReader,
    BlockingTree,
    BlockingWriter,
    Entry,
    Mode,
    Reader,
    Writer,
    from_timestamp,
    in_thread_async,
    parent,
)
from holdall.drivers.tree_rules import PAGE, check_name, mapped, meta_of
from holdall.drivers.tree_store import TreeStore
from holdall.errors import (
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import CHUNK, PutResult
from holdall.sources import AsyncSource, Source

__all__ = ["BackendStore"]

T = TypeVar("T")
ATTEMPTS = 8
"""How often a file is opened again whose digest changed meanwhile."""


class BackendStore(TreeStore):
    """A store over a `StorageBackend`.

    Args:
        backend: The backend; it is closed with the store.
    """

    def __init__(self, backend: StorageBackend) -> None:
        super().__init__()
        if not isinstance(backend, StorageBackend):
            raise TypeError(f"a StorageBackend is needed, not a {type(backend).__name__}")
        self.backend = backend
        self._mark = uuid.uuid4().hex
        self._has = frozenset(
            name
            for name, method in vars(StorageBackend).items()
            if callable(method) and not name.startswith("_") and getattr(type(backend), name) is not method
        )
        self.markers = self.has("iter_keys") and not self.has("list_dir")
        self._capabilities = self._find_capabilities()

    def __repr__(self) -> str:
        return f"BackendStore({type(self.backend).__name__})"

    def has(self, *names: str) -> bool:
        """Tell whether the backend overrides all of these methods."""
        return self._has.issuperset(names)

    def _find_capabilities(self) -> Capabilities:
        real = self.has("mkdir", "is_dir", "list_dir")
        return Capabilities(
            delete=self.has("delete"),
            list=self.has("list_dir") or self.has("iter_keys"),
            ordered=self.has("list_dir"),
            ranges=self.has("read_range") or self.has("open"),
            suffix_ranges=False,
            conditional_read=self.has("get_hash"),
            etag=self.has("get_hash"),
            strong_etag=self.has("get_hash"),
            metadata=self.has("get_metadata", "set_metadata"),
            set_metadata=self.has("get_metadata", "set_metadata"),
            copy=self.has("copy"),
            rename=self.has("rename"),
            versions=self.has("get_versions", "open_version"),
            directories="real" if real else "marker" if self.markers else "implied",
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the backend overrides."""
        return self._capabilities

    @property
    def identity(self) -> Identity:
        """The class, and a mark of this instance."""
        kind = type(self.backend)
        return Identity(service=f"custom+{kind.__module__}.{kind.__qualname__}", place=self._mark)

    def refuses(self, path: str) -> str | None:
        """Return why there can be no such path; without directories every path is fine. See `TreeStore.refuses`."""
        return super().refuses(path) if self.has("list_dir") else None

    def url(self, key: str) -> str | None:
        """Return the plain address of a key, where the backend knows it."""
        path = check_name(self, key)
        return self.typed("url", str, self.backend.url(path)) if self.has("url") else None

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of the builtins that a backend raises. See `TreeStore.translate`."""
        return translate_os_error(error, what)

    def typed(self, method: str, kind: type[T] | tuple[type[T], ...], value: Any) -> T:
        """Return what a method gave, if it is of the type that it should be.

        Raises:
            TypeError: It is not.
        """
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(k.__name__ for k in kinds)
            raise TypeError(f"{type(self.backend).__name__}.{method}() gave {type(value).__name__}, not {wanted}")
        checked: Any = value
        return checked  # type: ignore[no-any-return]

    def _make_tree(self) -> BackendTree:
        return BackendTree(self)

    # -- what directories do not give ---------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object; its metadata, if any, right after. See `Store.put`."""
        result = super().put(key, source, options)
        if options is not None and (options.metadata or self.capabilities.metadata):
            with mapped(self, key):
                self.backend.set_metadata(check_name(self, key), dict(options.metadata))
        return result

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        result = await super().put_async(key, source, options)
        if options is not None and (options.metadata or self.capabilities.metadata):
            with mapped(self, key):
                await in_thread_async(self.backend.set_metadata, check_name(self, key), dict(options.metadata))
        return result

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        if not self.capabilities.set_metadata:
            raise self._refusal("set_metadata")
        if if_match is not None:
            raise self._refusal("set metadata under a condition")
        checked = PutOptions(metadata=metadata).metadata
        path, tree = check_name(self, key), self.tree()
        with mapped(self, key):
            entry = tree.stat(path)
            self.backend.set_metadata(path, dict(checked))
        return PutResult(key=str(key), size=entry.size, etag=entry.etag)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""

        def set_metadata() -> PutResult:
            return self.set_metadata(key, metadata, if_match=if_match)

        return await in_thread_async(set_metadata)

    def delete_version(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        if not self.has("delete_version"):
            raise self._refusal("delete versions")
        with mapped(self, key):
            self.backend.delete_version(check_name(self, key), version)

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        await in_thread_async(self.delete_version, key, version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List by directories, or by `StorageBackend.iter_keys`, whose order is the backend's. See `Store.list`."""
        if self.has("list_dir") or not self.has("iter_keys"):
            return super().list(prefix, delimiter=delimiter, start_after=start_after)
        self._check_list(delimiter)
        return self._pages(prefix, delimiter, start_after or "")

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `list`."""
        if self.has("list_dir") or not self.has("iter_keys"):
            async for page in super().list_async(prefix, delimiter=delimiter, start_after=start_after):
                yield page
            return
        self._check_list(delimiter)
        pages = self._pages(prefix, delimiter, start_after or "")
        while (found := await in_thread_async(_next_page, pages)) is not None:
            yield found

    def _pages(self, prefix: str, delimiter: str | None, after: str) -> Iterator[ListPage]:
        check_prefix(prefix)
        hidden = not isinstance(prefix, ReservedKey)
        objects: builtins.list[Any] = []
        groups: dict[str, bool] = {}  # whether it was handed out
        with mapped(self, prefix):
            tree = self.tree()
            for key in self.backend.iter_keys(prefix):
                self.typed("iter_keys", str, key)
                if not key.startswith(prefix) or (hidden and is_reserved(key)) or not _is_key(key):
                    continue
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                if cut >= 0:
                    group = key[: cut + 1]
                    if group > after:
                        groups.setdefault(group, False)
                elif key > after:
                    with suppress(NotFoundError, FileNotFoundError):
                        objects.append(meta_of(key, tree.stat(key)))
                if len(objects) >= PAGE:
                    yield ListPage(objects, ())
                    objects = []
        if objects or groups:
            yield ListPage(objects, sorted(groups))


class BackendTree(BlockingTree):
    """The primitives of a backend."""

    prepared = True

    def __init__(self, store: BackendStore) -> None:
        self.store = store
        self.backend = store.backend

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        if version is not None:
            with self.backend.open_version(path, version) as file:
                return Entry(name=path.rpartition("/")[2], size=_measure(file), version=version)
        store, backend, name = self.store, self.backend, path.rpartition("/")[2]
        if store.has("is_dir") and store.typed("is_dir", bool, backend.is_dir(path)):
            return Entry(name=name, kind="directory")
        for method in ("is_file", "exists"):
            if store.has(method):
                if not store.typed(method, bool, getattr(backend, method)(path)):
                    raise NotFoundError(f"nothing at {path!r}")
                break
        if store.has("size"):
            size = store.typed("size", int, backend.size(path))
        else:
            size = len(store.typed("read_bytes", bytes, backend.read_bytes(path)))
        return self._described(path, Entry(name=name, size=size))

    def _described(self, path: str, entry: Entry) -> Entry:
        store, backend = self.store, self.backend
        modified: datetime | None = None
        if store.has("mtime"):
            when: Any = store.typed("mtime", (int, float, datetime), backend.mtime(path))
            modified = when.astimezone(UTC) if isinstance(when, datetime) and when.tzinfo else None
            modified = from_timestamp(when) if isinstance(when, (int, float)) else modified
        attributes = NO_ATTRIBUTES
        if store.has("get_metadata"):
            found = store.typed("get_metadata", Mapping, backend.get_metadata(path))
            attributes = Attributes(metadata={str(k).lower(): str(v) for k, v in found.items()})
        etag = store.typed("get_hash", str, backend.get_hash(path)) if store.has("get_hash") else None
        return replace(entry, modified=modified, etag=etag, attributes=attributes)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        names: Any = self.backend.list_dir(path)
        if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
            self.store.typed("list_dir", list, names)
        entries: list[Entry] = []
        for item in names:
            name: str = self.store.typed("list_dir", str, item)
            with suppress(NotFoundError, FileNotFoundError):
                entries.append(replace(self.stat(f"{path}/{name}" if path else name), name=name))
        return entries

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading; what is said of it is said of the bytes that are read. See `Tree.open`."""
        store, backend = self.store, self.backend
        if version is not None:
            file = backend.open_version(path, version)
            entry = Entry(name=path.rpartition("/")[2], size=_measure(file), version=version)
            return BackendReader(self, path, entry, file=file)
        for _ in range(ATTEMPTS):
            reader = self._opened(path, whole)
            if not store.has("get_hash") or backend.get_hash(path) == reader.entry.etag:
                return reader
            reader.close()
        raise UnavailableError(f"{path!r} changes all the time")

    def _opened(self, path: str, whole: bool) -> BackendReader:
        """Open a file as well as the backend can; its size is that of the opened file or of the bytes, never an older one."""
        store, backend = self.store, self.backend
        if not store.has("size"):
            if store.has("is_dir") and backend.is_dir(path):
                raise NotFoundError(f"nothing at {path!r}")
            entry = self._described(path, Entry(name=path.rpartition("/")[2]))
        else:
            entry = self.stat(path)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            if store.has("open") and (whole or not store.has("read_range")):
                file = backend.open(path, "rb")
                return BackendReader(self, path, replace(entry, size=_measure(file)), file=file)
            if store.has("read_range") and not (whole and entry.size <= CHUNK):
                return BackendReader(self, path, entry)
        data = store.typed("read_bytes", bytes, backend.read_bytes(path))
        return BackendReader(self, path, replace(entry, size=len(data)), data=data)

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return BackendWriter(self, path)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        if self.store.has("is_dir") and self.backend.is_dir(path):
            return False
        self.backend.delete(path)
        return True

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        if not self.backend.is_dir(path):
            self.backend.mkdir(path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        if not self.backend.is_dir(path):
            return False
        for _ in self.backend.list_dir(path):
            raise IsDirectoryError(f"the directory {path!r} is not empty")
        self.backend.delete(path)
        return True

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        self._make_parents(dst)
        self.backend.rename(src, dst)

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        self._make_parents(dst)
        self.backend.copy(src, dst)
        return self.stat(dst)

    def versions(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file. See `Tree.versions`."""
        found: list[ObjectVersion] = []
        listed = list(self.backend.get_versions(path))
        for i, item in enumerate(listed):
            facts = self.store.typed("get_versions", Mapping, item)
            when = facts.get("last_modified")
            found.append(
                ObjectVersion(
                    key=path,
                    version=str(facts["version_id"]),
                    is_latest=bool(facts.get("is_latest", i == len(listed) - 1)),
                    size=int(facts.get("size") or 0),
                    last_modified=when if isinstance(when, datetime) and when.tzinfo else None,
                    etag=facts.get("etag"),
                )
            )
        return found

    def _make_parents(self, path: str) -> None:
        folder = parent(path)
        if folder and self.store.has("mkdir") and self.store.has("is_dir"):
            try:
                self.make_directory(folder)
            except FileExistsError as error:
                raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error

    def close(self) -> None:
        """Close the backend; idempotent."""
        self.backend.close()


class BackendReader(BlockingReader):
    """Bytes from an open file, from memory, or by `read_range`: then of the file that was described, or an error."""

    def __init__(
        self, tree: BackendTree, path: str, entry: Entry, *, data: bytes | None = None, file: IO[bytes] | None = None
    ) -> None:
        self._tree = tree
        self._path = path
        self.entry = entry
        self._data = data
        self._file = file
        self._requests = 0

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if self._data is not None:
            yield self._data[start:end]
            return
        if self._file is not None:
            self._file.seek(start)
        while start < end:
            chunk = self._next(start, min(CHUNK, end - start))
            if not chunk:
                break
            start += len(chunk)
            yield chunk
        if self._requests > 1 or (self._requests and start < end):
            self._check_same()

    def _next(self, start: int, size: int) -> bytes:
        store = self._tree.store
        if self._file is not None:
            return store.typed("open", bytes, self._file.read(size))
        self._requests += 1
        return store.typed("read_range", bytes, store.backend.read_range(self._path, start, start + size))

    def _check_same(self) -> None:
        now, then = self._tree.stat(self._path), self.entry
        if (now.size, now.modified, now.etag) != (then.size, then.modified, then.etag):
            raise PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")

    def close(self) -> None:
        """Let go; idempotent."""
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


class BackendWriter(BlockingWriter):
    """The whole content in memory, handed over at the end."""

    def __init__(self, tree: BackendTree, path: str) -> None:
        self._tree = tree
        self._path = path
        self._buffer = io.BytesIO()

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._buffer.write(chunk)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        tree, data = self._tree, self._buffer.getvalue()
        tree._make_parents(self._path)
        tree.backend.write_bytes(self._path, data)
        entry = Entry(name=self._path.rpartition("/")[2], size=len(data))
        if tree.store.has("get_hash"):
            entry = replace(entry, etag=tree.store.typed("get_hash", str, tree.backend.get_hash(self._path)))
        return entry

    def abort(self) -> None:
        """Drop the content. See `Writer.abort`."""
        self._buffer.close()


def _measure(file: IO[bytes]) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _is_key(key: str) -> bool:
    try:
        check_key(ReservedKey(key))
    except InvalidKeyError:
        return False
    return True


def _next_page(pages: Iterator[ListPage]) -> ListPage | None:
    return next(pages, None)
