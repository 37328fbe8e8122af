"""Migration between engines: policies, resume after kill -9, moving, verification."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.records import s3

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, NotSupportedError
from holdall.records import (
    Database,
    Filter,
    MigrationError,
    ObjectDatabase,
    Query,
    QueryError,
    Record,
    SQLDatabase,
    migration_async,
)
from holdall.records import migration as migration_blocking
from holdall.records.migration_report import content_of
from holdall.testing import FaultProxy

VALUES = {"when": datetime(2024, 1, 1, tzinfo=UTC), "raw": b"\0\xff", "big": 2**70, "deep": {"list": [1, 2.5, None, "é"]}}


@pytest.fixture
def migrate(colour):
    if colour.name == "blocking":
        return migration_blocking.migrate
    return lambda *arguments, **options: colour.run(migration_async.migrate_async(*arguments, **options))


def people(count, **more):
    return [Record({"id": f"r{i:04}", "n": i, **more}, {"team": f"t{i % 3}"}) for i in range(count)]


@pytest.fixture
def old():
    with SQLDatabase("sqlite://") as database:
        yield database


@pytest.fixture
def new():
    with ObjectDatabase(MemoryStore()) as database:
        yield database


def opened(kind, name, tmp_path, postgres, postgres_database, place):
    if kind == "s3":
        return s3.opened(place, prefix=f"{name}/", tags="off", mirror="memory")
    if kind == "postgres":
        return SQLDatabase(postgres.url(postgres_database), table=name)
    if kind == "sqlite":
        return SQLDatabase(f"sqlite:///{tmp_path / name}.db")
    return ObjectDatabase(LocalStore(tmp_path / name, create=True) if kind == "disk" else MemoryStore(), owned=True)


KINDS = ("memory", "disk", "sqlite", "postgres", "s3")


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_a30_between_all_engines(source, target, migrate, tmp_path, postgres, postgres_database, moto_bucket):
    places = [
        opened(kind, name, tmp_path, postgres, postgres_database, moto_bucket)
        for kind, name in ((source, "old"), (target, "new"))
    ]
    with places[0] as old, places[1] as new:
        given = [
            Record({"id": f"r{i}/é", "n": i, **VALUES}, {"team": "x", "created_at": "2020-01-02T03:04:05+00:00"})
            for i in range(7)
        ]
        old.batch_create(given)
        report = migrate(old, new, verify="full", batch_size=3)
        assert (report.read, report.written, report.verified, report.failed) == (7, 7, True, 0)
        assert [record.data for record in new.search()] == [record.data for record in old.search()]
        assert {record.created_at for record in new.search()} == {datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)}
        assert migrate(old, new, verify="sample:5").same == 7


def test_the_archive_of_old_records_moves(migrate, old, new):
    old.batch_create(people(20))
    events = []
    report = migrate(old, new, Filter("n", "<", 8), delete_source=True, batch_size=3, on_progress=events.append)
    assert (report.written, report.deleted, report.verified) == (8, 8, True)
    assert old.count() == 12 and new.count() == 8
    assert [event.read for event in events] == [3, 6, 8] and events[-1].total == 8 and events[-1].rate > 0
    assert report.read == report.written and report.bytes > 0 and report.seconds > 0


def test_policies_for_ids_that_are_taken(migrate, old, new):
    old.batch_create(people(4))
    new.batch_create([Record({"id": "r0001", "n": 1}, {"team": "t1"}), Record({"id": "r0002", "other": True})])
    report = migrate(old, new, on_error="collect")
    assert (report.written, report.same, report.failed, report.read) == (2, 1, 1, 4)
    assert [id for id, _ in report.errors] == ["r0002"] and new.require("r0002").data == {"id": "r0002", "other": True}
    assert (migrate(old, new, on_conflict="skip").skipped, new.require("r0002").data["other"]) == (4, True)
    assert migrate(old, new, on_conflict="upsert").written == 4 and new.require("r0002")["n"] == 2
    new.upsert("r0002", Record({"again": 1}))
    with pytest.raises(MigrationError, match="r0002") as caught:
        migrate(old, new)
    assert caught.value.report.failed == 1


def test_transform_drops_and_renames(migrate, old, new):
    old.batch_create(people(6))

    def change(record):
        if record["n"] % 2:
            return None
        if record["n"] == 4:
            raise ValueError("no fours")
        return Record({"id": record.id, "double": record["n"] * 2}, record.metadata)

    report = migrate(old, new, transform=change, on_error="collect", verify="full")
    assert (report.written, report.dropped, report.failed, report.verified) == (2, 3, 1, True)
    assert [record["double"] for record in new.search()] == [0, 4]
    assert isinstance(report.errors[0][1], ValueError) and old.require("r0002")["n"] == 2


def test_a_dry_run_writes_nothing(migrate, old, new):
    old.batch_create(people(5))
    new.create(Record({"id": "r0001", "n": 1}, {"team": "t1"}))
    report = migrate(old, new, dry_run=True, delete_source=True)
    assert (report.written, report.same, report.dry_run, report.verified) == (4, 1, True, None)
    assert new.count() == 1 and old.count() == 5


@pytest.mark.parametrize("kind", ["disk", "sqlite"])
def test_a_dry_run_makes_no_target(migrate, old, kind, tmp_path):
    old.batch_create(people(5))
    with opened(kind, "new", tmp_path, None, None, None) as new:
        assert migrate(old, new, dry_run=True).written == 5
        assert not list(tmp_path.iterdir())
        assert (migrate(old, new).written, migrate(old, new, dry_run=True).same) == (5, 5)


def test_a30_a_record_that_changed_meanwhile_stays(migrate, old, new):
    old.batch_create(people(3))

    def meddle(record):
        if record.id == "r0001":
            old.update("r0001", Record({"n": 100}))
        return record

    report = migrate(old, new, transform=meddle, delete_source=True)
    assert (report.written, report.deleted, report.kept) == (3, 2, ["r0001"])
    assert [record["n"] for record in old.search()] == [100]


def test_what_cannot_be_moved_safely_is_refused(migrate, new):
    class Careless(ObjectDatabase):
        @property
        def capabilities(self):
            from dataclasses import replace

            return replace(super().capabilities, conditional_delete=False)

    with Careless(MemoryStore()) as source, pytest.raises(NotSupportedError, match="delete_source"):
        migrate(source, new, delete_source=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_is_not_moved_onto_itself(kind, migrate, tmp_path, postgres, postgres_database, moto_bucket):
    """Two instances of one place, or the database itself: nothing is deleted. Without `delete_source` all is there already."""
    with opened(kind, "same", tmp_path, postgres, postgres_database, moto_bucket) as one:
        one.batch_create(people(5))
        again = one if kind == "memory" else opened(kind, "same", tmp_path, postgres, postgres_database, moto_bucket)
        for target in (one, again):
            with pytest.raises(ConfigError, match="are one"):
                migrate(one, target, on_conflict="upsert", delete_source=True)
        assert migrate(one, again).same == one.count() == 5
        again.close()


def test_another_name_of_the_source_loses_nothing(migrate, moto_bucket):
    """What the names do not tell, the first record tells that is deleted: it is put back."""
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        source, alias = (s3.opened(moto_bucket, prefix="x/", mirror="off", proxy=each) for each in (None, proxy))
        with source, alias:
            source.batch_create(people(5))
            with pytest.raises(MigrationError, match="put back") as caught:
                migrate(source, alias, delete_source=True)
            assert caught.value.report.deleted == 0
            with pytest.raises(MigrationError, match="put back"):  # the first record that keeps its id tells
                migrate(
                    source,
                    alias,
                    transform=lambda each: Record(each.data, id="new") if each.id == "r0000" else each,
                    delete_source=True,
                )
            assert alias.delete("new")
            report = migrate(source, alias, on_conflict="upsert", delete_source=True)  # every version is another one now
            assert (report.deleted, len(report.kept)) == (0, 5)
            assert [(each["n"], each.metadata["team"]) for each in source.search()] == [(n, f"t{n % 3}") for n in range(5)]


def test_verification_finds_a_difference(migrate, old):
    class Forgetful(ObjectDatabase):
        def batch_read(self, ids):
            return [None for _ in ids]

        async def batch_read_async(self, ids):
            return [None for _ in ids]

    old.batch_create(people(2))
    with Forgetful(MemoryStore()) as new:
        with pytest.raises(MigrationError, match="does not hold") as caught:
            migrate(old, new, verify="full", delete_source=True)
        assert caught.value.report.verified is False and len(caught.value.report.errors) == 2
    assert old.count() == 2, "nothing unverified is deleted"


@pytest.mark.parametrize(
    "options",
    [
        {"on_conflict": "x"},
        {"on_error": "x"},
        {"batch_size": 0},
        {"verify": "most"},
        {"verify": "sample"},
        {"verify": "full:3"},
    ],
)
def test_wrong_options(migrate, old, new, options):
    with pytest.raises(ValueError):
        migrate(old, new, **options)


@pytest.mark.parametrize("query", [Query().sort("n"), Query().limit(1), Query().offset(1), Query().select("n")])
def test_conditions_alone(migrate, old, new, query):
    with pytest.raises(QueryError, match="conditions alone"):
        migrate(old, new, query)


def test_a_failed_migration_goes_on_from_its_checkpoint(migrate, old, new, tmp_path):
    old.batch_create(people(10))
    point = tmp_path / "job.json"
    seen = []

    def stumble(record):
        seen.append(record.id)
        if record.id == "r0007" and seen.count("r0007") == 1:
            raise ValueError("once")
        return record

    with pytest.raises(MigrationError):
        migrate(old, new, transform=stumble, batch_size=3, checkpoint=str(point))
    assert json.loads(point.read_bytes())["last"] == "r0005"
    with pytest.raises(MigrationError, match="another migration"):
        migrate(old, new, Filter("n", ">", 3), transform=stumble, checkpoint=str(point))
    report = migrate(old, new, transform=stumble, batch_size=3, checkpoint=str(point))
    assert (report.read, report.written, report.same) == (10, 8, 2) and report.verified
    assert "r0004" not in seen[10:] and not point.exists()
    point.write_text("{}")
    with pytest.raises(MigrationError, match="no checkpoint"):
        migrate(old, new, checkpoint=str(point))


class Spoilt(ObjectDatabase):
    """Somebody else writes one of the records as soon as it is there."""

    def batch_create(self, records):
        done = super().batch_create(records)
        self.spoil(done)
        return done

    async def batch_create_async(self, records):
        done = await super().batch_create_async(records)
        self.spoil(done)
        return done

    def spoil(self, done):
        if "r0003" in done:
            self.update("r0003", Record({"n": "spoilt"}))


@pytest.mark.parametrize("options", [{"verify": "full"}, {"verify": "sample:10"}, {"verify": "none", "delete_source": True}])
def test_a_check_that_failed_is_made_again(migrate, old, tmp_path, options):
    """With the checkpoint of the migration that it ended, until the target holds what was migrated."""
    old.batch_create(people(10))
    spared = old.require("r0003")
    job = {**options, "batch_size": 3, "checkpoint": str(tmp_path / "job.json")}
    with Spoilt(MemoryStore()) as new:
        for _ in range(2):
            with pytest.raises(MigrationError, match="does not hold") as caught:
                migrate(old, new, **job)
            report = caught.value.report
            assert (report.written, report.verified, [id for id, _ in report.errors]) == (10, False, ["r0003"])
            assert "r0003" in old.ids()
        with pytest.raises(MigrationError, match="another migration"):
            migrate(old, new, **{**job, "verify": "count"})
        new.update("r0003", spared)
        assert migrate(old, new, **job).verified is (None if options["verify"] == "none" else True)
        assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_of_its_databases_and_its_transform(migrate, postgres, postgres_database, tmp_path):
    def stop(event):
        if event.read >= 4:
            raise KeyboardInterrupt

    url, job = postgres.url(postgres_database), {"batch_size": 2, "checkpoint": str(tmp_path / "job.json")}
    with SQLDatabase(url) as setup:
        for schema in ("tenant1", "tenant2"):
            text = f"CREATE SCHEMA {schema}"
            setup._link.run(lambda connection, text=text: connection.exec_driver_sql(text), way="write")
    with SQLDatabase(url, schema="tenant1") as one, SQLDatabase(url, schema="tenant2") as other:
        for each in (one, other):
            each.batch_create(people(9))
        with ObjectDatabase(MemoryStore()) as new:
            with pytest.raises(KeyboardInterrupt):
                migrate(one, new, transform=lambda record: record, on_progress=stop, **job)
            for source, transform in ((other, lambda record: record), (one, lambda record: record or None)):
                with pytest.raises(MigrationError, match="another migration"):
                    migrate(source, new, transform=transform, **job)
            assert migrate(one, new, transform=lambda record: record, **job).read == new.count() == 9


def unreadable(kind, tmp_path, on_corrupt):
    """Return a database of nine records, three of which cannot be read."""
    bad = ("r0000", "r0004", "r0008")
    if kind == "sqlite":
        path = tmp_path / "bad.db"
        database = SQLDatabase(f"sqlite:///{path}")
        database.batch_create(people(9))
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(f"UPDATE records SET updated_at = 'never' WHERE id IN {bad}")
        return database
    store = MemoryStore()
    database = ObjectDatabase(store, mirror=kind, on_corrupt=on_corrupt)
    database.batch_create(people(9))
    for id in bad:
        store.put(f"records/{id}.json", b"{")
    return database


@pytest.mark.parametrize("batch_size", [1, 2, 500])
@pytest.mark.parametrize(
    ("kind", "on_corrupt"),
    [("memory", "raise"), ("memory", "report"), ("off", "raise"), ("off", "report"), ("sqlite", "raise")],
)
def test_s12_what_cannot_be_read_has_failed(migrate, kind, on_corrupt, batch_size, tmp_path):
    """It is counted and named, once, also by what goes on from a checkpoint; and it stays where it is."""
    job = {"batch_size": batch_size, "checkpoint": str(tmp_path / "job.json"), "verify": "full"}
    with unreadable(kind, tmp_path, on_corrupt) as source, ObjectDatabase(MemoryStore()) as new:
        with pytest.raises(MigrationError, match=r"failed, the last one 'r000\d': .* cannot be read") as caught:
            migrate(source, new, **job)
        assert caught.value.report.failed == (3 if batch_size == 500 else 1)
        job |= {"on_error": "collect"}

        def stop(event):
            if event.read >= 7:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            migrate(source, new, on_progress=stop, **job)
        report = migrate(source, new, **job)
        assert (report.read, report.written + report.same, report.failed, report.verified) == (9, 6, 3, True)
        assert {id for id, _ in report.errors} <= {"r0000", "r0004", "r0008"}
        report = migrate(source, new, Filter("n", "<", 9), on_error="collect", delete_source=True, batch_size=batch_size)
        assert [id for id, _ in report.errors] == ["r0000", "r0004", "r0008"]
        assert (report.same, report.deleted, list(source.ids())) == (6, 6, ["r0000", "r0004", "r0008"])


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_what_others_wrote_meanwhile_is_not_left_behind(migrate, new, mirror):
    """Whatever the age at which a listing counts as current."""
    store = MemoryStore()
    ours, theirs = (ObjectDatabase(store, mirror=mirror, cache_ttl=60) for _ in range(2))
    with ours, theirs:
        theirs.batch_create(people(3))
        assert len(ours.search()) == 3
        theirs.batch_create([Record({"id": f"late{n}"}) for n in range(2)])
        assert migrate(ours, new, verify="full").read == new.count() == 5


@pytest.mark.parametrize("batch_size", [1, 2, 500])
@pytest.mark.parametrize(
    ("on_conflict", "numbered", "counts"),
    [
        ("insert", False, {"written": 2, "same": 2}),
        ("skip", True, {"written": 2, "skipped": 2}),
        ("upsert", True, {"written": 4}),
    ],
)
@pytest.mark.parametrize("verify", ["count", "full", "sample:4"])
def test_several_records_with_one_id(migrate, new, old, on_conflict, numbered, counts, batch_size, verify):
    """The first one is written first, however many are in a batch; nothing is missing then, and nothing else is taken for that."""
    mails = ["Ada@x", "ada@x", "bob@x", "ADA@x"]
    old.batch_create([Record({"id": f"{n}", "mail": mail, "n": n}) for n, mail in enumerate(mails)])

    def by_mail(record):
        mail = record["mail"].lower()
        return Record({"n": record["n"]} if numbered else {}, id=mail)

    new.create(Record({"id": "other"}))
    options = {"on_conflict": on_conflict, "batch_size": batch_size, "verify": verify, "delete_source": True}
    report = migrate(old, new, transform=by_mail, **options)
    assert {name: getattr(report, name) for name in counts} == counts
    assert (report.read, report.verified, report.failed) == (4, True, 0)
    assert report.deleted == 4 - report.skipped == 4 - old.count()
    found = {record.id: record.get_value("n") for record in new.search()}
    last = {"insert": (None, None), "skip": (0, 2), "upsert": (3, 2)}[on_conflict]
    assert found == {"ada@x": last[0], "bob@x": last[1], "other": None}


CHILD = """
import os, signal, sys
from holdall.records import ObjectDatabase, SQLDatabase
from holdall.records.migration import migrate
from holdall.drivers.local import LocalStore

def stop(event):
    if event.read == 20:
        os.kill(os.getpid(), signal.SIGKILL)

here = sys.argv[1]
old, new = SQLDatabase(f"sqlite:///{here}/old.db"), ObjectDatabase(LocalStore(f"{here}/new", create=True), mirror="off")
migrate(old, new, batch_size=10, checkpoint=f"{here}/job.json", on_progress=stop, delete_source=True, verify="full")
"""


def test_a30_kill_9_and_resume(tmp_path):
    with SQLDatabase(f"sqlite:///{tmp_path}/old.db") as old:
        old.batch_create(people(60, text="x" * 50))
        contents = [content_of(record) for record in old.search()]
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=False, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    point = tmp_path / "job.json"
    assert json.loads(point.read_bytes())["last"] == "r0009", "it was killed before it noted the second batch"
    with (
        SQLDatabase(f"sqlite:///{tmp_path}/old.db") as old,
        ObjectDatabase(LocalStore(f"{tmp_path}/new", create=True), mirror="off") as new,
    ):
        assert old.count() == 40
        report = migration_blocking.migrate(
            old, new, batch_size=10, checkpoint=str(point), delete_source=True, verify="full"
        )
        assert report.verified and [content_of(record) for record in new.search()] == contents and old.count() == 0
    assert not point.exists()


@pytest.mark.parametrize("server", ["moto", "localstack", "radosgw"])
def test_a30_old_records_move_from_postgresql_to_s3(server, request, migrate, postgres, postgres_database):
    """Read, written, read back, deleted at their source: on each service; what is changed meanwhile stays."""
    now = datetime.now(UTC)
    place = request.getfixturevalue(f"{server}_bucket")
    with (
        SQLDatabase(postgres.url(postgres_database)) as source,
        s3.opened(place, prefix="postgres-backup/", storage_class="STANDARD") as archive,
    ):
        source.batch_create(
            [
                Record({"id": f"r{days:04}", "created_at": (now - timedelta(days=days)).isoformat()})
                for days in range(0, 800, 20)
            ]
        )
        old = Query().filter("created_at", "<", (now - timedelta(days=365)).isoformat())
        expected = [record.id for record in source.search(old)]

        def meddle(record):
            if record.id == "r0400":
                source.update(record.id, Record({"created_at": record["created_at"], "busy": True}))
            return record

        report = migrate(source, archive, old, transform=meddle, delete_source=True, verify="full", batch_size=7)
        assert (report.written, report.deleted, report.kept, report.verified) == (21, 20, ["r0400"], True)
        assert [record.id for record in archive.search()] == expected
        assert source.count() == 40 - 20 and source.require("r0400")["busy"] is True


@pytest.mark.timeout(900)
def test_a23_a30_memory_is_bounded(tmp_path):
    """What a process holds does not grow with the content that passes.

    Four times the records cost ids, outcomes and what is known of the last 65,536 of them, which is less than their 4 KB.

    For the 200,000 records of the requirement: ``HOLDALL_SOAK=1 pytest -k memory_is_bounded``, in about two minutes, by what the system
    says of the process instead of Python's own account, which takes three times the time of what it watches.
    """
    few = 50_000 if os.environ.get("HOLDALL_SOAK") else 1_000
    command = [sys.executable, "-c", PASSING, str(tmp_path), str(few)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr
    grown = json.loads(done.stdout)
    print(grown)  # noqa: T201  # what a soak is run for
    for verb, (once, four_times) in grown.items():
        each = (four_times - once) / (3 * few)
        assert each < 700, f"{verb}: {each} bytes a record; {grown}"
        assert once < 40 * 2**20, f"{verb}: {grown}"


PASSING = """
import asyncio, json, sys, tracemalloc
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, Record, SQLDatabase, migrate, migrate_async
from holdall.results import PutResult
from holdall.wrappers.forwarding import ForwardingStore

class Sink(ForwardingStore):
    def put(self, key, source, options=None):
        return PutResult(key=key, size=len(source), etag="x")

    async def put_async(self, key, source, options=None):
        return self.put(key, source)

def records(first, last):
    for n in range(first, last):
        yield Record({"id": f"{n:06}", "text": f"{n:06}" + "x" * 4_000})

few = int(sys.argv[2])
plain = {"verify": "none", "batch_size": 100}  # of batches that are held at once, the fewer records have enough

def peak(act):
    if few < 50_000:
        tracemalloc.start()
        act()
        grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return grown
    with open("/proc/self/clear_refs", "w") as marks:
        marks.write("5")  # the high-water mark begins anew
    before = status("VmRSS")
    act()
    return status("VmHWM") - before

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

with SQLDatabase(f"sqlite:///{sys.argv[1]}/old.db") as old, ObjectDatabase(Sink(MemoryStore()), mirror="off") as new:
    old.batch_create(records(0, few))
    migrate(old, new, **plain)
    once = peak(lambda: migrate(old, new, **plain))
    once_async = peak(lambda: asyncio.run(migrate_async(old, new, **plain)))
    old.batch_create(records(few, 4 * few))
    moved = once, peak(lambda: migrate(old, new, **plain))
    moved_async = once_async, peak(lambda: asyncio.run(migrate_async(old, new, **plain)))
    made = [peak(lambda: new.batch_create(records(0, count))) for count in (few, 4 * few)]
    made_async = [peak(lambda: asyncio.run(new.batch_create_async(records(0, count)))) for count in (few, 4 * few)]
    print(json.dumps({"batch": made, "batch, async": made_async, "migration": moved, "migration, async": moved_async}))
"""


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"transform": 5}, TypeError, "transform is a function"),
        ({"on_progress": 5}, TypeError, "on_progress is a function"),
        ({"verify": "sample:0"}, ValueError, "verify is"),
        ({"verify": "sample:x"}, ValueError, "verify is"),
        ({"batch_size": 0}, ValueError, "batch_size is"),
        ({"on_conflict": "replace"}, ValueError, "on_conflict is"),
        ({"on_error": "ignore"}, ValueError, "on_error is"),
        ({"verify": None}, ValueError, "verify is"),
        ({"verify": "count:"}, ValueError, "verify is"),
        ({"on_conflict": ["insert"]}, ValueError, "on_conflict is"),
        ({"on_error": ["raise"]}, ValueError, "on_error is"),
        ({"query": Query().limit(1)}, QueryError, "conditions alone"),
    ],
)
def test_options_are_checked_before_anything_moves(migrate, options, kind, said):
    with Database.open("memory://") as old, Database.open("memory://") as new:
        old.create(Record({"id": "a"}))
        with pytest.raises(kind, match=said):
            migrate(old, new, **options)
        for sides in ((old, 5), ("memory://", new)):
            with pytest.raises(TypeError, match="is a Database, not a"):
                migrate(*sides)
        assert new.count() == 0


def test_a_transform_that_fails_fails_its_record(migrate):
    """By raising, or by what it returns; the others arrive, and the source keeps what did not."""
    made = {"a": lambda record: 1 / 0, "b": lambda record: 5, "c": lambda record: record, "d": lambda record: None}
    with Database.open("memory://") as old, SQLDatabase("sqlite://") as new:
        old.batch_create([Record({"id": id, "n": 1}) for id in made])
        given = {"transform": lambda record: made[record.id](record), "delete_source": True}
        with pytest.raises(MigrationError, match="2 failed") as caught:
            migrate(old, new, **given)
        report = caught.value.report
        assert (report.read, report.written, report.dropped, report.failed, report.deleted) == (4, 1, 1, 2, 1)
        assert [(id, type(error).__name__) for id, error in report.errors] == [
            ("a", "ZeroDivisionError"),
            ("b", "SerializationError"),
        ]
        assert (list(new.ids()), list(old.ids())) == (["c"], ["a", "b", "d"])
