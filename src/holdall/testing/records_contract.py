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

import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from holdall.errors import MissingExtraError, NotSupportedError
from holdall.records import (
    And,
    BatchError,
    ConcurrencyError,
    Database,
    DuplicateRecordError,
    Filter,
    Not,
    Or,
    Query,
    QueryError,
    Record,
    RecordNotFoundError,
    SerializationError,
)
from holdall.records.matching import matches, page
from holdall.testing.colour import NAMES, Colour, colour_named
from holdall.testing.contract.base import Cases

try:
    import pytest
except ImportError as error:  # pragma: no cover  # the suite itself runs on pytest
    raise MissingExtraError('the contract suite needs pytest: pip install "holdall[testing]"') from error

__all__ = ["VALUES", "DatabaseContract"]

VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "int": 42,
    "big": 2**70,
    "negative": -(2**63) - 1,
    "beyond": 2**53 + 1,
    "float": 1.5,
    "tiny": 5e-324,
    "minus_zero": -0.0,
    "nan": math.nan,
    "inf": math.inf,
    "minus_inf": -math.inf,
    "text": "hello",
    "empty": "",
    "unicode": "é ✓ 💾 \u2028",
    "nul": "a\0b",
    "quotes": "'\"\\%_",
    "bytes": b"\x00\xff",
    "no_bytes": b"",
    "naive": datetime(2024, 5, 6, 7, 8, 9, 123456),  # noqa: DTZ001  # stays naive
    "aware": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    "offset": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "year_one": datetime(1, 1, 1, tzinfo=UTC),
    "year_last": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "date": date(2024, 2, 29),
    "time": time(23, 59, 59, 1),
    "decimal": Decimal("0.10"),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "list": [1, "two", None, [3.0, b"4"], {"five": date(2020, 1, 1)}],
    "dict": {"a": {"b": [{"c": 1}]}, "$bytes": "not a tag", "": 0},
    "dollar": {"$date": "2020-01-01"},
    "no_list": [],
    "no_dict": {},
}
"""A value of every kind, extremes included."""

IDS = [
    "plain", "a/b/../c", "x/y.json.z", "%2F", ".hidden", "..", " space ", "emoji-💾", "é", "~tilde", "a+b&c=d?e#f",
    "UPPER", "upper", "x" * 200, "new\nline", "quote'\"", "back\\slash", "a.json", "-", "0",
]  # fmt: skip
"""Ids that layouts of keys and SQL get wrong."""


def _shown(value: Any) -> str:
    """Return a text that tells values of different types apart; the order of a mapping's keys is no content (JSONB has none)."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_shown(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return repr(value)


def _people() -> list[Record]:
    return [
        Record({"id": "ada", "name": "Ada", "age": 36, "city": "London", "active": True, "tags": ["math", "engine"]}),
        Record({"id": "bob", "name": "Bob", "age": 17, "city": "Ghent", "active": False, "address": {"zip": "9000"}}),
        Record({"id": "cy", "name": "Cy", "age": 36.0, "city": None, "joined": datetime(2024, 1, 1, tzinfo=UTC)}),
        Record({"id": "di", "name": "di", "age": "36", "active": 1, "tags": []}),
        Record({"id": "eve", "name": "Eve_%", "age": None, "city": "Ghent", "joined": "2024-06-01T00:00:00+00:00"}),
        Record({"id": "flo", "name": "Flo", "age": Decimal("17.5"), "address": {"zip": "1000", "lines": ["a", "b"]}}),
        Record({"id": "gus", "age": math.nan, "name": "a.c", "joined": date(2023, 5, 5)}, {"team": "x"}),
        Record({"id": "hal", "age": True, "name": "(paren"}, {"team": "y", "version": "1.0"}),
    ]


CONDITIONS: list[Any] = [
    Filter("age", "=", 36),
    Filter("age", "!=", 36),
    ~Filter("age", "=", 36),
    Filter("age", ">", 17),
    Filter("age", "<=", 17.5),
    Filter("age", "between", (17, 36)),
    Filter("age", "not between", (17, 36)),
    Filter("age", "in", [36, None]),
    Filter("age", "not in", [36, True]),
    Filter("age", "exists"),
    Filter("age", "not exists"),
    Filter("age", "=", None),
    Filter("active", "=", True),
    Filter("active", "=", 1),
    Filter("city", "!=", "Ghent"),
    Not(Filter("city", "=", "Ghent")),
    Filter("city", "in", []),
    Filter("name", "like", "%a%"),
    Filter("name", "like", "a.c"),
    Filter("name", "like", "ADA"),
    Filter("name", "like", r"Eve\_\%"),
    Filter("name", "like", "(%"),
    Filter("name", "not like", "_d%"),
    Filter("name", "regex", "^[A-C]"),
    Filter("name", "startswith", "E"),
    Filter("tags", "contains", "math"),
    Filter("tags", "=", []),
    Filter("address.zip", ">", "1"),
    Filter("address.lines.0", "=", "a"),
    Filter("joined", ">=", datetime(2024, 1, 1, tzinfo=UTC)),
    Filter("joined", "<", "2024-01-01"),
    Filter("metadata.team", "=", "x"),
    Filter("fields.id", "=", "ada"),
    Filter("id", "=", "ada"),
    Filter("id", "in", ["ada", "nobody", "hal"]),
    Filter("id", "startswith", "e"),
    Filter("id", ">", "d"),
    And(Filter("age", ">=", 17), Or(Filter("city", "=", "Ghent"), ~Filter("active", "=", True))),
    And(),
    Or(),
]
SORTS = [
    (),
    (("age", "ASC"),),
    (("age", "desc"), ("name", "ASC")),
    (("joined", "DESC"),),
    (("id", "DESC"),),
    (("city", "ASC"),),
]


class DatabaseContract:
    """The whole contract of `Database`. Subclass it as ``Test…`` with the fixture ``database``, fresh and empty.

    Attributes:
        contended: Whether the storage itself is atomic when many write one key at once (some stand-ins are not).
    """

    contended: bool = True

    @pytest.fixture(params=NAMES)
    def colour(self, request: Any) -> Iterator[Colour]:
        """Each colour in turn."""
        with colour_named(request.param) as colour:
            yield colour

    @pytest.fixture
    def db(self, database: Database, colour: Colour) -> Database:
        """The database under test, seen in this test's colour."""
        return colour(database)

    # -- one record ---------------------------------------------------------------------------------------------------

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
        with pytest.raises(RecordNotFoundError):
            db.modify("nobody", lambda record: record)

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
        db.create(Record({"id": "b"}, {"created_at": "yesterday"}))
        created = db.require("b").created_at
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
        assert db.require("a")["n"] == 2
        assert db.update("nobody", Record({}), expected_version=first.version) is False
        if db.capabilities.conditional_delete:
            with pytest.raises(ConcurrencyError):
                db.delete("a", expected_version=first.version)
            assert db.exists("a")
            assert db.delete("a", expected_version=db.get_version("a")) is True
            assert db.delete("a", expected_version=first.version) is False

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
        """A change by function is compare-and-set."""
        if not db.capabilities.compare_and_set:
            return
        db.create(Record({"id": "a", "n": 1}))

        def grow(record: Record) -> Record:
            record["n"] += 1
            return record

        assert db.modify("a", grow)["n"] == 2
        stored = db.modify("a", lambda record: record.set_value("n", 10))
        assert stored["n"] == 10
        assert stored.version == db.get_version("a")

    def test_modify_loses_nothing(self, database: Database, colour: Colour) -> None:
        """Many writers of one counter: each step counts."""
        if not (database.capabilities.compare_and_set and self.contended):
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
        if not self.contended:
            return
        for round_ in range(5):
            calls = [(Record({"id": f"r{round_}", "by": writer}),) for writer in range(6)]
            answers = colour.at_once(database.create, calls)
            assert sorted(type(answer).__name__ for answer in answers) == ["DuplicateRecordError"] * 5 + ["str"]

    def test_one_of_many_deletes_wins(self, database: Database, colour: Colour) -> None:
        """Of many deleters one hears that it was there."""
        if not (database.capabilities.conditional_delete and self.contended):
            return
        for round_ in range(3):
            colour(database).create(Record({"id": f"r{round_}"}))
            answers = colour.at_once(database.delete, [(f"r{round_}",)] * 5)
            assert sorted(map(str, answers)) == ["False"] * 4 + ["True"]

    def test_values_round_trip(self, db: Database) -> None:
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
                    assert len(db.search(condition)) == int(value == value)  # noqa: PLR0124  # NaN

    def test_unstorable_values(self, db: Database) -> None:
        """What no record can hold is refused with its path, before anything is written."""
        for bad in (object(), {1, 2}, {1: 2}, "\ud800", [{"x": lambda: None}]):
            with pytest.raises(SerializationError, match="deep"):
                db.create(Record({"id": "a", "deep": bad}))
        assert db.read("a") is None
        assert isinstance(SerializationError(""), TypeError)

    def test_a06_ids(self, db: Database) -> None:
        """Ids are any text."""
        ids = [each for each in IDS if len(each.encode()) * 3 < db.capabilities.max_id_bytes or each.isalnum()]
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

    # -- many ---------------------------------------------------------------------------------------------------------

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

    def test_clear(self, db: Database) -> None:
        """Clear removes all and says how many."""
        db.batch_create([Record({"id": str(i)}) for i in range(12)])
        assert db.clear() == 12
        assert db.clear() == 0
        assert db.all() == []

    # -- questions ----------------------------------------------------------------------------------------------------

    def test_search_is_the_matcher(self, db: Database) -> None:
        """Every condition and order gives what the matcher gives over all records."""
        db.batch_create(_people())
        people = db.all()
        assert [record.id for record in people] == sorted(r.id or "" for r in _people())
        for at, condition in enumerate(CONDITIONS):
            expected = [record for record in people if matches(condition, record)]
            assert db.count(condition) == len(expected), condition
            for sorts in (SORTS[at % len(SORTS)], SORTS[(at + 1) % len(SORTS)]):
                query = Query().filter(condition)
                for name, order in sorts:
                    query = query.sort(name, order)
                wanted = [record.id for record in page(query, expected)]
                assert [record.id for record in db.search(query)] == wanted, query
                if sorts:
                    assert [record.id for record in db.stream(query)] == wanted, query

    def test_pages(self, db: Database) -> None:
        """Limit, offset and cursors cut the same order."""
        db.batch_create(_people())
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

    # -- care ---------------------------------------------------------------------------------------------------------

    def test_reports(self, db: Database) -> None:
        """Connect, refresh, check and explain answer."""
        db.batch_create(_people())
        assert db.connect().compare_and_set == db.capabilities.compare_and_set
        assert db.refresh().records == len(_people())
        report = db.check()
        assert report.ok
        assert report.records == len(_people())
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
