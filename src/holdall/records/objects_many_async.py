"""Many records at once: lazy input, bounded requests and memory, an outcome for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

from holdall._concurrency import map_bounded_async
from holdall.core.meta import ObjectMeta
from holdall.engine.colours import closed_async
from holdall.errors import ConfigError, HoldallError, PermissionDeniedError
from holdall.records import objects_record_async as record
from holdall.records.drafts import Item, WriteVerb, record_of
from holdall.records.errors import BatchError, ConcurrencyError, DuplicateRecordError, Outcome, Status
from holdall.records.objects_state import ObjectState, Stored
from holdall.records.record import Record

__all__ = ["chunked", "clear_async", "delete_chunk_async", "listed_async", "read_many_async", "write_chunk_async"]

CHUNK = 1000
"""Items that one step of a batch takes: as many as a bulk delete."""
CHUNK_BYTES = 32 * 1024 * 1024

T = TypeVar("T")


def chunked(items: Iterable[T], size: Callable[[T], int] = lambda _: 0) -> Iterator[list[T]]:
    """Yield the items in lists of bounded length and size, drawn lazily."""
    chunk: list[T] = []
    held = 0
    for item in items:
        chunk.append(item)
        held += size(item)
        if len(chunk) >= CHUNK or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


async def write_chunk_async(
    state: ObjectState, verb: WriteVerb, items: list[Item], stopped: list[Exception]
) -> list[tuple[Outcome, Stored | None]]:
    """Write some items; ``stopped`` gets the cause that makes further tries pointless, for this chunk and the next ones."""

    async def one(item: Item) -> tuple[Outcome, Stored | None]:
        if item.draft is None:
            assert item.outcome is not None
            return item.outcome, None
        if stopped:
            return Outcome(index=item.index, id=item.id, status="not_tried", error=stopped[0]), None
        stored: Stored | None
        try:
            if verb == "create":
                stored = await record.create_async(state, item.draft)
            elif verb == "upsert":
                stored = await record.upsert_async(state, item.draft, None)
            else:
                stored = await record.update_async(state, item.draft, None)
        except DuplicateRecordError as error:
            return Outcome(index=item.index, id=item.id, status="exists", error=error), None
        except ConcurrencyError as error:
            return Outcome(index=item.index, id=item.id, status="conflict", error=error), None
        except HoldallError as error:
            if isinstance(error, (PermissionDeniedError, ConfigError)):
                stopped.append(error)
            status: Status = "unknown" if getattr(error, "outcome", None) == "unknown" else "failed"
            return Outcome(index=item.index, id=item.id, status=status, error=error), None
        if stored is None:
            return Outcome(index=item.index, id=item.id, status="missing"), None
        return Outcome(index=item.index, id=stored.body.id, status="written"), stored

    return [pair async for pair in map_bounded_async(one, items, limit=state.options.max_workers)]


async def read_many_async(state: ObjectState, ids: Iterable[str]) -> list[Record | Exception | None]:
    """Read records; a record, ``None`` or an error for each id."""

    async def one(id: str) -> Record | Exception | None:
        try:
            stored = await record.fetch_async(state, id)
        except HoldallError as error:
            return error
        return None if stored is None else record_of(stored.body, stored.etag)

    wanted = list(ids)
    unique = list(dict.fromkeys(wanted))
    found: dict[str, Record | Exception | None] = {}
    source = map_bounded_async(one, unique, limit=state.options.max_workers)
    async with closed_async(source) as answers:
        at = iter(unique)
        async for answer in answers:
            found[next(at)] = answer
    if len(unique) == len(wanted):
        return [found[id] for id in wanted]
    return [answer.copy() if isinstance(answer, Record) else answer for answer in map(found.__getitem__, wanted)]


async def listed_async(state: ObjectState, prefix: str = "") -> AsyncIterator[list[tuple[str | None, ObjectMeta]]]:
    """Yield pages of ``(id, meta)`` of all objects whose key may belong to an id with this prefix; foreign ones have no id."""
    stem = state.stem(prefix)
    async with closed_async(state.store.list_async(stem, delimiter="/")) as pages:
        async for page in pages:
            found = [(state.id(meta.key), meta) for meta in page.objects if meta.kind == "file"]
            yield [(id, meta) for id, meta in found if id is None or id.startswith(prefix)]


async def delete_chunk_async(state: ObjectState, ids: list[str]) -> list[Outcome]:
    """Delete up to a thousand records in one request, after finding out which of them are there."""
    unique = list(dict.fromkeys(ids))
    there = await _present_async(state, unique)
    keys = [state.key(id) for id in unique if id in there]
    failed: dict[str, HoldallError] = {}
    if keys:
        results = await state.store.delete_async(keys)
        failed = {result.key: result.error for result in results if result.error is not None}
        gone = {
            result.key for result in results if result.existed is False
        }  # somebody else was quicker, where the store tells
        there -= {id for id in unique if state.key(id) in gone}
    outcomes: list[Outcome] = []
    done: set[str] = set()
    for index, id in enumerate(ids):
        error = failed.get(state.key(id))
        if error is not None:
            state.known.forget(id)
            outcomes.append(Outcome(index=index, id=id, status="failed", error=error))
            continue
        state.known.note(id, None, None)
        outcomes.append(Outcome(index=index, id=id, status="written" if id in there and id not in done else "missing"))
        done.add(id)
    return outcomes


async def _present_async(state: ObjectState, ids: list[str]) -> set[str]:
    """Tell which ids are there: what is known, then by listings or by one HEAD each, whichever is cheaper."""
    known = {id: state.known.get(id) for id in ids}
    there = {id for id, seen in known.items() if seen is not None and seen.etag is not None}
    unknown = [id for id in ids if id not in there]
    pages = 0
    if len(unknown) > 1:
        wanted, found = set(unknown), set[str]()
        async with closed_async(listed_async(state)) as listing:
            async for page in listing:
                found |= {id for id, _ in page if id in wanted}
                pages += 1
                if pages >= len(unknown) or len(found) == len(wanted):
                    break
            else:
                return there | found
        if len(found) == len(wanted):
            return there | found
        there |= found
        unknown = [id for id in unknown if id not in found]

    async def one(id: str) -> str | None:
        return await record.version_async(state, id)

    heads = map_bounded_async(one, unknown, limit=state.options.max_workers)
    versions = [version async for version in heads]
    return there | {id for id, version in zip(unknown, versions, strict=True) if version is not None}


async def clear_async(state: ObjectState) -> int:
    """Delete all records, a page at a time; foreign objects stay."""
    removed = 0
    failed: list[Outcome] = []
    async with closed_async(listed_async(state)) as pages:
        async for page in pages:
            ids = {meta.key: id for id, meta in page if id is not None}
            if not ids:
                continue
            for result in await state.store.delete_async(list(ids)):
                id = ids[result.key]
                state.known.note(id, None, None)
                if result.error is None:
                    removed += 1
                else:
                    state.known.forget(id)
                    failed.append(Outcome(index=len(failed), id=id, status="failed", error=result.error))
    if failed:
        keys = ", ".join(state.key(outcome.id or "") for outcome in failed[:10])
        raise BatchError(f"clear: {len(failed)} objects could not be deleted: {keys}", outcomes=failed, database=state)
    return removed
