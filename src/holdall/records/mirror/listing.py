"""A listing in the mirror (S1, S3 to S5): what the storage showed, against what was written here meanwhile."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from holdall._turns import in_turns
from holdall.core.meta import ObjectMeta
from holdall.records.mirror.journal import next_number, sweep

__all__ = ["ARCHIVED", "Listing", "apply", "drop", "end_all", "ended", "fresh", "look_again", "note", "start", "started"]

ARCHIVED = 3600.0
"""Seconds after which an archived object is looked at again: that it was restored changes no etag."""
_UNSURE = timedelta(seconds=2)
"""With weak etags: for how long after a write another one may look the same."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing under way.

    Attributes:
        started: When (`time.time`).
        own: The number of the last own write before it.
        table: Where its pages go.
        weak: Etags do not identify content.
        generation: Of the connection that has the table.
    """

    started: float
    own: int
    table: str
    weak: bool
    generation: int


@lru_cache(maxsize=1)
def _boot() -> str:
    """Return what changes when the machine starts again; a clock of another boot is not believed."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def fresh(connection: sqlite3.Connection, since: float) -> bool:
    """Tell whether the last complete listing started at or after a time."""
    meta = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('started', 'boot')").fetchall())
    started = meta.get("started")
    return isinstance(started, float) and meta.get("boot") == _boot() and since <= started <= time.time()


def started(connection: sqlite3.Connection) -> float:
    """Return when the last complete listing started; there was one."""
    (moment,) = connection.execute("SELECT value FROM meta WHERE name = 'started'").fetchone()
    return float(moment)


def start(connection: sqlite3.Connection, living: Collection[str], *, weak: bool, generation: int) -> Listing:
    """Begin: writes that are under way now may be missed by the pages to come."""
    sweep(connection, living)
    number = next_number(connection)
    connection.execute("UPDATE intent SET overlapped = 1")
    table = f"temp.seen_{number}"
    connection.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, etag TEXT, size INTEGER, modified TEXT) WITHOUT ROWID")
    return Listing(time.time(), number, table, weak, generation)


def note(connection: sqlite3.Connection, listing: Listing, page: Iterable[tuple[str, ObjectMeta]]) -> None:
    """Keep one page. Where etags are weak, times matter, but not those of late: they are taken for no time, so that the next listing differs."""
    late = datetime.fromtimestamp(listing.started, UTC) - _UNSURE
    rows = [
        (id, meta.etag, meta.size,
         meta.last_modified.isoformat() if listing.weak and meta.last_modified and meta.last_modified < late else None)
        for id, meta in in_turns(page)
    ]  # fmt: skip
    connection.executemany(f"INSERT OR REPLACE INTO {listing.table} VALUES (?, ?, ?, ?)", in_turns(rows))


def end_all(connection: sqlite3.Connection) -> None:
    """Have no listing that is under way be taken over: what it showed is not held any more."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('emptied', ?)", (next_number(connection),))


def ended(connection: sqlite3.Connection, listing: Listing) -> bool:
    """Tell whether `end_all` was called since a listing began."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'emptied'").fetchone()
    return found is not None and found[0] > listing.own


def look_again(connection: sqlite3.Connection, age: float) -> None:
    """Have the bodies of archived objects be asked for that nobody has asked for since so many seconds."""
    now = time.time()
    connection.execute(
        "UPDATE rec SET state = 'listed', reason = NULL, rev = ? WHERE state <> 'loaded' AND state = 'archived'"
        " AND CAST(updated_at AS REAL) NOT BETWEEN ? AND ?",
        (next_number(connection), now - age, now if age else 0),
    )


def drop(connection: sqlite3.Connection, listing: Listing) -> None:
    """Forget the pages of a listing that failed."""
    connection.execute(f"DROP TABLE IF EXISTS {listing.table}")


def apply(connection: sqlite3.Connection, listing: Listing) -> None:
    """Take over a complete listing, in one transaction."""
    number, seen, own = next_number(connection), listing.table, listing.own
    same = "rec.etag IS s.etag AND rec.etag IS NOT NULL"
    if listing.weak:
        same = "rec.etag IS s.etag AND rec.size IS s.size AND rec.modified IS s.modified AND s.modified IS NOT NULL"
    live = "(SELECT id FROM intent)"
    blank = "state = 'listed', fields = NULL, metadata = NULL, reason = NULL"
    under_way = (  # a write under way here: keep what the listing agrees with, read the rest again
        f"UPDATE rec SET {blank}, etag = NULL, rev = ? WHERE own <= ? AND id IN {live} AND NOT coalesce("
        f"CASE state WHEN 'gone' THEN id NOT IN (SELECT id FROM {seen})"
        f" ELSE (SELECT {same} FROM {seen} s WHERE s.id = rec.id) END, 0)"
    )
    changed = (  # or back again
        f"UPDATE rec SET {blank}, etag = s.etag, size = s.size, modified = s.modified, rev = ? FROM {seen} s"
        f" WHERE s.id = rec.id AND rec.own <= ? AND rec.id NOT IN {live} AND (rec.state = 'gone' OR NOT ({same}))"
    )
    absent = f"DELETE FROM rec WHERE own <= ? AND id NOT IN {live} AND id NOT IN (SELECT id FROM {seen})"
    new = (
        f"INSERT INTO rec (id, etag, size, modified, state, rev) SELECT id, CASE WHEN id IN {live} THEN NULL ELSE etag END,"
        f" size, modified, 'listed', ? FROM {seen} WHERE id NOT IN (SELECT id FROM rec)"
    )
    as_before = (  # one look at each row instead of four
        f"SELECT (SELECT count(*) FROM rec) = (SELECT count(*) FROM {seen}) AND NOT EXISTS (SELECT 1 FROM intent) AND NOT EXISTS ("
        f"SELECT 1 FROM {seen} s LEFT JOIN rec ON rec.id = s.id WHERE rec.id IS NULL OR rec.state = 'gone' OR NOT ({same}))"
    )
    if not connection.execute(as_before).fetchone()[0]:
        connection.execute(under_way, (number, own))
        connection.execute(changed, (number, own))
        connection.execute(absent, (own,))
        connection.execute(new, (number,))
    drop(connection, listing)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('started', ?), ('boot', ?)", (listing.started, _boot()))
