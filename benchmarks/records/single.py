"""Single calls on records of S3, one by one: median and 95th percentile of each verb, in both colours and beside the others.

``python -m benchmarks.records.single [--calls N] [--delay MS] [--rounds N] [--json]``. Libraries, server and defaults are those of
`benchmarks.records.objects`; libraries take turns, verb by verb, and each call is timed by itself. Goals: never slower than
dataknobs-data, by the median and by the 95th percentile, and at most 300 µs above a bare obstore without a delay.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from math import inf

from benchmarks import measuring
from benchmarks.records.objects import LIBRARIES, people
from benchmarks.records.quick import QuickS3

GOAL = 300.0
"""Microseconds above a bare obstore."""
VERBS = ("create", "exists", "read", "update", "upsert", "delete")


def work(library, known):
    """Be the process of one library: time the calls of the verbs that the parent names."""
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # where mirrors are, by default
    db = LIBRARIES[library](known)
    records, ids = [db.record(one) for one in people(known["calls"])], []
    acts = {
        "create": lambda at: ids.append(db.create(records[at])),
        "exists": lambda at: db.exists(ids[at]),
        "read": lambda at: db.read(ids[at]),
        "update": lambda at: db.update(ids[at], records[at]),
        "upsert": lambda at: db.upsert(ids[at], records[at]),
        "delete": lambda at: db.delete(ids[at]),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        if (verb := line.strip()) == "create":
            ids.clear()
        gc.collect()
        gc.disable()
        taken = []
        for at in range(known["calls"]):
            start = time.perf_counter()
            acts[verb](at)
            taken.append(time.perf_counter() - start)
        gc.enable()
        print(json.dumps(taken), flush=True)


def measure(server, known, rounds, delays):
    """Return verb and delay -> library -> seconds of each call."""
    from holdall.testing import Fault

    workers, found = {}, {}
    try:
        for name in LIBRARIES:
            called = measuring.command(name, "benchmarks.records.single", "--worker", name, json.dumps(known))
            if called is not None:
                workers[name] = subprocess.Popen(
                    called[0],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=measuring.peers.ROOT,
                    env=called[1],
                )
                if not workers[name].stdout.readline():
                    raise SystemExit(f"{name} did not start")
        for delay in delays:
            server.fail(Fault(delay=delay / 1000), times=inf)
            for turn in range(rounds + 1):  # the first one warms up
                for verb in VERBS:
                    for name in list(workers)[turn % len(workers) :] + list(workers)[: turn % len(workers)]:
                        workers[name].stdin.write(f"{verb}\n")
                        workers[name].stdin.flush()
                        taken = json.loads(workers[name].stdout.readline())
                        if turn:
                            found.setdefault(f"{verb}, {delay} ms", {}).setdefault(name, []).extend(taken)
        return found
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(60)


def summary(of):
    """Return median and 95th percentile of each library, and how many times as long the peer takes."""
    found = {
        name: {"median": statistics.median(taken), "p95": statistics.quantiles(taken, n=20)[-1]}
        for name in LIBRARIES
        if (taken := of.get(name))
    }
    peer = found.get("dataknobs-data")
    for row in found.values():
        row["above"] = (row["median"] - found["obstore"]["median"]) * 1e6
        if peer is not None:
            row["quicker"] = {what: peer[what] / row[what] for what in ("median", "p95")}
    return found


def main():
    asked = measuring.arguments(__doc__, calls=50, delay=20)
    if asked.worker:
        work(asked.worker[0], json.loads(asked.worker[1]))
        return
    with QuickS3() as server:
        delays = (0, asked.delay) if asked.delay else (0,)
        taken = measure(server, {"s3": server.settings, "records": asked.calls, "calls": asked.calls}, asked.rounds, delays)
    found = {title: summary(of) for title, of in taken.items()}
    measuring.save("benchmarks.records.single", found, as_json=asked.json)
    if asked.json:
        return
    print(f"goals: never slower than the peer; without a delay at most {GOAL:.0f} µs above obstore\n")
    print(f"{'':20}{'':16}{'median':>10}{'p95':>10}{'above obstore':>15}{'the peer takes (median, p95)':>31}")
    for title, rows in found.items():
        for name, row in rows.items():
            times = "".join(f"{row['quicker'][what]:9.1f}x" for what in ("median", "p95")) if "quicker" in row else ""
            print(
                f"{title if name == 'obstore' else '':20}{name:16}{row['median'] * 1e3:8.2f}ms{row['p95'] * 1e3:8.2f}ms"
                f"{row['above']:13,.0f}µs{times:>31}"
            )


if __name__ == "__main__":
    main()
