"""Files of records: each format as a writer that turns rows into bytes as it goes, and the way back."""

from __future__ import annotations

import csv
import io
import os
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

from holdall._buffers import gathered
from holdall.core.secrets import mask
from holdall.engine.resolve import resolve
from holdall.engine.streams import open_file
from holdall.errors import ConfigError, HoldallError
from holdall.records.encoding import decode_value, encode_value
from holdall.records.errors import CorruptRecordError, QueryError
from holdall.records.export import (
    FORMATS,
    ROWS,
    Columns,
    ExportReport,
    Format,
    Kind,
    batch_of,
    batched,
    field_of,
    kind_of,
    need,
    schema_of,
    values_of,
)
from holdall.records.export_delta import for_delta, write_delta
from holdall.records.lengthy import binary, compact
from holdall.records.lengthy_reading import loads
from holdall.records.record import Record
from holdall.results import CHUNK

__all__ = ["format_of", "records_from", "write_file"]

_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


def format_of(where: str | os.PathLike[str], given: str | None) -> Format:
    """Return the format that was asked for, or that the name's suffix says.

    Raises:
        ConfigError: Neither, or it is ``-``.
    """
    if where == "-":
        raise ConfigError("an export needs a file: a path, a URL or mount:path, not '-' (./- is a file of that name)")
    path = os.fspath(where)
    path = path.partition("?")[0] if "://" in path else path
    chosen = given or _SUFFIXES.get(os.path.splitext(path)[1].lower(), "")
    if chosen not in FORMATS:
        what = f"not {given!r}" if given else f"which the name {os.path.basename(path)!r} does not tell"
        raise ConfigError(f"a format is one of {', '.join(FORMATS)}, {what}")
    return chosen


def write_file(
    where: str | os.PathLike[str],
    stream: Callable[[], Iterable[Record]],
    *,
    format: Format,
    columns: Sequence[str] | None = None,
    storage_options: dict[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ExportReport:
    """Write records to a file, or to a Delta table; it is there whole or not at all.

    Args:
        where: A path, URL or ``mount:path``.
        stream: Begins a stream of the records; called once to see the columns, once to write.
        format: See `FORMATS`.
        columns: These paths alone.
        storage_options: For Delta on an object store: what `deltalake` takes.
        stopped: Asked before each row: whether to give up.
    """
    report = ExportReport()
    if isinstance(columns, str):
        raise ConfigError(f"columns are a list of paths, not {columns!r}")
    seen = Columns(None if columns is None else tuple(columns))
    lines = format == "jsonl"
    kinds: dict[str, Kind] = {}
    if not lines:
        for record in stream():
            _check(stopped)
            seen.see(record)
        kinds = for_delta(seen.kinds()) if format == "delta" else seen.kinds()
    report.columns = tuple(kinds)
    report.as_json = tuple(name for name, kind in kinds.items() if kind == "json")
    missed: dict[str, None] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for record in stream():
            _check(stopped)
            report.records += 1
            missed.update(dict.fromkeys(seen.missed(record, None if lines else kinds)))
            yield values_of(record, seen.chosen) if lines else seen.row(record, kinds)

    if format == "delta":
        write_delta(os.fspath(where), rows(), kinds, storage_options)
    else:
        place = resolve(where)
        if not place.key:
            raise ConfigError("an export goes to a file: a path, a URL or mount:path")
        parts = _lined(rows()) if format == "jsonl" else _pieces(_WRITERS[format](kinds), rows())

        def chunks() -> Iterator[bytes]:
            for part in parts:
                report.bytes += len(part)
                yield part

        place.store.put(place.key, chunks())
    report.left_out = tuple(missed)
    return report


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise QueryError("the export was cancelled")


class _Writer(Protocol):
    def add(self, rows: list[dict[str, Any]]) -> bytes: ...
    def end(self) -> bytes: ...


def _pieces(writer: _Writer, rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for some in batched(rows):
        if part := writer.add(some):
            yield part
    yield writer.end()


def _lined(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a JSON object per line, some lines at once; values that JSON lacks are tagged as in records, so that nothing is lost."""
    held: list[bytes | memoryview] = []
    size = 0
    for row in rows:
        held.append(binary(compact(encode_value(row)) + "\n"))
        size += len(held[-1])
        if size >= CHUNK:
            yield gathered(held)  # which empties the list
            size = 0
    yield gathered(held)


class _Sink(io.RawIOBase):
    """Takes what a writer writes until it is fetched."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def fetch(self) -> bytes:
        """Return what was written since the last time."""
        data, self._held = bytes(self._held), bytearray()
        return data


class _Arrow:
    """Parquet, or Arrow's own file format."""

    def __init__(self, kinds: dict[str, Kind], open: Callable[[Any, Any], Any]) -> None:
        self._schema = schema_of(kinds)
        self._sink = _Sink()
        self._writer = open(self._sink, self._schema)

    def add(self, rows: list[dict[str, Any]]) -> bytes:
        if rows:
            self._writer.write_batch(batch_of(rows, self._schema))
        return self._sink.fetch()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.fetch()


def _parquet(kinds: dict[str, Kind]) -> _Writer:
    return _Arrow(kinds, need("pyarrow.parquet", "arrow").ParquetWriter)


def _arrow(kinds: dict[str, Kind]) -> _Writer:
    return _Arrow(kinds, need("pyarrow", "arrow").ipc.new_file)


class _Csv:
    """CSV (RFC 4180) with a line of names; numbers in digits, bytes as base64, times in ISO 8601."""

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.DictWriter(self._text, list(kinds))
        self._writer.writeheader()

    def add(self, rows: list[dict[str, Any]]) -> bytes:
        self._writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return data

    def end(self) -> bytes:
        return self.add([])


_WRITERS: dict[str, Callable[[dict[str, Kind]], _Writer]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "csv": _Csv,
}


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if hasattr(value, "isoformat") else value


def records_from(source: Any) -> Iterator[Record]:
    """Yield the records of an Arrow table, or of a file of Parquet, Arrow or JSON lines; for `Database.batch_create`.

    ``created_at`` and ``updated_at`` are the record's times if they are datetimes (a database keeps the first, and sets the second by
    itself); in files of others they may be anything else, and are fields then.

    Args:
        source: A table, or a path, URL or ``mount:path``.

    Raises:
        ConfigError: A file of another format.
        CorruptRecordError: It is damaged, or not what its name says.

    Examples:
        >>> import pyarrow
        >>> [(record.id, record["n"]) for record in records_from(pyarrow.table({"id": ["a"], "n": [1]}))]
        [('a', 1)]
    """
    if not isinstance(source, (str, os.PathLike)):
        yield from _records_of(source)
        return
    where = os.fspath(source)
    kind = format_of(where, None)
    if kind == "csv":
        raise ConfigError("CSV has no types; read it with your own rules")
    place = resolve(source)
    try:
        if kind == "jsonl":
            for line in _lines_of(place.store.get(place.key)):
                values = decode_value(loads(line))
                yield _record_of(values, values.pop("id", None), values.pop("metadata", None), field_of)
            return
        with open_file(place.store, place.key) as file:
            for batch in _batches_of(file, kind):
                yield from _records_of(batch)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, HoldallError):
            raise
        raise CorruptRecordError(f"{mask(where)} is damaged, or no {kind}: {error}", reason=f"no {kind}") from error


def _batches_of(file: Any, kind: str) -> Iterator[Any]:
    """Yield the batches of a file of Parquet or Arrow, read as they are asked for."""
    if kind == "parquet":
        parquet = need("pyarrow.parquet", "arrow").ParquetFile(file)
        for group in range(parquet.num_row_groups):  # one after the other: a batch would hold rows of many
            yield from parquet.iter_batches(ROWS, row_groups=[group])
        return
    with need("pyarrow", "arrow").ipc.open_file(file) as reader:
        for at in range(reader.num_record_batches):
            yield reader.get_batch(at)


def _lines_of(chunks: Iterable[Any]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + bytes(chunk)).split(b"\n")
        yield from lines
    if rest:
        yield rest


_READERS: dict[bytes | None, Callable[[Any], Any]] = {
    b"json": lambda text: decode_value(loads(text)),
    b"metadata": lambda text: decode_value(loads(text)),
    b"decimal": Decimal,
    b"int": int,
}


def _records_of(table: Any) -> Iterator[Record]:
    marks = {column.name: column.metadata or {} for column in table.schema}
    readers = {name: _READERS.get(mark.get(b"holdall")) for name, mark in marks.items()}
    ours = {name: mark[b"field"].decode() for name, mark in marks.items() if b"field" in mark}
    about = marks.get("metadata", {}).get(b"holdall") == b"metadata"
    batches = table.to_batches(ROWS) if hasattr(table, "to_batches") else [table]
    for batch in batches:
        for row in _rows_of(batch):
            values: dict[str, Any] = {}
            for name, value in row.items():
                reader = readers[name]
                values[name] = value if reader is None or value is None else reader(value)
            id = values.pop("id", None)
            metadata = values.pop("metadata") if about else None
            yield _record_of(values, None if id is None else str(id), metadata, lambda name: ours.get(name, name))


def _rows_of(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch.

    Raises:
        CorruptRecordError: A column holds what Python has no value for, such as a time of the year 10000.
    """
    try:
        return list(batch.to_pylist())
    except (OverflowError, ValueError) as error:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column.to_pylist()
            except (OverflowError, ValueError) as said:
                raise CorruptRecordError(
                    f"column {name!r} holds a value that Python has not: {said}", reason="out of range"
                ) from error
        raise


def _record_of(values: dict[str, Any], id: Any, metadata: Any, name_of: Callable[[str], str]) -> Record:
    """Return the record of a row or a line; what is no metadata, or no time, as in files of others, is a field."""
    times = {name: values.pop(name) for name in _TIMES if kind_of(values.get(name)) in {"datetime", "naive"}}
    data = {name_of(name): value for name, value in values.items()}
    if not isinstance(metadata, dict) and metadata is not None:
        data["metadata"], metadata = metadata, None
    return Record(data, {**(metadata or {}), **times}, id=id)


_TIMES = ("created_at", "updated_at")
