"""URLs alone carry the verbs to real servers: what the grammar says arrives at the driver and at the server."""

import asyncio
import copy
import pickle
from urllib.parse import quote

import pytest

from holdall.core.options import GetOptions
from holdall.drivers.registry import open_store
from holdall.engine.resolve import resolve
from holdall.engine.table import MountTable
from holdall.errors import ConfigError, HoldallError, NotSupportedError, PermissionDeniedError, UnavailableError

KEY = "dir/na me ü%2F+.txt"


def verbs(store, ground):
    """Put, get, list and delete in both colours, checked at the other end."""
    store.put(KEY, b"hello")
    assert ground(KEY) == b"hello"
    assert store.get(KEY, GetOptions(range=(1, 3))).bytes() == b"el"
    assert [m.key for page in store.list("dir/") for m in page.objects] == [KEY]

    async def check():
        await store.put_async(KEY, b"again")
        assert await (await store.get_async(KEY)).bytes_async() == b"again"
        await store.delete_async(KEY)

    asyncio.run(check())
    assert ground(KEY) is None


def on_disk(root):
    def read(key):
        path = f"{root}/{key}"
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    return read


def s3_url(bucket, **query):
    server = bucket.server
    host = server.endpoint.partition("://")[2]
    more = "".join(f"&{n}={v}" for n, v in query.items())
    return f"s3://{quote(server.access_key, safe='')}:{quote(server.secret_key, safe='')}@{host}/{{path}}?use_ssl=false&aws_region={server.region}{more}"


@pytest.mark.parametrize("form", ["bucket in path", "s3_bucket", "endpoint", "mapping"])
def test_s3(moto_bucket, form, monkeypatch):
    server = moto_bucket.server
    if form == "bucket in path":
        store = open_store(s3_url(moto_bucket).format(path=f"{moto_bucket.name}/pre/fix"))
    elif form == "s3_bucket":
        store = open_store(s3_url(moto_bucket, s3_bucket=moto_bucket.name).format(path="pre/fix"))
    elif form == "endpoint":
        monkeypatch.setenv("K", server.access_key)
        monkeypatch.setenv("S", server.secret_key)
        store = open_store(
            f"s3://{moto_bucket.name}/pre/fix?endpoint={server.endpoint}&key=${{K}}&secret=${{S}}&region={server.region}"
        )
        assert server.secret_key.encode() not in pickle.dumps(store)
        store = pickle.loads(pickle.dumps(store))
    else:
        store = open_store(
            {"type": "s3", "bucket": moto_bucket.name, "base_path": "pre/fix", "endpoint": server.endpoint, "access_key": server.access_key,
             "secret_key": server.secret_key, "region": server.region}
        )  # fmt: skip

    def ground(key):
        try:
            return moto_bucket.client.get_object(Bucket=moto_bucket.name, Key=f"pre/fix/{key}")["Body"].read()
        except moto_bucket.client.exceptions.NoSuchKey:
            return None

    with store:
        assert server.secret_key not in repr(store)
        verbs(store, ground)


def test_resolved_urls_of_one_bucket_share_a_store(moto_bucket):
    table = MountTable()
    one = resolve(s3_url(moto_bucket).format(path=f"{moto_bucket.name}/a/one"), table=table)
    two = resolve(s3_url(moto_bucket).format(path=f"{moto_bucket.name}/b"), table=table)
    assert one.store is two.store
    one.store.put(one.key, b"1")
    assert moto_bucket.client.get_object(Bucket=moto_bucket.name, Key="a/one")["Body"].read() == b"1"
    table.close()


def test_s3_read_only(moto_bucket):
    moto_bucket.client.put_object(Bucket=moto_bucket.name, Key="a", Body=b"1")
    with open_store(s3_url(moto_bucket, read_only="yes").format(path=moto_bucket.name)) as store:
        assert store.get("a").bytes() == b"1"
        with pytest.raises(PermissionDeniedError):
            store.put("a", b"2")
    assert moto_bucket.client.get_object(Bucket=moto_bucket.name, Key="a")["Body"].read() == b"1"


def test_azure(azurite_container):
    server = azurite_container.server
    host = server.endpoint.partition("://")[2]
    address = host.partition("/")[0]
    url = f"azure://{address}/{server.account}/{azurite_container.name}/pre?access_key={server.key}&use_ssl=false"

    def ground(key):
        return azurite_container.ground.read(f"pre/{key}")

    with open_store(url) as store:
        assert server.key not in f"{store!r}"
        verbs(store, ground)


def test_http(nginx_site):
    with open(f"{nginx_site.root}/na me.txt", "wb") as file:
        file.write(b"hello")
    table = MountTable()
    found = resolve(f"{nginx_site.url.rstrip('/')}/na%20me.txt", table=table)
    assert found.store.get(found.key).bytes() == b"hello"
    with pytest.raises(NotSupportedError):
        found.store.put(found.key, b"x")
    table.close()


def test_sftp(sshd_folder):
    server = sshd_folder.server
    url = f"sftp://{server.user}@{server.host}:{server.port}{sshd_folder.path}?private_key={server.client_key}&known_hosts={server.known_hosts}"
    with open_store(url) as store:
        verbs(store, on_disk(sshd_folder.root))
    without = f"sftp://{server.user}@{server.host}:{server.port}{sshd_folder.path}?private_key={server.client_key}&known_hosts=/dev/null"
    with open_store(without) as store, pytest.raises(HoldallError) as caught:
        store.get("a")
    assert isinstance(caught.value, (PermissionDeniedError, UnavailableError))
    with open_store(without.replace("known_hosts=/dev/null", "validate_host=false")) as store:
        store.put("a", b"1")
    assert on_disk(sshd_folder.root)("a") == b"1"


@pytest.mark.parametrize("kind", ["ftpd_folder", "ftpd_tls_folder", "ftpd_implicit_folder"])
def test_ftp(kind, request):
    folder = request.getfixturevalue(kind)
    server = folder.server
    scheme, query = {
        "ftpd_folder": ("ftp", ""),
        "ftpd_tls_folder": ("ftps", f"?ca_file={getattr(server, 'certificate', '')}"),
        "ftpd_implicit_folder": ("ftps", f"?tls=implicit&ca_file={getattr(server, 'certificate', '')}"),
    }[kind]
    url = f"{scheme}://{server.user}:{quote(server.password, safe='')}@{server.host}:{server.port}{folder.path}{query}"
    with open_store(url) as store:
        assert server.password not in repr(store)
        verbs(store, on_disk(folder.root))


def test_local(tmp_path):
    with open_store(f"file://{tmp_path}/new%20dir") as store:
        verbs(store, on_disk(tmp_path / "new dir"))
        assert copy.copy(store).root == store.root


def test_a_wrong_password_is_told_and_not_shown(ftpd_folder):
    server = ftpd_folder.server
    url = f"ftp://{server.user}:hunter2@{server.host}:{server.port}{ftpd_folder.path}"
    with open_store(url) as store, pytest.raises(PermissionDeniedError) as caught:
        store.get("a")
    text, error = "", caught.value
    while error is not None:
        text += f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    assert "hunter2" not in text


def test_what_is_wrong_is_said_before_any_request():
    with pytest.raises(ConfigError, match="unknown parameter 'regoin'"):
        open_store("s3://192.0.2.1:9/b?regoin=x")
