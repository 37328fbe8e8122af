"""What URLs and mappings of the built-in types mean: pure, no driver is imported."""

import os
from types import SimpleNamespace

import pytest

from holdall.core.secrets import reveal
from holdall.drivers.registry import default_registry
from holdall.drivers.specs import files
from holdall.errors import ConfigError


def fields(spec, env=None, **options):
    return reveal({n: v for n, v in default_registry().bind(spec, env=env or {}, **options).fields.items() if v is not None})


def faults(spec, env=None):
    with pytest.raises(ConfigError) as caught:
        default_registry().bind(spec, env=env or {})
    text = str(caught.value)
    for word in ("hunter2", "SECRET"):
        assert word not in text
    return text


AWS = {"addressing_style": "virtual"}
KEYS = {"key": "KEY", "secret": "SECRET"}


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        # a bucket
        ("s3://bucket", {"bucket": "bucket"}),
        ("s3://bucket/pre/fix/", {"bucket": "bucket", "path": "pre/fix"}),
        ("s3a://bucket?region=eu-west-1", {"bucket": "bucket", "region": "eu-west-1"}),
        ("s3://bucket/p?endpoint=http://minio:9000/", {"bucket": "bucket", "path": "p", "endpoint_url": "http://minio:9000", "allow_http": True}),
        ("s3://bucket/p?endpoint_url=minio:9000", {"bucket": "bucket", "path": "p", "endpoint_url": "https://minio:9000"}),
        ("s3://my.bucket/p?host=bucket", {"bucket": "my.bucket", "path": "p"}),
        ("s3://KEY:SECRET@bucket/p?host=bucket", {"bucket": "bucket", "path": "p", **KEYS}),
        # an endpoint
        ("s3://KEY:SECRET@minio:9000/archive/objects?use_ssl=false", {**KEYS, "bucket": "archive", "path": "objects", "endpoint_url": "http://minio:9000", "allow_http": True, "addressing_style": "path"}),
        ("s3://KEY:SECRET@domain.tld/path/to/folder?s3_bucket=app_storage&use_ssl=false", {**KEYS, "bucket": "app_storage", "path": "path/to/folder", "endpoint_url": "http://domain.tld", "allow_http": True, "addressing_style": "path"}),
        ("s3://domain.tld/b?host=endpoint", {"bucket": "b", "endpoint_url": "https://domain.tld", "addressing_style": "path"}),
        ("s3://127.0.0.1/b", {"bucket": "b", "endpoint_url": "https://127.0.0.1", "addressing_style": "path"}),
        ("s3://[::1]:9000/b?addressing=virtual", {"bucket": "b", "endpoint_url": "https://[::1]:9000", "addressing_style": "virtual"}),
        ("s3://localhost/b/p", {"bucket": "b", "path": "p", "endpoint_url": "https://localhost", "addressing_style": "path"}),
        ("s3://server?s3_bucket=b", {"bucket": "b", "endpoint_url": "https://server", "addressing_style": "path"}),
        ("s3://h:1//b//p", {"bucket": "b", "path": "p", "endpoint_url": "https://h:1", "addressing_style": "path"}),
        # Amazon's names
        ("s3://KEY:SECRET@s3.amazonaws.com/path/to?aws_region=eu-west-1&s3_bucket=name", {**KEYS, **AWS, "bucket": "name", "path": "path/to", "region": "eu-west-1"}),
        ("s3://s3.amazonaws.com/b/p", {**AWS, "bucket": "b", "path": "p"}),
        ("s3://s3.ca-central-1.amazonaws.com/b", {**AWS, "bucket": "b", "region": "ca-central-1"}),
        ("s3://s3-us-west-2.amazonaws.com/b", {**AWS, "bucket": "b", "region": "us-west-2"}),
        ("s3://s3.us-gov-west-1.amazonaws.com/b", {**AWS, "bucket": "b", "region": "us-gov-west-1"}),
        ("s3://s3.dualstack.eu-west-1.amazonaws.com/b", {**AWS, "bucket": "b", "region": "eu-west-1", "endpoint_url": "https://s3.dualstack.eu-west-1.amazonaws.com"}),
        ("s3://s3-fips.us-east-1.amazonaws.com/b", {**AWS, "bucket": "b", "region": "us-east-1", "endpoint_url": "https://s3-fips.us-east-1.amazonaws.com"}),
        ("s3://b.s3.amazonaws.com/p/q", {**AWS, "bucket": "b", "path": "p/q"}),
        ("s3://b.s3.eu-west-1.amazonaws.com", {**AWS, "bucket": "b", "region": "eu-west-1"}),
        ("s3://b.s3.eu-west-1.amazonaws.com?s3_bucket=b&aws_region=eu-west-1", {**AWS, "bucket": "b", "region": "eu-west-1"}),
        ("s3://my.b.s3.eu-west-1.amazonaws.com", {"addressing_style": "path", "bucket": "my.b", "region": "eu-west-1"}),
        ("s3://my.b.s3.eu-west-1.amazonaws.com?addressing=virtual", {**AWS, "bucket": "my.b", "region": "eu-west-1"}),
        ("s3://b.s3-accelerate.amazonaws.com", {**AWS, "bucket": "b", "endpoint_url": "https://s3-accelerate.amazonaws.com"}),
        ("s3://s3.cn-north-1.amazonaws.com.cn/b", {**AWS, "bucket": "b", "region": "cn-north-1", "endpoint_url": "https://s3.cn-north-1.amazonaws.com.cn"}),
        ("s3://s3.eu-west-1.amazonaws.com/b?use_ssl=false", {**AWS, "bucket": "b", "region": "eu-west-1", "endpoint_url": "http://s3.eu-west-1.amazonaws.com", "allow_http": True}),
        ("s3://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com/b", {"addressing_style": "path", "bucket": "b", "region": "us-east-1", "endpoint_url": "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"}),
        # credentials
        ("s3://b?anon=true", {"bucket": "b", "anon": True}),
        ("s3://b?boto_defaults=true", {"bucket": "b"}),
        ("s3://b?profile=me&create=yes&use_batch_delete=no&missing_on_403=1", {"bucket": "b", "profile": "me", "create": True, "bulk_delete": False, "missing_on_403": True}),
    ],
)  # fmt: skip
def test_s3_urls(url, meaning):
    assert fields(url) == meaning


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("s3://my.bucket/p", "is 'my.bucket' a server or a bucket? Say host=endpoint or host=bucket"),
        ("s3:///p", "there is no host"),
        ("s3://", "there is no host"),
        ("s3://minio:9000", "no bucket: give s3_bucket=, or put it first in the path"),
        ("s3://KEY@minio:9000/b", "both the access key id and the secret key"),
        ("s3://:SECRET@minio:9000/b", "both the access key id and the secret key"),
        ("s3://KEY:@minio:9000/b", "half a pair of credentials"),
        ("s3://KEY:SECRET@minio/b?anon=true", "'anon' and credentials exclude each other"),
        ("s3://KEY:SECRET@minio/b?boto_defaults=true", "no credentials and no 'anon' beside it"),
        ("s3://KEY:SECRET@minio/b?access_key_id=OTHER", "'access_key_id' contradicts what the URL says"),
        ("s3://b?session_token=SECRET", "'token' goes with 'key' and 'secret'"),
        ("s3://b.s3.amazonaws.com?s3_bucket=c", "'s3_bucket' contradicts"),
        ("s3://b.s3.eu-west-1.amazonaws.com?region=us-east-1", "'region' contradicts"),
        ("s3://ec2.eu-west-1.amazonaws.com/b", "is no host of Amazon S3"),
        ("s3://s3-website-us-east-1.amazonaws.com/b", "is no host of Amazon S3"),
        ("s3://b:80?host=bucket", "a bucket has no port"),
        ("s3://b?endpoint=ftp://x", "'endpoint_url' must be an address"),
        ("s3://b?endpoint=http://u:hunter2@x", "'endpoint_url' cannot hold credentials"),
        ("s3://b?endpoint=http://x:99999", "'endpoint_url' must be an address"),
        ("s3://b?endpoint=http://x:0", "'endpoint_url' must be an address"),
        ("s3://minio:9000/b?endpoint=http://x&use_ssl=true", "'endpoint' contradicts"),
        ("s3://b?endpoint=http://x&use_ssl=true&host=bucket", "'endpoint_url' and 'use_ssl' contradict each other"),
        ("s3://b?host=both", "'host' must be one of endpoint, bucket"),
        ("s3://b?addressing=round", "'addressing' must be one of auto, path, virtual"),
        ("s3://b?s3_buket=x", "unknown parameter 's3_buket', did you mean 's3_bucket'?"),
    ],
)
def test_s3_urls_with_faults(url, fault):
    assert fault in faults(url)


def test_a_mapping_and_a_url_give_the_same():
    url = fields("s3://bucket/a?region=eu-west-1&endpoint_url=https://x&key=KEY&secret=SECRET&addressing=path")
    mapping = {"type": "s3", "bucket": "bucket", "base_path": "a", "region": "eu-west-1", "endpoint": "x", "access_key": "KEY",
               "secret_key": "SECRET", "addressing_style": "path"}  # fmt: skip
    assert fields(mapping) == url


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"key": "KEY"}, "half a pair of credentials"),
        ({"secret": "SECRET"}, "half a pair of credentials"),
        ({"bucket": "a/b"}, "what is below it goes into 'path'"),
        ({"bucket": None}, "missing required field: 'bucket' (or 's3_bucket')"),
        ({"host": "bucket"}, "unknown field 'host'"),
    ],
)
def test_s3_mappings_with_faults(more, fault):
    assert fault in faults({"type": "s3", "bucket": "b", **more})


def test_empty_references_mean_the_default_chain():
    env = {"KEY": "", "TOKEN": ""}
    spec = {
        "type": "s3",
        "bucket": "b",
        "key": "${KEY}",
        "secret": "${S:}",
        "token": "${TOKEN}",
        "region": "${R:}",
        "profile": "",
        "endpoint_url": "${E:-}",
    }
    assert fields(spec, env) == {"bucket": "b"}


def test_no_ssl_without_an_endpoint():
    assert fields({"type": "s3", "bucket": "b", "use_ssl": False})["endpoint_url"] == "http://s3.amazonaws.com"
    assert (
        fields({"type": "s3", "bucket": "b", "use_ssl": False, "region": "eu-west-1"})["endpoint_url"]
        == "http://s3.eu-west-1.amazonaws.com"
    )


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        ("azure://acc.blob.core.windows.net/c/p/q?access_key=SECRET", {"account_name": "acc", "container": "c", "path": "p/q", "account_key": "SECRET"}),
        ("azure://acc.blob.core.windows.net/c?tenant_id=t&client_id=i&client_secret=SECRET", {"account_name": "acc", "container": "c", "tenant_id": "t", "client_id": "i", "client_secret": "SECRET"}),
        ("azure://acc.blob.core.chinacloudapi.cn/c", {"account_name": "acc", "container": "c", "endpoint_url": "https://acc.blob.core.chinacloudapi.cn"}),
        ("azure://acc.dfs.core.windows.net/c", {"account_name": "acc", "container": "c"}),
        ("azure://acc.blob.core.windows.net/c?use_ssl=false", {"account_name": "acc", "container": "c", "endpoint_url": "http://acc.blob.core.windows.net", "allow_http": True}),
        ("azure://127.0.0.1:10000/acc/c/p?use_ssl=false", {"account_name": "acc", "container": "c", "path": "p", "endpoint_url": "http://127.0.0.1:10000/acc", "allow_http": True}),
        ("azure://127.0.0.1:10000/c/p?account=acc", {"account_name": "acc", "container": "c", "path": "p", "endpoint_url": "https://127.0.0.1:10000/acc"}),
        ("az://c/p?account_name=acc&anon=1", {"account_name": "acc", "container": "c", "path": "p", "anon": True}),
        ("abfss://c@acc.dfs.core.windows.net/p", {"account_name": "acc", "container": "c", "path": "p"}),
        ("az://localhost:10000/acc/c", {"account_name": "acc", "container": "c", "endpoint_url": "https://localhost:10000/acc"}),
        ("azure://acc.blob.core.windows.net/p?container=c", {"account_name": "acc", "container": "c", "path": "p"}),
        ("azure://acc.blob.core.windows.net/c?client_id=i&use_default_credentials=true", {"account_name": "acc", "container": "c", "client_id": "i"}),
        ("azure://acc.blob.core.windows.net/c?initalize_container=true&allow_directory_access=true", {"account_name": "acc", "container": "c", "create": True}),
        ("az://c?connection_string=AccountKey%3DSECRET", {"container": "c", "connection_string": "AccountKey=SECRET"}),
    ],
)  # fmt: skip
def test_azure_urls(url, meaning):
    assert fields(url) == meaning


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("azure:///c", "there is no host"),
        ("azure://acc.blob.core.windows.net", "missing required field: 'container'"),
        ("azure://h:1", "missing required field: 'container'"),
        ("azure://u:hunter2@acc.blob.core.windows.net/c", "has no password"),
        ("az://c/p", "missing required field: 'account_name' (or 'account')"),
        ("az://u@c/p?account=a", "before ACCOUNT.dfs.core.windows.net only"),
        (
            "azure://a.blob.core.windows.net/c?access_key=SECRET&sas_token=SECRET",
            "more than one credential: account_key, sas_token",
        ),
        ("azure://a.blob.core.windows.net/c?tenant_id=t&client_id=i", "go together"),
        ("azure://a.blob.core.windows.net/c?client_secret=SECRET", "go together"),
        ("azure://a.blob.core.windows.net/c?anon=1&client_id=i", "more than one credential: anon, client_id"),
        (
            "azure://a.blob.core.windows.net/c?tenant_id=t&client_id=i&client_secret=SECRET&anon=1",
            "more than one credential",
        ),
        ("azure://a.blob.core.windows.net/c?use_default_credentials=1&access_key=SECRET", "more than one credential"),
        ("azure://a.blob.core.windows.net/c?account=b", "'account' contradicts"),
    ],
)
def test_azure_urls_with_faults(url, fault):
    assert fault in faults(url)


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        ("gs://bucket/p?project=x&token=/k.json", {"bucket": "bucket", "path": "p", "project": "x", "token": "/k.json"}),
        ("gcs://bucket?anon=1&endpoint=http://localhost:4443", {"bucket": "bucket", "anon": True, "endpoint_url": "http://localhost:4443"}),
        ("http://USER:hunter2@domain.tld:80/path/to?verify=no", {"base_url": "http://domain.tld:80/path/to", "username": "USER", "password": "hunter2", "verify": False}),
        ("https://h/a%2Fb/%C3%BC/../c?pki=/cert.pem", {"base_url": "https://h/a%2Fb/%C3%BC/../c", "client_cert": "/cert.pem"}),
        ("https://u:@h/", {"base_url": "https://h/", "username": "u", "password": ""}),
        ("sftp://me:hunter2@h/a/b", {"host": "h", "path": "/a/b", "username": "me", "password": "hunter2"}),
        ("ssh://me@h:2222/~/x?private_key=/k&private_key_pass=SECRET", {"host": "h", "port": 2222, "path": "x", "username": "me", "key_filename": "/k", "passphrase": "SECRET"}),
        ("sftp://me@h/~", {"host": "h", "username": "me"}),
        ("sftp://me@h", {"host": "h", "username": "me"}),
        ("sftp://me@h/?known_hosts=/kh&host_key=SHA256:abc&agent=on", {"host": "h", "path": "/", "username": "me", "known_hosts": "/kh", "host_key": "SHA256:abc", "agent": True}),
        ("ftp://h/pub", {"host": "h", "path": "/pub", "tls": "none", "port": 21}),
        ("ftp://u:hunter2@h:2121/?use_tls=true", {"host": "h", "path": "/", "tls": "explicit", "port": 2121, "username": "u", "password": "hunter2"}),
        ("ftp://h?tls=implicit", {"host": "h", "tls": "implicit", "port": 990}),
        ("ftps://h", {"host": "h", "tls": "implicit", "port": 990}),
        ("ftps://h:990", {"host": "h", "tls": "implicit", "port": 990}),
        ("ftps://h:2121", {"host": "h", "tls": "explicit", "port": 2121}),
        ("ftps://h?tls=explicit", {"host": "h", "tls": "explicit", "port": 21}),
        ("ftps://h?use_tls=true", {"host": "h", "tls": "implicit", "port": 990}),
        ("webdav://u:hunter2@h:8080/dav", {"url": "http://h:8080/dav", "username": "u", "password": "hunter2"}),
        ("webdavs://h/a%20b?token=SECRET&verify=off", {"url": "https://h/a%20b", "token": "SECRET", "verify_ssl": False}),
        ("smb://DOM;me:hunter2@h/share/a/b", {"host": "h", "share": "share", "path": "a/b", "domain": "DOM", "username": "me", "password": "hunter2"}),
        ("smb://me@h:4450/share", {"host": "h", "port": 4450, "share": "share", "username": "me"}),
        ("file:///srv/data", {"path": "/srv/data", "create": True}),
        ("file://localhost/srv?create=no&fsync=yes", {"path": "/srv", "create": False, "durable": True}),
        ("file:///", {"path": "/", "create": True}),
        ("file:///a%20b", {"path": "/a b", "create": True}),
        ("file:///srv?file_mode=640&marker=.here", {"path": "/srv", "create": True, "file_mode": 0o640, "marker": ".here"}),
        ("memory://", {}),
        ("memory://shared/a/b", {"share": "shared", "path": "a/b"}),
        ("memory:///a", {"path": "a"}),
        ("fsspec+s3://bucket/x", {"fs": "s3"}),
        ("data:,hi", {}),
    ],
)  # fmt: skip
def test_other_urls(url, meaning):
    assert fields(url) == meaning


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("gs://u@bucket", "a gs URL has no user part"),
        ("gs://bucket:80", "a gs URL has no port"),
        ("gs://", "missing required field: 'bucket'"),
        ("gs://b?anon=1&token=x", "'anon' and 'token' exclude each other"),
        ("http:///x", "there is no host"),
        ("http://u:p@h/?token=SECRET", "'token' and 'username' exclude each other"),
        ("sftp://h/x", "missing required field: 'username'"),
        ("sftp://u@/x", "there is no host"),
        ("sftp://u@h?validate_host=no&known_hosts=/x", "'validate_host' is off"),
        ("sftp://u@h?passphrase=SECRET", "'passphrase' goes with 'key_filename'"),
        ("ftp://h?tls=none&use_tls=true", "'tls' and 'use_tls' contradict"),
        ("ftps://h?use_tls=false", "'use_tls' cannot be off for ftps"),
        ("ftp://:hunter2@h", "'password' goes with 'username'"),
        ("webdav:///x", "there is no host"),
        ("webdav://u:p@h?token=SECRET", "'token' and 'username' exclude each other"),
        ("smb://h", "missing required field: 'share'"),
        ("smb:///share", "there is no host"),
        ("file://rel/x", f"write file://{'/' if os.name == 'nt' else ''}"),
        ("file://./x", "/x"),
        ("file://.", "the path of a file URL is absolute"),
        ("file://u@localhost/x", "a file URL has no user part"),
        ("memory://u@h", "a memory URL has no user part"),
        ("memory://h:1", "a memory URL has no port"),
        ("fsspec+://x", "say which filesystem"),
        ("nope://x", "unknown scheme 'nope'"),
    ],
)
def test_other_urls_with_faults(url, fault):
    assert fault in faults(url)


def test_a_relative_file_url_shows_the_absolute_form():
    assert f"write file://{os.path.abspath('rel/x')}" in faults("file://rel/x")
    assert f"write file://{os.path.abspath('x')}" in faults("file://./x")
    assert f"write file://{os.path.abspath('.')}" in faults("file://.")


def test_host_keys_are_checked_unless_written_out():
    base = {"type": "sftp", "host": "h", "username": "u"}
    bind = default_registry().bind
    assert "known_hosts" not in bind(base).fields
    assert bind({**base, "known_hosts": None}).fields["known_hosts"] is None
    assert bind({**base, "validate_host": False}).fields["known_hosts"] is None
    assert "validate_host" not in bind({**base, "validate_host": True}).fields


@pytest.mark.parametrize(
    ("mapping", "meaning"),
    [
        ({"type": "http", "path": "https://u:hunter2@h/x"}, {"base_url": "https://h/x", "username": "u", "password": "hunter2"}),
        ({"type": "http", "base_url": "http://h", "headers": {"X": "${Y}"}}, {"base_url": "http://h", "headers": {"X": "y"}}),
        ({"type": "webdav", "url": "https://h/dav", "path": "/a/"}, {"url": "https://h/dav", "path": "a"}),
        ({"type": "ftps", "host": "h"}, {"host": "h", "tls": "implicit", "port": 990}),
        ({"type": "zip", "file": "m:a.zip", "mode": "R"}, {"file": "m:a.zip", "mode": "r"}),
        ({"type": "github", "org": "o", "repo": "r", "ref": "main"}, {"org": "o", "repo": "r", "sha": "main"}),
        ({"type": "sftp", "host": "h", "user": "u", "path": "srv//x"}, {"host": "h", "username": "u", "path": "srv/x"}),
        ({"type": "gcs", "bucket": "b", "token": {"private_key": "SECRET"}}, {"bucket": "b", "token": {"private_key": "SECRET"}}),
        ({"protocol": "file", "base_path": "/srv"}, {"path": "/srv"}),
        ({"type": "inline"}, {}),
    ],
)  # fmt: skip
def test_mappings(mapping, meaning):
    assert fields(mapping, {"Y": "y"}) == meaning


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        ({"type": "local"}, "missing required field: 'path' (or 'base_path')"),
        ({"type": "local", "path": "rel"}, "'path' must be an absolute path"),
        ({"type": "http", "base_url": "ftp://h"}, "'base_url' must be an address"),
        ({"type": "http", "base_url": "http://[x"}, "'base_url' must be an address"),
        ({"type": "http", "base_url": "http://u:hunter2@h", "username": "v"}, "contradict 'username' and 'password'"),
        ({"type": "webdav", "url": "h"}, "'url' must be an address"),
        ({"type": "webdav"}, "missing required field: 'url'"),
        ({"type": "zip", "file": "x", "mode": "q"}, "'mode' must be one of r, w, a"),
        ({"type": "memory", "colour": "red"}, "unknown field 'colour' (known:"),
        ({"type": "local", "path": "/x", "file_mode": "rw"}, "'file_mode' must be permission bits"),
    ],
)
def test_mappings_with_faults(mapping, fault):
    assert fault in faults(mapping)


def test_drives(monkeypatch):
    # What the grammar makes of a drive, on a machine that has none: what comes out is not touched there.
    monkeypatch.setattr(files, "os", SimpleNamespace(name="nt", sep="\\", path=os.path))
    assert fields("file:///C:/x/y") == {"path": "C:/x/y", "create": True}
    assert fields("file:///C:/") == {"path": "C:/", "create": True}
    assert fields("file:///srv") == {"path": "/srv", "create": True}


def test_drives_are_plain_names_elsewhere():
    assert fields("file:///C:/x")["path"] == ("C:/x" if os.name == "nt" else "/C:/x")


def test_relative_paths_of_a_file_are_relative_to_it(tmp_path):
    assert fields({"type": "local", "path": "data"}, base=str(tmp_path)) == {"path": str(tmp_path / "data")}
