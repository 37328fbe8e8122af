"""`holdall container`: from JSON to a container and back, values taken out of it, what is wrong told in a line."""

import json

import pytest
from typer.testing import CliRunner

from holdall.cli.container import group
from holdall.containers import FormatError, MissingKeyError, dump, load

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
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(FormatError, match="no JSON"):
        run("pack", "bad.json", "b.lazy")
    dump("map.lazy", {"a": 1})
    with pytest.raises(ValueError, match="list"):
        run("unpack", "map.lazy", "--lines")
