"""What fsspec filesystems say of files (``info`` and ``ls``), read as `Entry`. Pure; nothing is invented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from holdall.core.meta import NO_ATTRIBUTES, Attributes
from holdall.core.preconditions import strip_etag
from holdall.drivers.tree import Entry, from_timestamp

__all__ = ["composed_etag", "entry_of_info", "name_of", "time_of"]

_TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated", "modify", "last_write_time")
_ETAGS = ("ETag", "etag", "e_tag", "sha", "hex")


def name_of(info: Mapping[str, Any]) -> str:
    """Return the last segment of what an info describes.

    Example:
        >>> name_of({"name": "bucket/a/b/"})
        'b'
    """
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def entry_of_info(info: Mapping[str, Any], *, name: str | None = None) -> Entry:
    """Return what an info means.

    An etag that the filesystem does not give is made of time and size, in a zip archive of checksum and size; where times have
    whole seconds only, two contents may share it, and it is marked as weak, as one of a checksum of 32 bits is.

    Example:
        >>> entry_of_info({"name": "b/k", "type": "file", "size": 3, "ETag": '"abc"'}).etag
        'abc'
        >>> entry_of_info({"name": "b/k", "type": "file", "size": 3, "mtime": 1000}).etag
        'W/3e8-3'
        >>> entry_of_info({"name": "b/k", "type": "file", "size": 3, "CRC": 255}).etag
        'W/ff-3'
        >>> entry_of_info({"name": "b/d", "type": "directory", "size": 0}).kind
        'directory'
    """
    said = info.get("type")
    kind: Literal["file", "directory", "other"] = said if said in {"file", "directory"} else "other"
    size = int(info.get("size") or 0)
    modified = next((moment for key in _TIMES if (moment := time_of(info.get(key))) is not None), None)
    etag = next((strip_etag(value) for key in _ETAGS if isinstance(value := info.get(key), str) and value), None)
    stamp = modified or time_of(info.get("created"))
    if etag is None and stamp is not None and kind == "file":
        etag = composed_etag(stamp, size, info.get("ino"))
    elif etag is None and isinstance(checksum := info.get("CRC"), int) and kind == "file":
        etag = f"W/{checksum:x}-{size:x}"
    version = info.get("VersionId") or info.get("version_id") or info.get("generation")
    return Entry(
        name=name_of(info) if name is None else name,
        size=size,
        kind=kind,
        modified=modified,
        etag=etag,
        version=str(version) if version and version != "null" else None,
        attributes=_attributes(info),
    )


def time_of(value: Any) -> datetime | None:
    """Return the time that a value means: a datetime, seconds, ISO 8601, RFC 9110 or ``20260102030405``; always UTC.

    Example:
        >>> time_of("Fri, 02 Jan 2026 03:04:05 GMT") == time_of("2026-01-02T03:04:05Z") == time_of("20260102030405")
        True
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return from_timestamp(value)
    if not isinstance(value, str) or not value:
        return None
    if len(value) >= 14 and value[:14].isdigit():
        value = f"{value[:4]}-{value[4:6]}-{value[6:8]}T{value[8:10]}:{value[10:12]}:{value[12:14]}{value[14:]}"
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return time_of(parse(value))
        except (TypeError, ValueError):
            continue
    return None


def composed_etag(stamp: datetime, size: int, inode: Any = None) -> str:
    """Return the etag that is made of time and size (and inode): weak where times have whole seconds only."""
    seconds = stamp.timestamp()
    if stamp.microsecond == 0 and inode is None:
        return f"W/{int(seconds):x}-{size:x}"
    micros = round(seconds * 1_000_000)
    return f"{micros:x}-{size:x}" + (f"-{inode:x}" if isinstance(inode, int) else "")


def _attributes(info: Mapping[str, Any]) -> Attributes:
    """Return the headers and metadata that Google's and Azure's filesystems tell."""
    settings = info.get("content_settings") or {}
    metadata = info.get("metadata")
    found = {
        "content_type": info.get("contentType") or info.get("ContentType") or _item(settings, "content_type"),
        "cache_control": info.get("cacheControl") or _item(settings, "cache_control"),
        "content_disposition": info.get("contentDisposition") or _item(settings, "content_disposition"),
        "content_encoding": info.get("contentEncoding") or _item(settings, "content_encoding"),
        "content_language": info.get("contentLanguage") or _item(settings, "content_language"),
    }
    known = {key: str(value) for key, value in found.items() if value}
    kept = metadata if isinstance(metadata, Mapping) else {}
    texts = {str(k).lower(): str(v) for k, v in kept.items() if k != "is_directory"}  # adlfs's own mark
    return Attributes(**known, metadata=texts) if known or texts else NO_ATTRIBUTES


def _item(settings: Any, name: str) -> Any:
    return settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)
