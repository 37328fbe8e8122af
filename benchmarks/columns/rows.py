"""Rows with files: committed, replaced, deleted and loaded; and what hooks cost models without files.

``python -m benchmarks.columns.rows [--rows N] [--load N] [--rounds N] [--json]``. SQLite in a file, 1 KiB a file, one transaction. Async counts until
the bytes are in the store: advanced-alchemy leaves tasks behind `commit()`, they are awaited. Goals: at most 1.0x of advanced-alchemy
blocking, 0.6x async, 1.0x for loading, 1.03x of plain SQLAlchemy for a flush without files.
"""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile

from benchmarks import measuring
from benchmarks.columns.faces import ADVANCED, MEDIA, Face, durable

CONTESTANTS = (f"{ADVANCED} fsspec", f"{ADVANCED} obstore", "holdall", "holdall fsspec", "holdall obstore")
ACTS = ("commit", "replace", "delete")
WARM = 3
NINE = ("filename", "content_type", "size", "last_modified", "checksum", "etag", "version_id", "metadata", "backend")


def files(face, medium, count, label):
    data = os.urandom(1024)
    return [face.FileObject(backend=medium, filename=f"{label}-{at}", content=data) for at in range(count)]


def ready(face, medium, database):
    """Make the table and return the model."""
    from sqlalchemy import create_engine

    model = face.model(medium)
    engine = create_engine(f"sqlite:///{database}")
    model.metadata.create_all(engine)
    engine.dispose()
    return model


def changed(act, face, model, medium, session, rows, label):
    """Bring one change of many rows into a session; deleting is the caller's."""
    if act == "commit":
        session.add_all(model(file=file) for file in files(face, medium, len(rows), label))
        return
    for row, file in zip(rows, files(face, medium, len(rows), label), strict=True):
        row.file = file


def blocking(variant, act, medium):
    """Return the preparation of one act in a blocking session."""

    def prepare(place):
        root = tempfile.mkdtemp(dir=place["root"])
        face, database = Face(variant, root), os.path.join(root, "database")
        model = ready(face, medium, database)
        session = face.session(database)

        def rows(count, label):
            made = [model(file=file) for file in files(face, medium, count, label)]
            session.add_all(made)
            session.commit()
            return made

        def change(made, label):
            if act == "delete":
                for row in made:
                    session.delete(row)
            else:
                changed(act, face, model, medium, session, made, label)
            session.commit()

        change(rows(WARM, "warm"), "warmer")
        made = [None] * place["rows"] if act == "commit" else rows(place["rows"], "old")
        return lambda: change(made, "new")

    return prepare


def awaited(variant, act, medium):
    """Return the preparation of one act in a session to be awaited."""

    def prepare(place):
        root = tempfile.mkdtemp(dir=place["root"])
        face, database = Face(variant, root), os.path.join(root, "database")
        model, runner = ready(face, medium, database), asyncio.Runner()
        opened = face.session_async(database)
        session = runner.run(opened.__aenter__())

        async def rows(count, label):
            made = [model(file=file) for file in files(face, medium, count, label)]
            session.add_all(made)
            await session.commit()
            await durable()
            return made

        async def change(made, label):
            if act == "delete":
                for row in made:
                    await session.delete(row)
            else:
                changed(act, face, model, medium, session, made, label)
            await session.commit()
            await durable()

        async def warm():
            await change(await rows(WARM, "warm"), "warmer")
            return [None] * place["rows"] if act == "commit" else await rows(place["rows"], "old")

        made = runner.run(warm())

        def measured():
            runner.run(change(made, "new"))
            runner.run(opened.__aexit__(None, None, None))

        return measured

    return prepare


def loading(variant):
    """Return the preparation of loading many rows, from one database for all libraries."""

    def prepare(place):
        from sqlalchemy import select

        face = Face(variant, tempfile.mkdtemp(dir=place["root"]))
        model = face.model("memory")
        session = face.session(place["database"])
        session.scalars(select(model).limit(WARM)).all()
        session.expunge_all()

        def act():
            loaded = session.scalars(select(model)).all()
            assert sum(row.file.size for row in loaded) == 1024 * place["load"]

        return act

    return prepare


def plain(variant):
    """Return the preparation of a flush of rows that have no files, with a library's hooks or none."""

    def prepare(place):
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

        if variant != "plain":
            ready(Face(variant, root := tempfile.mkdtemp(dir=place["root"])), "memory", os.path.join(root, "database"))

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
        session.add(Word(text="warm"))
        session.flush()
        words = [Word(text=f"word {at}") for at in range(place["load"])]

        def act():
            session.add_all(words)
            session.flush()

        return act

    return prepare


VARIANTS = {
    **{
        f"{name}: {colour}{act}, {medium}": way(name, act, medium)
        for name in CONTESTANTS
        for act in ACTS
        for medium in MEDIA
        for colour, way in (("", blocking), ("async ", awaited))
    },
    **{f"{name}: load": loading(name) for name in CONTESTANTS},
    **{f"{name}: flush": plain(name) for name in ("plain", "holdall")},
}


def main():
    asked = measuring.arguments(__doc__, rows=1000, load=10_000)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    rows = {
        f"{colour}{act} {asked.rows} rows, {medium}": ([f"{name}: {colour}{act}, {medium}" for name in CONTESTANTS], goal)
        for colour, goal in (("", 1.0), ("async ", 0.6))
        for act in ACTS
        for medium in MEDIA
    }
    rows[f"load {asked.load} rows with a file"] = [f"{ADVANCED} fsspec: load", "holdall: load"], 1.0
    rows[f"flush {asked.load} rows without files"] = ["plain: flush", "holdall: flush"], 1.03
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        database = os.path.join(root, "load")
        document = dict.fromkeys(NINE) | {
            "content_type": "text/plain",
            "size": 1024,
            "metadata": {"a": 1},
            "backend": "memory",
        }
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, file JSON)")
            connection.executemany(
                "INSERT INTO documents (file) VALUES (?)",
                ((json.dumps(document | {"filename": f"{at}.txt"}),) for at in range(asked.load)),
            )
        connection.close()
        place = os.path.join(root, "place.json")
        with open(place, "w", encoding="utf-8") as file:
            json.dump({"root": root, "database": database, "rows": asked.rows, "load": asked.load}, file)
        measuring.compare("benchmarks.columns.rows", rows, place, asked.rounds, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
