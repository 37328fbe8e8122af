"""Which attributes of mapped classes hold files, and which row each file belongs to."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper, configure_mappers
from sqlalchemy.orm.attributes import flag_modified

from holdall.columns.file import FileObject
from holdall.columns.types import StoredObject

__all__ = ["FileAttribute", "Holder", "attributes_of", "every_attribute", "files_of", "watch"]


@dataclass(frozen=True, slots=True, eq=False)
class FileAttribute:
    """One attribute of a mapped class that holds files.

    Attributes:
        key: Its name.
        mapper: The mapper of the class.
        column: The column.
        type: The column's type.
    """

    key: str
    mapper: Mapper[Any]
    column: Any
    type: StoredObject

    @property
    def label(self) -> str:
        """``table.column``."""
        return f"{self.column.table.name}.{self.column.name}"


class Holder:
    """A row's attribute that holds a file: the file tells it of changes, and belongs to it once it is stored.

    Equal if they are of one attribute of one row, also if the row is loaded twice.
    """

    __slots__ = ("_identity", "_state", "key")

    def __init__(self, state: Any, key: str) -> None:
        self._state = weakref.ref(state)
        self._identity = state.key
        self.key = key

    @property
    def row(self) -> Any:
        """What the row is known by: its identity key; the state while it has none."""
        state = self._state()
        if state is not None and state.key is not None:
            self._identity = state.key
        if self._identity is not None:
            return self._identity[:2]
        return state

    def changed(self) -> None:
        """Mark the row's attribute as modified."""
        state = self._state()
        instance = None if state is None else state.obj()
        if instance is not None:
            with suppress(InvalidRequestError):  # expired meanwhile: the value is no longer the row's
                flag_modified(instance, self.key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Holder) or self.key != other.key:
            return False
        mine, theirs = self.row, other.row
        return mine is not None and (mine is theirs or (isinstance(mine, tuple) and mine == theirs))

    def __hash__(self) -> int:
        return hash(self.key)


_attributes: weakref.WeakKeyDictionary[type, tuple[FileAttribute, ...]] = weakref.WeakKeyDictionary()


def attributes_of(cls: type) -> tuple[FileAttribute, ...]:
    """Return the attributes of a mapped class that hold files."""
    return _attributes.get(cls, ())


def every_attribute() -> list[FileAttribute]:
    """Return the attributes of all mapped classes, one for each column."""
    configure_mappers()  # a class that was not used yet is not known
    found = {id(attribute.column): attribute for attributes in list(_attributes.values()) for attribute in attributes}
    return list(found.values())


def files_of(value: Any) -> list[FileObject]:
    """Return the files of an attribute's value, single or list."""
    if value is None:
        return []
    return [value] if isinstance(value, FileObject) else list(value)


def watch(mapper: Mapper[Any], cls: type) -> bool:
    """Note the attributes of a mapped class that hold files, and listen to them; return whether there are any."""
    found = tuple(_found(mapper))
    if not found:
        return False
    _attributes[cls] = found
    for attribute in found:
        event.listen(getattr(cls, attribute.key), "set", _setter(attribute), raw=True, retval=True)
    event.listen(cls, "load", _loader(found), raw=True)
    event.listen(cls, "refresh", _refresher(found), raw=True)
    return True


def _found(mapper: Mapper[Any]) -> Iterator[FileAttribute]:
    for prop in mapper.column_attrs:
        column = prop.columns[0]
        kind = getattr(column, "type", None)
        if isinstance(kind, StoredObject) and getattr(column, "table", None) is not None:
            yield FileAttribute(prop.key, mapper, column, kind)


def _setter(attribute: FileAttribute) -> Any:
    key, coerce = attribute.key, attribute.type.coerced

    def on_set(state: Any, value: Any, old: Any, _initiator: Any) -> Any:
        value = coerce(value)
        if value is not None:
            value._attach(Holder(state, key))
        if old is not value and hasattr(old, "_detach"):
            old._detach(Holder(state, key))
        return value

    return on_set


def _loader(attributes: tuple[FileAttribute, ...]) -> Any:
    def on_load(state: Any, _context: Any) -> None:
        _settle(state, attributes, state.dict)

    return on_load


def _refresher(attributes: tuple[FileAttribute, ...]) -> Any:
    def on_refresh(state: Any, _context: Any, _names: Iterable[str] | None) -> None:
        _settle(state, attributes, state.dict)

    return on_refresh


def _settle(state: Any, attributes: Iterable[FileAttribute], values: dict[str, Any]) -> None:
    """Give the files of a row that was read to the row."""
    for attribute in attributes:
        value = values.get(attribute.key)
        if value is not None:
            holder = Holder(state, attribute.key)
            value._attach(holder)
            for file in (value,) if isinstance(value, FileObject) else value:
                if file._home is None and file.owned and file.pending is None:
                    file._home = holder
