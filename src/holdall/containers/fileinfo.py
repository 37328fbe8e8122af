"""What is combined: archives wherever they are, in chunks, or objects to encode."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from holdall.containers.reader import LazyReader
from holdall.store import Store

__all__ = ["MISSING", "FileInfo", "Validate", "at_hand", "check_validate", "info_of", "is_stream", "reader_of"]

MISSING: Any = object()
Validate = Literal["toc", "full"] | bool


@dataclass(frozen=True, slots=True)
class FileInfo:
    """An archive to embed, or an object to encode into one.

    Attributes:
        source: Where the archive is: what `LazyReader` takes, a reader, or an iterable of an archive's bytes.
        name: Its name in the combined archive.
        fs, s3fs: An fsspec filesystem for a path.
        store: A store for a key.
        obj: What to encode instead of a source.

    Raises:
        TypeError: A source and an object, or neither.

    Example:
        >>> FileInfo("a.lazy", "a").name
        'a'
    """

    source: Any = None
    name: str | None = None
    fs: Any = None
    s3fs: Any = None
    store: Store | None = None
    obj: Any = MISSING

    def __post_init__(self) -> None:
        if (self.source is None) == (self.obj is MISSING):
            raise TypeError("a FileInfo has a source or an obj, one of them")


def info_of(source: Any, name: str | None) -> FileInfo:
    """Return what is to be combined as a `FileInfo`.

    Raises:
        ValueError: Two names for it.
    """
    info = source if isinstance(source, FileInfo) else FileInfo(source)
    if name is not None and info.name not in {None, name}:
        raise ValueError(f"two names for one child: {info.name!r} and {name!r}")
    return info if name is None else replace(info, name=name)


def at_hand(files: Iterable[Any]) -> list[FileInfo]:
    """Return what is to be combined, with readers of archives in stores, which can be looked at together; local files are opened one by one."""
    infos = [info_of(file, None) for file in files]
    for i, info in enumerate(infos):
        if info.obj is MISSING and not isinstance(info.source, LazyReader) and not is_stream(info.source):
            reader, _ = reader_of(info)
            if not reader._origin.store.capabilities.local:
                infos[i] = FileInfo(reader, info.name)
    return infos


def check_validate(validate: object) -> None:
    """Check how closely archives are to be looked at.

    Raises:
        ValueError: It is none of the ways.
    """
    if validate not in (True, False, "toc", "full"):
        raise ValueError(f"validate is True, False, 'toc' or 'full', not {validate!r}")


def is_stream(source: Any) -> bool:
    """Tell whether a source is an archive's bytes in chunks."""
    if isinstance(source, (str, bytes, bytearray, memoryview, LazyReader)) or hasattr(source, "read"):
        return False
    return isinstance(source, (Iterable, AsyncIterable)) and not hasattr(source, "key") and not hasattr(source, "fs")


def reader_of(info: FileInfo) -> tuple[LazyReader, bool]:
    """Return a reader of a source, and whether it was made for it."""
    if isinstance(info.source, LazyReader):
        return info.source, False
    return LazyReader(info.source, fs=info.fs, s3fs=info.s3fs, store=info.store, cached=False), True
