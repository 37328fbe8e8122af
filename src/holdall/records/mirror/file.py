"""The SQLite connection of a mirror: opened lazily, per process, on a file or in memory; damage is replaced, never an error of the caller."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import uuid
import warnings
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

from holdall.drivers._local_system import lock_now, unlock
from holdall.errors import ForkedProcessError
from holdall.records.callers import level
from holdall.records.forks import rests
from holdall.records.mirror.flight import Flight, Place
from holdall.records.mirror.schema import FORMAT, index_sql, statements

__all__ = ["MirrorFile", "MirrorWarning"]

T = TypeVar("T")
BUSY_MS = 5000
_abandoned: list[sqlite3.Connection] = []  # a forked child neither uses nor closes its parent's
_busy: set[tuple[int, int]] = (
    set()
)  # files at which the parent was: in this process SQLite takes the parent's locks for its own


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
        self.undone = 0
        """Counts transactions that came to nothing."""
        self.closed = False
        self._lock = threading.RLock()
        self._place = Place(self._lock)
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._ours = False  # the file that was opened last, by what it holds
        self._alive: weakref.finalize[[int, str], MirrorFile] | None = None
        self._useless = False
        rests(self)

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        """Run a function in one transaction; if the file is damaged, on a new and empty one instead.

        Args:
            function: Gets the connection; after `close` it is one for this call.
            writes: It may write; others that write then wait from its start.

        Raises:
            ForkedProcessError: This process was forked while the parent was in a transaction that took too long.
        """
        with self._lock:
            try:
                return self._call(function, writes=writes)
            finally:
                if self.closed:
                    self._let_go()

    def _call(self, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
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
        if self.path is not None or self._connection is None or not self._lock.acquire(blocking=False):
            return False
        try:
            act()
        finally:
            self._lock.release()
        return True

    def _within(self, connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        if connection.in_transaction:  # what a signal's handler raised can end a call between any two lines
            self._undo(connection)
        try:
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            answer = function(connection)
            connection.execute("COMMIT")
        except BaseException:
            self._undo(connection)
            raise
        return answer

    def _undo(self, connection: sqlite3.Connection) -> None:
        self.undone += 1
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")

    def stamp(self) -> tuple[int, int, int] | None:
        """Return what any change of the mirror changes, whoever makes it; ``None`` if that cannot be told without waiting."""
        if not self._lock.acquire(blocking=False):
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
        if self._useless or (self.path is not None and _inode(self.path) in _busy):
            raise ForkedProcessError(
                "another thread was at the index of this database when this process was forked, which therefore cannot use it:"
                ' start processes with "spawn" or "forkserver", or open the database there with another mirror'
            )
        connection = self._connected()
        self.generation += 1
        self._connection = connection
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
        self._inode, self._ours = _inode(self.path), False
        try:
            connection.execute("BEGIN")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = tables >= {"meta", "rec", "intent", "names"}
            if tables and not known:
                raise _Unusable("it holds something else")
            self._ours = True
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
            if os.path.exists(os.path.join(self._processes, self.process)):
                return
            self._alive()  # somebody deleted it with all the rest
        os.makedirs(self._processes, mode=0o700, exist_ok=True)
        for _ in range(3):  # who removes what dead processes left may come between
            self.process = uuid.uuid4().hex
            path = os.path.join(self._processes, self.process)
            fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            if _locked(fd) and os.path.exists(path):
                self._alive = weakref.finalize(self, _end, fd, path)
                return
            _end(fd, path)
        raise _Unusable("file locks do not work here")

    @property
    def _processes(self) -> str:
        return f"{self.path}.processes"

    def living(self) -> set[str]:
        """Return the processes that may have begun intents and hold their locks; what dead ones left is removed."""
        found = {self.process}
        if self.path is None:
            return found
        with contextlib.suppress(FileNotFoundError):  # somebody deletes all of it
            for process in os.listdir(self._processes):
                path = os.path.join(self._processes, process)
                with contextlib.suppress(OSError):
                    fd = os.open(path, os.O_RDWR)
                    if _locked(fd):
                        _end(fd, path)
                    else:
                        found.add(process)
                        os.close(fd)
        return found

    # -- trouble ------------------------------------------------------------------------------------------------------

    def _replace(self) -> None:
        """Put an empty mirror in the place of a damaged one, unless somebody else did. What was never seen to be a mirror is kept aside."""
        if self.path is None:
            self._drop()
            return
        with self._exclusive():
            damaged = self._inode
            self._drop()
            if damaged is None or damaged != _inode(self.path):
                return
            aside = None if self._ours else _free(f"{self.path}.damaged")
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    if aside is None:
                        os.unlink(self.path + tail)
                    else:
                        os.rename(self.path + tail, aside + tail)
        if aside is not None and os.path.lexists(aside):
            warnings.warn(
                MirrorWarning(f"{self.path} is no index, or a damaged one: it is {aside} now, and the index is made anew"),
                stacklevel=level(),
            )

    def _to_memory(self, error: BaseException) -> None:
        warnings.warn(
            MirrorWarning(f"the index file {self.path} cannot be used ({error}); this process keeps its index in memory"),
            stacklevel=level(),
        )
        self._drop()
        self.path = None

    def _drop(self) -> None:
        connection, self._connection, self._inode = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Close the connection; idempotent. Who is still at work gets one for each call."""
        with self._lock:
            self.closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self.path is not None and self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # closing does it too, but lets no other thread work meanwhile
                self._connection.execute("PRAGMA busy_timeout=0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._drop()
        alive, self._alive = self._alive, None
        if alive is not None:
            alive()

    # -- forks --------------------------------------------------------------------------------------------------------

    def rest(self, until: float) -> bool:
        """Close the connection to the file, whose locks SQLite would believe the child to have as well. See `Resting`."""
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            return False
        if self._connection is not None and self._connection.in_transaction:  # of this very thread
            self._lock.release()
            return False
        if self.path is not None:
            self._drop()
        return True

    def go_on(self) -> None:
        """Let other threads work. See `Resting`."""
        self._lock.release()

    def begin_anew(self, *, rested: bool) -> None:
        """Leave what is the parent's alone. See `Resting`."""
        self._lock = threading.RLock()
        self._place.leave()
        self._place = Place(self._lock)
        if not rested:
            self._useless = True
            _busy.update(() if self._inode is None else (self._inode,))
        connection, self._connection, self._inode = self._connection, None, None
        if connection is not None:
            _abandoned.append(connection)
        alive, self._alive = self._alive, None
        held = None if alive is None else alive.detach()
        if held is not None:
            os.close(held[2][0])

    # -- locks --------------------------------------------------------------------------------------------------------

    def flight(self) -> Flight:
        """Return a try to be the lister, which is not taken yet."""
        return Flight(self._place, self.path)

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


def _free(path: str) -> str:
    """Return a name that nothing has yet."""
    return next(name for n in count(1) if not os.path.lexists(name := path if n == 1 else f"{path}-{n}"))


def _locked(fd: int) -> bool:
    """Lock a file now, and tell whether that could be done."""
    try:
        return lock_now(fd)
    except OSError:
        return False


def _end(fd: int, path: str) -> None:
    """Give up the lock of a process. The file goes first: who locks it then sees that it is none any more."""
    with contextlib.suppress(OSError):
        os.unlink(path)
    os.close(fd)


def _is_damage(error: sqlite3.OperationalError) -> bool:
    """Tell whether an operational error is about what the file holds: tables that are missing, pages that make no sense."""
    text = str(error)
    return "no such table" in text or "no such column" in text or "malformed" in text or "disk I/O error" in text
