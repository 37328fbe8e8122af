"""Path functions of mounts: their answers, once per operation."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

from holdall.core.keys import RESERVED
from holdall.errors import InvalidKeyError

__all__ = ["checked_directory", "converted", "once", "relative_parent"]


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that asks ``function`` once per argument and remembers: for the verbs of one operation.

    Example:
        >>> calls = []
        >>> ask = once(lambda tenant: calls.append(tenant) or f"t/{tenant}")
        >>> ask("a"), ask("a"), calls
        ('t/a', 't/a', ['a'])
    """
    known: dict[tuple[Any, ...], Any] = {}
    if _awaits(function):

        @functools.wraps(function)
        async def ask_async(*segment: str) -> Any:
            if segment not in known:
                known[segment] = await function(*segment)
            return known[segment]

        return ask_async

    @functools.wraps(function)
    def ask(*segment: str) -> Any:
        if segment not in known:
            known[segment] = function(*segment)
        return known[segment]

    return ask


def converted(function: Callable[..., Any], convert: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a function that gives ``convert(function(...))``, a coroutine function if that is one."""
    if _awaits(function):

        @functools.wraps(function)
        async def answer_async(*segment: str) -> Any:
            return convert(await function(*segment))

        return answer_async

    @functools.wraps(function)
    def answer(*segment: str) -> Any:
        found = function(*segment)
        if inspect.isawaitable(found):
            return _later(found, convert)
        return convert(found)

    return answer


async def _later(found: Any, convert: Callable[[Any], Any]) -> Any:
    return convert(await found)


def _awaits(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def checked_directory(answer: Any) -> str:
    """Return the directory that a path function answered.

    Raises:
        InvalidKeyError: It is empty, relative, or climbs.
    """
    path = os.fspath(answer) if isinstance(answer, (str, os.PathLike)) else ""
    if not isinstance(path, str) or not os.path.isabs(path) or "\0" in path or ".." in path.replace(os.sep, "/").split("/"):
        raise InvalidKeyError(f"Path escapes base directory: {answer!r} is no absolute path")
    return path


def relative_parent(path: Any) -> tuple[str, str] | None:
    r"""Return parent mount and path below it, if a text names a part of another mount.

    Example:
        >>> relative_parent("docs:a/b"), relative_parent("C:/x"), relative_parent("C:\\x"), relative_parent("s3://b")
        (('docs', 'a/b'), None, None, None)
    """
    if not isinstance(path, str):
        return None
    name, colon, below = path.partition(":")
    if not colon or not name or below.startswith("//") or "/" in name or "\\" in name or name == RESERVED:
        return None
    if len(name) == 1 and below[:1] in {"/", "\\"}:
        return None  # a drive
    return name, below
