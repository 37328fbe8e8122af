"""Versions on a git mount: commits, branches and tags, of a real repository."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdall import StorageManager
from holdall.errors import NotFoundError, NotSupportedError, PermissionDeniedError, VersionNotFoundError

TEXTS = ("one", "two", "three")


class Repository:
    """A repository whose commits are one minute apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        self("init", "-q", "-b", "trunk")

    def __call__(self, *words: str) -> str:
        when = f"@{int(self.clock)} +0000"
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for who in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{who}_NAME": "me", f"GIT_{who}_EMAIL": "me@example.com", f"GIT_{who}_DATE": when}
        done = subprocess.run(["git", *words], cwd=self.root, env=environment, check=True, capture_output=True, timeout=60)
        return done.stdout.decode().strip()

    def commit(self, **files: str | None) -> str:
        """Write or remove files below ``sub``, commit, return the commit's id."""
        for name, text in files.items():
            path = self.root / "sub" / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
        self("add", "-A")
        self.clock += 60
        self("commit", "-q", "--allow-empty", "-m", "work")
        return self("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


@pytest.fixture
def commits(repository):
    """Three commits of one file; the first has a tag, the second an annotated one, the third a file more."""
    first = repository.commit(f="one", gone="soon")
    repository("tag", "v1")
    second = repository.commit(f="two", gone=None)
    repository("tag", "-a", "v2", "-m", "two")
    return first, second, repository.commit(f="three")


@pytest.fixture
def storage(repository, commits):
    mounts: dict[str, Any] = {
        "git": {"type": "git", "path": str(repository.root)},
        "sub": {"type": "git", "path": str(repository.root), "ref": "trunk", "fo": "sub"},
        "part": "git:sub",
        "fixed": {"path": "git:sub", "permissions": "readonly"},
        "ram": "memory://",
    }
    with StorageManager(mounts) as storage:
        yield storage


@pytest.fixture(params=["git:sub/f", "sub:f", "part:f", "fixed:f"])
def node(storage, request):
    return storage.node(request.param)


def test_every_name_of_a_commit_is_a_version(node, say, commits):
    for names, text in (
        (("v1", commits[0], commits[0][:12], "HEAD~2", 0), "one"),
        (("v2", commits[1], "trunk~1", -2), "two"),
        (("trunk", "HEAD", commits[2], -1), "three"),
    ):
        for name in names:
            assert say(node, "read_bytes", version=name) == text.encode()
            fixed = node.at(version=name)
            assert (say(fixed, "read"), say(fixed, "size"), say(fixed, "exists")) == (text, len(text), True)
            stat = say(node, "stat", version=name)
            assert (stat.size, stat.version) == (len(text), commits[TEXTS.index(text)])
            assert say(node, "get", version=name).meta.version == commits[TEXTS.index(text)]
            with node.open(version=name) as file:
                assert file.read() == text
    assert say(node, "read") == "three"


def test_a_version_by_the_manager_is_copied(storage, say, commits):
    for number, version in enumerate(("v1", commits[1])):
        old = storage.node("git:sub/f", version=version)
        say(old, "copy_to", f"ram:{number}")
        assert storage.node(f"ram:{number}").read() == TEXTS[number]
        with old.local_path() as path:
            assert Path(path).read_text() == TEXTS[number]


def test_a_file_that_is_gone_is_read_from_its_time(storage, say):
    gone = storage.node("git:sub/gone")
    assert not say(gone, "exists")
    assert say(gone.at(version="v1"), "read") == "soon"
    for absent in (gone.at(version="v2"), storage.node("git:sub/f/x", version="v1"), storage.node("git:sub", version="v1")):
        assert not say(absent, "exists")
        with pytest.raises(NotFoundError):
            say(absent, "read")


@pytest.mark.parametrize(
    "version", ["absent", "0" * 40, "HEAD~9", "v1..v2", "HEAD:sub/f", "HEAD^{tree}", "", "refs/heads/no"]
)
def test_a_version_that_is_none_is_told(node, say, version):
    for verb in ("read_bytes", "get"):
        with pytest.raises(VersionNotFoundError, match="no commit, branch or tag"):
            say(node, verb, version=version)
    with pytest.raises(VersionNotFoundError, match="no commit, branch or tag"):
        say(node.at(version=version), "read")
    with pytest.raises(NotFoundError):
        say(node, "stat", version=version)
    assert not say(node.at(version=version), "exists")


def test_the_versions_are_the_commits_that_changed_the_file(node, say, repository, commits):
    repository.commit(other="x")
    found = say(node, "versions")
    assert [one["version_id"] for one in found] == list(commits)
    assert [one["is_latest"] for one in found] == [False, False, True]
    assert [one["size"] for one in found] == [3, 3, 5]
    assert found[0]["last_modified"] == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert say(node.at(as_of=datetime(2026, 1, 1, 0, 2, 30, tzinfo=UTC)), "read") == "two"
    with pytest.raises(VersionNotFoundError, match="out of range"):
        say(node.at(version=3), "read")


def test_a_removal_is_a_delete_marker(storage, say):
    gone = storage.node("git:sub/gone")
    assert [one.get("delete_marker", False) for one in say(gone, "list_versions", delete_markers=True)] == [False, True]
    with pytest.raises(FileNotFoundError, match="was deleted"):
        say(gone.at(as_of=datetime(2026, 2, 1, tzinfo=UTC)), "read")


def test_of_a_merge_the_side_it_went_into_counts(repository, storage, say, commits):
    repository("checkout", "-q", "-b", "side", "v1")
    repository.commit(f="side", new="1")
    repository("checkout", "-q", "trunk")
    repository.clock += 60
    repository("merge", "-q", "-s", "ours", "-m", "keep", "side")
    kept = repository("rev-parse", "HEAD")
    assert [one["version_id"] for one in say(storage.node("git:sub/f"), "versions")] == list(commits)
    repository("checkout", "-q", "side")
    with StorageManager({"side": {"type": "git", "path": str(repository.root), "ref": "side"}}) as other:
        assert [one["size"] for one in say(other.node("side:sub/f"), "versions")] == [3, 4]
        assert say(other.node("side:sub/f", version=kept), "read") == "three"


def test_a_version_is_of_one_file(storage, say):
    for place in ("git:", "git:sub"):
        old = storage.node(place, version="v1")
        for verb, words in (("iterdir", ()), ("children", ()), ("glob", ("*",))):
            with pytest.raises(NotSupportedError, match="of one file"):
                say(old, verb, *words)
        with pytest.raises((NotFoundError, ValueError)):
            say(old, "copy_to", "ram:tree")
    assert storage.node("ram:").children() == []


def test_names_are_what_they_are(repository, storage, say):
    repository.commit(**{"a@b:c": "odd"})
    node = storage.node("git:sub/a@b:c")
    assert say(node, "read") == "odd"
    assert node in say(storage.node("git:sub"), "iterdir")


def test_the_capabilities_say_it_and_writing_is_refused(storage, say, node):
    capabilities = node.capabilities
    assert capabilities.readonly and capabilities.version_access and capabilities.version_listing
    assert not capabilities.versioning
    for verb, words in (("rollback", ("v1",)), ("delete_version", ("v1",)), ("write", ("x",))):
        with pytest.raises((NotSupportedError, PermissionDeniedError)):
            say(node, verb, *words)
