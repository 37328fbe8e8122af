"""What an obstore instance of the user's can do: capabilities and identity by its class. No I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import obstore.store

from holdall.core.capabilities import Capabilities, Identity
from holdall.errors import ConfigError

if TYPE_CHECKING:
    from holdall.drivers.objects_base import Update

__all__ = ["AZURE", "CLOUD", "GCS", "HTTP", "Kind", "kind_of"]

CLOUD: Final = Capabilities(
    create=True,
    update=True,
    conditional_read=True,
    metadata=True,
    attributes=True,
    copy=True,
    sign=frozenset({"GET", "PUT"}),
    strong_etag=True,
)
GCS: Final = CLOUD
AZURE: Final = CLOUD
HTTP: Final = Capabilities(
    write=False,
    delete=False,
    list=False,
    ordered=False,
    conditional_read=True,
    attributes=True,
    directories="implied",
)
_MEMORY: Final = Capabilities(
    create=True, update=True, conditional_read=True, metadata=True, attributes=True, copy=True, ordered=False, temporary=True
)
_LOCAL: Final = Capabilities(create=True, conditional_read=True, copy=True, ordered=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is known of an instance."""

    capabilities: Capabilities
    identity: Identity
    update: Update = "etag"
    flat: bool = True
    marks: bool = True
    doubts_place: bool = True
    place: str = "bucket"
    in_process: bool = False


def kind_of(native: Any, prefix: str) -> Kind:
    """Return what an obstore instance can do.

    Raises:
        TypeError: It is none.
    """
    kinds = obstore.store
    if isinstance(native, kinds.S3Store):
        endpoint = native.config.get("endpoint_url_s3") or native.config.get("endpoint") or "https://s3.amazonaws.com"
        return Kind(capabilities=CLOUD, identity=_identity("s3", endpoint, native.config.get("bucket"), native, prefix))
    if isinstance(native, kinds.GCSStore):
        endpoint = native.config.get("base_url") or "https://storage.googleapis.com"
        where = _identity("gcs", endpoint, native.config.get("bucket"), native, prefix)
        return Kind(capabilities=GCS, identity=where, update="generation")
    if isinstance(native, kinds.AzureStore):
        account = native.config.get("account_name") or ""
        endpoint = native.config.get("endpoint") or f"https://{account}.blob.core.windows.net"
        where = _identity("azure", endpoint, native.config.get("container_name"), native, prefix)
        return Kind(capabilities=AZURE, identity=where, update="quoted", place="container")
    if isinstance(native, kinds.HTTPStore):
        parts = urlsplit(native.url.rstrip("/"))
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
        where = Identity(service="http", place=address, prefix=prefix)
        return Kind(capabilities=HTTP, identity=where, flat=False, doubts_place=False, place="site")
    if isinstance(native, kinds.MemoryStore):
        where = Identity(service="obstore+memory", place=uuid.uuid4().hex, prefix=prefix)
        return Kind(
            capabilities=_MEMORY,
            identity=where,
            update="quoted",
            flat=False,
            marks=False,
            doubts_place=False,
            in_process=True,
        )
    if isinstance(native, kinds.LocalStore):
        root = str(native.prefix or "/")
        where = Identity(service="obstore+file", place=root, prefix=prefix)
        return Kind(capabilities=_LOCAL, identity=where, flat=False, marks=False, doubts_place=False, in_process=True)
    raise TypeError(f"an instance of obstore.store is wanted, not a {type(native).__name__}")


def _identity(service: str, endpoint: Any, place: Any, native: Any, prefix: str) -> Identity:
    if not place:
        raise ConfigError(f"this {type(native).__name__} has no bucket or container")
    own = f"{native.prefix}/" if native.prefix else ""
    return Identity(service=f"{service}+{str(endpoint).rstrip('/')}", place=str(place), prefix=own + prefix)
