"""From arguments to an exit code: every error becomes one line on stderr, without traceback and without secrets."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

from holdall.cli.signals import Terminated, ending
from holdall.core.secrets import mask
from holdall.errors import ConfigError, HoldallError, TransferError, UnknownMountError

__all__ = ["FAILED", "INTERRUPTED", "PIPE_CLOSED", "USAGE", "complain", "exit_code", "run", "sentence"]

FAILED = 1
USAGE = 2
INTERRUPTED = 130
SIGNALLED = 128
PIPE_CLOSED = 141


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code.

    Set ``HOLDALL_DEBUG=1`` to see tracebacks.
    """
    import typer  # noqa: PLC0415  # with the extra only

    try:
        _need_streams()
        from holdall.cli.app import add_faces, app, command_names  # noqa: PLC0415  # builds the commands

        if not arguments or arguments[0] not in {*command_names(), "--version"}:
            add_faces()
        # Not `app()`: that would turn Ctrl-C and closed pipes into exits of its own.
        command: Any = typer.main.get_command(app)
        with ending(), command.make_context("holdall", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except Terminated as asked:
        complain(f"ended by {asked}")
        return SIGNALLED + asked.number
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_CLOSED
    except typer.Exit as done:
        sys.stdout.flush()
        return int(done.exit_code)
    except typer.Abort:
        complain("interrupted")
        return INTERRUPTED
    except Exception as error:  # the last line of defence: one line instead of a traceback
        if os.environ.get("HOLDALL_DEBUG"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its help, as it is
            with contextlib.suppress(OSError):
                print(cast("Any", error).format_message(), file=sys.stderr, flush=True)  # noqa: T201
            return USAGE
        complain(sentence(error))
        return exit_code(error)
    return 0


def _need_streams() -> None:
    """Refuse to work without a standard output, where lines or content would be lost; nobody has to hear complaints."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives until exit
    if sys.stdout is None:
        raise OSError("standard output is closed: write >/dev/null if nobody reads it")


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: 2 for what is wrong with usage or configuration, else 1."""
    if isinstance(error, UnknownMountError):
        return USAGE
    if isinstance(error, ConfigError) or _is_usage(error) or type(error) is ValueError:
        return USAGE  # a plain ValueError says that an option has no such value
    return FAILED


def sentence(error: Any) -> str:
    """Return one line that says what went wrong."""
    if _is_usage(error):
        hint = f" (try: {error.ctx.command_path} --help)" if getattr(error, "ctx", None) is not None else ""
        return _line(f"{_usage(error)}{hint}")
    if isinstance(error, TransferError) and error.report is not None:
        failures = error.report.failures
        first = f"; first: {failures[0].error}" if failures else ""
        return _line(f"{error}{first}")
    if isinstance(error, (HoldallError, OSError, ValueError)):
        return _line(str(error) or type(error).__name__)
    return _line(f"internal error: {type(error).__name__}: {error} (set HOLDALL_DEBUG=1 to see where)")


def complain(text: str) -> None:
    """Write one line to stderr; a stderr that is gone is no error."""
    with contextlib.suppress(OSError):
        print(f"holdall: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _line(text: str) -> str:
    return mask(" ".join(text.split()))


def _is_usage(error: BaseException) -> bool:
    # typer has its own copy of click since 0.26 or so: the class is known by what it has, not by where it is.
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _usage(error: Any) -> str:
    """Return what is wrong with the arguments; which ones are needed, as of several sources and a target the first is missed."""
    message: str = error.format_message()
    if message.startswith("Missing argument") and getattr(error, "ctx", None) is not None:
        needed = [each.metavar for each in error.ctx.command.params if each.param_type_name == "argument" and each.required]
        if len(needed) > 1:
            return f"Missing argument: {' and '.join(needed)} are needed."
    return message


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives until exit
