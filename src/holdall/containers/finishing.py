"""The end of an archive: header, table of contents, annex (format sections 1, 2 and 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, count, pairwise
from typing import Any

from holdall.containers.checksums import crc32
from holdall.containers.engines import Engine, engine
from holdall.containers.errors import EncodeError
from holdall.containers.header import HEADER, Header, pack_header
from holdall.containers.options import WriteOptions
from holdall.containers.plain import Unusual
from holdall.containers.steps import Annex
from holdall.containers.wire import array_head, map_head

__all__ = ["finish"]

WRITER = "holdall 0.1"
_MARK = 0xF1E2D3C4
"""The upper half of numbers that stand in for positions: so large that they take nine bytes."""


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
    encoder = engine(options.codec_name, options.default)
    blocks = [_encode(annex.keys, encoder) for annex in annexes]
    table, holes = _table(node, options, annexes, blocks, encoder)
    ends = list(accumulate(map(len, blocks), initial=data_size + len(table)))
    positions = [position for pair in pairwise(ends) for position in pair]
    for hole, position in zip(holes, [*positions, HEADER + ends[-1]], strict=True):
        table[hole : hole + 8] = position.to_bytes(8, "big")
    header = pack_header(Header(options.codec_name, data_size, len(table)), options.magic)
    if options.checksum:
        table[-4:] = crc32(memoryview(table)[:-4], crc32(header)).to_bytes(4, "big")
    return header, b"".join((table, *blocks))


def _table(
    node: Mapping[str, Any], options: WriteOptions, annexes: Sequence[Annex], blocks: Sequence[bytes], encoder: Engine
) -> tuple[bytearray, list[int]]:
    """Encode the table with stand-ins for positions that its own size decides; return where these are.

    ``h`` stands last in it, and in ``h`` the checksum, so that it makes the last four bytes.
    """
    for half in count(_MARK):
        marks = iter(range(half << 32, (half << 32) + 2 * len(annexes) + 1))
        for annex, block in zip(annexes, blocks, strict=True):
            annex.node["k"] = [next(marks), next(marks), crc32(block)]
        said: dict[str, Any] = {"v": 1, "w": WRITER, "e": next(marks), "m": dict(options.meta)}
        if options.checksum:
            said["c"] = 0xFFFF_FFFF
        table = _encode({**node, "h": said}, encoder)
        wide = re.escape((b"\xcf" if options.codec_name == "msgpack" else b"\x1b") + half.to_bytes(4, "big"))
        found = {int.from_bytes(table[m.end() : m.end() + 4], "big"): m.end() - 4 for m in re.finditer(wide, table)}
        if len(found) == len(list(re.finditer(wide, table))) and sorted(found) == list(range(2 * len(annexes) + 1)):
            return bytearray(table), [found[i] for i in sorted(found)]
    raise AssertionError  # one of four billion halves occurs nowhere else


def _encode(value: Any, encoder: Engine) -> bytes:
    """Encode a table: at once, or what is nested too deep for that without recursion.

    Raises:
        EncodeError: Metadata that no archive can hold.
    """
    try:
        return encoder.one(value)
    except Unusual:
        pass
    out = bytearray()
    stack: list[Any] = [iter((value,))]
    while stack:
        for item in stack[-1]:
            if type(item) is dict and _nests(item.values()):
                out += map_head(len(item), encoder.codec)
                stack.append(member for pair in item.items() for member in pair)
                break
            if type(item) is list and _nests(item):
                out += array_head(len(item), encoder.codec)
                stack.append(iter(item))
                break
            try:
                out += encoder.one(item)
            except Unusual as error:
                raise EncodeError(str(error) or "metadata that no archive can hold", path="meta") from error
        else:
            stack.pop()
    return bytes(out)


def _nests(members: Any) -> bool:
    return any(type(member) in {dict, list} for member in members)
