"""The errors of fsspec's filesystems as errors of holdall: one mapping for all of them, by what an error carries.

Filesystems raise builtins where they can; what their libraries raise besides is told by a status code of HTTP (aiohttp,
requests, httpx, azure, google, botocore) or by where it comes from. None of those packages is imported here.
"""

from __future__ import annotations

from typing import Any

from holdall.core.unreached import unreached
from holdall.drivers.os_errors import of_status, translate_os_error
from holdall.errors import (
    HoldallError,
    IntegrityError,
    MissingPlaceError,
    NotSupportedError,
    StoreTimeoutError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

__all__ = ["is_refusal", "status_of", "translate_fsspec_error"]

_NETWORK = ("aiohttp", "requests", "urllib3", "httpx", "httpcore", "botocore", "aiobotocore", "azure", "google", "gcsfs",
            "asyncssh", "paramiko", "ftplib", "smbprotocol", "webdav4", "adlfs", "_pygit2", "yarl", "aiohttp_retry", "http")  # fmt: skip
_ARCHIVES = {"libarchive", "zipfile", "tarfile", "zlib", "lzma", "_lzma"}
_BUSY = {"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"}


def status_of(error: BaseException) -> int | None:
    """Return the status code of HTTP that an error carries.

    Example:
        >>> from urllib.error import HTTPError
        >>> with HTTPError("http://x", 404, "gone", {}, None) as error:
        ...     status_of(error)
        404
    """
    for holder in (error, getattr(error, "response", None)):
        if isinstance(holder, dict):  # botocore
            holder = holder.get("ResponseMetadata", {}).get("HTTPStatusCode")  # noqa: PLW2901
        for value in (holder, *(getattr(holder, name, None) for name in ("status_code", "status", "code"))):
            if isinstance(value, int) and 300 <= value < 600:
                return value
    return None


def is_refusal(error: BaseException) -> bool:
    """Tell whether an error says that these credentials may not ask.

    Example:
        >>> is_refusal(PermissionError()), is_refusal(FileNotFoundError())
        (True, False)
    """
    return isinstance(error, PermissionError) or status_of(error) in {401, 403}


def translate_fsspec_error(error: BaseException, what: str) -> HoldallError | None:
    """Return our error for one of a filesystem's, ``None`` for what is none of it.

    Args:
        error: What was raised.
        what: The quoted key, for the message.
    """
    cause = _service_error(error)
    if cause is not None:
        code = str(cause.response.get("Error", {}).get("Code", ""))
        if code in _BUSY:
            return ThrottledError(f"the storage asks for fewer requests ({code})")
        if code == "NoSuchBucket":
            return MissingPlaceError("the bucket is not there")
        found = of_status(status_of(cause), what, code)
        if found is not None:
            return found
    name, home = type(error).__name__, type(error).__module__.partition(".")[0]
    if isinstance(error, TimeoutError) or name == "FSTimeoutError" or (home in _NETWORK and "Timeout" in name):
        return StoreTimeoutError(f"no answer in time for {what}")
    if type(error) is ValueError and str(error).startswith("Can't create any SFTP"):  # sshfs
        return UnavailableError(f"the storage could not be asked for {what}: the filesystem has no connection")
    found = of_status(status_of(error), what) or translate_os_error(error, what)
    if found is not None and not (
        type(found) is HoldallError and home in _NETWORK
    ):  # their errors without a number say more
        return found
    if home in _NETWORK:
        if any(word in name for word in ("Credential", "Authentication", "PermissionDenied", "AuthError")):
            return UnauthenticatedError(f"the storage did not accept the credentials ({type(error).__name__})")
        words = unreached(str(error)) if "Connect" in name else name
        return UnavailableError(f"the storage could not be asked for {what}: {words}")
    if home in _ARCHIVES:
        return IntegrityError(f"the archive is damaged, or none, at {what}: {name}")
    if isinstance(error, NotImplementedError):
        return NotSupportedError(f"the filesystem cannot do this to {what}")
    return None


def _service_error(error: BaseException) -> Any:
    """Return botocore's error, which s3fs hangs behind its own."""
    for found in (error, error.__cause__):
        if isinstance(getattr(found, "response", None), dict):
            return found
    return None
