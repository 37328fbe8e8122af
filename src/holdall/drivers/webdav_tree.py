"""A collection on a WebDAV server as a `Tree`.

A PUT is not atomic on every server, so a write goes to a temporary name in the same collection, is checked for its size, and
moved over the old resource. RFC 4918 (9.9.3) lets the server delete that one first: for a moment readers may find nothing,
never a part. ``create`` happens under a lock of the collection, which keeps everybody else out. There is no compare-and-set: the
etags of some servers (wsgidav: inode, second, size) are the same for two contents written within a second.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Self

import httpx

from holdall.core.options import PutOptions
from holdall.core.preconditions import missing
from holdall.drivers.tree import (
    BlockingReader,
    BlockingTree,
    BlockingWriter,
    Entry,
    Mode,
    Reader,
    Writer,
    beside,
    parent,
    temporary_name,
)
from holdall.drivers.webdav_client import BUSY, LOST, DavClient, Upload, raise_for
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    IntegrityError,
    InvalidKeyError,
    IsDirectoryError,
    MissingPlaceError,
    NotDirectoryError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import CHUNK

__all__ = ["WebDAVTree"]

BUFFER = 256 * 1024
"""Bytes up to which a body is sent from memory."""
ATTEMPTS = 8
"""How often a small file is read again that was replaced between its description and its bytes."""
_ODD = frozenset("?;" + "".join(map(chr, range(32))) + "\x7f") - {"\0"}
"""Characters that end or leave a path for whoever decodes a URL before taking it apart."""


class WebDAVTree(BlockingTree):
    """The files below one collection.

    Args:
        client: The requests.
        create: Make the collection if it is not there.
    """

    def __init__(self, client: DavClient, *, create: bool) -> None:
        self.client = client
        self._may_create = create
        self._made = False
        self._odd_names: bool | None = None

    # -- reading ------------------------------------------------------------------------------------------------------

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory; the root is made, once, if it is missing. See `Tree.stat`."""
        try:
            return self.client.describe(path)
        except NotFoundError:
            if path or self._made or not self._may_create:
                raise
        self._made = True
        with suppress(HoldallError):  # if it cannot be made, it is still missing
            self.make_parents("")
        return self.client.describe("")

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        found = self.client.members(path)
        if found is None:
            raise NotDirectoryError(f"a file stands at {path!r}")
        return found

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading; a small one is fetched at once, so that it is the one described. See `Tree.open`."""
        for _ in range(ATTEMPTS):
            entry = self.client.describe(path)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            reader = WebDAVReader(self.client, path, entry)
            if not whole or entry.size > CHUNK:
                return reader
            with suppress(PreconditionError):
                reader.data = reader.read(0, entry.size)
                return reader
        raise UnavailableError(f"{path!r} changes all the time")

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        self.check_name(path)
        return WebDAVWriter(self, path, size)

    def put_small(self, path: str, data: bytes) -> None:
        """PUT a whole body from memory, parents made; what is locked meanwhile is waited for."""
        give_up = time.monotonic() + self.client.timeout
        made = False
        while True:
            response = self.client.request("PUT", self.client.url(path), content=data)
            if response.status_code in {403, 404, 409} and not made:
                made = True
                self.make_parents(parent(path))
            elif response.status_code == 423 and time.monotonic() < give_up:
                time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # spreads retries
            else:
                raise_for(response, repr(path))
                return

    def make_parents(self, folder: str) -> None:
        """Make a collection and those above it.

        Raises:
            NotDirectoryError: A file stands in the way.
            UnavailableError: The root is missing, and is not to be made.
        """
        if not folder and not self._may_create:
            try:
                self.client.describe("")
            except NotFoundError as error:
                raise MissingPlaceError("the base directory is not there") from error
            return
        response = self.client.request("MKCOL", self.client.url(folder, collection=True))
        if response.status_code in {403, 404, 409}:
            if folder:
                self.make_parents(parent(folder))
            elif "/" in self.client.root.partition("://")[2]:
                self._make_root()
            response = self.client.request("MKCOL", self.client.url(folder, collection=True))
        if response.status_code != 201:
            with suppress(NotFoundError):
                if self.client.describe(folder).kind == "directory":
                    return
                raise NotDirectoryError(f"a file stands where {folder!r} should be a directory")
            raise_for(response, repr(folder))

    def _make_root(self) -> None:
        """Make the root's own parents, as far as the server lets us."""
        scheme, _, rest = self.client.root.partition("://")
        parts = rest.split("/")
        for i in range(2, len(parts)):
            self.client.request("MKCOL", f"{scheme}://{'/'.join(parts[:i])}/")

    def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Move over the old file, or only where none is.

        Raises:
            AlreadyExistsError, IsDirectoryError: Something else is there.
        """
        if mode == "create":
            with _Locked(self.client, parent(path)) as locked:
                if self._is_there(path):
                    raise AlreadyExistsError(f"{path!r} already exists")
                self._move(temporary, path, overwrite=False, held=locked.held)
            return
        with suppress(NotFoundError):
            if self.client.describe(path).kind == "directory":  # a MOVE would delete all that it holds
                raise IsDirectoryError(f"a directory stands at {path!r}")
        self._move(temporary, path, overwrite=True)

    def _move(self, temporary: str, path: str, *, overwrite: bool, held: str = "") -> None:
        """Rename; where the answer is lost or unclear, the temporary name tells: gone means done."""
        headers = {"Destination": self.client.url(path), "Overwrite": "T" if overwrite else "F", "Depth": "infinity"}
        if held:
            headers["If"] = held
        give_up = time.monotonic() + self.client.timeout
        asked = False
        while True:
            response: httpx.Response | None = None
            try:
                response = self.client.http.request("MOVE", self.client.url(temporary), headers=headers)
            except LOST:
                if time.monotonic() > give_up:
                    raise
            if response is not None and response.status_code in {200, 201, 204}:
                return
            if asked or response is None or response.status_code in {207, 404, 500}:
                try:
                    self.client.describe(temporary)
                except NotFoundError:
                    return
            asked = True
            if response is not None and response.status_code not in {207, 404, 409, 423, 500}:
                if response.status_code == 412 and not overwrite:
                    raise AlreadyExistsError(f"{path!r} already exists")
                raise_for(response, repr(path))
            if time.monotonic() > give_up:
                raise UnavailableError(f"{path!r} could not be put in place")
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # spreads retries

    def _is_there(self, path: str) -> bool:
        try:
            self.client.describe(path)
        except NotFoundError:
            return False
        return True

    def check_name(self, path: str) -> None:
        """Make sure that a MOVE goes where it should: some servers decode a ``Destination`` before they take it apart.

        Raises:
            InvalidKeyError: This server would cut the name off, and so write over another file.
        """
        if not _ODD.intersection(path):
            return
        if self._odd_names is None:
            self._odd_names = self._try_odd_names()
        if not self._odd_names:
            raise InvalidKeyError(
                f"{path!r} cannot be stored here: the server takes no names with ? ; or control characters"
            )

    def _try_odd_names(self) -> bool:
        """Tell whether an empty file can be moved to a name of odd characters; whatever comes of it is removed."""
        client, name = self.client, temporary_name()
        odd = f"{name}{''.join(sorted(_ODD))}x"
        self.put_small(name, b"")
        try:
            response = client.request("MOVE", client.url(name), headers={"Destination": client.url(odd), "Overwrite": "F"})
            if response.status_code in {401, 429, 502, 503, 504}:
                raise_for(response, "a trial of odd names")
            return self._is_there(odd)
        finally:
            for entry in client.members("") or ():
                if entry.name.startswith(name):
                    self._delete(client.url(entry.name))

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        if self.client.describe(path).kind == "directory":  # a DELETE would take all that it holds
            return False
        return self._delete(self.client.url(path))

    def _delete(self, url: str, held: str = "") -> bool:
        give_up = time.monotonic() + self.client.timeout
        while True:
            response = self.client.request("DELETE", url, headers={"If": held} if held else {})
            if response.status_code == 423 and not held and time.monotonic() < give_up:
                time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # spreads retries
                continue
            if response.status_code == 404:
                return False
            raise_for(response, "the resource")
            return True

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        self.make_parents(path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        if self.client.describe(path).kind != "directory":
            return False
        url = self.client.url(path, collection=True)
        with _Locked(self.client, path) as locked:  # nothing can be added meanwhile
            if self.client.members(path):
                raise IsDirectoryError(f"the directory {path!r} is not empty")
            return self._delete(url, locked.held)

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file: to a temporary name, then in place. See `Tree.copy`."""
        self.check_name(dst)
        writer = WebDAVWriter(self, dst, None)
        entry = self.client.describe(src)
        if entry.kind != "file":
            raise missing(src)
        try:
            writer.fill(src, entry)
            return writer.publish(mode, None)
        except BaseException:
            writer.abort()
            raise

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self.client.close()


class _Locked:
    """A lock of a collection: nobody else adds to it or removes it until the lock is given back.

    Attributes:
        held: The token, as the ``If`` header wants it.
    """

    def __init__(self, client: DavClient, folder: str) -> None:
        self._client = client
        self._url = client.url(folder, collection=True)
        self._token = ""

    @property
    def held(self) -> str:
        return f"<{self._url}> (<{self._token}>)"

    def __enter__(self) -> Self:
        self._token = self._client.lock(self._url)
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.unlock(self._url, self._token)


class WebDAVReader(BlockingReader):
    """One resource, read by ranges of the version that was described, as far as the server can tell versions apart."""

    parallel = 4

    def __init__(self, client: DavClient, path: str, entry: Entry) -> None:
        self._client = client
        self._path = path
        self.entry = entry
        self.data: bytes | None = None

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if self.data is not None:
            yield self.data[start:end]
            return
        url, headers = self._client.url(self._path), self._headers(start, end)
        for pause in self._client.pauses():
            request = self._client.http.build_request("GET", url, headers=headers)
            try:
                response = self._client.http.send(request, stream=True)
            except LOST:
                if pause is None:
                    raise
            else:
                try:
                    if pause is None or response.status_code not in BUSY:
                        yield from self._body(response, start, end)
                        return
                finally:
                    response.close()
            time.sleep(pause)

    def _headers(self, start: int, end: int) -> dict[str, str]:
        headers = {}
        if (start, end) != (0, self.entry.size):
            headers["Range"] = f"bytes={start}-{end - 1}"
        etag = self.entry.etag
        if etag is not None and not etag.startswith("W/"):
            headers["If-Match"] = f'"{etag}"'
        return headers

    def _body(self, response: httpx.Response, start: int, end: int) -> Generator[bytes]:
        if response.status_code in {404, 412}:
            raise self._changed()
        if response.status_code not in {200, 206}:
            raise_for(response, repr(self._path))
            raise UnavailableError(f"the server answered {response.status_code}")
        skip = start if response.status_code == 200 else 0
        wanted = end - start
        if not self._same(response, start, end):
            raise self._changed()
        for block in response.iter_bytes(CHUNK):
            piece = block[skip:] if skip else block
            skip = max(0, skip - len(block))
            piece = piece[:wanted]
            wanted -= len(piece)
            if piece:
                yield piece
            if wanted <= 0:
                return

    def _same(self, response: httpx.Response, start: int, end: int) -> bool:
        """Tell whether the answer is of the version that was described: by etag, else by size."""
        total = response.headers.get("Content-Range", "").rpartition("/")[2] or response.headers.get("Content-Length", "")
        if total.isdigit() and int(total) != self.entry.size:
            return False
        etag = response.headers.get("ETag")
        return etag is None or self.entry.etag is None or etag.strip('W/"') == self.entry.etag.strip('W/"')

    def _changed(self) -> PreconditionError:
        return PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")

    def close(self) -> None:
        """Nothing is held between reads."""


class WebDAVWriter(BlockingWriter):
    """A resource under a temporary name in the same collection."""

    def __init__(self, tree: WebDAVTree, path: str, size: int | None) -> None:
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._expected = size
        self._buffer = bytearray()
        self._size = 0
        self._upload: Upload | None = None
        self._begun = False

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._size += len(chunk)
        if self._upload is None:
            self._buffer += chunk
            if len(self._buffer) <= BUFFER:
                return
            self._begun = True
            self._tree.put_small(self._temporary, b"")  # what cannot be sent twice goes where nothing is in its way
            self._upload = Upload(self._tree.client, self._tree.client.url(self._temporary), self._expected)
            chunk, self._buffer = bytes(self._buffer), bytearray()
        for start in range(0, len(chunk), CHUNK):
            self._upload.push(chunk[start : start + CHUNK])

    def fill(self, src: str, entry: Entry) -> None:
        """Copy a resource of the server into this one."""
        self._begun = True
        client = self._tree.client
        self._tree.make_parents(parent(self._path))
        headers = {"Destination": client.url(self._temporary), "Overwrite": "F", "Depth": "0"}
        raise_for(client.request("COPY", client.url(src), headers=headers), repr(src))
        self._size = entry.size

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        tree = self._tree
        if self._upload is not None:
            upload, self._upload = self._upload, None
            upload.end()
        elif not self._begun:
            self._begun = True
            tree.put_small(self._temporary, bytes(self._buffer))
        sent = tree.client.describe(self._temporary)
        if sent.size != self._size:
            raise IntegrityError(f"{self._path!r}: the server holds {sent.size} bytes of {self._size} sent")
        tree.put_in_place(self._temporary, self._path, mode)
        self._begun = False
        name = self._path.rpartition("/")[2]
        with suppress(NotFoundError):
            there = tree.client.describe(self._path)
            if there.etag == sent.etag or (there.size, there.modified) == (sent.size, sent.modified):
                return there
        return Entry(name=name, size=self._size, modified=sent.modified)  # already replaced: its etag is not ours

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        if self._upload is not None:
            self._upload.stop()
            self._upload = None
        if self._begun:
            self._begun = False
            with suppress(Exception):
                self._tree._delete(self._tree.client.url(self._temporary))
