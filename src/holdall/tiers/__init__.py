"""One file store over several places: near and far, by name, configured by URL alone.

from holdall.tiers import FileStore

with FileStore("file:///srv/near?name=hot", "s3://KEY:SECRET@minio:9000/archive?use_ssl=false&name=cold") as fs:
    fs.put("myfile", b"content")     # written to both, or an error says where not
    fs.get("myfile")                 # from the first that has it
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall.core.retry import BreakerPolicy, RetryPolicy, Timeouts
    from holdall.tiers import loader
    from holdall.tiers.errors import (
        FileStoreException,
        LocationsDeniedError,
        LocationsUnavailableError,
        PartialDeleteError,
        PartialWriteError,
        TransportException,
    )
    from holdall.tiers.filestore import FileStore
    from holdall.tiers.layout import Flat, Layout, Sharded
    from holdall.tiers.loader import get_filestore
    from holdall.tiers.locations import Location
    from holdall.tiers.reports import (
        BatchReport,
        DeleteReport,
        Finding,
        LocationOutcome,
        MoveReport,
        Presence,
        ReadReport,
        RepairReport,
        StoreStatus,
        TierEntry,
        TierStat,
        WriteReport,
    )
    from holdall.tiers.store import TieredStore

_HOMES = {
    **dict.fromkeys(["BreakerPolicy", "RetryPolicy", "Timeouts"], "holdall.core.retry"),
    **dict.fromkeys(
        [
            "FileStoreException",
            "LocationsDeniedError",
            "LocationsUnavailableError",
            "PartialDeleteError",
            "PartialWriteError",
            "TransportException",
        ],
        "holdall.tiers.errors",
    ),
    "FileStore": "holdall.tiers.filestore",
    **dict.fromkeys(["Flat", "Layout", "Sharded"], "holdall.tiers.layout"),
    "get_filestore": "holdall.tiers.loader",
    "Location": "holdall.tiers.locations",
    **dict.fromkeys(
        [
            "BatchReport",
            "DeleteReport",
            "Finding",
            "LocationOutcome",
            "MoveReport",
            "Presence",
            "ReadReport",
            "RepairReport",
            "StoreStatus",
            "TierEntry",
            "TierStat",
            "WriteReport",
        ],
        "holdall.tiers.reports",
    ),
    "TieredStore": "holdall.tiers.store",
}

__all__ = [
    "BatchReport",
    "BreakerPolicy",
    "DeleteReport",
    "FileStore",
    "FileStoreException",
    "Finding",
    "Flat",
    "Layout",
    "Location",
    "LocationOutcome",
    "LocationsDeniedError",
    "LocationsUnavailableError",
    "MoveReport",
    "PartialDeleteError",
    "PartialWriteError",
    "Presence",
    "ReadReport",
    "RepairReport",
    "RetryPolicy",
    "Sharded",
    "StoreStatus",
    "TierEntry",
    "TierStat",
    "TieredStore",
    "Timeouts",
    "TransportException",
    "WriteReport",
    "get_filestore",
    "loader",
]


def __getattr__(name: str) -> Any:
    if name == "loader":
        return importlib.import_module("holdall.tiers.loader")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall.tiers' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
