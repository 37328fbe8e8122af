# Generated from objects_bare_async.py by tools/twins.py: change that file, not this one.
"""Questions without a mirror: list, read, match. Memory is bounded by ids, not by records."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from holdall._concurrency import map_bounded, run
from holdall.engine.colours import closed
from holdall.errors import HoldallError
from holdall.records import objects_many as many
from holdall.records import objects_record as one
from holdall.records.drafts import record_of
from holdall.records.errors import CorruptRecordError, RecordArchivedError
from holdall.records.objects_state import ObjectState
from holdall.records.plans import Scope
from holdall.records.record import Record
from holdall.records.results import Problem

__all__ = ["ids", "problem_of", "records"]


def ids(state: ObjectState, scope: Scope) -> Iterator[str]:
    """Yield the ids of a scope, in order; those that the scope names itself are not asked for."""
    if scope.ids is not None:
        for id in scope.ids:
            if id.startswith(scope.prefix):
                yield id
        return
    found: list[str] = []
    with closed(many.listed(state, scope.prefix)) as pages:
        for page in pages:
            found += [id for id, _ in page if id is not None]
    run(found.sort)  # the order of keys is another one
    for id in found:
        yield id


def records(state: ObjectState, scope: Scope, problems: list[Problem], *, most: int | None = None) -> Iterator[Record]:
    """Yield the records of a scope by id, read some ahead.

    Args:
        state: Of the database.
        scope: Which ones.
        problems: Gets what could not be read, with ``on_corrupt="report"``.
        most: Read no more than so many.
    """

    def read(id: str) -> Record | Problem | None:
        try:
            stored = one.fetch(state, id)
        except (CorruptRecordError, RecordArchivedError) as error:
            if state.options.on_corrupt == "raise":
                raise
            return problem_of(state, id, error)
        return None if stored is None else record_of(stored.body, stored.etag)

    with closed(ids(state, scope)) as source:
        wanted = [id for id in source]
    answers = map_bounded(read, islice(wanted, most), limit=state.options.max_workers)
    with closed(answers) as found:
        for record in found:
            if isinstance(record, Problem):
                problems.append(record)
            elif record is not None:
                yield record


def problem_of(state: ObjectState, id: str, error: HoldallError) -> Problem:
    """Return an unreadable object as a result tells it."""
    reason = error.reason if isinstance(error, CorruptRecordError) else str(error)
    return Problem(key=state.key(id), id=id, reason=reason)
