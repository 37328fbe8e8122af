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
_LARGE = {"cryptography", "numpy", "pandas", "psycopg_binary", "pyarrow"}
"""Packages whose libraries take long to load, and know nothing of Python until they are initialised."""


@contextmanager
def importing() -> Generator[None]:
    """Give way to the event loop beside which this thread imports modules meanwhile; beside none this does nothing."""
    if get_ident() not in BESIDE or sys.getprofile() is not None:
        yield
        return
    steps = _steps()
    sys.setprofile(steps)
    try:
        yield
    finally:
        if sys.getprofile() is steps:  # what was imported may have one of its own
            sys.setprofile(None)


def _steps() -> Callable[[FrameType, str, Any], None]:
    """Return a profiler of this thread, which Python tells of each call: it gives way, and loads libraries before Python does."""
    load = _loader()
    since = perf_counter()

    def step(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal since
        if perf_counter() - since > HELD:
            give_way()
            since = perf_counter()
        if arg is _DYNAMIC and event == "c_call" and load is not None:
            load(frame)

    return step


def _loader() -> Callable[[FrameType], None] | None:
    """Return what loads the library that Python is about to load, and will find loaded; ``None`` where that cannot be.

    If it fails Python tells why, in its turn.
    """
    try:
        import ctypes  # noqa: PLC0415  # rare; and some Pythons have none

        dlopen, flags = ctypes.CDLL(None).dlopen, sys.getdlopenflags()
    except (ImportError, AttributeError, TypeError, OSError, MemoryError):
        return None

    def load(frame: FrameType) -> None:
        if frame.f_code.co_name != "_call_with_frames_removed":
            return
        for spec in frame.f_locals["args"]:
            if spec.name.partition(".")[0] in _LARGE:
                dlopen(ctypes.c_char_p(os.fsencode(spec.origin)), ctypes.c_int(flags))  # called without the interpreter

    return load


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
