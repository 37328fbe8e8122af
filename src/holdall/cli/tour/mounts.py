"""The scene of mounts: a real tree through three storages and back, unchanged.

The standard library of the running Python (thousands of files) is copied from local disk to an S3 server in a process of its own,
from there to memory, and back to another local directory. What counts is compared by SHA-256 of every file, read by plain ``open``.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.cli.output import human
from holdall.cli.tour.stage import Memory, Stage, timed
from holdall.errors import MissingExtraError
from holdall.mounts import StorageManager, StorageNode

if TYPE_CHECKING:
    from holdall.engine.progress import TransferReport
    from holdall.testing.servers import Moto

__all__ = ["scene", "tree_digest"]

LEFT_OUT = ("__pycache__", "site-packages", "dist-packages")
READ = "json/decoder.py"
"""The file that is read through a node."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One copy of the whole tree."""

    title: str
    report: TransferReport
    requests: int
    peak: int


def scene(stage: Stage) -> bool:
    """Play the scene and return whether everything came through unchanged."""
    try:
        from holdall.testing.servers import Moto  # noqa: PLC0415  # of the extra "testing"
    except ImportError as error:
        raise MissingExtraError('the tour needs an S3 server: pip install "holdall[testing,s3]"') from error
    library = sysconfig.get_path("stdlib")
    stage.title(f"mounts: the library of Python {sys.version.split()[0]} through three storages and back")
    started = timed()
    chosen = set(list(files_below(library))[: stage.files])
    truth = {path: _digest(os.path.join(library, path)) for path in chosen}
    stage.say(f"   ..  {library}: {len(truth)} files, tree {tree_digest(truth)[:16]}")
    with tempfile.TemporaryDirectory(prefix="holdall-tour-") as home, Moto.running() as moto:
        right = _played(stage, library, truth, Path(home), moto)
    return stage.check(f"all of it in {timed() - started:.1f} s", right)


def _played(stage: Stage, library: str, truth: dict[str, str], home: Path, moto: Moto) -> bool:
    bucket = f"tour-{uuid.uuid4().hex[:12]}"
    moto.client().create_bucket(Bucket=bucket)
    s3 = {
        "type": "s3", "bucket": bucket, "endpoint_url": moto.endpoint, "region": moto.region, "allow_http": True, "addressing_style": "path",
        "key": moto.access_key, "secret": moto.secret_key,
    }  # fmt: skip
    config = {
        "library": {"type": "local", "path": library, "permissions": "readonly"},
        "bucket": s3,
        "memory": {"type": "memory"},
        "back": {"type": "local", "path": str(home / "back"), "create": True},
    }
    with StorageManager(config) as storage:
        wanted = partial(_wanted, truth)
        legs = [
            _leg(stage, "local -> S3", moto, lambda more: storage.copy("library:", "bucket:lib", filter=wanted, **more)),
            # The same in the other colour: one event loop instead of threads.
            _leg(stage, "S3 -> memory (async)", moto, lambda more: asyncio.run(storage.copy_async("bucket:lib", "memory:lib", **more))),
            _leg(stage, "memory -> local", moto, lambda more: storage.copy("memory:lib", "back:lib", **more)),
        ]  # fmt: skip
        right = _compared(stage, storage, truth, home / "back" / "lib")
        right = _looked(stage, storage, truth) and right
        right = _alike(stage, storage) and right
    rows = [
        [
            leg.title,
            str(leg.report.copied),
            human(leg.report.bytes),
            f"{leg.report.seconds:.2f}",
            str(leg.requests),
            human(leg.peak),
        ]
        for leg in legs
    ]
    stage.table("What was carried", ("leg", "files", "bytes", "seconds", "requests", "peak memory"), rows)
    return right


def ten_lines(storage: StorageManager, mount: str) -> tuple[Any, ...]:
    """Live a file's life on a mount, in ten lines that know nothing of what the mount is."""
    note = storage.node(mount, "notes/today.txt")
    note.write("buy milk")
    note.set_metadata({"mood": "good"})
    with note.open("a") as file:
        file.write("\nread a book")
    later = note.copy_to(note.with_name("later.txt"))
    final = later.move_to(note.parent.parent / "archive" / "final.txt")
    listed = [node.path.removeprefix(f"{note.parent.parent.path}/") for node in note.parent.parent.rglob("*.txt")]
    archive = len(storage.iternode(note, final).zip()) > 0
    told = note.size, note.md5hash, final.read(), final.get_metadata(), later.exists, listed, archive
    note.parent.parent.delete(root=True)
    return told


def _alike(stage: Stage, storage: StorageManager) -> bool:
    """Play the same ten lines on three storages."""
    for name in ("bucket", "memory", "back"):
        storage.add_mount(f"ten-{name}", f"{name}:ten")
    told = {name: ten_lines(storage, f"ten-{name}") for name in ("bucket", "memory", "back")}
    right = len({repr(answers) for answers in told.values()}) == 1
    return stage.check("the same ten lines on S3, memory and local disk answer alike", right)


def _leg(stage: Stage, title: str, moto: Moto, act: Any) -> Leg:
    """Carry the tree over one leg."""
    before = _requests(moto)
    with stage.progress(title) as more, Memory() as memory:
        report = act(more)
    return Leg(title, report, _requests(moto) - before, memory.peak)


def _compared(stage: Stage, storage: StorageManager, truth: dict[str, str], back: Path) -> bool:
    """Compare every file by its digest: as it lies in memory, and as it came back."""
    held = {
        node.path.removeprefix("lib/"): node.checksum() for node in storage.node("memory:lib").rglob("*") if _is_file(node)
    }
    returned = {path: _digest(os.path.join(back, path)) for path in files_below(str(back), everything=True)}
    right = stage.check(f"memory: {len(held)} files, tree {tree_digest(held)[:16]}", held == truth)
    return stage.check(f"local again: {len(returned)} files, tree {tree_digest(returned)[:16]}", returned == truth) and right


def _looked(stage: Stage, storage: StorageManager, truth: dict[str, str]) -> bool:
    """List the tree on S3 and read a file of it, in both colours."""
    path = READ if READ in truth else min(truth)
    node = storage.node("bucket:lib", path)
    seconds = timed()
    blocking = {found.path for found in storage.node("bucket:lib").rglob("*") if _is_file(found)}
    content = node.read_bytes()
    took = timed() - seconds

    async def both() -> tuple[set[str], bytes]:
        found = {found.path async for found in storage.node("bucket:lib").rglob_async("*") if _is_file(found)}
        return found, await node.read_bytes_async()

    seconds = timed()
    found, again = asyncio.run(both())
    took_async = timed() - seconds
    right = blocking == found == {f"lib/{name}" for name in truth}
    right = right and hashlib.sha256(content).hexdigest() == truth[path] and again == content
    text = f"listed {len(found)} files on S3 and read {node.fullpath}: blocking {took:.2f} s, async {took_async:.2f} s"
    return stage.check(text, right)


def _is_file(node: StorageNode) -> bool:
    return node.info is not None and node.info.is_file()


def _wanted(truth: dict[str, str], _: StorageNode, path: str) -> bool:
    return path in truth


def files_below(root: str, *, everything: bool = False) -> Iterator[str]:
    """Yield the relative paths of the plain files below a directory, by plain ``os`` calls: the truth to compare with."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if everything or name not in LEFT_OUT)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                yield os.path.relpath(path, root).replace(os.sep, "/")


def tree_digest(digests: dict[str, str]) -> str:
    """Return one digest of many files, whatever their order.

    Example:
        >>> tree_digest({"a": "1", "b": "2"}) == tree_digest({"b": "2", "a": "1"})
        True
    """
    whole = hashlib.sha256()
    for path in sorted(digests):
        whole.update(f"{digests[path]}  {path}\n".encode())
    return whole.hexdigest()


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _requests(moto: Moto) -> int:
    """Return how many requests the server answered, by its own log."""
    with open(moto.processes[0].log, "rb") as log:
        return sum(b' HTTP/1.1" ' in line for line in log)
