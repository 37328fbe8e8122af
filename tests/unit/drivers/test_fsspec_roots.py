"""In an object store a prefix with nothing below it is not a missing root; a missing bucket is."""

from __future__ import annotations

from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem

from holdall.drivers import fsspec as driver
from holdall.errors import NotFoundError, UnavailableError
from holdall.testing.colour import Colour

FsspecStore: Any = driver.FsspecStore  # it makes one of its subclasses


def described(bucket: Exception | None, path: str) -> dict[str, Any]:
    """Describe an empty bucket, or say why that cannot be."""
    if path != "bucket":
        raise FileNotFoundError(path)
    if bucket is not None:
        raise bucket
    return {"name": path, "size": 0, "type": "directory"}


class Blocking(AbstractFileSystem):  # type: ignore[misc]  # untyped
    """A flat store that blocks."""

    cachable = False

    def __init__(self, bucket: Exception | None = None) -> None:
        super().__init__()
        self.bucket = bucket

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return described(self.bucket, path)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        raise FileNotFoundError(path)


class Awaiting(AsyncFileSystem):  # type: ignore[misc]  # untyped
    """The same in coroutines."""

    cachable = False

    def __init__(self, bucket: Exception | None = None) -> None:
        super().__init__()
        self.bucket = bucket

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return described(self.bucket, path)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        raise FileNotFoundError(path)

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        raise FileNotFoundError(path)


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
@pytest.mark.parametrize("bucket", [None, PermissionError("may not describe buckets")])
def test_an_empty_prefix_holds_nothing(kind: Any, bucket: Exception | None, colour: Colour) -> None:
    store = colour(FsspecStore(kind(bucket), path="bucket/some/prefix", publish="put"))
    for read in (store.get, store.head):
        with pytest.raises(NotFoundError):
            read("k")
    assert [page for page in store.list() if page.objects or page.prefixes] == []


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
@pytest.mark.parametrize(
    ("path", "publish", "why"),
    [
        ("bucket/some/prefix", "put", FileNotFoundError("bucket")),
        ("bucket", "put", FileNotFoundError("bucket")),
        ("bucket/some/directory", "rename", None),
    ],
)
def test_a_missing_bucket_or_directory_is_told(kind: Any, path: str, publish: str, why: Any, colour: Colour) -> None:
    with pytest.raises(UnavailableError, match="the base directory is not there"):
        colour(FsspecStore(kind(why), path=path, publish=publish)).get("k")


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
def test_a_bucket_that_cannot_be_asked_for_is_no_miss(kind: Any, colour: Colour) -> None:
    with pytest.raises(UnavailableError):
        colour(FsspecStore(kind(ConnectionResetError()), path="bucket/prefix", publish="put")).get("k")
