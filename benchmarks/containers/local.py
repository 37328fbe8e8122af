"""Nested data in local files: holdall.containers, msglc (both writers), msgpack, msgspec, ormsgpack, Parquet, SQLite, HDF5, zarr.

``python -m benchmarks.containers.local [--local N] [--rounds N] [--json]``. Each library keeps its own files and takes turns with the
others; each answer is compared with the document before its time counts. Files lie in /dev/shm where there is one. Documents:
a lists of floats, b records, a map of texts in order or shuffled, d an irregular tree, e a stream of texts, array of float64.
They are the full ones unless ``--local`` says so many percent: what an archive costs by itself would count for more than it does.
"""

import contextlib
import itertools
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring, peers
from benchmarks.containers import data

peers.PEERS.setdefault("msglc", ["msglc", "s3fs"])
peers.PEERS.setdefault("zarr", ["zarr"])
NAMES = ("a", "b", "sorted", "shuffled", "d")
READS = 1000
TINY = {"id": 7, "name": "seven", "tags": ["a", "b"]}


class Packed:
    """An encoder that writes and decodes whole documents."""

    def __init__(self, pack, unpack):
        self.pack, self.unpack = pack, unpack

    def write(self, path, value):
        path.write_bytes(self.pack(value))

    def stream(self, path, items):
        with open(path, "wb") as file:
            file.writelines(self.pack(item) for item in items)

    def full(self, path):
        return self.unpack(path.read_bytes())

    def tiny(self):
        return self.unpack(self.pack(TINY))


def msgpack():
    import msgpack

    return Packed(msgpack.packb, msgpack.unpackb)


def msgspec():
    import msgspec

    return Packed(msgspec.msgpack.encode, msgspec.msgpack.decode)


def ormsgpack():
    import ormsgpack

    return Packed(ormsgpack.packb, ormsgpack.unpackb)


class Holdall:
    """Archives of holdall."""

    def __init__(self):
        from holdall import containers

        self.module = containers

    def write(self, path, value):
        self.module.dump(path, value)

    def stream(self, path, items):
        self.module.dump(path, self.module.stream_list(items))

    def full(self, path):
        return self.module.load(path)

    def tiny(self):
        return self.module.loads(self.module.dumps(TINY))

    def opened(self, path):
        return self.module.LazyReader(path, cached=False).open()

    def leaf(self, reader, path):
        return reader.read(path)


class Stock:
    """Archives of msglc."""

    def __init__(self, backend="python"):
        import msglc

        self.module, self.backend = msglc, backend

    def write(self, path, value):
        self.module.dump(str(path), value, backend=self.backend)

    def full(self, path):
        with self.module.LazyReader(str(path)) as reader:
            return reader.to_obj()

    def tiny(self):
        from io import BytesIO

        place = BytesIO()
        self.module.dump(place, TINY)
        place.seek(0)
        return self.module.LazyReader(place).to_obj()

    def opened(self, path):
        reader = self.module.LazyReader(str(path), cached=False)
        reader.__enter__()
        return reader

    def leaf(self, reader, path):
        return reader.read(path)


CODECS = {
    "msgpack": msgpack,
    "msgspec": msgspec,
    "ormsgpack": ormsgpack,
    "holdall": Holdall,
    "msglc": Stock,
    "msglc rust": lambda: Stock("rust"),
}


def documents(library, place, percent):
    """Return the rows of a library of documents."""
    codec, found = CODECS[library](), {}
    for name in NAMES:
        value, path = data.document(name, percent), place / f"{library}.{name}"
        codec.write(path, value)
        assert codec.full(path) == value, (library, name)
        found[f"write {name}"] = (lambda path=path, value=value: codec.write(path, value)), 1
        if library != "msglc rust":  # they have one reader
            found[f"full read {name}"] = (lambda path=path: codec.full(path)), 1
        if not hasattr(codec, "opened") or library == "msglc rust":
            continue
        wanted = data.paths(name, value, READS)
        expected = [data.at(value, one) for one in wanted]
        found[f"{READS} leaves {name}"] = leaves(codec, path, wanted, expected), READS
        found[f"open {name}, one leaf"] = opening(codec, path, wanted[0], expected[0]), 1
        if name == "b":
            found[f"{READS} leaves b, with open"] = leaves(codec, path, wanted, expected, fresh=True), READS
    if hasattr(codec, "stream"):
        items = data.size("e", percent)
        found["write e"] = (lambda: codec.stream(place / f"{library}.e", (data.TEXT for _ in range(items)))), 1
    else:  # there is no stream: an iterator is collected by it, or by the caller
        items = [data.TEXT] * data.size("e", percent)
        found["write e"] = (lambda: codec.write(place / f"{library}.e", items)), 1
    if library != "msglc rust":
        assert codec.tiny() == TINY
        found["a document of 30 bytes, there and back"] = codec.tiny, 1
    if library == "holdall":
        found |= tables(codec, place / "holdall.b", data.document("b", percent))
    return found


def tables(codec, path, rows):
    """Return the rows of what tables are for: a column, a filter, one record by its key, one record changed."""
    last = len(rows) - 1
    changed = path.with_name("holdall.b.changed")

    def find():
        (found,) = [row for row in codec.module.LazyReader(path, cached=False) if row["name"] == f"name-{last}"]
        assert found == rows[last]

    def change():
        found = codec.full(path)
        found[last]["x"] = -1.0
        codec.write(changed, found)

    return {
        "column of b": (lambda: [row["x"] for row in codec.full(path)], 1),
        "filter of b": (lambda: [row for row in codec.full(path) if row["tag"] == "b" and row["x"] < 100], 1),
        "find one of b": (find, 1),
        "change one of b": (change, 1),
    }


def opening(codec, path, where, expected):
    """Return the act that opens an archive and reads one leaf."""

    def act():
        reader = codec.opened(path)
        assert codec.leaf(reader, where) == expected
        reader.__exit__(None, None, None)

    return act


def leaves(codec, path, wanted, expected, *, fresh=False):
    """Return the act that reads many leaves, one after the other, of a reader that is open already, or of a fresh one."""
    kept = None if fresh else codec.opened(path)

    def act():
        reader = codec.opened(path) if kept is None else kept
        assert [codec.leaf(reader, where) for where in wanted] == expected
        if kept is None:
            reader.__exit__(None, None, None)

    return act


def parquet(library, place, percent):
    """Return the rows of Parquet: records, and one field of all of them."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    value, path = data.document("b", percent), place / f"{library}.b"

    def write():
        pq.write_table(pa.Table.from_pylist(value), path)

    def column():
        return pq.read_table(path, columns=["x"])["x"].to_pylist()

    def some():
        return pq.read_table(path, filters=[("tag", "==", "b"), ("x", "<", 100)]).to_pylist()

    write()
    assert pq.read_table(path).to_pylist() == value
    assert some() == [row for row in value if row["tag"] == "b" and row["x"] < 100]
    return {
        "write b": (write, 1),
        "full read b": (lambda: pq.read_table(path).to_pylist(), 1),
        "column of b": (column, 1),
        "filter of b": (some, 1),
    }


def sqlite(library, place, percent):
    """Return the rows of SQLite: records in a table with an index."""
    import sqlite3

    value, path = data.document("b", percent), place / f"{library}.b"
    last = len(value) - 1

    def write():
        path.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, x REAL, name TEXT, ok INTEGER, tag TEXT)")
            base.executemany("INSERT INTO b VALUES (:id, :x, :name, :ok, :tag)", value)
            base.execute("CREATE INDEX names ON b (name)")
            base.commit()

    def find():
        with contextlib.closing(sqlite3.connect(path)) as base:
            assert base.execute("SELECT id FROM b WHERE name = ?", (f"name-{last}",)).fetchall() == [(last,)]

    def change():
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.execute("UPDATE b SET x = -1.0 WHERE id = ?", (last,))
            base.commit()

    write()
    return {"write b": (write, 1), "find one of b": (find, 1), "change one of b": (change, 1)}


def arrays(library, place, percent):
    """Return the rows of an array: writing, 1,000 single numbers, a column, all of it."""
    import numpy as np

    values = np.random.default_rng(7).random((50 * percent, 5000))
    path = place / f"{library}.array"
    chance = np.random.default_rng(11)
    spots = [(int(chance.integers(len(values))), int(chance.integers(5000))) for _ in range(READS)]
    write, opened = ARRAYS[library](path, values)
    write()
    array = opened()
    assert np.array_equal(array[:, 7], values[:, 7])
    assert np.array_equal(array[...], values)

    def numbers():
        assert all(array[i, j] == values[i, j] for i, j in spots)

    return {
        "write array": (write, 1),
        f"{READS} numbers of array": (numbers, READS),
        "column of array": (lambda: array[:, 7], 1),
        "full read array": (lambda: opened()[...], 1),
    }


def with_holdall(path, values):
    from holdall.containers import LazyReader, dump

    return (lambda: dump(path, values)), (lambda: LazyReader(path, cached=False).root)


def with_h5py(path, values, **chunks):
    import h5py

    places = itertools.chain([path], itertools.repeat(path.with_name(f"{path.name}.again")))  # the first is kept open

    def write():
        with h5py.File(next(places), "w") as file:
            file.create_dataset("d", data=values, **chunks)

    return write, lambda: h5py.File(path, "r")["d"]


def with_zarr(path, values):
    import zarr

    def write():
        zarr.create_array(
            store=str(path), data=values, chunks=(50, 500), shards=(len(values), 5000), overwrite=True, zarr_format=3
        )

    return write, lambda: zarr.open_array(store=str(path), mode="r")


TABLES = {"parquet": parquet, "sqlite": sqlite}
ARRAYS = {
    "h5py": with_h5py,
    "h5py chunked": lambda path, values: with_h5py(path, values, chunks=(10, 500), compression="gzip", compression_opts=1),
    "holdall": with_holdall,
    "zarr": with_zarr,
}


def work(library, place, percent):
    """Be the process of one library."""
    place, percent, found = Path(place), int(percent), {}
    if library in CODECS:
        found |= documents(library, place, percent)
    if library in ARRAYS:
        found |= arrays(library, place, percent)
    if library in TABLES:
        found |= TABLES[library](library, place, percent)
    measuring.answer(found)


def sizes(place):
    """Return dataset -> library -> bytes of its file, and how much that is above plain msgpack."""
    found = {}
    for path in sorted(path for path in place.iterdir() if path.name.count(".") == 1):  # what was written first
        library, dataset = path.name.split(".")
        total = (
            path.stat().st_size if path.is_file() else sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        )
        found.setdefault(dataset, {})[library] = total
    return found


def rows():
    """Return the rows in order, with the calls that a measurement asks for."""
    each = [f"{act} {name}" for act in ("write", "full read") for name in (*NAMES, "array")]
    leaf = ["write e", "column of b", "filter of b", "column of array", "find one of b", "change one of b"]
    some = dict.fromkeys((f"open {name}, one leaf" for name in NAMES), 100)
    many = [f"{READS} leaves {name}" for name in NAMES] + [f"{READS} leaves b, with open", f"{READS} numbers of array"]
    return (
        dict.fromkeys(each, 1)
        | some
        | dict.fromkeys(leaf, 1)
        | dict.fromkeys(many, READS)
        | {"a document of 30 bytes, there and back": 500}
    )


def main():
    asked = measuring.arguments(__doc__, percent=20, local=100)
    if asked.worker:
        work(*asked.worker)
        return
    names = list(dict.fromkeys([*CODECS, *TABLES, *ARRAYS]))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        found = measuring.alternate("benchmarks.containers.local", names, rows(), asked.rounds, root, str(asked.local))
        large = sizes(Path(root))
    measuring.save("benchmarks.containers.local", {"percent": asked.local, "sizes": large} | found, as_json=asked.json)
    if asked.json:
        return
    for title, of in found.items():
        measuring.show_calls(title, of)
    print("\nsizes, and what is above plain msgpack (arrays: above the first)")
    for dataset, of in large.items():
        limit = of.get("msgpack") or next(iter(of.values()))
        print(f"  {dataset:10}" + ", ".join(f"{name} {total:,} ({total / limit - 1:+.2%})" for name, total in of.items()))


if __name__ == "__main__":
    sys.exit(main())
