"""The contract of verbs on one record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from holdall.errors import InvalidKeyError, NotSupportedError
from holdall.records import (
    BatchError,
    ConcurrencyError,
    Database,
    DuplicateRecordError,
    Record,
    RecordNotFoundError,
)
from holdall.testing.records_contract.base import RecordsContractBase

__all__ = ["SingleContract"]


class SingleContract(RecordsContractBase):
    """Create, read, update, delete; versions."""

    def test_create_and_read(self, db: Database) -> None:
        """What is created is read, with what the system adds."""
        given = Record({"id": "user-123", "name": "Alice", "nested": {"a": [1]}}, {"team": "x"})
        before = given.to_dict(form="full")
        assert db.create(given) == "user-123"
        assert given.to_dict(form="full") == before, "the caller's record is not touched"
        found = db.read("user-123")
        assert found is not None
        assert found.data == given.data
        assert found.id == "user-123" == found.metadata["id"]
        assert found.metadata["team"] == "x"
        assert found.version
        assert found.created_at is not None
        assert found.metadata["created_at"] == found.created_at.astimezone(UTC).isoformat(timespec="microseconds")
        assert found.metadata["updated_at"] == found.metadata["created_at"]
        assert db.exists("user-123")
        assert db.get_version("user-123") == found.version

    def test_absent(self, db: Database) -> None:
        """What is absent is None or False, and an error only where that was asked for."""
        assert db.read("nobody") is None
        assert db.exists("nobody") is False
        assert db.get_version("nobody") is None
        assert db.update("nobody", Record({"a": 1})) is False
        assert db.delete("nobody") is False
        assert db.read("nobody") is None, "an update never inserts"
        with pytest.raises(RecordNotFoundError):
            db.require("nobody")
        with pytest.raises((RecordNotFoundError, NotSupportedError)) as caught:
            db.modify("nobody", lambda record: record)
        if db.capabilities.compare_and_set:
            assert isinstance(caught.value, RecordNotFoundError)
            assert caught.value.database is not None

    def test_minted_ids(self, db: Database) -> None:
        """A record without an id gets a UUID; an id may be given in four ways."""
        UUID(db.create(Record({"test": "data"})))
        assert db.create(Record({}, id="a")) == "a"
        assert db.create(Record({}, {"id": "b"})) == "b"
        assert db.create(Record({"id": 7})) == "7"
        found = db.require("7")
        assert found["id"] == 7, "the field stays as it was"

    def test_duplicate(self, db: Database) -> None:
        """A taken id is an error, and nothing changes."""
        db.create(Record({"id": "a", "n": 1}))
        with pytest.raises(DuplicateRecordError) as caught:
            db.create(Record({"id": "a", "n": 2}))
        assert caught.value.id == "a"
        assert isinstance(caught.value, ValueError)
        assert db.require("a")["n"] == 1

    def test_update(self, db: Database) -> None:
        """An update replaces fields and metadata, and keeps the age."""
        db.create(Record({"id": "a", "n": 1, "old": True}, {"team": "x"}))
        first = db.require("a")
        record = Record({"id": "a", "n": 1})
        record.fields["email"] = "x@example.com"
        assert db.update("a", record) is True
        second = db.require("a")
        assert second.data == {"id": "a", "n": 1, "email": "x@example.com"}
        assert "team" not in second.metadata
        assert second.created_at == first.created_at
        assert second.updated_at is not None
        assert first.updated_at is not None
        assert second.updated_at >= first.updated_at
        assert second.version != first.version

    def test_created_at_is_kept_by_a_create(self, db: Database) -> None:
        """A valid time of the caller survives, so that migration keeps ages; nonsense does not."""
        db.create(Record({"id": "a"}, {"created_at": "2020-01-02T03:04:05+00:00", "updated_at": "1999-01-01"}))
        found = db.require("a")
        assert found.created_at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert found.updated_at is not None
        assert found.updated_at.year > 2020
        db.update("a", Record({}, {"created_at": "2001-01-01"}))
        assert db.require("a").created_at == found.created_at
        for name, nonsense in (("b", "yesterday"), ("c", "0001-01-01T00:00:00+14:00"), ("d", 5)):
            db.create(Record({"id": name}, {"created_at": nonsense}))
            created = db.require(name).created_at
            assert created is not None
            assert created.year > 2020

    def test_upsert(self, db: Database) -> None:
        """An upsert inserts, then replaces; with a version it never inserts."""
        assert db.upsert(Record({"id": "a", "n": 1})) == "a"
        first = db.require("a")
        assert db.upsert("a", Record({"n": 2})) == "a"
        second = db.require("a")
        assert second.data == {"n": 2}
        assert second.created_at == first.created_at
        if not db.capabilities.compare_and_set:
            with pytest.raises(NotSupportedError):
                db.upsert("a", Record({"n": 3}), expected_version=first.version)
            assert db.require("a")["n"] == 2
            return
        with pytest.raises(ConcurrencyError):
            db.upsert("a", Record({"n": 3}), expected_version=first.version)
        with pytest.raises(ConcurrencyError) as caught:
            db.upsert("b", Record({"n": 3}), expected_version=first.version)
        assert caught.value.actual_version is None
        assert db.read("b") is None
        db.upsert("a", Record({"n": 3}), expected_version=second.version)
        assert db.require("a")["n"] == 3

    def test_compare_and_set(self, db: Database) -> None:
        """A stale version is refused, by update and delete."""
        db.create(Record({"id": "a", "n": 1}))
        first = db.require("a")
        if not db.capabilities.compare_and_set:
            with pytest.raises(NotSupportedError):
                db.update("a", Record({"n": 2}), expected_version="x")
            return
        assert db.update("a", Record({"n": 2}), expected_version=first.version) is True
        with pytest.raises(ConcurrencyError) as caught:
            db.update("a", Record({"n": 3}), expected_version=first.version)
        assert caught.value.expected_version == first.version
        assert caught.value.actual_version == db.get_version("a")
        for odd in ("a\ud800", "a\0", ""):
            with pytest.raises(ConcurrencyError):
                db.update("a", Record({"n": 3}), expected_version=odd)
        assert db.require("a")["n"] == 2
        assert db.update("nobody", Record({}), expected_version=first.version) is False
        if db.capabilities.conditional_delete:
            with pytest.raises(ConcurrencyError):
                db.delete("a", expected_version=first.version)
            assert db.exists("a")
            assert db.delete("a", expected_version=db.get_version("a")) is True
            assert db.delete("a", expected_version=first.version) is False
        else:
            with pytest.raises(NotSupportedError):
                db.delete("a", expected_version=db.get_version("a"))
            assert db.exists("a")

    def test_versions_are_unique_per_write(self, db: Database) -> None:
        """Deleting and creating equal content again gives another token (no ABA)."""
        db.create(Record({"id": "a", "n": 1}))
        first = db.get_version("a")
        assert db.delete("a") is True
        assert db.delete("a") is False
        db.create(Record({"id": "a", "n": 1}))
        assert db.get_version("a") != first
        if db.capabilities.compare_and_set:
            with pytest.raises(ConcurrencyError):
                db.update("a", Record({}), expected_version=first)

    def test_modify(self, db: Database) -> None:
        """A change by function is compare-and-set, or refused."""
        db.create(Record({"id": "a", "n": 1}))

        def grow(record: Record) -> Record:
            record["n"] += 1
            return record

        if not db.capabilities.compare_and_set:
            with pytest.raises(NotSupportedError):
                db.modify("a", grow)
            assert db.require("a")["n"] == 1
            return
        assert db.modify("a", grow)["n"] == 2
        stored = db.modify("a", lambda record: record.set_value("n", 10))
        assert stored["n"] == 10
        assert stored.version == db.get_version("a")

    def test_a_version_is_text(self, db: Database) -> None:
        """What can be no version is refused by name, before anything is asked."""
        db.create(Record({"id": "a"}))
        for odd in (5, b"1", 1.0):
            wrong: Any = odd
            for ask in (partial(db.update, "a", Record({})), partial(db.upsert, "a", Record({})), partial(db.delete, "a")):
                with pytest.raises(TypeError, match="expected_version is a str"):
                    ask(expected_version=wrong)
        assert db.exists("a")

    def test_ids_that_no_record_has(self, db: Database) -> None:
        """An id that is none, empty or too long is refused before anything is asked, and leaves no trace in later answers."""
        db.create(Record({"id": "a", "n": 1}))
        for odd, kind in (("", InvalidKeyError), ("\ud800", InvalidKeyError), (None, TypeError), (5, TypeError)):
            wrong: Any = odd
            asks: list[Callable[[], object]] = [
                partial(db.read, wrong), partial(db.exists, wrong), partial(db.get_version, wrong), partial(db.delete, wrong),
                partial(db.update, wrong, Record({})), partial(db.batch_read, ["a", wrong]), partial(db.batch_delete, [wrong, "a"]),
            ]  # fmt: skip
            for ask in asks:
                with pytest.raises(kind):
                    ask()
        for text in ("ab", b"ab"):
            several: Any = text
            for ask in (partial(db.batch_read, several), partial(db.batch_delete, several)):
                with pytest.raises(TypeError, match="several ids"):
                    ask()
        long = "x" * (db.capabilities.max_id_bytes + 1)
        asks = [
            partial(db.create, Record({}, id=long)), partial(db.upsert, long, Record({})), partial(db.update, long, Record({})), partial(db.delete, long),
            partial(db.read, long), partial(db.exists, long), partial(db.get_version, long), partial(db.batch_read, ["a", long]), partial(db.batch_delete, [long]),
        ]  # fmt: skip
        for ask in asks:
            with pytest.raises(InvalidKeyError):
                ask()
        with pytest.raises(BatchError) as caught:
            db.batch_create([Record({}, id=long), Record({"id": "b", "n": 2})])
        assert [outcome.status for outcome in caught.value.outcomes] == ["failed", "written"]
        assert [record["n"] for record in db.search()] == [1, 2]
        assert list(db.ids()) == ["a", "b"]
