"""Secrets do not show, and are found in text by their place."""

import copy
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.secrets import (
    HIDDEN,
    Secret,
    abbreviate,
    is_reference,
    is_secret_name,
    mask,
    mask_value,
    read_secret,
    refuse_pickle,
    reveal,
)
from holdall.errors import ConfigError

SAFE = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=30)


class TestASecret:
    def test_does_not_show(self, caplog):
        secret = Secret("hunter2")
        logging.getLogger("x").warning("%s %r", secret, secret)
        shown = f"{secret} {secret!r} {secret:>10} {[secret]} { ({'a': secret}) }" + caplog.text
        assert "hunter2" not in shown
        assert f"{secret:>5}" == "  ***"
        assert secret.reveal() == "hunter2"

    def test_is_a_value(self):
        assert Secret("a") == Secret("a") != Secret("b")
        assert hash(Secret("a")) == hash(Secret("a"))
        assert Secret("a") != "a"
        assert (bool(Secret("a")), bool(Secret(""))) == (True, False)
        assert Secret("\ud800") == Secret("\ud800")
        with pytest.raises(TypeError):
            Secret(b"a")
        with pytest.raises(TypeError):
            len(Secret("a"))

    def test_does_not_change(self):
        secret = Secret("a")
        with pytest.raises(AttributeError):
            secret._value = "b"
        assert copy.copy(secret) is copy.deepcopy(secret) is secret

    def test_refuses_pickle_if_literal(self):
        assert Secret("hunter2").literal
        with pytest.raises(ConfigError, match=r"\$\{NAME\}") as caught:
            pickle.dumps(Secret("hunter2"))
        assert "hunter2" not in str(caught.value)

    def test_pickles_the_reference(self, monkeypatch):
        secret = Secret("hunter2", reference="${HOLDALL_TEST_SECRET}")
        assert not secret.literal
        data = pickle.dumps(secret)
        assert b"hunter2" not in data
        monkeypatch.setenv("HOLDALL_TEST_SECRET", "other")
        assert pickle.loads(data).reveal() == "other"
        monkeypatch.delenv("HOLDALL_TEST_SECRET")
        with pytest.raises(ConfigError, match="HOLDALL_TEST_SECRET"):
            pickle.loads(data)

    def test_pickles_the_file_it_came_from(self, tmp_path):
        (tmp_path / "secret").write_text("hunter2\n")
        data = pickle.dumps(Secret("hunter2", reference=f"file:{tmp_path / 'secret'}"))
        assert b"hunter2" not in data
        assert pickle.loads(data).reveal() == "hunter2"


def test_revealing():
    class Named(tuple):
        __slots__ = ()

    odd = Named([Secret("a")])
    assert reveal({"a": [Secret("x"), (Secret("y"), 1)], "b": None}) == {"a": ["x", ("y", 1)], "b": None}
    assert reveal(odd) is odd


def test_refusing_pickle():
    with pytest.raises(ConfigError, match="a thing cannot be pickled"):
        refuse_pickle("a thing")


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"x\n", "x"), (b"x\r\n", "x"), (b"x\n\n", "x\n"), (b"x", "x"), (b" x ", " x "), (b"\xef\xbb\xbfx", "x"), (b"", "")],
)
def test_secrets_in_files(tmp_path, content, text):
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert read_secret(str(path)) == text


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 65537])
def test_files_that_hold_no_secret(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="names a file"):
        read_secret(str(path))


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "db_password", "secret", "secret_access_key", "aws-session-token", "sig", "X-Amz-Signature",
     "X-Amz-Credential", "X-Goog-Signature", "AccountKey", "SharedAccessSignature", "connection_string", "Authorization",
     "api-key", "client_secret", "private_key_pass", "sas_token", "pwd", "Cookie", "passphrase"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["path", "password_file", "key", "bucket", "region", "tokens_per_second", "signal", "design", ""]
)
def test_names_of_other_things(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize("text", ["${A}", "${A_1}", "${A:}", "${A:-}", "${A:?not set}"])
def test_references(text):
    assert is_reference(text)


@pytest.mark.parametrize("text", ["", "${A}x", "x${A}", "${A:dev}", "${A:-dev}", "$${A}", "${1}", "${A}${B}", "${A:?x{y}}"])
def test_texts_that_hold_more_than_a_reference(text):
    assert not is_reference(text)


def test_abbreviating():
    assert abbreviate("AKIAIOSFODNN7EXAMPLE") == "AKIA***"
    assert abbreviate("abcd") == abbreviate("") == HIDDEN


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("s3://AKIAIOSFODNN7EXAMPLE:abc/def@host/bucket", "s3://AKIA***:***@host/bucket"),
        ("s3://minioadmin:minioadmin@127.0.0.1:9000/b", "s3://mini***:***@127.0.0.1:9000/b"),
        ("sftp://me:p?x#y@host/dir", "sftp://me:***@host/dir"),
        ("sftp://me@host/dir", "sftp://me@host/dir"),
        ("ftp://:pw@host", "ftp://:***@host"),
        ("http://u:p@[::1]:80/x", "http://u:***@[::1]:80/x"),
        ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
        ("http://[::1]/x@y", "http://[::1]/x@y"),
        ("https://host:443/pkg@1.2", "https://host:443/pkg@1.2"),
        ("https://host/pkg@1.2", "https://host/pkg@1.2"),
        ("https://host:/x@y", "https://host:/x@y"),
        ("https://host:port/x", "https://host:port/x"),
        ("no url: a/b@c", "no url: a/b@c"),
        ("https://h/x?X-Amz-Signature=abc&a=1&token=xyz", "https://h/x?X-Amz-Signature=***&a=1&token=***"),
        ("DefaultEndpointsProtocol=https;AccountName=me;AccountKey=abc==;E=1", "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=***;E=1"),
        ("{'password': 'hunter2', \"secret\": \"x y\", 'path': 'a'}", "{'password': '***', \"secret\": \"***\", 'path': 'a'}"),
        ("{'key': 'minioadmin', 'path': 'a'}", "{'key': 'mini***', 'path': 'a'}"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("the key AKIAIOSFODNN7EXAMPLE is unknown", "the key AKIA*** is unknown"),
        ("x -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- y", "x *** y"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "***"),
        ("password=${PW} token: expected, secret=''", "password=${PW} token: expected, secret=''"),
        ("S3Store(bucket='b', secret_access_key='abc')", "S3Store(bucket='b', secret_access_key='***')"),
        ("", ""),
    ],
)  # fmt: skip
def test_masking_text(text, masked):
    assert mask(text) == masked
    assert mask(masked) == masked


@given(SAFE, SAFE, st.sampled_from(["s3", "sftp", "ftp", "webdavs"]))
def test_no_password_survives(user, password, scheme):
    password = f"Q{password}Q"
    assert password not in mask(f"cannot open '{scheme}://{user}:{password}@host.example/dir': refused")


def test_masking_values():
    spec = {
        "type": "s3",
        "key": "AKIAIOSFODNN7EXAMPLE",
        "secret": "x",
        "token": "${TOKEN}",
        "url": "sftp://me:pw@host/",
        "options": {"headers": ["Bearer abcdefgh"], "password": b"x", "client_secret": None, "use_token": True},
        "locations": ("ftp://a:b@c", 1),
        "secrets_of_kin": {"credentials": {"a": "b"}},
        3: Secret("x"),
    }
    assert mask_value(spec) == {
        "type": "s3",
        "key": "AKIA***",
        "secret": "***",
        "token": "${TOKEN}",
        "url": "sftp://me:***@host/",
        "options": {"headers": ["Bearer ***"], "password": "***", "client_secret": None, "use_token": True},
        "locations": ("ftp://a:***@c", 1),
        "secrets_of_kin": {"credentials": "***"},
        3: Secret("x"),
    }
    odd = type("Odd", (tuple,), {})()
    assert mask_value(odd) is odd
