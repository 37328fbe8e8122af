# Generated from sending_async.py by tools/twins.py: change that file, not this one.
"""One file on its way to one key: checked, counted and digested while it streams."""

from __future__ import annotations

import os
import time
from collections.abc import (
    Callable,
    Iterator,
)
from typing import Any

from holdall._concurrency import gather, run
from holdall.columns.puts import Sent
from holdall.columns.rules import HEAD, Meter, Rules
from holdall.core.options import PutOptions
from holdall.engine.colours import (
    closed,
    told,
)
from holdall.errors import HoldallError
from holdall.results import PutResult
from holdall.sources import (
    SizedChunks,
    Source,
    iter_chunks,
    source_size,
)
from holdall.store import Store

__all__ = ["send"]

SMALL = 1024 * 1024
"""Bytes digested here and now; more of them in a thread, while they are being stored."""


def send(
    store: Store, key: str, source: Source, options: PutOptions, *, rules: Rules, file: Any, size: int | None = None
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
            told(validator, file, source[:HEAD])
        meter.count(len(source))
        meter.end()
        if len(source) > SMALL and rules.checksum:
            acts: list[Callable[[], Any]] = [
                lambda: store.put(key, source, options),
                lambda: run(lambda: meter.digest(source)),
            ]
            result, _ = gather(acts)
        else:
            meter.digest(source)
            result = store.put(key, source, options)
        return Sent(result, meter.checksum, _modified(store, key, result))
    if size is None:
        size = run(lambda: source_size(source)) if isinstance(source, os.PathLike) else source_size(source)
    if size is not None and rules.max_size is not None and size > rules.max_size:
        meter.count(size)
    with closed(iter_chunks(source)) as chunks:
        body = _validated(meter.watch(chunks), rules, file) if rules.validators else meter.watch(chunks)
        result = store.put(key, body if size is None else SizedChunks(body, size), options)
    return Sent(result, meter.checksum, _modified(store, key, result))


def _validated(chunks: Iterator[bytes], rules: Rules, file: Any) -> Iterator[bytes]:
    """Yield content after its first bytes were looked at."""
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) >= HEAD:
            break
    head = b"".join(held)[:HEAD]
    for validator in rules.validators:
        told(validator, file, head)
    for chunk in held:
        yield chunk
    for chunk in chunks:
        yield chunk


def _modified(store: Store, key: str, result: PutResult) -> float:
    """Return when the object was written: the store's own time where that is no request, else the time of the answer."""
    if result.last_modified is not None:
        return result.last_modified.timestamp()
    driver, inner = store.locate(key)
    if driver.capabilities.local or driver.capabilities.temporary:
        try:
            meta = driver.head(inner)
        except HoldallError:  # gone again, or not for us to see
            meta = None
        if meta is not None and meta.last_modified is not None:
            return meta.last_modified.timestamp()
    return time.time()
