"""Whatever names an archive reads the same archive: paths, URLs, mounts, nodes, stores, filesystems, files, bytes."""

import io

import fsspec
import pytest
from upath import UPath

import holdall
from holdall.containers import LazyReader, LazyWriter, combine, dump
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, NotFoundError, NotSupportedError, PreconditionError
from holdall.wrappers.prefix import PrefixStore

DOCUMENT = {"rows": [{"id": i, "text": "t" * 40} for i in range(3000)], "more": {"a": [1, None, "ü"]}}


@pytest.fixture
def place(tmp_path):
    """A file with the archive."""
    dump(tmp_path / "dir" / "a.lazy", DOCUMENT)
    return tmp_path / "dir" / "a.lazy"


@pytest.fixture
def mounted(place):
    """A mount of the default manager with the archive."""
    holdall.storages.add_mount("archives-here", LocalStore(place.parent))
    yield "archives-here"
    holdall.storages.delete_mount("archives-here")


def test_a02_every_source_reads_the_same_archive(place, mounted, face, colour):
    files = fsspec.filesystem("file")
    data = place.read_bytes()
    memory = MemoryStore()
    memory.put("deep/a.lazy", data)
    elsewhere = UPath(f"memory://{place.parent.parent.name}/{colour.name}/a.lazy")
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    elsewhere.write_bytes(data)
    sources = {
        "str": (str(place), {}),
        "Path": (place, {}),
        "UPath": (elsewhere, {}),
        "UPath, local": (UPath(str(place)), {}),
        "UPath, file": (UPath(place.as_uri()), {}),
        "URL": (place.as_uri(), {}),
        "mount": (f"{mounted}:a.lazy", {}),
        "node": (holdall.storages.node(f"{mounted}:a.lazy"), {}),
        "fs=": (str(place), {"fs": files}),
        "s3fs=": (str(place), {"s3fs": files}),
        "both": (str(place), {"fs": files, "s3fs": files}),
        "store=": ("deep/a.lazy", {"store": memory}),
        "wrapped store=": ("a.lazy", {"store": PrefixStore(memory, "deep/")}),
        "bytes": (data, {}),
        "bytearray": (bytearray(data), {}),
        "memoryview": (memoryview(data), {}),
        "BytesIO": (io.BytesIO(data), {}),
    }
    for name, (source, named) in sources.items():
        assert face.load(source, **named) == DOCUMENT, name
        with colour(LazyReader(source, **named)) as reader:
            assert reader.read("rows/-1/id") == 2999, name
            assert b"".join(reader.raw()) == data, name
    with open(place, "rb") as file, files.open(str(place), "rb") as remote:
        file.seek(7)
        for handle in (file, remote):
            assert face.load(handle) == DOCUMENT
            with colour(LazyReader(handle)) as reader:
                assert reader.read("more/a/2") == "ü"
        assert file.tell() == 7


def test_a02_every_destination_is_written_alike(tmp_path, mounted, face, colour):
    files, memory, target = fsspec.filesystem("file"), MemoryStore(), io.BytesIO()
    (tmp_path / "file").write_bytes(b"something longer than nothing")
    with open(tmp_path / "file", "r+b") as file:
        places = [
            (str(tmp_path / "str"), {}),
            (tmp_path / "Path", {}),
            (UPath(str(tmp_path / "UPath")), {}),
            (UPath(f"memory://{tmp_path.name}/{colour.name}/written"), {}),
            ((tmp_path / "URL").as_uri(), {}),
            (f"{mounted}:written", {}),
            (holdall.storages.node(f"{mounted}:node"), {}),
            (str(tmp_path / "fs"), {"fs": files}),
            ("key", {"store": memory}),
            (target, {}),
            (file, {}),
        ]
        for where, named in places:
            with colour(LazyWriter(where, **named)) as writer:
                writer.write(DOCUMENT)
            assert face.load(where, **named) == DOCUMENT, where


def test_a02_what_is_refused(place):
    files, other = fsspec.filesystem("file"), fsspec.filesystem("memory")
    with pytest.raises(TypeError, match="one of them"):
        LazyReader(str(place), fs=files, s3fs=other)
    with pytest.raises(TypeError):
        LazyReader(UPath(str(place)), fs=files)
    with pytest.raises(TypeError):
        LazyReader(UPath("memory://a/b"), fs=other)
    with pytest.raises(ConfigError, match=r"pathlib\.Path"):
        LazyReader("no-such-mount:a.lazy")
    with open(place, "rb") as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        LazyReader(file)
    with pytest.raises(TypeError, match="BytesIO"):
        LazyWriter(b"bytes")
    for named, error in (({"version": "1"}, NotSupportedError), ({"if_match": "e"}, PreconditionError)):
        with pytest.raises(error):
            LazyReader(place.read_bytes(), **named).open()
        with pytest.raises((error, NotSupportedError)):
            LazyReader(place, **named).open()
    with pytest.raises(NotFoundError):
        LazyReader(place.parent).open()
    with pytest.raises(NotFoundError):
        combine(place.parent / "b.lazy", [place.parent])
