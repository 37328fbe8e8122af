"""`Transaction`: writes that are kept until the end of a block, and sent together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, overload

from holdall.records.drafts import Draft, checked, draft, upserted
from holdall.records.errors import Outcome, TransactionError
from holdall.records.record import Record

if TYPE_CHECKING:
    from holdall.records import engine, engine_async

__all__ = ["Change", "Policy", "Transaction", "failure"]

Policy = Literal["strict", "best_effort"]
Verb = Literal["create", "update", "upsert", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write of a transaction; a ``draft`` goes with all verbs but ``delete``."""

    verb: Verb
    id: str
    draft: Draft | None = None
    expected_version: str | None = None


class Transaction:
    """What `Database.transaction` returns. Its verbs take what those of a database take, send nothing, and know no answer yet.

    Attributes:
        outcomes: After the block: one for each write, in order.

    Raises:
        TransactionError: At the end of the block: a write failed, or (an update) its record is absent; ``outcomes`` names each. With
            ``"strict"`` nothing was written.
    """

    def __init__(
        self,
        blocking: Callable[[], engine.Engine],
        asynchronous: Callable[[], engine_async.Engine],
        policy: Policy,
        mint: Callable[[], str],
        database: object,
    ) -> None:
        if policy not in {"strict", "best_effort"}:
            raise ValueError(f"a policy is 'strict' or 'best_effort', not {policy!r}")
        self._blocking, self._async, self._policy, self._mint = blocking, asynchronous, policy, mint
        self._database = database
        self._changes: list[Change] = []
        self._open = False
        self.outcomes: list[Outcome] = []

    def create(self, record: Record) -> str:
        """Insert a record; its id is known at once."""
        made = replace(draft(record, mint=self._mint), mint=None)
        return self._keep(Change(verb="create", id=made.id, draft=made))

    def update(self, id: str, record: Record, *, expected_version: str | None = None) -> None:
        """Replace a record that is there."""
        self._keep(Change(verb="update", id=checked(id), draft=draft(record, id=id), expected_version=expected_version))

    @overload
    def upsert(self, id: Record, /) -> str: ...
    @overload
    def upsert(self, id: str, record: Record, *, expected_version: str | None = None) -> str: ...
    def upsert(self, id: str | Record, record: Record | None = None, *, expected_version: str | None = None) -> str:
        """Replace or insert a record, given as itself or with the id it is to have; its id is known at once."""
        given, named = upserted(id, record, expected_version)
        made = draft(given, id=named, mint=self._mint)
        verb: Verb = "upsert" if made.mint is None else "create"  # under an id of our own invention it replaces nothing
        return self._keep(Change(verb=verb, id=made.id, draft=replace(made, mint=None), expected_version=expected_version))

    def delete(self, id: str, *, expected_version: str | None = None) -> None:
        """Delete a record, if it is there."""
        self._keep(Change(verb="delete", id=checked(id), expected_version=expected_version))

    def _keep(self, change: Change) -> str:
        if not self._open:
            raise TransactionError("a transaction takes writes within its block only", id=change.id)
        self._changes.append(change)
        return change.id

    def _begin(self) -> Self:
        if self._open or self.outcomes:
            raise TransactionError("a transaction is used once")
        self._open = True
        return self

    def __enter__(self) -> Self:
        return self._begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open = False
        if kind is None and self._changes:
            engine = self._blocking()
            send = engine.commit if self._policy == "strict" else engine.attempt
            with self._told():
                self.outcomes = send(self._changes)

    async def __aenter__(self) -> Self:
        return self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        if kind is None and self._changes:
            engine = self._async()
            send = engine.commit_async if self._policy == "strict" else engine.attempt_async
            with self._told():
                self.outcomes = await send(self._changes)

    @contextmanager
    def _told(self) -> Generator[None]:
        """Take over the outcomes of a failure, which gets the name of the database."""
        try:
            yield
        except TransactionError as error:
            self.outcomes, error.database = error.outcomes, str(self._database)
            raise


def failure(changes: Sequence[Change], done: Sequence[Outcome], error: Exception, *, undone: bool) -> TransactionError:
    """Return the error for a transaction of which the change after those that were done failed.

    Args:
        changes: All of it.
        done: Outcomes of the first ones.
        error: What the next one met.
        undone: The first ones were taken back.
    """
    at = len(done)
    outcomes = [replace(outcome, status="not_tried") for outcome in done] if undone else list(done)
    outcomes.append(Outcome(index=at, id=changes[at].id, status=getattr(error, "outcome", "failed"), error=error))
    outcomes += [Outcome(index=index, id=changes[index].id, status="not_tried") for index in range(at + 1, len(changes))]
    written = "nothing" if undone or not at else f"the first {at}"
    return TransactionError(
        f"{changes[at].verb} of {changes[at].id!r} failed, of {len(changes)} changes {written} was written: {error}",
        id=changes[at].id,
        outcomes=outcomes,
    )
