"""Verbs on many records at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdall._turns import in_turns
from holdall.engine.colours import closed_async
from holdall.records.aside import aside_async
from holdall.records.chunks_async import chunked_async, each_async
from holdall.records.drafts import settled
from holdall.records.errors import BatchError, Outcome
from holdall.records.items import items
from holdall.records.items_async import items_async
from holdall.records.record import Record
from holdall.records.verbs.base import Verbs

__all__ = ["ManyVerbs"]


class ManyVerbs(Verbs):
    """Batches: input order, an outcome for each item."""

    def batch_create(self, records: Iterable[Record]) -> list[str]:
        """Insert many; all are tried. Iterators are drawn lazily; of a repeated id the first one counts.

        Returns:
            Their ids, in order.

        Raises:
            BatchError: Some failed; ``outcomes`` has each of them.
        """
        return _ids(self._blocking.write_many("create", items(records, mint=self._mint)), "batch_create", self)

    async def batch_create_async(self, records: Iterable[Record]) -> list[str]:
        """Insert many. See `batch_create`."""
        outcomes = await self._async.write_many_async("create", items_async(records, mint=self._mint))
        return await aside_async(lambda: _ids(outcomes, "batch_create", self), _COST * len(outcomes))

    def batch_upsert(self, records: Iterable[Record]) -> list[str]:
        """Replace or insert many. See `batch_create`."""
        return _ids(self._blocking.write_many("upsert", items(records, mint=self._mint)), "batch_upsert", self)

    async def batch_upsert_async(self, records: Iterable[Record]) -> list[str]:
        """Replace or insert many. See `batch_create`."""
        outcomes = await self._async.write_many_async("upsert", items_async(records, mint=self._mint))
        return await aside_async(lambda: _ids(outcomes, "batch_upsert", self), _COST * len(outcomes))

    def batch_update(self, pairs: Iterable[tuple[str, Record]]) -> list[bool]:
        """Replace many, given as ``(id, record)``; ``False`` for each that is absent.

        Raises:
            BatchError: Some failed.
        """
        return _done(self._blocking.write_many("update", items(pairs)), "batch_update", self)

    async def batch_update_async(self, pairs: Iterable[tuple[str, Record]]) -> list[bool]:
        """Replace many. See `batch_update`."""
        outcomes = await self._async.write_many_async("update", items_async(pairs))
        return await aside_async(lambda: _done(outcomes, "batch_update", self), _COST * len(outcomes))

    def batch_read(self, ids: Iterable[str]) -> list[Record | None]:
        """Return many records in the order of their ids, ``None`` for each that is absent; repeats allowed.

        Raises:
            BatchError: Some could not be read.
        """
        wanted = list(map(self._named, _several(ids)))
        return _read(wanted, self._blocking.read_many(wanted), self)

    async def batch_read_async(self, ids: Iterable[str]) -> list[Record | None]:
        """Return many records. See `batch_read`."""
        wanted: list[str] = []
        async with closed_async(chunked_async(each_async(map(self._named, _several(ids))))) as chunks:
            async for chunk in chunks:
                wanted += chunk
        found = await self._async.read_many_async(wanted)
        return await aside_async(lambda: _read(wanted, found, self), _COST * len(found))

    def batch_delete(self, ids: Iterable[str]) -> list[bool]:
        """Delete many and tell of each whether it was there.

        Raises:
            BatchError: Some could not be deleted.
        """
        return _done(self._blocking.delete_many(map(self._named, _several(ids))), "batch_delete", self)

    async def batch_delete_async(self, ids: Iterable[str]) -> list[bool]:
        """Delete many. See `batch_delete`."""
        outcomes = await self._async.delete_many_async(map(self._named, _several(ids)))
        return await aside_async(lambda: _done(outcomes, "batch_delete", self), _COST * len(outcomes))

    def clear(self) -> int:
        """Delete all records and return how many there were; foreign objects stay.

        Raises:
            BatchError: Some could not be deleted.
        """
        return self._blocking.clear()

    async def clear_async(self) -> int:
        """Delete all records. See `clear`."""
        return await self._async.clear_async()


_COST = 16
"""What to go through the outcome of an item costs, in characters of JSON."""


def _several(ids: Iterable[str]) -> Iterable[str]:
    if isinstance(ids, (str, bytes)):
        raise TypeError(f"a batch takes several ids, not one {type(ids).__name__}: its characters would be taken for ids")
    return ids


def _ids(outcomes: list[Outcome], verb: str, database: object) -> list[str]:
    return [outcome.id or "" for outcome in in_turns(settled(outcomes, verb, database=database))]


def _done(outcomes: list[Outcome], verb: str, database: object) -> list[bool]:
    placed = settled(outcomes, verb, missing_is_false=True, database=database)
    return [outcome.status == "written" for outcome in in_turns(placed)]


def _read(ids: Sequence[str], found: Sequence[Record | Exception | None], database: object) -> list[Record | None]:
    """Return what a batch read, or raise for what it could not read."""
    errors = [each for each in in_turns(found) if isinstance(each, Exception)]
    if errors:
        outcomes = [_read_outcome(index, id, each) for index, (id, each) in enumerate(zip(ids, found, strict=True))]
        raise BatchError(
            f"batch_read: {len(errors)} of {len(ids)} could not be read, the first one because: {errors[0]}",
            outcomes=outcomes,
            database=database,
        ) from errors[0]
    return [each for each in in_turns(found) if not isinstance(each, Exception)]


def _read_outcome(index: int, id: str, found: Record | Exception | None) -> Outcome:
    if isinstance(found, Exception):
        return Outcome(index=index, id=id, status=getattr(found, "outcome", "failed"), error=found)
    return Outcome(index=index, id=id, status="missing" if found is None else "written")
