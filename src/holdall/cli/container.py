"""``holdall container``: look into lazy containers, take values out of them, make them from JSON and back."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from types import TracebackType
from typing import IO, Annotated, Self

import typer

from holdall.cli.jsons import JsonText, lines, texts
from holdall.cli.output import emit, emit_json, human, is_terminal, plain
from holdall.cli.places import Places
from holdall.containers import LazyList, LazyReader, WriteOptions, dump, stream_list, to_obj
from holdall.containers.reader import read_ahead
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
BLOCK = 1024 * 1024
"""Characters that are written, or told of, at a time."""


@contextmanager
def _opened(place: str, config: str | None) -> Generator[LazyReader]:
    places = Places(config)
    try:
        node = places.read(place).file()
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
        sys.stdout.writelines(chain(texts(to_obj(value) if isinstance(value, list) else value), "\n"))


@group.command("pack")
def pack(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A JSON file; - for stdin.")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    by_line: Lines = False,
    codec_name: Annotated[str, typer.Option("--codec", help="msgpack or cbor.")] = "msgpack",
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Make a container of a JSON file, member by member of its outermost list or map: neither text nor document is in memory whole."""
    if codec_name not in {"msgpack", "cbor"}:
        raise ConfigError(f"--codec is msgpack or cbor, not {codec_name!r}")
    options = WriteOptions(codec="msgpack" if codec_name == "msgpack" else "cbor")
    places = Places(config)
    try:
        goal = places.read(target).file()
        with _text(places, source) as (file, size), _Meter("read", size, quiet=quiet) as meter:
            document = stream_list(lines(file, meter.add)) if by_line else JsonText(file, meter.add).document()
            result = dump(goal.key, document, store=goal.store, options=options)
    finally:
        places.close()
    if not quiet:
        emit(f"{human(result.size)} written, table of contents {human(result.toc_size)}")


@group.command("unpack")
def unpack(
    place: One,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A JSON file; - for stdout.")] = "-",
    by_line: Lines = False,
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Write a container's document as JSON while it is read: times as text, bytes as base64, arrays as lists."""
    with _opened(place, config) as reader:
        read_ahead(reader)
        root = reader.root
        if by_line and not isinstance(root, (list, LazyList)):
            raise ConfigError("--lines is for a document that is a list")
        pieces = chain.from_iterable((*texts(item), "\n") for item in root) if by_line else chain(texts(root), "\n")
        if target == "-":
            sys.stdout.writelines(pieces)
            return
        places = Places(config)
        try:
            goal = places.read(target).file()
            with _Meter("written", None, quiet=quiet) as meter:
                goal.store.put(goal.key, _blocks(pieces, meter))
        finally:
            places.close()


@contextmanager
def _text(places: Places, source: str) -> Generator[tuple[IO[str], int | None]]:
    """Open the text, and tell its size if it is known."""
    if source == "-":
        yield sys.stdin, None
        return
    node = places.read(source).file()
    with node.open("r", encoding="utf-8-sig") as file:
        yield file, node.size


def _blocks(pieces: Iterable[str], meter: _Meter) -> Iterator[bytes]:
    """Join small pieces of text."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK:
            meter.add(size)
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


class _Meter:
    """Tells on a terminal how far an act is."""

    def __init__(self, verb: str, total: int | None, *, quiet: bool) -> None:
        self._verb = verb
        self._total = "" if total is None else f" of {human(total)}"
        self._shown = not quiet and is_terminal()
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._show("")

    def add(self, size: int) -> None:
        """Take note of what was done."""
        before, self._done = self._done, self._done + size
        if before // BLOCK != self._done // BLOCK:
            self._show(f"{human(self._done)}{self._total} {self._verb}")

    def _show(self, text: str) -> None:
        if self._shown:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)  # noqa: T201  # progress
