"""`Database`: the contract of all storages of records, every verb in both colours.

An engine implements `holdall.records.engine_async.Engine` (the blocking twin is generated); a `Database` checks arguments, calls it and
turns outcomes into results. Opening does no I/O. Instances are safe for threads and tasks, and both colours mix on one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, overload

from holdall._concurrency import run_async
from holdall.records import engine, engine_async
from holdall.records.drafts import Draft, draft, items_of, new_id, settled
from holdall.records.errors import BatchError, Outcome, QueryError, RecordNotFoundError
from holdall.records.export import ExportReport, Format, as_pandas, as_polars, table_of
from holdall.records.query import And, Condition, Filter, Not, Or, Query
from holdall.records.record import Record
from holdall.records.results import (
    CheckReport,
    ConnectReport,
    DatabaseCapabilities,
    Explanation,
    RefreshReport,
    RevisionInfo,
    SearchResult,
)

__all__ = ["Database", "as_query"]


def as_query(query: Query | Condition | None) -> Query:
    """Return a query for what a caller may hand in.

    Raises:
        QueryError: Neither a query nor a condition.
    """
    if query is None:
        return Query()
    if isinstance(query, Query):
        return query
    if isinstance(query, (Filter, And, Or, Not)):
        return Query().filter(query)
    raise QueryError(f"search takes a Query or a condition, not {type(query).__name__}")


class Database:
    """Records on one storage. Open one by its class, by `Database.open` or by `holdall.records.DatabaseFactory`.

    A subclass sets the two engines, which share their state, in its ``__init__`` and tells its capabilities.

    Args:
        blocking: The blocking engine.
        asynchronous: Its async twin.
        mint: Makes ids for records that have none.

    Examples:
        >>> from holdall.records import Database, Query, Record
        >>> with Database.open("memory://") as db:
        ...     id = db.create(Record({"name": "Ada", "age": 36}))
        ...     [record["name"] for record in db.search(Query().filter("age", ">", 30))]
        ['Ada']
    """

    def __init__(
        self, blocking: engine.Engine, asynchronous: engine_async.Engine, *, mint: Callable[[], str] | None = None
    ) -> None:
        self._blocking = blocking
        self._async = asynchronous
        self._mint = mint or new_id

    @staticmethod
    def open(url: str, **options: Any) -> Database:
        """Open a database by URL: ``postgresql://…`` and ``sqlite://…`` by SQL, anything else as objects on that storage.

        Args:
            url: Address; for object stores bucket and prefix, e.g. ``s3://bucket/prefix?region=eu-west-1``.
            options: Of `ObjectDatabase` or `SQLDatabase`.
        """
        from holdall.records.opening import open_database  # noqa: PLC0415  # drivers and SQLAlchemy load on demand

        return open_database(url, **options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a database of a mapping of options; an unknown one is an error."""
        return cls(**config)

    @property
    def capabilities(self) -> DatabaseCapabilities:
        """What works here; no I/O."""
        raise NotImplementedError  # pragma: no cover  # of each subclass

    def _draft(self, record: Record, id: str | None = None) -> Draft:
        return draft(record, id=id, mint=self._mint)

    # -- one record ---------------------------------------------------------------------------------------------------

    def create(self, record: Record) -> str:
        """Insert a record atomically and return its id.

        Args:
            record: Not changed. Its id is its own, or a new UUID.

        Raises:
            DuplicateRecordError: The id is taken; nothing changed.
            SerializationError: It holds a value that cannot be stored; nothing was sent.
        """
        return _id(self._blocking.create(self._draft(record)))

    async def create_async(self, record: Record) -> str:
        """Insert a record. See `create`."""
        return _id(await self._async.create_async(self._draft(record)))

    def read(self, id: str) -> Record | None:
        """Return a record; ``None`` only if the storage said that it is not there.

        Raises:
            CorruptRecordError: Something is there that is no record.
        """
        return self._blocking.read(_checked(id))

    async def read_async(self, id: str) -> Record | None:
        """Return a record or ``None``. See `read`."""
        return await self._async.read_async(_checked(id))

    def require(self, id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: It is not there.
        """
        return _there(self.read(id), id, self)

    async def require_async(self, id: str) -> Record:
        """Return a record. See `require`."""
        return _there(await self.read_async(id), id, self)

    def update(self, id: str, record: Record, *, expected_version: str | None = None) -> bool:
        """Replace fields and user metadata; ``created_at`` stays.

        Args:
            id: Which one (the record's own id does not matter).
            record: The new content; not changed.
            expected_version: Only if it is at this version.

        Returns:
            ``False`` if it is absent; nothing was written then.

        Raises:
            ConcurrencyError: It is at another version.
        """
        return self._blocking.update(self._draft(record, _checked(id)), expected_version) is not None

    async def update_async(self, id: str, record: Record, *, expected_version: str | None = None) -> bool:
        """Replace a record. See `update`."""
        return await self._async.update_async(self._draft(record, _checked(id)), expected_version) is not None

    @overload
    def upsert(self, id: Record, /) -> str: ...
    @overload
    def upsert(self, id: str, record: Record, *, expected_version: str | None = None) -> str: ...
    def upsert(self, id: str | Record, record: Record | None = None, *, expected_version: str | None = None) -> str:
        """Replace or insert a record and return its id, after a confirmed write.

        Args:
            id: Which one; or the record itself, which knows its id or gets one.
            record: The content.
            expected_version: Only replace, and only this version.

        Raises:
            ConcurrencyError: It is at another version, or absent (``actual_version=None``).
        """
        return _id(self._blocking.upsert(self._upserted(id, record, expected_version), expected_version))

    @overload
    async def upsert_async(self, id: Record, /) -> str: ...
    @overload
    async def upsert_async(self, id: str, record: Record, *, expected_version: str | None = None) -> str: ...
    async def upsert_async(
        self, id: str | Record, record: Record | None = None, *, expected_version: str | None = None
    ) -> str:
        """Replace or insert a record. See `upsert`."""
        return _id(await self._async.upsert_async(self._upserted(id, record, expected_version), expected_version))

    def _upserted(self, id: str | Record, record: Record | None, expected_version: str | None) -> Draft:
        if isinstance(id, Record):
            if record is not None or expected_version is not None:
                raise TypeError(
                    "upsert(record) takes nothing else; with a version it is upsert(id, record, expected_version=…)"
                )
            return self._draft(id)
        if record is None:
            raise TypeError("upsert takes a record, or an id and a record")
        return self._draft(record, _checked(id))

    def modify(self, id: str, function: Callable[[Record], Record | None], *, attempts: int = 8) -> Record:
        """Read a record, change it and write it back if nobody else did meanwhile; else again.

        Args:
            id: Which one.
            function: Gets a copy; returns the new content, or ``None`` if it changed the copy.
            attempts: How often at most.

        Returns:
            The record as it is stored now.

        Raises:
            RecordNotFoundError: It is not there.
            ConcurrencyError: All attempts met another writer.
        """
        return self._blocking.modify(_checked(id), function, attempts)

    async def modify_async(self, id: str, function: Callable[[Record], Any], *, attempts: int = 8) -> Record:
        """Change a record by compare-and-set; the function may be a coroutine function. See `modify`."""
        return await self._async.modify_async(_checked(id), function, attempts)

    def delete(self, id: str, *, expected_version: str | None = None) -> bool:
        """Delete a record and tell whether it was there.

        Raises:
            ConcurrencyError: It is not at the expected version; it is kept.
        """
        return self._blocking.delete(_checked(id), expected_version)

    async def delete_async(self, id: str, *, expected_version: str | None = None) -> bool:
        """Delete a record. See `delete`."""
        return await self._async.delete_async(_checked(id), expected_version)

    def exists(self, id: str) -> bool:
        """Tell whether a record is there."""
        return self._blocking.version(_checked(id)) is not None

    async def exists_async(self, id: str) -> bool:
        """Tell whether a record is there."""
        return await self._async.version_async(_checked(id)) is not None

    def get_version(self, id: str) -> str | None:
        """Return the opaque version token of a record, unique per write; ``None`` if it is absent."""
        return self._blocking.version(_checked(id))

    async def get_version_async(self, id: str) -> str | None:
        """Return the version token of a record. See `get_version`."""
        return await self._async.version_async(_checked(id))

    # -- many ---------------------------------------------------------------------------------------------------------

    def batch_create(self, records: Iterable[Record]) -> list[str]:
        """Insert many; all are tried. Iterators are drawn lazily; of a repeated id the first one counts.

        Returns:
            Their ids, in order.

        Raises:
            BatchError: Some failed; ``outcomes`` has each of them.
        """
        return _ids(settled(self._blocking.write_many("create", items_of(records, mint=self._mint)), "batch_create"))

    async def batch_create_async(self, records: Iterable[Record]) -> list[str]:
        """Insert many. See `batch_create`."""
        items = items_of(records, mint=self._mint)
        return _ids(settled(await self._async.write_many_async("create", items), "batch_create"))

    def batch_upsert(self, records: Iterable[Record]) -> list[str]:
        """Replace or insert many. See `batch_create`."""
        return _ids(settled(self._blocking.write_many("upsert", items_of(records, mint=self._mint)), "batch_upsert"))

    async def batch_upsert_async(self, records: Iterable[Record]) -> list[str]:
        """Replace or insert many. See `batch_create`."""
        items = items_of(records, mint=self._mint)
        return _ids(settled(await self._async.write_many_async("upsert", items), "batch_upsert"))

    def batch_update(self, pairs: Iterable[tuple[str, Record]]) -> list[bool]:
        """Replace many, given as ``(id, record)``; ``False`` for each that is absent.

        Raises:
            BatchError: Some failed.
        """
        return _done(settled(self._blocking.write_many("update", items_of(pairs)), "batch_update", missing_is_false=True))

    async def batch_update_async(self, pairs: Iterable[tuple[str, Record]]) -> list[bool]:
        """Replace many. See `batch_update`."""
        outcomes = await self._async.write_many_async("update", items_of(pairs))
        return _done(settled(outcomes, "batch_update", missing_is_false=True))

    def batch_read(self, ids: Iterable[str]) -> list[Record | None]:
        """Return many records in the order of their ids, ``None`` for each that is absent; repeats allowed.

        Raises:
            BatchError: Some could not be read.
        """
        wanted = list(map(_checked, ids))
        return _read(wanted, self._blocking.read_many(wanted))

    async def batch_read_async(self, ids: Iterable[str]) -> list[Record | None]:
        """Return many records. See `batch_read`."""
        wanted = list(map(_checked, ids))
        return _read(wanted, await self._async.read_many_async(wanted))

    def batch_delete(self, ids: Iterable[str]) -> list[bool]:
        """Delete many and tell of each whether it was there.

        Raises:
            BatchError: Some could not be deleted.
        """
        outcomes = self._blocking.delete_many(map(_checked, ids))
        return _done(settled(outcomes, "batch_delete", missing_is_false=True))

    async def batch_delete_async(self, ids: Iterable[str]) -> list[bool]:
        """Delete many. See `batch_delete`."""
        outcomes = await self._async.delete_many_async(map(_checked, ids))
        return _done(settled(outcomes, "batch_delete", missing_is_false=True))

    def clear(self) -> int:
        """Delete all records and return how many there were; foreign objects stay.

        Raises:
            BatchError: Some could not be deleted.
        """
        return self._blocking.clear()

    async def clear_async(self) -> int:
        """Delete all records. See `clear`."""
        return await self._async.clear_async()

    # -- questions ----------------------------------------------------------------------------------------------------

    def search(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> SearchResult:
        """Return the records of a query.

        Args:
            query: A query or a condition; all records if ``None``.
            max_age: How old what is kept locally may be, in seconds; the database's ``cache_ttl`` if ``None``.
        """
        return self._blocking.search(as_query(query), max_age)

    async def search_async(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> SearchResult:
        """Return the records of a query. See `search`."""
        return await self._async.search_async(as_query(query), max_age)

    def all(self) -> list[Record]:
        """Return all records, by id."""
        return list(self.search())

    async def all_async(self) -> list[Record]:
        """Return all records, by id."""
        return list(await self.search_async())

    def stream(
        self, query: Query | Condition | None = None, *, batch_size: int = 1000, max_age: float | None = None
    ) -> Iterator[Record]:
        """Yield the records of a query (all of it: sort, page, select) with bounded memory; close it early as you like.

        Args:
            query: A query or a condition.
            batch_size: Records fetched at once.
            max_age: See `search`.
        """
        return self._blocking.stream(as_query(query), _positive("batch_size", batch_size), max_age)

    def stream_async(
        self, query: Query | Condition | None = None, *, batch_size: int = 1000, max_age: float | None = None
    ) -> AsyncIterator[Record]:
        """Yield the records of a query. See `stream`."""
        return self._async.stream_async(as_query(query), _positive("batch_size", batch_size), max_age)

    def ids(self, prefix: str = "") -> Iterator[str]:
        """Yield the ids that start with a text."""
        return self._blocking.ids(prefix)

    def ids_async(self, prefix: str = "") -> AsyncIterator[str]:
        """Yield the ids that start with a text."""
        return self._async.ids_async(prefix)

    def count(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> int:
        """Count the records for which a query's conditions hold; sort and page do not matter."""
        return self._blocking.count(None if query is None else as_query(query), max_age)

    async def count_async(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> int:
        """Count records. See `count`."""
        return await self._async.count_async(None if query is None else as_query(query), max_age)

    def select_query(
        self, sql: str, params: Sequence[Any] = (), *, timeout: float = 30, max_age: float | None = None
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT`` over ``records``, also named ``S3Object``.

        It has a column per top-level field, beside ``id``, ``created_at``, ``updated_at``, ``version`` and ``metadata``.

        Args:
            sql: One statement; values go into ``params``, for each ``?`` one.
            params: Values.
            timeout: Seconds.
            max_age: See `search`.

        Raises:
            QueryError: No ``SELECT``, a write, several statements, or wrong SQL.
        """
        return self._blocking.select(sql, tuple(params), max_age, timeout)

    async def select_query_async(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        timeout: float = 30,
        max_age: float | None = None,
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT``. See `select_query`."""
        return await self._async.select_async(sql, tuple(params), max_age, timeout)

    # -- as tables ----------------------------------------------------------------------------------------------------

    def to_arrow(self, query: Query | Condition | None = None) -> Any:
        """Return the records of a query as a `pyarrow.Table`: the id, a column per field (mixed ones as JSON text), the times."""
        return table_of(self.stream(query))

    async def to_arrow_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `pyarrow.Table`. See `to_arrow`."""
        return table_of([record async for record in self.stream_async(query)])

    def to_pandas(self, query: Query | Condition | None = None) -> Any:
        """Return a `pandas.DataFrame`. See `to_arrow`."""
        return as_pandas(self.to_arrow(query))

    async def to_pandas_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `pandas.DataFrame`. See `to_arrow`."""
        return as_pandas(await self.to_arrow_async(query))

    def to_polars(self, query: Query | Condition | None = None) -> Any:
        """Return a `polars.DataFrame`. See `to_arrow`."""
        return as_polars(self.to_arrow(query))

    async def to_polars_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `polars.DataFrame`. See `to_arrow`."""
        return as_polars(await self.to_arrow_async(query))

    def export(
        self,
        where: str,
        query: Query | Condition | None = None,
        *,
        format: Format | None = None,
        columns: Sequence[str] | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> ExportReport:
        """Write the records of a query to a file on any storage, or to a Delta table; whole or not at all, with bounded memory.

        Args:
            where: A path, URL or ``mount:path``; for Delta a directory or what `deltalake` takes.
            query: Which records.
            format: ``parquet``, ``arrow``, ``csv``, ``jsonl`` or ``delta``; by the suffix if not given.
            columns: These paths alone; else the id, all fields, and the times.
            storage_options: Of `deltalake`, for Delta on an object store.
        """
        from holdall.records.export_files import format_of, write_file  # noqa: PLC0415  # only where files are written

        return write_file(
            where,
            lambda: self.stream(query),
            format=format_of(where, format),
            columns=columns,
            storage_options=storage_options,
        )

    async def export_async(
        self,
        where: str,
        query: Query | Condition | None = None,
        *,
        format: Format | None = None,
        columns: Sequence[str] | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> ExportReport:
        """Write records to a file, in a thread: the libraries of these formats block. See `export`."""
        from holdall.records.export_files import format_of, write_file  # noqa: PLC0415

        cancelled = False

        def write() -> ExportReport:
            return write_file(
                where,
                lambda: self.stream(query),
                format=format_of(where, format),
                columns=columns,
                storage_options=storage_options,
                stopped=lambda: cancelled,
            )

        try:
            return await run_async(write)
        finally:
            cancelled = True

    # -- care ---------------------------------------------------------------------------------------------------------

    def connect(self) -> ConnectReport:
        """Ask whether the storage is there and really enforces conditions; never needed before other verbs."""
        return self._blocking.connect()

    async def connect_async(self) -> ConnectReport:
        """Ask whether the storage is there. See `connect`."""
        return await self._async.connect_async()

    def refresh(self) -> RefreshReport:
        """Look at the storage now, whatever the age of what is kept locally."""
        return self._blocking.refresh()

    async def refresh_async(self) -> RefreshReport:
        """Look at the storage now. See `refresh`."""
        return await self._async.refresh_async()

    def check(self) -> CheckReport:
        """Read everything; report what is corrupt or foreign, and where the local index was wrong."""
        return self._blocking.check()

    async def check_async(self) -> CheckReport:
        """Read everything and report. See `check`."""
        return await self._async.check_async()

    def explain(self, query: Query | Condition | None = None) -> Explanation:
        """Say how a query would be answered; nothing is asked."""
        return self._blocking.explain(as_query(query))

    async def explain_async(self, query: Query | Condition | None = None) -> Explanation:
        """Say how a query would be answered."""
        return await self._async.explain_async(as_query(query))

    def tags(self, id: str) -> dict[str, str]:
        """Return the tags that the storage shows for a record.

        Raises:
            NotSupportedError: The storage has no tags.
        """
        return self._blocking.tags(_checked(id))

    async def tags_async(self, id: str) -> dict[str, str]:
        """Return the tags of a record. See `tags`."""
        return await self._async.tags_async(_checked(id))

    def history(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the storage keeps of a record, oldest first.

        Raises:
            NotSupportedError: It keeps none.
        """
        return self._blocking.history(_checked(id))

    async def history_async(self, id: str) -> list[RevisionInfo]:
        """Return the kept versions of a record. See `history`."""
        return await self._async.history_async(_checked(id))

    def restore(self, id: str, version: str) -> Record:
        """Make an old version (of `history`) the present one.

        Raises:
            RecordNotFoundError: There is no such version.
        """
        return self._blocking.restore(_checked(id), version)

    async def restore_async(self, id: str, version: str) -> Record:
        """Make an old version the present one. See `restore`."""
        return await self._async.restore_async(_checked(id), version)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of connections and files; idempotent."""
        self._blocking.close()

    async def close_async(self) -> None:
        """Let go of connections and files; idempotent."""
        await self._async.close_async()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()


def _id(record: Record) -> str:
    assert record.id is not None
    return record.id


def _ids(outcomes: list[Outcome]) -> list[str]:
    return [outcome.id or "" for outcome in outcomes]


def _done(outcomes: list[Outcome]) -> list[bool]:
    return [outcome.status == "written" for outcome in outcomes]


def _there(record: Record | None, id: str, database: Database) -> Record:
    if record is None:
        raise RecordNotFoundError(f"no record {id!r}", id=id, database=database)
    return record


def _read(ids: Sequence[str], found: Sequence[Record | Exception | None]) -> list[Record | None]:
    """Return what a batch read, or raise for what it could not read."""
    errors = [each for each in found if isinstance(each, Exception)]
    if errors:
        outcomes = [_read_outcome(index, id, each) for index, (id, each) in enumerate(zip(ids, found, strict=True))]
        raise BatchError(
            f"batch_read: {len(errors)} of {len(ids)} could not be read, the first one because: {errors[0]}",
            outcomes=outcomes,
        ) from errors[0]
    return [each for each in found if not isinstance(each, Exception)]


def _read_outcome(index: int, id: str, found: Record | Exception | None) -> Outcome:
    if isinstance(found, Exception):
        return Outcome(index=index, id=id, status="failed", error=found)
    return Outcome(index=index, id=id, status="missing" if found is None else "written")


def _checked(id: object) -> str:
    if not isinstance(id, str):
        raise TypeError(f"an id is a str, not {type(id).__name__}")
    return id


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")
    return value
