"""What all verbs stand on: two engines that share their state, and a maker of ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from holdall.records import engine, engine_async
from holdall.records.aside import aside_for_async
from holdall.records.drafts import Draft, draft, new_id
from holdall.records.record import Record

__all__ = ["Verbs"]


class Verbs:
    """Base of the kinds of verbs. See `holdall.records.Database`."""

    def __init__(
        self, blocking: engine.Engine, asynchronous: engine_async.Engine, *, mint: Callable[[], str] | None = None
    ) -> None:
        self._blocking = blocking
        self._async = asynchronous
        self._mint = mint or new_id

    def _draft(self, record: Record, id: str | None = None) -> Draft:
        return draft(record, id=id, mint=self._mint)

    async def _draft_async(self, record: Record, id: str | None = None) -> Draft:
        return await aside_for_async(record, partial(self._draft, record, id))
