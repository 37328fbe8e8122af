"""Acceptance 3: random operations by several handles on one storage agree with a plain dict, in results, errors and order."""

import asyncio
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import (
    BatchError,
    ConcurrencyError,
    DuplicateRecordError,
    Filter,
    ObjectDatabase,
    Query,
    Record,
    SQLDatabase,
    TransactionError,
)

IDS = st.sampled_from(["a", "b", "a/b", "é", "x.json"])
VALUES = st.sampled_from([None, 0, 1, 2.5, "t", True])
HANDLES = st.integers(0, 2)


class Databases(RuleBasedStateMachine):
    versions = Bundle("versions")

    def opened(self):
        """Return three handles on one storage."""
        store = MemoryStore()
        return [
            ObjectDatabase(store, cache_ttl=0),
            ObjectDatabase(store, cache_ttl=0),
            ObjectDatabase(store, mirror="off"),
        ]

    @initialize()
    def begin(self):
        self.model = {}
        self.handles = self.opened()
        self.runner = asyncio.Runner()

    def call(self, handle, verb, *arguments, **named):
        """Call a verb, by the async colour on the second handle."""
        db = self.handles[handle]
        if handle == 1:

            async def body():
                return await getattr(db, f"{verb}_async")(*arguments, **named)

            return self.runner.run(body())
        return getattr(db, verb)(*arguments, **named)

    @rule(handle=HANDLES, id=IDS, n=VALUES)
    def create(self, handle, id, n):
        try:
            assert self.call(handle, "create", Record({"n": n}, id=id)) == id
        except DuplicateRecordError:
            assert id in self.model
        else:
            assert id not in self.model
            self.model[id] = n

    @rule(handle=HANDLES, id=IDS, n=VALUES)
    def update(self, handle, id, n):
        assert self.call(handle, "update", id, Record({"n": n})) is (id in self.model)
        if id in self.model:
            self.model[id] = n

    @rule(handle=HANDLES, id=IDS, n=VALUES)
    def upsert(self, handle, id, n):
        assert self.call(handle, "upsert", id, Record({"n": n})) == id
        self.model[id] = n

    @rule(handle=HANDLES, id=IDS)
    def delete(self, handle, id):
        assert self.call(handle, "delete", id) is (id in self.model)
        self.model.pop(id, None)

    @rule(target=versions, handle=HANDLES, id=IDS)
    def look(self, handle, id):
        found = self.call(handle, "read", id)
        assert (found is not None) is (id in self.model)
        if found is None:
            return id, "nothing"
        assert found.data == {"n": self.model[id]}
        return id, found.version

    @rule(handle=HANDLES, seen=versions, n=VALUES)
    def compare_and_set(self, handle, seen, n):
        id, version = seen
        now = self.call(handle, "get_version", id)
        try:
            done = self.call(handle, "update", id, Record({"n": n}), expected_version=version)
        except ConcurrencyError as error:
            assert error.actual_version == now != version  # noqa: PT017  # or none is raised
            assert id in self.model
        else:
            assert done is (id in self.model)
            if done:
                assert now == version
                self.model[id] = n

    @rule(handle=HANDLES, pairs=st.lists(st.tuples(IDS, VALUES), max_size=4))
    def batch(self, handle, pairs):
        try:
            self.call(handle, "batch_create", [Record({"n": n}, id=id) for id, n in pairs])
            failed = set()
        except BatchError as error:
            failed = {outcome.index for outcome in error.failed}
        expected = set()
        for index, (id, n) in enumerate(pairs):
            if id in self.model:
                expected.add(index)
            else:
                self.model[id] = n
        assert failed == expected

    @rule(
        handle=HANDLES, changes=st.lists(st.tuples(st.sampled_from(["create", "update", "delete"]), IDS, VALUES), max_size=4)
    )
    def transaction(self, handle, changes):
        """All or nothing where that is to be had, else up to the first that fails."""
        strict = self.handles[handle].capabilities.atomic_batches
        expected, fine = dict(self.model), True
        for verb, id, n in changes:
            if (verb == "create" and id in expected) or (verb == "update" and id not in expected):
                fine = False
                break
            if verb == "delete":
                expected.pop(id, None)
            else:
                expected[id] = n
        try:
            with self.handles[handle].transaction("strict" if strict else "best_effort") as buffer:
                for verb, id, n in changes:
                    if verb == "create":
                        buffer.create(Record({"n": n}, id=id))
                    elif verb == "update":
                        buffer.update(id, Record({"n": n}))
                    else:
                        buffer.delete(id)
        except TransactionError as error:
            assert not fine
            assert len(error.outcomes) == len(changes)  # noqa: PT017  # or none is raised
            self.model = self.model if strict else expected
        else:
            assert fine
            self.model = expected

    @rule(handle=HANDLES, ids=st.lists(IDS, max_size=4))
    def batch_delete(self, handle, ids):
        assert self.call(handle, "batch_delete", ids) == [self.model.pop(id, self) is not self for id in ids]

    @rule(handle=HANDLES, n=VALUES, descending=st.booleans(), limit=st.integers(0, 4))
    def search(self, handle, n, descending, limit):
        query = Query().filter(~Filter("n", "=", n)).sort("id", "DESC" if descending else "ASC").limit(limit)
        found = [record.id for record in self.call(handle, "search", query)]

        def same(value):
            return value is None if n is None else (type(value) is bool) == (type(n) is bool) and value == n

        assert found == sorted((id for id, value in self.model.items() if not same(value)), reverse=descending)[:limit]

    @rule(handle=HANDLES)
    def whole(self, handle):
        assert {record.id: record["n"] for record in self.call(handle, "all")} == self.model
        assert self.call(handle, "count") == len(self.model)

    @invariant()
    def nothing_else_is_stored(self):
        if hasattr(self, "model"):
            assert list(self.handles[2].ids()) == sorted(self.model)

    def teardown(self):
        if hasattr(self, "runner"):
            self.runner.close()
            for handle in self.handles:
                handle.close()


class Rows(Databases):
    """The same, in a file of SQLite."""

    def opened(self):
        self.home = tempfile.TemporaryDirectory()
        return [SQLDatabase(f"sqlite:///{self.home.name}/x.db") for _ in range(3)]

    def teardown(self):
        super().teardown()
        if hasattr(self, "home"):
            self.home.cleanup()


class Files(Databases):
    """The same, on a local disk, each handle with a mirror of its own in a file."""

    def opened(self):
        self.home = tempfile.TemporaryDirectory()
        store = LocalStore(f"{self.home.name}/root", create=True)
        return [ObjectDatabase(store, mirror=f"{self.home.name}/{n}.sqlite") for n in range(3)]

    def teardown(self):
        super().teardown()
        if hasattr(self, "home"):
            self.home.cleanup()


Databases.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
Rows.TestCase.settings = Files.TestCase.settings = settings(Databases.TestCase.settings, max_examples=10)
TestDatabases = Databases.TestCase
TestRows = Rows.TestCase
TestFiles = Files.TestCase
