"""What boto3 raised, as the same facts that obstore's errors become, so that both channels to S3 fail alike."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from holdall._imports import imported
from holdall.core.retry import retry_after
from holdall.drivers.objects_errors import Answer, Facts, failure, unreached_facts
from holdall.errors import ConfigError, HoldallError, UnauthenticatedError

__all__ = ["boto_facts", "boto_failures", "translated"]

_ANSWERS: dict[str, Answer] = {
    "NoSuchKey": "not_found",
    "NoSuchUpload": "not_found",
    "NoSuchVersion": "not_found",
    "404": "not_found",
    "PreconditionFailed": "precondition",
    "412": "precondition",
    "NotModified": "not_modified",
    "304": "not_modified",
    "AccessDenied": "denied",
    "403": "denied",
    "NotImplemented": "unsupported",
    "MethodNotAllowed": "unsupported",
}
_TIMEOUTS = {"ConnectTimeoutError", "ReadTimeoutError"}
_BROKEN = {"ConnectionClosedError", "ResponseStreamingError", "HTTPClientError", "IncompleteReadError"}


def boto_failures() -> tuple[type[Exception], ...]:
    """Return what boto3 raises for reasons outside our code."""
    boto = imported("botocore.exceptions")
    return (boto.BotoCoreError, boto.ClientError, OSError, RecursionError)  # boto3 follows redirects in circles


def boto_facts(error: Exception) -> Facts:
    """Return what an error of boto3 tells."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code") or "")
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        message = response.get("Error", {}).get("Message") or None
        named = code if code and not code.isdigit() else None
        answer = _ANSWERS.get(code, "other")
        if named is None and answer == "other" and status is not None:
            answer = _ANSWERS.get(str(status), "other")
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        asked = retry_after(headers.get("retry-after"))
        return Facts(answer=answer, status=status, code=named, message=message, retry_after=asked)
    if isinstance(error, RecursionError):
        return Facts(code="Redirect")
    name = type(error).__name__
    if name in _TIMEOUTS:
        return Facts(transport="Timeout")
    if name in {"EndpointConnectionError", "ProxyConnectionError", "SSLError"}:
        return unreached_facts(str(getattr(error, "kwargs", {}).get("error", error)))
    if name in _BROKEN or isinstance(error, OSError):
        return Facts(transport="Interrupted", truncated=name in {"IncompleteReadError", "ResponseStreamingError"})
    return Facts(answer="config", message=str(error))


@contextlib.contextmanager
def translated(
    verb: str, key: str | None = None, *, store: object = None, version: str | None = None, create: bool = False
) -> Generator[None]:
    """Turn errors of boto3 into ours.

    Args:
        verb: What was tried.
        key: The key.
        store: Whose ``repr`` goes into the error.
        version: The version asked for.
        create: A condition that does not hold means that the key is taken.
    """
    try:
        yield
    except HoldallError:
        raise
    except boto_failures() as error:
        raise boto_error(error, verb, key, store=store, version=version, create=create) from error


def boto_error(
    error: Exception,
    verb: str,
    key: str | None = None,
    *,
    store: object = None,
    version: str | None = None,
    create: bool = False,
) -> HoldallError:
    """Return the error of our tree for one of boto3's."""
    name = type(error).__name__
    if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"} or "Token" in name:
        return UnauthenticatedError(f"cannot {verb}: {error}", key=key, store=store)
    if name in {"ProfileNotFound", "ConfigNotFound", "ConfigParseError", "NoRegionError", "ParamValidationError"}:
        return ConfigError(f"cannot {verb}: {error}", key=key, store=store)
    facts = boto_facts(error)
    if create and facts.answer == "precondition":
        facts = Facts(answer="exists", status=facts.status, code=facts.code)
    return failure(facts, verb=verb, key=key, store=store, version=version)
