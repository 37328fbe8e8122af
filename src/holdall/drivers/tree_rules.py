"""The decisions behind the verbs over a `Tree`: what is refused before any I/O, what is shown, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from holdall.core.keys import ReservedKey, check_key, is_reserved
from holdall.core.meta import EMPTY, ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import missing
from holdall.drivers.tree import Entry
from holdall.errors import HoldallError, InvalidKeyError
from holdall.results import CHUNK, PutResult

if TYPE_CHECKING:
    from holdall.drivers.tree_store import TreeStore

PAGE = 1000
"""Objects and prefixes in one page of a listing."""

SMALL = CHUNK
"""Bytes up to which `get` fetches the body at once, so that no connection waits for a reader."""


class mapped:  # noqa: N801  # a context manager reads like a function
    """Raise what happens inside as an error of `holdall.errors`, with key and store.

    Args:
        store: Translates its library's errors.
        key: For the error.
        to: The other key of a copy or rename: what already exists stands there.
    """

    __slots__ = ("_key", "_store", "_to")

    def __init__(self, store: TreeStore, key: str, *, to: str | None = None) -> None:
        self._store, self._key, self._to = store, str(key), to

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not isinstance(error, Exception):
            return
        found = error if isinstance(error, HoldallError) else self._store.translate(error, repr(self._key))
        if found is None:
            return
        if found.key is None:
            found.key = self._to if self._to is not None and isinstance(found, FileExistsError) else self._key
        if found.store is None:
            found.store = repr(self._store)
        if found is not error:
            raise found from error


def check_name(store: TreeStore, key: str) -> str:
    """Return the path of a key, without a trailing ``/`` (unless that is a marker's name).

    Raises:
        InvalidKeyError: No such path can be in this tree.
        ClosedError: The store is closed.
    """
    check_key(key)
    store.check_open()
    path = str(key[:-1] if key[-1] == "/" and not store.markers else key)
    why = store.refuses(path)
    if why is not None:
        raise InvalidKeyError(f"{key!r} cannot be stored here: {why}", key=key, store=store)
    return path


def check_read(store: TreeStore, key: str, options: GetOptions) -> str:
    """Return the path of a key that is to be read.

    Raises:
        NotSupportedError: A version or condition that the tree does not know.
    """
    path = check_name(store, key)
    capabilities = store.capabilities
    if options.version is not None and not capabilities.versions:
        raise store._refusal("read versions")
    if options.conditional and not capabilities.conditional_read:
        raise store._refusal("read under conditions")
    return path


def check_options(store: TreeStore, key: str, source: object, options: PutOptions) -> None:
    """Refuse what the tree cannot write or keep.

    Raises:
        NotSupportedError: A verb, mode or attribute that the tree does not have.
        InvalidKeyError: Bytes for a directory.
    """
    capabilities = store.capabilities
    if not capabilities.write:
        raise store._refusal("write")
    if key.endswith("/"):
        if not (isinstance(source, bytes) and not source):
            raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=store)
        if capabilities.directories == "implied":
            raise store._refusal("make directories")
    if options.mode == "create" and not capabilities.create:
        raise store._refusal("create without races")
    if options.mode == "update" and not capabilities.update:
        raise store._refusal("compare and set")
    if key.endswith("/") and not store.markers and options.mode != "overwrite":
        raise store._refusal("make directories under a condition")
    if options.metadata and not capabilities.metadata:
        raise store._refusal("keep user metadata")
    if replace(options, metadata=EMPTY).annotated and not capabilities.attributes:
        raise store._refusal("keep a content type or other headers")
    if options.tags and not capabilities.tags:
        raise store._refusal("keep tags")
    if options.storage_class is not None and not capabilities.storage_class:
        raise store._refusal("keep a storage class")


def check_delete(store: TreeStore, keys: str | Iterable[str], if_match: str | None) -> None:
    """Refuse what the tree cannot delete.

    Raises:
        NotSupportedError: No deletion, or none under a condition.
        ValueError: A condition for many keys.
    """
    store.check_open()
    if not store.capabilities.delete:
        raise store._refusal("delete")
    if if_match is not None:
        if not isinstance(keys, str):
            raise ValueError("if_match goes with one key")
        if not store.capabilities.conditional_delete or (keys.endswith("/") and not store.markers):
            raise store._refusal("delete under a condition")


def checked_keys(store: TreeStore, keys: Iterable[str]) -> list[tuple[str, str]]:
    """Return each key with its path; a bad one raises before any I/O."""
    return [(key, check_name(store, key)) for key in keys]


def check_copy(store: TreeStore, src: str, dst: str, options: CopyOptions, source: object) -> tuple[str, str]:
    """Return both paths of a copy.

    Raises:
        NotSupportedError: The tree cannot copy, or not from there, or not with these options.
    """
    from holdall.store import Store  # noqa: PLC0415  # no import cycle at run time

    if not store.capabilities.copy:
        raise store._refusal("copy")
    if isinstance(source, Store):
        owner, src = source.locate(src)
        if owner is not store:
            raise store._refusal("copy", f"{source!r} is another storage")
    if options.mode == "create" and not store.capabilities.create:
        raise store._refusal("copy without races")
    if options.version is not None:
        raise store._refusal("copy versions")
    if options.metadata is not None:
        raise store._refusal("keep user metadata")
    store._checked_copy(options)
    if options.if_match is not None and not store.capabilities.conditional_read:
        raise store._refusal("copy under conditions")
    paths = check_name(store, src), check_name(store, dst)
    for key in (src, dst):
        if key.endswith("/") and not store.markers:
            raise missing(key, store=store)
    return paths


def sorted_entries(base: str, entries: Sequence[Entry], stem: str, *, hidden: bool) -> list[Entry]:
    """Return what a listing shows of one directory, in the order of keys.

    A directory sorts as its name with ``/``, for that is how the keys below it go on.

    Args:
        base: Key prefix of the directory, ``""`` or ending with ``/``.
        entries: What it holds.
        stem: Text that names must start with.
        hidden: Leave out reserved names.

    Example:
        >>> kinds = [Entry(name="a"), Entry(name="a", kind="directory"), Entry(name="a-b"), Entry(name=".holdall-1.tmp")]
        >>> [entry.name for entry in sorted_entries("", kinds, "", hidden=True)]
        ['a', 'a-b', 'a']
    """
    kept = [
        entry
        for entry in entries
        if entry.kind != "other"
        and entry.name.startswith(stem)
        and not (hidden and is_reserved(entry.name))
        and _nameable(base, entry.name)
    ]
    kept.sort(key=lambda entry: entry.name + "/" if entry.kind == "directory" else entry.name)
    return kept


def _nameable(base: str, name: str) -> bool:
    """Tell whether a name found in a directory can be part of a key: an odd one never breaks a listing."""
    if not name or "/" in name:
        return False
    try:
        check_key(ReservedKey(base + name))
    except InvalidKeyError:
        return False
    return True


def meta_of(key: str, entry: Entry) -> ObjectMeta:
    """Return an entry as the contract describes it."""
    directory = entry.kind == "directory" or key.endswith("/")
    return ObjectMeta(
        key=str(key),
        size=0 if directory else entry.size,
        last_modified=entry.modified,
        etag=None if directory else entry.etag,
        version=entry.version,
        attributes=entry.attributes,
        kind="directory" if directory else "file",
    )


def result_of(key: str, entry: Entry) -> PutResult:
    """Return what was published at a key."""
    return PutResult(key=str(key), size=entry.size, etag=entry.etag, version=entry.version, last_modified=entry.modified)
