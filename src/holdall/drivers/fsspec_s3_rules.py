"""Decisions of the S3 calls through s3fs: what a failed call means here, sizes of parts, the order of versions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from holdall.core.keys import ReservedKey, check_key
from holdall.core.meta import ObjectMeta, ObjectVersion
from holdall.core.preconditions import strip_etag
from holdall.drivers.fsspec_s3_calls import failure
from holdall.errors import HoldallError, InvalidKeyError
from holdall.results import CHUNK

if TYPE_CHECKING:
    from holdall.drivers.fsspec_s3 import FsspecS3Store

SMALL = CHUNK
"""Bytes up to which `get` fetches the body at once."""
PART = 8 * CHUNK
MOST = 10_000
SMALLEST = 5 * CHUNK
LARGEST = 5 * 1024 * CHUNK
IN_FLIGHT = 64 * CHUNK
"""Bytes of parts that are on their way at once."""


class calling:  # noqa: N801  # a context manager reads like a function
    """Raise what a call raises as an error of `holdall.errors`, with key and store.

    Args:
        store: For the error.
        key: For the error.
        version: The version that was asked for.
        mode: The mode of a write: what a failed condition means.
    """

    __slots__ = ("_key", "_mode", "_store", "_version")

    def __init__(self, store: FsspecS3Store, key: str, *, version: str | None = None, mode: str = "") -> None:
        self._store, self._key, self._version, self._mode = store, str(key), version, mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not isinstance(error, Exception):
            return
        found = error
        if not isinstance(error, HoldallError):
            translated = failure(error, self._key, version=self._version, mode=self._mode)
            if translated is None:
                return
            found = translated
        assert isinstance(found, HoldallError)
        if found.key is None:
            found.key = self._key
        if found.store is None:
            found.store = repr(self._store)
        if found is not error:
            raise found from error


def part_size(wanted: int | None, size: int | None) -> int:
    """Return the bytes of a part: what was wanted, but so large that a known size fits into the allowed number.

    Example:
        >>> part_size(None, None) // CHUNK, part_size(None, 200 * 1024 * CHUNK) // CHUNK
        (8, 22)
    """
    chosen = max(wanted or PART, SMALLEST)
    if size is not None and size > chosen * (MOST - 500):
        chosen = -(-size // (MOST - 500))
        chosen = -(-chosen // CHUNK) * CHUNK
    return chosen


def grown(part: int, number: int, *, equal: bool) -> int:
    """Return the size of a numbered part of content of unknown size: it doubles every thousand, unless all must be equal.

    Example:
        >>> grown(8, 1, equal=False), grown(8, 1001, equal=False), grown(8, 2500, equal=False), grown(8, 5000, equal=True)
        (8, 16, 32, 8)
    """
    return part if equal else min(part << ((number - 1) // 1000), LARGEST)


def nameable(key: str) -> bool:
    """Tell whether a name found in a bucket can be a key: an odd one never breaks a listing."""
    try:
        check_key(ReservedKey(key))
    except InvalidKeyError:
        return False
    return True


def entry_of_listing(item: Mapping[str, Any], cut: int) -> ObjectMeta:
    """Return one object of a listing."""
    key = item["Key"][cut:]
    return ObjectMeta(
        key=key,
        size=int(item.get("Size") or 0),
        last_modified=item.get("LastModified"),
        etag=strip_etag(item.get("ETag")) or None,
        storage_class=item.get("StorageClass"),
        kind="directory" if key.endswith("/") else "file",
    )


def tied(found: Sequence[ObjectVersion]) -> bool:
    """Tell whether the times of versions and delete markers leave their order open."""
    marked = {version.last_modified for version in found if version.delete_marker}
    return any(version.last_modified in marked for version in found if not version.delete_marker)


def merged_versions(found: Sequence[ObjectVersion]) -> list[ObjectVersion]:
    """Return versions and delete markers, each newest first, as one list, oldest first."""
    versions = [version for version in found if not version.delete_marker]
    markers = [version for version in found if version.delete_marker]
    merged: list[ObjectVersion] = []
    while versions or markers:
        newest = max(
            (queue for queue in (versions, markers) if queue), key=lambda queue: (queue[0].last_modified, queue[0].is_latest)
        )
        merged.append(newest.pop(0))
    return merged[::-1]
