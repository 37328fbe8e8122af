"""A program over nodes: each becomes a local file for the time of the call, and what was changed is written back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from holdall.engine.colours import told_async
from holdall.engine.localize_async import Localize
from holdall.errors import PermissionDeniedError
from holdall.mounts.lookup_async import describe_async
from holdall.mounts.marks import Marked, stamp
from holdall.mounts.programs import check_options, run_program_async

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["call_async"]


async def call_async(
    node: StorageNode,
    arguments: Sequence[Any],
    options: dict[str, Any],
    *,
    capture: bool,
    callback: Callable[[], Any] | None = None,
    started: Callable[[Any], None] | None = None,
) -> str:
    """Run a program over nodes.

    Args:
        node: The node it is called on, which may be changed.
        arguments: Nodes, marked nodes, and anything else by its ``str``.
        options: Of `subprocess.Popen`.
        capture: Return the output.
        callback: Called after success.
        started: Told of the process.

    Raises:
        CalledProcessError: It failed; nothing was written back.
        PermissionDeniedError: It changed a node that it was to read only.
    """
    marks = [marked(argument) for argument in arguments]
    check_options(options, nodes=any(mark is not None for mark in marks))
    paths: list[tuple[StorageNode, str]] = []  # not a mapping: inline nodes have no hash
    inputs: list[tuple[StorageNode, str, Any]] = []
    async with AsyncExitStack() as stack:
        for place in marks:
            if place is None or any(known == place.node for known, _ in paths):
                continue
            mode = await _mode_async(node, place)
            # A sibling on local disk too: a program that fails leaves the old content.
            local = Localize(
                place.node._store(),
                place.node.path,
                mode,
                atomic=mode != "r" and not await _is_folder_async(place.node, mode),
                version=await place.node._pinned_async(place.node._store()),
            )
            path = await stack.enter_async_context(local)
            paths.append((place.node, path))
            if mode == "r":
                inputs.append((place.node, path, stamp(path)))
        command = [
            str(argument) if mark is None else next(path for known, path in paths if known == mark.node)
            for argument, mark in zip(arguments, marks, strict=True)
        ]
        output = await run_program_async(command, options, capture=capture, started=started)
        for source, path, before in inputs:
            if stamp(path) != before:
                raise PermissionDeniedError(
                    f"the program changed {source.fullpath!r}, which it was to read only: mark it with inout()",
                    key=source.path,
                )
    if callback is not None:
        await told_async(callback)
    return output


def marked(argument: Any) -> Marked | None:
    """Return an argument as a marked node, if it is a node at all."""
    from holdall.mounts.node import StorageNode  # noqa: PLC0415  # nodes import this module

    if isinstance(argument, Marked):
        return argument
    return Marked(argument, "") if isinstance(argument, StorageNode) else None


async def _mode_async(node: StorageNode, place: Marked) -> str:
    """Return how a program may use a node."""
    if place.mode == "w":
        return "w"
    store = place.node._store()
    found = await describe_async(store, place.node.path, await place.node._pinned_async(store))
    if found is None:
        return "w"
    # What cannot be written, and a whole directory, is only read, though it be the node that this is called on.
    own = place.node == node and not place.node.is_snapshot and store.capabilities.write and found.kind == "file"
    return "rw" if place.mode == "rw" or own else "r"


async def _is_folder_async(node: StorageNode, mode: str) -> bool:
    """Tell whether a directory stands where a program will write."""
    return mode == "w" and os.path.isdir(node._store().local_path(node.path) or "")
