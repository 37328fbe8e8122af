"""What the two engines of an `ObjectDatabase` share: the store, the layout of keys, the options, what is known of records."""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from holdall.core.options import PutMode, PutOptions
from holdall.errors import InvalidKeyError, PermissionDeniedError
from holdall.records.callers import level
from holdall.records.drafts import Draft, Written, record_of
from holdall.records.encoding import Body, Content, Stamp, decode_body, iso
from holdall.records.errors import RecordArchivedError, SerializationError, UnreadableWarning
from holdall.records.forks import ForkLock
from holdall.records.keys import SUFFIX, id_to_key, key_to_id
from holdall.records.mirror.mirror import Mirror
from holdall.records.record import Record
from holdall.records.results import Problem
from holdall.records.tags import Omissions, fit_tags
from holdall.records.window import Window
from holdall.store import Store

__all__ = ["ARCHIVED", "Found", "Known", "KnownRecords", "ObjectOptions", "ObjectState", "Stored"]

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read."""

_LONGEST_NAME = 255
"""Bytes of a name in a directory."""

_NAMED = 10
"""Records that a warning has room for."""

OnCorrupt = Literal["raise", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """How an `ObjectDatabase` behaves; see there."""

    max_workers: int = 32
    cache_ttl: float = 60.0
    on_corrupt: OnCorrupt = "raise"
    tags: str | tuple[str, ...] = "off"
    storage_class: str | None = None
    in_parts: bool = False
    """Whether long records go in parts, also where one request would hold them."""

    def __post_init__(self) -> None:
        if type(self.max_workers) is not int or self.max_workers < 1:
            raise ValueError(f"max_workers is a whole number of at least 1, not {self.max_workers!r}")
        if type(self.cache_ttl) not in {int, float} or not self.cache_ttl >= 0:
            raise ValueError(f"cache_ttl is a number of seconds of at least 0, not {self.cache_ttl!r}")
        if self.on_corrupt not in {"raise", "report"}:
            raise ValueError(f"on_corrupt is 'raise' or 'report', not {self.on_corrupt!r}")
        named = (
            self.tags in {"fit", "strict", "off"}
            if isinstance(self.tags, str)
            else all(isinstance(t, str) for t in self.tags)
        )
        if not named:
            raise ValueError(f"tags is 'fit', 'strict', 'off' or a list of metadata names, not {self.tags!r}")


class Found(NamedTuple):
    """What was read of an object."""

    body: Body
    etag: str | None


class Stored(NamedTuple):
    """An object that was written."""

    stamp: Stamp
    content: Content
    etag: str | None
    omitted: Sequence[str] = ()
    """Names of metadata that its tags had no place for."""

    @property
    def written(self) -> Written:
        """What an engine tells of it."""
        return Written(self.stamp.id, self.etag, self.stamp.created, self.stamp.updated)


class Known(NamedTuple):
    """What this process saw of a record: its etag and age, and when (`time.monotonic`); no etag means that it was absent."""

    etag: str | None
    created: datetime | None
    at: float = 0.0


class KnownRecords:
    """The last records that this process read or wrote. Only a guess: every write that relies on it is conditional."""

    def __init__(self, most: int = 65_536) -> None:
        self._most = most
        self._records: OrderedDict[str, Known] = OrderedDict()
        self._lock = ForkLock()

    def get(self, id: str) -> Known | None:
        """Return what is known of an id."""
        with self._lock:
            return self._records.get(id)

    def note(self, id: str, etag: str | None, created: datetime | None) -> None:
        """Note what a storage answered."""
        with self._lock:
            self._records[id] = Known(etag, created, time.monotonic())
            self._records.move_to_end(id)
            if len(self._records) > self._most:
                self._records.popitem(last=False)

    def forget(self, id: str) -> None:
        """Know nothing of an id any more."""
        with self._lock:
            self._records.pop(id, None)


@dataclass(slots=True)
class ObjectState:
    """The shared half of the engines."""

    store: Store
    prefix: str
    options: ObjectOptions
    owned: bool = False
    known: KnownRecords = field(default_factory=KnownRecords)
    make_mirror: Callable[[], Mirror] | None = None
    window: Window = field(init=False)
    _mirror: Mirror | None = None
    _longest: int | None = None
    _creating: PutOptions | None = None
    _lock: ForkLock = field(default_factory=ForkLock)

    def __post_init__(self) -> None:
        self.window = Window(self.options.max_workers)

    def __repr__(self) -> str:
        return f"ObjectDatabase({self.store!r}, prefix={self.prefix!r})"

    @property
    def mirror(self) -> Mirror | None:
        """The mirror, made when it is first needed; ``None`` if there is to be none."""
        if self._mirror is None and self.make_mirror is not None:
            with self._lock:
                self._mirror = self._mirror or self.make_mirror()
        return self._mirror

    def close_mirror(self) -> None:
        """Close the mirror, if it was ever made."""
        if self._mirror is not None:
            self._mirror.close()

    def key(self, id: str) -> str:
        """Return the key of an id."""
        if self._longest is None:
            self._longest = self.longest
        return id_to_key(id, self.prefix, longest=self._longest)

    def possible(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that a record here can have."""
        found: list[str] = []
        for id in ids:
            with suppress(InvalidKeyError):
                self.key(id)
                found.append(id)
        return found

    def stem(self, prefix: str) -> str:
        """Return what the keys of all ids with this prefix begin with."""
        return self.key(prefix).removesuffix(SUFFIX) if prefix else self.prefix

    def id(self, key: str) -> str | None:
        """Return the id of a key, ``None`` for a foreign one."""
        return key_to_id(key, self.prefix)

    def record(self, id: str, data: bytes, etag: str | None) -> Record:
        """Return the record of an object that was read, and note what was seen.

        Raises:
            CorruptRecordError: It is no record.
        """
        body = decode_body(data, id=id, key=self.key(id))
        self.known.note(id, etag, body.created)
        return record_of(body, etag, len(data))

    @property
    def longest(self) -> int:
        """The longest name of an object behind the prefix, in bytes."""
        capabilities = self.store.capabilities
        room = capabilities.max_key_bytes - len(self.prefix.encode())
        return min(room, _LONGEST_NAME) if capabilities.local else room

    @property
    def near(self) -> bool:
        """Whether the store is of this machine: asking it costs nothing, and it tells of each deletion whether there was something."""
        capabilities = self.store.capabilities
        return capabilities.local or capabilities.temporary

    @property
    def compares(self) -> bool:
        """Whether writes can be conditional on a version."""
        capabilities = self.store.capabilities
        return capabilities.update and capabilities.strong_etag

    def put_options(
        self, draft: Draft, stamp: Stamp, *, create: bool = False, if_match: str | None = None
    ) -> tuple[PutOptions, Sequence[str]]:
        """Return how to write a record: its condition, type, tags and storage class; and what its tags have no place for."""
        if create and self._creating is not None:
            return self._creating, ()
        mode: PutMode = "create" if create else "overwrite" if if_match is None else "update"
        tagged = self.options.tags != "off"
        tags, omitted = self._tags(draft, stamp) if tagged else ({}, ())
        made = PutOptions(
            mode=mode,
            if_match=if_match,
            content_type="application/json" if self.store.capabilities.attributes else None,
            storage_class=self.options.storage_class,
            tags=tags,
        )
        if create and not tagged:
            self._creating = made
        return made, omitted

    def _tags(self, draft: Draft, stamp: Stamp) -> tuple[dict[str, str], Sequence[str]]:
        policy = self.options.tags
        names = None if isinstance(policy, str) else policy
        tags, omitted = fit_tags(stamp.id, iso(stamp.created), draft.metadata, names=names)
        if omitted and policy == "strict":
            raise SerializationError(
                f"these do not fit into the tags of {stamp.id!r}, and tags are 'strict': {', '.join(omitted)}", id=stamp.id
            )
        return tags, omitted

    def tell(self, omissions: Omissions) -> None:
        """Give the one warning of a call whose records were written, if there is need."""
        warning = omissions.warning()
        if warning is not None:
            warnings.warn(warning, stacklevel=level())

    def noting(self) -> list[Problem] | None:
        """Return where a call notes what it cannot read; ``None`` if that is to be raised."""
        return [] if self.options.on_corrupt == "report" else None

    def tell_unreadable(self, problems: Sequence[Problem] | None) -> None:
        """Give the one warning of a call whose answer has no place to list what could not be read, if there is any."""
        if problems:
            named = ", ".join(repr(each.id) for each in problems[:_NAMED])
            more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
            warnings.warn(
                UnreadableWarning(f"left out, as they cannot be read ({len(problems)}): {named}{more}"), stacklevel=level()
            )

    def denied(self, error: PermissionDeniedError) -> PermissionDeniedError:
        """Return the error for a refused write with tags: these ask for a permission of their own."""
        return PermissionDeniedError(
            f"{error.message}; the object was sent with tags, which need a permission of their own (s3:PutObjectTagging):"
            ' without it, open the database with tags="off"',
            key=error.key,
            store=error.store,
            kind=error.kind,
        )

    def archived(self, id: str, storage_class: str | None) -> RecordArchivedError:
        """Return the error for an object that has to be restored first."""
        return RecordArchivedError(
            f"{id!r} is in storage class {storage_class or 'GLACIER'}: restore the object (S3 RestoreObject) before reading it",
            id=id,
            key=self.key(id),
            database=self,
        )
