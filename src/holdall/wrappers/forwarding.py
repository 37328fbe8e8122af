"""The plain wrapper: hands every verb on, in both colours. All wrappers derive from it and override what they change.

The pattern of all of them (design record 0007): a base with the state and the decisions, an async half `_x_async.Verbs`,
its generated blocking twin `_x.Verbs`, and the public class that joins the two.
"""

from __future__ import annotations

from holdall.wrappers import _forwarding, _forwarding_async

__all__ = ["ForwardingStore", "ForwardingWriter"]


class ForwardingStore(_forwarding_async.Verbs, _forwarding.Verbs):
    """A store around a store that changes nothing.

    Args:
        inner: The store that does the work.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> ForwardingStore(MemoryStore())
        ForwardingStore(MemoryStore())
    """


class ForwardingWriter(_forwarding_async.WriterVerbs, _forwarding.WriterVerbs):
    """A part writer around a part writer that changes nothing."""
