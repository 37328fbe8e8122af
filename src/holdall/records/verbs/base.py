"""What all verbs stand on: two engines that share their state, and a maker of ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from holdall.errors import ClosedError, InvalidKeyError
from holdall.records import engine, engine_async
from holdall.records.aside import aside_for_async
from holdall.records.drafts import Draft, checked, draft, new_id
from holdall.records.record import Record
from holdall.records.results import DatabaseCapabilities

__all__ = ["Verbs"]

SHORT = 50
"""Characters of an id that every database takes."""


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

    @property
    def capabilities(self) -> DatabaseCapabilities:
        """What this database can do."""
        raise NotImplementedError

    def _draft(self, record: Record, id: str | None = None) -> Draft:
        made = draft(record, id=id, mint=self._mint)
        self._named(made.id)
        return made

    def _named(self, id: object) -> str:
        """Return an id that a record here can have.

        Raises:
            TypeError: It is none.
            InvalidKeyError: It is empty or too long, or text that UTF-8 cannot hold.
        """
        named = checked(id)
        if len(named) > SHORT:
            size, most = len(named.encode()), self.capabilities.max_id_bytes
            if size > most:
                raise InvalidKeyError(f"a record's id takes at most {most} bytes here, not {size}", key=named[:50])
        return named

    @staticmethod
    def _version(expected: object) -> str | None:
        """Return the version that a record is expected to have.

        Raises:
            TypeError: It is no text.
        """
        if expected is not None and not isinstance(expected, str):
            raise TypeError(f"expected_version is a str, not {type(expected).__name__}")
        return expected

    async def _draft_async(self, record: Record, id: str | None = None) -> Draft:
        return await aside_for_async(record, partial(self._draft, record, id))
