"""Acceptance 35: type checkers agree with the page of records, and see what is wrong with a wrong use of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "tests" / "typing" / "records.py"
WRONG = """
from typing import assert_type

from holdall.records import Database, Filter, Query, Record


def verbs(db: Database) -> None:
    assert_type(db.read("a"), Record)  # 8: it may be absent
    db.read(5)  # 9
    db.create({"a": 1})  # 10
    db.search(maximum_age=3)  # 11
    Query().limit("3")  # 12
    Filter(5, "=", 1)  # 13


async def verbs_async(db: Database) -> None:
    assert_type(await db.count_async(), str)  # 17
    db.update("a", Record(), version="x")  # 18
"""
LINES = {8, 9, 10, 11, 12, 13, 17, 18}


def mypy(cache, *paths):
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(cache),
        "--config-file",
        str(ROOT / "pyproject.toml"),
    ]
    command += ["--no-error-summary", "--hide-error-context", *map(str, paths)]
    env = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a35_mypy_strict_passes_on_the_page_and_on_nothing_wrong(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    done = mypy(ROOT / ".mypy_cache", PAGE, wrong)
    told = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line for line in told if "wrong.py" not in line] == [], done.stdout + done.stderr
    assert {int(line.split("wrong.py:")[1].split(":")[0]) for line in told} == LINES, done.stdout + done.stderr
