"""Sessions that joined a transaction of a connection: their commit is not the outermost one, the connection's is."""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import Connection, event

from holdall.columns import bridge, placing, placing_async
from holdall.columns.journal import Finish, Undo, Upload

__all__ = ["Joined", "finish", "outer_connections"]


def outer_connections(connections: Any) -> list[Connection]:
    """Return those connections of a session's ended transaction that are in a transaction of their own still."""
    return [
        connection
        for connection, _, _, ours in set(connections.values())
        if not ours and not connection.closed and connection.in_transaction()
    ]


class Joined:
    """What sessions did within a connection's own transaction, until that ends."""

    def __init__(self, connection: Connection) -> None:
        self._plans: list[Finish] = []
        self._uploads: list[Upload] = []
        self._committed = False
        event.listen(connection, "commit", self._on_commit)
        event.listen(connection, "rollback", self._on_rollback)
        event.listen(connection, "rollback_savepoint", self._on_savepoint)
        event.listen(connection.engine.pool, "checkin", self._on_checkin)
        self._record = connection.info

    @classmethod
    def of(cls, connection: Connection) -> Joined:
        """Return what is noted for a connection."""
        found = _joined.get(connection)
        if found is None:
            found = _joined[connection] = cls(connection)
        return found

    def add(self, plan: Finish, uploads: tuple[Upload, ...]) -> None:
        """Note what a session's commit left to be done."""
        self._plans.append(plan)
        self._uploads += uploads

    def finish(self) -> None:
        """Carry out what is due, once."""
        plans, self._plans, self._uploads = self._plans, [], []
        for plan in plans:
            for failure in bridge.finish(placing.finish_plan, placing_async.finish_plan_async, plan):
                placing_async.log.error("committed, but not cleaned up: %s (%s)", failure, failure.key)

    def _on_commit(self, connection: Connection) -> None:
        self._committed = True

    def _on_rollback(self, connection: Connection) -> None:
        uploads, self._uploads, self._plans = tuple(reversed(self._uploads)), [], []
        if uploads and not self._committed:
            for failure in bridge.finish(placing.undo_plan, placing_async.undo_plan_async, Undo(uploads)):
                placing_async.log.error("could not undo an upload: %s", failure)

    def _on_savepoint(self, connection: Connection, name: str, context: None) -> None:
        """Which sessions were within the savepoint is not known: nothing is deleted any more, `sweep` settles it."""
        self._plans.clear()

    def _on_checkin(self, dbapi_connection: Any, record: Any) -> None:
        if self._committed and self._plans and record.info is self._record:
            self.finish()


_joined: weakref.WeakKeyDictionary[Connection, Joined] = weakref.WeakKeyDictionary()


def finish(connection: Any) -> None:
    """Carry out now what sessions left to be done that joined a connection's transaction, which is committed.

    Args:
        connection: The connection; of an asyncio connection use ``await connection.run_sync(finish)``.
    """
    found = _joined.get(connection)
    if found is not None:
        found.finish()
