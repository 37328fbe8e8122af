"""Ids to object keys and back (K1 to K3): reversible, one segment, nothing below ``.holdall``."""

from __future__ import annotations

import string

from holdall.core.keys import MAX_KEY_BYTES
from holdall.errors import InvalidKeyError

__all__ = ["SUFFIX", "id_to_key", "key_to_id", "normalise_prefix"]

SUFFIX = ".json"
_LITERAL = frozenset((string.ascii_letters + string.digits + "-_.~").encode())


def normalise_prefix(prefix: str) -> str:
    """Return the prefix with one trailing ``/``, or empty.

    Example:
        >>> normalise_prefix("a/b"), normalise_prefix("/"), normalise_prefix("a//")
        ('a/b/', '', 'a/')
    """
    stripped = prefix.strip("/")
    return f"{stripped}/" if stripped else ""


def id_to_key(id: str, prefix: str = "", *, largest: int = MAX_KEY_BYTES) -> str:
    """Return the key of a record's id.

    Raises:
        InvalidKeyError: Empty, not encodable, or longer than the store's limit in bytes.

    Example:
        >>> id_to_key("a/b", "records/"), id_to_key(".x")
        ('records/a%2Fb.json', '%2Ex.json')
    """
    if not id:
        raise InvalidKeyError("a record's id cannot be empty", key=id)
    try:
        raw = id.encode()
    except UnicodeEncodeError:
        raise InvalidKeyError(f"a record's id is text that UTF-8 can hold: {id!r}", key=id) from None
    name = "".join(
        chr(byte) if byte in _LITERAL and not (byte == 0x2E and at == 0) else f"%{byte:02X}" for at, byte in enumerate(raw)
    )
    key = f"{prefix}{name}{SUFFIX}"
    if len(key.encode()) > largest or len(name) + len(SUFFIX) > largest:
        raise InvalidKeyError(f"the id makes a key of {len(key.encode())} bytes, more than {largest}", key=id)
    return key


def key_to_id(key: str, prefix: str = "") -> str | None:
    """Return the id that a key stands for, or ``None`` for a foreign key (K3).

    Example:
        >>> key_to_id("records/a%2Fb.json", "records/"), key_to_id("records/a b.json", "records/")
        ('a/b', None)
    """
    if not key.startswith(prefix) or not key.endswith(SUFFIX):
        return None
    name = key[len(prefix) : len(key) - len(SUFFIX)]
    raw = bytearray()
    at = 0
    while at < len(name):
        if name[at] == "%":
            try:
                raw.append(int(name[at + 1 : at + 3], 16))
            except ValueError:
                return None
            at += 3
        else:
            raw += name[at].encode("utf-8", "surrogatepass")
            at += 1
    try:
        found = raw.decode()
        return found if found and id_to_key(found, prefix, largest=1 << 30) == key else None
    except (UnicodeDecodeError, InvalidKeyError):
        return None
