"""Nodes made of other nodes: several one after the other, and the difference between two."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

from holdall.core.meta import Attributes, ObjectMeta
from holdall.core.options import GetOptions
from holdall.mounts.virtual_base import VirtualStore
from holdall.results import GetResult

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["ConcatStore", "DiffStore"]

LARGEST_DIFF = 64 * 1024 * 1024
"""Bytes of either side above which no difference is made."""


class ConcatStore(VirtualStore):
    """The content of nodes, one after the other, read anew at each use.

    Args:
        nodes: In their order.
    """

    def __init__(self, nodes: Sequence[StorageNode] = ()) -> None:
        self.nodes = list(nodes)

    def __repr__(self) -> str:
        return f"ConcatStore({', '.join(map(repr, self.nodes))})"

    @property
    def members(self) -> list[StorageNode]:
        """The nodes."""
        return self.nodes

    @property
    def mimetype(self) -> str:
        """The type of all nodes if they have one, else octets."""
        types = {node.mimetype for node in self.nodes}
        return types.pop() if len(types) == 1 else "application/octet-stream"

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe the whole: the sizes of all nodes are asked."""
        return self._meta(key, version, [node.size for node in self.nodes])

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe the whole. See `head`."""
        return self._meta(key, version, [await node.size_async() for node in self.nodes])

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Read all nodes, or the parts of them that a range covers."""
        sizes = [node.size for node in self.nodes]
        meta = self._meta(key, options.version if options else None, sizes)
        start, end = _range(meta.size, options)
        return GetResult(meta, self._read(list(self.nodes), sizes, start, end), range=(start, end))

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Read all nodes. See `get`."""
        sizes = [await node.size_async() for node in self.nodes]
        meta = self._meta(key, options.version if options else None, sizes)
        start, end = _range(meta.size, options)
        return GetResult(meta, self._read_async(list(self.nodes), sizes, start, end), range=(start, end))

    def _meta(self, key: str, version: str | None, sizes: Sequence[int]) -> ObjectMeta:
        if version is not None:
            self._refuse("read versions")
        return ObjectMeta(key=key, size=sum(sizes), attributes=Attributes(content_type=self.mimetype))

    def _read(self, nodes: Sequence[StorageNode], sizes: Sequence[int], start: int, end: int) -> Iterator[bytes]:
        for i, low, high in _covered(sizes, start, end):
            with nodes[i].get(range=None if (low, high) == (0, sizes[i]) else (low, high)) as result:
                yield from result

    async def _read_async(
        self, nodes: Sequence[StorageNode], sizes: Sequence[int], start: int, end: int
    ) -> AsyncIterator[bytes]:
        for i, low, high in _covered(sizes, start, end):
            async with await nodes[i].get_async(range=None if (low, high) == (0, sizes[i]) else (low, high)) as result:
                async for chunk in result:
                    yield chunk


class DiffStore(VirtualStore):
    """The unified difference between two texts, made anew at each use.

    Args:
        old: One text.
        new: The other.
    """

    def __init__(self, old: StorageNode, new: StorageNode) -> None:
        self.old = old
        self.new = new

    def __repr__(self) -> str:
        return f"DiffStore({self.old!r}, {self.new!r})"

    @property
    def mimetype(self) -> str:
        """That of differences."""
        return "text/x-diff"

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe the difference, which is made for it."""
        return self.get(key, None if version is None else GetOptions(version=version)).meta

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe the difference. See `head`."""
        return (await self.get_async(key, None if version is None else GetOptions(version=version))).meta

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Make the difference.

        Raises:
            ValueError: One of them is not text, or above 64 MiB.
        """
        for node in (self.old, self.new):
            self._check_size(node, node.size)
        return self._made(key, options, self.old.read_bytes(), self.new.read_bytes())

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Make the difference. See `get`."""
        for node in (self.old, self.new):
            self._check_size(node, await node.size_async())
        return self._made(key, options, await self.old.read_bytes_async(), await self.new.read_bytes_async())

    def _made(self, key: str, options: GetOptions | None, old: bytes, new: bytes) -> GetResult:
        if options is not None and options.version is not None:
            self._refuse("read versions")
        lines = difflib.unified_diff(
            _lines(old, self.old), _lines(new, self.new), self.old.fullpath, self.new.fullpath, lineterm="\n"
        )
        data = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines).encode()
        meta = ObjectMeta(key=key, size=len(data), attributes=Attributes(content_type=self.mimetype))
        start, end = _range(len(data), options)
        return GetResult(meta, data[start:end], range=(start, end))

    def _check_size(self, node: StorageNode, size: int) -> None:
        if size > LARGEST_DIFF:
            raise ValueError(f"{node.fullpath!r} is too large for a difference: {size} bytes, at most {LARGEST_DIFF}")


def _lines(data: bytes, node: StorageNode) -> list[str]:
    if b"\0" in data:
        raise ValueError(f"Cannot diff binary files: {node.fullpath!r} holds NUL")
    try:
        return data.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        raise ValueError(f"Cannot diff binary files: {node.fullpath!r} is not UTF-8 text") from None


def _range(size: int, options: GetOptions | None) -> tuple[int, int]:
    wanted = options.byte_range if options is not None else None
    return (0, size) if wanted is None else wanted.resolve(size)


def _covered(sizes: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield which nodes a range covers, and the range in each.

    Example:
        >>> list(_covered([3, 0, 5], 2, 6))
        [(0, 2, 3), (2, 0, 3)]
    """
    offset = 0
    for i, size in enumerate(sizes):
        low, high = max(start - offset, 0), min(end - offset, size)
        if low < high:
            yield i, low, high
        offset += size
