"""Around own writes: intents before, outcomes after, in the mirror (S8)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

from holdall._concurrency import run_async
from holdall.engine.colours import finish_async
from holdall.records.aside import LONG
from holdall.records.mirror.journal import Intent
from holdall.records.mirror.rows import Row
from holdall.records.objects_state import ObjectState

__all__ = ["journaled", "journaled_async"]


@contextmanager
def journaled(state: ObjectState, ids: Sequence[str], effects: Mapping[str, Row | None]) -> Generator[None]:
    """Note in the mirror what the block is about to write and, from ``effects``, what it wrote.

    Args:
        state: Of the database.
        ids: What may be written; one that no record here can have is refused by the block, and no matter of the mirror's.
        effects: Filled by the block; an id without an entry is in doubt, and read again before the next answer.
    """
    mirror = state.mirror
    if mirror is None:
        yield
        return
    intents = mirror.begin(state.possible(ids))
    try:
        yield
    finally:
        mirror.end(intents, effects)


@asynccontextmanager
async def journaled_async(state: ObjectState, ids: Sequence[str], effects: Mapping[str, Row | None]) -> AsyncGenerator[None]:
    """Note in the mirror what the block writes. See `journaled`."""
    mirror = state.mirror
    if mirror is None:
        yield
        return
    ids = state.possible(ids)
    intents: list[Intent] = []
    single = len(ids) == 1  # a thread would cost more than such a statement

    def begin() -> None:
        intents.extend(mirror.begin(ids))

    def end() -> None:
        mirror.end(intents, effects)

    try:
        if not (single and mirror.at_once(begin)):
            await finish_async(lambda: run_async(begin))
        yield
    finally:
        if not (single and _short(effects) and mirror.at_once(end)):
            await finish_async(lambda: run_async(end))


def _short(effects: Mapping[str, Row | None]) -> bool:
    rows = [row for row in effects.values() if row is not None]
    return sum([len(row.fields or "") + len(row.metadata or "") for row in rows]) <= LONG
