"""Which columns of a ``SELECT`` are fields by themselves: they come back as they were stored, whatever SQL makes of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from holdall._turns import in_turns
from holdall.records.documents import decode_document, key_text, undocument
from holdall.records.errors import CorruptRecordError
from holdall.records.lengthy_reading import loads
from holdall.records.pieces import quote

__all__ = [
    "HIDDEN",
    "NUMBERS",
    "SYSTEM_COLUMNS",
    "TEXTS",
    "VIEWS",
    "Outline",
    "Token",
    "answers",
    "identifier",
    "lite_exact",
    "lite_field",
    "lite_path",
    "outer_tokens",
    "outline",
    "reachable",
    "select_items",
]

VIEWS = ("S3Object", "records")
SYSTEM_COLUMNS = ("id", "created_at", "updated_at", "version", "metadata")
HIDDEN = "\ue000"
"""The view's column with the whole document, and the answer's column with the stored values of plain columns."""
NUMBERS = ("$decimal", "$float")
"""Tags of values that SQL sees as numbers."""
TEXTS = ("$datetime", "$date", "$time", "$uuid", "$bytes")
"""Tags of values that SQL sees as the text in them."""
_AFTER = {"where", "group", "order", "limit", "offset", "having"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, name, number, text, sign or space of a statement."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        """The word in lower case, if this is one."""
        return self.text.lower() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """What a word or quoted name calls."""
        return self.text if self.kind == "word" else self.text[1:-1].replace('""', '"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The outermost ``SELECT`` of a statement, if it reads records directly.

    Attributes:
        plain: Places in the answer that are fields by themselves, and which ones.
        end: The token before which more columns can be written.
        source: What the records are called there.
        grouped: It has a ``GROUP BY``.
    """

    plain: tuple[tuple[int, str], ...]
    end: int
    source: str
    grouped: bool

    def fields(self, columns: Mapping[str, str | None]) -> list[str]:
        """Return the fields that stand by themselves, given what the names of a statement stand for."""
        folded = {name.lower(): field for name, field in columns.items()}
        return [folded.get(name.lower()) or name for _, name in self.plain]


def identifier(name: str) -> str:
    """Return a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def outline(tokens: Sequence[Token], reserved: Iterable[str]) -> Outline | None:
    """Return the outline of a statement; ``None`` for joins, unions, ``DISTINCT``, ``*``, or if no column is a field by itself.

    Args:
        tokens: Of the statement, spaces included.
        reserved: Words that are no names.
    """
    outer = outer_tokens(tokens)
    words = [token.word for _, token in outer]
    items = select_items(outer)
    if items is None or {"union", "except", "intersect", "distinct"} & set(words):
        return None
    end = words.index("from", words.index("select"))
    source = _source([token for _, token in outer[end + 1 :]])
    if source is None:
        return None
    plain: list[tuple[int, str]] = []
    for place, item in enumerate(items):
        if item and item[-1][1].text == "*":
            return None
        name = _field([token for _, token in item], source, set(reserved))
        if name is not None:
            plain.append((place, name))
    if not plain:
        return None
    return Outline(plain=tuple(plain), end=outer[end][0], source=source, grouped="group" in words[end:])


def _source(tail: list[Token]) -> str | None:
    """Return what records are called after ``FROM``, if nothing else is read."""
    found = tail[:4]
    if not found or found[0].kind not in {"word", "name"} or found[0].name.lower() not in {view.lower() for view in VIEWS}:
        return None
    rest = found[1:]
    if rest and rest[0].word == "as":
        rest = rest[1:]
    if not rest or rest[0].word in _AFTER:
        return found[0].text
    alias, *then = rest
    return alias.text if alias.kind in {"word", "name"} and (not then or then[0].word in _AFTER) else None


def outer_tokens(tokens: Sequence[Token]) -> list[tuple[int, Token]]:
    """Return what stands outside of parentheses, which are left as two signs each, with its place; no spaces."""
    depth = 0
    outer: list[tuple[int, Token]] = []
    for at, token in enumerate(tokens):
        if token.text == ")":
            depth -= 1
        if depth == 0 and token.kind != "space":
            outer.append((at, token))
        if token.text == "(":
            depth += 1
    return outer


def select_items(outer: Sequence[tuple[int, Token]]) -> list[list[tuple[int, Token]]] | None:
    """Return the columns of the outermost ``SELECT ... FROM``, ``None`` if there is none."""
    words = [token.word for _, token in outer]
    if "select" not in words or "from" not in words[words.index("select") + 1 :]:
        return None
    begin = words.index("select") + 1
    items: list[list[tuple[int, Token]]] = [[]]
    for at, token in outer[begin : words.index("from", begin)]:
        if token.text == "," and token.kind == "sign":
            items.append([])
        elif token.word not in {"distinct", "all"} or items[0]:
            items[-1].append((at, token))
    return items


def _field(item: list[Token], source: str, reserved: set[str]) -> str | None:
    """Return the field that an item is: ``name``, ``records.name``, with or without another label."""
    if len(item) > 2 and item[1].text == "." and item[0].text.lower() == source.lower():
        item = item[2:]
    label = item[2:] if len(item) > 1 and item[1].word == "as" else item[1:]
    if not item or len(label) > 1 or any(token.kind not in {"word", "name"} for token in (item[0], *label)):
        return None
    name = item[0].name
    return None if item[0].word in reserved or name.lower() in SYSTEM_COLUMNS or not reachable(name) else name


def reachable(name: str) -> bool:
    """Tell whether a path of SQLite can name a field."""
    return not any(character in '"\\' or character < " " or character == HIDDEN for character in name)


# -- answers -----------------------------------------------------------------------------------------------------------


def answers(labels: Sequence[str], rows: Iterable[Sequence[Any]], found: Outline | None) -> list[dict[str, Any]]:
    """Return rows as mappings, fields that stand by themselves as they were stored.

    Args:
        labels: Of the columns.
        rows: Their values.
        found: Of the statement: a hidden column holds the values of its fields as a JSON list; without it, a document.

    Raises:
        CorruptRecordError: Somebody else wrote something unreadable into a record.
    """
    shown = [(place, label) for place, label in enumerate(labels) if label != HIDDEN]
    hidden = [place for place, label in enumerate(labels) if label == HIDDEN]
    single = {label for label in labels if labels.count(label) == 1} - {*SYSTEM_COLUMNS, HIDDEN}
    made: list[dict[str, Any]] = []
    for row in in_turns(rows):
        values = {label: decoded(label, row[place]) for place, label in shown}
        stored = row[hidden[0]] if len(hidden) == 1 else None  # none of a row that an outer join did not find
        try:
            if stored is not None and found is not None:
                exact = zip(found.plain, loads(stored), strict=False)
                values.update((labels[place], undocument(value)) for (place, _), value in exact if labels[place] in single)
            elif stored is not None:
                values.update((name, value) for name, value in decode_document(stored).items() if name in single)
        except (ValueError, TypeError, RecursionError) as error:
            raise CorruptRecordError("a record of the answer has unreadable values", reason="unreadable values") from error
        made.append(values)
    return made


def decoded(name: str, value: Any) -> Any:
    """Return the value of a result's column: metadata as a mapping, whole numbers as int."""
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else float(value)
    if not isinstance(value, str) or not value.startswith('{"$' if name != "metadata" else "{"):
        return value
    try:
        if name == "metadata":
            return decode_document(value)
        found = undocument(loads(value))
    except (ValueError, TypeError, RecursionError):
        return value
    return value if isinstance(found, dict) else found


# -- SQLite ------------------------------------------------------------------------------------------------------------


def lite_field(document: str, name: str) -> str:
    """Return the SQL of a top-level field in SQLite: a number, text, or the JSON text of a list or mapping.

    Args:
        document: The SQL of the fields.
        name: Of the field.
    """
    if not reachable(name):
        return f"(SELECT value FROM json_each({document}) WHERE key = {quote(key_text(name))})"
    place = f"{document}, {quote(lite_path(name))}"
    value = f"json_extract({place})"
    cases: list[str] = []
    for tag in (*NUMBERS, *TEXTS):
        inner = f"json_extract({document}, {quote(f'{lite_path(name)}.{tag}')})"
        number = (
            f"CASE WHEN {inner} LIKE '%nan%' THEN NULL WHEN {inner} LIKE '-inf%' THEN -9e999 "
            f"WHEN {inner} LIKE 'inf%' THEN 9e999 ELSE CAST({inner} AS REAL) END"
        )
        cases.append(f"""WHEN '{{"{tag}":"' || {inner} || '"}}' THEN {number if tag in NUMBERS else inner}""")
    return f"CASE json_type({place}) WHEN 'object' THEN CASE {value} {' '.join(cases)} ELSE {value} END ELSE {value} END"


def lite_exact(found: Outline | None, columns: Mapping[str, str | None]) -> str:
    """Return the column with the stored values of fields that stand by themselves, as a JSON list.

    Args:
        found: Of the statement.
        columns: Fields by the names that the statement has for them.
    """
    if found is None:
        return ""
    paths = [quote(lite_path(field)) for field in found.fields(columns)]
    more = paths if len(paths) > 1 else paths * 2  # one path alone would give a value, not a list
    return f"json_extract({found.source}.{identifier(HIDDEN)}, {', '.join(more)})"


def lite_path(name: str) -> str:
    """Return the path of a top-level field."""
    return f'$."{key_text(name)}"'
