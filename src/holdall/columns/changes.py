"""What a flush is about to do to files: read off the session's objects, and off the rows as the database has them."""

from __future__ import annotations

import weakref
from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, MetaData, String, Table, and_, bindparam, cast, false, inspect, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_state_history, instance_state
from sqlalchemy.orm.base import PassiveFlag

from holdall.columns.file import FileObject
from holdall.columns.tracking import FileAttribute, Holder, attributes_of, every_attribute, files_of

__all__ = [
    "Change",
    "Stored",
    "changes_of",
    "collect",
    "deletion_of",
    "held_by_others",
    "read_stored",
    "row_token",
    "take_write_lock",
]

AT_ONCE = 200


@dataclass(slots=True, eq=False)
class Change:
    """One attribute of one row that is about to be written or deleted.

    Attributes:
        state: The instance's state.
        attribute: The attribute.
        value: What it is to hold.
        deleted: Whether the row goes.
        token: What the row's attribute is known by in the journal.
        holder: The attribute, as files know it.
    """

    state: Any
    attribute: FileAttribute
    value: Any
    deleted: bool = False
    token: Hashable = field(init=False)
    holder: Holder = field(init=False)

    @property
    def files(self) -> list[FileObject]:
        """What it is to hold, as a list."""
        return [] if self.deleted else files_of(self.value)

    @property
    def persistent(self) -> bool:
        """Whether there is a row already."""
        return self.state.key is not None

    def __post_init__(self) -> None:
        self.token = row_token(self.state, self.attribute.key)
        self.holder = Holder(self.state, self.attribute.key)


Stored = dict[Hashable, list[FileObject]]
"""By token: the files that the database has now."""


def row_token(state: Any, key: str) -> Hashable:
    """Return what the journal knows an attribute of a row by."""
    return (state.key[:2], key) if state.key is not None else (id(state), key)


def collect(session: Session, instances: Iterable[Any] | None = None) -> list[Change]:
    """Return what a flush is about to do."""
    only = None if not instances else {id(instance) for instance in instances}
    known: dict[type, bool] = {}

    def concerned(instance: Any) -> bool:
        cls = type(instance)
        found = known.get(cls)
        if found is None:
            found = known[cls] = bool(attributes_of(cls))
        return found and (only is None or id(instance) in only)

    found: list[Change] = []
    for instances_of in (session.new, session.dirty):
        for instance in filter(concerned, instances_of):
            found += changes_of(instance_state(instance))
    for instance in filter(concerned, session.deleted):
        found += deletion_of(instance_state(instance))
    return found


def changes_of(state: Any, done: Container[tuple[int, str]] = ()) -> Iterator[Change]:
    """Yield what changed of a new or dirty instance, less what is done: by the state's id and the attribute's name."""
    for attribute in attributes_of(state.class_):
        key = attribute.key
        if key not in state.dict:
            continue
        value = state.dict[key]
        if (id(state), key) in done and not any(file.pending is not None for file in files_of(value)):
            continue
        if state.key is None:
            if value is not None:
                yield Change(state, attribute, value)
        elif key in state.committed_state and get_state_history(state, key, PassiveFlag.PASSIVE_NO_INITIALIZE).has_changes():
            yield Change(state, attribute, value)


def deletion_of(state: Any) -> Iterator[Change]:
    """Yield the attributes of an instance that is deleted."""
    for attribute in attributes_of(state.class_):
        yield Change(state, attribute, None, deleted=True)


def read_stored(session: Session, changes: Sequence[Change], *, connection: Any = None) -> Stored:
    """Read what the rows of changes have now, locked: one ``SELECT ... FOR UPDATE`` per class, ordered by primary key."""
    stored: Stored = {}
    by_mapper: dict[Any, list[Change]] = {}
    for change in changes:
        if change.persistent:
            by_mapper.setdefault(change.attribute.mapper, []).append(change)
    for mapper, group in by_mapper.items():
        attributes = {change.attribute.key: change.attribute for change in group}
        width = len(mapper.primary_key)
        wanted = {change.token for change in group}
        rows = {change.state.key[1]: change.state.key[:2] for change in group}
        used = connection or session.connection(bind_arguments={"mapper": mapper})
        take_write_lock(used, mapper)
        remaining = iter(rows)
        while some := list(islice(remaining, AT_ONCE)):
            for row in used.execute(*_looking(mapper, tuple(attributes.values()), some)):
                identity = rows.get(tuple(row[:width]))
                for attribute, value in zip(attributes.values(), row[width:], strict=True):
                    if (identity, attribute.key) in wanted:
                        stored[identity, attribute.key] = files_of(value)
    return stored


def take_write_lock(connection: Connection, mapper: Any) -> None:
    """Begin to write on SQLite, which ignores ``FOR UPDATE``: from now on no other transaction changes what is read."""
    if connection.dialect.name == "sqlite":
        key = mapper.primary_key[0]
        connection.execute(update(key.table).where(false()).values({key: key}))


_statements: weakref.WeakKeyDictionary[Any, dict[tuple[str, ...], Any]] = weakref.WeakKeyDictionary()


def _looking(mapper: Any, attributes: tuple[FileAttribute, ...], some: list[tuple[Any, ...]]) -> tuple[Any, dict[str, Any]]:
    """Return the statement that reads some rows and its parameters; made once where the key is one column."""
    keys = mapper.primary_key
    if len(keys) > 1:
        return _locking(mapper, attributes, _among(keys, some)), {}
    made = _statements.setdefault(mapper, {})
    names = tuple(attribute.key for attribute in attributes)
    statement = made.get(names)
    if statement is None:
        statement = made[names] = _locking(mapper, attributes, keys[0].in_(bindparam("holdall_ids", expanding=True)))
    return statement, {"holdall_ids": [identity[0] for identity in some]}


def _locking(mapper: Any, attributes: tuple[FileAttribute, ...], condition: Any) -> Any:
    keys = mapper.primary_key
    columns = (attribute.column for attribute in attributes)
    return select(*keys, *columns).select_from(mapper.persist_selectable).where(condition).order_by(*keys).with_for_update()


def _among(keys: Sequence[Any], identities: Sequence[tuple[Any, ...]]) -> Any:
    return or_(*(and_(*(k == v for k, v in zip(keys, identity, strict=True))) for identity in identities))


def held_by_others(session: Session, key: str, backend: str, own: Change) -> bool:
    """Tell whether a row of any column holds a key of a backend, other than the one that is being written."""
    for attribute in every_attribute():
        mapper, column = attribute.mapper, attribute.column
        document = cast(column, String) if attribute.type.multiple else column["filename"].as_string()
        matches = document.contains(f'"{key}"', autoescape=True) if attribute.type.multiple else document == key
        statement = select(*mapper.primary_key, column).select_from(mapper.persist_selectable).where(matches)
        connection = session.connection(bind_arguments={"mapper": mapper})
        if not _is_here(column.table, own.attribute.column.table.metadata, connection):
            continue
        for row in connection.execute(statement):
            mine = own.persistent and tuple(row[:-1]) == own.state.key[1] and attribute.column is own.attribute.column
            if not mine and any(file.path == key and file.backend_key == backend for file in files_of(row[-1])):
                return True
    return False


def _is_here(table: Table, metadata: MetaData, connection: Connection) -> bool:
    """Tell whether a model's table is in this database: a program may have models of several, even of one name."""
    if table.metadata is metadata:
        return True
    return table.key not in metadata.tables and inspect(connection).has_table(table.name, schema=table.schema)
