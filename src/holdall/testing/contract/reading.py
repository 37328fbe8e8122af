"""Reading: `get`, `get_ranges`, `head`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange, Coalesce
from holdall.errors import (
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionError,
    RangeNotSatisfiableError,
)
from holdall.store import Store
from holdall.testing.contract.base import Cases, ContractBase, bears_key, pattern, read
from holdall.testing.ground import Ground

TEXT = b"0123456789"
RANGES: tuple[tuple[ByteRange | tuple[int, int], tuple[int, int]], ...] = (
    ((0, 1), (0, 1)),
    ((2, 5), (2, 5)),
    ((9, 10), (9, 10)),
    ((0, 10), (0, 10)),
    ((4, 1000), (4, 10)),
    (ByteRange(3), (3, 10)),
    (ByteRange(0), (0, 10)),
    (ByteRange.last(3), (7, 10)),
    (ByteRange.last(10), (0, 10)),
    (ByteRange.last(11), (0, 10)),
)


class ReadContract(ContractBase):
    """What readers may rely on."""

    def test_get_gives_what_is_there(self, verbs: Store, ground: Ground) -> None:
        """All bytes come, and the answer says how many."""
        with Cases() as case:
            for size in (0, 1, 10, 4096, 70_001, 3 * 1024 * 1024 + 7):
                ground.write(f"a/{size}.bin", pattern(size))
                with case(size), verbs.get(f"a/{size}.bin") as result:
                    assert result.meta.key == f"a/{size}.bin"
                    assert result.meta.size == size
                    assert result.range == (0, size)
                    assert result.size == size
                    assert result.bytes() == pattern(size)

    def test_get_streams(self, verbs: Store, ground: Ground) -> None:
        """The body can be iterated, in the store's chunks and in chunks of a wanted size."""
        data = pattern(3 * 1024 * 1024 + 5)
        ground.write("big", data)
        with verbs.get("big") as result:
            chunks = list(result)
        assert all(type(chunk) is bytes and chunk for chunk in chunks)
        assert b"".join(chunks) == data
        with verbs.get("big") as result:
            sized = list(result.chunks(1_000_000))
        assert [len(chunk) for chunk in sized] == [1_000_000] * 3 + [len(data) - 3_000_000]
        assert b"".join(sized) == data

    def test_get_can_be_read_once(self, verbs: Store, ground: Ground) -> None:
        """A second read of one result is an error, not silently empty."""
        ground.write("a", TEXT)
        with verbs.get("a") as result:
            assert result.bytes() == TEXT
            with pytest.raises(ValueError, match="read"):
                result.bytes()

    def test_get_missing(self, verbs: Store) -> None:
        """Nothing there is `NotFoundError`, which is a FileNotFoundError, with key and store."""
        with pytest.raises(NotFoundError) as caught:
            read(verbs, "no/such")
        assert isinstance(caught.value, FileNotFoundError)
        bears_key(caught.value, "no/such")

    def test_head_missing(self, verbs: Store, ground: Ground) -> None:
        """Nothing there is `NotFoundError`, also below and above things that are there."""
        ground.write("a/b", TEXT)
        for key in ("no", "a", "a/b/c", "a/b2", "a/"):
            if key == "a/" and verbs.capabilities.directories == "real":
                continue
            with pytest.raises(NotFoundError) as caught:
                verbs.head(key)
            bears_key(caught.value, key)

    def test_get_of_a_directory_is_not_found(self, verbs: Store, ground: Ground) -> None:
        """There is no object at the key of a directory."""
        ground.write("d/x", TEXT)
        with pytest.raises(NotFoundError):
            read(verbs, "d")
        with pytest.raises(NotFoundError):
            read(verbs, "d/x/y")

    def test_head_describes(self, verbs: Store, ground: Ground) -> None:
        """Size, kind, and a plausible aware UTC time."""
        ground.write("a/b.txt", TEXT)
        meta = verbs.head("a/b.txt")
        assert (meta.key, meta.size, meta.kind) == ("a/b.txt", len(TEXT), "file")
        if meta.last_modified is not None:
            assert meta.last_modified.utcoffset() == timedelta(0)
            assert abs(datetime.now(UTC) - meta.last_modified) < timedelta(minutes=10)

    def test_describes_alike(self, verbs: Store, ground: Ground) -> None:
        """`head`, `get` and `list` agree on size, etag and time."""
        ground.write("a/b.txt", TEXT)
        head = verbs.head("a/b.txt")
        with verbs.get("a/b.txt") as result:
            got = result.meta
        assert (got.size, got.etag, got.last_modified) == (head.size, head.etag, head.last_modified)
        if verbs.capabilities.etag:
            assert head.etag
            assert not head.etag.startswith('"')
        if not verbs.capabilities.list:
            return
        [seen] = [meta for page in verbs.list("a/") for meta in page.objects]
        assert (seen.key, seen.size, seen.etag) == ("a/b.txt", head.size, head.etag)
        if seen.last_modified is not None and head.last_modified is not None:  # listings are finer than HTTP dates
            assert abs(seen.last_modified - head.last_modified) < timedelta(seconds=1)

    # -- ranges -------------------------------------------------------------------------------------------------------

    def test_range(self, verbs: Store, ground: Ground) -> None:
        """Every form of range gives its bytes, clipped at the end; `meta.size` stays that of the object."""
        ground.write("r", TEXT)
        with Cases() as case:
            for wanted, expected in RANGES:
                with case(wanted), verbs.get("r", GetOptions(range=wanted)) as result:
                    assert result.range == expected
                    assert result.size == expected[1] - expected[0]
                    assert result.meta.size == len(TEXT)
                    assert result.bytes() == TEXT[slice(*expected)]

    def test_range_behind_the_end(self, verbs: Store, ground: Ground) -> None:
        """A range that starts at or behind the end is refused."""
        ground.write("r", TEXT)
        with Cases() as case:
            for wanted in ((10, 11), (500, 600), ByteRange(10), ByteRange(11)):
                with case(wanted):
                    with pytest.raises(RangeNotSatisfiableError) as caught:
                        read(verbs, "r", GetOptions(range=wanted))
                    bears_key(caught.value, "r")

    def test_range_of_nothing(self, verbs: Store, ground: Ground) -> None:
        """An empty object has no byte 0, but its last n bytes are empty."""
        ground.write("r", b"")
        for wanted in ((0, 1), ByteRange(0)):
            with pytest.raises(RangeNotSatisfiableError):
                read(verbs, "r", GetOptions(range=wanted))
        assert read(verbs, "r", GetOptions(range=ByteRange.last(5))) == b""

    def test_range_of_a_missing_object(self, verbs: Store) -> None:
        """Not found, not "range": that would say something is there."""
        for wanted in ((0, 1), ByteRange(5), ByteRange.last(2)):
            with pytest.raises(NotFoundError):
                read(verbs, "no", GetOptions(range=wanted))

    def test_range_streams(self, verbs: Store, ground: Ground) -> None:
        """A large range comes whole, whichever chunks the store likes."""
        data = pattern(3 * 1024 * 1024)
        ground.write("big", data)
        with verbs.get("big", GetOptions(range=(100, 2_500_000))) as result:
            assert b"".join(result.chunks(64 * 1024)) == data[100:2_500_000]

    # -- many ranges --------------------------------------------------------------------------------------------------

    def test_get_ranges(self, verbs: Store, ground: Ground) -> None:
        """Results stand in request order; duplicates, overlaps, empty and clipped ranges are served."""
        data = pattern(300_000)
        ground.write("r", data)
        wanted = [(200_000, 200_010), (0, 5), (3, 9), (0, 5), (7, 7), (299_990, 400_000), (100_000, 170_000), (5, 6)]
        for rule in (None, Coalesce(gap=0), Coalesce(gap=1_000_000), Coalesce(gap=10, largest=8)):
            assert verbs.get_ranges("r", wanted, coalesce=rule) == [data[start:end] for start, end in wanted]

    def test_get_ranges_of_nothing(self, verbs: Store, ground: Ground) -> None:
        """No ranges, no bytes."""
        ground.write("r", TEXT)
        assert verbs.get_ranges("r", []) == []

    def test_get_ranges_behind_the_end(self, verbs: Store, ground: Ground) -> None:
        """One range behind the end fails the call, merged with good ones or alone."""
        ground.write("r", TEXT)
        for wanted in ([(10, 12)], [(0, 2), (10, 12)], [(8, 10), (11, 12)], [(0, 2), (900_000, 900_001)]):
            with pytest.raises(RangeNotSatisfiableError):
                verbs.get_ranges("r", wanted)

    def test_get_ranges_of_a_missing_object(self, verbs: Store) -> None:
        """Not found, also when several fetches fail at once."""
        with pytest.raises(NotFoundError):
            verbs.get_ranges("no", [(0, 1), (5_000_000, 5_000_001), (90_000_000, 90_000_001)])

    def test_get_ranges_if_match(self, verbs: Store, ground: Ground) -> None:
        """`if_match` holds for every fetch."""
        data = pattern(1_000_000)
        ground.write("r", data)
        wanted = [(0, 10), (900_000, 900_010)]
        if not (verbs.capabilities.conditional_read and verbs.capabilities.etag):
            with pytest.raises(NotSupportedError):
                verbs.get_ranges("r", wanted, if_match="x")
            return
        etag = verbs.head("r").etag
        assert verbs.get_ranges("r", wanted, if_match=etag) == [data[start:end] for start, end in wanted]
        with pytest.raises(PreconditionError):
            verbs.get_ranges("r", wanted, if_match="0123")

    # -- conditions ---------------------------------------------------------------------------------------------------

    def test_if_match(self, verbs: Store, ground: Ground) -> None:
        """Another etag than the one asked for is `PreconditionError`."""
        ground.write("c", TEXT)
        if self._refuses(verbs, GetOptions(if_match="0123")):
            return
        etag = verbs.head("c").etag
        assert read(verbs, "c", GetOptions(if_match=etag)) == TEXT
        assert read(verbs, "c", GetOptions(if_match=etag, range=(2, 4))) == TEXT[2:4]
        with pytest.raises(PreconditionError) as caught:
            read(verbs, "c", GetOptions(if_match="0123"))
        bears_key(caught.value, "c")

    def test_if_none_match(self, verbs: Store, ground: Ground) -> None:
        """The etag that the caller has is `NotModifiedError`."""
        ground.write("c", TEXT)
        if self._refuses(verbs, GetOptions(if_none_match="0123")):
            return
        etag = verbs.head("c").etag
        assert read(verbs, "c", GetOptions(if_none_match="0123")) == TEXT
        with pytest.raises(NotModifiedError):
            read(verbs, "c", GetOptions(if_none_match=etag))

    def test_if_modified_since(self, verbs: Store, ground: Ground) -> None:
        """An object older than the given time is `NotModifiedError`."""
        ground.write("c", TEXT)
        now = datetime.now(UTC)
        if self._refuses(verbs, GetOptions(if_modified_since=now)):
            return
        assert read(verbs, "c", GetOptions(if_modified_since=now - timedelta(days=2))) == TEXT
        with pytest.raises(NotModifiedError):
            read(verbs, "c", GetOptions(if_modified_since=verbs.head("c").last_modified))

    def test_if_unmodified_since(self, verbs: Store, ground: Ground) -> None:
        """An object newer than the given time is `PreconditionError`."""
        ground.write("c", TEXT)
        now = datetime.now(UTC)
        if self._refuses(verbs, GetOptions(if_unmodified_since=now)):
            return
        assert read(verbs, "c", GetOptions(if_unmodified_since=now + timedelta(seconds=2))) == TEXT
        with pytest.raises(PreconditionError):
            read(verbs, "c", GetOptions(if_unmodified_since=now - timedelta(days=2)))

    def test_conditions_on_a_missing_object(self, verbs: Store) -> None:
        """Not found comes first for reads."""
        if not verbs.capabilities.conditional_read:
            return
        for options in (GetOptions(if_match="x"), GetOptions(if_none_match="x")):
            with pytest.raises((NotFoundError, PreconditionError)) as caught:
                read(verbs, "no", options)
            if options.if_match is None:
                assert isinstance(caught.value, NotFoundError)

    def _refuses(self, verbs: Store, options: GetOptions) -> bool:
        """Where reads know no conditions, one is refused, not dropped."""
        if verbs.capabilities.conditional_read:
            return False
        with pytest.raises(NotSupportedError):
            read(verbs, "c", options)
        return True
