"""Errors of several locations at once: each carries the ``report`` of what happened where."""

from __future__ import annotations

from typing import Any

from holdall.errors import HoldallError, PermissionDeniedError, UnavailableError

__all__ = [
    "FileStoreException",
    "LocationsDeniedError",
    "LocationsUnavailableError",
    "PartialDeleteError",
    "PartialWriteError",
    "TransportException",
]


class LocationsUnavailableError(UnavailableError):
    """No location has it, and at least one could not be asked.

    Attributes:
        report: Location name to its error, ``None`` where the object is not there.
    """

    def __init__(self, message: str = "", *, report: Any = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.report = report


class LocationsDeniedError(PermissionDeniedError):
    """No location has it, and refusals of permission are all that stood in the way.

    Attributes:
        report: Location name to its error, ``None`` where the object is not there.
    """

    def __init__(self, message: str = "", *, report: Any = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.report = report


class _PartialError(HoldallError):
    def __init__(
        self,
        message: str = "",
        *,
        written: tuple[Any, ...] = (),
        failed: tuple[Any, ...] = (),
        report: Any = None,
        **named: Any,
    ) -> None:
        super().__init__(message, **named)
        self.written = written
        self.failed = failed
        self.report = report


class PartialWriteError(_PartialError):
    """Not every selected location has the object; nothing was rolled back, and writing again fills only the gaps.

    Attributes:
        written: Locations that hold it now.
        failed: Locations that failed.
        report: The whole `WriteReport`.
    """

    kind = "partial_write"


class PartialDeleteError(_PartialError):
    """Not every selected location could delete; all were tried.

    Attributes:
        written: Locations that do not have it any more.
        failed: Locations that failed.
        report: The whole `DeleteReport`.
    """

    kind = "partial_delete"


FileStoreException = HoldallError
"""The name under which older callers catch everything."""
TransportException = HoldallError
"""The name under which older callers catch everything."""
