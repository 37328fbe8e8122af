"""What makes PostgreSQL answer as SQLite does, so that a statement has the same rows everywhere. Pure.

Nulls come first in ascending order; ``LIKE`` takes small and capital letters of ASCII for equal (columns of text have the collation "C") and
knows no escape that was not named; a column without a label is called as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdall.records.sql_outline import Token, outer_tokens, select_items

__all__ = ["spelling", "titles"]

_ENDS = frozenset({"limit", "offset", "fetch", "for", "rows", "range", "groups"})
"""Words that end an ``ORDER BY``, beside its parenthesis."""


@dataclass(slots=True)
class _Order:
    """One item of an ``ORDER BY``."""

    last: int = -1
    down: bool = False
    told: bool = False
    """It says itself where nulls go."""


def spelling(tokens: Sequence[Token]) -> dict[int, tuple[str, str]]:
    """Return what PostgreSQL needs before and behind tokens, by their place.

    Args:
        tokens: Of a statement, spaces included.
    """
    found: dict[int, tuple[str, str]] = {}
    orders: dict[int, _Order] = {}
    depth = 0
    solid = [(at, token) for at, token in enumerate(tokens) if token.kind != "space"]

    def end(order: _Order | None) -> None:
        if order is not None and order.last >= 0 and not order.told:
            before, behind = found.get(order.last, ("", ""))
            found[order.last] = before, f"{behind} NULLS {'LAST' if order.down else 'FIRST'}"

    for place, (at, token) in enumerate(solid):
        if token.text == ")":
            end(orders.pop(depth, None))
            depth -= 1
        order = orders.get(depth)
        if token.text == "(":
            depth += 1
        if token.word == "like":
            found[at] = "I", ""
            _no_escape(solid[place + 1 : place + 3], found)
        if token.word == "by" and place and solid[place - 1][1].word == "order":
            orders[depth] = _Order()
        elif order is None:
            continue
        elif token.word in _ENDS:
            end(orders.pop(depth))
        elif token.text == "," and token.kind == "sign":
            end(order)
            orders[depth] = _Order()
        else:
            order.last = at
            order.down = order.down or token.word == "desc"
            order.told = order.told or token.word == "nulls"
    for order in orders.values():
        end(order)
    return found


def _no_escape(after: Sequence[tuple[int, Token]], found: dict[int, tuple[str, str]]) -> None:
    """Say that a pattern, if it is one text or value, has no escape, unless it names one."""
    if not after or after[0][1].kind not in {"text", "mark"}:
        return
    then = after[1][1] if len(after) > 1 else None
    if then is None or (then.word != "escape" and then.text not in {"|", ":"}):
        found[after[0][0]] = "", " ESCAPE ''"


def titles(tokens: Sequence[Token]) -> list[str | None]:
    """Return what the columns of a statement are called that have an ``AS``, or no label and are no names; ``None`` for others.

    Args:
        tokens: Of the statement, spaces included.

    Returns:
        One for each column; none if there is a ``*``, or no ``FROM``.
    """
    items = select_items(outer_tokens(tokens)) or []
    if any(item and item[-1][1].text == "*" and len(item) in {1, 3} for item in items):
        return []
    return [_title(tokens, item) for item in items]


def _title(tokens: Sequence[Token], item: Sequence[tuple[int, Token]]) -> str | None:
    kinds = [token.kind for _, token in item]
    if len(item) > 1 and item[-2][1].word == "as":
        return item[-1][1].name
    if not item or (kinds[-1] in {"word", "name"} and item[-1][1].word != "end"):
        return None  # a label, or a name
    return "".join(token.text for token in tokens[item[0][0] : item[-1][0] + 1])
