"""The connections of an SQL database, in both colours: functions of a SQLAlchemy connection run here, in a thread, or on the loop.

PostgreSQL's async colour is psycopg's own: one pool per event loop. SQLite has no async of its own: its calls run in threads.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from holdall._concurrency import ForkGuard, run_async
from holdall._imports import importing
from holdall.core.secrets import mask
from holdall.engine.colours import finish_async
from holdall.errors import ClosedError, ConfigError, ForkedProcessError, MissingExtraError, UnavailableError
from holdall.records.forks import rests
from holdall.records.sql_errors import lost, mapped, translate
from holdall.records.sql_table import Layout

__all__ = ["Link", "Session", "checked_url"]

T = TypeVar("T")
Way = Literal["read", "write", "transaction", "snapshot", "ask"]
Act = Callable[[sa.Connection], T]
_WRITE: frozenset[Way] = frozenset({"write", "transaction"})
_POLL = 0.001
_BETWEEN = 0.05
"""Seconds until a cancelled act is told again to stop: the first time it may have stood between two statements."""


class Session(Protocol):
    """One connection in one transaction."""

    def run(self, act: Act[T]) -> T:
        """Call a function with the connection."""
        ...

    async def run_async(self, act: Act[T]) -> T:
        """Call a function with the connection, in the async colour."""
        ...


class Link:
    """Opens connections when they are needed.

    Args:
        target: A URL, or the engine of the caller, who closes it.
        pool_size: Connections that are kept.
    """

    def __init__(self, target: sa.URL | sa.Engine, *, pool_size: int) -> None:
        self.owned = isinstance(target, sa.URL)
        self._engine = target if isinstance(target, sa.Engine) else None
        self.url = target if isinstance(target, sa.URL) else target.url
        self._pool_size = pool_size
        self._lock = threading.RLock()
        self._ready = self._closed = False
        self._guard = ForkGuard()
        self._left: list[Any] = []  # engines of a parent process: neither used nor closed here
        self._loops: dict[asyncio.AbstractEventLoop, _LoopPool] = {}
        self.lite = self.url.get_backend_name() == "sqlite"
        self.memory = self.lite and self.url.database in {None, "", ":memory:"}
        self._turn = threading.RLock()  # SQLite in memory has one connection
        self._useless = False
        self.layout: Layout
        rests(self)

    def __repr__(self) -> str:
        return mask(self.url.render_as_string(hide_password=True))  # libpq takes a password behind the ``?``, too

    def place(self) -> tuple[str, ...]:
        """Return what is equal for connections to one database, as far as its name tells."""
        url = self.url
        if self.memory:
            return ("memory", str(id(self if self.owned else self._engine)))
        if self.lite:
            return ("sqlite", os.path.realpath(str(url.database)))
        host, port = (given or url.query.get(name) for name, given in (("host", url.host), ("port", url.port)))
        return ("postgresql", str(host or "localhost"), str(port or 5432), url.database or url.username or "")

    # -- engines -------------------------------------------------------------------------------------------------------

    def _open(self) -> sa.Engine:
        with self._lock:
            self._check_open()
            if self._guard.stale():
                self._forget()
            if self._engine is None:
                self._engine = self._make(sa.create_engine)
            return self._engine

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self!r} is closed")
        if self._useless:
            raise ForkedProcessError(
                f"{self!r} was in use when this process was forked, which therefore cannot use it:"
                ' start processes with "spawn" or "forkserver"'
            )

    def _forget(self) -> None:
        """Leave the parent's connections alone after a fork."""
        self._left += self._loops.values()
        self._loops = {}
        if self._engine is not None and not self.memory:
            self._left.append(self._engine.pool)
            self._engine.dispose(close=False)
        self._guard = ForkGuard()

    def _make(self, factory: Callable[..., Any]) -> Any:
        try:
            if not self.lite:
                with importing():
                    return factory(self.url, pool_size=self._pool_size, max_overflow=10, hide_parameters=True)
            options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 30}, "hide_parameters": True}
            if self.memory:
                options["poolclass"] = sa.StaticPool
            with importing():
                engine = factory(self.url, **options)
        except (ImportError, NoSuchModuleError) as error:
            raise MissingExtraError('PostgreSQL needs psycopg: pip install "holdall[postgres]"') from error
        _own_transactions(engine, wal=not self.memory)
        return engine

    def _loop_engine(self) -> AsyncEngine:
        loop = asyncio.get_running_loop()
        with self._lock:
            self._check_open()
            if self._guard.stale():
                self._forget()
            for gone in [other for other in self._loops if other.is_closed()]:
                self._loops.pop(gone).finish()
            if loop not in self._loops:
                self._loops[loop] = _LoopPool(self._make(create_async_engine))
            return self._loops[loop].engine

    # -- acts ----------------------------------------------------------------------------------------------------------

    def run(self, act: Act[T], *, way: Way = "read", retry: bool = True) -> T:
        """Call a function with a connection; what it did is committed at its end.

        Args:
            act: What to do.
            way: ``read`` and ``write`` are statements that stand alone, ``transaction`` writes several, ``snapshot`` reads one moment, ``ask`` is a user's SQL.
            retry: Call it again on a new connection if one of the pool turns out to be dead: calling it twice is once.
        """
        try:
            return self._run(act, way)
        except SQLAlchemyError as error:
            if not (retry and _broken(error)):
                raise lost(translate(error, self, query=way == "ask"), error) from error
        with mapped(self):
            return self._run(act, way)

    def _run(self, act: Act[T], way: Way) -> T:
        with self._opened(way) as session:
            return session.run(act)

    async def run_async(self, act: Act[T], *, way: Way = "read", retry: bool = True) -> T:
        """Call a function with a connection, on the loop or in a thread. See `run`."""
        if self._in_threads:
            return await _Step(act, stops=way not in _WRITE).run_async(lambda act: self.run(act, way=way, retry=retry))
        try:
            return await self._run_there(act, way)
        except SQLAlchemyError as error:
            if not (retry and _broken(error)):
                raise lost(translate(error, self, query=way == "ask"), error) from error
        with mapped(self):
            return await self._run_there(act, way)

    async def _run_there(self, act: Act[T], way: Way) -> T:
        async with self._opened_there(way) as session:
            return await session.run_async(act)

    @property
    def _in_threads(self) -> bool:
        return self.lite or not self.owned

    @contextmanager
    def session(self) -> Generator[Session]:
        """Open a transaction that reads one snapshot, for several calls."""
        with mapped(self), self._opened("snapshot") as session:
            yield session

    @asynccontextmanager
    async def session_async(self) -> AsyncGenerator[Session]:
        """Open a transaction that reads one snapshot, for several calls. See `session`."""
        if not self._in_threads:
            with mapped(self):
                async with self._opened_there("snapshot") as session:
                    yield session
            return
        opened = self.session()
        try:
            here = await finish_async(lambda: asyncio.to_thread(opened.__enter__))
        except asyncio.CancelledError:
            await finish_async(lambda: asyncio.to_thread(opened.__exit__, None, None, None))
            raise
        try:
            yield here
        except BaseException as error:
            failure = (type(error), error, error.__traceback__)
            await finish_async(lambda: asyncio.to_thread(opened.__exit__, *failure))
            raise
        await finish_async(lambda: asyncio.to_thread(opened.__exit__, None, None, None))

    @contextmanager
    def _opened(self, way: Way) -> Generator[_Here]:
        """Open a connection; a single statement on PostgreSQL needs no transaction around it."""
        with ExitStack() as stack:
            if self.memory:
                stack.enter_context(self._turn)
            engine = self._open()
            self._ensure(engine)
            connection = stack.enter_context(engine.connect())
            stack.enter_context(connection.execution_options(**self._options(way)).begin())
            yield _Here(connection)

    @asynccontextmanager
    async def _opened_there(self, way: Way) -> AsyncGenerator[_There]:
        if not self._loops:
            await run_async(self._open)  # imports psycopg
        engine = self._loop_engine()
        if not self._ready:
            async with engine.begin() as connection:
                await connection.run_sync(self._prepare)
            self._ready = True
        async with engine.connect() as connection:
            await connection.execution_options(**self._options(way))
            async with connection.begin():
                yield _There(connection)

    def _options(self, way: Way) -> dict[str, Any]:
        if self.lite:
            return {"holdall_write": way in _WRITE}
        if way == "transaction":
            return {}
        if way in {"read", "write"}:
            return {"isolation_level": "AUTOCOMMIT"}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def _ensure(self, engine: sa.Engine) -> None:
        if self._ready:
            return
        with self._lock:
            if not self._ready:
                with engine.connect().execution_options(holdall_write=True) as connection, connection.begin():
                    self._prepare(connection)
                self._ready = True

    def _prepare(self, connection: sa.Connection) -> None:
        self.layout.ensure(connection)

    # -- forks ---------------------------------------------------------------------------------------------------------

    def rest(self, until: float) -> bool:
        """Close the connections to a file of SQLite, which would believe the child to have their locks as well. See `Resting`."""
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            return False
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            self._turn.release()
            return False
        engine = self._engine
        if engine is not None and self.lite and isinstance(engine.pool, sa.QueuePool):
            while engine.pool.checkedout():
                if time.monotonic() >= until:
                    self.go_on()
                    return False
                time.sleep(_POLL)  # a thread is at a statement
            engine.dispose()
        return True

    def go_on(self) -> None:
        """Let other threads work. See `Resting`."""
        self._lock.release()
        self._turn.release()

    def begin_anew(self, *, rested: bool) -> None:
        """Wait for no thread of the parent. See `Resting`."""
        self._turn, self._lock = threading.RLock(), threading.RLock()
        self._useless = self.lite and not rested

    # -- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection that is ours; there will be no other one."""
        with self._lock:
            self._closed = True
            if self._guard.stale():
                self._forget()
            while self._loops:
                self._loops.popitem()[1].finish()
            if self.owned and self._engine is not None:
                self._engine.dispose()
                self._engine = None

    async def close_async(self) -> None:
        """Close every connection that is ours."""
        await finish_async(lambda: asyncio.to_thread(self.close))


class _LoopPool:
    """The connections of one event loop, which can be closed from anywhere."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._wires: weakref.WeakSet[Any] = weakref.WeakSet()
        event.listen(engine.sync_engine, "connect", self._note)

    def _note(self, wire: Any, record: object) -> None:  # the signature of the event
        self._wires.add(wire.driver_connection)

    def finish(self) -> None:
        """Close them without their loop, which may be closed itself; the server is told."""
        self.engine.sync_engine.dispose(close=False)
        for wire in list(self._wires):
            wire.pgconn.finish()


class _Here:
    """A connection that blocks; the async colour uses it from threads."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def run(self, act: Act[T]) -> T:
        return act(self._connection)

    async def run_async(self, act: Act[T]) -> T:
        return await _Step(act, stops=True).run_async(lambda act: act(self._connection))


class _Step(Generic[T]):
    """One act in a thread of an async call: whoever is cancelled waits for its end, since until then the thread uses the connection.

    Args:
        act: What to do with the connection; nothing, if the caller is cancelled before it is its turn.
        stops: It only reads: SQLite is told to stop when the caller is cancelled.
    """

    def __init__(self, act: Act[T], *, stops: bool) -> None:
        self._act, self._stops = act, stops
        self._lock = threading.Lock()
        self._wire: Any = None
        self._cancelled = False

    async def run_async(self, how: Callable[[Act[T]], T]) -> T:
        """Call what calls the act."""
        work = run_async(partial(how, self._watched))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await finish_async(partial(self._end_async, work))
            raise

    async def _end_async(self, work: asyncio.Future[T]) -> None:
        while not work.done():
            self._stop()
            await asyncio.wait([work], timeout=_BETWEEN)
        if not work.cancelled():
            work.exception()  # the cancellation is what the caller hears of

    def _watched(self, connection: sa.Connection) -> T:
        with self._lock:
            if self._cancelled:
                raise UnavailableError("the call was cancelled before it began")
            self._wire = connection.connection.driver_connection if self._stops else None
        try:
            return self._act(connection)
        finally:
            with self._lock:
                self._wire = None  # from now on it is somebody else's

    def _stop(self) -> None:
        with self._lock:
            self._cancelled = True
            if isinstance(self._wire, sqlite3.Connection):
                self._wire.interrupt()


class _There:
    """A connection of an event loop."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def run(self, act: Act[T]) -> T:
        raise UnavailableError("this connection belongs to an event loop")

    async def run_async(self, act: Act[T]) -> T:
        return await self._connection.run_sync(act)


def _broken(error: SQLAlchemyError) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _own_transactions(engine: sa.Engine, *, wal: bool) -> None:
    """Let SQLAlchemy begin SQLite's transactions, those that write with the lock they need: the driver begins them too late."""

    def connect(connection: Any, record: object) -> None:  # noqa: ARG001  # the signature of the event
        connection.isolation_level = None
        if wal:
            connection.execute("PRAGMA journal_mode=WAL").close()

    def begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("holdall_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


_SQLITE_TAKES = {"timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements"}


def checked_url(url: str | sa.URL) -> sa.URL:
    """Return SQLAlchemy's URL for what a user wrote: ``postgres://`` is PostgreSQL by psycopg.

    Raises:
        ConfigError: No URL, of another database, or with a parameter that SQLite would ignore.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # the port is no number
        raise ConfigError("this is no URL of a database: sqlite:///path, sqlite:// or postgresql://user@host/name") from None
    backend, _, driver = parsed.drivername.partition("+")
    if backend == "sqlite" and driver in {"", "pysqlite"}:
        ignored = [] if "uri" in parsed.query else sorted(set(parsed.query) - _SQLITE_TAKES)
        if ignored:
            raise ConfigError(
                f"sqlite: a URL has no parameter {', '.join(map(repr, ignored))}; options of a database stand beside it"
            )
        return parsed.set(drivername="sqlite")
    if backend in {"postgresql", "postgres"} and driver in {"", "psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"records are kept by SQLite (sqlite) or PostgreSQL (postgresql, by psycopg), not by {parsed.drivername!r}"
    )
