"""The invariants R, W, D, C, S against a model: random operations on three locations, faults on, a crash at any step."""

import itertools
import math
import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, HoldallError, NotFoundError, UnavailableError
from holdall.testing import FlakyStore, colour_named
from holdall.tiers import FileStore, PartialDeleteError, PartialWriteError

NAMES = ("one", "two", "three")
KEYS = st.sampled_from(["a", "b", "d/c"])
WHERE = st.sampled_from(["all", "near", "far", "two", ["one", "three"]])
VERBS = st.sampled_from(["get", "put", "head", "delete", "*"])
WHEN = st.sampled_from(["before", "after"])


class Crashed(BaseException):
    """The process ends here."""


class Tiers(RuleBasedStateMachine):
    """What each location truly holds is looked up past the file store; what callers were told is compared with it."""

    colour_name = "blocking"

    @initialize()
    def begin(self):
        self.colour = colour_named(self.colour_name)
        self.truth = [MemoryStore() for _ in NAMES]
        self.flaky = [FlakyStore(store) for store in self.truth]
        self.counter = itertools.count()
        self.history = {}  # every content that was ever given for a key
        self.promised = {}  # key: {location index: content} that a successful call promised
        self.again()

    def again(self):
        """Another process, as it were."""
        self.plain = FileStore(
            *self.flaky,
            names=NAMES,
            retry=RetryPolicy(attempts=2, first=0.0001, cap=0.0001),
            breaker=BreakerPolicy(failures=1000),
        )
        self.fs = self.colour(self.plain)

    def teardown(self):
        if hasattr(self, "colour"):
            self.plain.close()
            self.colour.close()

    def held(self, index, key):
        try:
            return self.truth[index].get(key).bytes()
        except NotFoundError:
            return None

    def indexes(self, where):
        return [location.index for location in self.plain.at(where).locations]

    # -- faults -------------------------------------------------------------------------------------------------------

    @rule(index=st.integers(0, 2), verb=VERBS, when=WHEN, times=st.sampled_from([1, 2, 5]))
    def break_some(self, index, verb, when, times):
        self.flaky[index].fail(verb, when=when, times=times)

    @rule(index=st.integers(0, 2))
    def stop(self, index):
        self.flaky[index].fail("*", times=math.inf)

    @rule()
    def heal(self):
        for flaky in self.flaky:
            flaky.heal()

    @rule(index=st.integers(0, 2), step=st.integers(1, 4), when=WHEN, key=KEYS, deleting=st.booleans())
    def crash(self, index, step, when, key, deleting):
        """The process ends at any step of a write or delete; another one goes on."""
        content = self.content(key)
        flaky = self.flaky[index]
        flaky.fail("*", nth=step, when=when, error=Crashed)
        try:
            if deleting:
                self.fs.delete(key)
            else:
                self.fs.put(key, content, force=True)
        except Crashed:
            self.promised.pop(key, None)
        except HoldallError:
            self.promised.pop(key, None)
        else:
            self.promise(key, range(3), None if deleting else content)
        flaky.heal()
        self.again()

    # -- acts ---------------------------------------------------------------------------------------------------------

    def content(self, key):
        content = f"{key}-{next(self.counter)}".encode()
        self.history.setdefault(key, {None}).add(content)
        return content

    def promise(self, key, indexes, content):
        for index in indexes:
            self.promised.setdefault(key, {})[index] = content

    def forget(self, key, indexes):
        for index in indexes:
            self.promised.get(key, {}).pop(index, None)

    @rule(key=KEYS, where=WHERE, force=st.booleans(), same=st.booleans())
    def put(self, key, where, force, same):
        known = sorted(self.history.get(key, {None}) - {None})
        content = known[-1] if same and known else self.content(key)
        chosen = self.indexes(where)
        outcome = self.answer_of(lambda: self.fs.put(key, content, where, force=force))
        if isinstance(outcome, PartialWriteError):
            self.forget(key, chosen)
            assert {loc.index for loc in (*outcome.written, *outcome.failed)} == set(chosen)  # W3: everybody has an outcome
            self.promise(key, [loc.index for loc in outcome.written], content)
        elif isinstance(outcome, HoldallError):
            assert len(chosen) == 1
            self.forget(key, chosen)
        else:
            assert [o.location.index for o in outcome.outcomes] == chosen
            assert {o.status for o in outcome.outcomes} <= {"written", "already"}
            self.promise(key, chosen, content)

    @staticmethod
    def answer_of(call):
        try:
            return call()
        except HoldallError as error:
            return error

    @rule(key=KEYS)
    def create(self, key):
        before = [self.held(i, key) for i in range(3)]
        content = self.content(key)
        try:
            self.fs.put(key, content, mode="create")
        except AlreadyExistsError:
            assert any(data is not None for data in before)
        except PartialWriteError as error:
            assert before == [None] * 3
            self.forget(key, range(3))
            self.promise(key, [loc.index for loc in error.written], content)
            assert self.held(0, key) == content  # the claim stands
        except UnavailableError:
            self.promised.pop(key, None)
        else:
            assert before == [None] * 3
            self.promise(key, range(3), content)

    @rule(key=KEYS, where=WHERE)
    def delete(self, key, where):
        chosen = self.indexes(where)
        try:
            self.fs.delete(key, where)
        except PartialDeleteError as error:
            self.forget(key, chosen)
            self.promise(key, [loc.index for loc in error.written], None)
        except UnavailableError:
            self.forget(key, chosen)
        else:
            self.promise(key, chosen, None)

    @rule(key=KEYS, to=st.sampled_from(["near", "two"]))
    def promote(self, key, to):
        target = self.indexes(to)[0]
        before = [self.held(i, key) for i in range(3)]
        report = self.plain.promote(key, to=to)
        after = [self.held(i, key) for i in range(3)]
        assert [a for i, a in enumerate(after) if i != target] == [b for i, b in enumerate(before) if i != target]
        if before[target] is not None:
            assert after[target] == before[target]  # C3: never an overwrite
        if list(report):
            assert after[target] is not None
        if after[target] != before[target]:
            self.forget(key, [target])

    @rule(key=KEYS, where=WHERE)
    def get(self, key, where):
        chosen = self.indexes(where)
        truth = [self.held(i, key) for i in chosen]
        try:
            data = self.fs.get(key, where)
        except UnavailableError:
            return
        else:
            if data is None:
                assert truth == [None] * len(chosen)  # R2: a miss needs "not there" from all
            else:
                assert data in truth

    @rule(key=KEYS, where=WHERE)
    def exists(self, key, where):
        chosen = self.indexes(where)
        try:
            found = self.fs.exists(key, where)
        except UnavailableError:
            return
        here = [i for i in chosen if self.held(i, key) is not None]
        assert {loc.index for loc in found} | {self.plain.at(name).locations[0].index for name in found.unreachable} >= set(
            here
        )
        assert {loc.index for loc in found} <= set(here)

    @rule(key=KEYS, index=st.integers(0, 2), verb=st.sampled_from(["get", "exists", "stat", "download", "list"]))
    def outage(self, key, index, verb):
        """The only location that has it cannot be asked: never "not there" (R2)."""
        self.heal()
        self.fs.delete(key)
        content = self.content(key)
        self.fs.put(key, content, index)
        self.promise(key, range(3), None)
        self.promise(key, [index], content)
        self.flaky[index].fail("*", times=math.inf)
        with tempfile.TemporaryDirectory() as folder, pytest.raises(UnavailableError):
            if verb == "download":
                self.fs.download(key, f"{folder}/x")
            elif verb == "list":
                list(self.fs.list())
            else:
                getattr(self.fs, verb)(key)
        self.flaky[index].heal()
        assert self.fs.get(key) == content

    @rule()
    def names(self):
        if any(flaky._faults for flaky in self.flaky):
            return
        truth = sorted(key for key in self.history if any(self.held(i, key) is not None for i in range(3)))
        entries = list(self.fs.list())
        assert [entry.path for entry in entries] == truth
        for entry in entries:
            assert [loc.index for loc in entry.locations] == [i for i in range(3) if self.held(i, entry.path) is not None]

    @rule()
    def repair(self):
        """With all locations up, repair makes them agree, from what is there; never does anything vanish."""
        self.heal()
        before = {key: {self.held(i, key) for i in range(3)} - {None} for key in self.history}
        report = self.fs.repair("", prefer="near")
        assert not report.failures
        for key, contents in before.items():
            now = {self.held(i, key) for i in range(3)}
            assert now <= contents | {None}
            if contents and not report.unresolved:
                assert len(now) == 1
            self.promised.pop(key, None)

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_halved_or_lost(self):
        for key, contents in getattr(self, "history", {}).items():
            for index in range(3):
                held = self.held(index, key)
                assert held in contents  # whole, and of this key
                promised = self.promised.get(key, {})
                if index in promised:
                    assert held == promised[index]


class AsyncTiers(Tiers):
    colour_name = "async"


LIMITS = settings(max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
TestTiers = Tiers.TestCase
TestTiers.settings = LIMITS
TestAsyncTiers = AsyncTiers.TestCase
TestAsyncTiers.settings = LIMITS


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level("CRITICAL")
