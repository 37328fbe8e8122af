"""Parameters: every spelling, every kind, all faults at once."""

import os
from pathlib import Path

import pytest

from holdall.core.params import COMMON, Faults, Param, bind, require
from holdall.core.secrets import Secret
from holdall.errors import ConfigError

PARAMS = (
    Param(name="bucket", aliases=("s3_bucket",), required=True),
    Param(name="path", kind="key", aliases=("base_path", "prefix")),
    Param(name="region", empty=True),
    Param(name="secret", aliases=("secret_key",), secret=True),
    Param(name="port", kind="int"),
    Param(name="style", choices=("auto", "path")),
    Param(name="known", kind="path", nullable=True),
    Param(name="extra", kind="mapping", form="mapping"),
    Param(name="host", form="url"),
)


def bound(raw, **options):
    faults = Faults("it")
    values = bind(PARAMS, raw, faults, env=options.pop("env", {}), **options)
    faults.check()
    return values


def faulty(raw, **options):
    with pytest.raises(ConfigError) as caught:
        bound(raw, **options)
    return str(caught.value).removeprefix("it: ")


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        ("text", "x", "x"),
        ("bool", "on", True),
        ("int", "5", 5),
        ("float", "0.5", 0.5),
        ("duration", "5m", 300.0),
        ("size", "1KiB", 1024),
        ("mode", "640", 0o640),
        ("mode", "0o1777", 0o1777),
        ("mode", 0o600, 0o600),
        ("key", "/a//b/./", "a/b"),
        ("key", Path("a/b"), "a/b"),
        ("remote", "/srv//x/", "/srv/x"),
        ("remote", "srv/x", "srv/x"),
        ("remote", "/", "/"),
        ("mapping", {"a": 1}, {"a": 1}),
        ("any", 3, 3),
    ],
)
def test_kinds(kind, value, result):
    assert Param(name="x", kind=kind).convert(value) == result


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1), ("text", None), ("text", "a\0"), ("text", Path("a")), ("bool", "maybe"), ("int", "x"), ("float", "x"),
        ("duration", "x"), ("size", "x"), ("mode", "8"), ("mode", "77777"), ("mode", True), ("mode", 0o10000), ("mode", -1),
        ("key", "../a"), ("key", 3), ("remote", "/a/../b"), ("remote", 3), ("mapping", [1]), ("path", ""), ("path", 3),
        ("path", "a\0"), ("path", "relative/x"),
    ],
)  # fmt: skip
def test_kinds_of_fault(kind, value):
    with pytest.raises(ValueError):
        Param(name="x", kind=kind).convert(value)


def test_choices_fold_case():
    assert Param(name="x", choices=("auto", "path")).convert("PATH") == "path"
    with pytest.raises(ValueError, match="one of auto, path"):
        Param(name="x", choices=("auto", "path")).convert("virtual")


@pytest.mark.parametrize("kind", ["key", "path", "remote"])
def test_functions_stand_for_paths(kind):
    assert Param(name="path", kind=kind).convert(os.getcwd) is os.getcwd


def test_local_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    param = Param(name="path", kind="path")
    assert param.convert("~/x") == "/home/me/x"
    assert param.convert(Path("/srv")) == "/srv"
    assert param.convert("./x//y", base="/conf") == "/conf/x/y"
    # What lies above a symbolic link is the file system's to say.
    assert param.convert("x/../y", base="/conf") == "/conf/x/../y"
    assert param.convert("x", base="/conf") == "/conf/x"
    with pytest.raises(ValueError, match="absolute"):
        param.convert("x")


def test_names():
    assert PARAMS[0].names == ("bucket", "s3_bucket")
    assert PARAMS[0].spelled == "'bucket' (or 's3_bucket')"
    assert PARAMS[2].spelled == "'region'"


def test_any_spelling_and_any_type():
    assert bound({"s3_bucket": "b", "prefix": "a/b", "port": "9000", "timeout": "5s", "read_only": "yes"}) == {
        "bucket": "b",
        "path": "a/b",
        "port": 9000,
        "timeout": 5.0,
        "read_only": True,
    }


def test_references_are_expanded_once_and_converted():
    env = {"PORT": "9000", "B": "${PORT}", "NONE": "", "PW": "hunter2"}
    values = bound(
        {"bucket": "${B}", "port": "${PORT}", "region": "${NONE}", "secret": "${PW}", "extra": {"a": ["${PORT}"]}}, env=env
    )
    assert values == {"bucket": "${PORT}", "port": 9000, "secret": Secret("hunter2"), "extra": {"a": ["9000"]}}
    assert values["secret"].reference == "${PW}"
    assert bound({"bucket": "${B}"}, expanded=True) == {"bucket": "${B}"}


@pytest.mark.parametrize("written", ["hunter2", "x${PW}", "${NO:hunter2}"])
def test_a_secret_with_literal_parts_is_literal(written):
    assert bound({"secret": written}, env={"PW": "y"})["secret"].literal


def test_a_secret_may_be_one_already():
    secret = Secret("x", reference="${X}")
    assert bound({"secret": secret})["secret"].reference == "${X}"
    assert bound({"bucket": Secret("b")}) == {"bucket": "b"}


def test_two_spellings():
    assert bound({"secret": "x", "secret_key": "x", "path": "a/", "prefix": "/a"}) == {"secret": Secret("x"), "path": "a"}
    assert "'prefix' and 'path' are one parameter with two values" in faulty({"path": "a", "prefix": "b"})
    text = faulty({"secret": "hunter2", "secret_key": "hunter3"})
    assert "two values" in text
    assert "hunter" not in text


def test_nothing_given():
    assert bound({"bucket": None, "region": "", "known": None}) == {"known": None}


def test_twins_read_files(tmp_path):
    (tmp_path / "pw").write_text("hunter2\n")
    for name in ("secret_file", "secret_key_file"):
        values = bound({name: str(tmp_path / "pw")})
        assert values["secret"].reveal() == "hunter2"
        assert values["secret"].reference == f"file:{tmp_path / 'pw'}"
    assert bound({"secret_file": "pw"}, base=str(tmp_path))["secret"].reveal() == "hunter2"
    assert "two values" in faulty({"secret": "x", "secret_file": str(tmp_path / "pw")})
    assert "cannot read the file: No such file or directory (in 'secret_file')" in faulty({"secret_file": "/absent/x"})
    assert "'secret_file' must be an absolute path" in faulty({"secret_file": "pw"})
    (tmp_path / "pw").write_bytes(b"\xff")
    assert "not UTF-8" in faulty({"secret_file": str(tmp_path / "pw")})


def test_an_unreadable_file_without_words():
    def read(path):
        raise OSError

    assert "cannot read the file: OSError (in 'secret_file')" in faulty({"secret_file": "/x"}, read=read)


def test_all_faults_at_once_and_no_secret():
    text = faulty({"bukket": "x", "port": "ninety", "secret": 12345678, "${": "", "style": "x", 7: 1, "region": "${UNSET}"})
    assert "unknown field 'bukket', did you mean 'bucket'?" in text
    assert "(known: attempts, base_path, base_url, bucket," in text
    assert "'port' must be a whole number, not 'ninety'" in text
    assert "'secret' must be text (in quotes), not int" in text
    assert "12345678" not in text
    assert "environment variable UNSET is not set and has no default (in 'region')" in text
    assert "unknown field '7'" in text


def test_forms():
    assert "unknown field 'host'" in faulty({"host": "x"})
    assert "unknown parameter 'extra'" in faulty({"extra": "x"}, form="url")
    assert bound({"host": "x"}, form="url") == {"host": "x"}
    assert "'bucket' is empty" in faulty({"bucket": ""}, form="url")
    assert bound({"bucket": ""}) == {"bucket": ""}


def test_what_is_required():
    faults = Faults("")
    require(PARAMS, {"bucket": ""}, faults)
    require(PARAMS, {"bucket": None}, faults)
    require(PARAMS, {}, faults)
    assert faults.found == ["missing required field: 'bucket' (or 's3_bucket')"]
    with pytest.raises(ConfigError, match=r"^missing"):
        faults.check()
    ok = Faults("x")
    require(PARAMS, {"bucket": "b"}, ok)
    assert not ok
    ok.check()


def test_a_type_may_have_a_common_name_for_its_own():
    own = (Param(name="base_url", aliases=("path",), required=True, kind="any"),)
    faults = Faults("")
    assert bind(own, {"path": "x"}, faults) == {"base_url": "x"}
    assert not faults


def test_what_is_no_storage_has_no_common_parameters():
    faults = Faults("")
    assert bind([Param(name="table")], {"retries": 3, "table": "t"}, faults, common=False) == {"table": "t"}
    assert faults.found == ["unknown field 'retries' (known: table)"]


def test_common_parameters_have_distinct_names():
    names = [name for p in COMMON for name in p.names]
    assert len(names) == len(set(names))


def test_secrets_within_mappings_are_held():
    raw = {"extra": {"password": "${PW}", "token": ["hunter2", 3], "path": "${PW}", "deep": {"api_key": "x", 1: None}}}
    extra = bound(raw, env={"PW": "hunter3"})["extra"]
    assert extra == {
        "password": Secret("hunter3"),
        "token": [Secret("hunter2"), 3],
        "path": "hunter3",
        "deep": {"api_key": Secret("x"), 1: None},
    }
    assert (extra["password"].literal, extra["token"][0].literal) == (False, True)
    assert "hunter2" not in repr(extra)
    assert bound({"extra": {"password": "${PW}"}}, expanded=True)["extra"]["password"].literal
    whole = bind([Param(name="token", kind="any", secret=True)], {"token": {"id": "a"}}, Faults(""))
    assert whole == {"token": {"id": Secret("a")}}
    assert "UNSET" in faulty({"extra": {"a": "${UNSET}"}})


@pytest.mark.parametrize(
    ("value", "base", "result"),
    [
        ("a.zip", "/conf", "/conf/a.zip"),
        ("a.zip", None, "a.zip"),
        ("/a.zip", "/conf", "/a.zip"),
        (Path("/x/a.zip"), None, "/x/a.zip"),
        ("mount:a.zip", "/conf", "mount:a.zip"),
        ("s3://b/a.zip", "/conf", "s3://b/a.zip"),
        (3, "/conf", 3),
    ],
)
def test_files(value, base, result):
    assert Param(name="file", kind="file").convert(value, base=base) == result


def test_a_file_on_another_protocol_is_not_relative_to_ours():
    params = [Param(name="file", kind="file"), Param(name="target_protocol")]
    assert bind(params, {"file": "b/a.zip", "target_protocol": "s3"}, Faults(""), base="/conf")["file"] == "b/a.zip"
