"""Archives of each release stay readable for ever: none of these files is ever written again, further releases add their own."""

from pathlib import Path

import numpy as np
import pytest

from holdall.containers import LazyReader

HERE = Path(__file__).parent / "releases"
DOCUMENT = {
    "leaf": {"none": None, "true": True, "number": -7, "float": 0.5, "text": "é", "bytes": b"\x00\xff"},
    "rows": [{"id": i, "name": f"name {i}"} for i in range(300)],
    "sorted": {f"k{i:04}": i for i in range(300)},
    "shuffled": {f"k{i * 77 % 300:04}": "v" * 9 for i in range(300)},
    "mixed": [*range(500), ["large " * 200, [1, 2]], *range(500)],
    "tree": {f"n{i}": {"text": "t" * 700, "deep": [[i, "d" * 600]]} for i in range(4)},
    "empty": [{}, []],
}
ARRAYS = {
    "large": np.arange(600, dtype="<f4").reshape(30, 20),
    "small": np.array(["a", "bc"]),
    "when": np.array(["2026-11-22"], "M8[D]"),
}
PLAIN = sorted(path.name for path in HERE.glob("*.lazy") if "array" not in path.name and "combined" not in path.name)


def looked_at(reader, prefix=()):
    """Read the whole, parts, and everything once more to verify it."""
    assert reader.read(prefix).to_obj() == DOCUMENT
    paths = [
        ("leaf", "text"),
        ("rows", -1, "id"),
        ("sorted", "k0123"),
        ("shuffled", "k0123"),
        ("mixed", 500, 1, 0),
        ("tree", "n3", "deep", 0, 0),
    ]
    assert reader.read_many([(*prefix, *path) for path in paths]) == ["é", 299, 123, "v" * 9, 1, 3]
    assert list(reader.read((*prefix, "rows"))) == DOCUMENT["rows"]
    assert reader.verify().size == reader.size


@pytest.mark.parametrize("name", PLAIN)
def test_documents(name, colour):
    with colour(LazyReader(HERE / name)) as reader:
        looked_at(reader)
        assert reader.meta == ({} if "full" in name else {"made": "2026-11-22"})


def test_combinations(colour):
    with colour(LazyReader(HERE / "0.1-combined.lazy")) as reader:
        for name in ("msgpack", "cbor"):
            looked_at(reader, (name,))


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
def test_arrays(codec, colour):
    with colour(LazyReader(HERE / f"0.1-{codec}-arrays.lazy")) as reader:
        found = reader.to_obj()
        assert list(found) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
        assert np.array_equal(reader.read("large/7:9"), ARRAYS["large"][7:9])
        reader.verify()


def test_there_are_archives():
    assert len(PLAIN) == 4
