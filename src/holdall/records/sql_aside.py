"""Work on rows that would hold up an event loop, done in a thread. Acts of `holdall.records.sql_link` call it in both colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from holdall._concurrency import run_async
from holdall.engine.colours import finish_async

__all__ = ["aside", "aside_for", "characters", "drawn"]

T = TypeVar("T")
_MANY = 50
_LONG = 65_536


def aside(function: Callable[[], T]) -> T:
    """Call a function: here, or in a thread if an event loop would wait for it; whoever is cancelled meanwhile waits for its end."""
    return await_only(finish_async(lambda: run_async(function))) if in_greenlet() else function()


def aside_for(rows: Sequence[Sequence[Any]], function: Callable[[], T]) -> T:
    """Call a function that works on rows: here, or in a thread if an event loop would wait and they are many, or long.

    Args:
        rows: Columns of records: id, fields, metadata first.
        function: What to call.
    """
    return aside(function) if in_greenlet() and (len(rows) > _MANY or characters(rows) > _LONG) else function()


def drawn(found: Iterator[T], rows: Sequence[Sequence[Any]]) -> list[T]:
    """Return what is made of rows. See `aside_for`."""
    return aside_for(rows, lambda: list(found))


def characters(rows: Sequence[Sequence[Any]]) -> int:
    """Return how long the documents of rows are."""
    return sum(len(row[1] or "") + len(row[2] or "") for row in rows)
