"""Where a key really is: what tells that two names mean one object, or that one tree lies inside the other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from holdall.store import Store

__all__ = ["Relation", "Side", "look_alike", "relation"]

Relation = Literal["same", "inside", "apart"]


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a transfer: a store, and the key of a file or the prefix of a tree (``""``, or ending with ``/``)."""

    store: Store
    prefix: str

    @property
    def tree(self) -> bool:
        """Whether this is a prefix."""
        return not self.prefix or self.prefix.endswith("/")

    def key(self, path: str) -> str:
        """Return the key of a relative path."""
        return self.prefix + path

    def as_tree(self) -> Side:
        """Return the tree of this name."""
        return self if self.tree else Side(self.store, f"{self.prefix}/")

    def real(self) -> tuple[str, str]:
        """Return a pair that is equal for equal objects: the place, and the full key or path there."""
        # A prefix is no key: a name below it is, and shows where it leads.
        probe = self.key("-") if self.tree else self.prefix
        path = self.store.local_path(probe)
        if path is not None:
            # Two roots, or a link, may lead to one file: only the resolved path tells.
            return "file", os.path.realpath(path)[: -1 if self.tree else None]
        inner, key = self.locate()
        at = inner.identity
        return f"{at.service}#{at.place}", at.prefix + key

    def locate(self) -> tuple[Store, str]:
        """Return the innermost driver, and the key or prefix there."""
        if not self.tree:
            return self.store.locate(self.prefix)
        inner, key = self.store.locate(self.key("-"))
        return inner, key[:-1]

    def __repr__(self) -> str:
        return f"{self.prefix!r} in {self.store!r}"


def relation(source: Side, target: Side) -> Relation:
    """Tell whether two sides are one, or one tree lies inside the other.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = MemoryStore()
        >>> relation(Side(store, "a/"), Side(store, "a/b/")), relation(Side(store, "a/"), Side(store, "ab/"))
        ('inside', 'apart')
    """
    (where, name), (other_where, other_name) = source.real(), target.real()
    if where != other_where:
        return "apart"
    if name == other_name:
        return "same"
    if (source.tree and other_name.startswith(name)) or (target.tree and name.startswith(other_name)):
        return "inside" if source.tree and target.tree else "apart"
    return "apart"


def look_alike(source: Side, target: Side) -> bool:
    """Tell whether two sides that are apart by name may be one: the same key at two addresses of a service.

    What is on this machine is known by its path, and what is in memory by itself.
    """
    near = any(side.store.capabilities.local or side.store.capabilities.temporary for side in (source, target))
    return not near and source.store is not target.store and source.real()[1] == target.real()[1]
