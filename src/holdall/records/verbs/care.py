"""Verbs that look after a database and tell what else its storage keeps."""

from __future__ import annotations

from holdall.records.record import Record
from holdall.records.results import CheckReport, ConnectReport, RefreshReport, RevisionInfo
from holdall.records.verbs.base import Verbs

__all__ = ["CareVerbs"]


class CareVerbs(Verbs):
    """Connect, refresh, check; tags and old versions."""

    def connect(self) -> ConnectReport:
        """Ask whether the storage is there and really enforces conditions; never needed before other verbs."""
        return self._blocking.connect()

    async def connect_async(self) -> ConnectReport:
        """Ask whether the storage is there. See `connect`."""
        return await self._async.connect_async()

    def refresh(self) -> RefreshReport:
        """Look at the storage now, whatever the age of what is kept locally."""
        return self._blocking.refresh()

    async def refresh_async(self) -> RefreshReport:
        """Look at the storage now. See `refresh`."""
        return await self._async.refresh_async()

    def check(self) -> CheckReport:
        """Read everything; report what is corrupt or foreign, and where the local index was wrong."""
        return self._blocking.check()

    async def check_async(self) -> CheckReport:
        """Read everything and report. See `check`."""
        return await self._async.check_async()

    def tags(self, id: str) -> dict[str, str]:
        """Return the tags that the storage shows for a record.

        Raises:
            NotSupportedError: The storage has no tags.
        """
        return self._blocking.tags(self._named(id))

    async def tags_async(self, id: str) -> dict[str, str]:
        """Return the tags of a record. See `tags`."""
        return await self._async.tags_async(self._named(id))

    def history(self, id: str) -> list[RevisionInfo]:
        """Return the versions that the storage keeps of a record, oldest first.

        Raises:
            NotSupportedError: It keeps none.
        """
        return self._blocking.history(self._named(id))

    async def history_async(self, id: str) -> list[RevisionInfo]:
        """Return the kept versions of a record. See `history`."""
        return await self._async.history_async(self._named(id))

    def restore(self, id: str, version: str) -> Record:
        """Make an old version (of `history`) the present one.

        Raises:
            RecordNotFoundError: There is no such version.
        """
        return self._blocking.restore(self._named(id), version)

    async def restore_async(self, id: str, version: str) -> Record:
        """Make an old version the present one. See `restore`."""
        return await self._async.restore_async(self._named(id), version)
