"""A09: a process killed with SIGKILL at random steps: never a row without bytes; one sweep later, no garbage."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from holdall import storages
from holdall.columns import audit, sweep
from holdall.drivers.local import LocalStore

from . import killed
from .conftest import keys_of

NOW = {"grace": timedelta(0), "columns": [killed.Row.file]}


def test_a09_killed_at_random_steps(tmp_path):
    database, directory = tmp_path / "rows.sqlite", tmp_path / "files"
    engine = create_engine(f"sqlite:///{database}")
    killed.Base.metadata.create_all(engine)
    store = LocalStore(directory, create=True)
    with storages.override("killed", store):
        for seeds in (range(10), range(10, 20)):
            program = [sys.executable, str(Path(killed.__file__)), str(database), str(directory), *map(str, seeds)]
            ended = subprocess.run(program, capture_output=True, timeout=100, check=True, text=True)
            assert ended.stdout.split() == ["-9"] * len(seeds), ended.stderr
            assert [f for f in audit(engine, verify="checksum", **NOW) if f.kind in {"dangling", "mismatch"}] == []
            assert sweep(engine, claim="prefix", force=True, **NOW).failures == []
            with Session(engine) as session:
                held = sorted(file.path for file in session.scalars(select(killed.Row.file)) if file is not None)
            assert keys_of(store) == held
            assert list(audit(engine, **NOW)) == []
    engine.dispose()
