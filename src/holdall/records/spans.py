"""How a long listing is cut into ranges of keys that are listed at once (S13). Pure; any cuts give the same result."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from os.path import commonprefix
from typing import NamedTuple

from holdall.records.keys import SUFFIX

__all__ = ["PAGE", "Cuts", "Span", "spans"]

PAGE = 1000
"""Keys of a full page."""
_SPARE = 10
"""Ranges that may turn out to be short."""


class Span(NamedTuple):
    """Keys behind ``after``, up to ``until``; ``None`` stands for the ends."""

    after: str | None
    until: str | None


def spans(whole: Span, cuts: Sequence[str]) -> list[Span]:
    """Return a range in parts.

    Example:
        >>> spans(Span("b", None), ["f", "d"])
        [Span(after='b', until='d'), Span(after='d', until='f'), Span(after='f', until=None)]
    """
    return [Span(*pair) for pair in pairwise([whole.after, *sorted(cuts), whole.until])]


class Cuts:
    """Where to cut what follows a full page: as the characters of its keys let expect, and never into many more ranges than full pages were seen.

    Args:
        stem: What all keys begin with.
        spare: Ranges that may turn out to be short.

    Example:
        >>> Cuts("r/").behind(["r/00.json", "r/0f.json", "r/1c.json"], Span("r/1c.json", None))
        ['r/c', 'r/f']
    """

    def __init__(self, stem: str, spare: int = _SPARE) -> None:
        self._floor = len(stem)
        self._left = spare

    def behind(self, keys: Sequence[str], rest: Span) -> list[str]:
        """Return cuts of what is left of a range behind a full page of it.

        Args:
            keys: Of the page, in order.
            rest: What is left of the range.
        """
        self._left += len(keys) // PAGE
        last = keys[-1]
        depth = len(commonprefix([keys[0], last]))  # noqa: RUF071  # characters are what is wanted
        signs = sorted({sign for key in keys for sign in key[depth:].removesuffix(SUFFIX)})
        cuts: list[str] = []
        for level in range(depth, self._floor - 1, -1):  # what differs in later places differs within a page
            room = self._left - len(cuts)
            if room <= 0:
                break
            found = [last[:level] + sign for sign in signs if sign > last[level : level + 1]]
            found = [cut for cut in found if last < cut and (rest.until is None or cut < rest.until)]
            cuts += found if len(found) <= room else [found[(at + 1) * len(found) // (room + 1)] for at in range(room)]
        self._left -= len(cuts)
        return cuts
