"""The services' own fsspec filesystems, with a mount's credentials: s3fs, adlfs and gcsfs, where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
import json
from typing import Any
from urllib.parse import urlsplit

__all__ = ["cloud_filesystem"]


def cloud_filesystem(driver: Any) -> Any:
    """Return the service's own filesystem of a driver, whose paths are ``bucket/key``; ``None`` if it has none or none is installed.

    It is a new instance: fsspec would share one, with the listings that another part of the program cached.
    """
    package, options = _FILESYSTEMS.get(type(driver).__name__, ("", None))
    if options is None or importlib.util.find_spec(package) is None:
        return None
    module: Any = importlib.import_module(package)
    given = {name: value for name, value in options(driver).items() if value not in (None, False)}
    return getattr(module, _CLASSES[package])(**given, skip_instance_cache=True)


def _s3fs(driver: Any) -> dict[str, Any]:
    settings = driver.settings
    return {
        "anon": settings.anonymous,
        "key": settings.access_key_id,
        "secret": settings.secret_access_key,
        "token": settings.session_token,
        "profile": settings.profile,
        "endpoint_url": settings.endpoint,
        "client_kwargs": {"region_name": settings.resolved_region},
        "config_kwargs": {"s3": {"addressing_style": "virtual" if settings.virtual else "path"}},
    }


def _adlfs(driver: Any) -> dict[str, Any]:
    config = driver._config
    endpoint = config.get("endpoint")
    if endpoint is None:
        named = {
            name: config.get(name) for name in ("account_name", "account_key", "tenant_id", "client_id", "client_secret")
        }
        return {**named, "sas_token": config.get("sas_key"), "anon": config["skip_signature"]}
    parts = {
        "DefaultEndpointsProtocol": urlsplit(endpoint).scheme,
        "AccountName": config["account_name"],
        "AccountKey": config.get("account_key"),
        "SharedAccessSignature": config.get("sas_key"),
        "BlobEndpoint": endpoint,
    }
    return {"connection_string": "".join(f"{name}={value};" for name, value in parts.items() if value)}


def _gcsfs(driver: Any) -> dict[str, Any]:
    config = driver._config
    token: Any = config.get("application_credentials")
    if driver._anonymous:
        token = "anon"  # noqa: S105  # gcsfs's word for none
    elif driver._provider is not None:
        token = driver._provider._credentials
    elif "service_account_key" in config:
        token = json.loads(config["service_account_key"])
    return {"token": token, "project": driver._project, "endpoint_url": driver._endpoint}


_FILESYSTEMS: dict[str, Any] = {
    "S3Store": ("s3fs", _s3fs),
    "AzureStore": ("adlfs", _adlfs),
    "GCSStore": ("gcsfs", _gcsfs),
}
_CLASSES = {"s3fs": "S3FileSystem", "adlfs": "AzureBlobFileSystem", "gcsfs": "GCSFileSystem"}
