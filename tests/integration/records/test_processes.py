"""Acceptance 13, 23, 30 and 33 on real services: killed batches, connections, killed migrations in the async colour, forks."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.local import LocalStore
from holdall.records import Filter, ObjectDatabase, Record, SQLDatabase, migration, migration_async
from holdall.records.encoding import decode_body
from holdall.records.keys import key_to_id
from holdall.records.migration_report import content_of
from holdall.testing import FaultProxy

HEAD = """
import asyncio, json, os, signal, sys
from holdall.records import Record, S3Database
from holdall.testing.colour import colour_named

options, name = json.loads(sys.argv[1]), sys.argv[2]
colour = colour_named(name).__enter__()
database = S3Database.from_config(options)
db = colour(database)
"""


def start(place, colour, body, **options):
    """Run a program in a process of its own, whose ``db`` is in a bucket and has this colour."""
    server = place.server
    known = {
        "bucket": place.name, "region": server.region, "endpoint_url": server.endpoint, "access_key_id": server.access_key,
        "secret_access_key": server.secret_key, "create_bucket": False, "tags": "off",
    }  # fmt: skip
    command = [sys.executable, "-c", HEAD + textwrap.dedent(body), json.dumps({**known, **options}), colour.name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def truth(place):
    """Return what the bucket itself lists and holds, by id."""
    ground = place.ground

    def read(key):
        id = key_to_id(key, "records/")
        return id, decode_body(ground.read(key), id=id).fields

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(read, ground.keys()))


def at_rest(place):
    """Wait until the service has done what it was sent before its client was killed."""
    before, now = None, place.ground.keys()
    while sorted(now) != before:
        before = sorted(now)
        time.sleep(0.5)
        now = place.ground.keys()


MANY, ENOUGH = 5000, 600


@pytest.mark.slow
def test_a13_kill_in_a_batch_to_a_bucket(radosgw_bucket, colour, tmp_path):
    """What was stored by then is whole; an upsert completes it; search and count agree with the bucket's own listing."""
    mirror = tmp_path / "mirror.sqlite"
    with FaultProxy(radosgw_bucket.server.endpoint) as proxy:
        body = f"""
            db.batch_create(Record({{"id": f"{{n:04}}", "n": n}}) for n in range({MANY}))
        """
        process = start(radosgw_bucket, colour, body, endpoint_url=proxy.url, mirror=str(mirror))
        until = time.monotonic() + 60
        while len(proxy.traffic.times) < ENOUGH and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
        _, told = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, told
    at_rest(radosgw_bucket)
    stored = truth(radosgw_bucket)
    assert ENOUGH // 2 < len(stored) < MANY
    assert all(fields == {"id": id, "n": int(id)} for id, fields in stored.items()), "every stored object is whole"
    with opened(radosgw_bucket, tags="off", mirror=mirror) as database:
        db = colour(database)
        assert db.count(max_age=0) == len(stored)
        assert {record.id: record.data for record in db.search()} == stored, "by the index that the killed one left, too"
        ids = [f"{n:04}" for n in range(MANY)]
        assert db.batch_upsert(Record({"id": f"{n:04}", "n": n}) for n in range(MANY)) == ids
        assert sorted(radosgw_bucket.ground.keys()) == [f"records/{id}.json" for id in ids]
        assert db.count() == db.count(max_age=0) == MANY
        assert [record["n"] for record in db.search()] == list(range(MANY))


def test_a23_connections_are_reused(radosgw_bucket, colour):
    """Writes from a generator, and reads: two thousand requests of four workers go over the connections of one small pool."""
    with (
        FaultProxy(radosgw_bucket.server.endpoint) as proxy,
        opened(radosgw_bucket, proxy=proxy, tags="off", mirror="off", max_workers=4) as database,
    ):
        database.store.probe()
        before = proxy.traffic.connections
        db = colour(database)
        ids = db.batch_create(Record({"n": n}) for n in range(1000))
        assert all(db.batch_read(ids))
        assert proxy.traffic.connections - before <= 32, "its pool; a new one may be begun while another one is given back"
        assert len(proxy.traffic.requests) > 2000


FORK = """
    from holdall.errors import ForkedProcessError
    from holdall.records import BatchError

    def child(act):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)  # a hang ends so
            try:
                act()
            except ForkedProcessError as error:
                os._exit(7 if "spawn" in str(error) else 8)
            except BatchError as error:
                named = {type(outcome.error) for outcome in error.failed} == {ForkedProcessError} and len(error.failed) > 1
                os._exit(7 if named and "spawn" in str(error) else 8)
            except BaseException:
                os._exit(9)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    db.batch_create([Record({"id": f"r{n}", "n": n}) for n in range(20)])
    assert len(db.search()) == 20
    codes = {
        "read": child(lambda: database.read("r1")),
        "create": child(lambda: database.create(Record({"id": "new"}))),
        "update": child(lambda: database.update("r1", Record({}))),
        "delete": child(lambda: database.delete("r1")),
        "search": child(lambda: database.search(max_age=0)),
        "batch_create": child(lambda: database.batch_create([Record({}) for _ in range(5)])),
        "batch_read": child(lambda: database.batch_read(["r1", "r2"])),
        "batch_delete": child(lambda: database.batch_delete(["r1", "r2"])),
        "read_async": child(lambda: asyncio.run(database.read_async("r1"))),
        "create_async": child(lambda: asyncio.run(database.create_async(Record({"id": "new"})))),
        "search_async": child(lambda: asyncio.run(database.search_async(max_age=0))),
        "another": child(lambda: S3Database.from_config(options).read("r1")),
        "close": child(database.close),
    }
    assert db.require("r1")["n"] == 1 and db.count(max_age=0) == 20, "the parent goes on"
    print(json.dumps(codes))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_a33_a_forked_child_is_refused_by_name(moto_bucket, colour, tmp_path):
    """After use, each verb of the child raises `ForkedProcessError`, in both colours; nothing hangs, nothing is written."""
    process = start(moto_bucket, colour, FORK, mirror=str(tmp_path / "mirror.sqlite"))
    out, told = process.communicate(timeout=100)
    assert process.returncode == 0, told
    codes = json.loads(out)
    assert codes.pop("close") == 0
    assert codes == dict.fromkeys(codes, 7)
    assert len(truth(moto_bucket)) == 20


CHILD = """
import asyncio, os, signal, sys
from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase, SQLDatabase, migrate_async

def stop(event):
    if event.read == 20:
        os.kill(os.getpid(), signal.SIGKILL)

async def main(here):
    async with SQLDatabase(f"sqlite:///{here}/old.db") as old:
        async with ObjectDatabase(LocalStore(f"{here}/new", create=True), mirror="off") as new:
            await migrate_async(
                old, new, batch_size=10, checkpoint=f"{here}/job.json", on_progress=stop, delete_source=True, verify="full"
            )

asyncio.run(main(sys.argv[1]))
"""


def test_a30_kill_9_and_resume_async(tmp_path, colour):
    """An async migration that was killed is resumed by either colour: at most one batch is sent again, and nothing is lost."""
    with SQLDatabase(f"sqlite:///{tmp_path}/old.db") as old:
        old.batch_create(Record({"id": f"r{n:04}", "n": n, "text": "x" * 50}, {"team": f"t{n % 3}"}) for n in range(60))
        contents = [content_of(record) for record in old.search()]
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=False, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    point = tmp_path / "job.json"
    assert json.loads(point.read_bytes())["last"] == "r0009", "it was killed before it noted the second batch"
    job = {"batch_size": 10, "checkpoint": str(point), "delete_source": True, "verify": "full"}
    with (
        SQLDatabase(f"sqlite:///{tmp_path}/old.db") as old,
        ObjectDatabase(LocalStore(tmp_path / "new", create=True), mirror="off") as new,
    ):
        there = new.count()
        assert old.count() == 40
        assert 20 <= there <= 30
        if colour.name == "async":
            report = colour.run(migration_async.migrate_async(old, new, **job))
        else:
            report = migration.migrate(old, new, **job)
        assert report.verified
        assert report.written + report.same + there >= 60
        assert report.same <= 10, "at most one batch is sent again"
        assert [content_of(record) for record in new.search()] == contents
        assert old.count() == 0
        assert new.count(Filter("metadata.team", "=", "t1")) == 20
    assert not os.path.exists(point)
