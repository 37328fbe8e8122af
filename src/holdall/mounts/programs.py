"""Running one program to its end, in both colours; nothing of it is left when the caller is interrupted or cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["check_options", "finished", "run_program", "run_program_async"]

GRACE = 3.0
"""Seconds between asking a program to end and ending it."""
_OURS = frozenset({"input", "timeout", "encoding", "errors"})
_REFUSED = frozenset({"text", "universal_newlines", "bufsize", "check", "capture_output", "args", "executable"})


def check_options(options: dict[str, Any], *, nodes: bool) -> None:
    """Refuse what cannot be honoured, before anything is downloaded.

    Raises:
        ValueError: ``shell=True`` with nodes: their paths would be read by the shell.
        TypeError: An option that this call decides itself.
    """
    if options.get("shell") and nodes:
        raise ValueError("shell=True does not go with nodes: their paths would be read by the shell")
    refused = _REFUSED & options.keys()
    if refused:
        raise TypeError(f"call() decides itself about {', '.join(sorted(refused))}")


def run_program(
    command: Sequence[str], options: dict[str, Any], *, capture: bool, started: Callable[[Any], None] | None = None
) -> str:
    """Run a program and return what it printed.

    Args:
        command: Program and arguments.
        options: Of `subprocess.Popen`, with ``input``, ``timeout``, ``encoding`` and ``errors``.
        capture: Return its output; else it goes where ours goes.
        started: Told of the process.

    Raises:
        CalledProcessError: It failed; with its stderr.
        TimeoutExpired: It took too long, and was ended.
    """
    ours, named = _parted(options, capture)
    line = " ".join(command) if named.get("shell") else list(command)
    running: subprocess.Popen[Any] = subprocess.Popen(line, **named)  # noqa: S603  # what the caller asked for
    with running as process:
        if started is not None:
            started(process)
        try:
            out, err = process.communicate(ours.get("input"), timeout=ours.get("timeout"))
        except BaseException:
            _end(process)
            raise
    return finished(command, process.returncode, out, err, ours)


async def run_program_async(
    command: Sequence[str], options: dict[str, Any], *, capture: bool, started: Callable[[Any], None] | None = None
) -> str:
    """Run a program and return what it printed; cancelled, it is asked to end, then ended. See `run_program`."""
    ours, named = _parted(options, capture)
    if named.pop("shell", False):
        process = await asyncio.create_subprocess_shell(" ".join(command), **named)
    else:
        process = await asyncio.create_subprocess_exec(*command, **named)
    if started is not None:
        started(process)
    complete = False
    try:
        talk = process.communicate(ours.get("input"))
        try:
            out, err = await asyncio.wait_for(talk, ours.get("timeout"))
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(command), ours.get("timeout") or 0) from None
        complete = True
    finally:
        if not complete:
            await asyncio.shield(_end_async(process))
    return finished(command, process.returncode or 0, out, err, ours)


def finished(command: Sequence[str], code: int, out: bytes | None, err: bytes | None, ours: dict[str, Any]) -> str:
    """Return the output of a program that ended well.

    Raises:
        CalledProcessError: It did not.
    """
    encoding, errors = ours.get("encoding", "utf-8"), ours.get("errors", "replace")
    if code:
        raise subprocess.CalledProcessError(
            code, list(command), (out or b"").decode(encoding, errors), (err or b"").decode(encoding, errors)
        )
    return (out or b"").decode(encoding, errors)


def _parted(options: dict[str, Any], capture: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = {name: value for name, value in options.items() if name in _OURS}
    named = {name: value for name, value in options.items() if name not in _OURS}
    if isinstance(ours.get("input"), str):
        ours["input"] = ours["input"].encode(ours.get("encoding", "utf-8"))
    if "input" in ours:
        named.setdefault("stdin", subprocess.PIPE)
    if capture:
        named.setdefault("stdout", subprocess.PIPE)
    named.setdefault("stderr", subprocess.PIPE)
    return ours, named


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(GRACE)


async def _end_async(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
