"""The SQLite connection of a mirror: opened lazily, per process, on a file or in memory; damage is replaced, never an error of the caller."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import uuid
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from holdall._concurrency import ForkGuard
from holdall.drivers._local_system import lock_now, unlock
from holdall.records.callers import level
from holdall.records.mirror.flight import Flight
from holdall.records.mirror.schema import FORMAT, index_sql, statements

__all__ = ["MirrorFile", "MirrorWarning"]

T = TypeVar("T")
BUSY_MS = 5000
_abandoned: list[sqlite3.Connection] = []  # a forked child neither uses nor closes its parent's


class MirrorWarning(UserWarning):
    """The mirror file cannot be used; this process keeps its index in memory."""


class _Unusable(Exception):  # noqa: N818  # a signal, not an error of callers
    """Files do not work here."""


class _Connection(sqlite3.Connection):
    """Closes when it is dropped: the index of a database that nobody closed loses nothing, so that Python 3.13 need not warn."""

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the file could not be opened
            self.close()


class MirrorFile:
    """One connection and its locks.

    Args:
        path: The file; ``None`` for memory.
        identity: Of the database; a file of another one is replaced.
        indexes: Paths of expression indexes.
    """

    def __init__(self, path: str | None, identity: str, indexes: tuple[tuple[str, ...], ...] = ()) -> None:
        self.path = path
        self.identity = identity
        self.indexes = indexes
        self.process = uuid.uuid4().hex
        self.generation = 0
        self._lock = threading.RLock()
        self._guard = ForkGuard()
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._alive: int | None = None
        self._flight = threading.Lock()

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        """Run a function in one transaction; if the file is damaged, on a new and empty one instead.

        Args:
            function: Gets the connection.
            writes: It may write; others that write then wait from its start.
        """
        if self._guard.stale():
            self._after_fork()
        with self._lock:
            for attempt in range(3):
                try:
                    connection = self._open()
                    return self._within(connection, function, writes=writes)
                except sqlite3.OperationalError as error:
                    if _is_damage(error) and attempt == 0:
                        self._replace()
                        continue
                    if self.path is None:
                        raise
                    self._to_memory(error)
                except sqlite3.DatabaseError as error:
                    if self.path is None or attempt == 0:
                        self._replace()
                        continue
                    self._to_memory(error)
                except (OSError, _Unusable) as error:
                    if self.path is None:
                        raise
                    self._to_memory(error)
            raise sqlite3.OperationalError("the index cannot be kept, not even in memory")

    def at_once(self, act: Callable[[], object]) -> bool:
        """Have a function make its calls if they wait for nobody: in memory, and nobody else is at it. Tell whether it did."""
        if (
            self.path is not None
            or self._connection is None
            or self._guard.stale()
            or not self._lock.acquire(blocking=False)
        ):
            return False
        try:
            act()
        finally:
            self._lock.release()
        return True

    def _within(self, connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            answer = function(connection)
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return answer

    def stamp(self) -> tuple[int, int, int] | None:
        """Return what any change of the mirror changes, whoever makes it; ``None`` if that cannot be told without waiting."""
        if self._guard.stale() or not self._lock.acquire(blocking=False):
            return None
        try:
            connection = self._connection
            if connection is None or connection.in_transaction:
                return None
            if self.path is None:
                return self.generation, connection.total_changes, 0
            if self._inode != _inode(self.path):
                return None
            (others,) = connection.execute("PRAGMA data_version").fetchone()
            return self.generation, connection.total_changes, others
        except sqlite3.Error:
            return None
        finally:
            self._lock.release()

    # -- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self.path is None or self._inode == _inode(self.path):
                return self._connection
            self._drop()  # somebody deleted or replaced the file
        connection = self._connected()
        self._connection = connection
        self.generation += 1
        return connection

    def _connected(self) -> sqlite3.Connection:
        if self.path is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None, factory=_Connection)
            self._make(connection)
            return connection
        directory = os.path.dirname(self.path)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._live()
        if not os.path.exists(self.path):
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self.path, check_same_thread=False, isolation_level=None, timeout=BUSY_MS / 1000, factory=_Connection
        )
        try:
            connection.execute("BEGIN")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = "meta" in tables
            if tables and not known:
                raise _Unusable("it holds something else")
            if known:
                meta = dict(
                    connection.execute("SELECT name, value FROM meta WHERE name IN ('format', 'identity')").fetchall()
                )
                if meta != {"format": FORMAT, "identity": self.identity}:
                    raise sqlite3.DatabaseError("the mirror is of another format or database")
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if not known:
                self._make(connection)
            else:
                self._index(connection)
        except BaseException:
            connection.close()
            raise
        self._inode = _inode(self.path)
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            for statement in statements(self.identity):
                connection.execute(statement)
        connection.execute("COMMIT")
        self._index(connection)

    def _index(self, connection: sqlite3.Connection) -> None:
        for paths in self.indexes:
            statement = index_sql(paths)
            if statement is not None:
                connection.execute(statement)

    def _live(self) -> None:
        """Hold a lock for as long as this process lives, by which others tell that its intents are live."""
        if self._alive is not None:
            return
        os.makedirs(self._processes, mode=0o700, exist_ok=True)
        fd = os.open(os.path.join(self._processes, self.process), os.O_CREAT | os.O_RDWR, 0o600)
        if not lock_now(fd):
            os.close(fd)
            raise _Unusable("file locks do not work here")
        self._alive = fd

    @property
    def _processes(self) -> str:
        return f"{self.path}.processes"

    def dead(self, process: str) -> bool:
        """Tell whether a process that began an intent is gone."""
        if process == self.process:
            return False
        if self.path is None:
            return True
        try:
            fd = os.open(os.path.join(self._processes, os.path.basename(process)), os.O_RDWR)
        except OSError:
            return True
        try:
            if not lock_now(fd):
                return False
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._processes, os.path.basename(process)))
            return True
        finally:
            os.close(fd)

    # -- trouble ------------------------------------------------------------------------------------------------------

    def _replace(self) -> None:
        """Put an empty mirror in the place of a damaged one, unless somebody else did."""
        if self.path is None:
            self._drop()
            return
        with self._exclusive():
            damaged = self._inode
            self._drop()
            if damaged is None or damaged == _inode(self.path):
                for tail in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        os.unlink(self.path + tail)

    def _to_memory(self, error: BaseException) -> None:
        warnings.warn(
            MirrorWarning(f"the index file {self.path} cannot be used ({error}); this process keeps its index in memory"),
            stacklevel=level(),
        )
        self._drop()
        self.path = None

    def _after_fork(self) -> None:
        if self._connection is not None:
            _abandoned.append(self._connection)
        alive, self._alive = self._alive, None
        if alive is not None:
            os.close(alive)
        self._connection, self._inode = None, None
        self._guard = ForkGuard()
        self._lock, self._flight = threading.RLock(), threading.Lock()
        self.process = uuid.uuid4().hex

    def _drop(self) -> None:
        connection, self._connection, self._inode = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Close the connection; idempotent, and the next call opens it again."""
        if self._guard.stale():
            self._after_fork()
        with self._lock:
            if self.path is not None and self._connection is not None:
                with contextlib.suppress(sqlite3.Error):  # closing does it too, but lets no other thread work meanwhile
                    self._connection.execute("PRAGMA busy_timeout=0")
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._drop()
            alive, self._alive = self._alive, None
            if alive is not None:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._processes, self.process))
                os.close(alive)

    # -- locks --------------------------------------------------------------------------------------------------------

    def flight(self) -> Flight:
        """Return a try to be the lister, which is not taken yet."""
        return Flight(self._flight, self.path)

    @contextmanager
    def _exclusive(self) -> Generator[None]:
        with open(f"{self.path}.replace", "ab") as file:
            with contextlib.suppress(OSError):
                for _ in range(500):
                    if lock_now(file.fileno()):
                        break
                    threading.Event().wait(0.01)
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    unlock(file.fileno())


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(error: sqlite3.OperationalError) -> bool:
    """Tell whether an operational error is about what the file holds: tables that are missing, pages that make no sense."""
    text = str(error)
    return "no such table" in text or "no such column" in text or "malformed" in text or "disk I/O error" in text
