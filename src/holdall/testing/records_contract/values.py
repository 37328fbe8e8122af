"""The contract of values and ids: what goes in comes out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from holdall.records import And, Database, Filter, Record, SerializationError
from holdall.testing.contract.base import Cases
from holdall.testing.records_contract.base import RecordsContractBase
from holdall.testing.records_contract.samples import IDS, NO_NUMBERS, VALUES

__all__ = ["ValueContract"]


class ValueContract(RecordsContractBase):
    """Every kind of value, and any text as an id."""

    def test_a05_values_round_trip(self, db: Database) -> None:
        """Every kind of value comes back as it was, alone and nested, in fields and metadata."""
        given = [Record({"id": name, "v": v, "deep": [{"v": v}]}, {"m": v}) for name, v in VALUES.items()]
        db.batch_create(given)
        ways: dict[str, list[Record]] = {
            "read": [db.require(name) for name in VALUES],
            "search": db.search(),
            "stream": list(db.stream()),
            "batch": [record for record in db.batch_read(VALUES) if record is not None],
        }
        with Cases() as case:
            for way, records in ways.items():
                assert len(records) == len(VALUES)
                for found in records:
                    with case(way, found.id):
                        value = VALUES[found.id or ""]
                        for back in (found["v"], found.get_value("deep.0.v"), found.metadata["m"]):
                            assert _shown(back) == _shown(value)
            for name, value in VALUES.items():
                with case("search", name):
                    condition = And(Filter("id", "=", name), Filter("v", "=", value))
                    assert len(db.search(condition)) == int(name not in NO_NUMBERS)

    def test_unstorable_values(self, db: Database) -> None:
        """What no record can hold is refused with its path, before anything is written."""
        for bad in (object(), {1, 2}, {1: 2}, "\ud800", [{"x": lambda: None}], -(10**5000), [10**4300]):
            with pytest.raises(SerializationError, match="deep"):
                db.create(Record({"id": "a", "deep": bad}))
        assert db.read("a") is None
        assert isinstance(SerializationError(""), TypeError)
        with pytest.raises(SerializationError, match="digits"):
            db.create(Record({"id": 10**5000}))
        longest = 10**4300 - 1
        db.create(Record({"id": "long", "deep": longest}))
        assert db.require("long")["deep"] == db.search(Filter("deep", "=", longest))[0]["deep"] == longest

    def test_a06_ids(self, db: Database) -> None:
        """Ids are any text."""
        ids = [each for each in IDS if len(quote(each, safe="")) <= db.capabilities.max_id_bytes]
        assert db.batch_create([Record({"n": n}, id=each) for n, each in enumerate(ids)]) == ids
        assert [record and record.id for record in db.batch_read(ids)] == ids
        assert sorted(db.ids()) == sorted(ids)
        assert [record.id for record in db.search()] == sorted(ids)
        for n, each in enumerate(ids):
            assert db.require(each)["n"] == n
        assert db.batch_delete(ids) == [True] * len(ids)
        assert db.count() == 0
        with pytest.raises((SerializationError, ValueError), match="empty"):
            db.create(Record({}, id=""))


def _shown(value: Any) -> str:
    """Return a text that tells values of different types apart; the order of a mapping's keys is no content (JSONB has none)."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_shown(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return repr(value)
