"""The contract of reports, refusals and the end of life."""

from __future__ import annotations

import pytest

from holdall.errors import NotSupportedError
from holdall.records import Database, Filter, Record
from holdall.testing.colour import Colour
from holdall.testing.records_contract.base import RecordsContractBase
from holdall.testing.records_contract.samples import people

__all__ = ["CareContract"]


class CareContract(RecordsContractBase):
    """Reports, and what is refused."""

    def test_reports(self, db: Database) -> None:
        """Connect, refresh, check and explain answer."""
        db.batch_create(people())
        assert db.connect().compare_and_set == db.capabilities.compare_and_set
        assert db.refresh().records == len(people())
        report = db.check()
        assert report.ok
        assert report.records == len(people())
        assert str(db.explain(Filter("age", ">", 3)))

    def test_what_is_not_there_is_refused(self, db: Database) -> None:
        """Verbs beyond the capabilities raise before any I/O."""
        db.create(Record({"id": "a"}))
        if not db.capabilities.tags:
            with pytest.raises(NotSupportedError):
                db.tags("a")
        if not db.capabilities.history:
            with pytest.raises(NotSupportedError):
                db.history("a")
            with pytest.raises(NotSupportedError):
                db.restore("a", "1")

    def test_context(self, database: Database, colour: Colour) -> None:
        """A database is a context manager in both colours, and closes twice."""
        with colour(database) as opened:
            opened.create(Record({"id": "a"}))
        colour(database).close()
