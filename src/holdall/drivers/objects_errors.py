"""What went wrong below, read once: the errors of obstore as facts, and facts as errors of `holdall.errors`.

Obstore tells most of it in text only (status, service code, kind of transport failure). The facts are the service's own
words; the text itself never travels on, as it holds whole URLs, whose query may be a signature. `s3_errors` brings the
errors of boto3 to the same facts, so that both channels fail alike.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import Literal

from obstore import exceptions as native

from holdall.core.unreached import refused_certificate, unreached
from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    HoldallError,
    IntegrityError,
    InvalidKeyError,
    IsDirectoryError,
    MissingPlaceError,
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
    VersionNotFoundError,
)

__all__ = ["FAILURES", "Facts", "facts_of", "failure", "masked", "unreached_facts"]

FAILURES: tuple[type[Exception], ...] = (native.BaseError, OSError, ValueError)
"""What obstore raises for reasons outside our code: its own errors, and some builtin ones."""

Answer = Literal[
    "not_found",
    "exists",
    "precondition",
    "not_modified",
    "denied",
    "unauthenticated",
    "unsupported",
    "path",
    "config",
    "other",
]

_STATUS = re.compile(r"status(?: code)?: (\d{3})\b")
_CODE = re.compile(r"<Code>([\w.-]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<\\\n]{1,300})")
_OS = re.compile(r"\bOs \{\s+code: (\d+),")
_KIND = re.compile(r"\bkind: (Timeout|Connect|Interrupted|Request|Decode|Body|Unknown)\b")
_NO_BYTES = re.compile(r"CONTENT_RANGE header: \"bytes [^\"]*/0\"")  # a range of an empty object, from Azurite
_QUERY = re.compile(r"\?[^\s\"'<>,)]*")
_SIGNED = re.compile(r"<(StringToSign|CanonicalRequest|\w*Signature\w*|\w*Bytes)>.*?</\1>", re.DOTALL)

_MISSING = {"NoSuchBucket", "ContainerNotFound"}
_NO_BUCKET = _MISSING | {"ContainerBeingDeleted", "ContainerDisabled", "AccountIsDisabled"}
_UNKNOWN_CALLER = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
    "RequestExpired",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    "AuthorizationHeaderMalformed",
    "UnauthorizedAccess",
}
_THROTTLED = {"SlowDown", "ServerBusy", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "StorageQuotaExceeded", "AccountQuotaExceeded", "XMinioStorageFull"}
_LATE = {"RequestTimeout", "OperationTimedOut"}
_BAD_VERSION = {"NoSuchVersion", "InvalidVersionId", "VersionNotFound"}
_REGION = {"PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "Redirect"}
_UNREADABLE = {
    "Unable to decode service account": "the key file of the service account cannot be understood",
    "Invalid Access Key": "account_key is not Base64, as the portal shows it",
    "Missing component in SAS": "sas_token is not of the form name=value&name=value",
}
_SENSELESS = {
    "Content-Length Header missing": "the server does not say how many bytes there are (no Content-Length)",
    "Invalid last modified": "the server says a Last-Modified that is no time",
    "error following redirect": "the server redirects in circles, or to where nothing can be read",
}
_BUSY = {"ConditionalRequestConflict", "OperationAborted"}
_SYSTEM: dict[int, type[HoldallError]] = {
    errno.ENOTDIR: NotDirectoryError,
    errno.EISDIR: IsDirectoryError,
    errno.ENAMETOOLONG: InvalidKeyError,
    errno.ENOSPC: StorageFullError,
    errno.EACCES: PermissionDeniedError,
}
_WORDS = {
    "InvalidObjectState": "is archived and has to be restored first",
    "BlobArchived": "is archived and has to be rehydrated first",
    "InvalidBlockList": "another upload of it was completed meanwhile; nothing of this one was written",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """A failure in the service's words.

    Attributes:
        answer: What the library made of it.
        status: HTTP status, if there was an answer.
        code: The service's code in it.
        message: The service's sentence in it.
        transport: What failed below HTTP: ``Timeout``, ``Certificate``, ``Connect``, ``Interrupted``, ...
        truncated: The body ended early.
        unranged: A range was asked for, the whole object came.
        unsuffixed: The service has no "last n bytes".
        undecodable: The object has a header that is no text; only the side channel can read it.
        errno: Error number of a system call, of obstore's local store.
        retry_after: Seconds that the service asked to wait; obstore does not tell its headers (`objects_pause`).
    """

    answer: Answer = "other"
    status: int | None = None
    code: str | None = None
    message: str | None = None
    transport: str | None = None
    truncated: bool = False
    unranged: bool = False
    unsuffixed: bool = False
    undecodable: bool = False
    errno: int | None = None
    retry_after: float | None = None

    @property
    def no_bucket(self) -> bool:
        """The bucket or container is missing, not the object."""
        return self.code in _NO_BUCKET

    @property
    def conflict(self) -> bool:
        """A condition of a write did not hold."""
        return self.answer in {"exists", "precondition"} and not self.no_bucket

    @property
    def busy(self) -> bool:
        """Another conditional write was under way: worth a second try."""
        return self.status == 409 and self.code in _BUSY

    @property
    def transient(self) -> bool:
        """Worth a second try: nobody answered, or the service was in trouble."""
        if self.status is not None:
            return (self.status >= 500 and self.status not in {501, 507}) or self.status in {408, 429} or self.busy
        return self.transport in {"Timeout", "Connect", "Interrupted", "Request", "Body", "Decode"}

    @property
    def unsent(self) -> bool:
        """The request never reached the service."""
        return self.transport in {"Connect", "Certificate"}


def facts_of(error: BaseException) -> Facts:
    """Return what an error of obstore tells. Our own errors are no facts of a service: they are raised again.

    Raises:
        HoldallError: The error was one already, from the opening of a client, say.
    """
    if isinstance(error, HoldallError):
        raise error
    text = str(error)
    status, code, message, kind = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text), _KIND.search(text)
    transport = kind.group(1) if kind else None
    system = _OS.search(text) if transport is None and "LocalFileSystem" in text else None
    if "Wanted range starting at" in text or "StartTooLarge" in text or _NO_BYTES.search(text):
        return Facts(status=416)
    if "BadScheme" in text:
        return Facts(answer="config", message="plain http is not allowed: use https, or set allow_http")
    if "no AWS credentials" in text:
        return Facts(
            answer="unauthenticated", message="no AWS credentials in the environment, the configuration or the instance"
        )
    for words, told in _UNREADABLE.items():
        if words in text:
            return Facts(answer="config", message=told)
    if "TokenRequest" in text or "performing token request" in text:
        return Facts(answer="unauthenticated", message="no token could be had from the credentials")
    for words, told in _SENSELESS.items():
        if words in text:
            return Facts(message=told)
    if "BareRedirect" in text or "RelativeUrlWithoutBase" in text:
        return Facts(status=301, code="Redirect")
    if transport == "Connect":
        return unreached_facts(text)
    return Facts(
        answer=_answer_of(error, text),
        status=int(status.group(1)) if status else None,
        code=code.group(1) if code else None,
        message=message.group(1).strip() if message else None,
        transport=transport,
        truncated="UnexpectedEof" in text or "IncompleteBody" in text or "IncompleteMessage" in text,
        unsuffixed="does not support suffix range" in text,
        unranged="NotPartial" in text or "Range request not supported" in text,
        errno=int(system.group(1)) if system else None,
        undecodable="contained non UTF-8" in text or "contained non ASCII" in text,
    )


def unreached_facts(text: str) -> Facts:
    """Return what the text of a library tells of a connection that could not be made."""
    certificate = refused_certificate(text)
    if certificate is not None:
        return Facts(transport="Certificate", message=f"the server's certificate was refused: {certificate}")
    return Facts(transport="Connect", message=unreached(text))


def _answer_of(error: BaseException, text: str) -> Answer:
    kinds: tuple[tuple[type[BaseException], Answer], ...] = (
        (FileNotFoundError, "not_found"),
        (native.AlreadyExistsError, "exists"),
        (native.PreconditionError, "precondition"),
        (native.NotModifiedError, "not_modified"),
        (native.PermissionDeniedError, "denied"),
        (native.UnauthenticatedError, "unauthenticated"),
        (native.NotSupportedError, "unsupported"),
        (native.InvalidPathError, "path"),
        (native.UnknownConfigurationKeyError, "config"),
    )
    for kind, answer in kinds:
        if isinstance(error, kind):
            return answer
    if "not implemented" in text.lower() and isinstance(error, native.BaseError) and "status" not in text:
        return "unsupported"
    return "path" if isinstance(error, ValueError) and "parse path" in text else "other"


def failure(
    facts: Facts,
    *,
    verb: str,
    key: str | None = None,
    store: object = None,
    place: str = "bucket",
    version: str | None = None,
) -> HoldallError:
    """Return the error of our tree for a failure.

    Args:
        facts: What is known of it.
        verb: What was tried, as in "cannot read 'a'".
        key: The key, if it was about one.
        store: Whose ``repr`` goes into the error.
        place: What the service calls a bucket.
        version: The version that was asked for.
    """
    if facts.errno == errno.ENOTDIR and verb in {"read", "describe", "delete"}:
        facts = Facts(answer="not_found")
    kind, words = _kind_of(facts, verb, version)
    what = f"{verb} {key!r}" if key is not None else verb
    if kind is NotFoundError and (key is None or verb == "write"):
        kind, text = MissingPlaceError, f"cannot {what}: the {place} does not exist, or nothing like it is served there"
    elif kind is NotFoundError:
        text = f"nothing at {key!r}"
    elif kind is VersionNotFoundError:
        text = f"no version {version!r} of {key!r}"
    elif kind is AlreadyExistsError:
        text = f"{key!r} already exists"
    elif kind is PreconditionError:
        text = f"{key!r} is not the version asked for"
    elif kind is NotModifiedError:
        text = f"{key!r} is not modified"
    elif facts.no_bucket:
        text = f"cannot {what}: the {place} does not exist or is not available"
    else:
        if place == "site" and facts.code == "Redirect":
            words = "the server redirects, and does not say where to"
        text = f"cannot {what}: {words or _said(facts)}"
    if facts.transport == "Certificate":
        return PermissionDeniedError(text, key=key, store=store, kind="certificate")
    if issubclass(kind, UnavailableError):
        return kind(text, key=key, store=store, retry_after=facts.retry_after)
    return kind(text, key=key, store=store)


def _kind_of(facts: Facts, verb: str, version: str | None) -> tuple[type[HoldallError], str | None]:
    code, status = facts.code, facts.status
    if facts.no_bucket:
        return MissingPlaceError if code in _MISSING else UnavailableError, None
    if facts.errno is not None:
        return _SYSTEM.get(facts.errno, UnavailableError), os.strerror(facts.errno)
    if code in _UNKNOWN_CALLER or status == 401 or facts.answer == "unauthenticated":
        return UnauthenticatedError, None
    if code in _WORDS:
        return UnavailableError, _WORDS[code or ""]
    if code in _FULL or status == 507:
        return StorageFullError, None
    if version is not None and (code in _BAD_VERSION or facts.answer == "not_found" or status in {400, 404, 405}):
        return VersionNotFoundError, None
    if facts.answer == "not_modified" or status == 304:
        return NotModifiedError, None
    if facts.busy:
        return UnavailableError, "another conditional write is under way"
    if facts.answer == "exists":
        return AlreadyExistsError, None
    if facts.answer == "precondition" or status == 412:
        return PreconditionError, None
    if facts.answer == "not_found" or status in {404, 410}:
        return NotFoundError, None
    if facts.answer == "denied" or status == 403:
        return PermissionDeniedError, None
    if status == 416:
        return RangeNotSatisfiableError, "the range starts at or behind the end"
    if facts.answer == "unsupported" or status in {405, 501}:
        return NotSupportedError, None
    if facts.answer == "path" or code == "KeyTooLongError":
        return InvalidKeyError, "this service or its client does not take such a key"
    if code in _REGION or status in {301, 307, 308}:
        return ConfigError, "the service redirects: this is most often a wrong region"
    if code in _THROTTLED or status == 429:
        return ThrottledError, None
    if code in _LATE or status in {408, 504} or facts.transport == "Timeout":
        return StoreTimeoutError, None
    if status is not None and 400 <= status < 500:
        return ConfigError, None
    if facts.answer == "config":
        return ConfigError, facts.message
    if facts.truncated and facts.transport != "Request":  # only what was read are bytes of an object
        return IntegrityError if verb == "read" else UnavailableError, "the answer ended before all bytes came"
    return UnavailableError, None


def _said(facts: Facts) -> str:
    if facts.status is not None:
        parts = [f"HTTP {facts.status}", facts.code, facts.message and f"({facts.message})"]
        return " ".join(part for part in parts if part)
    if facts.message:
        return facts.message
    return {
        "Timeout": "no answer in time",
        "Connect": "no connection",
        "Interrupted": "the connection broke",
        "Request": "the connection broke",
        "Body": "the connection broke",
        "Decode": "the answer made no sense",
    }.get(facts.transport or "", "the service could not be asked")


def masked(error: BaseException) -> BaseException:
    """Return the cause to raise from: the same kind of error, its text without queries, signatures and debug dump.

    Example:
        >>> masked(ValueError("GET http://h/b/k?sig=abc failed"))
        ValueError('GET http://h/b/k?*** failed')
    """
    text = str(error).partition("\n\nDebug source:")[0].strip()
    text = _SIGNED.sub(r"<\1>***</\1>", _QUERY.sub("?***", text))
    try:
        return type(error)(text)
    except (TypeError, KeyError):  # an error class with a constructor of its own
        return RuntimeError(f"{type(error).__name__}: {text}")
