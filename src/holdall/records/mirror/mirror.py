"""`Mirror`: what engine A asks of its index. Every method is one transaction and blocks; async callers run it in a thread."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from holdall._turns import MANY, give_way, in_turns
from holdall.core.meta import ObjectMeta
from holdall.errors import ClosedError
from holdall.records.lengthy import STEP
from holdall.records.mirror import journal, listing, selecting
from holdall.records.mirror.file import MirrorFile
from holdall.records.mirror.flight import Flight
from holdall.records.mirror.journal import Intent
from holdall.records.mirror.listing import Listing
from holdall.records.mirror.rows import AMONG, COLUMNS, LONGEST, Row, among, scoped
from holdall.records.plans import Scope
from holdall.records.sql_statement import Statement
from holdall.records.stride import ROOM

__all__ = ["Interrupted", "Mirror", "MirrorInfo", "Pending"]

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818  # a signal to begin again, not an error of callers
    """The mirror was replaced or emptied meanwhile: what it says now is no answer."""


_UNKNOWN = "SELECT 1 FROM rec WHERE state <> 'loaded' AND state = 'listed' AND etag IS NULL"
_ALL = "SELECT (SELECT count(*) FROM rec) - (SELECT count(*) FROM rec WHERE state = 'gone')"
_KEYS = "SELECT DISTINCT field.key FROM json_each(?) AS document, json_each(document.value) AS field"
HELD = "state IN ('loaded', 'cut', 'corrupt', 'archived', 'listed')"


@dataclass(frozen=True, slots=True)
class Pending:
    """A row whose body has to be fetched, and its revision when that was seen."""

    id: str
    rev: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorInfo:
    """What the mirror holds.

    Attributes:
        path: Its file; ``None`` in memory.
        records: Rows.
        loaded: Rows whose content is held.
        bytes: Size of the file.
    """

    path: str | None
    records: int
    loaded: int
    bytes: int


class Mirror:
    """The index of one database: rows with the content of records, and what is being written.

    Args:
        path: Its file, ``None`` for memory.
        identity: Of the database.
        indexes: Paths, or tuples of paths, to be indexed.
    """

    def __init__(self, path: str | None, identity: str, indexes: Sequence[str | Sequence[str]] = ()) -> None:
        paths = tuple((index,) if isinstance(index, str) else tuple(index) for index in indexes)
        self._file = MirrorFile(path, identity, paths)
        self._names: tuple[int, set[str]] = (0, set())
        self._count: tuple[tuple[int, int, int], float, int] | None = None

    @property
    def path(self) -> str | None:
        """The file; ``None`` for memory."""
        return self._file.path

    def at_once(self, act: Callable[[], object]) -> bool:
        """Have a function ask this mirror here and now, if that waits for nobody; tell whether it was called.

        Args:
            act: Short, as an event loop may wait for it.
        """
        return self._file.at_once(act)

    # -- own writes ---------------------------------------------------------------------------------------------------

    def begin(self, ids: Sequence[str]) -> list[Intent]:
        """Note what is about to be written (S8)."""
        return self._file.call(lambda connection: journal.begin(connection, self._file.process, ids))

    def end(self, intents: Sequence[Intent], effects: Mapping[str, Row | None]) -> None:
        """Note outcomes (S8)."""

        def work(connection: sqlite3.Connection) -> None:
            journal.end(connection, intents, effects)
            self._learn(connection, effects.values())

        self._file.call(work)

    def known(self, id: str) -> tuple[str, str | None] | None:
        """Return the etag of a record, and its creation time if it is loaded."""

        def work(connection: sqlite3.Connection) -> Any:
            return connection.execute(
                "SELECT etag, created_at FROM rec WHERE id = ? AND state IN ('loaded', 'cut', 'listed') AND etag IS NOT NULL",
                (id,),
            ).fetchone()

        found = self._file.call(work, writes=False)
        return None if found is None else (found[0], found[1])

    def there(self, ids: Sequence[str]) -> list[str]:
        """Return which of some ids an object was seen of."""
        sql = f"SELECT id FROM rec WHERE {AMONG} AND {HELD} AND etag IS NOT NULL"

        def work(connection: sqlite3.Connection) -> list[str]:
            return [id for (id,) in in_turns(connection.execute(sql, (among(ids),)))]

        return self._file.call(work, writes=False)

    def pages(self, step: int) -> int:
        """Return how many pages of so many records a listing would have, as far as rows are held."""

        def work(connection: sqlite3.Connection) -> int:
            return -(-int(connection.execute(_ALL).fetchone()[0]) // step)

        return self._file.call(work, writes=False)

    # -- listings -----------------------------------------------------------------------------------------------------

    def fresh(self, since: float) -> bool:
        """Tell whether a complete listing started at or after a time (S1)."""
        return self._file.call(lambda connection: listing.fresh(connection, since), writes=False)

    def flight(self) -> Flight:
        """Return a try to be the lister (S2), which is not taken yet."""
        return self._file.flight()

    def start(self, *, weak: bool) -> Listing:
        """Begin a listing (S3).

        Raises:
            ClosedError: The mirror was closed, and forgets pages between two calls.
        """
        if self._file.closed:
            raise ClosedError("the database was closed while it was asked")
        return self._file.call(
            lambda connection: listing.start(connection, self._file.living(), weak=weak, generation=self._file.generation)
        )

    def each(self, step: int) -> list[str]:
        """Return ids with so many rows between them, and some behind the last one, as far as rows are held."""

        def work(connection: sqlite3.Connection) -> list[str]:
            (last,) = connection.execute("SELECT max(id) FROM rec").fetchone()
            numbered = "SELECT id, row_number() OVER (ORDER BY id) AS n FROM rec"
            found = connection.execute(f"SELECT id FROM ({numbered}) WHERE n % ? = 0", (step,)).fetchall()
            return [id for (id,) in found if id != last]

        return self._file.call(work, writes=False)

    def note(self, run: Listing, page: Iterable[tuple[str, ObjectMeta]]) -> None:
        """Keep a page (S4).

        Raises:
            Interrupted: The file was replaced or emptied meanwhile.
        """
        entries = list(page)
        self._during(run, lambda connection: listing.note(connection, run, entries))

    def abandon(self, run: Listing) -> None:
        """Forget the pages of a listing that failed (S4)."""
        with contextlib.suppress(Interrupted):
            self._during(run, lambda connection: listing.drop(connection, run))

    def apply(self, run: Listing, *, archived: bool = False) -> None:
        """Take over a complete listing (S5).

        Args:
            run: The listing.
            archived: Have what was archived looked at again, however lately that was done.

        Raises:
            Interrupted: The file was replaced or emptied meanwhile.
        """

        def work(connection: sqlite3.Connection) -> None:
            if listing.ended(connection, run):
                raise Interrupted
            listing.apply(connection, run)
            listing.look_again(connection, 0 if archived else listing.ARCHIVED)

        self._during(run, work)

    def _during(self, run: Listing, function: Callable[[sqlite3.Connection], None]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if self._file.generation != run.generation:
                raise Interrupted
            function(connection)

        self._file.call(work)

    # -- bodies -------------------------------------------------------------------------------------------------------

    def pending(self, scope: Scope, *, unknown: bool = False) -> list[Pending]:
        """Return the rows of a scope whose body is not held (S6); with ``unknown`` only those that may not even exist."""
        where, values = scoped(scope)
        extra = " AND etag IS NULL" if unknown else ""
        sql = f"SELECT id, rev FROM rec WHERE state <> 'loaded' AND state = 'listed'{extra} AND {where} ORDER BY id"

        def work(connection: sqlite3.Connection) -> list[Pending]:
            return [Pending(*row) for row in in_turns(connection.execute(sql, values))]

        return self._file.call(work, writes=False)

    def loaded(self, found: Sequence[tuple[Pending, Row | None]]) -> None:
        """Keep fetched rows, ``None`` for an object that is gone, unless the row has moved on (S6)."""

        def work(connection: sqlite3.Connection) -> None:
            for pending, row in in_turns(found):
                now = connection.execute("SELECT rev, etag FROM rec WHERE id = ?", (pending.id,)).fetchone()
                if now is not None and now[0] == pending.rev:
                    seen = row or Row(pending.id, None, "gone")  # not removed: a listing that began before may show it
                    if seen.state == "archived":  # its etag is the one that was listed
                        seen = seen._replace(etag=now[1], updated_at=str(time.time()))
                    journal.store_row(connection, seen, own=None, rev=journal.next_number(connection))
            self._learn(connection, (row for _, row in found))

        self._file.call(work)

    # -- answers: each raises `Interrupted` where there is no listing to answer from ----------------------------------

    def _answer(self, function: Callable[[sqlite3.Connection], T]) -> T:
        def work(connection: sqlite3.Connection) -> T:
            if connection.execute("SELECT 1 FROM meta WHERE name = 'started'").fetchone() is None:
                raise Interrupted
            return function(connection)

        return self._file.call(work, writes=False)

    def rows(
        self, scope: Scope, where: str, values: Sequence[Any], *, after: str | None = None, limit: int | None = None
    ) -> tuple[list[Row], bool]:
        """Return rows by id: loaded ones for which the SQL holds, and all that SQL cannot decide on; and whether that is all (S7).

        With a limit they are so many, or fewer that are long.
        """
        bound, bounds = scoped(scope)
        if after is not None:
            bound, bounds = f"{bound} AND id > ?", [*bounds, after]
        tail = "" if limit is None else f" LIMIT {int(limit)}"
        first = f"SELECT {COLUMNS} FROM rec WHERE state = 'loaded' AND {bound} AND {where} ORDER BY id{tail}"
        odd = f"SELECT {COLUMNS} FROM rec WHERE state <> 'loaded' AND {HELD} AND {bound} ORDER BY id{tail}"

        def some(cursor: Iterable[Sequence[Any]]) -> tuple[list[Row], bool]:
            rows, characters, due = list[Row](), 0, STEP
            for row in map(Row._make, cursor):
                rows.append(row)
                characters += len(row.fields or "")
                if characters >= due or len(rows) % MANY == 0:
                    give_way()
                    due = characters + STEP
                if limit is not None and (characters > ROOM or len(rows) == limit):
                    return rows, False
            return rows, True

        def work(connection: sqlite3.Connection) -> tuple[list[Row], bool]:
            plain, all_plain = some(connection.execute(first, (*bounds, *values)))
            others, all_others = some(connection.execute(odd, bounds))
            merged = sorted([*plain, *others], key=_by_id) if others else plain
            ends = [rows[-1].id for rows, whole in ((plain, all_plain), (others, all_others)) if not whole]
            if ends and others:  # behind the last row of a list that was cut, rows may be missing
                merged = [row for row in merged if row.id <= min(ends)]
            return merged, not ends

        return self._answer(work)

    def count(self, scope: Scope, where: str, values: Sequence[Any]) -> int | None:
        """Count by SQL alone; ``None`` if there are rows that SQL cannot decide on."""
        bound, bounds = scoped(scope)

        def work(connection: sqlite3.Connection) -> int | None:
            odd = f"SELECT 1 FROM rec WHERE state <> 'loaded' AND {HELD} AND {bound} LIMIT 1"
            if where != "TRUE" and connection.execute(odd, bounds).fetchone():
                return None
            if where == bound == "TRUE":
                return int(connection.execute(_ALL).fetchone()[0])
            state = HELD if where == "TRUE" else "state = 'loaded'"
            sql = f"SELECT count(*) FROM rec WHERE {state} AND {bound} AND {where}"
            return int(connection.execute(sql, (*bounds, *values)).fetchone()[0])

        return self._answer(work)

    def remembered(self, since: float) -> int | None:
        """Return the number of records as `counted` last told it, if nothing was written into the mirror after that."""
        held = self._count
        if held is None or not since <= held[1] <= time.time() or held[0] != self._file.stamp():
            return None
        return held[2]

    def counted(self, since: float) -> int | None:
        """Return the number of records; ``None`` if that takes a listing that starts at or after a time, or a look at a record."""
        number = self.remembered(since)
        if number is not None:
            return number
        before = self._file.stamp()

        def work(connection: sqlite3.Connection) -> tuple[float, int] | None:
            if not listing.fresh(connection, since) or connection.execute(f"{_UNKNOWN} LIMIT 1").fetchone():
                return None
            return listing.started(connection), int(connection.execute(_ALL).fetchone()[0])

        found = self._file.call(work, writes=False)
        if found is None:
            return None
        if before is not None:
            self._count = (before, *found)
        return found[1]

    def ids(self, scope: Scope, *, after: str | None = None, limit: int) -> list[str]:
        """Return ids in order."""
        bound, bounds = scoped(scope)
        if after is not None:
            bound, bounds = f"{bound} AND id > ?", [*bounds, after]
        sql = f"SELECT id FROM rec WHERE {HELD} AND {bound} ORDER BY id LIMIT {int(limit)}"
        return self._answer(lambda connection: [id for (id,) in in_turns(connection.execute(sql, bounds))])

    def select(self, statement: Statement, whole: Mapping[str, tuple[str, str]], time_limit: float) -> list[dict[str, Any]]:
        """Answer a ``SELECT``. See `holdall.records.mirror.selecting.select`."""

        def work(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            names = [name for (name,) in connection.execute("SELECT name FROM names ORDER BY name")]
            connection.execute("SAVEPOINT selecting")
            try:
                return selecting.select(connection, statement, names=names, whole=whole, time_limit=time_limit)
            finally:
                connection.execute("ROLLBACK TO selecting")

        return self._answer(work)

    def odd(self) -> list[Row]:
        """Return the rows of which the content is not held whole."""
        sql = f"SELECT {COLUMNS} FROM rec WHERE state <> 'loaded' AND {HELD} ORDER BY id"
        return self._answer(lambda connection: [*map(Row._make, in_turns(connection.execute(sql)))])

    # -- care ---------------------------------------------------------------------------------------------------------

    def info(self) -> MirrorInfo:
        """Tell what is held."""

        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            total = connection.execute(f"SELECT count(*) FROM rec WHERE {HELD}").fetchone()[0]
            held = connection.execute("SELECT count(*) FROM rec WHERE state IN ('loaded', 'cut')").fetchone()[0]
            return int(total), int(held)

        total, held = self._file.call(work, writes=False)
        size = os.path.getsize(self.path) if self.path is not None else 0
        return MirrorInfo(path=self.path, records=total, loaded=held, bytes=size)

    def drop(self) -> None:
        """Forget everything that is held; the next search asks the storage."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM rec")  # names of fields stay: others have learnt that they are here
            connection.execute("DELETE FROM meta WHERE name = 'started'")
            listing.end_all(connection)

        self._file.call(work)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def _learn(self, connection: sqlite3.Connection, rows: Iterable[Row | None]) -> None:
        """Note the names of fields."""
        since = self._file.generation + self._file.undone  # names that were not committed are not known
        if self._names[0] != since:
            self._names = (since, set())
        learnt = self._names[1]
        documents = [row.fields for row in rows if row is not None and row.fields]
        if len(documents) == 1 and len(documents[0]) <= LONGEST:  # not worth a statement
            names = json.loads(documents[0]).keys() - learnt
        else:
            names = {name for (name,) in connection.execute(_KEYS, (f"[{','.join(documents)}]",))} - learnt
        if names:
            connection.executemany("INSERT OR IGNORE INTO names VALUES (?)", [(name,) for name in names])
            learnt |= names


def _by_id(row: Row) -> str:
    return row.id
