"""``holdall records``: query, count, export and migrate databases of records."""

from __future__ import annotations

import json as codec
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from math import isfinite
from typing import Annotated
from urllib.parse import quote

import typer

from holdall.cli.output import emit, emit_json, human, is_terminal, plain
from holdall.cli.places import Places
from holdall.core.config import find_config
from holdall.core.convert import closest
from holdall.core.urls import url_scheme
from holdall.engine.resolve import mount_reference
from holdall.errors import ConfigError
from holdall.records import Database, DatabaseFactory, MigrationError, ObjectDatabase, Query, QueryError, Record, migrate
from holdall.records.encoding import decode_value, encode_value
from holdall.records.export_files import format_of, write_file
from holdall.records.migration_report import OUTCOMES, MigrationProgress, MigrationReport
from holdall.records.query import OPERATORS

__all__ = ["condition", "group", "opened"]

group = typer.Typer(
    name="records",
    help="Records: query, count, export, migrate.",
    epilog="A DATABASE is a name from `databases:` of the configuration, a URL (sqlite:///file.db, postgresql://host/name, s3://bucket/prefix), mount:path, "
    "or a path with a slash: ./people.db is SQLite's, ./people a directory of objects.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)

OneDatabase = Annotated[str, typer.Argument(metavar="DATABASE")]
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Configuration with the databases.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="CONDITION",
        help="'FIELD OP VALUE', such as 'age >= 18'; several are ANDed. Values are JSON ([1, 2]) or text.",
    ),
]

_Told = Callable[[int, int | None, float], None]
"""Shows how many records have passed, of how many, and how many in a second."""
_SHOWN = 500

_WORDS = sorted((*OPERATORS, "==", "<>"), key=len, reverse=True)
_OPERATOR = "|".join(re.escape(word).replace(re.escape(" "), "[ _]+") for word in _WORDS)
_CONDITION = re.compile(
    rf"\s*(?:\"(?P<quoted>[^\"]+)\"|(?P<field>\S+))\s+(?P<op>{_OPERATOR})(?:\s+(?P<value>.*))?\s*", re.IGNORECASE | re.DOTALL
)
_EITHER = {"=": "in", "==": "in", "!=": "not in", "<>": "not in"}
"""What an operator is, of a number that may have been stored as a float or as a decimal."""
_SECOND = re.compile(rf"(?:\s(?:and|or)\s|&&?|\|\|?|[,;])\s*\S+\s+(?:{_OPERATOR})(?:\s|\Z)", re.IGNORECASE)
"""What makes a value look like one more condition."""
_ORDERS = ("asc", "desc", "ascending", "descending")
"""What an order of `--sort` is meant to be, or is close to."""


def condition(query: Query, text: str) -> Query:
    """Return a query with one condition more, as it was written on the command line.

    The value is JSON where it can be read as such (``18``, ``true``, ``["a", "b"]``), else text, which may stand in single quotes. A
    number with decimals is that float, and that decimal. A field with spaces stands in double quotes.
    """
    found = _CONDITION.fullmatch(text)
    if found is None or (found["field"] or "").startswith("("):
        raise typer.BadParameter(
            f"a condition is 'FIELD OP VALUE' with one of {', '.join(OPERATORS)}, not {text!r}; a field with spaces stands in double quotes"
        )
    field, given = found["quoted"] or found["field"], found["value"] or None
    if given is None and "exists" not in found["op"].lower():
        raise typer.BadParameter(
            f"{text!r} lacks a value: '' is an empty text, '{field} not exists' finds what is missing or null"
        )
    op, value = found["op"], None if given is None else _value(given)
    if (
        given is not None
        and op in _EITHER
        and isinstance(value, float)
        and isfinite(value)
        and Decimal(given.strip()) != value
    ):
        return query.filter(field, _EITHER[op], [value, Decimal(given.strip())])  # 0.3 is not quite Decimal("0.3")
    try:
        return query.filter(field, op, value)
    except QueryError as error:
        example = " such as [1, 2]" if isinstance(value, str) and op.lower().endswith(("in", "between")) else ""
        raise typer.BadParameter(f"{text!r}: {error}{example}") from error


def _value(given: str) -> object:
    """Return a value: JSON, also of the kinds that it lacks (``{"$decimal": "0.3"}``), else text.

    Raises:
        typer.BadParameter: It looks like a value and one more condition.
    """
    try:
        parsed = codec.loads(given)
    except ValueError:
        pass
    else:
        return decode_value(parsed)
    if len(given) > 1 and given[0] == given[-1] == "'":
        return given[1:-1].replace("''", "'")
    if _SECOND.search(given):
        raise typer.BadParameter(
            f"{given!r} looks like more than a value: one --where for each condition, or the value in quotes"
        )
    return given


def _sorted(query: Query, text: str) -> Query:
    """Return a query with one sort key more: FIELD, FIELD:asc or FIELD:desc; any other word behind a colon is part of the name."""
    field, colon, order = text.rpartition(":")
    if not colon or order.lower() not in {"asc", "desc"}:
        if colon and (not order or closest(order, _ORDERS)):
            raise typer.BadParameter(
                f"the order of {field!r} is asc or desc, not {order!r} (a field of that name: '{text}:asc')"
            )
        if text.lower().endswith((" asc", " desc")):
            raise typer.BadParameter(f"write {':'.join(text.rsplit(None, 1))!r}, not {text!r}")
        field, order = text, "asc"
    if not field:
        raise typer.BadParameter(f"a sort key is FIELD, FIELD:asc or FIELD:desc, not {text!r}")
    return query.sort(field, order)


@contextmanager
def opened(context: typer.Context, config: str | None, source: str, target: str | None = None) -> Generator[list[Database]]:
    """Open a database that is there, and perhaps one that may be new, by name, URL or path; close them at the end."""
    config = config or context.find_root().params.get("config")
    databases: list[Database] = []
    try:
        databases.append(_open(source, config, new=False))
        if target is not None:
            databases.append(_open(target, config, new=True))
        yield databases
    finally:
        for database in databases:
            database.close()


def _open(name: str, config: str | None, *, new: bool) -> Database:
    if url_scheme(name) is not None:
        scheme, _, file = name.partition(":///")
        if scheme in {"sqlite", "sqlite+pysqlite"}:
            _check_there(file.partition("?")[0], new=new)
        return Database.open(name)
    if mount_reference(name) is not None and not os.path.lexists(name):
        place = Places(config).read(name)
        if place.node.path.endswith("/"):
            raise ConfigError(f"the name of a database does not end with '//': {name!r}")
        return ObjectDatabase(place.node.store, prefix=place.node.path)
    if "/" in name or os.sep in name:
        _check_there(name, new=new)
        if os.path.splitext(name)[1].lower() in _SQLITE:
            return Database.open(f"sqlite:///{name}")
        return Database.open(f"file://{quote(os.path.abspath(name))}" + ("?create=true" if new else ""))
    path = config or find_config()
    if path is None:
        raise ConfigError(f"{name!r} is no URL and no path (./{name}), and there is no configuration that could name it")
    if not os.path.exists(path):
        raise ConfigError(f"there is no configuration at {path}")
    try:
        return DatabaseFactory.from_file(path).create(name)
    except ConfigError as error:
        if os.path.exists(name):
            raise ConfigError(f"{error.message}; for the file here write ./{name}") from error
        raise


_SQLITE = {".db", ".sqlite", ".sqlite3"}


def _check_there(path: str, *, new: bool) -> None:
    """Refuse a file that is only to be read, and is not there: SQLite would make it.

    Raises:
        ConfigError: It is not there.
    """
    if not new and path not in {"", ":memory:"} and not os.path.exists(path):
        raise ConfigError(f"there is no {path!r}")


def _query(where: Sequence[str] | None) -> Query:
    query = Query()
    for text in where or ():
        query = condition(query, text)
    return query


@group.command("query")
def query_(
    context: typer.Context,
    database: OneDatabase,
    where: Where = None,
    sort: Annotated[
        list[str] | None, typer.Option("--sort", help="FIELD or FIELD:desc; the first is the primary key.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="At most so many records.")] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Leave out so many records.")] = 0,
    select: Annotated[list[str] | None, typer.Option("--select", help="Only this path; may be repeated.")] = None,
    sql: Annotated[str | None, typer.Option("--sql", help="One SELECT over records instead.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Print records, one line each; or the rows of a SELECT."""
    query = _query(where).offset(offset).select(*(select or ()))
    for text in sort or ():
        query = _sorted(query, text)
    if limit is not None:
        query = query.limit(limit)
    if sql is not None and query != Query():
        raise typer.BadParameter("--sql says it all; leave out the other options")
    with opened(context, config, database) as (db,):
        if sql is not None:
            for row in db.select_query(sql):
                emit_json({name: encode_value(value) for name, value in row.items()})
            return
        for record in db.stream(query):
            _show(record, json=json)


def _show(record: Record, *, json: bool) -> None:
    if json:
        shown = record.to_dict(form="full")
        emit_json({"id": record.id, "fields": encode_value(shown["fields"]), "metadata": encode_value(shown["metadata"])})
    else:
        emit(f"{plain(str(record.id))}  {codec.dumps(encode_value(record.data), ensure_ascii=False)}")


@group.command("count")
def count(
    context: typer.Context, database: OneDatabase, where: Where = None, json: Json = False, config: Config = None
) -> None:
    """Count records."""
    with opened(context, config, database) as (db,), _waiting("counting records", quiet=json):
        found = db.count(_query(where))
    if json:
        emit_json({"count": found})
    else:
        emit(str(found))


@group.command("export")
def export(
    context: typer.Context,
    database: OneDatabase,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A path, URL or mount:path.")],
    where: Where = None,
    format: Annotated[
        str | None, typer.Option("--format", help="parquet, arrow, csv, jsonl or delta; else by the suffix.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="Only this path; may be repeated.")] = None,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Write records to a file on any storage, or to a Delta table."""
    query, chosen = _query(where), format_of(target, format)
    with opened(context, config, database) as (db,), _bar(quiet=quiet or json) as told:
        report = write_file(target, lambda: _passing(db.stream(query), told), format=chosen, columns=column or None)
    if json:
        emit_json({name: getattr(report, name) for name in ("records", "columns", "as_json", "left_out", "bytes")})
    elif not quiet:
        emit(f"{report.records} records" + (f", {human(report.bytes)}" if report.bytes else ""))
        if report.as_json:
            emit(f"as JSON text (nested, or of several types): {', '.join(map(plain, report.as_json))}")
        if report.left_out:
            emit(f"left out: {', '.join(map(plain, report.left_out))}")


@group.command("migrate")
def migrate_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    where: Where = None,
    on_conflict: Annotated[str, typer.Option("--on-conflict", help="insert, upsert or skip.")] = "insert",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Records written at once.")] = 500,
    verify: Annotated[str, typer.Option("--verify", help="none, count, sample:200 or full.")] = "count",
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="A file to go on from after a failure.")] = None,
    delete_source: Annotated[bool, typer.Option("--delete-source", help="Remove what has verifiably arrived.")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Collect failures and go on.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done and do nothing.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Copy records from one database to another, or move them with --delete-source."""
    with opened(context, config, source, target) as (old, new), _watch(quiet=quiet or json) as told:
        try:
            report = migrate(
                old,
                new,
                _query(where),
                on_conflict=on_conflict,
                batch_size=batch_size,
                on_error="collect" if keep_going else "raise",
                on_progress=told,
                checkpoint=checkpoint,
                verify=verify,
                delete_source=delete_source,
                dry_run=dry_run,
            )
        except MigrationError as error:
            if isinstance(error.report, MigrationReport):
                _tell(error.report, quiet=quiet, json=json)
            raise
    _tell(report, quiet=quiet, json=json)
    if report.failed:
        raise typer.Exit(1)


def _tell(report: MigrationReport, *, quiet: bool, json: bool) -> None:
    counts = {name: getattr(report, name) for name in ("read", *OUTCOMES, "deleted")}
    if json:
        errors = [{"id": key, "error": str(error)} for key, error in report.errors]
        emit_json({**counts, "kept": report.kept, "bytes": report.bytes, "seconds": report.seconds, "verified": report.verified,
                   "dry_run": report.dry_run, "errors": errors})  # fmt: skip
        return
    if quiet:
        return
    emit(
        ("would be: " if report.dry_run else "")
        + ", ".join(f"{value} {name}" for name, value in counts.items() if value or name == "read")
    )
    for key, error in report.errors:
        emit(f"{plain(key)}: {plain(str(error))}")
    for key in report.kept:
        emit(f"{plain(key)}: changed meanwhile, stays in the source")


def _passing(records: Iterable[Record], told: _Told | None) -> Iterator[Record]:
    """Yield records and show how many have passed; an export looks at all columns first, and then writes."""
    if told is None:
        yield from records
        return
    begin = time.monotonic()
    for passed, record in enumerate(records, 1):
        yield record
        if passed % _SHOWN == 0:
            told(passed, None, passed / (time.monotonic() - begin))


@contextmanager
def _watch(*, quiet: bool) -> Generator[Callable[[MigrationProgress], None] | None]:
    """Show the progress of a migration."""
    with _bar(quiet=quiet) as told:
        yield None if told is None else lambda event: told(event.read, event.total, event.rate)


@contextmanager
def _waiting(title: str, *, quiet: bool) -> Generator[None]:
    """Show that something is under way of which nobody knows the end, where stderr is a terminal."""
    if quiet or not is_terminal():
        yield
        return
    from rich.console import Console  # noqa: PLC0415  # only where something is drawn

    with Console(stderr=True).status(title):
        yield


@contextmanager
def _bar(*, quiet: bool) -> Generator[_Told | None]:
    """Show progress: a bar where stderr is a terminal, else nothing."""
    if quiet or not is_terminal():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  # only where something is drawn
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("records"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("records", total=None, rate="?")

        def told(done: int, total: int | None, rate: float) -> None:
            bar.update(task, completed=done, total=total, rate=f"{rate:.0f}")

        yield told
