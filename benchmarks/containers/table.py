"""Write the result page of containers from what `local`, `s3` and `costs` have measured last: ``docs/explanation/performance-containers.md``.

``python -m benchmarks containers`` runs the three and then this. Nothing is typed in by hand, and rows that lose stand among the others.
"""

import json
import sys

from benchmarks import measuring

PAGE = measuring.RESULTS.parent.parent / "docs" / "explanation" / "performance-containers.md"
NOT_LIBRARIES = {"percent", "sizes"}
MUST = {
    "write e, local": "48 MiB, no file",
    "write e, S3": "72 MiB (five parts and 32), no file",
    "combine f, S3": "24 MiB (three parts), no file, 0.01 %; 5.1 MiB each way (parts copied by the server are not built yet)",
}
LOSING = [
    ("a document of a few bytes", "a document of 30 bytes, there and back", "msgspec"),
    ("small records one by one, uncached", "1000 leaves b", "msglc"),
    ("texts of a map one by one, uncached", "1000 leaves shuffled", "msglc"),
    ("everything at once, records", "full read b", "msgspec"),
    ("everything at once, a tree", "full read d", "msgspec"),
    ("one column of records", "column of b", "parquet"),
    ("records by a condition", "filter of b", "parquet"),
    ("one record by its key", "find one of b", "sqlite"),
    ("one record changed in place", "change one of b", "sqlite"),
    ("one column of a dense array", "column of array", "h5py chunked"),
    ("all of a dense array", "full read array", "h5py"),
]
"""Case, row, and the library to take instead."""
SIZES = [
    ("bytes of records", "b", "parquet"),
    ("bytes of a dense array", "array", "zarr"),
    ("bytes of a map out of order", "shuffled", "msgpack"),
]


def read(name):
    """Return what a benchmark left, ``None`` if it was not run."""
    path = measuring.RESULTS / f"containers.{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def taken(found):
    """Say when and where something was measured."""
    load = ", ".join(map(str, found["load"]))
    return f"{found['date']}, {found['machine']}, Python {found['python']}, load {load}; {found['rows']['percent']} % of the full documents."


def table(first, columns, rows):
    """Return the lines of a table; cells that are missing stay empty."""
    yield f"| {first} | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for title, cells in rows:
        yield f"| {title} | " + " | ".join(cells.get(column, "") for column in columns) + " |"
    yield ""


def lines(found, libraries):
    """Return a table of local rows: holdall's processor time, and its ratio to that of each library."""
    for title, of in found["rows"].items():
        if title in NOT_LIBRARIES or "holdall" not in of:
            continue
        own = of["holdall"]["cpu"]
        cells = {name: ratio(own / one["cpu"]) for name, one in of.items() if name in libraries and one["cpu"]}
        if cells:
            yield title, {"holdall": f"{own * 1e3:,.3g} ms"} | cells


def ratio(value):
    """Show a ratio; what loses is bold."""
    shown = f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"
    return f"**{shown}**" if value > 1 else shown


def local(found):
    """Return the part of the page about local files."""
    names = list(dict.fromkeys(name for row, of in found["rows"].items() if row not in NOT_LIBRARIES for name in of))
    yield from ("## Local files", "", taken(found), "")
    yield from (
        "Least processor time of holdall for each act, and its ratio to other libraries: below 1 holdall is cheaper, **bold** it loses. Rows of 1000 are for one of them.",
        "The documents in full are 2.5 million floats, 200,000 records or keys, 50 MB of tree; files are in the page cache, the library is imported.",
        "",
    )
    several = [name for name in names if name not in {"holdall", "h5py", "h5py chunked", "zarr"}]
    yield from table("documents", ["holdall", *several], lines(found, several))
    several = [name for name in names if name in {"h5py", "h5py chunked", "zarr"}]
    yield from table("array of float64", ["holdall", *several], lines(found, several))
    yield from ("Sizes, and what is above plain msgpack (arrays: above h5py, contiguous):", "")
    rows = []
    for title, of in found["rows"]["sizes"].items():
        limit = of.get("msgpack") or of.get("h5py") or next(iter(of.values()))
        rows.append((title, {name: f"{size / 1e6:,.2f} MB, {size / limit - 1:+.2%}" for name, size in of.items()}))
    shown = list(dict.fromkeys(name for _, cells in rows for name in cells if name not in {"msgspec", "ormsgpack"}))
    yield from table("dataset", shown, rows)


def remote(found):
    """Return the part of the page about S3."""
    yield from ("## S3", "", taken(found), "")
    yield from (
        "The gateway of Ceph behind a proxy that counts, 100 MB/s on each connection. Requests and KiB up and down are exact; then the seconds of holdall",
        "in those of msglc, with so many milliseconds added to each request. **Bold** ratios are above 1.",
        "",
    )
    rows = {}
    for title, of in found["rows"].items():
        if title in NOT_LIBRARIES or "holdall" not in of:
            continue
        act, _, delay = title.rpartition(", ")
        cells = rows.setdefault(act, {name: traffic(one) for name, one in of.items()})
        cells[delay] = f"{of['holdall']['seconds']:.3f} s"
        if "msglc" in of:
            cells[delay] += f", {ratio(of['holdall']['seconds'] / of['msglc']['seconds'])}"
    delays = dict.fromkeys(delay for cells in rows.values() for delay in cells if delay.endswith(" ms"))
    yield from table("act", ["holdall", "msglc", *delays], rows.items())


def traffic(one):
    """Show what an act sent and received."""
    return f"{one['requests']:,.0f} req, {one['up'] / 1024:,.0f} up, {one['down'] / 1024:,.0f} down"


def costs(found):
    """Return the part of the page about what archives cost beside time."""
    yield from ("## Memory, temporary files, large combinations, imports", "", taken(found), "")
    yield from (
        "Each act in a process of its own: growth of its resident memory, the most bytes of temporary files at one time, what passed the proxy.",
        "f are 100 archives, which msglc takes from the local disk and holdall from S3.",
        "",
    )
    rows = []
    for act, of in found["rows"].items():
        for library, one in of.items() if act not in NOT_LIBRARIES and act != "import" else ():
            cells = {
                "memory": f"{one['mib']:,.0f} MiB",
                "temporary files": f"{one['temporary'] / 1e6:,.1f} MB",
                "seconds": f"{one['seconds']:.2f}",
                "must": MUST.get(act, "") if library == "holdall" else "",
            }
            if "S3" in act:
                cells |= {"requests": f"{one['requests']:,.0f}", "MB up": f"{one['up'] / 1e6:,.1f}"}
                cells["MB down"] = f"{one['down'] / 1e6:,.1f}"
            if "above" in one:
                cells["above its parts"] = f"{one['above']:.4%}"
            rows.append((f"{act}, {library}", cells))
    columns = ["memory", "temporary files", "seconds", "requests", "MB up", "MB down", "above its parts", "must"]
    yield from table("act", columns, rows)
    told = ", ".join(
        f"`{name}` {one['modules']} modules of others in {one['cpu'] * 1e3:.0f} ms"
        for name, one in found["rows"]["import"].items()
    )
    yield from (f"An import loads: {told} of processor time (must: none).", "")


def losing(found):
    """Return the part of the page about what something else does better."""
    yield from ("## Where something else is the better choice", "")
    yield from ("Of the same run; ratios are processor time (or size) of holdall in that of the other.", "")
    rows = []
    for case, row, other in LOSING:
        of = found["rows"].get(row, {})
        if "holdall" in of and other in of:
            rows.append((case, {"better": other, "ratio": ratio(of["holdall"]["cpu"] / of[other]["cpu"])}))
    for case, dataset, other in SIZES:
        of = found["rows"]["sizes"].get(dataset, {})
        if "holdall" in of and other in of:
            rows.append((case, {"better": other, "ratio": ratio(of["holdall"] / of[other])}))
    yield from table("case", ["better", "ratio"], rows)
    yield from (
        "Maps out of order store their keys twice and take a second round for the first key. There is no compression: an archive of repetitive text is as",
        "large as its msgpack. [Pick a container](../how-to/pick-a-container.md) says what to take instead.",
    )


def page(asked):
    """Return the page of one run.

    Raises:
        SystemExit: A benchmark was not run, or what is there is not of one run.
    """
    results = {name: read(name) for name in ("local", "s3", "costs")}
    scales = {"local": asked.local}
    missing = [
        name
        for name, found in results.items()
        if found is None or found["rows"]["percent"] != scales.get(name, asked.percent)
    ]
    if missing:
        raise SystemExit(
            f"not of one run: {', '.join(missing)}; run `python -m benchmarks containers --percent={asked.percent}`"
        )
    yield from ("# Performance of containers, row by row", "")
    yield from (
        "This page is written by one command and its one run, `python -m benchmarks containers`, from what it measured (`benchmarks/containers`), the rows that holdall",
        "loses included. Each answer was compared with the document before its time counted. What the figures mean, and the goals, are in",
        "[Performance](performance.md). a are lists of floats, b records, sorted and shuffled maps of texts, d an irregular tree, e a stream of",
        "texts of 256 KiB, f 100 archives of 10 MB.",
        "",
    )
    for name, part in (("local", local), ("s3", remote), ("costs", costs), ("local", losing)):
        yield from part(results[name])


def main():
    asked = measuring.arguments(__doc__, percent=20, local=100)  # the same options as those before
    PAGE.write_text("\n".join(page(asked)) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    sys.exit(main())
