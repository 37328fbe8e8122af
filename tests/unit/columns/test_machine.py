"""A05: random work on rows and files, against a model: after every outermost end the store holds exactly what rows refer to."""

import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from holdall import storages
from holdall.columns import FileObject
from holdall.drivers.memory import MemoryStore

from .conftest import Document, keys_of, tables

NAMES = st.sampled_from(["a.txt", "b.txt", "c/d.txt"])
PLACES = st.integers(0, 7)


class Rows(RuleBasedStateMachine):
    """Sessions on one database and one store; the model is the content of each attribute by row."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = MemoryStore()
        self.override = storages.override("uploads", self.store)
        self.override.__enter__()
        self.engine = create_engine(f"sqlite:///{self.folder.name}/rows.sqlite")
        tables(self.engine)
        self.session = Session(self.engine)
        self.savepoints = []
        self.number = 0
        self.ended = True

    def teardown(self):
        self.session.close()
        self.engine.dispose()
        self.override.__exit__(None, None, None)
        self.folder.cleanup()

    def fresh(self, name):
        self.number += 1
        self.ended = False
        return FileObject(None, name, content=f"content {self.number}".encode())

    def row(self, place):
        rows = self.session.scalars(select(Document).order_by(Document.id)).all()
        return rows[place % len(rows)] if rows else None

    @rule(name=NAMES, files=st.lists(NAMES, max_size=2))
    def add(self, name, files):
        self.session.add(Document(file=self.fresh(name), files=[self.fresh(file) for file in files]))

    @rule(place=PLACES, name=NAMES)
    def replace(self, place, name):
        if (row := self.row(place)) is not None:
            row.file = self.fresh(name)

    @rule(place=PLACES)
    def clear(self, place):
        if (row := self.row(place)) is not None:
            row.file = None
            self.ended = False

    @rule(place=PLACES)
    def delete(self, place):
        if (row := self.row(place)) is not None:
            self.session.delete(row)
            self.ended = False

    @rule(place=PLACES, other=PLACES)
    def swap(self, place, other):
        first, second = self.row(place), self.row(other)
        if first is not None and first is not second:
            first.file, second.file = second.file, first.file
            self.ended = False

    @rule(place=PLACES, other=PLACES)
    def share(self, place, other):
        first, second = self.row(place), self.row(other)
        if first is not None and second is not None:
            first.file = second.file
            self.ended = False

    @rule(place=PLACES, name=NAMES, act=st.sampled_from(["append", "pop", "reverse", "put", "move"]))
    def edit(self, place, name, act):
        row = self.row(place)
        if row is None:
            return
        self.ended = False
        files = row.files
        if files is None:
            row.files = [self.fresh(name)]
        elif act == "append":
            files.append(self.fresh(name))
        elif act == "reverse":
            files.reverse()
        elif files and act == "pop":
            files.pop()
        elif files and act == "put":
            files[0] = self.fresh(name)
        elif files and act == "move":
            row.file = files.pop()

    @rule()
    def flush(self):
        self.session.flush()

    @rule()
    def savepoint(self):
        self.savepoints.append(self.session.begin_nested())

    @precondition(lambda self: self.savepoints)
    @rule(release=st.booleans())
    def end_savepoint(self, release):
        savepoint = self.savepoints.pop()
        (savepoint.commit if release else savepoint.rollback)()

    @rule(end=st.sampled_from(["commit", "commit", "rollback", "close", "expire_all", "expunge_all"]))
    def end(self, end):
        if end.startswith("exp") and self.session.new:
            return
        if end.startswith("exp"):
            self.session.flush()
        getattr(self.session, end)()
        if not end.startswith("exp"):
            self.savepoints.clear()
            self.ended = True

    @invariant()
    def the_store_holds_what_rows_hold(self):
        with Session(self.engine) as other:
            held = []
            for row in other.scalars(select(Document)):
                for file in [row.file, *(row.files or [])]:
                    if file is not None:
                        held.append(file.path)
                        assert len(file.get_content()) == file.size
            if self.ended and not self.session.in_transaction():
                assert len(held) == len(set(held))
                assert keys_of(self.store) == sorted(held)


TestA05Rows = Rows.TestCase
TestA05Rows.settings = settings(max_examples=12, stateful_step_count=14, deadline=None, derandomize=True)
