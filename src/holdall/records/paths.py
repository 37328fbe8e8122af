"""Dotted paths into nested values: ``a.b.0.c`` walks mappings and list positions; an exact name wins over a walk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final, cast

from holdall.errors import ConfigError

__all__ = ["MISSING", "find", "index_paths", "place", "remove"]


class _Missing:
    """The answer for a path at which nothing is; falsy, distinct from ``None``."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


def find(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path, or `MISSING`.

    Example:
        >>> find({"a": [{"b": 1}], "x.y": 2}, "a.0.b"), find({"x.y": 2}, "x.y"), find({}, "a")
        (1, 2, MISSING)
    """
    if path in values:
        return values[path]
    if "." not in path:
        return MISSING
    here: Any = values
    for segment in path.split("."):
        here = _step(here, segment)
        if here is MISSING:
            return MISSING
    return here


def place(values: MutableMapping[str, Any], path: str, value: Any) -> None:
    """Set the value at a path; missing mappings on the way are made.

    Raises:
        KeyError: The path leads through something that is neither a mapping nor a list position.
    """
    if path in values or "." not in path:
        values[path] = value
        return
    *way, last = path.split(".")
    here: Any = values
    for segment in way:
        deeper = _step(here, segment)
        if deeper is MISSING:
            if not isinstance(here, MutableMapping):
                raise KeyError(path)
            deeper = here[segment] = {}
        here = deeper
    if isinstance(here, MutableMapping):
        here[last] = value
    elif isinstance(here, list) and _is_position(last) and int(last) < len(here):
        here[int(last)] = value
    else:
        raise KeyError(path)


def remove(values: MutableMapping[str, Any], path: str) -> bool:
    """Remove what is at a path and tell whether there was something."""
    if path in values:
        del values[path]
        return True
    head, _, last = path.rpartition(".")
    owner = find(values, head) if head else MISSING
    if isinstance(owner, MutableMapping) and last in owner:
        del owner[last]
        return True
    if isinstance(owner, list) and _is_position(last) and int(last) < len(owner):
        del owner[int(last)]
        return True
    return False


def _step(here: Any, segment: str) -> Any:
    if isinstance(here, Mapping):
        return here.get(segment, MISSING)
    if isinstance(here, Sequence) and not isinstance(here, (str, bytes)) and _is_position(segment):
        at = int(segment)
        return here[at] if at < len(here) else MISSING
    return MISSING


def _is_position(segment: str) -> bool:
    return segment.isascii() and segment.isdigit()


def index_paths(indexes: object) -> tuple[tuple[str, ...], ...]:
    """Return the paths of each index that a user asked for.

    Raises:
        ConfigError: They are something else.

    Example:
        >>> index_paths(["age", ("city", "address.zip")])
        (('age',), ('city', 'address.zip'))
    """
    if isinstance(indexes, str) or not isinstance(indexes, Iterable):
        raise ConfigError(f"indexes are a list, of one path or several paths together each, not {indexes!r}")
    made: list[tuple[str, ...]] = []
    for index in cast("Iterable[object]", indexes):
        paths = (index,) if isinstance(index, str) else tuple(index) if isinstance(index, (list, tuple)) else ()
        if not paths or not all(isinstance(path, str) and path for path in paths):
            raise ConfigError(
                f"an index is a path, as 'age', or several paths together, as ('city', 'address.zip'), not {index!r}"
            )
        made.append(cast("tuple[str, ...]", paths))
    return tuple(made)
