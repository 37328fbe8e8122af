"""One file on its way to one key: checked, counted and digested while it streams."""

from __future__ import annotations

import os
import time
from collections.abc import (
    AsyncIterable,  # async only
    AsyncIterator,
    Callable,
)
from typing import Any

from holdall._concurrency import gather_async, run_async
from holdall.columns.puts import Sent
from holdall.columns.rules import HEAD, Meter, Rules
from holdall.core.options import PutOptions
from holdall.engine.colours import (
    closed,  # async only
    closed_async,
    told_async,
)
from holdall.errors import HoldallError
from holdall.results import PutResult
from holdall.sources import (
    AsyncSizedChunks,
    AsyncSource,
    SizedChunks,  # async only
    iter_chunks,  # async only
    iter_chunks_async,
    source_size,
)
from holdall.store import Store

__all__ = ["send_async"]

SMALL = 1024 * 1024
"""Bytes digested here and now; more of them in a thread, while they are being stored."""


async def send_async(
    store: Store, key: str, source: AsyncSource, options: PutOptions, *, rules: Rules, file: Any, size: int | None = None
) -> Sent:
    """Store content at a key; nothing is left of what is refused.

    Args:
        store: Where.
        key: Where there.
        source: The content.
        options: How.
        rules: What is asked of it.
        file: What validators are told of it; its ``filename`` is used in errors.
        size: How much it is, if that is known otherwise.

    Raises:
        RejectedFileError: A rule or validator refused it.
        HoldallError: The store's.
    """
    if rules.extensions or rules.content_types:
        rules.check_name(file.original_filename, file.content_type)
    meter = Meter(rules, file.filename)
    if isinstance(source, (bytearray, memoryview)):
        source = bytes(source)
    if isinstance(source, bytes):
        for validator in rules.validators:
            await told_async(validator, file, source[:HEAD])
        meter.count(len(source))
        meter.end()
        if len(source) > SMALL and rules.checksum:
            acts: list[Callable[[], Any]] = [
                lambda: store.put_async(key, source, options),
                lambda: run_async(lambda: meter.digest(source)),
            ]
            result, _ = await gather_async(acts)
        else:
            meter.digest(source)
            result = await store.put_async(key, source, options)
        return Sent(result, meter.checksum, await _modified_async(store, key, result))
    if size is None:
        size = await run_async(lambda: source_size(source)) if isinstance(source, os.PathLike) else source_size(source)
    if size is not None and rules.max_size is not None and size > rules.max_size:
        meter.count(size)
    if not rules.validators and not isinstance(source, AsyncIterable):  # async only
        with closed(meter.watch(iter_chunks(source))) as pieces:  # read and digested where the driver works  # async only
            read = pieces if size is None else SizedChunks(pieces, size)  # async only
            result = await store.put_async(key, read, options)  # async only
        return Sent(result, meter.checksum, await _modified_async(store, key, result))  # async only
    async with closed_async(iter_chunks_async(source)) as chunks:
        body = _validated_async(meter.watch_async(chunks), rules, file) if rules.validators else meter.watch_async(chunks)
        result = await store.put_async(key, body if size is None else AsyncSizedChunks(body, size), options)
    return Sent(result, meter.checksum, await _modified_async(store, key, result))


async def _validated_async(chunks: AsyncIterator[bytes], rules: Rules, file: Any) -> AsyncIterator[bytes]:
    """Yield content after its first bytes were looked at."""
    held: list[bytes] = []
    async for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) >= HEAD:
            break
    head = b"".join(held)[:HEAD]
    for validator in rules.validators:
        await told_async(validator, file, head)
    for chunk in held:
        yield chunk
    async for chunk in chunks:
        yield chunk


async def _modified_async(store: Store, key: str, result: PutResult) -> float:
    """Return when the object was written: the store's own time where that is no request, else the time of the answer."""
    if result.last_modified is not None:
        return result.last_modified.timestamp()
    driver, inner = store.locate(key)
    if driver.capabilities.local or driver.capabilities.temporary:
        try:
            meta = await driver.head_async(inner)
        except HoldallError:  # gone again, or not for us to see
            meta = None
        if meta is not None and meta.last_modified is not None:
            return meta.last_modified.timestamp()
    return time.time()
