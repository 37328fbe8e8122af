"""Engine B: records in one SQL table. What is asked of a connection stands in `sql_writing` and `sql_reading`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from holdall._concurrency import run_async
from holdall.engine.colours import closed_async
from holdall.errors import HoldallError
from holdall.records import sql_reading as reading
from holdall.records import sql_writing as writing
from holdall.records.aside import aside_async
from holdall.records.chunks_async import chunked_async, weight
from holdall.records.drafts import Draft, Item, WriteVerb, Written
from holdall.records.engine_async import Engine
from holdall.records.errors import CorruptRecordError, DuplicateRecordError, Outcome, RecordError, Status
from holdall.records.query import Query
from holdall.records.record import Record
from holdall.records.results import CheckReport, ConnectReport, Explanation, Problem, RefreshReport, SearchResult
from holdall.records.sql_link import Link
from holdall.records.sql_rows import possible, row_of, written_of
from holdall.records.sql_select import select
from holdall.records.sql_statement import Statement
from holdall.records.sql_transaction import commit
from holdall.records.stride import Stride
from holdall.records.transaction import Change

__all__ = ["SQLEngine"]


class SQLEngine(Engine):
    """The verbs over one table; see `holdall.records.sql_database.SQLDatabase`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    # -- one record ---------------------------------------------------------------------------------------------------

    async def create_async(self, draft: Draft) -> Written:
        """Insert atomically. See `Engine`."""
        while True:
            row = await self._row_async(draft)
            if await self._link.run_async(partial(writing.insert, layout=self._link.layout, row=row), way="write"):
                return written_of(row)
            again = draft.renamed()
            if again is None:
                raise DuplicateRecordError(f"record {draft.id!r} is there already", id=draft.id, database=self._link)
            draft = again

    async def read_async(self, id: str) -> Record | None:
        """Return a record. See `Engine`."""
        return await self._link.run_async(partial(reading.read, layout=self._link.layout, id=id))

    async def update_async(self, draft: Draft, expected_version: str | None) -> Written | None:
        """Replace a record. See `Engine`."""
        row = await self._row_async(draft)
        act = partial(writing.replace, layout=self._link.layout, row=row, expected=expected_version)
        return await self._link.run_async(act, way="write")

    async def upsert_async(self, draft: Draft, expected_version: str | None) -> Written:
        """Replace or insert. See `Engine`."""
        if expected_version is None:
            if draft.mint is not None:
                return await self.create_async(draft)
            act = partial(writing.upsert, layout=self._link.layout, row=await self._row_async(draft))
            return await self._link.run_async(act, way="write")
        found = await self.update_async(draft, expected_version)
        if found is None:
            raise writing.stale(self._link, draft.id, expected_version, None)
        return found

    async def delete_async(self, id: str, expected_version: str | None) -> bool:
        """Delete. See `Engine`."""
        if not possible(id):
            return False
        act = partial(writing.delete, layout=self._link.layout, id=id, expected=expected_version)
        return await self._link.run_async(act, way="write", retry=False)

    async def version_async(self, id: str) -> str | None:
        """Return the version token. See `Engine`."""
        if not possible(id):
            return None
        return await self._link.run_async(partial(writing.version_of, layout=self._link.layout, id=id))

    async def _row_async(self, draft: Draft) -> Sequence[str | None]:
        return await aside_async(lambda: row_of(draft), draft.content.size)

    # -- many ---------------------------------------------------------------------------------------------------------

    async def write_many_async(self, verb: WriteVerb, items: AsyncIterator[Item]) -> list[Outcome]:
        """Write in statements of many rows. See `Engine`."""
        outcomes: list[Outcome] = []
        stopped: HoldallError | None = None
        chunks = chunked_async(items, weight, most_bytes=writing.BATCH_BYTES)
        async with closed_async(chunks):
            async for chunk in chunks:
                for batch in await run_async(partial(writing.batches, verb, chunk)):
                    outcomes += batch.outcomes
                    if not batch:
                        continue
                    if stopped is not None:
                        outcomes += batch.failed(stopped, "not_tried")
                        continue
                    try:
                        outcomes += await self._link.run_async(partial(batch.write, layout=self._link.layout), way="write")
                    except RecordError:  # one of its rows; which one?
                        act = partial(batch.write_each, layout=self._link.layout)
                        outcomes += await self._link.run_async(act, way="write", retry=False)
                    except HoldallError as error:
                        stopped = error
                        outcomes += batch.failed(error, getattr(error, "outcome", "failed"))
        return outcomes

    async def read_many_async(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Return many records. See `Engine`."""
        answers: list[Record | Exception | None] = []
        wanted = iter(ids)
        while chunk := list(islice(wanted, writing.BATCH)):
            found = await self._link.run_async(partial(reading.read_many, layout=self._link.layout, ids=chunk))
            seen: set[str] = set()
            for id in chunk:
                record = found.get(id)
                answers.append(record.copy() if id in seen and isinstance(record, Record) else record)
                seen.add(id)
        return answers

    async def delete_many_async(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete many records. See `Engine`."""
        outcomes: list[Outcome] = []
        there: set[str] = set()
        stopped: HoldallError | None = None
        wanted = iter(ids)
        while chunk := list(islice(wanted, writing.BATCH)):
            cause = stopped
            status: Status = "not_tried"
            if cause is None:
                act = partial(writing.delete_many, layout=self._link.layout, ids=chunk)
                try:
                    there = await self._link.run_async(act, way="write", retry=False)
                except HoldallError as error:
                    cause = error
                    status = getattr(error, "outcome", "failed")
                    stopped = None if isinstance(error, RecordError) else error  # one of its rows, or all
            if cause is not None:
                failed = enumerate(chunk, len(outcomes))
                outcomes += [Outcome(index=index, id=id, status=status, error=cause) for index, id in failed]
                continue
            for id in chunk:
                gone = id in there
                there.discard(id)  # a repeat finds nothing
                outcomes.append(Outcome(index=len(outcomes), id=id, status="written" if gone else "missing"))
        return outcomes

    async def clear_async(self) -> int:
        """Delete all records in one statement. See `Engine`."""
        return await self._link.run_async(partial(writing.clear, layout=self._link.layout), way="write", retry=False)

    async def commit_async(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write all changes or none, in one transaction. See `Engine`."""
        act = partial(commit, layout=self._link.layout, changes=changes)
        return await self._link.run_async(act, way="transaction", retry=False)

    # -- questions ----------------------------------------------------------------------------------------------------

    async def search_async(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query. See `Engine`."""
        plan = reading.Plan(self._link.layout, query)
        return await self._link.run_async(partial(reading.search, plan=plan), way="read" if plan.single else "snapshot")

    def stream_async(self, query: Query, batch_size: int, max_age: float | None) -> AsyncIterator[Record]:
        """Yield the records of a query, of one snapshot. See `Engine`."""
        return self.legible_async(query, batch_size, max_age, None)

    async def legible_async(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> AsyncIterator[Record]:
        """Yield the records of a query that can be read, of one snapshot. See `Engine`."""
        reader = reading.Reader(self._link.layout, query, batch_size, problems)
        if self._link.memory:  # one connection: it is not kept while the caller works
            for record in await self._link.run_async(reader.all):
                yield record
            return
        async with self._link.session_async() as session:
            while found := await session.run_async(reader.step):
                for record in found:
                    yield record

    async def ids_async(self, prefix: str) -> AsyncIterator[str]:
        """Yield the ids that start with a text. See `Engine`."""
        last: str | None = None
        while True:
            found = await self._link.run_async(
                partial(reading.ids_after, layout=self._link.layout, prefix=prefix, last=last)
            )
            for id in found:
                yield id
            if len(found) < writing.BATCH:
                return
            last = found[-1]

    async def count_async(self, query: Query | None, max_age: float | None) -> int:
        """Count. See `Engine`."""
        plan = reading.Plan(self._link.layout, Query() if query is None else Query(query.conditions))
        return await self._link.run_async(partial(reading.count, plan=plan), way="read" if plan.exact else "snapshot")

    async def select_async(
        self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT``. See `Engine`."""
        statement = Statement(sql, params)
        act = partial(select, layout=self._link.layout, statement=statement, time_limit=time_limit)
        return await self._link.run_async(act, way="ask")

    # -- care ---------------------------------------------------------------------------------------------------------

    async def connect_async(self) -> ConnectReport:
        """Ask whether the database answers. See `Engine`."""
        await self._link.run_async(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        return ConnectReport(compare_and_set=True, conditional_delete=True)

    async def refresh_async(self) -> RefreshReport:
        """Count; nothing is kept locally. See `Engine`."""
        return RefreshReport(records=await self.count_async(None, None), changed=0)

    async def check_async(self) -> CheckReport:
        """Read every row. See `Engine`."""
        records = 0
        corrupt: list[Problem] = []
        last: str | None = None
        stride = Stride(writing.BATCH)
        while found := await self._link.run_async(
            partial(reading.inspected, layout=self._link.layout, last=last, stride=stride)
        ):
            for last, error in found.items():
                if isinstance(error, CorruptRecordError):
                    corrupt.append(Problem(key=last, id=last, reason=error.reason))
                else:
                    records += 1
        return CheckReport(records=records, corrupt=tuple(corrupt))

    async def explain_async(self, query: Query) -> Explanation:
        """Say how a query would be answered. See `Engine`."""
        return reading.Plan(self._link.layout, query).explain()

    async def close_async(self) -> None:
        """Close the connections that are ours."""
        await self._link.close_async()
