"""Open a database by URL or mount."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Any, cast
from urllib.parse import unquote

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

    url, tags = _tags(url) if scheme else (url, None)
    mounted = not scheme and mount_reference(url) is not None  # its manager closes the store of a mount
    given: dict[str, Any] = {"prefix": "", "owned": not mounted, "tags": tags, **options}
    return ObjectDatabase(url if mounted else _store(url, scheme), **given)


def _tags(url: str) -> tuple[str, str | list[str] | None]:
    """Return a URL without the parameter ``tags``, which is the database's and not the store's, and what it says.

    Example:
        >>> _tags("s3://b/p?tags=off&region=eu-west-1"), _tags("s3://b?tags=team,city")
        (('s3://b/p?region=eu-west-1', 'off'), ('s3://b', ['team', 'city']))
    """
    head, _, query = url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    said = [unquote(value) for name, _, value in pairs if name == "tags"]
    if not said:
        return url, None
    rest = "&".join("".join(pair) for pair in pairs if pair[0] != "tags")
    value = said[-1]
    return f"{head}?{rest}" if rest else head, value if value in {"fit", "strict", "off"} else value.split(",")


def _store(url: str, scheme: str) -> Store:
    try:
        return open_store(url)
    except ConfigError as error:
        meant = get_close_matches(scheme, _SQL, 1, 0.8)
        if not meant:
            raise
        raise ConfigError(f"{scheme}://: unknown scheme {scheme!r}, did you mean {meant[0]!r}?") from error
