"""Fields and metadata as the JSON documents that SQL engines keep: body v1's values, with what SQL cannot hold tagged too.

Beside the tags of `holdall.records.encoding`: ``$text`` (base64 of UTF-8) for text with NUL, or text that looks like a tagged
value; ``$float`` also for floats that a database's own numbers would change (``-0.0``, ``1e+22``). In names NUL is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.scanner import make_scanner
from typing import Any

from holdall._turns import in_turns
from holdall.records.encoding import decode_value, encode_value
from holdall.records.lengthy import STEP, base64, binary, contains, pieces, spent, unbase64
from holdall.records.lengthy_reading import loads

__all__ = ["decode_document", "document_of", "encode_document", "is_plain", "key_text", "name_of", "undocument"]

_ESCAPE = "\ue000"  # private use: escapes itself and NUL in names


def is_plain(text: str) -> bool:
    """Tell whether text is kept as a JSON string."""
    return not contains(text, "\0") and not text.startswith('{"$')


def key_text(name: str) -> str:
    r"""Return a name as documents write it.

    Example:
        >>> key_text("name"), key_text("a\0")
        ('name', 'a\ue0000')
    """
    if "\0" not in name and _ESCAPE not in name:
        return name
    return name.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")


_NESTED = frozenset({list, dict})
_DECODER: Any = json.JSONDecoder()
_SCAN: Any = make_scanner(_DECODER)


def name_of(text: str) -> str:
    """Return the name that a document writes so. See `key_text`."""
    return text if _ESCAPE not in text else text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE)


def encode_document(values: Mapping[str, Any], path: str = "") -> str:
    r"""Return the JSON text of fields or of metadata.

    Args:
        values: Names and values.
        path: What the values are called in errors: ``"metadata"``, say.

    Raises:
        SerializationError: A value that no record can hold; names its path.

    Example:
        >>> encode_document({"n": 1, "t": "a\0"})
        '{"n":1,"t":{"$text":"YQA="}}'
    """
    if not values:
        return "{}"
    head = f"{path}." if path else ""
    encoded = {
        key_text(str(encode_value(k, path or "fields"))): _tag(encode_value(v, f"{head}{k}"))
        for k, v in in_turns(values.items())
    }
    return spent(encoded)


_ODD = ("\\u0000", '"{\\"$', "-0.0", _ESCAPE)
_NUMBER = 30
"""Characters of a float, and more."""
_EXPONENT = re.compile(r"[:,\[]-?[\d.]+e[+-]")


def _odd(text: str) -> bool:
    """Tell whether text may have what SQL cannot keep."""
    for odd in _ODD:
        if odd in text:
            return True
    return ("e+" in text or "e-" in text) and _EXPONENT.search(text) is not None


def document_of(text: str) -> str:
    r"""Return the document of fields or metadata that `holdall.records.encoding.Content` holds: most often the same text.

    Example:
        >>> document_of('{"n":1}'), document_of('{"t":"a\\u0000"}')
        ('{"n":1}', '{"t":{"$text":"YQA="}}')
    """
    if not (_odd(text) if len(text) <= STEP else any(map(_odd, pieces(text, _NUMBER)))):
        return text
    return spent({key_text(name): _tag(value) for name, value in in_turns(loads(text).items())})


def decode_document(text: str | bytes) -> dict[str, Any]:
    """Return the values of a document.

    Raises:
        ValueError: No such document.
    """
    if text == "{}":
        return {}
    document: Any = None
    try:
        document, end = (
            _SCAN(text, 0) if len(text) <= STEP else (None, -1)
        )  # what `json.loads` calls in the end, for half its time on a short text
    except (StopIteration, TypeError):
        end = -1
    if end != len(text):
        document = loads(text)
    if not isinstance(document, dict):
        raise ValueError("no mapping")  # noqa: TRY004  # of what is stored
    return {
        key if _ESCAPE not in key else name_of(key): value if type(value) not in _NESTED else undocument(value)
        for key, value in in_turns(document.items())
    }


def undocument(value: Any) -> Any:
    """Return the value that a document's JSON data stands for.

    Args:
        value: JSON data that nobody else has: lists and mappings of it become those of the value.

    Raises:
        ValueError: A tagged value that cannot be read.
    """
    return decode_value(_untag(value))


def _tag(value: Any) -> Any:
    """Tag what SQL cannot hold, in JSON data that `encode_value` made."""
    if isinstance(value, str):
        return value if is_plain(value) else {"$text": base64(binary(value))}
    if isinstance(value, float):
        text = repr(value)
        return {"$float": text} if "e" in text or text == "-0.0" else value
    if isinstance(value, list):
        return [_tag(member) for member in in_turns(value)]
    if isinstance(value, dict):
        if len(value) == 1:
            [(key, inner)] = value.items()
            if key == "$dict":
                return {"$dict": {key_text(k): _tag(v) for k, v in in_turns(inner.items())}}
            if key.startswith("$"):
                return value
        return {key_text(key): _tag(member) for key, member in in_turns(value.items())}
    return value


_WORDS = {"nan", "inf", "-inf"}


def _untag(value: Any) -> Any:
    """Undo `_tag`."""
    if isinstance(value, list):
        elements: list[Any] = value
        for at, element in enumerate(in_turns(elements)):
            if type(element) in _NESTED:
                elements[at] = _untag(element)
        return elements
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(key, inner)] = value.items()
        if key == "$text":
            return unbase64(inner).decode()
        if key == "$float" and inner not in _WORDS:
            return float(inner)
        if key == "$dict" and isinstance(inner, dict):
            return {"$dict": _untagged(inner)}
        if key.startswith("$"):
            return value
    return _untagged(value)


def _untagged(members: dict[str, Any]) -> dict[str, Any]:
    """Undo `_tag` in a mapping: in its place, if no name is escaped."""
    for name, value in in_turns(members.items()):
        if type(value) in _NESTED:
            members[name] = _untag(value)
    if any(_ESCAPE in name for name in in_turns(members)):
        return {name_of(name): value for name, value in in_turns(members.items())}
    return members
