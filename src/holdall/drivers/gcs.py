"""Google Cloud Storage through obstore.

Compare-and-set goes by generation: an object's etag is looked up first, and the write is tied to the generation that had it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from urllib.request import Request

import obstore
import obstore.store

from holdall.core.capabilities import Capabilities, Identity
from holdall.drivers.objects_base import Update
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_kinds import GCS
from holdall.drivers.objects_store import SHORTLY, ObstoreStore
from holdall.errors import ConfigError, MissingExtraError, UnauthenticatedError

__all__ = ["GCSStore"]

GOOGLE = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


ANONYMOUS = GCS.narrowed(  # obstore asks for a token before it writes, whatever it is told
    write=False, delete=False, create=False, update=False, copy=False, sign=frozenset()
)


class GCSStore(ObstoreStore):
    """A bucket of Google Cloud Storage, or a prefix in it.

    Args:
        bucket: Name of the bucket.
        prefix: What stands before every key.
        token: Path of a key file, its content (a mapping or JSON), or credentials of ``google-auth``; else the default chain.
        project: Who pays for requests, where the bucket wants that.
        anonymous: Ask without credentials; read-only.
        endpoint_url: Of a service that is not Google's.
        verify, ca_file, retries, timeout, connect_timeout, concurrency, max_connections: As for `S3Store`.

    Example:
        >>> GCSStore("reports", prefix="2026", anonymous=True)
        GCSStore('reports', prefix='2026/')
    """

    update: Update = "generation"
    retries_hidden = False

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        token: str | os.PathLike[str] | Mapping[str, Any] | Any = None,
        project: str | None = None,
        anonymous: bool = False,
        endpoint_url: str | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        retries: int = 4,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        concurrency: int = 8,
        max_connections: int | None = None,
    ) -> None:
        self._begin(prefix, {name: value for name, value in locals().items() if name != "self"}, secret=("token",))
        if not bucket or "/" in bucket:
            raise ConfigError(f"a bucket is a name without '/', not {bucket!r}")
        if anonymous and token is not None:
            raise ConfigError("one of: token, anonymous")
        endpoint = endpoint_url.rstrip("/") if endpoint_url else None
        self.bucket = bucket
        self.client = ClientSettings(
            retries=retries,
            timeout=timeout,
            connect_timeout=connect_timeout,
            concurrency=concurrency,
            max_connections=max_connections,
            verify=verify,
            ca_file=ca_file,
            allow_http=(endpoint or "").startswith("http://"),
        )
        self.retries, self.concurrency = retries, concurrency
        self._endpoint = endpoint
        self._project = project
        self._anonymous = anonymous
        self._config, self._provider = _credentials(token)
        self._opener = self._new_native
        self._capabilities: Capabilities = ANONYMOUS if anonymous else GCS
        who = "anonymous" if anonymous else str(self._config.get("principal") or "")
        self._identity = Identity(service=f"gcs+{endpoint or GOOGLE}", place=bucket, prefix=self.prefix, principal=who)

    def __repr__(self) -> str:
        shown = {"prefix": self.prefix, "endpoint_url": self._endpoint}
        return f"GCSStore({', '.join([repr(self.bucket), *(f'{k}={v!r}' for k, v in shown.items() if v)])})"

    def _new_native(self, *, patient: bool, retries: int) -> Any:
        file = self._config.get("application_credentials")
        if file is not None and not os.path.isfile(file):
            shown = f", {file!r}" if file.endswith(".json") else ""  # anything else may be a token itself
            raise ConfigError(f"token is the path of a key file, its content, or credentials: there is no such file{shown}")
        config: dict[str, Any] = {k: v for k, v in self._config.items() if k != "principal"}
        config["skip_signature"] = self._anonymous
        if self._endpoint is not None:
            config["base_url"] = self._endpoint
        headers = {"x-goog-user-project": self._project} if self._project else None
        return obstore.store.GCSStore(
            self.bucket,
            config=config,  # type: ignore[arg-type]  # built as a plain dict
            client_options=self.client.options(patient=patient, headers=headers),
            retry_config=self.client.retry(retries),
            credential_provider=self._provider,
        )

    def question(self, path: str) -> Request:
        """Return a HEAD of a path: signed with a key file, with a token of google-auth, or plain, as a signature of the service's costs a request."""
        if {"service_account_key", "application_credentials"} & self._config.keys():
            return Request(obstore.sign(self.native, "HEAD", path, SHORTLY), method="HEAD")  # noqa: S310  # Google's or the endpoint
        headers = {} if self._provider is None else {"authorization": f"Bearer {self._provider()['token']}"}
        return Request(self._address(path), method="HEAD", headers=headers)  # noqa: S310  # Google's or the endpoint

    def url(self, key: str) -> str | None:
        """Return the plain address of a key in a bucket that is read without credentials; else ``None``."""
        return self._address(self.prefix + key) if self._anonymous else None

    def _address(self, path: str) -> str:
        return f"{self._endpoint or GOOGLE}/{self.bucket}/{quote(path, safe='/~')}"


def _credentials(token: Any) -> tuple[dict[str, Any], Any]:
    """Return obstore's configuration and credential provider for a token.

    Raises:
        ConfigError: It is none of the accepted kinds.
    """
    if token is None:
        return {}, None
    if isinstance(token, str) and token.lstrip().startswith("{"):
        try:
            token = json.loads(token)
        except ValueError:
            raise ConfigError("token looks like the content of a key file, but is no JSON") from None
    if isinstance(token, (str, os.PathLike)):
        return {"application_credentials": os.path.expanduser(os.fspath(token))}, None
    if isinstance(token, Mapping):
        if token.get("type") == "service_account":
            return {"service_account_key": json.dumps(dict(token)), "principal": token.get("client_email")}, None
        if token.get("type") == "authorized_user":
            return {"principal": token.get("account")}, _GoogleCredentials(_authorized_user(token))
        raise ConfigError(
            "token as a mapping is the content of a key file: its 'type' is service_account or authorized_user"
        )
    if hasattr(token, "refresh") and hasattr(token, "token"):
        return {"principal": getattr(token, "service_account_email", None)}, _GoogleCredentials(token)
    raise ConfigError(f"token is the path of a key file, its content, or credentials, not a {type(token).__name__}")


def _authorized_user(token: Mapping[str, Any]) -> Any:
    try:
        from google.oauth2.credentials import Credentials  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("a user's token needs google-auth: pip install google-auth requests") from error
    of_user: Any = Credentials  # typed in some releases of google-auth only
    return of_user.from_authorized_user_info(dict(token), scopes=[SCOPE])


class _GoogleCredentials:
    """Obstore's credential provider over credentials of google-auth, renewed before they expire."""

    MARGIN = timedelta(minutes=4)

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            expiry: datetime | None = getattr(self._credentials, "expiry", None)  # naive, in UTC
            moment = None if expiry is None else expiry.replace(tzinfo=UTC)
            if not self._credentials.token or (moment is not None and moment - self.MARGIN < datetime.now(UTC)):
                self._credentials.refresh(_transport())
                expiry = self._credentials.expiry
                moment = None if expiry is None else expiry.replace(tzinfo=UTC)
            if not self._credentials.token:
                raise UnauthenticatedError("the credentials gave no token")
            return {"token": self._credentials.token, "expires_at": None if moment is None else moment - self.MARGIN}

    def __repr__(self) -> str:
        return "<credentials>"


def _transport() -> Any:
    try:
        from google.auth.transport.requests import Request  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("renewing a token needs google-auth: pip install google-auth requests") from error
    return Request()
