"""What a database answers: `SearchResult`, what it can do, and the reports of the verbs that look after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from holdall.records.record import Record

__all__ = [
    "CheckReport",
    "ConnectReport",
    "DatabaseCapabilities",
    "Explanation",
    "Problem",
    "RefreshReport",
    "RevisionInfo",
    "SearchResult",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCapabilities:
    """What works on a database; no I/O to get it.

    Attributes:
        engine: ``objects``, ``sql`` or ``table``.
        compare_and_set: ``expected_version`` and `Database.modify` work, without a race.
        conditional_delete: ``delete(expected_version=…)`` works.
        atomic_batches: Several writes can be one: ``transaction()`` writes all or nothing.
        exact_batch_delete: ``batch_delete`` answers from the deletion itself. If not, ``True`` says that the record was there at some
            moment between ``cache_ttl`` before the call and its end: of two that delete it at once both may hear it.
        snapshot_reads: A search sees one moment.
        tags, history: Those verbs work.
        native_sql: ``select_query`` runs in the storage itself.
        max_id_bytes: Longest id, in bytes of UTF-8 that need no escape.
    """

    engine: Literal["objects", "sql", "table"]
    compare_and_set: bool = True
    conditional_delete: bool = True
    atomic_batches: bool = False
    exact_batch_delete: bool = False
    snapshot_reads: bool = False
    tags: bool = False
    history: bool = False
    native_sql: bool = False
    max_id_bytes: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One object that is no readable record: why, and where."""

    key: str
    id: str | None
    reason: str


class SearchResult(list[Record]):
    """The records of a search, in order.

    Attributes:
        cursor: For `Query.after`: the next page; ``None`` if the query has no limit or this is the last page.
        unreadable: What could not be read, with ``on_corrupt="report"``.
    """

    def __init__(
        self, records: Iterable[Record] = (), *, cursor: str | None = None, unreadable: Iterable[Problem] = ()
    ) -> None:
        super().__init__(records)
        self.cursor = cursor
        self.unreadable = tuple(unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport:
    """What a forced look at the storage found.

    Attributes:
        records: Records there are.
        changed: Records whose content was fetched.
    """

    records: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `Database.check` found.

    Attributes:
        records: Readable records.
        corrupt: Objects that no release can read, archived ones included.
        foreign: Keys below the prefix that are no record's.
        drift: Ids for which the mirror held something else than the storage (mended by the check).
    """

    records: int
    corrupt: tuple[Problem, ...] = ()
    foreign: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all is well (foreign keys are nobody's fault)."""
        return not self.corrupt and not self.drift


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectReport:
    """What `Database.connect` found: the storage answers.

    Attributes:
        compare_and_set: The service really enforces conditions of writes.
        conditional_delete: And of deletes.
        note: What a user should know, or ``""``.
    """

    compare_and_set: bool
    conditional_delete: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a query would be answered; nothing is asked.

    Attributes:
        sql: The SQL over the index or table.
        params: Its values.
        exact: SQL decides alone; else the matcher decides on what SQL leaves.
        requests: Expected requests, in words.
    """

    sql: str
    params: tuple[Any, ...]
    exact: bool
    requests: str

    def __str__(self) -> str:
        return f"{self.sql}\n-- {'exact' if self.exact else 'a superset, decided by the matcher'}; {self.requests}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionInfo:
    """One stored version of a record, for `Database.restore`; ``deleted`` marks that it was deleted then."""

    version: str
    at: Any = None
    latest: bool = False
    deleted: bool = False
