# Generated from objects_bare_async.py by tools/twins.py: change that file, not this one.
"""Questions without a mirror: list, read, match. Memory is bounded by ids, not by records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from holdall._concurrency import run
from holdall.engine.colours import closed
from holdall.errors import HoldallError
from holdall.records import objects_many as many
from holdall.records import objects_record as one
from holdall.records.errors import CorruptRecordError, RecordArchivedError
from holdall.records.keys import unlisted
from holdall.records.objects_state import ObjectState
from holdall.records.objects_waves import in_order
from holdall.records.plans import Scope
from holdall.records.record import Record
from holdall.records.results import Problem

__all__ = ["problem_of", "read", "records", "sorted_ids"]

_FEW = 4
"""Ids that are asked for one by one, to save the rest of a listing."""


def sorted_ids(state: ObjectState, scope: Scope) -> list[str]:
    """Return the ids of a scope, in order; those that the scope names itself are not asked for."""
    if scope.ids is not None:
        return [id for id in state.possible(scope.ids) if id.startswith(scope.prefix)]
    found: list[str] = []
    with closed(many.listed(state, scope.prefix)) as pages:
        for page in pages:
            found += [id for id, _ in page if id is not None]
    run(found.sort)  # the order of keys is another one
    return found


def _first_ids(state: ObjectState, scope: Scope, most: int) -> tuple[list[str], bool]:
    """Return the first ids of a scope, in order, and whether these are all; if not, they are one more than so many.

    No page is asked for that cannot change them.
    """
    if scope.ids is not None or not state.store.capabilities.ordered:
        return sorted_ids(state, scope), True
    found: list[str] = []
    with closed(many.listed(state, scope.prefix)) as pages:
        for page in pages:
            ids = [id for id, _ in page if id is not None]
            found += ids
            if ids and len(found) > most:
                run(found.sort)
                bound, later = unlisted(ids[-1])
                if found[most] <= bound and not _there(state, [id for id in later if id < found[most]]):
                    return found[: most + 1], False
    run(found.sort)
    return found, True


def _there(state: ObjectState, ids: list[str]) -> bool:
    """Tell whether one of few records may be there; more are not worth the question."""
    if len(ids) > _FEW:
        return True
    versions = [one.version(state, id) for id in ids]
    return versions != [None] * len(ids)


def records(
    state: ObjectState,
    scope: Scope,
    problems: list[Problem] | None,
    holds: Callable[[Record], bool],
    *,
    most: int | None = None,
) -> Iterator[Record]:
    """Yield the records of a scope by id, read some ahead: as many requests as the window allows.

    Args:
        state: Of the database.
        scope: Which ones.
        problems: Gets what could not be read; if there is no list, that is raised.
        holds: Which of them are wanted.
        most: No more than so many; then comes a record without fields if there are more, unread.
    """
    wanted, whole = (sorted_ids(state, scope), True) if most is None else _first_ids(state, scope, most)
    left = len(wanted) if most is None else most
    while left and wanted:
        asked, wanted = wanted[:left], wanted[left:]  # again if some are gone, or no records
        with closed(read(state, asked, holds, problems)) as found:
            for record in found:
                if record is not None:
                    left -= 1
                    yield record
        if left and not wanted and not whole:
            wanted, whole = [id for id in sorted_ids(state, scope) if id > asked[-1]], True
    if wanted:
        yield Record({}, id=wanted[0])


def read(
    state: ObjectState, ids: Sequence[str], holds: Callable[[Record], bool], problems: list[Problem] | None
) -> Iterator[Record | None]:
    """Yield records in the order of their ids, ``None`` for what is not there, not wanted, or noted.

    Args:
        state: Of the database.
        ids: Each of them once.
        holds: Which of them are wanted.
        problems: Gets what could not be read, when it would come; if there is no list, that is raised there.
    """
    lengths: list[int] = []
    noted = [] if problems is None else problems

    def read(id: str) -> Record | Problem | Exception | None:
        try:
            return one.record(state, id, holds, lengths)
        except (CorruptRecordError, RecordArchivedError) as error:
            return error if problems is None else problem_of(state, id, error)

    with closed(in_order(state, read, ids, lengths)) as found:
        for each in found:
            if isinstance(each, Problem):
                noted.append(each)
                yield None
            else:
                yield each


def problem_of(state: ObjectState, id: str, error: HoldallError) -> Problem:
    """Return an unreadable object as a result tells it."""
    reason = error.reason if isinstance(error, CorruptRecordError) else str(error)
    return Problem(key=state.key(id), id=id, reason=reason)
