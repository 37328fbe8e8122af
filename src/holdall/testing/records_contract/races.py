"""The contract of writers that meet."""

from __future__ import annotations

import pytest

from holdall.errors import NotSupportedError
from holdall.records import ConcurrencyError, Database, Record
from holdall.testing.colour import Colour
from holdall.testing.records_contract.base import RecordsContractBase

__all__ = ["RaceContract"]


class RaceContract(RecordsContractBase):
    """Many writers of one record: nothing is lost, nobody wins twice."""

    def test_modify_loses_nothing(self, database: Database, colour: Colour) -> None:
        """Many writers of one counter: each step counts; where none can be kept from another, none is taken."""
        colour(database).create(Record({"id": "n", "n": 0}))

        def grow(record: Record) -> None:
            record["n"] += 1

        if not database.capabilities.compare_and_set:
            with pytest.raises(NotSupportedError):
                colour(database).modify("n", grow)
            assert colour(database).require("n")["n"] == 0
            return

        def body(_: int, own: Colour) -> None:
            for _step in range(5):
                own(database).modify("n", grow, attempts=200)

        colour.in_threads(4, body)
        assert colour(database).require("n")["n"] == 20

    def test_one_of_many_creates_wins(self, database: Database, colour: Colour) -> None:
        """A create is race-free."""
        for round_ in range(5):
            calls = [(Record({"id": f"r{round_}", "by": writer}),) for writer in range(6)]
            answers = colour.at_once(database.create, calls)
            assert sorted(type(answer).__name__ for answer in answers) == ["DuplicateRecordError"] * 5 + ["str"]

    def test_one_of_many_deletes_wins(self, database: Database, colour: Colour) -> None:
        """Of many deleters one hears that it was there; without conditional deletes one at least, and nobody an error."""
        exact = database.capabilities.conditional_delete
        for round_ in range(3):
            colour(database).create(Record({"id": f"r{round_}"}))
            answers = colour.at_once(database.delete, [(f"r{round_}",)] * 5)
            assert set(map(repr, answers)) <= {"True", "False"}
            assert answers.count(True) == 1 if exact else answers.count(True) >= 1
            assert colour(database).read(f"r{round_}") is None

    def test_a11_of_an_update_and_a_delete_one_wins(self, database: Database, colour: Colour) -> None:
        """Both name the version that they have seen: one of them is done, and the record is as that one left it.

        What the storage cannot do under a condition is refused, and then the other one is done.
        """
        can = database.capabilities
        for round_ in range(4):
            name = colour(database).create(Record({"n": 0}))
            version = colour(database).get_version(name)

            def act(number: int, own: Colour, name: str = name, version: str | None = version) -> bool | None:
                try:
                    if number:
                        return own(database).delete(name, expected_version=version)
                    return own(database).update(name, Record({"n": 1}), expected_version=version)
                except ConcurrencyError:
                    return False
                except NotSupportedError:
                    return None

            updated, deleted = colour.in_threads(2, act)
            found = colour(database).read(name)
            assert (updated is None, deleted is None) == (not can.compare_and_set, not can.conditional_delete), round_
            assert [updated, deleted].count(True) == (1 if can.compare_and_set or can.conditional_delete else 0), round_
            assert (found.data if found else None) == (None if deleted else {"n": 1 if updated else 0})

    def test_a11_an_update_revives_nothing(self, database: Database, colour: Colour) -> None:
        """Whichever comes first, the record is gone after an update and a delete that name no version.

        Where it lies in several places, or writes have no condition, what the update wrote may be left: all of it, and it can be deleted.
        """
        exact = database.capabilities.compare_and_set and self.one_place
        for _round in range(4):
            name = colour(database).create(Record({"n": 0}))

            def act(number: int, own: Colour, name: str = name) -> bool:
                return own(database).delete(name) if number else own(database).update(name, Record({"n": 1}))

            updated, deleted = colour.in_threads(2, act)
            assert deleted is True
            found = colour(database).read(name)
            if exact or not updated:
                assert found is None
            elif found is not None:
                assert found.data == {"n": 1}
                assert colour(database).delete(name) is True
            assert colour(database).read(name) is None
