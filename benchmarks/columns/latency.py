"""Files of rows on S3, each request 20 ms away: how long a commit of many takes, and the deletion of many.

``python -m benchmarks.columns.latency [--delay MS] [--rounds N] [--json]``. The server is `benchmarks.records.quick`, in a process of its own, and
waits before it answers; requests are counted. Goals, against advanced-alchemy on obstore in the same colour: 0.15x for 100 files in one commit,
0.05x for the deletion of 1,000 files. advanced-alchemy's tasks after an awaited ``commit()`` are awaited too. 1 KiB a file, SQLite in a file.
"""

import asyncio
import json
import os
import sys
import tempfile

from benchmarks import counting, measuring
from benchmarks.columns.faces import ADVANCED, Face, durable
from benchmarks.columns.rows import database
from benchmarks.records.quick import QuickS3

LIBRARIES = f"{ADVANCED} obstore", "holdall obstore", "holdall"
FEW, MANY = 100, 1000
COMMIT, FILL, DELETE = f"commit {FEW} files", f"commit {MANY} files", f"delete {MANY} files"
GOALS = {COMMIT: 0.15, DELETE: 0.05}
ROWS = [f"{colour}{act}" for colour in ("", "async ") for act in (COMMIT, FILL, DELETE)]
"""In this order: what is deleted was committed before."""


class RemoteFace(Face):
    """One library with a backend ``s3``."""

    def __init__(self, variant, root, url):
        self.options = {"region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
        self.url = url
        super().__init__(variant, root)

    def _own(self):
        from holdall.drivers.s3 import S3Store

        return {"s3": S3Store("bench", endpoint_url=self.url, **self.options)}

    def _obstore(self):
        if self.theirs:
            from advanced_alchemy.types.file_object.backends.obstore import ObstoreBackend
        else:
            from holdall.columns import ObstoreBackend
        http = {"client_options": {"allow_http": True}}
        return {"s3": ObstoreBackend(key="s3", fs="s3://bench/", endpoint=self.url, **self.options, **http)}


def rows_of(face, model, count):
    """Return new rows, each with a file of its own."""
    data = os.urandom(1024)
    return [model(file=face.FileObject(backend="s3", filename=os.urandom(8).hex(), content=data)) for _ in range(count)]


def blocking(face, model):
    """Return the acts in a blocking session."""
    session, made = face.session(database(face, model, "blocking.db")), []

    def commit(count):
        made[:] = rows_of(face, model, count)
        session.add_all(made)
        session.commit()

    def delete():
        for row in made:
            session.delete(row)
        session.commit()

    return {COMMIT: (lambda: commit(FEW), 1), FILL: (lambda: commit(MANY), 1), DELETE: (delete, 1)}


def awaited(face, model, runner):
    """Return the acts in a session to be awaited, and what ends it."""
    opened, made = face.session_async(database(face, model, "awaited.db")), []
    session = runner.run(opened.__aenter__())

    async def commit(count):
        made[:] = rows_of(face, model, count)
        session.add_all(made)
        await session.commit()
        await durable()

    async def delete():
        for row in made:
            await session.delete(row)
        await session.commit()
        await durable()

    acts = {COMMIT: lambda: commit(FEW), FILL: lambda: commit(MANY), DELETE: delete}
    ways = {f"async {name}": ((lambda act=act: runner.run(act())), 1) for name, act in acts.items()}
    return ways, lambda: runner.run(opened.__aexit__(None, None, None))


def work(variant, known):
    """Be the process of one library."""
    known = json.loads(known)
    face = RemoteFace(variant, known["root"], known["url"])
    model = face.model("s3")
    with asyncio.Runner() as runner:
        ways, end = awaited(face, model, runner)
        measuring.answer(blocking(face, model) | ways)
        end()


def main():
    asked = measuring.arguments(__doc__, delay=20)
    if asked.worker:
        work(*asked.worker)
        return
    with tempfile.TemporaryDirectory() as root, QuickS3() as server:
        known = {"root": root, "url": server.url}
        found = counting.count("benchmarks.columns.latency", LIBRARIES, ROWS, server, asked.rounds, (0, asked.delay), known)
    measuring.save("benchmarks.columns.latency", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        goal = GOALS.get(title.partition(",")[0].removeprefix("async ")) if title.endswith(f", {asked.delay} ms") else None
        counting.show(title + (f" (goal: {goal}x)" if goal else ""), rows)


if __name__ == "__main__":
    sys.exit(main())
