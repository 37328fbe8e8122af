"""Engine A: one object per record, on any Store."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import run_async
from holdall._turns import in_turns, turn_async
from holdall.engine.colours import closed_async, finish_async
from holdall.errors import MissingExtraError, NotFoundError
from holdall.records import objects_bare_async as bare
from holdall.records import objects_many_async as many
from holdall.records import objects_mirrored_async as mirrored
from holdall.records import objects_record_async as one
from holdall.records.aside import aside_async, aside_for_async
from holdall.records.chunks_async import CHUNK, chunked_async, each_async, weight
from holdall.records.drafts import Draft, Item, WriteVerb, Written, draft, record_of
from holdall.records.encoding import decode_body
from holdall.records.engine_async import Engine
from holdall.records.errors import Outcome, RecordNotFoundError
from holdall.records.matching import anything, predicate
from holdall.records.mirror.mirror import Interrupted, Mirror
from holdall.records.mirror.rows import Row
from holdall.records.objects_journal import journaled_async
from holdall.records.objects_place import telling_absence
from holdall.records.objects_state import ObjectState, Stored
from holdall.records.ordering import Leading, cursor_after, cursor_mark, placed, row_key
from holdall.records.plans import EVERYTHING, Scope, scope_of
from holdall.records.pushdown import pushdown
from holdall.records.query import Query
from holdall.records.record import Record, length_of
from holdall.records.results import (
    CheckReport,
    ConnectReport,
    Explanation,
    Problem,
    RefreshReport,
    RevisionInfo,
    SearchResult,
)
from holdall.records.sql_statement import Statement
from holdall.records.stride import Stride
from holdall.records.tags import Omissions

__all__ = ["ObjectEngine"]

_GONE = {"written", "missing"}
"""What a deletion says of a record that is surely not there any more."""


@telling_absence
class ObjectEngine(Engine):
    """The verbs over one object per record; see `holdall.records.objects_database.ObjectDatabase`."""

    def __init__(self, state: ObjectState) -> None:
        self.state = state

    # -- one record ---------------------------------------------------------------------------------------------------

    async def create_async(self, draft: Draft) -> Written:
        """Insert atomically. See `Engine`."""
        stored: Stored = await self._written_async(draft.id, lambda: one.create_async(self.state, draft))
        return stored.written

    async def read_async(self, id: str) -> Record | None:
        """Return a record. See `Engine`."""
        return await one.record_async(self.state, id)

    async def update_async(self, draft: Draft, expected_version: str | None) -> Written | None:
        """Replace a record. See `Engine`."""
        stored: Stored | None = await self._written_async(
            draft.id, lambda: one.update_async(self.state, draft, expected_version)
        )
        return None if stored is None else stored.written

    async def upsert_async(self, draft: Draft, expected_version: str | None) -> Written:
        """Replace or insert. See `Engine`."""
        stored: Stored = await self._written_async(draft.id, lambda: one.upsert_async(self.state, draft, expected_version))
        return stored.written

    async def delete_async(self, id: str, expected_version: str | None) -> bool:
        """Delete. See `Engine`."""
        effects: dict[str, Row | None] = {}
        async with journaled_async(self.state, [id], effects):
            was_there = await one.delete_async(self.state, id, expected_version)
            effects[id] = Row(id, None, "gone")
        return was_there

    async def version_async(self, id: str) -> str | None:
        """Return the version token. See `Engine`."""
        return await one.version_async(self.state, id)

    async def modify_async(
        self, id: str, function: Callable[[Record], Any], attempts: int, database: object = None
    ) -> Record:
        """Read, change, compare and set. See `Engine`."""
        one.check_versioned(self.state, "modify")
        return await super().modify_async(id, function, attempts, database)

    async def _written_async(self, id: str, write: Callable[[], Any]) -> Any:
        """Write one record, with its outcome in the mirror."""
        effects: dict[str, Row | None] = {}
        async with journaled_async(self.state, [id], effects):
            stored: Stored | None = await write()
            if stored is None:
                effects[id] = Row(id, None, "gone")
            elif self.state.mirror is not None:
                effects[stored.stamp.id] = await many.stored_row_async(stored)
        if stored is not None:
            omissions = Omissions()
            omissions.add(stored.stamp.id, stored.omitted)
            self.state.tell(omissions)
        return stored

    # -- many ---------------------------------------------------------------------------------------------------------

    async def write_many_async(self, verb: WriteVerb, items: AsyncIterator[Item]) -> list[Outcome]:
        """Write items drawn lazily. See `Engine`."""
        outcomes: list[Outcome] = []
        stopped: list[Exception] = []
        omissions = Omissions()
        chunks = chunked_async(items, weight)
        async with closed_async(chunks):
            async for chunk in chunks:
                effects: dict[str, Row | None] = {}
                async with journaled_async(self.state, [item.draft.id for item in chunk if item.draft], effects):
                    for outcome, row in await many.write_chunk_async(self.state, verb, chunk, stopped, omissions):
                        outcomes.append(outcome)
                        if row is not None:
                            effects[row.id] = row
                del chunk, effects  # before the next ones are drawn
        self.state.tell(omissions)
        return outcomes

    async def read_many_async(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Read records. See `Engine`."""
        return await many.read_many_async(self.state, ids)

    async def delete_many_async(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete records, a thousand in a request. See `Engine`."""
        drawn: list[str] = []
        chunks = chunked_async(each_async(ids))
        async with closed_async(chunks):
            async for chunk in chunks:
                drawn += chunk
        there = await many.present_async(self.state, drawn)
        outcomes: list[Outcome] = []
        for start in range(0, len(drawn), CHUNK):
            part = drawn[start : start + CHUNK]
            effects: dict[str, Row | None] = {}
            async with journaled_async(self.state, list(dict.fromkeys(part)), effects):
                done = await many.delete_chunk_async(self.state, part, start, there)
                outcomes += done
                effects |= {o.id: Row(o.id, None, "gone") for o in done if o.id is not None and o.status in _GONE}
        return outcomes

    async def clear_async(self) -> int:
        """Delete all records; what the mirror holds of them is forgotten. See `Engine`."""
        try:
            return await many.clear_async(self.state)
        finally:
            mirror = self.state.mirror
            if mirror is not None:
                await finish_async(lambda: run_async(mirror.drop))

    # -- questions ----------------------------------------------------------------------------------------------------

    async def search_async(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query. See `Engine`."""
        problems = self.state.noting()
        if not query.sorting:
            async with closed_async(self._paged_async(query, problems, max_age, more=1)) as records:
                chosen = [record async for record in records]
            more = query.count is not None and len(chosen) > query.count
            return await run_async(lambda: _result(query, chosen[: query.count], more, problems))
        leading = Leading[Record](query)
        mirror = await self._mirror_async(query, max_age)
        chunks = chunked_async(self._matched_async(mirror, query, problems, max_age), length_of)
        async with closed_async(chunks):
            async for chunk in chunks:
                await run_async(partial(leading.add, placed(query, chunk)))
        return await run_async(lambda: _result(query, *leading.page(), problems))

    def stream_async(self, query: Query, batch_size: int, max_age: float | None) -> AsyncIterator[Record]:
        """Yield the records of a query. See `Engine`."""
        problems = self.state.noting()
        records = self.legible_async(query, batch_size, max_age, problems)
        return records if problems is None else self._telling_async(records, problems)

    async def _telling_async(self, records: AsyncIterator[Record], problems: list[Problem]) -> AsyncIterator[Record]:
        """Yield records, and at their end warn of what could not be read."""
        try:
            async with closed_async(records):
                async for record in records:
                    yield record
        finally:
            self.state.tell_unreadable(problems)

    async def legible_async(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> AsyncIterator[Record]:
        """Yield the records of a query that can be read. See `Engine`."""
        records = (
            self._sorted_async(query, batch_size, max_age, problems)
            if query.sorting
            else self._paged_async(query, problems, max_age)
        )
        async with closed_async(records):
            async for record in records:
                if query.paths:
                    await turn_async()
                    yield await aside_for_async(record, partial(record.project, *query.paths))
                else:
                    yield record

    async def _sorted_async(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> AsyncIterator[Record]:
        """Yield the records of a query's page in its order, which is found first, from sort values and ids alone."""
        mirror = await self._mirror_async(query, max_age)
        leading = Leading[str](query)
        chunks = chunked_async(self._matched_async(mirror, query, problems, max_age, whole=False), length_of)
        async with closed_async(chunks):
            async for chunk in chunks:
                places = ((key, str(record.id)) for key, record in placed(query, chunk))
                await run_async(partial(leading.add, places))
        wanted, _ = await run_async(leading.page)
        if mirror is not None:
            async with closed_async(mirrored.chosen_async(self.state, mirror, wanted, query, problems, batch_size)) as held:
                async for each in held:
                    yield each
            return
        async with closed_async(bare.read_async(self.state, wanted, predicate(query.condition), problems)) as found:
            async for record in found:
                if record is not None:
                    yield record

    async def _paged_async(
        self, query: Query, problems: list[Problem] | None, max_age: float | None, *, more: int = 0
    ) -> AsyncIterator[Record]:
        """Yield the records of a query's page, by id, and so many more."""
        mark = cursor_mark(query)
        skip, left = query.skip, None if query.count is None else query.count + more
        if left == 0:
            return
        mirror = await self._mirror_async(query, max_age)
        async with closed_async(self._matched_async(mirror, query, problems, max_age)) as matched:
            async for record in matched:
                if mark is not None and not mark < row_key(query, record):
                    continue
                if skip:
                    skip -= 1
                    continue
                yield record
                if left is not None:
                    left -= 1
                    if left == 0:
                        return  # without a look for the next one

    async def ids_async(self, prefix: str) -> AsyncIterator[str]:
        """Yield ids in order. See `Engine`."""
        mirror = self.state.mirror
        if mirror is None:
            for id in await bare.sorted_ids_async(self.state, Scope(None, prefix)):
                await turn_async()
                yield id
            return
        async with closed_async(mirrored.ids_async(self.state, mirror, Scope(None, prefix))) as ids:
            async for id in ids:
                yield id

    async def count_async(self, query: Query | None, max_age: float | None) -> int:
        """Count records. See `Engine`."""
        if self.state.mirror is not None:
            return await mirrored.count_async(self.state, self.state.mirror, query, max_age)
        if query is None or not query.conditions:
            return len(await bare.sorted_ids_async(self.state, EVERYTHING))
        problems = self.state.noting()
        found = sum([1 async for _ in self._matched_async(None, Query(query.conditions), problems, max_age)])
        self.state.tell_unreadable(problems)
        return found

    async def _mirror_async(self, query: Query, max_age: float | None) -> Mirror | None:
        """Return the mirror if it is to answer a query."""
        mirror = self.state.mirror
        cold = mirror is None or await self._cold_async(mirror, query, scope_of(query.condition), max_age)
        return None if cold else mirror

    async def _matched_async(
        self,
        mirror: Mirror | None,
        query: Query,
        problems: list[Problem] | None,
        max_age: float | None,
        *,
        whole: bool = True,
    ) -> AsyncIterator[Record]:
        """Yield the records for which the conditions hold, by id, by way of a mirror or without. See `mirrored.matched_async`."""
        if mirror is not None:
            scope = await mirrored.ready_async(self.state, mirror, query, max_age)
            async with closed_async(
                mirrored.matched_async(self.state, mirror, query, scope, problems, whole=whole)
            ) as records:
                async for record in records:
                    yield record
            return
        scope, holds = scope_of(query.condition), predicate(query.condition)
        most = None
        if not query.conditions and not query.sorting and query.cursor is None and query.count is not None:
            most = query.skip + query.count
        async with closed_async(bare.records_async(self.state, scope, problems, holds, most=most)) as records:
            async for record in records:
                yield record

    async def _cold_async(self, mirror: Mirror, query: Query, scope: Scope, max_age: float | None) -> bool:
        """Tell whether a query is cheaper to answer without the mirror: few records are asked for, and it is not up to date."""
        first = query.count is not None and not query.conditions and not query.sorting and query.cursor is None
        if scope == EVERYTHING and not first:
            return False
        since = time.time() - (self.state.options.cache_ttl if max_age is None else max_age)
        if await run_async(lambda: mirror.fresh(since)):
            return False
        return scope.ids is not None or not await run_async(lambda: mirror.fresh(-math.inf))

    async def select_async(
        self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float
    ) -> list[dict[str, Any]]:
        """Answer one ``SELECT``. See `Engine`."""
        statement = Statement(sql, params)
        mirror = self.state.mirror
        if mirror is not None:
            return await mirrored.select_async(self.state, mirror, statement, max_age, time_limit)
        mirror = Mirror(None, "")
        try:
            return await mirrored.select_async(self.state, mirror, statement, 0, time_limit)
        finally:
            await finish_async(lambda: run_async(mirror.close))

    # -- care ---------------------------------------------------------------------------------------------------------

    async def connect_async(self) -> ConnectReport:
        """Ask the store. See `Engine`."""
        async with closed_async(many.listed_async(self.state)) as pages:
            await anext(pages, None)
        driver, _ = self.state.store.locate(self.state.key("x"))
        probe = getattr(driver, "probe_async", None)
        note = ""
        if probe is not None:
            try:
                await probe()
            except MissingExtraError as error:
                note = f"conditions could not be tried: {error}"
        capabilities = self.state.store.capabilities
        if not self.state.compares:
            note = note or "conditional writes are not honoured here: create, expected_version and modify are refused"
        return ConnectReport(
            compare_and_set=self.state.compares,
            conditional_delete=capabilities.conditional_delete and capabilities.strong_etag,
            note=note,
        )

    async def refresh_async(self) -> RefreshReport:
        """Look at the storage now. See `Engine`."""
        mirror = self.state.mirror
        if mirror is None:
            return RefreshReport(records=await self.count_async(None, 0), changed=0)
        await mirrored.fresh_async(self.state, mirror, 0)
        changed = await mirrored.load_async(self.state, mirror, EVERYTHING)
        return RefreshReport(records=await self.count_async(None, math.inf), changed=changed)

    async def check_async(self) -> CheckReport:
        """Read everything. See `Engine`."""
        foreign: list[str] = []
        async with closed_async(many.listed_async(self.state)) as pages:
            async for page in pages:
                foreign += [meta.key for id, meta in page if id is None]
        corrupt: list[Problem] = []
        drift: list[str] = []
        records = 0
        ids = await bare.sorted_ids_async(self.state, EVERYTHING)
        start, stride = 0, Stride(CHUNK)
        while part := ids[start : start + stride.size]:
            start += len(part)
            held = await self._held_async(part)
            stride.took(len(part), sum(len(row.fields or "") for row in held.values()))
            async with closed_async(bare.read_async(self.state, part, anything, corrupt)) as judged:
                async for found in judged:
                    await turn_async()
                    if found is not None:
                        records += 1
                        row = held.get(str(found.id))
                        if row is not None and await aside_for_async(found, partial(mirrored.drifted, row, found)):
                            drift.append(str(found.id))
        if drift and self.state.mirror is not None:
            await run_async(self.state.mirror.drop)
        return CheckReport(records=records, corrupt=tuple(corrupt), foreign=tuple(foreign), drift=tuple(drift))

    async def _held_async(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return what a mirror that is up to date holds of some records."""
        mirror = self.state.mirror
        if mirror is None:
            return {}
        await mirrored.fresh_async(self.state, mirror, None)
        try:
            rows, _ = await run_async(lambda: mirror.rows(Scope(tuple(ids)), "TRUE", ()))
        except Interrupted:
            return {}
        return {row.id: row for row in rows}

    async def explain_async(self, query: Query) -> Explanation:
        """Say how a query would be answered. See `Engine`."""
        scope = scope_of(query.condition)
        where, values, exact = pushdown(query.condition, "sqlite", str)
        mirror = self.state.mirror
        if mirror is None:
            requests = "every record is listed and read" if scope.ids is None else f"{len(scope.ids)} GET"
        elif await run_async(lambda: mirror.fresh(time.time() - self.state.options.cache_ttl)):
            requests = f"{len(await run_async(lambda: mirror.pending(scope)))} GET"
        elif scope.ids is not None:
            requests = f"{len(scope.ids)} GET"
        else:
            requests = "one LIST per 1000 records, one GET per record that changed"
        return Explanation(sql=f"SELECT * FROM records WHERE {where}", params=tuple(values), exact=exact, requests=requests)  # noqa: S608  # shown, not run

    async def tags_async(self, id: str) -> dict[str, str]:
        """Return the tags that the store shows. See `Engine`."""
        try:
            return await self.state.store.tags_async(self.state.key(id))
        except NotFoundError as error:
            raise RecordNotFoundError(f"no record {id!r}", id=id, database=self.state) from error

    async def history_async(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the store keeps. See `Engine`."""
        versions = await self.state.store.versions_async(self.state.key(id))
        return [
            RevisionInfo(version=v.version, at=v.last_modified, latest=v.is_latest, deleted=v.delete_marker)
            for v in versions
        ]

    async def restore_async(self, id: str, version: str) -> Record:
        """Write the content of an old version again. See `Engine`."""
        try:
            found = await one.raw_async(self.state, id, version=version)
        except NotFoundError as error:
            raise RecordNotFoundError(f"no version {version!r} of {id!r}", id=id, database=self.state) from error
        if found is None:
            raise RecordNotFoundError(f"no version {version!r} of {id!r}", id=id, database=self.state)
        data, key = found[0], self.state.key(id)
        made = await aside_async(lambda: draft(record_of(decode_body(data, id=id, key=key), None), id=id), len(data))
        written = await self.upsert_async(made, None)
        return await aside_async(lambda: made.record(written), len(data))

    async def close_async(self) -> None:
        """Close the store, if it is our own. See `Engine`."""
        await run_async(self.state.close_mirror)
        if self.state.owned:
            await self.state.store.close_async()


def _result(query: Query, chosen: list[Record], more: bool, problems: list[Problem] | None) -> SearchResult:
    """Return the page of a query."""
    cursor = cursor_after(query, chosen[-1]) if more and chosen else None
    shown = [record.project(*query.paths) for record in in_turns(chosen)] if query.paths else chosen
    return SearchResult(shown, cursor=cursor, unreadable=problems or ())
