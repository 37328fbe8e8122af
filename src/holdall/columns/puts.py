"""One upload: how it is to be done, and what came of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdall.columns.rules import Rules
from holdall.core.options import PutOptions
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["Put", "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What the store and the meter say of a file that was stored."""

    result: PutResult
    checksum: str | None
    last_modified: float


@dataclass(slots=True, kw_only=True)
class Put:
    """One upload.

    Attributes:
        file: The file object.
        backend, store, key: Where.
        rules, options: How.
        size: Bytes, where that is known.
        fresh: Whether nobody else can have the key.
        sent: What came of it.
        taken: Whether the key was found to be taken; nothing was sent then.
        begun: Whether something may have been stored.
        target: Where it belongs after the commit, if ``key`` is a staged one.
        seen: The etag that was there then; ``""`` if it has none, ``None`` if nothing was there.
    """

    file: Any
    backend: str
    store: Store
    key: str
    rules: Rules
    options: PutOptions
    size: int | None = None
    fresh: bool = False
    sent: Sent | None = None
    taken: bool = False
    begun: bool = False
    target: str | None = None
    seen: str | None = None
