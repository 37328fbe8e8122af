"""The events of boto3's sessions and clients, at each of which a thread beside an event loop gives way; and how long requests are sent again.

Making a client, and a request, is some milliseconds of Python between which boto3 lets go of the interpreter nowhere; but it tells of its steps.
It counts how often it sends a request, and does not look at the clock: with a silent server that is many times the longest silence.
Imported with boto3 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from botocore.hooks import HierarchicalEmitter

from holdall._turns import give_way

__all__ = ["Events"]

_BEGAN = "holdall_began"


class Events(HierarchicalEmitter):
    """The events of a session; a client's are a copy of them.

    Args:
        deadline: No request is sent again after this many seconds.
    """

    def __init__(self, deadline: float = inf) -> None:  # a copy is made without it, and given what this one has
        super().__init__()
        self._deadline = deadline

    def emit(self, event_name: str, **given: Any) -> Any:
        """Tell the handlers of an event; nobody is asked whether to send a request again that is too old."""
        give_way()
        if event_name.startswith("needs-retry.") and self._late(given["request_dict"]["context"]):
            return []
        return super().emit(event_name, **given)

    def _late(self, context: dict[str, Any]) -> bool:
        return monotonic() - context[_BEGAN] > self._deadline if _BEGAN in context else False

    def emit_until_response(self, event_name: str, **given: Any) -> Any:
        """Tell the handlers of an event, until one of them answers."""
        give_way()
        if event_name.startswith("before-call."):
            given["params"]["context"][_BEGAN] = monotonic()
        return super().emit_until_response(event_name, **given)

    def register(
        self, event_name: str, handler: Callable[..., Any], unique_id: Any = None, unique_id_uses_count: bool = False
    ) -> None:
        """Add a handler; a new session has a hundred of them."""
        give_way()
        super().register(event_name, handler, unique_id, unique_id_uses_count)
