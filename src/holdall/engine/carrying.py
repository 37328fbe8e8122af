"""What travels with the bytes: headers, user metadata and tags, as far as the target keeps them. No I/O."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from holdall.core.meta import NO_ATTRIBUTES, Attributes, ObjectMeta
from holdall.core.options import PutOptions
from holdall.engine.places import Side
from holdall.engine.progress import TransferOptions
from holdall.errors import NotSupportedError

__all__ = ["Carried", "Carrier"]

_HEADERS = tuple(f.name for f in fields(Attributes) if f.name != "metadata")


@dataclass(frozen=True, slots=True)
class Carried:
    """How to write one object (``None``: plainly), and what the target cannot keep of it."""

    options: PutOptions | None
    lost: tuple[str, ...] = ()


class Carrier:
    """Knows what the two sides of one transfer keep.

    Attributes:
        tags: Tags are to travel.
        asks: The source is asked for them where a read did not bring them.
        unread: How many objects may have had tags that were not asked for.
    """

    def __init__(self, source: Side, target: Side, options: TransferOptions) -> None:
        has, keeps = source.store.capabilities, target.store.capabilities
        self.tags = has.tags and options.preserve is not False
        self.asks = self.tags and (has.local or has.temporary or not source.tree or options.preserve in {"all", "strict"})
        self.unread = 0
        self._lock = threading.Lock()
        self._target = target.store
        self._keeps = keeps
        self._preserve = options.preserve
        self._plain: PutOptions | None = None if options.overwrite else PutOptions(mode="create")
        self._bare = Carried(self._plain)

    def pass_over(self, count: int = 1) -> None:
        """Count objects whose tags were not asked for."""
        with self._lock:
            self.unread += count

    def carry(self, meta: ObjectMeta, tags: Mapping[str, str] | None) -> Carried:
        """Return the options that write an object as it was.

        Raises:
            NotSupportedError: ``preserve="strict"`` and the target cannot keep something.
        """
        attributes = meta.attributes
        if not self._preserve or (attributes is NO_ATTRIBUTES and not tags):
            return self._bare
        lost: list[str] = []
        kept: dict[str, Any] = {}
        for name in _HEADERS:
            value = getattr(attributes, name)
            if value is not None and self._keeps.attributes:
                kept[name] = value
            elif value is not None:
                lost.append(name)
        for name, values, able in (
            ("metadata", attributes.metadata, self._keeps.metadata),
            ("tags", tags, self._keeps.tags),
        ):
            if values and able:
                kept[name] = values
            elif values:
                lost.append(name)
        if lost and self._preserve == "strict":
            raise NotSupportedError(
                f"preserve='strict': the target cannot keep {', '.join(lost)} of {meta.key!r}",
                key=meta.key,
                store=self._target,
            )
        if not kept:
            return Carried(self._plain, tuple(lost))
        return Carried(replace(self._plain or PutOptions(), **kept), tuple(lost))
