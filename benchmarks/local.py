"""The local driver against plain ``open`` and ``os`` calls: interleaved in one run, ratios.

``python -m benchmarks.local [directory ...] [--rounds N] [--json]``; the directories default to that of temporary files and, where
there is one, the tmpfs at /dev/shm. Results are checked outside the timing. Each ratio is given twice, by the clock and by processor
time: the second one holds on a busy machine too, the first one knows of waiting for a disk.
"""

import argparse
import asyncio
import gc
import itertools
import os
import pathlib
import shutil
import statistics
import tempfile
import time

from benchmarks import measuring
from holdall.drivers.local import LocalStore

SMALL, MIB, LARGE = 4096, 1 << 20, 64 << 20
GOALS = {"get 4 KiB": 1.15, "put new 4 KiB": 1.1, "head": 1.2}


def measure(ways, rounds, repeat):
    """Return the median seconds and the least processor seconds per call of each way; rounds of all ways alternate."""
    times = {name: [] for name in ways}
    for call in ways.values():
        call()
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            names = list(ways)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                call = ways[name]
                start, worked = time.perf_counter(), time.process_time()
                for _ in range(repeat):
                    call()
                times[name].append(((time.perf_counter() - start) / repeat, (time.process_time() - worked) / repeat))
    finally:
        gc.enable()
    # What other processes do makes a call dearer, never cheaper: the least processor time says most of the code itself.
    return {
        name: [statistics.median(wall for wall, _ in values), min(work for _, work in values)]
        for name, values in times.items()
    }


def reading(root, store):
    """Yield (row, ways, repeat) of reads."""
    for label, key, size, repeat in (
        ("4 KiB", "a/b/small", SMALL, 200),
        ("1 MiB", "a/b/mib", MIB, 10),
        ("64 MiB", "large", LARGE, 1),
    ):
        data = os.urandom(size)
        store.put(key, data)
        path = os.path.join(root, key)

        def plain(path=path):
            with open(path, "rb") as file:
                return file.read()

        ways = {
            "open().read()": plain,
            "Path.read_bytes": pathlib.Path(path).read_bytes,
            "Path(root, key).read_bytes": lambda key=key: pathlib.Path(root, key).read_bytes(),
            "holdall": lambda key=key: store.get(key).bytes(),
        }
        assert all(way() == data for way in ways.values())
        yield f"get {label}", ways, repeat
    path = os.path.join(root, "a/b/small")

    async def many(call):
        for _ in range(20):
            await call()

    def read_path():
        with open(path, "rb") as file:
            return file.read()

    async def in_thread():
        return await asyncio.to_thread(read_path)

    async def ours():
        return await (await store.get_async("a/b/small")).bytes_async()

    runner = asyncio.Runner()
    yield (
        "20 x get_async 4 KiB",
        {"to_thread(open)": lambda: runner.run(many(in_thread)), "holdall": lambda: runner.run(many(ours))},
        1,
    )
    runner.close()
    yield (
        "1,000 ranges of 1 MiB",
        {"pread": lambda: pread(os.path.join(root, "a/b/mib")), "holdall": lambda: store.get_ranges("a/b/mib", RANGES)},
        1,
    )


RANGES = [(i * 1000, i * 1000 + 200) for i in range(1000)]


def pread(path):
    """Read many ranges by hand."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return [os.pread(fd, end - start, start) for start, end in RANGES]
    finally:
        os.close(fd)


def writing(root, store):
    """Yield (row, ways, repeat) of writes: a file of its own each time, or one file over and over."""
    number = itertools.count()
    for label, data, repeat in (("4 KiB", os.urandom(SMALL), 100), ("1 MiB", os.urandom(MIB), 5)):
        for kind in ("new", "over"):
            folder = os.path.join(root, "w")
            os.makedirs(folder, exist_ok=True)

            def name(kind=kind):
                return f"{next(number) if kind == 'new' else 0}"

            def by_hand(data=data, folder=folder, name=name):
                path = f"{folder}/h{name()}"
                with open(f"{path}.tmp", "wb") as file:
                    file.write(data)
                os.replace(f"{path}.tmp", path)

            def by_pathlib(data=data, folder=folder, name=name):
                path = pathlib.Path(f"{folder}/p{name()}")
                temporary = path.with_suffix(".tmp")
                temporary.write_bytes(data)
                os.replace(temporary, path)

            ways = {
                "open + os.replace": by_hand,
                "pathlib + os.replace": by_pathlib,
                "holdall": lambda data=data, name=name: store.put(f"w/s{name()}", data),
            }
            yield f"put {kind} {label}", ways, repeat
            shutil.rmtree(folder)


def looking(root, store):
    """Yield (row, ways, repeat) of everything else."""
    path = os.path.join(root, "a/b/small")
    yield (
        "head",
        {
            "os.stat": lambda: os.stat(path),
            "Path(...).exists()": lambda: pathlib.Path(path).exists(),
            "holdall": lambda: store.head("a/b/small"),
        },
        200,
    )

    def missing():
        try:
            store.head("a/b/none")
        except FileNotFoundError:
            return False
        return True

    yield "head of nothing", {"Path(...).exists()": lambda: pathlib.Path(f"{path}x").exists(), "holdall": missing}, 200
    for i in range(2000):
        store.put(f"many/{i // 100:02}/{i:04}", b"")
    many = os.path.join(root, "many")

    def walk():
        return sum(os.stat(os.path.join(at, name)).st_size >= 0 for at, _, names in os.walk(many) for name in names)

    def listed():
        return sum(len(page.objects) for page in store.list("many/"))

    assert walk() == listed() == 2000
    yield "list 2,000", {"os.walk + os.stat": walk, "holdall": listed}, 1
    number = itertools.count()

    def copy_by_hand():
        target = os.path.join(root, f"c{next(number) % 2}")
        shutil.copyfile(os.path.join(root, "large"), f"{target}.tmp")
        os.replace(f"{target}.tmp", target)

    yield "copy 64 MiB", {"shutil.copyfile": copy_by_hand, "holdall": lambda: store.copy("large", f"s{next(number) % 2}")}, 1

    def unlink():
        name = os.path.join(root, f"w/u{next(number)}")
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        os.unlink(name)

    def delete():
        name = f"u{next(number)}"
        os.close(os.open(os.path.join(root, "w", name), os.O_CREAT | os.O_WRONLY))
        store.delete(f"w/{name}")

    os.makedirs(os.path.join(root, "w"), exist_ok=True)
    yield "create by hand, delete", {"os.unlink": unlink, "holdall": delete}, 100


def run(directory, rounds):
    """Measure below one directory; return the rows."""
    rows = {}
    root = tempfile.mkdtemp(dir=directory, prefix="holdall-bench-")
    try:
        with LocalStore(root) as store:
            for row, ways, repeat in itertools.chain(reading(root, store), writing(root, store), looking(root, store)):
                rows[row] = measure(ways, rounds if repeat > 1 else max(5, rounds // 3), repeat)
    finally:
        shutil.rmtree(root)
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="*")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    directories = given.directories or [tempfile.gettempdir(), *(["/dev/shm"] if os.path.isdir("/dev/shm") else [])]
    results = {directory: run(directory, given.rounds) for directory in directories}
    measuring.save("benchmarks.local", results, as_json=given.json)
    if given.json:
        return
    for directory, rows in results.items():
        print(f"\n{directory}: holdall   by the clock / by processor time of ...")
        for row, ways in rows.items():
            ours = ways.pop("holdall")
            others = "   ".join(
                f"{ours[0] / wall:5.2f}x / {ours[1] / work:4.2f}x of {name} ({wall * 1e6:,.1f} us)"
                for name, (wall, work) in ways.items()
            )
            goal = f"   goal {GOALS[row]}x" if row in GOALS else ""
            print(f"{row:24} {ours[0] * 1e6:12,.1f} us   {others}{goal}")


if __name__ == "__main__":
    main()
