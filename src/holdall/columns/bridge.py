"""The colour of a session: inside SQLAlchemy's greenlet the async verbs are awaited, elsewhere the blocking ones are called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from holdall.engine.colours import finish_async

__all__ = ["call", "finish"]

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds that an undo may take after a cancellation."""


def call(blocking: Callable[..., T], asynchronous: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Call one of a pair of functions: the one of the session's colour."""
    if in_greenlet():
        return await_only(asynchronous(*arguments))
    return blocking(*arguments)


def finish(blocking: Callable[..., T], asynchronous: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Call one of a pair to its end, even if the caller is cancelled meanwhile."""
    if in_greenlet():
        return await_only(finish_async(lambda: _patient(asynchronous(*arguments))))
    return blocking(*arguments)


async def _patient(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.wait_for(work, PATIENCE)
