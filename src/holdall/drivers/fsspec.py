"""The fsspec driver: any filesystem that fsspec reaches, by protocol name, by URL, or the very instance that a program has.

``FsspecStore(fs)`` is one of two classes: s3fs is driven by S3's own calls (`FsspecS3Store`: conditions, parts, versions),
everything else is a tree of files (`FsspecTreeStore`). Both publish a write at once or refuse to write.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal, Self

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import check_prefix
from holdall.core.meta import ListPage
from holdall.core.options import GetOptions
from holdall.drivers.fsspec_errors import translate_fsspec_error
from holdall.drivers.fsspec_place import (
    Family,
    Place,
    class_of,
    family_of,
    find_place,
    is_dead,
    protocols_of,
    remade,
    reopened,
)
from holdall.drivers.tree import Tree, in_thread_async
from holdall.drivers.tree_rules import check_name, meta_of
from holdall.drivers.tree_store import TreeStore
from holdall.drivers.webdav import CAPABILITIES as WEBDAV
from holdall.errors import ConfigError, HoldallError
from holdall.results import GetResult
from holdall.store import Store

__all__ = ["FsspecStore", "FsspecTreeStore", "filesystem"]


def filesystem(protocol: str, **options: Any) -> Any:
    """Make a filesystem, as ``fsspec.filesystem`` does; two calls that fsspec refuses work.

    A caching filesystem may name its target twice, as ``fs`` and ``target_protocol``, if they agree; ``sftp`` with ``client_keys``
    is ``sshfs``.

    Raises:
        ConfigError: ``fs`` and ``target_protocol`` do not agree.

    Example:
        >>> cached = filesystem("filecache", fs=filesystem("memory"), target_protocol="memory")
        >>> type(object.__getattribute__(cached, "__dict__")["fs"]).__name__
        'MemoryFileSystem'
    """
    import fsspec  # noqa: PLC0415  # not at import

    target = options.get("target_protocol")
    if target is not None and options.get("fs") is not None:
        names = protocols_of(type(options["fs"]))
        if target not in names:
            raise ConfigError(f"target_protocol={target!r} beside a filesystem of {' or '.join(names)}")
        del options["target_protocol"]
    if protocol == "sftp" and "client_keys" in options:
        return importlib.import_module("sshfs").SSHFileSystem(**options)
    return fsspec.filesystem(protocol, **options)


Publish = Literal["auto", "put", "rename", "none"]

_CAPABILITIES: dict[Family, Capabilities] = {
    "local": Capabilities(
        create=True,
        large_conditional=True,
        conditional_read=True,
        copy=True,
        rename=True,
        set_modified=True,
        strong_etag=True,
        directories="real",
        local=True,
        symlinks=True,
    ),
    "memory": Capabilities(create=True, large_conditional=True, conditional_read=True, copy=True, temporary=True),
    "rename": Capabilities(rename=True, directories="real"),
    "put": Capabilities(),
    "http": Capabilities(write=False, delete=False, list=False),
    "webdav": WEBDAV,
    "read": Capabilities(write=False, delete=False),
    "s3": Capabilities(),  # behind a cache
}
_IN_ADDRESSES = frozenset("%?#;&")
_GIT = _CAPABILITIES["read"].narrowed(versions=True)


class FsspecStore(Store):
    """Objects of an fsspec filesystem.

    Writes are atomic, or refused where the filesystem is not known to allow that: see ``publish``.

    Args:
        fs: A filesystem, blocking or async; or the name of a protocol, or a URL or chain of them, from which one is made on
            first use.
        path: Where in it: ``bucket/prefix``, ``/directory``, ``https://host/base``.
        options: For the filesystem, when it is made from a name.
        publish: How the filesystem makes a write appear: ``auto`` by what is known of it; ``put``, its uploads are atomic;
            ``rename``, its renames are; ``none``, read only.

    Example:
        >>> store = FsspecStore("memory", path="/example")
        >>> store.put("a/b.txt", b"hello").size
        5
        >>> store
        FsspecStore('memory', path='/example')
    """

    def __new__(
        cls, fs: Any, *, path: str = "", options: Mapping[str, Any] | None = None, publish: Publish = "auto"
    ) -> Self:
        """Choose the class by the filesystem."""
        del path, options
        if cls is not FsspecStore:
            return super().__new__(cls)
        made: type[FsspecStore] = FsspecTreeStore
        if publish == "auto" and _is_s3(fs):
            from holdall.drivers.fsspec_s3 import FsspecS3Store  # noqa: PLC0415  # it derives from this class

            made = FsspecS3Store
        return super().__new__(made)  # type: ignore[return-value]  # a subclass


class FsspecTreeStore(FsspecStore, TreeStore):
    """A filesystem as a tree of files. See `FsspecStore`."""

    def __init__(
        self, fs: Any, *, path: str = "", options: Mapping[str, Any] | None = None, publish: Publish = "auto"
    ) -> None:
        TreeStore.__init__(self)
        if publish not in {"auto", "put", "rename", "none"}:
            raise ConfigError(f"publish is 'auto', 'put', 'rename' or 'none', not {publish!r}")
        if not isinstance(fs, str) and options:
            raise ConfigError("options are for a filesystem that is made from a name; this one is made already")
        self.path = str(path)
        self._given = fs
        self._options = dict(options or {})
        self._publish = publish
        self._lost = False
        self._place: Place | None = None if isinstance(fs, str) else find_place(fs, self.path, {}, publish=publish)
        self._name = fs.split("://")[0] if isinstance(fs, str) else "::".join(_chain(fs))
        self._family: Family = self._place.family if self._place else _family_of_name(fs, publish)

    def __repr__(self) -> str:
        where = f", path={self.path!r}" if self.path else ""
        return f"FsspecStore({self._name!r}{where})"

    @property
    def fs(self) -> Any:
        """The filesystem: the very instance that was given, or the one that was made; anew, where that one lost its connection."""
        return self.place().given

    @property
    def capabilities(self) -> Capabilities:
        """What the filesystem's family can do."""
        return _GIT if self._is_git else _CAPABILITIES[self._family]

    @property
    def _is_git(self) -> bool:
        return self._name == "git" and self._family == "read"

    @property
    def identity(self) -> Identity:
        """The protocol and the path; of a filesystem in memory that is not shared, a mark of its own."""
        place = self._place
        service = f"fsspec+{self._name}"
        if self._family == "local":
            service = "file"
        token = ""
        if place is not None and self._family != "local":
            token = str(getattr(place.fs, "_fs_token", ""))[:16]
        root = place.root if place is not None else self.path
        return Identity(service=service, place=f"{token}:{root}" if token else root)

    def local_path(self, key: str) -> str | None:
        """Return the absolute path of the real local file behind a key, on the local filesystem."""
        path = check_name(self, key) if key else ""
        return self.place().full(path) if self._family == "local" else None

    def url(self, key: str) -> str | None:
        """Return the address of a key, on HTTP."""
        path = check_name(self, key)
        if self._family != "http":
            return None
        from holdall.drivers.fsspec_loop import LoopFiles  # noqa: PLC0415  # fsspec is not loaded for nothing

        return LoopFiles(self.place()).full(path)

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        return (options is None and self._family == "memory" and self._whole(key)) or TreeStore.get(self, key, options)

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        found = options is None and self._family == "memory" and self._whole(key)
        return found or await TreeStore.get_async(self, key, options)

    def _whole(self, key: str) -> GetResult | None:
        """Return a small object from a dict of this process, where nothing waits; ``None`` if there is more to it."""
        from holdall.drivers.fsspec_memory import MemoryFiles  # noqa: PLC0415  # fsspec is not loaded for nothing

        path, tree = check_name(self, key), self.tree()
        found = tree.whole(path) if path == key and isinstance(tree, MemoryFiles) else None
        return None if found is None else GetResult(meta_of(key, found[0]), found[1])

    def place(self) -> Place:
        """Return the filesystem and the path in it; made on first use, made anew in a forked child."""
        if self._place is None:
            self._place = find_place(self._given, self.path, self._options, publish=self._publish)
        return self._place

    def refuses(self, path: str) -> str | None:
        """Return why the filesystem can have no such path. See `TreeStore.refuses`."""
        names = self._name.split("::")
        if "ftp" in names and ("\n" in path or "\r" in path):
            return "FTP ends its commands at a line break"
        if not {"webdav", "dav"}.isdisjoint(names) and self._family != "webdav" and not _IN_ADDRESSES.isdisjoint(path):
            return "the filesystem takes it for a part of an address"
        return TreeStore.refuses(self, path)

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of the filesystem's. See `TreeStore.translate`."""
        if self._is_git and isinstance(error, (KeyError, ValueError)):  # pygit2's words for a ref that is not there
            return ConfigError(f"the repository has no commit, branch or tag {self._options.get('ref')!r}")
        return translate_fsspec_error(error, what)

    def tree(self) -> Tree:
        """Return the tree, made anew where the filesystem lost its connection. See `TreeStore.tree`."""
        self._check_connection()
        return TreeStore.tree(self)

    async def tree_async(self) -> Tree:
        """Return the tree. See `tree`."""
        self._check_connection()
        return await TreeStore.tree_async(self)

    def _check_connection(self) -> None:
        if self._family == "rename" and self._place is not None and is_dead(self._place.fs):
            self._lost, self._tree = True, None

    def _make_tree(self) -> Tree:
        from holdall.drivers.fsspec_blocking import BlockingFiles  # noqa: PLC0415  # fsspec is not loaded for nothing
        from holdall.drivers.fsspec_cache import CachedFiles  # noqa: PLC0415
        from holdall.drivers.fsspec_git import GitFiles  # noqa: PLC0415
        from holdall.drivers.fsspec_local import LocalFiles  # noqa: PLC0415
        from holdall.drivers.fsspec_loop import LoopFiles, is_awaitable_reader  # noqa: PLC0415
        from holdall.drivers.fsspec_memory import MemoryFiles  # noqa: PLC0415

        if self._forked or self._lost:
            again = reopened if self._forked else remade
            self._place = find_place(again(self.place()), self.path, {}, publish=self._publish)
            self._lost = False
        place = self.place()
        tree: Tree
        if place.family == "memory":
            tree = MemoryFiles(place)
        elif place.family == "local":
            tree = LocalFiles(place)
        elif place.family == "webdav":
            from holdall.drivers.fsspec_webdav import webdav_tree  # noqa: PLC0415  # httpx is an extra

            tree = webdav_tree(place)
        elif is_awaitable_reader(place.fs) and place.family != "rename":
            tree = LoopFiles(place)
        elif self._is_git:
            tree = GitFiles(place)
        else:
            tree = BlockingFiles(place)
        return tree if place.cache is None else CachedFiles(tree, place)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        if self._family != "memory":
            return TreeStore.list(self, prefix, delimiter=delimiter, start_after=start_after)
        self._check_list(delimiter)
        return self._memory_pages(prefix, delimiter, start_after)

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        if self._family != "memory":
            async for page in TreeStore.list_async(self, prefix, delimiter=delimiter, start_after=start_after):
                yield page
            return
        pages = self.list(prefix, delimiter=delimiter, start_after=start_after)
        while (found := await in_thread_async(_next_page, pages)) is not None:
            yield found

    def _memory_pages(self, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
        from holdall.drivers.fsspec_memory import MemoryFiles  # noqa: PLC0415  # fsspec is not loaded for nothing

        check_prefix(prefix)
        tree = self.tree()
        assert isinstance(tree, MemoryFiles)  # a cache over memory has another family
        yield from tree.pages(prefix, delimiter, start_after)


def _is_s3(fs: Any) -> bool:
    """Tell whether a filesystem, or the one of a name, is s3fs without a cache before it."""
    if isinstance(fs, str):
        return "::" not in fs and fs.partition("://")[0] in {"s3", "s3a"}
    place = find_place(fs, "", {})
    return place.family == "s3" and place.cache is None


def _next_page(pages: Iterator[ListPage]) -> ListPage | None:
    return next(pages, None)


def _chain(fs: Any) -> list[str]:
    """Return the protocols of a filesystem and of those it wraps."""
    names: list[str] = []
    for _ in range(16):
        name = next(iter(protocols_of(type(fs))), "")
        names.append(name if name not in {"", "abstract"} else type(fs).__name__)  # sshfs names none
        inner = object.__getattribute__(fs, "__dict__").get("fs")
        if inner is None:
            break
        fs = inner
    return names


def _family_of_name(name: str, publish: Publish) -> Family:
    """Return the family of a protocol's filesystems without making one."""
    if publish != "auto":
        return {"put": "put", "rename": "rename", "none": "read"}[publish]  # type: ignore[return-value]
    last = name.rpartition("::")[2].partition("://")[0]
    family = family_of(class_of(last))
    if "::" not in name:
        return family
    return {"memory": "read", "local": "read", "webdav": "rename"}.get(family, family)  # type: ignore[return-value]
