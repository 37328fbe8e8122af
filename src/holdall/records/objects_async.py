"""Engine A: one object per record, on any Store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from holdall.engine.colours import closed_async
from holdall.errors import NotFoundError, NotSupportedError
from holdall.records import objects_bare_async as bare
from holdall.records import objects_many_async as many
from holdall.records import objects_record_async as one
from holdall.records.drafts import Draft, Item, WriteVerb, draft, record_of
from holdall.records.encoding import decode_body
from holdall.records.engine_async import Engine
from holdall.records.errors import CorruptRecordError, Outcome, RecordArchivedError, RecordNotFoundError
from holdall.records.matching import cursor_after, cursor_mark, cut, predicate, row_key
from holdall.records.objects_state import ObjectState
from holdall.records.plans import EVERYTHING, Scope, scope_of
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

__all__ = ["ObjectEngine"]


class ObjectEngine(Engine):
    """The verbs over one object per record; see `holdall.records.objects_database.ObjectDatabase`."""

    def __init__(self, state: ObjectState) -> None:
        self.state = state

    # -- one record ---------------------------------------------------------------------------------------------------

    async def create_async(self, draft: Draft) -> Record:
        """Insert atomically. See `Engine`."""
        stored = await one.create_async(self.state, draft)
        return record_of(stored.body, stored.etag)

    async def read_async(self, id: str) -> Record | None:
        """Return a record. See `Engine`."""
        stored = await one.fetch_async(self.state, id)
        return None if stored is None else record_of(stored.body, stored.etag)

    async def update_async(self, draft: Draft, expected_version: str | None) -> Record | None:
        """Replace a record. See `Engine`."""
        stored = await one.update_async(self.state, draft, expected_version)
        return None if stored is None else record_of(stored.body, stored.etag)

    async def upsert_async(self, draft: Draft, expected_version: str | None) -> Record:
        """Replace or insert. See `Engine`."""
        stored = await one.upsert_async(self.state, draft, expected_version)
        return record_of(stored.body, stored.etag)

    async def delete_async(self, id: str, expected_version: str | None) -> bool:
        """Delete. See `Engine`."""
        return await one.delete_async(self.state, id, expected_version)

    async def version_async(self, id: str) -> str | None:
        """Return the version token. See `Engine`."""
        return await one.version_async(self.state, id)

    # -- many ---------------------------------------------------------------------------------------------------------

    async def write_many_async(self, verb: WriteVerb, items: Iterable[Item]) -> list[Outcome]:
        """Write items drawn lazily. See `Engine`."""
        outcomes: list[Outcome] = []
        stopped: list[Exception] = []
        for chunk in many.chunked(items, lambda item: item.draft.size if item.draft else 0):
            written = await many.write_chunk_async(self.state, verb, chunk, stopped)
            outcomes += [outcome for outcome, _ in written]
        return outcomes

    async def read_many_async(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Read records. See `Engine`."""
        return await many.read_many_async(self.state, ids)

    async def delete_many_async(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete records, a thousand in a request. See `Engine`."""
        outcomes: list[Outcome] = []
        for chunk in many.chunked(ids):
            base = len(outcomes)
            done = await many.delete_chunk_async(self.state, chunk)
            outcomes += [replace(outcome, index=base + outcome.index) for outcome in done]
        return outcomes

    async def clear_async(self) -> int:
        """Delete all records. See `Engine`."""
        return await many.clear_async(self.state)

    # -- questions ----------------------------------------------------------------------------------------------------

    async def search_async(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query. See `Engine`."""
        problems: list[Problem] = []
        matched = [record async for record in self._matched_async(query, problems, max_age)]
        chosen, more = cut(query, matched)
        cursor = cursor_after(query, chosen[-1]) if more and chosen else None
        shown = [record.project(*query.paths) for record in chosen] if query.paths else chosen
        return SearchResult(shown, cursor=cursor, unreadable=problems)

    async def stream_async(self, query: Query, batch_size: int, max_age: float | None) -> AsyncIterator[Record]:
        """Yield the records of a query. See `Engine`."""
        problems: list[Problem] = []
        if query.sorting:
            places = [(row_key(query, record), record.id) async for record in self._matched_async(query, problems, max_age)]
            places.sort()
            mark = cursor_mark(query)
            ids = [id for place, id in places if id is not None and (mark is None or mark < place)]
            del places
            wanted = ids[query.skip : None if query.count is None else query.skip + query.count]
            for start in range(0, len(wanted), batch_size):
                for record in await self.read_many_async(wanted[start : start + batch_size]):
                    if isinstance(record, Exception):
                        raise record
                    if record is not None:
                        yield record.project(*query.paths) if query.paths else record
            return
        mark = cursor_mark(query)
        skip, left = query.skip, query.count
        async with closed_async(self._matched_async(query, problems, max_age)) as matched:
            async for record in matched:
                if mark is not None and not mark < row_key(query, record):
                    continue
                if skip:
                    skip -= 1
                    continue
                if left is not None:
                    if left == 0:
                        return
                    left -= 1
                yield record.project(*query.paths) if query.paths else record

    async def ids_async(self, prefix: str) -> AsyncIterator[str]:
        """Yield ids in order. See `Engine`."""
        async with closed_async(bare.ids_async(self.state, Scope(None, prefix))) as ids:
            async for id in ids:
                yield id

    async def count_async(self, query: Query | None, max_age: float | None) -> int:
        """Count records. See `Engine`."""
        if query is None or not query.conditions:
            return sum([1 async for _ in self.ids_async("")])
        return sum([1 async for _ in self._matched_async(query, [], max_age)])

    async def _matched_async(self, query: Query, problems: list[Problem], max_age: float | None) -> AsyncIterator[Record]:
        """Yield the records for which the conditions hold, by id."""
        holds = predicate(query.condition)
        scope = scope_of(query.condition)
        most = None
        if not query.conditions and not query.sorting and query.cursor is None and query.count is not None:
            most = query.skip + query.count + 1
        async with closed_async(bare.records_async(self.state, scope, problems, most=most)) as records:
            async for record in records:
                if holds(record):
                    yield record

    async def select_async(
        self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float
    ) -> list[dict[str, Any]]:
        """Answer one ``SELECT``. See `Engine`."""
        raise NotSupportedError("select_query needs the mirror")

    # -- care ---------------------------------------------------------------------------------------------------------

    async def connect_async(self) -> ConnectReport:
        """Ask the store. See `Engine`."""
        async with closed_async(many.listed_async(self.state)) as pages:
            await anext(pages, None)
        capabilities = self.state.store.capabilities
        return ConnectReport(compare_and_set=self.state.compares, conditional_delete=capabilities.conditional_delete)

    async def refresh_async(self) -> RefreshReport:
        """Look at the storage now. See `Engine`."""
        return RefreshReport(records=await self.count_async(None, 0), changed=0)

    async def check_async(self) -> CheckReport:
        """Read everything. See `Engine`."""
        foreign: list[str] = []
        async with closed_async(many.listed_async(self.state)) as pages:
            async for page in pages:
                foreign += [meta.key for id, meta in page if id is None]
        corrupt: list[Problem] = []
        records = 0
        async with closed_async(bare.ids_async(self.state, EVERYTHING)) as source:
            ids = [id async for id in source]
        for start in range(0, len(ids), many.CHUNK):
            part = ids[start : start + many.CHUNK]
            for id, found in zip(part, await self.read_many_async(part), strict=True):
                if isinstance(found, (CorruptRecordError, RecordArchivedError)):
                    corrupt.append(bare.problem_of(self.state, id, found))
                elif isinstance(found, Exception):
                    raise found
                elif found is not None:
                    records += 1
        return CheckReport(records=records, corrupt=tuple(corrupt), foreign=tuple(foreign))

    async def explain_async(self, query: Query) -> Explanation:
        """Say how a query would be answered. See `Engine`."""
        scope = scope_of(query.condition)
        requests = "all records are listed and read" if scope.ids is None else f"{len(scope.ids)} GET"
        return Explanation(sql="", params=(), exact=False, requests=requests)

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
        old = decode_body(found[0], id=id, key=self.state.key(id))
        return await self.upsert_async(draft(record_of(old, None), id=id), None)

    async def close_async(self) -> None:
        """Close the store, if it is our own. See `Engine`."""
        if self.state.owned:
            await self.state.store.close_async()
