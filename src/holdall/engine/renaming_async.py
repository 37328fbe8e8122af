"""Moves that are renames: which store can do them, and directories left empty behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from holdall.core.keys import MAX_KEY_BYTES, RESERVED, ReservedKey
from holdall.core.options import CopyMode
from holdall.engine.places import Side
from holdall.errors import HoldallError, NotSupportedError
from holdall.store import Store

__all__ = ["Renamer", "renamer", "tidy_async"]

log = logging.getLogger("holdall.transfer")


@dataclass(frozen=True, slots=True)
class Renamer:
    """A store in which both sides of a move lie, and their prefixes there.

    Attributes:
        store: Does the renames.
        source, target: Prefixes as ``store`` knows them.
        sides: Two local roots below that of ``store``: each keeps watch over its own paths.
    """

    store: Store
    source: str
    target: str
    sides: tuple[Side, Side] | None = None

    async def rename_async(self, path: str, *, overwrite: bool) -> None:
        """Rename one file, or with ``path=""`` all of it.

        Raises:
            NotSupportedError: Not atomically here (another filesystem, say).
        """
        mode: CopyMode = "overwrite" if overwrite else "create"
        source, target = self.source + path, self.target + path
        if self.sides is not None:
            if any(side.store.local_path(side.key(path)) is None for side in self.sides):
                raise NotSupportedError(f"{path!r} leads out of its root", key=path, store=self.store)
            # Seen from a root further up, a key may be too long, or lie below a directory of a reserved name.
            if max(len(source.encode()), len(target.encode())) > MAX_KEY_BYTES:
                raise NotSupportedError(f"{path!r} is too long for a rename between two roots", key=path, store=self.store)
            source, target = ReservedKey(source), ReservedKey(target)
        await self.store.rename_async(source, target, mode=mode)

    @property
    def directories(self) -> bool:
        """Whether whole directories can be renamed."""
        return self.store.capabilities.directories == "real"


def renamer(source: Side, target: Side) -> Renamer | None:
    """Return what can rename from one side to the other, ``None`` if nothing can.

    Wrappers are looked through only if both sides may do what a rename does: delete here, write there.
    """
    ours, theirs = source.store.capabilities, target.store.capabilities
    if not (ours.rename and ours.delete and theirs.rename and theirs.write):
        return None
    if source.store is target.store:
        return Renamer(source.store, source.prefix, target.prefix)
    (inner, key), (other, other_key) = source.locate(), target.locate()
    if inner is other or inner.identity == other.identity:
        return Renamer(inner, key, other_key)
    return _local_renamer(source, target)


def _local_renamer(source: Side, target: Side) -> Renamer | None:
    """Return a store over the directory that two local roots share, for renames from one to the other."""
    from holdall.drivers.local import LocalStore  # noqa: PLC0415  # most moves do not need it

    (inner, key), (other, other_key) = source.locate(), target.locate()
    if not (isinstance(inner, LocalStore) and isinstance(other, LocalStore)):
        return None
    settings, same = inner.__getstate__(), other.__getstate__()
    ours, theirs = (os.path.realpath(state.pop("root")) for state in (settings, same))
    settings["create"] = same["create"] = False
    if settings != same or not os.path.isdir(theirs) or os.path.isdir(os.path.join(ours, RESERVED, "meta")):
        return None  # files would get other permissions, or what is kept beside them would stay behind
    try:
        shared = os.path.commonpath([ours, theirs])
    except ValueError:  # two drives
        return None
    above = LocalStore(shared, **settings)
    return Renamer(above, _below(shared, ours) + key, _below(shared, theirs) + other_key, (source, target))


def _below(shared: str, root: str) -> str:
    path = os.path.relpath(root, shared).replace(os.sep, "/")
    return "" if path == "." else f"{path}/"


async def tidy_async(store: Store, directories: Iterable[str]) -> None:
    """Remove those directories (keys ending with ``/``) that are empty now, the deepest first; others are kept in silence."""
    for key in sorted(directories, key=lambda name: (-name.count("/"), name)):
        try:
            await store.delete_async(key)
        except HoldallError as error:
            log.debug("directory %r is kept: %s", key, error)
