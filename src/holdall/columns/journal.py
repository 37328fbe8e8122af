"""The journal of one session: what its open transactions stored and let go of, and what follows from how they end.

Pure: events in (`Journal.enter`, `Frame` notes, `Journal.leave`), a plan out. No database, no store.

A frame is a transaction or a savepoint. A released savepoint joins the frame around it; a rolled back one gives a plan that
undoes what it stored; the outermost commit gives a plan that finishes. A frame counts as committed only if it was told so.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Blob", "Drop", "Finish", "Frame", "Journal", "Swap", "Undo", "Upload"]

Blob = tuple[str, str]
"""Where bytes are: the key of a backend, and a key in it."""


class Upload(NamedTuple):
    """Something that was stored, with what is needed to take it back.

    Attributes:
        blob: Where.
        file: The file object that was changed by it.
        before: Its state before (`FileObject._restore`).
    """

    blob: Blob
    file: Any
    before: Any


@dataclass(frozen=True, slots=True)
class Swap:
    """Content that waits under a staged key to replace what is at its own.

    Attributes:
        staged: Where it is.
        target: Where it belongs.
        etag: Of what was there when it was staged; ``None`` if nothing was.
        file: The file object.
    """

    staged: Blob
    target: Blob
    etag: str | None
    file: Any


class Drop(NamedTuple):
    """A file that a row let go of.

    Attributes:
        blob: Where.
        etag: Delete only if it is still this one (columns that share keys); ``None``: it is the row's alone.
    """

    blob: Blob
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """What a rollback has to take back."""

    uploads: tuple[Upload, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """What a commit has to finish: first what is staged and superseded, then the swaps, then the deletes."""

    superseded: tuple[Blob, ...]
    swaps: tuple[Swap, ...]
    drops: tuple[Drop, ...]


@dataclass(slots=True)
class Frame:
    """One transaction or savepoint.

    Attributes:
        token: What it is known by.
        uploads: What it stored.
        swaps: What it staged.
        drops: What its rows let go of.
        staged: Staged keys that rows let go of.
        held: What the rows that it wrote hold now, by row and attribute.
        committed: Whether it was told so.
    """

    token: Any
    uploads: list[Upload] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)
    drops: dict[Blob, Drop] = field(default_factory=dict)
    staged: dict[Blob, None] = field(default_factory=dict)
    held: dict[Hashable, frozenset[Blob]] = field(default_factory=dict)
    committed: bool = False

    def let_go(self, drop: Drop, staged: Blob | None = None) -> None:
        """Note that a row no longer holds a file."""
        self.drops[drop.blob] = drop
        if staged is not None:
            self.staged[staged] = None

    def hold(self, row: Hashable, blobs: Iterable[Blob]) -> None:
        """Note all that an attribute of a row holds now, staged content too."""
        self.held[row] = frozenset(blobs)

    def rename(self, old: Hashable, new: Hashable) -> None:
        """Note that a row is known by another name from now on."""
        if old in self.held:
            self.held[new] = self.held.pop(old)

    def undo(self, since: int | None = None) -> Undo:
        """Return the plan that takes back everything, or the uploads from one on; forget what it takes back."""
        plan = Undo(tuple(reversed(self.uploads[since or 0 :])))
        del self.uploads[since or 0 :]
        gone = {upload.blob for upload in plan.uploads}
        self.swaps = [swap for swap in self.swaps if swap.staged not in gone]
        if since is None:
            self.drops.clear()
            self.staged.clear()
            self.held.clear()
        return plan

    def finish(self) -> Finish:
        """Return the plan for the outermost commit: what was let go of, less what rows hold at the end."""
        alive = frozenset().union(*self.held.values()) if self.held else frozenset[Blob]()
        superseded = tuple(blob for blob in self.staged if blob not in alive)
        swaps = tuple(swap for swap in self.swaps if swap.staged not in superseded and swap.target in alive)
        return Finish(superseded, swaps, tuple(drop for blob, drop in self.drops.items() if blob not in alive))

    def take_in(self, inner: Frame) -> None:
        """Take over what a released savepoint did."""
        self.uploads += inner.uploads
        self.swaps += inner.swaps
        self.drops.update(inner.drops)
        self.staged.update(inner.staged)
        self.held.update(inner.held)


class Journal:
    """The open frames of a session, outermost first.

    Example:
        >>> journal = Journal()
        >>> journal.enter("root").uploads.append(Upload(("uploads", "a"), None, None))
        >>> journal.leave("root")
        Undo(uploads=(Upload(blob=('uploads', 'a'), file=None, before=None),))
        >>> journal.enter("root").let_go(Drop(("uploads", "b")))
        >>> journal.commit("root")
        >>> journal.leave("root")
        Finish(superseded=(), swaps=(), drops=(Drop(blob=('uploads', 'b'), etag=None),))
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    @property
    def frame(self) -> Frame | None:
        """The innermost frame."""
        return self.frames[-1] if self.frames else None

    def enter(self, token: Any) -> Frame:
        """Open a frame, unless it is open already; return it."""
        for frame in self.frames:
            if frame.token is token:
                return frame
        self.frames.append(Frame(token))
        return self.frames[-1]

    def commit(self, token: Any) -> None:
        """Note that a frame's own commit came through."""
        for frame in self.frames:
            if frame.token is token:
                frame.committed = True

    def leave(self, token: Any) -> Undo | Finish | None:
        """Close a frame, and whatever is open in it; return what follows."""
        at = next((i for i, frame in enumerate(self.frames) if frame.token is token), None)
        if at is None:
            return None
        gone = self.frames[at:]
        del self.frames[at:]
        frame = gone[0]
        for inner in gone[1:]:
            frame.take_in(inner)
        if not frame.committed:
            return frame.undo()
        if self.frames:
            self.frames[-1].take_in(frame)
            return None
        return frame.finish()

    def holds(self, row: Hashable) -> frozenset[Blob] | None:
        """Return what an attribute of a row holds, as far as this transaction wrote it."""
        return next((frame.held[row] for frame in reversed(self.frames) if row in frame.held), None)
