"""What every object store is beneath its verbs: obstore's instances opened lazily, and what the verbs ask of the store.

The verbs stand in ``objects_*_async`` and their twins; they know services apart only by the attributes and hooks of this class.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from holdall._turns import BESIDE, pause
from holdall.core.keys import RESERVED, check_key, check_prefix
from holdall.core.options import PutOptions
from holdall.core.secrets import refuse_pickle
from holdall.drivers import objects_fork
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_errors import FAILURES, Facts
from holdall.drivers.objects_pause import THROTTLED, Pause
from holdall.drivers.objects_room import keep_room
from holdall.drivers.objects_values import is_odd, quoted
from holdall.errors import ClosedError, InvalidKeyError, NotSupportedError
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.drivers.objects_side import SideChannel

__all__ = ["ObjectsBase", "Opener", "Update"]

SEEN = 60.0
"""Seconds for which a bucket that answered is taken to exist."""
NATIVES = ("native", "writer", "strict")
_EDGES = frozenset({"", "/", "."})


Update = Literal["etag", "quoted", "generation"]


class Opener(Protocol):
    """Makes obstore instances: for reading, for writing (patient), for conditional writes (no retries of its own)."""

    def __call__(self, *, patient: bool, retries: int) -> Any:
        """Return a new obstore instance."""
        ...


class ObjectsBase(Store):
    """A store over obstore, without its verbs."""

    place: str = "bucket"
    """What the service calls a bucket."""
    flat: bool = True
    """Whether keys are plain text, so that others may have made ``d/`` markers."""
    marks: bool = True
    """Whether conditional writes can carry a mark."""
    full_heads: bool = False
    """Whether descriptions come from the side channel, for what obstore does not tell."""
    lists_aside: bool = False
    """Whether listings come from the side channel."""
    has_side: bool = False
    """Whether there is a side channel."""
    remedy: str = ""
    """How to get a side channel, for errors."""
    most_parts: int = 10_000
    doubts_place: bool = True
    """Whether a miss may mean a missing bucket."""
    deletes_aside: bool = False
    """Whether the side channel deletes many keys, as it tells the verdict on each; and one, whatever else failed at it."""
    in_process: bool = False
    """Whether objects are at hand without a network: a copy may pass through here."""
    unproven: bool = False
    """Whether it has to be found out if the service honours conditions of writes."""
    proving: threading.Lock
    """Held while somebody finds that out."""
    asks_directories: bool = False
    """Whether "forbidden" may be said of a directory, which is no object."""
    retries: int = 0
    retries_hidden: bool = True
    """Whether obstore may have sent a conditional write again on its own."""
    patience: float = 180.0
    """Seconds after which a conditional write is not sent again."""
    concurrency: int = 8
    unready: bool = True
    """Whether there is something to open or to make before the first request, which the async colour leaves to a thread."""
    plain_puts: bool = False
    """Whether a put without options needs no further thought."""
    client: ClientSettings = ClientSettings()
    """Time limits and certificates of requests of our own."""
    native: Any
    """Obstore's instance for reading and other quick requests."""
    writer: Any
    """Obstore's instance for writing: its time limits leave room for a slow line."""
    strict: Any
    """Obstore's instance for conditional writes: it never sends again on its own."""
    answered: float
    """When the bucket answered, in seconds of `time.monotonic`."""
    _given: Any
    update: Update = "etag"
    """What ``mode="update"`` compares: an etag (in either form, or quoted) or a generation."""

    def _begin(self, prefix: str, given: dict[str, Any], *, secret: Sequence[str] = ()) -> None:
        """Set what every object store has; no I/O.

        Args:
            prefix: What stands before every key.
            given: The arguments of the constructor, for pickling.
            secret: Those of them that hinder it.
        """
        if prefix:
            check_prefix(prefix)
        self.prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        self._given = None
        self._opener: Opener | None = None
        self._opening = threading.Lock()
        self._readying = threading.Lock()
        self.proving = threading.Lock()
        self._closed = False
        self._wary = is_odd(f"{self.prefix}x") or len(self.prefix.encode()) > 341
        self.answered = -SEEN
        self._settled: int | None = None
        self._pause = Pause()
        self._recipe = given if not any(given[name] for name in secret) else None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._recipe is None:
            refuse_pickle(type(self).__name__)
        return _remade, (type(self), self._recipe)

    # -- what the verbs ask of the store ------------------------------------------------------------------------------

    def check_open(self, key: str | None = None) -> None:
        """Refuse to work after `close` or in a forked child.

        Raises:
            ClosedError: The store was closed.
            ForkedProcessError: The process was forked after object stores had been used.
        """
        if self._closed:
            raise ClosedError(f"{type(self).__name__} is closed", key=key if isinstance(key, str) else None, store=self)
        objects_fork.check_fork(self)

    def at(self, key: str) -> str:
        """Return the path of a key in the bucket, checked; the store must be open."""
        if self._closed or objects_fork.stale:
            self.check_open(key)
        path = self.prefix + check_key(key)
        if self.prefix and len(path) > 256 and len(path.encode()) > 1024:  # 256 characters are at most 1024 bytes
            raise InvalidKeyError("with the store's prefix the key is longer than 1024 bytes", key=key, store=self)
        return path

    def plain(self, key: str) -> str | None:
        """Return the path of a key as most are, in a store that is open and ready: it is legal, and obstore can name it.

        ``None`` means: look closer, by `at` and `is_odd`. One expression, since calls are most of what is added to obstore's (design record 0030).
        """
        if (
            self._wary
            or self.unready
            or objects_fork.stale
            or type(key) is not str
            or len(key) > 341  # with the prefix that is looked at closer, too
            or key[:1] in _EDGES
            or key[-1] == "/"
            or "//" in key
            or "/." in key
            or not key.isascii()
            or not key.isprintable()
        ):
            return None
        return self.prefix + key

    def likely(self, key: str) -> str | None:
        """Return the path of a key that is in all likelihood plain: what else it may be obstore refuses before it sends anything.

        Whoever asks obstore with it looks closer when that fails, by `at` and `is_odd`. ``None`` means: look closer now. Each test
        that is not made here is less to touch in a call (design record 0030).
        """
        if (
            self._wary
            or self.unready
            or objects_fork.stale
            or type(key) is not str
            or not 0 < len(key) < 171  # at most 680 bytes, and 341 of the prefix; longer ones are looked at closer
            or key[0] == "/"
            or key[-1] == "/"
            or RESERVED in key
        ):
            return None
        return self.prefix + key

    def below(self, prefix: str) -> str:
        """Return the path of a listing prefix in the bucket, checked; the store must be open."""
        self.check_open()
        return self.prefix + check_prefix(prefix)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Open what is asked for the first time; from then on it is an attribute like others."""
            if name not in NATIVES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            return self._opened(name)

    def _opened(self, name: str) -> Any:
        with self._opening:
            if name not in vars(self):
                objects_fork.check_fork(self)
                objects_fork.use()
                keep_room()
                opened = self._given
                if opened is None:
                    assert self._opener is not None  # set by every subclass
                    opened = self._opener(patient=name != "native", retries=0 if name == "strict" else self.retries)
                setattr(self, name, opened)
            return vars(self)[name]

    def make_ready(self) -> None:
        """Make what is not there, once: whoever comes meanwhile waits. Blocks; beside an event loop it opens obstore's instances, too.

        Each of them is one call of 4 to 6 ms, most of them for the system's certificates: credentials may have to be found besides.
        """
        with self._readying:
            if self.unready:
                if threading.get_ident() in BESIDE:
                    self.open_natives()
                self.make_place()
                self.unready = False

    def open_natives(self) -> None:
        """Open obstore's instances, which verbs do else when they need one. Blocks; beside an event loop each has a turn of its own."""
        for name in NATIVES:
            pause()
            with suppress(*FAILURES):  # the verb that needs it tells why
                getattr(self, name)

    def make_place(self) -> None:
        """Make the bucket, if that was asked for. Blocks."""

    def side(self, verb: str, key: str | None = None) -> SideChannel:
        """Return the side channel.

        Raises:
            InvalidKeyError: There is none, and obstore cannot name this key.
            NotSupportedError: There is none.
        """
        if key is not None and is_odd(key):
            raise InvalidKeyError(
                f"cannot {verb}: obstore cannot name it ('//', '/' at its end, or a control character){self.remedy}",
                key=key,
                store=self,
            )
        raise NotSupportedError(f"cannot {verb} here{self.remedy}", key=key, store=self)

    def proven(self, honoured: bool) -> None:
        """Note whether the service honours conditions of writes."""

    def forget(self, path: str, versions: Sequence[str | None]) -> None:
        """Remove what a probe has written. Blocks."""

    def puts_aside(self, options: PutOptions) -> bool:
        """Tell whether a write goes by the side channel for what it keeps beside the bytes."""
        return False

    def sends_aside(self, size: int | None, options: PutOptions) -> bool:
        """Tell whether content that is too large for one request goes by the side channel."""
        return self.has_side and options.mode != "overwrite"

    def adjusted(self, facts: Facts, verb: str) -> Facts:
        """Return a failure as this store reads it."""
        return facts

    def throttled(self, facts: Facts) -> bool:
        """Tell whether the service wants to be left alone, and has not said for how long."""
        return facts.status in THROTTLED and facts.retry_after is None and not self._closed

    def timed(self, facts: Facts, path: str) -> Facts:
        """Return a throttled failure with the time that the service wants to be left alone, if it says so. Blocks."""
        return replace(facts, retry_after=self._pause.seconds(lambda: self.asked_pause(path)))

    def asked_pause(self, path: str) -> float | None:
        """Ask for how long the service wants to be left alone: 0 if it answers as usual, ``None`` if it cannot be asked. Blocks."""
        return None

    def is_directory(self, path: str) -> bool:
        """Ask whether a path names a directory of the server. Blocks."""
        return False

    def in_doubt(self) -> bool:
        """Tell whether a miss may mean that the bucket is missing."""
        return self.doubts_place and time.monotonic() - self.answered > SEEN

    def put_options(self, options: PutOptions) -> PutOptions:
        """Return the options of a write, with the store's own defaults.

        Raises:
            NotSupportedError: An option that the store cannot honour.
        """
        caps = self.capabilities
        if not caps.write:
            raise self._refusal("write")
        if options.annotated and not (caps.attributes and caps.metadata):
            raise self._refusal("put", "it keeps no headers and no metadata")
        if options.tags and not caps.tags:
            raise self._refusal("put", "it has no tags")
        if options.storage_class is not None and not caps.storage_class:
            raise self._refusal("put", "it has no storage classes")
        if options.mode != "overwrite" and not (caps.create if options.mode == "create" else caps.update):
            raise self._refusal(f"put with mode {options.mode!r}")
        return options

    def modes(self, options: PutOptions) -> Sequence[Any]:
        """Return obstore's forms of a write's condition, to be tried in turn; services differ on the quotes of etags."""
        if options.mode == "create":
            return ["create"]
        assert options.if_match is not None  # an invariant of PutOptions
        marked = quoted(options.if_match)
        bare = marked[1:-1] if marked[0] == '"' else marked
        forms = [{"e_tag": bare}, {"e_tag": marked}]
        if self.update == "quoted":
            return forms[1:]
        return forms if self._settled is None else [forms[self._settled]]

    def settle(self, mode: Any) -> None:
        """Note which form of an etag the service understood."""
        if isinstance(mode, dict) and self.update == "etag":
            self._settled = int(mode["e_tag"].endswith('"'))

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._closed = self._wary = True
        for name in NATIVES:
            vars(self).pop(name, None)


def _remade(kind: type[ObjectsBase], given: dict[str, Any]) -> ObjectsBase:
    return kind(**given)
