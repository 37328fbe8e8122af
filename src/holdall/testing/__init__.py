"""For users and driver authors: the store contract suite, ground truth, faulty stores, servers.

Names resolve on first use, so that this package imports without pytest, hypothesis, boto3 or moto; a module that needs one
says which extra to install.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdall.testing.aws import mock_aws
    from holdall.testing.colour import AsyncColour, BlockingColour, Colour, colour_named
    from holdall.testing.contract import StoreContract
    from holdall.testing.contract.faults import ConnectionFaultContract, FaultContract
    from holdall.testing.ground import Ground, LocalGround, MemoryGround, S3Ground
    from holdall.testing.proxy import Fault, FaultProxy
    from holdall.testing.records_contract import DatabaseContract
    from holdall.testing.stateful import StoreMachine, store_machine
    from holdall.testing.stores import CountingStore, FlakyStore, SlowStore

_HOMES = {
    "AsyncColour": "holdall.testing.colour",
    "BlockingColour": "holdall.testing.colour",
    "Colour": "holdall.testing.colour",
    "ConnectionFaultContract": "holdall.testing.contract.faults",
    "CountingStore": "holdall.testing.stores",
    "DatabaseContract": "holdall.testing.records_contract",
    "Fault": "holdall.testing.proxy",
    "FaultContract": "holdall.testing.contract.faults",
    "FaultProxy": "holdall.testing.proxy",
    "FlakyStore": "holdall.testing.stores",
    "Ground": "holdall.testing.ground",
    "LocalGround": "holdall.testing.ground",
    "MemoryGround": "holdall.testing.ground",
    "S3Ground": "holdall.testing.ground",
    "SlowStore": "holdall.testing.stores",
    "StoreContract": "holdall.testing.contract",
    "StoreMachine": "holdall.testing.stateful",
    "colour_named": "holdall.testing.colour",
    "mock_aws": "holdall.testing.aws",
    "store_machine": "holdall.testing.stateful",
}

__all__ = [
    "AsyncColour",
    "BlockingColour",
    "Colour",
    "ConnectionFaultContract",
    "CountingStore",
    "DatabaseContract",
    "Fault",
    "FaultContract",
    "FaultProxy",
    "FlakyStore",
    "Ground",
    "LocalGround",
    "MemoryGround",
    "S3Ground",
    "SlowStore",
    "StoreContract",
    "StoreMachine",
    "colour_named",
    "mock_aws",
    "store_machine",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdall.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
