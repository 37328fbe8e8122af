"""``python -m benchmarks [names] [--options of the benchmark]``: run all benchmarks, or those named, one after the other.

Options are written with ``=``: ``python -m benchmarks large listing tree --rounds=3 --scale=0.05``.

A benchmark is a module in this folder, or one below it, that can be run. Tables are printed and kept in
``benchmarks/results/NAME.txt``; those of the foundation leave ``NAME.json`` as well.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FIRST = ["imports", "local", "s3", "wrapper", "listing", "tree", "large"]


def found():
    """Return the names of all benchmarks: those of the foundation in their order, then those of the faces."""
    names = [
        ".".join(path.relative_to(HERE).with_suffix("").parts)
        for path in sorted(HERE.rglob("*.py"))
        if path != Path(__file__) and 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    ]
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]


def run(name, options):
    """Run one benchmark, print what it prints, and keep it; tell whether it went well."""
    print(f"\n== {name}", flush=True)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    with (
        open(results / f"{name}.txt", "w", encoding="utf-8") as kept,
        subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process,
    ):
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.write(line)
    return process.returncode == 0


def main():
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    there = found()
    unknown = [name for name in names if not any(one == name or one.startswith(f"{name}.") for one in there)]
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}: there are {', '.join(there)}")
    wanted = [one for one in there if not names or any(one == name or one.startswith(f"{name}.") for name in names)]
    failed = [name for name in wanted if not run(name, options)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
