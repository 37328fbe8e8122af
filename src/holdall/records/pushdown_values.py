"""Tests of one value in a JSON document, as SQL."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdall.records.documents import is_plain
from holdall.records.pieces import (
    FALSE,
    MARK,
    SQL,
    TRUE,
    Pushed,
    all_of,
    any_of,
    both,
    either,
    exact,
    maybe,
    starts,
)

__all__ = ["UUID_TEXT", "Place", "PlaceTests", "like", "moment_of"]

_LONGEST_PATTERN = 1000
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """The SQL of a value in a document, and of its JSON type."""

    value: str
    kind: str


class PlaceTests:
    """Tests of one value in a document."""

    def __init__(self, field: Place, *, lite: bool) -> None:
        self._value, self._kind, self._lite = field.value, field.kind, lite
        self._text = field.value if lite else f"""({field.value} #>> '{{}}') COLLATE "C\""""

    def kind(self, name: str) -> SQL:
        """Return the test of the JSON type, by SQLite's name."""
        word = name if self._lite else {"text": "string"}.get(name, name)
        return SQL(f"{self._kind} = '{word}'")

    def tagged(self, tag: str, text: str) -> SQL:
        """A value of a type that JSON lacks, with exactly this text."""
        if self._lite:
            return all_of(SQL(f"{self._value} = {MARK}", (f'{{"{tag}":"{text}"}}',)), self.kind("object"))
        return SQL(f"{self._value} = jsonb_build_object('{tag}', CAST({MARK} AS text))", (text,))

    def between(self, tag: str, low: str = "", high: str = "~") -> SQL:
        """A value of a type that JSON lacks whose text is from ``low`` to below ``high``."""
        if self._lite:
            head = f'{{"{tag}":"'
            inside = SQL(f"{self._value} >= {MARK} AND {self._value} < {MARK}", (head + low, head + high))
            return all_of(inside, self.kind("object"))
        inner = f"""({self._value} ->> '{tag}') COLLATE "C\""""
        return SQL(f"{inner} >= {MARK} AND {inner} < {MARK}", (low, high))

    def any_object(self) -> Pushed:
        """A value of some type that JSON lacks, or a mapping."""
        if self._lite:
            return maybe(all_of(SQL(f"{self._value} >= '{{' AND {self._value} < '|'"), self.kind("object")))
        return maybe(self.kind("object"))

    def hidden_text(self) -> Pushed:
        """Text that a JSON string cannot hold everywhere, kept as another value."""
        return maybe(self.between("$text"))

    def equal(self, wanted: Any) -> Pushed:
        """Return the test for equality."""
        if isinstance(wanted, bool):
            true = "true" if wanted else "false"
            return exact(self.kind(true) if self._lite else SQL(f"{self._value} = '{true}'"))
        if isinstance(wanted, (int, float, Decimal)):
            return self.number("=", wanted)
        if isinstance(wanted, UUID):
            return exact(any_of(self._same(str(wanted)), self.tagged("$uuid", str(wanted))))
        if type(wanted) is str:
            if not is_plain(wanted):
                return self.hidden_text()
            parts = [exact(self._same(wanted))]
            if UUID_TEXT.fullmatch(wanted):
                parts.append(exact(self.tagged("$uuid", wanted)))
            return either(*parts, self._window("=", moment_of(wanted)))
        if isinstance(wanted, date):
            return either(maybe(self.kind("text")), self._window("=", wanted))
        if type(wanted) is bytes:
            return exact(self.tagged("$bytes", b64encode(wanted).decode()))
        if isinstance(wanted, (list, tuple)):
            return maybe(self.kind("array"))
        return either(maybe(self.kind("text")), self.any_object())

    def _same(self, text: str) -> SQL:
        if self._lite:
            return all_of(SQL(f"{self._value} = {MARK}", (text,)), self.kind("text"))
        return SQL(f"{self._value} = to_jsonb(CAST({MARK} AS text))", (text,))

    def one_of(self, texts: Sequence[str]) -> Pushed:
        """Equal to one of plain texts."""
        if self._lite:
            marks = ", ".join(MARK for _ in texts)
            return exact(all_of(SQL(f"{self._value} IN ({marks})", tuple(texts)), self.kind("text")))
        marks = ", ".join(f"to_jsonb(CAST({MARK} AS text))" for _ in texts)
        return exact(SQL(f"{self._value} IN ({marks})", tuple(texts)))

    def startswith(self, wanted: str) -> Pushed:
        """Return the test for text that begins so."""
        if not is_plain(wanted):
            return self.hidden_text()
        return either(exact(all_of(self.kind("text"), starts(self._text, wanted, lite=self._lite))), self.hidden_text())

    def like(self, pattern: str) -> Pushed:
        """Return the test for text of a pattern."""
        return either(both(exact(self.kind("text")), like(self._text, pattern, lite=self._lite)), self.hidden_text())

    def contains(self, wanted: Any) -> Pushed:
        """Return the test for a list with such a member."""
        if (
            not self._lite
            and type(wanted) is str
            and is_plain(wanted)
            and not UUID_TEXT.fullmatch(wanted)
            and not moment_of(wanted)
        ):
            return exact(all_of(self.kind("array"), SQL(f"{self._value} @> to_jsonb(CAST({MARK} AS text))", (wanted,))))
        return maybe(self.kind("array"))

    def ordered(self, op: str, wanted: Any) -> Pushed:
        """Return the test for an order: ``<``, ``<=``, ``>``, ``>=``."""
        if isinstance(wanted, (int, float, Decimal)) and not isinstance(wanted, bool):
            return self.number(op, wanted)
        if isinstance(wanted, str):
            moments = self._window(op, moment_of(wanted))
            if "\0" in wanted:
                return either(maybe(self.kind("text")), self.hidden_text(), moments)
            text = all_of(self.kind("text"), SQL(f"{self._text} {op} {MARK}", (str(wanted),)))
            return either(exact(text), self.hidden_text(), moments)
        if isinstance(wanted, date):
            return either(maybe(self.kind("text")), self.hidden_text(), self._window(op, wanted))
        if isinstance(wanted, (bool, UUID, list, tuple, dict)) or wanted is None:
            return exact(FALSE)
        return self.any_object()

    def _window(self, op: str, wanted: date | None) -> Pushed:
        """Dates and datetimes that may be in this relation to a moment: an offset is less than a day, so two days are enough."""
        if wanted is None:
            return exact(FALSE)
        day = date(wanted.year, wanted.month, wanted.day)
        low, high = "", "~"
        try:
            low = (day - timedelta(days=2)).isoformat() if op in {"=", ">", ">="} else ""
            high = (day + timedelta(days=3)).isoformat() if op in {"=", "<", "<="} else "~"
        except OverflowError:
            low, high = "", "~"
        return maybe(any_of(self.between("$datetime", low, high), self.between("$date", low, high)))

    # -- numbers -------------------------------------------------------------------------------------------------------

    def number(self, op: str, wanted: float | Decimal) -> Pushed:
        """Compare with a number: integers exactly, floats outside of a narrow margin, the margin and other types perhaps."""
        if wanted.is_nan() if isinstance(wanted, Decimal) else wanted != wanted:  # in no relation to anything  # noqa: PLR0124
            return exact(FALSE)
        others = self.any_object()  # Decimal, infinities
        bounds = _margin(wanted)
        if bounds is None:
            kinds = [self.kind("integer"), self.kind("real")] if self._lite else [self.kind("number")]
            return either(maybe(any_of(*kinds)), others)
        low, high = bounds
        return either(self._lite_number(op, wanted, low, high) if self._lite else self._big_number(op, wanted), others)

    def _lite_number(self, op: str, wanted: float | Decimal, low: float, high: float) -> Pushed:
        value = self._value
        numeric = SQL(f"{self._kind} IN ('integer', 'real')")
        near = SQL(_near(value, op), _near_values(op, low, high))
        loose = all_of(near, numeric)
        sure = [FALSE]
        if isinstance(wanted, int) and -(2**63) <= wanted < 2**63:
            whole = f"typeof({value}) = 'integer' AND {self._kind} = 'integer'"
            sure.append(SQL(f"({whole} AND {value} {op} {MARK})", (int(wanted),)))
        if op != "=":
            far = SQL(f"{value} {op[0]} {MARK}", (high if op[0] == ">" else low,))
            sure.append(all_of(far, numeric))
        return Pushed(any_of(*sure), loose)

    def _big_number(self, op: str, wanted: float | Decimal) -> Pushed:
        # CASE, because AND may be evaluated in any order and the cast of another type is an error
        number = f"(CASE {self._kind} WHEN 'number' THEN CAST({self._value} AS numeric) END)"
        exact = Decimal(wanted)
        slack = abs(exact) * Decimal(2) ** -48 + Decimal(10) ** -320
        low, high = exact - slack, exact + slack
        loose = SQL(_near(number, op, "numeric"), _near_values(op, low, high))
        mark = f"CAST({MARK} AS numeric)"
        sure = [FALSE]
        if isinstance(wanted, int):
            sure.append(SQL(f"(scale({number}) = 0 AND {number} {op} {mark})", (exact,)))
        if op != "=":
            sure.append(SQL(f"{number} {op[0]} {mark}", (high if op[0] == ">" else low,)))
        return Pushed(any_of(*sure), loose)


def like(text: str, pattern: str, *, lite: bool) -> Pushed:
    """Return the test of plain text for a pattern; SQL folds the case of ASCII alone, so that other text is left to the matcher.

    Args:
        text: Its SQL, whose collation is by code point.
        pattern: With ``%`` and ``_``.
        lite: For SQLite.
    """
    if not pattern.isascii() or "\0" in pattern or "\\" in pattern or len(pattern) > _LONGEST_PATTERN:
        return maybe(TRUE)
    found = SQL(f"{text} LIKE {MARK}" if lite else f"lower({text}) LIKE {MARK}", (pattern.lower(),))
    odd = SQL(f"{text} GLOB '*[^ -~]*'" if lite else f"{text} ~ '[^ -~]'")
    return Pushed(found, any_of(found, odd))


def _near(value: str, op: str, cast: str | None = None) -> str:
    mark = f"CAST({MARK} AS {cast})" if cast else MARK
    tests = {"=": f"{value} BETWEEN {mark} AND {mark}", ">": f"{value} >= {mark}", "<": f"{value} <= {mark}"}
    return tests[op[0]]


def _near_values(op: str, low: Any, high: Any) -> tuple[Any, ...]:
    return (low, high) if op == "=" else (low,) if op[0] == ">" else (high,)


def _margin(wanted: float | Decimal) -> tuple[float, float] | None:
    """Return floats safely around a number, or ``None`` where there are none: SQL's own reading of JSON numbers may be a bit off."""
    try:
        centre = float(wanted)
    except OverflowError:
        return None
    if not math.isfinite(centre) or (centre and not 1e-290 < abs(centre) < 1e290) or (not centre and wanted):
        return None
    slack = abs(centre) * 2.0**-48 + 1e-300
    return centre - slack, centre + slack


def moment_of(text: str) -> datetime | None:
    """Return the moment that text stands for, if it does."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
