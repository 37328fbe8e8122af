"""`Stage`: what a scene shows itself on: titles, progress, tables; drawn by rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from holdall.cli.output import emit, human

if TYPE_CHECKING:
    from holdall.engine.progress import ProgressEvent

__all__ = ["Memory", "Stage"]


class Stage:
    """Where scenes are played.

    Attributes:
        files: The most files that a scene should take; ``None`` for all.
        fancy: Whether rich draws.
    """

    def __init__(self, *, files: int | None = None) -> None:
        self.files = files
        self.fancy = sys.stdout.isatty() and importlib.util.find_spec("rich") is not None

    def title(self, text: str) -> None:
        """Begin a scene."""
        if self.fancy:
            self._console().rule(f"[bold]{text}")
        else:
            emit(f"== {text}")

    def say(self, text: str) -> None:
        """Show one line."""
        emit(text)
        sys.stdout.flush()

    def complain(self, text: str) -> None:
        """Show one line of what went wrong."""
        print(f"tour: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def check(self, text: str, right: bool) -> bool:
        """Show whether something is right, and return it."""
        mark = "ok" if right else "WRONG"
        if self.fancy:
            self._console().print(f"[{'green' if right else 'bold red'}]{mark:>5}[/]  {text}")
        else:
            self.say(f"{mark:>5}  {text}")
        return right

    @contextmanager
    def progress(self, title: str) -> Generator[dict[str, Any]]:
        """Show the progress of a transfer; gives the options that make it tell."""
        if not self.fancy:
            self.say(f"   ..  {title}")
            yield {}
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[amount]}"))
        with Progress(*columns, TimeElapsedColumn(), console=self._console(), transient=True) as bar:
            task = bar.add_task(title, total=None, amount="")

            def files(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            def amount(event: ProgressEvent) -> None:
                bar.update(task, amount=human(event.total))

            yield {"progress": files, "on_progress": amount}

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table; the first column is text, the others are numbers."""
        if self.fancy:
            from rich.table import Table  # noqa: PLC0415

            table = Table(title=title)
            for i, name in enumerate(columns):
                table.add_column(name, justify="right" if i else "left")
            for row in rows:
                table.add_row(*row)
            self._console().print(table)
            return
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        self.say(title)
        for row in (columns, *rows):
            cells = [
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.say("  ".join(cells).rstrip())

    def _console(self) -> Any:
        from rich.console import Console  # noqa: PLC0415

        return Console(highlight=False)


class Memory:
    """Watches how much memory this process takes, as a context manager.

    Attributes:
        peak: Most bytes seen; 0 where the system does not tell.
    """

    def __init__(self, every: float = 0.02) -> None:
        self._every = every
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.peak = resident()

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._watcher.join()
        self.peak = max(self.peak, resident())

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self.peak = max(self.peak, resident())


def resident() -> int:
    """Return the bytes of memory that this process takes now; 0 if the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return _resident_elsewhere()


def _resident_elsewhere() -> int:
    """Ask psutil, if it is there."""
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return 0
    size: int = psutil.Process().memory_info().rss
    return size


def timed() -> float:
    """Return the seconds of a clock for differences."""
    return time.perf_counter()
