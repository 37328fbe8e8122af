"""`Database`: the contract of all storages of records, every verb in both colours.

An engine implements `holdall.records.engine_async.Engine` (the blocking twin is generated); a `Database` checks arguments, calls it and
turns outcomes into results (`holdall.records.verbs`). Opening does no I/O. Instances are safe for threads and tasks, and both colours mix on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from holdall.errors import NotSupportedError
from holdall.records.keywords import check_keywords
from holdall.records.results import DatabaseCapabilities
from holdall.records.transaction import Policy, Transaction
from holdall.records.verbs.care import CareVerbs
from holdall.records.verbs.many import ManyVerbs
from holdall.records.verbs.questions import as_query
from holdall.records.verbs.single import SingleVerbs
from holdall.records.verbs.tables import TableVerbs

__all__ = ["Database", "as_query"]


class Database(SingleVerbs, ManyVerbs, TableVerbs, CareVerbs):
    """Records on one storage. Open one by its class, by `Database.open` or by `holdall.records.DatabaseFactory`.

    A subclass sets the two engines, which share their state, in its ``__init__`` and tells its capabilities.

    Args:
        blocking: The blocking engine.
        asynchronous: Its async twin.
        mint: Makes ids for records that have none.

    Examples:
        >>> from holdall.records import Database, Query, Record
        >>> with Database.open("memory://") as db:
        ...     id = db.create(Record({"name": "Ada", "age": 36}))
        ...     [record["name"] for record in db.search(Query().filter("age", ">", 30))]
        ['Ada']
    """

    @staticmethod
    def open(url: str, **options: Any) -> Database:
        """Open a database by URL: ``postgresql://…`` and ``sqlite://…`` by SQL, anything else as objects on that storage.

        Args:
            url: Address; for object stores bucket and prefix, e.g. ``s3://bucket/prefix?region=eu-west-1``; or ``mount:path``.
                Beside the store's parameters, ``tags=`` says what becomes object tags: ``off``, ``fit``, ``strict``, or names.
            options: Of `ObjectDatabase` or `SQLDatabase`.
        """
        from holdall.records.opening import open_database  # noqa: PLC0415  # drivers and SQLAlchemy load on demand

        return open_database(url, **options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a database of a mapping of options.

        Raises:
            ConfigError: With all that are unknown or missing.
        """
        check_keywords(cls, config, cls.__name__)
        return cls(**config)

    @property
    def capabilities(self) -> DatabaseCapabilities:
        """What works here; no I/O."""
        raise NotImplementedError  # pragma: no cover  # of each subclass

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are: equal for two databases that are one, as far as their names tell; no I/O."""
        return ("object", str(id(self)))

    def transaction(self, policy: Policy = "strict") -> Transaction:
        """Return a context manager, blocking or async, that keeps writes and sends them at the end of its block, unless that raised.

        Args:
            policy: ``"strict"`` writes all or nothing; ``"best_effort"`` writes one after the other and stops at the first that fails.

        Raises:
            NotSupportedError: ``"strict"``, and the storage has no transactions; nothing was sent.

        Example:
            >>> from holdall.records import Record, SQLDatabase
            >>> with SQLDatabase("sqlite://") as db:
            ...     with db.transaction() as changes:
            ...         changes.create(Record({"id": "a", "n": 1}))
            ...         changes.upsert("b", Record({"n": 2}))
            ...     db.count()
            'a'
            'b'
            2
        """
        if policy == "strict" and not self.capabilities.atomic_batches:
            raise NotSupportedError(
                f'{self!r} cannot write all or nothing: transaction("best_effort") tells how far it came'
            )
        self._check_open()
        return Transaction(lambda: self._blocking, lambda: self._async, policy, self._mint, self)

    def close(self) -> None:
        """Let go of connections and files; idempotent. Verbs that are called after it raise `ClosedError`."""
        self._closed = True
        self._engines[0].close()

    async def close_async(self) -> None:
        """Let go of connections and files. See `close`."""
        self._closed = True
        await self._engines[1].close_async()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()
