"""What archives cost beside time: memory while writing, temporary files, bytes on the wire of a large combination, modules at import.

``python -m benchmarks.containers.costs [--percent N] [--rounds N] [--json]``. Each act runs in a process of its own, whose temporary files are
looked at from outside every 10 ms, those without a name included. e is a stream of texts of 256 KiB; f are 100 archives of 10 MB on S3 (the gateway of Ceph, behind
a proxy that counts), which are combined. msglc collects the stream, and combines local files only, so its f lies on the local disk.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring, peers
from benchmarks.containers import data
from benchmarks.containers.s3 import Holdall, Stock, served

MODULE = "benchmarks.containers.costs"
PARTS, PART = 100, 10_000_000
LIBRARIES = {"holdall": Holdall, "msglc": Stock}
ACTS = ("write e, local", "write e, S3", "combine f, S3")
IMPORTS = {"holdall": "holdall.containers", "msglc": "msglc"}
IMPORT = """
import sys, time
before, start = set(sys.modules), time.process_time()
import {0}
spent = time.process_time() - start
own = sys.stdlib_module_names | {{"holdall", "{0}"}}
print(spent, len({{name.split(".")[0] for name in set(sys.modules) - before}} - own))
"""


def texts(percent):
    """Return the texts of e, each one an object of its own."""
    return (f"{n:08}{data.TEXT}" for n in range(data.size("e", percent)))


def prepare(variant, known):
    """Return an act of a library, after a small one of its kind."""
    library, _, act = variant.partition(": ")
    percent = known["percent"]
    if act == "combine f, S3":
        archives = LIBRARIES[library](known)
        archives.write("warm", [1])
        names = [f"part-{n}" for n in range(PARTS)]
        if library == "holdall":
            info = archives.module.FileInfo
            infos = [info("part", name, store=archives.store) for name in names]
            return lambda: archives.module.combine("holdall/f", infos, store=archives.store)
        infos = [archives.module.FileInfo(known["part"], name) for name in names]
        return lambda: archives.module.combine(f"{archives.bucket}/stock/f", infos, fs=archives.fs)
    if act == "write e, S3":
        archives = LIBRARIES[library](known)
        archives.write("warm", [1])
        if library == "holdall":
            archives.store.uploads()  # loads what uploads by parts are made with
        return lambda: archives.write("e", texts(percent) if library == "holdall" else list(texts(percent)))
    place = Path(known["place"], library)
    if library == "holdall":
        from holdall.containers import dump

        dump(place, [1])
        return lambda: dump(place, texts(percent))
    from msglc import dump

    dump(str(place), [1])
    return lambda: dump(str(place), list(texts(percent)))


def watched(words, environment, scratch):
    """Run a program and return what it printed, and the most bytes of temporary files that it had at one time."""
    most = 0
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=peers.ROOT, env={**environment, "TMPDIR": str(scratch)}
    ) as process:
        while True:
            try:
                printed, _ = process.communicate(timeout=0.01)
            except subprocess.TimeoutExpired:
                most = max(most, held(process.pid, scratch))
            else:
                if process.returncode:
                    raise SystemExit(f"{' '.join(words)} failed")
                return json.loads(printed.splitlines()[-1]), most


def held(process, scratch):
    """Return the bytes of files below a directory, and of those that a process has open there without a name."""
    places = [*scratch.rglob("*")]
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith(str(scratch)) and target.endswith("(deleted)"):
                    places.append(link)
    total = 0
    for place in places:
        with contextlib.suppress(OSError):
            total += place.stat().st_size if place.is_file() else 0
    return total


def measured(act, library, known, proxy, rounds, root):
    """Return the medians of what an act takes."""
    place = Path(root, "known.json")
    place.write_text(json.dumps(known), encoding="utf-8")
    words, environment = measuring.command(library, MODULE, "--one", f"{library}: {act}", str(place))
    samples = []
    for _ in range(rounds):
        scratch = Path(tempfile.mkdtemp(dir=root))
        before = proxy.traffic
        sample, temporary = watched(words, environment, scratch)
        after = proxy.traffic
        asked = [target for _, target in after.requests[len(before.requests) :] if "/warm" not in target]
        traffic = {"up": after.bytes_up - before.bytes_up, "down": after.bytes_down - before.bytes_down}
        samples.append(sample | traffic | {"temporary": temporary, "requests": len(asked)})
    return {what: statistics.median(sample[what] for sample in samples) for what in samples[0]}


def imported(library, rounds):
    """Return processor seconds of an import, and how many modules of others it loads."""
    words, environment = measuring.command(library, MODULE)
    told = [
        subprocess.run(
            [words[0], "-c", IMPORT.format(IMPORTS[library])],
            capture_output=True, text=True, check=True, cwd=peers.ROOT, env=environment,
        ).stdout.split()
        for _ in range(rounds)
    ]  # fmt: skip
    return {"cpu": statistics.median(float(seconds) for seconds, _ in told), "modules": int(told[0][1])}


def checked(known, store):
    """Compare the combinations with their parts, and return what is above these in bytes, of each library."""
    from holdall.containers import LazyReader

    with LazyReader(known["part"]) as part:
        size, first = part.size, part[0]
    above = {}
    for library, key in (("holdall", "holdall/f"), ("msglc", "stock/f")):
        if peers.python(library) is None:
            continue
        with LazyReader(key, store=store) as reader:
            assert list(reader) == [f"part-{n}" for n in range(PARTS)]
            assert reader.read_many([[f"part-{n}", 0] for n in (0, PARTS - 1)]) == [first, first]
            above[library] = reader.size / (size * PARTS) - 1
    return above


def main():
    asked = measuring.arguments(__doc__, percent=20, local=100)
    if asked.one:
        measuring.one(lambda known: prepare(asked.one[0], known), asked.one[1])
        return
    from holdall.containers import dump

    found = {}
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as root, served(asked.percent) as (proxy, known):
        known |= {"place": root, "part": str(Path(root, "part"))}
        store = Holdall(known).store
        dump(known["part"], [f"{n:*>10000}" for n in range(max(1, PART * asked.percent // 1_000_000))])
        store.put("part", Path(known["part"]))
        libraries = [library for library in LIBRARIES if peers.python(library) is not None]
        for act in ACTS:
            found[act] = {library: measured(act, library, known, proxy, asked.rounds, root) for library in libraries}
        for library, above in checked(known, store).items():
            found["combine f, S3"][library]["above"] = above
        store.close()
    found["import"] = {library: imported(library, asked.rounds) for library in libraries}
    measuring.save(MODULE, {"percent": asked.percent} | found, as_json=asked.json)
    if not asked.json:
        for act, rows in found.items():
            print(f"\n{act}")
            for library, row in rows.items():
                print(f"  {library:10}" + ", ".join(f"{what} {value:,.4g}" for what, value in row.items()))


if __name__ == "__main__":
    sys.exit(main())
