"""Imports of large libraries by threads beside an event loop, which has its turns meanwhile.

An import is hundreds of modules, 150 ms for boto3, and hands the interpreter over when Python makes it do so, after 5 ms at a time; for a
shared library it keeps it for as long as loading takes, 25 ms for Arrow's.
"""

from __future__ import annotations

import _imp  # Python's own call that loads a shared library
import importlib
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import get_ident
from time import perf_counter
from types import FrameType
from typing import Any

from holdall._turns import BESIDE, HELD, give_way

__all__ = ["imported", "importing"]

_DYNAMIC = getattr(_imp, "create_dynamic", None)


@contextmanager
def importing() -> Generator[None]:
    """Give way to the event loop beside which this thread imports modules meanwhile; beside none this does nothing."""
    if get_ident() not in BESIDE or sys.getprofile() is not None:
        yield
        return
    sys.setprofile(_steps())
    try:
        yield
    finally:
        sys.setprofile(None)


def _steps() -> Callable[[FrameType, str, Any], None]:
    """Return a profiler of this thread, which Python tells of each call: it gives way, and loads libraries before Python does."""
    import ctypes  # noqa: PLC0415  # rare; and not while it is imported itself

    dlopen = ctypes.CDLL(None).dlopen if hasattr(sys, "getdlopenflags") else None
    since = perf_counter()

    def step(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal since
        if perf_counter() - since > HELD:
            give_way()
            since = perf_counter()
        if dlopen is not None and event == "c_call" and arg is _DYNAMIC:
            for path in _libraries(frame):  # foreign functions are called without the interpreter
                dlopen(ctypes.c_char_p(path), ctypes.c_int(sys.getdlopenflags()))

    return step


def _libraries(frame: FrameType) -> list[bytes]:
    """Return the path of what Python is about to load, and will find loaded; where that fails Python tells why, in its turn."""
    given = [getattr(spec, "origin", None) for spec in frame.f_locals.get("args", ())]
    return [os.fsencode(path) for path in given if path is not None]


def imported(name: str) -> Any:
    """Return a module by its name, imported if need be. See `importing`.

    Raises:
        ImportError: It cannot be imported.

    Example:
        >>> imported("json").loads("[1]")
        [1]
    """
    if name in sys.modules:
        return importlib.import_module(name)  # another thread may be at it
    with importing():
        return importlib.import_module(name)
