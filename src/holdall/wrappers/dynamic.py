"""`DynamicPrefixStore`: a prefix that a function tells, anew for each operation."""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from holdall._concurrency import run_async
from holdall.core.capabilities import Identity
from holdall.core.keys import check_key, check_prefix
from holdall.core.meta import ObjectMeta
from holdall.core.preconditions import missing
from holdall.errors import ClosedError, ConfigError, HoldallError, InvalidKeyError, IsDirectoryError, NotSupportedError
from holdall.results import DeleteResult
from holdall.store import Store
from holdall.wrappers._operation import Operation, Use
from holdall.wrappers._place import Place, folder
from holdall.wrappers.prefix import PlacedStore

__all__ = ["Answer", "DynamicPrefixStore"]

Answer = str | os.PathLike[str] | Store
"""What the function tells: a prefix of the store, a path below ``root``, or another store altogether."""


class DynamicPrefixStore(PlacedStore):
    """A store whose place is told by a function: per user, per tenant, per first segment.

    A function without parameters is called once per operation, so one copy never straddles two answers. A function with
    one parameter makes a *switched* store: it is called with the first segment of a key, the rest of the key goes below the
    answer; the root of such a store cannot be listed. A coroutine function serves the async verbs only. What the function
    raises comes out as it is.

    Put caches below this wrapper, not above it: one key here is many objects.

    Args:
        store: Where the answers are prefixes.
        function: Returns a key prefix, relative and not empty; or, with ``root``, an absolute path below it; or a `Store`.
        root: The absolute path that ``store`` stands for, if the answers are paths.

    Raises:
        ConfigError: The function needs more than one argument.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = DynamicPrefixStore(MemoryStore(), lambda tenant: f"tenants/{tenant}")
        >>> store.put("acme/a.txt", b"1").key, store.locate("acme/a.txt")[1]
        ('acme/a.txt', 'tenants/acme/a.txt')
    """

    def __init__(
        self,
        store: Store,
        function: Callable[..., Answer | Awaitable[Answer]],
        *,
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(store)
        self._function = function
        self._switched = _parameters(function) == 1
        self._awaits = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object whose __call__ is a coroutine function
        )
        self._root = None if root is None else _absolute(os.fspath(root))
        self._mark = uuid.uuid4().hex
        self._closed = False

    @property
    def switched(self) -> bool:
        """Whether the first segment of a key chooses the place."""
        return self._switched

    def _details(self) -> list[str]:
        return [getattr(self._function, "__qualname__", type(self._function).__qualname__)]

    def _options(self) -> dict[str, Any]:
        return {"function": self._function, "root": self._root}

    @property
    def identity(self) -> Identity:
        """A mark of this very wrapper: its keys name other objects at other times."""
        return self._inner.identity.below(f"({self._mark})/")

    def locate(self, key: str) -> tuple[Store, str]:
        """Return the innermost driver and the key there, as of now; this store itself if only awaiting would tell."""
        place = self._now(key)
        return (self, key) if place is None else place.store.locate(place.down_path(key))

    def local_path(self, key: str) -> str | None:
        """Return the path of the real local file behind a key, as of now."""
        place = None if self._switched and not key else self._now(key)
        return None if place is None else place.store.local_path(place.down_path(key))

    def url(self, key: str) -> str | None:
        """Return the plain, unsigned address of a key, as of now."""
        place = self._now(key)
        return None if place is None else place.store.url(place.down(key))

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object, or the directory that a place is. See `Store.head`."""
        if self._names_place(key) and not (place := self._operation().place(key)).inner:
            return self._whole(place, key)
        return super().head(key, version=version)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object, or the directory that a place is. See `Store.head`."""
        if self._names_place(key) and not (place := await self._operation().place_async(key)).inner:
            return await run_async(lambda: self._whole(place, key))
        return await super().head_async(key, version=version)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> list[DeleteResult]:
        """Delete objects; a place itself stays, as the root of a store does. See `Store.delete`."""
        if isinstance(keys, str):
            return [DeleteResult(key=keys)] if self._names_place(keys) else super().delete(keys, if_match=if_match)
        places: list[str] = []
        results = super().delete(self._without_places(keys, places), if_match=if_match)
        return results + [DeleteResult(key=key) for key in places]

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> list[DeleteResult]:
        """Delete objects; a place itself stays. See `Store.delete`."""
        if isinstance(keys, str):
            return (
                [DeleteResult(key=keys)] if self._names_place(keys) else await super().delete_async(keys, if_match=if_match)
            )
        places: list[str] = []
        results = await super().delete_async(self._without_places(keys, places), if_match=if_match)
        return results + [DeleteResult(key=key) for key in places]

    def _names_place(self, key: str) -> bool:
        return self._switched and "/" not in check_key(key)[:-1]

    def _without_places(self, keys: Iterable[str], places: list[str]) -> Iterator[str]:
        for key in keys:
            if self._names_place(key):
                places.append(key)
            else:
                yield key

    def _whole(self, place: Place, key: str) -> ObjectMeta:
        """Describe a place that is a store of its own."""
        path = place.store.local_path("")
        if path is not None and not os.path.isdir(path):
            raise missing(key, store=self)
        return ObjectMeta(key=str(key), size=0, kind="directory")

    def close(self) -> None:
        """Close the inner store; stores that the function answers are its own."""
        self._closed = True
        super().close()

    async def close_async(self) -> None:
        """Close the inner store. See `close`."""
        self._closed = True
        await super().close_async()

    def _now(self, key: str) -> Place | None:
        return None if self._awaits else self._operation().place(key, "name")

    def _operation(self) -> Operation:
        return _Asking(self)

    def _segment(self, key: str, use: Use) -> str:
        """Return the first segment of a key or prefix with its slash; ``""`` if the store is not switched."""
        if not self._switched:
            return ""
        check = check_prefix if use == "list" else check_key
        segment, slash, _ = check(key).partition("/")
        if slash:
            return segment + slash
        if use == "list":
            raise self._refusal("list its root", "the first segment chooses the place")
        if use == "name":
            return f"{segment}/"
        if use == "write":
            raise IsDirectoryError(f"{key!r} names a place, not a file", key=key, store=self)
        raise missing(key, store=self)

    def _ask(self, segment: str) -> Answer | Awaitable[Answer]:
        if self._closed:
            raise ClosedError("the store is closed", store=self)
        return self._function(segment[:-1]) if self._switched else self._function()

    def _placed(self, segment: str, answer: Answer) -> Place:
        if isinstance(answer, Store):
            return Place(answer, segment, "", self)
        return Place(self._inner, segment, self._prefix(answer), self)

    def _prefix(self, answer: str | os.PathLike[str]) -> str:
        """Return the prefix that an answer means.

        Raises:
            InvalidKeyError: It is empty, climbs, or is not below the root.
        """
        try:
            prefix = folder(os.fspath(answer) if self._root is None else _below(self._root, os.fspath(answer)))
        except (HoldallError, TypeError, ValueError):
            prefix = ""
        if not prefix:
            raise InvalidKeyError(f"Path escapes base directory: {answer!r}", store=self)
        return prefix


class _Asking:
    """One operation: asks the function once for each place it needs."""

    __slots__ = ("_answers", "_places", "_store")

    def __init__(self, store: DynamicPrefixStore) -> None:
        self._store = store
        self._answers: dict[str, Answer | Awaitable[Answer]] = {}
        self._places: dict[str, Place] = {}

    @property
    def single(self) -> bool:
        return not self._store._switched

    def begin(self, prefix: str) -> None:
        segment = self._store._segment(prefix, "list")
        if not self._store._awaits:
            self._answers[segment] = self._store._ask(segment)

    def place(self, key: str, use: Use = "read") -> Place:
        segment = self._store._segment(key, use)
        if segment not in self._places:
            if self._store._awaits:
                raise self._needs_async()
            answer = self._answer(segment)
            if inspect.isawaitable(answer):
                getattr(answer, "close", lambda: None)()
                raise self._needs_async()
            self._places[segment] = self._store._placed(segment, answer)
        return self._places[segment]

    async def place_async(self, key: str, use: Use = "read") -> Place:
        segment = self._store._segment(key, use)
        if segment not in self._places:
            answer = self._answer(segment)
            self._places[segment] = self._store._placed(segment, await answer if inspect.isawaitable(answer) else answer)
        return self._places[segment]

    def _answer(self, segment: str) -> Answer | Awaitable[Answer]:
        return self._answers.pop(segment) if segment in self._answers else self._store._ask(segment)

    def _needs_async(self) -> NotSupportedError:
        return NotSupportedError("a coroutine function as path serves the async verbs only", store=self._store)


def _parameters(function: Callable[..., object]) -> int:
    """Return how many arguments a function must be given: none or one.

    Raises:
        ConfigError: More than one, or a keyword.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins without a signature
        return 0
    needed = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise ConfigError(f"a path function takes no argument or the first segment, not {len(needed)} arguments")
    return len(needed)


def _absolute(root: str) -> str:
    if not os.path.isabs(root):
        raise ConfigError(f"the root of path answers is absolute, not {root!r}")
    return os.path.normpath(root)


def _below(root: str, path: str) -> str:
    """Return an absolute path as a prefix below the root; ``""`` for what is not below it. No I/O: links are the driver's."""
    if not os.path.isabs(path) or ".." in path.replace(os.sep, "/").split("/"):
        return ""
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    return "" if relative == "." or relative.split("/", 1)[0] == ".." else relative
