"""What a batch was given, as items: drawn lazily, each encoded where an event loop does not wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

from holdall.records.aside import aside_for_async
from holdall.records.drafts import Drawing, Item, new_id
from holdall.records.record import Record

__all__ = ["items_async"]


async def items_async(
    given: Iterable[Record | tuple[str, Record]], *, mint: Callable[[], str] = new_id
) -> AsyncIterator[Item]:
    """Yield the items of a batch. See `holdall.records.drafts.Drawing`."""
    drawing = Drawing(mint)
    for each in given:
        yield await aside_for_async(each, partial(drawing.item, each))
