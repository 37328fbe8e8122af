"""Types that fsspec's own filesystems serve: what their keys become, and that archives are really read."""

import asyncio
import io
import os
import pathlib
import subprocess
import tarfile
import zipfile
from urllib.parse import quote

import pytest

from holdall.core.options import GetOptions
from holdall.drivers.registry import open_store
from holdall.engine.resolve import resolve
from holdall.engine.table import MountTable
from holdall.errors import (
    ConfigError,
    HoldallError,
    IntegrityError,
    MissingExtraError,
    NotFoundError,
    NotSupportedError,
    UnavailableError,
)
from holdall.mounts import StorageManager

try:
    import libarchive
except Exception:  # the package without the system's library
    libarchive = None

needs_libarchive = pytest.mark.skipif(
    libarchive is None and not os.environ.get("CI"), reason="needs libarchive: apt-get install libarchive13"
)
FILES = {"a/b.txt": b"hello", "c.bin": bytes(range(256)) * 1000}


@pytest.fixture
def archive(tmp_path):
    """Make archives of the same files."""

    def make(name):
        path = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
                for key, data in FILES.items():
                    file.writestr(key, data)
        else:
            packing = {"tgz": "gz", "gz": "gz", "bz2": "bz2", "xz": "xz"}.get(name.rpartition(".")[2], "")
            with tarfile.open(path, f"w:{packing}") as file:
                for key, data in FILES.items():
                    entry = tarfile.TarInfo(key)
                    entry.size = len(data)
                    file.addfile(entry, io.BytesIO(data))
        return path

    return make


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tgz", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_archives_are_read(archive, name):
    path = archive(name)
    with open_store({"type": "zip" if name.endswith("zip") else "tar", "file": str(path)}) as store:
        assert {m.key: m.size for page in store.list() for m in page.objects} == {k: len(v) for k, v in FILES.items()}
        for key, data in FILES.items():
            assert store.get(key).bytes() == data

        async def check():
            assert await (await store.get_async("a/b.txt")).bytes_async() == b"hello"

        asyncio.run(check())
        assert not store.capabilities.write
        with pytest.raises(NotSupportedError):
            store.put("new", b"x")


def test_an_open_archive(archive):
    with archive("x.zip").open("rb") as file, open_store({"type": "zip", "file": file}) as store:
        assert store.get("a/b.txt").bytes() == b"hello"


def test_packing_can_be_said(archive, tmp_path):
    path = archive("x.tgz").rename(tmp_path / "odd")
    with open_store({"type": "tar", "file": str(path), "compression": "GZ"}) as store:
        assert store.get("a/b.txt").bytes() == b"hello"
    with pytest.raises(ConfigError, match="one of gz, bz2, xz"):
        open_store({"type": "tar", "file": str(path), "compression": "rar"})


def test_an_archive_on_another_protocol(archive):
    path = archive("x.zip")
    spec = {
        "type": "zip",
        "file": path.name,
        "target_protocol": "dir",
        "target_options": {"path": str(path.parent), "target_protocol": "file"},
    }
    with open_store(spec) as store:
        assert store.get("a/b.txt").bytes() == b"hello"
    with open_store({"type": "zip", "file": f"file://{path}"}) as store:
        assert store.get("a/b.txt").bytes() == b"hello"


@needs_libarchive
@pytest.mark.parametrize(("kind", "filter_"), [("7zip", None), ("pax", "xz"), ("zip", None), ("cpio_newc", "gzip")])
def test_what_libarchive_reads(kind, filter_, tmp_path, colour):
    """Archives of several kinds, through a mount, in both colours; ``StorageNode`` reads, lists, copies out, and cannot write."""
    path = tmp_path / "archive.bin"  # the name tells nothing: the content does
    big = os.urandom(300_000)
    with libarchive.file_writer(str(path), kind, filter_) as archive:
        archive.add_file_from_memory("a/b.txt", 5, b"hello")
        archive.add_file_from_memory("a/ü big.bin", len(big), big)
    mounts = {"packed": {"type": "libarchive", "file": str(path)}, "out": {"type": "local", "path": str(tmp_path)}}
    with StorageManager(mounts) as storage:
        node = storage.node("packed:a/ü big.bin")
        assert colour(node.store).get("a/b.txt").bytes() == b"hello"
        assert colour(node.store).get("a/ü big.bin", GetOptions(range=(100_000, 100_007))).bytes() == big[100_000:100_007]
        assert node.read_bytes() == big
        assert sorted(child.path for child in storage.node("packed:a").children()) == ["a/b.txt", "a/ü big.bin"]
        storage.node("packed:a").copy_to("out:copied")
        assert (tmp_path / "copied" / "ü big.bin").read_bytes() == big
        with pytest.raises(NotFoundError):
            colour(node.store).get("a/absent")
        with pytest.raises(NotSupportedError):
            node.write_bytes(b"x")


@needs_libarchive
def test_what_libarchive_does_not_read(tmp_path, colour):
    with libarchive.file_writer(str(tmp_path / "cut.7z"), "7zip") as archive:
        archive.add_file_from_memory("a", 100_000, os.urandom(100_000))
    os.truncate(tmp_path / "cut.7z", 50_000)
    (tmp_path / "bad.7z").write_bytes(b"no archive at all")
    for name, kind in (("bad.7z", IntegrityError), ("cut.7z", IntegrityError), ("absent.7z", UnavailableError)):
        with open_store({"type": "libarchive", "file": str(tmp_path / name)}) as store:
            for call in (lambda verbs: verbs.get("a").bytes(), lambda verbs: list(verbs.list())):
                with pytest.raises(kind):
                    call(colour(store))


def test_a_damaged_entry_of_a_zip_file(tmp_path, colour):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", b"x" * 10_000)
        archive.writestr("b", b"whole")
    with open(tmp_path / "x.zip", "r+b") as file:
        file.seek(5000)
        file.write(b"y")
    with open_store({"type": "zip", "file": str(tmp_path / "x.zip")}) as store:
        with pytest.raises(IntegrityError, match="damaged") as caught:
            colour(store).get("a").bytes()
        assert caught.value.key == "a"
        assert colour(store).get("b").bytes() == b"whole"


def test_what_is_no_archive(tmp_path):
    (tmp_path / "bad").write_bytes(b"no archive at all")
    for kind in ("zip", "tar"):
        with open_store({"type": kind, "file": str(tmp_path / "bad")}) as store, pytest.raises(HoldallError):
            store.get("a")
        with open_store({"type": kind, "file": str(tmp_path / "absent")}) as store, pytest.raises(UnavailableError):
            store.get("a")


def test_what_is_refused_before_anything():
    with pytest.raises(ConfigError, match="cannot be written at once"):
        open_store({"type": "zip", "file": "/x.zip", "mode": "w"})
    with pytest.raises(ConfigError, match="is on a mount"):
        open_store({"type": "zip", "file": "backups:x.zip"})
    with pytest.raises(ConfigError, match="half a pair"):
        open_store({"type": "github", "org": "o", "repo": "r", "token": "x"})


def options(spec):
    store = open_store(spec)
    assert "hunter2" not in repr(store)
    return store._given, store.path, store._options


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        (
            {"type": "github", "org": "o", "repo": "r", "sha": "main", "username": "u", "token": "hunter2", "path": "docs"},
            ("github", "docs", {"org": "o", "repo": "r", "sha": "main", "username": "u", "token": "hunter2"}),
        ),
    ],
)  # fmt: skip
def test_what_the_filesystem_gets(spec, made):
    assert options(spec) == made


@pytest.mark.parametrize(("kind", "extra"), [("libarchive", "libarchive"), ("git", "git")])
def test_extras_are_named(kind, extra, monkeypatch):
    monkeypatch.setattr("holdall.drivers.backend.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf'pip install "holdall\[{extra}\]"'):
        open_store({"type": kind, "path" if kind == "git" else "file": "/x"})


@pytest.fixture
def repository(tmp_path):
    """Make a git repository with two commits on a branch that is not called master."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "me", f"GIT_{who}_EMAIL": "me@example.com"}

    def git(*words):
        subprocess.run(["git", *words], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)

    git("init", "-q", "-b", "trunk")
    (tmp_path / "sub").mkdir()
    for text in ("one", "two"):
        (tmp_path / "sub" / "f").write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", text)
    return tmp_path


def test_a_repository(repository):
    with open_store({"type": "git", "path": str(repository)}) as store:
        assert store.get("sub/f").bytes() == b"two"
        assert [m.key for page in store.list() for m in page.objects] == ["sub/f"]
        with pytest.raises(NotFoundError):
            store.get("sub/absent")
        with pytest.raises(NotSupportedError):
            store.put("x", b"")
    with open_store({"type": "git", "path": str(repository), "ref": "trunk~1", "fo": "sub"}) as store:
        assert store.get("f").bytes() == b"one"
        assert asyncio.run(store.get_async("f")).bytes() == b"one"
    with open_store({"type": "git", "path": str(repository / "absent")}) as store, pytest.raises(HoldallError):
        store.get("x")


def test_webdav_really(webdav_folder):
    server = webdav_folder.server
    url = f"webdav://{server.user}:{quote(server.password, safe='')}@{server.host}:{server.port}{webdav_folder.path}"
    with open_store(url) as store:
        (pathlib.Path(webdav_folder.root) / "a b").mkdir()
        (pathlib.Path(webdav_folder.root) / "a b" / "ü.txt").write_bytes(b"hello")
        assert store.get("a b/ü.txt").bytes() == b"hello"
        assert [m.key for page in store.list() for m in page.objects] == ["a b/ü.txt"]
    found = resolve(f"{url}/a%20b/%C3%BC.txt", table=MountTable())
    with found.store:
        assert found.store.get(found.key).bytes() == b"hello"
    with open_store(url.replace(quote(server.password, safe=""), "hunter2")) as store, pytest.raises(HoldallError) as caught:
        store.get("a b/ü.txt")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("ref", ["absent", "a..b", "HEAD~9", "0" * 40, "refs/heads/absent"])
def test_a_ref_that_is_not_there(repository, ref, colour):
    with open_store({"type": "git", "path": str(repository), "ref": ref}) as store:
        verbs = colour(store)
        for call in (lambda: verbs.get("sub/f"), lambda: verbs.head("sub/f"), lambda: list(verbs.list())):
            with pytest.raises(ConfigError, match="no commit, branch or tag"):
                call()


def test_a_ref_to_what_is_in_a_commit():
    for ref in ("HEAD:f", "HEAD^{tree}"):
        with pytest.raises(ConfigError, match="not what is in one"):
            open_store({"type": "git", "path": "/x", "ref": ref})


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("webdav://h/dav/a%20b", "http://h/dav/a%20b"),
        ("dav://h:8080", "http://h:8080"),
        ("webdavs://h/dav?verify=no", "https://h/dav"),
        ("davs://h/dav?create=no&timeout=5s&retries=0", "https://h/dav"),
        ({"type": "dav", "url": "http://h", "base_path": "a b", "username": "u", "password": "hunter2"}, "http://h/a%20b"),
        ({"type": "webdav", "url": "https://u:hunter2@h", "prefix": "a"}, "https://h/a"),
        ({"type": "webdav", "url": "http://h", "token": "hunter2", "cert": ["/c", "/k"], "verify_ssl": False}, "http://h"),
    ],
)
def test_webdav_addresses(spec, address):
    with open_store(spec) as store:
        assert store.address == address
        assert "hunter2" not in repr(store)


def test_webdav_certificates_that_are_not_there(tmp_path):
    for field in ("cert", "ca_file"):
        spec = {"type": "webdav", "url": "https://127.0.0.1:1", field: str(tmp_path / "absent.pem")}
        with open_store(spec) as store, pytest.raises(ConfigError, match="cannot be used"):
            store.get("k")
