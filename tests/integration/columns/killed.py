"""A program that works on rows and files until it is killed: ``python killed.py DATABASE DIRECTORY COLOUR``.

Each line that it reads has seeds, one for each process that is to be killed; it answers with how they ended.
"""

import asyncio
import os
import random
import signal
import sys

from sqlalchemy import create_engine, event, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdall import storages
from holdall.columns import FileObject, StoredObject
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.testing import CountingStore


class Base(DeclarativeBase):
    """Base of the model."""


class Row(Base):
    __tablename__ = "killed"

    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="killed"))


LEFT = [0]
"""Steps that the process has yet to live for."""


def step(*_):
    """Pass one point of the protocol; the last one is where the process is killed."""
    LEFT[0] -= 1
    if LEFT[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly(CountingStore):
    """A store each of whose calls is a step."""

    def _call(self, verb, key):
        step()
        return super()._call(verb, key)


def watched(engine):
    """Let each statement, and what comes right before and after COMMIT, be a step."""
    for name in ("before_cursor_execute", "after_cursor_execute", "commit", "rollback"):
        event.listen(engine, name, step)

    @event.listens_for(engine, "connect")
    def _connect(connection, _record):
        connection.execute("PRAGMA synchronous=OFF")  # processes are killed here, not machines

    return engine


def pieces(chance):
    """Yield content in pieces: the process may be killed in the middle of an upload."""
    for _ in range(3):
        step()
        yield os.urandom(chance.randint(0, 700))


def change(chance, session, rows):
    """Replace, drop and add files."""
    for row in rows:
        act = chance.choice(["replace", "same", "drop", "nothing"])
        if act == "drop":
            row.file = None
        elif act != "nothing":
            name = row.file.filename if act == "same" and row.file else f"{chance.randint(0, 5)}"
            content = pieces(chance) if chance.random() < 0.5 else os.urandom(chance.randint(0, 2000))
            row.file = FileObject(None, name, content=content)
    session.add(Row(file=FileObject(None, f"{chance.randint(0, 5)}", content=b"new")))


def work(database, chance):
    engine = watched(create_engine(f"sqlite:///{database}"))
    while True:
        with Session(engine) as session:
            change(chance, session, session.scalars(select(Row).limit(6)).all())
            session.flush()
            session.rollback() if chance.random() < 0.2 else session.commit()
            for row in session.scalars(select(Row).offset(5)).all():
                session.delete(row)
            session.commit()


async def work_async(database, chance):
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    watched(engine.sync_engine)
    while True:
        async with AsyncSession(engine) as session:
            change(chance, session, (await session.scalars(select(Row).limit(6))).all())
            await session.flush()
            await (session.rollback() if chance.random() < 0.2 else session.commit())
            for row in (await session.scalars(select(Row).offset(5))).all():
                await session.delete(row)
            await session.commit()


def warm_up():
    """Let mappers and statements be made before the first fork: each child would do it again."""
    LEFT[0] = 10**9
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with storages.override("killed", MemoryStore()), Session(engine) as session:
        for turn in range(8):
            change(random.Random(turn), session, session.scalars(select(Row).limit(6)).all())
            session.commit()
    engine.dispose()


def main(database, directory, colour):
    warm_up()
    for line in sys.stdin:
        for seed in map(int, line.split()):
            child = os.fork()  # of a process with one thread
            if child == 0:
                event.listen(Session, "after_commit", step)  # committed, and nothing finished yet
                chance = random.Random(seed)
                LEFT[0] = chance.randint(1, 70)
                storages.register_backend(Deadly(LocalStore(directory, create=True)), key="killed")
                if colour == "async":
                    asyncio.run(work_async(database, chance))
                work(database, chance)
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} ")
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
