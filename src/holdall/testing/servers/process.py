"""Processes of servers: started on a leash, waited for, ended by their id, their log shown when they fail."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdall.errors import UnavailableError

__all__ = ["Process", "ServerMissingError", "free_port", "launch", "listens", "program", "responds", "run", "wait_until"]

HOST = "127.0.0.1"


class ServerMissingError(UnavailableError):
    """A server's program is not installed; the message says how to install it."""

    kind = "server_missing"


@dataclass(frozen=True, slots=True)
class Process:
    """A process on its leash, known by its id, so that any worker of a test run may end it.

    Attributes:
        pid: Of the leash.
        log: Where its output goes.
    """

    pid: int
    log: str

    def alive(self) -> bool:
        """Tell whether it runs (a zombie does not)."""
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self.pid, os.WNOHANG)[0] == self.pid:
                return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return True
        return state.rpartition(")")[2].split()[0] != "Z"

    def stop(self, wait: float = 15.0) -> None:
        """End it and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + wait
        while self.alive() and time.monotonic() < end:
            time.sleep(0.02)
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def tail(self, lines: int = 30) -> str:
        """Return the end of its log."""
        try:
            return "\n".join(Path(self.log).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def watched() -> int:
    """Return the process whose end ends the servers: the test run's first process."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def launch(
    command: Sequence[str],
    *,
    name: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    ending: signal.Signals = signal.SIGTERM,
) -> Process:
    """Start a server process.

    Args:
        command: Program and arguments.
        name: Names its log file.
        directory: Its working directory.
        environment: Added to the present environment.
        user: Run as this user (needs root).
        ending: The signal that ends it.
    """
    log = directory / f"{name}.log"
    leash = [sys.executable, "-I", str(Path(__file__).with_name("leash.py"))]
    arguments = [*leash, str(watched()), str(int(ending)), user or "-", str(directory), *command]
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        arguments,
        {**os.environ, **(environment or {})},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, str(log))


def wait_until(ready: Callable[[], bool], process: Process, *, what: str, seconds: float = 60.0) -> None:
    """Wait until a server answers.

    Raises:
        UnavailableError: It ended, or did not answer in time; the message has the end of its log.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        if not process.alive():
            raise UnavailableError(f"{what} ended while starting:\n{process.tail()}")
        time.sleep(0.03)
    process.stop()
    raise UnavailableError(f"{what} did not answer within {seconds:.0f} s:\n{process.tail()}")


def listens(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=2):
            return True
    except OSError:
        return False


def responds(url: str) -> bool:
    """Tell whether a URL gets an HTTP answer, whichever."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # a loopback server of ours
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except (OSError, ValueError):
        return False


def free_port() -> int:
    """Return a loopback port that was free a moment ago, from where systems give none to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # whatever seed a test has set
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def program(name: str, *, hint: str, places: Sequence[str] = ("/usr/sbin", "/usr/local/sbin")) -> str:
    """Return the path of an installed program.

    Raises:
        ServerMissingError: It is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise ServerMissingError(f"{name} is not installed: {hint}")
    return found


def run(
    command: Sequence[str],
    *,
    seconds: float = 60.0,
    user: str | None = None,
    cwd: Path | None = None,
    given: str | None = None,
) -> str:
    """Run a short command and return its output.

    Args:
        command: Program and arguments.
        seconds: How long it may take.
        user: Run as this user (needs root).
        cwd: Its working directory.
        given: What it reads.

    Raises:
        UnavailableError: It failed or took too long.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            input=given,
            timeout=seconds,
            check=False,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd=cwd,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took more than {seconds:.0f} s") from None
    if done.returncode:
        raise UnavailableError(
            f"{' '.join(command[:4])} … failed ({done.returncode}):\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
        )
    return done.stdout
