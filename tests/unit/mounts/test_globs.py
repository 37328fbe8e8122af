"""Glob patterns, against pathlib as the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.mounts.globs import glob, literal_start

TREE = [
    "a.txt", "b.py", ".hidden", "[odd].txt", "d/a.txt", "d/b.py", "d/e/c.txt", "d/e/f/g.txt", "dd/x.txt", "d.txt", "x y/z.txt",
    "ünï/é.txt", "deep/1/2/3/4.txt", "d/e/f.txt",
]  # fmt: skip
PATTERNS = [
    "*", "*.txt", "*.*", "?.txt", "d/*", "d/*/", "*/", "*/*.txt", "*/*/*", "**/*.txt", "**/*", "d/**/*.txt", "**/f/*", "**/f*",
    "d*/*.txt", "[ab].*", "[!a]*", "[[]odd].txt", "[a-c]*.txt", "d/e/c.txt", "missing", "missing/*", "d/", "*/e", "*/e/*", "**/e/",
    "deep/**/4.txt", "deep/*/2/*/4.txt", "./d/./a.txt", "d//a.txt", "x y/*", "ü*/*", ".h*", "**/**/*.py", "[z-a]*", "[]", "[", "[!]",
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_finds_what_pathlib_finds(memory, say, tree, pattern):
    for name in TREE:
        memory.node(f"mem:{name}").write(name)
    expected = sorted({path.relative_to(tree).as_posix() for path in tree.glob(pattern)})
    found = [node.path for node in say(memory.node("mem"), "glob", pattern)]
    assert len(found) == len(set(found))
    assert sorted(found) == expected


def test_two_stars_at_the_end_find_the_directory_itself_and_everything(memory, say):
    for name in ("d/a.txt", "d/e/c.txt", "x.txt"):
        memory.node(f"mem:{name}").write("")
    assert [n.path for n in say(memory.node("mem"), "glob", "**")] == ["", "d", "d/a.txt", "d/e", "d/e/c.txt", "x.txt"]
    assert [n.path for n in say(memory.node("mem"), "glob", "d/**")] == ["d", "d/a.txt", "d/e", "d/e/c.txt"]
    assert [n.path for n in say(memory.node("mem"), "glob", "d/**/")] == ["d", "d/e"]
    assert say(memory.node("mem:missing"), "glob", "**") == []


def test_only_the_literal_start_is_asked_of_the_server(memory, say):
    for name in ("logs/2025/a.txt", "logs/2026/b.txt", "other/c.txt"):
        memory.node(f"mem:{name}").write("")
    store = memory._open("mem")
    asked: list[str] = []
    real, real_async = store.list, store.list_async
    store.list = lambda prefix="", **named: asked.append(prefix) or real(prefix, **named)
    store.list_async = lambda prefix="", **named: asked.append(prefix) or real_async(prefix, **named)
    assert [n.path for n in say(memory.node("mem"), "glob", "logs/20*/*.txt")] == ["logs/2025/a.txt", "logs/2026/b.txt"]
    # (memory's async listing is built on its blocking one, so a prefix may be seen twice)
    assert sorted(set(asked)) == ["logs/20", "logs/2025/", "logs/2026/"]


@pytest.mark.parametrize("pattern", ["", ".", "/", "/a", "../a", "a/../b"])
def test_bad_patterns(pattern, memory):
    with pytest.raises(ValueError, match=r"pattern|traversal"):
        memory.node("mem").glob(pattern)


def test_literal_start():
    assert [literal_start(text) for text in ("abc", "a*", "[a]", "?")] == ["abc", "a", "", ""]


@given(st.text(alphabet="ab[]!-*?/.", min_size=1, max_size=12), st.text(alphabet="ab[]!-/.", min_size=1, max_size=8))
def test_any_pattern_is_read_or_refused(pattern, path):
    try:
        found = glob(pattern)
    except ValueError:
        return
    found.matches(path)
