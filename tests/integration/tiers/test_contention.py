"""A23: eight writers overwrite one key for ten seconds; afterwards all locations are equal, and readers saw only what was written."""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.tier_places import tier_place

from holdall.drivers.local import LocalStore
from holdall.drivers.registry import open_store
from holdall.tiers import FileStore
from holdall.wrappers.forwarding import ForwardingStore

SECONDS = 10
SLOWEST = 0.02


class Delayed(ForwardingStore):
    """Writes and descriptions take a random while."""

    def _narrowed(self, inner):
        return inner.narrowed(local=False)

    def put(self, key, source, options=None):
        time.sleep(random.random() * SLOWEST)
        return super().put(key, source, options)

    async def put_async(self, key, source, options=None):
        await asyncio.sleep(random.random() * SLOWEST)
        return await super().put_async(key, source, options)

    def head(self, key, *, version=None):
        time.sleep(random.random() * SLOWEST)
        return super().head(key, version=version)

    async def head_async(self, key, *, version=None):
        await asyncio.sleep(random.random() * SLOWEST)
        return await super().head_async(key, version=version)


def value(writer, turn):
    return f"{writer}-{turn} ".encode() * 500


@pytest.mark.slow
def test_a23_eight_writers_for_ten_seconds(request, tmp_path):
    """Four writers and a reader in threads, four and one in tasks of a loop, on one file store, over a directory and Azure."""
    written, seen, turns = {b"first"}, set(), [0] * 8
    with tier_place("azure", request) as place:
        stores = LocalStore(tmp_path / "near", create=True), open_store(place.url(name=None))
        with FileStore(*map(Delayed, stores), names=["hot", "cold"]) as fs:
            fs.put("k", b"first")
            end = time.monotonic() + SECONDS

            def write(writer):
                while time.monotonic() < end:
                    content = value(writer, turns[writer])
                    written.add(content)
                    fs.put("k", content)
                    turns[writer] += 1

            async def write_async(writer):
                while time.monotonic() < end:
                    content = value(writer, turns[writer])
                    written.add(content)
                    await fs.put_async("k", content)
                    turns[writer] += 1

            def read():
                while time.monotonic() < end:
                    seen.add(fs.get("k", random.choice(["near", "far"])))
                    time.sleep(0.01)

            async def read_async():
                while time.monotonic() < end:
                    seen.add(await fs.get_async("k", random.choice(["near", "far"])))
                    await asyncio.sleep(0.01)

            async def tasks():
                await asyncio.gather(*map(write_async, range(4, 8)), read_async())

            with ThreadPoolExecutor(5) as pool:
                threads = [pool.submit(write, writer) for writer in range(4)] + [pool.submit(read)]
                asyncio.run(tasks())
                for thread in threads:
                    thread.result()
            assert min(turns) > 0
            held = {store.get("k").bytes() for store in stores}
        for store in stores:
            store.close()
    assert len(held) == 1
    assert held <= written - {b"first"}
    assert seen <= written
