"""`S3Database`: records on S3 and what speaks like it, described by one mapping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from holdall.core.params import Faults, Param, bind, require
from holdall.core.secrets import Secret
from holdall.core.urls import is_loopback
from holdall.drivers.objects import S3Store
from holdall.drivers.s3settings import SSE, boto_installed
from holdall.errors import ConfigError
from holdall.records.keywords import check_options, take_seconds
from holdall.records.objects_database import ObjectDatabase

__all__ = ["S3_PARAMS", "S3Database"]

S3_PARAMS: tuple[Param, ...] = (
    Param(name="name", help="of its description in a configuration"),
    Param(name="bucket", required=True, help="name of the bucket"),
    Param(name="prefix", default="records/", help="what stands before every key"),
    Param(name="region", aliases=("region_name",), empty=True, help="else the environment's or the profile's"),
    Param(name="profile", empty=True, help="of the AWS configuration"),
    Param(name="endpoint_url", empty=True, help="of a service that is not Amazon's"),
    Param(name="addressing", choices=("auto", "path", "virtual"), default="auto", help="bucket in the path or in the host"),
    Param(name="access_key_id", aliases=("aws_access_key_id",), secret=True, empty=True, help="else the ambient chain"),
    Param(name="secret_access_key", aliases=("aws_secret_access_key",), secret=True, empty=True, help="goes with the id"),
    Param(name="session_token", aliases=("aws_session_token",), secret=True, empty=True, help="of temporary credentials"),
    Param(name="max_workers", kind="int", aliases=("max_pool_connections",), default=32, help="requests in flight"),
    Param(name="max_attempts", kind="int", aliases=("max_retries",), default=4, help="tries of a request"),
    Param(name="timeout", kind="duration", default=30, help="longest time without progress"),
    Param(name="verify", kind="bool", default=True, help="check certificates"),
    Param(name="ca_file", empty=True, help="PEM file of certificates to trust beside the system's"),
    Param(name="storage_class", empty=True, help="of every object"),
    Param(name="sse", empty=True, help="encryption on the server's side: `AES256`, `aws:kms`"),
    Param(name="kms_key_id", empty=True, help="goes with `sse=aws:kms`"),
    Param(name="tags", kind="any", default="fit", help="`fit`, `strict`, `off`, or names of metadata"),
    Param(name="cache_ttl", kind="any", default=60, help="seconds for which a listing counts as current"),
    Param(name="mirror", kind="any", default="auto", help="`auto`, `memory`, `off`, or the path of a file"),
    Param(name="indexes", kind="any", default=(), help="paths that searches often ask for"),
    Param(
        name="on_corrupt", choices=("raise", "report"), default="raise", help="what an unreadable object does to a search"
    ),
    Param(name="create_bucket", kind="bool", help="make a missing bucket; by default on loopback endpoints only"),
    Param(name="new_id", kind="any", help="makes ids for records that have none"),
)
"""The options of `S3Database`."""


class S3Database(ObjectDatabase):
    """Records in a bucket, one object each.

    Args:
        bucket: Name of the bucket.
        options: See `S3_PARAMS`; texts may hold ``${VAR}`` and ``${VAR:default}``.

    Raises:
        ConfigError: With everything that is wrong with the options.

    Example:
        >>> S3Database.from_config({"bucket": "my-data-bucket", "prefix": "app/records/", "region": "us-east-1"})
        S3Database(S3Store('my-data-bucket', region='us-east-1'), prefix='app/records/')
    """

    def __init__(self, bucket: str, **options: Any) -> None:
        given = {"bucket": bucket, **options}
        values = _bound(given)
        self._given = given
        self._secret = any(
            isinstance(value, Secret) and value.reference is None
            for name, value in values.items()
            if name != "access_key_id"  # which every request names
        )
        endpoint = values.get("endpoint_url")
        workers = values.get("max_workers", 32)
        store = S3Store(
            values["bucket"],
            region=values.get("region"),
            profile=values.get("profile"),
            endpoint_url=endpoint,
            addressing_style=values.get("addressing", "auto"),
            access_key_id=_revealed(values.get("access_key_id")),
            secret_access_key=_revealed(values.get("secret_access_key")),
            session_token=_revealed(values.get("session_token")),
            sse=values.get("sse"),
            sse_kms_key_id=values.get("kms_key_id"),
            retries=values.get("max_attempts", 4) - 1,
            timeout=values.get("timeout", 30.0),
            verify=values.get("verify", True),
            ca_file=values.get("ca_file"),
            max_connections=max(32, workers),
            create=values.get("create_bucket", _is_loopback(endpoint) and boto_installed()),
        )
        try:
            super().__init__(
                store,
                prefix=values.get("prefix", "records/"),
                max_workers=workers,
                cache_ttl=values.get("cache_ttl", 60.0),
                mirror=values.get("mirror", "auto"),
                indexes=values.get("indexes", ()),
                on_corrupt=values.get("on_corrupt", "raise"),
                tags=values.get("tags"),
                storage_class=values.get("storage_class"),
                new_id=values.get("new_id"),
                owned=True,
            )
        except ValueError as error:
            raise ConfigError(f"S3Database: {error}") from error

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a database of a mapping, see `S3_PARAMS`.

        Raises:
            ConfigError: With everything that is wrong with it.
        """
        if "bucket" not in config or not all(isinstance(name, str) for name in config):
            _bound(config)
        return cls(**config)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._secret:
            raise TypeError("this S3Database holds a secret and is not pickled: give secrets as ${VAR} or …_file")
        return _again, (type(self), self._given)


def _again(cls: type[S3Database], given: dict[str, Any]) -> S3Database:
    return cls(**given)


def _bound(given: Mapping[str, Any]) -> dict[str, Any]:
    faults = Faults("S3Database")
    values = bind(S3_PARAMS, given, faults, common=False)
    require(S3_PARAMS, values, faults)
    if "/" in values.get("bucket", ""):
        faults.add(f"a bucket is a name without '/', not {values['bucket']!r}")
    if (values.get("access_key_id") is None) != (values.get("secret_access_key") is None):
        faults.add("half a pair of credentials: access_key_id and secret_access_key go together")
    if values.get("session_token") is not None and values.get("access_key_id") is None:
        faults.add("session_token goes with access_key_id and secret_access_key")
    if values.get("sse") is not None and values["sse"] not in SSE:
        faults.add(f"sse is one of {', '.join(sorted(SSE))}, not {values['sse']!r}")
    if "kms_key_id" in values and not str(values.get("sse", "")).startswith("aws:kms"):
        faults.add("kms_key_id goes with sse='aws:kms'")
    faults.found += _endpoint_faults(values.get("endpoint_url"))
    take_seconds(values, faults)
    check_options(values, faults)
    faults.check()
    return values


def _endpoint_faults(endpoint: str | None) -> list[str]:
    if endpoint is None:
        return []
    try:
        parts = urlsplit(endpoint)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its port is none
        return ["endpoint_url must be an address such as https://host:9000"]
    if not right:
        return ["endpoint_url must be an address such as https://host:9000"]
    return ["endpoint_url cannot hold credentials"] if "@" in parts.netloc else []


def _revealed(value: Any) -> str | None:
    return value.reveal() if isinstance(value, Secret) else value


def _is_loopback(endpoint: str | None) -> bool:
    address = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return is_loopback(urlsplit(address).hostname or "")
