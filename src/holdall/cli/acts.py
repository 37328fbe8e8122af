"""What the commands do, apart from their arguments."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from holdall.cli.configured import UnusableMount
from holdall.cli.output import emit, emit_json, human, moment, plain
from holdall.cli.places import Place, Places
from holdall.cli.progress import Watch
from holdall.cli.running import complain, sentence
from holdall.core.meta import ObjectMeta
from holdall.engine.progress import TransferItem, TransferReport
from holdall.engine.walking import walk
from holdall.errors import (
    ConfigError,
    IsDirectoryError,
    NotFoundError,
    StorageFullError,
    TransferError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.mounts import NodeStat, StorageManager, StorageNode
from holdall.mounts.mount import shown
from holdall.mounts.tree import entries

__all__ = [
    "carry",
    "compare",
    "describe",
    "emit",
    "list_mounts",
    "list_place",
    "list_versions",
    "mirror",
    "remove",
    "show_content",
    "zip_up",
]


# -- looking --------------------------------------------------------------------------------------------------------------


def list_place(place: Place, *, long: bool, recursive: bool, people: bool, json: bool) -> None:
    """Print what is in a directory, or a file."""
    for name, meta in _listed(place, recursive=recursive):
        folder = meta.kind == "directory" or meta.key.endswith("/")
        if json:
            full = place.show(meta.key.rstrip("/"))
            emit_json({"name": name, "path": full, **NodeStat(meta).as_dict(), "kind": "directory" if folder else "file"})
            continue
        line = plain(name) + ("/" if folder and not name.endswith("/") else "")
        if long:
            size = "-" if folder else human(meta.size) if people else str(meta.size)
            line = f"{size:>12}  {moment(meta.last_modified)}  {line}"
        emit(line)


def _listed(place: Place, *, recursive: bool) -> Iterator[tuple[str, ObjectMeta]]:
    """Yield names relative to the place, and what is there."""
    node = place.node
    store, key = node._store(), node.path
    below = f"{key}/" if key else ""
    try:
        if recursive:
            count = 0
            for batch in walk(store, below):
                for meta in batch:
                    count += 1
                    yield meta.key[len(below) :], meta
            if not count:
                for _ in entries(store, key):  # tells what is wrong, if anything is
                    pass
        else:
            for meta in entries(store, key):
                yield meta.key[len(below) :], meta
    except NotADirectoryError:
        yield place.text, node.stat().meta


def describe(place: Place, *, json: bool) -> None:
    """Print what is known of one place."""
    try:
        stat = place.node.stat()
    except NotFoundError as error:
        raise NotFoundError(f"nothing at {place.text!r}", key=place.node.path) from error
    values = {"path": place.show(place.node.path), **stat.as_dict()}
    if json:
        emit_json(values)
        return
    for name, value in values.items():
        if value not in (None, {}) and name != "mtime":
            emit(f"{name}: {plain(str(value))}")


def show_content(place: Place, *, json: bool) -> None:
    """Write the content of a file to stdout."""
    try:
        result = place.node.get()
    except IsDirectoryError as error:
        raise IsDirectoryError(f"{place.text!r} is a directory: ls lists it", key=place.node.path) from error
    with result:
        if json:
            emit_json({"path": place.show(place.node.path), "content": base64.b64encode(result.bytes()).decode()})
            return
        sys.stdout.flush()
        for chunk in result:
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def zip_up(place: Place, target: Place | None, *, quiet: bool, json: bool) -> None:
    """Write a zip file of a place."""
    if not place.node.exists:
        raise NotFoundError(f"nothing at {place.text!r}", key=place.node.path)
    if target is None:
        sys.stdout.flush()
        for piece in place.node.iter_zip():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if target.folder or not target.node.path or target.node.isdir:
        target = target.below(f"{place.name}.zip")
    result = target.node.put(place.node.iter_zip())
    if json:
        emit_json({"path": target.show(target.node.path), "size": result.size})
    elif not quiet:
        emit(f"{plain(target.show(target.node.path))}: {human(result.size)}")


def list_versions(place: Place, *, json: bool) -> None:
    """Print the versions of a file."""
    if not place.node.path:
        raise IsDirectoryError(f"{place.text!r} is a directory: files have versions")
    found = place.node.list_versions(delete_markers=True)
    if not found:
        raise NotFoundError(f"no version of anything at {place.text!r}", key=place.node.path)
    for version in found:
        if json:
            emit_json(version)
            continue
        mark = "deleted" if version.get("delete_marker") else f"{version['size']:>12}"
        latest = "  latest" if version["is_latest"] else ""
        emit(f"{version['version_id']}  {moment(version['last_modified'])}  {mark:>12}{latest}")


def list_mounts(manager: StorageManager, *, json: bool) -> int:
    """Print the mounts, and return how many there are.

    Raises:
        ConfigError: Some are wrong; all are printed first.
    """
    mounts = manager._table.mounts()
    wrong = [mount.error for mount in mounts if isinstance(mount, UnusableMount)]
    for mount in mounts:
        if isinstance(mount, UnusableMount):
            if json:
                emit_json({"name": mount.name, "error": str(mount.error)})
            else:
                emit(f"{mount.name}  not usable: {plain(str(mount.error))}")
            continue
        told = shown(mount)
        told["capabilities"] = _capabilities(manager, mount.name)
        if json:
            emit_json(told)
        else:
            emit(f"{mount.name}  {told['type']}  {plain(_brief(told['target']))}  ({told['capabilities']})")
    if wrong:
        raise ConfigError(f"{len(wrong)} of {len(mounts)} mounts cannot be used")
    return len(mounts)


def _capabilities(manager: StorageManager, name: str) -> str:
    try:
        return str(manager.node(f"{name}:").capabilities)
    except Exception as error:  # noqa: BLE001  # a driver that is not installed must not hide the other mounts
        return f"not usable: {error}"


def _brief(target: Any) -> str:
    if isinstance(target, Mapping):
        return " ".join(f"{key}={value}" for key, value in target.items() if key not in {"name", "type", "protocol"})
    return str(target)


# -- carrying -------------------------------------------------------------------------------------------------------------


def carry(
    places: Places,
    sources: Sequence[str],
    last: str,
    rules: Mapping[str, Any],
    *,
    moving: bool,
    recursive: bool,
    dry_run: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Copy or move sources to a target."""
    for path in sources:
        source = places.read(path, whole=moving)
        target = _landing(source, places.read(last), many=len(sources) > 1, recursive=recursive)
        verb = "moved" if moving else "copied"
        act = source.node._move if moving else source.node._copy
        with Watch("moving" if moving else "copying", source, quiet=quiet or json, verb=verb) as watch:
            told: Any = {**_set(rules), **_GOING_ON, **watch.callbacks}
            report, failed = _all(partial(act, target.node, dry_run, told))
        _report(report, source, target, quiet=quiet, json=json, moved=moving)
        if failed is not None:
            raise failed


def _all(transfer: Callable[[], TransferReport]) -> tuple[TransferReport, TransferError | None]:
    """Run a transfer to its end; return its report, and the error that says that items failed. Tells each of several failures."""
    try:
        return transfer(), None
    except TransferError as error:
        report: TransferReport | None = error.report
        if report is None or not report.failed:
            raise
        failures = [item.error for item in report.failures if item.error is not None]
        if report.done == 1:
            raise failures[0] from None
        for failure in failures[1:]:
            complain(sentence(failure))
        return report, error


def _stop(_node: StorageNode, error: Exception) -> None:
    """End a transfer whose storage is gone, full or closed to us: all other items would fail as well."""
    if isinstance(error, (UnavailableError, StorageFullError, UnauthenticatedError)):
        raise error


_GOING_ON: dict[str, Any] = {"errors": "collect", "on_error": _stop}
"""One item that cannot be copied is told, and the others are copied."""


def _landing(source: Place, target: Place, *, many: bool, recursive: bool) -> Place:
    """Return where a source goes: a file into a directory, or to exactly the target; a directory onto the target."""
    folder = not source.node.isfile
    if folder and not source.node.isdir:
        raise NotFoundError(f"nothing at {source.text!r}", key=source.node.path)
    if folder and not recursive:
        raise IsDirectoryError(f"{source.text!r} is a directory: -r copies it", key=source.node.path)
    if many or (not folder and (target.folder or not target.node.path or target.node.isdir)):
        return target.below(source.name)
    return target


def mirror(source: Place, target: Place, rules: Mapping[str, Any], *, dry_run: bool, quiet: bool, json: bool) -> None:
    """Sync one directory to another."""
    with Watch("syncing", source, quiet=quiet or json, verb="copied") as watch:
        told = {**_set(rules), **_GOING_ON, **watch.callbacks}
        report, failed = _all(lambda: source.node.sync_to(target.node, dry_run=dry_run, **told))
    _report(report, source, target, quiet=quiet, json=json)
    if failed is not None:
        raise failed


def compare(source: Place, target: Place, rules: Mapping[str, Any], *, json: bool) -> bool:
    """Print how two places differ; return whether they are the same."""
    if not target.node.exists:
        complain(f"nothing at {target.text!r}")
    try:
        report = source.node.sync_to(
            target.node, dry_run=True, compare="hash", delete=True, allow_empty=True, errors="collect", **_set(rules)
        )
    except TransferError as error:  # what could not be compared is told with the rest
        report = error.report
    words = {"copied": "differs or is missing", "deleted": "is only in the target", "failed": "cannot be compared"}
    found = [(item, words[item.action]) for item in report.items if item.action in words]
    for item, word in found:
        path = _within(item, source, target)
        if json:
            why = {} if item.error is None else {"error": str(item.error)}
            emit_json({"path": path, "difference": word, **why})
        else:
            emit(f"{plain(path)}: {word}" + ("" if item.error is None else f": {plain(str(item.error))}"))
    if not json:
        emit(f"{report.skipped} the same, {len(found)} different")
    return not found


def _report(report: TransferReport, source: Place, target: Place, *, quiet: bool, json: bool, moved: bool = False) -> None:
    if json:
        emit_json({"source": source.show(source.node.path), "target": target.show(target.node.path), **report.to_dict()})
        return
    if quiet:
        return
    if report.dry_run:
        for item in report.items:
            if item.action != "skipped":
                emit(f"would be {item.action}: {plain(_within(item, source, target))}")
    told = str(report).replace("copied", "moved") if moved else str(report)
    emit(f"would be: {told}" if report.dry_run else told)


def _within(item: TransferItem, source: Place, target: Place) -> str:
    """Return the path of an item below the two places, whichever side has it; the name if it is the place itself."""
    key, top = (item.target, target.node.path) if item.source is None else (item.source, source.node.path)
    if key == top:
        return key.rpartition("/")[2]
    return key.removeprefix(f"{top}/") if top else key


def _set(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules that were given."""
    return {name: value for name, value in rules.items() if value is not None}


# -- removing -------------------------------------------------------------------------------------------------------------


def remove(place: Place, *, recursive: bool, force: bool, root: bool, quiet: bool, json: bool) -> None:
    """Delete a file, or a directory with what is below."""
    node = place.node
    if recursive:
        if not node.exists:
            if force:
                return
            raise NotFoundError(f"nothing at {place.text!r}", key=node.path)
        if not node.path and not root:
            raise ConfigError(f"{place.text!r} is a whole storage: --root allows emptying it")
        node.delete(root=root)
    else:
        try:
            node.unlink()
        except NotFoundError:
            if force:
                return
            raise
        except IsDirectoryError as error:
            raise IsDirectoryError(f"{place.text!r} is a directory: -r deletes it", key=node.path) from error
    if json:
        emit_json({"deleted": place.show(node.path)})
    elif not quiet:
        emit(f"deleted {plain(place.show(node.path))}")
