"""The scene of columns: rows and files committed together, one transaction rolled back, one process killed, and what a sweep finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.cli.tour.stage import Stage, timed
from holdall.drivers.local import LocalStore
from holdall.errors import MissingExtraError
from holdall.mounts import storages

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["scene"]

FILES = 200
BACKEND = "tour-papers"


def scene(stage: Stage) -> bool:
    """Play the scene and return whether store and rows agree at each step."""
    if find_spec("sqlalchemy") is None:
        raise MissingExtraError('this scene needs SQLAlchemy: pip install "holdall[columns]"')
    count = min(stage.files or FILES, FILES)
    stage.title(f"columns: {count} rows with a file each, a rollback, a killed process")
    with tempfile.TemporaryDirectory(prefix="holdall-tour-") as home, _opened(home) as (engine, paper):
        return _played(stage, home, engine, paper, count)


@contextmanager
def _opened(home: str) -> Generator[tuple[Engine, Any]]:
    """Make a database and a directory of files, and a model over both."""
    from sqlalchemy import create_engine  # noqa: PLC0415  # of the extra
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column  # noqa: PLC0415

    from holdall.columns import FileObject, StoredObject  # noqa: PLC0415

    class Base(DeclarativeBase):
        """Base of the one model."""

    class Paper(Base):
        """A row with a file."""

        __tablename__ = "papers"
        __annotations__ = {"id": Mapped[int], "file": Mapped[FileObject | None]}
        id = mapped_column(primary_key=True)
        file = mapped_column(StoredObject(backend=BACKEND))

    engine = create_engine(f"sqlite:///{home}/rows.sqlite")
    Base.metadata.create_all(engine)
    with storages.override(BACKEND, LocalStore(Path(home, "files"), create=True)):
        try:
            yield engine, Paper
        finally:
            engine.dispose()


def _played(stage: Stage, home: str, engine: Engine, paper: Any, count: int) -> bool:
    from sqlalchemy.orm import Session  # noqa: PLC0415  # of the extra

    from holdall.columns import FileObject, audit, sweep  # noqa: PLC0415

    def new(number: int) -> Any:
        return paper(file=FileObject(None, f"{number}.txt", content=f"paper {number}".encode()))

    started = timed()
    with Session(engine) as session:
        session.add_all(new(number) for number in range(count))
        session.commit()
        right = stage.check(
            f"committed: {count} rows, {_files(home)} files in {timed() - started:.2f} s", _files(home) == count
        )
        session.add_all(new(number) for number in range(count, count + 10))
        session.flush()
        within = _files(home)
        session.rollback()
        text = f"rolled back: {within} files before, {_files(home)} after"
        right = stage.check(text, (within, _files(home)) == (count + 10, count)) and right
        row: Any = session.get(paper, 1)
        row.file = FileObject(None, "0.txt", content=b"replaced")
        session.commit()
        session.refresh(row)
        right = stage.check("replaced under the same key", row.file.get_content() == b"replaced") and right
    ended = subprocess.run([sys.executable, "-m", __spec__.name, home], check=False, capture_output=True)  # noqa: S603  # ourselves
    columns: dict[str, Any] = {"columns": [paper.file], "grace": timedelta(0)}
    found = [finding for finding in audit(engine, **columns) if finding.kind != "staged"]
    text = f"a process killed between upload and COMMIT left {len(found)} file, and no row without bytes"
    right = stage.check(text, ended.returncode == -signal.SIGKILL and [f.kind for f in found] == ["orphan"]) and right
    report = sweep(engine, claim="prefix", force=True, **columns)
    agree = not list(audit(engine, verify="checksum", **columns)) and _files(home) == count
    return stage.check(f"sweep deleted {len(report.deleted)}; rows and files agree again", agree) and right


def _files(home: str) -> int:
    """Count the files by plain ``os`` calls; holdall's own are hidden below names that begin with a dot."""
    return sum(
        not name.startswith(".") and "/.holdall" not in folder
        for folder, _, names in os.walk(Path(home, "files"))
        for name in names
    )


def _die(home: str) -> None:
    """Upload a file in a transaction, and be killed before it commits."""
    from sqlalchemy.orm import Session  # noqa: PLC0415  # of the extra

    from holdall.columns import FileObject  # noqa: PLC0415

    with _opened(home) as (engine, paper), Session(engine) as session:
        session.add(paper(file=FileObject(None, "never.txt", content=b"never committed")))
        session.flush()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _die(sys.argv[1])
