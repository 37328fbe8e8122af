# Generated from tree_async.py by tools/twins.py: change that file, not this one.
"""What lies below a node: listing, globbing, walking, deleting. Lazy: a directory is never held in memory as a whole.

Everything works on ``(store, key)`` and yields `ObjectMeta`; a directory is one whose ``kind`` says so and whose key has no
trailing ``/``. `holdall.mounts.node_tree` makes nodes of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.engine.colours import closed
from holdall.engine.links import Links, is_link
from holdall.errors import AlreadyExistsError, HoldallError, InvalidKeyError, IsDirectoryError, NotEmptyError, NotFoundError
from holdall.mounts.entries import folder, in_order, invalid, parents
from holdall.mounts.globs import Glob, literal_start, segment_regex
from holdall.mounts.lookup import describe, directory, file, no_children
from holdall.mounts.permits import check_may_delete, check_may_write
from holdall.results import DeleteResult
from holdall.store import Store

__all__ = [
    "delete_tree",
    "entries",
    "globbed",
    "make_directory",
    "remove_empty",
    "remove_file",
]

BATCH = 1000
"""Keys per bulk delete; the most that S3 takes."""


def entries(store: Store, key: str) -> Iterator[ObjectMeta]:
    """Yield what stands directly in a directory.

    Raises:
        NotFoundError: Nothing there.
        NotDirectoryError: A file is there.
    """
    below = f"{key}/" if key else ""
    seen = False
    with closed(store.list(below, delimiter="/")) as pages:
        for page in pages:
            for meta in in_order(page, below):
                seen = True
                yield meta
            seen = seen or bool(page.objects)
    if not seen and (error := no_children(store, key)) is not None:
        raise error


def globbed(store: Store, key: str, pattern: Glob) -> Iterator[ObjectMeta]:
    """Yield what matches a pattern below a directory, each once; a missing directory has no matches.

    Without ``**`` the segments are followed level by level; with it one recursive listing is matched.
    """
    start = f"{key}/{pattern.head}" if key and pattern.head else key or pattern.head
    if not pattern.tail:
        found = describe(store, start)
        if found is not None and (found.kind == "directory" or not pattern.only_dirs):
            yield found if found.kind == "file" else folder(start)
        return
    matches = _deep(store, key, start, pattern) if pattern.deep else _level(store, start, pattern.tail)
    with closed(matches) as found_ones:
        for meta in found_ones:
            if meta.kind == "directory" or not pattern.only_dirs:
                yield meta


def _level(store: Store, start: str, tail: tuple[str, ...]) -> Iterator[ObjectMeta]:
    """Follow the first segment of the tail in one listing, then the others below each directory that matches."""
    below = f"{start}/" if start else ""
    first, rest = tail[0], tail[1:]
    wanted = segment_regex(first)
    with closed(store.list(below + literal_start(first), delimiter="/")) as pages:
        for page in pages:
            for meta in in_order(page, below):
                if not wanted.fullmatch(meta.key[len(below) :]):
                    continue
                if not rest:
                    yield meta
                elif meta.kind == "directory":
                    with closed(_level(store, meta.key, rest)) as deeper_ones:
                        yield from deeper_ones


def _deep(store: Store, key: str, start: str, pattern: Glob) -> Iterator[ObjectMeta]:
    """Match everything below one directory; directories are known by what lies in them, each is named once."""
    below = f"{start}/" if start else ""
    cut = len(key) + 1 if key else 0
    known: set[str] = {start}
    itself = start[cut:]
    if (itself or set(pattern.tail) == {"**"}) and pattern.matches(itself) and directory(store, start):
        yield folder(start)
    with closed(store.list(below)) as pages:
        for page in pages:
            for meta in in_order(page, below):
                whole = f"{meta.key}/" if meta.kind == "directory" and not meta.key.endswith("/") else meta.key
                for parent in parents(whole, len(below)):
                    if parent not in known:
                        known.add(parent)
                        if pattern.matches(parent[cut:]):
                            yield folder(parent)
                if meta.kind == "file" and pattern.matches(meta.key[cut:]):
                    yield meta


def delete_tree(store: Store, key: str) -> None:
    """Delete a file, and a directory with everything below it; what is absent counts as deleted.

    A link to a directory is deleted itself: what it leads to stays. All items are tried; the first failure is raised afterwards. A key
    with a slash at its end means the directory alone: a file of the name without it stays.
    """
    check_may_delete(store, key)
    failed: HoldallError | None = None
    folders: set[str] = set()
    alone = key.endswith("/")
    below = key if alone or not key else f"{key}/"
    key = key.removesuffix("/")
    real = store.capabilities.directories == "real"
    if key and not alone and (not real or is_link(store, key) or directory(store, key) is None):
        store.delete(key)
        if real:
            return
    links, linked = Links(store, below), set[str]()
    if store.capabilities.list:
        with closed(store.list(below)) as pages:
            for page in pages:
                paths = [*(meta.key for meta in page.objects), *page.prefixes]
                linked.update(link for path in paths if (link := links.above(path)) is not None)
                keys = [meta.key for meta in page.objects if links.above(meta.key) is None]
                for at in range(0, len(keys), BATCH):
                    for result in _delete_batch(store, keys[at : at + BATCH]):
                        failed = failed or result.error
                if real:
                    for path in paths:
                        folders.update(parents(links.above(path) or path, len(below)))
    if key and real:
        folders.add(key)
    for path in folders:
        linked.update(links.within(path))
    if linked:
        for result in store.delete(sorted(linked)):
            failed = failed or result.error
    if real:
        levels: dict[int, list[str]] = {}
        for path in folders:
            levels.setdefault(path.count("/"), []).append(f"{path}/")
        for depth in sorted(levels, reverse=True):  # one call for each: keys of one call may be deleted in any order
            for result in store.delete(sorted(levels[depth])):
                failed = failed or result.error
    if failed is not None:
        raise failed


def _delete_batch(store: Store, keys: list[str]) -> list[DeleteResult]:
    """Delete keys; those that others made and no verb takes (``a/../b`` on an object store) fail by themselves."""
    try:
        return store.delete(keys)
    except InvalidKeyError:
        bad = [DeleteResult(key=key, error=error) for key in keys if (error := invalid(key)) is not None]
        if not bad:
            raise
        odd = {result.key for result in bad}
        return [*bad, *store.delete([key for key in keys if key not in odd])]


def make_directory(store: Store, key: str, *, parents: bool, exist_ok: bool) -> None:
    """Make a directory: a real one, a marker, or nothing where directories exist only by what is in them.

    Raises:
        AlreadyExistsError: Something is there (a directory too, unless ``exist_ok``).
        NotFoundError: The parent is missing, where directories are real and ``parents`` is false.
    """
    check_may_write(store, key)
    found = describe(store, key)
    if found is not None:
        if found.kind == "directory" and exist_ok:
            return
        raise AlreadyExistsError(f"{key!r} already exists", key=key, store=store)
    capabilities = store.capabilities
    if capabilities.directories == "real" and not parents:
        parent = key.rpartition("/")[0]
        if parent and directory(store, parent) is None:
            raise NotFoundError(f"no directory at {parent!r} to make {key!r} in", key=key, store=store)
    if capabilities.directories != "implied":
        try:
            store.put(f"{key}/", b"", PutOptions(mode="create") if capabilities.create else None)
        except AlreadyExistsError:  # another one made it in between
            if not exist_ok:
                raise


def remove_empty(store: Store, key: str) -> None:
    """Delete an empty directory.

    Raises:
        NotFoundError: No directory there.
        OSError: It is not empty.
    """
    check_may_delete(store, key)
    with closed(entries(store, key)) as found:
        for _ in found:
            raise NotEmptyError(f"the directory {key!r} is not empty", key=key, store=store)
    if not key:
        raise IsDirectoryError("the root of a mount stays", store=store)
    store.delete(f"{key}/")


def remove_file(store: Store, key: str, *, missing_ok: bool) -> None:
    """Delete a file.

    Raises:
        NotFoundError: Nothing there, and ``missing_ok`` is false.
        IsDirectoryError: A directory.
    """
    check_may_delete(store, key)
    if file(store, key) is None:
        if directory(store, key) is not None:
            raise IsDirectoryError(f"{key!r} is a directory", key=key, store=store)
        if missing_ok:
            return
        raise NotFoundError(f"nothing at {key!r}", key=key, store=store)
    store.delete(key)
