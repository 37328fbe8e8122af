"""Files by themselves, without a row: saved, read and deleted, built and rebuilt; advanced-alchemy and holdall on the same backends.

``python -m benchmarks.columns.files [--rounds N] [--json]``. Goals, against advanced-alchemy on the same backend: save, get and delete of
1 KiB at most 1.0x blocking, save 0.6x and get 0.7x async; construct, dump and rebuild at most 1.0x. holdall takes a SHA-256 of what it
saves, advanced-alchemy none.
"""

import asyncio
import os
import sys
import tempfile

from benchmarks import measuring
from benchmarks.columns.faces import ADVANCED, MEDIA, Face

KINDS = ("fsspec", "obstore")
LIBRARIES = (*(f"{ADVANCED} {kind}" for kind in KINDS), *(f"holdall {kind}" for kind in KINDS), "holdall")
ACTS = ("save", "get", "save and delete")
AT_ONCE = 20
"""Awaited calls come by this many, one after the other, in one run of the loop: entering it is not what is measured."""
GOALS = {"async save": 0.6, "async get": 0.7}
ROWS = {
    **{f"{act} 1 KiB, {medium}": 300 for medium in MEDIA for act in ACTS},
    **{f"async {act} 1 KiB, {medium}": 300 for medium in MEDIA for act in ACTS},
    "construct": 3000,
    "to_dict": 3000,
    "rebuild": 3000,
}


def work(variant, root):
    """Be the process of one library."""
    face = Face(variant, root)
    make, data = face.FileObject, os.urandom(1024)
    with asyncio.Runner() as runner:

        def awaited(call):
            async def many():
                for _ in range(AT_ONCE):
                    await call()

            return (lambda: runner.run(many())), AT_ONCE

        ways = {}
        for medium in MEDIA:

            def save(medium=medium):
                return make(backend=medium, filename="saved", content=data).save()

            def both(medium=medium):
                make(backend=medium, filename="short", content=data).save().delete()

            async def save_async(medium=medium):
                return await make(backend=medium, filename="saved", content=data).save_async()

            async def both_async(medium=medium):
                await (await make(backend=medium, filename="short", content=data).save_async()).delete_async()

            stored = save()
            assert stored.get_content() == data
            assert runner.run(stored.get_content_async()) == data
            ways[f"save 1 KiB, {medium}"] = save, 1
            ways[f"get 1 KiB, {medium}"] = stored.get_content, 1
            ways[f"save and delete 1 KiB, {medium}"] = both, 1
            ways[f"async save 1 KiB, {medium}"] = awaited(save_async)
            ways[f"async get 1 KiB, {medium}"] = awaited(stored.get_content_async)
            ways[f"async save and delete 1 KiB, {medium}"] = awaited(both_async)
        document = stored.to_dict()
        ways["construct"] = (lambda: make(backend="memory", filename="a.txt", metadata={"a": 1})), 1
        ways["to_dict"] = stored.to_dict, 1
        ways["rebuild"] = (lambda: make(**document)), 1
        measuring.answer(ways)


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        work(*asked.worker)
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        found = measuring.alternate("benchmarks.columns.files", LIBRARIES, ROWS, asked.rounds, root)
    measuring.save("benchmarks.columns.files", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)
    print(
        "\nby processor time: holdall in advanced-alchemy's, on fsspec and on obstore; on its own drivers in the quicker of the two"
    )
    for title, rows in found.items():
        cpu = {name: row["cpu"] for name, row in rows.items()}
        pairs = [cpu[f"holdall {kind}"] / cpu[f"{ADVANCED} {kind}"] for kind in KINDS if f"{ADVANCED} {kind}" in cpu]
        peers = [value for name, value in cpu.items() if name.startswith(ADVANCED)]
        own = [cpu["holdall"] / min(peers)] if peers else []
        goal = next((value for start, value in GOALS.items() if title.startswith(start + " 1")), 1.0)
        print(f"  {title:36}{''.join(f'{ratio:8.2f}x' for ratio in (*pairs, *own))}   goal: {goal}x")


if __name__ == "__main__":
    sys.exit(main())
