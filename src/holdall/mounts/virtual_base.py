"""`VirtualStore`: content made of other nodes, as a read-only store of one key. Its kinds stand in `holdall.mounts.virtual`."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.meta import ListPage
from holdall.core.options import PutOptions
from holdall.results import DeleteResult, PutResult
from holdall.sources import AsyncSource, Source
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.mounts.node import StorageNode

__all__ = ["VirtualStore"]

_CAPABILITIES = Capabilities(write=False, delete=False, list=False, etag=False, suffix_ranges=True)


class VirtualStore(Store):
    """A store of one object that is made anew at each read; nothing can be written."""

    @property
    def mimetype(self) -> str:
        """Media type of the content."""
        return "application/octet-stream"

    @property
    def members(self) -> builtins.list[StorageNode] | None:
        """The nodes it is made of, if more can be added; else ``None``."""
        return None

    @property
    def capabilities(self) -> Capabilities:
        """What works here: reading."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """One of its own: this content is nowhere else."""
        return Identity(service="virtual", place=f"{id(self):x}")

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """Refuse: there is no directory structure."""
        self._refuse("list")

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """Refuse: there is no directory structure."""
        self._refuse("list")

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Refuse: it is made of other content."""
        self._refuse("put")

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Refuse: it is made of other content."""
        self._refuse("put")

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Refuse: it is made of other content."""
        self._refuse("delete")

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Refuse: it is made of other content."""
        self._refuse("delete")

    def _refuse(self, verb: str) -> NoReturn:
        raise self._refusal(verb, "it is made of other nodes")
