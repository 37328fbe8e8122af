"""Runs variants of one act, each time in a process of its own, in turn; prints medians, ratios and growth of memory.

A benchmark module gives ``VARIANTS``: name -> function that prepares and returns the act. The same module is run again with
``--one NAME`` for one measurement, so that libraries do not share a process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def status(name):
    """Return a size of this process from the kernel's own account, in MiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(f"{name}:"))


def forget_peak():
    """Let the peak begin anew: a process inherits that of its parent, so that growth would not be seen."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


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


def compare(module, rows, place, rounds, *, check=None, as_json=False):
    """Measure all variants of all rows, interleaved, and print a table; the first of a row is its limit.

    Args:
        module: Name of the benchmark's module.
        rows: Title -> (names of variants, goal of holdall's ratio).
        place: Path of a JSON file with what variants need to know.
        rounds: Measurements of each variant.
        check: Called with a variant's name after each measurement, outside the timing.
        as_json: Print JSON instead of a table.
    """
    found = {}
    for title, (names, goal) in rows.items():
        samples = {name: [] for name in names}
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                done = subprocess.run(
                    [sys.executable, "-m", module, "--one", name, place],
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                    env={**os.environ, "AWS_ALLOW_HTTP": "true"},
                )
                if done.returncode:
                    raise SystemExit(f"{name} failed:\n{done.stderr}")
                samples[name].append(json.loads(done.stdout.splitlines()[-1]))
                if check is not None:
                    check(name)
        found[title] = summarise(samples, goal)
        if not as_json:
            show(title, found[title], goal)
    if as_json:
        print(json.dumps(found, indent=2))


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


def arguments(description, **sizes):
    """Parse the command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "PLACE"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each variant")
    parser.add_argument("--json", action="store_true", help="print JSON")
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def rclone():
    """Return the path of rclone, from ``$RCLONE``, the search path, or ``None``."""
    import shutil

    return os.environ.get("RCLONE") or shutil.which("rclone")
