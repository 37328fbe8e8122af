"""Questions without a mirror: list, read, match. Memory is bounded by ids, not by records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from holdall._concurrency import run_async
from holdall.engine.colours import closed_async
from holdall.errors import HoldallError
from holdall.records import objects_many_async as many
from holdall.records import objects_record_async as one
from holdall.records.errors import CorruptRecordError, RecordArchivedError
from holdall.records.keys import unlisted
from holdall.records.objects_state import ObjectState
from holdall.records.objects_waves_async import in_order_async
from holdall.records.plans import Scope
from holdall.records.record import Record
from holdall.records.results import Problem

__all__ = ["problem_of", "read_async", "records_async", "sorted_ids_async"]

_FEW = 4
"""Ids that are asked for one by one, to save the rest of a listing."""


async def sorted_ids_async(state: ObjectState, scope: Scope) -> list[str]:
    """Return the ids of a scope, in order; those that the scope names itself are not asked for."""
    if scope.ids is not None:
        return [id for id in state.possible(scope.ids) if id.startswith(scope.prefix)]
    found: list[str] = []
    async with closed_async(many.listed_async(state, scope.prefix)) as pages:
        async for page in pages:
            found += [id for id, _ in page if id is not None]
    await run_async(found.sort)  # the order of keys is another one
    return found


async def _first_ids_async(state: ObjectState, scope: Scope, most: int) -> tuple[list[str], bool]:
    """Return the first ids of a scope, in order, and whether these are all; if not, they are one more than so many.

    No page is asked for that cannot change them.
    """
    if scope.ids is not None or not state.store.capabilities.ordered:
        return await sorted_ids_async(state, scope), True
    found: list[str] = []
    async with closed_async(many.listed_async(state, scope.prefix)) as pages:
        async for page in pages:
            ids = [id for id, _ in page if id is not None]
            found += ids
            if ids and len(found) > most:
                await run_async(found.sort)
                bound, later = unlisted(ids[-1])
                if found[most] <= bound and not await _there_async(state, [id for id in later if id < found[most]]):
                    return found[: most + 1], False
    await run_async(found.sort)
    return found, True


async def _there_async(state: ObjectState, ids: list[str]) -> bool:
    """Tell whether one of few records may be there; more are not worth the question."""
    if len(ids) > _FEW:
        return True
    versions = [await one.version_async(state, id) for id in ids]
    return versions != [None] * len(ids)


async def records_async(
    state: ObjectState,
    scope: Scope,
    problems: list[Problem] | None,
    holds: Callable[[Record], bool],
    *,
    most: int | None = None,
) -> AsyncIterator[Record]:
    """Yield the records of a scope by id, read some ahead: as many requests as the window allows.

    Args:
        state: Of the database.
        scope: Which ones.
        problems: Gets what could not be read; if there is no list, that is raised.
        holds: Which of them are wanted.
        most: No more than so many; then comes a record without fields if there are more, unread.
    """
    wanted, whole = (
        (await sorted_ids_async(state, scope), True) if most is None else await _first_ids_async(state, scope, most)
    )
    left = len(wanted) if most is None else most
    while left and wanted:
        asked, wanted = wanted[:left], wanted[left:]  # again if some are gone, or no records
        async with closed_async(read_async(state, asked, holds, problems)) as found:
            async for record in found:
                if record is not None:
                    left -= 1
                    yield record
        if left and not wanted and not whole:
            wanted, whole = [id for id in await sorted_ids_async(state, scope) if id > asked[-1]], True
    if wanted:
        yield Record({}, id=wanted[0])


async def read_async(
    state: ObjectState, ids: Sequence[str], holds: Callable[[Record], bool], problems: list[Problem] | None
) -> AsyncIterator[Record | None]:
    """Yield records in the order of their ids, ``None`` for what is not there, not wanted, or noted.

    Args:
        state: Of the database.
        ids: Each of them once.
        holds: Which of them are wanted.
        problems: Gets what could not be read, when it would come; if there is no list, that is raised there.
    """
    lengths: list[int] = []
    noted = [] if problems is None else problems

    async def read(id: str) -> Record | Problem | Exception | None:
        try:
            return await one.record_async(state, id, holds, lengths)
        except (CorruptRecordError, RecordArchivedError) as error:
            return error if problems is None else problem_of(state, id, error)

    async with closed_async(in_order_async(state, read, ids, lengths)) as found:
        async for each in found:
            if isinstance(each, Problem):
                noted.append(each)
                yield None
            else:
                yield each


def problem_of(state: ObjectState, id: str, error: HoldallError) -> Problem:
    """Return an unreadable object as a result tells it."""
    reason = error.reason if isinstance(error, CorruptRecordError) else str(error)
    return Problem(key=state.key(id), id=id, reason=reason)
