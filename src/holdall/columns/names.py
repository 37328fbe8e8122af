"""Names: what a client's string becomes, and the key of a new file. Pure."""

from __future__ import annotations

import mimetypes
import os
import posixpath
import time
import unicodedata
import uuid

from holdall.core.keys import ReservedKey, check_key

__all__ = ["OCTETS", "STAGING", "clean_key", "guessed_type", "renamed", "safe_name", "staged_key", "unique_key", "uuid7"]

STAGING = ".holdall/staged/"
"""Prefix below which new content waits for the commit of the row that replaces old content."""
OCTETS = "application/octet-stream"
_LONGEST = 200


def clean_key(key: str) -> str:
    """Return a storage key as a caller wrote it, without a leading ``/``.

    Raises:
        TypeError: Not a ``str``.
        ValueError: Empty, climbing out, holding NUL, or reserved (`holdall.errors.InvalidKeyError`).

    Example:
        >>> clean_key("/a/b.txt")
        'a/b.txt'
    """
    if not isinstance(key, str):
        raise TypeError(f"a file name is a str, not {type(key).__name__}")
    return check_key(key.lstrip("/"))


def guessed_type(name: str) -> str:
    """Return the content type that a name suggests, as `mimetypes.guess_type` does, in a fifth of its time.

    Example:
        >>> guessed_type("a/b.txt"), guessed_type("a.tar.gz"), guessed_type("README")
        ('text/plain', 'application/x-tar', 'application/octet-stream')
    """
    if "." not in name:
        return OCTETS
    suffix = posixpath.splitext(name)[1]
    if not mimetypes.inited:
        mimetypes.init()
    if suffix in mimetypes.encodings_map or suffix in mimetypes.suffix_map:  # compressed: what is inside counts
        return mimetypes.guess_type(name)[0] or OCTETS
    return mimetypes.types_map.get(suffix) or mimetypes.guess_type(name)[0] or OCTETS


def safe_name(untrusted: str | None, default: str = "file") -> str:
    r"""Make one file name of a string that a client sent: no directories, no control characters, at most 200 bytes.

    Args:
        untrusted: Anything, also ``None`` or a path of another system.
        default: What is returned if nothing is left.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name("C:\\docs\\plan.pdf"), safe_name("..")
        ('passwd', 'plan.pdf', 'file')
    """
    text = unicodedata.normalize("NFC", untrusted or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    text = text.strip().strip(".").strip()
    stem, suffix = posixpath.splitext(text)
    suffix = suffix if len(suffix.encode()) <= 20 else ""
    stem = text[: len(text) - len(suffix)] if suffix else text
    cut = stem.encode()[: _LONGEST - len(suffix.encode())].decode(errors="ignore")
    return (cut + suffix) or default


def uuid7() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562): the time in milliseconds, then chance; later ones sort later.

    Example:
        >>> uuid7().version
        7
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def unique_key(name: str) -> str:
    """Return a key that nobody else has: ``<uuid7>/<safe name>``.

    Example:
        >>> unique_key("a/b.txt").rpartition("/")[2]
        'b.txt'
    """
    return f"{uuid7()}/{safe_name(name)}"


def renamed(key: str) -> str:
    """Return a key beside one that is taken: ``<stem>-<8 hex><suffix>``.

    Example:
        >>> import re
        >>> bool(re.fullmatch(r"a/b-[0-9a-f]{8}[.]tar", renamed("a/b.tar")))
        True
    """
    stem, suffix = posixpath.splitext(key)
    while len(stem.encode()) + len(suffix.encode()) + 9 > 1024:
        stem = stem[:-1]
    return f"{stem}-{os.urandom(4).hex()}{suffix}"


def staged_key() -> str:
    """Return a new key for content that waits for its row's commit."""
    return ReservedKey(f"{STAGING}{uuid7()}")
