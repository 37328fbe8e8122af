"""Where a warning points to: the line of a caller, not one of ours."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["level"]

_OURS = frozenset({"holdall", "asyncio", "concurrent", "contextlib", "threading"})
"""Packages whose lines are no place to look at for the cause of a warning."""


def level() -> int:
    """Return the ``stacklevel`` of a warning that our caller gives: the nearest line that is neither ours nor an event loop's.

    A thread that began here has no such line: then it is the caller's own.
    """
    frame: FrameType | None = sys._getframe(1)  # `warnings` itself looks there
    depth = 1
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _OURS:
            return depth
        frame, depth = frame.f_back, depth + 1
    return 1
