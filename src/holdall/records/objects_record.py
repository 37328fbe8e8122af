# Generated from objects_record_async.py by tools/twins.py: change that file, not this one.
"""One record as one object: read, create, update, upsert, delete. Every write is conditional where the store can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from holdall._concurrency import run
from holdall._turns import turn
from holdall.core.options import GetOptions
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    ThrottledError,
    UnavailableError,
)
from holdall.records.aside import aside
from holdall.records.drafts import Draft
from holdall.records.encoding import decode_body, encode_body
from holdall.records.errors import ConcurrencyError, CorruptRecordError, DuplicateRecordError
from holdall.records.matching import anything
from holdall.records.objects_state import Found, Known, ObjectState, Stored
from holdall.records.record import Record

__all__ = [
    "check_versioned",
    "create",
    "delete",
    "fetch",
    "raw",
    "record",
    "update",
    "upsert",
    "version",
]

_RACES = 32
"""How often an unconditional write is tried against other writers of the same record."""
_WHOLE = 5 * 1024 * 1024
"""Bytes above which a record goes to S3 in parts of this size."""


def raw(state: ObjectState, id: str, *, version: str | None = None) -> tuple[bytes, str | None] | None:
    """Return the bytes and etag of one response, ``None`` if the storage said that nothing is there.

    Raises:
        RecordArchivedError: It must be restored first.
    """
    options = None if version is None else GetOptions(version=version)
    try:
        with state.store.get(state.key(id), options) as result:
            turn()  # many answers come at once
            return result.bytes(), result.meta.etag
    except NotFoundError:
        return None
    except HoldallError as error:
        if "has to be restored" in error.message:
            raise state.archived(id, None) from error
        raise


def fetch(state: ObjectState, id: str) -> Found | None:
    """Return a record's object.

    Raises:
        CorruptRecordError: It is no record.
    """
    found = raw(state, id)
    if found is None:
        state.known.note(id, None, None)
        return None
    data, etag = found
    body = aside(lambda: decode_body(data, id=id, key=state.key(id)), len(data))
    state.known.note(id, etag, body.created)
    return Found(body, etag)


def record(
    state: ObjectState, id: str, holds: Callable[[Record], bool] = anything, lengths: list[int] | None = None
) -> Record | None:
    """Return a record if a condition holds for it; else, or if it is not there, ``None``.

    Args:
        state: Of the database.
        id: Of the record.
        holds: The condition.
        lengths: Gets how many bytes came.

    Raises:
        CorruptRecordError: It is no record.
    """
    found = raw(state, id)
    if found is None:
        state.known.note(id, None, None)
        return None
    data, etag = found
    if lengths is not None:
        lengths.append(len(data))

    def read() -> Record | None:
        record = state.record(id, data, etag)
        return record if holds(record) else None

    return aside(read, len(data))


def version(state: ObjectState, id: str) -> str | None:
    """Return the version token of a record."""
    try:
        meta = state.store.head(state.key(id))
    except NotFoundError:
        return None
    return meta.etag or ""


def _put(
    state: ObjectState, draft: Draft, created: datetime | None = None, *, create: bool = False, if_match: str | None = None
) -> Stored:
    """Write a draft under its condition; an answer that got lost is looked up by the token in the body."""
    stamp, content = draft.stamped(created=created), draft.content
    data = aside(lambda: encode_body(stamp, content), content.size)
    options, omitted = state.put_options(draft, stamp, create=create, if_match=if_match)
    if len(data) > _WHOLE and state.options.in_parts:
        options = replace(options, part_size=_WHOLE)
    try:
        result = state.store.put(state.key(stamp.id), data, options)
    except (AlreadyExistsError, PreconditionError):
        state.known.forget(stamp.id)
        if len(data) > _WHOLE:  # the store knows its own success again where it sent one request
            found = raw(state, stamp.id)
            if found is not None and found[0] == data:
                state.known.note(stamp.id, found[1], stamp.created)
                return Stored(stamp, content, found[1], omitted)
        raise
    except PermissionDeniedError as error:
        if options.tags and error.kind == PermissionDeniedError.kind:
            raise state.denied(error) from error
        raise
    except UnavailableError as error:
        unsure(state, [stamp.id], error)
        raise
    turn()  # many answers come at once
    state.known.note(stamp.id, result.etag, stamp.created)
    return Stored(stamp, content, result.etag, omitted)


def unsure(state: ObjectState, ids: Iterable[str], error: UnavailableError) -> None:
    """Note of writes that failed, and in the error, that nobody knows their outcome if the answer may have got lost."""
    for id in ids:
        state.known.forget(id)
    if not isinstance(error, ThrottledError):
        setattr(error, "outcome", "unknown")  # noqa: B010  # an attribute of errors of records alone


def _lost(state: ObjectState, id: str, expected: str | None, actual: str | None) -> ConcurrencyError:
    what = "is gone" if actual is None else "was written meanwhile"
    return ConcurrencyError(
        f"{id!r} {what}: it is not at the expected version",
        id=id, key=state.key(id), database=state, expected_version=expected, actual_version=actual,
    )  # fmt: skip


def check_versioned(state: ObjectState, what: str) -> None:
    """Refuse what needs compare-and-set where there is none; a store that is read-only says so itself.

    Args:
        state: Of the database.
        what: What needs it.

    Raises:
        NotSupportedError: There is none.
    """
    if not state.compares and state.store.capabilities.write:
        raise NotSupportedError(f"{what} needs a store with compare-and-set and strong etags", store=state.store)


def create(state: ObjectState, draft: Draft) -> Stored:
    """Insert; a minted id that is taken is minted again."""
    can = state.store.capabilities
    if can.write and not can.create:  # a store that is read-only says so itself
        raise NotSupportedError("create needs a store whose writes can be conditional; upsert does not", store=state.store)
    while True:
        try:
            return _put(state, draft, create=True)
        except AlreadyExistsError as error:
            again = draft.renamed()
            if again is None:
                raise DuplicateRecordError(
                    f"the id {draft.id!r} is taken", id=draft.id, key=state.key(draft.id), database=state
                ) from error
            draft = again


def update(state: ObjectState, draft: Draft, expected: str | None) -> Stored | None:
    """Replace what is there; never insert, never revive."""
    if expected is not None:
        check_versioned(state, "expected_version")
    id = draft.id
    known = _known(state, id)
    if not state.compares or known is None or known.etag is None or (expected is not None and known.etag != expected):
        known = _look(state, id)
    for _ in range(_RACES):
        if known is None:
            return None
        etag, created = known.etag, known.created
        if expected is not None and etag != expected:
            raise _lost(state, id, expected, etag)
        try:
            return _put(state, draft, created, if_match=etag if state.compares else None)
        except (PreconditionError, NotFoundError):
            known = _look(state, id)
    raise _lost(state, id, expected, None if known is None else known.etag)


def upsert(state: ObjectState, draft: Draft, expected: str | None) -> Stored:
    """Replace or insert; with an expected version, only replace."""
    if expected is not None:
        stored = update(state, draft, expected)
        if stored is None:
            raise _lost(state, draft.id, expected, None)
        return stored
    if not state.compares:
        found = _look(state, draft.id)
        return _put(state, draft, found.created if found else None)
    if draft.mint is not None:
        return create(state, draft)
    known = _known(state, draft.id) or _look(state, draft.id)
    for _ in range(_RACES):
        try:
            if known is None or known.etag is None:
                return _put(state, draft, create=True)
            return _put(state, draft, known.created, if_match=known.etag)
        except NotSupportedError:
            if state.store.capabilities.update:
                raise
            return upsert(state, draft, None)  # the service turned out not to honour conditions
        except (AlreadyExistsError, PreconditionError, NotFoundError):
            known = _look(state, draft.id)
    raise _lost(state, draft.id, None, None if known is None else known.etag)


def delete(state: ObjectState, id: str, expected: str | None) -> bool:
    """Delete and tell whether it was there; exactly one of many deleters hears that it was."""
    if expected is not None:
        can = state.store.capabilities
        if can.delete and not (can.conditional_delete and can.strong_etag):
            raise NotSupportedError("delete with expected_version needs a store with conditional deletes", store=state.store)
        try:
            _remove(state, id, expected)
        except (PreconditionError, NotFoundError) as error:
            actual = version(state, id)
            if actual is None:
                return False
            raise _lost(state, id, expected, actual) from error
        state.known.note(id, None, None)
        return True
    known = _known(state, id, aged=False)
    etag = known.etag if known is not None else None
    for _ in range(_RACES):
        etag = etag or version(state, id)
        if etag is None:
            state.known.note(id, None, None)
            return False
        try:
            conditional = state.store.capabilities.conditional_delete and etag != ""
            _remove(state, id, etag if conditional else None)
        except (PreconditionError, NotFoundError):
            state.known.forget(id)
            etag = None
            continue
        except NotSupportedError:
            if state.store.capabilities.conditional_delete:
                raise
            continue  # the service turned out not to honour conditions: without one, then
        state.known.note(id, None, None)
        return True
    raise _lost(state, id, None, etag)


def _remove(state: ObjectState, id: str, if_match: str | None) -> None:
    try:
        state.store.delete(state.key(id), if_match=if_match)
    except UnavailableError as error:
        unsure(state, [id], error)
        raise


def _look(state: ObjectState, id: str) -> Known | None:
    """Read what is there now; an object that is no record can be replaced, too."""
    try:
        found = fetch(state, id)
    except CorruptRecordError:
        meta = state.store.head(state.key(id))
        return Known(meta.etag, None)
    except HoldallError as error:
        if error.kind != "record_archived":
            raise
        meta = state.store.head(state.key(id))
        return Known(meta.etag, None)
    return None if found is None else Known(found.etag, found.body.created)


def _known(state: ObjectState, id: str, *, aged: bool = True) -> Known | None:
    """Return what this process or the mirror knows; only a guess, on which conditional writes may be tried.

    Args:
        state: Of the database.
        id: Of the record.
        aged: Since when it is there has to be known, too.
    """
    known = state.known.get(id)
    mirror = state.mirror
    if known is not None or mirror is None:
        return known
    held = run(lambda: mirror.known(id))
    if held is None or (aged and held[1] is None):
        return None
    return Known(held[0], None if held[1] is None else datetime.fromisoformat(held[1]))
