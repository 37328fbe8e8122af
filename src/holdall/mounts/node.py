"""`StorageNode`: a pathlib-like handle on what a mount holds, blocking and async. Its parts stand in `node_*.py`."""

from __future__ import annotations

from holdall.mounts.node_addresses import NodeAddresses
from holdall.mounts.node_calls import NodeCalls
from holdall.mounts.node_content import NodeContent
from holdall.mounts.node_files import NodeFiles
from holdall.mounts.node_helpers import NodeHelpers
from holdall.mounts.node_serving import NodeServing
from holdall.mounts.node_state import NodeState
from holdall.mounts.node_transfer import NodeTransfer
from holdall.mounts.node_tree import NodeTree
from holdall.mounts.node_versions import NodeVersions

__all__ = ["StorageNode"]


class StorageNode(
    NodeHelpers,
    NodeAddresses,
    NodeServing,
    NodeCalls,
    NodeState,
    NodeContent,
    NodeFiles,
    NodeTree,
    NodeTransfer,
    NodeVersions,
):
    """One place in a mount: ``storage.node("uploads:2026/a.txt")``.

    A node is a name, not an open file: making one does no I/O, and what is there is asked anew each time. Each blocking
    method ``m`` has ``m_async``, each property ``p`` that does I/O has the method ``p_async``.

    Example:
        >>> from holdall import StorageManager
        >>> storage = StorageManager({"scratch": {"type": "memory"}})
        >>> node = storage.node("scratch:greetings") / "hello.txt"
        >>> node.write("Hello")
        True
        >>> node.exists, node.size, node.read()
        (True, 5, 'Hello')
    """

    __slots__ = ()
