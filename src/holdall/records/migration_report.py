"""What a migration tells: counts, progress, and the checkpoint from which it goes on. Pure."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal

from holdall.records.database import Database
from holdall.records.drafts import SYSTEM
from holdall.records.encoding import encode_value
from holdall.records.errors import MigrationError, QueryError
from holdall.records.lengthy import binary, compact, spent
from holdall.records.query import Query
from holdall.records.record import Record

__all__ = [
    "OUTCOMES",
    "Checkpoint",
    "Content",
    "MigrationProgress",
    "MigrationReport",
    "Proofs",
    "Rules",
    "check_sides",
    "content_of",
]

OUTCOMES = ("written", "same", "skipped", "dropped", "failed")
OnConflict = Literal["insert", "upsert", "skip"]
OnError = Literal["raise", "collect"]
_VERIFY = re.compile("none|count|full|sample:0*[1-9][0-9]*")
_LASTING = ("azure", "file", "gcs", "postgresql", "s3", "sqlite")
"""What places begin with that are the same in every process; others may be of this one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationProgress:
    """How far a migration is.

    Attributes:
        read: Records read, the sum of the five outcomes.
        written, same, skipped, dropped, failed: As in `MigrationReport`.
        seconds: Since this run began.
        rate: Records per second of this run.
        total: How many there are, where that is cheap to know.
    """

    read: int
    written: int
    same: int
    skipped: int
    dropped: int
    failed: int
    seconds: float
    rate: float
    total: int | None = None


@dataclass(slots=True, kw_only=True)
class MigrationReport:
    """What a migration did; after a resume, with what came before.

    Attributes:
        written: Records written to the target.
        same: They were there already, with equal content.
        skipped: Others were there under their ids and stay (``on_conflict="skip"``).
        dropped: The transform gave ``None``.
        failed: Not migrated; see ``errors``.
        deleted: Removed from the source.
        kept: Ids that were changed in the source after they were read; they stay there.
        bytes: Size of the content read, as JSON.
        seconds: Time of this run.
        errors: Id and error of each failure.
        verified: Whether the check that was asked for found everything; ``None`` if none was asked for.
        dry_run: Nothing was written; the counts say what would be.
    """

    written: int = 0
    same: int = 0
    skipped: int = 0
    dropped: int = 0
    failed: int = 0
    deleted: int = 0
    kept: list[str] = field(default_factory=list[str])
    bytes: int = 0
    seconds: float = 0.0
    errors: list[tuple[str, Exception]] = field(default_factory=list[tuple[str, Exception]])
    verified: bool | None = None
    dry_run: bool = False

    @property
    def read(self) -> int:
        """Records read: the sum of the five outcomes."""
        return self.written + self.same + self.skipped + self.dropped + self.failed

    def fail(self, id: str, error: Exception) -> None:
        """Note one failure."""
        self.failed += 1
        self.errors.append((id, error))

    def progress(self, *, before: int, seconds: float, total: int | None) -> MigrationProgress:
        """Return the event of this moment."""
        rate = (self.read - before) / seconds if seconds > 0 else 0.0
        counts = {name: getattr(self, name) for name in OUTCOMES}
        return MigrationProgress(read=self.read, seconds=seconds, rate=rate, total=total, **counts)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a record, as far as migrations compare it: fields and user metadata."""

    digest: str
    size: int


def check_sides(source: object, target: object, on_progress: object) -> None:
    """Check what a migration goes between, and whom it tells.

    Raises:
        TypeError: No databases, or nothing that can be called.
    """
    for name, each in (("source", source), ("target", target)):
        if not isinstance(each, Database):
            raise TypeError(f"{name} is a Database, not a {type(each).__name__}")
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"on_progress is a function of an event, not a {type(on_progress).__name__}")


def content_of(record: Record) -> Content:
    """Return what identifies a record's content; neither the order of names nor the system's metadata matter.

    Example:
        >>> content_of(Record({"a": 1, "b": 2})) == content_of(Record({"b": 2, "a": 1}, {"created_at": "x"}))
        True
    """
    metadata = {name: value for name, value in record.metadata.items() if name not in SYSTEM}
    values = [encode_value(record.data), encode_value(metadata), encode_value(record.fields.info)]
    text = spent(values, ordered=True)
    return Content(hashlib.sha256(binary(text)).hexdigest(), len(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The checked options of a migration."""

    query: Query
    transform: Callable[[Record], Any] | None
    on_conflict: OnConflict
    batch_size: int
    on_error: OnError
    verify: str
    sample: int
    delete_source: bool
    dry_run: bool

    @classmethod
    def of(
        cls,
        query: Query,
        *,
        transform: Callable[[Record], Any] | None,
        on_conflict: str,
        batch_size: int,
        on_error: str,
        verify: str,
        delete_source: bool,
        dry_run: bool,
    ) -> Rules:
        """Return the rules.

        Raises:
            ValueError: An option has a value that it cannot have.
            QueryError: The query has more than conditions.
        """
        if query.sorting or query.count is not None or query.skip or query.paths or query.cursor is not None:
            raise QueryError("a migration takes conditions alone: it goes by id, and moves whole records")
        if on_conflict not in ("insert", "upsert", "skip"):
            raise ValueError(f"on_conflict is 'insert', 'upsert' or 'skip', not {on_conflict!r}")
        if on_error not in ("raise", "collect"):
            raise ValueError(f"on_error is 'raise' or 'collect', not {on_error!r}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size is a whole number of at least 1, not {batch_size!r}")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform is a function of a record, not a {type(transform).__name__}")
        if not isinstance(verify, str) or not _VERIFY.fullmatch(verify):
            raise ValueError(f"verify is 'none', 'count', 'sample:200' or 'full', not {verify!r}")
        kind, _, number = verify.partition(":")
        return cls(
            query=query,
            transform=transform,
            on_conflict=on_conflict,  # type: ignore[arg-type]  # checked above
            batch_size=batch_size,
            on_error=on_error,  # type: ignore[arg-type]
            verify=kind,
            sample=int(number or 0),
            delete_source=delete_source,
            dry_run=dry_run,
        )

    def fingerprint(self, source: Database, target: Database) -> str:
        """Return what tells this job from others, in every process alike."""
        sides = [(repr(side), *(side.place if side.place[0].startswith(_LASTING) else ())) for side in (source, target)]
        options = [self.on_conflict, self.verify, self.sample, self.delete_source]
        job = [sides, self.query.to_dict(), _told(self.transform), options]
        return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()


def _told(function: Callable[..., Any] | None) -> list[Any]:
    """Return what tells a function from others: its name and its code, but not the values around it."""
    code = getattr(function, "__code__", None)
    return [getattr(function, "__qualname__", type(function).__qualname__), _code(code) if code else None]


def _code(code: CodeType) -> list[Any]:
    """Return what code does, wherever it stands in its file."""
    constants = [
        _code(each) if isinstance(each, CodeType) else sorted(map(repr, each)) if isinstance(each, frozenset) else repr(each)
        for each in code.co_consts
    ]
    return [code.co_code.hex(), code.co_names, constants]


class Proofs:
    """What the target must hold at the end, of what was written: a random sample, and what was read back otherwise.

    An id that was written again counts as it was written last.

    Args:
        size: Of the sample.

    Attributes:
        drawn: How often it was drawn.
        sample: Contents by id.
        doubts: What was read back otherwise.

    Example:
        >>> proofs = Proofs(1)
        >>> proofs.doubt("a", Content("abc", 5))
        >>> proofs.draw("b", Content("def", 7))
        >>> list(proofs.wanted)
        ['b', 'a']
        >>> proofs.draw("a", Content("abc", 5))
        >>> len(proofs.wanted)
        1
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.drawn = 0
        self.sample: dict[str, Content] = {}
        self.doubts: dict[str, Content] = {}
        self._slots: list[str] = []

    @property
    def wanted(self) -> dict[str, Content]:
        """What there must be."""
        return self.sample | self.doubts

    def draw(self, id: str, content: Content) -> None:
        """Perhaps take what has arrived into the sample."""
        self.doubts.pop(id, None)
        self.drawn += 1
        if id in self.sample:
            self.sample[id] = content
        elif len(self._slots) < self._size:
            self._slots.append(id)
            self.sample[id] = content
        elif self._size and (at := random.randrange(self.drawn)) < self._size:  # noqa: S311  # a sample
            del self.sample[self._slots[at]]
            self._slots[at] = id
            self.sample[id] = content

    def doubt(self, id: str, content: Content) -> None:
        """Note what was not read back as it was written."""
        self.doubts[id] = content

    def dump(self) -> list[Any]:
        """Return it as JSON has it."""
        return [
            self.drawn,
            *({id: [each.digest, each.size] for id, each in part.items()} for part in (self.sample, self.doubts)),
        ]

    def load(self, data: list[Any]) -> None:
        """Take over what was dumped."""
        self.drawn, sample, doubts = data
        self.sample, self.doubts = ({id: Content(*each) for id, each in part.items()} for part in (sample, doubts))
        self._slots = list(self.sample)


_COUNTS = (*OUTCOMES, "deleted", "bytes")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a migration goes on."""

    job: str
    last: str
    counts: dict[str, int]
    before: int
    proofs: list[Any]

    @classmethod
    def of(cls, job: str, last: str, report: MigrationReport, before: int, proofs: Proofs) -> Checkpoint:
        """Return the checkpoint of a moment."""
        return cls(job, last, {name: getattr(report, name) for name in _COUNTS}, before, proofs.dump())

    def dump(self) -> bytes:
        """Return its bytes."""
        data = {"holdall": 2, "job": self.job, "last": self.last, "counts": self.counts, "before": self.before}
        return binary(compact({**data, "proofs": self.proofs}))

    @classmethod
    def load(cls, data: bytes, job: str) -> Checkpoint:
        """Return a checkpoint of bytes.

        Raises:
            MigrationError: It is of another job, or none.
        """
        try:
            found = json.loads(data)
            counts = {name: int(found["counts"][name]) for name in _COUNTS}
            made = cls(str(found["job"]), str(found["last"]), counts, int(found["before"]), list(found["proofs"]))
        except (ValueError, KeyError, TypeError) as error:
            raise MigrationError("this is no checkpoint of a migration") from error
        if made.job != job:
            raise MigrationError("the checkpoint is of another migration: other databases, query, transform or options")
        return made

    def resume(self, report: MigrationReport, proofs: Proofs) -> None:
        """Give a new report, and what there is to prove, what came before; failures are tried no more, but counted."""
        for name, value in self.counts.items():
            setattr(report, name, value)
        proofs.load(self.proofs)
