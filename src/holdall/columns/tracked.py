"""Metadata that tells when it is changed in place, however deep: JSON's containers with a bell on each method that changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, SupportsIndex, TypeVar

__all__ = ["TrackedDict", "TrackedList", "plain"]

Bell = Callable[[], None]
T = TypeVar("T")


def _tracked(value: Any, bell: Bell) -> Any:
    """Return a value with every dict and list in it tracked."""
    if isinstance(value, Mapping):
        return TrackedDict(value, bell)
    if isinstance(value, (list, tuple)):
        return TrackedList(value, bell)
    return value


def plain(value: Any) -> Any:
    """Return a value with plain dicts and lists, as JSON has them; a copy all through.

    Example:
        >>> plain(TrackedDict({"a": [1]}, print))
        {'a': [1]}
    """
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


class TrackedDict(dict[str, Any]):
    """A dict that rings a bell after each change.

    Example:
        >>> metadata = TrackedDict({"a": {"b": 1}}, lambda: print("changed"))
        >>> metadata["a"]["b"] = 2
        changed
    """

    __slots__ = ("_bell",)

    def __init__(self, values: Mapping[str, Any], bell: Bell) -> None:
        super().__init__((key, _tracked(value, bell)) for key, value in values.items())
        self._bell = bell

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, _tracked(value, self._bell))
        self._bell()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._bell()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # what `|=` gives here
        self.update(other)
        return self

    def update(self, *others: Any, **named: Any) -> None:
        """Set several keys. See `dict.update`."""
        super().update({key: _tracked(value, self._bell) for key, value in dict(*others, **named).items()})
        self._bell()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, set if it was absent. See `dict.setdefault`."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *arguments: Any) -> Any:
        """Remove a key and return its value. See `dict.pop`."""
        value = super().pop(*arguments)
        self._bell()
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the last pair and return it. See `dict.popitem`."""
        pair = super().popitem()
        self._bell()
        return pair

    def clear(self) -> None:
        """Remove all. See `dict.clear`."""
        super().clear()
        self._bell()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (plain(self),)


class TrackedList(list[Any]):
    """A list that rings a bell after each change. See `TrackedDict`."""

    __slots__ = ("_bell",)

    def __init__(self, values: Iterable[Any], bell: Bell) -> None:
        super().__init__(_tracked(value, bell) for value in values)
        self._bell = bell

    def __setitem__(self, index: Any, value: Any) -> None:
        many = isinstance(index, slice)
        super().__setitem__(index, [_tracked(v, self._bell) for v in value] if many else _tracked(value, self._bell))
        self._bell()

    def __delitem__(self, index: Any) -> None:
        super().__delitem__(index)
        self._bell()

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[misc]  # what `+=` gives here
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex) -> Self:
        super().__imul__(times)
        self._bell()
        return self

    def append(self, value: Any) -> None:
        """Add a value. See `list.append`."""
        super().append(_tracked(value, self._bell))
        self._bell()

    def extend(self, values: Iterable[Any]) -> None:
        """Add values. See `list.extend`."""
        super().extend([_tracked(value, self._bell) for value in values])
        self._bell()

    def insert(self, index: SupportsIndex, value: Any) -> None:
        """Put a value before an index. See `list.insert`."""
        super().insert(index, _tracked(value, self._bell))
        self._bell()

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Remove a value and return it. See `list.pop`."""
        value = super().pop(index)
        self._bell()
        return value

    def remove(self, value: Any) -> None:
        """Remove a value. See `list.remove`."""
        super().remove(value)
        self._bell()

    def clear(self) -> None:
        """Remove all. See `list.clear`."""
        super().clear()
        self._bell()

    def sort(self, **options: Any) -> None:
        """Sort. See `list.sort`."""
        super().sort(**options)
        self._bell()

    def reverse(self) -> None:
        """Turn around. See `list.reverse`."""
        super().reverse()
        self._bell()

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (plain(self),)
