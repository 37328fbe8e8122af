"""Part uploads on local disk: one staged data file, a log of what lies where in it, and a rename at the end.

``.holdall/parts/<id>/`` holds ``head`` (key and options), ``log`` (a line for every reservation and every part done) and
``data``. A part is written where it will be in the whole if that can be told: behind its predecessor, or at a multiple of the
part size. Then `complete` is a rename; parts of odd sizes in odd order are copied into order first. The log is appended
under a lock on it, so that threads, processes and later lives of the process may all send parts of one upload.
"""

from __future__ import annotations

import contextlib
import os
import re
from bisect import bisect_left, insort
from collections.abc import Generator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.capabilities import PartRules
from holdall.core.keys import RESERVED
from holdall.core.options import PutMode, PutOptions
from holdall.core.ranges import ByteRange
from holdall.drivers import _local_system as system
from holdall.drivers._local_attributes import Kept, Shelf
from holdall.drivers._local_draft import Draft, check_match, place, seal
from holdall.drivers._local_meta import etag_of
from holdall.drivers._local_object import find, source_of
from holdall.drivers._local_root import Folder, Root, check_file_key, split
from holdall.errors import ClosedError, HoldallError, IntegrityError, NotFoundError, RangeNotSatisfiableError
from holdall.results import PutResult, Upload
from holdall.sources import BytesLike
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    import asyncio
    import json
else:
    asyncio = lazy("asyncio")
    json = lazy("json")

__all__ = ["RULES", "LocalParts", "begin", "take_up", "uploads"]

RULES = PartRules(largest=1 << 40, most=100_000, copies=True, conditional=True, resumable=True)
STAGED = f"{RESERVED}/parts"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class _Layout:
    """What the log says so far: every reserved stretch of the data file, and the parts that are done.

    Invariant: reserved stretches do not overlap; ``starts`` is sorted, ``ends`` stands beside it.
    """

    read: int = 0
    step: int = 0
    done: dict[int, tuple[int, int]] = field(default_factory=dict)
    reserved: dict[int, tuple[int, int]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    def learn(self, log: int) -> None:
        """Read what was appended since."""
        raw = system.read_at(log, os.fstat(log).st_size - self.read, self.read)
        whole = raw[: raw.rfind(b"\n") + 1]  # a killed writer may have left half a line
        self.read += len(whole)
        for line in whole.splitlines():
            words = line.split()
            if len(words) != 4 or words[0] not in {b"r", b"d"}:
                continue
            number, offset, size = (int(word) for word in words[1:])
            (self.finish if words[0] == b"d" else self.reserve)(number, offset, size)

    def reserve(self, number: int, offset: int, size: int) -> None:
        """Take notice that a part is under way: what was sent of it before counts no more."""
        self.done.pop(number, None)
        self.reserved[number] = (offset, size)
        self.step = self.step or size
        if size:
            if offset not in self.sizes:
                insort(self.starts, offset)
            self.sizes[offset] = max(size, self.sizes.get(offset, 0))

    def finish(self, number: int, offset: int, size: int) -> None:
        """Take notice that a part is there."""
        self.done[number] = (offset, size)

    def end(self) -> int:
        """Return where the last reserved stretch ends."""
        return self.starts[-1] + self.sizes[self.starts[-1]] if self.starts else 0

    def free(self, offset: int, size: int) -> bool:
        """Tell whether nothing is reserved there."""
        at = bisect_left(self.starts, offset)
        if at and self.starts[at - 1] + self.sizes[self.starts[at - 1]] > offset:
            return False
        return at == len(self.starts) or self.starts[at] >= offset + size

    def choose(self, number: int, size: int, step: int) -> int:
        """Return where a part goes."""
        again = self.done.get(number)
        if again is not None and again[1] == size:  # not under way elsewhere, so it can be written over
            return again[0]
        before = self.reserved.get(number - 1)
        step = step or self.step or size
        for offset in ([before[0] + before[1]] if before else []) + ([(number - 1) * step] if size <= step else []):
            if self.free(offset, size):
                return offset
        return self.end()

    def order(self) -> list[tuple[int, int]]:
        """Return the stretches of the whole, in the order of the part numbers."""
        return [self.done[number] for number in sorted(self.done)]


class LocalParts(PartWriter):
    """One staged upload. Nothing is kept open between calls, and nothing in memory that the log does not have."""

    def __init__(self, root: Root, shelf: Shelf, key: str, upload_id: str, options: PutOptions) -> None:
        self.key = key
        self.upload_id = upload_id
        self._root = root
        self._shelf = shelf
        self._options = options
        self._layout = _Layout()

    def __repr__(self) -> str:
        return f"PartWriter({self.key!r}, {self._root.display})"

    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        block = data if isinstance(data, bytes) else memoryview(data).cast("B")
        self._check_number(number)
        with self._staged() as (folder, before):
            offset = self._reserve(number, len(block), folder, before)
            fd = os.open(f"{before}data", _DATA, dir_fd=folder)
            try:
                system.write_at(fd, block, offset)
                if self._root.durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            self._note(b"d", number, offset, len(block), folder, before)

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        await asyncio.to_thread(self.put_part, number, data)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range of an object of a local store into a part. See `PartWriter.copy_part`."""
        self._check_number(number)
        wanted = ByteRange(*range)
        owner, shelf, key = source_of(self._root, self._shelf, src, source)
        fd, stat, _ = find(owner, shelf, check_file_key(key))
        try:
            check_match(owner, key, stat, if_match, "copied")
            try:
                start, end = wanted.resolve(stat.st_size)
            except RangeNotSatisfiableError as error:
                raise RangeNotSatisfiableError(error.message, key=key, store=owner.display) from None
            with self._staged() as (folder, before):
                offset = self._reserve(number, end - start, folder, before)
                data = os.open(f"{before}data", _DATA, dir_fd=folder)
                try:
                    done = system.copy_range(fd, data, end - start, src_offset=start, dst_offset=offset)
                    if self._root.durable:
                        os.fsync(data)
                finally:
                    os.close(data)
                if done != end - start:
                    raise IntegrityError(f"{key!r} was cut short while it was copied", key=key, store=owner.display)
                self._note(b"d", number, offset, done, folder, before)
        finally:
            os.close(fd)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range into a part. See `PartWriter.copy_part`."""
        await asyncio.to_thread(partial(self.copy_part, number, src, range, if_match=if_match, source=source))

    def sent(self) -> dict[int, int]:
        """Return the sizes of the parts held. See `PartWriter.sent`."""
        with self._staged() as (folder, before), self._log(folder, before):
            return {number: size for number, (_, size) in sorted(self._layout.done.items())}

    async def sent_async(self) -> dict[int, int]:
        """Return the sizes of the parts held. See `PartWriter.sent`."""
        return await asyncio.to_thread(self.sent)

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish the parts. See `PartWriter.complete`."""
        options = self._options
        if mode is not None or if_match is not None:
            options = replace(options.unconditional(), mode=mode or "overwrite", if_match=if_match)
        with self._staged() as (folder, before), self._log(folder, before):
            self._join(folder, before)
            result = self._publish(folder, before, options)
            self._done = True
            remove(self._root, folder, before, self.upload_id)
        return result

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish the parts. See `PartWriter.complete`."""
        return await asyncio.to_thread(partial(self.complete, mode=mode, if_match=if_match))

    def abort(self) -> None:
        """Drop the parts. See `PartWriter.abort`."""
        if self._done:
            return
        try:
            with self._staged() as (folder, before):
                self._done = True
                remove(self._root, folder, before, self.upload_id)
        except ClosedError:
            self._root.check()
            self._done = True

    async def abort_async(self) -> None:
        """Drop the parts. See `PartWriter.abort`."""
        await asyncio.to_thread(self.abort)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check_number(self, number: int) -> None:
        if not 1 <= number <= RULES.most:
            raise ValueError(f"a part's number is 1 to {RULES.most:,}, not {number}")

    @contextlib.contextmanager
    def _staged(self) -> Generator[Folder]:
        """Open the staging directory, and say in our terms what goes wrong in it."""
        gone = ClosedError(f"the upload of {self.key!r} was completed or aborted", key=self.key, store=self._root.display)
        if self._done:
            raise gone
        try:
            folder, before = self._root.folder(f"{STAGED}/{self.upload_id}")
            try:
                yield folder, before
            finally:
                self._root.leave(folder)
        except HoldallError:
            raise
        except FileNotFoundError as error:
            answer = self._root.missing(self.key)
            raise gone if isinstance(answer, NotFoundError) else answer from error
        except OSError as error:
            raise self._root.explain(error, self.key, writing=True) from error

    @contextlib.contextmanager
    def _log(self, folder: int | None, before: str) -> Generator[int]:
        """Lock the log and learn what it says: the lock also guards `_layout`."""
        fd = os.open(f"{before}log", os.O_RDWR | system.COMMON, dir_fd=folder)
        try:
            token = self._root.lock(fd)
            try:
                self._layout.learn(fd)
                yield fd
            finally:
                self._root.unlock(token, fd)
        finally:
            os.close(fd)

    def _reserve(self, number: int, size: int, folder: int | None, before: str) -> int:
        with self._log(folder, before) as log:
            offset = self._layout.choose(number, size, self._options.part_size or 0)
            self._append(log, b"r", number, offset, size)
        return offset

    def _note(self, word: bytes, number: int, offset: int, size: int, folder: int | None, before: str) -> None:
        with self._log(folder, before) as log:
            self._append(log, word, number, offset, size)

    def _append(self, log: int, word: bytes, number: int, offset: int, size: int) -> None:
        at = self._layout.read  # over half a line that a killed writer left
        os.ftruncate(log, at)
        system.write_at(log, b"%s %d %d %d\n" % (word, number, offset, size), at)
        if self._root.durable:
            os.fsync(log)
        self._layout.learn(log)

    def _join(self, folder: int | None, before: str) -> None:
        """Make the data file the whole: cut what lies behind it, or copy the parts into order."""
        order = self._layout.order()
        at = 0
        for offset, size in order:
            if offset != at and size:
                break
            at += size
        else:
            fd = os.open(f"{before}data", _DATA, dir_fd=folder)
            try:
                os.ftruncate(fd, at)
            finally:
                os.close(fd)
            return
        fd = os.open(f"{before}data", _DATA, dir_fd=folder)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{before}joined", dir_fd=folder)
            joined = os.open(f"{before}joined", system.NEW, 0o666, dir_fd=folder)
            try:
                at = 0
                for offset, size in order:
                    done = system.copy_range(fd, joined, size, src_offset=offset, dst_offset=at)
                    if done != size:
                        raise IntegrityError("the staged data was cut short", key=self.key, store=self._root.display)
                    at += size
            finally:
                os.close(joined)
        finally:
            os.close(fd)

    def _publish(self, folder: int | None, before: str, options: PutOptions) -> PutResult:
        root = self._root
        joined = "joined" if _exists(f"{before}joined", folder) else "data"
        kept = Kept(options.attributes, options.tags)
        parent, name = split(self.key)
        made: list[str] = []
        target, after = root.make_folder(parent, made, self.key)
        try:
            fd = os.open(f"{before}{joined}", os.O_RDWR | system.COMMON, dir_fd=folder)
            try:
                if root.device(target, after) != os.fstat(fd).st_dev:  # another file system is mounted below the root
                    return self._publish_copy(fd, options, kept)
                stat = seal(root, self._shelf, fd, f"{before}{joined}", kept)
            finally:
                os.close(fd)
            token = root.lock(target)
            try:
                place(root, self._shelf, self.key, f"{before}{joined}", folder, target, after + name, options)
            finally:
                root.unlock(token, target)
            if root.durable and target is not None:
                os.fsync(target)
        except BaseException:
            root.unmake(made)
            raise
        finally:
            root.leave(target)
        return PutResult(key=self.key, size=stat.st_size, etag=etag_of(stat))

    def _publish_copy(self, fd: int, options: PutOptions, kept: Kept) -> PutResult:
        draft = Draft(self._root, self._shelf, self.key)
        try:
            draft.open()
            draft.fill(fd, os.fstat(fd).st_size)
            return draft.publish(options, kept)
        finally:
            draft.discard()


_DATA = os.O_RDWR | system.COMMON


def begin(root: Root, shelf: Shelf, key: str, options: PutOptions) -> LocalParts:
    """Begin an upload."""
    upload_id = os.urandom(16).hex()
    head = {"key": key, "started": datetime.now(UTC).isoformat(), "options": _plain(options)}
    try:
        folder, before = root.make_folder(f"{STAGED}/{upload_id}")
        try:
            for name, data in (("data", b""), ("log", b""), ("head", json.dumps(head).encode())):
                fd = os.open(
                    f"{before}{name}", system.NEW, 0o666 if root.file_mode is None else root.file_mode, dir_fd=folder
                )
                try:
                    system.write_all(fd, data)
                finally:
                    os.close(fd)
        except BaseException:
            remove(root, folder, before, upload_id)
            raise
        finally:
            root.leave(folder)
    except HoldallError:
        raise
    except OSError as error:
        raise root.explain(error, key, writing=True) from error
    return LocalParts(root, shelf, key, upload_id, options)


def take_up(root: Root, shelf: Shelf, key: str, upload_id: str) -> LocalParts:
    """Go on with an upload that was begun before, with the options it was begun with.

    Raises:
        NotFoundError: No such upload of this key.
    """
    found = _head(root, upload_id) if _ID.fullmatch(upload_id) else None
    if found is None or found["key"] != key:
        raise NotFoundError(f"no unfinished upload {upload_id!r} of {key!r}", key=key, store=root.display)
    return LocalParts(root, shelf, key, upload_id, PutOptions(**found["options"]))


def uploads(root: Root, prefix: str) -> list[Upload]:
    """Return the unfinished uploads, by key."""
    try:
        fd, before = root.folder(STAGED)
    except (FileNotFoundError, NotADirectoryError) as error:
        answer = root.missing(prefix)
        if isinstance(answer, NotFoundError):
            return []
        raise answer from error
    try:
        names = [name for name in os.listdir(before if fd is None else fd) if _ID.fullmatch(name)]
    finally:
        root.leave(fd)
    found = [(name, head) for name in names if (head := _head(root, name)) is not None]
    return sorted(
        (
            Upload(key=head["key"], upload_id=name, started=datetime.fromisoformat(head["started"]))
            for name, head in found
            if head["key"].startswith(prefix)
        ),
        key=lambda upload: (upload.key, upload.upload_id),
    )


def remove(root: Root, folder: int | None, before: str, upload_id: str) -> None:
    """Remove a staging directory, and the empty ones above it."""
    for name in os.listdir(before if folder is None else folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(before + name, dir_fd=folder)
    root.unmake([RESERVED, STAGED, f"{STAGED}/{upload_id}"])


def _head(root: Root, upload_id: str) -> dict[str, Any] | None:
    """Return what an upload was begun with; ``None`` for what is no whole upload, its data published already for one."""
    try:
        folder, before = root.folder(f"{STAGED}/{upload_id}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not _exists(f"{before}data", folder):
            return None
        fd = os.open(f"{before}head", system.READ | system.NOFOLLOW, dir_fd=folder)
        try:
            head: dict[str, Any] = json.loads(system.read_at(fd, os.fstat(fd).st_size, 0))
        finally:
            os.close(fd)
    except (FileNotFoundError, ValueError):
        return None
    finally:
        root.leave(folder)
    return head


def _exists(name: str, folder: int | None) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _plain(options: PutOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if value not in (None, {})}
