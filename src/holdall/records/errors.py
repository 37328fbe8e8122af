"""Errors of the records face; each is also the contract's error of the same meaning.

::

    RecordError (HoldallError)
    ├── DuplicateRecordError (AlreadyExistsError, ValueError)    the id is taken
    ├── RecordNotFoundError (NotFoundError)                      `require`, `modify`, `restore`: no such record
    ├── DatabaseNotFoundError (NotFoundError, MissingPlaceError) the bucket or directory of all records is not there
    ├── ConcurrencyError (PreconditionError)                     the record is not at the version you named
    ├── CorruptRecordError (IntegrityError)                      the object is there, but is no record
    ├── RecordArchivedError (UnavailableError)                   must be restored from its storage class first
    ├── SerializationError (TypeError)                           a value that no record can hold
    ├── QueryError (ValueError)                                  the query is malformed
    ├── BatchError                                               some items failed; see ``outcomes``
    ├── TransactionError                                         a write of it failed; see ``outcomes``
    └── MigrationError                                           see ``report``
    BackendNotFoundError (ConfigError)                           no such backend
    UnreadableWarning (UserWarning)                              some records are left out, with ``on_corrupt="report"``
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    HoldallError,
    IntegrityError,
    MissingPlaceError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)

__all__ = [
    "BackendNotFoundError",
    "BatchError",
    "ConcurrencyError",
    "CorruptRecordError",
    "DatabaseNotFoundError",
    "DuplicateRecordError",
    "MigrationError",
    "Outcome",
    "QueryError",
    "RecordArchivedError",
    "RecordError",
    "RecordNotFoundError",
    "SerializationError",
    "Status",
    "TransactionError",
    "UnreadableWarning",
    "untried",
]

Status = Literal["written", "exists", "missing", "conflict", "failed", "not_tried", "unknown"]


class RecordError(HoldallError):
    """Base of the errors of this face.

    Args:
        message: One sentence without secrets and without the record's content.
        id: Id of the record in question.
        database: Display of the database.
    """

    kind = "record"

    def __init__(self, message: str = "", *, id: str | None = None, database: object = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.id = id
        self.database = None if database is None else str(database)


class DuplicateRecordError(RecordError, AlreadyExistsError, ValueError):
    """The id is taken; nothing was changed."""

    kind = "duplicate_record"


class RecordNotFoundError(RecordError, NotFoundError):
    """There is no such record, and the storage said so."""

    kind = "record_not_found"


class DatabaseNotFoundError(RecordError, MissingPlaceError, NotFoundError):
    """The bucket, container or directory that holds the records is not there; the message has its name."""

    kind = "database_not_found"


class ConcurrencyError(RecordError, PreconditionError):
    """The record is not at the version that the caller named."""

    kind = "concurrency"

    def __init__(
        self, message: str = "", *, expected_version: str | None = None, actual_version: str | None = None, **named: Any
    ) -> None:
        super().__init__(message, **named)
        self.expected_version = expected_version
        self.actual_version = actual_version


class CorruptRecordError(RecordError, IntegrityError):
    """The object exists but is no record that this release can read."""

    kind = "corrupt_record"

    def __init__(self, message: str = "", *, reason: str = "", **named: Any) -> None:
        super().__init__(message, **named)
        self.reason = reason


class RecordArchivedError(RecordError, UnavailableError):
    """The object lies in a storage class that must be restored before it can be read."""

    kind = "record_archived"


class SerializationError(RecordError, TypeError):
    """A value that no record can hold; the message names its path."""

    kind = "serialization"


class QueryError(RecordError, ValueError):
    """The query or its SQL is malformed; raised where it is written."""

    kind = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item of a batch."""

    index: int
    id: str | None
    status: Status
    error: BaseException | None = None


def untried(cause: HoldallError) -> HoldallError:
    """Return the error of items that are not tried any more because of what another one met."""
    error = copy(cause)
    setattr(error, "outcome", "not_tried")  # noqa: B010  # an attribute of errors of records alone
    return error


class BatchError(RecordError):
    """Some items of a batch failed; the others were done.

    Attributes:
        outcomes: One `Outcome` per item, in input order.
    """

    kind = "batch"

    def __init__(self, message: str = "", *, outcomes: Sequence[Outcome] = (), **named: Any) -> None:
        super().__init__(message, **named)
        self.outcomes = list(outcomes)

    @property
    def written(self) -> list[Outcome]:
        """The items that were done."""
        return [o for o in self.outcomes if o.status == "written"]

    @property
    def failed(self) -> list[Outcome]:
        """The items that were not done."""
        return [o for o in self.outcomes if o.status != "written"]


class TransactionError(RecordError):
    """A transaction was not written, or (``"best_effort"``) only in part.

    Attributes:
        outcomes: One `Outcome` per write, in order.
    """

    kind = "transaction"

    def __init__(self, message: str = "", *, outcomes: Sequence[Outcome] = (), **named: Any) -> None:
        super().__init__(message, **named)
        self.outcomes = list(outcomes)


class MigrationError(RecordError):
    """A migration ended early; ``report`` says how far it came."""

    kind = "migration"

    def __init__(self, message: str = "", *, report: Any = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.report = report


class BackendNotFoundError(ConfigError):
    """No backend of this name; known ones that are not installed name their extra."""

    kind = "backend_not_found"


class UnreadableWarning(UserWarning):
    """Some records could not be read, and an answer that has no place to list them leaves them out."""
