"""Conditions as SQL: text that selects every record for which a condition holds, and perhaps a few more.

Documents are JSON as `holdall.records.documents` writes it. Each test of a field becomes two texts, one *sure* (only matching
rows) and one *loose* (all matching rows). Where they agree the SQL is exact; elsewhere the matcher decides on what SQL left.
Negation goes down to the tests, so that a loose text is never turned around.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any, Literal
from uuid import UUID

from holdall.records.documents import is_plain, key_text
from holdall.records.encoding import iso
from holdall.records.query import And, Condition, Filter, Not, Or

__all__ = ["MARK", "SQL", "Dialect", "Pushed", "certain", "expression", "pushdown", "pushed", "quote", "render"]

Dialect = Literal["sqlite", "postgresql"]
Column = Callable[[str], str]
_MOST_PARAMETERS = 5_000
_ROOTS = {"metadata", "fields"}
_TIMES = {"created_at", "updated_at"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def pushdown(condition: Condition | None, dialect: Dialect, column: Column) -> tuple[str, list[Any], bool]:
    """Return a WHERE text that is true for at least all matching records, its parameters, and whether for no others.

    Args:
        condition: What to test; all records if ``None``.
        dialect: SQLite's text has ``?`` for a parameter, PostgreSQL's ``%s`` (and ``%%``), as their drivers want it.
        column: Gives the SQL of ``"id"``, ``"fields"`` and ``"metadata"`` (JSON text, or JSONB), ``"created_at"`` and
            ``"updated_at"`` (text as `holdall.records.encoding.iso` writes it).

    Example:
        >>> pushdown(Filter("id", ">", "a") & ~Filter("id", "=", "b"), "sqlite", lambda name: name)
        ('(id > ? AND (id = ?) IS NOT TRUE)', ['a', 'b'], True)
    """
    part = pushed(condition, dialect, column)
    return (*render(part.loose, dialect), part.exact)


def certain(condition: Condition | None, dialect: Dialect, column: Column) -> tuple[str, list[Any]]:
    """Return a WHERE text that is true for matching records only, perhaps not for all; a count reads the rows between the two."""
    return render(pushed(condition, dialect, column).sure, dialect)


def pushed(condition: Condition | None, dialect: Dialect, column: Column) -> Pushed:
    """Return both texts of a condition, unrendered. See `pushdown`."""
    if condition is None:
        return Pushed(_TRUE, _TRUE)
    part = _Writer(dialect, column).condition(condition, positive=True)
    return part if len(part.loose.values) + len(part.sure.values) <= _MOST_PARAMETERS else Pushed(_FALSE, _TRUE)


def expression(path: str, dialect: Dialect, column: Column) -> str | None:
    """Return the SQL of the value at a path, as conditions use it, for an index; ``None`` if SQL cannot reach it."""
    field = _Writer(dialect, column).field(path)
    return None if field is None else field.value


def quote(text: str) -> str:
    """Return a SQL literal; there is no NUL in what it is given.

    Example:
        >>> quote("it's")
        "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


# -- pieces of SQL -----------------------------------------------------------------------------------------------------

MARK = "\0"  # stands for a parameter until the text is rendered; neither literals nor our own SQL hold it


@dataclass(frozen=True, slots=True)
class SQL:
    """Text with a `MARK` for each parameter, and the parameters."""

    text: str
    values: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        assert self.text.count(MARK) == len(self.values)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A test twice: true only where the condition holds, and true wherever it holds."""

    sure: SQL
    loose: SQL

    @property
    def exact(self) -> bool:
        """Whether SQL alone decides."""
        return self.sure == self.loose

    def negated(self) -> Pushed:
        """The opposite: what was sure is excluded, what was possible is not sure."""
        return Pushed(_not(self.loose), _not(self.sure))


_TRUE, _FALSE = SQL("TRUE"), SQL("FALSE")


def _not(sql: SQL) -> SQL:
    if sql in {_TRUE, _FALSE}:
        return _FALSE if sql == _TRUE else _TRUE
    return SQL(f"({sql.text}) IS NOT TRUE", sql.values)


def _join(word: str, parts: Sequence[SQL]) -> SQL:
    neutral, absorbing = (_TRUE, _FALSE) if word == "AND" else (_FALSE, _TRUE)
    if absorbing in parts:
        return absorbing
    chosen = list(dict.fromkeys(part for part in parts if part != neutral))
    if len(chosen) <= 1:
        return chosen[0] if chosen else neutral
    return SQL("(" + f" {word} ".join(part.text for part in chosen) + ")", tuple(v for part in chosen for v in part.values))


def _all(*parts: SQL) -> SQL:
    return _join("AND", parts)


def _any(*parts: SQL) -> SQL:
    return _join("OR", parts)


def _exact(sql: SQL) -> Pushed:
    return Pushed(sql, sql)


def _maybe(sql: SQL) -> Pushed:
    return Pushed(_FALSE, sql)


def _either(*parts: Pushed) -> Pushed:
    return Pushed(_any(*(p.sure for p in parts)), _any(*(p.loose for p in parts)))


def _both(*parts: Pushed) -> Pushed:
    return Pushed(_all(*(p.sure for p in parts)), _all(*(p.loose for p in parts)))


def render(sql: SQL, dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the text that a driver takes, and its parameters."""
    if dialect == "sqlite":
        return sql.text.replace(MARK, "?"), list(sql.values)
    return sql.text.replace("%", "%%").replace(MARK, "%s"), list(sql.values)


# -- where a value is --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Field:
    """The SQL of a value in a document, and of its JSON type."""

    value: str
    kind: str


class _Writer:
    """Writes the SQL of one condition in one dialect."""

    def __init__(self, dialect: Dialect, column: Column) -> None:
        self._lite = dialect == "sqlite"
        self._column = column

    def condition(self, condition: Condition, *, positive: bool) -> Pushed:
        if isinstance(condition, Not):
            return self.condition(condition.condition, positive=not positive)
        if isinstance(condition, (And, Or)):
            parts = [self.condition(c, positive=positive) for c in condition.conditions]
            return _both(*parts) if isinstance(condition, And) is positive else _either(*parts)
        simple = _simplified(condition)
        if simple is not condition:
            return self.condition(simple, positive=positive)
        part = self._test(condition)
        return part if positive else part.negated()

    def field(self, path: str) -> _Field | None:
        """Return where the value at a path is; an exact name wins over a walk."""
        root, _, rest = path.partition(".")
        places = [("fields", [path])]
        if rest and root in _ROOTS:
            places += [(root, [rest])]
            if "." in rest:
                places += [(root, rest.split("."))]
        elif rest:
            places += [("fields", path.split("."))]
        found: list[str] = []
        for document, segments in places:
            reached = self._reach(self._column(document), segments)
            if reached is None:
                return None
            found += reached
        if not self._lite:
            value = found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"
            return _Field(value, f"jsonb_typeof({value})")
        kinds, values = [f"json_type({one})" for one in found], [f"json_extract({one})" for one in found]
        if len(found) == 1:
            return _Field(values[0], kinds[0])
        cases = " ".join(f"WHEN {kind} IS NOT NULL THEN {value}" for kind, value in zip(kinds, values, strict=True))
        return _Field(f"(CASE {cases} END)", f"COALESCE({', '.join(kinds)})")

    def _reach(self, document: str, segments: list[str]) -> list[str] | None:
        """Return the SQL that walks to a value: for SQLite the arguments of `json_extract`, several if a name may be a position."""
        if any(segment.startswith("$") for segment in segments[1:]):
            return None  # the tag of a value, or a name behind the tag ``$dict``
        names = [key_text(segment) for segment in segments]
        positions = [at > 0 and name.isascii() and name.isdigit() for at, name in enumerate(names)]
        if sum(positions) > 2 or any(p and len(name) > 9 for p, name in zip(positions, names, strict=True)):
            return None
        if self._lite:
            if any(character in '"\\' or character < " " for name in names for character in name):
                return None  # releases of SQLite differ about these
            steps = [
                [f'."{name}"', f"[{int(name)}]"] if position else [f'."{name}"']
                for name, position in zip(names, positions, strict=True)
            ]
            return [f"{document}, {quote('$' + ''.join(way))}" for way in product(*steps)]
        walked = document
        for name, position in zip(names, positions, strict=True):
            step = f"{walked} -> {quote(name)}"
            if position:
                step = f"CASE jsonb_typeof({walked}) WHEN 'array' THEN {walked} -> {int(name)} ELSE {step} END"
            walked = f"({step})"
        return [walked]

    # -- tests ---------------------------------------------------------------------------------------------------------

    def _test(self, test: Filter) -> Pushed:
        if test.field == "id":
            return self._of_text(self._column("id"), test)
        root, _, rest = test.field.partition(".")
        if root == "metadata" and (rest in _TIMES or rest == "id"):
            hidden = self._reach(self._column("fields"), [test.field])
            assert hidden is not None
            shadowed = SQL(f"json_type({hidden[0]}) IS NOT NULL" if self._lite else f"{hidden[0]} IS NOT NULL")
            plain = self._of_text(self._column(rest), test, moment=rest in _TIMES)
            return Pushed(_all(_not(shadowed), plain.sure), _any(shadowed, plain.loose))
        field = self.field(test.field)
        if field is None:
            return _maybe(_TRUE)
        here = _OfField(field, lite=self._lite)
        if test.op == "exists":
            return _exact(SQL(f"{field.kind} <> 'null'"))
        if test.op == "=":
            return here.equal(test.value)
        if test.op == "in":
            return here.one_of(test.value)
        if test.op in {"like", "regex"}:
            return _either(_maybe(here.kind("text")), here.hidden_text())
        if test.op == "startswith":
            return here.startswith(test.value)
        if test.op == "contains":
            return here.contains(test.value)
        return here.ordered(test.op, test.value)

    def _of_text(self, column: str, test: Filter, *, moment: bool = False) -> Pushed:
        """Test a column that always holds plain text: the id, or a moment as `iso` writes it."""
        op, wanted = test.op, test.value
        if op == "exists":
            return _exact(_TRUE)
        if op in {"like", "regex"}:
            return _maybe(_TRUE)
        if op == "contains":
            return _exact(_FALSE)
        if op == "in":
            return _exact(SQL(f"{column} IN ({', '.join(MARK for _ in wanted)})", tuple(wanted)))
        if isinstance(wanted, date):  # a datetime too
            if not moment:
                return _maybe(_TRUE)
            instant = wanted if isinstance(wanted, datetime) else datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC)
            try:
                wanted = iso(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
            except OverflowError:
                return _maybe(_TRUE)
        elif isinstance(wanted, UUID):
            if op != "=":
                return _exact(_FALSE)
            wanted = str(wanted)
        elif not isinstance(wanted, str):
            return _exact(_FALSE)
        elif type(wanted) is not str:
            return _maybe(_TRUE)
        if "\0" in wanted and not self._lite:
            return _maybe(_TRUE)
        if op == "startswith":
            return _exact(_starts(column, wanted, lite=self._lite))
        collated = column if self._lite or op == "=" else f'{column} COLLATE "C"'
        return _exact(SQL(f"{collated} {op} {MARK}", (wanted,)))


class _OfField:
    """Tests of one value in a document."""

    def __init__(self, field: _Field, *, lite: bool) -> None:
        self._value, self._kind, self._lite = field.value, field.kind, lite
        self._text = field.value if lite else f"""({field.value} #>> '{{}}') COLLATE "C\""""

    def kind(self, name: str) -> SQL:
        word = name if self._lite else {"text": "string"}.get(name, name)
        return SQL(f"{self._kind} = '{word}'")

    def tagged(self, tag: str, text: str) -> SQL:
        """A value of a type that JSON lacks, with exactly this text."""
        if self._lite:
            return _all(SQL(f"{self._value} = {MARK}", (f'{{"{tag}":"{text}"}}',)), self.kind("object"))
        return SQL(f"{self._value} = jsonb_build_object('{tag}', CAST({MARK} AS text))", (text,))

    def between(self, tag: str, low: str = "", high: str = "~") -> SQL:
        """A value of a type that JSON lacks whose text is from ``low`` to below ``high``."""
        if self._lite:
            head = f'{{"{tag}":"'
            inside = SQL(f"{self._value} >= {MARK} AND {self._value} < {MARK}", (head + low, head + high))
            return _all(inside, self.kind("object"))
        inner = f"""({self._value} ->> '{tag}') COLLATE "C\""""
        return SQL(f"{inner} >= {MARK} AND {inner} < {MARK}", (low, high))

    def any_object(self) -> Pushed:
        """A value of some type that JSON lacks, or a mapping."""
        if self._lite:
            return _maybe(_all(SQL(f"{self._value} >= '{{' AND {self._value} < '|'"), self.kind("object")))
        return _maybe(self.kind("object"))

    def hidden_text(self) -> Pushed:
        """Text that a JSON string cannot hold everywhere, kept as another value."""
        return _maybe(self.between("$text"))

    def equal(self, wanted: Any) -> Pushed:
        if isinstance(wanted, bool):
            true = "true" if wanted else "false"
            return _exact(self.kind(true) if self._lite else SQL(f"{self._value} = '{true}'"))
        if isinstance(wanted, (int, float, Decimal)):
            return self.number("=", wanted)
        if isinstance(wanted, UUID):
            return _exact(_any(self._same(str(wanted)), self.tagged("$uuid", str(wanted))))
        if type(wanted) is str:
            if not is_plain(wanted):
                return self.hidden_text()
            parts = [_exact(self._same(wanted))]
            if _UUID.fullmatch(wanted):
                parts.append(_exact(self.tagged("$uuid", wanted)))
            return _either(*parts, self._window("=", _moment(wanted)))
        if isinstance(wanted, date):
            return _either(_maybe(self.kind("text")), self._window("=", wanted))
        if type(wanted) is bytes:
            return _exact(self.tagged("$bytes", b64encode(wanted).decode()))
        if isinstance(wanted, (list, tuple)):
            return _maybe(self.kind("array"))
        return _either(_maybe(self.kind("text")), self.any_object())

    def _same(self, text: str) -> SQL:
        if self._lite:
            return _all(SQL(f"{self._value} = {MARK}", (text,)), self.kind("text"))
        return SQL(f"{self._value} = to_jsonb(CAST({MARK} AS text))", (text,))

    def one_of(self, texts: Sequence[str]) -> Pushed:
        """Equal to one of plain texts."""
        if self._lite:
            marks = ", ".join(MARK for _ in texts)
            return _exact(_all(SQL(f"{self._value} IN ({marks})", tuple(texts)), self.kind("text")))
        marks = ", ".join(f"to_jsonb(CAST({MARK} AS text))" for _ in texts)
        return _exact(SQL(f"{self._value} IN ({marks})", tuple(texts)))

    def startswith(self, wanted: str) -> Pushed:
        if not is_plain(wanted):
            return self.hidden_text()
        return _either(_exact(_all(self.kind("text"), _starts(self._text, wanted, lite=self._lite))), self.hidden_text())

    def contains(self, wanted: Any) -> Pushed:
        if (
            not self._lite
            and type(wanted) is str
            and is_plain(wanted)
            and not _UUID.fullmatch(wanted)
            and not _moment(wanted)
        ):
            return _exact(_all(self.kind("array"), SQL(f"{self._value} @> to_jsonb(CAST({MARK} AS text))", (wanted,))))
        return _maybe(self.kind("array"))

    def ordered(self, op: str, wanted: Any) -> Pushed:
        if isinstance(wanted, (int, float, Decimal)) and not isinstance(wanted, bool):
            return self.number(op, wanted)
        if isinstance(wanted, str):
            moments = self._window(op, _moment(wanted))
            if "\0" in wanted:
                return _either(_maybe(self.kind("text")), self.hidden_text(), moments)
            text = _all(self.kind("text"), SQL(f"{self._text} {op} {MARK}", (str(wanted),)))
            return _either(_exact(text), self.hidden_text(), moments)
        if isinstance(wanted, date):
            return _either(_maybe(self.kind("text")), self.hidden_text(), self._window(op, wanted))
        if isinstance(wanted, (bool, UUID, list, tuple, dict)) or wanted is None:
            return _exact(_FALSE)
        return self.any_object()

    def _window(self, op: str, wanted: date | None) -> Pushed:
        """Dates and datetimes that may be in this relation to a moment: an offset is less than a day, so two days are enough."""
        if wanted is None:
            return _exact(_FALSE)
        day = date(wanted.year, wanted.month, wanted.day)
        low, high = "", "~"
        try:
            low = (day - timedelta(days=2)).isoformat() if op in {"=", ">", ">="} else ""
            high = (day + timedelta(days=3)).isoformat() if op in {"=", "<", "<="} else "~"
        except OverflowError:
            low, high = "", "~"
        return _maybe(_any(self.between("$datetime", low, high), self.between("$date", low, high)))

    # -- numbers -------------------------------------------------------------------------------------------------------

    def number(self, op: str, wanted: float | Decimal) -> Pushed:
        """Compare with a number: integers exactly, floats outside of a narrow margin, the margin and other types perhaps."""
        if wanted != wanted:  # NaN is in no relation to anything  # noqa: PLR0124
            return _exact(_FALSE)
        others = self.any_object()  # Decimal, infinities
        bounds = _margin(wanted)
        if bounds is None:
            both = [self.kind("integer"), self.kind("real")] if self._lite else [self.kind("number")]
            return _either(_maybe(_any(*both)), others)
        low, high = bounds
        return _either(self._lite_number(op, wanted, low, high) if self._lite else self._big_number(op, wanted), others)

    def _lite_number(self, op: str, wanted: float | Decimal, low: float, high: float) -> Pushed:
        value = self._value
        numeric = SQL(f"{self._kind} IN ('integer', 'real')")
        near = SQL(_near(value, op), _near_values(op, low, high))
        loose = _all(near, numeric)
        sure = [_FALSE]
        if isinstance(wanted, int) and -(2**63) <= wanted < 2**63:
            whole = f"typeof({value}) = 'integer' AND {self._kind} = 'integer'"
            sure.append(SQL(f"({whole} AND {value} {op} {MARK})", (int(wanted),)))
        if op != "=":
            far = SQL(f"{value} {op[0]} {MARK}", (high if op[0] == ">" else low,))
            sure.append(_all(far, numeric))
        return Pushed(_any(*sure), loose)

    def _big_number(self, op: str, wanted: float | Decimal) -> Pushed:
        # CASE, because AND may be evaluated in any order and the cast of another type is an error
        number = f"(CASE {self._kind} WHEN 'number' THEN CAST({self._value} AS numeric) END)"
        exact = Decimal(wanted)
        slack = abs(exact) * Decimal(2) ** -48 + Decimal(10) ** -320
        low, high = exact - slack, exact + slack
        loose = SQL(_near(number, op, "numeric"), _near_values(op, low, high))
        mark = f"CAST({MARK} AS numeric)"
        sure = [_FALSE]
        if isinstance(wanted, int):
            sure.append(SQL(f"(scale({number}) = 0 AND {number} {op} {mark})", (exact,)))
        if op != "=":
            sure.append(SQL(f"{number} {op[0]} {mark}", (high if op[0] == ">" else low,)))
        return Pushed(_any(*sure), loose)


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


# -- helpers without SQL -----------------------------------------------------------------------------------------------


def _starts(text: str, wanted: str, *, lite: bool) -> SQL:
    if lite:
        return SQL(f"substr({text}, 1, {len(wanted)}) = {MARK}", (wanted,))
    return SQL(f"starts_with({text}, {MARK})", (wanted,))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _simplified(test: Filter) -> Condition:
    """Return the same test in fewer operators: ``exists = < <= > >= like regex startswith contains``, ``in`` for plain texts only."""
    field, op, value = test.field, test.op, test.value
    exists = Filter(field, "exists")
    if op == "not exists":
        return Not(exists)
    if op == "=" and value is None:
        return Not(exists)
    if op == "!=":
        return exists if value is None else And(exists, Not(Filter(field, "=", value)))
    if op == "in":
        texts = all(type(v) is str and is_plain(v) and not _UUID.fullmatch(v) and _moment(v) is None for v in value)
        return test if value and texts else Or(*(Filter(field, "=", v) for v in value))
    if op == "not in":
        return And(exists, Not(Filter(field, "in", [v for v in value if v is not None])))
    if op == "not like":
        return And(exists, Not(Filter(field, "like", value)))
    if op in {"between", "not between"}:
        low, high = value
        inside = And(Filter(field, ">=", low), Filter(field, "<=", high))
        return inside if op == "between" else And(exists, Not(inside))
    return test
