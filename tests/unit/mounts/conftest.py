"""Mounts under test, and one way to call a node in either colour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from holdall import StorageManager
from holdall.drivers.memory import MemoryStore

Say = Callable[..., Any]


async def _settled(answer: Any) -> Any:
    if isinstance(answer, AsyncIterator):
        return [item async for item in answer]
    return await answer


@pytest.fixture(params=["blocking", "async"])
def say(request: pytest.FixtureRequest) -> Say:
    """Call ``name`` of an object in one colour: a property is read, a method called, an iterator drawn to a list."""

    def blocking(target: Any, name: str, *args: Any, **named: Any) -> Any:
        value = getattr(target, name)
        answer = value(*args, **named) if callable(value) else value
        return list(answer) if isinstance(answer, Iterator) else answer

    def through_async(target: Any, name: str, *args: Any, **named: Any) -> Any:
        return asyncio.run(_settled(getattr(target, f"{name}_async")(*args, **named)))

    return blocking if request.param == "blocking" else through_async


@pytest.fixture
def memory() -> Iterator[StorageManager]:
    """A manager with two memory mounts, ``mem`` and the versioned ``old``."""
    with StorageManager() as storage:
        storage.add_mount("mem", MemoryStore())
        storage.add_mount("old", MemoryStore(versioned=True))
        yield storage
