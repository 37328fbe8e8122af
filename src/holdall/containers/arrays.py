"""Typed arrays in both codecs, never by pickle (format section 5). numpy is needed to write them, not to read them.

msgpack: extension 78 = ``u8 version 1, u8 length, dtype.str, u8 ndim, ndim x u64 big-endian, elements in C order``.
Above 1 GiB an array of such extensions: slabs of the first axis.
CBOR: tag 40 ``[shape, tag 64..86 bytes]`` (RFC 8746) where there is such a tag, else tag 27 ``["holdall.ndarray", dtype, shape, bytes]``.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdall.containers.errors import EncodeError, FormatError
from holdall.containers.wire import CodecName, Ext, Tagged, array_head

__all__ = [
    "EXT",
    "TypedArray",
    "array_head_bytes",
    "array_value",
    "as_lists",
    "build",
    "decode_ext",
    "decode_tag",
    "itemsize",
    "joined",
    "slab_length",
    "slabs",
    "view",
]

EXT = 78
SLAB = 1 << 30
"""Bytes above which an array is cut into slabs in msgpack."""
_DTYPE = re.compile(
    r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[SU][1-9]\d{0,8}|[mM]8\[\d*(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])"
)
_TAGS = {
    "|u1": 64, ">u2": 65, ">u4": 66, ">u8": 67, "<u2": 69, "<u4": 70, "<u8": 71, "|i1": 72, ">i2": 73, ">i4": 74, ">i8": 75,
    "<i2": 77, "<i4": 78, "<i8": 79, ">f2": 80, ">f4": 81, ">f8": 82, "<f2": 84, "<f4": 85, "<f8": 86,
}  # fmt: skip
_DTYPES = {tag: dtype for dtype, tag in _TAGS.items()}


@dataclass(frozen=True, slots=True)
class TypedArray:
    """An array where numpy is not installed: its dtype (as numpy writes it), shape, and elements in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def array_head_bytes(value: Any, codec: CodecName, path: str = "") -> tuple[bytes, memoryview, str]:
    """Return what stands before an array's elements, the elements, and its dtype.

    Raises:
        EncodeError: An object or structured dtype, or more bytes than the codec counts.
    """
    dtype = _checked_dtype(value, path)
    import numpy as np  # noqa: PLC0415  # there, since the value is one of its

    flat: Any = np.ascontiguousarray(value).reshape(-1)
    content = memoryview(flat.view("u1")) if flat.size else memoryview(b"")
    shape = tuple(int(n) for n in value.shape)
    if codec == "msgpack":
        front = _front(dtype, shape)
        length = len(front) + len(content)
        if length > 0xFFFF_FFFF:
            raise EncodeError("an array above 4 GiB: use codec='cbor'", path=path, type="ndarray")
        return b"\xc9" + length.to_bytes(4, "big") + struct.pack("b", EXT) + front, content, dtype
    dims = array_head(len(shape), "cbor") + b"".join(_cbor(0, n) for n in shape)
    if dtype in _TAGS:
        return b"\xd8\x28\x82" + dims + _cbor(6, _TAGS[dtype]) + _cbor(2, len(content)), content, dtype
    name = b"holdall.ndarray"
    head = b"\xd8\x1b\x84" + _cbor(3, len(name)) + name + _cbor(3, len(dtype)) + dtype.encode() + dims
    return head + _cbor(2, len(content)), content, dtype


def slabs(value: Any, codec: CodecName) -> list[Any]:
    """Return an array in the pieces that it is stored as: slabs of its first axis where it is too large for one."""
    if codec != "msgpack" or value.nbytes <= SLAB or not value.ndim:
        return [value]
    rows = len(value)
    length = slab_length(rows, math.ceil(rows / max(1, SLAB // (value.nbytes // rows))))
    return [value[at : at + length] for at in range(0, rows, length)]


def slab_length(rows: int, count: int) -> int:
    """Return the rows of each slab of an array but the last, which may have fewer."""
    return math.ceil(rows / count)


def joined(dtype: str, shape: Sequence[int], parts: Any) -> Any:
    """Return the array that was stored as slabs.

    Raises:
        FormatError: They are no slabs of such an array.
    """
    sound = isinstance(parts, list) and all(_is_slab(part, dtype, tuple(shape)) for part in parts)
    if not sound or sum(part.shape[0] for part in parts) != shape[0]:
        raise FormatError("slabs that make no array of the shape that the table says")
    if all(isinstance(part, TypedArray) for part in parts):
        return build(dtype, shape, b"".join(part.data for part in parts))
    import numpy as np  # noqa: PLC0415  # there, since the slabs are its arrays

    whole, at = np.empty(shape, dtype), 0
    for part in parts:
        whole[at : at + len(part)] = part
        at += len(part)
    return whole


def array_value(value: Any, codec: CodecName) -> Ext | Tagged:
    """Return a small array as a value that an engine can put into a document."""
    head, content, dtype = array_head_bytes(value, codec)
    if codec == "msgpack":
        return Ext(EXT, head[6:] + bytes(content))
    shape = [int(n) for n in value.shape]
    if dtype in _TAGS:
        return Tagged(40, [shape, Tagged(_TAGS[dtype], bytes(content))])
    return Tagged(27, ["holdall.ndarray", dtype, shape, bytes(content)])


def decode_ext(code: int, content: bytes | memoryview) -> Any:
    """Return the array of a msgpack extension; others come back as `Ext`.

    Raises:
        FormatError: An array that is malformed: an unknown dtype, or a length that is not itemsize times shape.
    """
    if code != EXT:
        return Ext(code, bytes(content))
    data = memoryview(content)
    if len(data) < 3 or data[0] != 1:
        raise FormatError("a typed array of an unknown version")
    at = 2 + data[1]
    if len(data) <= at or len(data) < at + 1 + 8 * data[at]:
        raise FormatError("a typed array that ends within its header")
    dtype = bytes(data[2:at]).decode("ascii", "replace")
    shape = struct.unpack_from(f">{data[at]}Q", data, at + 1)
    return _built(dtype, shape, data[at + 1 + 8 * len(shape) :])


def decode_tag(tag: int, content: Any) -> Any:
    """Return the array of a CBOR tag; others come back as `Tagged`. See `decode_ext`."""
    if tag == 40:
        if isinstance(content, list) and len(content) == 2 and _is_shape(content[0]):
            inner = content[1]
            if isinstance(inner, Tagged) and inner.tag in _DTYPES and isinstance(inner.value, bytes):
                return _built(_DTYPES[inner.tag], content[0], memoryview(inner.value))
        raise FormatError("a typed array that is malformed")
    if tag == 27 and isinstance(content, list) and len(content) == 4 and content[0] == "holdall.ndarray":
        _, dtype, shape, data = content
        if isinstance(dtype, str) and _is_shape(shape) and isinstance(data, bytes):
            return _built(dtype, shape, memoryview(data))
        raise FormatError("a typed array that is malformed")
    return Tagged(tag, content)


def as_lists(value: Any, path: str = "") -> Any:
    """Return an array as nested lists of plain numbers."""
    _checked_dtype(value, path)
    listed = value.tolist()
    return listed if isinstance(listed, list) else [listed]


def itemsize(dtype: str) -> int:
    """Return the bytes of one element.

    Raises:
        FormatError: No dtype that an archive may name.
    """
    if _DTYPE.fullmatch(dtype) is None:
        raise FormatError(f"an array of dtype {dtype!r}")
    if dtype[1] in "mM":
        return 8
    size = int(dtype[2:])
    return size * 4 if dtype[1] == "U" else size


def build(dtype: str, shape: Sequence[int], data: bytes | bytearray | memoryview) -> Any:
    """Return an array of checked content: numpy's where it is installed, else a `TypedArray`. It takes over a `bytearray`."""
    try:
        import numpy as np  # noqa: PLC0415
    except ImportError:
        return TypedArray(dtype, tuple(shape), memoryview(data))
    return np.frombuffer(data if type(data) is bytearray else bytearray(data), dtype=dtype).reshape(shape)


def view(dtype: str, shape: Sequence[int], data: bytes | bytearray | memoryview) -> Any:
    """Return an array over bytes as they lie, for a look; ``None`` where numpy is not installed."""
    try:
        import numpy as np  # noqa: PLC0415
    except ImportError:
        return None
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _built(dtype: str, shape: Sequence[int], data: memoryview) -> Any:
    if len(shape) > 32 or len(data) != itemsize(dtype) * math.prod(shape):
        raise FormatError(f"an array of shape {tuple(shape)[:32]} and dtype {dtype} in {len(data)} bytes")
    return build(dtype, shape, data)


def _is_slab(part: Any, dtype: str, shape: tuple[int, ...]) -> bool:
    kind = getattr(part, "dtype", None)
    return getattr(kind, "str", kind) == dtype and len(part.shape) == len(shape) and part.shape[1:] == shape[1:]


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _checked_dtype(value: Any, path: str) -> str:
    dtype = str(value.dtype.str)
    if value.dtype.hasobject or value.dtype.fields is not None or _DTYPE.fullmatch(dtype) is None:
        raise EncodeError(f"an archive cannot hold arrays of dtype {value.dtype}", path=path, type="ndarray")
    mask = getattr(value, "mask", None) if hasattr(value, "filled") else None
    if mask is not None and bool(mask.any()):
        raise EncodeError(
            "an archive cannot hold masked values: write what filled() gives, and the mask beside it",
            path=path,
            type="ndarray",
        )
    return dtype


def _front(dtype: str, shape: Sequence[int]) -> bytes:
    return bytes((1, len(dtype))) + dtype.encode() + bytes((len(shape),)) + struct.pack(f">{len(shape)}Q", *shape)


def _cbor(major: int, number: int) -> bytes:
    packed = array_head(number, "cbor")
    return bytes((packed[0] & 0x1F | major << 5,)) + packed[1:]
