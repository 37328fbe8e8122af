"""Keys as local files for a while."""

# what happens inside a with block is what is tested here

import os
import tempfile
from pathlib import Path

import pytest
from tests.unit.engine.stores import Apart, everything, fill

from holdall.core.options import PutOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.engine import localize, localize_async
from holdall.errors import NotFoundError, PermissionDeniedError, PreconditionError, UnavailableError
from holdall.testing import AsyncColour, CountingStore, FlakyStore
from holdall.testing.ground import LocalGround


@pytest.fixture(params=["blocking", "async"])
def localized(request):
    """`Localize` in either colour, to be used in a blocking ``with``."""
    if request.param == "blocking":
        yield localize.Localize
        return
    with AsyncColour() as colour:

        class Entered:
            def __init__(self, *arguments, **named):
                self.inner = localize_async.Localize(*arguments, **named)

            def __enter__(self):
                return colour.run(self.inner.__aenter__())

            def __exit__(self, *failure):
                return colour.run(self.inner.__aexit__(*failure))

        yield Entered


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """Temporary directories are made below one place, which is empty again after each test."""
    place = tmp_path / "private"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture(params=["memory", "apart", "no conditions"])
def far(request):
    """A store without local files."""
    return {
        "memory": MemoryStore,
        "apart": Apart,
        "no conditions": lambda: Apart(update=False, conditional_read=False, tags=False),
    }[request.param]()


# -- far stores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_reading_keeps_the_name_and_the_bytes(localized, far, size):
    far.put("d/movie.mp4", b"x" * size)
    with localized(far, "d/movie.mp4") as path:
        assert isinstance(path, str)
        assert os.path.basename(path) == "movie.mp4"
        assert Path(path).read_bytes() == b"x" * size
        assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0
    assert not os.path.exists(path)


def test_what_was_made_is_uploaded(localized, far):
    with localized(far, "d/out.png", "w", options=PutOptions(content_type="image/png")) as path:
        assert not os.path.exists(path)
        Path(path).write_bytes(b"picture")
    assert everything(far) == {"d/out.png": b"picture"}
    assert far.head("d/out.png").content_type == "image/png"


def test_nothing_made_is_an_error(localized, far):
    with pytest.raises(NotFoundError, match="nothing was written"), localized(far, "out", "w"):
        pass
    assert everything(far) == {}


def test_what_was_changed_is_written_back_with_its_headers(localized, far):
    far.put("f", b"old", PutOptions(content_type="text/x", metadata={"a": "b"}))
    with localized(far, "f", "rw") as path, open(path, "ab") as file:
        file.write(b" and new")
    assert far.get("f").bytes() == b"old and new"
    meta = far.head("f")
    assert (meta.content_type, dict(meta.metadata)) == ("text/x", {"a": "b"})


@pytest.mark.parametrize("touch", ["nothing", "same bytes", "replaced by the same"])
def test_what_was_not_changed_is_not_uploaded(localized, touch):
    store = CountingStore(Apart())
    store.put("f", b"content")
    store.reset()
    with localized(store, "f", "rw") as path:
        if touch == "same bytes":
            Path(path).write_bytes(b"content")
        elif touch == "replaced by the same":
            Path(path + ".new").write_bytes(b"content")
            os.replace(path + ".new", path)
    assert "put" not in store.counts.calls


def test_a_change_of_equal_size_is_seen(localized, far):
    far.put("f", b"one")
    with localized(far, "f", "rw") as path:
        stat = os.stat(path)
        Path(path).write_bytes(b"two")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert far.get("f").bytes() == b"two"


def test_a_conflict_keeps_the_edit(localized, far, private):
    far.put("f", b"one")
    with pytest.raises(PreconditionError, match="your edit is kept at") as caught, localized(far, "f", "rw") as path:
        Path(path).write_bytes(b"mine")
        far.put("f", b"theirs")
    assert far.get("f").bytes() == b"theirs"
    assert path in str(caught.value)
    assert Path(path).read_bytes() == b"mine"
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


@pytest.mark.parametrize("mode", ["r", "w", "rw"])
def test_an_exception_uploads_nothing(localized, far, mode):
    far.put("f", b"old")
    with pytest.raises(KeyError), localized(far, "f", mode) as path:
        Path(path).write_bytes(b"new")
        raise KeyError("stop")
    assert everything(far) == {"f": b"old"}


def test_reading_only_never_uploads(localized, far):
    far.put("f", b"old")
    with localized(far, "f") as path:
        Path(path).write_bytes(b"new")
    assert everything(far) == {"f": b"old"}


def test_a_failing_upload_is_told_and_cleaned_up(localized):
    store = FlakyStore(Apart())
    store.put("f", b"old")
    store.fail("put")
    with pytest.raises(UnavailableError), localized(store, "f", "rw") as path:
        Path(path).write_bytes(b"new")
    assert everything(store) == {"f": b"old"}


def test_a_failing_download_is_told_and_cleaned_up(localized):
    store = FlakyStore(Apart())
    store.put("f", b"x" * 5_000_000)
    store.fail("get", nth=2)
    with pytest.raises(UnavailableError), localized(store, "f"):
        raise AssertionError("never entered")


def test_missing_keys(localized, far):
    for mode in ("r", "rw"):
        with pytest.raises(NotFoundError), localized(far, "nothing", mode):
            raise AssertionError("never entered")


def test_directories_are_read_and_made(localized, far):
    tree = {"a": b"1", "b/c": b"2"}
    fill(far, {f"d/{key}": data for key, data in tree.items()})
    for key in ("d", "d/"):
        with localized(far, key) as path:
            assert os.path.basename(path) == "d"
            assert {name: LocalGround(path).read(name) for name in LocalGround(path).everything()} == tree
    with localized(far, "out", "w") as path:
        os.makedirs(os.path.join(path, "x"))
        Path(path, "x", "y").write_bytes(b"3")
    assert everything(far, "out/") == {"x/y": b"3"}
    with pytest.raises(NotFoundError), localized(far, "d", "rw"):
        raise AssertionError("never entered")


def test_a_version_is_read(localized):
    store = MemoryStore(versioned=True)
    old = store.put("f", b"old").version
    store.put("f", b"new")
    with localized(store, "f", version=old) as path:
        assert Path(path).read_bytes() == b"old"
    with pytest.raises(ValueError, match="historical"):
        localized(store, "f", "rw", version=old)


def test_long_names_keep_their_suffix(localized, far):
    key = "d/" + "é" * 300 + ".tar.gz"
    far.put(key, b"1")
    with localized(far, key) as path:
        assert path.endswith(".tar.gz")
        assert Path(path).read_bytes() == b"1"


def test_wrong_modes_and_missing_permission(localized):
    with pytest.raises(ValueError, match="Unknown mode 'a'"):
        localized(Apart(), "f", "a")
    store = CountingStore(Apart(write=False))
    for mode in ("w", "rw"):
        with pytest.raises(PermissionDeniedError, match="read-only"):
            localized(store, "f", mode)
    assert store.counts.total == 0
    with pytest.raises(PermissionDeniedError):
        localized(Apart(read=False), "f")


# -- local stores ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def near(tmp_path):
    """A local store."""
    return LocalStore(tmp_path / "root", create=True)


def test_a_local_file_is_itself(localized, near, tmp_path):
    near.put("d/f", b"1")
    for mode in ("r", "rw", "w"):
        with localized(near, "d/f", mode) as path:
            assert path == str(tmp_path / "root/d/f")
    with localized(near, "new/dir/f", "w") as path:
        Path(path).write_bytes(b"2")
    assert everything(near) == {"d/f": b"1", "new/dir/f": b"2"}
    with localized(near, "d") as path:
        assert os.listdir(path) == ["f"]
    for mode in ("r", "rw"):
        with pytest.raises(NotFoundError), localized(near, "nothing", mode):
            raise AssertionError("never entered")


@pytest.mark.parametrize("mode", ["w", "rw"])
def test_atomic_replaces_on_success_only(localized, near, mode):
    near.put("d/f.txt", b"old", PutOptions(content_type="text/x"))
    with pytest.raises(KeyError), localized(near, "d/f.txt", mode, atomic=True) as path:
        Path(path).write_bytes(b"half")
        raise KeyError("stop")
    assert LocalGround(near.root).snapshot() == {"d/f.txt": b"old"}
    with localized(near, "d/f.txt", mode, atomic=True) as path:
        assert path.endswith("f.txt")
        assert os.path.exists(path) is (mode == "rw")
        Path(path).write_bytes(b"new")
        assert near.get("d/f.txt").bytes() == b"old"
        assert [meta.key for page in near.list() for meta in page.objects] == ["d/f.txt"]
    assert LocalGround(near.root).snapshot() == {"d/f.txt": b"new"}
    if mode == "rw":
        assert near.head("d/f.txt").content_type == "text/x"


def test_atomic_without_a_file_or_with_a_conflict(localized, near):
    with pytest.raises(NotFoundError, match="nothing was written"), localized(near, "f", "w", atomic=True):
        pass
    near.put("f", b"one")
    with pytest.raises(PreconditionError), localized(near, "f", "rw", atomic=True) as path:
        Path(path).write_bytes(b"mine")
        near.put("f", b"theirs")
    assert LocalGround(near.root).snapshot() == {"f": b"theirs"}


def test_headers_for_a_local_file_go_by_a_copy(localized, near):
    with localized(near, "f.bin", "w", options=PutOptions(content_type="text/x")) as path:
        Path(path).write_bytes(b"1")
    assert near.head("f.bin").content_type == "text/x"
    assert near.get("f.bin").bytes() == b"1"
