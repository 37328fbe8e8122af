"""JSON of any length read in calls of bounded length, as `holdall.records.lengthy` writes it. Pure.

A text is cut where that is sure to be right: at commas of a container whose brackets were counted, and, for texts that are long
themselves, between two of their characters. `json.loads` decodes the pieces, so that they mean what they always did.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import count
from typing import Any

from holdall._turns import MANY, give_way
from holdall.records.lengthy import STEP, joined

__all__ = ["loads"]

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_FLAT = rf'(?:[^"\[\]{{}}]++|{_STRING})*+'
_ITEM = rf"{_STRING}|\[{_FLAT}\]|\{{{_FLAT}\}}"
_RUN = rf'(?:[^"\[\]{{}}]++|{_ITEM})*+'
"""Text without a bracket that is not closed in it: scalars, texts, and containers that hold no others."""
_LAST = rf'(?:[^"\[\]{{}},]++|{_ITEM}|,)*(?=,)'
_PLAIN = r'(?:[^"\\]++|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\[^u]|\\u....)*+'
_LOW = r"\\u[dD][c-fC-F].."
_SPACE = " \t\n\r"
_ESCAPED = 12
"""Characters that stand for one, at most."""


class _Forms:
    """Patterns and signs for text, or for bytes."""

    def __init__(self, kind: type[str | bytes]) -> None:
        def form(text: str) -> Any:
            return text if kind is str else text.encode()

        def pattern(text: str) -> Any:
            return re.compile(form(text), re.DOTALL)

        self.run, self.last, self.plain, self.low = pattern(_RUN), pattern(_LAST), pattern(_PLAIN), pattern(_LOW)
        self.space, self.comma, self.quote = form(_SPACE), form(","), form('"')
        self.closing = form("]"), form("}")
        self.opens = {form("["): False, form("{"): True}
        self.closes = {form("]"): False, form("}"): True}
        self.around = (form("["), form("]")), (form("{"), form("}"))
        self.stub = form("[]}")


_FORMS: dict[type, _Forms] = {}


def loads(text: str | bytes, step: int = STEP) -> Any:
    """Return what `json.loads` returns.

    Args:
        text: JSON.
        step: How much of it one call gets.

    Raises:
        ValueError: No JSON.
        RecursionError: Nested too deep.

    Example:
        >>> loads('{"a": [1, 2]}')
        {'a': [1, 2]}
    """
    if len(text) <= step:
        return json.loads(text)
    if isinstance(text, bytes) and json.detect_encoding(text[:4]) != "utf-8":
        return json.loads(text)
    kind = type(text)
    if kind not in _FORMS:
        _FORMS[kind] = _Forms(kind)
    try:
        return _Reading(text, _FORMS[kind], max(1, step // 2)).value()
    except _LongNameError:
        return json.loads(text)


class _LongNameError(Exception):
    """A name is longer than a step: nobody writes such a thing, and no code is worth it."""


_FRESH, _NEXT, _DONE = range(3)
"""What comes next in a container: the first member or its end; a member; a comma or its end."""


class _Level:
    """A container that is open: its bracket, and since where its text has no other one that is open."""

    __slots__ = ("at", "since")

    def __init__(self, at: int, since: int) -> None:
        self.at, self.since = at, since


class _Frame:
    """A container that is too long for one step, and so is filled piece by piece."""

    __slots__ = ("holds", "state")

    def __init__(self, holds: Any) -> None:
        self.holds, self.state = holds, _FRESH


class _Reading:
    """One text being read: in pieces that end at commas of the innermost frame, brackets within them counted.

    Args:
        text: JSON.
        forms: For its type.
        step: How much of it one call gets.
    """

    def __init__(self, text: Any, forms: _Forms, step: int) -> None:
        self.text, self.forms, self.step = text, forms, step
        self.root: list[Any] = []
        self.frames = [_Frame(self.root)]  # the text is as the inside of a list that has one element
        self.levels = [_Level(-1, 0)]  # of the innermost frame, and of what is open in it
        self.start = self.at = 0  # of the piece; where to look on

    def value(self) -> Any:
        """Return the value."""
        text, forms, end = self.text, self.forms, len(self.text)
        for turn in count():
            if self.at >= end:
                break
            if not turn % MANY:
                give_way()
            self.at = forms.run.match(text, self.at, self.at + self.step).end()
            self.shorten()
            sign = text[self.at : self.at + 1]
            if sign in forms.opens:
                self.levels.append(_Level(self.at, self.at + 1))
                self.at += 1
            elif sign in forms.closes:
                self.close(mapping=forms.closes[sign])
            elif sign == forms.quote and forms.run.match(text, self.at, self.at + self.step).end() == self.at:
                self.long_text()
        self.take(end, last=True)
        if len(self.frames) > 1 or len(self.levels) > 1 or len(self.root) != 1:
            raise _broken()
        return self.root[0]

    def shorten(self) -> None:
        """Take what is complete, if the piece has become long; open a frame for what is not."""
        while self.at - self.start > self.step:
            give_way()
            if not self.cut():
                if len(self.levels) == 1:
                    return  # one number, or white space
                self.descend()

    def cut(self) -> bool:
        """Take the piece up to the last comma of the innermost frame, and tell whether there was one."""
        stop = self.levels[1].at if len(self.levels) > 1 else self.at
        since = max(self.levels[0].since, self.start)
        text, forms = self.text, self.forms
        comma = text.rfind(forms.comma, since, stop)
        if comma < 0:
            return False
        if any(text.rfind(sign, comma, stop) >= 0 for sign in (forms.quote, *forms.closing)):  # it may be one within a text
            found = forms.last.match(text, since, stop)
            if found is None:
                return False
            comma = found.end()
        self.take(comma)
        return True

    def descend(self) -> None:
        """Make a frame of the outermost container that is open in the piece."""
        level = self.levels[1]
        mapping = self.forms.opens[self.text[level.at : level.at + 1]]
        if len(self.frames) >= sys.getrecursionlimit():
            raise RecursionError("nested too deep")
        frame = _Frame({} if mapping else [])
        self.put(level.at, frame.holds)
        self.frames.append(frame)
        del self.levels[0]
        self.start = level.at + 1

    def close(self, *, mapping: bool) -> None:
        """Leave a container: one in the piece, or the innermost frame."""
        if len(self.levels) > 1:
            self.levels.pop()
            self.at += 1
        else:
            if len(self.frames) == 1 or isinstance(self.frames[-1].holds, dict) is not mapping:
                raise _broken()
            self.take(self.at, last=True)
            self.frames.pop()
            self.at += 1
            self.start = self.at
        self.levels[-1].since = self.at

    def long_text(self) -> None:
        """Read a text that is longer than a step."""
        forms, text = self.forms, self.text
        while self.cut() or len(self.levels) > 1:
            if len(self.levels) > 1:
                self.descend()
        begin, parts = self.at, list[str]()
        if isinstance(self.frames[-1].holds, dict) and self.lead(text[self.start : begin]) == text[:0]:
            raise _LongNameError
        at = begin + 1
        while True:
            give_way()
            stop = forms.plain.match(text, at, at + self.step + _ESCAPED).end()
            low = forms.low.match(text, stop)  # the second half of a character is its first half's
            stop = low.end() if low else stop
            while isinstance(text, bytes) and at < stop < len(text) and text[stop] & 0xC0 == 0x80:  # within one
                stop -= 1
            if stop == at and text[at : at + 1] != forms.quote:
                raise _broken()
            parts.append(_read(forms.quote + text[at:stop] + forms.quote))
            at = stop
            if text[at : at + 1] == forms.quote:
                break
        self.put(begin, joined(parts))
        self.start = self.at = self.levels[0].since = at + 1

    def put(self, stop: int, value: Any) -> None:
        """Add a value to the innermost frame, whose name is all that the piece has up to there."""
        frame = self.frames[-1]
        lead = self.lead(self.text[self.start : stop])
        if isinstance(frame.holds, dict):
            [name] = _read(self.forms.around[1][0] + lead + self.forms.stub)
            frame.holds[name] = value
        elif lead:
            raise _broken()
        else:
            frame.holds.append(value)
        frame.state = _DONE

    def lead(self, piece: Any) -> Any:
        """Return what comes before a value, without the comma and space before that."""
        lead = piece.strip(self.forms.space)
        if self.frames[-1].state == _DONE:
            if lead[:1] != self.forms.comma:
                raise _broken()
            lead = lead[1:].lstrip(self.forms.space)
        return lead

    def take(self, stop: int, *, last: bool = False) -> None:
        """Add what the piece has up to a comma, or to the end of the frame."""
        frame, forms = self.frames[-1], self.forms
        piece = self.text[self.start : stop].strip(forms.space)
        self.start = stop + 1
        if frame.state == _DONE:
            if not piece:
                frame.state = _NEXT
                return
            if piece[:1] != forms.comma:
                raise _broken()
            frame.state, piece = _NEXT, piece[1:].lstrip(forms.space)
        if not piece:
            if last and frame.state == _FRESH:
                return
            raise _broken()
        mapping = isinstance(frame.holds, dict)
        before, after = forms.around[mapping]
        give_way()
        found = _read(before + piece + after)
        frame.holds.update(found) if mapping else frame.holds.extend(found)
        frame.state = _NEXT


def _read(piece: str | bytes) -> Any:
    return json.loads(piece if isinstance(piece, str) else piece.decode("utf-8", "surrogatepass"))


def _broken() -> json.JSONDecodeError:
    return json.JSONDecodeError("no JSON", "", 0)
