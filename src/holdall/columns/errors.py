"""The errors that only columns raise; everything else comes from `holdall.errors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall.errors import HoldallError

__all__ = ["CleanupError", "RejectedFileError", "UnsavedFileError"]


class RejectedFileError(HoldallError, ValueError):
    """A rule of the column refused the file; nothing of it was stored.

    Example:
        >>> isinstance(RejectedFileError("too big"), ValueError)
        True
    """

    kind = "rejected_file"


class UnsavedFileError(HoldallError, RuntimeError):
    """Content would have been lost: it would reach the database without having been stored."""

    kind = "unsaved_file"


class CleanupError(HoldallError):
    """The transaction is committed, but files that it replaced or dropped could not be cleaned up; `holdall.columns.sweep` will.

    Attributes:
        committed: Always true: the rows are what they should be.
        failures: What went wrong, one error for each key.
    """

    kind = "cleanup"

    def __init__(self, message: str = "", *, failures: Sequence[HoldallError] = (), **named: Any) -> None:
        super().__init__(message, **named)
        self.committed = True
        self.failures = tuple(failures)
