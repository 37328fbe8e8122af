"""`NodeCalls`: programs of the system over nodes: ffmpeg, ImageMagick and the like."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, overload

from holdall._lazy import lazy
from holdall.mounts.node_base import NodeBase, as_node

if TYPE_CHECKING:
    from holdall.mounts import calling, calling_async
else:
    calling, calling_async = lazy("holdall.mounts.calling"), lazy("holdall.mounts.calling_async")

__all__ = ["CallHandle", "NodeCalls"]

log = logging.getLogger("holdall.mounts")


class NodeCalls(NodeBase):
    """Programs that want paths."""

    __slots__ = ()

    @overload
    def call(
        self,
        *args: Any,
        callback: Callable[[], Any] | None = None,
        async_mode: Literal[False] = False,
        return_output: bool = False,
        **subprocess_kwargs: Any,
    ) -> str | None: ...
    @overload
    def call(
        self,
        *args: Any,
        callback: Callable[[], Any] | None = None,
        async_mode: Literal[True],
        return_output: bool = False,
        **subprocess_kwargs: Any,
    ) -> CallHandle: ...
    def call(
        self,
        *args: Any,
        callback: Callable[[], Any] | None = None,
        async_mode: bool = False,
        return_output: bool = False,
        **subprocess_kwargs: Any,
    ) -> str | CallHandle | None:
        """Run a program; nodes among its arguments become paths of local files.

        This node may be changed; a node that does not exist yet is made; every other node is read only, unless it is marked
        with `holdall.mounts.output` or `holdall.mounts.inout`. After success only what was changed is written back.

        Args:
            args: Program and arguments: nodes, and anything else by its ``str``.
            callback: Called after success.
            async_mode: Return at once, with a `CallHandle`.
            return_output: Return what it printed, as text.
            subprocess_kwargs: Of `subprocess.Popen`, with ``input`` and ``timeout``.

        Raises:
            CalledProcessError: It failed, with its stderr; nothing was written back.
            PermissionDeniedError: It changed a node that it was to read only; the message names it.
            ValueError: ``shell=True`` with nodes.
        """
        node = as_node(self)
        if async_mode:
            handle = CallHandle(lambda started: _told(node, args, subprocess_kwargs, return_output, callback, started))
            self._manager._calls.append(handle)
            handle._begin()
            return handle
        output = calling.call(node, args, subprocess_kwargs, capture=return_output, callback=callback)
        return output if return_output else None

    async def call_async(
        self,
        *args: Any,
        callback: Callable[[], Any] | None = None,
        return_output: bool = False,
        **subprocess_kwargs: Any,
    ) -> str | None:
        """Run a program; cancelled, it is asked to end, then ended. See `call`."""
        output = await calling_async.call_async(
            as_node(self), args, subprocess_kwargs, capture=return_output, callback=callback
        )
        return output if return_output else None


def _told(
    node: Any, args: Any, options: dict[str, Any], capture: bool, callback: Callable[[], Any] | None, started: Any
) -> str | None:
    output = calling.call(node, args, options, capture=capture, callback=callback, started=started)
    return output if capture else None


class CallHandle(Future[Any]):
    """A program that runs while the caller goes on.

    An error that nobody fetched (`result`, `exception`, `wait`) is logged, and raised by `StorageManager.close`.

    Attributes:
        pid: Process id, once the program runs; before that its files are fetched.
    """

    def __init__(self, act: Callable[[Callable[[Any], None]], Any]) -> None:
        super().__init__()
        self._act = act
        self._process: Any = None
        self._ending = False
        self._fetched = False
        self._thread = threading.Thread(target=self._run, name="holdall-call")

    @property
    def pid(self) -> int | None:
        """Process id, once the program runs."""
        return None if self._process is None else int(self._process.pid)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the result.

        Raises:
            TimeoutError: It still runs.
            CalledProcessError: It failed.
        """
        return self.result(timeout)

    def terminate(self) -> None:
        """Ask the program to end; nothing is written back then."""
        self._ending = True
        if self._process is not None:
            self._process.terminate()

    def result(self, timeout: float | None = None) -> Any:
        """Return the result. See `concurrent.futures.Future.result`."""
        super().exception(timeout)  # raises if it still runs
        self._fetched = True
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error, if any. See `concurrent.futures.Future.exception`."""
        error = super().exception(timeout)
        self._fetched = True
        return error

    def _begin(self) -> None:
        self.set_running_or_notify_cancel()
        self._thread.start()

    def _run(self) -> None:
        try:
            self.set_result(self._act(self._started))
        except BaseException as error:  # noqa: BLE001  # it belongs to who asks for the result
            self.set_exception(error)

    def _started(self, process: Any) -> None:
        self._process = process
        if self._ending:
            process.terminate()

    def _unfetched(self) -> BaseException | None:
        """Wait for the end and return the error that nobody fetched."""
        self._thread.join()
        if self._fetched:
            return None
        error = super().exception()
        if error is not None:
            log.error("a program in the background failed, and nobody asked: %s", error)
        return error
