"""How readers and views travel to another process: by a name, a path and an etag; never with handles, bytes or secrets."""

from __future__ import annotations

import pickle
from typing import Any

from holdall.containers.archive import Cursor, Origin
from holdall.containers.options import ReadOptions
from holdall.containers.reader import LazyReader

__all__ = ["reader_recipe", "view_recipe"]


def reader_recipe(origin: Origin, path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a reader is pickled as.

    Raises:
        TypeError: Its source has no name that means the same elsewhere.
    """
    source: Any = origin.recipe
    if source is None:
        if origin.file is not None and origin.file.inline:
            raise TypeError("a reader of bytes in memory cannot be pickled: pickle the bytes")
        try:
            pickle.dumps(origin.store)
        except Exception as error:
            raise TypeError(f"a reader over {origin.store!r} cannot be pickled: {error}") from error
        source = (origin.store, origin.key)
    etag = origin.etag if origin.file is None else origin.file.etag
    return _reader, (source, origin.options, origin.cache.limit, etag, origin.version, path)


def view_recipe(cursor: Cursor) -> tuple[Any, ...]:
    """Return what a view is pickled as: its reader, and its path there."""
    return _view, (reader_recipe(cursor.archive.origin, ()), cursor.path)


def _reader(
    source: Any, options: ReadOptions, limit: int | None, etag: str | None, version: str | None, path: tuple[Any, ...]
) -> LazyReader:
    store, where = source if isinstance(source, tuple) else (None, source)
    reader = LazyReader(where, store=store, cache_bytes=limit, if_match=etag, version=version, options=options)
    reader._path = path
    return reader


def _view(recipe: tuple[Any, ...], path: tuple[Any, ...]) -> Any:
    make, arguments = recipe
    return make(*arguments).read(path)
