"""`ObjectDatabase`: one object per record, on any Store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from holdall.core.dirs import cache_dir
from holdall.core.params import Faults
from holdall.engine.places import Side
from holdall.engine.resolve import resolve
from holdall.errors import ConfigError
from holdall.records import objects, objects_async
from holdall.records.database import Database
from holdall.records.keys import SUFFIX, normalise_prefix
from holdall.records.keywords import check_options
from holdall.records.mirror.mirror import Mirror
from holdall.records.objects_state import ObjectOptions, ObjectState, OnCorrupt
from holdall.records.paths import index_paths
from holdall.records.results import DatabaseCapabilities
from holdall.store import Store

__all__ = ["ObjectDatabase"]


class ObjectDatabase(Database):
    """Records as objects: ``<prefix><id>.json``, one each.

    Args:
        store: A `Store`, a URL, or a mount (``"uploads:"``).
        prefix: What stands before every key; databases at ``a/`` and ``a/b/`` do not see each other.
        max_workers: Requests in flight.
        cache_ttl: For how many seconds a listing counts as current; by default 60 on remote stores, 0 on local ones.
        on_corrupt: ``"raise"``, or ``"report"`` unreadable objects: in `SearchResult.unreadable`, by an `UnreadableWarning` where nothing
            lists them.
        mirror: The local index: ``"auto"`` (a file in the user's cache, in memory for a memory store), ``"memory"``, ``"off"``,
            or the path of a file. It holds records in clear.
        indexes: Paths, or tuples of paths, that searches often ask for.
        tags: ``"fit"``: metadata that fits becomes object tags; ``"strict"``: all must fit; ``"off"``; or names of metadata. By default
            ``"fit"`` on S3 (with boto3), else ``"off"``.
        storage_class: Of every object, single or in parts.
        new_id: Makes ids for records that have none.
        owned: Close the store with the database.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> from holdall.records import Filter, ObjectDatabase, Record
        >>> db = ObjectDatabase(MemoryStore())
        >>> db.batch_create([Record({"id": "a", "n": 1}), Record({"id": "b", "n": 2})])
        ['a', 'b']
        >>> [record.id for record in db.search(Filter("n", ">", 1))]
        ['b']
    """

    def __init__(
        self,
        store: Store | str,
        *,
        prefix: str = "records/",
        max_workers: int = 32,
        cache_ttl: float | None = None,
        on_corrupt: OnCorrupt = "raise",
        mirror: str | os.PathLike[str] = "auto",
        indexes: Iterable[str | Sequence[str]] = (),
        tags: str | Iterable[str] | None = None,
        storage_class: str | None = None,
        new_id: Callable[[], str] | None = None,
        owned: bool = False,
    ) -> None:
        self._made_of = {name: value for name, value in locals().items() if name not in {"self", "__class__"}}
        faults = Faults("")
        given: Any = store
        if not isinstance(given, (Store, str, os.PathLike)):
            faults.add(f"store is a Store, a URL or a mount, not {type(given).__name__}")
        check_options(
            {**self._made_of, "prefix": () if prefix is None else prefix}, faults
        )  # None is a fault: no prefix is ""
        faults.check()
        store, prefix = _placed(store, prefix)
        s3 = store.identity.service.startswith("s3")
        if tags is None:
            tags = "fit" if store.capabilities.tags and s3 else "off"
        near = store.capabilities.local or store.capabilities.temporary
        options = ObjectOptions(
            max_workers=max_workers,
            cache_ttl=(0.0 if near else 60.0) if cache_ttl is None else cache_ttl,
            on_corrupt=on_corrupt,
            tags=tags if isinstance(tags, str) else tuple(tags),
            storage_class=storage_class,
            in_parts=s3,
        )
        self._state = ObjectState(store, normalise_prefix(prefix), options, owned=owned)
        chosen = index_paths(indexes)
        if mirror != "off":
            self._state.make_mirror = partial(_make_mirror, self._state, os.fspath(mirror), chosen)
        super().__init__(objects.ObjectEngine(self._state), objects_async.ObjectEngine(self._state), mint=new_id)

    @property
    def store(self) -> Store:
        """Where the objects are."""
        return self._state.store

    @property
    def prefix(self) -> str:
        """What stands before every key."""
        return self._state.prefix

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are. See `Database.place`."""
        return Side(self.store, self.prefix).real()

    @property
    def mirror(self) -> Mirror | None:
        """The local index: ``info()`` tells what it holds, ``drop()`` empties it; ``None`` if it is off."""
        return self._state.mirror

    @property
    def capabilities(self) -> DatabaseCapabilities:
        """What works here; no I/O."""
        can = self.store.capabilities
        return DatabaseCapabilities(
            engine="objects",
            compare_and_set=self._state.compares,
            conditional_delete=can.conditional_delete and can.strong_etag,
            exact_batch_delete=self._state.near,
            tags=can.tags,
            history=can.versions,
            max_id_bytes=self._state.longest - len(SUFFIX),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self._made_of)  # whether the store can travel is its own to say

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store!r}, prefix={self.prefix!r})"


_PRINCIPAL = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Where boto3 gets credentials from, unless it is told a key. Source: boto3's guide, "Credentials"."""


def _placed(store: Store | str | Any, prefix: str) -> tuple[Store, str]:
    """Return the store of what a user named, and the prefix there."""
    if isinstance(store, Store):
        return store, prefix
    found = resolve(store)
    if found.handle is not None:
        raise ConfigError("a database needs a storage, not an open file")
    return found.store, f"{found.key}/{prefix}" if found.key else prefix


def _made_again(cls: type[ObjectDatabase], options: dict[str, Any]) -> ObjectDatabase:
    return cls(**options)


def _make_mirror(state: ObjectState, where: str, indexes: tuple[tuple[str, ...], ...]) -> Mirror:
    """Make the mirror of a database; its file is named by storage, prefix and principal, so that no two share one."""
    store = state.store
    identity = store.identity
    who = identity.principal
    if not who and identity.service.startswith("s3"):
        who = os.environ.get("AWS_ACCESS_KEY_ID") or " ".join(filter(None, map(os.environ.get, _PRINCIPAL)))
    text = f"{replace(identity, principal=who)}#{state.prefix}"
    if where == "memory" or (where == "auto" and store.capabilities.temporary):
        return Mirror(None, text, indexes)
    if where == "auto":
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        where = os.path.join(cache_dir(), "records", f"{name}.sqlite")
    return Mirror(os.path.abspath(where), text, indexes)
