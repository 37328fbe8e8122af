"""Which type a column needs where the field has no values: PostgreSQL asks for one, SQLite does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdall.records.sql_outline import Token

__all__ = ["needs"]

_NUMERIC = frozenset({"sum", "avg", "abs", "round", "ceil", "ceiling", "floor", "power", "sqrt", "sign", "mod"})
"""Functions of numbers."""
_THROUGH = {"coalesce": ",", "nullif": ",", "min": ")", "max": ")"}
"""Functions of any type, and the sign behind which there is something of the same type."""
_LOGIC = frozenset({"where", "and", "or", "not", "when", "on", "having"})
_CLAUSES = frozenset({"select", "from", "group", "order", "by", "limit", "offset", "union", "except", "intersect"})
_ENDS = _CLAUSES | _LOGIC - {"not"} | {"then"}
"""Words that end a comparison."""
_ROUNDS = 3
"""What stands beside a name that has a type has that type too, and so has what stands beside this; no further."""


def needs(
    tokens: Sequence[Token], params: Sequence[Any], known: Mapping[str, str], reserved: frozenset[str]
) -> dict[str, str]:
    """Return ``numeric``, ``boolean`` or ``""`` for names in lower case, by the values and functions that they stand beside.

    Args:
        tokens: Of a statement, without spaces.
        params: Its values.
        known: Types of fields that have values.
        reserved: Words that are no names.
    """
    fields = [
        token.kind == "name" or (token.kind == "word" and token.word not in reserved and after.text != "(")
        for token, after in zip(tokens, [*tokens[1:], Token("sign", "")], strict=True)
    ]
    found: dict[str, str] = {}
    for _ in range(_ROUNDS):
        found = _found(tokens, fields, list(_types(tokens, fields, iter(params), {**found, **known})))
    return found


def _found(tokens: Sequence[Token], fields: Sequence[bool], types: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, token in enumerate(tokens):
        if at and fields[at]:
            name = token.name.lower()
            beside = {types[other] for other in _beside(tokens, at)} | {"boolean" if _alone(tokens, at) else ""}
            found[name] = max(found.get(name, ""), *beside)  # as it happens, "numeric" > "boolean" > ""
    return found


def _types(
    tokens: Sequence[Token], fields: Sequence[bool], values: Iterator[Any], known: Mapping[str, str]
) -> Iterator[str]:
    for token, field, after in zip(tokens, fields, [*tokens[1:], Token("sign", "")], strict=True):
        value = next(values) if token.kind == "mark" else None
        if isinstance(value, bool) or token.word in {"true", "false"}:
            yield "boolean"
        elif (
            isinstance(value, (int, float, Decimal))
            or token.kind == "number"
            or (token.kind == "sign" and token.text in "+-*/%")
            or (token.word in _NUMERIC and after.text == "(")
        ):
            yield "numeric"
        else:
            yield known.get(token.name.lower(), "") if field and after.text != "." else ""


def _beside(tokens: Sequence[Token], at: int) -> Iterator[int]:
    """Yield the places of a few words on both sides of a name, up to the ends of its comparison, or to the function around it."""
    first = _first(tokens, at)
    through = _THROUGH.get(tokens[first - 2].word, "") if tokens[first - 1].text == "(" else ""
    for places in (range(first - 1, max(first - 5, -1), -1), range(at + 1, min(at + 5, len(tokens)))):
        for other in places:
            token = tokens[other]
            if token.word in _ENDS or token.text in "|:" or (token.text in {",", ")"} and token.text != through):
                break
            if token.text == "(" and other < at:
                yield other - 1
                break
            yield other


def _alone(tokens: Sequence[Token], at: int) -> bool:
    """Tell whether a name is a condition by itself."""
    first = _first(tokens, at)
    opened = tokens[first - 1].text == "("
    behind = tokens[at + 1] if at + 1 < len(tokens) else Token("word", "limit")
    return (
        tokens[first - 1 - opened].word in _LOGIC
        and tokens[first - 3].word != "between"
        and (behind.word in _ENDS or (behind.text == ")" and not opened))
    )


def _first(tokens: Sequence[Token], at: int) -> int:
    """Return where a name begins that may have another one and a dot in front."""
    return at - 2 if tokens[at - 1].text == "." else at
