"""User metadata as object tags: what fits goes, the rest is named, nothing is cut (section "Tags" of the format)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["LEGAL", "MOST", "Omissions", "TagsOmittedWarning", "fit_tags"]

MOST = 10
_SYSTEM = frozenset({"id", "created_at", "updated_at"})
LEGAL = re.compile(r"[\w\s+\-=.:/@]*", re.UNICODE)
_NAMED = 10
"""Records, and names of each, that a warning has room for."""


class TagsOmittedWarning(UserWarning):
    """Some metadata did not fit into the object's tags; it is in the body all the same."""


class Omissions:
    """What one call left out of the tags of its records.

    Example:
        >>> omissions = Omissions()
        >>> omissions.add("a", ["bad", "deep"])
        >>> omissions.warning()
        TagsOmittedWarning("these do not fit into the tags of 'a' and are in its body alone: bad, deep")
        >>> omissions.add("b", [])
        >>> omissions.add("c", ["bad"])
        >>> omissions.warning()
        TagsOmittedWarning("these do not fit into the tags of 2 records and are in their bodies alone: bad, deep ('a'); bad ('c')")
    """

    def __init__(self) -> None:
        self._count = 0
        self._first: list[tuple[str, str]] = []

    def add(self, id: str, names: Sequence[str]) -> None:
        """Note a record, and the names of what was left out, if there are any."""
        if not names:
            return
        self._count += 1
        if len(self._first) < _NAMED:
            self._first.append((id, ", ".join(names[:_NAMED]) + _more(len(names))))

    def warning(self) -> TagsOmittedWarning | None:
        """Return the one warning of the call, if nothing was left out none."""
        if not self._count:
            return None
        if self._count == 1:
            [(id, names)] = self._first
            return TagsOmittedWarning(f"these do not fit into the tags of {id!r} and are in its body alone: {names}")
        named = "; ".join(f"{names} ({id!r})" for id, names in self._first) + _more(self._count)
        return TagsOmittedWarning(
            f"these do not fit into the tags of {self._count} records and are in their bodies alone: {named}"
        )


def _more(count: int) -> str:
    return f" and {count - _NAMED} more" if count > _NAMED else ""


def fit_tags(
    id: str, created_at: str, metadata: Mapping[str, Any], *, names: Iterable[str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Return the tags of a record and the names of what did not fit.

    Args:
        id: The record's id, first tag if it fits.
        created_at: ISO 8601 text.
        metadata: User metadata, taken in order.
        names: Only these names of it; all if ``None``.

    Returns:
        Tags (at most 10; keys of 1 to 128, values of 0 to 256 characters of the service's alphabet) and omitted names.

    Example:
        >>> fit_tags("x", "2024", {"team": "é", "bad": "a?b", "deep": {}})
        ({'id': 'x', 'created_at': '2024', 'team': 'é'}, ['bad', 'deep'])
    """
    fits = len(id) <= 256 and LEGAL.fullmatch(id)
    tags, omitted = ({"id": id}, list[str]()) if fits else ({}, ["id"])
    tags["created_at"] = created_at
    chosen = metadata if names is None else set(names)
    for name, value in metadata.items():
        if name in _SYSTEM or name not in chosen:
            continue
        text = _scalar_text(value)
        if text is None or len(tags) >= MOST or not _legal_name(name) or len(text) > 256 or not LEGAL.fullmatch(text):
            omitted.append(name)
        else:
            tags[name] = text
    return tags, omitted


def _legal_name(name: str) -> bool:
    return 1 <= len(name) <= 128 and not name.lower().startswith("aws:") and LEGAL.fullmatch(name) is not None


def _scalar_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return None
