"""holdall: one storage layer for everything a Python application keeps.

Names resolve on first use (PEP 562): ``import holdall`` loads no third-party module and takes a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall.core.capabilities import Capabilities, Identity, PartRules
    from holdall.core.meta import Attributes, ListPage, ObjectMeta, ObjectVersion
    from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
    from holdall.core.ranges import ByteRange, Coalesce
    from holdall.drivers.registry import open_store
    from holdall.drivers.storage_backend import StorageBackend
    from holdall.errors import HoldallError
    from holdall.mounts import StorageManager, StorageNode, storages
    from holdall.results import DeleteResult, GetResult, PutResult
    from holdall.store import BlockingStore, PartWriter, Store

__version__ = "0.1.0"

_HOMES = {
    "Attributes": "holdall.core.meta",
    "BlockingStore": "holdall.store",
    "ByteRange": "holdall.core.ranges",
    "Capabilities": "holdall.core.capabilities",
    "Coalesce": "holdall.core.ranges",
    "CopyOptions": "holdall.core.options",
    "DeleteResult": "holdall.results",
    "GetOptions": "holdall.core.options",
    "GetResult": "holdall.results",
    "HoldallError": "holdall.errors",
    "Identity": "holdall.core.capabilities",
    "ListPage": "holdall.core.meta",
    "ObjectMeta": "holdall.core.meta",
    "ObjectVersion": "holdall.core.meta",
    "PartRules": "holdall.core.capabilities",
    "PartWriter": "holdall.store",
    "PutOptions": "holdall.core.options",
    "PutResult": "holdall.results",
    "SignOptions": "holdall.core.options",
    "StorageBackend": "holdall.drivers.storage_backend",
    "StorageManager": "holdall.mounts",
    "StorageNode": "holdall.mounts",
    "Store": "holdall.store",
    "open_store": "holdall.drivers.registry",
    "storages": "holdall.mounts",
}

__all__ = [
    "Attributes",
    "BlockingStore",
    "ByteRange",
    "Capabilities",
    "Coalesce",
    "CopyOptions",
    "DeleteResult",
    "GetOptions",
    "GetResult",
    "HoldallError",
    "Identity",
    "ListPage",
    "ObjectMeta",
    "ObjectVersion",
    "PartRules",
    "PartWriter",
    "PutOptions",
    "PutResult",
    "SignOptions",
    "StorageBackend",
    "StorageManager",
    "StorageNode",
    "Store",
    "__version__",
    "open_store",
    "storages",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
