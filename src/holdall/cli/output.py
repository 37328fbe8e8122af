"""What the command prints: plain lines, or JSON, one value per line where there may be many."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["emit", "emit_json", "human", "is_terminal", "moment", "plain"]


def emit(line: str) -> None:
    """Print one line; names that the terminal cannot show are escaped rather than fatal."""
    try:
        sys.stdout.write(f"{line}\n")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(f"{line.encode(encoding, 'backslashreplace').decode(encoding)}\n")


def emit_json(value: Any) -> None:
    """Print one value as one line of JSON."""
    sys.stdout.write(f"{json.dumps(value, default=_plain, ensure_ascii=True)}\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def human(size: float) -> str:
    """Return a number of bytes as people read it.

    Example:
        >>> human(512), human(1536), human(5 * 1024**3)
        ('512 B', '1.5 KiB', '5.0 GiB')
    """
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} PiB"


def moment(when: datetime | None) -> str:
    """Return a time as listings show it, in UTC, or a blank of the same width.

    Example:
        >>> moment(datetime(2026, 11, 21, 9, 5, tzinfo=UTC))
        '2026-11-21 09:05:00'
    """
    return " " * 19 if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def plain(name: str) -> str:
    """Return a name on one line: control characters escaped, so that no key can forge a line or move the cursor.

    Example:
        >>> len(plain("a" + chr(10) + "b"))
        4
    """
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def is_terminal() -> bool:
    """Tell whether progress may be drawn: stderr is a terminal."""
    return sys.stderr.isatty()
