"""What users write for `select_query`: one read-only ``SELECT``, taken apart into words. Pure, without a database."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdall.records.encoding import encodable, encode_value
from holdall.records.errors import QueryError, SerializationError
from holdall.records.pieces import MARK
from holdall.records.sql_alike import spelling, titles
from holdall.records.sql_needs import needs
from holdall.records.sql_outline import HIDDEN, SYSTEM_COLUMNS, VIEWS, Token, identifier, outline

__all__ = ["READY", "Statement", "lite_values"]

READY = "SELECT 1 FROM json_each('[]')"
"""Run before an authorizer watches: a connection of SQLite sets up ``json_each`` when it first needs it, which that would refuse."""

_VIEWS = {view.lower() for view in VIEWS}
_TOKEN = re.compile(
    r"""(?P<space>(?:\s|--[^\n]*|/\*.*?\*/)+)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")|(?P<number>\d[\w.]*)"""
    r"""|(?P<word>[^\W\d]\w*)|(?P<mark>\?)|(?P<sign>.)""",
    re.DOTALL,
)
_RESERVED = frozenset(
    [
        "select",
        "from",
        "where",
        "and",
        "or",
        "not",
        "in",
        "like",
        "between",
        "is",
        "null",
        "group",
        "by",
        "order",
        "limit",
        "offset",
        "having",
        "as",
        "distinct",
        "case",
        "when",
        "then",
        "else",
        "end",
        "join",
        "on",
        "left",
        "right",
        "full",
        "inner",
        "outer",
        "cross",
        "union",
        "all",
        "except",
        "intersect",
        "exists",
        "asc",
        "desc",
        "with",
        "recursive",
        "values",
        "cast",
        "collate",
        "using",
        "escape",
        "true",
        "false",
        "nulls",
        "first",
        "last",
        "filter",
        "over",
        "partition",
    ]
)
_FIXED = _RESERVED | _VIEWS | set(SYSTEM_COLUMNS)
"""What a word is, whatever else is called so."""


class Statement:
    """One ``SELECT`` of a user.

    Args:
        sql: Its text; a ``?`` for each value.
        params: The values, of any type that a field has except lists and mappings.

    Attributes:
        params: The values as SQL sees those of fields: times and UUIDs as text, bytes as base64.
        names: What may be fields in it, in order.
        labels: What may be names that it gives to columns and tables, in lower case.
        aliases: Those behind an ``AS``, as written.
        star: It selects ``*``, so all fields are wanted.
        outline: Which of its columns are fields by themselves.

    Raises:
        QueryError: Not one ``SELECT``, or a value of another type.

    Example:
        >>> Statement("SELECT name, count(*) AS n FROM records WHERE age > ? GROUP BY name;", [3]).names
        ('name', 'age')
    """

    def __init__(self, sql: str, params: Sequence[Any] = ()) -> None:
        if not isinstance(sql, str) or MARK in sql or not encodable(sql):
            raise QueryError("a statement is text without NUL and lone surrogates")
        self.params = tuple(map(_given, params))
        self._tokens = list(_tokens(sql))
        while self._tokens and (self._tokens[-1].kind == "space" or self._tokens[-1].text == ";"):
            self._tokens.pop()
        self._solid = [token for token in self._tokens if token.kind != "space"]
        self._check()
        self.labels, self.aliases = self._labels()
        self.names, self.star = self._fields()
        self.outline = outline(self._tokens, _RESERVED)

    def _check(self) -> None:
        if not self._solid or self._solid[0].text.lower() not in {"select", "with"}:
            raise QueryError("a statement is one SELECT")
        if any(token.text == ";" for token in self._solid):
            raise QueryError("a statement is one SELECT, not several statements")
        for token in self._solid:
            if token.kind == "name" and token.name == HIDDEN:
                raise QueryError("a statement has no names of private characters")
            if token.kind == "sign" and token.text in "'\"$\\`[":
                raise QueryError(f"a statement has no {token.text} outside of text and names")
        for first, second, third in zip(
            self._tokens, self._tokens[1:], [*self._tokens[2:], Token("space", " ")], strict=False
        ):
            if first.kind in {"word", "number"} and second.kind == "text":
                raise QueryError(f"text is written '…', without a prefix like {first.text}")
            if first.text[-1] in "uU" and second.text == "&" and third.kind in {"text", "name"}:
                raise QueryError("text and names are written without a prefix like U&")
        marks = sum(token.kind == "mark" for token in self._solid)
        if marks != len(self.params):
            raise QueryError(f"the statement has {marks} '?' and {len(self.params)} values were given")

    def _labels(self) -> tuple[frozenset[str], tuple[str, ...]]:
        labels: set[str] = set()
        aliases: dict[str, str] = {}
        calls: list[str] = []  # what stands before each open parenthesis
        for before, token in zip(self._solid, self._solid[1:], strict=False):
            if before.text == ")" and calls:
                calls.pop()
            if token.text == "(":
                calls.append(before.word)
            if token.kind not in {"word", "name"} or token.word in _RESERVED or (calls and calls[-1] == "cast"):
                continue
            if before.word == "as":
                aliases.setdefault(token.name.lower(), token.name)
            if (
                before.word in {"as", "end"}
                or (before.text == ")" or before.kind in {"name", "number", "text"})
                or (before.kind == "word" and before.word not in _RESERVED)
            ):
                labels.add(token.name.lower())
        return frozenset(labels), tuple(aliases.values())

    def _fields(self) -> tuple[tuple[str, ...], bool]:
        names: dict[str, str] = {}
        star = False
        solid = self._solid
        for at, token in enumerate(solid):
            before = solid[at - 1].text.lower() if at else ""
            after = solid[at + 1].text if at + 1 < len(solid) else ""
            if token.text == "*" and before in {"select", "distinct", "all", ",", "."}:
                star = True
            if token.kind not in {"word", "name"} or before == "as":
                continue
            plain = token.name
            if after == "." or (token.kind == "word" and (plain.lower() in _RESERVED or after == "(")):
                continue
            if plain.lower() not in {*SYSTEM_COLUMNS, *_VIEWS}:
                names.setdefault(plain.lower(), plain)
        return tuple(names.values()), star

    def columns(self, known: Iterable[str]) -> dict[str, str | None]:
        """Return the fields that the view needs, by the names that the statement has for them: as written, or in another case.

        Args:
            known: The fields that records have; for ``*`` all of them.
        """
        fields = list(known)
        exact, folded = set(fields), {field.lower(): field for field in reversed(fields)}
        found: dict[str, str | None] = {}
        for name in self.names:
            field = name if name in exact else folded.get(name.lower())
            if field is not None or name.lower() not in self.labels:  # a label hides nothing then
                found[name] = field
        if self.star:
            taken = {name.lower() for name in found} | {*SYSTEM_COLUMNS, HIDDEN}
            for field in fields:
                if field.lower() not in taken:
                    taken.add(field.lower())
                    found[field] = field
        return found

    def needs(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return which types names have that PostgreSQL knows nothing of. See `holdall.records.sql_needs.needs`."""
        return needs(self._solid, self.params, known, _RESERVED)

    def words(self, *, dotted: bool = False) -> list[str]:
        """Return all that may name something, as it is written and in the lower case of a word.

        Args:
            dotted: Only what stands before a dot: aliases, or schemas.
        """
        found = {
            name: None
            for token, after in zip(self._solid, [*self._solid[1:], Token("sign", "")], strict=True)
            if token.kind in {"word", "name"} and (after.text == "." or not dotted)
            for name in (token.name, token.word or token.name)
        }
        return list(found)

    def titles(self) -> list[str | None]:
        """Return how SQLite calls the columns, as far as PostgreSQL may do otherwise. See `holdall.records.sql_alike.titles`."""
        return titles(self._tokens)

    def text(self, *, more: str = "", quoted: Iterable[str] = (), big: bool = False) -> str:
        """Return the statement, a `MARK` for each value.

        Args:
            more: A column that is added to those of the `outline`.
            quoted: Names that words stand for, in whatever case, where they do not call a function.
            big: For PostgreSQL, so that it answers as SQLite does.
        """
        names = list(quoted)
        spelt = spelling(self._tokens) if big else {}
        parts: list[str] = []
        last = ""
        for at, token in enumerate(self._tokens):
            if more and self.outline is not None and at == self.outline.end:
                parts.append(f", {more} AS {identifier(HIDDEN)} ")
            before, behind = spelt.get(at, ("", ""))
            call = next((each.text for each in self._tokens[at + 1 : at + 3] if each.kind != "space"), "") == "("
            type_ = last == ":" or (last == "as" and token.name.lower() not in self.labels)
            text = token.text if token.kind != "word" or call or type_ else self.spelt(token.text, names)
            parts.append(f"{before}{MARK if token.kind == 'mark' else text}{behind}")
            last = last if token.kind == "space" else token.text.lower()
        return "".join(parts).strip()

    def spelt(self, word: str, quoted: Iterable[str]) -> str:
        """Return a word of the statement, or the quoted name that it stands for."""
        if word.lower() in _FIXED:
            return word
        return next((identifier(name) for name in quoted if name.lower() == word.lower()), word)

    def over(self, view: str, *, more: str = "", quoted: Iterable[str] = (), big: bool = False) -> str:
        """Return the statement with the view in front. See `text`.

        Args:
            view: A ``SELECT``, which is named as each of `VIEWS`.
            more: A column that is added.
            quoted: Names that words stand for.
            big: For PostgreSQL.
        """
        text = self.text(more=more, quoted=quoted, big=big)
        head = f"S3Object AS ({view}), records AS (SELECT * FROM S3Object)"
        found = re.match(r"with(\s+recursive)?\s", text, re.IGNORECASE)
        if found is None:
            return f"WITH {head} {text}"
        return f"WITH{found[1] or ''} {head}, {text[found.end() :]}"


def _given(value: Any) -> Any:
    """Return a value as SQL sees those of fields."""
    if isinstance(value, (int, str)):
        try:
            return encode_value(value)
        except SerializationError as error:
            raise QueryError(f"a value that no record can hold: {error.message}") from error
    if value is None or isinstance(value, (float, Decimal)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    if isinstance(value, (date, time)):  # a datetime too
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise QueryError(f"a value is one number, text, bytes, time, UUID or None, not {type(value).__name__}")


def lite_values(values: Iterable[Any]) -> list[Any]:
    """Return values of a statement as SQLite takes them.

    Raises:
        QueryError: A number that it does not take.
    """
    taken: list[Any] = []
    for value in values:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise QueryError("SQLite takes whole numbers of up to 64 bits as values of a statement")
        if isinstance(value, Decimal) and value.is_snan():
            raise QueryError("a signaling NaN is no value of a statement")
        taken.append(float(value) if isinstance(value, Decimal) else value)
    return taken


def _tokens(sql: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(sql):
        kind = str(found.lastgroup)
        text = found.group()
        yield Token(kind, " " if kind == "space" else text)
