"""`holdall container`: from JSON to a container and back, values taken out of it, what is wrong told in a line."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from holdall.cli import container, jsons
from holdall.cli.container import group
from holdall.containers import FormatError, MissingKeyError, WriteOptions, dump, load

DOCUMENT = {"rows": [{"id": i, "text": "t" * 40} for i in range(2000)], "name": "x"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def call(*arguments):
        return runner.invoke(group, list(arguments), catch_exceptions=False).stdout

    return call


def test_pack_inspect_get_unpack(run, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    assert "written" in run("pack", "a.json", "a.lazy")
    assert load("a.lazy") == DOCUMENT
    told = run("inspect", "a.lazy", "--verify")
    assert "rows  (list, 2000 items" in told
    assert "verified" in told
    assert [json.loads(line)["kind"] for line in run("inspect", "a.lazy", "--json").splitlines()] == ["map", "list", "value"]
    assert json.loads(run("get", "a.lazy", "rows/7")) == DOCUMENT["rows"][7]
    assert json.loads(run("get", "a.lazy", "rows/0:2")) == DOCUMENT["rows"][:2]
    assert json.loads(run("unpack", "a.lazy")) == DOCUMENT
    with pytest.raises(MissingKeyError):
        run("get", "a.lazy", "nope")


def test_lines_stream_both_ways(run, tmp_path):
    text = "".join(f"{json.dumps(row)}\n" for row in DOCUMENT["rows"])
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    run("pack", "a.jsonl", "a.lazy", "--lines", "--codec", "cbor", "--quiet")
    assert load("a.lazy") == DOCUMENT["rows"]
    run("unpack", "a.lazy", "b.jsonl", "--lines", "--quiet")
    assert (tmp_path / "b.jsonl").read_text(encoding="utf-8") == text
    (tmp_path / "bad.jsonl").write_text(f"{text}\n{{]\n", encoding="utf-8")
    with pytest.raises(FormatError, match="line 2002 column 2"):
        run("pack", "--lines", "bad.jsonl", "b.lazy")
    assert not (tmp_path / "b.lazy").exists()
    dump("map.lazy", {"a": 1})
    with pytest.raises(ValueError, match="list"):
        run("unpack", "map.lazy", "--lines")


@pytest.mark.parametrize(
    "text", ["7", '"x"', "[]", "{}", " [1, 2.5e3 , null]\n", '{"a": {"b": [true]}, "c": "é"}', "\ufeff[1]"]
)
def test_documents_of_every_kind(run, tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    run("pack", "a.json", "a.lazy", "--quiet")
    assert load("a.lazy") == json.loads(text.removeprefix("\ufeff")) == json.loads(run("unpack", "a.lazy"))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("large", [1, 30, 1 << 20])
def test_what_was_read_may_end_anywhere(run, tmp_path, monkeypatch, chunk, large):
    monkeypatch.setattr(jsons, "CHUNK", chunk)
    monkeypatch.setattr(jsons, "LARGE", large)  # from here on it is a stream
    document = {"number": 12345.5, "text": 'a"\\u00e9' * 9, "list": [1, [22, {"x": None}], "y" * 99], "z": [True, -7]}
    for text in (json.dumps(document, indent=3), json.dumps(document["list"]), "12345"):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        run("pack", "a.json", "a.lazy", "--quiet")
        assert load("a.lazy") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "line 1 column 2"),
        ('{"a": 1,\n "b" 2}', "line 2 column 6"),
        ("[1,\n2,\n]", "line 3 column 1"),
        ("[1 2]", "line 1 column 4"),
        ('["abc', "line 1 column 2"),
        ("[1]\n\n x", "line 3 column 2"),
        ("{1: 2}", "line 1 column 2"),
        ("", "line 1 column 1"),
        ('{"a": 1, "a": 2}', "twice"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 100])
@pytest.mark.parametrize("large", [1, 1 << 20])
def test_what_is_no_json_is_told_by_line_and_column(run, tmp_path, monkeypatch, text, where, chunk, large):
    monkeypatch.setattr(jsons, "CHUNK", chunk)
    monkeypatch.setattr(jsons, "LARGE", large)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=where):
        run("pack", "a.json", "a.lazy")
    assert not (tmp_path / "a.lazy").exists()


def test_json_that_is_nested_too_deep(run, tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(FormatError, match="too deep"):
        run("pack", "a.json", "a.lazy")


def test_progress_is_told_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(container, "is_terminal", lambda: True)
    monkeypatch.setattr(container, "BLOCK", 20_000)
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    for words, told in ((("pack", "a.json", "a.lazy"), "read"), (("unpack", "a.lazy", "b.json"), "written")):
        assert told in CliRunner().invoke(container.group, [*words], catch_exceptions=False).stderr
        assert CliRunner().invoke(container.group, [*words, "--quiet"], catch_exceptions=False).stderr == ""


def test_values_that_json_lacks(run):
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    large = {f"k{i}": ["t" * 1000] * 30 for i in range(9)}
    array = np.arange(20_000)
    dump("a.lazy", {"when": moment, "bytes": b"\x00", "array": array, "large": large, 7: 1, None: 2})
    found = json.loads(run("unpack", "a.lazy"))
    expected = {"when": moment.isoformat(), "bytes": "AA==", "array": array.tolist(), "large": large, "7": 1, "null": 2}
    assert found == expected
    assert json.loads(run("get", "a.lazy", "array")) == array.tolist()
    dump("b.lazy", {b"k": "t" * 20_000, "x": [1]}, options=WriteOptions(index="full"))
    with pytest.raises(FormatError, match="JSON"):
        run("unpack", "b.lazy")
