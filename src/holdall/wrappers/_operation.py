"""What one call of a verb needs to know of places: found once per operation, so that no copy straddles two answers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, Protocol

from holdall.store import PartWriter
from holdall.wrappers._place import Place
from holdall.wrappers.forwarding import ForwardingStore, ForwardingWriter

__all__ = ["Operation", "PlacedBase", "PlacedWriterBase", "Use"]

Use = Literal["read", "write", "list", "name"]
"""What the key or prefix at hand is wanted for."""


class Operation(Protocol):
    """One operation: the place of each of its keys."""

    @property
    def single(self) -> bool:
        """Whether all keys have one place."""
        ...

    def begin(self, prefix: str) -> None:
        """Find a place now if that needs no awaiting: a listing belongs to the moment it was asked for."""
        ...

    def place(self, key: str, use: Use = "read") -> Place:
        """Return where a key is."""
        ...

    async def place_async(self, key: str, use: Use = "read") -> Place:
        """Return where a key is. See `place`."""
        ...


class PlacedBase(ForwardingStore):
    """What the two halves of a store with places elsewhere share."""

    @abstractmethod
    def _operation(self) -> Operation:
        """Begin an operation."""

    @abstractmethod
    def _placed_writer(self, inner: PartWriter, place: Place, operation: Operation) -> PartWriter:
        """Return a part writer that speaks of keys here."""


class PlacedWriterBase(ForwardingWriter):
    """What the two halves of such a part writer share."""

    def __init__(self, inner: PartWriter, place: Place, operation: Operation) -> None:
        super().__init__(inner)
        self._place = place
        self._operation = operation
        self._errors = place.errors()
        self.key = place.up(inner.key) or inner.key
