"""What all parts of the contract suite share: the fixtures, and a few words to say things with."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.errors import HoldallError, MissingExtraError
from holdall.store import Store
from holdall.testing.colour import NAMES, Colour, colour_named

try:
    import pytest
except ImportError as error:  # pragma: no cover  # the suite itself runs on pytest
    raise MissingExtraError('the contract suite needs pytest: pip install "holdall[testing]"') from error

__all__ = ["Cases", "ContractBase", "bears_key", "keys_of", "listed", "needs", "pattern", "prefixes_of", "present", "read"]


class ContractBase:
    """Base of the parts of `StoreContract`: a subclass gives the fixtures ``store`` and ``ground``.

    Attributes:
        secrets: Texts that no ``repr``, identity or error of the store may show.
        storage_class: A storage class that the service knows, for stores that have them.
        large: Bytes of a source that certainly goes by parts, where the store has parts.
        many: Keys of a listing of more than one page; 25 at least.
        batch: Keys of a deletion of more than one request.
        writers: Threads or tasks that race for one key.
        rounds: Overwrites during which readers look on.
        tag_limit: How many tags an object may have.
    """

    secrets: tuple[str, ...] = ()
    storage_class: str = "STANDARD_IA"
    large: int = 12 * 1024 * 1024
    many: int = 1100
    batch: int = 1100
    writers: int = 16
    rounds: int = 20
    tag_limit: int = 10

    @pytest.fixture(params=NAMES)
    def colour(self, request: Any) -> Iterator[Colour]:
        """Each colour in turn."""
        with colour_named(request.param) as colour:
            yield colour

    @pytest.fixture
    def verbs(self, store: Store, colour: Colour) -> Store:
        """The store under test, seen in this test's colour."""
        return colour(store)


def needs(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test apply only to stores with these capabilities; that the others refuse is tested on its own."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def applied(self: object, **fixtures: Any) -> None:
            store: Store = fixtures["store"] if "store" in fixtures else fixtures["verbs"]
            if all(getattr(store.capabilities, name) for name in names):
                test(self, **fixtures)

        return applied

    return decorate


class Cases:
    """Many cases in one test, so that each need not open a store of its own; all that fail are told.

    Example:
        >>> with Cases() as case:
        ...     for number in (1, 2, 3):
        ...         with case(number):
        ...             assert number < 4
    """

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._errors:
            raise ExceptionGroup(f"{len(self._errors)} cases failed", self._errors)

    @contextlib.contextmanager
    def __call__(self, *case: object) -> Generator[None]:
        """Check one case; if it fails, go on with the next."""
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  # all are told at the end
            shown = ", ".join(ascii(part) for part in case)
            failure = AssertionError(f"case {shown[:200]}: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._errors.append(failure)


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes in which every position can be told from its neighbours."""
    block = _block(seed)
    return (block * (size // len(block) + 1))[:size]


@functools.lru_cache(maxsize=32)
def _block(seed: int) -> bytes:
    return bytes((i * 31 + i // 251 + seed) % 256 for i in range(1 << 16))


def read(store: Store, key: str, options: GetOptions | None = None) -> bytes:
    """Return all bytes of an answer."""
    with store.get(key, options) as result:
        return result.bytes()


def listed(store: Store, prefix: str = "", **options: Any) -> list[ObjectMeta]:
    """Return all objects of a listing."""
    return [meta for page in store.list(prefix, **options) for meta in page.objects]


def keys_of(store: Store, prefix: str = "", **options: Any) -> list[str]:
    """Return all keys of a listing."""
    return [meta.key for meta in listed(store, prefix, **options)]


def prefixes_of(store: Store, prefix: str = "", **options: Any) -> list[str]:
    """Return all common prefixes of a listing."""
    return [text for page in store.list(prefix, **options) for text in page.prefixes]


def present(store: Store, key: str) -> bool:
    """Tell whether `head` finds an object."""
    try:
        store.head(key)
    except FileNotFoundError:
        return False
    return True


def bears_key(error: HoldallError, key: str) -> None:
    """Assert that an error says where it happened."""
    assert error.key is not None, f"{error!r} does not carry its key"
    assert key in error.key, f"{error!r} carries {error.key!r}, not {key!r}"
    assert error.store, f"{error!r} does not carry its store"
    assert error.kind == type(error).kind
