"""Between the caller's record and a stored body: `draft` on the way in, `record_of` on the way out. Pure."""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal

from holdall.errors import HoldallError
from holdall.records.encoding import Body, encode_content, encode_value, iso
from holdall.records.errors import BatchError, DuplicateRecordError, Outcome, SerializationError
from holdall.records.record import Field, Record

__all__ = ["SYSTEM", "Draft", "Item", "WriteVerb", "checked", "draft", "items_of", "new_id", "record_of", "settled"]

SYSTEM = ("id", "created_at", "updated_at")
"""Metadata that databases set themselves."""

WriteVerb = Literal["create", "upsert", "update"]


def new_id() -> str:
    """Return a fresh id: a UUID4."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be stored, taken from a caller's record, which is neither kept nor changed.

    Attributes:
        id: The storage id.
        body: What will be stored, apart from its times.
        content: The part of it that is encoded already.
        created: The caller's own ``created_at``, which a create keeps.
        mint: Makes another id, if the id is our own invention.
    """

    id: str
    body: Body
    content: bytes
    created: datetime | None = None
    mint: Callable[[], str] | None = None

    def stamped(self, *, created: datetime | None = None) -> Body:
        """Return the body as it is to be written now, with a token that no other write has.

        Args:
            created: Since when the record exists; by default the caller's time, else now.
        """
        now = datetime.now(UTC)
        return Body(
            id=self.id,
            created=created or self.created or now,
            updated=now,
            write=secrets.token_hex(12),
            fields=self.body.fields,
            metadata=self.body.metadata,
            info=self.body.info,
        )

    def renamed(self) -> Draft:
        """Return the draft under another minted id."""
        assert self.mint is not None
        id = self.mint()
        return replace(self, id=id, body=replace(self.body, id=id))


def checked(id: object) -> str:
    """Return an id.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(id, str):
        raise TypeError(f"an id is a str, not {type(id).__name__}")
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
        >>> made.id, made.body.metadata
        ('a', {'team': 'x'})
    """
    if not isinstance(record, Record):
        raise SerializationError(f"a database stores a Record, not a {type(record).__name__}")
    own = id if id is not None else record.id
    chosen = own if own is not None else mint()
    if not isinstance(chosen, str) or not chosen:
        raise SerializationError("an id is text that is not empty")
    encode_value(chosen, "id")
    body = Body(
        id=chosen,
        created=_NEVER,
        updated=_NEVER,
        write="",
        fields=record.data,
        metadata={k: v for k, v in record.metadata.items() if k not in SYSTEM},
        info=record.fields.info,
    )
    content = encode_content(body)  # what cannot be stored is said now, before any I/O
    return Draft(
        id=chosen,
        body=Body(
            id=chosen,
            created=_NEVER,
            updated=_NEVER,
            write="",
            fields=_copied(body.fields),
            metadata=_copied(body.metadata),
            info=_copied(body.info),
        ),
        content=content,
        created=_moment(record.metadata.get("created_at")),
        mint=mint if own is None else None,
    )


_PLAIN = frozenset({str, int, float, bool, type(None)})


def _copied(value: Any) -> Any:
    """Return a deep copy, quickly for what most records hold."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: _copied(member) for key, member in value.items()}
    if kind is list:
        return [_copied(member) for member in value]
    return copy.deepcopy(value)


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: Any) -> datetime | None:
    """Return a caller's ``created_at`` if it is a time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def record_of(body: Body, version: str | None, times: tuple[str, str] | None = None) -> Record:
    """Return the record of a stored body: metadata of the system included, version and times set.

    Args:
        body: What is stored.
        version: The token.
        times: Its two times as `iso` writes them, where that is known.
    """
    created, updated = times or (iso(body.created), iso(body.updated))
    system = {"id": body.id, "created_at": created, "updated_at": updated}
    fields, info = body.fields, body.info
    if info:
        fields = {name: Field(name, value, info[name]) if name in info else value for name, value in fields.items()}
    return Record(fields, {**body.metadata, **system})._stamp(body.id, version, body.created, body.updated)  # pyright: ignore[reportPrivateUsage]


# -- batches -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a batch: a draft to write, or an outcome that was clear before any I/O."""

    index: int
    id: str | None
    draft: Draft | None = None
    outcome: Outcome | None = None


def items_of(records: Iterable[Record | tuple[str, Record]], *, mint: Callable[[], str] = new_id) -> Iterator[Item]:
    """Yield the items of a batch, lazily: unstorable ones and repeated ids are decided here, the first of an id wins."""
    seen: set[str] = set()
    for index, given in enumerate(records):
        id: str | None = None
        try:
            if isinstance(given, Record):
                made = draft(given, mint=mint)
            else:
                id, record = given
                made = draft(record, id=id, mint=mint)
        except HoldallError as error:
            yield Item(index=index, id=id, outcome=Outcome(index=index, id=id, status="failed", error=error))
            continue
        if made.id in seen:
            twice = DuplicateRecordError(f"{made.id!r} stands twice in this batch; the first one counts", id=made.id)
            yield Item(index=index, id=made.id, outcome=Outcome(index=index, id=made.id, status="exists", error=twice))
            continue
        seen.add(made.id)
        yield Item(index=index, id=made.id, draft=made)


def settled(outcomes: list[Outcome], verb: str, *, missing_is_false: bool = False, database: object = None) -> list[Outcome]:
    """Return the outcomes of a batch in input order, or raise if an item failed.

    Raises:
        BatchError: At least one item was not done.
    """
    outcomes = sorted(outcomes, key=attrgetter("index"))
    fine = {"written", "missing"} if missing_is_false else {"written"}
    failed = [outcome for outcome in outcomes if outcome.status not in fine]
    if not failed:
        return outcomes
    first = next((outcome.error for outcome in failed if outcome.error is not None), None)
    raise BatchError(
        f"{verb}: {len(failed)} of {len(outcomes)} items were not done, the first one because: {first}",
        outcomes=outcomes,
        database=database,
    ) from first
