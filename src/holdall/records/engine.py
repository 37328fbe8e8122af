# Generated from engine_async.py by tools/twins.py: change that file, not this one.
"""`Engine`: what a storage of records implements, in one colour. `holdall.records.database.Database` is the public half.

Arguments were checked by the `Database`: queries are `Query`, records are `Draft`. Errors are those of `holdall.records.errors` and
`holdall.errors`; no exception of a library leaves an engine.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import sleep
from holdall.engine.colours import told
from holdall.errors import HoldallError, NotSupportedError
from holdall.records.aside import aside, aside_for
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
    def create(self, draft: Draft) -> Written:
        """Insert atomically. A minted id that is taken is minted again, while `Draft.renamed` gives another one.

        Raises:
            DuplicateRecordError: The id is taken; nothing changed.
        """

    @abstractmethod
    def read(self, id: str) -> Record | None:
        """Return a record, ``None`` only if the storage said that it is not there. It is the caller's own, and may be changed."""

    @abstractmethod
    def update(self, draft: Draft, expected_version: str | None) -> Written | None:
        """Replace a record; return ``None``, with nothing written, if it is absent.

        Raises:
            ConcurrencyError: It is not at this version.
        """

    @abstractmethod
    def upsert(self, draft: Draft, expected_version: str | None) -> Written:
        """Replace or insert; with a version only replace (absent is a `ConcurrencyError` too)."""

    @abstractmethod
    def delete(self, id: str, expected_version: str | None) -> bool:
        """Delete; tell whether it was there.

        Raises:
            ConcurrencyError: It is not at this version; it is kept.
        """

    @abstractmethod
    def version(self, id: str) -> str | None:
        """Return the version token, ``None`` if the record is absent."""

    # -- many ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def write_many(self, verb: WriteVerb, items: Iterator[Item]) -> list[Outcome]:
        """Write items drawn lazily, bounded in memory and requests; an outcome for each, in any order."""

    @abstractmethod
    def read_many(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Return a record, ``None`` or an error for each id, in order; repeats allowed."""

    @abstractmethod
    def delete_many(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete; ``written`` if it was there, ``missing`` if not (a repeat, too), in any order."""

    @abstractmethod
    def clear(self) -> int:
        """Delete all records; return how many.

        Raises:
            BatchError: Some could not be deleted.
        """

    # -- questions ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def search(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query: conditions, sort, cursor, offset, limit, select."""

    @abstractmethod
    def stream(self, query: Query, batch_size: int, max_age: float | None) -> Iterator[Record]:
        """Yield the records of a query with bounded memory."""

    def legible(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> Iterator[Record]:
        """Yield the records of a query that can be read, and note the others before what comes behind them.

        An engine that does not implement this raises for them, as it does if there is no list.
        """
        return self.stream(query, batch_size, max_age)

    @abstractmethod
    def ids(self, prefix: str) -> Iterator[str]:
        """Yield the ids that start with a text, in order."""

    @abstractmethod
    def count(self, query: Query | None, max_age: float | None) -> int:
        """Count the records that a query's conditions hold for; its sort, page and projection do not matter."""

    @abstractmethod
    def select(self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT`` over the view ``records``, also named ``S3Object``."""

    # -- care ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def connect(self) -> ConnectReport:
        """Ask whether the storage is there and keeps its promises."""

    @abstractmethod
    def refresh(self) -> RefreshReport:
        """Bring what is kept locally up to date, whatever its age."""

    @abstractmethod
    def check(self) -> CheckReport:
        """Read everything and compare."""

    @abstractmethod
    def explain(self, query: Query) -> Explanation:
        """Say how a query would be answered; no requests."""

    def tags(self, id: str) -> dict[str, str]:
        """Return the tags of a record's object."""
        raise NotSupportedError(f"{type(self).__name__} keeps no tags")

    def history(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the storage keeps of a record, oldest first."""
        raise NotSupportedError(f"{type(self).__name__} keeps no old versions")

    def restore(self, id: str, version: str) -> Record:
        """Make an old version the present one."""
        raise NotSupportedError(f"{type(self).__name__} keeps no old versions")

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files; idempotent."""

    def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write all changes or none.

        Raises:
            TransactionError: One failed; none was written.
        """
        raise NotSupportedError(f"{type(self).__name__} has no transactions")

    # -- on top of these ----------------------------------------------------------------------------------------------

    def modify(self, id: str, function: Callable[[Record], Any], attempts: int, database: object = None) -> Record:
        """Read, change what was read, compare and set; again on conflict, with jitter. Errors name the database."""
        for attempt in range(attempts):
            found = self.read(id)
            if found is None:
                raise RecordNotFoundError(f"no record {id!r}", id=id, database=database)
            version = found.version
            answer = told(function, found)  # nobody else has it
            found = found if answer is None else answer
            made = aside_for(found, partial(draft, found, id=id))
            del found, answer  # now, and not with other long data
            try:
                written = self.update(made, version)
            except ConcurrencyError:
                if attempt + 1 == attempts:
                    raise
                sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311  # jitter
                continue
            if written is None:
                raise RecordNotFoundError(f"record {id!r} was deleted meanwhile", id=id, database=database)
            return aside(partial(made.record, written), made.content.size)
        raise RecordError(f"modify needs at least one attempt, not {attempts}", id=id, database=database)

    def attempt(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write changes one after the other.

        Raises:
            TransactionError: One failed; those before it were written, those after it were not tried.
        """
        outcomes: list[Outcome] = []
        for index, change in enumerate(changes):
            try:
                status = self._attempted(change)
            except HoldallError as error:
                raise failure(changes, outcomes, error, undone=False) from error
            outcomes.append(Outcome(index=index, id=change.id, status=status))
        return outcomes

    def _attempted(self, change: Change) -> Status:
        if change.draft is None:
            return "written" if self.delete(change.id, change.expected_version) else "missing"
        if change.verb == "create":
            self.create(change.draft)
        elif change.verb == "upsert":
            self.upsert(change.draft, change.expected_version)
        elif self.update(change.draft, change.expected_version) is None:
            raise RecordNotFoundError(f"no record {change.id!r}", id=change.id)
        return "written"
