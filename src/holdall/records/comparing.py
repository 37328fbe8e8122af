"""How values are compared: within a type, numbers exactly, points in time as instants (rules M3 and M4). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["clock", "compare", "equal", "instant", "is_nan", "is_number", "since_epoch"]

_NUMBER = (int, float, Decimal)
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def is_number(value: Any) -> bool:
    """Tell whether a value is one: a bool is none."""
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def instant(value: Any) -> datetime | None:
    """Return a point in time: naive is UTC, a date is its midnight; ``None`` if it is none."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def _instants(left: Any, right: Any) -> tuple[datetime, datetime] | None:
    """Return both as instants if one is a date or datetime and the other one too, or text that says one (M4)."""
    one, two = instant(left), instant(right)
    if one is None and two is None:
        return None
    try:
        if one is None and isinstance(left, str):
            one = instant(datetime.fromisoformat(left))
        if two is None and isinstance(right, str):
            two = instant(datetime.fromisoformat(right))
    except ValueError:
        return None
    return None if one is None or two is None else (one, two)


def equal(left: Any, right: Any) -> bool:
    """Compare within a type: numbers exactly, bool apart, NaN equal to nothing, a UUID equal to its text (M3).

    Example:
        >>> equal(1, 1.0), equal(True, 1), equal(0.1, Decimal("0.1"))
        (True, False, False)
    """
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return compare(left, right) == 0
    instants = _instants(left, right)
    if instants is not None:
        return _utc_order(*instants) == 0
    if isinstance(left, UUID) or isinstance(right, UUID):
        return isinstance(left, (UUID, str)) and isinstance(right, (UUID, str)) and str(left) == str(right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, time) and isinstance(right, time):
        return clock(left) == clock(right)
    return type(left) is type(right) and bool(left == right)


def compare(left: Any, right: Any) -> int | None:
    """Order two values: negative, 0, positive, or ``None`` where they cannot be compared (M4).

    Example:
        >>> compare(2**53 + 1, float(2**53)), compare("a", 1)
        (1, None)
    """
    if is_number(left) and is_number(right):
        if is_nan(left) or is_nan(right):
            return None
        return int(left > right) - int(left < right)
    instants = _instants(left, right)
    if instants is not None:
        return _utc_order(*instants)
    if isinstance(left, time) and isinstance(right, time):
        return (clock(left) > clock(right)) - (clock(left) < clock(right))
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    return None


def is_nan(value: Any) -> bool:
    """Tell whether a value is a number that equals nothing."""
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value)


def _utc_order(one: datetime, two: datetime) -> int:
    left, right = since_epoch(one), since_epoch(two)
    return (left > right) - (left < right)


def since_epoch(moment: datetime) -> int:
    """Return microseconds since year 1 in UTC, as an int: aware datetimes at year 1 or 9999 overflow when converted."""
    offset = moment.utcoffset()
    assert offset is not None
    naive = moment.replace(tzinfo=UTC) - _YEAR_ONE
    delta = naive - offset
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def clock(value: time) -> int:
    """Return microseconds since midnight, in UTC if it has an offset."""
    offset = value.utcoffset()
    micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return micros - (0 if offset is None else round(offset.total_seconds() * 1_000_000))
