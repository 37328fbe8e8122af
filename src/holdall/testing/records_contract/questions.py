"""The contract of search, stream, count, paging."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, cast

import pytest

from holdall.errors import InvalidKeyError
from holdall.records import Database, Filter, Query, QueryError, Record
from holdall.records.matching import matches
from holdall.records.ordering import page
from holdall.testing.colour import Colour
from holdall.testing.contract.base import Cases
from holdall.testing.records_contract.base import RecordsContractBase
from holdall.testing.records_contract.samples import CONDITIONS, SORTS, people

__all__ = ["QuestionContract"]


class QuestionContract(RecordsContractBase):
    """One matcher decides, on every engine."""

    def test_search_is_the_matcher(self, db: Database) -> None:
        """Every condition and order gives what the matcher gives over all records."""
        db.batch_create(people())
        stored = db.all()
        assert [record.id for record in stored] == sorted(r.id or "" for r in people())
        for at, condition in enumerate(CONDITIONS):
            expected = [record for record in stored if matches(condition, record)]
            assert db.count(condition) == len(expected), condition
            for sorts in (SORTS[at % len(SORTS)], SORTS[(at + 1) % len(SORTS)]):
                query = Query().filter(condition)
                for name, order in sorts:
                    query = query.sort(name, order)
                wanted = [record.id for record in page(query, expected)]
                assert [record.id for record in db.search(query)] == wanted, query
                if sorts:
                    assert [record.id for record in db.stream(query)] == wanted, query

    def test_names_of_fields_are_any_text(self, db: Database) -> None:
        """What a language of queries takes for a mark, a quote or its own end is a name like others: in conditions and sorts."""
        names = (
            "50%",
            "a%sb",
            "%(x)s",
            "?",
            ":x",
            "x'); DROP TABLE records; --",
            'q"uote',
            "back\\slash",
            "[0]",
            "$",
            "*",
            "#-1",
            "é",
            " ",
        )
        db.batch_create(Record({name: n, "all": {name: n}}, {name: f"m{n}"}, id=f"{n:02}") for n, name in enumerate(names))
        with Cases() as case:
            for n, name in enumerate(names):
                with case("name", name):
                    for condition in (
                        Filter(name, "=", n),
                        Filter(name, "exists"),
                        Filter(f"all.{name}", "=", n),
                        Filter(f"metadata.{name}", "=", f"m{n}"),
                    ):
                        assert [record.id for record in db.search(condition)] == [f"{n:02}"], condition
                        assert db.count(~condition) == len(names) - 1
                    assert [record.id for record in db.search(Query().sort(name).limit(1))] == [f"{n:02}"]
        assert db.count() == len(names)

    def test_long_chains(self, db: Database) -> None:
        """As many conditions as a program cares to join."""
        db.batch_create(Record({"n": n}, id=str(n)) for n in (0, 1, 1100, 6000))
        for wanted in (1100, 6000):
            either = functools.reduce(operator.or_, (Filter("n", "=", n) for n in range(wanted)))
            assert [record.id for record in db.search(either)] == [str(n) for n in (0, 1, 1100) if n < wanted]
            every = functools.reduce(operator.and_, (Filter("n", "!=", n) for n in range(1, wanted)))
            assert db.count(every) == len([n for n in (0, 1100, 6000) if not 0 < n < wanted])

    def test_pages(self, db: Database) -> None:
        """Limit, offset and cursors cut the same order."""
        db.batch_create(people())
        for sorts in SORTS:
            query = Query()
            for name, order in sorts:
                query = query.sort(name, order)
            whole = [record.id for record in db.search(query)]
            assert [record.id for record in db.search(query.limit(3).offset(2))] == whole[2:5]
            assert [record.id for record in db.stream(query.limit(3).offset(2))] == whole[2:5]
            assert db.search(query.limit(0)) == []
            assert db.count(query.limit(1).offset(5)) == len(whole)
            seen: list[str | None] = []
            cursor: str | None = None
            while True:
                result = db.search(query.limit(3).after(cursor))
                seen += [record.id for record in result]
                cursor = result.cursor
                if cursor is None:
                    break
                assert [r.id for r in db.stream(query.after(cursor))] == whole[len(seen) :]
            assert seen == whole
        first = db.search(Query().limit(1))
        with pytest.raises(QueryError):
            db.search(Query().sort("age").limit(1).after(first.cursor))

    def test_select(self, db: Database) -> None:
        """A projection keeps id, metadata and nesting."""
        db.create(Record({"id": "a", "n": 1, "address": {"zip": "9000", "city": "Ghent"}}, {"team": "x"}))
        for found in (*db.search(Query().select("address.zip")), *db.stream(Query().select("address.zip"))):
            assert found.data == {"address": {"zip": "9000"}}
            assert found.id == "a"
            assert found.metadata["team"] == "x"

    def test_records_of_a_search_can_be_written_back(self, db: Database) -> None:
        """Records of every read path know their id and version, and take plain values."""
        db.create(Record({"id": "a", "n": 1}))
        ways: list[Callable[[], Record | None]] = [
            lambda: db.search()[0],
            lambda: next(iter(db.stream())),
            lambda: db.batch_read(["a"])[0],
        ]
        for read in ways:
            found = read()
            assert found is not None
            found.fields["n"] = 5
            assert db.update(found.metadata["id"], found) is True
            assert db.require("a")["n"] == 5
            assert found.metadata["created_at"]

    def test_own_writes_are_seen_at_once(self, db: Database) -> None:
        """Search, count and stream see what this database has just written."""
        for step in range(4):
            db.create(Record({"id": f"r{step}", "n": step}))
            assert db.count() == step + 1
            assert [r["n"] for r in db.search(Filter("n", "=", step))] == [step]
        db.update("r0", Record({"n": 100}))
        assert [r.id for r in db.search(Filter("n", ">", 50))] == ["r0"]
        db.delete("r1")
        assert [r.id for r in db.stream()] == ["r0", "r2", "r3"]
        db.batch_delete(["r2", "r3"])
        assert db.count() == 1
        db.batch_upsert([Record({"id": "r9"}), Record({"id": "r0", "n": 7})])
        assert [r.data.get("n") for r in db.search()] == [7, None]

    def test_a_stream_can_be_left(self, db: Database) -> None:
        """Closing a stream early is no error."""
        db.batch_create([Record({"id": f"{i:03}"}) for i in range(50)])
        records = db.stream(batch_size=5)
        assert next(records).id == "000"
        cast("Any", records).close()
        assert db.count() == 50

    def test_ids(self, db: Database) -> None:
        """Ids by prefix, literally."""
        db.batch_create([Record({}, id=each) for each in ("a", "a/b", "ab", "b%", "b_")])
        assert list(db.ids("a")) == ["a", "a/b", "ab"]
        assert list(db.ids("b%")) == ["b%"]
        assert list(db.ids("zz")) == []

    def test_bad_queries(self, db: Database) -> None:
        """Nonsense is refused where it is written."""
        with pytest.raises(QueryError):
            db.search("name = 'x'")  # type: ignore[arg-type]
        with pytest.raises(QueryError):
            db.search(Query().limit(1).after("nonsense"))

    def test_what_no_record_can_hold_is_not_asked_for(self, db: Database) -> None:
        """Text with lone surrogates and endless numbers are refused by name: in conditions, in sorts and as ids."""
        db.create(Record({"id": "a", "n": 1, "t": "x"}))
        odd = "a\ud800"
        asks: list[Callable[[], Any]] = [lambda op=op: db.search(Filter("t", op, odd)) for op in ("=", "like", "startswith")]  # type: ignore[misc]
        asks += [
            lambda: db.search(Filter("t", "in", ["x", odd])),
            lambda: db.count(Filter("t", "=", [{"deep": odd}])),
            lambda: db.search(Filter(odd, "=", 1)),
            lambda: db.search(Query().sort(odd)),
            lambda: db.search(Query().after(odd)),
            lambda: db.count(Filter("n", "<", 10**5000)),
        ]
        with Cases() as case:
            for at, ask in enumerate(asks):
                with case("query", at), pytest.raises(QueryError):
                    ask()
        ids: list[Callable[[], Any]] = [lambda: db.delete(odd), lambda: db.batch_delete([odd]), lambda: list(db.ids(odd))]
        with Cases() as case:
            for at, ask in enumerate(ids):
                with case("id", at), pytest.raises(InvalidKeyError):
                    ask()
        assert db.count(Filter("n", "<", 10**4000)) == db.count() == 1

    def test_ids_that_no_record_can_have(self, database: Database, colour: Colour) -> None:
        """A question may name them, and finds nothing, whatever was asked before."""
        db = colour(database)
        db.create(Record({"id": "a"}))
        long = "x" * (database.capabilities.max_id_bytes + 1)
        for _ in range(2):
            for op, value, found in [("=", long, []), ("in", ["a", long], ["a"]), ("startswith", long, []), ("=", "", [])]:
                condition = Filter("id", op, value)
                assert [record.id for record in db.search(condition)] == found
                assert [record.id for record in db.stream(Query().filter(condition).sort("id"))] == found
                assert db.count(condition) == len(found)
            assert list(db.ids(long)) == []
            assert len(db.search()) == 1

    def test_ages_and_values_that_are_none(self, db: Database) -> None:
        """An age is a number of seconds, SQL's values are a list: anything else is refused by name."""
        db.create(Record({"id": "a", "n": 1}))
        asks: list[Callable[[Any], object]] = [
            lambda age: db.search(max_age=age),
            lambda age: db.count(max_age=age),
            lambda age: list(db.stream(max_age=age)),
        ]
        for ask in asks:
            for odd in (float("nan"), -1, "1", True):
                with pytest.raises(ValueError, match="max_age is a number of seconds"):
                    ask(odd)
            for age in (0, 0.5, float("inf")):
                ask(age)
        for junk in ("not ours", "e30", "WyJhIl0"):
            with pytest.raises(QueryError, match="cursor"):
                db.search(Query().after(junk))
