"""Directories below a local one that are symbolic links: what lies behind such a link is not the tree's own.

Readers follow links that stay inside the root. Who deletes or moves a tree must not: the files would go from where they really are.
"""

from __future__ import annotations

import os

from holdall.store import Store

__all__ = ["Links", "is_link"]


class Links:
    """Tells which keys below a directory are reached through a link.

    Args:
        store: Whose keys.
        prefix: The directory: ``""`` or ending with ``/``. Links above it do not count.
        itself: If the directory is a link, all below is reached through that.
    """

    def __init__(self, store: Store, prefix: str, *, itself: bool = False) -> None:
        local = store.capabilities.local and store.capabilities.symlinks
        self._root = store.local_path(prefix.rstrip("/")) if local else None
        self._start = len(prefix)
        self._known: dict[str, str | None] = {}
        self._itself = prefix[:-1] if itself and is_link(store, prefix[:-1]) else None

    def above(self, key: str) -> str | None:
        """Return the first link on the way from the directory to a key, as a key; ``None`` if there is none."""
        slash = key.rfind("/")
        return self._itself if self._root is None or slash < self._start else self._first(key[:slash])

    def within(self, folder: str) -> list[str]:
        """Return the links that stand directly in a directory below, as keys: also those that no listing shows, as they lead nowhere or out."""
        if self._root is None:
            return []
        try:
            with os.scandir(self._real(folder)) as entries:
                return [f"{folder}/{entry.name}" for entry in entries if entry.is_symlink()]
        except OSError:  # it is gone
            return []

    def _first(self, folder: str) -> str | None:
        if folder not in self._known:
            slash = folder.rfind("/")
            found = self._first(folder[:slash]) if slash >= self._start else self._itself
            self._known[folder] = folder if found is None and self._linked(folder) else found
        return self._known[folder]

    def _linked(self, folder: str) -> bool:
        return os.path.islink(self._real(folder))

    def _real(self, folder: str) -> str:
        assert self._root is not None  # only asked where there is one
        return os.path.join(self._root, folder[self._start :].replace("/", os.sep))


def is_link(store: Store, key: str) -> bool:
    """Tell whether a key is itself a link, wherever it leads to."""
    real = store.local_path(key) if key and store.capabilities.local else None
    return real is not None and os.path.islink(real)
