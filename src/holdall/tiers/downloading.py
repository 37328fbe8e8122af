"""The local file that a download is written to before it takes its name."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import IO

from holdall.drivers._local_meta import etag_of
from holdall.drivers._local_system import copy_range
from holdall.sources import iter_chunks
from holdall.tiers.content import Hasher

__all__ = ["Draft"]

_PIECE = 64 << 20
"""Bytes that are copied before somebody may cancel."""


class Draft:
    """A temporary file beside the destination. With ``resume`` it has a fixed name, and a note of what it is the beginning of.

    Args:
        dest: The file to be.
        resume: Keep what came if it fails.
    """

    def __init__(self, dest: str | os.PathLike[str], *, resume: bool) -> None:
        self._dest = os.path.abspath(os.fsdecode(os.fspath(dest)))
        self._resume = resume
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        folder, name = os.path.split(self._dest)
        self._folder = folder
        self._path = os.path.join(folder, f".{name}.holdall-part")
        self._note = f"{self._path}.json"

    def left(self, location: str) -> tuple[str, int] | None:
        """Return etag and size of what an earlier attempt left of a location's copy."""
        if not self._resume or self._file is not None:
            return None
        try:
            with open(self._note, encoding="utf-8") as file:
                note = json.load(file)
            size = os.path.getsize(self._path)
        except (OSError, ValueError):
            return None
        fits = isinstance(note, dict) and note.get("location") == location and isinstance(note.get("etag"), str)
        return (note["etag"], size) if fits and size else None

    def go_on(self) -> None:
        """Write behind what is there."""
        self._file = open(self._path, "ab")  # noqa: SIM115  # closed by publish and discard

    def restart(self, location: str | None, etag: str | None) -> None:
        """Begin anew with the copy of a location."""
        if self._file is not None:
            self._file.close()
        os.makedirs(self._folder, exist_ok=True)
        if not self._resume and self._file is None:
            self._path = os.path.join(self._folder, f".{os.urandom(8).hex()}.holdall-part")
            self._file = open(self._path, "xb")  # noqa: SIM115
            return
        self._file = open(self._path, "wb")  # noqa: SIM115
        if self._resume:
            with open(self._note, "w", encoding="utf-8") as note:
                json.dump({"location": location, "etag": etag}, note)

    def write(self, chunk: bytes) -> None:
        """Write a chunk."""
        assert self._file is not None  # begun by restart or go_on
        self._file.write(chunk)

    def fill(self, path: str, etag: str, at: int) -> int:
        """Let the kernel copy the next piece of a local file; return its size, nothing if the file is not that version (any more)."""
        try:
            source = open(path, "rb", buffering=0)  # noqa: SIM115  # closed below
        except OSError:
            return 0
        with source, self._lock:
            if self._file is None or self._file.closed or etag_of(os.fstat(source.fileno())) != etag:
                return 0
            return copy_range(source.fileno(), self._file.fileno(), _PIECE, src_offset=at, dst_offset=at)

    def empty(self) -> None:
        """Forget what was written since `restart`."""
        assert self._file is not None  # begun by restart
        self._file.seek(0)
        self._file.truncate()

    def hash_into(self, computed: Hasher) -> None:
        """Take what is there already into a digest."""
        assert self._file is not None  # begun by restart or go_on
        self._file.flush()
        with open(self._path, "rb") as file:
            for chunk in iter_chunks(file):
                computed.update(chunk)

    def publish(self) -> None:
        """Give the file its name."""
        assert self._file is not None  # begun by restart or go_on
        self._file.close()
        os.replace(self._path, self._dest)
        if self._resume:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._note)

    def discard(self) -> None:
        """Remove what came, or keep it to go on later."""
        if self._file is not None:
            with self._lock, contextlib.suppress(OSError):  # a full disk does not take the last of it
                self._file.close()
            if not self._resume:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)
