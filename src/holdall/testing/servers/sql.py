"""PostgreSQL, one cluster in a temporary directory."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from holdall.testing.servers.base import Server
from holdall.testing.servers.process import ServerMissingError, free_port, launch, program, run, wait_until

__all__ = ["Postgres"]


@dataclass(frozen=True, kw_only=True)
class Postgres(Server):
    """PostgreSQL on loopback, without passwords, without fsync.

    Attributes:
        port: Where it listens.
        user: Its superuser.
        psql: Path of its client.
    """

    name: ClassVar[str] = "postgres"
    port: int
    user: str
    psql: str

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        tools = _tools()
        user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if user is not None:
            shutil.chown(directory, user, user)
            directory.chmod(0o755)
        data, port = directory / "data", free_port()
        name = user or getpass.getuser()
        initdb = [
            str(tools / "initdb"),
            "-D",
            str(data),
            "-U",
            name,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        run(initdb, user=user, cwd=directory, seconds=120)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            "max_prepared_transactions": "20",
        }
        command = [str(tools / "postgres"), "-D", str(data), "-p", str(port)]
        for setting, value in settings.items():
            command += ["-c", f"{setting}={value}"]
        # SIGINT is its fast shutdown; SIGTERM would wait for clients to leave
        process = launch(command, name="postgres", directory=directory, user=user, ending=signal.SIGINT)
        server = cls(directory=str(directory), processes=(process,), port=port, user=name, psql=str(tools / "psql"))
        wait_until(server._answers, process, what="PostgreSQL")
        return server

    def url(self, database: str, driver: str = "") -> str:
        """Return the URL of a database, for SQLAlchemy with a driver name (``"psycopg"``, ``"asyncpg"``)."""
        return f"postgresql{f'+{driver}' if driver else ''}://{self.user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one statement by psql and return what it prints."""
        client = [self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        return run([*client, "-U", self.user, "-d", database, "-c", statement]).strip()

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """Make an empty database of a new name, and drop it."""
        name = f"d{uuid.uuid4().hex[:16]}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _answers(self) -> bool:
        try:
            return self.execute("SELECT 1") == "1"
        except ConnectionError:
            return False


def _tools() -> Path:
    """Return the directory of PostgreSQL's programs, the newest release if there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    try:
        return Path(program("initdb", hint="apt-get install postgresql")).parent
    except ServerMissingError as error:
        raise ServerMissingError(f"PostgreSQL is not installed: {error}") from error
