"""The ``holdall`` command. Needs the extra ``cli`` (typer and rich); without it one line says what to install.

Exit codes: 0 done; 1 it failed (nothing there, refused, unreachable); 2 wrong usage or configuration; 130 interrupted;
129, 143 ended by SIGHUP, SIGTERM, cleaned up; 141 the reader of our output went away.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: Without the program's name; those of the process if ``None``.
    """
    for package in ("typer", "rich"):
        if importlib.util.find_spec(package) is None:
            print(f'holdall: this command needs {package}: pip install "holdall[cli]"', file=sys.stderr)  # noqa: T201
            return 2
    try:
        from holdall.cli.running import run  # noqa: PLC0415  # heavy, and only with the extra

        return run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:  # before there is a command to be interrupted
        print("holdall: interrupted", file=sys.stderr)  # noqa: T201
        return 130
