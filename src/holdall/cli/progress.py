"""Progress of long work: a bar where stderr is a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdall.cli.output import emit, is_terminal, plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from holdall.cli.places import Place
    from holdall.engine.progress import ProgressEvent
    from holdall.mounts import StorageNode

__all__ = ["Watch"]


class Watch:
    """Shows what a transfer does, by its callbacks.

    Args:
        title: What is going on.
        source: Where from, to show names.
        quiet: Show nothing.
        verb: What a line says of a file.
    """

    def __init__(self, title: str, source: Place, *, quiet: bool, verb: str) -> None:
        self._title = title
        self._source = source
        self._verb = verb
        self._lines = not quiet and not is_terminal()
        self._drawn = not quiet and is_terminal()
        self._bar: Progress | None = None
        self._files: TaskID | None = None

    def __enter__(self) -> Self:
        if self._drawn:
            self._bar, self._files = _bar(self._title)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def callbacks(self) -> dict[str, Any]:
        """The options of a transfer that make it tell."""
        if self._bar is not None:
            return {"progress": self._progress, "on_progress": self._bytes}
        if self._lines:
            return {"on_file": self._line}
        return {}

    def _progress(self, done: int, total: int) -> None:
        if self._bar is not None and self._files is not None:
            self._bar.update(self._files, completed=done, total=total)

    def _bytes(self, event: ProgressEvent) -> None:
        if self._bar is not None and self._files is not None:
            self._bar.update(self._files, amount=event.total)

    def _line(self, node: StorageNode) -> None:
        emit(f"{self._verb} {plain(self._source.show(node.path))}")


def _bar(title: str) -> tuple[Progress, TaskID]:
    """Return a bar that counts files and bytes."""
    from rich.console import Console  # noqa: PLC0415  # only where something is drawn
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from holdall.cli.output import human  # noqa: PLC0415

    class Amount(ProgressColumn):
        """Bytes so far, and per second."""

        def render(self, task: Task) -> Text:
            """Return the text of one moment."""
            amount = int(task.fields.get("amount", 0))
            elapsed = task.elapsed or 0
            return Text(f"{human(amount)}  {human(amount / elapsed) if elapsed else '?'}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Amount(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(file=sys.stderr), transient=True)
    return bar, bar.add_task(title, total=None)
