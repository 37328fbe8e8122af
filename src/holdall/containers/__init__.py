"""Nested data in one object, read in part: an ordinary msgpack or CBOR document with a table of contents behind it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall.containers.arrays import TypedArray
    from holdall.containers.combiner import LazyCombiner, append, append_async, combine, combine_async
    from holdall.containers.errors import ChecksumError, EncodeError, FormatError, MissingIndexError, MissingKeyError
    from holdall.containers.fileinfo import FileInfo
    from holdall.containers.options import Codec, ReadOptions, ReadStats, VerifyReport, WriteOptions, WriteResult
    from holdall.containers.plain import stream_list, stream_map
    from holdall.containers.reader import LazyReader, load, load_async
    from holdall.containers.views import LazyArray, LazyDict, LazyList, to_obj
    from holdall.containers.writer import LazyWriter, dump, dump_async, dumps, loads

_HOMES = {
    "ChecksumError": "errors",
    "Codec": "options",
    "EncodeError": "errors",
    "FileInfo": "fileinfo",
    "FormatError": "errors",
    "LazyArray": "views",
    "LazyCombiner": "combiner",
    "LazyDict": "views",
    "LazyList": "views",
    "LazyReader": "reader",
    "LazyWriter": "writer",
    "MissingIndexError": "errors",
    "MissingKeyError": "errors",
    "ReadOptions": "options",
    "ReadStats": "options",
    "TypedArray": "arrays",
    "VerifyReport": "options",
    "WriteOptions": "options",
    "WriteResult": "options",
    "append": "combiner",
    "append_async": "combiner",
    "combine": "combiner",
    "combine_async": "combiner",
    "dump": "writer",
    "dump_async": "writer",
    "dumps": "writer",
    "load": "reader",
    "load_async": "reader",
    "loads": "writer",
    "stream_list": "plain",
    "stream_map": "plain",
    "to_obj": "views",
}

__all__ = [
    "ChecksumError",
    "Codec",
    "EncodeError",
    "FileInfo",
    "FormatError",
    "LazyArray",
    "LazyCombiner",
    "LazyDict",
    "LazyList",
    "LazyReader",
    "LazyWriter",
    "MissingIndexError",
    "MissingKeyError",
    "ReadOptions",
    "ReadStats",
    "TypedArray",
    "VerifyReport",
    "WriteOptions",
    "WriteResult",
    "append",
    "append_async",
    "combine",
    "combine_async",
    "dump",
    "dump_async",
    "dumps",
    "load",
    "load_async",
    "loads",
    "stream_list",
    "stream_map",
    "to_obj",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
