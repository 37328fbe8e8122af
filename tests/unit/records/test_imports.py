"""Acceptance 35: what importing the face loads. That type checkers agree is `tests/typing/records.py`, which `make check` looks at."""

import subprocess
import sys

import pytest

HEAVY = [
    "sqlalchemy",
    "lance",
    "lancedb",
    "pyarrow",
    "pandas",
    "polars",
    "deltalake",
    "boto3",
    "botocore",
    "obstore",
    "psycopg",
    "asyncio",
]
NAMES = "Record, Field, Query, Filter, And, Or, Not, Database, ObjectDatabase, DatabaseFactory, migrate"


@pytest.mark.parametrize("statement", ["import holdall.records", f"from holdall.records import {NAMES}"])
def test_a35_importing_loads_no_library(statement):
    code = f"import sys\n{statement}\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == []
