"""The mounts of a configuration file, of which those that are wrong trouble only who asks for them."""

from __future__ import annotations

from typing import Never

from holdall.core.secrets import mask
from holdall.engine.table import Mount
from holdall.errors import ConfigError, UnknownMountError
from holdall.mounts import StorageManager
from holdall.mounts.configuration import read_entries
from holdall.mounts.manager import _told

__all__ = ["UnusableMount", "configured"]


class UnusableMount(Mount):
    """A name whose description is wrong: whoever asks for it is told.

    Args:
        name: The name.
        error: What is wrong.
    """

    def __init__(self, name: str, error: ConfigError) -> None:
        super().__init__(name, None)
        self.error = error

    def open(self) -> Never:
        """Raise what is wrong."""
        raise self.error


def configured(config: str) -> StorageManager:
    """Return the mounts of a file, by path or URL.

    Raises:
        ConfigError: There is no such file, or none of its mounts can be told.
    """
    manager = StorageManager()
    try:
        entries, _ = read_entries(config, manager._registry)
    except FileNotFoundError as error:
        if isinstance(error, UnknownMountError):
            raise
        raise ConfigError(f"there is no configuration at {mask(config)}") from error
    try:
        manager._add(entries)
    except ConfigError:
        with _told(mask(config)):  # names that can be none
            manager._table.change(put={name: UnusableMount(name, ConfigError("not added yet")) for name, _, _ in entries})
        for entry in entries:
            try:
                with _told(mask(config)):
                    manager._add([entry])
            except ConfigError as error:
                manager._table.change(put={entry[0]: UnusableMount(entry[0], error)})
    return manager
