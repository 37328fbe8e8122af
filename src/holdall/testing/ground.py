"""The truth behind a store, reached without the store: what a contract test prepares and what it checks.

A `Ground` reads, writes, deletes and lists raw bytes by other means than the code under test (plain ``os`` calls, boto3,
hand-made HTTP requests, the insides of an in-process store).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.core.keys import is_reserved
from holdall.core.meta import Kind, ObjectMeta

if TYPE_CHECKING:
    from holdall.drivers.memory import MemoryStore

__all__ = ["Ground", "LocalGround", "MemoryGround", "S3Ground"]


class Ground(ABC):
    """Raw access to where a store keeps its objects.

    Attributes:
        writable: Whether `write` works; a ground may be read-only if the store writes.
    """

    writable: bool = True

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Put raw bytes at a key, making what the storage needs around it."""

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """Return the raw bytes at a key, ``None`` if nothing is there."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove a key that is there."""

    @abstractmethod
    def everything(self) -> set[str]:
        """Return the key of every object, temporary, hidden and reserved ones included."""

    def keys(self) -> set[str]:
        """Return the keys of users' objects: all but what lies below the reserved prefix."""
        return {key for key in self.everything() if not is_reserved(key)}

    def unfinished(self) -> int:
        """Return how many uploads were begun and neither completed nor aborted."""
        return 0

    def can_hold(self, key: str) -> bool:
        """Tell whether the storage itself could hold an object of this (odd) key."""
        return True

    def write_many(self, objects: Mapping[str, bytes]) -> None:
        """Put many objects."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.write, objects.keys(), objects.values()))

    def snapshot(self) -> dict[str, bytes | None]:
        """Return everything with its bytes, to be compared with a later snapshot."""
        return {key: self.read(key) for key in sorted(self.everything())}


class MemoryGround(Ground):
    """The insides of a `holdall.drivers.memory.MemoryStore`, past its verbs."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def write(self, key: str, data: bytes) -> None:
        """Plant a version that no verb made."""
        from holdall.drivers.memory import _Version

        kind: Kind = "directory" if key.endswith("/") else "file"
        etag = f"ground-{next(self.store._numbers)}"
        meta = ObjectMeta(key=key, size=len(data), last_modified=datetime.now(UTC), etag=etag, version=etag, kind=kind)
        self.store._set_history(key, [_Version(meta, data)])

    def read(self, key: str) -> bytes | None:
        """Return the bytes of the last version."""
        history = self.store._history.get(key)
        return history[-1].data if history else None

    def delete(self, key: str) -> None:
        """Forget every version."""
        self.store._set_history(key, [])

    def everything(self) -> set[str]:
        """Return the keys whose last version is no deletion."""
        return {key for key, history in self.store._history.items() if history[-1].data is not None}

    def unfinished(self) -> int:
        """Return how many part uploads are open."""
        return len(self.store._uploads)


class LocalGround(Ground):
    """A directory, by plain ``os`` calls: the ground of local disk and of servers that serve a directory."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.root / key

    def write(self, key: str, data: bytes) -> None:
        """Write a file, parents made."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def read(self, key: str) -> bytes | None:
        """Return a file's bytes."""
        path = self.path(key)
        return path.read_bytes() if path.is_file() else None

    def delete(self, key: str) -> None:
        """Remove a file."""
        self.path(key).unlink()

    def everything(self) -> set[str]:
        """Return every file below the root; links and special files too."""
        return {
            os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")
            for folder, _, names in os.walk(self.root)
            for name in names
        }

    def can_hold(self, key: str) -> bool:
        """Tell whether a file may have this name."""
        return "//" not in key and not key.endswith("/") and all(len(part.encode()) <= 255 for part in key.split("/"))


class S3Ground(Ground):
    """A bucket (or a prefix of it) by boto3.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket.
        prefix: What stands before every key, ``""`` or ending with ``/``.
        refuses: Characters that the server cannot have in a key.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "", *, refuses: str = "") -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self.refuses = refuses

    def can_hold(self, key: str) -> bool:
        """Tell whether the server takes such a key."""
        return not set(self.refuses) & set(key)

    def write(self, key: str, data: bytes) -> None:
        """Put an object."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        except self.client.exceptions.NoSuchKey:
            return None
        with answer["Body"] as body:
            return bytes(body.read())

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def everything(self) -> set[str]:
        """List the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", ())}

    def unfinished(self) -> int:
        """Return how many multipart uploads are open."""
        uploads: Iterable[Any] = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return sum(item["Key"].startswith(self.prefix) for item in uploads)
