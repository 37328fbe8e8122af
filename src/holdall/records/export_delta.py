"""Records as a table of Delta: what its own library is given, and what its errors mean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

from holdall.core.secrets import mask
from holdall.errors import PermissionDeniedError, UnavailableError
from holdall.records.errors import QueryError
from holdall.records.export import Kind, batch_of, batched, need, schema_of

__all__ = ["for_delta", "write_delta"]

_DENIED = ("permission denied", "access denied", "accessdenied", "forbidden", "unauthorized", "read-only file system")


def for_delta(kinds: dict[str, Kind]) -> dict[str, Kind]:
    """Return the columns as Delta can hold them: it has no time of day, which becomes JSON text.

    Raises:
        QueryError: Two columns differ in case alone, which are one to Delta.

    Example:
        >>> for_delta({"id": "text", "at": "time"})
        {'id': 'text', 'at': 'json'}
    """
    folded: dict[str, str] = {}
    for name in kinds:
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise QueryError(f"columns {other!r} and {name!r} differ in case alone, which are one to Delta: choose columns")
    return {name: "json" if kind == "time" else kind for name, kind in kinds.items()}


def write_delta(
    where: str, rows: Iterator[dict[str, Any]], kinds: dict[str, Kind], storage_options: dict[str, str] | None
) -> None:
    """Write rows as a new version of a table; it is there with its last step. A directory that was made for it is removed if that fails.

    Raises:
        PermissionDeniedError: The storage refuses.
        UnavailableError: It cannot be written, or Delta takes no such table.
    """
    arrow, delta = need("pyarrow", "arrow"), need("deltalake", "delta")
    schema = schema_of(kinds)
    failures: list[BaseException] = []

    def batches() -> Iterator[Any]:
        try:
            for some in batched(rows):
                yield batch_of(some, schema)
        except BaseException as error:
            failures.append(error)  # Delta would tell of it in its own words
            raise

    new = _missing(where)
    reader = arrow.RecordBatchReader.from_batches(schema, batches())
    try:
        delta.write_deltalake(where, reader, mode="overwrite", schema_mode="overwrite", storage_options=storage_options)
    except BaseException as error:
        _remove(new)
        if failures and not isinstance(failures[0], GeneratorExit):
            raise failures[0] from None
        if not isinstance(error, Exception):
            raise
        raise _translated(error, where, storage_options) from error


def _translated(error: Exception, where: str, options: dict[str, str] | None) -> Exception:
    text = str(error)
    for name, value in (options or {}).items():
        if value and not name.lower().endswith(("region", "endpoint", "endpoint_url", "allow_http")):
            text = text.replace(value, "***")
    said = f"{mask(where)} was not written as a table of Delta: {mask(text)}"
    return (PermissionDeniedError if any(word in text.lower() for word in _DENIED) else UnavailableError)(said)


def _missing(where: str) -> list[str]:
    """Return the directories that writing would make, the innermost first."""
    if "://" in where:
        return []
    missing: list[str] = []
    path = os.path.abspath(where)
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _remove(made: list[str]) -> None:
    """Remove what a failed export made, unless somebody else has written there."""
    if not made or any(name.endswith(".json") for name in _names(os.path.join(made[0], "_delta_log"))):
        return
    shutil.rmtree(made[0], ignore_errors=True)
    for path in made[1:]:
        if _names(path):
            return
        if os.path.isdir(path):
            os.rmdir(path)


def _names(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []
