"""The page that `holdall.tiers` grew from: each URL form against a real server of its kind, each function, the snippet."""

from urllib.parse import quote

import pytest

from holdall.core.capabilities import Capabilities
from holdall.tiers import FileStore

DATA = bytes(range(256)) * 100


@pytest.fixture(params=["file", "ftp", "ftps", "ftps-explicit", "sftp", "s3", "s3-path", "azure"])
def url(request, tmp_path):
    """One URL for each kind of storage that can be written to, as the page writes them."""
    kind = request.param
    server = {
        "ftp": "ftpd_folder", "ftps": "ftpd_implicit_folder", "ftps-explicit": "ftpd_tls_folder", "sftp": "sshd_folder",
        "s3": "moto_bucket", "s3-path": "moto_bucket", "azure": "azurite_container",
    }.get(kind)  # fmt: skip
    place = request.getfixturevalue(server) if server else None
    return kind, written(kind, place, tmp_path)


def written(kind, place, tmp_path):
    if kind == "file":
        return f"file://{tmp_path}/path/to/folder"
    if kind in {"s3", "s3-path"}:
        server = place.server
        host = server.endpoint.partition("://")[2]
        user = f"{quote(server.access_key, safe='')}:{quote(server.secret_key, safe='')}"
        if kind == "s3":
            return f"s3://{user}@{host}/path/to/folder?s3_bucket={place.name}&use_ssl=false&aws_region={server.region}"
        return f"s3://{user}@{host}/{place.name}/path/to/folder?use_ssl=false&aws_region={server.region}"
    if kind == "azure":
        server = place.server
        host = server.endpoint.partition("://")[2].rstrip("/")
        host = host if host.endswith(server.account) else f"{host}/{server.account}"
        return f"azure://{host}/{place.name}/path/to/folder?use_ssl=false&access_key={server.key}"
    server = place.server
    if kind == "sftp":
        return f"sftp://{server.user}@127.0.0.1:{server.port}{place.path}/path/to/folder?private_key={server.client_key}&validate_host=true&known_hosts={server.known_hosts}"
    user = f"{server.user}:{quote(server.password, safe='')}"
    if kind == "ftp":
        return f"ftp://{user}@127.0.0.1:{server.port}{place.path}/path/to/folder"
    tls = "implicit" if kind == "ftps" else "explicit"
    return f"ftps://{user}@127.0.0.1:{server.port}{place.path}/path/to/folder?tls={tls}&ca_file={server.certificate}"


def every_function(fs, tmp_path):
    """The seven functions of the page, on one location."""
    source, target = tmp_path / "source", tmp_path / "below" / "target"
    source.write_bytes(DATA)
    assert not fs.exists("myfile")
    assert fs.get("myfile") is None
    fs.put("myfile", DATA)
    assert fs.exists("myfile")
    assert fs.get("myfile") == DATA
    fs.download("myfile", str(target))
    assert target.read_bytes() == DATA
    fs.put("myfile", b"other content")
    assert fs.get("myfile") == b"other content"
    fs.upload(str(source), "upload/a")
    assert fs.get("upload/a") == DATA
    assert (
        fs.upload_batch([(str(source), "batch/1"), (str(source), "other/a"), (str(tmp_path / "absent"), "batch/3")])[0][1]
        == "batch/3"
    )
    assert fs.get("batch/1") == DATA
    fs.put("empty", "")
    assert fs.get("empty") == b""
    assert sorted(entry.path for entry in fs.list()) == ["batch/1", "empty", "myfile", "other/a", "upload/a"]
    fs.delete("myfile")
    fs.delete("myfile")
    assert not fs.exists("myfile")
    assert fs.delete_batch(["batch/1", "empty", "other/a", "upload/a"]) == []
    assert list(fs.list()) == []


def test_a01_each_function_on_each_storage(url, tmp_path, colour):
    kind, text = url
    with FileStore(text) as plain:
        every_function(colour(plain), tmp_path)
        location = plain.locations[0]
        assert location.name == f"{kind.partition('-')[0]}-0"
        assert isinstance(location.store.capabilities, Capabilities)
        assert "s3cret" not in repr(plain)


def test_a01_http_is_read_only(nginx_site, tmp_path, colour):
    nginx_site.ground.write("path/to/folder/myfile", DATA)
    nginx_site.ground.write("path/to/folder/a b%?#ü", DATA)
    with FileStore(f"{nginx_site.url.rstrip('/')}/path/to/folder", f"file://{tmp_path}/far") as plain:
        fs = colour(plain)
        assert plain.locations[0].read_only
        assert fs.get("myfile") == DATA
        assert fs.get("a b%?#ü") == DATA
        assert [loc.name for loc in fs.exists("myfile", "all")] == ["http-0"]
        assert fs.get("absent") is None
        assert fs.download("myfile", tmp_path / "copy") == [plain.locations[0]]
        assert (tmp_path / "copy").read_bytes() == DATA
        assert [(o.location.name, o.status) for o in fs.put("new", b"x").outcomes] == [
            ("http-0", "read_only"),
            ("file-1", "written"),
        ]
        assert fs.get("new") == b"x"


@pytest.fixture
def three(tmp_path, moto_bucket, sshd_folder):
    urls = [f"file://{tmp_path}/near?name=near-ssd", written("sftp", sshd_folder, tmp_path) + "&name=middle"]
    return [*urls, written("s3", moto_bucket, tmp_path) + "&name=archive"]


def test_a05_three_locations(three, tmp_path, colour):
    with FileStore(three[0], f"file://{tmp_path}/middle?name=middle", three[2]) as plain:
        fs = colour(plain)
        assert [loc.name for loc in fs.put("k", DATA)] == ["near-ssd", "middle", "archive"]
        assert fs.put("k", DATA) == []
        assert len(fs.put("k", DATA, force=True)) == 3
        assert [len(fs.exists("k", where)) for where in ("any", "all", "near", "far")] == [1, 3, 1, 1]
        assert len(fs.exists("k", "ALL")) == 3
        fs.put("far only", DATA, "far")
        assert fs.get("far only", "near") is None
        assert fs.get("far only") == DATA
        assert [loc.name for loc in fs.download("far only", tmp_path / "x")] == ["archive"]
        assert [len(fs.exists("k", where)) for where in ("middle", -1, 0, ["near", "archive"], plain.locations[1])] == [
            1,
            1,
            1,
            2,
            1,
        ]
        assert [len(entry.locations) for entry in fs.list()] == [1, 3]
        fs.delete("k", "middle")
        assert [loc.name for loc in fs.exists("k", "all")] == ["near-ssd", "archive"]
        assert [loc.name for loc in fs.put("k", DATA)] == ["middle"]


def test_a_server_that_keeps_no_digest_is_written_again(three, colour):
    """Size alone does not say that content is equal, unless names never change content (W4)."""
    with FileStore(three[1]) as fs:
        assert len(colour(fs).put("k", DATA)) == 1
        assert len(colour(fs).put("k", DATA)) == 1
    with FileStore(three[1], immutable=True) as fs:
        assert colour(fs).put("k", DATA) == []


@pytest.mark.parametrize("way", ["argument", "environment", "file"])
def test_a01_the_snippet(way, three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    if way == "environment":
        monkeypatch.setenv("HOLDALL_FILESTORE", " ".join(three))
    elif way == "file":
        monkeypatch.setenv("ARCHIVE", three[2])
        (tmp_path / "holdall.toml").write_text(
            f'[filestore]\nlocations = ["{three[0]}", "{three[1]}", "${{ARCHIVE}}"]\n', encoding="utf-8"
        )
    from holdall.tiers import loader

    with loader.get_filestore(three if way == "argument" else None) as fs:
        fs.put("myfile", DATA)
    if way == "argument":
        monkeypatch.setenv("HOLDALL_FILESTORE", " ".join(three))
    namespace = {}
    exec(SNIPPET, namespace)
    assert namespace["binary_data"] == DATA


SNIPPET = """
from holdall.tiers import loader

with loader.get_filestore() as fs:
    binary_data = fs.get('myfile')
"""
