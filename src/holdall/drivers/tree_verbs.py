# Generated from tree_verbs_async.py by tools/twins.py: change that file, not this one.
"""The verbs of the contract over the primitives of a `Tree`: what to ask, in which order, and what to undo."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdall._concurrency import gather
from holdall.core.keys import ReservedKey, check_prefix, is_reserved
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import check_get, missing
from holdall.core.ranges import Coalesce, Merged, coalesce
from holdall.drivers.tree import Entry, Reader, Tree
from holdall.drivers.tree_rules import (
    PAGE,
    SMALL,
    check_copy,
    check_delete,
    check_name,
    check_options,
    check_read,
    checked_keys,
    mapped,
    meta_of,
    result_of,
    sorted_entries,
)
from holdall.errors import HoldallError, MissingPlaceError, NotFoundError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import Source, iter_chunks, source_size

if TYPE_CHECKING:
    from holdall.drivers.tree_store import TreeStore

ROOT_SEEN = 60.0
"""Seconds for which a root that was there is believed to be there."""


def get(store: TreeStore, key: str, options: GetOptions | None) -> GetResult:
    """Open an object for reading. See `Store.get`."""
    options = options or GetOptions()
    path = check_read(store, key, options)
    tree = store.tree()
    try:
        with mapped(store, key):
            reader = tree.open(path, options.version, whole=options.range is None)
    except NotFoundError:
        confirm_root(store, tree)
        raise
    try:
        with mapped(store, key):
            meta = meta_of(key, reader.entry)
            check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=store)
            wanted = options.byte_range
            start, end = (0, meta.size) if wanted is None else wanted.resolve(meta.size)
            small = end - start <= SMALL
            body = reader.read(start, end if small else start)
    except BaseException:
        reader.close()
        raise
    if small:
        reader.close()
        return GetResult(meta, body, range=(start, end))
    pieces = _pieces(store, key, reader, start, end)

    def close() -> None:
        pieces.close()
        reader.close()

    return GetResult(meta, pieces, range=(start, end), close=close)


def _pieces(store: TreeStore, key: str, reader: Reader, start: int, end: int) -> Generator[bytes]:
    chunks = reader.chunks(start, end)
    try:
        with mapped(store, key):
            yield from chunks
    finally:
        chunks.close()


def get_ranges(
    store: TreeStore, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None, rule: Coalesce | None
) -> list[bytes]:
    """Read many ranges of one opened file, so that all are of one version. See `Store.get_ranges`."""
    options = GetOptions(if_match=if_match)
    path = check_read(store, key, options)
    plan = coalesce(ranges, rule)
    tree = store.tree()
    with mapped(store, key):
        reader = tree.open(path)
    try:
        with mapped(store, key):
            size = reader.entry.size
            check_get(options, key=key, etag=reader.entry.etag, last_modified=reader.entry.modified, store=store)
            for start, end in ranges:
                if start >= size and end > start:
                    raise RangeNotSatisfiableError(f"range starts at byte {start} of an object of {size} bytes")

            def fetch(part: Merged) -> bytes:
                return reader.read(part.start, min(part.end, size))

            blocks = gather([lambda p=part: fetch(p) for part in plan], limit=reader.parallel)  # type: ignore[misc]
    finally:
        reader.close()
    parts = [b""] * len(ranges)
    for merged, block in zip(plan, blocks, strict=True):
        for i in merged.members:
            parts[i] = block[ranges[i][0] - merged.start : ranges[i][1] - merged.start]
    return parts


def head(store: TreeStore, key: str, version: str | None) -> ObjectMeta:
    """Describe an object or directory. See `Store.head`."""
    path = check_read(store, key, GetOptions(version=version))
    tree = store.tree()
    try:
        with mapped(store, key):
            entry = tree.stat(path, version)
            wanted = "directory" if key.endswith("/") and not store.markers else "file"
            if entry.kind != wanted or (wanted == "directory" and store.capabilities.directories != "real"):
                raise missing(key, store=store)
            return meta_of(key, entry)
    except NotFoundError:
        confirm_root(store, tree)
        raise


def put(store: TreeStore, key: str, source: Source, options: PutOptions | None) -> PutResult:
    """Write an object: everything under another name first, then at once. See `Store.put`."""
    options = options or PutOptions()
    path = check_name(store, key)
    check_options(store, key, source, options)
    size = source_size(source)
    tree = store.tree()
    if key.endswith("/") and not store.markers:
        with mapped(store, key):
            tree.make_directory(path)
        return PutResult(key=str(key), size=0)
    with mapped(store, key):
        writer = tree.create(path, size, options)
    try:
        for chunk in iter_chunks(source):
            if chunk:
                with mapped(store, key):
                    writer.write(chunk)
        with mapped(store, key):
            entry = writer.publish(options.mode, options.if_match)
    except BaseException:
        writer.abort()
        raise
    return result_of(key, entry)


def delete(store: TreeStore, keys: str | Iterable[str], if_match: str | None) -> list[DeleteResult]:
    """Delete one key or many. See `Store.delete`."""
    check_delete(store, keys, if_match)
    if isinstance(keys, str):
        path = check_name(store, keys)
        return [_delete_one(store, store.tree(), keys, path, if_match)]
    plan = checked_keys(store, keys)
    tree = store.tree()

    def attempt(key: str, path: str) -> DeleteResult:
        try:
            return _delete_one(store, tree, key, path, None)
        except HoldallError as error:
            return DeleteResult(key=str(key), error=error)

    first = dict(plan)
    done = gather([lambda k=k, p=p: attempt(k, p) for k, p in first.items()], limit=tree.workers)  # type: ignore[misc]
    by_key = {result.key: result for result in done}
    return [by_key[str(key)] for key, _ in plan]


def _delete_one(store: TreeStore, tree: Tree, key: str, path: str, if_match: str | None) -> DeleteResult:
    try:
        with mapped(store, key):
            directory = key.endswith("/") and not store.markers
            remove = tree.remove_directory if directory else tree.remove
            existed = remove(path, if_match)
    except NotFoundError:
        existed = False
        confirm_root(store, tree)
    return DeleteResult(key=str(key), existed=existed)


def copy(store: TreeStore, src: str, dst: str, options: CopyOptions | None, source: object) -> PutResult:
    """Copy on the server's side. See `Store.copy`."""
    options = options or CopyOptions()
    src_path, dst_path = check_copy(store, src, dst, options, source)
    tree = store.tree()
    with mapped(store, src, to=dst):
        if options.if_match is not None:
            entry = tree.stat(src_path)
            check_get(GetOptions(if_match=options.if_match), key=src, etag=entry.etag, last_modified=None, store=store)
        entry = tree.copy(src_path, dst_path, options.mode)
        if options.modified is not None:
            tree.set_modified(dst_path, options.modified)
            entry = tree.stat(dst_path)
        return result_of(dst, entry)


def rename(store: TreeStore, src: str, dst: str, mode: str) -> None:
    """Rename a file or directory. See `Store.rename`."""
    options = CopyOptions(mode=mode)  # type: ignore[arg-type]  # it checks
    if not store.capabilities.rename:
        raise store._refusal("rename", "not atomically")
    if options.mode == "create" and not store.capabilities.create:
        raise store._refusal("rename without races")
    src_path, dst_path = check_name(store, src), check_name(store, dst)
    if src.endswith("/") != dst.endswith("/") and not store.markers:
        raise ValueError("a directory is renamed to a directory, a file to a file: both keys end with '/' or none does")
    tree = store.tree()
    with mapped(store, src, to=dst):
        entry = tree.stat(src_path)
        if entry.kind != ("directory" if src.endswith("/") and not store.markers else "file"):
            raise missing(src, store=store)
        if src_path != dst_path:
            tree.move(src_path, dst_path, options.mode)


def versions(store: TreeStore, key: str) -> list[ObjectVersion]:
    """Return the versions of one key. See `Store.versions`."""
    if not store.capabilities.versions:
        raise store._refusal("list versions")
    path = check_name(store, key)
    tree = store.tree()
    with mapped(store, key):
        return tree.versions(path)


@dataclass(slots=True)
class _Page:
    """What has been found and not yet handed out."""

    objects: list[ObjectMeta] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)

    def full(self) -> bool:
        return len(self.objects) + len(self.prefixes) >= PAGE

    def take(self) -> ListPage:
        page = ListPage(self.objects, self.prefixes)
        self.objects, self.prefixes = [], []
        return page


def pages(store: TreeStore, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
    """List directory by directory, in key order; one directory of each level is in memory. See `Store.list`."""
    check_prefix(prefix)
    hidden = not isinstance(prefix, ReservedKey)
    tree = store.tree()
    folder, _, stem = prefix.rpartition("/")
    base = folder + "/" if folder else ""
    if (folder and store.refuses(folder)) or (hidden and is_reserved(folder)):
        return
    after = start_after or ""
    entries = _scan(store, tree, folder)
    if entries is None:
        confirm_root(store, tree)
        return
    real = store.capabilities.directories == "real"
    page = _Page()
    levels = [(base, iter(sorted_entries(base, entries, stem, hidden=hidden)))]
    while levels:
        base, rest = levels[-1]
        entry = next(rest, None)
        if entry is None:
            levels.pop()
            continue
        key = base + entry.name
        if entry.kind == "file":
            if key > after:
                page.objects.append(meta_of(key, entry))
        elif delimiter:
            if key + "/" > after:
                page.prefixes.append(key + "/")
        elif key + "/" > after or after.startswith(key + "/"):
            entries = _scan(store, tree, key)
            if entries is None:
                continue
            below = sorted_entries(key + "/", entries, "", hidden=hidden)
            if below:
                levels.append((key + "/", iter(below)))
            elif real and key + "/" > after:
                page.prefixes.append(key + "/")
        if page.full():
            yield page.take()
    if page.objects or page.prefixes:
        yield page.take()


def _scan(store: TreeStore, tree: Tree, folder: str) -> Sequence[Entry] | None:
    """Return what a directory holds, ``None`` if it is not there (any more)."""
    try:
        with mapped(store, folder):
            return tree.scan(folder)
    except (NotFoundError, NotADirectoryError):
        return None


def confirm_root(store: TreeStore, tree: Tree) -> None:
    """Make sure that a miss is a miss: where the whole root is gone, nothing can be said of what it held.

    Raises:
        MissingPlaceError: The root is not there.
    """
    if tree.prepared or time.monotonic() - store.root_seen < ROOT_SEEN:
        return
    try:
        with mapped(store, ""):
            tree.stat("")
    except NotFoundError as error:
        raise MissingPlaceError("the base directory is not there", store=store) from error
    store.root_seen = time.monotonic()
