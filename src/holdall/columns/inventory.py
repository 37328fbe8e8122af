"""What is in the stores and what rows hold, side by side, in a temporary file: memory stays bounded whatever their number."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdall.core.keys import ReservedKey, is_reserved
from holdall.core.meta import ObjectMeta

__all__ = ["Entry", "Inventory"]

_SCHEMA = """
CREATE TABLE objects (
    backend TEXT, key TEXT, size INTEGER, etag TEXT, modified REAL, held INTEGER DEFAULT 0, PRIMARY KEY (backend, key)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing."""

    backend: str
    key: str
    size: int
    etag: str | None
    modified: float | None

    @property
    def age(self) -> float | None:
        """Seconds since it was written."""
        return None if self.modified is None else max(0.0, datetime.now(UTC).timestamp() - self.modified)


class Inventory:
    """Objects by backend and key, and which of them rows hold.

    Example:
        >>> with Inventory() as inventory:
        ...     inventory.add("uploads", [ObjectMeta(key="a", size=1), ObjectMeta(key="b", size=2)])
        ...     inventory.hold("uploads", "a")
        ...     [entry.key for entry in inventory.unheld()]
        ['b']
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdall-sweep-")
        # one greenlet after the other uses it, never two at once
        self._rows = sqlite3.connect(
            Path(self._folder.name, "inventory"), isolation_level=None, check_same_thread=False, cached_statements=16
        )
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384"):
            self._rows.execute(f"PRAGMA {pragma}")
        self._rows.execute(_SCHEMA)

    def add(self, backend: str, objects: Iterable[ObjectMeta]) -> None:
        """Add a page of a listing."""
        self._rows.execute("BEGIN")
        self._rows.executemany(
            "INSERT OR REPLACE INTO objects (backend, key, size, etag, modified) VALUES (?, ?, ?, ?, ?)",
            (
                (backend, meta.key, meta.size, meta.etag, meta.last_modified and meta.last_modified.timestamp())
                for meta in objects
                if meta.kind == "file"
            ),
        )
        self._rows.execute("COMMIT")

    def find(self, backend: str, key: str) -> Entry | None:
        """Return what the listing said of a key."""
        found = self._rows.execute(_ONE, (backend, key)).fetchone()
        return None if found is None else _entry(found)

    def hold(self, backend: str, key: str) -> None:
        """Note that a row holds a key."""
        self._rows.execute("UPDATE objects SET held = 1 WHERE backend = ? AND key = ?", (backend, str(key)))

    def unheld(self) -> Iterator[Entry]:
        """Yield the objects that no row holds."""
        for found in self._rows.execute(_UNHELD):
            yield _entry(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._rows.close()
        self._folder.cleanup()


_ONE = "SELECT backend, key, size, etag, modified FROM objects WHERE backend = ? AND key = ?"
_UNHELD = "SELECT backend, key, size, etag, modified FROM objects WHERE held = 0"


def _entry(found: tuple[Any, ...]) -> Entry:
    backend, key, size, etag, modified = found
    return Entry(backend, ReservedKey(key) if is_reserved(key) else key, size, etag, modified)
