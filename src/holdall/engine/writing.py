# Generated from writing_async.py by tools/twins.py: change that file, not this one.
"""Writes an object by pushing: nothing is visible before `finish`, and nothing stays behind after `abort`.

Content that fits in one part is one plain put. More goes up by explicit parts where the store has them, else through a pipe into one
put. Appending begins with the old content: copied by the server, read into the first part, or passed through the pipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from holdall.core.capabilities import PartRules
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.plans import MIB, part_size_for
from holdall.engine.background import Pipe
from holdall.engine.colours import finish
from holdall.engine.crew import Crew, Ended
from holdall.errors import NotSupportedError, PreconditionError
from holdall.results import PutResult
from holdall.store import PartWriter, Store

__all__ = ["PushWriter"]

PART = 8 * MIB
FLIGHT = 3
"""Parts on their way while the next one fills."""
GROWTH = 1000
"""Parts of one size; then the size doubles, so that 10,000 parts hold any object."""
COPIED = 1024 * MIB
"""Most bytes of one part that is copied on the server's side."""


class PushWriter:
    """Takes bytes and publishes them as one object.

    Args:
        store: Where.
        key: What.
        options: How to publish.
        base: Keep this object's content in front (append); publishing then requires that it is still there.
        part_size: Bytes per part.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        options: PutOptions | None = None,
        *,
        base: ObjectMeta | None = None,
        part_size: int | None = None,
    ) -> None:
        rules = store.capabilities.parts
        self.store = store
        self.key = key
        self.options = options or PutOptions()
        self.result: PutResult | None = None
        self.position = 0 if base is None else base.size
        self._rules: PartRules | None = rules
        self._part_size = part_size_for(None, part_size or self.options.part_size or PART, rules)
        self._base = base
        self._guard: str | None = None
        self._appends: str | None = None
        self._buffer = bytearray()
        self._number = 0
        self._parts: PartWriter | None = None
        self._crew: Crew[tuple[int, bytes]] | None = None
        self._pipe: Pipe[PutResult] | None = None

    def write(self, data: Any) -> int:
        """Take bytes-like data; sends full parts, waiting while too many are under way.

        Raises:
            HoldallError: A part could not be sent.
        """
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        view = memoryview(data).cast("B")
        if self._base is not None:
            self._begin(self._base)
        taken = 0
        while taken < len(view):
            piece = view[taken : taken + self._part_size - len(self._buffer)]
            self._buffer += piece
            taken += len(piece)
            if len(self._buffer) >= self._part_size:
                self._send()
        self.position += taken
        return taken

    def finish(self) -> PutResult | None:
        """Publish what was written; ``None`` if it was an append of nothing.

        Raises:
            AlreadyExistsError, PreconditionError: The mode of the options does not hold.
            HoldallError: Nothing was published.
        """
        if self._base is not None:
            return None
        if self._guard is not None and (self.store.head(self.key)).etag != self._guard:
            raise self._replaced()
        if self._parts is None and self._pipe is None:
            self.result = self.store.put(self.key, bytes(self._buffer), self.options)
        else:
            if self._buffer:
                self._send()
            if self._pipe is not None:
                self.result = self._pipe.finish()
            else:
                assert self._parts is not None  # one of the two was begun
                self._drain(0)
                self.result = self._complete(self._parts)
        self._leave()
        return self.result

    def _complete(self, parts: PartWriter) -> PutResult:
        """Publish the parts; an append whose condition the service cannot keep looks once more and goes without."""
        try:
            return parts.complete()
        except NotSupportedError:
            if self._appends is None:
                raise
        if (self.store.head(self.key)).etag != self._appends:
            raise self._replaced()
        return parts.complete(mode="overwrite")

    def abort(self) -> None:
        """Drop everything; idempotent, and nothing after `finish`."""
        self._buffer = bytearray()
        self._base = None
        pipe, self._pipe = self._pipe, None
        if pipe is not None and self.result is None:
            pipe.abort()
        self._leave()
        parts, self._parts = self._parts, None
        if parts is not None:
            finish(parts.abort)

    def abandon(self) -> None:
        """Drop everything without waiting, for finalizers."""
        self._buffer = bytearray()
        if self._pipe is not None:
            self._pipe.abandon()

    @property
    def begun(self) -> bool:
        """Whether the store has been told anything yet."""
        return self._parts is not None or self._pipe is not None

    def _send(self) -> None:
        """Send the buffer as a part."""
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._parts is None and self._pipe is None:
            self._open()
        if self._pipe is not None:
            self._pipe.send(data)
            return
        self._number += 1
        if self._number % GROWTH == 0 and self._rules is not None and not self._rules.equal:
            self._part_size = min(self._part_size * 2, self._rules.largest)
        if self._crew is None:
            assert self._parts is not None  # opened above
            self._parts.put_part(self._number, data)
            return
        self._crew.start((self._number, data))
        self._drain(FLIGHT - 1)

    def _open(self) -> None:
        local = self.store.capabilities.local
        if self._rules is None or (self.options.mode != "overwrite" and not local):
            # A driver knows more ways to keep a condition in one put than in an upload by parts.
            self._pipe = Pipe(self._put)
            return
        self._parts = self.store.parts(self.key, self.options)
        if not local and self._rules.any_order:
            self._crew = Crew(self._part, FLIGHT)
            self._crew.__enter__()

    def _part(self, numbered: tuple[int, bytes]) -> None:
        assert self._parts is not None  # the crew is made after it
        self._parts.put_part(*numbered)

    def _put(self, chunks: Iterator[bytes]) -> PutResult:
        return self.store.put(self.key, chunks, self.options)

    def _drain(self, left: int) -> None:
        """Wait until at most ``left`` parts are under way; raise what went wrong."""
        while self._crew is not None and self._crew.busy > left:
            ended: Ended[Any] = self._crew.next()
            if ended.error is not None:
                raise ended.error

    def _leave(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.__exit__(None, None, None)

    def _begin(self, base: ObjectMeta) -> None:
        """Put the old content in front, and tie publishing to it."""
        self._base = None
        capabilities = self.store.capabilities
        if capabilities.update and base.etag is not None:
            self.options = replace(self.options, mode="update", if_match=base.etag)
            self._appends = base.etag
        else:
            self._guard = base.etag  # no compare-and-set here: look right before publishing
        rules = self._rules
        if rules is not None and rules.copies and rules.conditional and base.size >= max(self._part_size, rules.smallest):
            self._parts = self.store.parts(self.key, self.options)
            for start in range(0, base.size, COPIED):
                end = min(start + COPIED, base.size)
                if base.size - end < rules.smallest:
                    end = base.size  # no short part in the middle
                self._number += 1
                self._parts.copy_part(self._number, self.key, (start, end), if_match=base.etag)
                if end == base.size:
                    break
            return
        pin = base.etag if capabilities.conditional_read else None
        with self.store.get(self.key, GetOptions(if_match=pin) if pin else None) as result:
            if result.meta.etag != base.etag or result.meta.size != base.size:
                raise self._replaced()
            for chunk in result:
                self.write(chunk)
        self.position = base.size

    def _replaced(self) -> PreconditionError:
        return PreconditionError(f"{self.key!r} was replaced while it was appended to", key=self.key, store=self.store)
