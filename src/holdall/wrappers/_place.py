"""Where a key of a wrapper is in the store below: both directions, for keys, results and errors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType

from holdall.core.keys import ReservedKey, check_key, check_prefix
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.errors import HoldallError, InvalidKeyError
from holdall.results import DeleteResult, PutResult, Upload
from holdall.store import Store

__all__ = ["Place", "Renamed", "folder", "renamed"]


def folder(prefix: str) -> str:
    """Return a prefix of whole segments: empty, or legal as a key and ending with ``/``.

    Raises:
        InvalidKeyError: Absolute, climbing, or no text a store would take.

    Example:
        >>> folder("a/b"), folder("a/"), folder("")
        ('a/b/', 'a/', '')
    """
    if prefix == "" or check_key(prefix).endswith("/"):
        return prefix
    return ReservedKey(prefix + "/") if isinstance(prefix, ReservedKey) else prefix + "/"


def renamed(error: HoldallError, names: Callable[[str], str | None], shown: object) -> HoldallError:
    """Return an error as the outer store would have raised it: same class, cause and traceback, but its own key.

    Args:
        error: What the inner store raised.
        names: The outer key of an inner one, ``None`` if the key is none of ours.
        shown: The outer store.
    """
    key = None if error.key is None else names(error.key)
    if key is None:
        return error
    outer = copy.copy(error)
    outer.key = key
    outer.store = None if error.store is None else repr(shown)
    outer.message = error.message.replace(repr(str(error.key)), repr(str(key)))
    outer.args = (outer.message, *error.args[1:])
    outer.__cause__ = error.__cause__
    outer.__suppress_context__ = True
    return outer.with_traceback(error.__traceback__)


@dataclass(frozen=True, slots=True)
class Renamed:
    """A context in which the inner store's errors get the outer store's keys. Stateless: may be entered again and again."""

    names: Callable[[str], str | None]
    shown: object

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, InvalidKeyError) and error.store is None:
            return  # a lazy source of keys raised it: the key is an outer one
        if isinstance(error, HoldallError):
            outer = renamed(error, self.names, self.shown)
            if outer is not error:
                raise outer


@dataclass(frozen=True, slots=True)
class Place:
    """Keys that begin with ``outer`` here begin with ``inner`` in ``store``.

    Invariants: both are empty or end with ``/``; ``inner`` has no climbing segment, so no key leaves its place.

    Attributes:
        store: Where the keys are.
        outer: What keys begin with in the wrapper.
        inner: What they begin with in ``store``.
        shown: The wrapper, for errors.
    """

    store: Store
    outer: str
    inner: str
    shown: object

    # -- down ---------------------------------------------------------------------------------------------------------

    def down(self, key: str) -> str:
        """Return the key in the store below.

        Raises:
            InvalidKeyError: No store would take it, or it is too long below the prefix.
        """
        inner = self._joined(check_key(key))
        if self.inner:
            try:
                check_key(inner)
            except InvalidKeyError as error:
                raise renamed(error, self.up, self.shown) from None
        return inner

    def down_path(self, key: str) -> str:
        """Return the key in the store below, also of the place itself, which is no key but has a name and maybe a path."""
        return self.down(key) if len(key) > len(self.outer) else self.inner.removesuffix("/")

    def down_prefix(self, prefix: str) -> str:
        """Return the literal prefix in the store below."""
        return self._joined(check_prefix(prefix))

    def down_mark(self, start_after: str | None) -> str | None:
        """Return the mark after which a listing starts in the store below (see `behind`)."""
        if start_after is None or not start_after.startswith(self.outer):
            return None
        return self._joined(start_after)

    def behind(self, start_after: str | None) -> bool:
        """Tell whether all of this place lies before the mark, so that nothing is left to list."""
        return start_after is not None and start_after > self.outer and not start_after.startswith(self.outer)

    def _joined(self, key: str) -> str:
        inner = self.inner + key[len(self.outer) :]
        return ReservedKey(inner) if isinstance(key, ReservedKey) or isinstance(self.inner, ReservedKey) else inner

    # -- up -----------------------------------------------------------------------------------------------------------

    def up(self, key: str) -> str | None:
        """Return the key here, ``None`` if the one below is outside this place."""
        return self.outer + key[len(self.inner) :] if key.startswith(self.inner) else None

    def put(self, result: PutResult, key: str) -> PutResult:
        """Return what was published, at its key here."""
        return replace(result, key=str(key))

    def meta(self, meta: ObjectMeta, key: str) -> ObjectMeta:
        """Return a description with the key here."""
        return replace(meta, key=str(key))

    def page(self, page: ListPage) -> ListPage:
        """Return a page of a listing, without the place's own marker."""
        cut = len(self.inner)
        objects = [replace(meta, key=self.outer + meta.key[cut:]) for meta in page.objects if len(meta.key) > cut]
        return ListPage(objects, [self.outer + prefix[cut:] for prefix in page.prefixes if len(prefix) > cut])

    def versions(self, versions: Iterable[ObjectVersion], key: str) -> list[ObjectVersion]:
        """Return versions with the key here."""
        return [replace(version, key=str(key)) for version in versions]

    def deleted(self, results: Iterable[DeleteResult]) -> Iterator[DeleteResult]:
        """Return the outcomes of a delete with the keys here."""
        for result in results:
            error = None if result.error is None else renamed(result.error, self.up, self.shown)
            yield replace(result, key=self.up(result.key) or result.key, error=error)

    def uploads(self, uploads: Iterable[Upload]) -> list[Upload]:
        """Return unfinished uploads with the keys here."""
        return [replace(upload, key=self.up(upload.key) or upload.key) for upload in uploads]

    def errors(self) -> Renamed:
        """Return the context for calls of the store below."""
        return Renamed(self.up, self.shown)
