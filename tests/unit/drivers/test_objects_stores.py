"""The constructors: what they take, refuse and show; no request is made."""

import copy
import json
import pickle
import subprocess
import sys

import obstore.store
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.options import PutOptions
from holdall.drivers import objects_writing, objects_writing_async, s3settings
from holdall.drivers.azure import AzureStore
from holdall.drivers.gcs import GCSStore
from holdall.drivers.http import HTTPStore
from holdall.drivers.objects import ObstoreStore, S3Store
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_values import is_odd
from holdall.errors import ConfigError, InvalidKeyError, MissingExtraError, NotSupportedError

SECRET = "s3cr3t-value"
PAIR = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET}
SERVICE = {"type": "service_account", "client_email": "me@example.org", "private_key": SECRET}
KEY = "c2VjcmV0LXZhbHVlLW9mLWFuLWFjY291bnQ="

GOOD = [
    lambda: S3Store("b", prefix="p", region="eu-west-1", **PAIR),
    lambda: S3Store("b", endpoint_url="http://127.0.0.1:9000/", **PAIR, session_token=SECRET),
    lambda: S3Store("b.with.dots", anonymous=True, addressing_style="virtual"),
    lambda: S3Store("b", sse="aws:kms", sse_kms_key_id="k", request_payer=True, storage_class="COLD", **PAIR),
    lambda: GCSStore("b", token=SERVICE),
    lambda: GCSStore("b", anonymous=True, endpoint_url="http://127.0.0.1:1"),
    lambda: AzureStore("c", account_name="acct", account_key=KEY),
    lambda: AzureStore("c", account_name="acct", sas_token=f"?sv=1&sig={SECRET}"),
    lambda: AzureStore("c", connection_string=f"AccountName=acct;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"),
    lambda: AzureStore("c", account_name="acct", tenant_id="t", client_id="i", client_secret=SECRET),
    lambda: AzureStore("c", account_name="acct", client_id="i"),
    lambda: HTTPStore("https://user:" + SECRET + "@host/base/"),
    lambda: HTTPStore("http://host", headers={"X-Token": SECRET}),
    lambda: HTTPStore("http://host:8080/a", token=SECRET, prefix="p"),
]

BAD = [
    (S3Store, {"bucket": ""}, "bucket"),
    (S3Store, {"bucket": "a/b"}, "bucket"),
    (S3Store, {"bucket": "b", "access_key_id": "a"}, "half a pair"),
    (S3Store, {"bucket": "b", "secret_access_key": "a"}, "half a pair"),
    (S3Store, {"bucket": "b", "session_token": "a"}, "session_token"),
    (S3Store, {"bucket": "b", "anonymous": True, **PAIR}, "one of"),
    (S3Store, {"bucket": "b", "profile": "p", "anonymous": True}, "one of"),
    (S3Store, {"bucket": "b", "sse": "rot13"}, "sse"),
    (S3Store, {"bucket": "b", "sse_kms_key_id": "k"}, "sse_kms_key_id"),
    (S3Store, {"bucket": "b", "addressing_style": "sideways"}, "addressing_style"),
    (S3Store, {"bucket": "b", "endpoint_url": "host:9000"}, "endpoint_url"),
    (S3Store, {"bucket": "b", "endpoint_url": f"http://u:{SECRET}@host"}, "endpoint_url"),
    (S3Store, {"bucket": "b", "endpoint_url": "http://host", "allow_http": False}, "allow_http"),
    (S3Store, {"bucket": "b", "retries": -1}, "retries"),
    (S3Store, {"bucket": "b", "timeout": 0}, "timeout"),
    (S3Store, {"bucket": "b", "concurrency": 0}, "concurrency"),
    (GCSStore, {"bucket": ""}, "bucket"),
    (GCSStore, {"bucket": "b", "token": {"type": "other"}}, "token"),
    (GCSStore, {"bucket": "b", "token": 7}, "token"),
    (GCSStore, {"bucket": "b", "token": SERVICE, "anonymous": True}, "one of"),
    (AzureStore, {"container": "c"}, "account_name"),
    (AzureStore, {"container": "", "account_name": "a"}, "container"),
    (AzureStore, {"container": "c", "account_name": "a", "account_key": KEY, "sas_token": "s"}, "one of"),
    (AzureStore, {"container": "c", "account_name": "a", "client_secret": SECRET}, "principal"),
    (AzureStore, {"container": "c", "connection_string": SECRET}, "connection_string"),
    (AzureStore, {"container": "c", "connection_string": "UseDevelopmentStorage=true"}, "connection_string"),
    (AzureStore, {"container": "c", "connection_string": "AccountName=a;AccountKey=b", "sas_token": "s"}, "one of"),
    (AzureStore, {"container": "c", "account_name": "a", "endpoint_url": "nowhere"}, "endpoint_url"),
    (AzureStore, {"container": "c", "account_name": "a", "endpoint_url": "http://h", "allow_http": False}, "allow_http"),
    (AzureStore, {"container": "c", "account_name": "a", "create": True, "anonymous": True}, "create"),
    (HTTPStore, {"base_url": "ftp://host"}, "base_url"),
    (HTTPStore, {"base_url": "https://host/?q=1"}, "base_url"),
    (HTTPStore, {"base_url": "https://u:p@host", "username": "v"}, "username"),
    (HTTPStore, {"base_url": "https://host", "username": "v", "token": "t"}, "one of"),
    (HTTPStore, {"base_url": "https://host", "password": "t"}, "username"),
    (HTTPStore, {"base_url": "https://host", "headers": {"a": "x\n"}}, "header"),
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AZURE_STORAGE_ACCOUNT_NAME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("make", GOOD)
def test_nothing_shows_a_secret(make):
    store = make()
    shown = f"{store!r} {store} {store.identity!r} {store.identity} {getattr(store, 'settings', '')!r} {store.url('k')}"
    for secret in (SECRET, KEY):
        assert secret not in shown
    assert store.capabilities.read
    store.close()
    store.close()


@pytest.mark.parametrize(("kind", "options", "words"), BAD)
def test_wrong_arguments(kind, options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        kind(**options)
    assert SECRET not in str(caught.value)


def test_a_prefix_that_climbs():
    with pytest.raises(InvalidKeyError, match="traversal"):
        S3Store("b", prefix="../x")


@pytest.mark.parametrize("kind", [S3Store, GCSStore, AzureStore, HTTPStore])
def test_unknown_arguments(kind):
    with pytest.raises(TypeError):
        kind("x", no_such_option=1)
    with pytest.raises(TypeError):
        kind("x", "positional")


def test_client_certificates_are_refused():
    with pytest.raises(NotSupportedError, match="client certificates"):
        HTTPStore("https://host", client_cert="c.pem")


@pytest.mark.parametrize(
    "make",
    [
        lambda: S3Store("b", prefix="p", region="eu-west-1", anonymous=True),
        lambda: GCSStore("b", prefix="p", anonymous=True),
        lambda: AzureStore("c", account_name="a", anonymous=True),
        lambda: HTTPStore("https://host/base"),
    ],
)
def test_stores_without_secrets_travel(make):
    store = make()
    for twin in (pickle.loads(pickle.dumps(store)), copy.deepcopy(store)):
        assert (repr(twin), twin.identity) == (repr(store), store.identity)


@pytest.mark.parametrize("make", [GOOD[0], GOOD[4], GOOD[6], GOOD[7], GOOD[8], GOOD[9], GOOD[11], GOOD[12], GOOD[13]])
def test_stores_with_secrets_do_not(make):
    with pytest.raises(ConfigError, match="pickled"):
        pickle.dumps(make())
    with pytest.raises(ConfigError, match="pickled"):
        pickle.dumps(ObstoreStore(obstore.store.MemoryStore()))


def test_identities_are_equal_for_equal_places():
    one = S3Store("b", region="eu-west-1", **PAIR)
    assert one.identity == S3Store("b", **PAIR).identity
    assert one.identity == S3Store("b", endpoint_url="https://s3.eu-west-1.amazonaws.com", **PAIR).identity
    assert one.identity != S3Store("b", endpoint_url="https://s3.example.org", **PAIR).identity
    written = {
        S3Store("b", endpoint_url=f"https://{host}", **PAIR).identity
        for host in ("s3.example.org", "S3.example.org:443", "s3.example.org/")
    }
    assert len(written) == 1
    assert one.identity != S3Store("b", prefix="x", **PAIR).identity
    assert one.identity.principal == "AKIDEXAMPLE"
    assert S3Store("b", prefix="x/", anonymous=True).identity == S3Store("b", prefix="x", anonymous=True).identity


def test_the_endpoint_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one:1")
    assert S3Store("b", **PAIR).settings.endpoint == "http://one:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://two:2/")
    assert S3Store("b", **PAIR).settings.endpoint == "http://two:2"
    given = S3Store("b", endpoint_url="http://three:3", **PAIR)
    assert given.settings.endpoint == "http://three:3"
    assert given.native.config["endpoint_url_s3"] == "http://three:3"


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"region": "eu-west-1"}, "https://b.s3.eu-west-1.amazonaws.com/a%20b"),
        ({"region": "eu-west-1", "addressing_style": "path"}, "https://s3.eu-west-1.amazonaws.com/b/a%20b"),
        ({"endpoint_url": "http://host:9"}, "http://host:9/b/a%20b"),
        ({"endpoint_url": "http://host:9", "addressing_style": "virtual"}, "http://b.host:9/a%20b"),
    ],
)
def test_where_requests_go(options, url):
    assert S3Store("b", anonymous=True, **options).url("a b") == url
    signed = S3Store("b", **PAIR, **options).sign("a b")
    assert signed.partition("?")[0] == url
    assert S3Store("b", **PAIR, **options).url("a b") is None


def test_a_bucket_with_dots_stands_in_the_path():
    assert "/b.c/k" in S3Store("b.c", region="eu-west-1", **PAIR).sign("k")


def test_regions(monkeypatch, tmp_path):
    assert S3Store("b", **PAIR).settings.resolved_region == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert S3Store("b", **PAIR).settings.resolved_region == "eu-central-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    config = tmp_path / "config"
    config.write_text("[profile p]\nregion = ap-south-1\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    store = S3Store("b", profile="p")
    assert store.settings.resolved_region == "ap-south-1"
    assert "AKIDPROFILE" in store.sign("k")
    assert "ap-south-1" in store.sign("k")
    with pytest.raises(ConfigError, match="profile"):
        S3Store("b", profile="no-such-profile").get("k")


def test_a_key_pair_is_not_mixed_with_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-another")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    url = S3Store("b", **PAIR).sign("k")
    assert "Security-Token" not in url
    assert "AKIDEXAMPLE" in url
    assert "token-of-another" in S3Store("b").sign("k")


def test_session_credentials_are_renewed(monkeypatch):
    class Credentials:
        access_key, secret_key, token = "AKID1", "x", None

        def refresh_needed(self):
            return True

        def get_frozen_credentials(self):
            return self

    class Session:
        def get_credentials(self):
            return Credentials()

    answer = s3settings._Session(Session())()
    assert answer["access_key_id"] == "AKID1"
    assert answer["expires_at"] is not None
    monkeypatch.setattr(Session, "get_credentials", lambda self: None)
    with pytest.raises(PermissionError, match="no AWS credentials"):
        s3settings._Session(Session())()
    assert repr(s3settings._Session(Session())) == "<credentials>"


def test_client_settings(tmp_path):
    settings = ClientSettings(timeout=2.0, verify=False, max_connections=3)
    quick, patient = settings.options(patient=False), settings.options(patient=True, headers={"a": "b"})
    assert (quick["read_timeout"].total_seconds(), patient["read_timeout"].total_seconds()) == (2.0, 10.0)
    assert quick["timeout"].days == 7
    assert quick["allow_invalid_certificates"]
    assert patient["default_headers"] == {"a": "b"}
    assert settings.retry()["max_retries"] == 4
    assert settings.retry(0)["max_retries"] == 0
    with pytest.raises(ConfigError, match="ca_file"):
        ClientSettings(ca_file=str(tmp_path / "none")).tls()


def test_what_is_no_obstore_instance():
    with pytest.raises(TypeError, match="obstore"):
        ObstoreStore(object())
    given = obstore.store.S3Store("b", config={"aws_endpoint_url_s3": "http://host:9", "region": "us-east-1"})
    assert ObstoreStore(given).identity.service == "s3+http://host:9"


@pytest.mark.parametrize(
    ("native", "service", "place"),
    [
        (lambda: obstore.store.S3Store("b", prefix="p", region="us-east-1"), "s3+https://s3.amazonaws.com", "b"),
        (lambda: obstore.store.GCSStore("b"), "gcs+https://storage.googleapis.com", "b"),
        (lambda: obstore.store.AzureStore("c", account_name="a"), "azure+https://a.blob.core.windows.net", "c"),
        (lambda: obstore.store.HTTPStore("https://user:s3cr3t-value@host/x"), "http", "https://host/x"),
        (lambda: obstore.store.LocalStore("/tmp"), "obstore+file", "/tmp"),
    ],
)
def test_instances_of_the_users(native, service, place):
    store = ObstoreStore(native(), prefix="q")
    assert (store.identity.service, store.identity.place) == (service, place)
    assert store.identity.prefix.endswith("q/")
    assert SECRET not in repr(store)
    assert place in repr(store)


def test_obstore_on_local_disk(tmp_path):
    store = ObstoreStore(obstore.store.LocalStore(tmp_path))
    store.put("a/b", b"1")
    assert store.get("a/b").bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        store.head("a/b/c")
    with pytest.raises(NotADirectoryError):
        store.put("a/b/c", b"")
    with pytest.raises(NotSupportedError):
        store.put("k", b"", __import__("holdall").PutOptions(content_type="a/b"))


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(s3settings, "boto_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r'pip install "holdall\[s3\]"'):
        S3Store("b", profile="p")


def test_importing_the_drivers_loads_no_boto3():
    code = "import holdall.drivers.objects, sys; print('boto3' in sys.modules, 'botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False False"


def test_the_large_descriptions_of_boto3_are_read_by_one_client_at_a_time(monkeypatch):
    """They are 15 MiB in memory: clients made at once wait for the first, and share what it read."""
    from holdall.drivers import s3models

    read = []
    plain = s3models.Files.load_file

    def noted(self, path):
        found = plain(self, path)
        if found is not None:
            read.append((path.rpartition("/")[2], s3models._lock.locked()))
        return found

    monkeypatch.setattr(s3models.Files, "load_file", noted)
    monkeypatch.setattr(s3models, "_loaders", [])
    for bucket in ("a", "b"):
        with S3Store(bucket, region="eu-west-1", **PAIR) as store:
            assert store.extra.client is not None
    large = {"service-2", "endpoint-rule-set-1", "endpoints", "partitions"}
    assert sorted(found for found in read if found[0] in large) == [(name, True) for name in sorted(large)]


def test_a_profile_of_the_environment_that_is_not_there(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "holdall-nowhere")
    with S3Store("b", region="eu-west-1") as store, pytest.raises(ConfigError, match="holdall-nowhere"):
        _ = store.extra.client


def test_stores_share_what_boto3_looks_through(monkeypatch):
    from holdall.drivers import s3models

    monkeypatch.setattr(s3models, "_loaders", [])
    for bucket in "abcd":
        with S3Store(bucket, region="eu-west-1", **PAIR) as store:
            assert store.settings.session() is not None
    paths = s3models._loaders[0].search_paths
    assert len(paths) <= len(set(paths)) + 1  # the last session's own


def test_the_descriptions_of_boto3_are_read_as_boto3_reads_them(tmp_path):
    from botocore.loaders import JSONFileLoader, Loader

    from holdall.drivers.s3models import Files

    paths = [
        f"{Loader.BUILTIN_DATA_PATH}/{name}" for name in ("endpoints", "partitions", "s3/2006-03-01/service-2", "nothing")
    ]
    for path in paths:
        ours, theirs = Files().load_file(path), JSONFileLoader().load_file(path)
        assert json.dumps(ours) == json.dumps(theirs)  # and in the same order
    (tmp_path / "odd.json").write_text('{"a": "\u00e9"}', encoding="utf-8")
    assert Files().load_file(str(tmp_path / "odd")) == {"a": "\u00e9"}


PIECES = st.sampled_from(["a", "b.c", ".", "..", "", ".holdall", "é", "\x00", "\n", " ", "%2F", "x" * 400, "a" * 341, "~"])


@given(st.lists(PIECES, min_size=1, max_size=4).map("/".join), st.sampled_from(["", "p", "p//q", "é" * 200]))
def test_a_plain_key_needs_no_closer_look(key, prefix):
    store = ObstoreStore(obstore.store.MemoryStore(), prefix=prefix)
    path = store.plain(key)
    if path is not None:
        assert path == store.at(key)
        assert not is_odd(path)


def test_most_keys_are_plain_until_the_store_is_closed():
    store = ObstoreStore(obstore.store.MemoryStore(), prefix="p")
    assert store.plain("data/2024 (1)/a.txt") is None  # not ready yet
    store.put("a", b"")
    assert store.plain("data/2024 (1)/a.txt") == "p/data/2024 (1)/a.txt"
    store.close()
    assert store.plain("data/2024 (1)/a.txt") is None


@pytest.mark.parametrize("options", [PutOptions(mode="create"), PutOptions(mode="create", part_size=5 * 1024**2)])
def test_what_is_in_memory_and_goes_in_one_request_is_not_copied(monkeypatch, colour, options):
    """Conditional content above the limit, where only single requests can be conditional."""
    sent = []
    for module in (objects_writing, objects_writing_async):
        name = "_put_if_async" if module is objects_writing_async else "_put_if"
        genuine = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda store, key, path, data, options, genuine=genuine: (
                sent.append(data) or genuine(store, key, path, data, options)
            ),
        )
    store, data = ObstoreStore(obstore.store.MemoryStore()), bytes(9 * 1024**2)
    assert colour(store).put("k", data, options).size == len(data)
    assert [each is data for each in sent] == [True]
    assert store.get("k").bytes() == data
