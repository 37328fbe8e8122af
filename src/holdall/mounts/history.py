# Generated from history_async.py by tools/twins.py: change that file, not this one.
"""Versions of one key: which one is meant, what changed, going back, thinning out.

Versions come from the store oldest first, delete markers included, and keep that order: never sorted by time, as
timestamps tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from holdall.core.meta import ObjectVersion
from holdall.errors import HoldallError, NotFoundError, NotSupportedError, VersionNotFoundError
from holdall.mounts.lookup import digest
from holdall.mounts.permits import check_may_delete, check_may_write
from holdall.store import Store

__all__ = [
    "aware",
    "compact",
    "listed",
    "living",
    "pin",
    "prune",
    "remove",
    "restore",
    "rollback",
    "shown",
]


def aware(moment: datetime) -> datetime:
    """Return a moment with a time zone; naive means UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def living(versions: Sequence[ObjectVersion]) -> list[ObjectVersion]:
    """Return the versions that have content."""
    return [version for version in versions if not version.delete_marker]


def shown(version: ObjectVersion) -> dict[str, Any]:
    """Return a version as the dict that users see; delete markers say that they are one."""
    mark: dict[str, Any] = {"delete_marker": True} if version.delete_marker else {}
    return {
        "version_id": version.version,
        "is_latest": version.is_latest,
        "last_modified": version.last_modified,
        "size": version.size,
        "etag": version.etag,
        **mark,
    }


def chosen(versions: Sequence[ObjectVersion], index: int, *, key: str, store: object) -> ObjectVersion:
    """Return the version at an index: 0 the oldest, -1 the newest.

    Raises:
        VersionNotFoundError: There are none, or not so many.
    """
    found = living(versions)
    if not found:
        raise VersionNotFoundError(f"No versions available of {key!r}", key=key, store=store)
    if not -len(found) <= index < len(found):
        raise VersionNotFoundError(f"version index {index} out of range: {key!r} has {len(found)}", key=key, store=store)
    return found[index]


def in_force(versions: Sequence[ObjectVersion], moment: datetime, *, key: str, store: object) -> ObjectVersion:
    """Return the version in force at a moment.

    Raises:
        NotFoundError: It did not exist yet, or was deleted.
    """
    at = aware(moment)
    before = [v for v in versions if v.last_modified is not None and v.last_modified <= at]
    if not before:
        raise VersionNotFoundError(f"{key!r} has no version at or before {at.isoformat()}", key=key, store=store)
    if before[-1].delete_marker:
        raise NotFoundError(f"{key!r} was deleted at {at.isoformat()}", key=key, store=store)
    return before[-1]


def listed(store: Store, key: str) -> list[ObjectVersion]:
    """Return all versions of a key, oldest first, delete markers included.

    Raises:
        NotSupportedError: This mount does not support versioning; nothing was sent.
    """
    if not store.capabilities.versions:
        raise NotSupportedError(f"this mount does not support versioning (asked for {key!r})", key=key, store=store)
    return store.versions(key)


def pin(store: Store, key: str, version: str | int | None, as_of: datetime | None) -> str | None:
    """Return the id of the version that is meant; ``None`` for the newest.

    Raises:
        ValueError: Both are given.
        VersionNotFoundError: No such index, or nothing that old.
        NotFoundError: It was deleted at that moment.
    """
    if version is None and as_of is None:
        return None
    if version is not None and as_of is not None:
        raise ValueError("Cannot specify both version and as_of")
    if isinstance(version, str):
        if not store.capabilities.versions:
            raise NotSupportedError(f"this mount does not support versioning (asked for {key!r})", key=key, store=store)
        return version
    versions = listed(store, key)
    if as_of is not None:
        return in_force(versions, as_of, key=key, store=store).version
    assert version is not None
    return chosen(versions, version, key=key, store=store).version


def rollback(store: Store, key: str, to: str | int) -> str | None:
    """Make an old version the newest one again; returns the new id."""
    check_may_write(store, key)
    wanted = pin(store, key, to, None)
    assert wanted is not None
    return (store.restore(key, wanted)).version


def restore(store: Store, key: str) -> str | None:
    """Undo a deletion: the newest version with content becomes the latest; nothing happens to a key that is there."""
    check_may_write(store, key)
    versions = listed(store, key)
    newest = chosen(versions, -1, key=key, store=store)
    if newest.is_latest:
        return newest.version
    return (store.restore(key, newest.version)).version


def remove(store: Store, key: str, versions: Sequence[str]) -> None:
    """Delete versions for good; all are tried, the first failure is raised."""
    failed: HoldallError | None = None
    for version in versions:
        try:
            store.delete_version(key, version)
        except HoldallError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def compact(store: Store, key: str, *, dry_run: bool = False) -> int:
    """Drop each version that shows the same as its immediate predecessor, and count them.

    The older of two stays, so what any instant showed does not change. A delete marker between two means that they are not
    adjacent; content that cannot be compared without sending it over the network counts as different.
    """
    if not dry_run:
        check_may_delete(store, key)
    versions = listed(store, key)
    doubles: list[str] = []
    for earlier, later in pairwise(versions):
        if not earlier.delete_marker and not later.delete_marker and _same(store, earlier, later):
            doubles.append(later.version)
    if not dry_run:
        remove(store, key, doubles)
    return len(doubles)


def _same(store: Store, earlier: ObjectVersion, later: ObjectVersion) -> bool:
    """Tell whether two versions have the same bytes, headers and metadata."""
    if earlier.size != later.size:
        return False
    capabilities = store.capabilities
    if capabilities.local or capabilities.temporary:
        first = digest(store, earlier.key, "sha256", earlier.version)
        if first != digest(store, later.key, "sha256", later.version):
            return False
    elif not _is_md5(earlier.etag) or earlier.etag != later.etag:
        return False
    one = store.head(earlier.key, version=earlier.version)
    return one.attributes == (store.head(later.key, version=later.version)).attributes


def _is_md5(etag: str | None) -> bool:
    """Tell whether an etag can be the MD5 of the content: equal ones then mean equal bytes."""
    return etag is not None and len(etag) == 32 and all(c in "0123456789abcdef" for c in etag)


def prune(
    store: Store, key: str, *, keep_last: int | None = None, keep_since: datetime | None = None, dry_run: bool = False
) -> int:
    """Delete old versions, never the latest, and count them.

    Args:
        store: The store.
        key: Whose versions.
        keep_last: How many of the newest stay.
        keep_since: What was written at or after this stays.
        dry_run: Only count.

    Raises:
        ValueError: Neither limit is given, or ``keep_last`` is below 1.
    """
    if keep_last is None and keep_since is None:
        raise ValueError("prune_versions needs keep_last or keep_since")
    if keep_last is not None and keep_last < 1:
        raise ValueError("keep_last is at least 1: the latest version always stays")
    if not dry_run:
        check_may_delete(store, key)
    versions = listed(store, key)
    content = living(versions)
    old = content if keep_last is None else content[:-keep_last]
    if keep_since is not None:
        since = aware(keep_since)
        old = [v for v in old if v.last_modified is not None and v.last_modified < since]
    doomed = [v.version for v in old if not v.is_latest]
    if not dry_run:
        remove(store, key, doomed)
    return len(doomed)
