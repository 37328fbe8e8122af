"""`Engine`: what a storage of records implements, in one colour. `holdall.records.database.Database` is the public half.

Arguments were checked by the `Database`: queries are `Query`, records are `Draft`. Errors are those of `holdall.records.errors` and
`holdall.errors`; no exception of a library leaves an engine.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import sleep_async
from holdall.engine.colours import told_async
from holdall.errors import HoldallError, NotSupportedError
from holdall.records.aside import aside_async, aside_for_async
from holdall.records.drafts import Draft, Item, WriteVerb, Written, draft
from holdall.records.errors import ConcurrencyError, Outcome, RecordError, RecordNotFoundError, Status
from holdall.records.query import Query
from holdall.records.record import Record
from holdall.records.results import (
    CheckReport,
    ConnectReport,
    Explanation,
    Problem,
    RefreshReport,
    RevisionInfo,
    SearchResult,
)
from holdall.records.transaction import Change, failure

__all__ = ["Engine"]


class Engine(ABC):
    """The verbs of one storage, in one colour."""

    # -- one record ---------------------------------------------------------------------------------------------------

    @abstractmethod
    async def create_async(self, draft: Draft) -> Written:
        """Insert atomically. A minted id that is taken is minted again, while `Draft.renamed` gives another one.

        Raises:
            DuplicateRecordError: The id is taken; nothing changed.
        """

    @abstractmethod
    async def read_async(self, id: str) -> Record | None:
        """Return a record, ``None`` only if the storage said that it is not there. It is the caller's own, and may be changed."""

    @abstractmethod
    async def update_async(self, draft: Draft, expected_version: str | None) -> Written | None:
        """Replace a record; return ``None``, with nothing written, if it is absent.

        Raises:
            ConcurrencyError: It is not at this version.
        """

    @abstractmethod
    async def upsert_async(self, draft: Draft, expected_version: str | None) -> Written:
        """Replace or insert; with a version only replace (absent is a `ConcurrencyError` too)."""

    @abstractmethod
    async def delete_async(self, id: str, expected_version: str | None) -> bool:
        """Delete; tell whether it was there.

        Raises:
            ConcurrencyError: It is not at this version; it is kept.
        """

    @abstractmethod
    async def version_async(self, id: str) -> str | None:
        """Return the version token, ``None`` if the record is absent."""

    # -- many ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def write_many_async(self, verb: WriteVerb, items: AsyncIterator[Item]) -> list[Outcome]:
        """Write items drawn lazily, bounded in memory and requests; an outcome for each, in any order."""

    @abstractmethod
    async def read_many_async(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Return a record, ``None`` or an error for each id, in order; repeats allowed."""

    @abstractmethod
    async def delete_many_async(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete; ``written`` if it was there, ``missing`` if not (a repeat, too), in any order."""

    @abstractmethod
    async def clear_async(self) -> int:
        """Delete all records; return how many.

        Raises:
            BatchError: Some could not be deleted.
        """

    # -- questions ----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def search_async(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query: conditions, sort, cursor, offset, limit, select."""

    @abstractmethod
    def stream_async(self, query: Query, batch_size: int, max_age: float | None) -> AsyncIterator[Record]:
        """Yield the records of a query with bounded memory."""

    def legible_async(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> AsyncIterator[Record]:
        """Yield the records of a query that can be read, and note the others before what comes behind them.

        An engine that does not implement this raises for them, as it does if there is no list.
        """
        return self.stream_async(query, batch_size, max_age)

    @abstractmethod
    def ids_async(self, prefix: str) -> AsyncIterator[str]:
        """Yield the ids that start with a text, in order."""

    @abstractmethod
    async def count_async(self, query: Query | None, max_age: float | None) -> int:
        """Count the records that a query's conditions hold for; its sort, page and projection do not matter."""

    @abstractmethod
    async def select_async(
        self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT`` over the view ``records``, also named ``S3Object``."""

    # -- care ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def connect_async(self) -> ConnectReport:
        """Ask whether the storage is there and keeps its promises."""

    @abstractmethod
    async def refresh_async(self) -> RefreshReport:
        """Bring what is kept locally up to date, whatever its age."""

    @abstractmethod
    async def check_async(self) -> CheckReport:
        """Read everything and compare."""

    @abstractmethod
    async def explain_async(self, query: Query) -> Explanation:
        """Say how a query would be answered; no requests."""

    async def tags_async(self, id: str) -> dict[str, str]:
        """Return the tags of a record's object."""
        raise NotSupportedError(f"{type(self).__name__} keeps no tags")

    async def history_async(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the storage keeps of a record, oldest first."""
        raise NotSupportedError(f"{type(self).__name__} keeps no old versions")

    async def restore_async(self, id: str, version: str) -> Record:
        """Make an old version the present one."""
        raise NotSupportedError(f"{type(self).__name__} keeps no old versions")

    @abstractmethod
    async def close_async(self) -> None:
        """Let go of connections and files; idempotent."""

    async def commit_async(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write all changes or none.

        Raises:
            TransactionError: One failed; none was written.
        """
        raise NotSupportedError(f"{type(self).__name__} has no transactions")

    # -- on top of these ----------------------------------------------------------------------------------------------

    async def modify_async(
        self, id: str, function: Callable[[Record], Any], attempts: int, database: object = None
    ) -> Record:
        """Read, change what was read, compare and set; again on conflict, with jitter. Errors name the database."""
        for attempt in range(attempts):
            found = await self.read_async(id)
            if found is None:
                raise RecordNotFoundError(f"no record {id!r}", id=id, database=database)
            version = found.version
            answer = await told_async(function, found)  # nobody else has it
            found = found if answer is None else answer
            made = await aside_for_async(found, partial(draft, found, id=id))
            del found, answer  # now, and not with other long data
            try:
                written = await self.update_async(made, version)
            except ConcurrencyError:
                if attempt + 1 == attempts:
                    raise
                await sleep_async(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311  # jitter
                continue
            if written is None:
                raise RecordNotFoundError(f"record {id!r} was deleted meanwhile", id=id, database=database)
            return await aside_async(partial(made.record, written), made.content.size)
        raise RecordError(f"modify needs at least one attempt, not {attempts}", id=id, database=database)

    async def attempt_async(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write changes one after the other.

        Raises:
            TransactionError: One failed; those before it were written, those after it were not tried.
        """
        outcomes: list[Outcome] = []
        for index, change in enumerate(changes):
            try:
                status = await self._attempted_async(change)
            except HoldallError as error:
                raise failure(changes, outcomes, error, undone=False) from error
            outcomes.append(Outcome(index=index, id=change.id, status=status))
        return outcomes

    async def _attempted_async(self, change: Change) -> Status:
        if change.draft is None:
            return "written" if await self.delete_async(change.id, change.expected_version) else "missing"
        if change.verb == "create":
            await self.create_async(change.draft)
        elif change.verb == "upsert":
            await self.upsert_async(change.draft, change.expected_version)
        elif await self.update_async(change.draft, change.expected_version) is None:
            raise RecordNotFoundError(f"no record {change.id!r}", id=change.id)
        return "written"
