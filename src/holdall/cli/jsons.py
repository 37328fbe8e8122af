"""JSON of any size: large lists and maps are read member by member, and written while views are walked."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

from holdall.containers import FormatError, LazyArray, LazyDict, LazyList, stream_list, stream_map, to_obj
from holdall.containers.plain import Stream

__all__ = ["JsonText", "lines", "texts"]

CHUNK = 1024 * 1024
"""Characters read at a time."""
WHOLE = 1024 * 1024
"""Encoded bytes up to which a list or map is read at once."""
WINDOW = 8 * WHOLE
"""Encoded bytes of views that are read ahead."""
MOST = 1000
"""Members that are looked at ahead."""
LARGE = 4 * CHUNK
"""Characters from which a list or map is given as a stream of its members."""
NEAR = 64
"""Characters from the end of what was read within which an error may only mean that more has to be read."""
_VIEWS = (LazyArray, LazyDict, LazyList)
_SPACE = " \t\n\r"
_GOES_ON = frozenset({"", *".eE"})
"""What may stand where a number was cut off: the end of what was read, or the beginning of its other half."""


class JsonText:
    """A JSON text that is parsed while it is read: large lists and maps in it are streams, to be drawn in order.

    Args:
        file: The text.
        told: Called with the characters that each read brought.
    """

    def __init__(self, file: IO[str], told: Callable[[int], None]) -> None:
        self._file = file
        self._told = told
        self._text = ""
        self._at = 0
        self._ended = False
        self._line = 1
        self._column = 1
        self._parse = json.JSONDecoder(object_pairs_hook=self._unique).raw_decode

    def document(self) -> Any:
        """Return the document; a large one as a stream, and what is large in it too.

        Raises:
            FormatError: It is no JSON; says where.
        """
        value = self._value(self._end)
        if not isinstance(value, Stream):
            self._end()
        return value

    def _stream(self, ended: Callable[[], None]) -> Stream:
        if self._text[self._at] == "{":
            return stream_map(self._members("}", self._pair, ended))
        return stream_list(self._members("]", self._value, ended))

    def _members(self, closing: str, member: Callable[[], Any], ended: Callable[[], None]) -> Iterator[Any]:
        self._at += 1
        if self._next() != closing:
            while True:
                yield member()
                if self._next() != ",":
                    break
                self._at += 1
        self._expect(closing)
        ended()

    def _pair(self) -> tuple[str, Any]:
        if self._next() != '"':
            raise self._fault("expecting a key in double quotes", self._at)
        key = self._value()
        self._next()
        self._expect(":")
        return key, self._value()

    def _value(self, ended: Callable[[], None] = lambda: None) -> Any:
        """Return the value that comes next; more is read until it is there, or known to be large.

        Args:
            ended: Called when the stream that it may be has come to its end.
        """
        first = self._next()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - NEAR
                if self._ended or not cut:
                    raise self._fault(error.msg, error.pos) from error
                if first in "[{" and len(self._text) - self._at >= LARGE:
                    return self._stream(ended)
            except RecursionError as error:
                raise self._fault("nested too deep", self._at) from error
            else:
                if self._ended or self._text[end : end + 1] not in _GOES_ON:
                    self._at = end
                    return value
            self._more()

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise self._fault(f"the key {twice!r} stands twice in a map that begins here or below", self._at)
        return found

    def _next(self) -> str:
        """Go to the next character that is no space, and return it; ``""`` at the end."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in _SPACE:
                at += 1
            self._at = at
            if at < len(text):
                return text[at]
            if self._ended:
                return ""
            self._more()

    def _expect(self, mark: str) -> None:
        if self._text[self._at : self._at + 1] != mark:
            raise self._fault(f"expecting {mark!r}", self._at)
        self._at += 1

    def _end(self) -> None:
        if self._next():
            raise self._fault("more behind the document", self._at)

    def _more(self) -> None:
        """Read on; as much again as a value has taken so far, so that a large one is not parsed too often."""
        self._line, self._column = self._place(self._at)
        rest = self._text[self._at :]
        try:
            more = self._file.read(max(CHUNK, len(rest)))
        except UnicodeDecodeError as error:
            raise FormatError(f"the source is no UTF-8 text: {error}") from error
        self._ended = not more
        self._told(len(more))
        self._text, self._at = rest + more, 0

    def _place(self, at: int) -> tuple[int, int]:
        """Return line and column of a position in what was read last."""
        before = self._text.count("\n", 0, at)
        column = at - self._text.rfind("\n", 0, at) if before else self._column + at
        return self._line + before, column

    def _fault(self, why: str, at: int) -> FormatError:
        line, column = self._place(at)
        return FormatError(f"the source is no JSON: line {line} column {column}: {why}")


def lines(file: Iterable[str], told: Callable[[int], None]) -> Iterator[Any]:
    """Iterate over the values of JSON lines; blank ones are passed over.

    Raises:
        FormatError: A line is no JSON; names it.
    """
    for number, line in enumerate(file, 1):
        told(len(line))
        if line.isspace():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            why = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
            raise FormatError(f"the source is no JSON: line {number} {why}") from error


def texts(value: Any) -> Iterator[str]:
    """Iterate over the JSON of a value or view, whose members are read as they are written, many of them together.

    Raises:
        FormatError: JSON has no such key.
    """
    stack: list[tuple[Iterator[Any], str]] = [(_ahead(iter((("", value),))), "")]
    while stack:
        members, closing = stack[-1]
        for before, member in members:
            if isinstance(member, LazyDict):
                yield f"{before}{{"
                stack.append((_ahead(_keyed(member)), "}"))
                break
            if isinstance(member, LazyList):
                yield f"{before}["
                stack.append((_ahead(_listed(member)), "]"))
                break
            yield before + _dumped(member)
        else:
            yield closing
            stack.pop()


def _ahead(members: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Read members that are views of little, many of them together."""
    ended = False
    while not ended:
        several: list[tuple[str, Any]] = []
        size = 0
        for pair in members:
            several.append(pair)
            size += pair[1].size or 0 if isinstance(pair[1], _VIEWS) else 0
            if size >= WINDOW or len(several) >= MOST:
                break
        else:
            ended = True
        little = iter(to_obj([member for _, member in several if _is_little(member)]))
        yield from ((before, next(little) if _is_little(member) else member) for before, member in several)


def _is_little(member: Any) -> bool:
    """Tell whether a member is a view that is read at once; the others are walked."""
    return isinstance(member, LazyArray) or (isinstance(member, _VIEWS) and 0 < (member.size or 0) <= WHOLE)


def _keyed(view: LazyDict) -> Iterator[tuple[str, Any]]:
    before = ""
    for key, member in view.items():
        name = _dumped(key)
        if isinstance(key, bytes):
            raise FormatError(f"JSON has no key such as {key!r}")
        yield f"{before}{name if isinstance(key, str) else json.dumps(name)}: ", member
        before = ", "


def _listed(view: LazyList) -> Iterator[tuple[str, Any]]:
    before = ""
    for member in view:
        yield before, member
        before = ", "


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, RecursionError) as error:
        raise FormatError(f"JSON cannot hold this value: {error}") from error


def _plain(value: Any) -> Any:
    """Return what stands for a value that JSON lacks: text for times and numbers, base64 for bytes, lists for arrays."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")
