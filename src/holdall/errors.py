"""Every error that holdall raises, as one tree drawn by what the caller can do about it.

::

    HoldallError
    ├── NotFoundError (FileNotFoundError)            nothing there, and the storage said so
    │   ├── UnknownMountError (KeyError)             also a ConfigError
    │   └── VersionNotFoundError (IndexError)
    ├── AlreadyExistsError (FileExistsError)         create lost: somebody has the key
    ├── PreconditionError                            the object is not the one you meant: read again
    ├── NotModifiedError                             your copy is current
    ├── PermissionDeniedError (PermissionError)      the storage knows you, or not, and said no
    │   └── UnauthenticatedError
    ├── UnavailableError (ConnectionError)           the storage could not be asked: try later
    │   ├── StoreTimeoutError (TimeoutError)
    │   ├── ThrottledError
    │   ├── MissingPlaceError                        the bucket, container or base directory is not there
    │   └── CircuitOpenError                         it failed several times in a row and is left alone
    ├── NotSupportedError (NotImplementedError)      this store cannot; nothing was sent
    ├── ConfigError (ValueError)                     mend the configuration
    │   └── MissingExtraError (ImportError)
    ├── InvalidKeyError (ValueError)                 no store would take this key
    ├── RangeNotSatisfiableError (ValueError)        the range starts behind the end
    ├── IsDirectoryError (IsADirectoryError, ValueError)
    ├── NotDirectoryError (NotADirectoryError, ValueError)
    ├── NotEmptyError (OSError)                      a directory that holds something cannot be deleted
    ├── StorageFullError (OSError)                   no space or quota left
    ├── IntegrityError                               bytes are not what they should be
    ├── TransferError                                a copy of many failed in part; see ``report``
    ├── ClosedError (ValueError)                     used after close()
    └── ForkedProcessError (RuntimeError)            a handle from before fork(); use "spawn"

Each class is also the builtin it means, carries ``key`` and ``store`` (a display without secrets) and a stable ``kind``,
and is raised ``from`` what caused it.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar

__all__ = [
    "AlreadyExistsError",
    "CircuitOpenError",
    "ClosedError",
    "ConfigError",
    "ForkedProcessError",
    "HoldallError",
    "IntegrityError",
    "InvalidKeyError",
    "IsDirectoryError",
    "MissingExtraError",
    "MissingPlaceError",
    "NotDirectoryError",
    "NotEmptyError",
    "NotFoundError",
    "NotModifiedError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PreconditionError",
    "RangeNotSatisfiableError",
    "StorageFullError",
    "StoreTimeoutError",
    "ThrottledError",
    "TransferError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownMountError",
    "VersionNotFoundError",
]


class HoldallError(Exception):
    """Base of all errors of holdall.

    Args:
        message: One sentence without secrets.
        key: The key in question, if there is one.
        store: Display of the store (its ``repr``, no secret).
        kind: Overrides the class's stable machine code.

    Example:
        >>> error = NotFoundError("nothing at 'a.txt'", key="a.txt", store="MemoryStore()")
        >>> error.kind, error.key, isinstance(error, FileNotFoundError)
        ('not_found', 'a.txt', True)
    """

    kind: str = "error"
    _errno: ClassVar[int | None] = None

    def __init__(self, message: str = "", *, key: str | None = None, store: object = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.store = None if store is None else str(store)
        if kind is not None:
            self.kind = kind
        if self._errno is not None:
            setattr(self, "errno", self._errno)  # noqa: B010  # the attribute of OSError, where the class is one

    def __str__(self) -> str:
        where = f" [{self.store}]" if self.store else ""
        return f"{self.message}{where}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, {k: v for k, v in self.__dict__.items() if k != "message"})


_HEAP_TYPE = 1 << 9
"""The flag of classes that were made by a ``class`` statement."""


def _rebuild(cls: type[HoldallError], message: str, state: dict[str, Any]) -> HoldallError:
    base: type[BaseException] = cls
    while base.__flags__ & _HEAP_TYPE:  # the builtin whose layout it has; of two, Python's lookup may find the other first
        base = base.__base__ or BaseException
    error: HoldallError = base.__new__(cls, message)
    Exception.__init__(error, message)
    error.message = message
    error.__dict__.update(state)
    if cls._errno is not None:
        setattr(error, "errno", cls._errno)  # noqa: B010
    return error


class NotFoundError(HoldallError, FileNotFoundError):
    """Nothing at this key, and the storage itself said so."""

    kind = "not_found"
    _errno = errno.ENOENT


class VersionNotFoundError(NotFoundError, IndexError):
    """The object has no such version."""

    kind = "version_not_found"


class AlreadyExistsError(HoldallError, FileExistsError):
    """A create lost: the key is taken."""

    kind = "already_exists"
    _errno = errno.EEXIST


class PreconditionError(HoldallError):
    """The object is not the one the caller named (by etag or time)."""

    kind = "precondition"


class NotModifiedError(HoldallError):
    """The caller's copy is current (HTTP 304)."""

    kind = "not_modified"


class PermissionDeniedError(HoldallError, PermissionError):
    """The storage refused, or this store is restricted."""

    kind = "permission_denied"
    _errno = errno.EACCES


class UnauthenticatedError(PermissionDeniedError):
    """The storage did not accept the credentials."""

    kind = "unauthenticated"


class UnavailableError(HoldallError, ConnectionError):
    """The storage could not be asked; never to be read as "not there".

    Attributes:
        retry_after: Seconds after which the service wants to be asked again (``Retry-After``), if it said so.
    """

    kind = "unavailable"

    def __init__(self, message: str = "", *, retry_after: float | None = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.retry_after = retry_after


class StoreTimeoutError(UnavailableError, TimeoutError):
    """No answer in time."""

    kind = "timeout"
    _errno = errno.ETIMEDOUT


class ThrottledError(UnavailableError):
    """The storage asked for fewer requests."""

    kind = "throttled"


class MissingPlaceError(UnavailableError):
    """The bucket, container or base directory is not there: nothing can be said of a key in it."""

    kind = "missing_place"


class CircuitOpenError(UnavailableError):
    """The storage failed several times in a row and is left alone for ``retry_after`` seconds; nothing was sent."""

    kind = "circuit_open"

    def __init__(self, message: str = "", *, retry_after: float = 0.0, **named: Any) -> None:
        super().__init__(message, retry_after=retry_after, **named)


class NotSupportedError(HoldallError, NotImplementedError):
    """This store cannot do what was asked; nothing was sent."""

    kind = "not_supported"


class ConfigError(HoldallError, ValueError):
    """A configuration, URL or option is wrong."""

    kind = "config"


class UnknownMountError(NotFoundError, ConfigError, KeyError):
    """No mount of this name: nothing is there, and the configuration or the name is to be mended."""

    kind = "unknown_mount"


class MissingExtraError(ConfigError, ImportError):
    """A package of an optional extra is not installed; the message has the ``pip install`` line."""

    kind = "missing_extra"


class InvalidKeyError(HoldallError, ValueError):
    """The key is empty, absolute, climbs out of its root, holds NUL, or is reserved."""

    kind = "invalid_key"


class RangeNotSatisfiableError(HoldallError, ValueError):
    """The range starts at or behind the end of the object (HTTP 416)."""

    kind = "range"


class IsDirectoryError(HoldallError, IsADirectoryError, ValueError):
    """A directory stands where a file was meant."""

    kind = "is_directory"
    _errno = errno.EISDIR


class NotDirectoryError(HoldallError, NotADirectoryError, ValueError):
    """A file stands where a directory was meant."""

    kind = "not_directory"
    _errno = errno.ENOTDIR


class NotEmptyError(HoldallError, OSError):
    """A directory that holds something cannot be deleted."""

    kind = "not_empty"
    _errno = errno.ENOTEMPTY


class StorageFullError(HoldallError, OSError):
    """No space or quota left; nothing was published."""

    kind = "storage_full"
    _errno = errno.ENOSPC


class IntegrityError(HoldallError):
    """Bytes are short, long or not those that were announced."""

    kind = "integrity"


class TransferError(HoldallError):
    """Some items of a transfer failed; ``report`` has each of them."""

    kind = "transfer"

    def __init__(self, message: str = "", *, report: Any = None, **named: Any) -> None:
        super().__init__(message, **named)
        self.report = report


class ClosedError(HoldallError, ValueError):
    """Used after ``close()``."""

    kind = "closed"


class ForkedProcessError(HoldallError, RuntimeError):
    """A handle opened before ``fork()`` cannot work in the child; start processes with "spawn"."""

    kind = "forked"
