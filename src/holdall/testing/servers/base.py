"""What all servers share: started in a directory of their own, described by a value, ended by process id."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from holdall.errors import HoldallError
from holdall.testing.servers.process import Process, ServerMissingError

__all__ = ["Server", "shared"]

S = TypeVar("S", bound="Server")


@dataclass(frozen=True, kw_only=True)
class Server(ABC):
    """A running server on 127.0.0.1, as a value that another process can use too.

    Attributes:
        directory: Its own directory: configuration, data, logs.
        processes: What to end, in this order.
    """

    name: ClassVar[str]
    directory: str
    processes: tuple[Process, ...]

    @classmethod
    @abstractmethod
    def start(cls, directory: Path) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServerMissingError: It is not installed.
            UnavailableError: It did not come up; the message has the end of its log.
        """

    @classmethod
    def begin(cls) -> Self:
        """Start it in a new temporary directory, which `stop` removes."""
        directory = Path(tempfile.mkdtemp(prefix=f"holdall-{cls.name}-"))
        try:
            return cls.start(directory)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Generator[Self]:
        """Run it for a while.

        Example:
            ``with Moto.running() as moto: ...``
        """
        server = cls.begin()
        try:
            yield server
        finally:
            server.stop()

    def stop(self) -> None:
        """End its processes and remove its directory."""
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """Return the ends of its logs."""
        return "\n".join(f"== {process.log}\n{process.tail()}" for process in self.processes)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Return what `to_dict` described."""
        fields: dict[str, Any] = {**state, "processes": tuple(Process(**item) for item in state["processes"])}
        return cls(**fields)


@contextlib.contextmanager
def shared(kind: type[S], root: Path) -> Generator[S]:
    """Use one server together with the other workers of a test run: the first starts it, the last ends it.

    Args:
        kind: Which server.
        root: A directory that the workers share.

    Raises:
        HoldallError: It could not be started, by this worker or by an earlier one.
    """
    path = root / f"{kind.name}.json"
    with _locked(path):
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"users": 0}
        if "error" in state:
            raise (ServerMissingError if state["missing"] else HoldallError)(state["error"])
        if "server" not in state:
            try:
                state["server"] = kind.begin().to_dict()
            except HoldallError as error:
                failure = {"error": str(error), "missing": isinstance(error, ServerMissingError)}
                path.write_text(json.dumps(failure), encoding="utf-8")
                raise
        state["users"] += 1
        path.write_text(json.dumps(state), encoding="utf-8")
    server = kind.from_dict(state["server"])
    try:
        yield server
    finally:
        with _locked(path):
            state = json.loads(path.read_text(encoding="utf-8"))
            state["users"] -= 1
            if state["users"]:
                path.write_text(json.dumps(state), encoding="utf-8")
            else:
                server.stop()
                path.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
