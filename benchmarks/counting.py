"""Acts against a server behind a counting proxy: seconds, requests and bytes of each library, which take turns.

Workers are those of `measuring.answer`. A worker's rows are asked for in order, so that one may use what the one before it left.
"""

import json
import math
import statistics
import subprocess
import sys

from benchmarks import measuring

LINUX = sys.platform == "linux"


def count(module, libraries, rows, proxy, rounds, delays, known, rate=None, *, warm=True):
    """Measure the rows of all libraries once per round and delay, after one round without a delay that warms up.

    Args:
        module: A module whose ``--worker LIBRARY KNOWN`` calls `measuring.answer`.
        libraries: Their names; the first that has a row is its limit.
        rows: Names of rows, in order.
        proxy: A `FaultProxy` that all of them go through.
        rounds: Measurements of each.
        delays: Milliseconds added to each request.
        known: What workers are told, as JSON.
        rate: Most bytes per second of each reply.
        warm: Whether there is a round before the others that does not count.

    Returns:
        Title -> library -> median ``seconds``, ``cpu`` (seconds of the processor), ``requests``, ``up`` and ``down`` (bytes with headers),
        ``mib`` (how far the process grew above its size before the act, at most, with Python's collector off; on Linux), and ``ratio``.
    """
    from holdall.testing import Fault

    workers, has, found = {}, {}, {}
    try:
        for name in libraries:
            called = measuring.command(name, module, "--worker", name, json.dumps(known))
            if called is None:
                continue
            workers[name] = subprocess.Popen(
                called[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=measuring.peers.ROOT, env=called[1]
            )
            first = workers[name].stdout.readline()
            if not first:
                raise SystemExit(f"{name} did not start")
            has[name] = json.loads(first)
        for later, delay in enumerate(delays):
            proxy.heal()
            proxy.fail(Fault(delay=delay / 1000, rate=rate), times=math.inf)
            samples = {}
            for turn in range(bool(later) or not warm, rounds + 1):
                for row in rows:
                    for name in (name for name in workers if row in has[name]):
                        sample = ask(workers[name], row, proxy)
                        print(f"{delay} ms, {row}, {name}: {sample['seconds']:.3f} s", file=sys.stderr, flush=True)
                        if turn:
                            samples.setdefault(row, {}).setdefault(name, []).append(sample)
            for row, of in samples.items():
                found[f"{row}, {delay} ms"] = middle(of)
        return found
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(60)


def ask(worker, row, proxy):
    """Have one act done, and return what it took."""
    before = proxy.traffic
    worker.stdin.write(json.dumps({"row": row, "calls": 1, "memory": LINUX}) + "\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit(f"a worker ended at {row}")
    after = proxy.traffic
    return json.loads(answer) | {
        "requests": len(after.requests) - len(before.requests),
        "up": after.bytes_up - before.bytes_up,
        "down": after.bytes_down - before.bytes_down,
    }


def middle(samples):
    """Return medians of each library, with the ratio of its seconds to the first one's."""
    found = {
        name: {what: statistics.median(value[what] for value in values) for what in values[0]}
        for name, values in samples.items()
    }
    limit = next(iter(found.values()))["seconds"]
    for value in found.values():
        value["ratio"] = value["seconds"] / limit
    return found


def show(title, rows):
    """Print one table."""
    print(f"\n{title}")
    print(f"  {'':18}{'seconds':>12}{'ratio':>10}{'requests':>10}{'KiB up':>12}{'KiB down':>12}{'peak':>11}")
    for name, row in rows.items():
        print(
            f"  {name:18}{row['seconds'] * 1e3:10,.1f}ms{row['ratio']:9.2f}x{row['requests']:10,.0f}"
            f"{row['up'] / 1024:12,.1f}{row['down'] / 1024:12,.1f}" + (f"{row['mib']:+8.1f}MiB" if "mib" in row else ""),
            flush=True,
        )
