"""Paths into a document, and steps within values that are decoded already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from holdall.containers.errors import MissingIndexError, MissingKeyError, shortened

__all__ = ["Path", "as_position", "index_error", "key_error", "segments", "shown", "step", "walk"]

Path: TypeAlias = str | int | slice | Sequence[Any]
_KEYS = frozenset({str, int, float, bool, bytes, type(None)})


def segments(path: Path) -> tuple[Any, ...]:
    """Return the segments of a path: text splits at ``/`` and drops empty ones, a sequence is taken as it is.

    Example:
        >>> segments("k50/meta//3"), segments(["a/b", 3]), segments(7)
        (('k50', 'meta', '3'), ('a/b', 3), (7,))
    """
    if isinstance(path, str):
        return tuple(part for part in path.split("/") if part)
    if isinstance(path, (list, tuple)):
        return tuple(path)
    return (path,)


def as_position(
    segment: Any, length: int, path: tuple[Any, ...], rules: Literal["python", "msglc"] = "python"
) -> int | slice:
    """Return the position or slice that a segment means in a list.

    Raises:
        MissingIndexError: Out of range, or no position.
    """
    if isinstance(segment, str):
        segment = _parsed(segment, length, path, rules)
    if isinstance(segment, slice):
        return segment
    if not isinstance(segment, int) or isinstance(segment, bool):
        raise index_error(path, segment, f"a list has positions, not {type(segment).__name__}")
    position = segment % length if rules == "msglc" and length else segment
    if not -length <= position < length:
        raise index_error(path, segment, f"the list has {length} items")
    return position + length if position < 0 else position


def step(value: Any, segment: Any, path: tuple[Any, ...], rules: Literal["python", "msglc"] = "python") -> Any:
    """Return a member of a decoded value.

    Raises:
        MissingKeyError, MissingIndexError: There is none.
    """
    if isinstance(value, Mapping):
        try:
            return value[segment]
        except (KeyError, TypeError):
            raise key_error(path, segment) from None
    if isinstance(value, (list, tuple)):
        return value[as_position(segment, len(value), path, rules)]
    if getattr(value, "shape", ()) and hasattr(value, "__getitem__"):  # an array of numpy
        return value[as_position(segment, value.shape[0], path, rules)]
    raise key_error(path, segment, f"a {type(value).__name__} has no members")


def walk(value: Any, rest: Sequence[Any], path: tuple[Any, ...], rules: Literal["python", "msglc"] = "python") -> Any:
    """Go several steps within a decoded value."""
    for at, segment in enumerate(rest):
        kind = type(value)  # what `step` would do, without its steps
        if (kind is list and type(segment) is int and 0 <= segment < len(value)) or (
            kind is dict and type(segment) in _KEYS and segment in value
        ):
            value = value[segment]
        else:
            value = step(value, segment, (*path, *rest[:at]), rules)
    return value


def shown(path: Sequence[Any]) -> str:
    """Return a path for an error text."""
    return shortened(_joined(path))


def _joined(path: Sequence[Any]) -> str:
    return "/".join(map(str, path))


def key_error(path: tuple[Any, ...], segment: Any, why: str = "") -> MissingKeyError:
    """Return the error for a key that is not there."""
    hint = ""
    if isinstance(segment, str) and segment.lstrip("-").isdigit() and not why:
        hint = "; a key that is a number needs a list path"
    return MissingKeyError(f"{shown((*path, segment))}: {why or 'no such key'}{hint}", key=_joined((*path, segment)))


def index_error(path: tuple[Any, ...], segment: Any, why: str) -> MissingIndexError:
    """Return the error for a position that is not there."""
    return MissingIndexError(f"{shown((*path, segment))}: {why}", key=_joined((*path, segment)))


def _parsed(text: str, length: int, path: tuple[Any, ...], rules: Literal["python", "msglc"]) -> int | slice:
    try:
        if ":" not in text:
            return int(text)
        parts = [int(part) if part else None for part in text.split(":")]
        if len(parts) > 3:
            raise ValueError
        if rules == "msglc" and len(parts) == 3:
            parts = [parts[0], parts[2], parts[1]]
        if rules == "msglc" and length:
            parts[:2] = [None if p is None else p % length if p != length else p for p in parts[:2]]
        return slice(*parts)
    except ValueError:
        raise index_error(path, text, "a list has positions and slices, not names") from None
