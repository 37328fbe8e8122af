"""The one matcher: which records a condition holds for, and in what order they come (rules M1 to M9)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from heapq import merge
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

from holdall._turns import BESIDE, give_way, in_turns
from holdall.records.encoding import decode_value, encode_value
from holdall.records.errors import QueryError
from holdall.records.lengthy import STEP, base64, binary, compact, let_go, unbase64
from holdall.records.lengthy_reading import loads
from holdall.records.paths import MISSING
from holdall.records.query import And, Condition, Filter, Not, Or, Query
from holdall.records.record import Record

__all__ = [
    "Like",
    "compare",
    "cursor_after",
    "cursor_mark",
    "cut",
    "equal",
    "ids_of",
    "matches",
    "ordered",
    "page",
    "predicate",
    "row_key",
    "sort_key",
]

_Number = (int, float, Decimal)
_Test = Callable[[Any], bool]


def matches(condition: Condition, record: Record) -> bool:
    """Tell whether a condition holds for a record.

    Example:
        >>> matches(Filter("age", ">", 17), Record({"age": 18}))
        True
    """
    return predicate(condition)(record)


def predicate(condition: Condition) -> Callable[[Record], bool]:
    """Return a function that tells whether the condition holds; built once, called per record."""
    if isinstance(condition, And):
        parts = [predicate(c) for c in condition.conditions]
        return lambda record: all(part(record) for part in parts)
    if isinstance(condition, Or):
        parts = [predicate(c) for c in condition.conditions]
        return lambda record: any(part(record) for part in parts)
    if isinstance(condition, Not):
        inner = predicate(condition.condition)
        return lambda record: not inner(record)
    test = _test(condition)
    field = condition.field
    if field == "id":
        return lambda record: test(record.id)
    return lambda record: test(_present(record.lookup(field)))


def _present(value: Any) -> Any:
    return None if value is MISSING else value


def _test(condition: Filter) -> _Test:
    """Return the test of one value; a missing field arrives as ``None`` (M1)."""
    op, wanted = condition.op, condition.value
    if op == "exists":
        return lambda value: value is not None
    if op == "not exists":
        return lambda value: value is None
    if op == "=":
        return (lambda value: value is None) if wanted is None else (lambda value: equal(value, wanted))
    if op == "!=":
        if wanted is None:
            return lambda value: value is not None
        return lambda value: value is not None and not equal(value, wanted)
    if op == "in":
        return lambda value: any(value is None if w is None else equal(value, w) for w in wanted)
    if op == "not in":
        return lambda value: value is not None and not any(w is not None and equal(value, w) for w in wanted)
    if op in {"between", "not between"}:
        low, high = wanted
        inside = op == "between"

        def between(value: Any) -> bool:
            below, above = compare(value, low), compare(value, high)
            return value is not None and ((below is not None and above is not None and below >= 0 and above <= 0) is inside)

        return between
    if op in {"like", "not like"}:
        like, positive = Like(wanted), op == "like"
        return lambda value: value is not None and (isinstance(value, str) and like(value)) is positive
    if op == "regex":
        search = re.compile(wanted).search
        return lambda value: isinstance(value, str) and search(value) is not None
    if op == "startswith":
        return lambda value: isinstance(value, str) and value.startswith(wanted)
    if op == "contains":
        return lambda value: (
            isinstance(value, list) and any(member is None if wanted is None else equal(member, wanted) for member in value)
        )
    holds: dict[str, Callable[[int], bool]] = {
        ">": lambda c: c > 0,
        ">=": lambda c: c >= 0,
        "<": lambda c: c < 0,
        "<=": lambda c: c <= 0,
    }
    decide = holds[op]

    def ordered(value: Any) -> bool:
        found = compare(value, wanted)
        return found is not None and decide(found)

    return ordered


class Like:
    r"""Tells whether text is like a pattern: ``%`` any run, ``_`` one character, ``\`` escapes (M5).

    Args:
        pattern: What was asked for.
        step: Of text that is longer no call gets more at once.

    Example:
        >>> Like("a%_z")("Abcz"), Like("a%_z")("az")
        (True, False)
    """

    def __init__(self, pattern: str, step: int = STEP) -> None:
        parts, sizes = [""], [0]
        at = 0
        while at < len(pattern):
            character = pattern[at]
            if character == "%":
                parts.append("")
                sizes.append(0)
            else:
                if character == "\\" and at + 1 < len(pattern):
                    at += 1
                    character = re.escape(pattern[at])
                elif character == "_":
                    character = "."
                else:
                    character = re.escape(character)
                parts[-1] += character
                sizes[-1] += 1
            at += 1
        flags = re.IGNORECASE | re.DOTALL
        self._step = step
        self._whole = re.compile(".*".join(parts), flags)
        self._parts = [(re.compile(part, flags), size) for part, size in zip(parts, sizes, strict=True)]

    def __call__(self, text: str) -> bool:
        """Tell it of a text."""
        if len(text) <= self._step or len(self._parts) == 1:
            return self._whole.fullmatch(text) is not None
        (first, begin), *inner, (last, size) = self._parts
        end = len(text) - size
        if begin > end or not first.match(text) or not last.match(text, end):
            return False
        for part, length in inner:  # the leftmost one leaves most to the others; each has one length
            found = self._found(part, length, text, begin, end)
            if found is None:
                return False
            begin = found
        return True

    def _found(self, part: re.Pattern[str], length: int, text: str, begin: int, end: int) -> int | None:
        """Return where the first place of a part ends, looked for in steps."""
        for at in range(begin, end - length + 1, self._step):
            give_way()
            found = part.search(text, at, min(at + self._step + length - 1, end)) if length else part.match(text, at)
            if found:
                return found.end()
        return None


_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def _is_number(value: Any) -> bool:
    return isinstance(value, _Number) and not isinstance(value, bool)


def _instant(value: Any) -> datetime | None:
    """Return a point in time: naive is UTC, a date is its midnight; ``None`` if it is none."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def _instants(left: Any, right: Any) -> tuple[datetime, datetime] | None:
    """Return both as instants if one is a date or datetime and the other one too, or text that says one (M4)."""
    one, two = _instant(left), _instant(right)
    if one is None and two is None:
        return None
    try:
        if one is None and isinstance(left, str):
            one = _instant(datetime.fromisoformat(left))
        if two is None and isinstance(right, str):
            two = _instant(datetime.fromisoformat(right))
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
    if _is_number(left) and _is_number(right):
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
        return _clock(left) == _clock(right)
    return type(left) is type(right) and bool(left == right)


def compare(left: Any, right: Any) -> int | None:
    """Order two values: negative, 0, positive, or ``None`` where they cannot be compared (M4).

    Example:
        >>> compare(2**53 + 1, float(2**53)), compare("a", 1)
        (1, None)
    """
    if _is_number(left) and _is_number(right):
        if _is_nan(left) or _is_nan(right):
            return None
        return int(left > right) - int(left < right)
    instants = _instants(left, right)
    if instants is not None:
        return _utc_order(*instants)
    if isinstance(left, time) and isinstance(right, time):
        return (_clock(left) > _clock(right)) - (_clock(left) < _clock(right))
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    return None


def _is_nan(value: Any) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value)


def _utc_order(one: datetime, two: datetime) -> int:
    left, right = _since_epoch(one), _since_epoch(two)
    return (left > right) - (left < right)


def _since_epoch(moment: datetime) -> int:
    """Return microseconds since year 1 in UTC, as an int: aware datetimes at year 1 or 9999 overflow when converted."""
    offset = moment.utcoffset()
    assert offset is not None
    naive = moment.replace(tzinfo=UTC) - _YEAR_ONE
    delta = naive - offset
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _clock(value: time) -> int:
    offset = value.utcoffset()
    micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return micros - (0 if offset is None else round(offset.total_seconds() * 1_000_000))


_URL = b"-_"
_SORTED_AT_ONCE = 64
T = TypeVar("T")

# -- order and pages ---------------------------------------------------------------------------------------------------


class _Descending:
    """Turns the order of a key around."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def sort_key(value: Any) -> tuple[Any, ...]:
    """Return a key of the total order: bool < number (NaN last) < date < time < str < bytes < UUID < list < dict (M8)."""
    if isinstance(value, bool):
        return (0, value)
    if _is_number(value):
        return (1, 1, 0) if _is_nan(value) else (1, 0, value)
    instant = _instant(value)
    if instant is not None:
        return (2, _since_epoch(instant))
    if isinstance(value, time):
        return (3, _clock(value))
    if isinstance(value, str):
        return (4, value)
    if isinstance(value, bytes):
        return (5, value)
    if isinstance(value, UUID):
        return (6, value.bytes)
    if isinstance(value, (list, tuple)):
        return (7, tuple((1,) if member is None else (0, sort_key(member)) for member in in_turns(value)))
    if isinstance(value, Mapping):
        return (8, compact(encode_value(value), ordered=True))
    return (9, repr(value))


def _row_key(query: Query, values: Sequence[Any], id: str) -> tuple[Any, ...]:
    keys: list[Any] = []
    for sort, value in zip(query.sorting, values, strict=True):
        if value is None:
            keys.append((1, 0))
        else:
            key = sort_key(value)
            keys.append((0, key if sort.order == "ASC" else _Descending(key)))
    return (*keys, id)


def _sort_values(query: Query, record: Record) -> list[Any]:
    return [record.id if s.field == "id" else _present(record.lookup(s.field)) for s in query.sorting]


def page(query: Query, records: Iterable[Record]) -> list[Record]:
    """Sort matching records and cut the page: sort, cursor, offset, limit, in this order (M9)."""
    chosen, _ = cut(query, records)
    return [record.project(*query.paths) for record in chosen] if query.paths else chosen


def cut(query: Query, records: Iterable[Record]) -> tuple[list[Record], bool]:
    """Return the page of matching records before its projection, and whether more follow."""
    end = None if query.count is None else query.skip + query.count
    mark = cursor_mark(query)
    if not query.sorting and mark is None:
        found = ordered(records, key=_id)
        return found[query.skip : end], end is not None and len(found) > end
    rows = ordered(((row_key(query, record), record) for record in in_turns(records)), key=itemgetter(0))
    if mark is not None:
        before, rows = rows, [row for row in in_turns(rows) if mark < row[0]]
        let_go(before)
    found, more = [record for _, record in rows[query.skip : end]], end is not None and len(rows) > end
    let_go(rows)
    return found, more


def ids_of(query: Query, keys: list[tuple[Any, ...]]) -> list[str]:
    """Return the ids of a query's page by the places (`row_key`) of all its records, of which the list is emptied."""
    mark = cursor_mark(query)
    found = ordered(keys, key=tuple)
    let_go(keys)
    ids = [str(key[-1]) for key in in_turns(found) if mark is None or mark < key]
    let_go(found)
    return ids[query.skip : None if query.count is None else query.skip + query.count]


def ordered(values: Iterable[T], *, key: Callable[[T], Any]) -> list[T]:
    """Return values sorted; in a thread beside an event loop so that it gives way.

    Example:
        >>> ordered([3, 1, 2], key=abs)
        [1, 2, 3]
    """
    found = list(values)
    if not BESIDE or len(found) <= _SORTED_AT_ONCE:
        found.sort(key=key)
        return found
    runs = [found[at : at + _SORTED_AT_ONCE] for at in range(0, len(found), _SORTED_AT_ONCE)]
    for run in runs:
        give_way()
        run.sort(key=key)
    return list(in_turns(merge(*runs, key=key)))


def _id(record: Record) -> str:
    return record.id or ""


def row_key(query: Query, record: Record) -> tuple[Any, ...]:
    """Return the place of a record in the order of a query."""
    return _row_key(query, _sort_values(query, record), record.id or "")


def cursor_mark(query: Query) -> tuple[Any, ...] | None:
    """Return the place behind which a query with a cursor begins."""
    return None if query.cursor is None else _row_key(query, *_read_cursor(query))


def cursor_after(query: Query, record: Record) -> str:
    """Return the opaque text with which `Query.after` goes on behind a record (read before any projection)."""
    state = [_fingerprint(query), [encode_value(v) for v in _sort_values(query, record)], record.id]
    return base64(binary(compact(state)), altchars=_URL).rstrip("=")


def _read_cursor(query: Query) -> tuple[list[Any], str]:
    assert query.cursor is not None
    try:
        text = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, values, last = loads(unbase64(text, altchars=_URL))
        decoded = [decode_value(v) for v in values]
    except (ValueError, TypeError) as error:
        raise QueryError("this is no cursor of ours") from error
    if fingerprint != _fingerprint(query) or len(decoded) != len(query.sorting) or not isinstance(last, str):
        raise QueryError("the cursor belongs to another query")
    return decoded, last


def _fingerprint(query: Query) -> str:
    described = query.to_dict()
    text = json.dumps([described["conditions"], described["sort"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
