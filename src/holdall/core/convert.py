"""Text to values at the border: booleans, numbers, durations, sizes; and the name that was probably meant."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["closest", "to_bool", "to_duration", "to_float", "to_int", "to_size"]

_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DECIMAL = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15}
_BINARY = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50}
_BYTES = _DECIMAL | _BINARY
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]+", re.ASCII)


def to_bool(value: Any) -> bool:
    """Return a truth value from a bool, 0, 1 or one of ``true false 1 0 yes no on off`` in any case.

    Raises:
        ValueError: Anything else.

    Example:
        >>> to_bool("On"), to_bool(0)
        (True, False)
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if word not in _WORDS:
        raise ValueError("must be one of true, false, 1, 0, yes, no, on, off")
    return _WORDS[word]


def to_int(value: Any) -> int:
    """Return a whole number from an int or decimal digits.

    Raises:
        ValueError: Anything else (a bool, a float, digits with blanks inside).

    Example:
        >>> to_int(" 22 ")
        22
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INT.fullmatch(value.strip()) and len(value) <= 40:
        return int(value)
    raise ValueError("must be a whole number")


def to_float(value: Any) -> float:
    """Return a finite number from a number or its text.

    Raises:
        ValueError: Anything else.

    Example:
        >>> to_float("1.5")
        1.5
    """
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError("must be a number")


def to_duration(value: Any) -> float:
    """Return seconds from a number of seconds or a text like ``500ms``, ``30s``, ``5m``, ``2h``, ``14d``, ``1w``.

    Raises:
        ValueError: Anything else, or negative.

    Example:
        >>> to_duration("500ms"), to_duration("5m"), to_duration(30)
        (0.5, 300.0, 30.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())):
        unit = match[2].lower() or "s"
        if unit in _SECONDS and math.isfinite(seconds := float(match[1]) * _SECONDS[unit]):
            return seconds
    raise ValueError("must be a duration such as 500ms, 30s, 5m, 2h, 14d, or a number of seconds")


def to_size(value: Any) -> int:
    """Return bytes from a number of bytes or a text like ``64MiB`` (powers of 1024) or ``1GB`` (powers of 1000).

    Raises:
        ValueError: Anything else, negative, or not whole bytes.

    Example:
        >>> to_size("64MiB"), to_size("1GB"), to_size(512)
        (67108864, 1000000000, 512)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and len(value) <= 40 and (match := _NUMBER.fullmatch(value.strip())):
        factor = _BYTES.get(match[2].lower())
        if factor is not None:
            whole, _, rest = match[1].partition(".")
            scale = int("1" + "0" * len(rest))
            size, over = divmod(int((whole or "0") + rest) * factor, scale)
            if not over:
                return size
    raise ValueError("must be a size such as 4096, 64MiB or 1GB")


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or ``None`` if none is near.

    Distance counts insertions, deletions, replacements and swaps of neighbours; case, ``-`` and ``_`` do not count. Up to
    a third of the letters may be wrong.

    Example:
        >>> closest("s3_buket", ["s3_bucket", "aws_region"]), closest("colour", ["size"])
        ('s3_bucket', None)
    """
    target = _plain(name)
    ranked = sorted((_distance(target, _plain(candidate)), candidate) for candidate in known)
    if ranked and ranked[0][0] <= max(1, min(len(target), len(_plain(ranked[0][1]))) // 3):
        return ranked[0][1]
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")[:64]


def _distance(a: str, b: str) -> int:
    """Return the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
