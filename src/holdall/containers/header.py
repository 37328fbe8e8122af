"""The first 50 bytes of an archive: magic, where the table of contents starts, how long it is (format section 1).

The two numbers are integers in the file's own codec, ten bytes each: msgpack padded with zeros on the left, CBOR on the right. We
always write eight-byte integers, so that every field can be patched in place.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdall.containers.errors import DamagedError, FormatError
from holdall.containers.wire import CodecName, Kind, head

__all__ = ["HEADER", "MAGIC", "Header", "pack_header", "pad_magic", "parse_header"]

HEADER = 50
"""Bytes of the header; all positions in a table of contents count from here."""
MAGIC = b"msglc-2024"
_MAGIC_WIDTH = 30
_FIELD = 10


@dataclass(frozen=True, slots=True)
class Header:
    """Where the table of contents lies, counted from byte 50, and in which codec the file is."""

    codec: CodecName
    toc_start: int
    toc_size: int

    @property
    def end(self) -> int:
        """Bytes from the beginning of the archive to the end of its table of contents."""
        return HEADER + self.toc_start + self.toc_size


def pad_magic(magic: bytes = MAGIC) -> bytes:
    """Return the 30 bytes that a magic fills.

    Raises:
        ValueError: More than 30 bytes, or none.
    """
    if not 1 <= len(magic) <= _MAGIC_WIDTH:
        raise ValueError("a magic has 1 to 30 bytes")
    return magic.rjust(_MAGIC_WIDTH, b"\0")


def pack_header(header: Header, magic: bytes = MAGIC) -> bytes:
    """Return the 50 bytes of a header.

    Example:
        >>> pack_header(Header("msgpack", 13, 6))[30:].hex()
        '00cf000000000000000d00cf0000000000000006'
    """
    fields = (header.toc_start.to_bytes(8, "big"), header.toc_size.to_bytes(8, "big"))
    if header.codec == "msgpack":
        return pad_magic(magic) + b"".join(b"\x00\xcf" + number for number in fields)
    return pad_magic(magic) + b"".join(b"\x1b" + number + b"\x00" for number in fields)


def parse_header(data: bytes, magic: bytes = MAGIC, where: str = "") -> Header:
    """Read a header.

    Args:
        data: The first 50 bytes (more are ignored).
        magic: The magic that the archive must have.
        where: What begins the message of an error.

    Raises:
        FormatError: Another magic.
        DamagedError: The magic but for one bit, fewer than 50 bytes, or fields that are no positions.

    Example:
        >>> parse_header(pack_header(Header("cbor", 13, 6)))
        Header(codec='cbor', toc_start=13, toc_size=6)
    """
    wanted = pad_magic(magic)
    if data[:_MAGIC_WIDTH] != wanted:
        if (int.from_bytes(data[:_MAGIC_WIDTH], "big") ^ int.from_bytes(wanted, "big")).bit_count() == 1:
            raise DamagedError(f"{where}the magic but for one bit", kind="magic", offset=0)
        raise FormatError(f"{where}this is no archive: another magic", kind="magic", offset=0)
    if len(data) < HEADER:
        said = f"{where}an archive has at least {HEADER} bytes, this one {len(data)}"
        raise DamagedError(said, kind="header", offset=len(data))
    start, size = data[30:40], data[40:50]
    deciding = size if start == bytes(_FIELD) else start
    codec: CodecName = "msgpack" if deciding[0] == 0 else "cbor"
    try:
        return Header(codec, _field(start, codec, 30), _field(size, codec, 40))
    except FormatError as error:
        raise DamagedError(f"{where}{error}", kind="header") from error


def _field(data: bytes, codec: CodecName, offset: int) -> int:
    """Return the number of one field; the padding is whatever lies before (msgpack) or behind (CBOR) the integer."""
    if data == bytes(_FIELD):
        return 0
    if data[:2] == b"\x00\xcf" and codec == "msgpack":  # as we write them
        return int.from_bytes(data[2:], "big")
    packed = data.lstrip(b"\0") if codec == "msgpack" else data
    try:
        item = head(packed, 0, codec)
    except FormatError as error:
        raise FormatError("a header field that cannot be read", kind="header", offset=offset) from error
    rest = packed[item.end :]
    if item.kind is not Kind.SCALAR or type(item.value) is not int or item.value < 0 or rest.strip(b"\0"):
        raise FormatError("a header field that is no position", kind="header", offset=offset)
    if codec == "msgpack" and rest:
        raise FormatError("a header field with bytes behind its number", kind="header", offset=offset)
    return item.value
