"""The local driver: objects are plain files below one directory, written whole beside their place and renamed into it.

Plain ``os`` calls, nothing kept open between verbs: safe across threads, forks and several processes. What happens within
one verb lives in the ``_local_*`` modules: the root and its locks, drafts, what is kept beside the bytes, the walk, parts.
"""

from __future__ import annotations

import builtins
import contextlib
import os
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import ReservedKey, check_prefix
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import check_get, check_put
from holdall.core.ranges import Coalesce
from holdall.drivers import _local_parts as parts_of
from holdall.drivers import _local_system as system
from holdall.drivers._local_attributes import Kept, Shelf, described, tags_in
from holdall.drivers._local_draft import Draft, check_match
from holdall.drivers._local_listing import walk
from holdall.drivers._local_meta import describe_directory, etag_of, nanoseconds
from holdall.drivers._local_object import find, source_of
from holdall.drivers._local_reader import Reader
from holdall.drivers._local_removal import Remover, sweep
from holdall.drivers._local_rename import rename
from holdall.drivers._local_root import Root, check_file_key, split
from holdall.drivers._local_writing import Act, settled, write, write_async, write_copy
from holdall.errors import (
    HoldallError,
    IntegrityError,
    InvalidKeyError,
    NotDirectoryError,
    RangeNotSatisfiableError,
)
from holdall.results import CHUNK, DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSource, Source, check_source
from holdall.store import BlockingStore, PartWriter, Store

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["LocalStore"]

_CAPABILITIES = Capabilities(
    create=True,
    update=True,
    large_conditional=True,
    conditional_delete=True,
    conditional_read=True,
    metadata=True,
    attributes=True,
    tags=True,
    set_metadata=True,
    set_modified=True,
    copy=True,
    rename=True,
    strong_etag=True,
    parts=parts_of.RULES,
    directories="real",
    local=True,
    symlinks=True,
)


class LocalStore(BlockingStore):
    """Objects are the files below a directory.

    Nothing is touched before the first verb. Keys cannot leave the root, symbolic links included. A ``put`` replaces the
    file (a new inode: permissions, owner and hard links of the old one do not carry over).

    Args:
        root: The directory.
        create: Make it at first use; else a missing one is `UnavailableError`.
        durable: ``fsync`` files and directories before saying that they are written.
        file_mode: Permissions of files, e.g. ``0o600``; the umask decides if ``None``.
        dir_mode: Permissions of directories that are made.

    Example:
        >>> import tempfile
        >>> store = LocalStore(tempfile.mkdtemp())
        >>> store.put("a/b.txt", b"hello").size
        5
        >>> store.get("a/b.txt").bytes()
        b'hello'
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        create: bool = False,
        durable: bool = False,
        file_mode: int | None = None,
        dir_mode: int | None = None,
    ) -> None:
        given = os.fspath(root)
        if not isinstance(given, str):
            raise TypeError(f"a root is a str or path, not {type(given).__name__}")
        if not given or "\0" in given:
            raise ValueError("a root directory needs a name")
        path = os.path.abspath(given)
        self._root = Root(
            path, create=create, durable=durable, file_mode=file_mode, dir_mode=dir_mode, display=f"LocalStore({path!r})"
        )
        self._shelf = Shelf(self._root)
        self._identity: Identity | None = None

    @property
    def root(self) -> str:
        """The absolute path of the directory."""
        return self._root.path

    def __repr__(self) -> str:
        return self._root.display

    def __getstate__(self) -> dict[str, Any]:
        names = ("create", "durable", "file_mode", "dir_mode")
        return {"root": self._root.path, **{name: getattr(self._root, name) for name in names}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a store is its arguments

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """The real path of the root as a prefix of one place: nested roots are seen to hold the same objects."""
        if self._identity is None:
            drive, path = os.path.splitdrive(os.path.realpath(self._root.path))
            prefix = path.replace(os.sep, "/").strip("/")
            self._identity = Identity(service="file", place=drive, prefix=f"{prefix}/" if prefix else "")
        return self._identity

    def local_path(self, key: str) -> str | None:
        """Return the absolute path of a key's file, existing or not; ``None`` if a link on the way leads out of the root."""
        return self._root.path_to(check_file_key(key)) if key else self._root.path

    def glance(self, key: str) -> os.stat_result | None:
        """Return the system's own account of a file or directory, ``None`` if neither is there. See `Store.glance`."""
        check_file_key(key)
        return self._root.glance(key) if system.RELATIVE and key[-1] != "/" else NotImplemented

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        check_file_key(key)
        if options is not None and options.version is not None:
            raise self._refusal("read versions")
        fd, stat, raw = find(self._root, self._shelf, key)
        try:
            start, end = 0, stat.st_size
            meta = described(key, stat, raw)
            if options is not None:
                if options.conditional:
                    check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=self)
                start, end = self._resolve(key, options, end)
            if end - start > CHUNK:
                body = Reader(self._root, meta.key, start, end)
                body.fd, fd = fd, -1  # no call: an interruption finds it with one owner
                return GetResult(meta, body, range=(start, end), close=body.close, tags=tags_in(raw))
            return GetResult(meta, system.read_at(fd, end - start, start), range=(start, end), tags=tags_in(raw))
        except OSError as error:
            raise self._root.explain(error, key) from error
        finally:
            if fd >= 0:
                os.close(fd)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges of one open file; each is one call, so there is nothing to merge. See `Store.get_ranges`."""
        check_file_key(key)
        for start, end in ranges:
            if start < 0 or end < start:
                raise ValueError(f"no byte range: {start}..{end}")
        fd, stat, _ = find(self._root, self._shelf, key)
        try:
            check_match(self._root, key, stat, if_match, "read")
            return [self._read_range(key, fd, start, end, stat.st_size) for start, end in ranges]
        except OSError as error:
            raise self._root.explain(error, key) from error
        finally:
            os.close(fd)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object or directory. See `Store.head`."""
        check_file_key(key)
        if version is not None:
            raise self._refusal("read versions")
        if key[-1] == "/":
            return self._head_directory(key)
        fd, stat, raw = find(self._root, self._shelf, key)
        os.close(fd)
        return described(key, stat, raw)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, in key order, holding the names of one directory for each level. See `Store.list`.

        Names that cannot be keys (not UTF-8, or too deep) are left out with a warning in the log ``holdall.local``; so are,
        without one, FIFOs, devices and links that lead out of the root, nowhere or in circles.
        """
        check_prefix(prefix)
        if delimiter not in {None, "/"}:
            raise ValueError(f"the delimiter is '/' or None, not {delimiter!r}")
        self._root.check()
        hidden = not isinstance(prefix, ReservedKey)
        return walk(self._root, str(prefix), delimiter=delimiter, start_after=start_after, hidden=hidden)

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object: beside its place, then renamed. See `Store.put`."""
        self._check_put(key, source, options, blocking=True)
        if key[-1] == "/":
            return self._make_directory(key, options)
        return write(Draft(self._root, self._shelf, key), source, options)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object; cancelled, it publishes nothing and leaves nothing. See `Store.put`."""
        self._check_put(key, source, options, blocking=False)
        if key[-1] == "/":
            return await asyncio.to_thread(self._make_directory, key, options)
        draft = Draft(self._root, self._shelf, key)
        if isinstance(source, AsyncIterable):
            return await write_async(draft, source, options)
        return await settled(partial(write, draft, source, options), draft)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`.

        Raises:
            NotEmptyError: The key ends with ``/`` and the directory holds something.
        """
        return self._deleted(keys, if_match, Act())

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many; cancelled, it deletes no more. See `delete`."""
        act = Act()
        return await settled(partial(self._deleted, keys, if_match, act), act)

    def _deleted(self, keys: str | Iterable[str], if_match: str | None, act: Act) -> builtins.list[DeleteResult]:
        if isinstance(keys, str):
            check_file_key(keys)
            with Remover(self._root, self._shelf) as remover:
                return [DeleteResult(key=str(keys), existed=remover.remove(keys, if_match))]
        if if_match is not None:
            raise ValueError("if_match goes with one key")
        self._root.check()
        results: builtins.list[DeleteResult] = []
        with Remover(self._root, self._shelf) as remover:
            for key in [check_file_key(key) for key in keys]:
                if act.stopped:
                    break
                try:
                    results.append(DeleteResult(key=str(key), existed=remover.remove(key)))
                except HoldallError as error:
                    results.append(DeleteResult(key=str(key), error=error))
        return results

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy within the kernel (reflinks where the file system has them), also from another local store. See `Store.copy`."""
        draft = Draft(self._root, self._shelf, check_file_key(dst))
        return write_copy(draft, self._source(src, dst, options, source), options)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy within the kernel. See `copy`."""
        draft = Draft(self._root, self._shelf, check_file_key(dst))
        return await settled(partial(write_copy, draft, self._source(src, dst, options, source), options), draft)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename a file, or (both keys end with ``/``) a directory with all in it, atomically. See `Store.rename`.

        Raises:
            NotEmptyError: The directory at ``dst`` holds something.
            NotSupportedError: ``dst`` lies on another file system, mounted below the root.
        """
        for key in (src, dst):
            check_file_key(key)
        if mode not in {"overwrite", "create"}:
            raise ValueError(f"mode is 'overwrite' or 'create', not {mode!r}")
        self._root.check()
        rename(self._root, self._shelf, src, dst, mode)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename; a cancelled caller hears of it when it has happened, or has not. See `rename`."""
        await settled(partial(self.rename, src, dst, mode=mode), Act())

    # -- what is kept beside the bytes --------------------------------------------------------------------------------

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags. See `Store.tags`."""
        if version is not None:
            raise self._refusal("read versions")
        fd, _, raw = find(self._root, self._shelf, check_file_key(key))
        os.close(fd)
        return dict(tags_in(raw))

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags; etag and time stay. See `Store.set_tags`."""
        checked = PutOptions(tags=tags).tags
        self._keep(key, None, lambda kept: replace(kept, tags=checked))

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata; etag and time stay. See `Store.set_metadata`."""
        checked = PutOptions(metadata=metadata).metadata
        stat = self._keep(key, if_match, lambda kept: replace(kept, attributes=replace(kept.attributes, metadata=checked)))
        return PutResult(key=str(key), size=stat.st_size, etag=etag_of(stat))

    def set_modified(self, key: str, modified: datetime) -> None:
        """Set the time of last modification, of a directory too; the etag of a file changes. See `Store.set_modified`."""
        check_file_key(key)
        time = nanoseconds(modified)
        root, shelf = self._root, self._shelf
        if key[-1] == "/":
            self._touch_directory(key, time)
            return
        with self._locked(key):
            fd, stat, raw = find(root, shelf, key)
            try:
                system.set_time(fd, root.before + key, time)
                if shelf.in_use() and (kept := Kept.decode(raw)).encode():
                    shelf.write(fd, os.fstat(fd), kept)
                    shelf.drop(stat)
            except OSError as error:
                raise root.explain(error, key, writing=True) from error
            finally:
                os.close(fd)

    # -- parts, life --------------------------------------------------------------------------------------------------

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts, staged below ``.holdall``; it outlives the process. See `Store.parts`."""
        self._check_put(key, b"", options, blocking=True)
        if key[-1] == "/":
            raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=self)
        self._root.check()
        if upload_id is not None:
            return parts_of.take_up(self._root, self._shelf, str(key), upload_id)
        return parts_of.begin(self._root, self._shelf, str(key), options or PutOptions())

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads. See `Store.uploads`."""
        check_prefix(prefix)
        return parts_of.uploads(self._root, prefix)

    def sweep(self, *, older_than: float = 3600) -> int:
        """Remove what writers that were killed left behind: hidden temporary files, and sidecars of files that are gone.

        Unfinished uploads by parts stay: `uploads` lists them, and they can be taken up or aborted.

        Args:
            older_than: Seconds that it must have lain untouched.

        Returns:
            How many files were removed.
        """
        self._root.check()
        try:
            return sweep(self._root, older_than)
        except OSError as error:
            raise self._root.explain(error, "") from error

    async def sweep_async(self, *, older_than: float = 3600) -> int:
        """Remove what writers that were killed left behind. See `sweep`."""
        return await asyncio.to_thread(partial(self.sweep, older_than=older_than))

    def close(self) -> None:
        """Refuse from now on; there is nothing to let go of."""
        self._root.close()

    async def close_async(self) -> None:
        """Refuse from now on."""
        self._root.close()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _resolve(self, key: str, options: GetOptions, size: int) -> tuple[int, int]:
        wanted = options.byte_range
        if wanted is None:
            return 0, size
        try:
            return wanted.resolve(size)
        except RangeNotSatisfiableError as error:
            raise RangeNotSatisfiableError(error.message, key=key, store=self) from None

    def _read_range(self, key: str, fd: int, start: int, end: int, size: int) -> bytes:
        if end == start:
            return b""
        if start >= size:
            raise RangeNotSatisfiableError(f"range starts at byte {start} of an object of {size} bytes", key=key, store=self)
        length = min(end, size) - start
        data = system.read_at(fd, length, start)
        if len(data) != length:
            raise IntegrityError(f"{key!r} was cut short while it was read", key=key, store=self)
        return data

    def _head_directory(self, key: str) -> ObjectMeta:
        root = self._root
        try:
            fd, before = root.folder(key[:-1], key)
        except OSError as error:
            raise root.explain(error, key) from error
        try:
            return describe_directory(str(key), os.stat(before) if fd is None else os.fstat(fd))
        finally:
            root.leave(fd)

    def _touch_directory(self, key: str, time: int) -> None:
        root = self._root
        try:
            fd, before = root.folder(key[:-1], key)
            try:
                system.set_time(fd, before, time)
            finally:
                root.leave(fd)
        except OSError as error:
            raise root.explain(error, key) from error

    def _check_put(self, key: str, source: object, options: PutOptions | None, *, blocking: bool) -> None:
        check_file_key(key)
        if type(source) is not bytes:
            check_source(source, blocking=blocking)
        if options is not None and options.storage_class is not None:
            raise self._refusal("keep a storage class")
        if key[-1] == "/":
            if not (isinstance(source, bytes) and not source):
                raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=self)
            if options is not None and (options.annotated or options.tags):
                raise self._refusal("keep attributes of a directory")

    def _make_directory(self, key: str, options: PutOptions | None) -> PutResult:
        """Make a directory; one that is there already is fine unless the mode says otherwise."""
        root = self._root
        made: builtins.list[str] = []
        try:
            fd, _ = root.make_folder(str(key[:-1]), made, key)
            root.leave(fd)
            check_put(options or PutOptions(), key=key, exists=key[:-1] not in made, etag=None, store=self)
        except HoldallError:
            root.unmake(made)
            raise
        except NotADirectoryError as error:
            raise NotDirectoryError(f"a file stands in the way of {key!r}", key=key, store=self) from error
        except OSError as error:
            raise root.explain(error, key, writing=True) from error
        return PutResult(key=str(key), size=0)

    def _source(self, src: str, dst: str, options: CopyOptions | None, source: Store | None) -> tuple[Root, Shelf, str]:
        """Check what can be checked of a copy before any I/O, and return where its source is."""
        root, shelf, key = source_of(self._root, self._shelf, src, source)
        if check_file_key(key)[-1] == "/" or dst[-1] == "/":
            raise self._refusal("copy", "directories are made, not copied")
        if options is not None and options.version is not None:
            raise self._refusal("copy", "it keeps no versions")
        return root, shelf, key

    def _keep(self, key: str, if_match: str | None, change: Callable[[Kept], Kept]) -> os.stat_result:
        """Change what is kept beside a file, under the lock of its directory."""
        check_file_key(key)
        with self._locked(key):
            fd, stat, raw = find(self._root, self._shelf, key)
            try:
                check_match(self._root, key, stat, if_match, "changed")
                self._shelf.write(fd, stat, change(Kept.decode(raw)))
            except HoldallError:
                raise
            except OSError as error:
                raise self._root.explain(error, key, writing=True) from error
            finally:
                os.close(fd)
        return stat

    @contextlib.contextmanager
    def _locked(self, key: str) -> Generator[None]:
        """Hold the lock of the directory that a key is in."""
        root = self._root
        try:
            fd, _ = root.folder(split(key)[0], key)
        except OSError as error:
            raise root.explain(error, key) from error
        try:
            token = root.lock(fd)
            try:
                yield
            finally:
                root.unlock(token, fd)
        finally:
            root.leave(fd)
