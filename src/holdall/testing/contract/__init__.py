"""The store contract suite: what every store keeps, as tests that a driver inherits.

A driver's test file subclasses `StoreContract` and gives two fixtures: ``store``, fresh and empty, and ``ground``, a
`holdall.testing.Ground` over the same storage. Which tests apply is read from ``store.capabilities``: what a store has is
tested, what it has not must be refused. Every test runs in both colours.

::

    from holdall.testing import LocalGround, StoreContract

    class TestLocal(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            with LocalStore(tmp_path / "root") as store:
                yield store

        @pytest.fixture
        def ground(self, tmp_path, store):
            return LocalGround(tmp_path / "root")
"""

from __future__ import annotations

from holdall.testing.contract.base import ContractBase  # isort: skip  # first: it says what is missing without pytest

from holdall.testing.contract.attributes import AttributeContract
from holdall.testing.contract.copying import CopyContract, SignContract
from holdall.testing.contract.deletion import DeleteContract
from holdall.testing.contract.directories import DirectoryContract
from holdall.testing.contract.keys import KeyContract
from holdall.testing.contract.life import LifeContract
from holdall.testing.contract.listing import ListContract
from holdall.testing.contract.parts import PartContract
from holdall.testing.contract.reading import ReadContract
from holdall.testing.contract.versioning import VersionContract
from holdall.testing.contract.writing import WriteContract

__all__ = ["ContractBase", "StoreContract"]


class StoreContract(
    ReadContract,
    WriteContract,
    ListContract,
    DeleteContract,
    KeyContract,
    DirectoryContract,
    AttributeContract,
    CopyContract,
    SignContract,
    VersionContract,
    PartContract,
    LifeContract,
):
    """The whole contract. Subclass it as ``Test…`` with the fixtures ``store`` and ``ground``."""
