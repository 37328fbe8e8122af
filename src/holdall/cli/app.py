"""The commands. Each reads its places, asks the mounts, and prints plain lines or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any, Literal

import typer

from holdall.cli import acts
from holdall.cli.places import Place, Places
from holdall.cli.running import complain, exit_code, sentence
from holdall.errors import HoldallError

__all__ = ["app"]

EPILOG = (
    "PLACES are mount:path (mounts come from --config, HOLDALL_CONFIG, ./holdall.toml or the user's configuration), "
    "URLs (s3://bucket/a, https://host/a, sftp://user@host/a ...) and local paths. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted, 141 output closed."
)

app = typer.Typer(
    name="holdall",
    help="Files on local disk, S3, GCS, Azure, HTTP, SFTP, SMB, FTP, WebDAV and more, by one set of commands.",
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Configuration with the mounts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Directories too, with all that is below.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done and do nothing.")]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", help="Only files whose relative path matches (* crosses /)."),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Not files whose relative path matches.")
]
Skip = Annotated[
    Literal["never", "exists", "size", "hash"],
    typer.Option(
        "--skip", help="Leave a target that is there: never, or if it exists, has the same size, the same content."
    ),
]
Verify = Annotated[
    Literal["none", "size", "checksum", "read"] | None,
    typer.Option("--verify", help="How copies are checked; read reads each one back."),
]
Concurrency = Annotated[int | None, typer.Option("--concurrency", "-j", min=1, metavar="N", help="Parts in flight.")]
OnePlace = Annotated[str, typer.Argument(metavar="PLACE")]
ManySources = Annotated[list[str], typer.Argument(metavar="SOURCE")]
Source = Annotated[str, typer.Argument(metavar="SOURCE")]
Target = Annotated[str, typer.Argument(metavar="TARGET")]
ManyPlaces = Annotated[list[str], typer.Argument(metavar="PLACE")]

_given: dict[str, str | None] = {"config": None}


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    config: Config = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Note what stands before the command."""
    _given["config"] = config
    if version:
        from holdall import __version__  # noqa: PLC0415

        acts.emit(f"holdall {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        acts.emit(context.get_help())
        raise typer.Exit(2)


@contextmanager
def _places(config: str | None) -> Generator[Places]:
    places = Places(config or _given["config"])
    try:
        yield places
    finally:
        places.close()


def _each(places: list[Place], act: Callable[[Place], None]) -> None:
    """Do something to each place; one that fails is told, and the others are done all the same."""
    failed = 0
    for place in places:
        try:
            act(place)
        except BrokenPipeError:
            raise
        except (HoldallError, OSError) as error:
            if len(places) == 1:
                raise
            sys.stdout.flush()
            complain(f"{place.text}: {sentence(error)}")
            failed = max(failed, exit_code(error))
    if failed:
        raise typer.Exit(failed)


@app.command("ls")
def ls(
    place: OnePlace = ".",
    long: Annotated[bool, typer.Option("--long", "-l", help="Size, time and name.")] = False,
    recursive: Recursive = False,
    human: Annotated[bool, typer.Option("--human", "-H", help="Sizes for people.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """List a directory, or describe a file. Lazy: the first names come before the last are known."""
    with _places(config) as places:
        acts.list_place(places.read(place), long=long, recursive=recursive, people=human, json=json)


@app.command("cp")
def cp(
    sources: ManySources,
    target: Target,
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    skip: Skip = "never",
    verify: Verify = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Copy. A file goes to TARGET, or into it if that is a directory or ends with a slash.

    With -r the contents of a directory land directly in TARGET; several sources each land in TARGET under their own names.
    """
    rules = {"include": include, "exclude": exclude, "skip": skip, "verify": verify, "concurrency": concurrency}
    with _places(config) as places:
        acts.carry(
            places, sources, target, rules, moving=False, recursive=recursive, dry_run=dry_run, quiet=quiet, json=json
        )


@app.command("mv")
def mv(
    sources: ManySources,
    target: Target,
    verify: Verify = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Move: by a rename where possible, else copy, verify, and only then delete. Places as for cp."""
    rules = {"verify": verify, "concurrency": concurrency}
    with _places(config) as places:
        acts.carry(places, sources, target, rules, moving=True, recursive=True, dry_run=dry_run, quiet=quiet, json=json)


@app.command("sync")
def sync(
    source: Source,
    target: Target,
    delete: Annotated[bool, typer.Option("--delete", help="Remove from TARGET what SOURCE lacks.")] = False,
    compare: Annotated[
        Literal["auto", "size", "mtime", "hash"],
        typer.Option(
            "--compare", help="What tells that a file is different; auto: size, then digests if known, else newer."
        ),
    ] = "auto",
    max_delete: Annotated[
        int | None, typer.Option("--max-delete", min=0, metavar="N", help="Delete nothing if more would go.")
    ] = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Delete although SOURCE is empty.")] = False,
    include: Include = None,
    exclude: Exclude = None,
    verify: Verify = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Copy what is new or different from one directory to another."""
    rules = {"include": include, "exclude": exclude, "verify": verify, "concurrency": concurrency, "compare": compare}
    rules |= {"delete": delete, "max_delete": max_delete, "allow_empty": allow_empty}
    with _places(config) as places:
        acts.mirror(places.read(source), places.read(target), rules, dry_run=dry_run, quiet=quiet, json=json)


@app.command("verify")
def verify(
    source: Source,
    target: Target,
    include: Include = None,
    exclude: Exclude = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Compare two directories or files by content; exit code 1 if they differ. Nothing is written."""
    with _places(config) as places:
        same = acts.compare(places.read(source), places.read(target), {"include": include, "exclude": exclude}, json=json)
    raise typer.Exit(0 if same else 1)


@app.command("rm")
def rm(
    paths: ManyPlaces,
    recursive: Recursive = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="What is not there is no error.")] = False,
    root: Annotated[bool, typer.Option("--root", help="Allow emptying a whole mount.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Delete files, and with -r directories."""
    with _places(config) as places:
        rules = {"recursive": recursive, "force": force, "root": root, "quiet": quiet, "json": json}
        _each([places.read(path, whole=True) for path in paths], lambda place: acts.remove(place, **rules))


@app.command("cat")
def cat(
    paths: ManyPlaces,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: the content as base64.")] = False,
    config: Config = None,
) -> None:
    """Print the content of files."""
    with _places(config) as places:
        _each([places.read(path) for path in paths], lambda place: acts.show_content(place, json=json))


@app.command("stat")
def stat(paths: ManyPlaces, json: Json = False, config: Config = None) -> None:
    """Describe files and directories."""
    with _places(config) as places:
        _each([places.read(path) for path in paths], lambda place: acts.describe(place, json=json))


@app.command("versions")
def versions(place: OnePlace, json: Json = False, config: Config = None) -> None:
    """List the versions of a file, oldest first, deletions included."""
    with _places(config) as places:
        acts.list_versions(places.read(place), json=json)


@app.command("zip")
def zip_(
    place: OnePlace,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where the zip file goes; - for stdout.")],
    quiet: Quiet = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make a zip file of a file or directory, streamed."""
    with _places(config) as places:
        acts.zip_up(places.read(place), None if target == "-" else places.read(target), quiet=quiet, json=json)


@app.command("serve")
def serve(
    paths: Annotated[list[str], typer.Argument(metavar="PLACE")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    index: Annotated[str | None, typer.Option("--index", metavar="NAME", help="File that answers for a directory.")] = None,
    max_age: Annotated[int | None, typer.Option("--max-age", min=0, help="Seconds that caches may keep answers.")] = None,
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Serve places over HTTP until Ctrl-C: one at /, several each below its own name. Ranges and conditions work."""
    from holdall.cli.serving import serve_places  # noqa: PLC0415  # an HTTP server, for this command only

    with _places(config) as places:
        found = [places.read(path) for path in paths]
        serve_places(found, host=host, port=port, index=index, max_age=max_age, quiet=quiet)


@app.command("mounts")
def mounts(json: Json = False, config: Config = None) -> None:
    """List the mounts of the configuration."""
    with _places(config) as places:
        if not acts.list_mounts(places.manager, json=json) and not json:
            complain("no mounts are configured (by --config, HOLDALL_CONFIG, ./holdall.toml or the user's configuration)")


@cache
def add_faces() -> None:
    """Add the commands of the other faces, whose modules take as long to load as all the rest."""
    from holdall.cli import container, records, tiers  # noqa: PLC0415

    for face in (records, container, tiers):
        app.add_typer(face.group)


def command_names() -> list[str]:
    """Return the names of the commands on files."""
    registered: list[Any] = app.registered_commands
    return [str(command.name) for command in registered]
