"""Work on long values in calls of bounded length: no call into C gets more than about `STEP` characters. Pure.

Python runs one thread at a time, and a thread that is within C keeps its turn. So a thread that encodes 10 MB at once holds up the
event loop beside it for as long as that takes; one that goes on in steps gives way between them (`holdall._turns`).
`holdall.records.lengthy_reading` is the way back.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from holdall._buffers import gathered
from holdall._turns import give_way

__all__ = [
    "STEP",
    "base64",
    "binary",
    "compact",
    "contains",
    "joined",
    "let_go",
    "pieces",
    "spent",
    "text",
    "unbase64",
]

STEP = 65_536
"""Characters of JSON that one call into C gets: some tenths of a millisecond."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_ORDERED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode
_THREES = STEP // 4 * 3
_MEMBER = 32
"""What a value counts for beside its text: no number but an enormous one is longer."""


def compact(value: Any, step: int = STEP, *, ordered: bool = False) -> str:
    """Return plain data as compact JSON.

    Args:
        value: The data.
        step: How much of it one call gets.
        ordered: Mappings by their names.

    Example:
        >>> compact({"b": [1, "é"], "a": {}}, ordered=True)
        '{"a":{},"b":[1,"é"]}'
    """
    encode = _ORDERED if ordered else _ENCODE
    if (type(value) is str and len(value) <= step) or _fits(value, step):
        return encode(value)
    writing = _Writing(step, encode, ordered)
    writing.value(value)
    return joined(writing.texts)


def _fits(value: Any, step: int) -> bool:
    """Tell whether the JSON of plain data is surely, or nearly, no longer than a step."""
    size = 0
    waiting: list[Any] = [value]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind is dict or kind is list:
            size += _MEMBER * len(value)
            if size <= step:
                if kind is dict:
                    waiting += value
                    waiting += value.values()
                else:
                    waiting += value
        if size > step:
            return False
    return True


class _Writing:
    """JSON being written, in texts.

    Args:
        step: How much one call gets.
        encode: The call.
        ordered: Mappings by their names.
    """

    def __init__(self, step: int, encode: Any, ordered: bool) -> None:
        self.step, self.encode, self.ordered = step, encode, ordered
        self.texts: list[str] = []

    def value(self, value: Any) -> None:
        """Write any value."""
        give_way()
        if _fits(value, self.step):
            self.texts.append(self.encode(value))
        elif isinstance(value, dict):
            mapping: dict[str, Any] = value
            items = sorted(mapping.items(), key=itemgetter(0)) if self.ordered else mapping.items()
            self.texts.append("{")
            self.members(iter(items), len(mapping))
            self.texts.append("}")
        elif isinstance(value, list):
            elements: list[Any] = value
            self.texts.append("[")
            self.elements(elements)
            self.texts.append("]")
        else:
            self.texts.append('"')
            self.texts += [self.encode(value[at : at + self.step])[1:-1] for at in _starts(len(value), self.step)]
            self.texts.append('"')

    def elements(self, values: list[Any]) -> None:
        """Write elements: those of a step at once, or one that is longer than it."""
        many = max(1, min(self.step // _MEMBER, len(values) // 2))
        for at in _starts(len(values), many):
            some = values[at : at + many]
            if at:
                self.texts.append(",")
            if _fits(some, self.step):
                self.texts.append(self.encode(some)[1:-1])
            elif len(some) == 1:
                self.value(some[0])
            else:
                self.elements(some)

    def members(self, items: Iterator[tuple[str, Any]], number: int) -> None:
        """Write members: those of a step at once, or one that is longer than it."""
        many = max(1, min(self.step // _MEMBER, number // 2))
        for at in _starts(number, many):
            some = dict(islice(items, many))
            if at:
                self.texts.append(",")
            if _fits(some, self.step):
                self.texts.append(self.encode(some)[1:-1])
            elif len(some) == 1:
                [(name, value)] = some.items()
                self.value(name)
                self.texts.append(":")
                self.value(value)
            else:
                self.members(iter(some.items()), len(some))


_FEW = 256


def let_go(value: Any) -> None:
    """Take plain data apart that nobody has any more, in steps: Python lets go of all of it in one call.

    Example:
        >>> values = {"a": [1, 2], "b": {}}
        >>> let_go(values)
        >>> values
        {}
    """
    waiting = [value]
    while waiting:
        value = waiting.pop()
        while value:
            give_way()
            if isinstance(value, list):
                elements: list[Any] = value
                waiting += [element for element in elements[-_FEW:] if isinstance(element, (list, dict))]
                del elements[-_FEW:]
            else:
                members: dict[str, Any] = value
                some = [members.popitem()[1] for _ in range(min(_FEW, len(members)))]
                waiting += [member for member in some if isinstance(member, (list, dict))]


def spent(value: Any, *, ordered: bool = False) -> str:
    """Return plain data that nobody else has as compact JSON, and let go of it. See `compact`.

    Example:
        >>> spent({"a": [1]})
        '{"a":[1]}'
    """
    text = compact(value, ordered=ordered)
    if len(text) > STEP:
        let_go(value)
    return text


def binary(text: str) -> bytes:
    """Return text in UTF-8.

    Raises:
        UnicodeEncodeError: It has a lone surrogate.
    """
    if len(text) <= STEP:
        return text.encode()
    return gathered([piece.encode() for piece in pieces(text)])


def text(data: bytes) -> str:
    """Return what bytes are in UTF-8.

    Raises:
        UnicodeDecodeError: They are no UTF-8.

    Example:
        >>> text("é".encode() * STEP) == "é" * STEP
        True
    """
    if len(data) <= STEP:
        return data.decode()
    decode, whole = getincrementaldecoder("utf-8")().decode, memoryview(data)
    parts = [decode(whole[at : at + STEP]) for at in _starts(len(whole))]
    return joined([*parts, decode(b"", True)])  # the end, by its place


def joined(texts: Iterable[str]) -> str:
    """Return texts as one that grows: Python lengthens it where it stands, while `str.join` clears and fills all of it in one call.

    Example:
        >>> joined(["a", "b"])
        'ab'
    """
    whole = ""
    for text in texts:
        give_way()
        whole += text
    return whole


def base64(data: bytes | bytearray | memoryview, *, altchars: bytes | None = None) -> str:
    """Return bytes in base64, with other characters for ``+/`` if some are given."""
    if len(data) <= STEP:
        return b64encode(data, altchars).decode()
    whole = memoryview(data).cast("B")
    return joined(b64encode(whole[at : at + _THREES], altchars).decode() for at in _starts(len(whole), _THREES))


def unbase64(text: str, *, altchars: bytes | None = None) -> bytes:
    """Return the bytes that base64 stands for. See `base64`.

    Raises:
        ValueError: It is none.
        TypeError: It is no text.
    """
    if len(text) <= STEP:
        return b64decode(text, altchars, validate=True)
    parts: list[bytes | memoryview] = [b64decode(piece, altchars, validate=True) for piece in pieces(text)]
    if any(len(part) * 4 != STEP * 3 for part in parts[:-1]):
        raise ValueError("padding within base64")
    return gathered(parts)


def pieces(text: str, more: int = 0) -> Iterator[str]:
    """Yield a text in steps.

    Args:
        text: Of any length.
        more: How many characters of the next step each one has too.
    """
    if len(text) <= STEP:
        return iter((text,) if text else ())
    return (text[at : at + STEP + more] for at in _starts(len(text)))


def _starts(length: int, step: int = STEP) -> Iterator[int]:
    """Yield where the steps of something begin, and give way before each."""
    for at in range(0, length, step):
        give_way()
        yield at


def contains(text: str, part: str) -> bool:
    """Tell whether a short text is in a long one.

    Example:
        >>> contains("-" * (STEP - 1) + "ab", "ab")
        True
    """
    return part in text if len(text) <= STEP else any(part in piece for piece in pieces(text, len(part) - 1))
