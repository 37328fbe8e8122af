"""Conditions of reads and writes, decided in one place for every store that has to decide itself (RFC 9110, 13.2.2)."""

from __future__ import annotations

from datetime import datetime

from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.errors import AlreadyExistsError, NotFoundError, NotModifiedError, PreconditionError

__all__ = ["check_get", "check_put", "etag_matches", "strip_etag"]


def strip_etag(etag: str | None) -> str | None:
    """Return an etag without its quotes (``W/`` stays, as it is part of the meaning).

    Example:
        >>> strip_etag('"abc"')
        'abc'
    """
    if etag is not None and len(etag) >= 2 and etag[-1] == '"':
        if etag[0] == '"':
            return etag[1:-1]
        if etag.startswith('W/"'):
            return "W/" + etag[3:-1]
    return etag


def etag_matches(etag: str | None, wanted: str) -> bool:
    """Compare strongly; ``"*"`` matches any existing object; a store without etags matches nothing else.

    Example:
        >>> etag_matches("abc", '"abc"'), etag_matches("W/x", "W/x")
        (True, False)
    """
    if wanted == "*":
        return True
    return etag is not None and not etag.startswith("W/") and etag == strip_etag(wanted)


def check_get(
    options: GetOptions, *, key: str, etag: str | None, last_modified: datetime | None, store: object = None
) -> None:
    """Decide whether an existing object may be served.

    Raises:
        PreconditionError: ``if_match`` or ``if_unmodified_since`` does not hold.
        NotModifiedError: ``if_none_match`` or ``if_modified_since`` says the caller has it.
    """
    if options.if_match is not None:
        if not etag_matches(etag, options.if_match):
            raise PreconditionError(f"{key!r} is not the version asked for (if_match)", key=key, store=store)
    elif (
        options.if_unmodified_since is not None
        and last_modified is not None
        and last_modified.replace(microsecond=0) > options.if_unmodified_since
    ):
        raise PreconditionError(f"{key!r} was modified since (if_unmodified_since)", key=key, store=store)
    if options.if_none_match is not None:
        weak = (etag or "").removeprefix("W/")
        wanted = (strip_etag(options.if_none_match) or "").removeprefix("W/")
        if wanted == "*" or (weak and weak == wanted):
            raise NotModifiedError(f"{key!r} is not modified", key=key, store=store)
    elif (
        options.if_modified_since is not None
        and last_modified is not None
        and last_modified.replace(microsecond=0) <= options.if_modified_since
    ):
        raise NotModifiedError(f"{key!r} is not modified", key=key, store=store)


def check_put(options: PutOptions | CopyOptions, *, key: str, exists: bool, etag: str | None, store: object = None) -> None:
    """Decide whether a write may replace what is (or is not) there. Call it under the store's lock.

    Raises:
        AlreadyExistsError: ``create`` and something is there.
        PreconditionError: ``update`` and nothing, or something else, is there.
    """
    if options.mode == "create" and exists:
        raise AlreadyExistsError(f"{key!r} already exists", key=key, store=store)
    if options.mode == "update":
        assert options.if_match is not None  # an invariant of PutOptions, not input
        if not exists or not etag_matches(etag, options.if_match):
            what = "is not the version to be replaced" if exists else "is gone"
            raise PreconditionError(f"{key!r} {what} (if_match)", key=key, store=store)


def missing(key: str, *, store: object = None, what: str = "") -> NotFoundError:
    """Return the error for a key at which nothing is."""
    return NotFoundError(f"nothing at {key!r}{what}", key=key, store=store)
