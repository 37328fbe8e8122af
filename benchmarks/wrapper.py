"""What holdall adds to obstore: single calls to S3, and 32 at once.

``python -m benchmarks.wrapper [--rounds N] [--json]``. First turn by turn in one process, all against one nginx stub: obstore set up as
most would, the very obstore instances that holdall holds, called without holdall, and holdall. Of each round the differences to the
second are taken, and of those the median: what the machine and the connection do meanwhile meets both. "caller" is what the calling thread
alone has of it: Python, and copies. Then each as a program of its own, several in turn: there obstore alone lacks what holdall does to
its process (`holdall.drivers.objects_room`). Two programs use obstore alone: as it is made by default, and told, as holdall does to this stub, to sign no digest
of what it sends (design record 0031). At last turn by turn again before Ceph's gateway, which does the work of a real service: there it shows
what is left of the throughput. Goals: at most 20 µs of processor time per call (obstore's own threads included), at least 95 % of the throughput.
"""

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from benchmarks import measuring, s3

ROUNDS = 60
PROGRAMS = 30
"""Programs of each kind that run in turn."""
BARE = "obstore within holdall"
CALLS = {"get 4 KiB": 50, "put 4 KiB": 50, "head": 50, "get 1 MiB": 10, "put 1 MiB": 10}
AT_ONCE = {"get 4 KiB": 320, "put 4 KiB": 320, "get 1 MiB": 64, "put 1 MiB": 64}


@cache
def store(endpoint):
    """Return holdall's store, one for both who use its instances."""
    from holdall.drivers.s3 import S3Store

    return S3Store(s3.BUCKET, endpoint_url=endpoint, region="us-east-1", access_key_id="test", secret_access_key="testtest")


def within(endpoint):
    """Return the calls of the obstore instances that holdall holds."""
    return s3.calls(store(endpoint).native, store(endpoint).writer)


UNSIGNED = "obstore, unsigned"
CLIENTS = {
    "obstore": s3.obstore,
    BARE: within,
    "holdall": lambda endpoint: s3.calls_of(store(endpoint)),
}


APART = {
    "obstore": s3.obstore,
    UNSIGNED: lambda endpoint: s3.obstore(endpoint, unsigned_payload=True),
    "holdall": CLIENTS["holdall"],
}


def ways(calls, runner):
    """Return title -> function that makes that many calls."""
    get, put, head, get_async, put_async = calls

    def blocking(act, times):
        def everyone():
            for _ in range(times):
                act()

        return everyone

    def gathered(act, times):
        async def everyone():
            for _ in range(times // s3.AT_ONCE):
                await asyncio.gather(*(act() for _ in range(s3.AT_ONCE)))

        return lambda: runner.run(everyone())

    acts = {"head": (head, None)}
    for label, data in s3.SIZES.items():
        acts[f"get {label}"] = (lambda label=label: get(label)), (lambda label=label: get_async(label))
        acts[f"put {label}"] = (lambda data=data: put(data)), (lambda data=data: put_async(data))
    alone = {title: (blocking(acts[title][0], times), times) for title, times in CALLS.items()}
    return alone | {
        f"{title}, {s3.AT_ONCE} at once": (gathered(acts[title][1], times), times) for title, times in AT_ONCE.items()
    }


def measured(act, times):
    """Return seconds per call, processor seconds, and those of this thread."""
    own, work, start = time.thread_time(), time.process_time(), time.perf_counter()
    act()
    seconds, cpu, own = time.perf_counter() - start, time.process_time() - work, time.thread_time() - own
    return seconds / times, cpu / times, own / times


def compare(endpoint, rounds):
    """Return title -> client -> medians, the latter with what they are above obstore's."""
    found = {}
    with asyncio.Runner() as runner:
        clients = {name: ways(prepare(endpoint), runner) for name, prepare in CLIENTS.items()}
        for title in clients["obstore"]:
            samples = {name: [] for name in clients}
            for turn in range(-2, rounds):
                gc.collect()
                gc.disable()
                for name in list(clients)[turn % 3 :] + list(clients)[: turn % 3]:
                    one = measured(*clients[name][title])
                    if turn >= 0:  # the first two warm up
                        samples[name].append(one)
                gc.enable()
            bare = samples[BARE]
            found[title] = {
                name: {
                    "seconds": statistics.median(one[0] for one in taken),
                    "cpu": statistics.median(one[1] for one in taken),
                    "above": statistics.median(one[1] - other[1] for one, other in zip(taken, bare, strict=True)),
                    "caller": statistics.median(one[2] - other[2] for one, other in zip(taken, bare, strict=True)),
                    "throughput": statistics.median(other[0] / one[0] for one, other in zip(taken, bare, strict=True)),
                }
                for name, taken in samples.items()
            }
    return found


def one(name, endpoint):
    """Print the seconds by the clock, and those of the processor, per call of a program that uses one client."""
    with asyncio.Runner() as runner:
        acts = ways(APART[name](endpoint), runner)
        found = {title: [measured(*acts[title])[:2] for _ in range(7)][2:] for title in CALLS}
    print(
        json.dumps({title: [statistics.median(each) for each in zip(*taken, strict=True)] for title, taken in found.items()})
    )


def apart(endpoint, programs):
    """Return title -> client -> median seconds by the clock and of the processor per call of programs of their own."""
    found = {name: [] for name in APART}
    for turn in range(programs):
        for name in list(found)[turn % 3 :] + list(found)[: turn % 3]:
            command = [sys.executable, "-m", "benchmarks.wrapper", "--one", name, endpoint]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, "AWS_ALLOW_HTTP": "true"}
            )
            found[name].append(json.loads(done.stdout))
    return {
        title: {name: [statistics.median(one[title][i] for one in taken) for i in range(2)] for name, taken in found.items()}
        for title in CALLS
    }


def main():
    if sys.argv[1:2] == ["--one"]:
        return one(*sys.argv[2:])
    asked = measuring.arguments(__doc__)
    from holdall.testing.servers import NginxS3Stub, Radosgw

    with NginxS3Stub.running() as server:
        for label, data in s3.SIZES.items():
            (Path(server.files) / s3.BUCKET / label).write_bytes(data)
        found = compare(server.endpoint, max(3, round(ROUNDS * asked.scale)))
        programs = apart(server.endpoint, max(2, round(PROGRAMS * asked.scale)))
    with Radosgw.running() as server:
        server.client().create_bucket(Bucket=s3.BUCKET)
        for label, data in s3.SIZES.items():
            server.client().put_object(Bucket=s3.BUCKET, Key=label, Body=data)
        served = compare(server.endpoint, max(3, round(ROUNDS / 2 * asked.scale)))
    measuring.save("benchmarks.wrapper", {"one process": found, "programs": programs, "radosgw": served}, as_json=asked.json)
    if asked.json:
        return None
    print(f"goals: <= {s3.GOAL_CPU:.0f} µs above obstore for a call alone; >= {s3.GOAL_RATIO:.0%} of its throughput\n")
    show(found, "the client is the limit")
    print(
        f"\n{'as programs of their own':26}{'obstore':>12}{'unsigned':>12}{'holdall':>12}{'above':>12}{'above':>12}{'throughput':>12}{'':>8}  processor time per call; each beside both"
    )
    for title, row in programs.items():
        bare, alike, ours = (row[name][1] * 1e6 for name in APART)
        quick, as_quick, _ = (row[name][0] / row["holdall"][0] for name in APART)
        print(
            f"{title:26}{bare:10,.0f}µs{alike:10,.0f}µs{ours:10,.0f}µs{ours - bare:+10.1f}µs{ours - alike:+10.1f}µs{quick:12.0%}{as_quick:8.0%}"
        )
    print()
    show(served, "Ceph's gateway")
    return None


def show(found, heading):
    """Print what `compare` found."""
    print(f"{heading:26}{'':24}{'per call':>10}{'cpu':>10}{'above':>10}{'caller':>10}{'throughput':>12}")
    for title, rows in found.items():
        for name, row in rows.items():
            print(
                f"{title if name == 'obstore' else '':26}{name:24}{row['seconds'] * 1e6:8,.0f}µs{row['cpu'] * 1e6:8,.0f}µs"
                f"{row['above'] * 1e6:+8.1f}µs{row['caller'] * 1e6:+8.1f}µs{row['throughput']:12.1%}"
            )


if __name__ == "__main__":
    main()
