"""Write a test once, run it in both colours.

`BLOCKING` hands out an object as it is; `AsyncColour` hands out a stand-in whose ``x(...)`` runs ``x_async(...)`` to its
end on the test's own event loop. So one body, written as blocking code, covers both: the pytest fixture ``colour`` (in
`holdall.testing.fixtures`, and on `StoreContract` itself) gives each in turn.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

__all__ = ["AsyncColour", "BlockingColour", "Colour", "ColourName", "colour_named"]

T = TypeVar("T")
R = TypeVar("R")
ColourName = str
NAMES: tuple[ColourName, ...] = ("blocking", "async")


class Colour(Protocol):
    """One way to call two-coloured objects.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> for name in NAMES:
        ...     with colour_named(name) as colour:
        ...         store = colour(MemoryStore())
        ...         _ = store.put("a", b"1")
        ...         print(name, store.get("a").bytes())
        blocking b'1'
        async b'1'
    """

    name: ColourName

    def __call__(self, target: T) -> T:
        """Return the object as seen in this colour."""
        ...

    def at_once(self, method: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> list[R | Exception]:
        """Call one method (of the object itself) with many argument tuples at the same time; results or errors in order."""
        ...

    def in_threads(self, count: int, body: Callable[[int, Colour], R]) -> list[R]:
        """Run ``body(i, colour)`` in ``count`` threads that start together, each with a colour (and event loop) of its own."""
        ...

    def close(self) -> None:
        """Close the event loop, if there is one."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlockingColour:
    """The blocking colour: objects as they are."""

    name: ColourName = "blocking"

    def __call__(self, target: T) -> T:
        """Return the object itself."""
        return target

    def at_once(self, method: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> list[R | Exception]:
        """Call a method in as many threads, which start together. See `Colour.at_once`."""
        barrier = threading.Barrier(len(calls), timeout=60)

        def call(arguments: tuple[Any, ...]) -> R | Exception:
            barrier.wait()
            try:
                return method(*arguments)
            except Exception as error:  # noqa: BLE001  # the error is the answer
                return error

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(call, calls))

    def in_threads(self, count: int, body: Callable[[int, Colour], R]) -> list[R]:
        """Run a body in many threads. See `Colour.in_threads`."""
        return _in_threads(self.name, count, body)

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncColour:
    """The async colour: ``x(...)`` is ``x_async(...)``, run to its end on one event loop that this object owns."""

    name: ColourName = "async"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._context = contextvars.copy_context()  # one for all calls: they are one caller's, as in one coroutine

    def __call__(self, target: T) -> T:
        """Return a stand-in for the object that runs its async verbs."""
        return cast("T", _Stand(target, self))

    def _wait(self, answer: Any) -> Any:
        # not Runner.run: it swaps signal handlers, and thereby repr()s the task with all the bytes that it gave
        loop = self._runner.get_loop()
        return loop.run_until_complete(loop.create_task(_awaited(answer), context=self._context))

    def run(self, answer: Any) -> Any:
        """Run what an async method returned: a coroutine to its value, an async iterator as a blocking one."""
        if inspect.isawaitable(answer):
            answer = self._wait(answer)
        if _two_coloured(answer):
            return _Stand(answer, self)
        if isinstance(answer, AsyncIterator):
            return self.iterate(answer)
        return answer

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """Iterate over an async iterator, one step at a time, closing it at the end."""
        try:
            while True:
                try:
                    yield self._wait(source.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                self._wait(close())

    def at_once(self, method: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> list[R | Exception]:
        """Call a method in as many tasks. See `Colour.at_once`."""
        owner = _bare(getattr(method, "__self__", None))
        verb = getattr(owner, f"{method.__name__}_async")

        async def all_calls() -> list[Any]:
            return await asyncio.gather(*(verb(*arguments) for arguments in calls), return_exceptions=True)

        return cast("list[R | Exception]", self._wait(all_calls()))

    def in_threads(self, count: int, body: Callable[[int, Colour], R]) -> list[R]:
        """Run a body in many threads, each with its own event loop. See `Colour.in_threads`."""
        return _in_threads(self.name, count, body)

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def colour_named(name: ColourName) -> Colour:
    """Return a colour by its name, ``"blocking"`` or ``"async"``; close it, or use it as a context manager."""
    if name not in NAMES:
        raise ValueError(f"a colour is 'blocking' or 'async', not {name!r}")
    return BlockingColour() if name == "blocking" else AsyncColour()


class _Stand:
    """Stands for a two-coloured object: the async half of it, called as if it blocked."""

    def __init__(self, target: Any, colour: AsyncColour) -> None:
        self.__dict__["_target"] = target
        self.__dict__["_colour"] = colour

    def __getattr__(self, name: str) -> Any:
        target, colour = self.__dict__["_target"], self.__dict__["_colour"]
        twin = None if name.endswith("_async") or name.startswith("__") else getattr(target, f"{name}_async", None)
        if not callable(twin):
            return getattr(target, name)

        def call(*arguments: Any, **named: Any) -> Any:
            return colour.run(twin(*map(_bare, arguments), **{k: _bare(v) for k, v in named.items()}))

        call.__name__ = name
        call.__self__ = target  # type: ignore[attr-defined]  # `Colour.at_once` asks a method for its object
        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_target"], name, value)

    def __iter__(self) -> Iterator[Any]:
        target = self.__dict__["_target"]
        if not hasattr(target, "__aiter__"):
            return iter(target)
        return cast("Iterator[Any]", self.__dict__["_colour"].iterate(target.__aiter__()))

    def __enter__(self) -> Any:
        target, colour = self.__dict__["_target"], self.__dict__["_colour"]
        entered = colour.run(target.__aenter__())
        return self if _bare(entered) is target else entered

    def __exit__(self, *failure: object) -> Any:
        return self.__dict__["_colour"].run(self.__dict__["_target"].__aexit__(*failure))

    def __truediv__(self, other: Any) -> Any:
        return _Stand(self.__dict__["_target"] / _bare(other), self.__dict__["_colour"])

    def __repr__(self) -> str:
        return repr(self.__dict__["_target"])

    def __str__(self) -> str:
        return str(self.__dict__["_target"])

    def __eq__(self, other: object) -> bool:
        return bool(self.__dict__["_target"] == _bare(other))

    def __hash__(self) -> int:
        return hash(self.__dict__["_target"])


def _bare(value: Any) -> Any:
    """Return the object behind a stand-in; anything else as it is."""
    return value.__dict__["_target"] if type(value) is _Stand else value


def _two_coloured(value: object) -> bool:
    """Tell whether a value has verbs in two colours, so that it needs a stand-in itself."""
    return not isinstance(value, (type, _Stand)) and any(
        name.endswith("_async") and not name.startswith("_") and hasattr(type(value), name.removesuffix("_async"))
        for name in dir(type(value))
    )


async def _awaited(answer: Any) -> Any:
    """Await in a coroutine, whatever kind of awaitable it is."""
    return await answer


def _in_threads(name: ColourName, count: int, body: Callable[[int, Colour], R]) -> list[R]:
    barrier = threading.Barrier(count, timeout=60)

    def one(number: int) -> R:
        with colour_named(name) as own:
            barrier.wait()
            return body(number, own)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
