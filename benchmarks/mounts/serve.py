"""Serving, zipping and digesting a large local file: a bare loop, holdall's nodes, genro-storage.

``python -m benchmarks.mounts.serve [--rounds N] [--mib N] [--json]``. The body goes nowhere: what is measured is what stands before the
server. Goals: first byte within 5 ms, 90 % of a bare read loop, 16 MiB of memory; zip and digest within 1.2x of `zipfile` and
`hashlib`, 32 MiB of memory.
"""

import asyncio
import hashlib
import json
import os
import pathlib
import sys
import tempfile
import zipfile

from benchmarks import measuring

PIECE = 256 * 1024


def pieces(root):
    with open(os.path.join(root, "large"), "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def node(root):
    from holdall import StorageManager

    return StorageManager({"m": {"type": "local", "path": root}}).node("m:large")


def drawn(chunks):
    for _ in chunks:
        pass


def request(body):
    return body({"REQUEST_METHOD": "GET"}, lambda *_: None)


def answered(place, *, whole=True):
    """Send the answer of ``serve_async`` nowhere; leave after the first piece unless the whole is wanted."""
    served = place.serve_async

    async def main():
        gone = asyncio.Event()

        async def send(message):
            if not whole and message.get("body"):
                gone.set()
                await asyncio.Event().wait()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        await served({"type": "http", "method": "GET", "headers": []}, receive, send)

    asyncio.run(main())


def genro(root):
    from genro_storage import StorageManager

    storage = StorageManager()
    storage.configure([{"name": "m", "type": "local", "path": root}])
    return storage.node("m:large")


def with_zipfile(root):
    with open(os.devnull, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.write(os.path.join(root, "large"))


def with_hashlib(root):
    with open(os.path.join(root, "large"), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def warmed(act):
    """Return the preparation of an act on a node, with small answers behind it: imports are not what is measured."""

    def prepare(place):
        here = node(place["root"])
        small = here.parent / "small"
        drawn(request(small.serve))
        drawn(small.iter_zip())
        answered(small)
        return lambda: act(here)

    return prepare


def genro_served(place):
    here = genro(place["root"])
    return lambda: drawn(request(here.serve))


VARIANTS = {
    "read: loop": lambda place: lambda: drawn(pieces(place["root"])),
    "holdall wsgi": warmed(lambda here: drawn(request(here.serve))),
    "holdall asgi": warmed(answered),
    "genro-storage: serve": genro_served,
    "read: first": lambda place: lambda: next(pieces(place["root"])),
    "holdall wsgi: first": warmed(lambda here: next(iter(request(here.serve)))),
    "holdall asgi: first": warmed(lambda here: answered(here, whole=False)),
    "zipfile": lambda place: lambda: with_zipfile(place["root"]),
    "holdall zip": warmed(lambda here: drawn(here.iter_zip(compression="store"))),
    "hashlib": lambda place: lambda: with_hashlib(place["root"]),
    "holdall checksum": warmed(lambda here: here.checksum()),
}
ROWS = {
    "serve": (["read: loop", "holdall wsgi", "holdall asgi", "genro-storage: serve"], 1.11),
    "first byte": (["read: first", "holdall wsgi: first", "holdall asgi: first"], None),
    "zip, stored": (["zipfile", "holdall zip"], 1.2),
    "sha256": (["hashlib", "holdall checksum"], 1.2),
}


def main():
    asked = measuring.arguments(__doc__, mib=1024)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        (pathlib.Path(root) / "small").write_bytes(b"x")
        with open(os.path.join(root, "large"), "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(asked.mib))
        place = os.path.join(root, "place.json")
        pathlib.Path(place).write_text(json.dumps({"root": root}))
        measuring.compare("benchmarks.mounts.serve", ROWS, place, asked.rounds, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
