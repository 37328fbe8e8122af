# Generated from zipping_async.py by tools/twins.py: change that file, not this one.
"""A tree as a zip file, streamed: entries in order, bounded memory, zip64 where needed, names that cannot climb."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from holdall._concurrency import run
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.engine.colours import closed
from holdall.engine.walking import walk
from holdall.errors import IsDirectoryError, NotFoundError
from holdall.mounts.lookup import describe
from holdall.mounts.tank import Tank, entry_name, unique
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["Compression", "zipped"]

Compression = Literal["deflate", "store", "bzip2", "lzma"]
_METHODS = {
    "deflate": zipfile.ZIP_DEFLATED,
    "store": zipfile.ZIP_STORED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
_BIG = 1 << 30
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or empty directory to be zipped."""

    name: str
    store: Store
    meta: ObjectMeta
    version: str | None = None


def zipped(
    nodes: Sequence[StorageNode], *, nested: bool, compression: Compression = "deflate", level: int | None = None
) -> Iterator[bytes]:
    """Yield the bytes of a zip file.

    Args:
        nodes: What goes in.
        nested: Directories go in under their names; else their contents go in directly.
        compression: ``deflate``, ``store``, ``bzip2`` or ``lzma``.
        level: Of the compression.

    Raises:
        ValueError: Another compression.
        NotFoundError: A node is not there.
    """
    if compression not in _METHODS:
        raise ValueError(f"Unknown compression {compression!r}: {', '.join(_METHODS)}")
    tank = Tank()
    taken: set[str] = set()
    with zipfile.ZipFile(tank, "w", _METHODS[compression], allowZip64=True, compresslevel=level) as archive:
        for node in nodes:
            with closed(_entries(node, nested=nested)) as entries:
                for entry in entries:
                    info = zipfile.ZipInfo(unique(entry.name, taken), _stamp(entry.meta))
                    info.compress_type = _METHODS[compression] if entry.meta.kind == "file" else zipfile.ZIP_STORED
                    info.external_attr = (0o40755 << 16 | 0x10) if entry.meta.kind == "directory" else 0o644 << 16
                    info.file_size = entry.meta.size
                    if level is not None:
                        info._compresslevel = level  # type: ignore[attr-defined]  # public only from Python 3.13 on
                    if entry.meta.kind == "directory":
                        archive.writestr(info, b"")
                    else:
                        with closed(_written(archive, info, entry, tank)) as pieces:
                            yield from pieces
        if tank.level >= PIECE:
            yield tank.drain()
    yield tank.drain()


def _written(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry, tank: Tank) -> Iterator[bytes]:
    """Write one file into the archive, yielding what comes out."""
    options = None if entry.version is None else GetOptions(version=entry.version)
    with entry.store.get(entry.meta.key, options) as result:
        info.file_size = result.meta.size
        with archive.open(info, "w", force_zip64=result.meta.size >= _BIG) as target:
            for chunk in result.chunks(PIECE):
                run(partial(target.write, chunk))
                if tank.level >= PIECE:
                    yield tank.drain()
    if tank.level >= PIECE:
        yield tank.drain()


def _entries(node: StorageNode, *, nested: bool) -> Iterator[Entry]:
    """Yield what a node contributes: a file, or all files and empty directories below it."""
    store, key = node._store(), node.path
    if node._virtual is not None:
        yield Entry(entry_name(node.name or "content"), store, store.head(key))
        return
    version = node._pinned(store)
    meta = describe(store, key, version)
    if meta is None:
        raise NotFoundError(f"nothing at {node.fullpath!r}", key=key, store=store)
    if meta.kind == "file":
        yield Entry(entry_name(node.name if not node._inline else "content"), store, meta, version)
        return
    if version is not None:
        raise IsDirectoryError(f"{node.fullpath!r} is a directory: it has no versions", key=key, store=store)
    below = f"{key}/" if key else ""
    start = f"{node.name}/" if nested and node.name else ""
    with closed(walk(store, below)) as batches:
        for batch in batches:
            for found in batch:
                name = entry_name(start + found.key[len(below) :])
                folder = found.kind == "directory" or found.key.endswith("/")
                yield Entry(
                    f"{name}/" if folder else name,
                    store,
                    ObjectMeta(key=found.key, size=0, kind="directory", last_modified=found.last_modified)
                    if folder
                    else found,
                )


def _stamp(meta: ObjectMeta) -> tuple[int, int, int, int, int, int]:
    """Return a time as zip files have it: local, from 1980 on."""
    if meta.last_modified is None:
        return 1980, 1, 1, 0, 0, 0
    moment = time.localtime(meta.last_modified.timestamp())
    return max((1980, 1, 1, 0, 0, 0), min(tuple(moment[:6]), (2107, 12, 31, 23, 59, 58)))  # type: ignore[return-value]
