"""Rows with files: committed, replaced, deleted and loaded; and what hooks cost models without files.

``python -m benchmarks.columns.rows [--rows N] [--load N] [--rounds N] [--json]``. SQLite in a file, 1 KiB a file, one transaction. Async counts until
the bytes are in the store: advanced-alchemy leaves tasks behind `commit()`, they are awaited. Goals: at most 1.0x of advanced-alchemy
blocking, 0.6x async, 1.0x for loading, 1.03x of plain SQLAlchemy for a flush without files. Figures are of one row.
"""

import asyncio
import itertools
import json
import os
import sqlite3
import sys
import tempfile

from benchmarks import measuring
from benchmarks.columns.faces import ADVANCED, MEDIA, Face, durable

KINDS = ("fsspec", "obstore")
CONTESTANTS = (*(f"{ADVANCED} {kind}" for kind in KINDS), "holdall", *(f"holdall {kind}" for kind in KINDS))
ACTS = ("commit", "replace", "commit and delete")
NINE = ("filename", "content_type", "size", "last_modified", "checksum", "etag", "version_id", "metadata", "backend")
LOAD, FLUSH = "load rows with a file", "flush rows without files"
NUMBER = itertools.count()


def files(face, medium, count):
    data = os.urandom(1024)
    return [face.FileObject(backend=medium, filename=f"file-{next(NUMBER)}", content=data) for _ in range(count)]


def database(face, model, name):
    """Make the table and return the path of its database."""
    from sqlalchemy import create_engine

    path = os.path.join(face.root, name)
    engine = create_engine(f"sqlite:///{path}")
    model.metadata.create_all(engine)
    engine.dispose()
    return path


def blocking(face, model, medium, count):
    """Return the acts in a blocking session."""
    session = face.session(database(face, model, f"{medium}.db"))

    def commit():
        made = [model(file=file) for file in files(face, medium, count)]
        session.add_all(made)
        session.commit()
        return made

    kept = commit()

    def replace():
        for row, file in zip(kept, files(face, medium, count), strict=True):
            row.file = file
        session.commit()

    def delete():
        for row in commit():
            session.delete(row)
        session.commit()

    return {f"{act} rows, {medium}": (call, count) for act, call in zip(ACTS, (commit, replace, delete), strict=True)}


def awaited(face, model, medium, count, runner):
    """Return the acts in a session to be awaited."""
    opened = face.session_async(database(face, model, f"{medium}-async.db"))
    session = runner.run(opened.__aenter__())

    async def commit():
        made = [model(file=file) for file in files(face, medium, count)]
        session.add_all(made)
        await session.commit()
        await durable()
        return made

    kept = runner.run(commit())

    async def replace():
        for row, file in zip(kept, files(face, medium, count), strict=True):
            row.file = file
        await session.commit()
        await durable()

    async def delete():
        for row in await commit():
            await session.delete(row)
        await session.commit()
        await durable()

    acts = zip(ACTS, (commit, replace, delete), strict=True)
    ways = {f"async {act} rows, {medium}": ((lambda call=call: runner.run(call())), count) for act, call in acts}
    return ways, lambda: runner.run(opened.__aexit__(None, None, None))


def loading(face, model, path, count):
    """Return the loading of many rows, from one database for all libraries."""
    from sqlalchemy import select

    session = face.session(path)

    def load():
        session.expunge_all()
        assert sum(row.file.size for row in session.scalars(select(model))) == 1024 * count

    return {LOAD: (load, count)}


def flushing(count):
    """Return the flush of rows that have no files, with the hooks of whatever is loaded."""
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

    class Base(DeclarativeBase):
        pass

    class Word(Base):
        __tablename__ = "words"
        __annotations__ = {"id": Mapped[int], "text": Mapped[str]}
        id = mapped_column(primary_key=True)
        text = mapped_column()

    configure_mappers()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = Session(engine)

    def flush():
        session.add_all([Word(text=f"word {at}") for at in range(count)])
        session.flush()
        session.rollback()

    return {FLUSH: (flush, count)}


def work(variant, root, path, rows, load):
    """Be the process of one library."""
    rows, load = int(rows), int(load)
    if variant == "plain":
        measuring.answer(flushing(load))
        return
    face, ways, ends = Face(variant, root), {}, []
    with asyncio.Runner() as runner:
        for medium in MEDIA:
            model = face.model(medium)
            ways |= blocking(face, model, medium, rows)
            acts, end = awaited(face, model, medium, rows, runner)
            ways |= acts
            ends.append(end)
        ways |= loading(face, face.model("memory"), path, load)
        if variant == "holdall":
            ways |= flushing(load)
        measuring.answer(ways)
        for end in ends:
            end()


def filled(path, count):
    """Make a database with rows as both libraries write them."""
    document = dict.fromkeys(NINE) | {"content_type": "text/plain", "size": 1024, "metadata": {"a": 1}, "backend": "memory"}
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, file JSON)")
        connection.executemany(
            "INSERT INTO documents (file) VALUES (?)",
            ((json.dumps(document | {"filename": f"{at}.txt"}),) for at in range(count)),
        )
    connection.close()


def main():
    asked = measuring.arguments(__doc__, rows=1000, load=10_000)
    if asked.worker:
        work(*asked.worker)
        return
    calls = {f"{colour}{act} rows, {medium}": asked.rows for colour in ("", "async ") for act in ACTS for medium in MEDIA}
    calls |= {LOAD: asked.load, FLUSH: asked.load}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        path = os.path.join(root, "load.db")
        filled(path, asked.load)
        found = measuring.alternate(
            "benchmarks.columns.rows",
            ("plain", *CONTESTANTS),
            calls,
            asked.rounds,
            root,
            path,
            str(asked.rows),
            str(asked.load),
        )
    measuring.save("benchmarks.columns.rows", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)
    print(
        "\nby processor time: holdall in advanced-alchemy's, on fsspec and on obstore; on its own drivers in the quicker of the two"
    )
    for title, rows in found.items():
        cpu = {name: row["cpu"] for name, row in rows.items()}
        peers = [value for name, value in cpu.items() if name.startswith(ADVANCED)]
        pairs = [cpu[f"holdall {kind}"] / cpu[f"{ADVANCED} {kind}"] for kind in KINDS if f"{ADVANCED} {kind}" in cpu]
        if peers:
            ratios = "".join(f"{ratio:8.2f}x" for ratio in (*pairs, cpu["holdall"] / min(peers)))
            print(f"  {title:36}{ratios}   goal: {0.6 if title.startswith('async') else 1.0}x")
    print(
        f"  {FLUSH}: {found[FLUSH]['holdall']['cpu'] / found[FLUSH]['plain']['cpu']:.2f}x of plain SQLAlchemy   goal: 1.03x"
    )


if __name__ == "__main__":
    sys.exit(main())
