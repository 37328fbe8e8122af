"""Columns: `FileObject` values in rows whose bytes are in a store; both commit together and roll back together.

Names resolve on first use (PEP 562): this package imports without SQLAlchemy, fsspec or obstore.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from holdall.errors import MissingExtraError

if TYPE_CHECKING:
    from holdall.columns.backends import FSSpecBackend, ObstoreBackend, StorageBackend
    from holdall.columns.errors import CleanupError, RejectedFileError, UnsavedFileError
    from holdall.columns.file import FileObject
    from holdall.columns.flushing import Naming
    from holdall.columns.hooks import disable, enable, listen
    from holdall.columns.joined import finish
    from holdall.columns.lists import FileList, FileObjectList
    from holdall.columns.names import safe_name
    from holdall.columns.relocating import RelocationReport, relocate, relocate_async
    from holdall.columns.survey import Finding, audit, audit_async
    from holdall.columns.sweeping import SweepReport, sweep, sweep_async
    from holdall.columns.types import StoredObject, key_index, normalise_nulls, type_map

    storages: Any

_HOMES = {
    "CleanupError": "holdall.columns.errors",
    "FSSpecBackend": "holdall.columns.backends",
    "FileList": "holdall.columns.lists",
    "FileObject": "holdall.columns.file",
    "FileObjectList": "holdall.columns.lists",
    "ObstoreBackend": "holdall.columns.backends",
    "RejectedFileError": "holdall.columns.errors",
    "StorageBackend": "holdall.columns.backends",
    "UnsavedFileError": "holdall.columns.errors",
    "Finding": "holdall.columns.survey",
    "Naming": "holdall.columns.flushing",
    "RelocationReport": "holdall.columns.relocating",
    "StoredObject": "holdall.columns.types",
    "SweepReport": "holdall.columns.sweeping",
    "audit": "holdall.columns.survey",
    "audit_async": "holdall.columns.survey",
    "disable": "holdall.columns.hooks",
    "enable": "holdall.columns.hooks",
    "finish": "holdall.columns.joined",
    "key_index": "holdall.columns.types",
    "listen": "holdall.columns.hooks",
    "normalise_nulls": "holdall.columns.types",
    "relocate": "holdall.columns.relocating",
    "relocate_async": "holdall.columns.relocating",
    "safe_name": "holdall.columns.names",
    "storages": "holdall.mounts",
    "sweep": "holdall.columns.sweeping",
    "sweep_async": "holdall.columns.sweeping",
    "type_map": "holdall.columns.types",
}


_NEEDS_SQLALCHEMY = frozenset(
    f"holdall.columns.{name}" for name in ("flushing", "hooks", "joined", "relocating", "survey", "sweeping", "types")
)

__all__ = [
    "CleanupError",
    "FSSpecBackend",
    "FileList",
    "FileObject",
    "FileObjectList",
    "Finding",
    "Naming",
    "ObstoreBackend",
    "RejectedFileError",
    "RelocationReport",
    "StorageBackend",
    "StoredObject",
    "SweepReport",
    "UnsavedFileError",
    "audit",
    "audit_async",
    "disable",
    "enable",
    "finish",
    "key_index",
    "listen",
    "normalise_nulls",
    "relocate",
    "relocate_async",
    "safe_name",
    "storages",
    "sweep",
    "sweep_async",
    "type_map",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall.columns' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(home), name)
    except ImportError as error:
        if home in _NEEDS_SQLALCHEMY and (error.name or "").startswith("sqlalchemy"):
            raise MissingExtraError('columns need SQLAlchemy: pip install "holdall[columns]"') from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
