"""The default manager: ``holdall.storages``, over the process's default table of names."""

from __future__ import annotations

from typing import Any

from holdall.core.config import find_config
from holdall.engine.table import MountTable, default_table
from holdall.mounts.manager import StorageManager

__all__ = ["filled_table", "storages"]


def filled_table() -> MountTable:
    """Return a new default table, filled from the configuration file if there is one (`holdall.core.config.find_config`)."""
    manager = StorageManager()
    path = find_config()
    if path is not None:
        manager.configure(path)
    return manager._table


class DefaultManager(StorageManager):
    """The manager whose mounts every face sees under their bare names."""

    @property
    def _table(self) -> MountTable:
        return default_table()

    def __reduce__(self) -> tuple[Any, ...]:
        # Where it is unpickled it is a manager of its own: another process has its own default.
        return _plain, (self.__getstate__(),)


def _plain(state: dict[str, Any]) -> StorageManager:
    manager = StorageManager()
    manager.__setstate__(state)
    return manager


storages = DefaultManager()
"""The default manager. Its table is made on first use."""
