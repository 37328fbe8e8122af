"""``holdall tiers``: file stores over several places: how they fare, what differs, and mending it."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from holdall.cli.output import emit, emit_json, moment, plain
from holdall.cli.running import complain, exit_code, sentence
from holdall.core.secrets import mask
from holdall.core.urls import url_scheme
from holdall.errors import ConfigError, HoldallError
from holdall.tiers import FileStore, Finding, TierStat, get_filestore

__all__ = ["group"]

group = typer.Typer(
    name="tiers",
    help="File stores over several places: status, verify, repair, and the files in them.",
    epilog=(
        "The store comes from --url (several, in the order of reading), else HOLDALL_FILESTORE, else the [filestore] section of the "
        "configuration. LOCATION is near, far, all, any, a name or an index."
    ),
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Urls = Annotated[list[str] | None, typer.Option("--url", metavar="URL", help="A location; several in order of reading.")]
Name = Annotated[str, typer.Option("--name", help="Which of the configured stores.")]
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Configuration with a [filestore] section.")]
Location = Annotated[str, typer.Option("--location", "-l", metavar="LOCATION", help="Which locations.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done and do nothing.")]
Path = Annotated[str, typer.Argument(metavar="NAME")]
Paths = Annotated[list[str], typer.Argument(metavar="NAME")]
Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="Only names that begin so.")]


@contextmanager
def _opened(context: typer.Context, urls: list[str] | None, config: str | None, name: str) -> Generator[FileStore]:
    config = config or context.find_root().params.get("config")
    if config and not urls and url_scheme(config) is None and not os.path.exists(config):
        raise ConfigError(f"there is no configuration at {config}")
    with get_filestore(urls or config, name=name) as store:
        yield store


@group.command("status")
def status(
    context: typer.Context,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for an answer.")] = 5.0,
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """Ask every location whether it answers; exit code 1 if one does not. Nothing is created."""
    with _opened(context, urls, config, name) as store:
        found = store.health(timeout)
        for location in found.locations.values():
            if json:
                emit_json({"name": location.name, "url": location.url, "ok": location.ok, "read_only": location.read_only, "error": location.last_error})  # fmt: skip
                continue
            told = "answers" if location.ok else mask(location.last_error or "does not answer")
            emit(f"{location.name}  {location.url or '-'}  {told}{', read-only' if location.read_only else ''}")
    raise typer.Exit(0 if found.ok else 1)


@group.command("ls")
def ls(
    context: typer.Context,
    prefix: Prefix = "",
    location: Location = "any",
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """List names in order, each with its size, time and the locations that have it."""
    with _opened(context, urls, config, name) as store:
        for entry in store.list(prefix, location):
            where = [str(place) for place in entry.locations]
            if json:
                emit_json({"path": entry.path, "size": entry.size, "last_modified": entry.last_modified, "locations": where})
            else:
                emit(f"{entry.size:>12}  {moment(entry.last_modified)}  {plain(entry.path)}  {','.join(where)}")


@group.command("locate")
def locate(
    context: typer.Context,
    path: Path,
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """Ask every location for one file; exit code 1 if none has it."""
    with _opened(context, urls, config, name) as store:
        found = store.locate(path)
        for where, answer in found.items():
            if json:
                emit_json({"location": where, **_described(answer)})
                continue
            told = f"{answer.size} bytes, {answer.etag}" if isinstance(answer, TierStat) else _said(answer)
            emit(f"{where}  {told}")
    raise typer.Exit(0 if any(isinstance(answer, TierStat) for answer in found.values()) else 1)


def _described(answer: TierStat | HoldallError | None) -> dict[str, Any]:
    if isinstance(answer, TierStat):
        return {"found": True, "size": answer.size, "last_modified": answer.last_modified, "etag": answer.etag, "digest": answer.digest}  # fmt: skip
    return {"found": None if answer is not None else False, "error": None if answer is None else mask(str(answer))}


def _said(answer: HoldallError | None) -> str:
    return "not there" if answer is None else f"could not be asked: {mask(str(answer))}"


@group.command("get")
def get(
    context: typer.Context,
    path: Path,
    target: Annotated[str, typer.Argument(metavar="FILE", help="A local file or directory; - for stdout.")] = "-",
    location: Location = "any",
    quiet: Quiet = False,
    urls: Urls = None,
    name: Name = "storage",
    config: Config = None,
) -> None:
    """Read one file from the first location that has it, to stdout or into a local file."""
    with _opened(context, urls, config, name) as store:
        if target == "-":
            sys.stdout.flush()
            with store.stream(path, location) as chunks:
                for chunk in chunks:
                    sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        into = os.path.join(target, os.path.basename(path)) if os.path.isdir(target) else target
        report = store.download(path, into, location)
        if not quiet:
            emit(f"{plain(into)}: {report.size} bytes from {report[0]}{', which may be old' if report.degraded else ''}")


@group.command("put")
def put(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE", help="A local file; - for stdin.")],
    path: Path,
    location: Location = "all",
    force: Annotated[bool, typer.Option("--force", "-f", help="Write even where the same content is there.")] = False,
    create: Annotated[bool, typer.Option("--create", help="Fail if the name exists.")] = False,
    quiet: Quiet = False,
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """Write one file to the locations; one that has the same content already is not written to."""
    mode = "create" if create else "overwrite"
    with _opened(context, urls, config, name) as store:
        if source == "-":
            report = store.put(path, sys.stdin.buffer, location, force=force, mode=mode)
        else:
            report = store.upload(source, path, location, force=force, mode=mode)
        for outcome in () if quiet else report.outcomes:
            if json:
                emit_json({"location": str(outcome.location), "status": outcome.status, "size": outcome.size})
            else:
                emit(f"{outcome.location}  {outcome.status}")


@group.command("rm")
def rm(
    context: typer.Context,
    paths: Paths,
    location: Location = "all",
    urls: Urls = None,
    name: Name = "storage",
    config: Config = None,
) -> None:
    """Delete files from the locations; what is not there counts as deleted."""
    with _opened(context, urls, config, name) as store:
        failed = store.delete_batch(paths, location)
    _told([(path, error) for path, _, error in failed])


@group.command("promote")
def promote(
    context: typer.Context,
    paths: Paths,
    to: Annotated[str, typer.Option("--to", metavar="LOCATION", help="Where to.")] = "near",
    urls: Urls = None,
    name: Name = "storage",
    config: Config = None,
) -> None:
    """Copy files to a nearer location that does not have them; nothing is overwritten."""
    with _opened(context, urls, config, name) as store:
        report = store.promote(*paths, to=to)
    for path in report:
        emit(plain(path))
    _told([*report.failures.items()])


def _told(failed: Sequence[tuple[str, Exception]]) -> None:
    """Tell each failure on stderr; the exit code is the highest of theirs."""
    for path, error in failed:
        complain(f"{plain(path)}: {sentence(error)}")
    if failed:
        raise typer.Exit(max(exit_code(error) for _, error in failed))


@group.command("verify")
def verify(
    context: typer.Context,
    prefix: Prefix = "",
    location: Location = "all",
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and compare digests.")] = False,
    expect: Annotated[
        str, typer.Option("--expect", help="all: every location has every file; somewhere: one is enough.")
    ] = "all",
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """Print what is missing, differs, is corrupt, left over or out of reach; exit code 1 if there is anything."""
    sound = True
    with _opened(context, urls, config, name) as store:
        for finding in store.verify(prefix, location, expect=expect, deep=deep):
            sound = False
            _tell(finding, json=json)
    raise typer.Exit(0 if sound else 1)


def _tell(finding: Finding, *, json: bool) -> None:
    where = [str(place) for place in finding.locations]
    if json:
        emit_json({"path": finding.path, "problem": finding.problem, "locations": where, "detail": mask(finding.detail)})
        return
    detail = f"  ({mask(finding.detail)})" if finding.detail else ""
    emit(f"{finding.problem}  {plain(finding.path) or '-'}  {','.join(where)}{detail}")


@group.command("repair")
def repair(
    context: typer.Context,
    prefix: Prefix = "",
    prefer: Annotated[
        str | None, typer.Option("--prefer", metavar="WHICH", help="near, far, newest or a name, where sound copies differ.")
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    urls: Urls = None,
    name: Name = "storage",
    json: Json = False,
    config: Config = None,
) -> None:
    """Fill gaps and replace corrupt copies from a sound one; exit code 1 if something is left to do."""
    with _opened(context, urls, config, name) as store:
        report = store.repair(prefix, prefer=prefer, dry_run=dry_run)
    would = "would be " if dry_run else ""
    told = [(f"{would}repaired", path, where, "") for path, where in report.repaired]
    told += [(f"{would}removed", path, "", "") for path in report.removed]
    told += [("unresolved", finding.path, "", "sound copies differ: say --prefer") for finding in report.unresolved]
    told += [("failed", path, where, mask(str(error))) for (path, where), error in report.failures.items()]
    for outcome, path, where, detail in told:
        if json:
            emit_json({"outcome": outcome, "path": path, "location": where or None, "detail": detail})
        elif not quiet or outcome in {"unresolved", "failed"}:
            emit("  ".join(word for word in (outcome, plain(path) or "-", where, detail) if word))
    raise typer.Exit(0 if report.ok else 1)
