"""What went wrong in a database, in our words: no exception of SQLAlchemy or a driver leaves an engine, no value is quoted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc

from holdall.core.secrets import mask
from holdall.errors import (
    HoldallError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StoreTimeoutError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.records.errors import QueryError, RecordError

__all__ = ["lost", "mapped", "sqlstate_of", "translate"]

_BY_STATE: dict[str, type[HoldallError]] = {
    "28": UnauthenticatedError,
    "42501": PermissionDeniedError,
    "25006": PermissionDeniedError,
    "3D000": NotFoundError,
    "42P01": NotFoundError,
    "57014": StoreTimeoutError,
    "08": UnavailableError,
    "53": UnavailableError,
    "57": UnavailableError,
    "40": UnavailableError,
    "55P03": UnavailableError,
    "XX": IntegrityError,
}
_BY_WORDS: tuple[tuple[str, type[HoldallError]], ...] = (
    ("locked", UnavailableError),
    ("busy", UnavailableError),
    ("disk is full", UnavailableError),
    ("disk i/o", UnavailableError),
    ("unable to open", NotFoundError),
    ("no such table", NotFoundError),
    ("readonly", PermissionDeniedError),
    ("not authorized", PermissionDeniedError),
    ("not a database", IntegrityError),
    ("malformed", IntegrityError),
    ("interrupted", StoreTimeoutError),
)


@contextmanager
def mapped(database: object, *, query: bool = False) -> Generator[None]:
    """Turn errors of SQLAlchemy into ours.

    Args:
        database: Shown in the error.
        query: The statement was the user's: what the database says against it is a `QueryError`.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translate(error, database, query=query) from error


def sqlstate_of(error: BaseException | None) -> str:
    """Return PostgreSQL's code of an error, or ``""``."""
    return str(getattr(error, "sqlstate", None) or "")


def translate(error: exc.SQLAlchemyError, database: object, *, query: bool = False) -> HoldallError:
    """Return our error for one of SQLAlchemy's."""
    cause: Any = getattr(error, "orig", None)
    state = sqlstate_of(cause)
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    lines = str(primary or cause or type(error).__name__).strip().splitlines()
    said = mask(lines[0]) if lines else type(error).__name__
    if isinstance(error, exc.TimeoutError):
        return UnavailableError("no connection of the pool became free in time", store=database)
    kind = _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    if kind is None and not state:
        kind = next((kind for word, kind in _BY_WORDS if word in said.lower()), None)
        if kind is None and isinstance(error, exc.DBAPIError) and (error.connection_invalidated or _speechless(error)):
            kind = _refusal(said)
    if query and (kind is None or kind in {NotFoundError, PermissionDeniedError, StoreTimeoutError}):
        return QueryError(f"the database refuses this statement: {said}", database=database)
    return kind(said, store=database) if kind is not None else RecordError(f"the database says: {said}", database=database)


def lost(error: HoldallError, cause: exc.SQLAlchemyError) -> HoldallError:
    """Return the error, marked if its connection broke under way: what was asked for may have been done."""
    if isinstance(cause, exc.DBAPIError) and cause.connection_invalidated and isinstance(error, UnavailableError):
        error.outcome = "unknown"  # type: ignore[attr-defined]
    return error


def _speechless(error: exc.DBAPIError) -> bool:
    """Tell whether the server could not even be asked: PostgreSQL's own refusals have a code, SQLite's are all local."""
    return isinstance(error, (exc.OperationalError, exc.InterfaceError)) and not type(error.orig).__module__.startswith(
        "sqlite3"
    )


def _refusal(said: str) -> type[HoldallError]:
    """Return the error for a connection that was not made; its reason is text only."""
    text = said.lower()
    if "authentication failed" in text or "no pg_hba.conf entry" in text or "no password" in text or "role" in text:
        return UnauthenticatedError
    if "database" in text and "does not exist" in text:
        return NotFoundError
    return UnavailableError
