"""In what order records come, and which of them a page holds (rules M8 and M9): sort, cursor, offset, limit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import time
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from holdall._turns import BESIDE, give_way, in_turns
from holdall.records.comparing import clock, instant, is_nan, is_number, since_epoch
from holdall.records.encoding import decode_value, encodable, encode_value
from holdall.records.errors import QueryError
from holdall.records.lengthy import base64, binary, compact, let_go, unbase64
from holdall.records.lengthy_reading import loads
from holdall.records.matching import present
from holdall.records.query import Query
from holdall.records.record import Record

__all__ = ["Leading", "cursor_after", "cursor_mark", "cut", "ordered", "page", "placed", "row_key", "sort_key"]

_URL = b"-_"
_SORTED_AT_ONCE = 64
_SPARE = 20
"""Rows beyond twice a page that are held before it is looked which of them can be on it."""
T = TypeVar("T")


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
    if is_number(value):
        return (1, 1, 0) if is_nan(value) else (1, 0, value)
    moment = instant(value)
    if moment is not None:
        return (2, since_epoch(moment))
    if isinstance(value, time):
        return (3, clock(value))
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
    return [record.id if s.field == "id" else present(record.lookup(s.field)) for s in query.sorting]


class Leading(Generic[T]):
    """The page of a query, found among matches that come in any order: sort, cursor, offset, limit, in this order (M9).

    What can no longer be on it is let go of: a limit bounds what is held, however many match.

    Args:
        query: Of which the conditions hold for all that is added.

    Example:
        >>> leading = Leading[str](Query().sort("age").limit(1))
        >>> leading.add([((3, "a"), "a"), ((1, "b"), "b")])
        >>> leading.page()
        (['b'], True)
    """

    def __init__(self, query: Query) -> None:
        self._mark, self._skip = cursor_mark(query), query.skip
        self._end = None if query.count is None else query.skip + query.count
        self._rows: list[tuple[tuple[Any, ...], T]] = []

    def add(self, found: Iterable[tuple[tuple[Any, ...], T]]) -> None:
        """Take matches, each behind its place in the order (`row_key`)."""
        mark, source = self._mark, iter(found)
        step = None if self._end is None else self._end + _SPARE
        while some := list(islice(source, step)):
            self._rows += some if mark is None else [row for row in some if mark < row[0]]
            if step is not None and len(self._rows) > step:
                self._order()

    def _order(self) -> None:
        rows = ordered(self._rows, key=itemgetter(0))
        let_go(self._rows)
        self._rows = rows
        if self._end is not None and len(rows) > self._end + 1:  # one more tells that there are more
            self._rows = rows[: self._end + 1]
            let_go(rows)

    def page(self) -> tuple[list[T], bool]:
        """Return the page, and whether more follow; afterwards nothing is held."""
        self._order()
        rows, self._rows = self._rows, []
        found, more = [each for _, each in rows[self._skip : self._end]], self._end is not None and len(rows) > self._end
        let_go(rows)
        return found, more


def page(query: Query, records: Iterable[Record]) -> list[Record]:
    """Sort matching records, cut the page, and show the parts that the query selects."""
    chosen, _ = cut(query, records)
    return [record.project(*query.paths) for record in chosen] if query.paths else chosen


def cut(query: Query, records: Iterable[Record]) -> tuple[list[Record], bool]:
    """Return the page of matching records before its projection, and whether more follow."""
    leading = Leading[Record](query)
    leading.add(placed(query, records))
    return leading.page()


def placed(query: Query, records: Iterable[Record]) -> Iterator[tuple[tuple[Any, ...], Record]]:
    """Yield records, each behind its place in the order of a query."""
    return ((row_key(query, record), record) for record in in_turns(records))


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
    except (ValueError, TypeError, RecursionError) as error:
        raise QueryError("this is no cursor of ours") from error
    known = fingerprint == _fingerprint(query) and len(decoded) == len(query.sorting)
    if not (known and isinstance(last, str) and encodable(last)):
        raise QueryError("the cursor belongs to another query")
    return decoded, last


def _fingerprint(query: Query) -> str:
    described = query.to_dict()
    text = json.dumps([described["conditions"], described["sort"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
