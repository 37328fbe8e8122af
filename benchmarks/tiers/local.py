"""A filestore over local folders: Assemblyline's, holdall's with and without a digest.

``python -m benchmarks.tiers.local [--rounds N] [--json]``. Names are 64 hexadecimal digits and sharded, as Assemblyline's are. Folders lie in /dev/shm
where there is one, so that what is measured is the code above the disk. Goals by time, against Assemblyline: get, exists, delete and an equal put at most
1.0x, a listing 0.5x, a new put 0.8x, a forced one 0.9x, one to two locations 0.9x, a far get after a near miss 1.0x; 64 MiB at most 0.9x without a digest, 1.3x with
SHA-256; an async get at most 120 µs above the blocking one. "bare" reads a file once for `hashlib` and has the kernel copy it: no upload with a digest
can cost less.
"""

import asyncio
import hashlib
import itertools
import os
import shutil
import sys
import tempfile

from benchmarks import measuring

PEER = "assemblyline"
LIBRARIES = (PEER, "holdall", "holdall bare")
AT_ONCE = 20
CALLS = {
    "get hit": 500,
    "get miss": 500,
    "exists": 500,
    "put new": 200,
    "put equal": 300,
    "put forced": 200,
    "put new, two locations": 200,
    "far get after near miss": 500,
    "delete": 200,
    "async get hit": 500,
    "list 2,000 names": 1,
    "get 64 MiB": 1,
    "upload 64 MiB": 1,
    "download 64 MiB": 1,
    "bare: hash, copy 64 MiB": 1,
}
GOALS = dict.fromkeys(CALLS, 1.0) | {
    "put new": 0.8,
    "put forced": 0.9,
    "put new, two locations": 0.9,
    "list 2,000 names": 0.5,
}
MIB64 = 64 << 20


def name(label):
    """Return a name as Assemblyline's objects have it."""
    return hashlib.sha256(label.encode()).hexdigest()


def names(label):
    return map(name, map(f"{label} {{}}".format, itertools.count()))


def opened(library, *folders):
    """Return a filestore: ``holdall bare`` is without a digest."""
    urls = [f"file://{folder}" for folder in folders]
    if library == PEER:
        from assemblyline.filestore import FileStore

        return FileStore(*urls)
    from holdall.tiers import FileStore

    return FileStore(*urls, layout="sharded", existing="keep", digest=None if library.endswith("bare") else "sha256")


def work(library, root, rounds):
    """Be the process of one library."""
    root = os.path.join(root, library.replace(" ", "-"))
    folders = [os.path.join(root, folder) for folder in ("near", "far")]
    for folder in folders:
        os.makedirs(folder)
    one, two = opened(library, folders[0]), opened(library, *folders)
    small, large = os.urandom(4096), os.urandom(MIB64)
    there, far, absent = name("there"), name("far"), name("absent")
    one.put(there, small)
    one.put(name("large"), large)
    two.put(far, small, location="far")
    assert (one.get(there), one.get(absent), two.get(far)) == (small, None, small)
    doomed = names("doomed")
    for victim in itertools.islice(names("doomed"), CALLS["delete"] * (int(rounds) + 1)):
        one.put(victim, small)
    source, target = os.path.join(root, "source"), os.path.join(root, "target")
    with open(source, "wb") as file:
        file.write(large)
    uploaded = name("uploaded")
    one.upload(source, uploaded)
    new, both = names("new"), names("both")
    ways = {
        "get hit": (lambda: one.get(there), 1),
        "get miss": (lambda: one.get(absent), 1),
        "exists": (lambda: one.exists(there), 1),
        "put new": (lambda: one.put(next(new), small), 1),
        "put equal": (lambda: one.put(there, small), 1),
        "put forced": (lambda: one.put(there, small, force=True), 1),
        "put new, two locations": (lambda: two.put(next(both), small), 1),
        "far get after near miss": (lambda: two.get(far), 1),
        "delete": (lambda: one.delete(next(doomed)), 1),
        "get 64 MiB": (lambda: one.get(name("large")), 1),
        "upload 64 MiB": (lambda: one.upload(source, uploaded, force=True), 1),
        "download 64 MiB": (lambda: one.download(name("large"), target), 1),
    }
    many_names = os.path.join(root, "names")
    os.mkdir(many_names)
    listed = opened(library, many_names)
    for listed_name in itertools.islice(names("listed"), 2000):
        listed.put(listed_name, b"x")
    everything = listed.transports[0].list if library == PEER else listed.list
    ways["list 2,000 names"] = (lambda: sum(1 for _ in everything()) == 2000 or sys.exit("other names came")), 1
    with asyncio.Runner() as runner:
        if library != PEER:

            async def many():
                for _ in range(AT_ONCE):
                    await one.get_async(there)

            ways["async get hit"] = (lambda: runner.run(many())), AT_ONCE
            ways["bare: hash, copy 64 MiB"] = (lambda: hashed_and_copied(source, target)), 1
        measuring.answer(ways)
        one.close()
        two.close()


def hashed_and_copied(source, target):
    """Do the least that an upload with a digest has to do."""
    computed = hashlib.sha256()
    with open(source, "rb", buffering=0) as file, memoryview(bytearray(256 * 1024)) as view:
        while count := file.readinto(view):
            computed.update(view[:count])
    shutil.copyfile(source, target)
    return computed.hexdigest()


def goal(title, library):
    """Return the goal of a row, by time, against Assemblyline."""
    if "MiB" in title:
        return 0.9 if library.endswith("bare") else 1.3
    return GOALS[title]


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        work(*asked.worker)
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        found = measuring.alternate("benchmarks.tiers.local", LIBRARIES, CALLS, asked.rounds, root, str(asked.rounds))
    measuring.save("benchmarks.tiers.local", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)
    print("\nholdall in Assemblyline's: by the clock, by processor time, goal; with SHA-256, then without a digest")
    for title, rows in found.items():
        if PEER not in rows:
            continue
        cells = [
            f"{rows[library]['ratio']:8.2f}x{rows[library]['cpu_ratio']:8.2f}x ({goal(title, library)}x)"
            for library in LIBRARIES[1:]
        ]
        print(f"  {title:26}{'  '.join(cells)}")
    bare = found["bare: hash, copy 64 MiB"]["holdall"]["cpu"] / found["upload 64 MiB"][PEER]["cpu"]
    print(f"  to hash 64 MiB and have them copied takes {bare:.2f}x of Assemblyline's upload, by processor time")
    above = found["async get hit"]["holdall"]["cpu"] - found["get hit"]["holdall"]["cpu"]
    print(f"  async get hit: {above * 1e6:+.0f} µs of processor time above the blocking one (goal: 120 µs)")


if __name__ == "__main__":
    sys.exit(main())
