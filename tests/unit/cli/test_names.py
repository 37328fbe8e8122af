"""Names: what a command prints can be given back to a command, and means that very object."""

from __future__ import annotations

import base64
import json
import zipfile

import pytest

from holdall.drivers.registry import open_store
from holdall.errors import ConfigError
from holdall.records import ObjectDatabase, Record
from holdall.store import Store
from holdall.testing.servers import Bucket, Moto

KEYS = ("a/b", "a//b", "a///b", "d", "d/x", "p%41", "pA", "q?r#s", "s t", "u${HOME}", "ü/€", "v//w//x")
"""Keys of which each names another object than the others, and is no other's directory but where it is meant to be."""
MARKERS = ("d/", "e//")
REFUSALS = ("cannot be named", "Parent directory traversal", "nor be '.' or '..'", "unknown scheme 'room'")


class Room:
    """A storage with these keys, by a URL or a mount, and the truth about it."""

    def __init__(self, root: str, tail: str = "") -> None:
        self.root, self.tail = root, tail

    def name(self, path: str) -> str:
        """Return the name of a path that is written as it is written here."""
        return f"{self.root}{path}{self.tail}"

    def add(self, key: str, data: bytes) -> None:
        raise NotImplementedError

    def content(self) -> dict[str, bytes]:
        raise NotImplementedError


class InMemory(Room):
    store: Store

    def add(self, key: str, data: bytes) -> None:
        self.store.put(key, data)

    def content(self) -> dict[str, bytes]:
        return {meta.key: self.store.get(meta.key).bytes() for page in self.store.list("") for meta in page.objects}


class InBucket(Room):
    bucket: Bucket

    def add(self, key: str, data: bytes) -> None:
        self.bucket.client.put_object(Bucket=self.bucket.name, Key=key, Body=data)

    def content(self) -> dict[str, bytes]:
        client, name = self.bucket.client, self.bucket.name
        found = client.list_objects_v2(Bucket=name).get("Contents", ())
        return {item["Key"]: client.get_object(Bucket=name, Key=item["Key"])["Body"].read() for item in found}


def _memory(mount: bool, here, monkeypatch) -> Room:
    room = InMemory("room:" if mount else "memory://room/")
    room.store = open_store("memory://room")
    config = here / "names.toml"
    config.write_text('[mounts.room]\ntype = "memory"\nshare = "room"\n')
    monkeypatch.setenv("HOLDALL_CONFIG", str(config))
    return room


def _s3(form: str, here, monkeypatch, moto: Moto, bucket: Bucket) -> Room:
    server = moto.endpoint.partition("://")[2]
    keys = f"key={moto.access_key}&secret={moto.secret_key}"
    room = {
        "mount": InBucket("room:"),
        "url": InBucket(f"s3://{bucket.name}/"),
        "query": InBucket(f"s3://{bucket.name}/", f"?endpoint_url={moto.endpoint}&region=us-east-1"),
        "server": InBucket(f"s3://{server}/{bucket.name}/", f"?use_ssl=false&{keys}"),
    }[form]
    room.bucket = bucket
    for name, value in moto.environment.items():
        if form != "query" or "ENDPOINT" not in name:
            monkeypatch.setenv(name, value)
    config = here / "names.toml"
    config.write_text(f'[mounts.room]\ntype = "s3"\nbucket = "{bucket.name}"\n')
    monkeypatch.setenv("HOLDALL_CONFIG", str(config))
    return room


@pytest.fixture(params=["memory-mount", "memory-url", "s3-mount", "s3-url"])
def room(request, here, monkeypatch):
    """Each kind of storage that tells ``a//b`` from ``a/b``, by a mount and a URL."""
    kind, _, form = request.param.partition("-")
    if kind == "memory":
        room = _memory(form == "mount", here, monkeypatch)
    else:
        moto, bucket = request.getfixturevalue("moto"), request.getfixturevalue("moto_bucket")
        room = _s3(form, here, monkeypatch, moto, bucket)
    for key in KEYS:
        room.add(key, key.encode())
    for key in MARKERS:
        room.add(key, b"")
    return room


def listed(run, name: str) -> dict[str, dict]:
    """Return what ``ls -r`` says of a place in lines, with what it says in JSON; both are in one order."""
    lines, told = run("ls", "-r", name).lines, run("ls", "-r", "--json", name).lines
    return dict(zip(lines, map(json.loads, told), strict=True))


def given_back(room: Room, found: dict) -> str:
    """Return a name from JSON, with the secrets that are not shown."""
    return found["path"].replace("secret=***", "secret=testtest")


every_form = pytest.mark.parametrize(
    "room", ["memory-mount", "memory-url", "s3-mount", "s3-url", "s3-query", "s3-server"], indirect=True
)
"""A URL with parameters, and one with a server and credentials, besides."""


@every_form
def test_what_ls_prints_is_what_cat_and_stat_take(run, room):
    found = listed(run, room.name(""))
    assert {entry["name"] for entry in found.values()} == {*KEYS, *MARKERS}
    for line, entry in found.items():
        key = entry["name"]
        names = {room.name(line), given_back(room, entry)}
        for name in names:
            stat = json.loads(run("stat", "--json", name).out)
            assert stat["path"] == entry["path"]
            assert (stat["kind"], stat["size"]) == (entry["kind"], entry["size"])
            said = run("cat", name)
            if key in MARKERS:
                assert (said.code, said.out) == (1, "")
                assert "is a directory: ls lists it" in said.err
            else:
                assert (said.code, said.out, said.err) == (0, key, "")
                told = json.loads(run("cat", "--json", name).out)
                assert (told["path"], base64.b64decode(told["content"]).decode()) == (entry["path"], key)


def test_what_ls_prints_of_one_directory_is_what_it_takes(run, room):
    """Follow what is printed, level by level: every key is found, each once."""
    files, below = [], [""]
    while below:
        path = below.pop()
        assert len(path) < 10, path  # not the same directory over and over
        for line in run("ls", room.name(path)).lines:
            (below if line.endswith("/") else files).append(f"{path}{line}")
    assert sorted(run("cat", room.name(path)).out for path in files) == sorted(KEYS)
    told = [json.loads(line) for line in run("ls", "--json", room.name("")).lines]
    assert {entry["path"] for entry in told if entry["kind"] == "directory"} == {
        room.name(path).replace("secret=testtest", "secret=***") for path in ("a/", "d/", "e/", "v/", "ü/")
    }


@every_form
def test_rm_deletes_what_is_named(run, room):
    before = room.content()
    for line, entry in listed(run, room.name("")).items():
        key = entry["name"]
        if key in MARKERS:
            assert "is a directory: -r deletes it" in run("rm", room.name(line)).err
            continue
        said = run("rm", room.name(line))
        assert (said.code, said.lines) == (0, [f"deleted {entry['path']}"])
        assert set(before) - set(room.content()) == {key}
        assert run("rm", given_back(room, entry)).code == 1  # and nothing else has the name
        assert set(before) - set(room.content()) == {key}
        room.add(key, before[key])


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("d/", {"d/", "d/x"}),
        ("d", {"d", "d/", "d/x"}),
        ("a//", {"a//b", "a///b"}),
        ("a///", {"a///b"}),
        ("a/", {"a/b", "a//b", "a///b"}),
        ("a//b", {"a//b"}),
        ("e//", {"e//"}),
        ("v//w", {"v//w//x"}),
    ],
)
def test_rm_of_a_directory(run, room, path, gone):
    before = set(room.content())
    said = run("rm", "-r", "--json", room.name(path))
    assert said.code == 0, said.err
    assert json.loads(said.out)["deleted"] == room.name(path).replace("secret=testtest", "secret=***")
    assert before - set(room.content()) == gone
    assert run("rm", "-r", room.name(path)).code == 1
    assert run("rm", "-rf", room.name(path)).code == 0
    assert before - set(room.content()) == gone


def test_cp_and_mv_take_exact_names_on_both_sides(run, room, here):
    before = room.content()
    said = run("cp", room.name("a//b"), room.name("new//c"))
    assert (said.code, said.lines[0]) == (0, f"copied {room.name('a//b').replace('secret=testtest', 'secret=***')}")
    assert room.content() == before | {"new//c": b"a//b"}
    assert run("mv", "-q", room.name("new//c"), room.name("new///")).code == 0
    assert room.content() == before | {"new///c": b"a//b"}
    report = json.loads(run("mv", "--json", room.name("new///c"), room.name("a//b")).out)
    assert (report["source"], report["target"]) == (
        room.name("new///c").replace("secret=testtest", "secret=***"),
        room.name("a//b").replace("secret=testtest", "secret=***"),
    )
    assert room.content() == before
    assert run("cp", "-q", room.name("a//b"), "out.txt").code == 0
    assert (here / "out.txt").read_text() == "a//b"
    assert run("cp", "-q", "src/a.txt", room.name("a//b")).code == 0
    assert room.content() == before | {"a//b": b"aaa"}


def test_a_name_with_a_slash_at_its_end_is_not_the_file_without(run, room, here):
    assert "is a directory: -r copies it" in run("cp", room.name("d/"), "x").err
    assert run("cp", "-rq", room.name("d/"), "tree").code == 0
    assert (here / "tree" / "x").read_text() == "d/x"
    assert run("sync", "-q", room.name("d/"), "synced").code == 0
    assert [path.name for path in (here / "synced").iterdir()] == ["x"]
    assert run("verify", room.name("d/"), "synced").lines == ["1 the same, 0 different"]
    assert run("zip", "-q", room.name("d/"), "d.zip").code == 0
    with zipfile.ZipFile(here / "d.zip") as archive:
        assert archive.namelist() == ["x"]
    for command in (("cat",), ("stat",), ("rm",), ("rm", "-r"), ("ls",), ("ls", "-r"), ("zip",), ("cp", "-r"), ("mv",)):
        more = ["out"] if command[0] in {"zip", "cp", "mv"} else []
        said = run(*command, room.name("pA/"), *more)  # a file pA is there
        assert (said.code, said.out) == (1, ""), command
        assert "pA/" in said.err
    said = run("container", "pack", "holdall.toml", room.name("pA/"))
    assert said.code == 1
    assert "is the name of a directory" in said.err
    assert room.content()["pA"] == b"pA"


def test_serve_knows_the_directory_from_the_file(run, room):
    from holdall.cli.places import Places
    from holdall.cli.serving import application

    places = Places()
    try:
        app = application([places.read(room.name("d/"))])
        started: list[str] = []
        body = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}, lambda status, _head: started.append(status))
        assert (b"".join(body), started[0][:3]) == (b"d/x", "200")
        with pytest.raises(ConfigError, match="no name"):
            application([places.read(room.name("a//"))])
    finally:
        places.close()


def test_databases_of_records_have_exact_names(run, here, monkeypatch):
    room = _memory(True, here, monkeypatch)
    with ObjectDatabase(room.store, prefix="people//x") as database:
        database.batch_create([Record({"a": 1}), Record({"a": 2})])
    assert run("records", "count", "room:people//x").lines == ["2"]
    assert run("records", "count", "room:people/x").lines == ["0"]
    for name in ("room:/people", "room:people//", "room:./people"):
        said = run("records", "count", name)
        assert (said.code != 0, said.out) == (True, "")


@pytest.mark.parametrize("path", ["/pA", "//pA", "/", "./pA", "d/./x", "d/../pA", "..", "d/x/.."])
def test_what_cannot_be_named_is_told_and_nothing_else_is_taken(run, room, path):
    before = room.content()
    for command in (("cat",), ("stat",), ("rm",), ("rm", "-r"), ("rm", "-rf", "--root"), ("ls",), ("cp", "-r", "src")):
        said = run(*command, room.name(path))
        assert said.code in {1, 2}
        assert said.out == ""
        assert any(why in said.err for why in REFUSALS), said.err
    assert room.content() == before


def test_what_is_not_there_is_named_as_it_was_given(run, room):
    for name in ("d//x", "a////b", "pA/", "none//"):
        told = room.name(name).replace("secret=testtest", "secret=***")
        assert run("stat", room.name(name)).err == f"holdall: nothing at {told!r}\n"
        said = run("rm", room.name(name))
        assert said.code == 1
        assert name in said.err


def test_keys_that_others_made(run, here, monkeypatch, moto, moto_bucket):
    """Listed, and never taken for others: a key that begins with a slash, one with a dot, a marker with content."""
    room = _s3("url", here, monkeypatch, moto, moto_bucket)
    for key in ("/x", "x", "./y", "y", "z/../w", "w", "m/", "m"):
        room.add(key, key.encode())
    before = room.content()
    found = listed(run, room.name(""))
    assert {entry["name"] for entry in found.values()} == set(before)
    for line, entry in found.items():
        key = entry["name"]
        for name in (room.name(line), entry["path"], f"room:{key}"):
            said = run("cat", name)
            assert (
                (said.code, said.out) == ((1 if "." not in key or "room" in name else 2), "")
                if (key[0] == "/" or "." in key)
                else (0, key)
            )
            if said.code:
                run("rm", "-rf", name)
                assert room.content() == before


def test_web_addresses_are_meant_to_the_letter(run, here, monkeypatch):
    """No request is made for another page than the one that is named."""
    monkeypatch.setattr("holdall.drivers.objects.HTTPStore.get", lambda *_: pytest.fail("asked for something"))
    for path, why in {
        "a/": "has no directories",
        "/a": "begin with '/'",
        "a%2Fb": "an encoded '/'",
        "a/./b": "a '.' segment",
        "a/../b": "'..' segment",
    }.items():
        said = run("cat", f"http://127.0.0.1:1/{path}")
        assert said.code == 1
        assert why in said.err


def test_a_filesystem_that_takes_two_slashes_for_one_is_not_asked(run):
    for path in ("b/x//y", "b/x//y/z", "b//", "b//x"):
        said = run("cat", f"fsspec+memory://{path}")
        assert (said.code, "cannot be named" in said.err) == (1, True), said.err


def test_where_directories_are_real_two_slashes_are_one(run, here):
    """On a disk the system says what a path is; on a mount and in a URL of one, too."""
    for name in (
        "src//d///b.txt",
        f"{here}//src//d/b.txt",
        f"/{here}/src/d//b.txt",
        f"file://{here}//src/d//b.txt",
        ".//src/./d/b.txt",
    ):
        assert run("cat", name).out == "bbbb"
        stat = json.loads(run("stat", "--json", name).out)
        assert stat["path"].endswith(f"{here}/src/d/b.txt")
        assert run("cat", stat["path"]).out == "bbbb"
    assert run("cp", "-q", "src//a.txt", "disk:x//y.txt").code == 0
    assert (here / "store/x/y.txt").read_text() == "aaa"
    for name in ("disk:x//y.txt", "disk:/x/y.txt", "disk:./x/./y.txt", "docs:..//y", "fixed:x//y.txt"):
        said = run("cat", name)
        assert (said.code, said.out) == ((1, "") if ".." in name else (0, "aaa"))
    assert run("mv", "-q", "disk:x//y.txt", "disk:x//z.txt").code == 0
    assert run("ls", "-r", "disk:x//").lines == ["z.txt"]
    assert [json.loads(line)["path"] for line in run("ls", "--json", "disk:").lines] == ["disk:x/"]
    assert run("rm", "disk:x//z.txt").lines == ["deleted disk:x/z.txt"]
    assert run("rm", "-r", "disk:x//").lines == ["deleted disk:x"]
    assert run("rm", "src//d//b.txt").lines == [f"deleted {here}/src/d/b.txt"]
    assert not (here / "src/d/b.txt").exists()


def test_what_ls_prints_of_a_disk_can_be_given_back(run, here):
    for name in ("p%41", "pA", "q?r", "s t", "u${HOME}"):
        (here / "src" / name).write_text(name)
    for place in ("src", f"{here}/src", f"file://{here}/src"):
        for line, entry in listed(run, place).items():
            wanted = (here / "src" / line).read_bytes().decode()
            assert run("cat", entry["path"]).out == wanted
            assert run("cat", f"src/{line}").out == wanted


def test_something_without_a_name_does_not_land_in_a_directory(run, room, here):
    said = run("cp", "-r", room.name("a//"), room.name("d/"), "out")
    assert said.code == 2
    assert "needs a name" in said.err
    assert not (here / "out").exists()
    assert run("cp", "-rq", room.name("a//"), "out").code == 1  # a disk cannot hold a///b
    assert (here / "out" / "b").read_text() == "a//b"
