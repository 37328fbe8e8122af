"""A program's own WebDAV filesystem (webdav4) as a `Tree`: our requests, sent by its client.

The filesystem itself puts names into addresses as they are, so that ``%2e%2e`` climbs and ``#`` cuts a name short.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx

from holdall.drivers.fsspec_place import Place
from holdall.drivers.webdav import PLAIN
from holdall.drivers.webdav_client import DavClient, through
from holdall.drivers.webdav_tree import WebDAVTree

__all__ = ["webdav_tree"]

TIMEOUT = 30.0
"""Seconds that locks and uploads are waited for, where the program's client has no limit."""
RETRIES = 3


def webdav_tree(place: Place) -> WebDAVTree:
    """Return the files below a path of a filesystem."""
    client = place.fs.client
    base = httpx.URL(client.base_url)
    login = (base.username, base.password) if base.username else None
    address = str(base.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")
    root = place.root.strip("/")
    url = f"{address}/{quote(root, safe=PLAIN)}" if root else address
    http = through(client.http, login)
    return WebDAVTree(DavClient(url, http, timeout=http.timeout.read or TIMEOUT, retries=RETRIES), create=True)
