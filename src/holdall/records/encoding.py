"""Body v1: a record as compact JSON in which every value keeps its type.

JSON values stand as they are; others are objects of one key: ``$bytes $datetime $date $time $decimal $uuid $float``; a user's
mapping whose only key starts with ``$`` is wrapped in ``$dict``. Nothing in a body is ever evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from holdall._buffers import gathered
from holdall._turns import BESIDE, in_turns
from holdall.records.errors import CorruptRecordError, SerializationError
from holdall.records.lengthy import STEP, base64, binary, compact, pieces, spent, unbase64
from holdall.records.lengthy_reading import loads

__all__ = [
    "FORMAT",
    "Body",
    "Content",
    "Stamp",
    "decode_body",
    "decode_content",
    "decode_value",
    "dumps",
    "encodable",
    "encode_body",
    "encode_content",
    "encode_value",
    "iso",
]

FORMAT = 1
_MAX_DEPTH = 200
_DIGITS, _BITS = 4300, 14_285
"""Of a whole number, at most: Python reads no longer one back unless a process asks for it."""
_SHORT = 10**600
"""Numbers below are read back by any process."""


class Stamp(NamedTuple):
    """What a write says of a record: which one, since when, when last, and a token that no other write has."""

    id: str
    created: datetime
    updated: datetime
    write: str


class Content(NamedTuple):
    """What a record holds, as JSON texts: the part of a body that no write changes."""

    fields: str
    metadata: str
    info: str | None = None

    @property
    def size(self) -> int:
        """How many characters that is."""
        return len(self.fields) + len(self.metadata) + len(self.info or "")


@dataclass(slots=True, kw_only=True)
class Body:
    """What an object of engine A says of its record, in values."""

    id: str
    created: datetime
    updated: datetime
    write: str
    fields: dict[str, Any]
    metadata: dict[str, Any]
    info: dict[str, dict[str, Any]]

    @property
    def stamp(self) -> Stamp:
        """What the write said."""
        return Stamp(self.id, self.created, self.updated, self.write)

    @property
    def content(self) -> Content:
        """What is held, as texts."""
        return encode_content(self.fields, self.metadata, self.info)


@lru_cache(maxsize=256)  # a write says the same time three times, an unchanged record twice
def iso(moment: datetime) -> str:
    """Return UTC text with microseconds, whose order as text is its order in time.

    Example:
        >>> iso(datetime(2024, 1, 2, tzinfo=UTC))
        '2024-01-02T00:00:00.000000+00:00'
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def dumps(value: Any) -> bytes:
    """Return compact UTF-8 JSON of plain data."""
    return binary(compact(value))


def encode_value(value: Any, path: str = "value", depth: int = 0) -> Any:
    """Return JSON data for a value.

    Raises:
        SerializationError: A value, or a key, that no record can hold; names its path.

    Example:
        >>> encode_value({"a": b"x", "b": (1, 2.5)})
        {'a': {'$bytes': 'eA=='}, 'b': [1, 2.5]}
    """
    kind = type(value)
    if kind is str:
        return _text(value, path)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -_SHORT < value < _SHORT else _whole(value, path)
    if kind is float:
        return value if math.isfinite(value) else {"$float": "nan" if value != value else "inf" if value > 0 else "-inf"}  # noqa: PLR0124
    if depth > _MAX_DEPTH:
        raise SerializationError(f"{path}: nested deeper than {_MAX_DEPTH}")
    if isinstance(value, Mapping):
        encoded: dict[str, Any] = {}
        for key, member in in_turns(value.items()):
            if not isinstance(key, str):
                raise SerializationError(f"{path}: a mapping's key is a str, not {type(key).__name__}")
            encoded[_text(key, path)] = encode_value(member, f"{path}.{key}", depth + 1)
        if len(encoded) == 1 and next(iter(encoded)).startswith("$"):
            return {"$dict": encoded}
        return encoded
    if isinstance(value, (list, tuple)):
        return [encode_value(member, f"{path}.{at}", depth + 1) for at, member in enumerate(in_turns(value))]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64(value)}
    for tag, clock in _CLOCKS.items():
        if isinstance(value, clock):
            return {tag: value.isoformat() if type(value) is clock else _time_text(value, clock, path)}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, UUID):
        return {"$uuid": str(value)}
    if isinstance(value, str):  # a member of an enumeration, numpy's text: the plain value that it is
        return _text(str.__str__(value), path)
    for base in (int, float):
        if isinstance(value, base):
            return encode_value(base(value), path, depth)
    raise SerializationError(f"{path}: a record cannot hold a {type(value).__name__}")


_CLOCKS: dict[str, Any] = {"$datetime": datetime, "$date": date, "$time": time}
"""Kinds of time by their tags; a datetime is a date, too."""


def _time_text(value: Any, kind: Any, path: str) -> str:
    """Return the text of a value of somebody else's class, such as pandas'.

    Raises:
        SerializationError: It says no time, or one with more digits than are held.
    """
    try:
        plain = kind.fromisoformat(value.isoformat())
    except ValueError as error:
        raise SerializationError(f"{path}: {value!r} is no {kind.__name__}") from error
    if plain != value:
        raise SerializationError(f"{path}: {value!r} is more exact than a {kind.__name__}, which has microseconds")
    return str(plain.isoformat())


_DECODERS: dict[str, Any] = {
    "$bytes": unbase64,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$decimal": Decimal,
    "$uuid": UUID,
    "$float": {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.__getitem__,
}


_NESTED = frozenset({list, dict})


def decode_value(value: Any) -> Any:
    """Return the value that `encode_value` encoded.

    Args:
        value: JSON data that nobody else has: lists and mappings of it become those of the value.

    Raises:
        ValueError: A tagged value that cannot be read.
    """
    if isinstance(value, list):
        elements: list[Any] = value
        for at, element in enumerate(in_turns(elements) if BESIDE else elements):
            if type(element) in _NESTED:
                elements[at] = decode_value(element)
        return elements
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(tag, inner)] = value.items()
        if tag == "$dict" and isinstance(inner, dict):
            return _values(inner)
        decoder = _DECODERS.get(tag)
        if decoder is not None:
            try:
                return decoder(inner)
            except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
                raise ValueError(f"unreadable {tag} value") from error
    return _values(value)


def _values(members: dict[str, Any]) -> dict[str, Any]:
    """Decode the members of a mapping in their place."""
    for name, value in in_turns(members.items()) if BESIDE else members.items():
        if type(value) in _NESTED:
            members[name] = decode_value(value)
    return members


def encode_content(
    fields: Mapping[str, Any], metadata: Mapping[str, Any], info: Mapping[str, dict[str, Any]] | None = None
) -> Content:
    """Return what a body says of its record alone.

    Args:
        fields: Of the record.
        metadata: The user's.
        info: Metadata of fields.

    Raises:
        SerializationError: A value that no record can hold.

    Example:
        >>> encode_content({"n": 1}, {})
        Content(fields='{"n":1}', metadata='{}', info=None)
    """
    return Content(
        spent(_members(fields, "fields")),
        spent(_members(metadata, "metadata", "metadata.")) if metadata else "{}",
        compact({name: encode_value(about, f"{name}.metadata") for name, about in info.items()}) if info else None,
    )


def _members(values: Mapping[str, Any], path: str, head: str = "") -> dict[str, Any]:
    """Return JSON data for named values; most need no look into them."""
    encoded: dict[str, Any] = {}
    for name, value in in_turns(values.items()):
        if not isinstance(name, str):
            raise SerializationError(f"{path}: a mapping's key is a str, not {type(name).__name__}")
        kind = type(value)
        plain = (
            value is None or kind is bool or (value.isascii() if kind is str else kind is int and -_SHORT < value < _SHORT)
        )
        encoded[_text(name, path)] = value if plain else encode_value(value, head + name)
    return encoded


def decode_content(content: Content) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the fields, the metadata and the metadata of fields that `encode_content` encoded."""
    fields, metadata, info = (loads(text) if text else {} for text in content)
    return _values(fields), _values(metadata), _values(info)


def encode_body(stamp: Stamp, content: Content) -> bytes:
    """Return the bytes of an object.

    Args:
        stamp: What the write says.
        content: What the record holds.
    """
    created = iso(stamp.created)
    updated = created if stamp.updated is stamp.created else iso(stamp.updated)
    info = "" if content.info is None else f',"info":{content.info}'
    head = f'{{"holdall":{FORMAT},"id":{compact(stamp.id)},"created":"{created}","updated":"{updated}","write":"{stamp.write}","fields":'
    if content.size <= STEP:
        return f'{head}{content.fields},"metadata":{content.metadata}{info}}}'.encode()
    texts = (head, content.fields, ',"metadata":', content.metadata, info, "}")
    return gathered([piece.encode() for text in texts for piece in pieces(text)])


def decode_body(data: bytes, *, id: str, key: str | None = None) -> Body:
    """Return what an object says, or raise if it is no record of this id.

    A body of dataknobs-data (``fields`` of ``{name, value, type, metadata}``) is read too.

    Raises:
        CorruptRecordError: Not JSON, not a record, another id, or a newer format.
    """

    def corrupt(reason: str) -> CorruptRecordError:
        return CorruptRecordError(f"{key or id!r} is no readable record: {reason}", id=id, key=key, reason=reason)

    try:
        document = loads(data)
    except (ValueError, RecursionError) as error:
        raise corrupt("no JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("fields"), dict):
        raise corrupt("no fields")
    if "holdall" not in document:
        return _foreign_body(document, id=id, data=data, corrupt=corrupt)
    version = document["holdall"]
    if not isinstance(version, int) or version > FORMAT:
        raise corrupt(f"format {version!r}; this release reads up to {FORMAT}")
    if document.get("id") != id:
        raise corrupt("the id in it is another one")
    try:
        return Body(
            id=id,
            created=_when(document["created"]),
            updated=_when(document["updated"]),
            write=str(document["write"]),
            fields=_values(document["fields"]),
            metadata=_values(document["metadata"]),
            info=_values(document.get("info", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise corrupt("a member is missing or unreadable") from error


def _foreign_body(document: dict[str, Any], *, id: str, data: bytes, corrupt: Any) -> Body:
    """Read the older layout of dataknobs-data."""
    import hashlib  # noqa: PLC0415  # rare

    fields: dict[str, Any] = {}
    info: dict[str, dict[str, Any]] = {}
    for name, item in document["fields"].items():
        if isinstance(item, dict) and "value" in item:
            fields[name] = item["value"]
            if item.get("metadata"):
                info[name] = dict(item["metadata"])
        else:
            fields[name] = item
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise corrupt("metadata is no mapping")
    metadata = dict(metadata)
    known = metadata.pop("id", None)
    if known is not None and str(known) != id:
        raise corrupt("the id in it is another one")
    epoch = datetime.fromtimestamp(0, UTC)
    created = _moment(metadata.pop("created_at", None)) or epoch
    updated = _moment(metadata.pop("updated_at", None)) or created
    write = hashlib.sha256(data).hexdigest()[:24]
    return Body(id=id, created=created, updated=updated, write=write, fields=fields, metadata=metadata, info=info)


def _moment(value: object) -> datetime | None:
    try:
        return _when(str(value)) if value else None
    except ValueError:
        return None


def _when(text: str) -> datetime:
    """Return a time in UTC; one without a zone is in UTC.

    Raises:
        ValueError: It is none, or not in the years 1 to 9999 there.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} lies outside of what a time can be") from error


def _whole(value: int, path: str) -> int:
    """Return a long whole number.

    Raises:
        SerializationError: It has more digits than are read back.
    """
    try:
        if value.bit_length() <= _BITS and len(str(abs(value))) <= _DIGITS:
            return value
    except ValueError:  # this process has a lower limit
        pass
    raise SerializationError(f"{path}: a whole number of more digits than Python reads back ({_DIGITS})")


def _text(value: str, path: str) -> str:
    if not encodable(value):
        raise SerializationError(f"{path}: text with a lone surrogate")
    return value


def encodable(text: str) -> bool:
    """Tell whether UTF-8 can hold a text: whether it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        for piece in pieces(text):
            piece.encode()
    except UnicodeEncodeError:
        return False
    return True
