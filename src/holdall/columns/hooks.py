"""The hooks in SQLAlchemy: a few lines each, that turn its events into those of the journal and carry out the plans."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, Literal

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state

from holdall.columns import bridge, placing, placing_async
from holdall.columns.bulk import before_bulk
from holdall.columns.changes import changes_of, collect, deletion_of, row_token
from holdall.columns.errors import CleanupError
from holdall.columns.flushing import Flush
from holdall.columns.joined import Joined, outer_connections
from holdall.columns.journal import Finish, Frame, Journal, Undo
from holdall.columns.tracking import FileAttribute, attributes_of
from holdall.errors import HoldallError

__all__ = ["attach", "disable", "enable", "listen", "open_journal"]

JOURNAL = "holdall.columns.journal"
FLUSHED = f"{JOURNAL}.flushed"
COMMITTING = f"{JOURNAL}.committing"
SWITCH = "holdall.columns"
RAISE = "holdall.raise_cleanup"
_on = True
_attached = False
_listeners: list[Callable[..., Any]] = []
_lost: weakref.WeakSet[Connection] = weakref.WeakSet()
"""Connections that were lost while they were asked something that is no statement: a COMMIT, say."""
_prepared: weakref.WeakSet[Connection] = weakref.WeakSet()
"""Connections with a transaction that is prepared (two-phase commit): somebody else may commit it yet."""


def disable() -> None:
    """Leave all sessions of this process alone; a file whose content is not stored then raises `UnsavedFileError` at flush."""
    global _on  # noqa: PLW0603  # the one switch
    _on = False


def enable() -> None:
    """Take back `disable`."""
    global _on  # noqa: PLW0603  # the one switch
    _on = True


def listen(name: Literal["cleanup_failed"], function: Callable[[HoldallError], Any]) -> None:
    """Call a function for each file that could not be cleaned up after a commit.

    Args:
        name: ``cleanup_failed``.
        function: Gets the error, which has ``key`` and ``store``.
    """
    if name != "cleanup_failed":
        raise ValueError(f"there is no event {name!r}: cleanup_failed")
    _listeners.append(function)


def attach(mapper: Mapper[Any]) -> None:
    """Hook into a mapper that has columns of files; with the first one, into every session of this process, made before or later."""
    global _attached  # noqa: PLW0603  # once
    event.listen(mapper, "before_insert", _before_write)
    event.listen(mapper, "before_update", _before_write)
    event.listen(mapper, "before_delete", _before_delete)
    if _attached:
        return
    _attached = True
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "after_flush_postexec", _after_flush)
    event.listen(Session, "after_begin", _after_begin)
    event.listen(Session, "before_commit", _before_commit)
    event.listen(Session, "after_commit", _after_commit)
    event.listen(Session, "after_soft_rollback", _after_soft_rollback)
    event.listen(Session, "after_transaction_end", _after_transaction_end)
    event.listen(Session, "do_orm_execute", _do_orm_execute)
    event.listen(Engine, "handle_error", _handle_error)
    event.listen(Engine, "prepare_twophase", _prepare_twophase)
    event.listen(Engine, "rollback_twophase", _rollback_twophase)


def open_journal(session: Session) -> Journal:
    """Return the journal of a session, with a frame for each transaction that is open."""
    journal: Journal = session.info.setdefault(JOURNAL, Journal())
    if session.get_transaction() is None:
        session.begin()
    chain = _chain(session)
    _close_left(session, journal, chain)
    for transaction in reversed(chain):
        journal.enter(transaction)
    return journal


def _chain(session: Session) -> list[Any]:
    """Return the transactions of a session that have frames, innermost first."""
    chain: list[Any] = []
    at = session.get_nested_transaction() or session.get_transaction()
    while at is not None:
        if at.nested or at.parent is None:
            chain.append(at)
        at = at.parent
    return chain


def _close_left(session: Session, journal: Journal, chain: list[Any]) -> None:
    """Close frames of a transaction whose end was cut short: a caller was cancelled while its connection was given back."""
    left = next((frame for frame in journal.frames if not any(frame.token is token for token in chain)), None)
    if left is None:
        return
    if not left.committed and session.info.pop(COMMITTING, False):
        _in_doubt(left)
    plan = journal.leave(left.token)
    if isinstance(plan, Undo):
        _undo(plan)
    elif isinstance(plan, Finish):
        _finish(plan, raising=False)


def enabled(session: Session, mapper: Any = None) -> bool:
    """Tell whether the hooks work for a session."""
    if not _on or not session.info.get(SWITCH, True):
        return False
    bind: Any = session.get_bind(mapper)
    return bool(bind.get_execution_options().get("holdall_columns", True))


def _journal(session: Session) -> Journal | None:
    info: dict[str, Any] | None = session.__dict__.get("info")
    return None if info is None else info.get(JOURNAL)


# -- flush ----------------------------------------------------------------------------------------------------------------


def _before_flush(session: Session, _context: Any, instances: Iterable[Any] | None) -> None:
    changes = collect(session, instances)
    if changes and enabled(session, changes[0].attribute.mapper):
        _run(session, changes)


def _run(session: Session, changes: list[Any], connection: Any = None) -> None:
    journal = open_journal(session)
    Flush(session, journal, changes, connection=connection).run()
    flushed = session.info.setdefault(FLUSHED, {})
    for change in changes:
        flushed[id(change.state), change.attribute.key] = (change.state, change.token)


def _after_flush(session: Session, _context: Any) -> None:
    journal = _journal(session)
    if journal is None:
        return
    for state, token in session.info.pop(FLUSHED, {}).values():
        if state.key is not None and not isinstance(token[0], tuple):
            for frame in journal.frames:
                frame.rename(token, (state.key[:2], token[1]))


def _before_write(mapper: Any, connection: Any, instance: Any) -> None:
    """Catch what later listeners of ``before_flush`` assigned."""
    state = instance_state(instance)
    session = state.session
    if session is None:
        return
    changes = list(changes_of(state, session.info.get(FLUSHED, ())))
    if changes and enabled(session, mapper):
        _run(session, changes, connection)


def _before_delete(mapper: Any, connection: Any, instance: Any) -> None:
    """Catch rows that go by cascade, or as orphans."""
    state = instance_state(instance)
    session = state.session
    journal = None if session is None else _journal(session)
    if session is None or (journal is not None and all(_is_let_go(journal, state, a) for a in attributes_of(state.class_))):
        return
    if enabled(session, mapper):
        _run(session, list(deletion_of(state)), connection)


def _is_let_go(journal: Journal, state: Any, attribute: FileAttribute) -> bool:
    """Tell whether it is noted already that an attribute of a row holds no files any more."""
    return journal.holds(row_token(state, attribute.key)) == frozenset()


def _do_orm_execute(state: Any) -> None:
    if not (state.is_insert or state.is_update or state.is_delete) or not state.is_orm_statement:
        return
    mapper = state.bind_mapper
    if mapper is not None and attributes_of(mapper.class_) and enabled(state.session, mapper):
        before_bulk(state, open_journal(state.session))


# -- ends -----------------------------------------------------------------------------------------------------------------


def _after_begin(session: Session, _transaction: Any, _connection: Any) -> None:
    journal = _journal(session)
    if journal is not None and journal.frames:
        _close_left(session, journal, _chain(session))


def _before_commit(session: Session) -> None:
    if session.get_nested_transaction() is None:
        session.info[COMMITTING] = True


def _after_commit(session: Session) -> None:
    if (journal := _journal(session)) is not None:
        journal.commit(session.get_nested_transaction() or session.get_transaction())


def _after_soft_rollback(session: Session, _previous: Any) -> None:
    """Undo what a frame did whose database part was rolled back by a failed flush: the frame itself is still open."""
    journal = _journal(session)
    frame = None if journal is None else journal.frame
    if frame is not None and not frame.committed and not frame.token.is_active:
        session.info.pop(COMMITTING, None)
        _undo(frame.undo())


def _after_transaction_end(session: Session, transaction: Any) -> None:
    committing = transaction.parent is None and session.info.pop(COMMITTING, False)
    journal = _journal(session)
    frame = None if journal is None else next((f for f in journal.frames if f.token is transaction), None)
    if journal is None or frame is None:
        return
    connections = getattr(transaction, "_connections", None) or {}
    if (
        committing
        and not frame.committed
        and any(found[0] in _lost or found[0] in _prepared for found in connections.values())
    ):
        _in_doubt(frame)
    plan = journal.leave(transaction)
    if isinstance(plan, Undo):
        _undo(plan)
    elif isinstance(plan, Finish):
        waiting = outer_connections(connections)
        if waiting:
            Joined.of(waiting[0]).add(plan, tuple(frame.uploads))
        else:
            _finish(plan, raising=bool(session.info.get(RAISE)))


def _in_doubt(frame: Frame) -> None:
    """Leave everything where it is: the outcome of the COMMIT is not known, or it was prepared and not rolled back."""
    if not frame.uploads:
        return
    placing_async.log.error(
        "the outcome of the COMMIT is not known: %d uploads stay until sweep() settles them (%s)",
        len(frame.uploads),
        ", ".join(f"{backend}:{key}" for backend, key in (upload.blob for upload in frame.uploads[:10])),
    )
    frame.uploads.clear()


def _undo(plan: Undo) -> None:
    if not plan.uploads:
        return
    try:
        failures = bridge.finish(placing.undo_plan, placing_async.undo_plan_async, plan)
    except TimeoutError:
        placing_async.log.error("undoing %d uploads took too long: sweep() will find what is left", len(plan.uploads))
        return
    for failure in failures:
        placing_async.log.error("could not undo an upload: %s", failure)


def _finish(plan: Finish, *, raising: bool) -> None:
    if not (plan.superseded or plan.swaps or plan.drops):
        return
    failures = bridge.finish(placing.finish_plan, placing_async.finish_plan_async, plan)
    for failure in failures:
        placing_async.log.error("committed, but not cleaned up: %s (%s)", failure, failure.key)
        for function in _listeners:
            function(failure)
    if failures and raising:
        raise CleanupError(f"committed, but {len(failures)} files could not be cleaned up", failures=failures)


_TWO_PHASE = ("PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED")
"""Statements that some drivers send for what others have a method for."""


def _handle_error(context: Any) -> None:
    asked = context.statement is None or context.statement.startswith(_TWO_PHASE)
    if asked and context.is_disconnect and context.connection is not None:
        _lost.add(context.connection)


def _prepare_twophase(connection: Connection, _xid: Any) -> None:
    _prepared.add(connection)


def _rollback_twophase(connection: Connection, _xid: Any, _is_prepared: bool) -> None:
    if not connection.invalidated:  # else nothing is sent
        _prepared.discard(connection)
