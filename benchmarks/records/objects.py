"""Records on S3 behind a server that counts requests: a bare obstore loop at equal concurrency and holdall, both in both colours, dataknobs-data.

``python -m benchmarks.records.objects [--records N] [--delay MS] [--rounds N] [--rows WORDS] [--share N] [--instant 0] [--json]``. Once without a
delay, once with one per request (``--delay 0``: without alone; ``--instant 0``: with alone; both without a round that warms up). ``--rows`` are parts
of names, with commas between: ``--rows migrate``, ``--rows "search,count"``. Both databases have their defaults: holdall 32 requests at once, tags and a mirror in
a file, the peer 10 requests; the bare loop has 32. The server is `benchmarks.records.quick`; how many small PUTs a second it carries from a bare
loop is measured first, and printed. The peer takes long: it gets a tenth of the records (``--share``), and its seconds, requests and bytes are
scaled, which the table says; its memory is not. It counts as many records as the others do: copies of one, which the server makes. Rows follow each other:
what is created is read, searched and deleted, and each answer is checked before its time counts. ``cold`` is an empty mirror, ``unchanged``
asks the server what changed (``max_age=0``), ``fresh`` is the default. ``peak`` is by how much a process grew in the act, at most, with Python's
collector off; the acts' own values and ids were there before.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

from benchmarks import counting, measuring, peers
from benchmarks.records.quick import QuickS3

peers.PEERS.setdefault("dataknobs-data", ["dataknobs-data", "boto3"])
WORKERS = 32
POINTS = 50
"""Single calls of each verb in one measurement."""
ROWS = [
    *(f"{POINTS} x {verb}" for verb in ("create", "exists", "read", "update", "upsert", "delete")),
    "batch_create",
    "batch_read",
    "search, cold",
    "search, unchanged",
    "search, fresh",
    "search, fresh, equality, limit 10",
    "search, fresh, equality, one match",
    "count, first",
    "count, repeated",
    "stream, cold",
    "batch_delete",
    "migrate from SQLite",
    "migrate to SQLite",
]


def people(count):
    """Return plain values of the records."""
    return [{"n": n, "name": f"person {n}", "city": ("Ghent", "Oslo")[n % 2]} for n in range(count)]


class Bare:
    """What a loop over obstore does; it has no search but to read everything."""

    def __init__(self, known):
        import obstore
        from obstore.store import S3Store

        self.obstore = obstore
        self.store = S3Store(
            known["s3"]["bucket"],
            endpoint=known["s3"]["endpoint_url"],
            region=known["s3"]["region"],
            access_key_id=known["s3"]["access_key_id"],
            secret_access_key=known["s3"]["secret_access_key"],
            client_options={"allow_http": True},
        )
        self.pool = ThreadPoolExecutor(WORKERS)

    def record(self, values):
        return values

    def create(self, values):
        name = uuid.uuid4().hex
        self.obstore.put(self.store, f"bare/{name}.json", json.dumps(values).encode(), use_multipart=False)
        return name

    def update(self, name, values):
        self.obstore.put(self.store, f"bare/{name}.json", json.dumps(values).encode(), use_multipart=False)

    upsert = update

    def read(self, name):
        return json.loads(bytes(self.obstore.get(self.store, f"bare/{name}.json").bytes()))

    def number(self, values):
        return values["n"]

    def exists(self, name):
        self.obstore.head(self.store, f"bare/{name}.json")
        return True

    def delete(self, name):
        self.obstore.delete(self.store, f"bare/{name}.json")

    def create_many(self, records):
        return list(self.pool.map(self.create, records))

    def read_many(self, ids):
        return list(self.pool.map(self.read, ids))


class BareTasks(Bare):
    """The same loop, awaited: so many tasks that take from one iterator."""

    def __init__(self, known):
        super().__init__(known)
        self.runner = asyncio.Runner()

    async def put_async(self, values):
        name = uuid.uuid4().hex
        await self.obstore.put_async(self.store, f"bare/{name}.json", json.dumps(values).encode(), use_multipart=False)
        return name

    async def get_async(self, name):
        found = await self.obstore.get_async(self.store, f"bare/{name}.json")
        return json.loads(bytes(await found.bytes_async()))

    def create(self, values):
        return self.runner.run(self.put_async(values))

    def ask(self, verb, name, *more, **options):
        async def asked():
            return await getattr(self.obstore, f"{verb}_async")(self.store, f"bare/{name}.json", *more, **options)

        return self.runner.run(asked())

    def update(self, name, values):
        self.ask("put", name, json.dumps(values).encode(), use_multipart=False)

    upsert = update

    def read(self, name):
        return self.runner.run(self.get_async(name))

    def exists(self, name):
        self.ask("head", name)
        return True

    def delete(self, name):
        self.ask("delete", name)

    def create_many(self, records):
        return self.runner.run(together(self.put_async, records))

    def read_many(self, ids):
        return self.runner.run(together(self.get_async, ids))


async def together(call, items):
    """Return what a call returns for each of the items, so many at once."""
    numbered, answers = iter(enumerate(items)), [None] * len(items)

    async def work():
        for at, item in numbered:
            answers[at] = await call(item)

    await asyncio.gather(*[work() for _ in range(WORKERS)])
    return answers


class Holdall:
    """An S3Database."""

    def __init__(self, known):
        from holdall import records
        from holdall.records import Filter, Query, Record, S3Database

        self.records = records
        self.filter, self.query, self.record, self.type, self.known = Filter, Query, Record, S3Database, known
        self.prefix = f"{type(self).__name__.lower()}/"
        self.db = self.database()

    def database(self, prefix=None):
        return self.type.from_config(
            {**self.known["s3"], "prefix": prefix or self.prefix, "indexes": ["city"], "create_bucket": False}
        )

    def lite(self, path, values=()):
        """Return a database of SQLite that has these records."""
        made = self.records.SQLDatabase(f"sqlite:///{path}")
        made.batch_create(self.record(one) for one in values)
        return made

    def carry(self, source, target):
        """Migrate, and return how many records."""
        return self.records.migrate(source, target).written

    def fresh(self):
        """Be a database that knows nothing yet, with connections that are open: those of the others are, too."""
        self.db.mirror.drop()

    def close(self):
        """Let go of connections."""
        self.db.close()

    def create(self, record):
        return self.db.create(record)

    def update(self, name, record):
        return self.db.update(name, record)

    def upsert(self, name, record):
        return self.db.upsert(name, record)

    def read(self, name):
        return self.db.read(name)

    def number(self, record):
        return record["n"]

    def exists(self, name):
        return self.db.exists(name)

    def delete(self, name):
        return self.db.delete(name)

    def create_many(self, records):
        return self.db.batch_create(records)

    def read_many(self, ids):
        return self.db.batch_read(ids)

    def delete_many(self, ids):
        return self.db.batch_delete(ids)

    def search(self, **options):
        return len(list(self.db.search(self.filter("city", "=", "Ghent"), **options)))

    def narrow(self, field, value, limit):
        return len(list(self.db.search(self.query().filter(field, "=", value).limit(limit))))

    def count(self):
        return self.db.count()

    def stream(self):
        return sum(1 for _ in self.db.stream())


class Tasks(Holdall):
    """The same calls, awaited."""

    def __init__(self, known):
        self.runner = asyncio.Runner()
        super().__init__(known)

    def carry(self, source, target):
        return self.runner.run(self.records.migrate_async(source, target)).written

    def close(self):
        self.runner.run(self.db.close_async())
        self.runner.close()

    def create(self, record):
        return self.runner.run(self.db.create_async(record))

    def update(self, name, record):
        return self.runner.run(self.db.update_async(name, record))

    def upsert(self, name, record):
        return self.runner.run(self.db.upsert_async(name, record))

    def read(self, name):
        return self.runner.run(self.db.read_async(name))

    def exists(self, name):
        return self.runner.run(self.db.exists_async(name))

    def delete(self, name):
        return self.runner.run(self.db.delete_async(name))

    def create_many(self, records):
        return self.runner.run(self.db.batch_create_async(records))

    def read_many(self, ids):
        return self.runner.run(self.db.batch_read_async(ids))

    def delete_many(self, ids):
        return self.runner.run(self.db.batch_delete_async(ids))

    def search(self, **options):
        return len(list(self.runner.run(self.db.search_async(self.filter("city", "=", "Ghent"), **options))))

    def narrow(self, field, value, limit):
        return len(list(self.runner.run(self.db.search_async(self.query().filter(field, "=", value).limit(limit)))))

    def count(self):
        return self.runner.run(self.db.count_async())

    def stream(self):
        async def drawn():
            return sum([1 async for _ in self.db.stream_async()])

        return self.runner.run(drawn())


class Peer:
    """The blocking database of dataknobs-data."""

    def __init__(self, known):
        from dataknobs_data import Query, Record
        from dataknobs_data.backends.s3 import SyncS3Database

        self.s3, self.type = known["s3"], SyncS3Database
        self.query, self.record = Query, Record
        self.db = SyncS3Database({**known["s3"], "prefix": "peer/"})
        self.db.connect()
        self.create, self.update, self.upsert = self.db.create, self.db.update, self.db.upsert
        self.read, self.exists, self.delete = self.db.read, self.db.exists, self.db.delete
        self.create_many, self.read_many = self.db.create_batch, self.db.read_batch
        self.delete_many = self.db.delete_batch
        self.crowd, self.crowded = SyncS3Database({**known["s3"], "prefix": "crowd/"}), known["records"]
        self.crowd.connect()
        self.fill(known["s3"])
        self.count = self.crowd.count

    def fill(self, s3):
        """Have as many records to count as the others have."""
        (first,) = self.crowd.create_batch([self.record(people(1)[0])])
        make = f"{s3['endpoint_url']}/{s3['bucket']}/crowd/{first}.json?copies={self.crowded - 1}"
        urllib.request.urlopen(urllib.request.Request(make, method="POST")).close()

    def number(self, record):
        return record.get_value("n")

    def database(self, prefix):
        made = self.type({**self.s3, "prefix": prefix})
        made.connect()
        return made

    def lite(self, path, values=()):
        from dataknobs_data.backends.sqlite import SyncSQLiteDatabase

        made = SyncSQLiteDatabase({"path": path})
        made.connect()
        if values:
            made.create_batch([self.record(one) for one in values])
        return made

    def carry(self, source, target):
        from dataknobs_data.migration import Migrator

        return Migrator().migrate(source, target).succeeded

    def search(self):
        return len(self.db.search(self.query().filter("city", "=", "Ghent")))

    def stream(self):
        return sum(1 for _ in self.db.stream_read())


LIBRARIES = {"obstore": Bare, "obstore async": BareTasks, "holdall": Holdall, "holdall async": Tasks, "dataknobs-data": Peer}


def work(library, known):
    """Be the process of one library."""
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # where mirrors are, by default
    db = LIBRARIES[library](known)
    name = db.create(db.record({"n": 0}))  # what is loaded and found out once is no part of a row
    assert db.exists(name)
    assert db.read(name)
    db.update(name, db.record({"n": 1}))
    db.delete(name)
    values = people(known["records"] // (known["share"] if library == "dataknobs-data" else 1))
    measuring.answer(
        {row: (act, 1) for row, act in (points(db, people(POINTS)) | many(db, values) | moves(db, values)).items()}
    )


def points(db, values):
    """Return the acts that make single calls."""
    ids, records = [], [db.record(one) for one in values]

    def create():
        ids[:] = [db.create(record) for record in records]

    def exists():
        assert all(db.exists(name) for name in ids)

    def read():
        assert [db.number(db.read(name)) for name in ids] == list(range(POINTS))

    def update():
        for name, record in zip(ids, records, strict=True):
            db.update(name, record)

    def upsert():
        for name, record in zip(ids, records, strict=True):
            db.upsert(name, record)

    def delete():
        for name in ids:
            db.delete(name)

    return {f"{POINTS} x {act.__name__}": act for act in (create, exists, read, update, upsert, delete)}


def many(db, values):
    """Return the acts on many records."""
    ids, records, half = [], [db.record(one) for one in values], (len(values) + 1) // 2

    def create():
        ids[:] = db.create_many(records)
        assert len(set(ids)) == len(values)

    def read():
        assert [db.number(record) for record in db.read_many(ids)] == [one["n"] for one in values]

    def delete():
        assert all(db.delete_many(ids))

    def cold(act):
        def done():
            if hasattr(db, "fresh"):
                db.fresh()
            act()

        return done

    def search(**options):
        assert db.search(**options) == half

    def narrow(field, value, limit, there):
        assert db.narrow(field, value, limit) == there

    def count():
        assert db.count() == getattr(db, "crowded", len(values))

    def stream():
        assert db.stream() == len(values)

    acts = {"batch_create": create, "batch_read": read}
    if hasattr(db, "search"):
        acts |= {
            "search, cold": cold(search),
            "search, fresh": search,
            "count, first": cold(count),
            "count, repeated": count,
        }
        acts |= {"stream, cold": cold(stream), "batch_delete": delete}
    if hasattr(db, "narrow"):
        acts |= {
            "search, fresh, equality, limit 10": lambda: narrow("city", "Oslo", 10, min(10, len(values) // 2)),
            "search, fresh, equality, one match": lambda: narrow("n", len(values) - 1, 10, 1),
        }
    if hasattr(db, "search"):
        acts["search, unchanged"] = (lambda: search(max_age=0)) if hasattr(db, "fresh") else search
    return acts


def moves(db, values):
    """Return the acts that migrate: from a database that has all to a new one on the server, and from that to a new file."""
    if not hasattr(db, "carry"):
        return {}
    folder, made = tempfile.mkdtemp(), []
    source = db.lite(f"{folder}/all.db", values)

    def out():
        made.append(db.database(f"m{uuid.uuid4().hex}/"))
        assert db.carry(source, made[-1]) == len(values)

    def back():
        if hasattr(made[-1], "mirror"):
            made[-1].mirror.drop()
        assert db.carry(made[-1], db.lite(f"{folder}/{uuid.uuid4().hex}.db")) == len(values)

    return {"migrate from SQLite": out, "migrate to SQLite": back}


def carried(url, calls=4000):
    """Return how many small PUTs a second the server carries from a bare loop."""
    bare = Bare(
        {"s3": {"bucket": "b", "endpoint_url": url, "region": "us-east-1", "access_key_id": "k", "secret_access_key": "s"}}
    )
    values = people(calls)
    start = time.perf_counter()
    bare.create_many(values)
    return calls / (time.perf_counter() - start)


def scaled(found, share):
    """Count the peer's batches as if they had been as long as the others', under a name that says so."""
    for title, rows in found.items():
        if not title[0].isdigit() and not title.startswith("count") and "dataknobs-data" in rows:
            row = rows.pop("dataknobs-data")
            for what in ("seconds", "cpu", "requests", "up", "down", "ratio"):
                row[what] *= share
            rows[f"dataknobs, 1/{share} x{share}" if share > 1 else "dataknobs-data"] = row
    return found


def chosen(words):
    """Return the rows that are asked for, and the one that they build on."""
    asked = [row for row in ROWS if any(word.strip() in row for word in words.split(","))]
    alone = all(row[0].isdigit() or row.startswith("migrate") for row in asked)
    if "migrate to SQLite" in asked and "migrate from SQLite" not in asked:
        asked.insert(-1, "migrate from SQLite")
    return asked if alone or "batch_create" in asked else [row for row in ROWS if row in asked or row == "batch_create"]


def main():
    asked = measuring.arguments(__doc__, records=2000, delay=20, rows="", share=10, instant=1)
    if asked.worker:
        work(asked.worker[0], json.loads(asked.worker[1]))
        return
    with QuickS3() as server:
        speed = carried(server.url)
        known = {"s3": server.settings, "records": asked.records, "share": asked.share}
        delays = tuple(delay for delay in (0, asked.delay) if delay or asked.instant or not asked.delay)
        warm = len(set(delays)) > 1
        found = counting.count(
            "benchmarks.records.objects",
            LIBRARIES,
            chosen(asked.rows),
            server,
            asked.rounds,
            tuple(dict.fromkeys(delays)),
            known,
            warm=warm,
        )
    found = scaled(found, asked.share)
    about = {"records": asked.records, "puts a second of a bare loop": round(speed), "the peer's share": f"1/{asked.share}"}
    measuring.save("benchmarks.records.objects", about | found, as_json=asked.json)
    if not asked.json:
        print(about)
        for title, rows in found.items():
            counting.show(title, rows)


if __name__ == "__main__":
    sys.exit(main())
