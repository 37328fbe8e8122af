# Generated from calling_async.py by tools/twins.py: change that file, not this one.
"""A program over nodes: each becomes a local file for the time of the call, and what was changed is written back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from holdall.engine.colours import told
from holdall.engine.localize import Localize
from holdall.errors import PermissionDeniedError
from holdall.mounts.lookup import describe
from holdall.mounts.marks import Marked, stamp
from holdall.mounts.programs import check_options, run_program

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["call"]


def call(
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
    with ExitStack() as stack:
        for place in marks:
            if place is None or any(known == place.node for known, _ in paths):
                continue
            mode = _mode(node, place)
            # A sibling on local disk too: a program that fails leaves the old content.
            local = Localize(
                place.node._store(),
                place.node.path,
                mode,
                atomic=mode != "r" and not _is_folder(place.node, mode),
                version=place.node._pinned(place.node._store()),
            )
            path = stack.enter_context(local)
            paths.append((place.node, path))
            if mode == "r":
                inputs.append((place.node, path, stamp(path)))
        command = [
            str(argument) if mark is None else next(path for known, path in paths if known == mark.node)
            for argument, mark in zip(arguments, marks, strict=True)
        ]
        output = run_program(command, options, capture=capture, started=started)
        for source, path, before in inputs:
            if stamp(path) != before:
                raise PermissionDeniedError(
                    f"the program changed {source.fullpath!r}, which it was to read only: mark it with inout()",
                    key=source.path,
                )
    if callback is not None:
        told(callback)
    return output


def marked(argument: Any) -> Marked | None:
    """Return an argument as a marked node, if it is a node at all."""
    from holdall.mounts.node import StorageNode  # noqa: PLC0415  # nodes import this module

    if isinstance(argument, Marked):
        return argument
    return Marked(argument, "") if isinstance(argument, StorageNode) else None


def _mode(node: StorageNode, place: Marked) -> str:
    """Return how a program may use a node."""
    if place.mode == "w":
        return "w"
    store = place.node._store()
    found = describe(store, place.node.path, place.node._pinned(store))
    if found is None:
        return "w"
    # What cannot be written, and a whole directory, is only read, though it be the node that this is called on.
    own = place.node == node and not place.node.is_snapshot and store.capabilities.write and found.kind == "file"
    return "rw" if place.mode == "rw" or own else "r"


def _is_folder(node: StorageNode, mode: str) -> bool:
    """Tell whether a directory stands where a program will write."""
    return mode == "w" and os.path.isdir(node._store().local_path(node.path) or "")
