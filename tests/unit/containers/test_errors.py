"""What goes wrong says where, is of the type that callers expect, and costs nothing where the table knows; processes share readers."""

import io
import pickle
import subprocess
import sys

import pytest

from holdall.containers import (
    EncodeError,
    FormatError,
    LazyReader,
    LazyWriter,
    MissingIndexError,
    MissingKeyError,
    ReadOptions,
    dump,
    dumps,
)
from holdall.containers.header import Header, pack_header
from holdall.drivers.memory import MemoryStore
from holdall.errors import ClosedError, HoldallError, IntegrityError, NotFoundError, NotSupportedError

DOCUMENT = {
    "rows": [{"id": i, "t": "x" * 50} for i in range(3000)],
    "map": {"a/b": [1], "": 2, "7": 3, "n": {"x": "y" * 20_000}},
}


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
def test_a28_what_cannot_be_encoded(codec, packed):
    for value, path, kind in (
        ({"k3": {"meta": {"x": 1j}}}, "k3/meta/x", "complex"),
        ([1] * 5000 + [{"deep": [object()]}], "5000/deep/0", "object"),
        ({"a": {"b": "\ud800"}}, "a/b", "str"),
    ):
        with pytest.raises(EncodeError) as caught:
            packed(value, codec=codec)
        assert isinstance(caught.value, (TypeError, HoldallError))
        assert caught.value.path == path
        assert caught.value.type == kind
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(TypeError):
        packed(..., codec=codec)


def test_a28_what_is_not_there_costs_no_request(face, colour):
    store = MemoryStore()
    face.dump("a", DOCUMENT, store=store)
    with colour(LazyReader("a", store=store)) as reader:
        reader.stats.clear()
        for path, error, builtin, text in (
            ("nothing/x", MissingKeyError, KeyError, "nothing"),
            ("map/n/none", MissingKeyError, KeyError, "map/n/none"),
            ("rows/3000", MissingIndexError, IndexError, "rows/3000"),
            ("rows/-3001/id", MissingIndexError, IndexError, "rows/-3001"),
            ("rows/first", MissingIndexError, IndexError, "rows/first"),
        ):
            before = reader.stats.requests
            with pytest.raises(error, match=text) as caught:
                reader.read(path)
            assert isinstance(caught.value, builtin)
            assert isinstance(caught.value, HoldallError)
            if path != "map/n/none":  # a leaf has to be looked into
                assert reader.stats.requests == before
        with pytest.raises(MissingKeyError, match="list path"):
            reader.read("map/9")
        assert reader.read(["map", "a/b", 0]) == 1
        assert reader.read(["map", ""]) == 2
        assert reader.read("map/7") == 3
    with pytest.raises(NotFoundError):
        colour(LazyReader("none", store=store)).open()
    for act in (reader.open, lambda: reader.read("rows"), reader.to_obj):
        with pytest.raises(ClosedError) as closed:
            act()
        assert isinstance(closed.value, ValueError)


def test_a28_kinds_of_what_is_no_archive(face, packed):
    good = dumps({"a": "x" * 100})

    def archive(toc, payload=b"\x01"):
        return pack_header(Header("msgpack", len(payload), len(toc))) + payload + toc

    for data, kind in (
        (b"", "magic"),
        (b"x" * 100, "magic"),
        (good[:40], "header"),
        (good[:49], "header"),
        (good[:-60], "header"),
        (archive(b"\xc1"), "codec"),
        (archive(b"\x05"), "toc"),
        (archive(b"\x81\xa1p\x92\x00\x09"), "range"),
    ):
        with pytest.raises(FormatError) as caught:
            face.load(data)
        assert caught.value.kind == kind, data
        assert isinstance(caught.value, ValueError)
    with pytest.raises(FormatError) as caught:
        face.load(good, options=ReadOptions(magic=b"other"))
    assert caught.value.kind == "magic"
    assert face.load(packed(1, magic=b"other"), options=ReadOptions(magic=b"other")) == 1
    broken = bytearray(good)
    broken[70] ^= 1
    with pytest.raises(IntegrityError, match=r"bytes \d+ to \d+"):
        face.load(bytes(broken))


def test_a28_what_cannot_be_written_into():
    class Pipe(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise AssertionError("nothing may be written")

    with pytest.raises(NotSupportedError, match=r"LazyWriter\(path, fs="):
        LazyWriter(Pipe())
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(LazyReader(dumps(1)))


SCRIPT = """
import multiprocessing, sys
from holdall.containers import LazyReader

def one(asked):
    reader, i = asked
    return reader[["rows", i, "id"]]

def held(i):
    return READER[["rows", i, "id"]]

if __name__ == "__main__":
    READER = LazyReader(sys.argv[1])
    assert READER["rows/5/id"] == 5
    for way in ("spawn", "fork"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            assert pool.map(one, [(READER, i) for i in range(0, 3000, 300)]) == list(range(0, 3000, 300))
            if way == "fork":
                assert pool.map(held, range(0, 3000, 300)) == list(range(0, 3000, 300))
    assert READER["rows/2999/id"] == 2999
    print("well")
"""


def test_a28_readers_in_processes_that_are_spawned_or_forked(tmp_path):
    dump(tmp_path / "a", DOCUMENT)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "a")], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.returncode) == ("well\n", 0), done.stderr


class Sparse(io.RawIOBase):
    """A file of five TiB, most of which nobody has."""

    def __init__(self, size, pieces):
        self.size, self.pieces, self.at, self.read_bytes = size, pieces, 0, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, size=-1):
        end = self.size if size < 0 else min(self.size, self.at + size)
        found = bytearray(end - self.at)
        for start, data in self.pieces.items():
            low, high = max(start, self.at), min(start + len(data), end)
            if low < high:
                found[low - self.at : high - self.at] = data[low - start : high - start]
        self.at = end
        self.read_bytes += len(found)
        return bytes(found)


def test_a22_the_right_leaf_of_five_tib(colour):
    import msgspec

    far = 5 * 2**40
    text = msgspec.msgpack.encode("here")
    place = {"far": {"p": [far, far + 5]}, "rows": {"p": [[2, far, far + 10]]}, "near": {"p": [0, 5]}}
    toc = msgspec.msgpack.encode({"t": place})
    end = 50 + far + 100
    file = Sparse(
        end + len(toc), {0: pack_header(Header("msgpack", far + 100, len(toc))) + text, 50 + far: text * 2, end: toc}
    )
    with colour(LazyReader(file)) as reader:
        assert reader.read("far") == reader.read("near") == "here"
        assert list(reader.read("rows")) == ["here", "here"]
        assert reader.size > 5 * 2**40
    assert file.read_bytes < 300_000


def test_a22_a_small_stack_does_not_crash():
    code = (
        "import resource, threading\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (512 * 1024, 512 * 1024))\n"
        "from holdall.containers import EncodeError, WriteOptions, dumps, loads\n"
        "def work():\n"
        "    for codec in ('msgpack', 'cbor'):\n"
        "        deep = 1\n"
        "        for i in range(9000): deep = [deep] if i % 2 else {'k': deep}\n"
        "        found = loads(dumps(deep, options=WriteOptions(codec=codec)))\n"
        "        while type(found) is not int: found = found[0] if type(found) is list else found['k']\n"
        "        for i in range(1500): deep = [deep]\n"
        "        try: dumps(deep, options=WriteOptions(codec=codec))\n"
        "        except EncodeError as error: print(str(error)[-30:])\n"
        "threading.stack_size(512 * 1024)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join(); print('well')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nested deeper than 10000") == 2
    assert done.stdout.endswith("well\n")


def test_a28_a_path_of_thousands_of_segments_is_told_by_its_ends(packed):
    deep = []
    for i in range(3000):
        deep = [deep] if i % 2 else {"k": deep}
    with pytest.raises(EncodeError, match="…") as caught:
        packed(deep, max_depth=2000)
    assert len(str(caught.value)) < 400
    assert caught.value.path.count("/") == 1999
    reader = LazyReader(packed(deep))
    with pytest.raises(MissingKeyError) as missing:
        reader.read([*([0, "k"] * 1400), 0, "x"])
    assert len(str(missing.value)) < 400
    assert missing.value.key.endswith("0/k/0/x")
    assert missing.value.key.count("/") == 2801
    with pytest.raises(MissingIndexError) as long:
        reader.read(["y" * 100_000])
    assert len(str(long.value)) < 400
