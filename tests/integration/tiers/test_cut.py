"""A08: a write of 32 MiB that ends at each tenth, because its process is killed, its link is cut or its source raises."""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from tests.integration.tiers import killed
from tests.tier_places import KINDS, OBJECTS, tier_place

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.errors import HoldallError
from holdall.testing import Fault, colour_named
from holdall.testing.colour import NAMES
from holdall.tiers import FileStore, checking, checking_async

OLD, NEW, SIZE = b"the old object", killed.NEW, killed.SIZE
PART = 8 << 20
TENTHS = range(1, 11)
ONCE = {"retry": RetryPolicy(attempts=1), "breaker": BreakerPolicy(failures=1000), "digest": None}


@pytest.fixture(params=KINDS)
def place(request):
    with tier_place(request.param, request) as place:
        place.ground.write("k", OLD)
        yield place


def whole(place):
    """Assert that the old object or the new one is there, and put the old one back."""
    held = place.ground.read("k")
    assert held in (OLD, NEW)
    if held != OLD:
        place.ground.write("k", OLD)
    return held == NEW


def swept(place, monkeypatch):
    """Assert that nothing else is listed, and that repair removes what ended writers left."""
    for module in (checking, checking_async):
        monkeypatch.setattr(module, "OLD", timedelta(minutes=-1))
    with FileStore(place.url(), **ONCE) as fs:
        assert [entry.path for entry in fs.list()] == ["k"]
        assert fs.repair().ok
        assert [entry.path for entry in fs.list()] == ["k"]
        assert list(fs.verify()) == []
    assert place.ground.everything() == {"k"}
    assert place.ground.unfinished() == 0


def until(tenth, progress, ended):
    """Wait until most of a tenth has arrived, or the write has ended."""
    while progress() < SIZE * tenth // 10 * 95 // 100 and not ended:
        time.sleep(0.001)


def test_a08_killed(place, monkeypatch):
    arguments = [sys.executable, "-W", "ignore", killed.__file__, place.url()]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        for tenth in TENTHS:
            limit = SIZE * tenth // 10 if place.kind == "file" and tenth < 10 else 0
            progress, ended = place.progress(), []
            program.stdin.write(f"{'async' if tenth % 2 else 'blocking'} {limit}\n")
            program.stdin.flush()
            child = int(program.stdout.readline())
            waiting = threading.Thread(target=lambda ended=ended: ended.append(int(program.stdout.readline())))
            waiting.start()
            if place.kind != "file":
                until(tenth, progress, ended)
                if not ended:
                    with contextlib.suppress(ProcessLookupError):  # it ends just now
                        os.kill(child, signal.SIGKILL)
            waiting.join(60)
            assert ended[0] in ({-signal.SIGXFSZ if limit else 0} if place.kind == "file" else {-signal.SIGKILL, 0})
            assert whole(place) or ended[0]
        program.stdin.close()
    swept(place, monkeypatch)


def written(fs, tenth):
    """Write in one of the colours; return the error, if there is one."""
    try:
        asyncio.run(fs.put_async("k", NEW, force=True)) if tenth % 2 else fs.put("k", NEW, force=True)
    except HoldallError as error:
        return error
    return None


def cut_off(place, fs, tenth):
    """Write while the link breaks after a tenth: objects in the middle of a part, files when so much has arrived."""
    if place.kind in OBJECTS:
        parts, rest = divmod(SIZE * tenth // 10, PART)
        place.proxy.fail(Fault(drop_request_after=rest or None, lose_reply=not rest), skip=parts, times=math.inf)
        error = written(fs, tenth)
        place.proxy.heal()
        return error
    progress, ended = place.progress(), []
    writing = threading.Thread(target=lambda: ended.append(written(fs, tenth)))
    writing.start()
    until(tenth, progress, ended)
    place.proxy.down()
    writing.join(60)
    place.proxy.up()
    return ended[0]


def test_a08_cut_off(place, monkeypatch):
    if place.proxy is None:
        return
    errors = []
    with FileStore(place.url(), **ONCE) as fs:
        for tenth in TENTHS:
            errors.append(cut_off(place, fs, tenth))
            assert whole(place) or errors[-1] is not None
    assert any(errors)
    swept(place, monkeypatch)


def test_a08_a_source_that_raises(place, monkeypatch):
    def source(bytes_):
        for start in range(0, bytes_, 1 << 20):
            yield NEW[start : start + (1 << 20)]
        raise RuntimeError("the source broke")

    with FileStore(place.url(), **ONCE) as fs:
        for tenth in TENTHS:
            with colour_named(NAMES[tenth % 2]) as colour, pytest.raises(RuntimeError, match="the source broke"):
                colour(fs).put("k", source(SIZE * tenth // 10))
        assert place.ground.everything() == {"k"}
        assert place.ground.read("k") == OLD
        assert place.proxy is None or place.proxy.traffic.bytes_up == 0
    swept(place, monkeypatch)
