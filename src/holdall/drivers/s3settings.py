"""How to reach a bucket: the arguments of `S3Store`, checked, and the clients that obstore and boto3 make of them."""

from __future__ import annotations

import importlib.util
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import obstore.store

from holdall._imports import imported, importing
from holdall.core.urls import is_loopback
from holdall.drivers.objects_client import AGENT, ClientSettings
from holdall.errors import ConfigError, MissingExtraError, UnauthenticatedError

__all__ = ["EXTRA", "Addressing", "S3Settings", "boto_installed"]

Addressing = Literal["auto", "path", "virtual"]
EXTRA: Final = 'pip install "holdall[s3]"'
AMAZON: Final = "https://s3.amazonaws.com"
SSE: Final = frozenset({"AES256", "aws:kms", "aws:kms:dsse"})
FRESH: Final = timedelta(minutes=5)
"""For how long obstore keeps credentials of a session; boto3 renews them at least ten minutes before they expire."""


def boto_installed() -> bool:
    """Tell whether boto3 can be imported, without importing it."""
    return importlib.util.find_spec("boto3") is not None


@lru_cache(maxsize=64)
def _of_amazon(endpoint: str) -> bool:
    """Tell whether an address is of Amazon's; each write asks."""
    return (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


@lru_cache(maxsize=64)
def _service(endpoint: str | None) -> str:
    """Return the service at an address; each write asks several times."""
    if endpoint is None or (_of_amazon(endpoint) and not endpoint.endswith(".cn") and "vpce" not in endpoint):
        return f"s3+{AMAZON}"
    parts = urlsplit(endpoint)
    port = "" if parts.port in {None, 443 if parts.scheme == "https" else 80} else f":{parts.port}"
    return f"s3+{parts.scheme}://{parts.hostname}{port}{parts.path}"  # the host is in small letters


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """Where a bucket is and who asks.

    Attributes:
        bucket: Its name.
        region: If given; else the environment, the profile, or ``us-east-1``.
        endpoint: Of a service that is not Amazon's, without a trailing slash.
        access_key_id, secret_access_key, session_token: Static credentials.
        profile: Of the AWS configuration.
        anonymous: Ask without credentials.
        sse, sse_kms_key_id: Encryption on the server's side.
        request_payer: We pay for requests.
        addressing: Bucket in the path or in the host.
        bulk_delete: Delete many keys in one request.
        sign_payload: Sign the digest of what is sent, too.
        client: Time limits, retries, certificates.
    """

    bucket: str
    region: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    anonymous: bool = False
    sse: str | None = None
    sse_kms_key_id: str | None = None
    request_payer: bool = False
    addressing: Addressing = "auto"
    bulk_delete: bool = True
    sign_payload: bool | None = None
    client: ClientSettings = field(default_factory=ClientSettings)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _made: dict[str, Any] = field(default_factory=dict[str, Any], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.bucket or "/" in self.bucket:
            raise ConfigError(f"a bucket is a name without '/', not {self.bucket!r}")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ConfigError("half a pair of credentials: access_key_id and secret_access_key go together")
        if self.session_token and not self.access_key_id:
            raise ConfigError("session_token goes with access_key_id and secret_access_key")
        ways = [self.access_key_id is not None, self.profile is not None, self.anonymous]
        if sum(ways) > 1:
            raise ConfigError("one of: a key pair, profile, anonymous")
        if self.profile is not None and not boto_installed():
            raise MissingExtraError(f"profiles need boto3: {EXTRA}")
        if self.sse is not None and self.sse not in SSE:
            raise ConfigError(f"sse is one of {', '.join(sorted(SSE))}, not {self.sse!r}")
        if self.sse_kms_key_id is not None and self.sse not in {"aws:kms", "aws:kms:dsse"}:
            raise ConfigError("sse_kms_key_id goes with sse='aws:kms'")
        if self.addressing not in {"auto", "path", "virtual"}:
            raise ConfigError(f"addressing_style is 'auto', 'path' or 'virtual', not {self.addressing!r}")
        if self.endpoint is not None:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
                raise ConfigError("endpoint_url must be an address such as https://host:9000")
            if parts.username is not None or parts.password is not None:
                raise ConfigError("endpoint_url cannot hold credentials")
            if parts.scheme == "http" and not self.client.allow_http:
                raise ConfigError("endpoint_url is plain http, and allow_http is False")

    @property
    def amazon(self) -> bool:
        """Whether the service is Amazon's own."""
        return self.endpoint is None or _of_amazon(self.endpoint)

    @property
    def service(self) -> str:
        """The service for identities: equal for equal objects, however the region was given."""
        return _service(self.endpoint)

    @property
    def principal(self) -> str:
        """Who asks, for identities."""
        if self.anonymous:
            return "anonymous"
        return self.access_key_id or self.profile or ""

    @property
    def needs_session(self) -> bool:
        """Whether credentials come from a boto3 session: profile, SSO, assumed role, instance. Obstore knows fewer ways."""
        if self.anonymous or self.access_key_id is not None:
            return False
        return self.profile is not None or (boto_installed() and not _in_environment())

    @property
    def virtual(self) -> bool:
        """Whether the bucket stands in the host name."""
        if self.addressing != "auto":
            return self.addressing == "virtual"
        return self.endpoint is None and "." not in self.bucket

    @property
    def unsigned(self) -> bool:
        """Whether a signature leaves out the digest of what is sent (design record 0031)."""
        return self.guarded if self.sign_payload is None else not self.sign_payload

    @property
    def guarded(self) -> bool:
        """Whether nobody on the way can change what is sent: by TLS with certificates that are checked, or within the machine."""
        parts = urlsplit(self.endpoint or AMAZON)
        return is_loopback(parts.hostname or "") or (parts.scheme == "https" and self.client.verify)

    @property
    def equal_parts(self) -> bool:
        """Whether the service wants parts of one size."""
        return self.endpoint is not None and (urlsplit(self.endpoint).hostname or "").endswith(".r2.cloudflarestorage.com")

    # -- obstore ------------------------------------------------------------------------------------------------------

    def native(self, *, patient: bool, retries: int) -> Any:
        """Return a new obstore instance."""
        config: dict[str, Any] = {
            "region": self.resolved_region,
            "virtual_hosted_style_request": self.virtual,
            "skip_signature": self.anonymous,
            "disable_bulk_delete": not self.bulk_delete,
            "unsigned_payload": self.unsigned,
        }
        if self.endpoint is not None:
            address = self.endpoint
            if self.virtual:
                scheme, _, host = address.partition("://")
                address = f"{scheme}://{self.bucket}.{host}"
            config["aws_endpoint_url_s3"] = address  # "endpoint" loses against AWS_ENDPOINT_URL_S3 of the environment
        if self.sse is not None:
            config["server_side_encryption"] = self.sse
        if self.sse_kms_key_id is not None:
            config["sse_kms_key_id"] = self.sse_kms_key_id
        if self.request_payer:
            config["request_payer"] = True
        provider: Any = None
        if self.access_key_id is not None:
            # not as configuration: a session token of the environment would be taken along with our keys
            provider = _Static(self.access_key_id, self.secret_access_key or "", self.session_token)
        elif self.needs_session:
            provider = _Session(self.session())
        return obstore.store.S3Store(
            self.bucket,
            config=config,  # type: ignore[arg-type]  # built as a plain dict
            client_options=self.client.options(patient=patient),
            retry_config=self.client.retry(retries),
            credential_provider=provider,
        )

    @property
    def resolved_region(self) -> str:
        """The region: given, of the environment, of the profile, or the default one."""
        region = self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region and self.needs_session:
            region = self.session().region_name
        return region or "us-east-1"

    # -- boto3 --------------------------------------------------------------------------------------------------------

    def session(self) -> Any:
        """Return the boto3 session, made once.

        Raises:
            MissingExtraError: boto3 is not installed.
            ConfigError: There is no such profile.
        """
        with self._lock:
            if "session" not in self._made:
                self._made["session"] = self._new_session()
            return self._made["session"]

    def _new_session(self) -> Any:
        try:
            with importing():
                import boto3.session  # noqa: PLC0415  # an extra
                import botocore.session  # noqa: PLC0415
                from botocore.exceptions import BotoCoreError  # noqa: PLC0415

                from holdall.drivers.s3events import Events  # noqa: PLC0415
                from holdall.drivers.s3models import share_loader  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError(f"this needs boto3: {EXTRA}") from error
        core = botocore.session.Session(event_hooks=Events(self.client.deadline))
        try:
            share_loader(core)
            session = boto3.session.Session(
                botocore_session=core,
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
                aws_session_token=self.session_token,
                region_name=self.region,
                profile_name=self.profile,
            )
            _ = session.region_name  # looks for the profile now, not at the first request
        except BotoCoreError as error:
            raise ConfigError(f"the AWS configuration cannot be used: {error}") from error
        return session

    def boto_client(self) -> Any:
        """Return a new boto3 client.

        Raises:
            MissingExtraError: boto3 is not installed.
        """
        session = self.session()
        from botocore import UNSIGNED  # noqa: PLC0415  # an extra
        from botocore.config import Config  # noqa: PLC0415

        from holdall.drivers.s3models import read_models  # noqa: PLC0415

        # other services often know no trailers; and with one in it, a body is not signed
        checksums: Any = "when_supported" if self.amazon and self.unsigned else "when_required"
        places: Any = {
            "addressing_style": "virtual" if self.virtual else "path",
            "payload_signing_enabled": not self.unsigned,
        }
        config = Config(
            region_name=self.resolved_region,
            connect_timeout=self.client.connect_timeout,
            read_timeout=self.client.timeout,
            retries={"total_max_attempts": self.client.retries + 1, "mode": "standard"},
            max_pool_connections=self.client.max_connections or max(32, 2 * self.client.concurrency),
            s3=places,
            user_agent_extra=AGENT,
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            # without a word boto3 signs URLs by version 2, which buckets made since June 2020 refuse
            signature_version=UNSIGNED if self.anonymous else "s3v4",
        )
        verify: bool | str = self.client.ca_file or True if self.client.verify else False
        read_models()
        for name in ("boto3.s3.transfer", "encodings.idna"):  # else its first client and connection import them in one go
            imported(name)
        client = session.client("s3", endpoint_url=self.endpoint, config=config, verify=verify, use_ssl=not self._plain)
        if self.request_payer:
            client.meta.events.register("before-call.s3", _pay)
        return client

    @property
    def _plain(self) -> bool:
        return self.endpoint is not None and self.endpoint.startswith("http://")


def _pay(params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-amz-request-payer"] = "requester"


def _in_environment() -> bool:
    """Tell whether the environment holds a key pair, which obstore reads by itself, at no import of boto3."""
    return bool(os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"))


class _Static:
    """Obstore's credential provider for a given key pair; shows nothing."""

    def __init__(self, key: str, secret: str, token: str | None) -> None:
        self._answer = {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": None}

    def __call__(self) -> Any:
        return self._answer

    def __repr__(self) -> str:
        return "<credentials>"


class _Session:
    """Obstore's credential provider over a boto3 session: profiles, SSO, assumed roles, instances; renewed in time."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._credentials: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            if self._credentials is None:
                self._credentials = self._session.get_credentials()
            if self._credentials is None:
                raise UnauthenticatedError("no AWS credentials in the environment, the configuration or the instance")
            frozen = self._credentials.get_frozen_credentials()
        renewed = hasattr(self._credentials, "refresh_needed")
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + FRESH if renewed else None,
        }

    def __repr__(self) -> str:
        return "<credentials>"
