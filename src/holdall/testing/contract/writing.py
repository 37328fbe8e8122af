"""Writing: `put` with every kind of source, atomic, in three modes."""

from __future__ import annotations

import array
import asyncio
import ctypes
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdall.core.options import PutOptions
from holdall.errors import AlreadyExistsError, NotSupportedError, PreconditionError
from holdall.results import PutResult
from holdall.store import Store
from holdall.testing.colour import Colour
from holdall.testing.contract.base import Cases, ContractBase, bears_key, pattern, present, read
from holdall.testing.ground import Ground

OLD, NEW = b"the old bytes", b"the new and longer bytes"


class BrokenSourceError(Exception):
    """Raised by sources that fail midway."""


def chunked(data: bytes, size: int, *, fails: bool = False) -> Iterator[bytes]:
    """Yield chunks of unknown number, and fail at the end if asked to."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
    if fails:
        raise BrokenSourceError


async def chunked_async(data: bytes, size: int, *, fails: bool = False) -> AsyncIterator[bytes]:
    """Yield chunks of unknown number, and fail at the end if asked to."""
    for start in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[start : start + size]
    if fails:
        raise BrokenSourceError


class WriteContract(ContractBase):
    """What writers may rely on."""

    def test_put(self, verbs: Store, ground: Ground) -> None:
        """The bytes are there, and the result describes them."""
        if self._read_only(verbs, ground):
            return
        result = verbs.put("a/b/c.txt", NEW)
        assert (result.key, result.size) == ("a/b/c.txt", len(NEW))
        assert ground.read("a/b/c.txt") == NEW
        assert read(verbs, "a/b/c.txt") == NEW
        meta = verbs.head("a/b/c.txt")
        assert (meta.size, meta.etag) == (len(NEW), result.etag)
        if verbs.capabilities.etag:
            assert result.etag

    def test_put_overwrites(self, verbs: Store, ground: Ground) -> None:
        """The last writer wins; longer, shorter and empty content replaces the whole object."""
        if self._read_only(verbs, ground):
            return
        etags = set()
        for data in (OLD, NEW, b"x", b"", OLD):
            etags.add(verbs.put("k", data).etag)
            assert ground.read("k") == data
            assert verbs.head("k").size == len(data)
        if verbs.capabilities.etag:
            assert len(etags) >= 4  # the first and the last may be one etag: content hashes

    def test_sources(self, verbs: Store, ground: Ground, tmp_path: Path) -> None:
        """Every kind of source gives its bytes."""
        if self._read_only(verbs, ground):
            return
        data = pattern(70_000)
        (tmp_path / "source").write_bytes(data)
        with Cases() as case, (tmp_path / "source").open("rb") as file:
            sources: dict[str, Any] = {
                "bytes": data,
                "bytearray": bytearray(data),
                "memoryview": memoryview(data),
                "words": memoryview(array.array("I", data)),
                "array": array.array("I", data),
                "object": ctypes.create_string_buffer(data, len(data)),
                "every_other": memoryview(bytes(byte for value in data for byte in (value, 0)))[::2],
                "path": tmp_path / "source",
                "file": file,
                "bytesio": io.BytesIO(data),
                "list": [data[:10], b"", bytearray(data[10:11]), memoryview(data)[11:]],
                "generator": chunked(data, 1000),
            }
            for kind, source in sources.items():
                with case(kind):
                    assert verbs.put(f"s/{kind}", source).size == len(data)
                    assert ground.read(f"s/{kind}") == data
            assert not file.closed

    def test_empty_sources(self, verbs: Store, ground: Ground, tmp_path: Path) -> None:
        """An empty source makes an empty object."""
        if self._read_only(verbs, ground):
            return
        (tmp_path / "source").write_bytes(b"")
        with Cases() as case, (tmp_path / "source").open("rb") as file:
            sources: dict[str, Any] = {
                "bytes": b"",
                "path": tmp_path / "source",
                "file": file,
                "array": array.array("I"),
                "list": [],
                "generator": chunked(b"", 1),
            }
            for kind, source in sources.items():
                with case(kind):
                    assert verbs.put(kind, source).size == 0
                    assert ground.read(kind) == b""
                    assert read(verbs, kind) == b""

    def test_file_from_where_it_stands(self, verbs: Store, ground: Ground, tmp_path: Path) -> None:
        """A file is read from its present position, to its end, and left open."""
        if self._read_only(verbs, ground):
            return
        (tmp_path / "source").write_bytes(NEW)
        with (tmp_path / "source").open("rb") as file:
            file.seek(4)
            verbs.put("s", file)
            assert file.tell() == len(NEW)
        assert ground.read("s") == NEW[4:]

    @pytest.mark.parametrize("kind", ["bytes", "path", "file", "generator"])
    def test_large_sources(self, verbs: Store, ground: Ground, tmp_path: Path, kind: str) -> None:
        """Content that goes by parts arrives whole, and no unfinished upload stays."""
        if self._read_only(verbs, ground):
            return
        data = pattern(self.large + 12_345)
        (tmp_path / "source").write_bytes(data)
        with (tmp_path / "source").open("rb") as file:
            sources: dict[str, Any] = {
                "bytes": data,
                "path": tmp_path / "source",
                "file": file,
                "generator": chunked(data, 1_000_003),
            }
            result = verbs.put("large", sources[kind])
        assert result.size == len(data)
        assert ground.read("large") == data
        assert verbs.head("large").etag == result.etag
        assert ground.unfinished() == 0

    @pytest.mark.parametrize("size", [0, 5000, 12_345_678])
    def test_async_iterables(self, store: Store, ground: Ground, size: int) -> None:
        """The async verb takes async iterables of any length."""
        if not store.capabilities.write:
            return
        data = pattern(size)
        assert asyncio.run(store.put_async("s", chunked_async(data, 500_009))).size == size
        assert ground.read("s") == data

    def test_async_iterables_need_the_async_verb(self, store: Store, ground: Ground) -> None:
        """The blocking verb refuses them before any I/O."""
        before = ground.snapshot()
        source: Any = chunked_async(NEW, 5)
        with pytest.raises((TypeError, NotSupportedError)):
            store.put("s", source)
        assert ground.snapshot() == before

    def test_wrong_sources(self, verbs: Store, ground: Ground) -> None:
        """What is no source is a TypeError before any I/O."""
        ground.write("s", OLD)
        before = ground.snapshot()
        wrong: list[Any] = ["text", 12, None, 1.5, io.StringIO("text"), object(), (ctypes.py_object * 2)()]
        with Cases() as case:
            for source in wrong:
                with case(source):
                    with pytest.raises((TypeError, NotSupportedError)) as caught:
                        verbs.put("s", source)
                    assert isinstance(caught.value, TypeError) or not verbs.capabilities.write
        assert ground.snapshot() == before

    def test_wrong_chunks(self, verbs: Store, ground: Ground) -> None:
        """A chunk that is no bytes fails the put, and the old object stays."""
        if self._read_only(verbs, ground):
            return
        ground.write("s", OLD)
        before = ground.snapshot()
        wrong: list[Any] = [["text"], [b"good", 12], [b"x" * 100_000, None]]
        with Cases() as case:
            for chunks in wrong:
                with case(type(chunks[-1])):
                    with pytest.raises(TypeError):
                        verbs.put("s", chunks)
                    assert ground.snapshot() == before

    def test_missing_path(self, verbs: Store, ground: Ground, tmp_path: Path) -> None:
        """A source path at which nothing is: FileNotFoundError, the old object stays."""
        if self._read_only(verbs, ground):
            return
        ground.write("s", OLD)
        before = ground.snapshot()
        with pytest.raises(FileNotFoundError):
            verbs.put("s", tmp_path / "nothing")
        assert ground.snapshot() == before

    # -- atomic -------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
    @pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
    def test_source_that_fails(self, verbs: Store, ground: Ground, there: bool, large: bool) -> None:
        """The source's own error comes out, the old object stays, and nothing else is left behind."""
        if self._read_only(verbs, ground):
            return
        if there:
            ground.write("d/s", OLD)
        before = ground.snapshot()
        data = pattern(self.large + 1 if large else 3000)
        with pytest.raises(BrokenSourceError):
            verbs.put("d/s", chunked(data, 1_000_003 if large else 1000, fails=True))
        assert ground.snapshot() == before
        assert ground.unfinished() == 0
        assert present(verbs, "d/s") == there

    @pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
    def test_async_source_that_fails(self, store: Store, ground: Ground, large: bool) -> None:
        """So it is with async iterables."""
        if not store.capabilities.write:
            return
        ground.write("d/s", OLD)
        before = ground.snapshot()
        data = pattern(self.large + 1 if large else 3000)
        with pytest.raises(BrokenSourceError):
            asyncio.run(store.put_async("d/s", chunked_async(data, 1_000_003 if large else 1000, fails=True)))
        assert ground.snapshot() == before
        assert ground.unfinished() == 0

    @pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
    def test_cancelled_put(self, store: Store, ground: Ground, large: bool) -> None:
        """A cancelled put ends soon, leaves the old object and no litter."""
        if not store.capabilities.write:
            return
        ground.write("d/s", OLD)
        before = ground.snapshot()
        data = pattern(self.large if large else 3000)

        async def cancelled() -> None:
            stuck = asyncio.Event()

            async def source() -> AsyncIterator[bytes]:
                for start in range(0, len(data), 1_000_003):
                    yield data[start : start + 1_000_003]
                stuck.set()
                await asyncio.sleep(600)

            task = asyncio.ensure_future(store.put_async("d/s", source()))
            await asyncio.wait_for(stuck.wait(), 60)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 30)
            assert task.cancelled()

        asyncio.run(cancelled())
        assert ground.snapshot() == before
        assert ground.unfinished() == 0

    def test_readers_see_whole_values(self, store: Store, ground: Ground, colour: Colour) -> None:
        """While a writer overwrites, every reader gets one value or the other, whole."""
        if not store.capabilities.write:
            return
        values = {b"a" * 50_000, b"b" * 190_000}
        store.put("k", min(values))

        def body(number: int, own: Colour) -> set[bytes]:
            mine = own(store)
            if number == 0:
                for _ in range(self.rounds):
                    for value in sorted(values):
                        mine.put("k", value)
                return set()
            return {read(mine, "k") for _ in range(self.rounds)}

        for seen in colour.in_threads(3, body):
            assert seen <= values
        assert ground.keys() == {"k"}

    # -- modes --------------------------------------------------------------------------------------------------------

    def test_create(self, verbs: Store, ground: Ground) -> None:
        """`create` writes where nothing is, and never over something."""
        if self._read_only(verbs, ground) or self._no_mode(
            verbs, ground, PutOptions(mode="create"), verbs.capabilities.create
        ):
            return
        verbs.put("new", NEW, PutOptions(mode="create"))
        assert ground.read("new") == NEW
        with pytest.raises(AlreadyExistsError) as caught:
            verbs.put("new", OLD, PutOptions(mode="create"))
        assert isinstance(caught.value, FileExistsError)
        bears_key(caught.value, "new")
        assert ground.read("new") == NEW

    def test_create_race(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Of many who create one key at once, exactly one succeeds, and its bytes are there."""
        if not (store.capabilities.write and store.capabilities.create):
            return
        for attempt in range(3):
            key, options = f"race/{attempt}", PutOptions(mode="create")
            answers = colour.at_once(store.put, [(key, str(i).encode(), options) for i in range(self.writers)])
            won = [i for i, answer in enumerate(answers) if isinstance(answer, PutResult)]
            lost = [answer for answer in answers if not isinstance(answer, PutResult)]
            assert len(won) == 1, f"{len(won)} writers created {key}"
            assert all(isinstance(answer, AlreadyExistsError) for answer in lost), lost
            assert ground.read(key) == str(won[0]).encode()

    def test_update(self, verbs: Store, ground: Ground) -> None:
        """`update` replaces exactly the version named by its etag."""
        stale = PutOptions(if_match="0123456789abcdef0123456789abcdef")
        if self._read_only(verbs, ground) or self._no_mode(verbs, ground, stale, verbs.capabilities.update):
            return
        with pytest.raises(PreconditionError):
            verbs.put("nothing", NEW, stale)
        assert ground.read("nothing") is None
        first = verbs.put("k", OLD)
        second = verbs.put("k", NEW, PutOptions(if_match=first.etag))
        assert ground.read("k") == NEW
        with pytest.raises(PreconditionError) as caught:
            verbs.put("k", b"lost", PutOptions(if_match=first.etag))
        bears_key(caught.value, "k")
        assert ground.read("k") == NEW
        third = verbs.put("k", OLD, PutOptions(if_match=verbs.head("k").etag))
        assert verbs.head("k").etag == third.etag
        assert second.etag != third.etag

    def test_update_race(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Of many who replace one version at once, exactly one succeeds."""
        if not (store.capabilities.write and store.capabilities.update):
            return
        options = PutOptions(if_match=store.put("k", OLD).etag)
        answers = colour.at_once(store.put, [("k", f"writer {i}".encode(), options) for i in range(self.writers)])
        won = [i for i, answer in enumerate(answers) if isinstance(answer, PutResult)]
        assert len(won) == 1, f"{len(won)} writers replaced one version"
        assert all(isinstance(answer, (PutResult, PreconditionError)) for answer in answers), answers
        assert ground.read("k") == f"writer {won[0]}".encode()

    def test_counter(self, store: Store, ground: Ground, colour: Colour) -> None:
        """No increment gets lost when several count by compare-and-set."""
        if not (store.capabilities.write and store.capabilities.update):
            return
        store.put("counter", b"0")
        threads, increments = 4, 4

        def body(_: int, own: Colour) -> None:
            mine = own(store)
            for _ in range(increments):
                for _ in range(500):
                    with mine.get("counter") as result:
                        value, etag = int(result.bytes()), result.meta.etag
                    try:
                        mine.put("counter", str(value + 1).encode(), PutOptions(if_match=etag))
                        break
                    except PreconditionError:
                        continue
                else:
                    raise AssertionError("no progress in 500 attempts")

        colour.in_threads(threads, body)
        assert ground.read("counter") == str(threads * increments).encode()

    def test_large_conditional(self, verbs: Store, ground: Ground) -> None:
        """Conditions hold for content sent by parts too, or are refused."""
        caps = verbs.capabilities
        if not (caps.write and caps.create):
            return
        data = pattern(self.large + 1)
        ground.write("taken", OLD)
        before = ground.snapshot()
        with pytest.raises(AlreadyExistsError if caps.large_conditional else (AlreadyExistsError, NotSupportedError)):
            verbs.put("taken", chunked(data, 1_000_003), PutOptions(mode="create"))
        assert ground.snapshot() == before
        assert ground.unfinished() == 0
        if caps.large_conditional:
            etag = verbs.put("free", chunked(data, 1_000_003), PutOptions(mode="create")).etag
            assert ground.read("free") == data
            assert verbs.head("free").etag == etag

    def test_large_update(self, verbs: Store, ground: Ground) -> None:
        """Compare-and-set holds for content sent by parts."""
        caps = verbs.capabilities
        if not (caps.write and caps.update and caps.large_conditional):
            return
        first = verbs.put("k", OLD).etag
        data = pattern(self.large + 1)
        verbs.put("k", chunked(data, 1_000_003), PutOptions(if_match=first))
        with pytest.raises(PreconditionError):
            verbs.put("k", chunked(data[::-1], 1_000_003), PutOptions(if_match=first))
        assert ground.read("k") == data
        assert ground.unfinished() == 0

    def _read_only(self, verbs: Store, ground: Ground) -> bool:
        """A store that cannot write refuses, and nothing changes."""
        if verbs.capabilities.write:
            return False
        before = ground.snapshot()
        with pytest.raises((NotSupportedError, PermissionError)):
            verbs.put("k", NEW)
        assert ground.snapshot() == before
        return True

    def _no_mode(self, verbs: Store, ground: Ground, options: PutOptions, has: bool) -> bool:
        """A mode that a store cannot promise is refused, not dropped."""
        if has:
            return False
        with pytest.raises(NotSupportedError):
            verbs.put("k", NEW, options)
        assert ground.keys() == set()
        return True
