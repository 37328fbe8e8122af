# Generated from items_async.py by tools/twins.py: change that file, not this one.
"""What a batch was given, as items: drawn lazily, each encoded where an event loop does not wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from holdall.records.aside import aside_for
from holdall.records.drafts import Drawing, Item, new_id
from holdall.records.record import Record

__all__ = ["items"]


def items(given: Iterable[Record | tuple[str, Record]], *, mint: Callable[[], str] = new_id) -> Iterator[Item]:
    """Yield the items of a batch. See `holdall.records.drafts.Drawing`."""
    drawing = Drawing(mint)
    for each in given:
        yield aside_for(each, partial(drawing.item, each))
