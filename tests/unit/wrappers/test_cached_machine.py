"""`CachedStore` against a dict: whatever is done, by whomever, a read gives what is there now."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdall.core.options import GetOptions
from holdall.drivers.memory import MemoryStore
from holdall.errors import NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.testing import colour_named
from holdall.wrappers.cached import CachedStore

KEYS = st.sampled_from(["a", "b", "d/c"])
SIZES = st.sampled_from([0, 1, 1000, 300_000, 1_200_000])
BOUND = 2_000_000


def content(size, seed):
    return bytes([seed]) * (size // 2) + bytes([255 - seed]) * (size - size // 2)


class Cached(RuleBasedStateMachine):
    """Over memory, which is written through the cache and past it."""

    colour_name = "blocking"
    on_disk = False

    @initialize()
    def begin(self):
        self.colour = colour_named(self.colour_name)
        self.folder = tempfile.TemporaryDirectory() if self.on_disk else None
        self.directory = Path(self.folder.name) / "cache" if self.folder else None
        self.inner = MemoryStore()
        self.model = {}
        self.again()

    def teardown(self):
        if hasattr(self, "colour"):
            self.colour.close()
            if self.folder:
                self.folder.cleanup()

    @rule()
    def again(self):
        """Another process, as it were: what is on disk stays."""
        self.plain = CachedStore(self.inner, directory=self.directory, max_bytes=BOUND, max_object_bytes=1_250_000)
        self.store = self.colour(self.plain)

    @rule(key=KEYS, size=SIZES, seed=st.integers(0, 255), past=st.booleans())
    def put(self, key, size, seed, past):
        self.model[key] = content(size, seed)
        (self.inner if past else self.store).put(key, self.model[key])

    @rule(key=KEYS, past=st.booleans())
    def delete(self, key, past):
        self.model.pop(key, None)
        (self.inner if past else self.store).delete(key)

    @rule(src=KEYS, dst=KEYS, moved=st.booleans(), past=st.booleans())
    def copy(self, src, dst, moved, past):
        store = self.inner if past else self.store
        if src not in self.model or src == dst:
            return
        self.model[dst] = self.model[src]
        if moved:
            del self.model[src]
            store.rename(src, dst)
        else:
            store.copy(src, dst)

    @rule(key=KEYS, pinned=st.sampled_from([None, "right", "wrong"]))
    def get(self, key, pinned):
        match = None
        if pinned and key in self.model:
            match = self.inner.head(key).etag if pinned == "right" else "wrong"
        try:
            with self.store.get(key, GetOptions(if_match=match)) as result:
                data = result.bytes()
                assert result.meta == self.inner.head(key)
        except NotFoundError:
            assert key not in self.model
        except PreconditionError:
            assert pinned == "wrong"
        else:
            assert data == self.model[key]
            assert match != "wrong"

    @rule(key=KEYS, start=st.integers(0, 1_300_000), length=st.integers(1, 600_000))
    def get_range(self, key, start, length):
        try:
            data = self.store.get(key, GetOptions(range=(start, start + length))).bytes()
            many = self.store.get_ranges(key, [(start, start + length), (0, 1)])
        except NotFoundError:
            assert key not in self.model
        except RangeNotSatisfiableError:
            assert start >= len(self.model[key])
        else:
            assert data == self.model[key][start : start + length]
            assert many == [data, self.model[key][:1]]

    @precondition(lambda self: self.on_disk)
    @rule(where=st.floats(0, 1), how=st.sampled_from(["flip", "cut", "remove", "replace"]))
    def damage(self, where, how):
        for path in sorted((self.directory / "objects").glob("*/*"))[:1]:
            size = path.stat().st_size
            at = min(int(where * size), size - 1)
            if how == "remove":
                path.unlink()
            elif how == "cut":
                path.write_bytes(path.read_bytes()[:at])
            elif how == "replace":
                others = sorted((self.directory / "objects").glob("*/*"))
                path.write_bytes(others[-1].read_bytes())
            else:
                data = bytearray(path.read_bytes())
                data[at] ^= 64
                path.write_bytes(data)

    @invariant()
    def bounded(self):
        if not hasattr(self, "plain"):
            return
        shelf = self.plain._shelf
        if not self.on_disk:
            assert shelf._contents.get().total <= BOUND
        elif self.directory.exists():
            assert sum(path.stat().st_size for path in (self.directory / "objects").glob("*/*")) <= BOUND
            assert list((self.directory / "new").glob("*")) == []

    @invariant()
    def healthy(self):
        """Nothing of this is a failure of the shelf."""
        if hasattr(self, "plain"):
            assert not self.plain._warned


MACHINES = {}
for _colour in ("blocking", "async"):
    for _on_disk in (False, True):
        _name = f"Test{'Disk' if _on_disk else 'Memory'}{_colour.title()}"
        _machine = type(_name, (Cached,), {"colour_name": _colour, "on_disk": _on_disk})
        _machine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
        MACHINES[_name] = globals()[_name] = _machine.TestCase
