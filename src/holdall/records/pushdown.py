"""Conditions as SQL: text that selects every record for which a condition holds, and perhaps a few more.

Documents are JSON as `holdall.records.documents` writes it. Each test of a field becomes two texts, one *sure* (only matching
rows) and one *loose* (all matching rows). Where they agree the SQL is exact; elsewhere the matcher decides on what SQL left.
Negation goes down to the tests, so that a loose text is never turned around.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import product
from typing import Any
from uuid import UUID

from holdall.records.documents import is_plain, key_text
from holdall.records.encoding import iso
from holdall.records.pieces import (
    FALSE,
    MARK,
    SQL,
    TRUE,
    Dialect,
    Pushed,
    all_of,
    any_of,
    both,
    either,
    exact,
    maybe,
    negation,
    quote,
    render,
    starts,
)
from holdall.records.pushdown_values import UUID_TEXT, Place, PlaceTests, like, moment_of
from holdall.records.query import And, Condition, Filter, Not, Or

__all__ = ["certain", "expression", "pushdown", "pushed"]

Column = Callable[[str], str]
_MOST_PARAMETERS = 5_000
_ROOTS = {"metadata", "fields"}
_TIMES = {"created_at", "updated_at"}


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
        return Pushed(TRUE, TRUE)
    if _tests(condition) > _MOST_PARAMETERS:
        return Pushed(FALSE, TRUE)
    part = _Writer(dialect, column).condition(condition, positive=True)
    values = len(part.loose.values) + (0 if part.exact else len(part.sure.values))
    return part if values <= _MOST_PARAMETERS else Pushed(FALSE, TRUE)


def _tests(condition: Condition) -> int:
    """Return how many tests of a field a condition is made of."""
    if isinstance(condition, Filter):
        return 1
    return _tests(condition.condition) if isinstance(condition, Not) else sum(map(_tests, condition.conditions))


def expression(path: str, dialect: Dialect, column: Column) -> str | None:
    """Return the SQL of the value at a path, as conditions use it, for an index; ``None`` if SQL cannot reach it."""
    field = _Writer(dialect, column).field(path)
    return None if field is None else field.value


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
            return both(*parts) if isinstance(condition, And) is positive else either(*parts)
        simple = _simplified(condition)
        if simple is not condition:
            return self.condition(simple, positive=positive)
        part = self._test(condition)
        return part if positive else part.negated()

    def field(self, path: str) -> Place | None:
        """Return where the value at a path is; an exact name wins over a walk."""
        root, _, rest = path.partition(".")
        places = [("fields", [path])]
        if rest and root in _ROOTS:
            places += [(root, [rest])]
            if "." in rest:
                places += [(root, rest.split("."))]
        elif "." in path:
            places += [("fields", path.split("."))]
        found: list[str] = []
        for document, segments in places:
            reached = self._reach(self._column(document), segments)
            if reached is None:
                return None
            found += reached
        if not self._lite:
            value = found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"
            return Place(value, f"jsonb_typeof({value})")
        kinds, values = [f"json_type({one})" for one in found], [f"json_extract({one})" for one in found]
        if len(found) == 1:
            return Place(values[0], kinds[0])
        cases = " ".join(f"WHEN {kind} IS NOT NULL THEN {value}" for kind, value in zip(kinds, values, strict=True))
        return Place(f"(CASE {cases} END)", f"COALESCE({', '.join(kinds)})")

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
            return Pushed(all_of(negation(shadowed), plain.sure), any_of(shadowed, plain.loose))
        field = self.field(test.field)
        if field is None:
            return maybe(TRUE)
        here = PlaceTests(field, lite=self._lite)
        if test.op == "exists":
            return exact(SQL(f"{field.kind} <> 'null'"))
        if test.op == "=":
            return here.equal(test.value)
        if test.op == "in":
            return here.one_of(test.value)
        if test.op == "like":
            return here.like(test.value)
        if test.op == "regex":
            return either(maybe(here.kind("text")), here.hidden_text())
        if test.op == "startswith":
            return here.startswith(test.value)
        if test.op == "contains":
            return here.contains(test.value)
        return here.ordered(test.op, test.value)

    def _of_text(self, column: str, test: Filter, *, moment: bool = False) -> Pushed:
        """Test a column that always holds plain text: the id, or a moment as `iso` writes it."""
        op, wanted = test.op, test.value
        if op == "exists":
            return exact(TRUE)
        if op == "like":
            part = like(column if self._lite else f'{column} COLLATE "C"', wanted, lite=self._lite)
            if not self._lite:
                return part
            cut = SQL(f"instr({column}, char(0)) > 0")  # of such an id SQLite's functions of text see the beginning alone
            return Pushed(all_of(part.sure, negation(cut)), any_of(part.loose, cut))
        if op == "regex":
            return maybe(TRUE)
        if op == "contains":
            return exact(FALSE)
        if op == "in":
            return exact(SQL(f"{column} IN ({', '.join(MARK for _ in wanted)})", tuple(wanted)))
        if isinstance(wanted, date):  # a datetime too
            if not moment:
                return maybe(TRUE)
            instant = wanted if isinstance(wanted, datetime) else datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC)
            try:
                wanted = iso(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
            except OverflowError:
                return maybe(TRUE)
        elif isinstance(wanted, UUID):
            if op != "=":
                return exact(FALSE)
            wanted = str(wanted)
        elif not isinstance(wanted, str):
            return exact(FALSE)
        elif type(wanted) is not str:
            return maybe(TRUE)
        if "\0" in wanted and (op == "startswith" or not self._lite):
            return maybe(TRUE)
        if op == "startswith":
            return exact(starts(column, wanted, lite=self._lite))
        collated = column if self._lite or op == "=" else f'{column} COLLATE "C"'
        return exact(SQL(f"{collated} {op} {MARK}", (wanted,)))


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
        texts = all(type(v) is str and is_plain(v) and not UUID_TEXT.fullmatch(v) and moment_of(v) is None for v in value)
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
