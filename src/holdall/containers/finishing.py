"""The end of an archive: header, table of contents, annex (format sections 1, 2 and 4)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.containers.encoder import Annex
from holdall.containers.engines import Unusual, engine
from holdall.containers.errors import EncodeError
from holdall.containers.header import HEADER, Header, pack_header
from holdall.containers.options import WriteOptions
from holdall.containers.wire import map_head

__all__ = ["finish"]

WRITER = "holdall 0.1"


class _Wide(int):
    """A position written in nine bytes, so that the table's size is known before its value is."""


def finish(
    node: Mapping[str, Any], data_size: int, options: WriteOptions, annexes: Sequence[Annex] = ()
) -> tuple[bytes, bytes]:
    """Return the 50 header bytes, and everything that follows the document.

    Args:
        node: The root node.
        data_size: Bytes of the document.
        options: Codec, metadata, checksum.
        annexes: Key directories to put behind the table.
    """
    encode = engine(options.codec, options.default).one
    blocks = [encode(annex.keys) for annex in annexes]
    # Sizes first, with zeros for the positions: they have a fixed width.
    _place(annexes, blocks, 0)
    toc_size = len(_table(node, 0, options))
    archive_size = _place(annexes, blocks, data_size + toc_size) + HEADER
    header = pack_header(Header(options.codec, data_size, toc_size), options.magic)
    toc = _table(node, archive_size, options)
    assert len(toc) == toc_size
    if options.checksum:
        toc = toc[:-4] + zlib.crc32(toc[:-4], zlib.crc32(header)).to_bytes(4, "big")
    return header, toc + b"".join(blocks)


def _place(annexes: Sequence[Annex], blocks: Sequence[bytes], at: int) -> int:
    """Note in each node where its keys will lie; return where the last one ends."""
    for annex, block in zip(annexes, blocks, strict=True):
        annex.node["k"] = [_Wide(at), _Wide(at + len(block)), zlib.crc32(block)]
        at += len(block)
    return at


def _table(node: Mapping[str, Any], archive_size: int, options: WriteOptions) -> bytes:
    """Encode the table; ``h`` stands last in it, and in ``h`` the checksum, four bytes that are patched."""
    said: dict[str, Any] = {"v": 1, "w": WRITER, "e": _Wide(archive_size), "m": dict(options.meta)}
    body = _encode(node, options)
    members = len(node) + 1
    one = _head_size(len(node), options)
    inner = _encode(said, options)
    count = len(said) + bool(options.checksum)
    text = map_head(count, options.codec) + inner[_head_size(len(said), options) :]
    if options.checksum:
        tail = b"\xce" if options.codec == "msgpack" else b"\x1a"
        text += _encode("c", options) + tail + bytes(4)
    return map_head(members, options.codec) + body[one:] + _encode("h", options) + text


def _head_size(count: int, options: WriteOptions) -> int:
    return len(map_head(count, options.codec))


def _encode(value: Any, options: WriteOptions) -> bytes:
    """Encode without recursion; `_Wide` integers take nine bytes."""
    out = bytearray()
    codec = options.codec
    one = engine(codec, options.default).one
    wide = b"\xcf" if codec == "msgpack" else b"\x1b"
    from holdall.containers.wire import array_head  # noqa: PLC0415

    stack: list[Any] = [iter((value,))]
    while stack:
        for item in stack[-1]:
            if type(item) is _Wide:
                out += wide + int(item).to_bytes(8, "big")
            elif type(item) is dict and _has_wide(item):
                out += map_head(len(item), codec)
                stack.append(member for pair in item.items() for member in pair)
                break
            elif type(item) is list and _has_wide(item):
                out += array_head(len(item), codec)
                stack.append(iter(item))
                break
            else:
                try:
                    out += one(item)
                except Unusual as error:
                    raise EncodeError(str(error) or "metadata that no archive can hold", path="meta") from error
        else:
            stack.pop()
    return bytes(out)


def _has_wide(item: Any) -> bool:
    """Tell whether a container is to be taken apart: it holds containers, or a wide integer."""
    members = item.values() if isinstance(item, dict) else item
    return any(type(member) in {dict, list, _Wide} for member in members)
