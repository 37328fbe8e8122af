"""A20: how long a call may take when nobody answers, and what servers ask for, by a clock that only pauses and attempts move."""

import math

import httpx
import pytest
from botocore.exceptions import ClientError

from holdall.drivers.memory import MemoryStore
from holdall.drivers.s3errors import translated
from holdall.drivers.webdav_client import raise_for
from holdall.errors import HoldallError, StoreTimeoutError, ThrottledError, UnavailableError
from holdall.testing import FlakyStore
from holdall.tiers import FileStore, reading, reading_async
from holdall.wrappers import _resilience, _resilient, _resilient_async


class Clock:
    """Stands for the modules `time` and `random`: each pause is as long as it may be."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def monotonic(self):
        return self.now

    def random(self):
        return 1.0

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds):
        self.sleep(seconds)

    def refused(self):
        return UnavailableError("refused")

    def silent(self):
        self.now += 5.0  # the connection is not made within the limit
        return StoreTimeoutError("no answer in time")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (reading, reading_async, _resilience):
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "random", clock)
    for module in (reading, _resilient):
        monkeypatch.setattr(module, "sleep", clock.sleep)
    for module in (reading_async, _resilient_async):
        monkeypatch.setattr(module, "sleep_async", clock.sleep_async)
    return clock


@pytest.mark.parametrize("locations", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a20_all_locations_are_down(clock, how, locations, colour):
    """Refused: an error in less than 2 s; no answer at all: in less than 31 s."""
    for verb in ("get", "exists", "stat", "list", "put", "delete"):
        if verb in {"list", "put", "delete"} and locations > 1:
            continue  # asked all at once, each for as long as one alone
        stores = [FlakyStore(MemoryStore()) for _ in range(locations)]
        for store in stores:
            store.fail("*", times=math.inf, error=getattr(clock, how))
        clock.now = 0.0
        with FileStore(*stores) as plain:
            fs = colour(plain)
            with pytest.raises(UnavailableError):
                list(fs.list()) if verb == "list" else fs.put("k", b"x") if verb == "put" else getattr(fs, verb)("k")
        assert clock.now < (2 if how == "refused" else 31), verb


@pytest.mark.parametrize(("asked", "waited"), [(3.0, 3.0), (60.0, 5.0)])
@pytest.mark.parametrize("locations", [1, 2])
def test_a20_what_servers_ask_for_is_waited_for(clock, asked, waited, locations, colour):
    stores = [FlakyStore(MemoryStore()) for _ in range(locations)]
    stores[0].put("k", b"x")
    for store in stores:
        for verb in ("get", "put"):
            store.fail(verb, error=lambda: ThrottledError("slow down", retry_after=asked))
    with FileStore(*stores) as plain:
        assert colour(plain).get("k") == b"x"
        assert clock.pauses == [waited]
        colour(plain).put("k", b"y", 0, force=True)
        assert clock.pauses == [waited, waited]


def test_a20_clients_hear_what_servers_ask_for():
    with pytest.raises(UnavailableError) as caught:
        raise_for(httpx.Response(503, headers={"Retry-After": "7"}), "'k'")
    assert caught.value.retry_after == 7.0
    answer = {
        "Error": {"Code": "SlowDown"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {"retry-after": "9"}},
    }
    with pytest.raises(ThrottledError) as caught, translated("read", "k"):
        raise ClientError(answer, "GetObject")
    assert caught.value.retry_after == 9.0
    assert not hasattr(HoldallError("other"), "retry_after")
