"""Part uploads on local disk: one staged data file, a log of what lies where in it, and a rename at the end.

``.holdall/parts/<id>/`` holds ``head`` (key and options), ``log`` (a line for every reservation and every part done) and
``data``. A part is written where it will be in the whole if that can be told: behind its predecessor, or at a multiple of the
part size. Then `complete` is a rename; parts of odd sizes in odd order are copied into order first. The log is appended
under a lock on it, so that threads, processes and later lives of the process may all send parts of one upload.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.options import PutMode, PutOptions
from holdall.core.ranges import ByteRange
from holdall.drivers import _local_system as system
from holdall.drivers._local_attributes import Kept, Shelf
from holdall.drivers._local_draft import Draft, check_match, place, seal
from holdall.drivers._local_layout import Layout
from holdall.drivers._local_meta import etag_of
from holdall.drivers._local_object import find, source_of
from holdall.drivers._local_part import Part
from holdall.drivers._local_root import Folder, Root, check_file_key, split
from holdall.drivers._local_staging import RULES, STAGED, check_number, exists, head_of, is_id, remove, uploads
from holdall.errors import ClosedError, HoldallError, IntegrityError, NotFoundError, RangeNotSatisfiableError
from holdall.results import PutResult
from holdall.sources import AsyncSizedChunks, BytesLike, SizedChunks
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    import asyncio
    import json
else:
    asyncio = lazy("asyncio")
    json = lazy("json")

__all__ = ["RULES", "LocalParts", "begin", "take_up", "uploads"]


class LocalParts(PartWriter):
    """One staged upload. Nothing is kept open between calls, and nothing in memory that the log does not have."""

    def __init__(self, root: Root, shelf: Shelf, key: str, upload_id: str, options: PutOptions) -> None:
        self.key = key
        self.upload_id = upload_id
        self._root = root
        self._shelf = shelf
        self._options = options
        self._layout = Layout()
        self.durable = root.durable

    def __repr__(self) -> str:
        return f"PartWriter({self.key!r}, {self._root.display})"

    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        block = data if isinstance(data, bytes) else memoryview(data).cast("B")
        with contextlib.closing(self._begin(number, len(block))) as part:
            part.write(block)
            part.end()

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        await asyncio.to_thread(self.put_part, number, data)

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        """Write one part as its chunks come. See `PartWriter.pour_part`."""
        with contextlib.closing(self._begin(number, chunks.size)) as part:
            for chunk in chunks:
                part.write(chunk)
            part.end()

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        """Write one part as its chunks come. See `PartWriter.pour_part`."""
        part = await asyncio.to_thread(self._begin, number, chunks.size)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(part.write, chunk)
            await asyncio.to_thread(part.end)
        finally:
            part.close()

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range of an object of a local store into a part. See `PartWriter.copy_part`."""
        check_number(number)
        wanted = ByteRange(*range)
        owner, shelf, key = source_of(self._root, self._shelf, src, source)
        fd, stat, _ = find(owner, shelf, check_file_key(key))
        try:
            check_match(owner, key, stat, if_match, "copied")
            try:
                start, end = wanted.resolve(stat.st_size)
            except RangeNotSatisfiableError as error:
                raise RangeNotSatisfiableError(error.message, key=key, store=owner.display) from None
            with contextlib.closing(self._begin(number, end - start)) as part:
                if part.copy(fd, start) != end - start:
                    raise IntegrityError(f"{key!r} was cut short while it was copied", key=key, store=owner.display)
                part.end()
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

    def _begin(self, number: int, size: int) -> Part:
        """Reserve a place for a part, and open it."""
        check_number(number)
        with self._staged() as (folder, before):
            with self._log(folder, before) as log:
                offset = self._layout.choose(number, size, self._options.part_size or 0)
                self._append(log, b"r", number, offset, size)
            return Part(self, number, offset, size, os.open(f"{before}data", _DATA, dir_fd=folder))

    def note(self, number: int, offset: int, size: int) -> None:
        """Put on record that a part is there."""
        with self._staged() as (folder, before), self._log(folder, before) as log:
            self._append(log, b"d", number, offset, size)

    @contextlib.contextmanager
    def _staged(self) -> Generator[Folder]:
        """Open the staging directory, and say in our terms what goes wrong in it."""
        if self._done:
            raise self._gone()
        with self.telling():
            folder, before = self._root.folder(f"{STAGED}/{self.upload_id}")
            try:
                yield folder, before
            finally:
                self._root.leave(folder)

    @contextlib.contextmanager
    def telling(self) -> Generator[None]:
        """Say in our terms what the system says."""
        try:
            yield
        except HoldallError:
            raise
        except FileNotFoundError as error:
            answer = self._root.missing(self.key)
            raise self._gone() if isinstance(answer, NotFoundError) else answer from error
        except OSError as error:
            raise self._root.explain(error, self.key, writing=True) from error

    def _gone(self) -> ClosedError:
        return ClosedError(f"the upload of {self.key!r} was completed or aborted", key=self.key, store=self._root.display)

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
        joined = "joined" if exists(f"{before}joined", folder) else "data"
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
    found = head_of(root, upload_id) if is_id(upload_id) else None
    if found is None or found["key"] != key:
        raise NotFoundError(f"no unfinished upload {upload_id!r} of {key!r}", key=key, store=root.display)
    return LocalParts(root, shelf, key, upload_id, PutOptions(**found["options"]))


def _plain(options: PutOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if value not in (None, {})}
