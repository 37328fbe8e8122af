"""Carry an answer to a WSGI server (PEP 3333): an iterable body with ``close()``, ``wsgi.file_wrapper`` where offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from holdall.core.responses import ServeOptions
from holdall.engine.answers import Answer, answer
from holdall.store import Store

__all__ = ["Environ", "StartResponse", "request_headers", "serve_wsgi"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def serve_wsgi(
    store: Store, key: str, environ: Environ, start_response: StartResponse, options: ServeOptions | None = None
) -> Iterable[bytes]:
    """Answer a request for one object.

    Args:
        store: Where the object is.
        key: Which.
        environ: The request.
        start_response: The server's callable.
        options: How to serve.

    Returns:
        The body: pieces of at most 1 MiB, with ``close()``; or what the server's ``wsgi.file_wrapper`` made of a local file.

    Raises:
        IsDirectoryError: The key is a directory; ``start_response`` was not called.
    """
    planned = answer(store, key, environ.get("REQUEST_METHOD", "GET"), request_headers(environ), options)
    return deliver(planned, environ, start_response)


def deliver(planned: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Start the response and return the body of a planned answer."""
    response = planned.response
    wrapper = environ.get("wsgi.file_wrapper")
    file = _opened(planned) if wrapper is not None and response.reads else None
    start_response(f"{response.status} {response.reason}", list(response.headers))
    if file is not None and wrapper is not None:
        return wrapper(file, 256 * 1024)  # type: ignore[no-any-return]  # what the server's wrapper is
    return _Body(planned)


def _opened(planned: Answer) -> BinaryIO | None:
    """Return the local file that is the body, open where the body begins; ``None`` where there is none."""
    path = planned.file()
    if path is None:
        return None
    file = open(path, "rb", buffering=0)  # noqa: SIM115  # the server closes it through the wrapper
    if planned.file() is None:  # replaced while it was opened
        file.close()
        return None
    file.seek(planned.response.segments[0].start)
    planned.close()
    return file


def request_headers(environ: Environ) -> dict[str, str]:
    """Return the request's headers, names in lower case."""
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }


class _Body:
    """The iterable that a WSGI server sends and closes."""

    def __init__(self, planned: Answer) -> None:
        self._planned = planned
        self._chunks = planned.chunks()

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Let go of the object, whether all was sent or not."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self._planned.close()
