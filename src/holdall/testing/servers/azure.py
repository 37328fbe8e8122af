"""Azurite, the emulator of Azure's Blob service, and containers on it by hand-made requests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Generator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar, Self

from holdall.testing.ground import Ground
from holdall.testing.servers.base import Server
from holdall.testing.servers.installing import azurite
from holdall.testing.servers.process import free_port, launch, responds, wait_until

__all__ = ["AzureGround", "Azurite", "Container"]

API = "2021-12-02"
ACCOUNT = "devstoreaccount1"
# the account and key that every Azurite has, and its documentation prints
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, kw_only=True)
class Azurite(Server):
    """Azurite's blob service, objects in memory.

    Attributes:
        endpoint: Its URL, account name included.
        account, key: Credentials that it takes.
    """

    name: ClassVar[str] = "azurite"
    endpoint: str
    account: str = ACCOUNT
    key: str = KEY

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        port = free_port()
        place = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        quiet = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
        process = launch([azurite(), *place, *quiet], name="azurite", directory=directory)
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        wait_until(lambda: responds(endpoint), process, what="Azurite")
        return cls(directory=str(directory), processes=(process,), endpoint=endpoint)

    @contextlib.contextmanager
    def container(self) -> Generator[Container]:
        """Make a container of a new name, and remove it with all that it holds."""
        name = f"c{uuid.uuid4().hex[:20]}"
        self.request("PUT", f"/{name}?restype=container")
        try:
            yield Container(server=self, name=name)
        finally:
            self.request("DELETE", f"/{name}?restype=container")

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
        """Send one signed request (Shared Key) and return the body of the answer.

        Args:
            method: HTTP method.
            target: Path and query below the endpoint, percent-encoded.
            body: What to send.
            headers: Further ``x_ms_…`` headers.

        Raises:
            urllib.error.HTTPError: The answer is an error; it is closed.
        """
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": API}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        path, _, query = target.partition("?")
        named = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        base = urllib.parse.urlsplit(self.endpoint).path
        content_type = "application/octet-stream" if method == "PUT" else ""
        length = str(len(body)) if body else ""
        text = "\n".join(
            [
                *(method, "", "", length, "", content_type, "", "", "", "", "", ""),
                *(f"{name}:{value}" for name, value in sorted(sent.items())),
                "\n".join([f"/{self.account}{base}{path}", *(f"{name}:{value}" for name, value in named)]),
            ]
        )
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        sent["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        if content_type:
            sent["Content-Type"] = content_type
        request = urllib.request.Request(  # noqa: S310  # a loopback server of ours
            self.endpoint + target, data=body if method == "PUT" else None, method=method, headers=sent
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # a loopback server of ours
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            raise


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container for one test."""

    server: Azurite
    name: str

    @property
    def ground(self) -> AzureGround:
        """Raw access to it."""
        return AzureGround(self.server, self.name)


class AzureGround(Ground):
    """A container, by requests made by hand."""

    def __init__(self, server: Azurite, container: str) -> None:
        self.server = server
        self.container = container

    def write(self, key: str, data: bytes) -> None:
        """Put a block blob."""
        self.server.request("PUT", self._target(key), data, x_ms_blob_type="BlockBlob")

    def read(self, key: str) -> bytes | None:
        """Return a blob's bytes."""
        try:
            return self.server.request("GET", self._target(key))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def delete(self, key: str) -> None:
        """Delete a blob."""
        self.server.request("DELETE", self._target(key))

    def everything(self) -> set[str]:
        """List the container."""
        found: set[str] = set()
        marker = ""
        while True:
            query = f"restype=container&comp=list&marker={urllib.parse.quote(marker, safe='')}"
            tree = ET.fromstring(self.server.request("GET", f"/{self.container}?{query}"))  # noqa: S314  # our own server
            for item in tree.iter("Name"):
                text = item.text or ""
                found.add(urllib.parse.unquote(text) if item.get("Encoded") == "true" else text)
            marker = tree.findtext("NextMarker") or ""
            if not marker:
                return found

    def can_hold(self, key: str) -> bool:
        """Tell whether the service keeps this key: it takes a backslash for a slash."""
        return "\\" not in key

    def _target(self, key: str) -> str:
        return f"/{self.container}/{urllib.parse.quote(key, safe='/~')}"
