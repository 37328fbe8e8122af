"""The errors of this face: the names that programs of its kind know, and three of its own.

``StorageError`` and friends *are* the classes of `holdall.errors`, under a second name.
"""

from __future__ import annotations

import errno
from typing import ClassVar

from holdall.errors import (
    ConfigError,
    HoldallError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
)

__all__ = [
    "MountPathError",
    "StorageConfigError",
    "StorageError",
    "StorageNotFoundError",
    "StoragePermissionError",
    "UnsupportedNodeError",
    "VirtualNodeError",
]

StorageError = HoldallError
StorageNotFoundError = NotFoundError
StoragePermissionError = PermissionDeniedError
StorageConfigError = ConfigError


class MountPathError(ConfigError, FileNotFoundError):
    """The directory or file that a mount names does not exist."""

    kind = "mount_path"
    _errno: ClassVar[int] = errno.ENOENT


class UnsupportedNodeError(NotSupportedError, PermissionDeniedError):
    """This kind of node cannot do what was asked: a snapshot or a virtual node cannot be written."""

    kind = "unsupported_node"
    _errno: ClassVar[int] = errno.EACCES


class VirtualNodeError(UnsupportedNodeError, ValueError):
    """A node made of other nodes cannot do what was asked."""

    kind = "virtual_node"
