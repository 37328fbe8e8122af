"""Sources that fail, shrink or are replaced midway, targets that fail, bytes that change, transfers that are cancelled."""

import asyncio

import pytest
from tests.leftovers import Threads
from tests.unit.engine.stores import Apart, engine, everything, fill

from holdall.core.capabilities import PartRules
from holdall.core.options import GetOptions
from holdall.core.plans import MIB
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import transfer, transfer_async
from holdall.engine.progress import TransferOptions
from holdall.errors import IntegrityError, PreconditionError, UnavailableError
from holdall.results import GetResult
from holdall.testing import CountingStore, FlakyStore
from holdall.testing.ground import LocalGround

BIG = bytes(range(256)) * (40 * 4096)  # 40 MiB
OLD = {"big": b"old"}


@pytest.fixture(params=["apart", "apart with parts", "local"])
def target(request, tmp_path):
    """A store that holds an older object; what is unfinished there can be counted."""
    store = {
        "apart": Apart,
        "apart with parts": lambda: Apart(parts=PartRules()),
        "local": lambda: LocalStore(tmp_path / "to", create=True),
    }[request.param]()
    fill(store, OLD)
    return store


def assert_untouched(target):
    """Assert that only the old object is there: no half object, no part, no temporary file."""
    assert everything(target) == OLD
    if isinstance(target, LocalStore):
        assert LocalGround(target.root).everything() == {"big"}
    else:
        assert target._uploads == {}


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("at", [0, 1, 20 * MIB])
def test_a_source_that_fails_midway_leaves_the_target(colour, target, ranges, at):
    source = FlakyStore(Apart(ranges=ranges))
    source.put("big", BIG)
    if ranges:
        source.fail("get", nth=1 + at // (8 * MIB))
    else:
        source.fail("get", when="during", after_bytes=at)
    with pytest.raises(UnavailableError, match="injected"):
        colour(engine).copy((source, "big"), (target, "big"))
    assert_untouched(target)


@pytest.mark.parametrize("verb", ["parts", "put_part", "complete"])
def test_a_target_that_fails_midway_keeps_the_old_object(colour, target, verb):
    source, flaky = Apart(), FlakyStore(target)
    source.put("big", BIG)
    if not isinstance(target, LocalStore):
        verb = "put"  # what one put does with its parts is the driver's matter
    flaky.fail(verb, nth=2 if verb == "put_part" else 1)
    with pytest.raises(UnavailableError, match="injected"):
        colour(engine).copy((source, "big"), (flaky, "big"))
    assert_untouched(target)


class Short(Apart):
    """Announces more bytes than it sends."""

    def get(self, key, options=None):
        result = super().get(key, options)
        if result.size < 10:
            return result
        data = result.bytes()
        return GetResult(result.meta, iter([data[: len(data) // 2]]), range=result.range)

    async def get_async(self, key, options=None):
        result = self.get(key, options)
        body = result._body

        async def chunks():
            for chunk in [body] if isinstance(body, bytes) else body:
                yield chunk

        return GetResult(result.meta, chunks(), range=result.range)


@pytest.mark.parametrize("size", [100, 40 * MIB])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_short_source_is_an_integrity_error(colour, target, size, ranges):
    source = Short(ranges=ranges)
    source.put("big", BIG[:size])
    with pytest.raises(IntegrityError):
        colour(engine).copy((source, "big"), (target, "big"))
    assert_untouched(target)


class Replaced(Apart):
    """Is replaced by somebody else after the nth read."""

    def __init__(self, nth, **changes):
        super().__init__(**changes)
        self.left = nth

    def get(self, key, options=None):
        result = super().get(key, options)
        self.left -= 1
        if self.left == 0:
            self.put(key, BIG[::-1])
        return result

    async def get_async(self, key, options=None):
        result = await super().get_async(key, options)
        self.left -= 1
        if self.left == 0:
            self.put(key, BIG[::-1])
        return result


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_a20_a_source_replaced_midway_is_an_error_never_a_mixture(colour, target, nth):
    source = Replaced(nth)
    source.put("big", BIG)
    with pytest.raises(PreconditionError):
        colour(engine).copy((source, "big"), (target, "big"), TransferOptions(part_size=MIB, concurrency=2))
    assert_untouched(target)


def test_a_local_source_written_to_while_it_is_read_is_an_error(colour, tmp_path):
    source, target = LocalStore(tmp_path, create=True), Apart()
    source.put("big", BIG)
    fill(target, OLD)

    def meddle(event):
        if event.bytes == 10 * MIB:
            with open(tmp_path / "big", "r+b") as file:
                file.seek(30 * MIB)
                file.write(b"other")

    with pytest.raises(PreconditionError, match="changed while it was copied"):
        colour(engine).copy((source, "big"), (target, "big"), TransferOptions(on_progress=meddle))
    assert everything(target) == OLD


def test_a_tree_in_which_a_source_vanishes_between_listing_and_reading(colour):
    source, target = Apart(), Apart()
    fill(source, {f"t/{i:03}": b"x" for i in range(20)})

    def vanish(done, total):
        if done == 1:
            source.delete("t/019")

    with pytest.raises(FileNotFoundError):
        colour(engine).copy((source, "t/"), (target, "u"), TransferOptions(progress=vanish, concurrency=1))
    assert len(everything(target, "u/")) == 19


# -- bytes that change ----------------------------------------------------------------------------------------------------


class Corrupting(Apart):
    """Stores other bytes than it was given, of the same number."""

    def _publish(self, key, data, options):
        return super()._publish(key, data[:-1] + b"!" if len(data) > 3 else data, options)


@pytest.mark.parametrize("size", [100, 20 * MIB])
@pytest.mark.parametrize("verify", ["checksum", "read"])
def test_corrupted_uploads_are_found_and_removed(colour, size, verify):
    source, target = Apart(), Corrupting()
    source.put("big", BIG[:size])
    with pytest.raises(IntegrityError, match="differs"):
        colour(engine).copy((source, "big"), (target, "big"), TransferOptions(verify=verify))
    assert everything(target) == {}
    assert colour(engine).copy((source, "big"), (target, "big"), TransferOptions(verify="size")).copied == 1


class Cutting(Apart):
    """Publishes less than it was given, and says so."""

    def _publish(self, key, data, options):
        return super()._publish(key, data[:-1], options)


def test_a_cut_upload_is_found_by_its_size(colour):
    source, target = Apart(), Cutting()
    source.put("f", b"12345")
    with pytest.raises(IntegrityError, match="4 bytes were written of 5"):
        colour(engine).copy((source, "f"), (target, "f"))
    assert everything(target) == {}
    assert colour(engine).copy((source, "f"), (target, "f"), TransferOptions(verify="none")).copied == 1


def test_a_bad_copy_that_somebody_replaced_is_not_removed(colour):
    class Busy(Corrupting):
        def _publish(self, key, data, options):
            result = super()._publish(key, data, options)
            if data != b"!":
                super()._publish(key, b"!", options)
            return result

    source, target = Apart(), Busy()
    source.put("f", b"12345")
    with pytest.raises((IntegrityError, PreconditionError)):
        colour(engine).copy((source, "f"), (target, "f"), TransferOptions(verify="checksum"))
    assert everything(target) == {"f": b"!"}


class Lying(Apart):
    """Vouches for the MD5 of other bytes than it sends."""

    def get(self, key, options=None):
        import dataclasses

        result = super().get(key, options)
        result.meta = dataclasses.replace(result.meta, digests={"md5": "0" * 32})
        return result

    async def get_async(self, key, options=None):
        import dataclasses

        result = await super().get_async(key, options)
        result.meta = dataclasses.replace(result.meta, digests={"md5": "0" * 32})
        return result


@pytest.mark.parametrize("size", [100, 20 * MIB])
@pytest.mark.parametrize("ranges", [True, False])
def test_a19_corrupted_downloads_never_reach_the_target(colour, target, size, ranges):
    source = Lying(digests=frozenset({"md5"}), ranges=ranges)
    source.put("big", BIG[:size])
    with pytest.raises(IntegrityError, match="vouches"):
        colour(engine).copy((source, "big"), (target, "big"), TransferOptions(verify="checksum"))
    assert_untouched(target)


@pytest.mark.parametrize("size", [100, 20 * MIB])
@pytest.mark.parametrize("verify", ["none", "size", "checksum", "read"])
def test_every_way_of_verifying_passes_good_copies(colour, target, size, verify):
    source = Apart()
    source.put("f", BIG[:size])
    report = colour(engine).copy((source, "f"), (target, "f"), TransferOptions(verify=verify))
    assert target.get("f").bytes() == BIG[:size]
    assert bool(report.items[0].digest) is (verify in {"checksum", "read"})


@pytest.mark.parametrize("verify", ["none", "size", "checksum", "read"])
def test_copies_by_the_server_are_verified_too(colour, verify):
    source, target = MemoryStore(), CountingStore(MemoryStore())
    source.put("f", b"12345")
    report = colour(engine).copy((source, "f"), (target, "f"), TransferOptions(verify=verify))
    assert bool(report.items[0].digest) is (verify == "read")
    assert target.counts.calls.get("get", 0) == (verify == "read")


# -- cancelled ------------------------------------------------------------------------------------------------------------


class Stuck(Apart):
    """Hangs in the nth read until it is cancelled."""

    def __init__(self, nth):
        super().__init__()
        self.left = nth
        self.reached = asyncio.Event()

    async def get_async(self, key, options=None):
        self.left -= 1
        if self.left == 0:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().get_async(key, options)


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("told", [True, False])
def test_cancelling_leaves_nothing_behind(target, nth, told):
    source = Stuck(nth)
    source.put("t/big", BIG)
    fill(source, {f"t/{i}": b"x" for i in range(3)} if nth == 1 else {})

    async def main():
        options = TransferOptions(on_progress=lambda event: None) if told else None
        task = asyncio.create_task(transfer_async.copy_async((source, "t/big"), (target, "big"), options))
        await source.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_untouched(target)


def test_cancelling_a_tree_waits_for_what_is_under_way(target):
    source = Stuck(5)
    fill(source, {f"t/{i}": BIG[: 9 * MIB] for i in range(6)})

    async def main():
        task = asyncio.create_task(transfer_async.copy_async((source, "t/"), (target, "u"), TransferOptions(concurrency=2)))
        await source.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert all(data == BIG[: 9 * MIB] for key, data in everything(target).items() if key != "big")
    if not isinstance(target, LocalStore):
        assert target._uploads == {}


def test_an_interrupt_in_the_callers_thread_stops_the_workers(tmp_path):
    source, target = Apart(), LocalStore(tmp_path, create=True)
    fill(source, {f"t/{i:03}": BIG[: 9 * MIB] for i in range(30)})
    started = Threads()

    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.copy((source, "t/"), (target, "u"), TransferOptions(on_progress=interrupt))
    assert started.left() == []
    assert len(everything(target)) < 30
    assert all(data == BIG[: 9 * MIB] for data in everything(target).values())
    assert not [name for name in LocalGround(tmp_path).everything() if ".holdall" in name]


def test_a_pinned_read_never_sees_another_version(colour):
    source = Apart()
    etag = source.put("f", b"1").etag
    source.put("f", b"2")
    with pytest.raises(PreconditionError):
        colour(source).get("f", GetOptions(if_match=etag))
