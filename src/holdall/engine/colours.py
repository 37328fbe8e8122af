"""Small acts of orchestration that differ between the colours, in pairs: clean-up that is not cut short, callbacks, closing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from holdall._lazy import lazy

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["closed", "closed_async", "finish", "finish_async", "told", "told_async"]

T = TypeVar("T")


@contextmanager
def closed(iterator: Iterator[T]) -> Generator[Iterator[T], None, None]:
    """Close an iterator at the end of the block, if it can be closed."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


@asynccontextmanager
async def closed_async(iterator: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """Close an iterator at the end of the block, if it can be closed."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def finish(thunk: Callable[[], T], patience: float | None = None) -> T:  # noqa: ARG001  # only an awaited act can be cancelled
    """Run a clean-up. See `finish_async`."""
    return thunk()


async def finish_async(thunk: Callable[[], Awaitable[T]], patience: float | None = None) -> T:
    """Run a clean-up to its end even if the caller is cancelled meanwhile; the cancellation goes on afterwards.

    Args:
        thunk: The clean-up, or another act whose outcome has to be known.
        patience: Seconds that a cancelled caller waits before the act is cancelled too.
    """
    task = asyncio.ensure_future(thunk())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if patience is not None:
            asyncio.get_running_loop().call_later(patience, task.cancel)
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:  # again: the clean-up still comes first
                continue
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise


def told(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a caller's function.

    Raises:
        TypeError: It is a coroutine function, which needs the async colour.
    """
    answer = function(*arguments)
    if isinstance(answer, Awaitable):
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        raise TypeError(f"{getattr(function, '__name__', function)!r} is a coroutine function: use the async colour")
    return answer


async def told_async(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a caller's function, which may be a coroutine function."""
    answer = function(*arguments)
    return await answer if isinstance(answer, Awaitable) else answer
