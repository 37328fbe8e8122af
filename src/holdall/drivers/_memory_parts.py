"""Uploads by parts into memory: parts in a dict until they are joined."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from holdall.core.options import GetOptions, PutMode, PutOptions
from holdall.errors import ClosedError
from holdall.results import PutResult
from holdall.sources import BytesLike, as_bytes
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    from holdall.drivers.memory import MemoryStore

__all__ = ["MemoryParts", "Pending"]


@dataclass(slots=True)
class Pending:
    """An upload that is neither completed nor aborted."""

    key: str
    options: PutOptions
    started: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryParts(PartWriter):
    """Parts in a dict until they are joined."""

    def __init__(self, store: MemoryStore, key: str, upload_id: str) -> None:
        self._store = store
        self.key = key
        self.upload_id = upload_id

    def __repr__(self) -> str:
        return f"PartWriter({self.key!r}, {self._store!r})"

    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        if not 1 <= number <= 10_000:
            raise ValueError(f"a part's number is 1 to 10,000, not {number}")
        with self._store._locked():
            self._upload.parts[number] = as_bytes(data)

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        self.put_part(number, data)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range into a part. See `PartWriter.copy_part`."""
        from holdall.drivers.memory import MemoryStore  # noqa: PLC0415  # the store imports this module

        owner, key = (source or self._store).locate(src)
        if not isinstance(owner, MemoryStore):
            raise self._store._refusal("copy parts", f"{source!r} is no memory store")
        self.put_part(number, owner.get(key, GetOptions(range=range, if_match=if_match)).bytes())

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range into a part. See `PartWriter.copy_part`."""
        self.copy_part(number, src, range, if_match=if_match, source=source)

    def sent(self) -> dict[int, int]:
        """Return the sizes of the parts held. See `PartWriter.sent`."""
        with self._store._locked():
            return {number: len(data) for number, data in sorted(self._upload.parts.items())}

    async def sent_async(self) -> dict[int, int]:
        """Return the sizes of the parts held. See `PartWriter.sent`."""
        return self.sent()

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish the parts. See `PartWriter.complete`."""
        with self._store._locked():
            upload = self._upload
            options = upload.options
            if mode is not None or if_match is not None:
                options = replace(options.unconditional(), mode=mode or "overwrite", if_match=if_match)
            data = b"".join(upload.parts[number] for number in sorted(upload.parts))
            result = self._store._publish(self.key, data, options)
            del self._store._uploads[self.upload_id]
            self._done = True
            return result

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish the parts. See `PartWriter.complete`."""
        return self.complete(mode=mode, if_match=if_match)

    def abort(self) -> None:
        """Drop the parts. See `PartWriter.abort`."""
        self._done = True
        self._store._uploads.pop(self.upload_id, None)

    async def abort_async(self) -> None:
        """Drop the parts. See `PartWriter.abort`."""
        self.abort()

    @property
    def _upload(self) -> Pending:
        try:
            return self._store._uploads[self.upload_id]
        except KeyError:
            raise ClosedError(f"the upload of {self.key!r} was completed or aborted", key=self.key) from None
