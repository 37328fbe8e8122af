"""What a file store waits for: several locations at once, locations that keep silent, locations that refuse, servers that come back.

``python -m benchmarks.tiers.waiting [--rounds N] [--json]``. By the clock, on a machine that does little else. Goals: a put to four locations of 20 ms
at most 1.5 times one; to 5, 20 and 100 ms at most 1.2 times the slowest; behind a near location that is left alone, far alone and 0.5 ms; before
that at most one timeout of connecting for each read; all refuse: an error in 2 s, all keep silent: in 31 s; a server that came back: within 2 s.
"""

import asyncio
import contextlib
import socket
import statistics
import sys
import tempfile
import time
from urllib.parse import quote

from benchmarks import measuring

CONNECT = 0.5


def seconds(act, rounds):
    """Return the median of several measurements."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def slow(*latencies):
    """Return a file store over places that answer after so many milliseconds."""
    from holdall.drivers.memory import MemoryStore
    from holdall.testing import SlowStore
    from holdall.tiers import FileStore

    class Distant(SlowStore):
        """Asked in threads, as what lies behind a network."""

        def _narrowed(self, inner):
            return inner.narrowed(temporary=False)

    return FileStore(*(Distant(MemoryStore(), latency=latency / 1000) for latency in latencies))


def fan_out(rounds, found):
    for title, many, one, goal in (("4 x 20 ms", (20,) * 4, 20, 1.5), ("5, 20 and 100 ms", (5, 20, 100), 100, 1.2)):
        for colour in ("blocking", "async"):
            names = (f"k{i}" for i in range(1_000_000))
            with slow(*many) as wide, slow(one) as narrow, asyncio.Runner() as runner:

                def put(fs, names=names, runner=runner, colour=colour):
                    if colour == "async":
                        runner.run(fs.put_async(next(names), b"x" * 4096))
                    else:
                        fs.put(next(names), b"x" * 4096)

                several, alone = (seconds(lambda fs=fs: put(fs), rounds) for fs in (wide, narrow))
            found[f"put to {title}, {colour}"] = {"seconds": several, "alone": alone, "ratio": several / alone, "goal": goal}


@contextlib.contextmanager
def silent():
    """Give a port at which connections are neither made nor refused: the queue of those who wait is full."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield listening.getsockname()[1]


def refusing():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def s3_url(port, more=""):
    return f"s3://key:secret-word@127.0.0.1:{port}/bench/x?use_ssl=false&aws_region=us-east-1{more}"


def left_alone(rounds, found):
    """Read what only far has while near keeps silent."""
    from holdall.core.retry import BreakerPolicy
    from holdall.tiers import FileStore

    with silent() as port, tempfile.TemporaryDirectory() as root:
        near, far = s3_url(port, f"&connect_timeout={CONNECT}"), f"file://{root}"
        policy = BreakerPolicy(first=3600, cap=3600)
        with FileStore(near, far, breaker=policy) as fs, FileStore(far) as alone:
            alone.put("k", b"x" * 4096)
            before = [seconds(lambda: fs.get("k"), 1) for _ in range(policy.failures)]
            assert fs.status().locations["s3-0"].state == "open"
            after, plain = (seconds(lambda fs=fs: fs.get("k"), 500 * rounds) for fs in (fs, alone))
    found["near keeps silent, far hit: before"] = {"seconds": max(before), "timeouts": max(before) / CONNECT, "goal": 1.1}
    found["near keeps silent, far hit: left alone"] = {"seconds": after, "above": after - plain, "goal": 0.0005}


def all_down(found):
    from holdall.errors import UnavailableError
    from holdall.tiers import FileStore

    def asked(urls):
        with FileStore(*urls) as fs:
            start = time.perf_counter()
            with contextlib.suppress(UnavailableError):
                fs.get("k")
                raise SystemExit("an answer came from nowhere")
            return time.perf_counter() - start

    ftp, sftp = "ftp://user:word@127.0.0.1:{}/x", "sftp://user:word@127.0.0.1:{}/x?validate_host=false"
    three = [s3_url(refusing()), ftp.format(refusing()), sftp.format(refusing())]
    found["all of three refuse"] = {"seconds": asked(three), "goal": 2}
    found["the one location refuses"] = {"seconds": asked(three[:1]), "goal": 2}
    with silent() as port:
        found["all of three keep silent"] = {
            "seconds": asked([s3_url(port), ftp.format(port), sftp.format(port)]),
            "goal": 31,
        }


def back_again(rounds, found):
    """Read when a server is there again after all its connections ended."""
    from holdall.testing import FaultProxy
    from holdall.testing.servers import Sshd
    from holdall.tiers import FileStore

    with Sshd.running() as server, FaultProxy(("127.0.0.1", server.port), http=False) as proxy:
        key = quote(server.client_key, safe="")
        url = f"sftp://{server.user}@127.0.0.1:{proxy.port}{server.files}?private_key={key}&validate_host=false"
        with FileStore(url) as fs:
            fs.put("k", b"x")
            times = []
            for _ in range(rounds):
                proxy.down()
                proxy.up()
                times.append(seconds(lambda: fs.get("k"), 1))
    found["first read after a restart, SFTP"] = {"seconds": max(times), "goal": 2}


def main():
    asked = measuring.arguments(__doc__)
    rounds = max(1, round(asked.rounds * min(asked.scale, 1)))
    found = {}
    fan_out(rounds, found)
    left_alone(rounds, found)
    back_again(rounds, found)
    all_down(found)
    measuring.save("benchmarks.tiers.waiting", found, as_json=asked.json)
    if asked.json:
        return
    for title, row in found.items():
        more = "".join(f"  {name} {row[name]:.3g}" for name in ("ratio", "timeouts", "above") if name in row)
        print(f"  {title:44}{row['seconds'] * 1e3:10.1f} ms{more}  (goal: {row['goal']})")


if __name__ == "__main__":
    sys.exit(main())
