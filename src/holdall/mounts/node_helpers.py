"""`NodeHelpers`: zip files, base64, downloads, and nodes made of other nodes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, overload

from holdall._lazy import lazy
from holdall.errors import IsDirectoryError
from holdall.mounts.node_base import as_node
from holdall.mounts.node_names import NodeNames

if TYPE_CHECKING:
    from holdall.mounts import fetching, zipping, zipping_async
    from holdall.mounts.node import StorageNode
    from holdall.mounts.zipping_async import Compression
else:
    fetching = lazy("holdall.mounts.fetching")
    zipping, zipping_async = lazy("holdall.mounts.zipping"), lazy("holdall.mounts.zipping_async")

__all__ = ["NodeHelpers"]


class NodeHelpers(NodeNames):
    """Things that programs do with files every other day."""

    __slots__ = ()

    # -- zip files ----------------------------------------------------------------------------------------------------

    def iter_zip(self, *, compression: Compression = "deflate", level: int | None = None) -> Iterator[bytes]:
        """Yield a zip file of this file or directory, or of the nodes of an `iternode`; in bounded memory.

        Entries are sorted, empty directories kept; of an iternode equal names become ``a.txt``, ``a (2).txt``.

        Args:
            compression: ``deflate``, ``store``, ``bzip2`` or ``lzma``.
            level: Of the compression.
        """
        nodes, nested = self._zip_members()
        return zipping.zipped(nodes, nested=nested, compression=compression, level=level)

    def iter_zip_async(self, *, compression: Compression = "deflate", level: int | None = None) -> AsyncIterator[bytes]:
        """Yield a zip file. See `iter_zip`."""
        nodes, nested = self._zip_members()
        return zipping_async.zipped_async(nodes, nested=nested, compression=compression, level=level)

    @overload
    def zip(self, dest: None = None) -> bytes: ...
    @overload
    def zip(self, dest: StorageNode | str | IO[bytes]) -> None: ...
    def zip(self, dest: StorageNode | str | IO[bytes] | None = None) -> bytes | None:
        """Make a zip file of this file or directory. See `iter_zip`.

        Args:
            dest: A node, ``"mount:path"`` or binary file to write it to, in bounded memory; by default it is returned.
        """
        pieces = self.iter_zip()
        if dest is None:
            return b"".join(pieces)
        if isinstance(dest, (str, NodeNames)):
            self._manager._as_node(dest).put(pieces)
            return None
        for piece in pieces:
            dest.write(piece)
        return None

    @overload
    async def zip_async(self, dest: None = None) -> bytes: ...
    @overload
    async def zip_async(self, dest: StorageNode | str | IO[bytes]) -> None: ...
    async def zip_async(self, dest: StorageNode | str | IO[bytes] | None = None) -> bytes | None:
        """Make a zip file. See `zip`."""
        pieces = self.iter_zip_async()
        if dest is None:
            return b"".join([piece async for piece in pieces])
        if isinstance(dest, (str, NodeNames)):
            await self._manager._as_node(dest).put_async(pieces)
            return None
        async for piece in pieces:
            dest.write(piece)
        return None

    def _zip_members(self) -> tuple[Sequence[StorageNode], bool]:
        """Return what goes into a zip file, and whether directories go in under their names."""
        parts = None if self._virtual is None else self._virtual.members
        return ([as_node(self)], False) if parts is None else (parts, True)

    # -- base64 and downloads -----------------------------------------------------------------------------------------

    def to_base64(self, mime: str | None = None, include_uri: bool = True) -> str:
        """Return the content as a ``data:`` URI, or as bare base64.

        Args:
            mime: Media type; that of the name by default.
            include_uri: Make it a URI.

        Raises:
            IsDirectoryError: A directory: "Cannot encode directory".
        """
        return self._encoded(self._fileish_bytes(), mime, include_uri)

    async def to_base64_async(self, mime: str | None = None, include_uri: bool = True) -> str:
        """Return the content as a ``data:`` URI, or as bare base64. See `to_base64`."""
        try:
            data = await as_node(self).read_bytes_async()
        except IsDirectoryError as error:
            raise self._no_encoding() from error
        return self._encoded(data, mime, include_uri)

    def _fileish_bytes(self) -> bytes:
        try:
            return as_node(self).read_bytes()
        except IsDirectoryError as error:
            raise self._no_encoding() from error

    def _no_encoding(self) -> IsDirectoryError:
        return IsDirectoryError(f"Cannot encode directory: {self.fullpath!r}", key=self._key)

    def _encoded(self, data: bytes, mime: str | None, include_uri: bool) -> str:
        text = base64.b64encode(data).decode("ascii")
        return f"data:{mime or self.mimetype};base64,{text}" if include_uri else text

    def fill_from_url(
        self,
        url: str,
        timeout: float = 30,
        *,
        max_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        allow: Callable[[str], bool] | None = None,
    ) -> None:
        """Publish what an http(s) URL gives as the content, with its content type; streamed.

        Args:
            url: Where from.
            timeout: Seconds without progress.
            max_size: Most bytes to take.
            headers: Sent with the request; ``Authorization`` and ``Cookie`` not to another host.
            allow: Asked for the URL and for each redirect; false refuses it.

        Raises:
            ValueError: "Invalid URL": not http or https.
            DownloadError: "Failed to download" (an `OSError`); the old content is as it was.
        """
        self._check_writable()
        with fetching.Download(url, timeout=timeout, max_size=max_size, headers=headers, allow=allow) as download:
            as_node(self).put(download, **self._kept_type(download.content_type))

    async def fill_from_url_async(
        self,
        url: str,
        timeout: float = 30,  # of each wait, not of the whole
        *,
        max_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        allow: Callable[[str], bool] | None = None,
    ) -> None:
        """Publish what an http(s) URL gives as the content. See `fill_from_url`."""
        self._check_writable()
        download = fetching.Download(url, timeout=timeout, max_size=max_size, headers=headers, allow=allow)
        async with download:
            await as_node(self).put_async(download, **self._kept_type(download.content_type))

    def _kept_type(self, content_type: str | None) -> dict[str, str]:
        """Return the option that keeps a content type, where the storage keeps them."""
        if content_type is None or not (self._inline or self._store().capabilities.attributes):
            return {}
        return {"content_type": content_type}

    # -- nodes made of nodes ------------------------------------------------------------------------------------------

    def append(self, node: StorageNode | str) -> None:
        """Add a node to this `StorageManager.iternode`.

        Raises:
            ValueError: This is no iternode.
        """
        self._members().append(self._manager._as_node(node))

    def extend(self, *nodes: StorageNode | str) -> None:
        """Add nodes to this `StorageManager.iternode`. See `append`."""
        self._members().extend([self._manager._as_node(node) for node in nodes])

    def _members(self) -> list[StorageNode]:
        members = None if self._virtual is None else self._virtual.members
        if members is None:
            raise ValueError(f"{self!r} is no iternode: nothing can be appended")
        return members
