# Generated from objects_async.py by tools/twins.py: change that file, not this one.
"""Engine A: one object per record, on any Store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import run
from holdall._turns import in_turns, turn
from holdall.engine.colours import closed, finish
from holdall.errors import MissingExtraError, NotFoundError
from holdall.records import objects_bare as bare
from holdall.records import objects_many as many
from holdall.records import objects_mirrored as mirrored
from holdall.records import objects_record as one
from holdall.records.aside import aside, aside_for
from holdall.records.chunks import CHUNK, chunked, each, weight
from holdall.records.drafts import Draft, Item, WriteVerb, Written, draft, record_of
from holdall.records.encoding import decode_body
from holdall.records.engine import Engine
from holdall.records.errors import Outcome, RecordNotFoundError
from holdall.records.matching import anything, predicate
from holdall.records.mirror.mirror import Interrupted, Mirror
from holdall.records.mirror.rows import Row
from holdall.records.objects_journal import journaled
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

    def create(self, draft: Draft) -> Written:
        """Insert atomically. See `Engine`."""
        stored: Stored = self._written(draft.id, lambda: one.create(self.state, draft))
        return stored.written

    def read(self, id: str) -> Record | None:
        """Return a record. See `Engine`."""
        return one.record(self.state, id)

    def update(self, draft: Draft, expected_version: str | None) -> Written | None:
        """Replace a record. See `Engine`."""
        stored: Stored | None = self._written(draft.id, lambda: one.update(self.state, draft, expected_version))
        return None if stored is None else stored.written

    def upsert(self, draft: Draft, expected_version: str | None) -> Written:
        """Replace or insert. See `Engine`."""
        stored: Stored = self._written(draft.id, lambda: one.upsert(self.state, draft, expected_version))
        return stored.written

    def delete(self, id: str, expected_version: str | None) -> bool:
        """Delete. See `Engine`."""
        effects: dict[str, Row | None] = {}
        with journaled(self.state, [id], effects):
            was_there = one.delete(self.state, id, expected_version)
            effects[id] = Row(id, None, "gone")
        return was_there

    def version(self, id: str) -> str | None:
        """Return the version token. See `Engine`."""
        return one.version(self.state, id)

    def modify(self, id: str, function: Callable[[Record], Any], attempts: int, database: object = None) -> Record:
        """Read, change, compare and set. See `Engine`."""
        one.check_versioned(self.state, "modify")
        return super().modify(id, function, attempts, database)

    def _written(self, id: str, write: Callable[[], Any]) -> Any:
        """Write one record, with its outcome in the mirror."""
        effects: dict[str, Row | None] = {}
        with journaled(self.state, [id], effects):
            stored: Stored | None = write()
            if stored is None:
                effects[id] = Row(id, None, "gone")
            elif self.state.mirror is not None:
                effects[stored.stamp.id] = many.stored_row(stored)
        if stored is not None:
            omissions = Omissions()
            omissions.add(stored.stamp.id, stored.omitted)
            self.state.tell(omissions)
        return stored

    # -- many ---------------------------------------------------------------------------------------------------------

    def write_many(self, verb: WriteVerb, items: Iterator[Item]) -> list[Outcome]:
        """Write items drawn lazily. See `Engine`."""
        outcomes: list[Outcome] = []
        stopped: list[Exception] = []
        omissions = Omissions()
        chunks = chunked(items, weight)
        with closed(chunks):
            for chunk in chunks:
                effects: dict[str, Row | None] = {}
                with journaled(self.state, [item.draft.id for item in chunk if item.draft], effects):
                    for outcome, row in many.write_chunk(self.state, verb, chunk, stopped, omissions):
                        outcomes.append(outcome)
                        if row is not None:
                            effects[row.id] = row
                del chunk, effects  # before the next ones are drawn
        self.state.tell(omissions)
        return outcomes

    def read_many(self, ids: Iterable[str]) -> list[Record | Exception | None]:
        """Read records. See `Engine`."""
        return many.read_many(self.state, ids)

    def delete_many(self, ids: Iterable[str]) -> list[Outcome]:
        """Delete records, a thousand in a request. See `Engine`."""
        drawn: list[str] = []
        chunks = chunked(each(ids))
        with closed(chunks):
            for chunk in chunks:
                drawn += chunk
        there = many.present(self.state, drawn)
        outcomes: list[Outcome] = []
        for start in range(0, len(drawn), CHUNK):
            part = drawn[start : start + CHUNK]
            effects: dict[str, Row | None] = {}
            with journaled(self.state, list(dict.fromkeys(part)), effects):
                done = many.delete_chunk(self.state, part, start, there)
                outcomes += done
                effects |= {o.id: Row(o.id, None, "gone") for o in done if o.id is not None and o.status in _GONE}
        return outcomes

    def clear(self) -> int:
        """Delete all records; what the mirror holds of them is forgotten. See `Engine`."""
        try:
            return many.clear(self.state)
        finally:
            mirror = self.state.mirror
            if mirror is not None:
                finish(lambda: run(mirror.drop))

    # -- questions ----------------------------------------------------------------------------------------------------

    def search(self, query: Query, max_age: float | None) -> SearchResult:
        """Return the records of a query. See `Engine`."""
        problems = self.state.noting()
        if not query.sorting:
            with closed(self._paged(query, problems, max_age, more=1)) as records:
                chosen = [record for record in records]
            more = query.count is not None and len(chosen) > query.count
            return run(lambda: _result(query, chosen[: query.count], more, problems))
        leading = Leading[Record](query)
        mirror = self._mirror(query, max_age)
        chunks = chunked(self._matched(mirror, query, problems, max_age), length_of)
        with closed(chunks):
            for chunk in chunks:
                run(partial(leading.add, placed(query, chunk)))
        return run(lambda: _result(query, *leading.page(), problems))

    def stream(self, query: Query, batch_size: int, max_age: float | None) -> Iterator[Record]:
        """Yield the records of a query. See `Engine`."""
        problems = self.state.noting()
        records = self.legible(query, batch_size, max_age, problems)
        return records if problems is None else self._telling(records, problems)

    def _telling(self, records: Iterator[Record], problems: list[Problem]) -> Iterator[Record]:
        """Yield records, and at their end warn of what could not be read."""
        try:
            with closed(records):
                yield from records
        finally:
            self.state.tell_unreadable(problems)

    def legible(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> Iterator[Record]:
        """Yield the records of a query that can be read. See `Engine`."""
        records = (
            self._sorted(query, batch_size, max_age, problems) if query.sorting else self._paged(query, problems, max_age)
        )
        with closed(records):
            for record in records:
                if query.paths:
                    turn()
                    yield aside_for(record, partial(record.project, *query.paths))
                else:
                    yield record

    def _sorted(
        self, query: Query, batch_size: int, max_age: float | None, problems: list[Problem] | None
    ) -> Iterator[Record]:
        """Yield the records of a query's page in its order, which is found first, from sort values and ids alone."""
        mirror = self._mirror(query, max_age)
        leading = Leading[str](query)
        chunks = chunked(self._matched(mirror, query, problems, max_age, whole=False), length_of)
        with closed(chunks):
            for chunk in chunks:
                places = ((key, str(record.id)) for key, record in placed(query, chunk))
                run(partial(leading.add, places))
        wanted, _ = run(leading.page)
        if mirror is not None:
            with closed(mirrored.chosen(self.state, mirror, wanted, query, problems, batch_size)) as held:
                yield from held
            return
        with closed(bare.read(self.state, wanted, predicate(query.condition), problems)) as found:
            for record in found:
                if record is not None:
                    yield record

    def _paged(
        self, query: Query, problems: list[Problem] | None, max_age: float | None, *, more: int = 0
    ) -> Iterator[Record]:
        """Yield the records of a query's page, by id, and so many more."""
        mark = cursor_mark(query)
        skip, left = query.skip, None if query.count is None else query.count + more
        if left == 0:
            return
        mirror = self._mirror(query, max_age)
        with closed(self._matched(mirror, query, problems, max_age)) as matched:
            for record in matched:
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

    def ids(self, prefix: str) -> Iterator[str]:
        """Yield ids in order. See `Engine`."""
        mirror = self.state.mirror
        if mirror is None:
            for id in bare.sorted_ids(self.state, Scope(None, prefix)):
                turn()
                yield id
            return
        with closed(mirrored.ids(self.state, mirror, Scope(None, prefix))) as ids:
            for id in ids:
                yield id

    def count(self, query: Query | None, max_age: float | None) -> int:
        """Count records. See `Engine`."""
        if self.state.mirror is not None:
            return mirrored.count(self.state, self.state.mirror, query, max_age)
        if query is None or not query.conditions:
            return len(bare.sorted_ids(self.state, EVERYTHING))
        problems = self.state.noting()
        found = sum([1 for _ in self._matched(None, Query(query.conditions), problems, max_age)])
        self.state.tell_unreadable(problems)
        return found

    def _mirror(self, query: Query, max_age: float | None) -> Mirror | None:
        """Return the mirror if it is to answer a query."""
        mirror = self.state.mirror
        cold = mirror is None or self._cold(mirror, query, scope_of(query.condition), max_age)
        return None if cold else mirror

    def _matched(
        self,
        mirror: Mirror | None,
        query: Query,
        problems: list[Problem] | None,
        max_age: float | None,
        *,
        whole: bool = True,
    ) -> Iterator[Record]:
        """Yield the records for which the conditions hold, by id, by way of a mirror or without. See `mirrored.matched`."""
        if mirror is not None:
            scope = mirrored.ready(self.state, mirror, query, max_age)
            with closed(mirrored.matched(self.state, mirror, query, scope, problems, whole=whole)) as records:
                for record in records:
                    yield record
            return
        scope, holds = scope_of(query.condition), predicate(query.condition)
        most = None
        if not query.conditions and not query.sorting and query.cursor is None and query.count is not None:
            most = query.skip + query.count
        with closed(bare.records(self.state, scope, problems, holds, most=most)) as records:
            for record in records:
                yield record

    def _cold(self, mirror: Mirror, query: Query, scope: Scope, max_age: float | None) -> bool:
        """Tell whether a query is cheaper to answer without the mirror: few records are asked for, and it is not up to date."""
        first = query.count is not None and not query.conditions and not query.sorting and query.cursor is None
        if scope == EVERYTHING and not first:
            return False
        since = time.time() - (self.state.options.cache_ttl if max_age is None else max_age)
        if run(lambda: mirror.fresh(since)):
            return False
        return scope.ids is not None or not run(lambda: mirror.fresh(-math.inf))

    def select(self, sql: str, params: Sequence[Any], max_age: float | None, time_limit: float) -> list[dict[str, Any]]:
        """Answer one ``SELECT``. See `Engine`."""
        statement = Statement(sql, params)
        mirror = self.state.mirror
        if mirror is not None:
            return mirrored.select(self.state, mirror, statement, max_age, time_limit)
        mirror = Mirror(None, "")
        try:
            return mirrored.select(self.state, mirror, statement, 0, time_limit)
        finally:
            finish(lambda: run(mirror.close))

    # -- care ---------------------------------------------------------------------------------------------------------

    def connect(self) -> ConnectReport:
        """Ask the store. See `Engine`."""
        with closed(many.listed(self.state)) as pages:
            next(pages, None)
        driver, _ = self.state.store.locate(self.state.key("x"))
        probe = getattr(driver, "probe", None)
        note = ""
        if probe is not None:
            try:
                probe()
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

    def refresh(self) -> RefreshReport:
        """Look at the storage now. See `Engine`."""
        mirror = self.state.mirror
        if mirror is None:
            return RefreshReport(records=self.count(None, 0), changed=0)
        mirrored.fresh(self.state, mirror, 0)
        changed = mirrored.load(self.state, mirror, EVERYTHING)
        return RefreshReport(records=self.count(None, math.inf), changed=changed)

    def check(self) -> CheckReport:
        """Read everything. See `Engine`."""
        foreign: list[str] = []
        with closed(many.listed(self.state)) as pages:
            for page in pages:
                foreign += [meta.key for id, meta in page if id is None]
        corrupt: list[Problem] = []
        drift: list[str] = []
        records = 0
        ids = bare.sorted_ids(self.state, EVERYTHING)
        start, stride = 0, Stride(CHUNK)
        while part := ids[start : start + stride.size]:
            start += len(part)
            held = self._held(part)
            stride.took(len(part), sum(len(row.fields or "") for row in held.values()))
            with closed(bare.read(self.state, part, anything, corrupt)) as judged:
                for found in judged:
                    turn()
                    if found is not None:
                        records += 1
                        row = held.get(str(found.id))
                        if row is not None and aside_for(found, partial(mirrored.drifted, row, found)):
                            drift.append(str(found.id))
        if drift and self.state.mirror is not None:
            run(self.state.mirror.drop)
        return CheckReport(records=records, corrupt=tuple(corrupt), foreign=tuple(foreign), drift=tuple(drift))

    def _held(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return what a mirror that is up to date holds of some records."""
        mirror = self.state.mirror
        if mirror is None:
            return {}
        mirrored.fresh(self.state, mirror, None)
        try:
            rows, _ = run(lambda: mirror.rows(Scope(tuple(ids)), "TRUE", ()))
        except Interrupted:
            return {}
        return {row.id: row for row in rows}

    def explain(self, query: Query) -> Explanation:
        """Say how a query would be answered. See `Engine`."""
        scope = scope_of(query.condition)
        where, values, exact = pushdown(query.condition, "sqlite", str)
        mirror = self.state.mirror
        if mirror is None:
            requests = "every record is listed and read" if scope.ids is None else f"{len(scope.ids)} GET"
        elif run(lambda: mirror.fresh(time.time() - self.state.options.cache_ttl)):
            requests = f"{len(run(lambda: mirror.pending(scope)))} GET"
        elif scope.ids is not None:
            requests = f"{len(scope.ids)} GET"
        else:
            requests = "one LIST per 1000 records, one GET per record that changed"
        return Explanation(sql=f"SELECT * FROM records WHERE {where}", params=tuple(values), exact=exact, requests=requests)  # noqa: S608  # shown, not run

    def tags(self, id: str) -> dict[str, str]:
        """Return the tags that the store shows. See `Engine`."""
        try:
            return self.state.store.tags(self.state.key(id))
        except NotFoundError as error:
            raise RecordNotFoundError(f"no record {id!r}", id=id, database=self.state) from error

    def history(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the store keeps. See `Engine`."""
        versions = self.state.store.versions(self.state.key(id))
        return [
            RevisionInfo(version=v.version, at=v.last_modified, latest=v.is_latest, deleted=v.delete_marker)
            for v in versions
        ]

    def restore(self, id: str, version: str) -> Record:
        """Write the content of an old version again. See `Engine`."""
        try:
            found = one.raw(self.state, id, version=version)
        except NotFoundError as error:
            raise RecordNotFoundError(f"no version {version!r} of {id!r}", id=id, database=self.state) from error
        if found is None:
            raise RecordNotFoundError(f"no version {version!r} of {id!r}", id=id, database=self.state)
        data, key = found[0], self.state.key(id)
        made = aside(lambda: draft(record_of(decode_body(data, id=id, key=key), None), id=id), len(data))
        written = self.upsert(made, None)
        return aside(lambda: made.record(written), len(data))

    def close(self) -> None:
        """Close the store, if it is our own. See `Engine`."""
        run(self.state.close_mirror)
        if self.state.owned:
            self.state.store.close()


def _result(query: Query, chosen: list[Record], more: bool, problems: list[Problem] | None) -> SearchResult:
    """Return the page of a query."""
    cursor = cursor_after(query, chosen[-1]) if more and chosen else None
    shown = [record.project(*query.paths) for record in in_turns(chosen)] if query.paths else chosen
    return SearchResult(shown, cursor=cursor, unreadable=problems or ())
