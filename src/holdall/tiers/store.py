"""`TieredStore`: several locations as one `Store`."""

from __future__ import annotations

from typing import Any, SupportsIndex

from holdall.tiers import _tiered, _tiered_async

__all__ = ["TieredStore"]


class TieredStore(_tiered_async.Verbs, _tiered.Verbs):
    """Several locations as one store: reads find the object wherever it is, writes reach every location or say which they missed.

    Made by a `holdall.tiers.FileStore` (its ``store``), or by a mount of ``type: tiers``. An etag is that of the location which
    serves the object, with its name in front, and valid only there.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> from holdall.tiers import FileStore
        >>> store = FileStore(MemoryStore(), MemoryStore(), names=["hot", "cold"]).store
        >>> store.put("a", b"hello").size, store.head("a").size
        (5, 5)
    """

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # Before any recipe of a registry: only the locations know whether a secret stands in their URLs.
        from holdall.tiers.filestore import FileStore  # noqa: PLC0415  # which makes these stores
        from holdall.tiers.opening import refuse_literal  # noqa: PLC0415

        given, options = self.tiers.given
        refuse_literal(given)
        return _again, (FileStore, given, options, [location.index for location in self.chosen])


def _again(make: Any, locations: tuple[Any, ...], options: dict[str, Any], view: list[int]) -> TieredStore:
    store: TieredStore = make(*locations, **options).at(view).store
    return store
