"""Between the caller's record and a stored one: `draft` on the way in, `record_of` on the way out. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from holdall._tokens import random_bytes
from holdall._turns import in_turns
from holdall.errors import HoldallError, InvalidKeyError
from holdall.records.encoding import Body, Content, Stamp, decode_content, encodable, encode_content, encode_value, iso
from holdall.records.errors import BatchError, DuplicateRecordError, Outcome, SerializationError, Status
from holdall.records.record import Record

__all__ = [
    "SYSTEM",
    "Draft",
    "Drawing",
    "Item",
    "WriteVerb",
    "Written",
    "checked",
    "draft",
    "new_id",
    "record_of",
    "settled",
    "upserted",
]

SYSTEM = ("id", "created_at", "updated_at")
"""Metadata that databases set themselves."""

WriteVerb = Literal["create", "upsert", "update"]


def new_id() -> str:
    """Return a fresh id: a UUID4, written by hand, which takes half of the time.

    Example:
        >>> import uuid
        >>> uuid.UUID(new_id()).version
        4
    """
    sign = random_bytes(16).hex()
    return f"{sign[:8]}-{sign[8:12]}-4{sign[13:16]}-{_VARIANTS[sign[16]]}{sign[17:20]}-{sign[20:]}"


_VARIANTS = {f"{number:x}": "89ab"[number % 4] for number in range(16)}
"""What a UUID of RFC 4122 says at its 17th digit, by the digit that was drawn."""


class Written(NamedTuple):
    """What an engine tells of a record that it wrote."""

    id: str
    version: str | None
    created: datetime
    updated: datetime


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is to be stored: taken from a caller's record at one moment, which is neither kept nor changed.

    Attributes:
        id: The storage id.
        content: Fields and metadata, encoded.
        metadata: The user's metadata once more, as values.
        created: The caller's own ``created_at``, which a create keeps.
        mint: Makes another id, if the id is our own invention.
        left: How many more it may make.
    """

    id: str
    content: Content
    metadata: dict[str, Any]
    created: datetime | None = None
    mint: Callable[[], str] | None = None
    left: int = 32

    def stamped(self, *, created: datetime | None = None) -> Stamp:
        """Return the stamp of a write that is made now.

        Args:
            created: Since when the record exists; by default the caller's time, else now.
        """
        now = datetime.now(UTC)
        return Stamp(self.id, created or self.created or now, now, random_bytes(12).hex())

    def body(self, stamp: Stamp) -> Body:
        """Return the values that were written with a stamp; nobody else has them."""
        fields, metadata, info = decode_content(self.content)
        return Body(
            id=stamp.id,
            created=stamp.created,
            updated=stamp.updated,
            write=stamp.write,
            fields=fields,
            metadata=metadata,
            info=info,
        )

    def record(self, written: Written) -> Record:
        """Return the record that was written."""
        return record_of(self.body(Stamp(written.id, written.created, written.updated, "")), written.version)

    def renamed(self) -> Draft | None:
        """Return the draft under another minted id; ``None`` if its id is the caller's own, or too many were taken."""
        if self.mint is None or not self.left:
            return None
        return replace(self, id=self.mint(), left=self.left - 1)


def checked(id: object) -> str:
    """Return an id.

    Raises:
        TypeError: It is none.
        InvalidKeyError: It is empty, or text that UTF-8 cannot hold.
    """
    if not isinstance(id, str):
        raise TypeError(f"an id is a str, not {type(id).__name__}")
    if not id:
        raise InvalidKeyError("a record's id cannot be empty")
    if not encodable(id):
        raise InvalidKeyError(f"a record's id is text that UTF-8 can hold: {id!r}")
    return id


def draft(record: Record, *, id: str | None = None, mint: Callable[[], str] = new_id) -> Draft:
    """Return the draft of a record, checked and independent of it.

    Args:
        record: The caller's.
        id: Under which id to store it, whatever the record says.
        mint: Makes an id for a record that has none.

    Raises:
        SerializationError: It holds a value that no record can hold.

    Example:
        >>> made = draft(Record({"n": 1}, {"id": "a", "team": "x"}))
        >>> made.id, made.content.fields, made.metadata
        ('a', '{"n":1}', {'team': 'x'})
    """
    if not isinstance(record, Record):
        raise SerializationError(f"a database stores a Record, not a {type(record).__name__}")
    own = id if id is not None else record.id
    chosen = own if own is not None else mint()
    if not isinstance(chosen, str) or not chosen:
        raise SerializationError("an id is text that is not empty")
    encode_value(chosen, "id")
    metadata = {name: value for name, value in record.metadata.items() if name not in SYSTEM}
    return Draft(
        id=chosen,
        content=encode_content(
            record.data, metadata, record.fields.info
        ),  # what cannot be stored is said now, before any I/O
        metadata=metadata,
        created=_moment(record.metadata.get("created_at")),
        mint=mint if own is None else None,
    )


def upserted(id: str | Record, record: Record | None, expected_version: str | None) -> tuple[Record, str | None]:
    """Return what an upsert was given: the record, and the id that was named."""
    if isinstance(id, Record):
        if record is not None or expected_version is not None:
            raise TypeError("upsert(record) takes nothing else; with a version it is upsert(id, record, expected_version=…)")
        return id, None
    if record is None:
        raise TypeError("upsert takes a record, or an id and a record")
    return record, checked(id)


def _moment(value: Any) -> datetime | None:
    """Return a caller's ``created_at`` if it is a time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # no year of UTC's
        return None


def record_of(body: Body, version: str | None, length: int = 0) -> Record:
    """Return the record of a stored body, whose values it takes over: metadata of the system included, version and times set.

    Args:
        body: What is stored.
        version: The token.
        length: Characters of it, if that is known.
    """
    times = {"created_at": iso(body.created), "updated_at": iso(body.updated)}
    metadata = {**body.metadata, "id": body.id, **times}
    system = body.id, version, body.created, body.updated
    return Record._stored(body.fields, metadata, body.info, system, length)  # pyright: ignore[reportPrivateUsage]


# -- batches -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Item:
    """One item of a batch: a draft to write, or an outcome that was clear before any I/O."""

    index: int
    id: str | None
    draft: Draft | None = None
    outcome: Outcome | None = None

    def ended(self, status: Status, error: BaseException | None = None) -> Outcome:
        """Return what became of it."""
        return Outcome(index=self.index, id=self.id, status=status, error=error)


class Drawing:
    """Turns what a batch was given into items: unstorable records and repeated ids are decided here, the first of an id wins.

    Args:
        mint: Makes ids for records that have none.
    """

    def __init__(self, mint: Callable[[], str] = new_id) -> None:
        self._mint = mint
        self._seen: set[str] = set()
        self._count = 0

    def item(self, given: Record | tuple[str, Record]) -> Item:
        """Return the next item."""
        index, self._count = self._count, self._count + 1
        id: str | None = None
        try:
            id, record = _named(given)
            made = draft(record, id=id, mint=self._mint)
        except HoldallError as error:
            return Item(index=index, id=id, outcome=Outcome(index=index, id=id, status="failed", error=error))
        while made.id in self._seen and (again := made.renamed()) is not None:
            made = again
        if made.id in self._seen:
            twice = DuplicateRecordError(f"{made.id!r} stands twice in this batch; the first one counts", id=made.id)
            return Item(index=index, id=made.id, outcome=Outcome(index=index, id=made.id, status="exists", error=twice))
        self._seen.add(made.id)
        return Item(index=index, id=made.id, draft=made)


def _named(given: object) -> tuple[str | None, Record]:
    """Return an item of a batch with the id that it is to have, if it says one.

    Raises:
        SerializationError: It is neither a record nor an id with one.
    """
    if isinstance(given, Record):
        return given.id, given
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise SerializationError(f"a batch takes a Record, or a pair of its id and a Record, not a {type(given).__name__}")
    id, record = given
    if not isinstance(id, str):
        raise SerializationError(f"an id is a str, not {type(id).__name__}")
    return id, record


def settled(outcomes: list[Outcome], verb: str, *, missing_is_false: bool = False, database: object = None) -> list[Outcome]:
    """Return the outcomes of a batch in input order, or raise if an item failed.

    Raises:
        BatchError: At least one item was not done.
    """
    placed = list(outcomes)
    for outcome in in_turns(outcomes):
        placed[outcome.index] = outcome
    fine = {"written", "missing"} if missing_is_false else {"written"}
    failed = [outcome for outcome in in_turns(placed) if outcome.status not in fine]
    if not failed:
        return placed
    first = next((outcome.error for outcome in failed if outcome.error is not None), None)
    raise BatchError(
        f"{verb}: {len(failed)} of {len(placed)} items were not done, the first one because: {first}",
        outcomes=placed,
        database=database,
    ) from first
