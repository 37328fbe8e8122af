"""Faults: what a store says when its server is dead, slow, busy, broken or cut off in the midst of a word.

`FaultContract` stands beside `StoreContract`: a driver gives the fixtures ``proxy``, a `holdall.testing.FaultProxy` in front of
the real server, ``store``, which speaks through it with short timeouts, and ``ground``, which does not.
"""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Generator
from typing import Any

import pytest

from holdall.core.options import PutOptions
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ThrottledError,
    UnavailableError,
)
from holdall.store import Store
from holdall.testing.colour import NAMES, colour_named
from holdall.testing.contract.base import Cases, ContractBase, keys_of, needs, pattern, read
from holdall.testing.ground import Ground
from holdall.testing.proxy import Fault, FaultProxy

__all__ = ["FaultContract"]

OLD, NEW = b"the old bytes", b"the new and longer bytes"


class FaultContract(ContractBase):
    """What holds when things go wrong on the way.

    Attributes:
        patience: Seconds within which every verb must have given up.
        gone: What it means if all there is answers 404: a store over directories misses its root, and can tell nothing.
    """

    patience: float = 30.0
    gone: type[HoldallError] = NotFoundError

    def test_dead_server(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """Nobody there: `UnavailableError`, soon, and never "not found"; afterwards all is well again."""
        ground.write("k", OLD)
        assert read(verbs, "k") == OLD
        proxy.down()
        self._unavailable(verbs)
        proxy.up()
        assert read(verbs, "k") == OLD
        assert ground.snapshot() == {"k": OLD}

    def test_silent_server(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A server that takes everything and answers nothing is given up in time."""
        ground.write("k", OLD)
        self._inject(proxy, Fault(blackhole=True))
        with self._soon(), pytest.raises(UnavailableError):
            read(verbs, "k")
        self._heal(proxy)
        assert read(verbs, "k") == OLD

    def test_truncated_answer(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """An answer that ends too early is an error, or is completed; it is never taken for the whole."""
        data = pattern(3_000_000)
        ground.write("k", data)
        for cut in (0, 1, 1_000_000):
            self._inject(proxy, Fault(drop_reply_after=cut), times=1, method="GET")
            with self._soon():
                got = self._unless_failing(lambda: read(verbs, "k"), IntegrityError)
            assert got is None or got == data
            self._inject(proxy, Fault(drop_reply_after=cut), method="GET")
            with self._soon():
                got = self._unless_failing(lambda: read(verbs, "k"), IntegrityError)
            assert got is None or (got == data and cut)  # a store may go on where it was cut off
            self._heal(proxy)
        assert read(verbs, "k") == data

    def test_reset(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A connection that is reset in the midst of an answer."""
        data = pattern(3_000_000)
        ground.write("k", data)
        self._inject(proxy, Fault(drop_reply_after=0, reset=True))
        with self._soon(), pytest.raises((IntegrityError, UnavailableError)):
            read(verbs, "k")
        self._inject(proxy, Fault(drop_reply_after=500_000, reset=True))
        with self._soon():
            got = self._unless_failing(lambda: read(verbs, "k"), IntegrityError)
        assert got is None or got == data
        self._heal(proxy)
        assert read(verbs, "k") == data

    @needs("write")
    def test_cut_put(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A connection that breaks in the midst of a put: an error, and the old object is untouched."""
        ground.write("k", OLD)
        for size in (3_000_000, self.large):
            self._inject(proxy, Fault(drop_request_after=500_000), method="PUT")
            with self._soon(2), pytest.raises(UnavailableError):
                verbs.put("k", pattern(size))
            self._heal(proxy)
            assert ground.read("k") == OLD
        verbs.put("k", NEW)
        assert ground.read("k") == NEW

    @needs("write")
    def test_lost_reply_of_a_put(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A put whose answer gets lost is repeated, or `UnavailableError`; the object is whole."""
        ground.write("k", OLD)
        self._inject(proxy, Fault(lose_reply=True), times=1, method="PUT")
        with self._soon():
            result = self._unless_failing(lambda: verbs.put("k", NEW))
        self._heal(proxy)
        assert ground.read("k") in {OLD, NEW}
        if result is not None:
            assert ground.read("k") == NEW
            assert verbs.head("k").etag == result.etag

    @needs("write", "create")
    def test_lost_reply_of_a_create(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A create that is repeated because its answer got lost recognises its own success."""
        if not proxy.http:
            return
        verbs.put("first", OLD, PutOptions(mode="create"))  # whatever a store asks once, it has asked now
        self._inject(proxy, Fault(lose_reply=True), times=1, method="PUT", target=r"/k(\?|$)")
        with self._soon():
            result = verbs.put("k", NEW, PutOptions(mode="create"))
        assert proxy.traffic.faults == 1
        assert ground.read("k") == NEW
        assert verbs.head("k").etag == result.etag
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", OLD, PutOptions(mode="create"))
        self._inject(proxy, Fault(lose_reply=True), times=1, method="PUT", target=r"/k(\?|$)")
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", OLD, PutOptions(mode="create"))
        assert ground.read("k") == NEW

    @needs("write", "update")
    def test_lost_reply_of_an_update(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """So does a compare-and-set; what somebody else wrote meanwhile is not taken for one's own."""
        if not proxy.http:
            return
        first = verbs.put("k", b"first")
        first = verbs.put("k", OLD, PutOptions(if_match=first.etag))
        self._inject(proxy, Fault(lose_reply=True), times=1, method="PUT", target=r"/k(\?|$)")
        with self._soon():
            second = verbs.put("k", NEW, PutOptions(if_match=first.etag))
        assert ground.read("k") == NEW
        assert verbs.head("k").etag == second.etag
        self._inject(proxy, Fault(lose_reply=True), times=1, method="PUT", target=r"/k(\?|$)")
        with pytest.raises(PreconditionError):
            verbs.put("k", b"stale", PutOptions(if_match=first.etag))
        assert ground.read("k") == NEW

    @needs("delete")
    def test_lost_reply_of_a_delete(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A delete is idempotent: repeated, or `UnavailableError`."""
        ground.write("k", OLD)
        self._inject(proxy, Fault(lose_reply=True), times=1)
        with self._soon():
            self._unless_failing(lambda: verbs.delete("k"))
        self._heal(proxy)
        verbs.delete("k")
        assert ground.keys() == set()

    def test_busy_server(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A server that is busy for a moment is asked again."""
        if not proxy.http:
            return
        ground.write("k", OLD)
        read(verbs, "k")
        for status in (500, 503):
            self._inject(proxy, Fault(answer=status), times=2)
            with self._soon():
                assert read(verbs, "k") == OLD
        assert proxy.traffic.faults == 4

    def test_what_statuses_mean(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """Statuses that stay, without a body that says more."""
        if not proxy.http:
            return
        ground.write("k", OLD)
        read(verbs, "k")
        meanings: tuple[tuple[int, type[HoldallError]], ...] = (
            (404, self.gone),
            (403, PermissionDeniedError),
            (401, PermissionDeniedError),
            (429, ThrottledError),
            (500, UnavailableError),
            (502, UnavailableError),
            (503, UnavailableError),
        )
        with Cases() as case:
            for status, kind in meanings:
                self._inject(proxy, Fault(answer=status))
                with case(status), self._soon(), pytest.raises(kind) as caught:
                    read(verbs, "k")
                self._heal(proxy)
                with case(status, "secrets"):
                    self._discreet(caught.value)
        assert read(verbs, "k") == OLD

    @needs("write")
    def test_refused_put(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A put that is not allowed says so, and leaves the old object."""
        if not proxy.http:
            return
        ground.write("k", OLD)
        for status, kind in ((403, PermissionDeniedError), (500, UnavailableError)):
            self._inject(proxy, Fault(answer=status), method="PUT")
            with self._soon(), pytest.raises(kind):
                verbs.put("k", NEW)
            self._heal(proxy)
        assert ground.snapshot() == {"k": OLD}

    @needs("list")
    def test_listing_that_breaks(self, store: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A listing that fails after its first page raises, in each colour; it is not taken for complete."""
        if not proxy.http:
            return
        ground.write_many({f"k/{i:05}": b"" for i in range(self.many)})
        for name in NAMES:
            with colour_named(name) as colour:
                verbs = colour(store)
                asked = len(proxy.traffic.requests)
                assert len(keys_of(verbs)) == self.many
                if len(proxy.traffic.requests) - asked < 2:
                    return  # it came in one answer
                self._inject(proxy, Fault(answer=500), skip=1)
                with self._soon(), pytest.raises(UnavailableError):
                    keys_of(verbs)
                self._heal(proxy)

    # -- words --------------------------------------------------------------------------------------------------------

    def _inject(self, proxy: FaultProxy, fault: Fault, *, times: float = math.inf, skip: int = 0, **only: Any) -> None:
        """Let a fault happen; bare connections that are open already would escape it, so they are cut."""
        proxy.heal()
        if proxy.http:
            proxy.fail(fault, times=times, skip=skip, **only)
        else:
            proxy.down()
            proxy.fail(fault, times=times, skip=skip)
            proxy.up()

    def _heal(self, proxy: FaultProxy) -> None:
        proxy.heal()
        if not proxy.http:
            proxy.down()
            proxy.up()

    @contextlib.contextmanager
    def _soon(self, factor: float = 1.0) -> Generator[None]:
        """Assert that what happens inside takes no longer than a caller has patience for."""
        begun = time.monotonic()
        yield
        spent = time.monotonic() - begun
        assert spent < self.patience * factor, f"gave up only after {spent:.1f} s"

    def _unless_failing(self, call: Callable[[], Any], *kinds: type[Exception]) -> Any:
        """Return what a call gives, ``None`` if the storage could not be asked."""
        expected: tuple[type[Exception], ...] = (UnavailableError, *kinds)
        try:
            return call()
        except expected as error:
            self._discreet(error)
            return None

    def _unavailable(self, verbs: Store) -> None:
        """Assert that no verb takes a dead server for an answer."""
        caps = verbs.capabilities
        calls: dict[str, tuple[bool, Callable[[], Any]]] = {
            "get": (True, lambda: read(verbs, "k")),
            "get_ranges": (True, lambda: verbs.get_ranges("k", [(0, 1), (5, 6)])),
            "head": (True, lambda: verbs.head("k")),
            "list": (caps.list, lambda: keys_of(verbs)),
            "put": (caps.write, lambda: verbs.put("k", NEW)),
            "put by parts": (caps.write, lambda: verbs.put("k", (pattern(1_000_000) for _ in range(9)))),
            "create": (caps.write and caps.create, lambda: verbs.put("n", NEW, PutOptions(mode="create"))),
            "delete": (caps.delete, lambda: verbs.delete("k")),
            "copy": (caps.copy, lambda: verbs.copy("k", "l")),
        }
        with Cases() as case:
            for name, (has, call) in calls.items():
                if has:
                    with case(name), self._soon():
                        with pytest.raises(UnavailableError) as caught:
                            call()
                        assert not isinstance(caught.value, FileNotFoundError)
                        self._discreet(caught.value)
            if caps.delete:
                with case("delete many"), self._soon():
                    try:
                        results = verbs.delete(["k", "l"])
                    except UnavailableError:
                        return
                    assert all(isinstance(result.error, UnavailableError) for result in results)

    def _discreet(self, error: BaseException) -> None:
        """Assert that neither an error nor what caused it shows a secret."""
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert not [secret for secret in self.secrets if secret in shown]
