"""Records as tables: Arrow, pandas and polars in memory, and files of Parquet, Arrow, CSV, JSON lines or Delta on any storage.

A column whose values mix types becomes JSON text, and is named in the report; so does one with a time outside of the years 1 to
9999 in UTC. Integers among floats are floats if each of them is exactly one, else the column is JSON text. User metadata are one
column of JSON text, `metadata`; a field whose name is taken by the id, the metadata or a system's time is the column `fields.<name>`.
Metadata of single fields have no column: the report names them. `Decimal`, and integers beyond 64 bits, are Arrow's decimals, of as many digits as they need, or text from 39 digits on. Columns are found in a first pass, values written in a
second one, so that memory stays bounded; a record that came in between may have a field more, which is named as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from typing import Any, Literal
from uuid import UUID

from holdall._buffers import gathered
from holdall._imports import imported, importing
from holdall._turns import give_way, in_turns
from holdall.errors import MissingExtraError
from holdall.records.encoding import encode_value
from holdall.records.errors import QueryError
from holdall.records.lengthy import STEP, binary, compact
from holdall.records.record import Record

__all__ = [
    "FORMATS",
    "Columns",
    "ExportReport",
    "Format",
    "as_pandas",
    "as_polars",
    "batch_of",
    "batched",
    "column_of",
    "field_of",
    "need",
    "poured",
    "schema_of",
    "table_of",
    "values_of",
]

Format = Literal["parquet", "arrow", "csv", "jsonl", "delta"]
FORMATS: tuple[Format, ...] = ("parquet", "arrow", "csv", "jsonl", "delta")
Kind = str
"""``null bool int float text bytes datetime naive date time json``, ``decimal(p,s)``, ``whole(p,0)`` for integers beyond 64 bits,
``digits`` and ``whole digits`` for numbers too long for Arrow's 38 digits, which are text."""
_INT64 = 2**63
ROWS = 5_000
"""Rows of a batch in a file."""
BYTES = 64 * 1024 * 1024
"""Characters of text, and bytes, of a batch."""
_AT_ONCE = 500
"""Rows that one call into Arrow gets."""
_MOST_DIGITS = 38
_LONGEST = 1000
SYSTEM = ("id", "created_at", "updated_at")
_TAKEN: dict[str, Kind] = {"id": "text", "metadata": "json", "created_at": "datetime", "updated_at": "datetime"}
_ESCAPE = "fields."
_MARKED = {"json": "json", "decimal": "decimal", "digits": "decimal", "whole": "int", "whole digits": "int"}


@dataclass(slots=True, kw_only=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        records: Rows.
        columns: Their names, ``id`` first.
        as_json: Columns of mixed or nested values, which are JSON text.
        left_out: Fields (or ``metadata``) that came up only after the columns were decided; metadata of fields, as ``fields['n'].metadata``.
        bytes: Size of the file; 0 for Delta.
    """

    records: int = 0
    columns: tuple[str, ...] = ()
    as_json: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    bytes: int = 0


@dataclass(slots=True)
class Columns:
    """The columns of records: which fields there are, and the one type of each.

    Args:
        chosen: These paths alone, in this order; ``None`` for all top-level fields. Names of the system are the system's: a field
            of such a name is ``fields.<name>``.

    Example:
        >>> columns = Columns()
        >>> columns.see(Record({"n": 1, "t": "a"}, id="x"))
        >>> columns.see(Record({"n": 2.5, "t": 7}, id="y"))
        >>> columns.kinds()
        {'id': 'text', 'n': 'float', 't': 'json', 'created_at': 'datetime', 'updated_at': 'datetime'}
    """

    chosen: tuple[str, ...] | None = None
    _seen: dict[str, set[Kind]] = field(default_factory=dict[str, "set[Kind]"])
    _digits: dict[str, tuple[int, int]] = field(default_factory=dict[str, "tuple[int, int]"])
    _metadata: bool = False

    def see(self, record: Record) -> None:
        """Note the fields and types of a record."""
        if self.chosen is None:
            for name, value in record.data.items():
                self._note(column_of(name), value)
            if metadata_of(record):
                self._metadata = True
            return
        for path in self.chosen:
            self._note(path, value_of(record, path))

    def _note(self, name: str, value: Any) -> None:
        seen = self._seen.setdefault(name, set())
        seen.add(kind_of(value))
        if _inexact(value):
            seen.add("inexact")
        if isinstance(value, (int, Decimal)):
            before, after = self._digits.get(name, (1, 0))
            whole, scale = _digits(value)
            self._digits[name] = max(before, whole), max(after, scale)

    def kinds(self) -> dict[str, Kind]:
        """Return the columns: the id, then the fields, then the system's times (unless columns were chosen)."""
        names = self.chosen
        if names is None:
            names = (*self._seen, *(("metadata",) if self._metadata else ()), "created_at", "updated_at")
        return {name: _TAKEN.get(name) or self._kind(name) for name in ("id", *names)}

    def _kind(self, name: str) -> Kind:
        return _one(self._seen.get(name, set()), self._digits.get(name, (1, 0)))

    def missed(self, record: Record, kinds: dict[str, Kind] | None) -> Iterator[str]:
        """Yield what of a record has no column; ``None`` for lines, which take every field."""
        if self.chosen is not None:
            return
        if kinds is not None:
            yield from (name for name in record.data if column_of(name) not in kinds)
            if "metadata" not in kinds and metadata_of(record):
                yield "metadata"
        yield from (f"fields[{name!r}].metadata" for name in record.fields.info)

    def row(self, record: Record, kinds: dict[str, Kind]) -> dict[str, Any]:
        """Return the values of a record as its columns want them; a value that came later and does not fit is an error."""
        values = values_of(record, self.chosen)
        return {name: fitted(values.get(name), kind, name) for name, kind in kinds.items()}


def column_of(name: str) -> str:
    """Return the column of a data field.

    Example:
        >>> column_of("city"), column_of("id"), column_of("fields.id")
        ('city', 'fields.id', 'fields.fields.id')
    """
    return _ESCAPE + name if name in _TAKEN or name.startswith(_ESCAPE) else name


def field_of(column: str) -> str:
    """Return the data field of a column; see `column_of`."""
    return column.removeprefix(_ESCAPE)


def metadata_of(record: Record) -> dict[str, Any]:
    """Return the metadata that are the user's."""
    return {name: value for name, value in record.metadata.items() if name not in SYSTEM}


def values_of(record: Record, chosen: Sequence[str] | None = None) -> dict[str, Any]:
    """Return all of a record, or its id and what was chosen, by columns."""
    if chosen is not None:
        return {**{path: value_of(record, path) for path in chosen}, "id": record.id}
    values: dict[str, Any] = {"id": record.id, **{column_of(name): value for name, value in record.data.items()}}
    if metadata := metadata_of(record):
        values["metadata"] = metadata
    values.update({"created_at": record.created_at, "updated_at": record.updated_at})
    return values


def value_of(record: Record, path: str) -> Any:
    """Return what a chosen column holds of a record: the value at a path, if the name is not one of the system's.

    Example:
        >>> record = Record({"n": 1, "metadata": "mine"}, {"team": "x"})
        >>> value_of(record, "n"), value_of(record, "metadata"), value_of(record, "fields.metadata")
        (1, {'team': 'x'}, 'mine')
    """
    if path == "metadata":
        return metadata_of(record) or None
    return getattr(record, path) if path in _TAKEN else record.get_value(path)


def _inexact(value: Any) -> bool:
    """Tell whether a number would change if it were a float."""
    return (
        isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64 and int(float(value)) != value
    )


def _in_years(value: datetime) -> bool:
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def kind_of(value: Any) -> Kind:
    """Return the column type of one value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_INT64 <= value < _INT64 else "whole"
    if isinstance(value, Decimal):
        return "decimal" if value.is_finite() else "json"
    if isinstance(value, float):
        return "float"
    if isinstance(value, (str, UUID)):
        return "text"
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, datetime):
        return "naive" if value.tzinfo is None else "datetime" if _in_years(value) else "json"
    if isinstance(value, date):
        return "date"
    if isinstance(value, time) and value.tzinfo is None:
        return "time"
    return "json"  # lists, mappings, times with a zone, times that have no year in UTC


def _digits(value: Decimal | int) -> tuple[int, int]:
    """Return how many digits a number has before and after its point."""
    number = Decimal(value)
    if not number.is_finite():
        return 1, 0
    exponent = int(number.as_tuple().exponent)
    return max(number.adjusted() + 1, 1), max(-exponent, 0)


def _one(kinds: set[Kind], digits: tuple[int, int]) -> Kind:
    """Return the one type that holds values of these types."""
    real = kinds - {"null", "inexact"}
    if not real:
        return "text"
    if real <= {"int", "whole", "decimal"} and real != {"int"}:
        before, after = digits
        fits = before + after <= _MOST_DIGITS
        if "decimal" in real:
            return f"decimal({before + after},{after})" if fits else "digits"
        return f"whole({before},0)" if fits else "whole digits"
    if real == {"int", "float"}:
        return "json" if "inexact" in kinds else "float"
    return real.pop() if len(real) == 1 else "json"


def fitted(value: Any, kind: Kind, name: str) -> Any:
    """Return a value as its column holds it.

    Raises:
        QueryError: It is of another type, and was written after the columns had been decided.
    """
    if value is None:
        return None
    if kind == "json":
        return compact(encode_value(value))
    if kind == "float" and kind_of(value) == "int" and not _inexact(value):
        return float(value)
    base = _base(kind)
    if base != kind or base in _MARKED:
        number = _exactly(value, kind)
        if number is not None:
            return number
    if kind_of(value) != kind:
        raise QueryError(f"column {name!r} got a {type(value).__name__} while it was exported: export again")
    return str(value) if isinstance(value, UUID) else value


def _base(kind: Kind) -> str:
    return kind.partition("(")[0]


def _exactly(value: Any, kind: Kind) -> Decimal | str | None:
    """Return a number as a column of exact numbers holds it; ``None`` if it does not fit."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal) if "whole" not in kind else int):
        return None
    number = Decimal(value)
    if not number.is_finite():
        return None
    if kind.endswith("digits"):
        return format(number, "f") if abs(number.adjusted()) < _LONGEST else str(number)
    precision, scale = map(int, kind.partition("(")[2].rstrip(")").split(","))
    before, after = _digits(number)
    if before > precision - scale or after > scale:
        return None
    return number.quantize(Decimal(1).scaleb(-scale), context=Context(prec=_MOST_DIGITS + 1))


def need(module: str, extra: str) -> Any:
    """Return a library.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return imported(module)
    except ImportError as error:
        raise MissingExtraError(f'this needs {module.partition(".")[0]}: pip install "holdall[{extra}]"') from error


def schema_of(kinds: dict[str, Kind]) -> Any:
    """Return the Arrow schema of columns."""
    arrow = need("pyarrow", "arrow")
    with importing():  # its first array imports pandas, where that is installed
        arrow.array([], arrow.null())
    types = {
        "bool": arrow.bool_(), "int": arrow.int64(), "float": arrow.float64(), "text": arrow.string(), "json": arrow.string(),
        "bytes": arrow.binary(), "datetime": arrow.timestamp("us", tz="UTC"), "naive": arrow.timestamp("us"), "date": arrow.date32(),
        "time": arrow.time64("us"), "digits": arrow.string(), "whole digits": arrow.string(),
    }  # fmt: skip
    fields: list[Any] = []
    for name, kind in kinds.items():
        base, _, digits = kind.partition("(")
        mark = _MARKED.get(base)
        type = arrow.decimal128(*map(int, digits.rstrip(")").split(","))) if digits else types[kind]
        if name == "metadata" and kind == "json":
            mark = "metadata"
        notes = {**({"holdall": mark} if mark else {}), **({"field": field_of(name)} if field_of(name) != name else {})}
        fields.append(arrow.field(name, type, metadata=notes or None))
    return arrow.schema(fields)


def batched(rows: Iterable[dict[str, Any]], most: int = ROWS) -> Iterator[list[dict[str, Any]]]:
    """Yield rows in lists of so many at most, and of no more than some 64 MiB of text and bytes, or of one row.

    Example:
        >>> [len(some) for some in batched(({"n": n} for n in range(5)), 2)]
        [2, 2, 1]
    """
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        more = sum(len(value) for value in row.values() if isinstance(value, (str, bytes)))
        if held and (len(held) == most or size + more > BYTES):
            yield held
            held, size = [], 0
        held.append(row)
        size += more
    if held:
        yield held


def batch_of(rows: Sequence[dict[str, Any]], schema: Any) -> Any:
    """Return rows as one Arrow record batch; long values go into it in steps."""
    arrow = need("pyarrow", "arrow")
    held = list(rows)
    columns = [[row.get(name) for row in held] for name in schema.names]
    arrays = [
        poured(column, field.type) if _long(column) else arrow.array(column, type=field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _long(column: Sequence[Any]) -> bool:
    """Tell whether a value of a column is text or bytes too long for one call."""
    return any(isinstance(value, (str, bytes)) and len(value) > STEP for value in column)


def poured(column: Sequence[str | bytes | None], type: Any) -> Any:
    """Return texts or bytes as an Arrow array, their bytes copied in steps: Arrow takes a value in one call, twice over.

    Raises:
        OverflowError: They are more than an Arrow array of this type takes (2 GiB).

    Example:
        >>> import pyarrow
        >>> poured(["é", None], pyarrow.string())
        <pyarrow.lib.StringArray object at ...>
        [
          "é",
          null
        ]
    """
    arrow = need("pyarrow", "arrow")
    ends, there, parts = array("i", [0]), bytearray(-(-len(column) // 8)), list[bytes | memoryview]()
    for place, value in enumerate(column):
        size = 0
        if value is not None:
            there[place // 8] |= 1 << place % 8
            view = memoryview(binary(value) if isinstance(value, str) else value)
            size = len(view)
            parts += [view[at : at + STEP] for at in range(0, size, STEP)]
        ends.append(ends[-1] + size)
    buffers = [arrow.py_buffer(each) for each in (bytes(there), ends.tobytes(), gathered(parts))]
    return arrow.Array.from_buffers(type, len(column), buffers)


def table_of(records: Iterable[Record], chosen: tuple[str, ...] | None = None) -> Any:
    """Return records as an Arrow table."""
    columns = Columns(chosen)
    held = list(records)
    for record in in_turns(held):
        columns.see(record)
    kinds = columns.kinds()
    schema = schema_of(kinds)
    rows = (columns.row(record, kinds) for record in in_turns(held))
    batches: list[Any] = []
    for some in batched(rows, _AT_ONCE):
        give_way()
        batches.append(batch_of(some, schema))
    return need("pyarrow", "arrow").Table.from_batches(batches, schema).combine_chunks()


def as_pandas(table: Any) -> Any:
    """Return an Arrow table as a `pandas.DataFrame`."""
    need("pandas", "pandas")
    return table.to_pandas()


def as_polars(table: Any) -> Any:
    """Return an Arrow table as a `polars.DataFrame`."""
    return need("polars", "polars").from_arrow(table)
