"""ORM statements that write many rows: files are stored first, and what rows let go of is read with the same WHERE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from holdall.columns import bridge, placing, placing_async
from holdall.columns.changes import read_stored, take_write_lock
from holdall.columns.file import FileObject
from holdall.columns.flushing import let_go, new_put, note_upload
from holdall.columns.journal import Journal
from holdall.columns.names import renamed
from holdall.columns.puts import Put
from holdall.columns.tracking import FileAttribute, attributes_of, files_of
from holdall.errors import AlreadyExistsError, NotSupportedError

__all__ = ["before_bulk"]


@dataclass(slots=True, eq=False)
class _Row:
    """A row that a statement writes, as far as the naming of its files needs to know it."""

    attribute: FileAttribute
    state: Any = None


def before_bulk(execution: Any, journal: Journal) -> None:
    """Do what an ORM insert, update or delete needs before its first statement is sent.

    Args:
        execution: SQLAlchemy's ``ORMExecuteState``.
        journal: The session's, with a frame open.
    """
    frame, mapper = journal.frame, execution.bind_mapper
    assert frame is not None
    given = list(_given(execution, attributes_of(mapper.class_)))
    mark = len(frame.uploads)
    try:
        if not execution.is_insert:
            _look(execution, journal, given)
        _store(execution, journal, given)
    except BaseException:
        bridge.finish(placing.undo_plan, placing_async.undo_plan_async, frame.undo(mark))
        raise


def _given(execution: Any, attributes: tuple[FileAttribute, ...]) -> Iterator[tuple[FileAttribute, FileObject]]:
    """Yield the files that a statement has in its parameters and values."""
    parameters = execution.parameters or []
    for row in [parameters] if isinstance(parameters, Mapping) else parameters:
        for attribute in attributes:
            for file in files_of(attribute.type.coerced(row.get(attribute.key))):
                yield attribute, file
    for row in _values(execution.statement):
        for attribute in attributes:
            for file in files_of(attribute.type.coerced(row.get(attribute.key, row.get(attribute.column.name)))):
                yield attribute, file


def _store(execution: Any, journal: Journal, given: list[tuple[FileAttribute, FileObject]]) -> None:
    frame = journal.frame
    assert frame is not None
    work: dict[int, tuple[Put, _Row]] = {}
    for attribute, file in given:
        if file.pending is not None and id(file) in work:
            raise NotSupportedError(f"{file.filename!r} is in two rows of one statement: give each its own file")
        if file.pending is not None:
            row = _Row(attribute)
            work[id(file)] = (new_put(file, attribute.type, row), row)
    while work:
        puts = [put for put, _ in work.values()]
        try:
            bridge.call(placing.place_all, placing_async.place_all_async, puts, 12)
        finally:
            for put, row in work.values():
                if put.sent is not None or put.begun:
                    note_upload(frame, put, row)
        work = {key: (put, row) for key, (put, row) in work.items() if put.taken}
        for put, row in work.values():
            if put.file.explicit or row.attribute.type.on_conflict != "rename":
                raise AlreadyExistsError(f"{put.key!r} is taken", key=put.key, store=put.store)
            put.key, put.fresh, put.taken = renamed(put.key), True, False
    for number, (attribute, file) in enumerate(given):
        backend = file.backend_key or attribute.type.backend or ""
        frame.hold((id(execution), attribute.key, number), [(backend, key) for key in (file.path, file.staged) if key])


def _look(execution: Any, journal: Journal, given: list[tuple[FileAttribute, FileObject]]) -> None:
    """Note what the rows that a statement is going to change or delete hold now."""
    mapper, statement = execution.bind_mapper, execution.statement
    attributes = attributes_of(mapper.class_)
    frame = journal.frame
    assert frame is not None
    if execution.is_update:
        written = {attribute.key for attribute, _ in given} | _nulled(execution, attributes)
        attributes = tuple(attribute for attribute in attributes if attribute.key in written)
    if not attributes:
        return
    keys = mapper.primary_key
    looked = select(*keys, *(attribute.column for attribute in attributes)).select_from(mapper.persist_selectable)
    parameters = execution.parameters
    if execution.is_update and isinstance(parameters, (list, tuple)):
        names = [mapper.get_property_by_column(key).key for key in keys]
        rows = [_Keyed((mapper.class_, tuple(row[name] for name in names))) for row in parameters]
        changes: list[Any] = [_Looked(row, attribute) for row in rows for attribute in attributes]
        stored = read_stored(execution.session, changes)
        for change in changes:
            let_go(frame, stored.get(change.token, []), change.attribute.type)
        return
    if statement.whereclause is not None:
        looked = looked.where(statement.whereclause)
    connection = execution.session.connection(bind_arguments={"mapper": mapper})
    take_write_lock(connection, mapper)
    found = connection.execute(looked.order_by(*keys).with_for_update(), parameters or {}).all()
    if len(found) > 1 and any(file.pending is not None for _, file in given):
        raise NotSupportedError(f"one file for {len(found)} rows: a row owns its file, so give each its own")
    for row in found:
        for attribute, value in zip(attributes, row[len(keys) :], strict=True):
            let_go(frame, files_of(value), attribute.type)
            if execution.is_delete:
                frame.hold(((mapper.class_, tuple(row[: len(keys)])), attribute.key), [])


def _values(statement: Any) -> Iterator[dict[str, Any]]:
    """Yield what a statement's ``values()`` has, by name."""
    rows = [
        getattr(statement, "_values", None) or {},
        *(row for rows in getattr(statement, "_multi_values", ()) for row in rows),
    ]
    for row in rows:
        yield {getattr(key, "key", key): getattr(value, "value", value) for key, value in row.items()}


def _nulled(execution: Any, attributes: tuple[FileAttribute, ...]) -> set[str]:
    """Return the attributes that an update sets at all, also to nothing."""
    names = {name for row in (*_values(execution.statement), *_rows(execution.parameters)) for name in row}
    return {a.key for a in attributes if a.column.name in names or a.key in names}


def _rows(parameters: Any) -> list[Mapping[str, Any]]:
    if not parameters:
        return []
    return [parameters] if isinstance(parameters, Mapping) else list(parameters)


@dataclass(slots=True, frozen=True)
class _Keyed:
    """A row known by its identity only."""

    key: tuple[Any, ...]


@dataclass(slots=True, eq=False)
class _Looked:
    """A row's attribute to be read. See `holdall.columns.changes.Change`."""

    state: _Keyed
    attribute: FileAttribute

    @property
    def persistent(self) -> bool:
        """It is in the database."""
        return True

    @property
    def token(self) -> Any:
        """What the journal knows it by."""
        return self.state.key, self.attribute.key
