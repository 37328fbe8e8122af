# Generated from spooling_async.py by tools/twins.py: change that file, not this one.
"""From what `put` takes to a `Content`: a one-shot source is read once, into memory or a temporary file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from holdall._concurrency import run
from holdall.results import GetResult
from holdall.sources import Source, as_bytes, iter_chunks
from holdall.tiers.content import IN_MEMORY, Content, hasher

__all__ = ["content_of", "content_of_result"]


def content_of(source: Source, digest: str | None) -> Content:
    """Return the content of a source; if the source raises, so does this, and nothing was written anywhere.

    Args:
        source: Checked already.
        digest: Algorithm of the digest to compute on the way.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = as_bytes(source)
        return Content(data, len(data))
    if isinstance(source, os.PathLike):
        path = Path(source)
        size = path.stat().st_size
        if size > IN_MEMORY:
            return Content(path.absolute(), size)
        data = run(path.read_bytes)
        return Content(data, len(data))
    return _spooled(source, digest)


def content_of_result(result: GetResult, digest: str | None) -> Content:
    """Return the content of an answer."""
    with result:
        if result.size <= IN_MEMORY:
            data = result.bytes()
            return Content(data, len(data))
        return _spooled(iter(result), digest)


def _spooled(source: Source, digest: str | None) -> Content:
    held = bytearray()
    file = None
    size = 0
    computed = None if digest is None else hasher(digest)
    try:
        for chunk in iter_chunks(source):
            size += len(chunk)
            if computed is not None:
                computed.update(chunk)
            if file is None:
                held += chunk
                if len(held) <= IN_MEMORY:
                    continue
                file = tempfile.NamedTemporaryFile(prefix="holdall-", suffix=".spool", delete=False)  # noqa: SIM115
                chunk = bytes(held)  # noqa: PLW2901  # what was held goes first
                held.clear()
            run(lambda file=file, chunk=chunk: file.write(chunk))  # type: ignore[misc]
    except BaseException:
        if file is not None:
            file.close()
            os.unlink(file.name)
        raise
    if file is None:
        content = Content(bytes(held), size)
    else:
        file.close()
        content = Content(Path(file.name), size, own=True)
    if computed is not None and digest is not None:
        content.know(digest, computed.hexdigest())
    return content
