"""Questions without a mirror: list, read, match. Memory is bounded by ids, not by records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import islice

from holdall._concurrency import map_bounded_async, run_async
from holdall.engine.colours import closed_async
from holdall.errors import HoldallError
from holdall.records import objects_many_async as many
from holdall.records import objects_record_async as one
from holdall.records.drafts import record_of
from holdall.records.errors import CorruptRecordError, RecordArchivedError
from holdall.records.objects_state import ObjectState
from holdall.records.plans import Scope
from holdall.records.record import Record
from holdall.records.results import Problem

__all__ = ["ids_async", "problem_of", "records_async"]


async def ids_async(state: ObjectState, scope: Scope) -> AsyncIterator[str]:
    """Yield the ids of a scope, in order; those that the scope names itself are not asked for."""
    if scope.ids is not None:
        for id in scope.ids:
            if id.startswith(scope.prefix):
                yield id
        return
    found: list[str] = []
    async with closed_async(many.listed_async(state, scope.prefix)) as pages:
        async for page in pages:
            found += [id for id, _ in page if id is not None]
    await run_async(found.sort)  # the order of keys is another one
    for id in found:
        yield id


async def records_async(
    state: ObjectState, scope: Scope, problems: list[Problem], *, most: int | None = None
) -> AsyncIterator[Record]:
    """Yield the records of a scope by id, read some ahead.

    Args:
        state: Of the database.
        scope: Which ones.
        problems: Gets what could not be read, with ``on_corrupt="report"``.
        most: Read no more than so many.
    """

    async def read(id: str) -> Record | Problem | None:
        try:
            stored = await one.fetch_async(state, id)
        except (CorruptRecordError, RecordArchivedError) as error:
            if state.options.on_corrupt == "raise":
                raise
            return problem_of(state, id, error)
        return None if stored is None else record_of(stored.body, stored.etag)

    async with closed_async(ids_async(state, scope)) as source:
        wanted = [id async for id in source]
    answers = map_bounded_async(read, islice(wanted, most), limit=state.options.max_workers)
    async with closed_async(answers) as found:
        async for record in found:
            if isinstance(record, Problem):
                problems.append(record)
            elif record is not None:
                yield record


def problem_of(state: ObjectState, id: str, error: HoldallError) -> Problem:
    """Return an unreadable object as a result tells it."""
    reason = error.reason if isinstance(error, CorruptRecordError) else str(error)
    return Problem(key=state.key(id), id=id, reason=reason)
