"""A bucket that is missing, as the records face tells it: a store could not be asked, and a database is not there."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from holdall.engine.colours import closed, closed_async
from holdall.errors import MissingPlaceError
from holdall.records.errors import DatabaseNotFoundError

__all__ = ["absent", "telling_absence"]

E = TypeVar("E", bound=type)


def absent(error: MissingPlaceError) -> DatabaseNotFoundError:
    """Return the error of a database whose bucket, container or directory is missing."""
    made = DatabaseNotFoundError(error.message, key=error.key, store=error.store)
    made.__cause__ = error
    return made


def telling_absence(engine: E) -> E:
    """Let the verbs of an engine raise `DatabaseNotFoundError` for `MissingPlaceError`.

    Around the whole verb, since within it `NotFoundError` means that a record is absent.
    """
    for name, verb in list(vars(engine).items()):
        if inspect.isfunction(verb) and not name.startswith("_"):
            setattr(engine, name, _telling(verb))
    return engine


def _telling(verb: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(verb):

        @wraps(verb)
        async def drawing_async(*given: Any, **named: Any) -> AsyncIterator[Any]:
            try:
                async with closed_async(verb(*given, **named)) as items:
                    async for item in items:
                        yield item
            except MissingPlaceError as error:
                raise absent(error) from error

        return drawing_async
    if inspect.iscoroutinefunction(verb):

        @wraps(verb)
        async def asking_async(*given: Any, **named: Any) -> Any:
            try:
                return await verb(*given, **named)
            except MissingPlaceError as error:
                raise absent(error) from error

        return asking_async
    if inspect.isgeneratorfunction(verb):

        @wraps(verb)
        def drawing(*given: Any, **named: Any) -> Iterator[Any]:
            try:
                with closed(verb(*given, **named)) as items:
                    yield from items
            except MissingPlaceError as error:
                raise absent(error) from error

        return drawing

    @wraps(verb)
    def asking(*given: Any, **named: Any) -> Any:
        try:
            return verb(*given, **named)
        except MissingPlaceError as error:
            raise absent(error) from error

    return asking
