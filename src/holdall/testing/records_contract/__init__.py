"""`DatabaseContract`: what every database of records keeps, as tests that an engine inherits.

::

    from holdall.testing import DatabaseContract

    class TestMine(DatabaseContract):
        @pytest.fixture
        def database(self, tmp_path):
            with MyDatabase(tmp_path) as database:
                yield database

Which tests apply is read from ``database.capabilities``. Every test runs in both colours.
"""

from __future__ import annotations

from holdall.testing.records_contract.base import RecordsContractBase  # isort: skip  # first: it says what is missing without pytest

from holdall.testing.records_contract.care import CareContract
from holdall.testing.records_contract.many import ManyContract
from holdall.testing.records_contract.questions import QuestionContract
from holdall.testing.records_contract.races import RaceContract
from holdall.testing.records_contract.single import SingleContract
from holdall.testing.records_contract.values import ValueContract

__all__ = ["DatabaseContract", "RecordsContractBase"]


class DatabaseContract(SingleContract, RaceContract, ValueContract, ManyContract, QuestionContract, CareContract):
    """The whole contract of `Database`. Subclass it as ``Test…`` with the fixture ``database``, fresh and empty."""
