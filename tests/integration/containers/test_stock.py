"""The package whose format we share, in an environment and a process of its own, as the judge of what we write, and we of what it writes.

Only files and JSON pass between the two.
"""

import json
import os
import random
import subprocess
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from benchmarks.containers import data as section_nine

from holdall.containers import (
    FileInfo,
    FormatError,
    LazyReader,
    ReadOptions,
    WriteOptions,
    append,
    combine,
    dump,
    load,
    stream_list,
    stream_map,
)
from holdall.containers.header import parse_header
from holdall.testing.servers.installing import python_environment
from holdall.testing.servers.process import ServerMissingError

STOCK = "msglc==261017"
CHANCE = random.Random(5)


def tree(depth):
    if depth == 0:
        return "t" * CHANCE.choice((20, 200, 2000))
    inner = [tree(max(0, depth - CHANCE.randint(1, 3))) for _ in range(CHANCE.randint(2, 5))]
    return inner if CHANCE.random() < 0.5 else {f"k{n}": value for n, value in enumerate(inner)}


KEYS = [f"key-{n:05}" for n in range(5000)]
SHUFFLED = random.Random(3).sample(KEYS, len(KEYS))
DATA = {
    "a": [[n / (m + 1) for n in range(3000)] for m in range(5)],
    "b": [{"id": n, "x": n * 0.5, "name": f"name-{n}", "ok": n % 2 == 0, "tag": None} for n in range(4000)],
    "sorted": {key: f"{key:*>40}" for key in KEYS},
    "shuffled": {key: f"{key:*>40}" for key in SHUFFLED},
    "d": {f"part-{n}": tree(7) for n in range(12)},
    "e": ["e" * 50_000] * 8,
}
PARTS = {  # no negative positions: stock gets those wrong
    "a": ["2/77", "4/2999"],
    "b": ["3999/name", "17"],
    "sorted": ["key-04711"],
    "shuffled": ["key-04711", "key-00000"],
    "d": ["part-3"],
    "e": ["7"],
}


@pytest.fixture(scope="module")
def stock():
    """Ask the other process; made once."""
    try:
        python = python_environment("msglc", [STOCK])
    except ServerMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    script = Path(__file__).with_name("oracle.py")
    process = subprocess.Popen([python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(do, path, **named):
        process.stdin.write(json.dumps({"do": do, "path": str(path), **named}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["answer"]

    with process:
        yield ask
        process.stdin.close()


def at(value, path):
    for step in path.split("/"):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"leaf_bytes": 512},
        {"leaf_bytes": 64, "max_block": 64},
        {"index": "full"},
        {"checksum": False, "meta": {"made": "today"}},
    ],
)
def test_a05_stock_reads_what_we_write(stock, tmp_path, codec, layout):
    for name, value in DATA.items():
        result = dump(tmp_path / name, value, options=WriteOptions(codec=codec, **layout))
        *parts, whole = stock("read", tmp_path / name, parts=PARTS[name])
        assert whole == value, name
        assert parts == [at(value, path) for path in PARTS[name]], name
        with LazyReader(tmp_path / name) as reader:
            payload = b"".join(reader.payload())
        assert len(payload) == result.data_size
        assert stock("payload", tmp_path / name) == sha256(payload).hexdigest(), name


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
@pytest.mark.parametrize("magic", ["m", "a magic of thirty bytes it was"])
def test_a05_a_magic_of_ones_own_is_that_of_either(stock, tmp_path, codec, magic):
    options = WriteOptions(codec=codec, magic=magic.encode())
    dump(tmp_path / "ours", DATA["b"], options=options)
    assert stock("read", tmp_path / "ours", parts=PARTS["b"], magic=magic)[-1] == DATA["b"]
    stock("write", tmp_path / "theirs", value=DATA["b"], backend="python", codec=codec, magic=magic)
    assert load(tmp_path / "theirs", options=ReadOptions(magic=magic.encode())) == DATA["b"]
    with pytest.raises(FormatError, match="another magic"):
        load(tmp_path / "theirs")


def test_a05_stock_reads_streams_and_sees_typed_arrays_as_opaque(stock, tmp_path):
    rows = DATA["b"][:1000]
    dump(tmp_path / "s", stream_map([("rows", stream_list(iter(rows))), ("n", 1)]))
    assert stock("read", tmp_path / "s", parts=["rows/999/id"]) == [999, {"rows": rows, "n": 1}]
    array = np.arange(6000, dtype="<f8").reshape(60, 100)
    dump(tmp_path / "l", {"x": array, "y": 1}, options=WriteOptions(arrays="lists"))
    assert stock("read", tmp_path / "l", parts=["y"]) == [1, {"x": array.tolist(), "y": 1}]
    dump(tmp_path / "t", {"x": array, "y": [1, 2]})
    assert stock("read", tmp_path / "t", parts=["y"], whole=False)[0] == [1, 2]


def test_a05_either_appends_to_the_others_combination(stock, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for name in ("b", "d"):
        dump(tmp_path / name, DATA[name], options=WriteOptions(codec="cbor" if name == "d" else "msgpack"))
    stock("write", tmp_path / "a", value=DATA["a"], backend="rust")
    combine(ours, [FileInfo(tmp_path / "b", "b")])
    stock("append", ours, files=[[str(tmp_path / "a"), "a"]])
    append(ours, FileInfo(tmp_path / "d", "d"))
    stock("combine", theirs, files=[[str(tmp_path / "b"), "b"]])
    append(theirs, FileInfo(tmp_path / "a", "a"))
    stock("append", theirs, files=[[str(tmp_path / "d"), "d"]])
    expected = {name: DATA[name] for name in ("b", "a", "d")}
    stock("combine", tmp_path / "nested", files=[[str(theirs), "n"]])
    with LazyReader(tmp_path / "nested") as reader:
        assert reader.to_obj() == {"n": expected}
        assert stock("payload", tmp_path / "nested") == sha256(b"".join(reader.payload())).hexdigest()
    for path in (ours, theirs):
        assert load(path) == expected
        with LazyReader(path) as reader:
            assert stock("payload", path) == sha256(b"".join(reader.payload())).hexdigest()
        assert stock("read", path, parts=["b/3/name"]) == ["name-3", expected]
        with LazyReader(path) as reader:
            assert reader.child("a").to_obj() == DATA["a"]
            reader.verify()


@pytest.mark.parametrize("name", ["b", "sorted"])
def test_a26_opening_decodes_a_fiftieth_of_what_stock_does(stock, tmp_path, name):
    """Opening takes what its table takes; seconds are the benchmark's."""
    value = section_nine.document(name, 100)
    dump(tmp_path / "ours", value)
    stock("write", tmp_path / "theirs", value=value, backend="rust")
    ours, theirs = (parse_header((tmp_path / one).read_bytes()) for one in ("ours", "theirs"))
    assert ours.toc_start == theirs.toc_start
    assert 50 * ours.toc_size <= theirs.toc_size


def test_a18_stock_reads_an_empty_combination_of_ours(stock, tmp_path):
    combine(tmp_path / "none", [])
    assert stock("read", tmp_path / "none", parts=[]) == [{}]
    append(tmp_path / "none", [FileInfo(obj=DATA["e"])])
    assert stock("read", tmp_path / "none", parts=["0/3"]) == [DATA["e"][3], [DATA["e"]]]


@pytest.mark.parametrize("backend", ["python", "rust"])
@pytest.mark.parametrize(
    ("threshold", "codec"),
    [(64, "cbor"), (1000, "msgpack"), (8192, "msgpack"), (65_536, "cbor"), (4 << 20, "msgpack"), (4 << 20, "cbor")],
)
def test_a04_we_read_what_stock_writes_now(stock, tmp_path, backend, threshold, codec):
    for name, value in DATA.items():
        stock("write", tmp_path / name, value=value, backend=backend, threshold=threshold, codec=codec)
        with LazyReader(tmp_path / name) as reader:
            assert reader.to_obj() == value
            assert reader.read_many(PARTS[name]) == [at(value, path) for path in PARTS[name]]
            assert reader.codec == codec
            assert b"".join(reader.raw()) == (tmp_path / name).read_bytes()
            assert stock("payload", tmp_path / name) == sha256(b"".join(reader.payload())).hexdigest()
