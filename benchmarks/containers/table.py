"""Write the result page of containers from what `local` and `s3` have measured last: ``docs/explanation/performance-containers.md``.

``python -m benchmarks containers`` runs the two and then this. Nothing is typed in by hand, and rows that lose stand among the others.
"""

import json
import sys

from benchmarks import measuring

PAGE = measuring.RESULTS.parent.parent / "docs" / "explanation" / "performance-containers.md"
NOT_LIBRARIES = {"percent", "sizes"}


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
        "",
    )
    several = [name for name in names if name in {"msgpack", "msgspec", "ormsgpack", "msglc", "msglc rust", "parquet"}]
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
        "moto behind a proxy that counts; seconds, requests and KiB up and down. **Bold** ratios (seconds of holdall in those of msglc) are above 1.",
        "",
    )
    rows = []
    for title, of in found["rows"].items():
        if title not in NOT_LIBRARIES and "holdall" in of:
            cells = {name: counted(one) for name, one in of.items()}
            if "msglc" in of:
                cells["ratio"] = ratio(of["holdall"]["seconds"] / of["msglc"]["seconds"])
            rows.append((title, cells))
    yield from table("act, delay of each request", ["holdall", "msglc", "ratio"], rows)


def counted(one):
    """Show what an act took."""
    traffic = f"{one['requests']:,.0f} req, {one['up'] / 1024:,.0f} up, {one['down'] / 1024:,.0f} down"
    return f"{one['seconds']:.3f} s, {traffic}"


def page():
    """Return the page."""
    yield from ("# Performance of containers, row by row", "")
    yield from (
        "This page is written by `python -m benchmarks containers` from what that run measured (`benchmarks/containers`), the rows that holdall",
        "loses included. Each answer was compared with the document before its time counted. What the figures mean, and the goals, are in",
        "[Performance](performance.md). a are lists of floats, b records, sorted and shuffled maps of texts, d an irregular tree, e a stream of",
        "texts of 256 KiB.",
        "",
    )
    for name, part in (("local", local), ("s3", remote)):
        found = read(name)
        if found is not None:
            yield from part(found)
    yield from (
        "Not among the rows: combining 100 archives of 10 MB, memory while writing, temporary files and imports, which tests bound.",
        "",
        "## Where something else is the better choice",
        "",
        "Documents of a few bytes (50 bytes of header and a table come on top), columns of records (Parquet), dense arrays that compress well or are",
        "read by column (zarr, HDF5), maps out of order (their keys are stored twice), reading everything once. There is no compression.",
    )


def main():
    measuring.arguments(__doc__, percent=100, delay=50)  # those of the two before, so that all three take the same
    PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    sys.exit(main())
