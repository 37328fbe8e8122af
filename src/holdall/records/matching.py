"""The one matcher: which records a condition holds for (rules M1 to M7). In what order they come: `holdall.records.ordering`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from holdall._turns import give_way
from holdall.records.comparing import compare, equal, is_nan, is_number
from holdall.records.lengthy import STEP
from holdall.records.paths import MISSING
from holdall.records.query import And, Condition, Filter, Not, Or
from holdall.records.record import Record

__all__ = ["Like", "anything", "matches", "predicate", "present"]

_Test = Callable[[Any], bool]


def matches(condition: Condition, record: Record) -> bool:
    """Tell whether a condition holds for a record.

    Example:
        >>> matches(Filter("age", ">", 17), Record({"age": 18}))
        True
    """
    return predicate(condition)(record)


def predicate(condition: Condition) -> Callable[[Record], bool]:
    """Return a function that tells whether the condition holds; built once, called per record."""
    if isinstance(condition, And):
        parts = [predicate(c) for c in condition.conditions]
        return lambda record: all(part(record) for part in parts)
    if isinstance(condition, Or):
        parts = [predicate(c) for c in condition.conditions]
        return lambda record: any(part(record) for part in parts)
    if isinstance(condition, Not):
        inner = predicate(condition.condition)
        return lambda record: not inner(record)
    test = _test(condition)
    field = condition.field
    if field == "id":
        return lambda record: test(record.id)
    return lambda record: test(present(record.lookup(field)))


def anything(_: Record) -> bool:
    """Tell that no condition is set."""
    return True


def present(value: Any) -> Any:
    """Return a value that was looked up, ``None`` if it is missing."""
    return None if value is MISSING else value


def _test(condition: Filter) -> _Test:
    """Return the test of one value; a missing field arrives as ``None`` (M1)."""
    op, wanted = condition.op, condition.value
    if op == "exists":
        return lambda value: value is not None
    if op == "not exists":
        return lambda value: value is None
    if op == "=":
        return (lambda value: value is None) if wanted is None else (lambda value: equal(value, wanted))
    if op == "!=":
        if wanted is None:
            return lambda value: value is not None
        return lambda value: value is not None and not equal(value, wanted)
    if op == "in":
        return _among(wanted)
    if op == "not in":
        among = _among(wanted)
        return lambda value: value is not None and not among(value)
    if op in {"between", "not between"}:
        low, high = wanted
        inside = op == "between"

        def between(value: Any) -> bool:
            below, above = compare(value, low), compare(value, high)
            return value is not None and ((below is not None and above is not None and below >= 0 and above <= 0) is inside)

        return between
    if op in {"like", "not like"}:
        like, positive = Like(wanted), op == "like"
        return lambda value: value is not None and (isinstance(value, str) and like(value)) is positive
    if op == "regex":
        search = re.compile(wanted).search
        return lambda value: isinstance(value, str) and search(value) is not None
    if op == "startswith":
        return lambda value: isinstance(value, str) and value.startswith(wanted)
    if op == "contains":
        return lambda value: (
            isinstance(value, list) and any(member is None if wanted is None else equal(member, wanted) for member in value)
        )
    holds: dict[str, Callable[[int], bool]] = {
        ">": lambda c: c > 0,
        ">=": lambda c: c >= 0,
        "<": lambda c: c < 0,
        "<=": lambda c: c <= 0,
    }
    decide = holds[op]

    def ordered(value: Any) -> bool:
        found = compare(value, wanted)
        return found is not None and decide(found)

    return ordered


def _among(wanted: Collection[Any]) -> _Test:
    """Return the test whether a value equals one of many: texts and numbers are looked up."""
    numbers = {w for w in wanted if is_number(w) and not is_nan(w)}
    texts = {w for w in wanted if isinstance(w, str)}
    others = [w for w in wanted if not (w is None or isinstance(w, str) or is_number(w))]
    null = any(w is None for w in wanted)

    def among(value: Any) -> bool:
        if value is None:
            return null
        if is_number(value):
            return not is_nan(value) and value in numbers
        if isinstance(value, str):
            return value in texts or any(equal(value, w) for w in others)
        return any(equal(value, w) for w in others) or any(equal(value, w) for w in texts)

    return among


def _folded(character: str) -> str:
    """Return the pattern of a character and what simple folding makes of it: `re` holds the i with no dot for an i, too."""
    return f"(?-i:[{'iI' if character in 'iI' else character}])" if character in "iI\u0130\u0131" else re.escape(character)


class Like:
    r"""Tells whether text is like a pattern: ``%`` any run, ``_`` one character, ``\`` escapes (M5).

    Args:
        pattern: What was asked for.
        step: Of text that is longer no call gets more at once.

    Example:
        >>> Like("a%_z")("Abcz"), Like("a%_z")("az")
        (True, False)
    """

    def __init__(self, pattern: str, step: int = STEP) -> None:
        parts, sizes = [""], [0]
        at = 0
        while at < len(pattern):
            character = pattern[at]
            if character == "%":
                parts.append("")
                sizes.append(0)
            else:
                if character == "\\" and at + 1 < len(pattern):
                    at += 1
                    character = _folded(pattern[at])
                elif character == "_":
                    character = "."
                else:
                    character = _folded(character)
                parts[-1] += character
                sizes[-1] += 1
            at += 1
        flags = re.IGNORECASE | re.DOTALL
        self._step = step
        self._whole = re.compile(".*".join(parts), flags)
        self._parts = [(re.compile(part, flags), size) for part, size in zip(parts, sizes, strict=True)]

    def __call__(self, text: str) -> bool:
        """Tell it of a text."""
        if len(text) <= self._step or len(self._parts) == 1:
            return self._whole.fullmatch(text) is not None
        (first, begin), *inner, (last, size) = self._parts
        end = len(text) - size
        if begin > end or not first.match(text) or not last.match(text, end):
            return False
        for part, length in inner:  # the leftmost one leaves most to the others; each has one length
            found = self._found(part, length, text, begin, end)
            if found is None:
                return False
            begin = found
        return True

    def _found(self, part: re.Pattern[str], length: int, text: str, begin: int, end: int) -> int | None:
        """Return where the first place of a part ends, looked for in steps."""
        for at in range(begin, end - length + 1, self._step):
            give_way()
            found = part.search(text, at, min(at + self._step + length - 1, end)) if length else part.match(text, at)
            if found:
                return found.end()
        return None
