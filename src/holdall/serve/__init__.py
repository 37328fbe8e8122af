"""Applications that serve mounts over HTTP: `WSGIApp` and `ASGIApp`, to RFC 9110."""

from holdall.serve.apps import ASGIApp, Request, WSGIApp

__all__ = ["ASGIApp", "Request", "WSGIApp"]
