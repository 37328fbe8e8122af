"""A10: two sweeps beside eight writers: what a row holds is never deleted."""

import contextlib
import itertools
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from holdall.columns import FileObject, audit, sweep
from holdall.errors import NotFoundError

from .conftest import Base, Paper, keys_of

WRITERS, ACTS = 8, 40
SCOPE = {"columns": [Paper.file, Paper.files], "grace": timedelta(hours=1)}
OLD = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture
def engine(url):
    engine = create_engine(url("psycopg"), pool_size=20)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


class Writer:
    """One thread that adds, replaces, moves and drops files, and looks after each commit whether they are there.

    What is committed is made to look old, so that it is the grace period that protects nothing here: only the rows do. Beside it
    there is old garbage, also at keys that are about to be written.
    """

    def __init__(self, engine, store, number):
        self.engine, self.store, self.number = engine, store, number
        self.chance = random.Random(number)
        self.contents = itertools.count()
        self.rows = {}
        self.acts = 0
        self.thread = threading.Thread(target=self.run)
        self.error = None

    def run(self):
        try:
            for _ in range(ACTS):
                self.litter()
                with Session(self.engine, expire_on_commit=False) as session:
                    self.act(session)
                self.acts += 1
        except BaseException as error:
            self.error = error

    def key(self):
        return f"{self.number}/{self.chance.randint(0, 3)}"

    def litter(self):
        """Leave an object that no row holds, as a crash does: under a key of its own, or under one that is free."""
        held = {file.path for file, _ in self.rows.values()}
        for key in (f"{self.number}/garbage-{self.acts}", self.key()):
            if key not in held:
                self.store.put(key, b"garbage")
                self.age(key)

    def age(self, key):
        with contextlib.suppress(NotFoundError):  # swept, or moved to its place
            self.store.set_modified(key, OLD)

    def fresh(self):
        content = f"{self.number}-{next(self.contents)}".encode()
        key = self.key()
        free = key not in {file.path for file, _ in self.rows.values()}
        return FileObject(None, "x", to_filename=key if free else None, content=content), content

    def act(self, session):
        row = session.get(Paper, self.chance.choice(list(self.rows))) if len(self.rows) > 1 else None
        act = self.chance.choice(["add", "replace", "same", "move", "drop"]) if row is not None else "add"
        if act == "same" and row.file is None:
            act = "move"
        gone = None
        if act == "add":
            file, content = self.fresh()
            row = Paper(file=file)
            session.add(row)
        elif act == "drop":
            gone = row.id
            session.delete(row)
        elif act == "move":  # from one column to the other
            row.file, row.files = (row.files[0], None) if row.file is None else (None, [row.file])
            content = self.rows[row.id][1]
        else:
            held = self.rows[row.id][0]
            file, content = self.fresh()
            if act == "same":
                file = FileObject(None, held.filename, to_filename=held.path, content=content)
            row.file, row.files = file, None
        session.commit()
        if gone is not None:
            del self.rows[gone]
        else:
            self.rows[row.id] = row.file or row.files[0], content
        for file, content in self.rows.values():
            assert file.get_content() == content, file
            for key in (file.path, file.staged):
                if key is not None:
                    self.age(key)


def test_a10_two_sweeps_and_eight_writers(engine, store):
    writers = [Writer(engine, store, number) for number in range(WRITERS)]
    done, reports, errors = threading.Event(), [], []

    def clean():
        try:
            while not done.is_set():
                reports.append(sweep(engine, claim="prefix", **SCOPE))
        except BaseException as error:
            errors.append(error)

    sweepers = [threading.Thread(target=clean) for _ in range(2)]
    for thread in (*sweepers, *(writer.thread for writer in writers)):
        thread.start()
    for writer in writers:
        writer.thread.join(300)
    done.set()
    for thread in sweepers:
        thread.join(300)
    assert errors == []
    assert [writer.error for writer in writers] == [None] * WRITERS
    assert sum(writer.acts for writer in writers) == WRITERS * ACTS
    assert [failure for report in reports for failure in report.failures] == []
    assert sum(len(report.deleted) for report in reports) > WRITERS
    assert [f for f in audit(engine, verify="checksum", **SCOPE) if f.kind in {"dangling", "mismatch"}] == []
    for writer in writers:
        for identity, (_, content) in writer.rows.items():
            with Session(engine) as session:
                row = session.get(Paper, identity)
                assert (row.file or row.files[0]).get_content() == content
    sweep(engine, claim="prefix", force=True, columns=SCOPE["columns"], grace=timedelta(0))
    held = {file.path for writer in writers for file, _ in writer.rows.values()}
    assert {key for key in keys_of(store) if not key.startswith(".holdall/")} == held
