"""What a class with a few methods on paths becomes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from holdall.core.options import GetOptions, PutOptions
from holdall.drivers.storage_backend import StorageBackend
from holdall.errors import NotFoundError, NotSupportedError, PreconditionError
from holdall.results import CHUNK
from holdall.testing.colour import Colour


class Two(StorageBackend):
    """The seed's backend: two methods, with real bodies."""

    def __init__(self, **options: Any) -> None:
        self.files: dict[str, bytes] = {}
        self.options = options

    def read_bytes(self, path: str) -> bytes:
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def write_bytes(self, path: str, data: bytes) -> None:
        self.files[path] = data


class Flat(Two):
    """Keys, without directories."""

    def __init__(self) -> None:
        super().__init__()
        self.meta: dict[str, dict[str, str]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.closed = 0

    def exists(self, path: str) -> bool:
        return path in self.files

    def size(self, path: str) -> int:
        return len(self.read_bytes(path))

    def mtime(self, path: str) -> float:
        return 1_000_000.5

    def delete(self, path: str) -> None:
        self.read_bytes(path)
        del self.files[path]

    def iter_keys(self, prefix: str) -> Iterator[str]:
        return (key for key in sorted(self.files, reverse=True) if key.startswith(prefix))

    def read_range(self, path: str, start: int, end: int) -> bytes:
        self.asked.append((path, str(start), str(end)))
        return self.read_bytes(path)[start:end]

    def get_hash(self, path: str) -> str:
        return str(sum(self.read_bytes(path)))

    def get_metadata(self, path: str) -> dict[str, str]:
        return self.meta.get(path, {})

    def set_metadata(self, path: str, metadata: Any) -> None:
        self.meta[path] = dict(metadata)

    def rename(self, src: str, dst: str) -> None:
        self.files[dst] = self.files.pop(src)

    def copy(self, src: str, dst: str) -> None:
        self.files[dst] = self.read_bytes(src)

    def url(self, path: str) -> str:
        return f"https://example.com/{path}"

    def get_versions(self, path: str) -> list[dict[str, Any]]:
        return [
            {"version_id": 1, "size": 3},
            {"version_id": 2, "size": 4, "last_modified": datetime(2026, 1, 1, tzinfo=UTC)},
        ]

    def open_version(self, path: str, version_id: str) -> io.BytesIO:
        return io.BytesIO(f"version {version_id}".encode())

    def close(self) -> None:
        self.closed += 1


class TestTwoMethods:
    """Reading and writing work at once; the rest is derived or refused."""

    def test_reads_and_writes(self, colour: Colour) -> None:
        backend = Two()
        store = colour(backend.as_store())
        result = store.put("a/b.txt", [b"hel", b"lo"])
        assert (result.key, result.size) == ("a/b.txt", 5)
        assert backend.files == {"a/b.txt": b"hello"}
        with store.get("a/b.txt", GetOptions(range=(1, 3))) as got:
            assert got.bytes() == b"el"
            assert got.meta.size == 5
        assert store.head("a/b.txt").size == 5

    def test_missing(self, colour: Colour) -> None:
        store = colour(Two().as_store())
        for call in (store.head, store.get):
            with pytest.raises(NotFoundError) as caught:
                call("no")
            assert caught.value.key == "no"
            assert caught.value.store == "BackendStore(Two)"
            assert isinstance(caught.value.__cause__, FileNotFoundError)

    def test_no_marker_is_written_that_nothing_could_list(self) -> None:
        from holdall import StorageManager

        backend = Two()
        with StorageManager() as storage:
            storage.add_mount("two", backend.as_store())
            node = storage.node("two:d")
            node.mkdir()
            assert (node.capabilities.mkdir, node.capabilities.directories, backend.files) == (False, "implied", {})

    def test_the_rest_is_refused(self, colour: Colour) -> None:
        backend = Two()
        store = colour(backend.as_store())
        store.put("k", b"1")
        capabilities = store.capabilities
        assert not (
            capabilities.delete or capabilities.list or capabilities.rename or capabilities.copy or capabilities.create
        )
        for call in (
            lambda: store.delete("k"),
            lambda: list(store.list()),
            lambda: store.rename("k", "l"),
            lambda: store.copy("k", "l"),
            lambda: store.put("k", b"2", PutOptions(mode="create")),
            lambda: store.put("k", b"2", PutOptions(content_type="text/plain")),
            lambda: store.put("k", b"2", PutOptions(metadata={"a": "b"})),
            lambda: store.get("k", GetOptions(if_match="x")),
            lambda: store.versions("k"),
            lambda: store.set_metadata("k", {}),
        ):
            with pytest.raises(NotSupportedError, match="BackendStore"):
                call()
        assert backend.files == {"k": b"1"}
        with pytest.raises(NotSupportedError, match=r"Two has no delete\(\)"):
            backend.delete("k")

    def test_a_failing_source_writes_nothing(self, colour: Colour) -> None:
        backend = Two()

        def source() -> Iterator[bytes]:
            yield b"x"
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            colour(backend.as_store()).put("k", source())
        assert backend.files == {}

    def test_abstract(self) -> None:
        with pytest.raises(TypeError):
            StorageBackend()  # type: ignore[abstract]
        with pytest.raises(TypeError, match="StorageBackend is needed"):
            Two.as_store(object())  # type: ignore[arg-type]


class TestFlat:
    """What is overridden is used."""

    def test_capabilities(self) -> None:
        capabilities = Flat().as_store().capabilities
        for name in (
            "delete",
            "list",
            "ranges",
            "conditional_read",
            "metadata",
            "set_metadata",
            "copy",
            "rename",
            "versions",
        ):
            assert getattr(capabilities, name) is True, name
        assert capabilities.ordered is False
        assert capabilities.directories == "marker"

    def test_ranges_go_to_read_range(self, colour: Colour) -> None:
        backend = Flat()
        backend.files["k"] = b"0123456789"
        with colour(backend.as_store()).get("k", GetOptions(range=(2, 5))) as got:
            assert got.bytes() == b"234"
        assert backend.asked == [("k", "2", "5")]

    def test_listing(self, colour: Colour) -> None:
        backend = Flat()
        backend.files = dict.fromkeys(["a", "b/1", "b/c/2", "bb", "/odd", ".holdall/x", "c//d"], b"x")
        store = colour(backend.as_store())
        assert sorted(meta.key for page in store.list() for meta in page.objects) == ["a", "b/1", "b/c/2", "bb", "c//d"]
        [page] = store.list("b", delimiter="/")
        assert ([meta.key for meta in page.objects], list(page.prefixes)) == (["bb"], ["b/"])
        assert [meta.key for page in store.list(start_after="b/1") for meta in page.objects] == ["c//d", "bb", "b/c/2"]

    def test_conditions_by_hash(self, colour: Colour) -> None:
        store = colour(Flat().as_store())
        etag = store.put("k", b"\x01\x02").etag
        assert etag == "3"
        assert store.get("k", GetOptions(if_match="3")).bytes() == b"\x01\x02"
        with pytest.raises(PreconditionError):
            store.get("k", GetOptions(if_match="4"))

    def test_metadata(self, colour: Colour) -> None:
        store = colour(Flat().as_store())
        store.put("k", b"x", PutOptions(metadata={"A": "b"}))
        meta = store.head("k")
        assert (dict(meta.metadata), meta.last_modified) == ({"a": "b"}, datetime.fromtimestamp(1_000_000.5, UTC))
        store.set_metadata("k", {"c": "d"})
        assert dict(store.head("k").metadata) == {"c": "d"}

    def test_the_other_methods(self, colour: Colour) -> None:
        backend = Flat()
        store = colour(backend.as_store())
        store.put("k", b"abc")
        assert store.copy("k", "l").size == 3
        store.rename("l", "m")
        assert set(backend.files) == {"k", "m"}
        [gone] = store.delete("m")
        [absent] = store.delete("m")
        assert (gone.existed, absent.existed) == (True, False)
        assert [(v.version, v.is_latest, v.size) for v in store.versions("k")] == [("1", False, 3), ("2", True, 4)]
        assert store.get("k", GetOptions(version="1")).bytes() == b"version 1"
        assert store.url("k") == "https://example.com/k"
        with pytest.raises(NotSupportedError):
            store.delete_version("k", "1")
        store.close()
        assert backend.closed == 1


@pytest.mark.parametrize(
    ("method", "wrong", "call"),
    [
        ("read_bytes", None, lambda store: store.get("k")),
        ("read_bytes", "text", lambda store: store.get("k")),
        ("size", "3", lambda store: store.head("k")),
        ("size", True, lambda store: store.head("k")),
        ("mtime", "now", lambda store: store.head("k")),
        ("get_hash", b"x", lambda store: store.head("k")),
        ("exists", None, lambda store: store.head("k")),
        ("get_metadata", [1], lambda store: store.head("k")),
        ("iter_keys", [1], lambda store: list(store.list())),
        ("url", None, lambda store: store.url("k")),
    ],
)
def test_wrong_types_are_told(method: str, wrong: Any, call: Any, colour: Colour) -> None:
    """A wrong return type is a TypeError that names the class and the method."""
    base = Flat if method != "read_bytes" else Two
    broken = type("Broken", (base,), {method: lambda *_: wrong})()
    if method != "read_bytes":
        broken.files["k"] = b"abc"
    with pytest.raises(TypeError, match=rf"Broken\.{method}\(\) gave"):
        call(colour(broken.as_store()))


class Moving(Flat):
    """A file that is replaced right after it was described, and once more after the first range."""

    def __init__(self, *values: bytes) -> None:
        super().__init__()
        self.files["k"] = values[0]
        self.later = list(values[1:])

    def _move_on(self) -> None:
        if self.later:
            self.files["k"] = self.later.pop(0)

    def size(self, path: str) -> int:
        found = super().size(path)
        self._move_on()
        return found

    def read_range(self, path: str, start: int, end: int) -> bytes:
        found = super().read_range(path, start, end)
        self._move_on()
        return found


class Opening(Moving):
    """One that opens files."""

    def open(self, path: str, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(self.read_bytes(path))


@pytest.mark.parametrize("kind", [Moving, Opening])
@pytest.mark.parametrize("values", [(b"a" * 190, b"b" * 50), (b"a" * 50, b"b" * 190), (b"ab", b"ba", b"c" * 70)])
def test_a_file_that_is_replaced_is_read_whole(kind: type[Moving], values: tuple[bytes, ...], colour: Colour) -> None:
    """The size, the digest and the bytes are of one file."""
    with colour(kind(*values).as_store()).get("k") as got:
        data = got.bytes()
    assert data in values
    assert (got.meta.size, got.meta.etag) == (len(data), str(sum(data)))


def test_ranges_of_a_replaced_file_are_an_error(colour: Colour) -> None:
    """Two halves of two files are no file."""
    old, new = b"a" * 3 * CHUNK, b"b" * 3 * CHUNK
    store = colour(Moving(old, old, old, new).as_store())
    with pytest.raises(PreconditionError) as caught:
        store.get("k").bytes()
    assert caught.value.kind == "changed"


def test_both_colours_on_one_store() -> None:
    """Blocking and async verbs mix."""
    store = Two().as_store()
    store.put("k", b"1")

    async def main() -> bytes:
        async with await store.get_async("k") as got:
            return await got.bytes_async()

    assert asyncio.run(main()) == b"1"
