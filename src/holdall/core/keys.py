"""The rules of keys: what a key is, how keys join, and what is hidden from users.

A key is a non-empty ``str`` of ``/``-separated segments, relative, opaque (never percent-decoded here), at most
`MAX_KEY_BYTES` in UTF-8. `check_key` is called by every driver for every key, before any I/O.
"""

from __future__ import annotations

from holdall.errors import InvalidKeyError

__all__ = [
    "MAX_KEY_BYTES",
    "RESERVED",
    "ReservedKey",
    "check_key",
    "check_prefix",
    "clean_path",
    "is_reserved",
    "join_prefix",
]

MAX_KEY_BYTES = 1024
"""Longest key in UTF-8 bytes; the limit of S3, GCS and Azure."""

RESERVED = ".holdall"
"""Segment below which holdall keeps its own things (journals, versions, staging); ``.holdall-*`` names temporaries."""


class ReservedKey(str):
    """A key or prefix of holdall's own, below a reserved segment: stores take it and list it, unlike the same plain text.

    Only our code makes one; text from outside is a plain ``str`` and stays refused.

    Example:
        >>> check_key(ReservedKey(".holdall/staged/1"))
        '.holdall/staged/1'
    """

    __slots__ = ()


def check_key(key: str) -> str:
    """Return the key if every store may take it.

    ``a//b`` and a trailing ``/`` (a directory marker) are legal: others make such keys, and they must stay reachable.

    Raises:
        TypeError: The key is not a ``str``.
        InvalidKeyError: Empty, absolute, with a ``.`` or ``..`` segment, NUL, a lone surrogate, too long, or reserved
            (unless it is a `ReservedKey`).

    Example:
        >>> check_key("a/b.txt")
        'a/b.txt'
    """
    if type(key) is not str and not isinstance(key, str):
        raise TypeError(f"a key is a str, not {type(key).__name__}")
    if not key:
        raise InvalidKeyError("a key cannot be empty", key=key)
    if key[0] == "/":
        raise InvalidKeyError(f"a key is relative: {key!r} starts with '/'", key=key)
    if "\0" in key:
        raise InvalidKeyError(f"a key cannot hold NUL: {key!r}", key=key)
    if key[0] == "." or "/." in key:
        for segment in key.split("/"):
            if segment in {".", ".."}:
                raise InvalidKeyError(f"Parent directory traversal: {key!r} has a {segment!r} segment", key=key)
        if is_reserved(key) and not isinstance(key, ReservedKey):
            raise InvalidKeyError(f"{key!r} lies below the reserved name {RESERVED}", key=key)
    if not key.isascii() or len(key) > MAX_KEY_BYTES:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise InvalidKeyError(f"a key is text that UTF-8 can hold: {key!r}", key=key) from None
        if size > MAX_KEY_BYTES:
            raise InvalidKeyError(f"a key has at most {MAX_KEY_BYTES} bytes, this one {size}", key=key)
    return key


def check_prefix(prefix: str) -> str:
    """Return a literal listing prefix (possibly empty, possibly ending within a segment) if it is legal.

    Raises:
        TypeError: Not a ``str``.
        InvalidKeyError: Absolute, NUL, a climbing segment, too long.

    Example:
        >>> check_prefix("logs/2026-")
        'logs/2026-'
    """
    if prefix == "":
        return prefix
    if isinstance(prefix, str) and prefix.rsplit("/", 1)[-1] in {".", ".."}:
        # "a/.." may be the beginning of "a/..b": only whole segments climb.
        check_key(ReservedKey(prefix + "-"))
    else:
        check_key(prefix if not isinstance(prefix, str) else ReservedKey(prefix))
    return prefix


def is_reserved(key: str) -> bool:
    """Tell whether a segment of the key is reserved: listings hide such keys unless asked by a `ReservedKey` prefix.

    Example:
        >>> is_reserved("a/.holdall/journal/1"), is_reserved(".holdall-x.tmp"), is_reserved(".holdall2")
        (True, True, False)
    """
    if RESERVED not in key:
        return False
    return any(segment == RESERVED or segment.startswith(RESERVED + "-") for segment in key.split("/"))


def join_prefix(prefix: str, key: str) -> str:
    """Put a key below a store prefix, with exactly one ``/`` between them; a `ReservedKey` stays one.

    Example:
        >>> join_prefix("base/", "a"), join_prefix("", "a")
        ('base/a', 'a')
    """
    if not prefix:
        return key
    joined = prefix + key if prefix.endswith("/") else f"{prefix}/{key}"
    return ReservedKey(joined) if isinstance(key, ReservedKey) else joined


def clean_path(*parts: str) -> str:
    """Join what people write into a key: slashes collapse, ends are stripped, ``.`` drops; "" is the root.

    A backslash is an ordinary character.

    Raises:
        InvalidKeyError: A ``..`` segment or NUL.

    Example:
        >>> clean_path("/a//b/", "./c")
        'a/b/c'
    """
    segments: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(f"a path is a str, not {type(part).__name__}")
        for segment in part.split("/"):
            if segment in {"", "."}:
                continue
            if segment == "..":
                raise InvalidKeyError(f"Parent directory traversal: {part!r} has a '..' segment", key=part)
            segments.append(segment)
    joined = "/".join(segments)
    if "\0" in joined:
        raise InvalidKeyError(f"a path cannot hold NUL: {joined!r}", key=joined)
    return joined
