"""Options by keyword, checked before anything is made of them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdall.core.convert import closest
from holdall.core.params import Faults
from holdall.core.secrets import mask
from holdall.errors import ConfigError
from holdall.records.paths import index_paths

__all__ = ["check_keywords", "check_options", "take_seconds"]


def check_keywords(target: Callable[..., Any], given: Mapping[str, Any], what: str, *, renamed: str | None = None) -> None:
    """Check that a class or function takes these options.

    Args:
        target: What will be called with them.
        given: The options.
        what: What errors call their owner.
        renamed: How the first option is called in ``given``, if otherwise than by the target.

    Raises:
        ConfigError: With all names that it does not take, and all that it needs.
    """
    try:
        taken = list(inspect.signature(target).parameters.values())
    except ValueError:  # some that are written in C do not tell
        return
    known = {
        one.name: one.default is one.empty for one in taken if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}
    }
    if renamed is not None:
        first, *rest = known.items()
        known = {renamed: first[1], **dict(rest)}
    faults = Faults(what)
    for name in () if any(one.kind is one.VAR_KEYWORD for one in taken) else given:
        if name not in known:
            near = closest(name, known) if isinstance(name, str) else None
            guess = f", did you mean {near!r}?" if near else ""
            faults.add(f"unknown field {name!r}{guess} (known: {', '.join(sorted(known))})")
    for name, needed in known.items():
        if needed and name not in given:
            faults.add(f"missing required field: {name!r}")
    faults.check()


def take_seconds(values: dict[str, Any], faults: Faults) -> None:
    """Make a number of ``cache_ttl``, which may be its text, and ``inf``; one that is none is noted and taken away.

    Example:
        >>> values = {"cache_ttl": "inf"}
        >>> take_seconds(values, Faults(""))
        >>> values
        {'cache_ttl': inf}
    """
    if values.get("cache_ttl") is not None:
        try:
            values["cache_ttl"] = float(str(values["cache_ttl"]))
        except ValueError:
            faults.add(f"'cache_ttl' must be a number of seconds, not {values.pop('cache_ttl')!r}")


def check_options(values: Mapping[str, Any], faults: Faults) -> None:
    """Note what is wrong with options that databases have in common; one that is not given, or ``None``, is right.

    Example:
        >>> faults = Faults("")
        >>> check_options({"max_workers": 0, "cache_ttl": -1, "prefix": "a/"}, faults)
        >>> faults.found
        ['max_workers is a whole number of at least 1, not 0', 'cache_ttl is a number of seconds of at least 0, not -1']
    """
    for name, (right, what) in _OPTIONS.items():
        value = values.get(name)
        if value is not None and not right(value):
            faults.add(f"{name} is {what}, not {mask(ascii(value))}")
    indexes = values.get("indexes")
    if not isinstance(indexes, Iterable) or isinstance(indexes, (str, list, tuple)):  # others can be drawn from but once
        try:
            index_paths(() if indexes is None else indexes)
        except ConfigError as error:
            faults.add(error.message)


def _at_least_one(value: object) -> bool:
    return type(value) is int and value >= 1


def _text(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _tags(value: object) -> bool:
    if isinstance(value, str):
        return value in {"fit", "strict", "off"}
    return isinstance(value, Iterable) and (
        not isinstance(value, (list, tuple)) or all(isinstance(tag, str) for tag in value)
    )


_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "prefix": (_text, "text that UTF-8 can hold"),
    "table": (bool, "a name"),
    "max_workers": (_at_least_one, "a whole number of at least 1"),
    "max_attempts": (_at_least_one, "a whole number of at least 1"),
    "pool_size": (_at_least_one, "a whole number of at least 1"),
    "cache_ttl": (lambda value: type(value) in {int, float} and value >= 0, "a number of seconds of at least 0"),
    "on_corrupt": (lambda value: value in {"raise", "report"}, "'raise' or 'report'"),
    "mirror": (
        lambda value: isinstance(value, (str, os.PathLike)) and _text(os.fspath(value)) and os.fspath(value) != "",
        "'auto', 'memory', 'off' or the path of a file",
    ),
    "tags": (_tags, "'fit', 'strict', 'off' or a list of metadata names"),
    "new_id": (callable, "a function that makes an id"),
}
