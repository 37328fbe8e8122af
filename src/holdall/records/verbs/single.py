"""Verbs on one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from holdall.records.drafts import upserted
from holdall.records.errors import RecordNotFoundError
from holdall.records.record import Record
from holdall.records.verbs.base import Verbs

__all__ = ["SingleVerbs"]


class SingleVerbs(Verbs):
    """Create, read, update, delete."""

    def create(self, record: Record) -> str:
        """Insert a record atomically and return its id.

        Args:
            record: Not changed. Its id is its own, or a new UUID.

        Raises:
            DuplicateRecordError: The id is taken; nothing changed.
            SerializationError: It holds a value that cannot be stored; nothing was sent.
        """
        return self._blocking.create(self._draft(record)).id

    async def create_async(self, record: Record) -> str:
        """Insert a record. See `create`."""
        return (await self._async.create_async(await self._draft_async(record))).id

    def read(self, id: str) -> Record | None:
        """Return a record; ``None`` only if the storage said that it is not there.

        Raises:
            CorruptRecordError: Something is there that is no record.
        """
        return self._blocking.read(self._named(id))

    async def read_async(self, id: str) -> Record | None:
        """Return a record or ``None``. See `read`."""
        return await self._async.read_async(self._named(id))

    def require(self, id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: It is not there.
        """
        return _there(self.read(id), id, self)

    async def require_async(self, id: str) -> Record:
        """Return a record. See `require`."""
        return _there(await self.read_async(id), id, self)

    def update(self, id: str, record: Record, *, expected_version: str | None = None) -> bool:
        """Replace fields and user metadata; ``created_at`` stays.

        Args:
            id: Which one (the record's own id does not matter).
            record: The new content; not changed.
            expected_version: Only if it is at this version.

        Returns:
            ``False`` if it is absent; nothing was written then.

        Raises:
            ConcurrencyError: It is at another version.
        """
        return self._blocking.update(self._draft(record, self._named(id)), self._version(expected_version)) is not None

    async def update_async(self, id: str, record: Record, *, expected_version: str | None = None) -> bool:
        """Replace a record. See `update`."""
        return (
            await self._async.update_async(await self._draft_async(record, self._named(id)), self._version(expected_version))
            is not None
        )

    @overload
    def upsert(self, id: Record, /) -> str: ...
    @overload
    def upsert(self, id: str, record: Record, *, expected_version: str | None = None) -> str: ...
    def upsert(self, id: str | Record, record: Record | None = None, *, expected_version: str | None = None) -> str:
        """Replace or insert a record and return its id, after a confirmed write.

        Args:
            id: Which one; or the record itself, which knows its id or gets one.
            record: The content.
            expected_version: Only replace, and only this version.

        Raises:
            ConcurrencyError: It is at another version, or absent (``actual_version=None``).
        """
        return self._blocking.upsert(
            self._draft(*upserted(id, record, expected_version)), self._version(expected_version)
        ).id

    @overload
    async def upsert_async(self, id: Record, /) -> str: ...
    @overload
    async def upsert_async(self, id: str, record: Record, *, expected_version: str | None = None) -> str: ...
    async def upsert_async(
        self, id: str | Record, record: Record | None = None, *, expected_version: str | None = None
    ) -> str:
        """Replace or insert a record. See `upsert`."""
        draft = await self._draft_async(*upserted(id, record, expected_version))
        return (await self._async.upsert_async(draft, self._version(expected_version))).id

    def modify(self, id: str, function: Callable[[Record], Record | None], *, attempts: int = 8) -> Record:
        """Read a record, change it and write it back if nobody else did meanwhile; else again.

        Args:
            id: Which one.
            function: Gets the record as it was read; returns the new content, or ``None`` if it changed what it got.
            attempts: How often at most.

        Returns:
            The record as it is stored now.

        Raises:
            RecordNotFoundError: It is not there.
            ConcurrencyError: All attempts met another writer.
            NotSupportedError: The storage has no compare-and-set; nothing was sent.
        """
        return self._blocking.modify(self._named(id), function, attempts, self)

    async def modify_async(self, id: str, function: Callable[[Record], Any], *, attempts: int = 8) -> Record:
        """Change a record by compare-and-set; the function may be a coroutine function. See `modify`."""
        return await self._async.modify_async(self._named(id), function, attempts, self)

    def delete(self, id: str, *, expected_version: str | None = None) -> bool:
        """Delete a record and tell whether it was there.

        Raises:
            ConcurrencyError: It is not at the expected version; it is kept.
        """
        return self._blocking.delete(self._named(id), self._version(expected_version))

    async def delete_async(self, id: str, *, expected_version: str | None = None) -> bool:
        """Delete a record. See `delete`."""
        return await self._async.delete_async(self._named(id), self._version(expected_version))

    def exists(self, id: str) -> bool:
        """Tell whether a record is there."""
        return self._blocking.version(self._named(id)) is not None

    async def exists_async(self, id: str) -> bool:
        """Tell whether a record is there."""
        return await self._async.version_async(self._named(id)) is not None

    def get_version(self, id: str) -> str | None:
        """Return the opaque version token of a record, unique per write; ``None`` if it is absent."""
        return self._blocking.version(self._named(id))

    async def get_version_async(self, id: str) -> str | None:
        """Return the version token of a record. See `get_version`."""
        return await self._async.version_async(self._named(id))


def _there(record: Record | None, id: str, database: object) -> Record:
    if record is None:
        raise RecordNotFoundError(f"no record {id!r}", id=id, database=database)
    return record
