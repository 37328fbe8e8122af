"""What a side channel offers: the calls that obstore lacks, blocking. The verbs run them in worker threads where needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.errors import HoldallError
from holdall.results import GetResult, PutResult

__all__ = ["SideChannel"]


class SideChannel(Protocol):
    """Another way to the same bucket, for keys and calls that obstore does not know. Paths are whole keys in the bucket."""

    def get(self, key: str, path: str, options: GetOptions | None) -> GetResult:
        """Open an object for reading."""
        ...

    def head(self, key: str, path: str, version: str | None) -> ObjectMeta:
        """Describe an object."""
        ...

    def put(self, key: str, path: str, data: bytes, options: PutOptions) -> PutResult:
        """Write an object in one request."""
        ...

    def delete(self, keys: Sequence[tuple[str, str]]) -> list[HoldallError | None]:
        """Delete ``(key, path)`` pairs; an error or ``None`` for each."""
        ...

    def page(
        self, prefix: str, delimiter: str | None, after: str | None, mark: str | None, cut: int
    ) -> tuple[ListPage, str | None]:
        """Return one page of a listing, its keys without their first ``cut`` characters, and the mark of the next page."""
        ...

    def send(self, key: str, path: str, chunks: Iterator[bytes], size: int | None, options: PutOptions) -> PutResult:
        """Write an object that is too large for one request."""
        ...

    async def send_async(
        self, key: str, path: str, chunks: AsyncIterator[bytes], size: int | None, options: PutOptions
    ) -> PutResult:
        """Write an object that is too large for one request."""
        ...
