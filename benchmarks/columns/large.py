"""One large file: saved from bytes, a path, an open file and an iterator, and read; time and growth of memory.

``python -m benchmarks.columns.large [--mib N] [--rounds N] [--json]``. Goals: at most 1.1x of the quicker of advanced-alchemy's two backends, SHA-256
included (it takes none); at most 24 MiB of memory in streams. What a backend of advanced-alchemy refuses is left out: fsspec takes bytes.
"""

import asyncio
import json
import os
import pathlib
import sys
import tempfile

from benchmarks import measuring
from benchmarks.columns.faces import ADVANCED, Face

PIECE = 1 << 20
SOURCES = {
    "bytes": lambda path: {"content": pathlib.Path(path).read_bytes()},
    "path": lambda path: {"source_path": pathlib.Path(path)},
    "file": lambda path: {"content": open(path, "rb")},  # noqa: SIM115 - the save reads it
    "iterator": lambda path: {"content": pieces(path)},
}


def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            yield piece


def made(face, place, what):
    return face.FileObject(backend="local", filename="large", **SOURCES[what](place["source"]))


def face_of(variant, place):
    """Return a face with a small file saved and read: imports are not what is measured."""
    face = Face(variant, tempfile.mkdtemp(dir=place["root"]))
    small = face.FileObject(backend="local", filename="small", content=b"x").save()
    small.get_content()
    return face


def saved(variant, what):
    def prepare(place):
        file = made(face_of(variant, place), place, what)
        return file.save

    return prepare


def saved_async(variant, what):
    def prepare(place):
        face, runner = face_of(variant, place), asyncio.Runner()
        runner.run(face.FileObject(backend="local", filename="small", content=b"x").save_async())
        file = made(face, place, what)
        return lambda: runner.run(file.save_async())

    return prepare


def read(variant, *, streamed):
    def prepare(place):
        face = face_of(variant, place)
        large = os.path.join(face.root, "large")
        os.link(place["source"], large)
        file = face.FileObject(backend="local", filename="large")
        if streamed:
            return lambda: sum(len(piece) for piece in file.stream())
        return file.get_content

    return prepare


PEERS = (f"{ADVANCED} fsspec", f"{ADVANCED} obstore")
VARIANTS = {
    **{f"{name}: {what}": saved(name, what) for name in (*PEERS, "holdall") for what in SOURCES},
    **{f"{name}: async {what}": saved_async(name, what) for name in (*PEERS, "holdall") for what in SOURCES},
    **{f"{name}: read": read(name, streamed=False) for name in (*PEERS, "holdall")},
    "holdall: stream": read("holdall", streamed=True),
}


def main():
    asked = measuring.arguments(__doc__, mib=64)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    rows = {
        f"{colour}save {asked.mib} MiB from {what}": (
            [f"{name}: {colour}{what}" for name in (*(PEERS if what == "bytes" else PEERS[1:]), "holdall")],
            1.1,
        )
        for colour in ("", "async ")
        for what in SOURCES
        if not (colour and what == "iterator")
    }
    rows[f"read {asked.mib} MiB"] = [*(f"{name}: read" for name in PEERS), "holdall: read", "holdall: stream"], 1.1
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        source = os.path.join(root, "source")
        with open(source, "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(asked.mib))
        place = os.path.join(root, "place.json")
        with open(place, "w", encoding="utf-8") as file:
            json.dump({"root": root, "source": source}, file)
        measuring.compare("benchmarks.columns.large", rows, place, asked.rounds, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
