"""Install what servers need and no root is needed for: Python programs into virtual environments, npm packages into a folder.

They go below ``$HOLDALL_SERVERS``, or ``.servers`` in the working directory, once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import venv
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdall.errors import HoldallError
from holdall.testing.servers.process import ServerMissingError, run

__all__ = ["APT_PACKAGES", "home", "install_all", "npm_package", "python_environment", "tell"]

APT_PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common", "nginx-core", "openssh-server", "postgresql", "samba")
"""Debian packages of the servers that need root to install; the continuous integration installs them."""

LOCALSTACK = (
    "localstack-core[base-runtime]==4.9.2",
    # 4.9.2 predates incompatible releases of its own dependencies
    "cbor2<6",
    "pyopenssl<26",
    "cryptography<47",
    "psutil<7.2",
    "service_identity",
)
AZURITE = "azurite@3.37.0"

tell: list[Callable[[str], None]] = [lambda message: print(message, file=sys.stderr, flush=True)]  # noqa: T201
"""How a running installation is announced; the pytest fixtures put their own there."""


def home() -> Path:
    """Return the folder of installed servers."""
    return Path(os.environ.get("HOLDALL_SERVERS") or ".servers").absolute()


def python_environment(name: str, requirements: Sequence[str]) -> str:
    """Return the interpreter of a virtual environment with these packages, made on first use.

    Raises:
        ServerMissingError: It could not be installed (no network, say).
    """
    folder = home() / name
    python = folder / "bin" / "python"
    with _once(folder, f"installing {name} ({requirements[0]}) into {folder}") as needed:
        if needed:
            venv.create(folder, with_pip=shutil.which("uv") is None and not _uv().exists(), clear=True)
            if _uv().exists() or shutil.which("uv"):
                uv = str(_uv()) if _uv().exists() else "uv"
                run([uv, "pip", "install", "--quiet", "--python", str(python), *requirements], seconds=600)
            else:
                run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements], seconds=600)
    return str(python)


def npm_package(package: str, program: str) -> str:
    """Return the path of a program of an npm package, installed on first use.

    Raises:
        ServerMissingError: npm is missing or could not install it.
    """
    folder = home() / "npm"
    found = folder / "node_modules" / ".bin" / program
    if not found.exists() and shutil.which("npm") is None:
        raise ServerMissingError(f"{program} needs Node.js and npm: apt-get install nodejs npm")
    with _once(folder, f"installing {package} into {folder}") as needed:
        if needed or not found.exists():
            folder.mkdir(parents=True, exist_ok=True)
            run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package], seconds=600)
    return str(found)


def localstack() -> str:
    """Return the interpreter that has LocalStack."""
    return python_environment("localstack", LOCALSTACK)


def azurite() -> str:
    """Return the path of Azurite's blob service."""
    return npm_package(AZURITE, "azurite-blob")


def install_all() -> list[str]:
    """Install everything that needs no root; return what went wrong, a line each."""
    faults: list[str] = []
    for install in (localstack, azurite):
        try:
            install()
        except HoldallError as error:
            faults.append(f"{install.__name__}: {error}")
    return faults


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")


@contextmanager
def _once(folder: Path, announcement: str) -> Generator[bool]:
    """Let one process at a time install; say whether there is something to do, and remember when it is done."""
    done = folder.with_name(f"{folder.name}.done")
    if done.exists():
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            yield False
            return
        tell[-1](f"holdall: {announcement} …")
        try:
            yield True
        except HoldallError as error:
            raise ServerMissingError(f"could not install: {error}") from error
        done.touch()
