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
from holdall.mounts.lookup import directory
from holdall.mounts.mount import shown
from holdall.mounts.tree import delete_tree, entries

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
    for key, meta in _listed(place, recursive=recursive):
        itself, folder = key is None, key is not None and key.endswith("/")
        below = len(place.node._below)
        if json:
            name = place.text if itself else meta.key[below:]
            full = place.show(meta.key if key is None else key)
            emit_json({"name": name, "path": full, **NodeStat(meta).as_dict(), "kind": "directory" if folder else "file"})
            continue
        line = plain(place.text if key is None else place.spell(key[below:]))
        if long:
            size = "-" if folder else human(meta.size) if people else str(meta.size)
            line = f"{size:>12}  {moment(meta.last_modified)}  {line}"
        emit(line)


def _listed(place: Place, *, recursive: bool) -> Iterator[tuple[str | None, ObjectMeta]]:
    """Yield what is there, under its key, a directory's with a slash at its end; without one if it is the place itself."""
    node = place.node
    store, key, below = node._store(), node.path, node._below
    try:
        if recursive:
            count = 0
            for batch in walk(store, below):
                for meta in batch:
                    count += 1
                    yield meta.key, meta
            if not count:
                for _ in entries(store, key):  # tells what is wrong, if anything is
                    pass
        else:
            for meta in entries(store, key):
                name = meta.key[len(below) :]
                yield f"{below}{name}/" if meta.kind == "directory" and name[-1:] != "/" else meta.key, meta
    except NotADirectoryError as error:
        if place.tree:
            raise NotFoundError(f"no directory at {place.text!r}", key=key, store=store) from error
        yield None, node.stat().meta


def describe(place: Place, *, json: bool) -> None:
    """Print what is known of one place."""
    try:
        stat = _stat(place)
    except NotFoundError as error:
        raise NotFoundError(f"nothing at {place.text!r}", key=place.exact.path) from error
    values = {"path": place.shown, **stat.as_dict()}
    if json:
        emit_json(values)
        return
    for name, value in values.items():
        if value not in (None, {}) and name != "mtime":
            emit(f"{name}: {plain(str(value))}")


def _stat(place: Place) -> NodeStat:
    """Return what is known of a place: of a directory, what its marker tells, if it has one."""
    try:
        return place.exact.stat()
    except NotFoundError:
        found = directory(place.node.store, place.node.path) if place.tree else None
        if found is None:
            raise
        return NodeStat(found)


def show_content(place: Place, *, json: bool) -> None:
    """Write the content of a file to stdout, or that of an object that others named like a directory."""
    try:
        result = place.exact.get()
        if place.tree and not result.meta.size:
            result.close()
            raise IsDirectoryError("a marker")
    except (IsDirectoryError, NotFoundError) as error:
        if isinstance(error, NotFoundError) and not (place.tree and place.node.isdir):
            raise
        raise IsDirectoryError(f"{place.text!r} is a directory: ls lists it", key=place.exact.path) from error
    with result:
        if json:
            emit_json({"path": place.shown, "content": base64.b64encode(result.bytes()).decode()})
            return
        sys.stdout.flush()
        for chunk in result:
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def zip_up(place: Place, target: Place | None, *, quiet: bool, json: bool) -> None:
    """Write a zip file of a place."""
    if not place.exists:
        raise NotFoundError(f"nothing at {place.text!r}", key=place.exact.path)
    if target is None:
        sys.stdout.flush()
        for piece in place.whole.iter_zip():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if target.folder or not target.node.path or target.node.isdir:
        target = target.below(f"{place.name}.zip")
    result = target.node.put(place.whole.iter_zip())
    if json:
        emit_json({"path": target.shown, "size": result.size})
    elif not quiet:
        emit(f"{plain(target.shown)}: {human(result.size)}")


def list_versions(place: Place, *, json: bool) -> None:
    """Print the versions of a file."""
    if not place.node.path:
        raise IsDirectoryError(f"{place.text!r} is a directory: files have versions")
    found = place.exact.list_versions(delete_markers=True)
    if not found:
        raise NotFoundError(f"no version of anything at {place.text!r}", key=place.exact.path)
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
        act = source.exact._move if moving else source.exact._copy
        with Watch("moving" if moving else "copying", source, quiet=quiet or json, verb=verb) as watch:
            told: Any = {**_set(rules), **_GOING_ON, **watch.callbacks}
            report, failed = _all(partial(act, target.exact, dry_run, told))
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
    folder = not source.isfile
    if folder and not source.node.isdir:
        raise NotFoundError(f"nothing at {source.text!r}", key=source.exact.path)
    if folder and not recursive:
        raise IsDirectoryError(f"{source.text!r} is a directory: -r copies it", key=source.node.path)
    if many or (not folder and (target.folder or not target.node.path or target.node.isdir)):
        return target.below(source.name)
    return target


def mirror(source: Place, target: Place, rules: Mapping[str, Any], *, dry_run: bool, quiet: bool, json: bool) -> None:
    """Sync one directory to another."""
    with Watch("syncing", source, quiet=quiet or json, verb="copied") as watch:
        told = {**_set(rules), **_GOING_ON, **watch.callbacks}
        report, failed = _all(lambda: source.exact.sync_to(target.exact, dry_run=dry_run, **told))
    _report(report, source, target, quiet=quiet, json=json)
    if failed is not None:
        raise failed


def compare(source: Place, target: Place, rules: Mapping[str, Any], *, json: bool) -> bool:
    """Print how two places differ; return whether they are the same."""
    if not target.exists:
        complain(f"nothing at {target.text!r}")
    try:
        report = source.exact.sync_to(
            target.exact, dry_run=True, compare="hash", delete=True, allow_empty=True, errors="collect", **_set(rules)
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
        emit_json({"source": source.shown, "target": target.shown, **report.to_dict()})
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
        if not place.exists:
            if force:
                return
            raise NotFoundError(f"nothing at {place.text!r}", key=place.exact.path)
        if not node.path and not root:
            raise ConfigError(f"{place.text!r} is a whole storage: --root allows emptying it")
        if place.tree:
            delete_tree(node.store, place.exact.path)
        else:
            node.delete(root=root)
    elif place.tree:
        if node.isdir:
            raise IsDirectoryError(f"{place.text!r} is a directory: -r deletes it", key=place.exact.path)
        if not force:
            raise NotFoundError(f"nothing at {place.text!r}", key=place.exact.path)
        return
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
        emit_json({"deleted": place.shown})
    elif not quiet:
        emit(f"deleted {plain(place.shown)}")
