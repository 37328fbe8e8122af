"""What to ask: conditions and the immutable `Query`. Everything wrong with them is said where they are written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, cast

from holdall.records.encoding import decode_value, encodable, encode_value
from holdall.records.errors import QueryError, SerializationError
from holdall.records.lengthy import compact
from holdall.records.record import Field

__all__ = ["OPERATORS", "And", "Condition", "Filter", "Not", "Operator", "Or", "Order", "Query", "Sort"]

Operator = Literal[
    "=", "!=", ">", ">=", "<", "<=", "in", "not in", "like", "not like", "regex", "startswith", "contains",
    "between", "not between", "exists", "not exists",
]  # fmt: skip
Order = Literal["ASC", "DESC"]
OPERATORS: tuple[Operator, ...] = Operator.__args__  # type: ignore[attr-defined]
_ALIASES: dict[str, Operator] = {"==": "=", "<>": "!=", "starts with": "startswith"}


_MAX_DEPTH = 50
"""How deep conditions nest: as deep as every engine can follow."""


class _Combinable:
    __slots__ = ()

    def __and__(self, other: Condition) -> And:
        return self._with(other) if isinstance(self, And) else And(cast("Condition", self), other)

    def __or__(self, other: Condition) -> Or:
        return self._with(other) if isinstance(self, Or) else Or(cast("Condition", self), other)

    def __invert__(self) -> Not:
        return Not(cast("Condition", self))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Filter(_Combinable):
    """One test of one field.

    Example:
        >>> Filter("age", ">=", 18) & ~Filter("city", "=", "Ghent")
        And(Filter('age', '>=', 18), Not(Filter('city', '=', 'Ghent')))
    """

    field: str
    op: Operator
    value: Any

    def __init__(self, field: str, op: str = "=", value: Any = None) -> None:
        operator = _operator(op)
        object.__setattr__(self, "field", _named(field, "a filter"))
        object.__setattr__(self, "op", operator)
        object.__setattr__(self, "value", _holdable(_operand(operator, _seen(value)), field))

    def __repr__(self) -> str:
        return f"Filter({self.field!r}, {self.op!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and _text(other) == _text(self)

    def __hash__(self) -> int:
        return hash(_text(self))


class _Group(_Combinable):
    __slots__ = ("_depth", "conditions")
    conditions: tuple[Condition, ...]
    _depth: int

    def __init__(self, *conditions: Condition) -> None:
        self._hold(conditions, 1 + max(map(_depth, conditions), default=0))

    def _with(self, other: Condition) -> Self:
        """Put one more beside: a long chain of ``|`` is one `Or`, not one within the other."""
        group = self.__new__(type(self))
        group._hold((*self.conditions, other), max(self._depth, 1 + _depth(other)))
        return group

    def _hold(self, conditions: tuple[Condition, ...], depth: int) -> None:
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "_depth", _checked_depth(depth))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("conditions are immutable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Group) and other.conditions == self.conditions

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.conditions))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.conditions))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.conditions


class And(_Group):
    """True where all are; an empty one is true."""

    __slots__ = ()


class Or(_Group):
    """True where any is; an empty one is false."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Not(_Combinable):
    """Plain boolean negation: true on a missing field where its condition is false there."""

    condition: Condition

    def __post_init__(self) -> None:
        _checked_depth(1 + _depth(self.condition))

    def __repr__(self) -> str:
        return f"Not({self.condition!r})"


Condition: TypeAlias = Filter | And | Or | Not


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort key."""

    field: str
    order: Order = "ASC"


@dataclass(frozen=True, slots=True)
class Query:
    """Which records, in which order, which part of them. Immutable: each method returns a new query.

    Example:
        >>> query = Query().filter("department", "=", "Engineering").sort("created_at", "desc").limit(10)
        >>> query.sorting, query.count
        ((Sort(field='created_at', order='DESC'),), 10)
    """

    conditions: tuple[Condition, ...] = ()
    sorting: tuple[Sort, ...] = ()
    count: int | None = None
    skip: int = 0
    paths: tuple[str, ...] = ()
    cursor: str | None = None
    _extra: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    def filter(self, field: str | Condition, op: str = "=", value: Any = None) -> Query:
        """Add a condition; repeated ones are ANDed."""
        if isinstance(field, str):
            condition: Condition = Filter(field, op, value)
        else:
            condition = field
            _check_condition(condition)
            if op != "=" or value is not None:
                raise QueryError("a condition says it all: no operator, no value beside it")
        return replace(self, conditions=(*self.conditions, condition))

    def sort(self, field: str, order: str = "ASC") -> Query:
        """Add a sort key; the first one added is the primary."""
        direction = str(order).upper()
        if direction not in {"ASC", "DESC"}:
            raise QueryError(f"an order is 'ASC' or 'DESC', not {order!r}")
        return replace(self, sorting=(*self.sorting, Sort(_named(field, "a sort"), cast("Order", direction))))

    def limit(self, n: int) -> Query:
        """Return at most n records; 0 is an empty result."""
        return replace(self, count=_natural("limit", n))

    def offset(self, n: int) -> Query:
        """Leave out the first n records."""
        return replace(self, skip=_natural("offset", n))

    def select(self, *paths: str) -> Query:
        """Return these paths only; id, metadata and nesting are kept."""
        return replace(self, paths=(*self.paths, *(_named(path, "a selection") for path in paths)))

    def after(self, cursor: str | None) -> Query:
        """Go on behind the last record of a page; ``None`` starts at the first."""
        if cursor is not None and not isinstance(cursor, str):
            raise QueryError("a cursor is the text that a result gave")
        return replace(self, cursor=cursor)

    @property
    def condition(self) -> Condition:
        """All conditions as one."""
        return self.conditions[0] if len(self.conditions) == 1 else And(*self.conditions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold; `from_dict` reads it."""
        return {
            "conditions": [_dump(c) for c in self.conditions],
            "sort": [[s.field, s.order] for s in self.sorting],
            "limit": self.count,
            "offset": self.skip,
            "select": list(self.paths),
            "after": self.cursor,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Query:
        """Return a query from what `to_dict` gave.

        Raises:
            QueryError: Not such data.
        """
        if not isinstance(data, Mapping):
            raise QueryError(f"a query is a mapping, not {type(data).__name__}")
        _known(data, "conditions", "sort", "limit", "offset", "select", "after")
        query = cls()
        for condition in _listed(data, "conditions"):
            query = query.filter(_load(condition))
        for key in _listed(data, "sort"):
            if not isinstance(key, (list, tuple)) or len(key) != 2:
                raise QueryError(f"each sort is a field and an order, not {key!r}")
            query = query.sort(*key)
        if data.get("limit") is not None:
            query = query.limit(data["limit"])
        return query.offset(data.get("offset") or 0).select(*_listed(data, "select")).after(data.get("after"))


def _known(data: Mapping[str, Any], *names: str) -> None:
    unknown = {str(name) for name in data} - {*names}
    if unknown:
        raise QueryError(f"a {'query' if 'after' in names else 'condition'} has no {', '.join(sorted(unknown))}")


def _listed(data: Mapping[str, Any], name: str) -> list[Any]:
    found = data.get(name)
    if found is not None and not isinstance(found, (list, tuple)):
        raise QueryError(f"{name!r} is a list, not {type(found).__name__}")
    return list(found or ())


def _check_condition(condition: object) -> Condition:
    if not isinstance(condition, (Filter, And, Or, Not)):
        raise QueryError(f"a condition is a Filter, And, Or or Not, not {type(condition).__name__}")
    return condition


def _depth(condition: object) -> int:
    """Return how many conditions stand around the innermost one."""
    known = _check_condition(condition)
    if isinstance(known, Not):
        return 1 + _depth(known.condition)
    return 0 if isinstance(known, Filter) else known._depth


def _checked_depth(depth: int) -> int:
    if depth > _MAX_DEPTH:
        raise QueryError(f"conditions are nested deeper than {_MAX_DEPTH}")
    return depth


def _named(field: object, what: str) -> str:
    if not isinstance(field, str) or not field:
        raise QueryError(f"{what} needs the name of a field")
    if not encodable(field):
        raise QueryError(f"{what} needs the name of a field, which has no lone surrogate")
    return field


def _holdable(operand: Any, field: str) -> Any:
    """Return an operand with values as records hold them: what a view of a field, or a member of an enumeration, stands for."""
    try:
        if isinstance(operand, tuple):
            return tuple(_held(value, field) for value in operand)
        return _held(operand, field)
    except SerializationError as error:
        raise QueryError(f"a filter's value is one that a record can hold: {error.message}") from error


def _held(value: Any, field: str) -> Any:
    return decode_value(encode_value(_seen(value), field))


def _seen(value: Any) -> Any:
    return value.value if isinstance(value, Field) else value


def _natural(name: str, n: object) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise QueryError(f"{name} is a whole number of at least 0, not {n!r}")
    return n


def _operator(op: object) -> Operator:
    if not isinstance(op, str):
        raise QueryError(f"an operator is text, not {type(op).__name__}")
    word = " ".join(op.replace("_", " ").split()).lower()
    word = _ALIASES.get(word, word)
    if word not in OPERATORS:
        raise QueryError(f"unknown operator {op!r}: one of {', '.join(OPERATORS)}")
    return word


def _operand(op: Operator, value: Any) -> Any:
    if op in {"in", "not in"}:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
            raise QueryError(f"{op!r} takes a collection of values, not {type(value).__name__}")
        return tuple(sorted(value, key=repr) if isinstance(value, AbstractSet) else value)  # alike in each process
    if op in {"between", "not between"}:
        if isinstance(value, (str, bytes, Mapping, AbstractSet)) or not isinstance(value, Collection) or len(value) != 2:
            raise QueryError(f"{op!r} takes two bounds")
        return tuple(value)
    if op in {"exists", "not exists"} and value is not None:
        raise QueryError(f"{op!r} takes no value, not {value!r}: 'not exists' is the opposite of 'exists'")
    if op in {"like", "not like", "regex", "startswith"}:
        if not isinstance(value, str):
            raise QueryError(f"{op!r} takes text, not {type(value).__name__}")
        if op == "regex":
            try:
                re.compile(value)
            except re.error as error:
                raise QueryError(f"invalid regular expression {value!r}: {error}") from error
    return value


def _dump(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, Filter):
        value = list(condition.value) if isinstance(condition.value, tuple) else condition.value
        return {"field": condition.field, "op": condition.op, "value": encode_value(value, condition.field)}
    if isinstance(condition, Not):
        return {"not": _dump(condition.condition)}
    return {type(condition).__name__.lower(): [_dump(c) for c in condition.conditions]}


def _text(condition: Condition) -> str:
    """Return a condition as text that is equal for equal ones: ``1`` and ``True`` ask for different records."""
    return compact(_dump(condition), ordered=True)


def _load(data: Any, depth: int = 0) -> Condition:
    _checked_depth(depth)
    if isinstance(data, Mapping):
        if "field" in data:
            _known(data, "field", "op", "value")
            try:
                value = decode_value(deepcopy(data.get("value")))
            except RecursionError:
                raise QueryError(f"the value of {data['field']!r} is nested too deep") from None
            except ValueError as error:
                raise QueryError(f"the value of {data['field']!r}: {error}") from error
            return Filter(data["field"], data.get("op", "="), value)
        if "not" in data:
            _known(data, "not")
            return Not(_load(data["not"], depth + 1))
        for kind in (And, Or):
            if (name := kind.__name__.lower()) in data:
                _known(data, name)
                return kind(*(_load(one, depth + 1) for one in _listed(data, name)))
    raise QueryError(f"no condition: {data!r}")
