"""Mounts: `StorageManager` names storages, `StorageNode` is a pathlib-like handle on what they hold.

Names resolve on first use (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from holdall.engine.table import MountTable, set_default_factory

if TYPE_CHECKING:
    from holdall.core.plans import SkipStrategy
    from holdall.drivers.storage_backend import StorageBackend
    from holdall.errors import (
        ClosedError,
        IsDirectoryError,
        NotDirectoryError,
        NotEmptyError,
        TransferError,
        UnknownMountError,
        VersionNotFoundError,
    )
    from holdall.mounts.capabilities import MountCapabilities
    from holdall.mounts.default import storages
    from holdall.mounts.errors import (
        MountPathError,
        StorageConfigError,
        StorageError,
        StorageNotFoundError,
        StoragePermissionError,
        UnsupportedNodeError,
        VirtualNodeError,
    )
    from holdall.mounts.fetching import DownloadError
    from holdall.mounts.manager import StorageManager
    from holdall.mounts.marks import inout, output
    from holdall.mounts.node import StorageNode
    from holdall.mounts.node_calls import CallHandle
    from holdall.mounts.stat import NodeStat

_HOMES = {
    "MountCapabilities": "holdall.mounts.capabilities",
    "MountPathError": "holdall.mounts.errors",
    "NodeStat": "holdall.mounts.stat",
    "NotEmptyError": "holdall.errors",
    "VersionNotFoundError": "holdall.errors",
    "UnknownMountError": "holdall.errors",
    "TransferError": "holdall.errors",
    "NotDirectoryError": "holdall.errors",
    "IsDirectoryError": "holdall.errors",
    "ClosedError": "holdall.errors",
    "SkipStrategy": "holdall.core.plans",
    "CallHandle": "holdall.mounts.node_calls",
    "DownloadError": "holdall.mounts.fetching",
    "StorageBackend": "holdall.drivers.storage_backend",
    "StorageConfigError": "holdall.mounts.errors",
    "StorageError": "holdall.mounts.errors",
    "StorageManager": "holdall.mounts.manager",
    "StorageNode": "holdall.mounts.node",
    "StorageNotFoundError": "holdall.mounts.errors",
    "StoragePermissionError": "holdall.mounts.errors",
    "UnsupportedNodeError": "holdall.mounts.errors",
    "VirtualNodeError": "holdall.mounts.errors",
    "inout": "holdall.mounts.marks",
    "output": "holdall.mounts.marks",
    "storages": "holdall.mounts.default",
}

__all__ = [
    "CallHandle",
    "ClosedError",
    "DownloadError",
    "IsDirectoryError",
    "MountCapabilities",
    "MountPathError",
    "NodeStat",
    "NotDirectoryError",
    "NotEmptyError",
    "SkipStrategy",
    "StorageBackend",
    "StorageConfigError",
    "StorageError",
    "StorageManager",
    "StorageNode",
    "StorageNotFoundError",
    "StoragePermissionError",
    "TransferError",
    "UnknownMountError",
    "UnsupportedNodeError",
    "VersionNotFoundError",
    "VirtualNodeError",
    "inout",
    "output",
    "storages",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall.mounts' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _default_table() -> MountTable:
    from holdall.mounts.default import filled_table  # noqa: PLC0415  # on first use of the default table

    return filled_table()


set_default_factory(_default_table)
