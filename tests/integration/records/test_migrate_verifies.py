"""What `migrate` checks at its end finds what somebody else did to the target meanwhile; a checkpoint may lie on any store."""

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.engine.table import default_table
from holdall.errors import NotFoundError
from holdall.records import MigrationError, ObjectDatabase, Record, SQLDatabase, migrate


@pytest.fixture(params=["objects", "sql"])
def target(request):
    with ObjectDatabase(MemoryStore()) if request.param == "objects" else SQLDatabase("sqlite://") as target:
        yield target


def old():
    db = ObjectDatabase(MemoryStore())
    db.batch_create([Record({"n": n}, id=f"r{n}") for n in range(9)])
    return db


@pytest.mark.parametrize("verify", ["count", "sample:9"])
def test_a30_a_record_that_is_gone_again_is_found(target, verify):
    def meddle(_):
        target.delete("r1")

    with pytest.raises(MigrationError, match="does not hold") as told:
        migrate(old(), target, verify=verify, batch_size=3, on_progress=meddle)
    assert told.value.report.verified is False
    assert migrate(old(), target, verify=verify).verified is True


@pytest.mark.parametrize("verify", ["sample:9"])
def test_a30_other_content_is_found(target, verify):
    def meddle(_):
        target.update("r1", Record({"n": "other"}))

    with pytest.raises(MigrationError, match="does not hold"):
        migrate(old(), target, verify=verify, batch_size=9, on_progress=meddle)


def test_a30_a_checkpoint_on_a_store(target):
    store = MemoryStore()
    default_table()["jobs"] = store

    def stop(_):
        if target.count() >= 6:
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            migrate(old(), target, batch_size=3, checkpoint="jobs:point.json", on_progress=stop, verify="full")
        assert store.head("point.json").size > 0
        report = migrate(old(), target, batch_size=3, checkpoint="jobs:point.json", verify="full")
        assert report.read == 9 and target.count() == 9
        with pytest.raises(NotFoundError):  # the job is done
            store.head("point.json")
    finally:
        del default_table()["jobs"]
