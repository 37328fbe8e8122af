"""What a transfer is asked in the words of nodes, turned into the engine's options. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from holdall.core.meta import ObjectMeta
from holdall.core.plans import SkipStrategy, Verify
from holdall.engine.progress import ProgressEvent, TransferItem, TransferOptions
from holdall.errors import NotSupportedError

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode
    from holdall.store import Store

__all__ = ["CopyArguments", "SyncArguments", "transfer_options"]


class CopyArguments(TypedDict, total=False):
    """The options of `StorageNode.copy_to`, ``move_to`` and ``sync_to``; any other name is a `TypeError`.

    Attributes:
        include, exclude: `fnmatch` patterns on the whole relative path, one or several; first any of ``include``, then none of
            ``exclude``, then ``filter``.
        filter: ``filter(node, relpath)``: false leaves the file out.
        skip: When an existing target is left alone: ``never exists size hash custom``.
        skip_fn: ``skip_fn(source, target)`` with ``skip="custom"``.
        overwrite: ``False`` makes every write a race-free create.
        progress: ``progress(done, total)`` once per file; needs the whole plan first.
        on_progress: ``on_progress(event)`` as bytes arrive.
        on_file: ``on_file(node)`` after each published copy.
        on_skip: ``on_skip(node, reason)``.
        on_error: ``on_error(node, error)`` with ``errors="collect"``.
        errors: ``raise`` stops at the first failure, ``collect`` goes on and raises `TransferError` at the end.
        verify: ``none size checksum read``.
        preserve: Carry content type, metadata, tags and times; ``"strict"`` fails on a loss.
        empty_dirs: Make empty directories where they are real.
        resume: Not supported yet: ``True`` is refused.
        concurrency: Parts in flight over all files.
        part_size: Bytes per part.
        executor: A `concurrent.futures.Executor` that carries out the copies, one file a task: a pool of processes, or a cluster, whose
            workers open the mounts anew from the configuration. Callbacks stay here; ``on_progress`` is told of whole files.
        keep_items: Most items kept in the report besides failures.
    """

    include: str | Iterable[str] | None
    exclude: str | Iterable[str] | None
    filter: Callable[[StorageNode, str], Any] | None
    skip: SkipStrategy | Literal["never", "exists", "size", "hash", "custom"]
    skip_fn: Callable[[StorageNode, StorageNode], Any] | None
    overwrite: bool
    progress: Callable[[int, int], Any] | None
    on_progress: Callable[[ProgressEvent], Any] | None
    on_file: Callable[[StorageNode], Any] | None
    on_skip: Callable[[StorageNode, str], Any] | None
    on_error: Callable[[StorageNode, Exception], Any] | None
    errors: Literal["raise", "collect"]
    verify: Verify | None
    preserve: bool | Literal["all", "strict"]
    empty_dirs: bool
    resume: bool
    concurrency: int | None
    part_size: int | None
    executor: Executor | None
    keep_items: int


class SyncArguments(CopyArguments, total=False):
    """The options of `StorageNode.sync_to`: those of a copy, and what to delete.

    Attributes:
        delete: Remove what the source lacks, last, if everything was copied.
        compare: How a target is known to be current: ``auto size mtime hash``.
        max_delete: Delete nothing if more than so many would go.
        allow_empty: Delete although the source is empty.
    """

    delete: bool
    compare: Literal["auto", "size", "mtime", "hash"] | None
    max_delete: int | None
    allow_empty: bool


_KNOWN = frozenset(SyncArguments.__annotations__) | frozenset(CopyArguments.__annotations__)


def transfer_options(
    source: StorageNode, target: StorageNode, given: SyncArguments | CopyArguments, *, dry_run: bool, version: str | None
) -> TransferOptions:
    """Return the engine's options; callbacks get nodes instead of keys.

    Args:
        source: Where from.
        target: Where to.
        given: What the caller gave.
        dry_run: Only report.
        version: Id of the version to copy.

    Raises:
        TypeError: An unknown name.
        ValueError: A value that cannot be.
    """
    options: dict[str, Any] = dict(given)
    unknown = options.keys() - _KNOWN
    if unknown:
        raise TypeError(f"unknown option of a transfer: {', '.join(sorted(unknown))}")
    if options.pop("resume", False):
        raise NotSupportedError("resume= is not supported yet: an interrupted transfer begins its unfinished files anew")
    wrap: dict[str, Callable[[Any], Callable[..., Any]]] = {
        "filter": lambda call: lambda meta, path: call(_node(source, meta), path),
        "skip_fn": lambda call: lambda ours, theirs: call(_node(source, ours), _node(target, theirs)),
        "on_file": lambda call: lambda item: call(_item(source, item)),
        "on_skip": lambda call: lambda item, reason: call(_item(source, item), reason),
        "on_error": lambda call: lambda item, error: call(_item(source, item), error),
    }
    for name, wrapped in wrap.items():
        call = options.get(name)
        if call is not None:
            if not callable(call):
                raise TypeError(f"{name} is a function, not {type(call).__name__}")
            options[name] = wrapped(call)
    if options.get("executor") is not None and not isinstance(options["executor"], ThreadPoolExecutor):
        _check_reachable(source, target)
        options["reopen"] = partial(_reopened, source, target)
    return TransferOptions(**options, dry_run=dry_run, version=version)


def _check_reachable(*nodes: StorageNode) -> None:
    """Refuse to send to other processes what only this one knows.

    Raises:
        NotSupportedError: A mount with a path function, whose answer may depend on who asks and when.
    """
    for node in nodes:
        if node._manager._asks(node._mount):
            raise NotSupportedError(
                f"executor=: the path function of mount {node._mount!r} is for this process: give a ThreadPoolExecutor",
                key=node._key,
            )


def _reopened(source: StorageNode, target: StorageNode) -> tuple[Store, Store]:
    """Return the stores of two nodes in another process, opened from the configuration that came with them."""
    store = source._store()
    return store, source._target(target, store)


def _node(place: StorageNode, meta: ObjectMeta) -> StorageNode:
    return place._at(meta.key, meta)


def _item(place: StorageNode, item: TransferItem) -> StorageNode:
    return place._at(item.source if item.source is not None else item.target)
