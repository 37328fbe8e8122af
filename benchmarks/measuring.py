"""Runs variants of one act, each library in a process of its own, in turn; prints medians, ratios and growth of memory.

Two ways. `compare` starts a process for each measurement, for acts that take long or whose memory is of interest: a module
gives ``VARIANTS`` (name -> function that prepares and returns the act) and is run again with ``--one NAME PLACE``. `alternate`
asks processes that stay (`answer`) for many quick calls each time. No third-party module is imported here: peers run this too.
"""

import argparse
import contextlib
import ctypes
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import peers

RESULTS = Path(__file__).parent / "results"
SIZES = {"mib", "files", "keys"}
"""Options that ``--scale`` multiplies."""
SECONDS = 0.25
"""One measurement of quick calls takes not much longer, however slow the library."""


def status(name):
    """Return a size of this process from the kernel's own account, in MiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(f"{name}:"))


def forget_peak():
    """Let the peak begin anew: a process inherits that of its parent, so that growth would not be seen."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def room_now():
    """Return how much room this process has, in MiB, without what was let go of before; its peak begins anew."""
    with contextlib.suppress(OSError, AttributeError):  # not every system's library has it
        ctypes.CDLL(None).malloc_trim(0)
    forget_peak()
    return status("VmRSS")


def worked():
    """Return processor seconds of this process and its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def one(prepare, place):
    """Measure one act in this process and print it."""
    with open(place, encoding="utf-8") as file:
        act = prepare(json.load(file))
    forget_peak()
    room, work, start = status("VmRSS"), worked(), time.perf_counter()
    act()
    seconds = time.perf_counter() - start
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    growth = max(status("VmHWM") - room, child)
    print(json.dumps({"seconds": seconds, "cpu": worked() - work, "mib": growth}))


def command(variant, module, *arguments):
    """Return the command that runs a module of ours for a variant, and its environment; ``None`` if the library is not to be had."""
    interpreter = peers.python(variant)
    if interpreter is None:
        return None
    return [interpreter, "-m", module, *arguments], {**os.environ, "AWS_ALLOW_HTTP": "true", "PYTHONDONTWRITEBYTECODE": "1"}


def compare(module, rows, place, rounds, *, check=None, as_json=False):
    """Measure all variants of all rows, interleaved, print a table and keep it; the first of a row is its limit.

    Args:
        module: Name of the benchmark's module.
        rows: Title -> (names of variants, goal of holdall's ratio).
        place: Path of a JSON file with what variants need to know.
        rounds: Measurements of each variant.
        check: Called with a variant's name after each measurement, outside the timing.
        as_json: Print JSON instead of a table.
    """
    found = {}
    for title, (wanted, goal) in rows.items():
        names = [name for name in wanted if peers.python(name) is not None]
        samples = {name: [] for name in names}
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                words, environment = command(name, module, "--one", name, place)
                done = subprocess.run(
                    words, capture_output=True, text=True, timeout=900, check=False, cwd=peers.ROOT, env=environment
                )
                if done.returncode:
                    raise SystemExit(f"{name} failed:\n{done.stderr}")
                samples[name].append(json.loads(done.stdout.splitlines()[-1]))
                if check is not None:
                    check(name)
        found[title] = summarise(samples, goal)
        if not as_json:
            show(title, found[title], goal)
    save(module, found, as_json=as_json)


def answer(ways):
    """Measure what the parent asks for, line by line, until it closes the pipe.

    Args:
        ways: Row -> (function without arguments, calls that it makes).
    """
    print(json.dumps(list(ways)), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        act, each = ways[asked["row"]]
        turns = max(1, asked["calls"] // each)
        gc.collect()
        room = room_now() if asked.get("memory") else None
        gc.disable()
        work, start = time.process_time(), time.perf_counter()
        for _ in range(turns):
            act()
        seconds, cpu = time.perf_counter() - start, time.process_time() - work
        gc.enable()
        sample = {"seconds": seconds / turns / each, "cpu": cpu / turns / each}
        print(json.dumps(sample if room is None else sample | {"mib": status("VmHWM") - room}), flush=True)


def alternate(module, libraries, rows, rounds, *arguments):
    """Measure quick calls of several libraries, each in a process that stays, in turn.

    Args:
        module: A module whose ``--worker LIBRARY`` calls `answer`.
        libraries: Their names; the first is the limit.
        rows: Row -> calls per measurement.
        rounds: Measurements of each.
        *arguments: Given to the workers.

    Returns:
        Row -> library -> median ``seconds`` and least ``cpu`` per call, with their ratios. What other processes do makes a call
        dearer, never cheaper, so the least processor time says most of the code itself.
    """
    workers, has = {}, {}
    try:
        for name in libraries:
            called = command(name, module, "--worker", name, *arguments)
            if called is None:
                continue
            workers[name] = subprocess.Popen(
                called[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=peers.ROOT, env=called[1]
            )
            first = workers[name].stdout.readline()
            if not first:
                raise SystemExit(f"{name} did not start")
            has[name] = json.loads(first)
        found = {}
        for row, calls in rows.items():
            names = [name for name in workers if row in has[name]]
            samples, slow = {name: [] for name in names}, {}
            for turn in range(rounds + 1):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    worker = workers[name]
                    asked = max(1, min(calls, int(SECONDS / slow.get(name, SECONDS / calls))))
                    worker.stdin.write(json.dumps({"row": row, "calls": asked}) + "\n")
                    worker.stdin.flush()
                    sample = json.loads(worker.stdout.readline())
                    if turn:  # the first one warms up, and tells how many calls are enough
                        samples[name].append(sample)
                    else:
                        slow[name] = sample["seconds"]
            found[row] = {
                name: {
                    "seconds": statistics.median(value["seconds"] for value in values),
                    "cpu": min(value["cpu"] for value in values),
                }
                for name, values in samples.items()
            }
            limit = next(iter(found[row].values()))
            for value in found[row].values():
                value["ratio"], value["cpu_ratio"] = value["seconds"] / limit["seconds"], value["cpu"] / limit["cpu"]
        return found
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(60)


def summarise(samples, goal):
    """Return medians, spread and ratios to the first variant, by the clock and by processor time."""
    rows = {}
    for name, values in samples.items():
        seconds, cpu = ([value[what] for value in values] for what in ("seconds", "cpu"))
        rows[name] = {
            "seconds": statistics.median(seconds),
            "least": min(seconds),
            "most": max(seconds),
            "cpu": statistics.median(cpu),
            "mib": statistics.median(value["mib"] for value in values),
            "goal": goal if name.startswith("holdall") else None,
        }
    limit = next(iter(rows.values()))
    for row in rows.values():
        row["ratio"] = row["seconds"] / limit["seconds"]
        row["cpu_ratio"] = row["cpu"] / limit["cpu"]
    return rows


def show(title, rows, goal):
    """Print one table."""
    print(f"\n{title}" + (f" (goal: {goal}x)" if goal else ""))
    print(f"  {'':26}{'median':>9}{'least':>9}{'most':>9}{'ratio':>8}{'cpu':>9}{'ratio':>8}{'memory':>10}")
    for name, row in rows.items():
        print(
            f"  {name:26}{row['seconds'] * 1e3:7.0f}ms{row['least'] * 1e3:7.0f}ms{row['most'] * 1e3:7.0f}ms"
            f"{row['ratio']:7.2f}x{row['cpu'] * 1e3:7.0f}ms{row['cpu_ratio']:7.2f}x{row['mib']:+7.0f}MiB",
            flush=True,
        )


def show_calls(title, rows):
    """Print one table of quick calls."""
    limit = next(iter(rows.values()))
    print(f"\n{title}")
    print(f"  {'':26}{'per call':>12}{'ratio':>9}{'cpu':>12}{'ratio':>9}{'above':>11}")
    for name, row in rows.items():
        print(
            f"  {name:26}{row['seconds'] * 1e6:10,.0f}µs{row['ratio']:8.2f}x{row['cpu'] * 1e6:10,.0f}µs{row['cpu_ratio']:8.2f}x"
            f"{(row['cpu'] - limit['cpu']) * 1e6:+9,.0f}µs",
            flush=True,
        )


def machine():
    """Describe where this was measured."""
    model = "an unnamed processor"
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "machine": f"{os.cpu_count()} x {model}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(value, 1) for value in load],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def save(module, found, *, as_json=False):
    """Keep results in ``benchmarks/results``; print them too if asked."""
    whole = json.dumps({**machine(), "rows": found}, indent=1)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{module.removeprefix('benchmarks.')}.json"
    path.write_text(whole + "\n", encoding="utf-8")
    if as_json:
        print(whole)


def arguments(description, **sizes):
    """Parse the command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--one", nargs=2, metavar=("NAME", "PLACE"), help=argparse.SUPPRESS)
    parser.add_argument("--worker", nargs="+", metavar="LIBRARY", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each variant")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--scale", type=float, default=1.0, help="times the sizes: 0.05 to see quickly that all works")
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    asked = parser.parse_args()
    for name in sizes.keys() & SIZES:
        setattr(asked, name, max(1, round(getattr(asked, name) * asked.scale)))
    return asked
