"""What every wrapper is, apart from its verbs: a store around a store."""

from __future__ import annotations

from typing import Any

from holdall.core.capabilities import Capabilities, Identity
from holdall.store import PartWriter, Store

__all__ = ["Wrapper", "WriterWrapper"]


class Wrapper(Store):
    """A store around a store; the verbs come from the halves that `holdall.wrappers.forwarding` joins.

    Args:
        inner: The store that does the work.

    Raises:
        TypeError: Not a `Store`.
    """

    def __init__(self, inner: Store) -> None:
        if not isinstance(inner, Store):
            raise TypeError(f"{type(self).__name__} wraps a Store, not {type(inner).__name__}")
        self._inner = inner
        self._known: tuple[Capabilities, Capabilities] | None = None

    @property
    def inner(self) -> Store:
        """The store that does the work."""
        return self._inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([repr(self._inner), *self._details()])})"

    def _details(self) -> list[str]:
        """Return what `repr` shows beside the inner store."""
        return [f"{name}={value!r}" for name, value in self._options().items() if value is not None]

    def _options(self) -> dict[str, Any]:
        """Return the arguments that, with the inner store, make this wrapper again."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        # A wrapper has no secrets of its own; whether it can travel is the inner store's to say.
        if "_recipe" in vars(self):
            return super().__reduce__()
        return _made, (type(self), self._inner, self._options())

    @property
    def capabilities(self) -> Capabilities:
        """What works here: the inner store's, narrowed by what this wrapper withholds."""
        inner = self._inner.capabilities
        known = self._known
        if known is None or known[0] is not inner:
            known = self._known = (inner, self._narrowed(inner))
        return known[1]

    def _narrowed(self, inner: Capabilities) -> Capabilities:
        """Return what is left of the inner store's capabilities."""
        return inner

    @property
    def identity(self) -> Identity:
        """Where the objects really are: a wrapper moves none."""
        return self._inner.identity

    def locate(self, key: str) -> tuple[Store, str]:
        """Return the innermost driver and the key there."""
        return self._inner.locate(key)

    def local_path(self, key: str) -> str | None:
        """Return the path of the real local file behind a key."""
        return self._inner.local_path(key)

    def url(self, key: str) -> str | None:
        """Return the plain, unsigned address of a key."""
        return self._inner.url(key)


def _made(cls: type[Wrapper], inner: Store, options: dict[str, Any]) -> Wrapper:
    return cls(inner, **options)


class WriterWrapper(PartWriter):
    """A part writer around a part writer, apart from its verbs."""

    def __init__(self, inner: PartWriter) -> None:
        self._inner = inner
        self.key = inner.key
        self.upload_id = inner.upload_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"
