"""A transaction on one connection: all of its changes, or an error that takes them back."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from holdall._turns import in_turns
from holdall.records import sql_writing as writing
from holdall.records.aside import LONG
from holdall.records.errors import DuplicateRecordError, Outcome, RecordError, RecordNotFoundError, Status
from holdall.records.sql_aside import aside
from holdall.records.sql_rows import possible, row_of
from holdall.records.sql_table import Layout
from holdall.records.transaction import Change, failure

__all__ = ["commit"]


def commit(connection: sa.Connection, layout: Layout, changes: Sequence[Change]) -> list[Outcome]:
    """Write changes.

    Raises:
        TransactionError: One failed; the caller rolls back.
    """
    outcomes: list[Outcome] = []
    for index, change in enumerate(in_turns(changes)):
        try:
            status = _written(connection, layout, change)
        except RecordError as error:
            raise failure(changes, outcomes, error, undone=True) from error
        outcomes.append(Outcome(index=index, id=change.id, status=status))
    return outcomes


def _written(connection: sa.Connection, layout: Layout, change: Change) -> Status:
    id, expected = change.id, change.expected_version
    if change.draft is None:
        there = possible(id) and writing.delete(connection, layout, id, expected)
        return "written" if there else "missing"
    made = change.draft
    row = aside(lambda: row_of(made)) if made.content.size > LONG else row_of(made)
    if change.verb == "create":
        if not writing.insert(connection, layout, row):
            raise DuplicateRecordError(f"record {id!r} is there already", id=id)
    elif change.verb == "upsert" and expected is None:
        writing.upsert(connection, layout, row)
    elif writing.replace(connection, layout, row, expected) is None:
        if change.verb == "upsert":
            assert expected is not None
            raise writing.stale(layout.name, id, expected, None)
        raise RecordNotFoundError(f"no record {id!r}", id=id)
    return "written"
