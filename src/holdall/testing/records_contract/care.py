"""The contract of reports, refusals and the end of life."""

from __future__ import annotations

from typing import Any

import pytest

from holdall.errors import ClosedError, NotSupportedError
from holdall.records import Database, Filter, Record
from holdall.records.transaction import Policy
from holdall.testing.colour import Colour
from holdall.testing.contract.base import Cases
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

    def test_a_closed_database_says_so(self, database: Database, colour: Colour) -> None:
        """Every verb after the end raises `ClosedError`, in both colours, whatever became of the storage; so does what had begun."""
        db = colour(database)
        db.batch_create([Record({"id": each}) for each in ("a", "b")])
        policy: Policy = "strict" if database.capabilities.atomic_batches else "best_effort"
        record = Record({"id": "c"})
        verbs: dict[str, tuple[Any, ...]] = {
            "create": (record,), "read": ("a",), "require": ("a",), "update": ("a", record), "upsert": ("a", record), "delete": ("a",),
            "modify": ("a", Record.copy), "exists": ("a",), "get_version": ("a",), "batch_create": ([record],), "batch_read": (["a"],),
            "batch_update": ([("a", record)],), "batch_upsert": ([record],), "batch_delete": (["a"],), "clear": (), "search": (), "all": (),
            "count": (), "select_query": ("SELECT id FROM records",), "explain": (), "connect": (), "refresh": (), "check": (),
            "tags": ("a",), "history": ("a",), "restore": ("a", "1"),
        }  # fmt: skip
        with pytest.raises(ClosedError), database.transaction(policy) as changes:  # noqa: PT012
            changes.delete("a")
            db.close()
        with Cases() as case:
            for seen in (db, database):  # one colour closes both
                for verb, given in verbs.items():
                    with case(verb), pytest.raises(ClosedError):
                        getattr(seen, verb)(*given)
                for verb in ("stream", "ids"):
                    with case(verb), pytest.raises(ClosedError):
                        list(getattr(seen, verb)())
        with pytest.raises(ClosedError):
            database.transaction(policy)
        db.close()
