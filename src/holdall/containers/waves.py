"""Steps without I/O: generators that ask for ranges (`Want`) and are given their bytes; several run in lock-step."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple, TypeVar

from holdall.containers.cache import Span
from holdall.containers.errors import MissingIndexError, MissingKeyError

__all__ = ["Flow", "Steps", "Want", "step_of", "together"]

T = TypeVar("T")


class Want(NamedTuple):
    """A request for ranges of the object, answered by their bytes.

    Attributes:
        keep: Whether they may go into the cache.
        fresh: Whether they are best given as a `bytearray` that is nobody else's; ``bytes`` are given where that takes a copy.
    """

    spans: list[Span]
    keep: bool = True
    fresh: bool = False


Steps = Generator[Want, Any, T]
Flow = Generator["Want | list[Any]", Any, None]


def step_of(steps: Generator[Any, Any, Any], answer: Any) -> tuple[Any, Any]:
    """Give steps the answer to their request, and return the next one and the result, one of which is ``None``."""
    try:
        return steps.send(answer), None
    except StopIteration as end:
        return None, end.value


def together(tasks: Iterable[Steps[T]], *, missing: bool = False) -> Steps[list[Any]]:
    """Run several steps in lock-step: what they ask for at one time is one `Want`.

    Args:
        tasks: The steps.
        missing: Give the error of a path that leads nowhere as its result, instead of raising it.
    """
    live = list(enumerate(tasks))
    results: list[Any] = [None] * len(live)
    answers: list[Any] = [None] * len(live)
    while live:
        asked: list[tuple[int, Steps[T]]] = []
        counts: list[int] = []
        spans: list[Span] = []
        keep = True
        for i, task in live:
            try:
                want = task.send(answers[i])
            except StopIteration as end:
                results[i] = end.value
            except (MissingKeyError, MissingIndexError) as error:
                if not missing:
                    raise
                results[i] = error
            else:
                asked.append((i, task))
                counts.append(len(want.spans))
                spans += want.spans
                keep = keep and want.keep
        live = asked
        if asked:
            found = yield Want(spans, keep)
            at = 0
            for (i, _), count in zip(asked, counts, strict=True):
                answers[i] = found[at : at + count]
                at += count
    return results
