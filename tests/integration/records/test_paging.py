"""Acceptance 27: pages by cursor through 10,000 records, while another process inserts and deletes."""

import asyncio
import subprocess
import sys

import pytest

from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase, Query, Record, SQLDatabase

MEDDLING = """
import select, sys
from holdall.drivers.local import LocalStore
from holdall.records import ObjectDatabase, Record, SQLDatabase

where = sys.argv[1]
db = SQLDatabase(where) if where.startswith("sqlite") else ObjectDatabase(LocalStore(where), mirror="off")
step = 0
with db:
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        step += 1
        db.delete(f"{step * 10 % 10_000:05}")
        db.create(Record({"id": f"new{step}", "n": None if step % 3 == 0 else step % 70}))
        if step == 5:
            print("going", flush=True)
"""


@pytest.fixture
def place(request, tmp_path):
    """Where the records are, and a database there."""
    if request.param == "sqlite":
        where = f"sqlite:///{tmp_path / 'x.db'}"
        db = SQLDatabase(where)
    else:
        where = str(tmp_path / "root")
        db = ObjectDatabase(LocalStore(where, create=True), mirror=tmp_path / "mirror.sqlite", owned=True)
    with db:
        db.batch_create(Record({"id": f"{n:05}", "n": None if n % 5 == 0 else n % 70}) for n in range(10_000))
        yield where, db


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("place", "order"), [("objects", "DESC"), ("sqlite", "ASC")], indirect=["place"])
def test_a27_no_untouched_record_is_seen_twice_or_never(place, order):
    """``None`` among the sort keys; the pages come by turns from both colours."""
    where, db = place
    query, seen, cursor, pages = Query().sort("n", order).limit(2000), [], None, 0
    with subprocess.Popen(
        [sys.executable, "-c", MEDDLING, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "going\n"
        with asyncio.Runner() as runner:
            while cursor is not None or not pages:
                asked = query.after(cursor)
                result = runner.run(db.search_async(asked)) if pages % 2 else db.search(asked)
                seen += [record.id for record in result]
                cursor, pages = result.cursor, pages + 1
        child.stdin.close()
    assert child.returncode == 0
    assert pages >= 5
    assert len(seen) == len(set(seen))
    assert {f"{n:05}" for n in range(10_000) if n % 10} <= set(seen)
