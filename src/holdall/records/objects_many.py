# Generated from objects_many_async.py by tools/twins.py: change that file, not this one.
"""Many records at once: lazy input, bounded requests and memory, an outcome for each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from holdall._concurrency import run
from holdall._turns import in_turns, turn
from holdall.core.meta import ListPage, ObjectMeta
from holdall.engine.colours import closed
from holdall.errors import (
    ConfigError,
    HoldallError,
    MissingPlaceError,
    PermissionDeniedError,
    ThrottledError,
    UnavailableError,
)
from holdall.records import objects_record as record
from holdall.records.aside import LONG, aside
from holdall.records.drafts import Item, WriteVerb
from holdall.records.errors import BatchError, ConcurrencyError, DuplicateRecordError, Outcome, Status, untried
from holdall.records.mirror.rows import Row, row_of
from holdall.records.objects_place import absent
from holdall.records.objects_state import ObjectState, Stored
from holdall.records.objects_waves import waves
from holdall.records.record import Record
from holdall.records.spans import PAGE
from holdall.records.tags import Omissions
from holdall.results import DeleteResult

__all__ = [
    "clear",
    "delete_chunk",
    "fetched",
    "listed",
    "named",
    "read_many",
    "stored_row",
    "write_chunk",
]

R = TypeVar("R")

_FATAL = (PermissionDeniedError, ConfigError)
"""What makes further tries pointless."""


class Seen(NamedTuple):
    """What is known of the ids of a batch of deletions.

    Attributes:
        there: Those that are there; what is deleted is taken out.
        failed: Why nobody knows of these whether they are.
        stopped: The cause that makes further tries pointless, once there is one.
    """

    there: set[str]
    failed: dict[str, HoldallError]
    stopped: list[Exception]


def write_chunk(
    state: ObjectState, verb: WriteVerb, items: list[Item], stopped: list[Exception], omissions: Omissions
) -> list[tuple[Outcome, Row | None]]:
    """Write some items, and return what the mirror is to know of each.

    Args:
        state: Of the database.
        verb: What to do.
        items: A chunk of them.
        stopped: Gets the cause that makes further tries pointless, for this chunk and the next ones.
        omissions: Gets what the tags of written records have no place for.
    """
    keep = state.mirror is not None
    written: list[tuple[Outcome, Row | None]] = [(item.outcome, None) for item in items if item.outcome is not None]

    def one(item: Item) -> tuple[Outcome, Row | None, Sequence[str]]:
        assert item.draft is not None
        stored: Stored | None
        try:
            if verb == "create":
                stored = record.create(state, item.draft)
            elif verb == "upsert":
                stored = record.upsert(state, item.draft, None)
            else:
                stored = record.update(state, item.draft, None)
        except ThrottledError:
            raise
        except DuplicateRecordError as error:
            return item.ended("exists", error), None, ()
        except ConcurrencyError as error:
            return item.ended("conflict", error), None, ()
        except MissingPlaceError as error:
            stopped.append(absent(error))
            return item.ended("failed", stopped[-1]), None, ()
        except HoldallError as error:
            if isinstance(error, _FATAL):
                stopped.append(error)
            status: Status = "unknown" if getattr(error, "outcome", None) == "unknown" else "failed"
            return item.ended(status, error), None, ()
        if stored is None:
            return item.ended("missing"), None, ()
        row = stored_row(stored) if keep else None
        return Outcome(index=item.index, id=stored.stamp.id, status="written"), row, stored.omitted

    drafts = [item for item in items if item.draft is not None]
    with closed(waves(state, one, drafts, stopped)) as answers:
        for item, answer in answers:
            if isinstance(answer, Exception):
                status: Status = "not_tried" if answer in stopped else "failed"
                written.append((item.ended(status, answer), None))
            else:
                outcome, row, omitted = answer
                written.append((outcome, row))
                omissions.add(outcome.id or "", omitted)
    return written


def stored_row(stored: Stored) -> Row:
    """Return what the mirror keeps of an object that was written."""
    return aside(lambda: row_of(stored.stamp, stored.content, stored.etag), stored.content.size)


def read_many(state: ObjectState, ids: Iterable[str]) -> list[Record | Exception | None]:
    """Read records; a record, ``None`` or an error for each id."""
    wanted = list(ids)
    unique = aside(lambda: list(dict.fromkeys(wanted)), len(wanted))
    with closed(fetched(state, unique, state.record)) as answers:
        found = {id: answer for id, answer in answers}

    def in_order() -> list[Record | Exception | None]:
        if len(unique) == len(wanted):
            return [found[id] for id in wanted]
        return [answer.copy() if isinstance(answer, Record) else answer for answer in map(found.__getitem__, wanted)]

    return aside(in_order, _COPY * (len(wanted) - len(unique)) + len(wanted))


def fetched(
    state: ObjectState,
    ids: Sequence[str],
    read: Callable[[str, bytes, str | None], R],
    errors: type[HoldallError] = HoldallError,
) -> Iterator[tuple[str, R | Exception | None]]:
    """Yield ids with what their objects hold, as it comes; ``None`` for what is not there.

    Args:
        state: Of the database.
        ids: Each of them once.
        read: Makes something of id, bytes and etag, but no tuple. Of short objects where they are drawn, in a row: between two requests, in
            turns with other threads, that takes twice as long.
        errors: Those that are answers; another one ends all.
    """
    stopped: list[Exception] = []

    def made(id: str, data: bytes, etag: str | None) -> R | Exception:
        try:
            return read(id, data, etag)
        except errors as error:
            return error

    def one(id: str) -> Any:
        try:
            found = record.raw(state, id)
            if found is None:
                state.known.note(id, None, None)
            elif len(found[0]) > LONG:
                return aside(lambda: made(id, *found), len(found[0]))
            return found
        except (ThrottledError, MissingPlaceError):
            raise
        except errors as error:
            return _told(error, stopped)

    with closed(waves(state, one, ids, stopped)) as answers:
        for id, answer in answers:
            if type(answer) is tuple:
                turn()
                yield id, made(id, *answer)
            else:
                yield id, answer


_COPY = 1024
"""What the copy of a record costs, in characters of JSON."""


def listed(state: ObjectState, prefix: str = "") -> Iterator[list[tuple[str | None, ObjectMeta]]]:
    """Yield pages of ``(id, meta)`` of all objects whose key may belong to an id with this prefix; foreign ones have no id."""
    if prefix and not state.possible([prefix]):
        return  # nor can a longer one be
    stem = state.stem(prefix)
    with closed(state.store.list(stem, delimiter="/")) as pages:
        for page in pages:
            yield run(lambda page=page: named(state, page, prefix))  # type: ignore[misc]


def named(state: ObjectState, page: ListPage, prefix: str) -> list[tuple[str | None, ObjectMeta]]:
    """Return the objects of a page with their ids. See `listed`."""
    found = [(state.id(meta.key), meta) for meta in in_turns(page.objects)]
    return [(id, meta) for id, meta in found if (meta.kind == "file" if id is None else id.startswith(prefix))]


def delete_chunk(state: ObjectState, ids: list[str], base: int, seen: Seen) -> list[Outcome]:
    """Delete those of up to a thousand records that are there, in one request.

    Args:
        state: Of the database.
        ids: Of the records.
        base: Outcomes are counted from here.
        seen: What `present` told.
    """
    keys = run(lambda: {id: state.key(id) for id in in_turns(dict.fromkeys(ids))})
    results: Sequence[DeleteResult] = ()
    if found := [key for id, key in keys.items() if id in seen.there]:
        results = _remove(state, found, keys, seen.stopped)
    return run(lambda: _deleted(state, ids, base, keys, seen, results))


def _remove(state: ObjectState, keys: list[str], ids: Iterable[str], stopped: list[Exception]) -> Sequence[DeleteResult]:
    """Delete in one request, unless that is pointless; what it fails for as a whole is the error of each key."""
    error: Any
    try:
        if not stopped:
            return state.store.delete(keys)
        error = stopped[0]
    except MissingPlaceError:
        raise
    except HoldallError as caught:
        error = _told(caught, stopped)
        if isinstance(error, UnavailableError):
            record.unsure(state, ids, error)
    return [DeleteResult(key=key, error=error) for key in keys]


def _told(error: HoldallError, stopped: list[Exception]) -> HoldallError:
    """Return an error, and note whether it makes further tries pointless."""
    if isinstance(error, _FATAL):
        stopped.append(untried(error))
    return error


def _status(error: HoldallError, *, deleting: bool = True) -> Status:
    """Return how a deletion, or the look before it, ended: if the answer of a deletion may have got lost, nobody knows."""
    lost = deleting and isinstance(error, UnavailableError) and not isinstance(error, ThrottledError)
    status: Status = getattr(error, "outcome", "unknown" if lost else "failed")
    return status


def _deleted(
    state: ObjectState, ids: list[str], base: int, keys: Mapping[str, str], seen: Seen, results: Sequence[DeleteResult]
) -> list[Outcome]:
    """Return the outcomes of a bulk delete, and note them."""
    failed = {result.key: result.error for result in results if result.error is not None}
    gone = {result.key for result in results if result.existed is False}  # somebody else was quicker
    outcomes: list[Outcome] = []
    for index, id in enumerate(in_turns(ids), base):
        error = failed.get(keys[id]) or seen.failed.get(id)
        if error is not None:
            state.known.forget(id)
            outcomes.append(Outcome(index=index, id=id, status=_status(error, deleting=keys[id] in failed), error=error))
            continue
        state.known.note(id, None, None)
        was_there = id in seen.there and keys[id] not in gone
        outcomes.append(Outcome(index=index, id=id, status="written" if was_there else "missing"))
        seen.there.discard(id)  # a repeat finds nothing
    return outcomes


def present(state: ObjectState, ids: list[str]) -> Seen:
    """Tell which ids are there: what was seen lately, then by one listing or by one HEAD each, whichever is cheaper.

    How many pages a listing has, the mirror knows; without it pages are read until they are as many as HEADs would be.

    A store that is near tells of each deletion whether there was something, so what was seen once is enough to begin with.
    """
    there, unknown, least = run(lambda: _seen(state, ids))
    seen = Seen(there, {}, [])
    pages = 0
    if len(unknown) > max(1, least):
        wanted = set(unknown)
        with closed(listed(state)) as listing:
            for page in listing:
                found = {id for id, _ in page if id in wanted}
                there |= found
                wanted -= found
                pages += 1
                if pages >= len(unknown) or not wanted:
                    break
            else:
                return seen
        unknown = [id for id in unknown if id in wanted]

    def one(id: str) -> Any:
        try:
            return record.version(state, id)
        except (ThrottledError, MissingPlaceError):
            raise
        except HoldallError as error:
            return _told(error, seen.stopped)

    with closed(waves(state, one, unknown, seen.stopped)) as answers:
        for id, version in answers:
            if isinstance(version, HoldallError):
                seen.failed[id] = version
            elif version is not None:
                there.add(id)
    return seen


def _seen(state: ObjectState, ids: list[str]) -> tuple[set[str], list[str], int]:
    """Return which ids are there by what this process or the mirror saw lately, the others, and how many pages a listing has at least."""
    ttl = state.options.cache_ttl
    since = -math.inf if state.near else time.monotonic() - ttl
    there: set[str] = set()
    unknown: list[str] = []
    for id in in_turns(dict.fromkeys(ids)):
        state.key(id)  # what cannot be an id is said before any request
        seen = state.known.get(id)
        if seen is not None and seen.etag is not None and seen.at >= since:
            there.add(id)
        else:
            unknown.append(id)
    mirror = state.mirror
    if mirror is None or len(unknown) <= 1:
        return there, unknown, 0
    if mirror.fresh(time.time() - ttl):
        there.update(mirror.there(unknown))
        unknown = [id for id in unknown if id not in there]
    return there, unknown, mirror.pages(PAGE)


def clear(state: ObjectState) -> int:
    """Delete all records, a page at a time; foreign objects stay."""
    removed = 0
    failed: list[Outcome] = []
    stopped: list[Exception] = []
    with closed(listed(state)) as pages:
        for page in pages:
            ids = {meta.key: id for id, meta in page if id is not None}
            if not ids:
                continue
            turn()
            for result in _remove(state, list(ids), ids.values(), stopped):
                turn()
                id = ids[result.key]
                state.known.note(id, None, None)
                if result.error is None:
                    removed += 1
                else:
                    state.known.forget(id)
                    failed.append(Outcome(index=len(failed), id=id, status=_status(result.error), error=result.error))
            if stopped:
                break
    if failed:
        first, keys = failed[0].error, ", ".join(state.key(outcome.id or "") for outcome in failed[:10])
        raise BatchError(
            f"clear: {len(failed)} objects could not be deleted: {keys}; the first one because: {first}",
            outcomes=failed,
            database=state,
        ) from first
    return removed
