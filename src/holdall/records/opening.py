"""Open a database by URL or mount."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Any, cast

from holdall.core.urls import url_scheme
from holdall.drivers.registry import open_store
from holdall.engine.resolve import mount_reference
from holdall.errors import ConfigError
from holdall.records.database import Database
from holdall.store import Store

__all__ = ["open_database"]

_SQL = ("postgresql", "postgres", "sqlite")


def open_database(url: str, **options: Any) -> Database:
    """Open a database by its address. See `holdall.records.database.Database.open`."""
    scheme = url_scheme(url) or ""
    if scheme.split("+", 1)[0] in _SQL:
        records: Any = importlib.import_module("holdall.records")  # SQLAlchemy loads on demand
        return cast("Database", records.SQLDatabase(url, **options))
    from holdall.records.objects_database import ObjectDatabase  # noqa: PLC0415  # only where it is used

    mounted = not scheme and mount_reference(url) is not None  # its manager closes the store of a mount
    given: dict[str, Any] = {"prefix": "", "owned": not mounted, **options}
    return ObjectDatabase(url if mounted else _store(url, scheme), **given)


def _store(url: str, scheme: str) -> Store:
    try:
        return open_store(url)
    except ConfigError as error:
        meant = get_close_matches(scheme, _SQL, 1, 0.8)
        if not meant:
            raise
        raise ConfigError(f"{scheme}://: unknown scheme {scheme!r}, did you mean {meant[0]!r}?") from error
