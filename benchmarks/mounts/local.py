"""Nodes on local disk: pathlib, holdall, genro-storage 0.4.4 and 0.8.4, fsspec.

``python -m benchmarks.mounts.local [--rounds N] [--json]``. Files lie in /dev/shm where there is one, so that what is measured is the
code above the disk. Paths and nodes are made once and asked again and again; "with making it" makes them each time, as programs do.
Writes of pathlib are atomic ones (a temporary name, then ``os.replace``), as holdall's are; "plain" is a bare ``write_bytes``.
Goals: 1 MiB within 5 % of pathlib, the rest within 2x, a listing (names, kinds, sizes and times) within 3x of ``os.scandir``; faster than genro-storage in every row.
"""

import os
import pathlib
import sys
import tempfile

from benchmarks import measuring, peers

peers.PEERS.setdefault("genro-storage-0.8.4", ["genro-storage==0.8.4"])
DEEP = "a/b/file"
SIZES = {"100 B": 100, "4 KiB": 4096, "1 MiB": 1 << 20}
CALLS = {
    "exists": 2000,
    "exists, with making it": 2000,
    "exists, not there": 2000,
    "exists, deep": 2000,
    "size": 2000,
    "stat": 2000,
    **{f"read {label}": 1000 if size < 1 << 20 else 20 for label, size in SIZES.items()},
    **{f"write {label}": 300 if size < 1 << 20 else 10 for label, size in SIZES.items()},
    "make": 5000,
    "child": 5000,
    "list 10,000": 1,
}


def paths(root):
    """Return the acts of pathlib."""

    def write(path, data):
        draft = path.with_name(f"{path.name}.tmp")
        draft.write_bytes(data)
        os.replace(draft, path)

    def make(name):
        return pathlib.Path(root, name)

    def listed():
        with os.scandir(os.path.join(root, "many")) as entries:  # with what a listing of ours says: sizes and times
            return sum(entry.stat(follow_symlinks=False).st_size == 0 for entry in entries)

    return make, {
        "exists": lambda path: path.exists(),
        "size": lambda path: path.stat().st_size,
        "stat": lambda path: path.stat(),
        "read": lambda path: path.read_bytes(),
        "write": write,
        "child": lambda path: path / "x",
        "list": listed,
    }


def plain(root):
    """Return the acts of pathlib that writes in place."""
    make, acts = paths(root)
    return make, {"write": lambda path, data: path.write_bytes(data)} | {"read": acts["read"]}


def holdall(root):
    """Return the acts of holdall."""
    from holdall import StorageManager

    storage = StorageManager({"m": {"type": "local", "path": root}})
    return lambda name: storage.node(f"m:{name}"), {
        "exists": lambda node: node.exists,
        "size": lambda node: node.size,
        "stat": lambda node: node.stat(),
        "read": lambda node: node.read_bytes(),
        "write": lambda node, data: node.write_bytes(data),
        "child": lambda node: node / "x",
        "list": lambda: sum(1 for _ in storage.node("m:many").iterdir()),
    }


def genro_storage(root, kind="type", path="path"):
    """Return the acts of genro-storage 0.4: state is a property."""
    from genro_storage import StorageManager

    storage = StorageManager()
    storage.configure([{"name": "m", kind: "local", path: root}])
    return lambda name: storage.node(f"m:{name}"), {
        "exists": lambda node: node.exists,
        "size": lambda node: node.size,
        "read": lambda node: node.read(mode="rb"),
        "write": lambda node, data: node.write(data, mode="wb"),
        "child": lambda node: node.child("x"),
        "list": lambda: len(storage.node("m:many").children()),
    }


def genro_storage_later(root):
    """Return the acts of genro-storage 0.8: state is a method."""
    make, acts = genro_storage(root, "protocol", "base_path")
    return make, acts | {
        "exists": lambda node: node.exists(),
        "size": lambda node: node.size(),
        "list": lambda: len(list(make("many").children())),
    }


def fsspec(root):
    """Return the acts of fsspec's local filesystem."""
    from fsspec.implementations.local import LocalFileSystem

    fs = LocalFileSystem()
    return lambda name: f"{root}/{name}", {
        "exists": fs.exists,
        "size": fs.size,
        "stat": fs.info,
        "read": fs.cat_file,
        "write": fs.pipe_file,
        "list": lambda: len(fs.ls(f"{root}/many")),
    }


LIBRARIES = {
    "pathlib": paths,
    "plain": plain,
    "holdall": holdall,
    "genro-storage": genro_storage,
    "genro-storage-0.8.4": genro_storage_later,
    "fsspec": fsspec,
}


def ways(library, root):
    """Return row -> (act, calls); what a library does not have is left out."""
    make, acts = LIBRARIES[library](root)
    found = {}
    there, deep, missing = make("4 KiB"), make(DEEP), make("nothing")
    if "exists" in acts:
        exists = acts["exists"]
        assert [bool(exists(place)) for place in (there, deep, missing)] == [True, True, False]
        found["exists"] = lambda: exists(there), 1
        found["exists, with making it"] = lambda: exists(make("4 KiB")), 1
        found["exists, not there"] = lambda: exists(missing), 1
        found["exists, deep"] = lambda: exists(deep), 1
        found["make"] = lambda: make("a/b/c.txt"), 1
    if "size" in acts:
        assert acts["size"](there) == 4096
        found["size"] = lambda: acts["size"](there), 1
    if "stat" in acts:
        found["stat"] = lambda: acts["stat"](there), 1
    for label, size in SIZES.items():
        place, data = make(label), os.urandom(size)
        assert len(acts["read"](place)) == size
        found[f"read {label}"] = (lambda place=place: acts["read"](place)), 1
        target = make(f"out {label} {library}")
        acts["write"](target, data)
        assert acts["read"](target) == data
        found[f"write {label}"] = (lambda target=target, data=data: acts["write"](target, data)), 1
    if "child" in acts:
        found["child"] = lambda: acts["child"](there), 1
    if "list" in acts:
        assert acts["list"]() == 10_000
        found["list 10,000"] = acts["list"], 1
    return found


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        measuring.answer(ways(*asked.worker))
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        top = pathlib.Path(root)
        (top / "many").mkdir()
        for number in range(10_000):
            (top / "many" / f"{number:05}").touch()
        (top / DEEP).parent.mkdir(parents=True)
        (top / DEEP).write_bytes(b"x")
        for label, size in SIZES.items():
            (top / label).write_bytes(os.urandom(size))
        found = measuring.alternate("benchmarks.mounts.local", LIBRARIES, CALLS, asked.rounds, root)
    measuring.save("benchmarks.mounts.local", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)
    print("\nby processor time: holdall in pathlib's, and genro-storage 0.4.4 and 0.8.4 in holdall's")
    for title, rows in found.items():
        ours = rows["holdall"]["cpu"]
        limit = rows["pathlib"]["cpu"] if "pathlib" in rows else float("nan")
        peer = [
            f"{rows[name]['cpu'] / ours:6.1f}x" if name in rows else "      -"
            for name in ("genro-storage", "genro-storage-0.8.4")
        ]
        print(f"  {title:26}{ours / limit:7.2f}x   {'  '.join(peer)}")


if __name__ == "__main__":
    sys.exit(main())
