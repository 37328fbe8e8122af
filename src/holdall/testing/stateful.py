"""The contract as a state machine: Hypothesis runs random verbs on a store and on a dictionary, and compares.

::

    TestMemoryStates = store_machine(lambda: MemoryStore()).TestCase

Each run opens a fresh store (the factory's answer is entered as a context manager) and draws a colour for each step, so a
store is used in both colours in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.ranges import ByteRange
from holdall.errors import (
    AlreadyExistsError,
    MissingExtraError,
    NotFoundError,
    PreconditionError,
    RangeNotSatisfiableError,
)
from holdall.results import PutResult
from holdall.store import Store
from holdall.testing.colour import NAMES, Colour, ColourName, colour_named

try:
    from hypothesis import HealthCheck, settings
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
except ImportError as error:  # pragma: no cover  # the machine runs on hypothesis
    raise MissingExtraError('the state machine needs hypothesis: pip install "holdall[testing]"') from error

__all__ = ["StoreMachine", "store_machine"]

# no key is a directory of another, so that stores with real directories have no conflict that a dictionary does not know
KEYS = ("a", "b.txt", "d/a", "d/b", "d/e/f", "dd/a", "d.x", "ü/é 1", "z%2F+")
PREFIXES = ("", "d", "d/", "d/e", "d/e/f", "dd", "z", "nothing/", "ü/")
keys = st.sampled_from(KEYS)
colours = st.sampled_from(NAMES)
contents = st.one_of(st.binary(max_size=40), st.integers(0, 300_000).map(lambda size: b"0123456789abcdef" * (size // 16)))
ranges = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))


class StoreMachine(RuleBasedStateMachine):
    """A store and the dictionary that it should be like. Subclasses open the store: see `store_machine`."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._store = self._stack.enter_context(self.open())
        self._colours: dict[ColourName, Colour] = {name: self._stack.enter_context(colour_named(name)) for name in NAMES}
        self.model: dict[str, bytes] = {}
        self.etags: dict[str, str | None] = {}
        self.stale: dict[str, str] = {}

    def open(self) -> AbstractContextManager[Store]:
        """Return a fresh, empty store."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Close the store and the event loop."""
        self._stack.close()

    @property
    def caps(self) -> Any:
        """What the store can do."""
        return self._store.capabilities

    def verbs(self, colour: ColourName) -> Store:
        """Return the store in a colour."""
        return self._colours[colour](self._store)

    def wrote(self, key: str, data: bytes, result: PutResult) -> None:
        """Note what a write published."""
        assert (result.key, result.size) == (key, len(data))
        old = self.etags.get(key)
        if old is not None and old != result.etag:
            self.stale[key] = old
        self.model[key] = data
        self.etags[key] = result.etag

    def gone(self, key: str) -> None:
        """Note that a key was deleted."""
        self.model.pop(key, None)
        old = self.etags.pop(key, None)
        if old is not None:
            self.stale[key] = old

    # -- steps --------------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """A fresh store is empty."""
        assert [meta for page in self._store.list() for meta in page.objects] == []

    @rule(colour=colours, key=keys, data=contents)
    def put(self, colour: ColourName, key: str, data: bytes) -> None:
        """Overwrite."""
        self.wrote(key, data, self.verbs(colour).put(key, data))

    @rule(colour=colours, key=keys, data=contents, size=st.integers(1, 50_000))
    def put_chunks(self, colour: ColourName, key: str, data: bytes, size: int) -> None:
        """Overwrite from a source of unknown length."""
        chunks = (data[start : start + size] for start in range(0, len(data), size))
        self.wrote(key, data, self.verbs(colour).put(key, chunks))

    @rule(colour=colours, key=keys, data=contents)
    def put_that_fails(self, colour: ColourName, key: str, data: bytes) -> None:
        """A source that fails changes nothing."""

        def source() -> Any:
            yield data
            raise ZeroDivisionError

        try:
            self.verbs(colour).put(key, source())
        except ZeroDivisionError:
            return
        raise AssertionError("the source's error got lost")

    @precondition(lambda self: self.caps.create)
    @rule(colour=colours, key=keys, data=contents)
    def create(self, colour: ColourName, key: str, data: bytes) -> None:
        """Create, if nothing is there."""
        try:
            result = self.verbs(colour).put(key, data, PutOptions(mode="create"))
        except AlreadyExistsError:
            assert key in self.model
        else:
            assert key not in self.model
            self.wrote(key, data, result)

    @precondition(lambda self: self.caps.update)
    @rule(colour=colours, key=keys, data=contents, fresh=st.booleans())
    def update(self, colour: ColourName, key: str, data: bytes, fresh: bool) -> None:
        """Compare and set, with the present etag or an old one."""
        present, old = self.etags.get(key), self.stale.get(key)
        etag = present if fresh else old
        if etag is None:
            return
        try:
            result = self.verbs(colour).put(key, data, PutOptions(if_match=etag))
        except PreconditionError:
            assert etag != present
        else:
            assert etag == present
            self.wrote(key, data, result)

    @rule(colour=colours, key=keys)
    def get(self, colour: ColourName, key: str) -> None:
        """Read the whole."""
        try:
            with self.verbs(colour).get(key) as result:
                assert result.bytes() == self.model[key]
                assert result.meta.etag == self.etags[key]
        except NotFoundError:
            assert key not in self.model

    @rule(colour=colours, key=keys, wanted=ranges)
    def get_range(self, colour: ColourName, key: str, wanted: tuple[int, int]) -> None:
        """Read a part."""
        data = self.model.get(key)
        try:
            with self.verbs(colour).get(key, GetOptions(range=wanted)) as result:
                assert data is not None
                assert result.bytes() == data[slice(*wanted)]
        except NotFoundError:
            assert data is None
        except RangeNotSatisfiableError:
            assert data is not None
            assert wanted[0] >= len(data)

    @rule(colour=colours, key=keys, length=st.integers(1, 60))
    def get_last(self, colour: ColourName, key: str, length: int) -> None:
        """Read the last bytes."""
        data = self.model.get(key)
        try:
            with self.verbs(colour).get(key, GetOptions(range=ByteRange.last(length))) as result:
                assert data is not None
                assert result.bytes() == data[-length:]
        except NotFoundError:
            assert data is None

    @rule(colour=colours, key=keys, wanted=st.lists(ranges, max_size=5))
    def get_ranges(self, colour: ColourName, key: str, wanted: list[tuple[int, int]]) -> None:
        """Read several parts."""
        data = self.model.get(key)
        if data is None or not wanted:
            return
        try:
            assert self.verbs(colour).get_ranges(key, wanted) == [data[start:end] for start, end in wanted]
        except RangeNotSatisfiableError:
            assert any(start >= len(data) for start, _ in wanted)
        else:
            assert all(start < len(data) for start, _ in wanted)

    @rule(colour=colours, key=keys)
    def head(self, colour: ColourName, key: str) -> None:
        """Describe."""
        try:
            meta = self.verbs(colour).head(key)
        except NotFoundError:
            assert key not in self.model
        else:
            assert (meta.size, meta.etag) == (len(self.model[key]), self.etags[key])

    @rule(colour=colours, prefix=st.sampled_from(PREFIXES), after=st.none() | keys)
    def scan(self, colour: ColourName, prefix: str, after: str | None) -> None:
        """List what starts with a prefix, perhaps after a mark."""
        found = [meta for page in self.verbs(colour).list(prefix, start_after=after) for meta in page.objects]
        wanted = sorted(key for key in self.model if key.startswith(prefix) and (after is None or key > after))
        assert sorted(meta.key for meta in found) == wanted
        if self.caps.ordered:
            assert [meta.key for meta in found] == wanted
        for meta in found:
            assert (meta.size, meta.etag) == (len(self.model[meta.key]), self.etags[meta.key])

    @rule(colour=colours, prefix=st.sampled_from(("", "d/", "d/e/", "dd/")))
    def scan_level(self, colour: ColourName, prefix: str) -> None:
        """List one level; a real directory may have outlived its objects."""
        pages = [*self.verbs(colour).list(prefix, delimiter="/")]
        below = [key[len(prefix) :] for key in self.model if key.startswith(prefix)]
        objects = sorted(meta.key for page in pages for meta in page.objects)
        assert objects == sorted(prefix + rest for rest in below if "/" not in rest)
        groups = {text for page in pages for text in page.prefixes}
        wanted = {prefix + rest.partition("/")[0] + "/" for rest in below if "/" in rest}
        assert groups >= wanted if self.caps.directories == "real" else groups == wanted

    @rule(colour=colours, key=keys)
    def delete(self, colour: ColourName, key: str) -> None:
        """Delete one."""
        [result] = self.verbs(colour).delete(key)
        assert result.error is None
        assert result.existed in {None, key in self.model}
        self.gone(key)

    @rule(colour=colours, some=st.lists(keys, max_size=4))
    def delete_many(self, colour: ColourName, some: list[str]) -> None:
        """Delete several."""
        results = self.verbs(colour).delete(iter(some))
        assert [(result.key, result.error) for result in results] == [(key, None) for key in some]
        for key in some:
            self.gone(key)

    @precondition(lambda self: self.caps.copy)
    @rule(colour=colours, src=keys, dst=keys, create=st.booleans())
    def copy(self, colour: ColourName, src: str, dst: str, create: bool) -> None:
        """Copy."""
        if src == dst:
            return
        create = create and self.caps.create
        try:
            result = self.verbs(colour).copy(src, dst, CopyOptions(mode="create" if create else "overwrite"))
        except NotFoundError:
            assert src not in self.model
        except AlreadyExistsError:
            assert create
            assert dst in self.model
        else:
            assert not (create and dst in self.model)
            self.wrote(dst, self.model[src], result)

    @precondition(lambda self: self.caps.rename)
    @rule(colour=colours, src=keys, dst=keys)
    def rename(self, colour: ColourName, src: str, dst: str) -> None:
        """Rename."""
        try:
            self.verbs(colour).rename(src, dst)
        except NotFoundError:
            assert src not in self.model
            return
        if src != dst:
            data = self.model[src]
            self.gone(src)
            meta = self.verbs(colour).head(dst)
            self.wrote(dst, data, PutResult(key=dst, size=meta.size, etag=meta.etag))

    @invariant()
    def agrees(self) -> None:
        """The listing is the dictionary."""
        found = {meta.key: meta.size for page in self._store.list() for meta in page.objects}
        assert found == {key: len(data) for key, data in self.model.items()}


def store_machine(open_store: Callable[[], AbstractContextManager[Store]], *, steps: int = 40, examples: int = 25) -> Any:
    """Return a machine for one kind of store; its ``TestCase`` is what a test module holds.

    Args:
        open_store: Opens a fresh, empty store, for each run.
        steps: Steps of a run.
        examples: Runs.
    """

    class Machine(StoreMachine):
        def open(self) -> AbstractContextManager[Store]:
            return open_store()

    case: Any = Machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,  # servers take the time they take
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    return Machine
