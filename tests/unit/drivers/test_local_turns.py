"""Turns at the disk: they order threads as long as that pays, and never keep one from its work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from holdall.drivers import _local_turns
from holdall.drivers._local_turns import Turns
from holdall.drivers.local import LocalStore


def test_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits gets the turn when it is left."""
    monkeypatch.setattr(_local_turns, "PATIENCE", 60)
    turns, got = Turns(), threading.Event()

    def wait() -> None:
        assert turns.take()
        got.set()
        turns.leave()

    assert turns.take()
    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.is_set()
    turns.leave()
    assert got.wait(60)
    thread.join()


def test_a_slow_disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one has waited in vain, the next ones do not wait for a while."""
    turns, waits = Turns(), []
    monkeypatch.setattr(_local_turns.time, "monotonic", lambda: 0.0)

    class Lock:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            if blocking:
                waits.append(timeout)
            return False

    monkeypatch.setattr(turns, "_lock", Lock())
    assert [turns.take() for _ in range(5)] == [False] * 5
    assert waits == [_local_turns.PATIENCE]


def test_busy_turns_are_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was only unlucky among many goes on without its turn, and the others wait for theirs."""
    turns, waits = Turns(), []

    class Lock:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            if blocking:
                waits.append(timeout)
                turns._count += 100
            return False

    monkeypatch.setattr(turns, "_lock", Lock())
    assert [turns.take() for _ in range(5)] == [False] * 5
    assert len(waits) == 5


def test_a_write_while_the_turn_is_another_s(tmp_path: Path) -> None:
    """A thread that hangs in its turn (or a fork that copied it) keeps nobody from writing."""
    store = LocalStore(tmp_path)
    assert store._root.turns.take()
    store.put("a", b"1")
    assert store.copy("a", "b").size == 1
    assert store.get("b").bytes() == b"1"
