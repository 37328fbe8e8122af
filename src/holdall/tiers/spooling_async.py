"""From what `put` takes to a `Content`: a one-shot source is read once, into memory or a temporary file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from holdall._concurrency import run_async
from holdall.results import GetResult
from holdall.sources import AsyncSource, as_bytes, iter_chunks_async
from holdall.tiers.content import IN_MEMORY, Content, hasher

__all__ = ["content_of_async", "content_of_result_async"]


async def content_of_async(source: AsyncSource, digest: str | None) -> Content:
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
        data = await run_async(path.read_bytes)
        return Content(data, len(data))
    return await _spooled_async(source, digest)


async def content_of_result_async(result: GetResult, digest: str | None) -> Content:
    """Return the content of an answer."""
    async with result:
        if result.size <= IN_MEMORY:
            data = await result.bytes_async()
            return Content(data, len(data))
        return await _spooled_async(aiter(result), digest)


async def _spooled_async(source: AsyncSource, digest: str | None) -> Content:
    held = bytearray()
    file = None
    size = 0
    computed = None if digest is None else hasher(digest)
    try:
        async for chunk in iter_chunks_async(source):
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
            await run_async(lambda file=file, chunk=chunk: file.write(chunk))  # type: ignore[misc]
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
