"""Mounts on three kinds of storage, and one way to call a node in either colour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdall import StorageManager
from holdall.testing.servers import Bucket

Say = Callable[..., Any]
KINDS = ("ram", "disk", "s3")


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


def described(bucket: Bucket, **more: Any) -> dict[str, Any]:
    """Return the description of a mount on a bucket."""
    server = bucket.server
    return {
        "type": "s3", "bucket": bucket.name, "endpoint_url": server.endpoint, "region": server.region, "key": server.access_key,
        "secret": server.secret_key, **more,
    }  # fmt: skip


@pytest.fixture
def everywhere(tmp_path: Path, moto_bucket: Bucket) -> Iterator[StorageManager]:
    """A manager with ``ram``, ``disk`` and ``s3``, and a second one of each (``ram2`` …)."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    config: dict[str, Any] = {
        "ram": {"type": "memory"},
        "ram2": {"type": "memory"},
        "disk": {"type": "local", "path": str(tmp_path / "one")},
        "disk2": {"type": "local", "path": str(tmp_path / "two")},
        "s3": described(moto_bucket, path="one"),
        "s32": described(moto_bucket, path="two"),
    }
    with StorageManager(config) as storage:
        yield storage


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, everywhere: StorageManager) -> StorageManager:
    """The same manager with the mounts ``here`` and ``there`` on one kind of storage."""
    everywhere.configure({"here": f"{request.param}:here", "there": f"{request.param}2:there"})
    return everywhere


@pytest.fixture
def s3_mount() -> Callable[..., dict[str, Any]]:
    """Describe a mount on a bucket."""
    return described
