"""Records on any storage, queryable: `Record`, `Query` and the `Database` contract.

Names resolve on first use (PEP 562): importing this package loads no third-party module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall.records.database import Database
    from holdall.records.errors import (
        BackendNotFoundError,
        BatchError,
        ConcurrencyError,
        CorruptRecordError,
        DatabaseNotFoundError,
        DuplicateRecordError,
        MigrationError,
        QueryError,
        RecordArchivedError,
        RecordError,
        RecordNotFoundError,
        SerializationError,
        TransactionError,
        UnreadableWarning,
    )
    from holdall.records.export_files import records_from
    from holdall.records.factory import DatabaseFactory, register_backend
    from holdall.records.migration import migrate
    from holdall.records.migration_async import migrate_async
    from holdall.records.migration_report import MigrationReport
    from holdall.records.objects_database import ObjectDatabase
    from holdall.records.query import And, Filter, Not, Or, Query
    from holdall.records.record import Field, Record
    from holdall.records.results import SearchResult
    from holdall.records.s3_database import S3Database
    from holdall.records.sql_database import SQLDatabase
    from holdall.records.tags import TagsOmittedWarning
    from holdall.records.transaction import Transaction

_HOMES = {
    "And": "holdall.records.query",
    "BackendNotFoundError": "holdall.records.errors",
    "BatchError": "holdall.records.errors",
    "ConcurrencyError": "holdall.records.errors",
    "CorruptRecordError": "holdall.records.errors",
    "DatabaseNotFoundError": "holdall.records.errors",
    "Database": "holdall.records.database",
    "DatabaseFactory": "holdall.records.factory",
    "DuplicateRecordError": "holdall.records.errors",
    "Field": "holdall.records.record",
    "Filter": "holdall.records.query",
    "MigrationError": "holdall.records.errors",
    "MigrationReport": "holdall.records.migration_report",
    "Not": "holdall.records.query",
    "ObjectDatabase": "holdall.records.objects_database",
    "Or": "holdall.records.query",
    "Query": "holdall.records.query",
    "QueryError": "holdall.records.errors",
    "Record": "holdall.records.record",
    "RecordArchivedError": "holdall.records.errors",
    "RecordError": "holdall.records.errors",
    "RecordNotFoundError": "holdall.records.errors",
    "S3Database": "holdall.records.s3_database",
    "SQLDatabase": "holdall.records.sql_database",
    "SearchResult": "holdall.records.results",
    "SerializationError": "holdall.records.errors",
    "TagsOmittedWarning": "holdall.records.tags",
    "Transaction": "holdall.records.transaction",
    "TransactionError": "holdall.records.errors",
    "UnreadableWarning": "holdall.records.errors",
    "migrate": "holdall.records.migration",
    "migrate_async": "holdall.records.migration_async",
    "records_from": "holdall.records.export_files",
    "register_backend": "holdall.records.factory",
}

__all__ = [
    "And",
    "BackendNotFoundError",
    "BatchError",
    "ConcurrencyError",
    "CorruptRecordError",
    "Database",
    "DatabaseFactory",
    "DatabaseNotFoundError",
    "DuplicateRecordError",
    "Field",
    "Filter",
    "MigrationError",
    "MigrationReport",
    "Not",
    "ObjectDatabase",
    "Or",
    "Query",
    "QueryError",
    "Record",
    "RecordArchivedError",
    "RecordError",
    "RecordNotFoundError",
    "S3Database",
    "SQLDatabase",
    "SearchResult",
    "SerializationError",
    "TagsOmittedWarning",
    "Transaction",
    "TransactionError",
    "UnreadableWarning",
    "migrate",
    "migrate_async",
    "records_from",
    "register_backend",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall.records' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
