"""Questions by way of the mirror: list if it is too old (S1 to S5), fetch what changed (S6), answer (S7)."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from holdall._concurrency import run_async, sleep_async
from holdall._turns import in_turns, turn_async
from holdall.engine.colours import closed_async, finish_async
from holdall.records import objects_many_async as many
from holdall.records import objects_record_async as one
from holdall.records import objects_spread_async as spread
from holdall.records.chunks_async import CHUNK
from holdall.records.documents import encode_document
from holdall.records.encoding import Body, decode_body
from holdall.records.errors import CorruptRecordError, RecordArchivedError
from holdall.records.matching import predicate
from holdall.records.mirror.listing import Listing
from holdall.records.mirror.mirror import Interrupted, Mirror, Pending
from holdall.records.mirror.rows import Row, paths_of, record_in, row_of, touches
from holdall.records.mirror.selecting import mentions
from holdall.records.objects_bare_async import read_async
from holdall.records.objects_state import ObjectState
from holdall.records.objects_waves_async import in_order_async
from holdall.records.plans import EVERYTHING, Scope, scope_of
from holdall.records.pushdown import pushdown
from holdall.records.query import Query
from holdall.records.record import Record
from holdall.records.results import Problem
from holdall.records.spans import PAGE
from holdall.records.sql_statement import Statement
from holdall.records.stride import ROOM, Stride

__all__ = [
    "chosen_async",
    "count_async",
    "drifted",
    "fresh_async",
    "ids_async",
    "load_async",
    "matched_async",
    "ready_async",
    "select_async",
]

_COMMIT = 500
_POLL = 0.02


def _column(name: str) -> str:
    return name


async def fresh_async(state: ObjectState, mirror: Mirror, max_age: float | None) -> None:
    """Have a complete listing that started no longer ago than ``max_age`` before this call."""
    age = state.options.cache_ttl if max_age is None else max_age
    since = time.time() - age
    while not await run_async(lambda: mirror.fresh(since)):
        flight = mirror.flight()
        try:
            if not await finish_async(lambda: run_async(flight.take)):  # noqa: B023  # called before the next turn
                await sleep_async(_POLL)  # somebody is listing: what comes of it may be fresh enough
            elif await run_async(lambda: mirror.fresh(since)) or await _list_async(state, mirror, archived=max_age == 0):
                return
        finally:
            flight.give_back()


async def _list_async(state: ObjectState, mirror: Mirror, *, archived: bool) -> bool:
    """List everything once, take it over, and tell whether that was still possible; if it fails, nothing has changed.

    Each step of the mirror ends before a cancellation goes on: else the next lister would begin within it.
    """
    weak = not state.store.capabilities.strong_etag
    listing: list[Listing] = []
    try:
        await finish_async(lambda: run_async(lambda: listing.append(mirror.start(weak=weak))))
        cuts = await run_async(lambda: mirror.each(PAGE))
        async with closed_async(spread.listed_async(state, cuts)) as pages:
            async for page in pages:
                found = [(id, meta) for id, meta in page if id is not None]
                await finish_async(lambda found=found: run_async(lambda: mirror.note(listing[0], found)))  # type: ignore[misc]
        await finish_async(lambda: run_async(lambda: mirror.apply(listing[0], archived=archived)))
    except BaseException as error:
        for begun in listing:
            await finish_async(lambda begun=begun: run_async(lambda: mirror.abandon(begun)))  # type: ignore[misc]
        if isinstance(error, Interrupted):
            return False  # the caller begins again
        raise
    return True  # fresh, whatever the clock says


async def load_async(state: ObjectState, mirror: Mirror, scope: Scope, *, unknown: bool = False) -> int:
    """Fetch the bodies that a scope lacks; return how many. What was fetched before an error stays."""
    wanted = await run_async(lambda: {each.id: each for each in in_turns(mirror.pending(scope, unknown=unknown))})
    if not wanted:
        return 0
    found: list[tuple[Pending, Row | None]] = []
    held = 0

    async def keep() -> None:
        rows = list(found)
        found.clear()
        await finish_async(lambda: run_async(lambda: mirror.loaded(rows)))

    try:
        async with closed_async(
            many.fetched_async(state, list(wanted), partial(_row, state), RecordArchivedError)
        ) as answers:
            async for id, answer in answers:
                if isinstance(answer, RecordArchivedError):
                    found.append((wanted[id], Row(id, None, "archived", reason=str(answer))))
                elif isinstance(answer, Exception):
                    raise answer
                else:
                    found.append((wanted[id], answer))
                    held += len(answer.fields or "") if answer is not None else 0
                if len(found) >= _COMMIT or held >= ROOM:
                    await keep()
                    held = 0
    except Exception:
        await keep()
        raise
    await keep()
    return len(wanted)


def _row(state: ObjectState, id: str, data: bytes, etag: str | None) -> Row:
    """Return the row of an object; one that cannot be read has one, too."""
    try:
        body = decode_body(data, id=id, key=state.key(id))
    except CorruptRecordError as error:
        return Row(id, etag, "corrupt", reason=error.reason)
    state.known.note(id, etag, body.created)
    return row_of(body.stamp, body.content, etag)


async def ready_async(state: ObjectState, mirror: Mirror, query: Query, max_age: float | None) -> Scope:
    """Bring the mirror to where a query can be answered, and return the query's scope of ids."""
    scope = scope_of(query.condition)
    await fresh_async(state, mirror, max_age)
    await load_async(state, mirror, scope)
    return scope


async def count_async(state: ObjectState, mirror: Mirror, query: Query | None, max_age: float | None) -> int:
    """Count; without conditions no body is fetched, but what may not even exist is looked at."""
    if query is None or not query.conditions:
        since = time.time() - (state.options.cache_ttl if max_age is None else max_age)
        number = (
            mirror.remembered(since) if mirror.path is None else None
        )  # in memory that asks no file: no thread is needed
        if number is None:
            number = await run_async(lambda: mirror.counted(since))
        if number is not None:
            return number
        await fresh_async(state, mirror, max_age)
        await load_async(state, mirror, EVERYTHING, unknown=True)
        try:  # `counted` remembers what it tells; while others write it may tell nothing
            number = await run_async(lambda: mirror.counted(since))
            if number is None:
                number = await run_async(lambda: mirror.count(EVERYTHING, "TRUE", ()))
            return number or 0
        except Interrupted:
            return await count_async(state, mirror, query, max_age)
    query, problems = Query(query.conditions), state.noting()
    scope = await ready_async(state, mirror, query, max_age)
    where, values, exact = pushdown(query.condition, "sqlite", _column)
    if exact:
        try:
            counted = await run_async(lambda: mirror.count(scope, where, values))
        except Interrupted:
            return await count_async(state, mirror, query, max_age)
        if counted is not None:
            return counted
    total = 0
    async with closed_async(matched_async(state, mirror, query, scope, problems, whole=False)) as records:
        async for _ in records:
            total += 1
    state.tell_unreadable(problems)
    return total


async def matched_async(
    state: ObjectState,
    mirror: Mirror,
    query: Query,
    scope: Scope,
    problems: list[Problem] | None,
    *,
    whole: bool = True,
    batch: int = 1000,
) -> AsyncIterator[Record]:
    """Yield the records for which the conditions hold, by id.

    Args:
        state: Of the database.
        mirror: Its mirror.
        query: The conditions; its limit bounds them only if no sort or cursor is asked for.
        scope: Of its ids.
        problems: Gets what could not be read; if there is no list, that is raised.
        whole: Fetch what the mirror leaves out of what the query selects; else only what decides on membership and order.
        batch: Rows that are asked for at once.
    """
    where, values, exact = pushdown(query.condition, "sqlite", _column)
    holds = predicate(query.condition)
    deciding, paths = paths_of(query), query.paths if whole else None
    wanted = None
    if exact and not query.sorting and query.cursor is None and query.count is not None:
        wanted = query.skip + query.count + 1
    after: str | None = None
    while True:
        limit = batch if wanted is None else min(batch, wanted)

        def ask(after: str | None = after, limit: int = limit) -> tuple[list[Row], bool, _Held]:
            rows, last = mirror.rows(scope, where, values, after=after, limit=limit)
            return rows, last, _held(rows, paths, deciding, holds, exact=exact)

        try:
            rows, last, held = await run_async(ask)
        except Interrupted:
            await ready_async(state, mirror, query, math.inf)
            continue
        if held.whole:
            seen = len(held.found)
            for record in held.found.values():
                yield record
        else:
            seen = 0
            async with closed_async(_records_async(state, mirror, rows, held, holds, problems)) as records:
                async for record in records:
                    seen += 1
                    yield record
        if last or not rows:
            return
        if wanted is not None:
            wanted -= seen
            if wanted <= 0:
                return
        after = rows[-1].id


@dataclass(slots=True)
class _Held:
    """What the mirror alone says of some rows.

    Attributes:
        found: Records that match, whole.
        fetch: Ids of bodies that are not held whole, and matter.
        unreadable: Whether there are rows that are no readable record.
        damaged: Somebody wrote into the file: nothing in it is believed any more.
    """

    found: dict[str, Record] = field(default_factory=dict[str, Record])
    fetch: list[str] = field(default_factory=list[str])
    unreadable: bool = False
    damaged: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing but `found` matters."""
        return not (self.fetch or self.unreadable or self.damaged)


def _held(
    rows: Sequence[Row], paths: Sequence[str] | None, deciding: set[str], holds: Callable[[Record], bool], *, exact: bool
) -> _Held:
    """Sort rows out.

    Args:
        rows: Of the mirror.
        paths: What is shown of a record, all if there are none; ``None`` if it does not matter. Metadata is always shown.
        deciding: Paths that decide on membership and order.
        holds: Which records are wanted.
        exact: SQL decided on those that are held whole.
    """
    held = _Held()
    for row in rows:
        if row.state in {"loaded", "cut"}:
            try:
                record = record_in(row)
            except sqlite3.DatabaseError:
                held.damaged = True
                held.fetch.append(row.id)
                continue
            if row.state == "loaded":
                if exact or holds(record):
                    held.found[row.id] = record
            elif touches(deciding, row.names):
                held.fetch.append(row.id)
            elif holds(record):
                if paths is None or (paths and not touches(paths, row.names) and not any(map(_is_metadata, row.names))):
                    held.found[row.id] = record
                else:
                    held.fetch.append(row.id)
        elif row.state == "listed":
            held.fetch.append(row.id)
        else:
            held.unreadable = True
    return held


def _is_metadata(name: str) -> bool:
    return name.startswith("metadata.")


async def chosen_async(
    state: ObjectState, mirror: Mirror, ids: Sequence[str], query: Query, problems: list[Problem] | None, most: int
) -> AsyncIterator[Record]:
    """Yield the records of some ids in their order, unless the query's conditions do not hold for them any more.

    Args:
        state: Of the database.
        mirror: Its mirror, which the ids are from.
        ids: Each of them once.
        query: Says which records, and what is shown of them.
        problems: Gets what could not be read; if there is no list, that is raised.
        most: No more than so many are held at once.
    """
    holds = predicate(query.condition)
    stride = Stride(most)
    start = 0
    while part := ids[start : start + stride.size]:
        start += len(part)

        def ask(part: Sequence[str] = part) -> tuple[list[Row], _Held]:
            found, _ = mirror.rows(Scope(tuple(part)), "TRUE", ())
            rows = {row.id: row for row in found}
            there = [rows[id] for id in part if id in rows]
            return there, _held(there, query.paths, paths_of(query), holds, exact=False)

        try:
            rows, held = await run_async(ask)
        except Interrupted:
            rows, held = [Row(id, None, "listed") for id in part], _Held(fetch=list(part))
        stride.took(len(rows), sum(len(row.fields or "") for row in rows))
        async with closed_async(_records_async(state, mirror, rows, held, holds, problems)) as records:
            async for record in records:
                yield record
        del rows, held  # before the next ones are read


async def _records_async(
    state: ObjectState,
    mirror: Mirror,
    rows: Sequence[Row],
    held: _Held,
    holds: Callable[[Record], bool],
    problems: list[Problem] | None,
) -> AsyncIterator[Record]:
    """Yield the matching records of some rows, in their order; what is not held whole is fetched."""
    if held.damaged:
        await finish_async(lambda: run_async(mirror.drop))
    fetch = set(held.fetch)
    async with closed_async(read_async(state, held.fetch, holds, problems)) as answers:
        for row in rows:
            if row.id in fetch:
                await turn_async()
                answer = await anext(answers)
                if answer is not None:
                    yield answer
            elif row.id in held.found:
                yield held.found[row.id]
            elif row.state in {"archived", "corrupt"}:
                key, reason = state.key(row.id), row.reason or ""
                if problems is not None:
                    problems.append(Problem(key=key, id=row.id, reason=reason))
                elif row.state == "archived":  # unless it was restored meanwhile
                    record = await one.record_async(state, row.id, holds)
                    if record is not None:
                        yield record
                else:
                    raise CorruptRecordError(f"{key!r} is no readable record: {reason}", id=row.id, key=key, reason=reason)


async def ids_async(state: ObjectState, mirror: Mirror, scope: Scope) -> AsyncIterator[str]:
    """Yield the ids of a scope, in order."""
    after: str | None = None
    age: float | None = None
    while True:
        await fresh_async(state, mirror, age)
        await load_async(state, mirror, scope, unknown=True)
        try:
            while page := await run_async(
                lambda after=after: mirror.ids(scope, after=after, limit=CHUNK)  # type: ignore[misc]
            ):
                for id in page:
                    yield id
                after = page[-1]
        except Interrupted:
            age = math.inf
            continue
        return


def drifted(row: Row, record: Record) -> bool:
    """Tell whether a row that claims to be a record's present state is not."""
    if row.state != "loaded" or row.etag != record.version:
        return False
    try:
        held = record_in(row)
    except sqlite3.DatabaseError:
        return True
    return encode_document(held.data) != encode_document(record.data) or held.metadata.keys() != record.metadata.keys()


async def select_async(
    state: ObjectState, mirror: Mirror, statement: Statement, max_age: float | None, time_limit: float
) -> list[dict[str, Any]]:
    """Answer a ``SELECT`` over all records."""
    while True:
        await ready_async(state, mirror, Query(), max_age)
        try:
            return await _selected_async(state, mirror, statement, time_limit)
        except Interrupted:
            continue


async def _selected_async(
    state: ObjectState, mirror: Mirror, statement: Statement, time_limit: float
) -> list[dict[str, Any]]:
    wanted: list[str] = []
    for row in await run_async(mirror.odd):
        if row.state in {"corrupt", "archived"}:
            key = state.key(row.id)
            raise CorruptRecordError(f"{key!r} cannot be read: {row.reason}", id=row.id, key=key, reason=row.reason or "")
        if row.state == "listed" or mentions(statement, row.names):
            wanted.append(row.id)
    whole: dict[str, tuple[str, str]] = {}

    async def documents(id: str) -> tuple[str, tuple[str, str]] | None:
        stored = await one.fetch_async(state, id)
        return None if stored is None else (id, await run_async(partial(_documents, stored.body)))

    async with closed_async(in_order_async(state, documents, wanted, [])) as found:
        async for each in found:
            if each is not None:
                whole[each[0]] = each[1]
    return await run_async(lambda: mirror.select(statement, whole, time_limit))


def _documents(body: Body) -> tuple[str, str]:
    return encode_document(body.fields), encode_document(body.metadata)
