"""Faults: what a store says when its server is dead, slow, busy, broken or cut off in the midst of a word.

`FaultContract` stands beside `StoreContract`: a driver gives the fixtures ``proxy``, a `holdall.testing.FaultProxy` in front of
the real server, ``store``, which speaks through it with short timeouts, and ``ground``, which does not. It is for drivers that
speak HTTP; what holds whatever is spoken, with faults that befall whole connections (a proxy with ``http=False``), is
`ConnectionFaultContract`.
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
from holdall.testing.colour import NAMES, Colour, colour_named
from holdall.testing.contract.base import Cases, ContractBase, keys_of, needs, pattern, read
from holdall.testing.ground import Ground
from holdall.testing.proxy import Fault, FaultProxy

__all__ = ["ConnectionFaultContract", "FaultContract"]

OLD, NEW = b"the old bytes", b"the new and longer bytes"


class ConnectionFaultContract(ContractBase):
    """What holds when things go wrong on the way, whatever is spoken on it.

    Attributes:
        patience: Seconds within which every verb must have given up.
        silenced: The verbs by which a silent server is asked; each takes as long as the driver's patience lasts.
    """

    patience: float = 30.0
    silenced: tuple[str, ...] = ("get", "head", "list", "put", "delete")

    def test_dead_server(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """Nobody there: `UnavailableError`, soon, and never "not found"; afterwards all is well again."""
        ground.write("k", OLD)
        assert read(verbs, "k") == OLD
        proxy.down()
        self._unavailable(verbs)
        proxy.up()
        assert read(verbs, "k") == OLD
        assert ground.snapshot() == {"k": OLD}

    def test_silent_server(self, store: Store, ground: Ground, proxy: FaultProxy, colour: Colour) -> None:
        """A server that takes everything and answers nothing is given up in time, by every verb, and nothing has happened."""
        ground.write("k", OLD)
        self._inject(proxy, Fault(blackhole=True))
        faults = proxy.traffic.faults
        with Cases() as case:
            for name, error in self._asked_in_vain(store, colour, self.silenced).items():
                with case(name):
                    if error is not None:
                        raise error
        assert proxy.traffic.faults > faults
        self._heal(proxy)
        assert read(colour(store), "k") == OLD
        assert ground.snapshot() == {"k": OLD}

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

    @needs("list")
    def test_listing_that_breaks(self, store: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A listing that is cut off in the midst raises, in each colour; what came of it is not taken for all there is."""
        ground.write_many({f"k/{i:05}": b"" for i in range(self.many)})
        for name in NAMES:
            with colour_named(name) as colour:
                verbs = colour(store)
                self._heal(proxy)
                begun = proxy.traffic.bytes_down
                verbs.head("k/00000")  # with all that is said before a first answer
                before = proxy.traffic.bytes_down - begun
                assert len(keys_of(verbs)) == self.many
                answered = proxy.traffic.bytes_down - begun - before
                assert answered > self.many * 20, "the listing did not come this way"
                for part in (0.2, 0.5, 0.9):
                    self._inject(proxy, Fault(drop_reply_after=before + int(answered * part)))
                    self._breaks(verbs)
                self._heal(proxy)
                assert len(keys_of(verbs)) == self.many

    # -- words --------------------------------------------------------------------------------------------------------

    def _breaks(self, verbs: Store) -> None:
        """Assert that a listing fails now, and not before it was asked for."""
        with self._soon(), pytest.raises((IntegrityError, UnavailableError)) as caught:
            keys_of(verbs)
        assert not isinstance(caught.value, FileNotFoundError)
        self._discreet(caught.value)

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

    def _calls(self, verbs: Store) -> dict[str, Callable[[], Any]]:
        """Return what can be asked of a store, by name; only what it has."""
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
        return {name: call for name, (has, call) in calls.items() if has}

    def _unavailable(self, verbs: Store) -> None:
        """Assert that no verb takes a dead server for an answer."""
        calls = self._calls(verbs)
        with Cases() as case:
            for name, call in calls.items():
                with case(name):
                    self._in_vain(call)
            if "delete" in calls:
                with case("delete many"), self._soon():
                    try:
                        results = verbs.delete(["k", "l"])
                    except UnavailableError:
                        return
                    assert all(isinstance(result.error, UnavailableError) for result in results)

    def _asked_in_vain(self, store: Store, colour: Colour, names: tuple[str, ...]) -> dict[str, Exception | None]:
        """Ask by each of these verbs that the store has; return what each was found to do wrong.

        One after the other: on a connection that they share, the first to give it up would end the others' waiting too.
        """
        calls = self._calls(colour(store))
        return {name: _fault_of(lambda call=calls[name]: self._in_vain(call)) for name in names if name in calls}  # type: ignore[misc]

    def _in_vain(self, call: Callable[[], Any]) -> None:
        """Assert that a call finds nobody who answers, and says so in time."""
        with self._soon():
            with pytest.raises(UnavailableError) as caught:
                call()
            assert not isinstance(caught.value, FileNotFoundError)
            self._discreet(caught.value)

    def _discreet(self, error: BaseException) -> None:
        """Assert that neither an error nor what caused it shows a secret."""
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert not [secret for secret in self.secrets if secret in shown]


class FaultContract(ConnectionFaultContract):
    """What holds besides when HTTP is spoken, and faults befall single requests.

    Attributes:
        gone: What it means if all there is answers 404: a store over directories misses its root, and can tell nothing.
    """

    gone: type[HoldallError] = NotFoundError

    @needs("write", "create")
    def test_lost_reply_of_a_create(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A create that is repeated because its answer got lost recognises its own success."""
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

    def test_busy_server(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A server that is busy for a moment is asked again."""
        ground.write("k", OLD)
        read(verbs, "k")
        for status in (500, 503):
            self._inject(proxy, Fault(answer=status), times=2)
            with self._soon():
                assert read(verbs, "k") == OLD
        assert proxy.traffic.faults == 4

    def test_what_statuses_mean(self, verbs: Store, ground: Ground, proxy: FaultProxy) -> None:
        """Statuses that stay, without a body that says more."""
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
        ground.write("k", OLD)
        for status, kind in ((403, PermissionDeniedError), (500, UnavailableError)):
            self._inject(proxy, Fault(answer=status), method="PUT")
            with self._soon(), pytest.raises(kind):
                verbs.put("k", NEW)
            self._heal(proxy)
        assert ground.snapshot() == {"k": OLD}

    @needs("list")
    def test_listing_that_breaks(self, store: Store, ground: Ground, proxy: FaultProxy) -> None:
        """A listing fails that fails, or is cut off, at any of its pages, in each colour; it is not taken for complete."""
        ground.write_many({f"k/{i:05}": b"" for i in range(self.many)})
        for name in NAMES:
            with colour_named(name) as colour:
                verbs = colour(store)
                verbs.head("k/00000")  # whatever a store asks once, it has asked now
                asked = len(proxy.traffic.requests)
                assert len(keys_of(verbs)) == self.many
                pages = len(set(proxy.traffic.requests[asked:]))  # one may be sent twice
                assert pages > 1, "it came in one answer: have the store ask for smaller pages, or raise `many`"
                for page in {0, 1, pages - 1}:
                    for fault in (Fault(answer=500), Fault(drop_reply_after=100), Fault(drop_reply_after=100, reset=True)):
                        faults = proxy.traffic.faults
                        self._inject(proxy, fault, skip=page)
                        self._breaks(verbs)
                        assert proxy.traffic.faults > faults
                self._heal(proxy)
                assert len(keys_of(verbs)) == self.many

    def _asked_in_vain(self, store: Store, colour: Colour, names: tuple[str, ...]) -> dict[str, Exception | None]:
        """Ask all at once: each is a request of its own, and waits for itself."""
        asked = [name for name in names if name in self._calls(store)]

        def ask(number: int, own: Colour) -> Exception | None:
            call = self._calls(own(store))[asked[number]]
            return _fault_of(lambda: self._in_vain(call))

        return dict(zip(asked, colour.in_threads(len(asked), ask), strict=True))


def _fault_of(check: Callable[[], None]) -> Exception | None:
    """Return what a check finds wrong."""
    try:
        check()
    except pytest.fail.Exception as error:
        return AssertionError(str(error))
    except Exception as error:  # noqa: BLE001  # the error is the answer
        return error
    return None
