"""What fsspec's filesystems say of a file, and its bytes, are of one file, or an error."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractBufferedFile

from holdall.core.options import GetOptions
from holdall.drivers import fsspec as driver
from holdall.errors import PreconditionError, UnavailableError
from holdall.results import CHUNK
from holdall.testing.colour import Colour

FsspecStore: Any = driver.FsspecStore  # it makes one of its subclasses
OLD, NEW = b"a" * 190, b"b" * 50


class Moving:
    """One file, replaced each time that it has been described, as long as there are values."""

    def __init__(self, *values: bytes) -> None:
        self.values = list(values)

    @property
    def now(self) -> bytes:
        return self.values[0]

    def describe(self, path: str) -> dict[str, Any]:
        found = {"name": path, "size": len(self.now), "type": "file", "etag": self.now[:1].decode()}
        if len(self.values) > 1:
            del self.values[0]
        return found


class Blocking(AbstractFileSystem):  # type: ignore[misc]  # untyped
    """Opens what there is at that moment."""

    cachable = False

    def __init__(self, moving: Moving) -> None:
        super().__init__()
        self.moving = moving

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return self.moving.describe(path)

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        return type("Sized", (io.BytesIO,), {"size": len(self.moving.now)})(self.moving.now)


class Buffered(Blocking):
    """Asks for every piece by name, as most of fsspec's files do."""

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        return Pieces(self, path, mode, block_size=CHUNK, cache_type="none", size=len(self.moving.now))


class Pieces(AbstractBufferedFile):  # type: ignore[misc]  # untyped
    """Moves on after each piece."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        data = self.fs.moving.now[start:end]
        self.fs.moving.describe("k")
        return bytes(data)


class Awaiting(AsyncFileSystem):  # type: ignore[misc]  # untyped
    """The same in coroutines."""

    cachable = False

    def __init__(self, moving: Moving) -> None:
        super().__init__()
        self.moving = moving

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return self.moving.describe(path)

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        return self.moving.now[start:end]


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
@pytest.mark.parametrize("values", [(OLD, NEW), (NEW, OLD), (OLD, NEW, OLD, NEW)])
def test_a_file_that_is_replaced_is_read_whole(kind: Any, values: tuple[bytes, ...], colour: Colour) -> None:
    """A file that is not the one described is described again."""
    with colour(FsspecStore(kind(Moving(*values)))).get("k") as got:
        data = got.bytes()
    assert (data, got.meta.size, got.meta.etag) == (values[-1], len(data), data[:1].decode())


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
def test_a_file_that_never_rests_is_told(kind: Any, colour: Colour) -> None:
    """There is an end to trying."""
    with pytest.raises(UnavailableError, match="changes all the time"):
        colour(FsspecStore(kind(Moving(*(OLD, NEW) * 20)))).get("k")


def test_a_range_past_the_end_of_a_replaced_file_says_so(colour: Colour) -> None:
    """A piece that is too short is the piece of another file."""
    store = colour(FsspecStore(Awaiting(Moving(OLD, NEW))))
    with pytest.raises(PreconditionError) as caught:
        store.get("k", GetOptions(range=(10, 100)))
    assert caught.value.kind == "changed"


def test_pieces_of_two_files_are_an_error(colour: Colour) -> None:
    """A large file is asked for at its end."""
    large = b"a" * 3 * CHUNK
    store = colour(FsspecStore(Buffered(Moving(large, large, b"b" * 3 * CHUNK))))
    with pytest.raises(PreconditionError) as caught:
        store.get("k").bytes()
    assert caught.value.kind == "changed"
