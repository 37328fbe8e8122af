"""``holdall serve``: places over HTTP by the standard library's server, for a desk and a local network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from holdall.cli.output import emit, plain
from holdall.cli.places import Place
from holdall.core.responses import ServeOptions
from holdall.errors import ConfigError, NotFoundError
from holdall.serve import WSGIApp

__all__ = ["application", "serve_places"]

Application = Callable[..., Any]


class Served:
    """The places that are served, as what `WSGIApp` takes: names before the colon, keys behind it."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def node(self, text: str) -> Any:
        """Return the node of ``name:key``."""
        name, _, key = text.partition(":")
        place = self._places.get(name)
        if place is None:
            raise NotFoundError(f"nothing is served as {name!r}")
        node = place.whole
        return node._at("/".join(part for part in (node.path, key) if part))


def application(places: Sequence[Place], *, index: str | None = None, max_age: int | None = None) -> Application:
    """Return the WSGI application for places: one at ``/``, several each below its own name.

    Args:
        places: Directories or files.
        index: Name of the file that answers for a directory.
        max_age: Seconds that caches may keep answers.

    Raises:
        NotFoundError: Nothing at a place.
        ConfigError: Two places of one name.
    """
    named: dict[str, Place] = {}
    for place in places:
        if not place.exists:
            raise NotFoundError(f"nothing at {place.text!r}", key=place.exact.path)
        if not place.name:
            raise ConfigError(f"{place.text!r} has no name that it could be served by")
        if place.name in named:
            raise ConfigError(f"two places are called {place.name!r}: {named[place.name].text!r} and {place.text!r}")
        named[place.name] = place
    app = WSGIApp(Served(named), mounts=named, index=index, options=ServeOptions(cache_max_age=max_age))
    if len(places) > 1 or not places[0].node.isdir:
        return app
    prefix = f"/{places[0].name}".encode().decode("latin-1")  # WSGI's way to write a path

    def rooted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return app({**environ, "PATH_INFO": prefix + environ.get("PATH_INFO", "")}, start_response)

    return rooted


def serve_places(
    places: Sequence[Place], *, host: str, port: int, index: str | None, max_age: int | None, quiet: bool
) -> None:
    """Serve places until Ctrl-C; the first line says where."""
    app = application(places, index=index, max_age=max_age)
    with _Server((host, port), _Handler if not quiet else _QuietHandler) as server:
        server.set_app(app)
        bound, at = server.server_address[:2]
        shown = f"[{bound!s}]" if ":" in str(bound) else str(bound)
        emit(f"serving {', '.join(plain(place.text) for place in places)} at http://{shown}:{at}/")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            server.serve_forever()


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per connection, ended with the process."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the name service who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    """Writes one line per request to stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        """Write a line."""
        with suppress(OSError):
            sys.stderr.write(f"{self.address_string()} {plain(format % args)}\n")


class _QuietHandler(_Handler):
    """Writes nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""
