"""References, documents, and where the file is found."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.config import Reference, expand, find_config, load_document, parse_document, pieces
from holdall.core.dirs import cache_dir, config_dir, state_dir
from holdall.errors import ConfigError, MissingExtraError

ENV = {"A": "alpha", "EMPTY": "", "NESTED": "${A}", "S_1": "x"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "alpha"),
        ("x${A}y${S_1}", "xalphayx"),
        ("${B:beta}", "beta"),
        ("${A:beta}", "alpha"),
        ("${EMPTY:beta}", ""),
        ("${EMPTY:-beta}", "beta"),
        ("${A:-beta}", "alpha"),
        ("${A:?why}", "alpha"),
        ("${B:}", ""),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("x$${A}${A}", "x${A}alpha"),
        ("$A $ {A} {A}", "$A $ {A} {A}"),
        ("${B:${A}}", "alpha"),
        ("${B:-${C:gamma}}", "gamma"),
        ('${B:{"a": 1}}', '{"a": 1}'),
        ('${A:{"a": 1}}', "alpha"),
        ("${B:a:b}", "a:b"),
        ("${B:http://x/y}", "http://x/y"),
        ("${NESTED}", "${A}"),
        ("", ""),
    ],
)
def test_references(text, result):
    assert expand(text, ENV) == result


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A B}", "${A-b}", "${B:{}", "a${:x}", "${A?x}", "${ü}"])
def test_what_begins_like_a_reference_and_is_none(text):
    with pytest.raises(ConfigError, match=r"\$\$\{"):
        expand(text, ENV)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${B}", "B is not set and has no default"),
        ("${B:?give it}", "B: give it"),
        ("${EMPTY:?}", "EMPTY: is not set"),
        ("${C:${B}}", "B is not"),
    ],
)
def test_unset_without_default_names_the_variable(text, message):
    with pytest.raises(ConfigError, match=message):
        expand(text, ENV)


def test_all_faults_come_in_one_with_their_places():
    with pytest.raises(ConfigError) as caught:
        expand({"mounts": [{"a": "${X}"}, {"b": ("${Y}", 1)}], "c": "${Z:ok}"}, {})
    assert str(caught.value) == (
        "mounts[0].a: environment variable X is not set and has no default; "
        "mounts[1].b[0]: environment variable Y is not set and has no default"
    )


def test_any_depth_and_only_texts():
    odd = object()
    value = {"a": ["${A}", {"b": "${A}"}], "t": ("${A}",), "n": 1, "o": odd, "${A}": None}
    assert expand(value, ENV) == {"a": ["alpha", {"b": "alpha"}], "t": ("alpha",), "n": 1, "o": odd, "${A}": None}


def test_the_process_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("HOLDALL_TEST_X", "y")
    assert expand("${HOLDALL_TEST_X}") == "y"


@given(st.text(max_size=40))
def test_a_value_from_the_environment_is_taken_as_it_is(value):
    assert expand("a${V}b", {"V": value}) == f"a{value}b"
    assert expand({"x": "${V}"}, {"V": value}) == {"x": value}


@given(st.text("$:{}A-?x", max_size=12))
def test_pieces_give_the_text_back_or_say_why_not(text):
    try:
        parts = list(pieces(text))
    except ConfigError:
        assert "${" in text
        return
    written = "".join(p.text if isinstance(p, Reference) else p.replace("${", "$${") if p == "${" else p for p in parts)
    assert written == text


@given(st.text("$:{}A-?x", max_size=12))
def test_escaping_makes_any_text_literal(text):
    escaped = text.replace("${", "$${")
    if "$$${" not in escaped:
        assert expand(escaped, {}) == text


# -- documents


DOCUMENTS = {
    ".toml": '[mounts.home]\ntype = "local"\npath = "/srv"\ncreate = true\n',
    ".json": '{"mounts": {"home": {"type": "local", "path": "/srv", "create": true}}}',
    ".yaml": "mounts:\n  home: {type: local, path: /srv, create: yes}\n",
    ".YML": "mounts:\n  home:\n    type: local\n    path: /srv\n    create: true\n",
}


@pytest.mark.parametrize("suffix", DOCUMENTS)
def test_documents_say_the_same(suffix, tmp_path):
    expected = {"mounts": {"home": {"type": "local", "path": "/srv", "create": True}}}
    assert parse_document(DOCUMENTS[suffix], suffix) == expected
    path = tmp_path / f"c{suffix}"
    path.write_bytes(b"\xef\xbb\xbf" + DOCUMENTS[suffix].encode())
    assert load_document(path) == load_document(str(path)) == expected


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".toml", 'a = "x', "not valid TOML"),
        (".toml", "a = 1\na = 2", "not valid TOML"),
        (".json", '{"password": "hunter2",}', r"not valid JSON: .* \(line 1, column"),
        (".json", '{"a": 1, "a": 2}', "'a' twice"),
        (".json", "[" * 100_000, "nested too deeply"),
        (".yaml", "password: hunter2: x", r"not valid YAML: .* \(line 1"),
        (".yaml", "a: 1\nb:\n  c: 1\n  c: 2\n", r"'c' twice in one mapping \(line 3"),
        (".yaml", "a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (".yaml", "? [a, b]\n: 1", "no scalar"),
        (".yaml", "? {a: b}\n: 1", "no scalar"),
        (".yaml", "a: \x01", "not valid YAML"),
        (".yaml", "a: 2026-13-45", "cannot be read"),
        (".yaml", "a: b\n- c", "not valid YAML"),
        (".ini", "", "Unsupported configuration file format '.ini'"),
        ("", "", "Unsupported configuration file format ''"),
    ],
)  # fmt: skip
def test_documents_with_faults(suffix, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_document(text, suffix, name="c.x")
    assert "c.x" in str(caught.value)
    assert (
        "hunter2"
        not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__ if caught.value.__suppress_context__ is False else ''}"
    )


def test_yaml_merges_and_shares():
    text = "base: &b {type: local, path: /a}\nhome:\n  <<: *b\n  path: /b\n"
    assert parse_document(text, ".yaml")["home"] == {"type": "local", "path": "/b"}


def test_yaml_without_pyyaml_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r'pip install "holdall\[yaml\]"'):
        parse_document("a: 1", ".yaml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_document(tmp_path / "absent.toml")
    (tmp_path / "c.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_document(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match="Unsupported configuration file format"):
        load_document(tmp_path / "absent.ini")


# -- where it is


HOME = {"HOME": "/home/me"}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["/w/holdall.toml", "/w/holdall.yaml", "/w/holdall.json"], "/w/holdall.toml"),
        (["/w/holdall.yml", "/w/holdall.json"], "/w/holdall.yml"),
        (["/w/holdall.json", "/home/me/.config/holdall/holdall.toml"], "/w/holdall.json"),
        (["/home/me/.config/holdall/holdall.yaml"], "/home/me/.config/holdall/holdall.yaml"),
        (["/elsewhere/holdall.toml"], None),
    ],
)
def test_finding_the_file(there, found):
    assert find_config(HOME, directory="/w", exists=there.__contains__, platform="linux") == found


def test_the_variable_wins_and_must_name_a_file():
    env = {**HOME, "HOLDALL_CONFIG": "/x/my.toml"}
    assert find_config(env, directory="/w", exists=lambda _: True) == "/x/my.toml"
    with pytest.raises(ConfigError, match=r"/x/my\.toml"):
        find_config(env, directory="/w", exists=lambda p: p != "/x/my.toml")
    assert find_config({**HOME, "HOLDALL_CONFIG": ""}, directory="/w", exists=lambda _: False) is None


def test_finding_it_really(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_config() is None
    (tmp_path / "holdall.json").write_text("{}")
    assert find_config() == str(tmp_path / "holdall.json")


@pytest.mark.parametrize(
    ("platform", "env", "config", "state", "cache"),
    [
        ("linux", HOME, "/home/me/.config/holdall", "/home/me/.local/state/holdall", "/home/me/.cache/holdall"),
        (
            "linux",
            {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "relative"},
            "/c/holdall",
            "/s/holdall",
            "/.cache/holdall",
        ),
        (
            "darwin",
            HOME,
            "/home/me/Library/Application Support/holdall",
            "/home/me/Library/Application Support/holdall/state",
            "/home/me/Library/Caches/holdall",
        ),
        (
            "win32",
            {"APPDATA": "C:\\R", "LOCALAPPDATA": "C:\\L"},
            "C:\\R\\holdall",
            "C:\\L\\holdall\\state",
            "C:\\L\\holdall\\cache",
        ),
        (
            "win32",
            {"USERPROFILE": "D:\\me"},
            "D:\\me\\AppData\\Roaming\\holdall",
            "D:\\me\\AppData\\Local\\holdall\\state",
            "D:\\me\\AppData\\Local\\holdall\\cache",
        ),
        (
            "win32",
            {},
            "C:\\AppData\\Roaming\\holdall",
            "C:\\AppData\\Local\\holdall\\state",
            "C:\\AppData\\Local\\holdall\\cache",
        ),
    ],
)
def test_directories_of_the_user(platform, env, config, state, cache):
    assert (config_dir(env, platform), state_dir(env, platform), cache_dir(env, platform)) == (config, state, cache)


def test_directories_of_this_user(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert state_dir() == "/somewhere/holdall"
