"""Every shell block of the README and the manual runs as a script, or says why not; configurations in the manual can be read.

The command is the installed ``holdall``, S3 is moto, found by the usual variables of the environment. What a page takes for granted
(mounts, files, a bucket) is made here first.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.test_docs import FENCE, PAGES, ROOT

from holdall import StorageManager
from holdall.containers import dump
from holdall.records import Database, Record
from holdall.testing.servers import Moto

CONFIG = """
[mounts.work]
type = "local"
path = "{place}/work"

[mounts.cloud]
type = "s3"
bucket = "archive"

[databases.people]
backend = "sqlite"
path = "{place}/people.db"

[filestore]
locations = ["file://{place}/near", "s3://archive/far"]
"""


def prepare(place, client):
    """Make what the pages take for granted."""
    for name in (
        "work/a.txt",
        "work/docs/a.txt",
        "work/reports/summary.txt",
        "work/tmp/x",
        "site/index.html",
        "report.csv",
        "report.pdf",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("a\n")
    rows = [{"id": n, "name": f"n{n}"} for n in range(30)]
    (place / "near").mkdir()
    for name in ("rows.json", "orders.json", "data.json"):
        (place / name).write_text(json.dumps({"rows": rows}))
    for name in ("rows.jsonl", "events.jsonl"):
        (place / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    dump(str(place / "run.lazy"), {"rows": rows})
    with Database.open(f"sqlite:///{place}/people.db") as db:
        db.batch_create([Record({"full name": f"Ada {age}", "age": age}) for age in range(10, 40)])
    for bucket in ("archive", "bucket"):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket="archive", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="archive", Key="run.lazy", Body=(place / "run.lazy").read_bytes())
    client.put_object(Bucket="bucket", Key="logs/one.txt", Body=b"1")


def clear(client):
    for bucket in ("archive", "bucket"):
        found = client.list_object_versions(Bucket=bucket)
        for version in found.get("Versions", []) + found.get("DeleteMarkers", []):
            client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        client.delete_bucket(Bucket=bucket)


def scripts(page):
    text = page.read_text(encoding="utf-8")
    return [
        (text[: m.start("code")].count("\n") + 1, m["code"], m["reason"])
        for m in FENCE.finditer(text)
        if m["language"] == "sh"
    ]


SCRIPTS = [
    pytest.param(code, reason, id=f"{page.relative_to(ROOT)}:{line}")
    for page in PAGES
    for line, code, reason in scripts(page)
]


@pytest.fixture(scope="module")
def s3():
    """A server for this process alone: the names of the buckets are the manual's."""
    with Moto.running() as server:
        yield server


@pytest.fixture
def shell(s3, tmp_path):
    prepare(tmp_path, s3.client())
    (tmp_path / "holdall.toml").write_text(CONFIG.format(place=tmp_path.as_posix()))
    bin = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        **s3.environment,
        "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }

    def run(script):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    yield run
    clear(s3.client())


@pytest.mark.skipif(sys.platform == "win32", reason="scripts for bash")
@pytest.mark.parametrize(("script", "reason"), SCRIPTS)
def test_shell_blocks_run(script, reason, request):
    if reason is not None:
        assert len(reason) > 10
        return
    done = request.getfixturevalue("shell")(script)
    assert done.returncode == 0, done.stderr


CONFIGURATIONS = [
    pytest.param(m["code"], id=f"{page.relative_to(ROOT)}:{page.read_text()[: m.start('code')].count(chr(10)) + 1}")
    for page in PAGES
    for m in FENCE.finditer(page.read_text(encoding="utf-8"))
    if m["language"] == "toml"
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_can_be_read(text, tmp_path):
    described = tomllib.loads(text.replace("/srv", tmp_path.as_posix()))
    (tmp_path / "work").mkdir()
    storage = StorageManager()
    storage.configure(described)
    assert storage.get_mount_names() == list(described["mounts"])


def test_no_block_is_of_another_kind():
    """Pictures are ``text``; any other language would be looked at by nobody."""
    kinds = {m["language"] for page in PAGES for m in FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert kinds <= {"python", "sh", "toml", "text", ""}
    assert not re.search(r"^~~~", "".join(page.read_text(encoding="utf-8") for page in PAGES), re.MULTILINE)
