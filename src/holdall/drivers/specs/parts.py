"""Parameters and rules that several storage types share."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from holdall.core.params import Faults, Param
from holdall.core.urls import StoreURL, is_loopback

__all__ = [
    "ANON",
    "CA_FILE",
    "PASSWORD",
    "PATH",
    "PORT",
    "USERNAME",
    "VERIFY",
    "check_ssl",
    "endpoint",
    "given",
    "is_loopback_or_ip",
    "login",
    "no_port",
    "no_user",
    "path_of",
]

PATH = Param(name="path", kind="key", aliases=("base_path", "prefix"), keyword="prefix", help="prefix of all keys")
ANON = Param(
    name="anon",
    kind="bool",
    aliases=("anonymous", "skip_signature"),
    keyword="anonymous",
    default=False,
    help="without credentials",
)
VERIFY = Param(name="verify", kind="bool", default=True, help="check certificates")
CA_FILE = Param(name="ca_file", kind="path", help="certificates to trust")
USERNAME = Param(name="username", aliases=("user",), help="who logs in")
PASSWORD = Param(name="password", secret=True, help="with which password")
PORT = Param(name="port", kind="int", help="port of the server")


def path_of(url: StoreURL, skip: int = 0) -> str | None:
    """Return the path after some segments as a prefix; ``None`` if there is none."""
    return "/".join(segment for segment in url.segments[skip:] if segment) or None


def no_user(url: StoreURL, faults: Faults, hint: str = "") -> None:
    """Note a user part where there can be none."""
    if url.user is not None or url.password is not None:
        faults.add(f"a {url.scheme} URL has no user part{hint}")


def no_port(url: StoreURL, faults: Faults) -> None:
    """Note a port where there can be none."""
    if url.port is not None:
        faults.add(f"a {url.scheme} URL has no port")


def login(url: StoreURL) -> dict[str, Any]:
    """Return user name and password."""
    return {"username": url.user, "password": url.password}


def is_loopback_or_ip(host: str) -> bool:
    """Tell whether a host is an IP address or ``localhost``."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return is_loopback(host)
    return True


def endpoint(url: StoreURL) -> str:
    """Return the address of the server: ``https://host:port``, ``http`` if ``use_ssl`` is false."""
    return f"{'http' if url.params.get('use_ssl') is False else 'https'}://{url.netloc}"


def check_ssl(fields: dict[str, Any], faults: Faults) -> None:
    """Bring ``endpoint_url`` and ``use_ssl`` together; ``use_ssl`` is dropped, ``allow_http`` follows from the address."""
    use_ssl = fields.pop("use_ssl", None)
    address = fields.get("endpoint_url")
    if address is None:
        return
    if "://" not in address:
        address = f"{'http' if use_ssl is False else 'https'}://{address}"
    try:
        parts = urlsplit(address)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
        parts = urlsplit("")
    if not sound or parts.query or parts.fragment:
        faults.add("'endpoint_url' must be an address such as https://host:9000")
        return
    if parts.username is not None or parts.password is not None:
        faults.add("'endpoint_url' cannot hold credentials")
        return
    if use_ssl is not None and use_ssl != (parts.scheme == "https"):
        faults.add("'endpoint_url' and 'use_ssl' contradict each other")
    fields["endpoint_url"] = address.rstrip("/")
    if parts.scheme == "http":
        fields.setdefault("allow_http", True)


def given(fields: dict[str, Any], *names: str) -> list[str]:
    """Return which of the names have a value (an empty secret is none)."""
    return [name for name in names if fields.get(name)]
