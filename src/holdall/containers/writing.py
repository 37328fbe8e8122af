# Generated from writing_async.py by tools/twins.py: change that file, not this one.
"""Encode a document into a sink, copy archives into one, and publish: all the I/O of writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall.containers.drawing import draw
from holdall.containers.encoder import Encoder
from holdall.containers.finishing import finish
from holdall.containers.header import HEADER
from holdall.containers.options import WriteOptions, WriteResult
from holdall.containers.sinks import Sink
from holdall.containers.steps import Annex, Emit, Patch

__all__ = ["encode", "publish"]


def encode(sink: Sink, encoder: Encoder, value: Any, base: int = HEADER) -> dict[str, Any]:
    """Encode a document into a sink and return its root node.

    Args:
        sink: Takes the bytes.
        encoder: Of this document.
        value: The document.
        base: Where the document begins in the sink.

    Raises:
        EncodeError: A value that no archive can hold.
    """
    steps = encoder.run(value)
    begun: dict[int, tuple[Any, Any]] = {}
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            node: dict[str, Any] = end.value
            return node
        answer = None
        if isinstance(step, Emit):
            if step.pin:
                sink.pin(sink.position, sink.position + len(step.data))
            sink.write(step.data)
        elif isinstance(step, Patch):
            sink.patch(base + step.position, step.data)
        else:
            answer = draw(begun, step)


def publish(sink: Sink, node: dict[str, Any], options: WriteOptions, annexes: Sequence[Annex] = ()) -> WriteResult:
    """Add the table of contents, fill in the header, and publish.

    Raises:
        AlreadyExistsError, PreconditionError: The condition of the writer does not hold.
    """
    size = sink.position - HEADER
    header, tail = finish(node, size, options, annexes)
    toc_size = len(tail)
    published = sink.finish(header, tail)
    return WriteResult(
        size=HEADER + size + toc_size,
        data_size=size,
        toc_size=toc_size,
        etag=published.etag,
        version=published.version,
        bytes_uploaded=HEADER + size + toc_size,
        requests=sink.requests,
        spooled=sink.spooled,
    )
