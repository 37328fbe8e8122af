"""The contract of writers that meet."""

from __future__ import annotations

from holdall.records import ConcurrencyError, Database, Record
from holdall.testing.colour import Colour
from holdall.testing.records_contract.base import RecordsContractBase

__all__ = ["RaceContract"]


class RaceContract(RecordsContractBase):
    """Many writers of one record: nothing is lost, nobody wins twice."""

    def test_modify_loses_nothing(self, database: Database, colour: Colour) -> None:
        """Many writers of one counter: each step counts."""
        if not database.capabilities.compare_and_set:
            return
        colour(database).create(Record({"id": "n", "n": 0}))

        def grow(record: Record) -> None:
            record["n"] += 1

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
        """Of many deleters one hears that it was there."""
        if not database.capabilities.conditional_delete:
            return
        for round_ in range(3):
            colour(database).create(Record({"id": f"r{round_}"}))
            answers = colour.at_once(database.delete, [(f"r{round_}",)] * 5)
            assert sorted(map(str, answers)) == ["False"] * 4 + ["True"]

    def test_a11_of_an_update_and_a_delete_one_wins(self, database: Database, colour: Colour) -> None:
        """Both name the version that they have seen: one of them is done, and the record is as that one left it."""
        if not (database.capabilities.compare_and_set and database.capabilities.conditional_delete):
            return
        for round_ in range(4):
            name = colour(database).create(Record({"n": 0}))
            version = colour(database).get_version(name)

            def act(number: int, own: Colour, name: str = name, version: str | None = version) -> bool:
                try:
                    if number:
                        return own(database).delete(name, expected_version=version)
                    return own(database).update(name, Record({"n": 1}), expected_version=version)
                except ConcurrencyError:
                    return False

            updated, deleted = colour.in_threads(2, act)
            found = colour(database).read(name)
            assert (updated, deleted) in {(True, False), (False, True)}, round_
            assert (found.data if found else None) == ({"n": 1} if updated else None)

    def test_a11_an_update_revives_nothing(self, database: Database, colour: Colour) -> None:
        """Whichever comes first, the record is gone after an update and a delete that name no version."""
        if not (database.capabilities.compare_and_set and self.one_place):
            return
        for _round in range(4):
            name = colour(database).create(Record({"n": 0}))

            def act(number: int, own: Colour, name: str = name) -> bool:
                return own(database).delete(name) if number else own(database).update(name, Record({"n": 1}))

            _, deleted = colour.in_threads(2, act)
            assert deleted is True
            assert colour(database).read(name) is None
