"""`NodeBase`: what every part of `StorageNode` builds on: which manager, which mount, which key, which version."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast

from holdall.core.meta import ObjectMeta
from holdall.mounts.virtual_base import VirtualStore

if TYPE_CHECKING:
    from holdall.mounts.manager import StorageManager
    from holdall.mounts.node import StorageNode
    from holdall.store import Store

__all__ = ["NodeBase"]


class NodeBase:
    """The identity of a node. Nodes are made by their manager, not by hand.

    Invariants: a node never changes (inline nodes excepted, whose path is their content); equality, order and hash are
    those of (manager, mount, exact key, version) and never do I/O.
    """

    __slots__ = ("__weakref__", "_as_of", "_given", "_info", "_key", "_manager", "_mount", "_pin", "_version")

    def __init__(
        self,
        manager: StorageManager,
        mount: str,
        key: str,
        *,
        version: str | int | None = None,
        as_of: datetime | None = None,
        info: ObjectMeta | None = None,
        given: Store | None = None,
    ) -> None:
        """Name a place.

        Args:
            manager: Whose mounts are meant.
            mount: Name of the mount.
            key: Exact key below it, ``""`` for the root.
            version: Id or index of the version this node is fixed to.
            as_of: Moment this node is fixed to.
            info: What a listing said.
            given: The store itself, for nodes that are below no mount (virtual ones).
        """
        self._manager = manager
        self._mount = mount
        self._key = key
        self._version = version
        self._as_of = as_of
        self._pin: str | None = None
        self._info = info
        self._given = given

    def _store(self) -> Store:
        """Return the store for one operation, in either colour: within it a path function is asked once."""
        given = self._given
        return self._manager._open(self._mount) if given is None else given

    def _at(self, key: str, info: ObjectMeta | None = None) -> StorageNode:
        """Return the node of another key beside this one, fixed to the same moment."""
        return self._manager.node_class(
            self._manager, self._mount, key, version=None, as_of=self._as_of, info=info, given=self._given
        )

    @property
    def _inline(self) -> bool:
        """Whether the path is the content itself."""
        return self._given is None and self._manager._is_inline(self._mount)

    @property
    def _virtual(self) -> VirtualStore | None:
        """The composed content, if this node is below no mount and made of other nodes."""
        return self._given if isinstance(self._given, VirtualStore) else None

    @property
    def _below(self) -> str:
        """The literal prefix of everything inside this node."""
        return f"{self._key}/" if self._key else ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeBase):
            return NotImplemented
        return (
            self._key == other._key
            and self._mount == other._mount
            and self._manager is other._manager
            and self._given is other._given
            and self._version == other._version
            and self._as_of == other._as_of
        )

    def __hash__(self) -> int:
        if self._inline:
            raise TypeError("an inline node is its own content and changes with it: it cannot be hashed")
        return hash((id(self._manager), self._mount, self._key, self._version, self._as_of))

    def __lt__(self, other: object) -> bool:
        return self._order() < other._order() if isinstance(other, NodeBase) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self._order() <= other._order() if isinstance(other, NodeBase) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self._order() > other._order() if isinstance(other, NodeBase) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self._order() >= other._order() if isinstance(other, NodeBase) else NotImplemented

    def _order(self) -> tuple[Any, ...]:
        moment = "" if self._as_of is None else self._as_of.isoformat()
        return self._mount, self._key, "" if self._version is None else str(self._version), moment, id(self._manager)

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is not None:
            raise TypeError(f"{type(self).__name__} is below no mount and cannot be pickled")
        named = {"version": self._version, "as_of": self._as_of}
        return _rebuild, (type(self), self._manager, self._mount, self._key, named)


def _rebuild(cls: type[NodeBase], manager: Any, mount: str, key: str, named: dict[str, Any]) -> NodeBase:
    return cls(manager, mount, key, **named)


def as_node(base: NodeBase) -> StorageNode:
    """Return a node part as the whole it is always part of."""
    return cast("StorageNode", base)
