"""The contract is open: an engine of somebody else, a dict here, and its dozen lines of tests."""

import threading
from dataclasses import replace

import pytest

from holdall.errors import HoldallError, InvalidKeyError, NotSupportedError
from holdall.records import ConcurrencyError, Database, DuplicateRecordError, engine, engine_async
from holdall.records.drafts import Written, record_of
from holdall.records.errors import Outcome
from holdall.records.matching import predicate
from holdall.records.ordering import cursor_after, cut
from holdall.records.results import (
    CheckReport,
    ConnectReport,
    DatabaseCapabilities,
    Explanation,
    RefreshReport,
    SearchResult,
)
from holdall.testing import DatabaseContract


class DictEngine(engine.Engine):
    """Records in a dict, behind a lock; perhaps as a storage has them that knows no conditions."""

    def __init__(self, conditions=True):
        self.bodies, self.lock, self.conditions = {}, threading.RLock(), conditions

    def create(self, draft):
        with self.lock:
            while draft.id in self.bodies:
                again = draft.renamed()
                if again is None:
                    raise DuplicateRecordError(f"{draft.id!r} is taken", id=draft.id)
                draft = again
            return self._keep(draft)

    def _keep(self, draft, created=None):
        if len(draft.id.encode()) > DatabaseCapabilities(engine="table").max_id_bytes:
            raise InvalidKeyError(f"an id of {len(draft.id)} characters is too long")
        body = self.bodies[draft.id] = draft.body(draft.stamped(created=created))
        return Written(body.id, body.write, body.created, body.updated)

    def read(self, id):
        body = self.bodies.get(id)
        return None if body is None else record_of(body, body.write).copy()

    def update(self, draft, expected_version):
        self._refuse(expected_version)
        with self.lock:
            body = self.bodies.get(draft.id)
            if body is None:
                return None
            self._check(body, expected_version)
            return self._keep(draft, body.created)

    def _refuse(self, expected):
        if expected is not None and not self.conditions:
            raise NotSupportedError("no conditions here")

    def _check(self, body, expected):
        if expected is not None and body.write != expected:
            raise ConcurrencyError("another version", id=body.id, expected_version=expected, actual_version=body.write)

    def upsert(self, draft, expected_version):
        with self.lock:
            stored = self.update(draft, expected_version)
            if stored is None and expected_version is not None:
                raise ConcurrencyError("not there", id=draft.id, expected_version=expected_version)
            return self._keep(draft) if stored is None else stored

    def delete(self, id, expected_version):
        self._refuse(expected_version)
        with self.lock:
            if id in self.bodies:
                self._check(self.bodies[id], expected_version)
            return self.bodies.pop(id, None) is not None

    def version(self, id):
        return self.bodies[id].write if id in self.bodies else None

    def write_many(self, verb, items):
        return [self._written(verb, item) for item in items]

    def _written(self, verb, item):
        if item.outcome is not None:
            return item.outcome
        try:
            stored = self.create(item.draft) if verb == "create" else getattr(self, verb)(item.draft, None)
        except DuplicateRecordError as error:
            return Outcome(index=item.index, id=item.id, status="exists", error=error)
        except HoldallError as error:
            return Outcome(index=item.index, id=item.id, status="failed", error=error)
        if stored is None:
            return Outcome(index=item.index, id=item.id, status="missing")
        return Outcome(index=item.index, id=stored.id, status="written")

    def read_many(self, ids):
        return [self.read(id) for id in ids]

    def delete_many(self, ids):
        there = ((index, id, self.delete(id, None)) for index, id in enumerate(ids))
        return [Outcome(index=index, id=id, status="written" if was else "missing") for index, id, was in there]

    def clear(self):
        with self.lock:
            count = len(self.bodies)
            self.bodies.clear()
            return count

    def _matched(self, query):
        holds = predicate(query.condition)
        with self.lock:
            records = [self.read(id) for id in sorted(self.bodies)]
        return [record for record in records if holds(record)]

    def search(self, query, max_age):
        chosen, more = cut(query, self._matched(query))
        shown = [record.project(*query.paths) for record in chosen] if query.paths else chosen
        return SearchResult(shown, cursor=cursor_after(query, chosen[-1]) if more and chosen else None)

    def stream(self, query, batch_size, max_age):
        yield from self.search(query, max_age)

    def ids(self, prefix):
        yield from sorted(id for id in self.bodies if id.startswith(prefix))

    def count(self, query, max_age):
        return len(self.bodies) if query is None else len(self._matched(query))

    def select(self, sql, params, max_age, time_limit):
        raise NotImplementedError

    def connect(self):
        return ConnectReport(compare_and_set=self.conditions, conditional_delete=self.conditions)

    def refresh(self):
        return RefreshReport(records=len(self.bodies), changed=0)

    def check(self):
        return CheckReport(records=len(self.bodies))

    def explain(self, query):
        return Explanation(sql="", params=(), exact=False, requests="none")

    def close(self):
        pass


class AsyncDictEngine(engine_async.Engine):
    """The same engine, in the other colour."""

    def __init__(self, blocking):
        self.blocking = blocking


def _twin(name):
    async def call(self, *arguments):
        return getattr(self.blocking, name)(*arguments)

    async def write_many(self, verb, items):
        return self.blocking.write_many(verb, [item async for item in items])

    async def iterate(self, *arguments):
        for each in getattr(self.blocking, name)(*arguments):
            yield each

    return iterate if name in {"stream", "ids"} else write_many if name == "write_many" else call


for _name in engine_async.Engine.__abstractmethods__:
    setattr(AsyncDictEngine, _name, _twin(_name.removesuffix("_async")))
AsyncDictEngine.__abstractmethods__ = frozenset()


class DictDatabase(Database):
    conditions = True

    def __init__(self):
        blocking = DictEngine(self.conditions)
        super().__init__(blocking, AsyncDictEngine(blocking))

    @property
    def capabilities(self):
        known = DatabaseCapabilities(engine="table")
        return replace(known, exact_batch_delete=True, compare_and_set=self.conditions, conditional_delete=self.conditions)


class DictWithoutConditions(DictDatabase):
    conditions = False


class TestDict(DatabaseContract):
    @pytest.fixture
    def database(self):
        with DictDatabase() as database:
            yield database


class TestDictWithoutConditions(DatabaseContract):
    @pytest.fixture
    def database(self):
        with DictWithoutConditions() as database:
            yield database
