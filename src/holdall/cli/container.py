"""``holdall container``: look into lazy containers, take values out of them, make them from JSON and back."""

from __future__ import annotations

import json as codec
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Annotated, Any, TypeVar

import typer

from holdall.cli.output import emit, emit_json, human, is_terminal, plain
from holdall.cli.places import Places
from holdall.containers import FormatError, LazyList, LazyReader, WriteOptions, dump, stream_list, to_obj
from holdall.errors import ConfigError

__all__ = ["group"]

group = typer.Typer(
    name="container",
    help="Lazy containers: inspect, get, pack, unpack.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Configuration with the mounts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")]
Lines = Annotated[bool, typer.Option("--lines", "-l", help="JSON lines: one item of a list per line, streamed.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
One = Annotated[str, typer.Argument(metavar="PLACE")]
T = TypeVar("T")


@contextmanager
def _opened(place: str, config: str | None) -> Generator[LazyReader]:
    places = Places(config)
    try:
        node = places.read(place).node
        with LazyReader(node.key, store=node.store) as reader:
            yield reader
    finally:
        places.close()


@group.command("inspect")
def inspect(
    place: One,
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, help="Levels below the root.")] = 2,
    verify: Annotated[bool, typer.Option("--verify", help="Read everything and check it.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show what a container holds, as a tree with sizes; nothing but its table of contents is read."""
    with _opened(place, config) as reader:
        for line in reader.outline(depth=depth):
            if json:
                emit_json({"path": list(line.path), "kind": line.kind, "items": line.items, "size": line.size})
                continue
            name = plain(str(line.path[-1])) if line.path else place
            items = "" if line.items is None else f", {line.items} items"
            size = "" if line.size is None else f", {human(line.size)}"
            emit(f"{'  ' * len(line.path)}{name}  ({line.kind}{items}{size})")
        if verify:
            report = reader.verify()
            told = {"size": report.size, "leaves": report.leaves, "checksums": report.checksums, "archives": report.archives}
            if json:
                emit_json(told)
            else:
                emit(f"verified: {human(report.size)}, {report.leaves} leaves, {report.checksums} checksums")


@group.command("get")
def get(
    place: One,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Such as rows/17/name or rows/0:10.")],
    config: Config = None,
) -> None:
    """Print one value as JSON; only what it needs is read."""
    with _opened(place, config) as reader:
        value = reader.read(path)
        emit_json([to_obj(item) for item in value] if isinstance(value, list) else to_obj(value))


@group.command("pack")
def pack(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A JSON file; - for stdin.")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    lines: Lines = False,
    codec_name: Annotated[str, typer.Option("--codec", help="msgpack or cbor.")] = "msgpack",
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Make a container of a JSON file."""
    if codec_name not in {"msgpack", "cbor"}:
        raise ConfigError(f"--codec is msgpack or cbor, not {codec_name!r}")
    options = WriteOptions(codec="msgpack" if codec_name == "msgpack" else "cbor")
    places = Places(config)
    try:
        goal = places.read(target).node
        with _text(places, source) as file:
            document = stream_list(_counted(map(_parsed, file), quiet=quiet)) if lines else _parsed(file.read())
            result = dump(goal.key, document, store=goal.store, options=options)
    finally:
        places.close()
    if not quiet:
        emit(f"{human(result.size)} written, table of contents {human(result.toc_size)}")


@group.command("unpack")
def unpack(
    place: One,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A JSON file; - for stdout.")] = "-",
    lines: Lines = False,
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Write a container's document as JSON."""
    with _opened(place, config) as reader:
        root = reader.root
        if lines and not isinstance(root, (list, LazyList)):
            raise ConfigError("--lines is for a document that is a list")
        texts: Iterable[str] = (
            (f"{codec.dumps(to_obj(item), default=str)}\n" for item in _counted(root, quiet=quiet or target == "-"))
            if lines
            else [f"{codec.dumps(reader.to_obj(), default=str)}\n"]
        )
        if target == "-":
            sys.stdout.writelines(texts)
            return
        places = Places(config)
        try:
            goal = places.read(target).node
            goal.store.put(goal.key, (text.encode() for text in texts))
        finally:
            places.close()


@contextmanager
def _text(places: Places, source: str) -> Generator[IO[str]]:
    if source == "-":
        yield sys.stdin
        return
    with places.read(source).node.open("r", encoding="utf-8") as file:
        yield file


def _parsed(text: str) -> Any:
    try:
        return codec.loads(text)
    except ValueError as error:
        raise FormatError(f"the source is no JSON: {error}") from error


def _counted(items: Iterable[T], *, quiet: bool) -> Iterator[T]:
    """Pass items on, and tell on a terminal how many there were."""
    shown = not quiet and is_terminal()
    for number, item in enumerate(items, 1):
        if shown and number % 10_000 == 0:
            print(f"\r{number} items", end="", file=sys.stderr, flush=True)  # noqa: T201  # progress
        yield item
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)  # noqa: T201  # progress
