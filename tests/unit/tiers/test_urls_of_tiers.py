"""A02, A04: what URLs of the kinds that the page names say, as the drivers receive it, and what is wrong with them, in one error."""

import pickle
import traceback

import pytest

from holdall.core.secrets import reveal
from holdall.drivers.registry import default_registry
from holdall.errors import ConfigError
from holdall.tiers import FileStore

SECRET = "hunter2"


def said(url):
    """Return the fields of a URL, secrets shown."""
    return {name: value for name, value in reveal(default_registry().bind(url, env={}).fields).items() if value is not None}


@pytest.mark.parametrize("scheme", ["ftp", "ftps", "sftp"])
@pytest.mark.parametrize(
    ("user", "written", "path", "decoded"),
    [
        ("user", "p@ss", "path", ("user", "p@ss", "path")),
        ("user", "p%40ss", "path", ("user", "p@ss", "path")),
        ("user", "a%2Fb", "path", ("user", "a/b", "path")),
        ("user", "%2540", "path", ("user", "%40", "path")),
        ("us%40er", "word", "path", ("us@er", "word", "path")),
        ("user", "word", "sp%20ace", ("user", "word", "sp ace")),
        ("user", "a+b", "a+b", ("user", "a+b", "a+b")),
    ],
)
def test_a02_decoded_once(scheme, user, written, path, decoded):
    found = said(f"{scheme}://{user}:{written}@host/{path}")
    assert (found["username"], found["password"], found["path"].lstrip("/")) == decoded
    with FileStore(f"{scheme}://{user}:{written}@host/{path}{'?validate_host=false' if scheme == 'sftp' else ''}") as fs:
        assert fs.locations[0].bare.username == decoded[0]
        if decoded[1] != decoded[0]:
            assert f":{decoded[1]}@" not in repr(fs) + repr(fs.locations)


def test_a02_keys_of_base64_paste_in():
    assert said("azure://acme.blob.core.windows.net/box?access_key=ab+c/d==")["account_key"] == "ab+c/d=="


@pytest.mark.parametrize("scheme", ["s3", "ftp"])
def test_a02_all_faults_in_one_error(scheme):
    url = f"{scheme}://user:{SECRET}@host:99999/path?read_only=maybe&s3_buket=x#part"
    with pytest.raises(ConfigError) as caught:
        FileStore(url)
    text = str(caught.value)
    for fault in (
        "'read_only' must be one of true, false",
        "unknown parameter 's3_buket'",
        "port must be a number from 1 to 65535",
        "'#' must be written %23",
    ):
        assert fault in text
    assert ("did you mean 's3_bucket'?" in text) == (scheme == "s3")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


KEYS = {"key": "KEY", "secret": SECRET}
LOCAL = {"endpoint_url": "http://minio:9000", "allow_http": True, "addressing_style": "path"}
AWS = {"addressing_style": "virtual"}


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        ("KEY:hunter2@minio:9000/bucket/pre/fix?use_ssl=false", {**KEYS, **LOCAL, "bucket": "bucket", "path": "pre/fix"}),
        ("KEY:hunter2@minio:9000/pre/fix?s3_bucket=bucket&use_ssl=false", {**KEYS, **LOCAL, "bucket": "bucket", "path": "pre/fix"}),
        ("bucket/pre/fix", {"bucket": "bucket", "path": "pre/fix"}),
        ("KEY:hunter2@s3.amazonaws.com/bucket/p", {**KEYS, **AWS, "bucket": "bucket", "path": "p"}),
        ("s3.ca-central-1.amazonaws.com/bucket/p", {**AWS, "bucket": "bucket", "path": "p", "region": "ca-central-1"}),
        ("s3-ca-central-1.amazonaws.com/bucket/p", {**AWS, "bucket": "bucket", "path": "p", "region": "ca-central-1"}),
        ("bucket.s3.amazonaws.com/p", {**AWS, "bucket": "bucket", "path": "p"}),
        ("bucket.s3.ca-central-1.amazonaws.com/p", {**AWS, "bucket": "bucket", "path": "p", "region": "ca-central-1"}),
    ],
)  # fmt: skip
def test_a04_forms_of_s3(url, meaning):
    assert said(f"s3://{url}") == meaning
    with FileStore(f"s3://{url}") as fs:
        assert SECRET not in repr(fs)


@pytest.mark.parametrize("url", ["s3://my.bucket/p", "s3://domain.tld/p"])
def test_a04_a_dotted_host_without_a_hint(url):
    with pytest.raises(ConfigError, match="Say host=endpoint or host=bucket"):
        FileStore(url)
    assert said(f"{url}?host=bucket")["path"] == "p"


def test_a03_a_store_built_from_the_environment_travels(monkeypatch):
    monkeypatch.setenv("WORD", SECRET)
    with FileStore("ftp://me:${WORD}@host/x") as fs:
        packed = pickle.dumps(fs)
        assert SECRET.encode() not in packed
        assert pickle.loads(packed).locations[0].name == "ftp-0"


def test_a17_port_2222():
    """Whatever port stands in the URL is the one that is asked, and that reconnections use; without one it is 22."""
    for port, shown in ((":2222", "port=2222"), ("", "username='me')")):
        with FileStore(f"sftp://me@files.example{port}/srv/x?validate_host=false") as fs:
            assert shown in repr(fs.locations[0].bare)
            assert fs.locations[0].bare.identity.service == f"sftp+files.example{port or ':22'}"
