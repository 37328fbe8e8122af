"""The builtin errors of files and sockets, and the status codes of HTTP, as errors of holdall: what drivers' mappings end with."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from holdall.core.disk_errors import FULL
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    RangeNotSatisfiableError,
    StorageFullError,
    StoreTimeoutError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

__all__ = ["of_status", "translate_os_error"]

_AWAY = {
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.EIO,
    errno.EBUSY,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENODEV,
    getattr(errno, "ESTALE", errno.EIO),
    getattr(errno, "EREMOTEIO", errno.EIO),
    getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH),
}


def translate_os_error(error: BaseException, what: str) -> HoldallError | None:
    """Return our error for an `OSError`, timeout or broken stream; ``None`` for anything else.

    Args:
        error: What was raised.
        what: The quoted key, for the message.

    Example:
        >>> translate_os_error(FileNotFoundError(2, "No such file"), "'a.txt'")
        NotFoundError("nothing at 'a.txt'")
        >>> translate_os_error(KeyError("x"), "'a.txt'")
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermissionDeniedError(f"the server's certificate was refused: {error.verify_message}", kind="certificate")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return StoreTimeoutError(f"no answer in time for {what}")
    if isinstance(error, (socket.gaierror, ssl.SSLError, ConnectionError, EOFError)):
        return UnavailableError(f"the storage could not be asked for {what}: {_reason(error)}")
    if not isinstance(error, OSError):
        return None
    code = error.errno
    if isinstance(error, FileNotFoundError) or code == errno.ENOENT:
        return NotFoundError(f"nothing at {what}")
    if isinstance(error, FileExistsError):
        return AlreadyExistsError(f"{what} already exists")
    if isinstance(error, PermissionError) or code == errno.EROFS:
        return PermissionDeniedError(f"no permission for {what}: {_reason(error)}")
    if isinstance(error, IsADirectoryError):
        return IsDirectoryError(f"a directory stands at {what}")
    if isinstance(error, NotADirectoryError):
        return NotDirectoryError(f"a file stands where {what} needs a directory")
    if code in {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ELOOP}:
        return InvalidKeyError(f"the storage takes no name like {what}: {_reason(error)}")
    if code == errno.ENOTEMPTY:
        return IsDirectoryError(f"the directory {what} is not empty")
    if code in FULL:
        return StorageFullError(f"no space left for {what}")
    if code in _AWAY:
        return UnavailableError(f"the storage could not be asked for {what}: {_reason(error)}")
    return HoldallError(f"the storage failed at {what}: {_reason(error)}", kind="storage")


def _reason(error: BaseException) -> str:
    """Return the system's words without paths or addresses: those of the errno where there is one."""
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and text else type(error).__name__


def of_status(status: int | None, what: str, code: str = "") -> HoldallError | None:
    """Return the error that a status code of HTTP means.

    Example:
        >>> of_status(412, "'k'").kind, of_status(503, "'k'").kind, of_status(200, "'k'")
        ('precondition', 'unavailable', None)
    """
    said = f" ({code or status})"
    if status in {404, 410}:
        return NotFoundError(f"nothing at {what}")
    if status == 401:
        return UnauthenticatedError(f"the storage did not accept the credentials{said}")
    if status == 403:
        return PermissionDeniedError(f"no permission for {what}{said}")
    if status == 304:
        return NotModifiedError(f"{what} is not modified")
    if status == 409:
        return AlreadyExistsError(f"{what} already exists{said}")
    if status == 412:
        return PreconditionError(f"{what} is not the version asked for{said}")
    if status == 416:
        return RangeNotSatisfiableError(f"the range starts behind the end of {what}")
    if status in {413, 507}:
        return StorageFullError(f"no space left for {what}{said}")
    if status in {405, 501}:
        return NotSupportedError(f"the server cannot do this to {what}{said}")
    if status == 414:
        return InvalidKeyError(f"the server takes no name like {what}{said}")
    if status == 408:
        return StoreTimeoutError(f"no answer in time for {what}{said}")
    if status == 429:
        return ThrottledError(f"the storage asks for fewer requests{said}")
    if status is not None and status >= 300:
        return UnavailableError(f"the storage could not be asked for {what}{said}")
    return None
