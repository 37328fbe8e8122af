"""A tree as a zip file, streamed: entries in order, bounded memory, zip64 where needed, names that cannot climb."""

from __future__ import annotations

import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.engine.colours import closed_async
from holdall.engine.walking_async import walk_async
from holdall.errors import IsDirectoryError, NotFoundError
from holdall.mounts.lookup_async import describe_async
from holdall.mounts.tank import Tank, entry_name, unique
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["Compression", "zipped_async"]

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


async def zipped_async(
    nodes: Sequence[StorageNode], *, nested: bool, compression: Compression = "deflate", level: int | None = None
) -> AsyncIterator[bytes]:
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
            async with closed_async(_entries_async(node, nested=nested)) as entries:
                async for entry in entries:
                    info = zipfile.ZipInfo(unique(entry.name, taken), _stamp(entry.meta))
                    info.compress_type = _METHODS[compression] if entry.meta.kind == "file" else zipfile.ZIP_STORED
                    info.external_attr = (0o40755 << 16 | 0x10) if entry.meta.kind == "directory" else 0o644 << 16
                    info.file_size = entry.meta.size
                    if level is not None:
                        info._compresslevel = level  # type: ignore[attr-defined]  # public only from Python 3.13 on
                    if entry.meta.kind == "directory":
                        archive.writestr(info, b"")
                    else:
                        async with closed_async(_written_async(archive, info, entry, tank)) as pieces:
                            async for piece in pieces:
                                yield piece
        if tank.level >= PIECE:
            yield tank.drain()
    yield tank.drain()


async def _written_async(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry, tank: Tank) -> AsyncIterator[bytes]:
    """Write one file into the archive, yielding what comes out."""
    options = None if entry.version is None else GetOptions(version=entry.version)
    async with await entry.store.get_async(entry.meta.key, options) as result:
        info.file_size = result.meta.size
        with archive.open(info, "w", force_zip64=result.meta.size >= _BIG) as target:
            async for chunk in result.chunks_async(PIECE):
                await run_async(partial(target.write, chunk))
                if tank.level >= PIECE:
                    yield tank.drain()
    if tank.level >= PIECE:
        yield tank.drain()


async def _entries_async(node: StorageNode, *, nested: bool) -> AsyncIterator[Entry]:
    """Yield what a node contributes: a file, or all files and empty directories below it."""
    store, key = node._store(), node.path
    if node._virtual is not None:
        yield Entry(entry_name(node.name or "content"), store, await store.head_async(key))
        return
    version = await node._pinned_async(store)
    meta = await describe_async(store, key, version)
    if meta is None:
        raise NotFoundError(f"nothing at {node.fullpath!r}", key=key, store=store)
    if meta.kind == "file":
        yield Entry(entry_name(node.name if not node._inline else "content"), store, meta, version)
        return
    if version is not None:
        raise IsDirectoryError(f"{node.fullpath!r} is a directory: it has no versions", key=key, store=store)
    below = f"{key}/" if key else ""
    start = f"{node.name}/" if nested and node.name else ""
    async with closed_async(walk_async(store, below)) as batches:
        async for batch in batches:
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
