"""One part on its way to its place in a staged upload."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

from holdall.drivers import _local_system as system
from holdall.errors import ClosedError, IntegrityError
from holdall.sources import BytesLike

if TYPE_CHECKING:
    from holdall.drivers._local_parts import LocalParts

__all__ = ["Part"]


class Part:
    """One part on its way to its place in the data file.

    A cancelled caller may close it while a thread writes: the file is closed by whoever is done with it last.
    """

    def __init__(self, upload: LocalParts, number: int, offset: int, size: int, fd: int) -> None:
        self._upload = upload
        self._number = number
        self._offset = offset
        self._size = size
        self._fd = fd
        self._at = 0
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def write(self, block: BytesLike) -> None:
        """Write what comes next."""
        size = memoryview(block).nbytes
        self._check(self._at + size <= self._size, self._at + size)
        with self._using():
            system.write_at(self._fd, block, self._offset + self._at)
            self._at += size

    def copy(self, src: int, start: int) -> int:
        """Copy all of it from an open file; return how many bytes there were."""
        with self._using():
            self._at = system.copy_range(src, self._fd, self._size, src_offset=start, dst_offset=self._offset)
        return self._at

    def end(self) -> None:
        """Put on record that it is there."""
        self._check(self._at == self._size, self._at)
        if self._upload.durable:
            with self._using():
                os.fsync(self._fd)
        self._upload.note(self._number, self._offset, self._size)

    def close(self) -> None:
        """Let go of the file; whoever still writes to it closes it then."""
        with self._lock:
            self._closed = True
            if self._users:
                return
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close

    @contextlib.contextmanager
    def _using(self) -> Generator[None]:
        with self._lock:
            if self._closed:
                raise ClosedError(f"part {self._number} of {self._upload.key!r} was given up", key=self._upload.key)
            self._users += 1
        try:
            with self._upload.telling():
                yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            closed = self._closed
        if closed:
            self.close()

    def _check(self, fits: bool, got: int) -> None:
        if not fits:
            raise IntegrityError(
                f"part {self._number} of {self._upload.key!r}: {got} bytes came of {self._size} announced",
                key=self._upload.key,
            )
