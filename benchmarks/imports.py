"""What an import costs: holdall, and what a program of it then loads, against the libraries below it and the peers.

``python -m benchmarks.imports [--rounds N] [--json]``. Each import in a fresh interpreter, the time of the interpreter itself apart.
Goals: ``import holdall`` in at most 15 ms; holdall.columns and holdall.tiers at most 0.1 of advanced-alchemy and of Assemblyline's filestore.
"""

import json
import statistics
import subprocess

from benchmarks import measuring

STATEMENTS = {
    "holdall": "import holdall",
    "holdall: LocalStore": "from holdall.drivers.local import LocalStore",
    "holdall: StorageManager": "from holdall import StorageManager",
    "holdall: S3Store": "from holdall.drivers.s3 import S3Store",
    "holdall: columns": "import holdall.columns",
    "holdall: tiers": "import holdall.tiers",
    "holdall: tiers.FileStore": "from holdall.tiers import FileStore",
    "obstore": "import obstore.store",
    "fsspec": "import fsspec",
    "boto3": "import boto3",
    "s3fs": "import s3fs",
    "genro-storage": "import genro_storage",
    "smart_open": "import smart_open",
    "cloudpathlib": "import cloudpathlib",
    "advanced-alchemy": "import advanced_alchemy.types.file_object",
    "assemblyline": "import assemblyline.filestore",
}
PROGRAM = """
import json, time
work, start = time.process_time(), time.perf_counter()
{}
print(json.dumps({{"seconds": time.perf_counter() - start, "cpu": time.process_time() - work}}))
"""
GOAL = 0.015


def main():
    asked = measuring.arguments(__doc__)
    words = {name: measuring.command(name, "-") for name in STATEMENTS}
    samples = {name: [] for name, called in words.items() if called is not None}
    for turn in range(asked.rounds + 1):
        for name, values in samples.items():
            program = PROGRAM.format(STATEMENTS[name])
            # Compiled modules are kept: that is how installed programs start.
            environment = {key: value for key, value in words[name][1].items() if key != "PYTHONDONTWRITEBYTECODE"}
            done = subprocess.run(
                [words[name][0][0], "-c", program], capture_output=True, text=True, check=True, env=environment
            )
            if turn:  # the first one fills the caches
                values.append(json.loads(done.stdout))
    found = {
        name: {
            "seconds": statistics.median(one["seconds"] for one in values),
            "cpu": min(one["cpu"] for one in values),
            "goal": GOAL if name == "holdall" else None,
        }
        for name, values in samples.items()
    }
    measuring.save("benchmarks.imports", found, as_json=asked.json)
    if asked.json:
        return
    print(f"  {'':26}{'median':>10}{'cpu':>10}{'x holdall':>11}")
    for name, row in found.items():
        ratio = row["cpu"] / found["holdall"]["cpu"]
        goal = f"   goal: {row['goal'] * 1e3:.0f} ms" if row["goal"] else ""
        print(f"  {name:26}{row['seconds'] * 1e3:7.1f} ms{row['cpu'] * 1e3:7.1f} ms{ratio:10.1f}x{goal}")


if __name__ == "__main__":
    main()
