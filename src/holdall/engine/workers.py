"""Single items of a transfer, carried out by an executor of the caller's: in threads, or in processes that open both stores anew."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import Any

from holdall.core.plans import PlanItem, Route, SkipStrategy
from holdall.engine.carrying import Carrier
from holdall.engine.colours import finish_async
from holdall.engine.copying import Copier
from holdall.engine.jobs import Job
from holdall.engine.places import Side
from holdall.engine.progress import TransferItem, TransferOptions
from holdall.errors import HoldallError, NotSupportedError
from holdall.store import Store

__all__ = ["Work", "carry", "waited", "waited_async", "work_of"]

Work = Callable[[PlanItem, int], tuple[TransferItem, int]]
"""Carries out an item with so many units of the budget; tells what became of it, and of how many objects the tags were not read."""

PAUSE = 0.2
"""Seconds after which a waiting thread looks whether it should stop."""


def work_of(
    executor: Executor,
    source: Side,
    target: Side,
    options: TransferOptions,
    route: Route,
    *,
    moving: bool,
    carrier: Carrier,
) -> Work:
    """Return what to submit for each item.

    Threads share the stores. For anything else the work is bytes, from which a worker opens both sides by itself.

    Args:
        executor: Of the caller.
        source: Where from.
        target: Where to.
        options: Of the whole transfer; its callbacks stay here.
        route: What is possible between the two.
        moving: Sources are deleted after their copies were verified.
        carrier: Of the transfer; threads count in it.

    Raises:
        NotSupportedError: Another process cannot get at one of the sides.
    """
    rules = replace(
        options, filter=None, skip=SkipStrategy.NEVER, skip_fn=None, progress=None, on_progress=None, on_file=None,
        on_skip=None, on_error=None, executor=None, reopen=None,
    )  # fmt: skip
    if isinstance(executor, ThreadPoolExecutor):
        return _Porter(source, target, rules, route, moving=moving, carrier=carrier).carry
    import pickle  # noqa: PLC0415  # other processes only

    for side in (source, target):
        if side.store.capabilities.temporary:
            raise NotSupportedError(
                f"executor=: {side} lives in this process, where only a ThreadPoolExecutor can work", store=side.store
            )
    try:
        reopen = options.reopen or partial(_both, source.store, target.store)
        payload = pickle.dumps((reopen, source.prefix, target.prefix, rules, route, moving))
    except HoldallError:
        raise
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise NotSupportedError(f"executor=: another process cannot get at {source} or {target}: {error}") from error
    return partial(carry, payload)


def carry(payload: bytes, item: PlanItem, units: int) -> tuple[TransferItem, int]:
    """Carry out one item in a worker: what `work_of` packed is unpacked once per thread and kept for the next item."""
    if getattr(_mine, "payload", None) != payload:
        import pickle  # noqa: PLC0415  # once per worker

        # Made by `work_of` and handed over by the caller's own executor; nothing of it ever lay in a storage.
        reopen, source, target, rules, route, moving = pickle.loads(payload)  # noqa: S301
        ours, theirs = reopen()
        _mine.porter = _Porter(Side(ours, source), Side(theirs, target), rules, route, moving=moving)
        _mine.payload = payload
    porter: _Porter = _mine.porter
    return porter.carry(item, units)


def waited(future: Future[Any], checkpoint: Callable[[], None]) -> Any:
    """Return the result of a future; asked to stop, drop what has not begun and let the rest come to its end."""
    while not wait([future], PAUSE).done:
        try:
            checkpoint()
        except BaseException:
            if not future.cancel():
                wait([future])
            raise
    return future.result()


async def waited_async(future: Future[Any], checkpoint: Callable[[], None]) -> Any:  # noqa: ARG001  # a task is cancelled
    """Return the result of a future; cancelled, drop what has not begun and let the rest come to its end."""
    awaitable = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(awaitable)
    except asyncio.CancelledError:
        if not future.cancel():
            await finish_async(lambda: asyncio.wait([awaitable]))
        raise


class _Porter:
    """A copier of the blocking colour that works for itself: nobody hears of bytes, and what was begun is finished."""

    def __init__(
        self,
        source: Side,
        target: Side,
        rules: TransferOptions,
        route: Route,
        *,
        moving: bool,
        carrier: Carrier | None = None,
    ) -> None:
        self._copier = Copier(source, target, rules, route, moving=moving)
        self._copier.crew = _NOBODY
        self._shared = carrier is not None
        if carrier is not None:
            self._copier.carrier = carrier

    def carry(self, item: PlanItem, units: int) -> tuple[TransferItem, int]:
        """Carry out one item."""
        counted = self._copier.carrier
        before = counted.unread
        done = self._copier.run(Job(item, units))
        return done, 0 if self._shared else counted.unread - before


class _Nobody:
    """Stands where a crew would."""

    def post(self, event: object) -> None:
        """Do nothing."""

    def checkpoint(self) -> None:
        """Do nothing."""


_NOBODY: Any = _Nobody()
_mine = threading.local()


def _both(source: Store, target: Store) -> tuple[Store, Store]:
    """Return two stores: they were pickled themselves."""
    return source, target
