"""Glob patterns over keys, by pathlib's rules: ``*`` stops at ``/``, ``**`` crosses. Pure.

A pattern is cut into its literal head, which is asked of the server, and the rest, which is decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Glob", "glob"]

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern, ready to be asked.

    Attributes:
        head: Literal segments before the first wildcard, joined with ``/``.
        tail: The other segments; empty for a pattern without wildcards.
        deep: Whether ``**`` is among them.
        only_dirs: The pattern ends with ``/``: directories alone.
        regex: Matches the whole relative path.
    """

    head: str
    tail: tuple[str, ...]
    deep: bool
    only_dirs: bool
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Tell whether a relative path matches as a whole."""
        return self.regex.fullmatch(path) is not None


@lru_cache(maxsize=256)
def glob(pattern: str) -> Glob:
    """Read a pattern.

    Args:
        pattern: Relative, with ``*``, ``?``, ``[…]`` and ``**`` (as a whole segment).

    Raises:
        ValueError: Empty, absolute, or with a ``..`` segment.

    Example:
        >>> glob("logs/2026/*.txt").head, glob("**/*.py").matches("a/b/c.py")
        ('logs/2026', True)
    """
    if pattern.startswith("/"):
        raise ValueError(f"a pattern is relative: {pattern!r}")
    segments = [segment for segment in pattern.split("/") if segment not in {"", "."}]
    if not segments:
        raise ValueError(f"an empty pattern: {pattern!r}")
    if ".." in segments:
        raise ValueError(f"Parent directory traversal: {pattern!r} has a '..' segment")
    first = next((i for i, segment in enumerate(segments) if _MAGIC.search(segment)), len(segments))
    return Glob(
        head="/".join(segments[:first]),
        tail=tuple(segments[first:]),
        deep="**" in segments,
        only_dirs=pattern.endswith("/"),
        regex=re.compile(_regex(segments), re.DOTALL),
    )


def literal_start(segment: str) -> str:
    """Return the part of a segment before its first wildcard.

    Example:
        >>> literal_start("img_*.png")
        'img_'
    """
    found = _MAGIC.search(segment)
    return segment if found is None else segment[: found.start()]


@lru_cache(maxsize=256)
def segment_regex(segment: str) -> re.Pattern[str]:
    """Return the expression of one segment."""
    return re.compile(_segment(segment), re.DOTALL)


def _regex(segments: list[str]) -> str:
    pieces: list[str] = []
    last = len(segments) - 1
    for i, segment in enumerate(segments):
        if segment == "**":
            if i == last:
                pieces.append(".*")
            else:
                pieces.append("(?:[^/]*/)*")
        else:
            pieces.append(_segment(segment) + ("" if i == last else "/"))
    text = "".join(pieces)
    # "a/**" matches "a" itself as well, as pathlib's does.
    return re.sub(r"/\.\*$", "(?:/.*)?", text) if segments[-1] == "**" and last else text


def _segment(segment: str) -> str:
    """Translate one segment; `fnmatch.translate` lets ``*`` cross ``/``, so it cannot be used."""
    out: list[str] = []
    i = 0
    while i < len(segment):
        char = segment[i]
        i += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = segment.find("]", i + (2 if segment[i : i + 1] == "!" else 1))
            if end < 0:
                out.append(r"\[")
                continue
            body = segment[i:end]
            i = end + 1
            negated = body.startswith("!")
            out.append(_set(body[1:] if negated else body, negated=negated))
        else:
            out.append(re.escape(char))
    return "".join(out)


def _set(body: str, *, negated: bool) -> str:
    """Translate ``[…]``: ranges stay, everything else is literal; a reversed range matches nothing, as in fnmatch."""
    items: list[str] = []
    i = 0
    while i < len(body):
        if i + 2 < len(body) and body[i + 1] == "-":
            low, high = body[i], body[i + 2]
            if low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
            i += 3
        else:
            items.append(re.escape(body[i]))
            i += 1
    inner = "".join(items)
    if negated:
        return f"[^/{inner}]"
    return f"(?!/)[{inner}]" if inner else "(?!)"
