"""Azure Blob Storage through obstore, and requests of our own for keys that obstore cannot name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request

import obstore.store

from holdall.core.capabilities import Identity
from holdall.core.options import CopyOptions, PutOptions, SignOptions
from holdall.drivers.azureextra import AzureExtra, check_copied
from holdall.drivers.objects_base import Update
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_kinds import AZURE
from holdall.drivers.objects_store import ObstoreStore
from holdall.drivers.objects_values import identifier
from holdall.errors import ConfigError, InvalidKeyError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["AzureStore"]


class AzureStore(ObstoreStore):
    """A container of Azure Blob Storage, or a prefix in it.

    Args:
        container: Name of the container.
        account_name: The account; a connection string may have it.
        prefix: What stands before every key.
        account_key, sas_token, connection_string: Ways to authenticate, one of them.
        tenant_id, client_id, client_secret: A service principal; ``client_id`` alone is a managed identity.
        anonymous: Ask without credentials.
        endpoint_url: Of a service that is not Azure's own, account included where it stands in the path.
        create: Make the container if it is missing (with key or SAS).
        allow_http: Plain http; follows from the endpoint if ``None``.
        verify, ca_file, retries, timeout, connect_timeout, concurrency, max_connections: As for `S3Store`.

    Example:
        >>> AzureStore("reports", account_name="acme", anonymous=True)
        AzureStore('reports', account_name='acme')
    """

    place = "container"
    update: Update = "quoted"
    retries_hidden = False
    deletes_aside = True  # obstore's batches do not tell of which key they failed, and Azurite answers 500 to them
    most_parts = 50_000

    def __init__(
        self,
        container: str,
        *,
        account_name: str | None = None,
        prefix: str = "",
        account_key: str | None = None,
        sas_token: str | None = None,
        connection_string: str | None = None,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        anonymous: bool = False,
        endpoint_url: str | None = None,
        create: bool = False,
        allow_http: bool | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        retries: int = 4,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        concurrency: int = 8,
        max_connections: int | None = None,
    ) -> None:
        self._begin(
            prefix,
            {name: value for name, value in locals().items() if name != "self"},
            secret=("account_key", "sas_token", "connection_string", "client_secret"),
        )
        if not container or "/" in container:
            raise ConfigError(f"a container is a name without '/', not {container!r}")
        if connection_string is not None:
            if account_key or sas_token:
                raise ConfigError("one of: connection_string, account_key, sas_token")
            given = _connection(connection_string)
            account_name = account_name or given.get("account_name")
            account_key, sas_token = given.get("account_key"), given.get("sas_token")
            endpoint_url = endpoint_url or given.get("endpoint_url")
        if client_secret is not None and not (tenant_id and client_id):
            raise ConfigError("a service principal has tenant_id, client_id and client_secret")
        ways = [bool(account_key), bool(sas_token), client_id is not None, anonymous]
        if sum(ways) > 1:
            raise ConfigError("one of: account_key, sas_token, client_id with its secret, anonymous")
        account_name = account_name or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        if not account_name:
            raise ConfigError("missing account_name (or a connection_string that has it)")
        endpoint = endpoint_url.rstrip("/") if endpoint_url else None
        if endpoint is not None and urlsplit(endpoint).scheme not in {"http", "https"}:
            raise ConfigError("endpoint_url must be an address such as https://host:10000/account")
        plain = (endpoint or "").startswith("http://")
        if plain and allow_http is False:
            raise ConfigError("endpoint_url is plain http, and allow_http is False")
        self.container = container
        self.account_name = account_name
        self.client = ClientSettings(
            retries=retries,
            timeout=timeout,
            connect_timeout=connect_timeout,
            concurrency=concurrency,
            max_connections=max_connections,
            verify=verify,
            ca_file=ca_file,
            allow_http=plain,
        )
        self.retries, self.concurrency = retries, concurrency
        self._endpoint = endpoint
        self._config: dict[str, Any] = {
            name: value
            for name, value in {
                "account_name": account_name,
                "account_key": account_key,
                "sas_key": sas_token.removeprefix("?") if sas_token else None,
                "tenant_id": tenant_id,
                "client_id": client_id,
                "client_secret": client_secret,
                "endpoint": endpoint,
            }.items()
            if value
        }
        self._config["skip_signature"] = anonymous
        self._opener = self._new_native
        address = endpoint or f"https://{account_name}.blob.core.windows.net"
        self.has_side = self.lists_aside = bool(account_key or sas_token or anonymous)
        self.remedy = "" if self.has_side else ": possible with account_key or sas_token only"
        self.extra = AzureExtra(
            self, f"{address}/{container}", account_name, account_key, self._config.get("sas_key"), self.client
        )
        self._create = create
        if create and not (account_key or sas_token):
            raise ConfigError("create needs account_key or sas_token")
        signs = AZURE.sign if account_key or client_id else frozenset[Any]()
        side = self.has_side
        self._capabilities = AZURE.narrowed(
            sign=signs,
            directories="marker" if side else "implied",
            large_conditional=side,
            conditional_delete=side,
            set_metadata=side,
            suffix_ranges=False,
        )
        self._anonymous = anonymous
        who = "anonymous" if anonymous else client_id or ""
        self._identity = Identity(service=f"azure+{address}", place=container, prefix=self.prefix, principal=who)

    def __repr__(self) -> str:
        shown = {"account_name": self.account_name, "prefix": self.prefix, "endpoint_url": self._endpoint}
        return f"AzureStore({', '.join([repr(self.container), *(f'{k}={v!r}' for k, v in shown.items() if v)])})"

    def _new_native(self, *, patient: bool, retries: int) -> Any:
        return obstore.store.AzureStore(
            self.container,
            config=self._config,  # type: ignore[arg-type]  # built as a plain dict
            client_options=self.client.options(patient=patient),
            retry_config=self.client.retry(retries),
        )

    def close(self) -> None:
        """Let go of connections; idempotent."""
        super().close()
        self.extra.close()

    def url(self, key: str) -> str | None:
        """Return the plain address of a key in a container that is read without credentials; else ``None``."""
        return f"{self.extra.base}/{quote(self.prefix + key, safe='/~')}" if self._anonymous else None

    def make_place(self) -> None:
        """Make the container, if that was asked for. Blocks."""
        if self._create:
            self.extra.create_container()

    def side(self, verb: str, key: str | None = None) -> AzureExtra:
        """Return the side channel.

        Raises:
            InvalidKeyError, NotSupportedError: It needs a key or a SAS.
        """
        if self.has_side:
            if self.unready:
                self.make_ready()
            return self.extra
        super().side(verb, key)
        raise AssertionError  # not reached: the line above raises

    def put_options(self, options: PutOptions) -> PutOptions:
        """Return the options of a write; Azure wants metadata names that are identifiers."""
        if options.metadata:
            options = replace(options, metadata={identifier(name): value for name, value in options.metadata.items()})
        return super().put_options(options)

    def at(self, key: str) -> str:
        """Return the path of a key in the container; the service takes a backslash for a slash."""
        path = super().at(key)
        if "\\" in path:
            raise InvalidKeyError(f"Azure takes '\\' for '/': {key!r}", key=key, store=self)
        return path

    def _delete_if(self, key: str, if_match: str) -> None:
        path = self.at(key)
        self._aside("delete under a condition", key).delete_if(key, path, if_match)

    def _aside(self, verb: str, key: str) -> AzureExtra:
        if not self.has_side:
            raise self._refusal(verb, self.remedy.removeprefix(": "))
        self.check_open()
        return self.extra

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        options = self._checked_copy(options)
        if not self.has_side:
            return super().copy(src, dst, options, source=source)
        owner, key = (self, src) if source is None else source.locate(src)
        if (
            not isinstance(owner, AzureStore)
            or owner.extra.account != self.extra.account
            or owner.extra.host != self.extra.host
        ):
            raise self._refusal("copy", f"not from {owner!r} on the server's side")
        if options.version is not None:
            raise self._refusal("copy versions")
        origin, target = owner.at(key), self.at(dst)
        if origin == target and owner.container == self.container:
            meta = self.extra.head(dst, target, None)
            check_copied(meta, options, key=src, store=self)
            if options.metadata is not None:
                return self.set_metadata(dst, options.metadata, if_match=options.if_match)
            return PutResult(key=dst, size=meta.size, etag=meta.etag)
        return self.extra.copy(owner.extra, src, origin, dst, target, options)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        return await asyncio.to_thread(self.copy, src, dst, options, source=source)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        options = options or SignOptions()
        if not self._signs_aside:
            return super().sign(key, options)
        if options.version is not None or (options.method == "PUT" and options.content_type is not None):
            raise self._refusal("sign", "versions and the type of an upload cannot be signed for")
        return self.extra.sign(self.at(key), options)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        return self.sign(key, options) if self._signs_aside else await super().sign_async(key, options)

    @property
    def _signs_aside(self) -> bool:
        """Obstore's own signature fails for keys that need encoding; ours needs the account's key."""
        return "account_key" in self._config

    def question(self, path: str) -> Request:
        """Return a HEAD of a path, with the key or the SAS; plain with other credentials, as a signature by them costs requests."""
        return self.extra.request("HEAD", path)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        path = self.at(key)
        wanted = self.put_options(PutOptions(metadata=metadata)).metadata
        return self._aside("set metadata", key).set_metadata(key, path, wanted, if_match)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        return await asyncio.to_thread(self.set_metadata, key, metadata, if_match=if_match)


def _connection(text: str) -> dict[str, str]:
    """Return the fields of a connection string.

    Raises:
        ConfigError: It is none. Nothing of it is shown.
    """
    fields: dict[str, str] = {}
    for item in text.strip().strip(";").split(";"):
        name, equals, value = item.partition("=")
        if not equals:
            raise ConfigError("connection_string is of the form Name=value;Name=value")
        fields[name.strip().lower()] = value
    if fields.get("usedevelopmentstorage", "").lower() == "true":
        raise ConfigError("connection_string UseDevelopmentStorage is not known: give account, key and endpoint")
    found: dict[str, str | None] = {
        "account_name": fields.get("accountname"),
        "account_key": fields.get("accountkey"),
        "sas_token": fields.get("sharedaccesssignature"),
        "endpoint_url": fields.get("blobendpoint"),
    }
    if (
        found["endpoint_url"] is None
        and found["account_name"]
        and fields.get("endpointsuffix", "core.windows.net") != "core.windows.net"
    ):
        scheme = fields.get("defaultendpointsprotocol", "https")
        found["endpoint_url"] = f"{scheme}://{found['account_name']}.blob.{fields['endpointsuffix']}"
    return {name: value for name, value in found.items() if value}
