"""Who is fetching what: so that many who miss one key at once fetch it once."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from holdall.wrappers._gate import Gate, PerProcess

__all__ = ["Flight", "Flights"]


class Flight:
    """All reads of one key that are under way in this process, in either colour.

    Attributes:
        gate: Whoever is through fetches.
        drops: How often the key was written or deleted through the store since the first of them began.
        failures: How many fetches failed.
        users: How many they are.
    """

    __slots__ = ("drops", "failures", "gate", "users")

    def __init__(self) -> None:
        self.gate = Gate(1)
        self.drops = 0
        self.failures = 0
        self.users = 0


class Flights:
    """The flights of a process, by key; one without users is forgotten."""

    def __init__(self) -> None:
        self._tables = PerProcess(_Table)

    @contextmanager
    def joined(self, key: str) -> Generator[Flight]:
        """Take part in the flight of a key."""
        table = self._tables.get()
        with table.lock:
            flight = table.flights.get(key)
            if flight is None:
                flight = table.flights[key] = Flight()
            flight.users += 1
        try:
            yield flight
        finally:
            with table.lock:
                flight.users -= 1
                if not flight.users:
                    del table.flights[key]

    def drop(self, key: str) -> None:
        """Tell those who are fetching a key that it has been written."""
        flight = self._tables.get().flights.get(key)
        if flight is not None:
            flight.drops += 1


class _Table:
    __slots__ = ("flights", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.flights: dict[str, Flight] = {}
