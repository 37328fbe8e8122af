"""boto3's descriptions of S3, read once per process: 3 MB of JSON, of which a thread beside an event loop reads an object at a time.

Imported with boto3 alone.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

from holdall._turns import BESIDE, give_way

__all__ = ["read_models", "share_loader"]

_lock = threading.Lock()
_loaders: list[Any] = []
"""The loader of all sessions, once there is one."""


def _after_fork() -> None:
    """Replace the lock in the child: another thread of the parent may have held it."""
    global _lock  # noqa: PLW0603  # the one lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Files(JSONFileLoader):
    """Reads what boto3's own reads, into plain mappings: half the time of ordered ones, and two thirds of the memory."""

    def load_file(self, file_path: str) -> Any:
        """Return what a file says that is named without its ending; ``None`` if there is none."""
        for ending, unpacked in ((".json", bytes), (".json.gz", gzip.decompress)):
            path = Path(file_path + ending)
            if path.is_file():
                return json.loads(unpacked(path.read_bytes()), object_hook=_in_turns if BESIDE else None)
        return None


def _in_turns(found: dict[str, Any]) -> dict[str, Any]:
    give_way()
    return found


def share_loader(session: Any) -> None:
    """Let a session of botocore read what another one has not."""
    with _lock:
        if not _loaders:
            loader = session.get_component("data_loader")
            loader.file_loader = Files()
            _loaders.append(loader)
        paths = _loaders[0].search_paths
        paths[:] = dict.fromkeys(paths)  # each session of boto3's adds its own
        session.register_component("data_loader", _loaders[0])


def read_models() -> None:
    """Read what a client of S3 needs, unless it was read: two clients made at once would each read, and keep, all of it."""
    with _lock:
        for kind in ("service-2", "endpoint-rule-set-1"):
            _loaders[0].load_service_model("s3", kind)
        _loaders[0].load_data_with_path("endpoints")
        _loaders[0].load_data("partitions")
