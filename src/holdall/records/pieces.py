"""Pieces of SQL with their values, and tests that are written twice: for rows that surely match, and for all that may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "FALSE",
    "MARK",
    "SQL",
    "TRUE",
    "Dialect",
    "Pushed",
    "all_of",
    "any_of",
    "both",
    "either",
    "exact",
    "maybe",
    "negation",
    "quote",
    "render",
    "starts",
]

Dialect = Literal["sqlite", "postgresql"]
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
        return Pushed(negation(self.loose), negation(self.sure))


TRUE, FALSE = SQL("TRUE"), SQL("FALSE")
_CHAIN = 10


def negation(sql: SQL) -> SQL:
    """Return SQL that is true wherever this is not true."""
    if sql in {TRUE, FALSE}:
        return FALSE if sql == TRUE else TRUE
    return SQL(f"({sql.text}) IS NOT TRUE", sql.values)


def _join(word: str, parts: Sequence[SQL]) -> SQL:
    neutral, absorbing = (TRUE, FALSE) if word == "AND" else (FALSE, TRUE)
    if absorbing in parts:
        return absorbing
    chosen = list(dict.fromkeys(part for part in parts if part != neutral))
    if len(chosen) <= 1:
        return chosen[0] if chosen else neutral
    return SQL(_chain(word, [part.text for part in chosen]), tuple(v for part in chosen for v in part.values))


def _chain(word: str, texts: list[str]) -> str:
    """Join texts; a long chain by halves, since SQLite counts each link as a level, of which it allows 1,000."""
    if len(texts) > _CHAIN:
        half = len(texts) // 2
        texts = [_chain(word, texts[:half]), _chain(word, texts[half:])]
    return f"({f' {word} '.join(texts)})"


def all_of(*parts: SQL) -> SQL:
    """Join by AND."""
    return _join("AND", parts)


def any_of(*parts: SQL) -> SQL:
    """Join by OR."""
    return _join("OR", parts)


def exact(sql: SQL) -> Pushed:
    """Return a test that SQL decides alone."""
    return Pushed(sql, sql)


def maybe(sql: SQL) -> Pushed:
    """Return a test of which no row is sure."""
    return Pushed(FALSE, sql)


def either(*parts: Pushed) -> Pushed:
    """Join tests by OR."""
    return Pushed(any_of(*(p.sure for p in parts)), any_of(*(p.loose for p in parts)))


def both(*parts: Pushed) -> Pushed:
    """Join tests by AND."""
    return Pushed(all_of(*(p.sure for p in parts)), all_of(*(p.loose for p in parts)))


def render(sql: SQL, dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the text that a driver takes, and its parameters."""
    if dialect == "sqlite":
        return sql.text.replace(MARK, "?"), list(sql.values)
    return sql.text.replace("%", "%%").replace(MARK, "%s"), list(sql.values)


def quote(text: str) -> str:
    """Return a SQL literal; there is no NUL in what it is given.

    Example:
        >>> quote("it's")
        "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def starts(text: str, wanted: str, *, lite: bool) -> SQL:
    """Return the test whether text begins so."""
    if lite:
        return SQL(f"substr({text}, 1, {len(wanted)}) = {MARK}", (wanted,))
    return SQL(f"starts_with({text}, {MARK})", (wanted,))
