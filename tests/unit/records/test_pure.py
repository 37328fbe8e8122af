"""Records without storage: record, paths, keys, encoding, tags."""

import enum
import functools
import json
import math
import operator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from http import HTTPStatus
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, InvalidKeyError, PreconditionError
from holdall.records import And, Filter, ObjectDatabase, Or, Query, QueryError, SerializationError, errors
from holdall.records.encoding import Body, decode_body, decode_value, dumps, encode_body, encode_value
from holdall.records.keys import id_to_key, key_to_id, normalise_prefix, unlisted
from holdall.records.matching import matches
from holdall.records.paths import MISSING, find, place, remove
from holdall.records.record import Field, Record
from holdall.records.tags import fit_tags

text = st.text(st.characters(codec="utf-8"))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    text,
    st.binary(max_size=50),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.dates(),
    st.times(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)


# -- record ------------------------------------------------------------------------------------------------------------


def test_seed_example_of_fields():
    record = Record({"id": "user-123", "name": "Alice", "email": "alice@example.com"})
    assert record.id == "user-123"
    record.fields["email"] = "alice.smith@example.com"
    assert record["email"] == record.fields["email"] == "alice.smith@example.com"
    assert f"{record.fields['name']}" == "Alice" and record.fields["name"].type == "str"
    record.fields["n"] = Field("n", 3, {"unit": "m"})
    assert record["n"] == 3 and record.fields.info == {"n": {"unit": "m"}}
    del record["n"]
    assert "n" not in record and record.fields.info == {} and len(record) == 3 and list(record) == ["id", "name", "email"]


def test_a_field_view_is_live_and_writes_through():
    record = Record({"a": 1})
    view = record.fields["a"]
    view.value = 2
    assert record["a"] == 2 and view and view != 1 and hash(view) == hash(2) and str(view) == "2"
    loose = Field("b", None)
    loose.value = 5
    assert (loose.value, loose.type, repr(loose)) == (5, "int", "Field('b', 5)")


@pytest.mark.parametrize(
    ("record", "id"),
    [
        (Record({"id": "f"}, {"id": "m"}, id="a"), "a"),
        (Record({"id": "f"}, {"id": "m"}), "m"),
        (Record({"id": "f"}), "f"),
        (Record({"id": 7}), "7"),
        (Record({"id": UUID(int=1)}), str(UUID(int=1))),
        (Record({"id": None}), None),
        (Record(), None),
    ],
)
def test_where_the_id_comes_from(record, id):
    assert record.id == id


@pytest.mark.parametrize("bad", [1.5, True, b"x", ["a"], ""])
def test_an_id_of_another_type_is_an_error(bad):
    with pytest.raises(errors.SerializationError):
        _ = Record({"id": bad}).id


@pytest.mark.parametrize("bad", [1.5, True, b"x", ["a"], ""])
def test_a_record_that_no_database_takes_can_be_looked_at(bad):
    for make in (lambda: Record({"id": bad, "n": 1}), lambda: Record({"n": 1}, {"id": bad})):
        record = make()
        assert repr(record).startswith("Record([") and record == make() != Record({"n": 1})
        whole = record.to_dict(form="full")
        assert whole["id"] is None and Record.from_dict(whole) == record
        with pytest.raises(errors.SerializationError):
            ObjectDatabase(MemoryStore()).create(record)


def test_a_field_that_is_taken_out_keeps_its_value():
    record = Record({"a": 1, "b": Field("b", 2, {"unit": "m"}), "c": 3})
    taken = record.fields.pop("b")
    assert taken == 2 and taken.metadata == {"unit": "m"} and repr(taken) == "Field('b', 2)"
    assert record.fields.info == {} and record.data == {"a": 1, "c": 3}
    taken.value = 5
    assert "b" not in record
    name, last = record.fields.popitem()
    assert (name, last.value) == ("c", 3)
    assert record.fields.pop("b", None) is None and record.fields.pop("a", None) == 1
    with pytest.raises(KeyError):
        record.fields.pop("a")
    with pytest.raises(KeyError):
        record.fields.popitem()


def test_attributes_are_not_fields():
    with pytest.raises(AttributeError):
        _ = Record({"email": 1}).email
    with pytest.raises(errors.SerializationError):
        Record({1: 2})


def test_paths_of_a_record():
    record = Record({"a": {"b": [{"c": 1}]}, "x.y": 2, "x": {"y": 3}, "metadata": 5}, {"k": {"d": 4}})
    assert record.get_value("a.b.0.c") == 1 and record.get_value("x.y") == 2 and record.get_value("metadata.k.d") == 4
    assert record.get_value("fields.a.b.0.c") == 1 and record.get_value("metadata") == 5
    assert record.get_value("a.b.1.c", "none") == "none" and not record.has("a.b.c") and record.has("a.b")
    record.set_value("n.e.w", 1)
    record.set_value("metadata.z", 1)
    record.set_value("a.b.0.c", 9)
    record.set_value("fields.q", 0)
    assert (
        record.data["n"] == {"e": {"w": 1}}
        and record.metadata["z"] == 1
        and record.get_value("a.b.0.c") == 9
        and record["q"] == 0
    )
    assert record.remove("n.e.w") and not record.remove("n.e.w") and record.remove("metadata.z") and record.remove("x.y")
    with pytest.raises(KeyError):
        record.set_value("q.r.s", 1)


def test_copies_and_projections():
    record = Record({"a": {"b": 1, "c": 2}, "d": [1]}, {"m": 1}, id="x")
    copied = record.copy()
    copied["d"].append(2)
    assert record["d"] == [1] and copied != record and record == record.copy() and record != 5
    chosen = record.project("a.b", "nothing")
    assert chosen.data == {"a": {"b": 1}} and chosen.id == "x" and chosen.metadata == {"m": 1}
    merged = record.merge(Record({"d": 2, "e": 3}, {"m": 2, "n": 3}))
    assert merged.data == {"a": {"b": 1, "c": 2}, "d": 2, "e": 3} and merged.metadata == {"m": 2, "n": 3}
    kept = record.merge(Record({"d": 2, "e": 3}, {"m": 2}), overwrite=False)
    assert kept["d"] == [1] and kept["e"] == 3 and kept.metadata == {"m": 1}


def test_dict_forms():
    record = Record({"a": 1}, {"m": 1}, id="x")
    assert record.to_dict() == {"a": 1} and Record.from_dict(record.to_dict(form="full")) == record
    assert Record.from_dict({"a": 1}).data == {"a": 1}
    with pytest.raises(ValueError, match="form"):
        record.to_dict(form="other")
    assert "1" not in repr(Record({"secret": 1}))


def test_path_functions():
    assert find({"a": [1, "xyz"]}, "a.1.0") is MISSING and not MISSING
    target = {"a": [1]}
    place(target, "a.0", 2)
    assert target == {"a": [2]} and remove(target, "a.0") and target == {"a": []} and not remove(target, "b.c")
    with pytest.raises(KeyError):
        place(target, "a.5", 1)


# -- keys --------------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), st.sampled_from(["", "records/", "a/b/"]))
def test_ids_and_keys_are_each_others_inverse(id, prefix):
    key = id_to_key(id, prefix)
    assert key_to_id(key, prefix) == id
    assert "/" not in key[len(prefix) :] and not key[len(prefix) :].startswith(".")


@given(st.text(max_size=40))
def test_any_key_decodes_to_its_own_id_or_is_foreign(key):
    id = key_to_id(key)
    assert id is None or id_to_key(id) == key


@pytest.mark.parametrize(
    "key",
    ["a b.json", "a%2f.json", "a%41.json", "%zz.json", ".json", "a", "a.jso", ".x.json", "a/b.json", "%ff.json", "%.json"],
)
def test_foreign_keys(key):
    assert key_to_id(key) is None


def test_bad_ids():
    for bad in ("", "\ud800", "é" * 400):
        with pytest.raises(InvalidKeyError):
            id_to_key(bad)
    with pytest.raises(InvalidKeyError):
        id_to_key("x" * 255, longest=255)
    assert normalise_prefix("") == "" and normalise_prefix("/a/") == "a/"


# -- encoding ----------------------------------------------------------------------------------------------------------


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return isinstance(right, dict) and list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    return type(left) is type(right) and left == right


@given(values)
def test_values_round_trip_with_their_type(value):
    assert same(decode_value(json.loads(dumps(encode_value(value)))), value)


@pytest.mark.parametrize(
    "value",
    [
        2**70,
        -0.0,
        "\0",
        b"",
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        {"$bytes": "x"},
        {"$dict": {"$x": 1}},
        {},
        [],
    ],
)
def test_extreme_values_round_trip(value):
    assert same(decode_value(json.loads(dumps(encode_value(value)))), value)


def test_nan_infinity_and_tuples():
    assert math.isnan(decode_value(encode_value(math.nan))) and decode_value(encode_value(-math.inf)) == -math.inf
    assert decode_value(encode_value((1, (2,)))) == [1, [2]]


@pytest.mark.parametrize(
    ("value", "path"),
    [({"a": {"b": {1, 2}}}, "f.a.b"), ([object()], "f.0"), ({1: 2}, "f"), ("\ud800", "f"), ({"\ud800": 1}, "f"), (1j, "f")],
)
def test_what_no_record_can_hold_is_named_by_its_path(value, path):
    with pytest.raises(errors.SerializationError, match=f"^{path}: "):
        encode_value(value, "f")


def test_a_value_nested_too_deep():
    value = []
    for _ in range(300):
        value = [value]
    with pytest.raises(errors.SerializationError, match="deeper"):
        encode_value(value)


def test_a_long_chain_of_conditions_is_one_group():
    either = functools.reduce(operator.or_, (Filter("n", "=", n) for n in range(1500)))
    every = functools.reduce(operator.and_, (Filter("n", "!=", n) for n in range(1, 1500)))
    assert len(either.conditions) == 1500
    assert Query.from_dict(Query().filter(either).filter(every).to_dict()).condition == either & every


@pytest.mark.parametrize(
    "around", [lambda inner: ~inner, lambda inner: ~(inner | Filter("n")), And, Or, lambda inner: Or(And(inner))]
)
def test_conditions_nested_too_deep(around):
    deep = Filter("n", "=", 1)
    with pytest.raises(QueryError, match="deeper than"):
        for _ in range(60):
            deep = around(deep)
    assert matches(deep, Record({"n": 1})) in {True, False}
    assert Query.from_dict(Query().filter(deep).to_dict()).conditions == (deep,)


@pytest.mark.parametrize(
    "around", [lambda inner: {"not": inner}, lambda inner: {"and": [inner]}, lambda inner: {"field": "n", "value": inner}]
)
def test_what_is_no_query_is_told_however_deep_it_is(around):
    deep = {"field": "n", "value": 1}
    for _ in range(20_000):
        deep = around(deep)
    with pytest.raises(QueryError, match="deep"):
        Query.from_dict({"conditions": [deep]})


def body(**changes):
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    named = {"id": "x", "created": moment, "updated": moment, "write": "w", "fields": {"a": 1}, "metadata": {}, "info": {}}
    return Body(**(named | changes))


def test_bodies_round_trip_and_are_small():
    full = body(fields={"a": b"x", "b": [Decimal("1.10")]}, metadata={"m": date(2024, 1, 1)}, info={"a": {"unit": "m"}})
    assert decode_body(encode_body(full.stamp, full.content), id="x") == full
    small = body(
        id=str(uuid4()), fields={"name": "Alice", "email": "alice@example.com", "age": 30, "active": True}, write="0" * 24
    )
    assert len(encode_body(small.stamp, small.content)) < 300


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"fields":1}',
        b'{"fields":{},"holdall":2}',
        b'{"fields":{},"holdall":"1"}',
        b'{"fields":{},"holdall":1,"id":"y"}',
        b'{"fields":{},"holdall":1,"id":"x"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record(data):
    with pytest.raises(errors.CorruptRecordError):
        decode_body(data, id="x")


def test_older_bodies_are_read():
    data = json.dumps(
        {
            "fields": {"a": {"name": "a", "value": 1, "type": "integer", "metadata": {"u": 1}}, "b": 2},
            "metadata": {"id": "x", "created_at": "2020-01-01T00:00:00", "k": 1},
        }
    ).encode()
    read = decode_body(data, id="x")
    assert (
        read.fields == {"a": 1, "b": 2}
        and read.metadata == {"k": 1}
        and read.info == {"a": {"u": 1}}
        and read.created.year == 2020
    )
    with pytest.raises(errors.CorruptRecordError):
        decode_body(data, id="y")
    assert decode_body(b'{"fields":{},"metadata":{"created_at":"?"}}', id="z").created.year == 1970
    with pytest.raises(errors.CorruptRecordError):
        decode_body(b'{"fields":{},"metadata":[1]}', id="z")


# -- tags and errors ---------------------------------------------------------------------------------------------------


def test_tags_fit_or_are_named():
    many = {f"k{i}": i for i in range(12)}
    tags, omitted = fit_tags("i", "2024-01-01T00:00:00.000000+00:00", many)
    assert len(tags) == 10 and omitted == ["k8", "k9", "k10", "k11"]
    tags, omitted = fit_tags(
        "a?b", "t", {"long": "x" * 257, "aws:x": 1, "ok": "a=b+c é", "flag": True, "": 1, "when": datetime(2024, 1, 1)}
    )
    assert tags == {"created_at": "t", "ok": "a=b+c é", "flag": "true", "when": "2024-01-01T00:00:00"}
    assert omitted == ["id", "long", "aws:x", ""]
    assert fit_tags("i", "t", {"a": 1, "b": 2, "id": 3}, names=["b"])[0] == {"id": "i", "created_at": "t", "b": "2"}


def test_errors_are_the_contracts_too():
    assert issubclass(errors.DuplicateRecordError, AlreadyExistsError) and issubclass(
        errors.DuplicateRecordError, ValueError
    )
    conflict = errors.ConcurrencyError("x", expected_version="a", actual_version=None, id="i", database="db")
    assert isinstance(conflict, PreconditionError) and conflict.expected_version == "a" and conflict.id == "i"
    outcomes = [errors.Outcome(index=0, id="a", status="written"), errors.Outcome(index=1, id="b", status="exists")]
    batch = errors.BatchError("1 of 2 failed", outcomes=outcomes)
    assert [o.id for o in batch.written] == ["a"] and [o.id for o in batch.failed] == ["b"]


IDS = st.text(st.sampled_from("-.0a~ :/%z\u00e9\u4e2d\U0001f600"), min_size=1, max_size=5)


@given(st.lists(IDS, min_size=1, max_size=12, unique=True), st.integers(0, 11))
@settings(max_examples=500, deadline=None)
def test_ids_that_a_listing_may_still_bring(ids, at):
    by_key = sorted(ids, key=id_to_key)
    at %= len(by_key)
    bound, later = unlisted(by_key[at])
    assert all(id >= bound or id in later for id in by_key[at + 1 :])
    assert all(by_key[at].startswith(id) and id_to_key(id) > id_to_key(by_key[at]) for id in later)


class Shade(str, enum.Enum):  # noqa: UP042  # of Python 3.10
    """A kind of text whose str() is not the text."""

    RED = "red"


class Later(datetime):
    """As pandas' Timestamp: it says more than a datetime holds."""

    def isoformat(self, *_):
        return "2020-01-01T00:00:00.000000001"

    def __ne__(self, other):
        return True


class Never(datetime):
    """As pandas' NaT: it is a datetime, and says no time."""

    def isoformat(self, *_):
        return "NaT"


def test_values_of_other_classes_are_what_they_stand_for_or_refused():
    held = json.loads(json.dumps(encode_value({"shade": Shade.RED, "shades": [Shade.RED], Shade.RED: HTTPStatus.OK})))
    assert held == {"shade": "red", "shades": ["red"], "red": 200}
    assert {type(each) for each in (held["shade"], held["shades"][0], *held)} == {str}
    assert type(held["red"]) is int
    for odd, said in ((Never(2020, 1, 1), "at: .* is no datetime"), (Later(2020, 1, 1), "more exact than a datetime")):
        with pytest.raises(SerializationError, match=said):
            encode_value(odd, "at")


def test_a_value_that_is_asked_for_is_what_a_record_holds():
    """A view of a field, a member of an enumeration, a list that changes later: what is asked for is the plain value."""
    record = Record({"name": "Ada", "n": [1]})
    assert Filter("name", "=", record.fields["name"]) == Filter("name", "=", "Ada")
    assert Filter("name", "in", [record.fields["name"], Shade.RED]).value == ("Ada", "red")
    assert Filter("name", "like", record.fields["name"]).value == "Ada"
    assert matches(Filter("shade", "=", Shade.RED), Record({"shade": "red"}))
    wanted = [1]
    asked = Filter("n", "=", wanted)
    wanted.append(2)
    assert asked.value == [1] and matches(asked, record)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda q: q.filter("a", "=", object()), "cannot hold a object"),
        (lambda q: q.filter("a", "in", [1, 1j]), "cannot hold a complex"),
        (lambda q: q.filter("a", "exists", False), "'exists' takes no value, not False"),
        (lambda q: q.filter("a", "not_exists", True), "takes no value"),
        (lambda q: q.filter(Filter("a", "=", 1), "=", 2), "no value beside it"),
        (lambda q: q.filter(Filter("a", "=", 1), "!="), "no operator"),
        (lambda q: q.select("a", 5), "a selection needs the name"),
        (lambda q: q.select(""), "a selection needs the name"),
        (lambda q: q.from_dict(5), "a query is a mapping, not int"),
        (lambda q: q.from_dict({"conditions": 5}), "'conditions' is a list"),
        (lambda q: q.from_dict({"sort": [["a"]]}), "a field and an order"),
        (lambda q: q.from_dict({"sort": "ab"}), "'sort' is a list"),
        (lambda q: q.from_dict({"select": "a"}), "'select' is a list"),
        (lambda q: q.from_dict({"conditions": [{"and": 5}]}), "'and' is a list"),
        (lambda q: q.from_dict({"conditions": [{"field": "a", "value": {"$decimal": "x"}}]}), "'a': unreadable"),
        (lambda q: q.from_dict({5: 1, "x": 2}), "a query has no 5, x"),
    ],
)
def test_malformed_questions_are_refused_where_they_are_written(ask, said):
    with pytest.raises(QueryError, match=said):
        ask(Query())


def test_what_a_record_is_made_of():
    for wrong in ({"data": [1]}, {"data": "ab"}, {"metadata": 5}):
        with pytest.raises(SerializationError, match="is a mapping of names to values"):
            Record(**wrong)
