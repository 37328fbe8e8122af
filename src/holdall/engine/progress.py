"""What a transfer is asked and what it tells: options with callbacks, byte events, one record per item, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from holdall.core.meta import ObjectMeta
from holdall.core.plans import SkipStrategy, TransferRules

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from holdall.store import Store

__all__ = ["Outcome", "ProgressEvent", "TransferItem", "TransferOptions", "TransferReport"]

Outcome = Literal["copied", "skipped", "deleted", "failed", "directory", "renamed"]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Bytes that arrived at the target's side.

    Attributes:
        key: Source key.
        bytes: Bytes of this object so far.
        size: Bytes it will have, if known.
        total: Bytes of the whole transfer so far.
    """

    key: str
    bytes: int
    size: int | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferItem:
    """What became of one file, directory or deletion.

    Attributes:
        source: Source key; ``None`` for a deletion.
        target: Target key.
        action: ``copied``, ``skipped``, ``deleted``, ``failed``, ``directory`` (made) or ``renamed`` (the whole of it).
        reason: Why it was skipped or deleted.
        bytes: Bytes copied; in a dry run: to be copied.
        digest: ``algorithm:hex`` if one was taken.
        version: Version id of what was written, on stores that keep versions.
        etag: Of what was written.
        lost: What the target could not keep (``content_type``, ``metadata``, ``tags``...).
        error: What went wrong.
    """

    source: str | None
    target: str
    action: Outcome
    reason: str | None = None
    bytes: int = 0
    digest: str | None = None
    version: str | None = None
    etag: str | None = None
    lost: tuple[str, ...] = ()
    error: Exception | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON can hold it, empty fields left out."""
        values = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name)}
        if self.lost:
            values["lost"] = list(self.lost)
        if self.error is not None:
            values["error"] = {"kind": getattr(self.error, "kind", type(self.error).__name__), "message": str(self.error)}
        return values


@dataclass(slots=True, kw_only=True)
class TransferReport:
    """What a transfer did: counters of everything, and the items as far as they are kept.

    Attributes:
        copied, skipped, deleted, failed, directories: How many. A rename of a whole tree counts as one copied.
        bytes: Bytes copied.
        seconds: How long it took.
        items: One record per item: all failures, and up to `TransferRules.keep_items` others (a dry run keeps all).
        dropped: How many items were not kept.
        lost: How many objects lost what (``{"tags": 3}``), ``tags (not read)`` where asking would have cost a request each.
        dry_run: Nothing was written.
    """

    copied: int = 0
    skipped: int = 0
    deleted: int = 0
    failed: int = 0
    directories: int = 0
    bytes: int = 0
    seconds: float = 0.0
    items: list[TransferItem] = field(default_factory=list)
    dropped: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    dry_run: bool = False

    @property
    def done(self) -> int:
        """Files dealt with so far."""
        return self.copied + self.skipped + self.failed

    @property
    def failures(self) -> list[TransferItem]:
        """The items that failed."""
        return [item for item in self.items if item.error is not None]

    def add(self, item: TransferItem, keep_items: int | None) -> None:
        """Count an item and keep it if there is room."""
        if item.action in {"copied", "renamed"}:
            self.copied += 1
            self.bytes += item.bytes
        elif item.action == "skipped":
            self.skipped += 1
        elif item.action == "deleted":
            self.deleted += 1
        elif item.action == "directory":
            self.directories += 1
        else:
            self.failed += 1
        if item.lost:
            self.lost.update(item.lost)
        if item.error is not None or keep_items is None or len(self.items) < keep_items:
            self.items.append(item)
        else:
            self.dropped += 1

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        values = {name: getattr(self, name) for name in ("copied", "skipped", "deleted", "failed", "directories", "bytes")}
        return {
            **values,
            "seconds": round(self.seconds, 6),
            "dry_run": self.dry_run,
            "lost": dict(self.lost),
            "dropped": self.dropped,
            "items": [item.to_dict() for item in self.items],
        }

    def __str__(self) -> str:
        done = [
            f"{getattr(self, name)} {name}" for name in ("copied", "skipped", "deleted", "failed") if getattr(self, name)
        ]
        return f"{', '.join(done) or 'nothing'}; {self.bytes} bytes in {self.seconds:.2f} s"


@dataclass(frozen=True, kw_only=True)
class TransferOptions(TransferRules):
    """The rules of a transfer and the callbacks of its caller.

    Callbacks run one at a time in the caller's thread or task; in the async colour they may be coroutine functions. What one
    raises stops the transfer cleanly, but for ``filter`` and ``skip_fn``, whose errors are noted with the item.

    Attributes:
        filter: ``filter(meta, relpath)``: false leaves the file out.
        skip_fn: ``skip_fn(source, target)`` (both `ObjectMeta`) with ``skip="custom"``.
        progress: ``progress(done, total)`` once per file; needs the whole plan first.
        on_progress: ``on_progress(event)`` with a `ProgressEvent` as bytes arrive.
        on_file: ``on_file(item)`` after a published copy.
        on_skip: ``on_skip(item, reason)``.
        on_error: ``on_error(item, error)`` with ``errors="collect"``.
        executor: Carries out the copies, one file a task: a pool of threads or processes, or a cluster. Planning, renames, deletions
            and callbacks stay here; ``on_progress`` is told of whole files.
        reopen: Gives a worker in another process the two stores; it is pickled. By default the stores are.
    """

    filter: Callable[[ObjectMeta, str], Any] | None = None
    skip_fn: Callable[[ObjectMeta, ObjectMeta], Any] | None = None
    progress: Callable[[int, int], Any] | None = None
    on_progress: Callable[[ProgressEvent], Any] | None = None
    on_file: Callable[[TransferItem], Any] | None = None
    on_skip: Callable[[TransferItem, str], Any] | None = None
    on_error: Callable[[TransferItem, Exception], Any] | None = None
    executor: Executor | None = None
    reopen: Callable[[], tuple[Store, Store]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("filter", "skip_fn", "progress", "on_progress", "on_file", "on_skip", "on_error"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"{name} is a function, not {type(value).__name__}")
        if self.executor is not None:
            from concurrent.futures import Executor  # noqa: PLC0415  # few callers bring one

            if not isinstance(self.executor, Executor):
                raise TypeError(f"executor is a concurrent.futures.Executor, not {type(self.executor).__name__}")
        if self.skip is SkipStrategy.CUSTOM and self.skip_fn is None:
            raise ValueError("skip='custom' requires skip_fn")
