"""What all verbs stand on: two engines that share their state, and a maker of ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from holdall.errors import ClosedError
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
        self._engines = blocking, asynchronous
        self._mint = mint or new_id
        self._closed = False

    @property
    def _blocking(self) -> engine.Engine:
        """The blocking engine.

        Raises:
            ClosedError: The database is closed.
        """
        self._check_open()
        return self._engines[0]

    @property
    def _async(self) -> engine_async.Engine:
        """The async engine. See `_blocking`."""
        self._check_open()
        return self._engines[1]

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self!r} is closed")

    def _draft(self, record: Record, id: str | None = None) -> Draft:
        return draft(record, id=id, mint=self._mint)

    async def _draft_async(self, record: Record, id: str | None = None) -> Draft:
        return await aside_for_async(record, partial(self._draft, record, id))
