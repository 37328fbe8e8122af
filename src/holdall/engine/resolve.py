"""What a user hands any face becomes a store and a key here, once.

Nothing is asked of a storage: names are taken apart, stores are looked up in the table of mounts or made (they open lazily).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from holdall.core.keys import clean_path
from holdall.core.urls import url_scheme
from holdall.engine.table import MountTable, default_table
from holdall.errors import InvalidKeyError, NotSupportedError, UnknownMountError
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.drivers.backend import Bound

__all__ = ["Located", "Resolved", "mount_reference", "resolve"]

_DRIVE = re.compile(r"[A-Za-z]:(?:[\\/]|$)")
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "r2"})
_LOCAL = frozenset({"file", "local"})


@runtime_checkable
class Located(Protocol):
    """Anything that knows its store and key: a node, a file object of a column, a `Resolved`."""

    @property
    def store(self) -> Store:
        """Where."""
        ...

    @property
    def key(self) -> str:
        """Under which key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A store and a key.

    Attributes:
        store: The store.
        key: The key; ``""`` is the root of the store.
        version: The version that was named with it.
        size: The size, if what was handed in knew it.
        mount: The mount, if it was named by one.
        handle: The open file or buffer, if it was one.
    """

    store: Store
    key: str
    version: str | None = None
    size: int | None = None
    mount: str | None = None
    handle: Any = None

    def __str__(self) -> str:
        return f"{self.mount}:{self.key}" if self.mount is not None else f"{self.store!r}:{self.key}"


def resolve(
    where: Any,
    *,
    store: Store | None = None,
    fs: Any = None,
    table: MountTable | None = None,
    raw: bool = False,
) -> Resolved:
    r"""Return the store and key of what a user named.

    ================================================  ===================================================================
    given                                             meaning
    ================================================  ===================================================================
    ``str`` and ``store=``                            that key of that store
    ``str`` and ``fs=``                               that path of that fsspec filesystem, handed over as it is
    ``"scheme://…"``, ``"data:…"``                    what the registry of storage types makes of it
    ``"mount:path"``                                  that mount of the table
    other ``str``, ``os.PathLike``                    a local path; ``C:\x`` and ``C:/x`` always are
    a node, anything with ``store`` and ``key``       itself
    a `Store`                                         its root
    a ``UPath``, an ``fsspec`` open file              its filesystem and path
    bytes-like, ``io.BytesIO``, a binary file         a store with the one object ``data``
    ================================================  ===================================================================

    Args:
        where: One of these.
        store: A store, for a key.
        fs: An fsspec filesystem, for a path.
        table: Where mounts are looked up; the default one if ``None``.
        raw: Take the path of a mount or URL exactly; else slashes collapse and ``.`` drops, as people write.

    Raises:
        TypeError: None of these, or ``store`` or ``fs`` beside something that needs none.
        ValueError: A closed file; an empty name.
        ConfigError: A URL with faults; an unknown mount (`UnknownMountError`).
        InvalidKeyError: ``..`` or NUL in a path within a store.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> found = resolve("scratch:a//b.txt", table=MountTable({"scratch": MemoryStore()}))
        >>> found.store, found.key
        (MemoryStore(), 'a/b.txt')
    """
    if store is not None or fs is not None:
        return _beside(where, store, fs)
    if isinstance(where, Resolved):
        return where
    if isinstance(where, str):
        return _named(where, table, raw=raw)
    if isinstance(where, Store):
        return Resolved(store=where, key="")
    if isinstance(where, (bytes, bytearray, memoryview)):
        return _handle(where)
    if hasattr(where, "fs") and hasattr(where, "path"):
        return _foreign(where)
    if isinstance(where, os.PathLike):
        return _local(os.fspath(where))
    if isinstance(where, Located):  # before files: a node can be read too
        version = getattr(where, "version", None)
        return Resolved(store=where.store, key=where.key, version=version if isinstance(version, str) else None)
    if isinstance(where, io.IOBase) or hasattr(where, "read"):
        return _handle(where)
    raise TypeError(f"cannot tell where a {type(where).__name__} is: a path, URL, 'mount:path', node, store or binary file")


def mount_reference(text: str) -> tuple[str, str] | None:
    r"""Split ``"mount:path"``; ``None`` if the text is something else (a URL, a Windows path, a plain path).

    Example:
        >>> mount_reference("uploads:a/b"), mount_reference("C:/x"), mount_reference("s3://b"), mount_reference("./a:b")
        (('uploads', 'a/b'), None, None, None)
    """
    name, colon, path = text.partition(":")
    if not colon or not name or "/" in name or "\\" in name or _DRIVE.match(text) or url_scheme(text) is not None:
        return None
    return name, path


def _beside(where: Any, store: Store | None, fs: Any) -> Resolved:
    """Resolve a key of a store, or a path of a filesystem."""
    if store is not None and fs is not None:
        raise TypeError("either store= or fs=")
    if store is not None:
        if not isinstance(store, Store):
            raise TypeError(f"store= is a Store, not a {type(store).__name__}")
        if not isinstance(where, str):
            raise TypeError(f"a key beside store= is a str, not a {type(where).__name__}")
        return Resolved(store=store, key=where)
    if not isinstance(where, str):
        raise TypeError(f"a path beside fs= is a str, not a {type(where).__name__}")
    return _filesystem(fs, where)


# -- names ------------------------------------------------------------------------------------------------------------------


def _named(text: str, table: MountTable | None, *, raw: bool) -> Resolved:
    if not text:
        raise InvalidKeyError("a name cannot be empty", key=text)
    if url_scheme(text) is not None:
        return _url(text, default_table() if table is None else table, raw=raw)
    reference = mount_reference(text)
    if reference is None:
        return _local(text)
    name, path = reference
    try:
        mount = (default_table() if table is None else table).mount(name)
    except UnknownMountError as error:
        hint = "; for a local file with a colon in its name give pathlib.Path(...)"
        raise UnknownMountError(error.message + hint, key=text) from None
    return Resolved(store=mount.bind(), key=path if raw or mount.inline else clean_path(path), mount=name)


def _local(given: Any) -> Resolved:
    """Resolve a local path: links are followed, so that they may lead anywhere, as with `open`."""
    text = os.fsdecode(given)
    if not text:
        raise InvalidKeyError("a name cannot be empty", key=text)
    if "\0" in text:
        raise InvalidKeyError(f"a path cannot hold NUL: {text!r}", key=text)
    root, key = _split_local(os.path.realpath(text))
    return Resolved(store=_local_store(root), key=key)


def _split_local(path: str) -> tuple[str, str]:
    """Return the nearest directory above a path that exists, and the rest as a key."""
    root, name = os.path.split(path)
    key = name
    while name and not os.path.isdir(root):
        root, name = os.path.split(root)
        key = f"{name}/{key}"
    return root, key


def _local_store(root: str, **options: Any) -> Store:
    from holdall.drivers.local import LocalStore  # noqa: PLC0415  # only for local paths

    return LocalStore(root, **options)


# -- URLs -------------------------------------------------------------------------------------------------------------------


def _url(text: str, table: MountTable, *, raw: bool) -> Resolved:
    from holdall.drivers.building import refuse_faces  # noqa: PLC0415  # only for URLs
    from holdall.drivers.registry import default_registry  # noqa: PLC0415

    registry = table.registry or default_registry()
    bound = registry.bind(text)
    refuse_faces(bound)
    root, key = _root_and_key(bound, raw=raw)
    mark = _mark(root)
    store = registry.open(root) if mark is None else table.kept(mark, lambda: registry.open(root))
    return Resolved(store=store, key=key)


def _root_and_key(bound: Bound, *, raw: bool) -> tuple[Bound, str]:
    """Part a URL's description into that of the store and the key in it."""
    url = bound.url
    assert url is not None  # it came from one
    path = bound.fields.get("path")
    if bound.type == "base64":
        return bound, url.reveal()
    if bound.type == "fsspec":
        # How the rest is taken apart is the filesystem's to say: only the last segment is surely a name in it.
        whole = list(url.segments)
        key = whole.pop() if whole else ""
        above = replace(url, segments=tuple(whole))
        return replace(bound, url=above, source=above), key
    if bound.type == "local":
        root, key = _split_local(os.path.realpath(str(path)))
        return bound.with_fields(path=root), key
    if bound.type == "http":
        segments = list(url.segments) if raw else [s for s in url.segments if s]
        address = bound.fields["base_url"]
        return bound.with_fields(base_url=f"{address.partition('://')[0]}://{url.netloc}"), "/".join(segments)
    if bound.type == "webdav" and url.path:
        # Only the collection that a name lies in is sure to answer: what is above it may be another server's page.
        return bound.with_fields(url=bound.fields["url"].rstrip("/").rpartition("/")[0]), [s for s in url.segments if s][-1]
    if not path:
        return bound, ""
    if path.startswith("/") or bound.type in _PARENTED:
        parent, _, key = path.rpartition("/")
        return bound.with_fields(path=parent or ("/" if path.startswith("/") else None)), key
    return bound.with_fields(path=None), _exact(url.segments, path) if raw else path


_PARENTED = frozenset({"sftp", "ftp", "ftps"})


def _exact(segments: tuple[str, ...], path: str) -> str:
    """Return the key as it stands in the URL, of which ``path`` is the cleaned form: ``a//b``, ``d/``."""
    for start in range(len(segments) - 1, -1, -1):
        if clean_path("/".join(segments[start:])) == path:
            return "/".join(segments[start:])
    return path


def _mark(bound: Bound) -> Hashable | None:
    """Return what a store is told apart by, secrets included; ``None`` for what is not worth keeping."""
    if bound.type == "local":
        return None
    values = {**bound.fields, **{n: v for n, v in bound.common.items() if n != "name"}}
    named = tuple(sorted((n, v) for n, v in values.items() if v is not None))
    return bound.type, bound.url if bound.type == "fsspec" else None, named


# -- filesystems and files --------------------------------------------------------------------------------------------------


def _filesystem(fs: Any, path: str, **known: Any) -> Resolved:
    """Resolve a path of an fsspec filesystem: the bucket or directory becomes the root of a store, the rest the key."""
    strip = getattr(fs, "_strip_protocol", None)
    if not callable(strip):
        raise TypeError(f"fs= is an fsspec filesystem, not a {type(fs).__name__}")
    protocol = fs.protocol if isinstance(fs.protocol, str) else next(iter(fs.protocol), "")
    stripped = str(strip(path))
    if protocol in _BUCKETS:
        root, _, key = stripped.lstrip("/").partition("/")
    else:
        root, _, key = stripped.rpartition("/")
        root = root or ("/" if stripped.startswith("/") else "")
    from holdall.drivers.factories import open_fsspec  # noqa: PLC0415  # only for filesystems

    return Resolved(store=open_fsspec(fs, path=root), key=key, **known)


def _foreign(where: Any) -> Resolved:
    """Resolve what has a filesystem and a path: a ``UPath``, an open fsspec file, an ``OpenFile``."""
    protocol = getattr(where.fs, "protocol", "")
    if _LOCAL.intersection([protocol] if isinstance(protocol, str) else protocol) and isinstance(where, os.PathLike):
        return _local(os.fspath(where))
    if getattr(where, "compression", None) and not hasattr(where, "read"):
        raise NotSupportedError("an OpenFile that decompresses has no exact ranges: give the path of the compressed file")
    if not hasattr(where, "read"):
        return _filesystem(where.fs, str(where.path))
    if where.closed:
        raise ValueError("the file is closed")
    version, size = getattr(where, "version_id", None), getattr(where, "size", None)
    return _filesystem(
        where.fs,
        str(where.path),
        version=version if isinstance(version, str) else None,
        size=size if isinstance(size, int) and "r" in str(getattr(where, "mode", "")) else None,
        handle=where,
    )


def _handle(where: Any) -> Resolved:
    from holdall.drivers.handle import HandleStore  # noqa: PLC0415  # only for open files

    store = HandleStore(where)
    return Resolved(store=store, key="data", handle=where)
