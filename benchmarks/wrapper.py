"""What holdall adds to obstore: single calls to S3, and 32 at once, turn by turn in one process.

``python -m benchmarks.wrapper [--rounds N] [--json]``. Three clients of the same nginx stub: obstore set up as most would, obstore set up as
holdall does (a limit on silence instead of one on the whole request: it is set for every piece of a body), and holdall. Of each round
the differences are taken, and of those the median: what the machine does meanwhile meets all three. Goals: at most 20 µs of processor
time per call (obstore's own threads included), at least 95 % of the throughput at 32 at once. "caller" is what the calling thread alone
has of the difference: Python, and copies.
"""

import asyncio
import gc
import statistics
import time

from benchmarks import measuring, s3

ROUNDS = 60
CALLS = {"get 4 KiB": 50, "put 4 KiB": 50, "head": 50, "get 1 MiB": 10, "put 1 MiB": 10}
AT_ONCE = {"get 4 KiB": 320, "put 4 KiB": 320, "get 1 MiB": 64, "put 1 MiB": 64}


def alike(endpoint):
    """Return the calls of the obstore client that holdall itself makes."""
    from holdall.drivers.s3 import S3Store

    ours = S3Store(s3.BUCKET, endpoint_url=endpoint, region="us-east-1", access_key_id="test", secret_access_key="testtest")
    return s3.calls(ours.native, ours.writer)


CLIENTS = {"obstore": s3.obstore, "obstore, set up alike": alike, "holdall": s3.holdall}


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
            bare = samples["obstore"]
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


def main():
    asked = measuring.arguments(__doc__)
    from pathlib import Path

    from holdall.testing.servers import NginxS3Stub

    with NginxS3Stub.running() as server:
        for label, data in s3.SIZES.items():
            (Path(server.files) / s3.BUCKET / label).write_bytes(data)
        found = compare(server.endpoint, max(3, round(ROUNDS * asked.scale)))
    measuring.save("benchmarks.wrapper", found, as_json=asked.json)
    if asked.json:
        return
    print(
        f"goals: <= {s3.GOAL_CPU:.0f} µs above obstore for a call alone; >= {s3.GOAL_RATIO:.0%} of its throughput at once\n"
    )
    print(f"{'':26}{'':24}{'per call':>10}{'cpu':>10}{'above':>10}{'caller':>10}{'throughput':>12}")
    for title, rows in found.items():
        for name, row in rows.items():
            print(
                f"{title if name == 'obstore' else '':26}{name:24}{row['seconds'] * 1e6:8,.0f}µs{row['cpu'] * 1e6:8,.0f}µs"
                f"{row['above'] * 1e6:+8.1f}µs{row['caller'] * 1e6:+8.1f}µs{row['throughput']:12.1%}"
            )


if __name__ == "__main__":
    main()
