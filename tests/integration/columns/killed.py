"""A program that works on rows and files until it is killed: ``python killed.py DATABASE DIRECTORY SEED...``."""

import os
import random
import signal
import sys

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdall import storages
from holdall.columns import FileObject, StoredObject
from holdall.drivers.local import LocalStore
from holdall.testing import CountingStore


class Base(DeclarativeBase):
    """Base of the model."""


class Row(Base):
    __tablename__ = "killed"

    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="killed"))


class Deadly(CountingStore):
    """A store whose n-th call is the last thing that the process does."""

    left = 0

    def _call(self, verb, key):
        Deadly.left -= 1
        if Deadly.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._call(verb, key)


def work(database: str, directory: str, seed: int) -> None:
    chance = random.Random(seed)
    Deadly.left = chance.randint(1, 12)
    storages.register_backend(Deadly(LocalStore(directory, create=True)), key="killed")
    engine = create_engine(f"sqlite:///{database}")
    while True:
        with Session(engine) as session:
            rows = session.scalars(select(Row)).all()
            for row in rows:
                act = chance.choice(["replace", "same", "drop", "nothing"])
                if act == "drop":
                    session.delete(row)
                elif act != "nothing":
                    name = row.file.filename if act == "same" and row.file else f"{chance.randint(0, 5)}"
                    row.file = FileObject(None, name, content=os.urandom(chance.randint(0, 2000)))
            session.add(Row(file=FileObject(None, f"{chance.randint(0, 5)}", content=b"new")))
            session.flush()
            if chance.random() < 0.2:
                session.rollback()
            else:
                session.commit()


if __name__ == "__main__":
    for number in map(int, sys.argv[3:]):
        child = os.fork()  # of a process with one thread
        if child == 0:
            work(sys.argv[1], sys.argv[2], number)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
