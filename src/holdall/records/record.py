"""The noun of this face: a `Record` of named fields, with user metadata and what a database knows of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from holdall._turns import in_turns
from holdall.records.errors import SerializationError
from holdall.records.paths import MISSING, find, place, remove

__all__ = ["Field", "Fields", "Record"]


class Field:
    """One named value; reads as its value in ``==``, ``str``, ``format`` and ``bool``.

    Example:
        >>> field = Record({"n": 3}).fields["n"]
        >>> field == 3, field.type, f"{field:03}"
        (True, 'int', '003')
    """

    __slots__ = ("_fields", "_metadata", "_value", "name")

    def __init__(self, name: str, value: Any = None, metadata: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self._value = value
        self._metadata: dict[str, Any] = dict(metadata or {})
        self._fields: Fields | None = None

    @classmethod
    def _view(cls, fields: Fields, name: str) -> Field:
        view = cls(name)
        view._fields = fields
        return view

    @property
    def value(self) -> Any:
        """The value, of the record as it is now."""
        return self._value if self._fields is None else self._fields._values[self.name]

    @value.setter
    def value(self, value: Any) -> None:
        if self._fields is None:
            self._value = value
        else:
            self._fields._values[self.name] = value

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of this field alone (mutable)."""
        return self._metadata if self._fields is None else self._fields._info.setdefault(self.name, {})

    @property
    def type(self) -> str:
        """Name of the value's Python type, ``"null"`` for ``None``."""
        return "null" if self.value is None else type(self.value).__name__

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, Field) else other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.value!r})"


class Fields(MutableMapping[str, Any]):
    """The ordered, live fields of a record: assignment takes a plain value or a `Field`, reading gives a `Field`."""

    __slots__ = ("_info", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        self._info: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if type(name) is str and type(value) is not Field:
                self._values[name] = value
            else:
                self[name] = value

    @classmethod
    def _of(cls, values: dict[str, Any], info: dict[str, dict[str, Any]]) -> Fields:
        """Return fields that take over plain values."""
        fields = cls.__new__(cls)
        fields._values, fields._info = values, info
        return fields

    def __deepcopy__(self, memo: dict[int, Any]) -> Fields:
        return Fields._of(_copied(self._values, memo), _copied(self._info, memo))

    def __getitem__(self, name: str) -> Field:
        if name not in self._values:
            raise KeyError(name)
        return Field._view(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise SerializationError(f"a field's name is a str, not {type(name).__name__}")
        if isinstance(value, Field):
            if value.metadata:
                self._info[name] = dict(value.metadata)
            value = value.value
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._info.pop(name, None)

    def pop(self, name: str, default: Any = MISSING) -> Any:
        """Remove a field and return it, no more a view; the default, if one is given, for a field that is not there."""
        if name not in self._values and default is not MISSING:
            return default
        return Field(name, self._values.pop(name), self._info.pop(name, None))

    def popitem(self) -> tuple[str, Field]:
        """Remove the last field and return its name and the field, no more a view."""
        name, value = self._values.popitem()
        return name, Field(name, value, self._info.pop(name, None))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Fields({self._values!r})"

    @property
    def info(self) -> dict[str, dict[str, Any]]:
        """Metadata of the fields that have some, by name."""
        return {name: dict(info) for name, info in self._info.items() if info}


class Record:
    """Named fields plus metadata; what a database adds is read-only.

    Args:
        data: The fields; values may be plain or `Field`.
        metadata: User metadata.
        id: Id; else ``metadata["id"]``, else the field ``id``, else a database mints one.

    Example:
        >>> record = Record({"name": "Ada", "address": {"city": "London"}})
        >>> record["name"], record.get_value("address.city"), record.id
        ('Ada', 'London', None)
        >>> record.fields["email"] = "ada@example.com"
        >>> record["email"]
        'ada@example.com'
    """

    __slots__ = ("_created_at", "_fields", "_id", "_length", "_updated_at", "_version", "metadata")

    def __init__(
        self, data: Mapping[str, Any] | None = None, metadata: Mapping[str, Any] | None = None, *, id: str | None = None
    ) -> None:
        for what, given in (("data", data), ("metadata", metadata)):
            if given is not None and not isinstance(given, Mapping):
                raise SerializationError(f"{what} is a mapping of names to values, not {type(given).__name__}")
        self._fields = Fields(data or {})
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._length = 0
        self._id = None if id is None else _id_text(id, "id")
        self._version: str | None = None
        self._created_at: datetime | None = None
        self._updated_at: datetime | None = None

    # -- what a database knows ----------------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """The storage id, or ``None`` if a database has to mint one."""
        if self._id is not None:
            return self._id
        if self.metadata.get("id") is not None:
            return _id_text(self.metadata["id"], "metadata['id']")
        if self._fields._values.get("id") is not None:
            return _id_text(self._fields._values["id"], "field 'id'")
        return None

    @id.setter
    def id(self, value: str | None) -> None:
        self._id = None if value is None else _id_text(value, "id")

    @property
    def _shown_id(self) -> str | None:
        """The id, or ``None`` for what cannot be one, which only databases refuse."""
        try:
            return self.id
        except SerializationError:
            return None

    @property
    def version(self) -> str | None:
        """The opaque version token of the last read or write through a database."""
        return self._version

    @property
    def created_at(self) -> datetime | None:
        """When the record was created (aware, UTC)."""
        return self._created_at

    @property
    def updated_at(self) -> datetime | None:
        """When the record was last written (aware, UTC)."""
        return self._updated_at

    # -- values -------------------------------------------------------------------------------------------------------

    @property
    def fields(self) -> Fields:
        """The live fields."""
        return self._fields

    @property
    def data(self) -> dict[str, Any]:
        """A plain copy of the fields' values (not of what is nested in them)."""
        return dict(self._fields._values)

    def lookup(self, path: str) -> Any:
        """Return the value at a path or `holdall.records.paths.MISSING`; ``metadata.x`` and ``fields.x`` are roots."""
        values = self._fields._values
        if path in values:
            return values[path]
        root, _, rest = path.partition(".")
        if rest and root == "metadata":
            return find(self.metadata, rest)
        if rest and root == "fields":
            return find(values, rest)
        return find(values, path)

    def get_value(self, path: str, default: Any = None) -> Any:
        """Return the value at a path, or the default."""
        value = self.lookup(path)
        return default if value is MISSING else value

    def has(self, path: str) -> bool:
        """Tell whether something (``None`` included) is at a path."""
        return self.lookup(path) is not MISSING

    def set_value(self, path: str, value: Any) -> None:
        """Set the value at a path; missing mappings on the way are made.

        Raises:
            KeyError: The path leads through a value that has no members.
        """
        owner, rest = self._owner(path)
        place(owner, rest, value)

    def remove(self, path: str) -> bool:
        """Remove what is at a path and tell whether there was something."""
        owner, rest = self._owner(path)
        if owner is self._fields._values and rest in owner:
            self._fields._info.pop(rest, None)
        return remove(owner, rest)

    def _owner(self, path: str) -> tuple[dict[str, Any], str]:
        root, _, rest = path.partition(".")
        if path not in self._fields._values and rest:
            if root == "metadata":
                return self.metadata, rest
            if root == "fields":
                return self._fields._values, rest
        return self._fields._values, path

    def __getitem__(self, name: str) -> Any:
        return self._fields._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields[name] = value

    def __delitem__(self, name: str) -> None:
        del self._fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields._values)

    def __len__(self) -> int:
        return len(self._fields._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = ((each._shown_id, each._fields._values, each.metadata) for each in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        id = self._shown_id
        shown = "" if id is None else f", id={id!r}"
        return f"Record({list(self._fields._values)!r}{shown})"

    # -- other records ------------------------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return a deep copy, with what a database knows."""
        return copy.deepcopy(self)

    def project(self, *paths: str) -> Record:
        """Return a record of these paths alone; id, metadata and the nesting are kept."""
        chosen = Record({}, _copied(self.metadata, {}), id=self.id)
        for path in paths:
            value = self.lookup(path)
            if value is not MISSING and not path.startswith("metadata."):
                exact = path in self._fields._values
                name = path if exact else path.removeprefix("fields.")
                _graft(chosen._fields._values, name, _copied(value, {}), exact=exact)
        return chosen._stamp(self._id or self.id, self._version, self._created_at, self._updated_at)

    def merge(self, other: Record, *, overwrite: bool = True) -> Record:
        """Return a copy with the other's fields and metadata added; ``overwrite`` says who wins."""
        merged = self.copy()
        extra = other.copy()
        for name, value in extra._fields._values.items():
            if overwrite or name not in merged:
                merged._fields[name] = Field(name, value, extra._fields._info.get(name))
        merged.metadata = {**merged.metadata, **extra.metadata} if overwrite else {**extra.metadata, **merged.metadata}
        return merged

    def to_dict(self, *, form: Literal["flat", "full"] = "flat") -> dict[str, Any]:
        """Return the values (``flat``) or id, fields and metadata (``full``) as plain data."""
        if form == "flat":
            return copy.deepcopy(self._fields._values)
        if form != "full":
            raise ValueError(f"form is 'flat' or 'full', not {form!r}")
        return {
            "id": self._shown_id,
            "fields": copy.deepcopy(self._fields._values),
            "metadata": copy.deepcopy(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Return a record from either form of `to_dict`."""
        if set(data) == {"id", "fields", "metadata"} and isinstance(data["fields"], Mapping):
            return cls(data["fields"], data["metadata"], id=data["id"])
        return cls(data)

    @classmethod
    def _stored(
        cls,
        values: dict[str, Any],
        metadata: dict[str, Any],
        info: dict[str, dict[str, Any]],
        system: tuple[str, str | None, datetime, datetime],
        length: int,
    ) -> Record:
        """Return a record that takes over what was read, so many characters; only databases call this."""
        record = Record.__new__(cls)
        record._length = length
        record._fields, record.metadata = Fields._of(values, info), metadata
        record._id, record._version, record._created_at, record._updated_at = system
        return record

    def _stamp(self, id: str | None, version: str | None, created: datetime | None, updated: datetime | None) -> Record:
        """Set what a database knows; only databases call this."""
        self._id, self._version, self._created_at, self._updated_at = id, version, created, updated
        return self


def length_of(record: Record) -> int:
    """Return how many characters a record had when it was read; 0 for one that was not."""
    return record._length  # pyright: ignore[reportPrivateUsage]


_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` returns; it gives way to an event loop."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is not list and kind is not dict:
        return copy.deepcopy(value, memo)
    found: Any = memo.get(id(value))
    if found is None:
        found = memo[id(value)] = kind()
        if kind is list:
            found += (_copied(member, memo) for member in in_turns(value))
        else:
            for name, member in in_turns(value.items()):
                found[name] = _copied(member, memo)
    return found


def _graft(values: dict[str, Any], path: str, value: Any, *, exact: bool) -> None:
    """Put a selected value at its path; list positions become a mapping's keys' neighbours only if they must."""
    if exact or "." not in path:
        values[path] = value
        return
    *way, last = path.split(".")
    here = values
    for segment in way:
        deeper = here.setdefault(segment, {})
        if not isinstance(deeper, dict):
            return
        here = deeper
    here[last] = value


def _id_text(value: object, where: str) -> str:
    if isinstance(value, str):
        if not value:
            raise SerializationError(f"{where} is empty")
        return value
    if isinstance(value, (int, UUID)) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:
            raise SerializationError(f"{where} is a whole number of too many digits") from None
    raise SerializationError(f"{where} is a str, int or UUID, not {type(value).__name__}")
