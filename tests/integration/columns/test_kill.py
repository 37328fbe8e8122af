"""A09: processes killed with SIGKILL at random steps: never a row without bytes; one sweep later, no garbage."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from holdall import storages
from holdall.columns import audit, sweep
from holdall.drivers.local import LocalStore

from . import killed
from .conftest import keys_of

NOW = {"grace": timedelta(0), "columns": [killed.Row.file]}


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a09_killed_at_a_hundred_random_steps(tmp_path, colour):
    database, directory = tmp_path / "rows.sqlite", tmp_path / "files"
    engine = create_engine(f"sqlite:///{database}")
    killed.Base.metadata.create_all(engine)
    store = LocalStore(directory, create=True)
    program = [sys.executable, str(Path(killed.__file__)), str(database), str(directory), colour]
    with (
        storages.override("killed", store),
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killer,
    ):
        for first in range(0, 100, 20):
            killer.stdin.write(" ".join(map(str, range(first, first + 20))) + "\n")
            killer.stdin.flush()
            assert killer.stdout.readline().split() == ["-9"] * 20
            assert [f for f in audit(engine, verify="checksum", **NOW) if f.kind in {"dangling", "mismatch"}] == []
            assert sweep(engine, claim="prefix", force=True, **NOW).failures == []
            with Session(engine) as session:
                held = sorted(file.path for file in session.scalars(select(killed.Row.file)) if file is not None)
            assert keys_of(store) == held
            assert list(audit(engine, **NOW)) == []
        killer.stdin.close()
    engine.dispose()
