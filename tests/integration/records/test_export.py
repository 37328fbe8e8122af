"""Records as tables and files."""

import asyncio
import csv
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.drivers.memory import MemoryStore
from holdall.engine.table import default_table
from holdall.errors import ConfigError, HoldallError, NotFoundError, UnavailableError
from holdall.records import CorruptRecordError, Filter, ObjectDatabase, QueryError, Record, SQLDatabase, export, export_files
from holdall.records.encoding import encode_value
from holdall.records.export import Columns, batch_of, kind_of, poured, table_of
from holdall.records.export_files import format_of, records_from, write_file
from holdall.records.lengthy import STEP
from holdall.records.record import Field
from holdall.wrappers.forwarding import ForwardingStore

WHEN = datetime(2024, 1, 1, tzinfo=UTC)
GIVEN = [
    Record(
        {"n": 1, "name": "Ada", "score": 1, "mixed": 1, "when": WHEN, "day": date(2024, 1, 1), "raw": b"\0", "on": True},
        id="a",
    ),
    Record({"n": 2, "name": None, "score": 2.5, "mixed": "x", "list": [1, {"d": Decimal("1.5")}], "u": UUID(int=1)}, id="b"),
    Record({"n": 3, "big": 2**70, "address": {"city": "Ghent"}, "naive": datetime(2024, 1, 1)}, {"team": "x"}, id="c"),
]


@pytest.fixture
def bare():
    with SQLDatabase("sqlite://") as database:
        database.batch_create(GIVEN)
        yield database


@pytest.fixture
def db(bare, colour):
    return colour(bare)


@pytest.fixture
def store():
    store = MemoryStore()
    default_table()["exports"] = store
    yield store
    del default_table()["exports"]


def test_frames(db):
    table = db.to_arrow()
    assert table.column("n").to_pylist() == [1, 2, 3] and table.column("score").to_pylist() == [1.0, 2.5, None]
    assert table.column("mixed").to_pylist() == ["1", '"x"', None] and table.schema.names[0] == "id"
    assert table.column("when").to_pylist()[0] == WHEN and table.column("u").to_pylist()[1] == str(UUID(int=1))
    assert list(db.to_pandas(Filter("n", ">", 1))["id"]) == ["b", "c"]
    frame = db.to_polars(Filter("n", "<", 3))
    assert frame["name"].to_list() == ["Ada", None] and frame["day"].to_list()[0] == date(2024, 1, 1)
    assert db.to_arrow(Filter("n", "=", 99)).num_rows == 0


def test_parquet_on_any_store_and_back(db, bare, store):
    report = db.export("exports:out/all.parquet")
    assert (report.records, set(report.as_json), report.left_out) == (3, {"mixed", "list", "address", "metadata"}, ())
    data = store.get("out/all.parquet").bytes()
    assert report.bytes == len(data) and pq.read_table(pa.BufferReader(data)).num_rows == 3
    with ObjectDatabase(MemoryStore()) as again:
        assert again.batch_create(records_from("exports:out/all.parquet")) == ["a", "b", "c"]
        for record, old in zip(again.search(), bare.search(), strict=True):
            values = {name: value for name, value in record.data.items() if value is not None}
            wanted = {name: str(v) if isinstance(v, UUID) else v for name, v in old.data.items() if v is not None}
            assert values == wanted and record.created_at == old.created_at


@pytest.mark.parametrize("name", ["x.arrow", "x.jsonl"])
def test_other_files_and_back(db, bare, tmp_path, name):
    db.export(str(tmp_path / name), Filter("n", "<", 3))
    found = list(records_from(str(tmp_path / name)))
    assert [record.id for record in found] == ["a", "b"]
    assert found[1].get_value("list.1.d") == Decimal("1.5") and found[0]["when"] == WHEN


def test_csv(db, tmp_path):
    report = db.export(str(tmp_path / "x.csv"), columns=["n", "address.city", "on"])
    assert report.columns == ("id", "n", "address.city", "on")
    assert (tmp_path / "x.csv").read_text() == "id,n,address.city,on\na,1,,true\nb,2,,\nc,3,Ghent,\n"
    with pytest.raises(ConfigError, match="no types"):
        list(records_from(str(tmp_path / "x.csv")))


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl"])
@pytest.mark.parametrize("data", [b"junk \xff", b"", b"[1]\n"])
def test_a_damaged_file_is_told(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    if (name, data) == ("x.jsonl", b""):
        assert list(records_from(str(tmp_path / name))) == []
        return
    with pytest.raises(CorruptRecordError, match="is damaged, or no"):
        list(records_from(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("name", "said"), [("-", "needs a file"), ("out.xlsx", "'out.xlsx' does not tell"), ("out", "'out' does not tell")]
)
def test_a_target_that_names_no_format(name, said):
    with pytest.raises(ConfigError, match=said):
        format_of(name, None)


EXACT = [
    Record({"pay": Decimal("1.50"), "some": 1, "big": 2**70, "long": Decimal(10) ** 38, "nan": Decimal("NaN")}, id="a"),
    Record({"pay": Decimal(-1000), "some": Decimal("2.25"), "big": 1, "long": 10**40, "nan": Decimal(1)}, id="b"),
    Record({"pay": Decimal("3E+2"), "big": -(2**70), "long": None}, id="c"),
]


def test_exact_numbers_are_numbers(colour, tmp_path):
    """Decimals and integers beyond 64 bits, in every format, to the last digit."""
    with SQLDatabase("sqlite://") as bare:
        bare.batch_create(EXACT)
        db = colour(bare)
        table = db.to_arrow()
        types = [str(table.schema.field(name).type) for name in ("pay", "some", "big", "long", "nan")]
        assert types == ["decimal128(6, 2)", "decimal128(3, 2)", "decimal128(22, 0)", "string", "string"]
        assert table.column("pay").to_pylist() == [Decimal("1.50"), Decimal(-1000), Decimal(300)]
        assert list(db.to_pandas()["pay"]) == [Decimal("1.50"), Decimal(-1000), Decimal(300)]
        assert db.to_polars()["pay"].sum() == Decimal("-698.50")
        assert db.export(str(tmp_path / "x.csv"), columns=["pay", "some", "big", "long"]).as_json == ()
        assert (tmp_path / "x.csv").read_text().splitlines() == [
            "id,pay,some,big,long",
            f"a,1.50,1.00,{2**70},{10**38}",
            f"b,-1000.00,2.25,1,{10**40}",
            f"c,300.00,,-{2**70},",
        ]
        for name in ("x.parquet", "x.arrow", "x.jsonl"):
            db.export(str(tmp_path / name))
            for record, given in zip(records_from(str(tmp_path / name)), EXACT, strict=True):
                for field in ("pay", "some", "big", "long"):
                    value, wanted = record.data.get(field), given.data.get(field)
                    assert value == wanted, (name, field)
                    assert type(value) is type(wanted) or field in {"some", "long"}, "these columns mix int and Decimal"
        db.export(str(tmp_path / "table"), format="delta")
        held = deltalake.DeltaTable(str(tmp_path / "table")).to_pyarrow_table().sort_by("id")
        assert held.column("pay").to_pylist() == [Decimal("1.50"), Decimal(-1000), Decimal(300)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1, max_size=5))
def test_any_exact_numbers_are_kept(values):
    records = [Record({"n": value}, id=str(at)) for at, value in enumerate(values)]
    back = [record["n"] for record in records_from(table_of(records))]
    assert back == values


def test_delta(db, tmp_path):
    where = str(tmp_path / "table")
    assert db.export(where, Filter("n", "<", 3), format="delta").records == 2
    assert db.export(where, format="delta").records == 3
    assert deltalake.DeltaTable(where).to_pyarrow_table().num_rows == 3
    assert pl.read_delta(where)["n"].sort().to_list() == [1, 2, 3]


def test_a_failed_export_leaves_nothing(bare, store, tmp_path):
    calls = []

    def stream():
        calls.append(1)
        yield GIVEN[0]
        yield Record({"n": "text" if len(calls) == 2 else 5, "late": 1} if len(calls) == 2 else {"n": 5}, id="z")

    with pytest.raises(QueryError, match="while it was exported"):
        write_file("exports:x.parquet", stream, format="parquet")
    with pytest.raises(NotFoundError):
        store.head("x.parquet")
    with pytest.raises(ConfigError):
        bare.export("exports:x.what")
    with pytest.raises(ConfigError):
        bare.export("exports:", format="csv")


LOST = [
    Record({"n": 2**53 + 1, "whole": 3, "at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))}, id="a"),
    Record({"n": 0.5, "whole": 0.25, "id": "inner", "created_at": "mine", "updated_at": 7, "fields.x": 1}, {"team": ["x", 1]}, id="b"),
    Record({"metadata": "mine", "at": datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-14)))}, {"version": 3}, id="c"),
    Record({"n": 1, "clock": time(12, 30)}, id="d"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl", "table"])
def test_nothing_is_lost_on_the_way(colour, tmp_path, name):
    """Not a digit, nor metadata, nor a field whose name is that of a system's column."""
    for bare in (SQLDatabase("sqlite://"), ObjectDatabase(MemoryStore())):
        with bare:
            bare.batch_create(LOST)
            where = str(tmp_path / name)
            report = colour(bare).export(where, format="delta" if name == "table" else None)
            assert report.left_out == ()
            table = deltalake.DeltaTable(where).to_pyarrow_table() if name == "table" else None
            found = {record.id: record for record in records_from(where if table is None else tagged(table, bare))}
            for old in bare.all():
                new = found[old.id]
                data = {key: value for key, value in new.data.items() if value is not None}
                assert data == old.data
                kinds = {key: type(value) for key, value in old.data.items()}
                if old.id == "a" and name != "x.jsonl":
                    kinds["whole"] = float  # among floats, and equal
                assert {key: type(value) for key, value in data.items()} == kinds
                assert new.metadata["created_at"] == old.created_at
                system = {"id", "created_at", "updated_at"}
                user = {key: value for key, value in old.metadata.items() if key not in system}
                assert {key: value for key, value in new.metadata.items() if key not in system} == user
            if name != "x.jsonl":
                assert {"n", "at", "metadata"} <= set(report.as_json) and "whole" not in report.as_json
                assert ("clock" in report.as_json) == (name == "table"), "Delta has no time of day"
        emptied(tmp_path)


def tagged(table, db):
    """Give Delta's columns what Arrow's schema says of them, which Delta does not keep."""
    schema = db.to_arrow().schema
    fields = [
        pa.field(
            one.name, one.type, metadata={b"holdall": b"json"} if one.name == "clock" else schema.field(one.name).metadata
        )
        for one in table.schema
    ]
    return table.cast(pa.schema(fields))


def emptied(place):
    for each in place.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def test_metadata_that_came_late_are_named(store):
    calls = []

    def stream():
        calls.append(1)
        yield Record({"n": 1}, {"team": "x"} if len(calls) == 2 else {}, id="z")

    assert write_file("exports:x.parquet", stream, format="parquet").left_out == ("metadata",)


def test_integers_that_came_late_among_floats(store):
    """The column was decided to be floats; a number that is none is an error, not another number."""
    calls = []

    def stream():
        calls.append(1)
        yield Record({"n": 0.5}, id="y")
        yield Record({"n": 2**53 + 1 if len(calls) == 2 else 1}, id="z")

    with pytest.raises(QueryError, match="'n'"):
        write_file("exports:x.parquet", stream, format="parquet")


@pytest.mark.parametrize(
    "value", [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), datetime(1, 1, 1, 14, tzinfo=UTC)]
)
def test_frames_of_the_first_and_the_last_years(colour, value):
    with SQLDatabase("sqlite://") as bare:
        bare.create(Record({"at": value}, id="a"))
        db = colour(bare)
        assert [record["at"] for record in records_from(db.to_arrow())] == [value]
        assert db.to_pandas().shape == db.to_polars().shape == (1, 4)


def test_a_time_that_python_has_not_is_told(tmp_path):
    table = pa.table({"id": ["a"], "at": pa.array([2**62], pa.timestamp("us", tz="UTC"))})
    pq.write_table(table, tmp_path / "x.parquet")
    for source in (table, str(tmp_path / "x.parquet")):
        with pytest.raises(CorruptRecordError, match="column 'at'"):
            list(records_from(source))


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl"])
def test_columns_of_the_system_may_be_chosen(colour, tmp_path, name):
    """They are what they are where nothing is chosen; a field of such a name is ``fields.<name>``."""
    with SQLDatabase("sqlite://") as bare:
        bare.batch_create(
            [Record({"n": 1, "metadata": ["x", 1], "created_at": "mine"}, {"team": "red"}, id="a"), Record(id="b")]
        )
        db, where = colour(bare), str(tmp_path / name)
        report = db.export(
            where, columns=["n", "metadata", "created_at", "updated_at", "fields.metadata", "fields.created_at"]
        )
        mine, bare_one = records_from(where)
        assert mine.data == {"n": 1, "metadata": ["x", 1], "created_at": "mine"}
        assert mine.metadata["team"] == "red" and "team" not in bare_one.metadata
        for found, stored in zip([mine, bare_one], bare.search(), strict=True):
            assert (found.metadata["created_at"], found.metadata["updated_at"]) == (stored.created_at, stored.updated_at)
        if name != "x.jsonl":
            assert report.as_json == ("metadata", "fields.metadata")
            db.export(where, Filter("n", "=", 99), columns=["created_at", "metadata"])
            table = pq.read_table(where) if name == "x.parquet" else pa.ipc.open_file(where).read_all()
            assert str(table.schema.field("created_at").type) == "timestamp[us, tz=UTC]"


def test_columns_of_the_system_in_csv(db, bare, tmp_path):
    db.export(tmp_path / "x.csv", Filter("n", "=", 3), columns=["metadata", "created_at"])
    with (tmp_path / "x.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"id": "c", "metadata": '{"team":"x"}', "created_at": bare.require("c").created_at.isoformat()}
        ]


@pytest.mark.parametrize("text", ["x\ry", "x\ny", "x\r\ny", '"\r', "\r"])
def test_breaks_of_lines_in_csv(colour, tmp_path, text):
    with SQLDatabase("sqlite://") as bare:
        bare.batch_create([Record({"t": text, "u": 1}, id="a"), Record({"t": "plain"}, id="b")])
        colour(bare).export(str(tmp_path / "x.csv"), columns=["t", "u"])
    with (tmp_path / "x.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "t", "u"], ["a", text, "1"], ["b", "plain", ""]]
    assert list(pd.read_csv(tmp_path / "x.csv")["t"]) == [text, "plain"]


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.csv", "x.jsonl", "table"])
def test_metadata_of_fields_are_named(colour, tmp_path, name):
    with SQLDatabase("sqlite://") as bare:
        bare.create(Record({"w": Field("w", 5, {"unit": "kg"}), "n": 1}, id="a"))
        report = colour(bare).export(str(tmp_path / name), format="delta" if name == "table" else None)
        assert report.left_out == ("fields['w'].metadata",)


@pytest.mark.parametrize("name", ["exports:x.csv", "exports:x.jsonl", "table"])
def test_a_target_may_be_a_path(db, store, tmp_path, monkeypatch, name):
    """And is a path, whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    assert db.export(Path(name), format="delta" if name == "table" else None).records == 3
    assert (tmp_path / name).exists()
    if name == "exports:x.jsonl":
        assert [record.id for record in records_from(Path(name))] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "value", ["Q3 2021", 1_600_000_000, date(2021, 5, 5), [1], datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))]
)
@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_times_of_others_that_are_none_are_fields(colour, tmp_path, name, value):
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "a", "n": 1, name: encode_value(value)}) + "\n")
    sources = [str(tmp_path / "x.jsonl")]
    if not isinstance(value, datetime):  # which Arrow would move to UTC
        sources.append(pa.table({"id": ["a"], "n": [1], name: [value]}))
    for source in sources:
        with SQLDatabase("sqlite://") as bare:
            bare.batch_create(records_from(source))
            assert colour(bare).require("a").data == {"n": 1, name: value}


def test_times_of_others_are_the_records():
    (found,) = records_from(pa.table({"id": ["a"], "created_at": [WHEN], "updated_at": [datetime(2024, 5, 5)]}))
    assert found.data == {} and found.metadata == {"created_at": WHEN, "updated_at": datetime(2024, 5, 5)}
    with SQLDatabase("sqlite://") as db:
        db.create(found)
        assert db.require("a").created_at == WHEN


def test_a_column_of_another_is_no_metadata():
    """A table of others may have such columns; they are data."""
    (found,) = records_from(pa.table({"id": ["a"], "metadata": ["m"], "fields.x": [1]}))
    assert found.data == {"metadata": "m", "fields.x": 1} and "team" not in found.metadata


class TestDeltaFails:
    def test_two_columns_that_are_one(self, colour, tmp_path):
        with SQLDatabase("sqlite://") as bare:
            bare.create(Record({"A": 1, "a": 2}, id="x"))
            with pytest.raises(QueryError, match="'A' and 'a'"):
                colour(bare).export(str(tmp_path / "in" / "table"), format="delta")
            assert list(tmp_path.iterdir()) == []
            assert colour(bare).export(str(tmp_path / "table"), format="delta", columns=["a"]).records == 1

    @pytest.mark.parametrize("error", [CorruptRecordError("unreadable"), KeyboardInterrupt()])
    def test_what_the_stream_raises_is_raised(self, tmp_path, error):
        calls = []

        def stream():
            calls.append(1)
            for at in range(12_000):
                yield Record({"n": at}, id=str(at))
            if len(calls) == 2:
                raise error

        with pytest.raises(type(error)) as told:
            write_file(str(tmp_path / "in" / "table"), stream, format="delta")
        assert told.value is error
        assert list(tmp_path.iterdir()) == []

    def test_a_table_that_was_there_is_as_it_was(self, db, tmp_path):
        where = str(tmp_path / "table")
        db.export(where, Filter("n", "<", 3), format="delta")

        calls = []

        def stream():
            calls.append(1)
            yield GIVEN[0]
            if len(calls) == 2:
                raise CorruptRecordError("unreadable")

        with pytest.raises(CorruptRecordError):
            write_file(where, stream, format="delta")
        assert deltalake.DeltaTable(where).to_pyarrow_table().num_rows == 2

    def test_a_place_that_cannot_be_written(self, db, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(HoldallError, match="was not written as a table of Delta"):
            db.export(str(tmp_path / "file" / "table"), format="delta")
        assert [each.name for each in tmp_path.iterdir()] == ["file"]

    def test_a_place_that_does_not_answer(self, bare):
        options = {
            "endpoint_url": "http://127.0.0.1:9", "allow_http": "true", "region": "us-east-1", "max_retries": "0",
            "access_key_id": "AKIDSHOWN", "secret_access_key": "s3cr3t-shown",
        }  # fmt: skip
        with pytest.raises(UnavailableError, match="was not written as a table of Delta") as told:
            write_file("s3://user:s3cr3t-shown@bucket/table", bare.stream, format="delta", storage_options=options)
        assert "s3cr3t-shown" not in str(told.value)
        assert "AKIDSHOWN" not in str(told.value)


def test_a_field_that_came_late_is_named(store):
    calls = []

    def stream():
        calls.append(1)
        yield Record({"n": 1, "late": 1} if len(calls) == 2 else {"n": 1}, id="z")

    assert write_file("exports:x.csv", stream, format="csv").left_out == ("late",)


def test_a_cancelled_export_stops(bare, store):
    async def body():
        task = asyncio.ensure_future(bare.export_async("exports:x.csv"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
    with pytest.raises(QueryError, match="cancelled"):
        write_file("exports:y.csv", lambda: GIVEN, format="csv", stopped=lambda: True)
    with pytest.raises(NotFoundError):
        store.head("y.csv")


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.csv", "x.jsonl"])
def test_long_records_are_written_and_read_a_few_at_a_time(colour, store, name, monkeypatch):
    """What is held is bounded by what it holds, not by its number."""
    monkeypatch.setattr(export, "BYTES", 1_000_000)
    sent, held = [], [""]
    made, taken = export_files.batch_of, export_files._records_of
    monkeypatch.setattr(export_files, "batch_of", lambda rows, schema: held.append(rows) or made(rows, schema))
    monkeypatch.setattr(export_files, "_records_of", lambda batch: held.append(range(batch.num_rows)) or taken(batch))

    class Seen(ForwardingStore):
        def put(self, key, source, options=None):
            return super().put(key, (sent.append(len(part)) or part for part in source), options)

    default_table()["exports"] = Seen(store)
    with ObjectDatabase(MemoryStore(), mirror="off") as db:
        db.batch_create([Record({"id": f"{n:02}", "v": os.urandom(150_000).hex(), "l": ["x" * 1000, n]}) for n in range(30)])
        report = colour(db).export(f"exports:{name}")
        assert (report.records, report.bytes) == (30, sum(sent))
        assert max(sent) < 2_500_000, "some at a time"
        assert len([size for size in sent if size > 100_000]) >= 5
        if name == "x.csv":
            return
        assert max(map(len, held)) <= 4
        held.clear()
        stored = [(record.id, record["v"], record["l"]) for record in db.stream()]
        assert [(record.id, record["v"], record["l"]) for record in records_from(f"exports:{name}")] == stored
        if name != "x.jsonl":
            assert max(map(len, held)) <= 4, "and so they are read"


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_long_values_are_poured_into_columns(kind):
    """The array is the one that Arrow makes by itself."""
    values = ["\u00e9" * 100_000, None, "", "x" * STEP, "\U0001f600" * 50_001, *["y"] * 12, None]
    column = values if kind == "string" else [None if value is None else value.encode() for value in values]
    type = getattr(pa, kind)()
    array = poured(column, type)
    array.validate(full=True)
    assert array.null_count == 2
    assert array.equals(pa.array(column, type=type))
    schema = pa.schema([("a", type), ("n", pa.int64())])
    rows = [{"a": value, "n": n} for n, value in enumerate(column)]
    assert batch_of(rows, schema).equals(pa.RecordBatch.from_pylist(rows, schema=schema))
    assert batch_of([], schema).num_rows == 0


@pytest.mark.parametrize(
    ("where", "given", "wanted"),
    [
        ("people.csv", None, "csv"),
        ("s3://bucket/people.parquet?endpoint_url=http://host:9000", None, "parquet"),
        ("what?.jsonl", None, "jsonl"),
        ("people", "delta", "delta"),
    ],
)
def test_formats(where, given, wanted):
    assert format_of(where, given) == wanted


def test_kinds():
    columns = Columns()
    columns.see(Record({"a": None, "t": datetime(2024, 1, 1).time(), "b": True}, id="x"))
    columns.see(Record({"b": 1}, id="y"))
    kinds = columns.kinds()
    assert (kinds["a"], kinds["t"], kinds["b"]) == ("text", "time", "json")
    assert [kind_of(value) for value in (2**63, -(2**63), b"", [])] == ["whole", "int", "bytes", "json"]


def test_a_missing_extra_is_named():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from holdall.records import SQLDatabase\n"
        "try: SQLDatabase('sqlite://').to_arrow()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "holdall[arrow]"' in done.stdout


def test_lines_are_read_as_they_are_written(db, tmp_path):
    db.export(str(tmp_path / "x.jsonl"))
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["when"] == {"$datetime": WHEN.isoformat()}


def test_columns_are_a_list(db, tmp_path):
    with pytest.raises(ConfigError, match="columns are a list of paths, not 'name'"):
        db.export(str(tmp_path / "x.csv"), columns="name")
    assert not (tmp_path / "x.csv").exists()
