"""OpenTelemetry spans around verbs, where the package is installed (extra ``otel``); imported on first use only.

Names and attributes follow the semantic conventions where they have words for object storage (``aws.s3.bucket``,
``aws.s3.key``, ``server.address``, ``error.type``) and stand below ``holdall.`` where they have none. No exception is recorded
with its stack: messages of causes are not ours and may hold secrets.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from holdall.core.capabilities import Identity
from holdall.errors import HoldallError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["Tracing", "tracing"]

_ADDRESS = re.compile(r"\+?https?://(?P<host>\[[^\]]+\]|[^/:]+)(?::(?P<port>\d+))?")


class Tracing:
    """Makes the spans of one store."""

    def __init__(self, trace: Any, tracer: Tracer, name: str, identity: Identity) -> None:
        self._trace = trace
        self._tracer = tracer
        self._fixed: dict[str, str | int] = {"holdall.store": name}
        self._kind = trace.SpanKind.INTERNAL
        self._key = "holdall.key"
        address = _ADDRESS.search(identity.service)
        if address:
            self._kind = trace.SpanKind.CLIENT
            self._fixed["server.address"] = address["host"].strip("[]")
            if address["port"]:
                self._fixed["server.port"] = int(address["port"])
        if identity.service.startswith("s3"):
            self._fixed["aws.s3.bucket"] = identity.place
            self._key = "aws.s3.key"
        self._below = identity.prefix

    def start(self, verb: str, key: str | None) -> Span:
        """Start the span of a verb; its parent is the span that is current."""
        attributes: dict[str, str | int] = {"holdall.verb": verb, **self._fixed}
        if key is not None:
            attributes[self._key] = self._below + key if self._key == "aws.s3.key" else key
        return self._tracer.start_span(f"holdall {verb}", kind=self._kind, attributes=attributes)

    def within(self, span: Span) -> AbstractContextManager[Any]:
        """Return a context in which the span is current, so that those of the library below become its children."""
        context: AbstractContextManager[Any] = self._trace.use_span(
            span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        )
        return context

    def finish(self, span: Span, size: int, error: BaseException | None, *, failed: bool) -> None:
        """End a span."""
        if span.is_recording():
            span.set_attribute("holdall.bytes", size)
            if error is not None:
                span.set_attribute("error.type", error.kind if isinstance(error, HoldallError) else type(error).__qualname__)
            if failed:
                message = str(error) if isinstance(error, HoldallError) else type(error).__qualname__
                span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, message))
        span.end()


def tracing(provider: TracerProvider | None, name: str, identity: Identity) -> Tracing | None:
    """Return what makes spans, ``None`` where OpenTelemetry is not installed."""
    try:
        from opentelemetry import trace  # noqa: PLC0415  # an extra, looked for on first use
    except ImportError:
        return None
    return Tracing(trace, trace.get_tracer("holdall", tracer_provider=provider), name, identity)
