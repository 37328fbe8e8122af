"""Options by keyword, checked before anything is made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from holdall.core.convert import closest
from holdall.core.params import Faults

__all__ = ["check_keywords"]


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
