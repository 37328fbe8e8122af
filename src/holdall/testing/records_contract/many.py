"""The contract of batches and transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdall.errors import NotSupportedError
from holdall.records import (
    BatchError,
    Database,
    Query,
    QueryError,
    Record,
    SerializationError,
    Transaction,
    TransactionError,
)
from holdall.testing.colour import Colour
from holdall.testing.records_contract.base import RecordsContractBase

__all__ = ["ManyContract"]


class ManyContract(RecordsContractBase):
    """Many records in one call."""

    def test_batches(self, db: Database) -> None:
        """Batches keep the order of their input and take iterators."""
        ids = db.batch_create(Record({"id": f"user-{i}", "n": i}) for i in range(30))
        assert ids == [f"user-{i}" for i in range(30)]
        found = db.batch_read([*reversed(ids), "nobody", "user-0"])
        assert [record and record["n"] for record in found] == [*range(29, -1, -1), None, 0]
        pairs = [("user-1", Record({"n": 100})), ("nobody", Record({"n": 1}))]
        assert db.batch_update(iter(pairs)) == [True, False]
        assert db.batch_upsert([Record({"id": "user-2", "n": 200}), Record({"id": "new", "n": 1})]) == ["user-2", "new"]
        assert [db.require(each)["n"] for each in ("user-1", "user-2", "new")] == [100, 200, 1]
        assert db.batch_delete(iter(["new", "nobody", "new", "user-1"])) == [True, False, False, True]
        assert db.count() == 29
        assert db.batch_create([]) == []
        assert db.batch_read([]) == []
        assert db.batch_delete([]) == []

    def test_a_batch_tells_of_each_item(self, db: Database) -> None:
        """Failures of some items do not stop the others, unless batches are atomic; each is named."""
        db.create(Record({"id": "taken", "n": 0}))
        given = [
            Record({"id": "a"}),
            Record({"id": "taken", "n": 1}),
            Record({"id": "a"}),
            Record({"id": "bad", "x": object()}),
        ]
        with pytest.raises(BatchError) as caught:
            db.batch_create([*given, Record({"id": "z"})])
        error = caught.value
        assert [(o.index, o.id, o.status) for o in error.outcomes if o.index in {1, 2}] == [
            (1, "taken", "exists"),
            (2, "a", "exists"),
        ]
        assert [o.index for o in error.outcomes] == [0, 1, 2, 3, 4]
        assert isinstance(error.outcomes[3].error, SerializationError)
        assert {o.id for o in error.written} == {"a", "z"}
        assert len(error.failed) == 3
        assert sorted(db.ids()) == ["a", "taken", "z"]
        assert db.require("taken")["n"] == 0

    def test_what_no_batch_can_take(self, db: Database) -> None:
        """An item that is no record, or holds what no record can hold, is an outcome; the others are written."""
        wrong: list[Any] = [{"a": 1}, {"a": 1, "b": 2}, "ab", None, (1, Record({})), (1, 2, 3), ("x", {"a": 1})]
        bad = [Record({"id": "long", "n": 10**5000}), Record({"n": object()}, id="odd")]
        for batch in (db.batch_create, db.batch_upsert):
            with pytest.raises(BatchError) as caught:
                batch([*wrong, *bad, Record({"id": "fine"})])
            outcomes = caught.value.outcomes
            assert [o.id for o in outcomes] == [None] * 6 + ["x", "long", "odd", "fine"]
            assert [o.status for o in outcomes] == ["failed"] * 9 + ["written"]
            assert {type(o.error) for o in outcomes[:-1]} == {SerializationError}
            assert db.batch_delete(["fine"]) == [True]
        db.create(Record({"id": "fine"}))
        with pytest.raises(BatchError) as caught:
            db.batch_update([*wrong, ("long", bad[0]), ("fine", Record({"n": 1}))])
        assert [o.status for o in caught.value.outcomes] == ["failed"] * 8 + ["written"]
        assert {type(o.error) for o in caught.value.failed} == {SerializationError}
        assert list(db.ids()) == ["fine"]

    def test_clear(self, db: Database) -> None:
        """Clear removes all and says how many."""
        db.batch_create([Record({"id": str(i)}) for i in range(12)])
        assert db.count() == len(db.all()) == 12
        assert db.clear() == 12
        assert db.count() == db.clear() == 0
        assert db.all() == []

    def test_a_transaction_is_all_or_nothing(self, database: Database, colour: Colour) -> None:
        """Writes wait for the end of the block; what fails takes the others with it. Where that cannot be, it is refused."""
        db = colour(database)
        db.batch_create([Record({"id": "a", "n": 1}), Record({"id": "b", "n": 2})])
        if not database.capabilities.atomic_batches:
            with pytest.raises(NotSupportedError):
                database.transaction()
            return
        with colour(database.transaction()) as changes:
            assert changes.create(Record({"id": "c", "n": 3})) == "c"
            changes.update("a", Record({"n": 10}), expected_version=db.get_version("a"))
            changes.delete("b")
            changes.delete("nobody")
            assert db.count() == 2, "nothing was sent yet"
        assert [outcome.status for outcome in changes.outcomes] == ["written", "written", "written", "missing"]
        assert {record.id: record["n"] for record in db.search()} == {"a": 10, "c": 3}
        version = db.get_version("a")
        spoilt: list[Callable[[Transaction], object]] = [
            lambda changes: changes.create(Record({"id": "c"})),
            lambda changes: changes.update("nobody", Record({})),
            lambda changes: changes.upsert("a", Record({}), expected_version="stale"),
            lambda changes: changes.delete("a", expected_version="stale"),
        ]
        for spoil in spoilt:
            with pytest.raises(TransactionError) as caught, colour(database.transaction()) as changes:  # noqa: PT012
                changes.create(Record({"id": "d"}))
                spoil(changes)
                changes.upsert("e", Record({}))
            assert [outcome.status for outcome in caught.value.outcomes] == ["not_tried", "failed", "not_tried"]
            assert changes.outcomes == caught.value.outcomes
            assert caught.value.database == str(database)
        with pytest.raises(QueryError), colour(database.transaction()) as changes:  # noqa: PT012  # an error in its block
            changes.delete("a")
            Query().limit(-1)
        assert sorted(db.ids()) == ["a", "c"]
        assert db.get_version("a") == version

    def test_a_best_effort_tells_how_far_it_came(self, database: Database, colour: Colour) -> None:
        """Without atomicity: one after the other, up to the first that fails."""
        db = colour(database)
        db.create(Record({"id": "a", "n": 1}))
        with colour(database.transaction("best_effort")) as changes:
            changes.create(Record({"id": "b", "n": 2}))
            changes.update("a", Record({"n": 10}))
        with pytest.raises(TransactionError) as caught, colour(database.transaction("best_effort")) as changes:  # noqa: PT012
            changes.delete("a")
            changes.create(Record({"id": "b"}))
            changes.upsert("c", Record({}))
        assert [outcome.status for outcome in caught.value.outcomes] == ["written", "failed", "not_tried"]
        assert changes.outcomes == caught.value.outcomes
        assert caught.value.database == str(database)
        with colour(database.transaction("best_effort")) as changes:
            assert changes.upsert(Record({"id": "b", "n": 3})) == "b"
            minted = changes.upsert(Record({"n": 4}))
        assert {record.id: record["n"] for record in db.search()} == {"b": 3, minted: 4}
        with pytest.raises(TransactionError):
            changes.delete("b")
