"""The events of boto3's sessions and clients, at each of which a thread beside an event loop gives way.

Making a client, and a request, is some milliseconds of Python between which boto3 lets go of the interpreter nowhere; but it tells of its steps.
Imported with boto3 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.hooks import HierarchicalEmitter

from holdall._turns import give_way

__all__ = ["Events"]


class Events(HierarchicalEmitter):
    """The events of a session; a client's are a copy of them."""

    def emit(self, event_name: str, **given: Any) -> Any:
        """Tell the handlers of an event."""
        give_way()
        return super().emit(event_name, **given)

    def emit_until_response(self, event_name: str, **given: Any) -> Any:
        """Tell the handlers of an event, until one of them answers."""
        give_way()
        return super().emit_until_response(event_name, **given)

    def register(
        self, event_name: str, handler: Callable[..., Any], unique_id: Any = None, unique_id_uses_count: bool = False
    ) -> None:
        """Add a handler; a new session has a hundred of them."""
        give_way()
        super().register(event_name, handler, unique_id, unique_id_uses_count)
