"""The HTTP side of every object store: time limits, retries, certificates, as obstore and boto3 want them.

Obstore's ``timeout`` is one for the whole request, body included, 30 seconds unless set: it would cut every long download.
It is lifted; a read that makes no progress for `ClientSettings.timeout` seconds fails instead. For a write that limit
covers the sending of the whole body, so writers get several times as long.
"""

from __future__ import annotations

import ssl
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from holdall.errors import ConfigError

__all__ = ["AGENT", "ClientSettings", "NoRedirect"]

AGENT: Final = "holdall"
PATIENCE: Final = 5
"""How many times longer a request that sends a part may take without an answer."""

_WHOLE: Final = timedelta(days=7)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it comes out as an error, with its address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How to talk to a service.

    Attributes:
        retries: How often a failed request is sent again.
        timeout: Longest silence in seconds while reading.
        connect_timeout: Longest time to connect, in seconds.
        deadline: No request is sent again after this many seconds.
        concurrency: Parts of one upload in flight.
        max_connections: Idle connections kept; as many as were used if ``None``.
        verify: Check certificates.
        ca_file: PEM file of certificates to trust beside the system's.
        allow_http: Plain http is allowed.
    """

    retries: int = 4
    timeout: float = 60.0
    connect_timeout: float = 5.0
    deadline: float = 180.0
    concurrency: int = 8
    max_connections: int | None = None
    verify: bool = True
    ca_file: str | None = None
    allow_http: bool = False

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ConfigError("retries is at least 0")
        for name in ("timeout", "connect_timeout", "deadline"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is more than 0 seconds")
        for name in ("concurrency", "max_connections"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} is at least 1")

    def options(self, *, patient: bool, headers: dict[str, str] | None = None) -> Any:
        """Return obstore's client options.

        Args:
            patient: For writing.
            headers: Sent with each request.

        Raises:
            ConfigError: ``ca_file`` cannot be read.
        """
        options: dict[str, Any] = {
            "allow_http": self.allow_http,
            "timeout": _WHOLE,
            "connect_timeout": timedelta(seconds=self.connect_timeout),
            "read_timeout": timedelta(seconds=self.timeout * (PATIENCE if patient else 1)),
            "user_agent": AGENT,
        }
        if self.max_connections is not None:
            options["pool_max_idle_per_host"] = str(self.max_connections)
        if not self.verify:
            options["allow_invalid_certificates"] = True
        if self.ca_file is not None:
            try:
                with open(self.ca_file, "rb") as file:
                    options["root_certificate"] = file.read()
            except OSError as error:
                raise ConfigError(f"ca_file {self.ca_file!r} cannot be read: {error.strerror}") from error
        if headers:
            options["default_headers"] = headers
        return options

    def tls(self) -> ssl.SSLContext:
        """Return the TLS settings for requests of our own.

        Raises:
            ConfigError: ``ca_file`` cannot be used.
        """
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except OSError as error:
                raise ConfigError(f"ca_file {self.ca_file!r} cannot be used: {error}") from error
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def retry(self, retries: int | None = None) -> Any:
        """Return obstore's retry configuration."""
        return {
            "max_retries": self.retries if retries is None else retries,
            "retry_timeout": timedelta(seconds=self.deadline),
        }
