"""`Download`: the body of an http(s) URL as a source, with every redirect looked at. Standard library only."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from holdall.core.secrets import mask
from holdall.errors import HoldallError

__all__ = ["Download", "DownloadError"]

CHUNK = 256 * 1024
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})


class DownloadError(HoldallError, OSError):
    """A URL could not be read to its end."""

    kind = "download"


class Download:
    """One download, as a context manager in either colour; iterating gives its chunks.

    Args:
        url: Of scheme http or https.
        timeout: Seconds without progress.
        max_size: Most bytes to take.
        headers: Sent along.
        allow: Asked for the URL and for each redirect.

    Raises:
        ValueError: Not an http or https URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30,
        max_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        allow: Callable[[str], bool] | None = None,
    ) -> None:
        self._url = _checked(url)
        self._timeout = timeout
        self._max_size = max_size
        self._headers = dict(headers or {})
        self._allow = allow
        self._answer: Any = None

    @property
    def content_type(self) -> str | None:
        """The media type that the server named."""
        found = self._answer.headers.get("Content-Type")
        return found if found and not any(c in found for c in "\r\n\0") else None

    def __enter__(self) -> Self:
        self._check_allowed(self._url)
        opener = urllib.request.build_opener(_Redirects(self._check_allowed))
        url, headers = _credentials(self._url)
        request = urllib.request.Request(url, headers={**headers, **self._headers})  # noqa: S310  # the scheme was checked
        with self._explained():
            self._answer = opener.open(request, timeout=self._timeout)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._answer is not None:
            self._answer.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def __iter__(self) -> Iterator[bytes]:
        announced = self._answer.headers.get("Content-Length")
        size = int(announced) if announced is not None and announced.isdigit() else None
        self._check_size(size or 0)
        got = 0
        while True:
            with self._explained():
                chunk = self._answer.read(CHUNK)
            if not chunk:
                break
            got += len(chunk)
            self._check_size(got)
            yield chunk
        if size is not None and got != size and self._answer.headers.get("Content-Encoding") is None:
            raise DownloadError(f"Failed to download {mask(self._url)}: {got} bytes came of {size} announced")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def _check_size(self, size: int) -> None:
        if self._max_size is not None and size > self._max_size:
            raise DownloadError(f"Failed to download {mask(self._url)}: more than {self._max_size} bytes")

    def _check_allowed(self, url: str) -> None:
        _checked(url)
        if self._allow is not None and not self._allow(url):
            raise DownloadError(f"Failed to download {mask(self._url)}: {mask(url)} is not allowed")

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """Turn what urllib raises into our error, without what it quotes of the URL."""
        try:
            yield
        except urllib.error.HTTPError as error:
            error.close()
            raise DownloadError(f"Failed to download {mask(self._url)}: {error.code} {mask(str(error.reason))}") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, HoldallError):
                raise
            reason = getattr(error, "reason", None) or error
            raise DownloadError(f"Failed to download {mask(self._url)}: {mask(str(reason))}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Looks at each redirect, and keeps credentials from other hosts."""

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the next request. See `urllib.request.HTTPRedirectHandler`."""
        try:
            self._check(newurl)
        except ValueError as error:
            fp.close()
            raise DownloadError(f"Failed to download {mask(req.full_url)}: redirect to {mask(newurl)}") from error
        except DownloadError:
            fp.close()
            raise
        newurl, own = _credentials(newurl)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:  # scheme and host: none of it over plain http either
                for name in [name for name in request.headers if name.lower() in _PRIVATE]:
                    del request.headers[name]
            request.headers.update(own)
        return request


def _credentials(url: str) -> tuple[str, dict[str, str]]:
    """Take user and password out of a URL: urllib would look for a host of that name.

    Example:
        >>> _credentials("https://me:p%40ss@host/x")
        ('https://host/x', {'Authorization': 'Basic bWU6cEBzcw=='})
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    token = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {token}"}


def _checked(url: str) -> str:
    """Return a URL if it is one of http or https.

    Raises:
        ValueError: It is not.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for what is no port
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"Invalid URL: {mask(str(url))!r}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(c.isspace() or c < " " for c in url):
        raise ValueError(f"Invalid URL: {mask(url)!r} (http or https)")
    return url
