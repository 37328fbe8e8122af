"""One verb under way: what wrappers that do something *around* every verb (`observed`, `limited`) share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from holdall.store import PartWriter
from holdall.wrappers.forwarding import ForwardingStore, ForwardingWriter

__all__ = ["AroundBase", "AroundWriterBase", "Call"]


class Call(ABC):
    """One verb under way, as a context of either colour.

    It is entered for each wait for the store: once for most verbs, once for each chunk of a body and each page of a listing.
    Leaving it ends it, unless it was told that more is to come; an error always ends it.
    """

    __slots__ = ("more",)

    def __init__(self) -> None:
        self.more = False

    def __enter__(self) -> Self:
        self.begin()
        return self

    async def __aenter__(self) -> Self:
        await self.begin_async()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.pause()
        if error is not None or not self.more:
            self.end(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @abstractmethod
    def begin(self) -> None:
        """Begin to wait for the store."""

    async def begin_async(self) -> None:
        """Begin to wait for the store. See `begin`."""
        self.begin()

    def pause(self) -> None:  # noqa: B027  # a limit keeps no clock
        """Stop waiting for the store."""

    @abstractmethod
    def end(self, error: BaseException | None = None) -> None:
        """End; every further time nothing happens."""

    def expect_bytes(self) -> None:
        """Note that a body goes on after the verb has answered."""
        self.more = True

    def expect_pages(self) -> None:
        """Note that pages may be asked for."""
        self.more = True

    def read(self, size: int) -> None:  # noqa: B027  # a limit does not count bytes
        """Note bytes that came."""

    def wrote(self, size: int) -> None:  # noqa: B027
        """Note bytes that went."""


class AroundBase(ForwardingStore):
    """What the two halves of such a wrapper share."""

    @abstractmethod
    def _call(self, verb: str, key: str | None) -> Call:
        """Return the call of a verb."""

    @abstractmethod
    def _around_writer(self, inner: PartWriter) -> PartWriter:
        """Return a part writer each of whose verbs is a call."""


class AroundWriterBase(ForwardingWriter):
    """What the two halves of the part writer of such a wrapper share."""

    def __init__(self, inner: PartWriter, store: AroundBase) -> None:
        super().__init__(inner)
        self._store = store

    def _call(self, verb: str) -> Call:
        return self._store._call(verb, self.key)
