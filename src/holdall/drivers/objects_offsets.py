"""Where a listing by obstore starts, so that a literal prefix costs no more than what it finds. Pure."""

from __future__ import annotations

from holdall.core.keys import MAX_KEY_BYTES
from holdall.drivers.objects_values import is_odd

__all__ = ["offset_of"]

_LAST = "\U0010ffff"


def offset_of(full: str, after: str | None) -> str | None:
    """Return the offset (exclusive) from which to list for a literal prefix and a start; ``None`` for the beginning.

    It lies at or below the first wanted key: what comes between is filtered out by the caller.

    Example:
        >>> offset_of("logs/2026-", None) == "logs/2026," + _LAST, offset_of("logs/", None), offset_of("a/b", "a/c")
        (True, None, 'a/c')
    """
    floors = [floor for floor in (_below(full), _nameable(after)) if floor]
    return max(floors, default=None)


def _below(full: str) -> str | None:
    """Return a text just below all keys that start with a prefix, in a form that obstore takes for a path."""
    if not full or full[-1] == "/":
        return None
    code = ord(full[-1]) - 1
    if 0xD800 <= code <= 0xDFFF:
        code = 0xD7FF
    close = f"{full[:-1]}{chr(code)}{_LAST}"
    if not is_odd(close) and len(close.encode()) <= MAX_KEY_BYTES:
        return close
    return _nameable(full[:-1])


def _nameable(text: str | None) -> str | None:
    """Return the longest beginning of a text that obstore takes for a path."""
    while text and is_odd(text):
        text = text[:-1]
    return text or None
