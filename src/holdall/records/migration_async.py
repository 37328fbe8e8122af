"""`migrate`: records from one database to another, streamed by id, resumable, verified."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import gather_async, run_async
from holdall._turns import in_turns
from holdall.engine.colours import closed_async, told_async
from holdall.engine.resolve import Resolved, resolve
from holdall.errors import ConfigError, HoldallError, NotFoundError, NotSupportedError
from holdall.records.database import Database, as_query
from holdall.records.errors import (
    BatchError,
    ConcurrencyError,
    DuplicateRecordError,
    MigrationError,
    Outcome,
    RecordError,
    SerializationError,
)
from holdall.records.migration_report import (
    Checkpoint,
    Content,
    MigrationProgress,
    MigrationReport,
    Proofs,
    Rules,
    check_sides,
    content_of,
)
from holdall.records.query import Condition, Filter, Query
from holdall.records.record import Record, length_of
from holdall.records.results import Problem
from holdall.records.stride import ROOM

__all__ = ["migrate_async"]

_DELETES = 8


async def migrate_async(
    source: Database,
    target: Database,
    query: Query | Condition | None = None,
    *,
    transform: Callable[[Record], Any] | None = None,
    on_conflict: str = "insert",
    batch_size: int = 500,
    on_error: str = "raise",
    on_progress: Callable[[MigrationProgress], Any] | None = None,
    checkpoint: Any = None,
    verify: str = "count",
    delete_source: bool = False,
    dry_run: bool = False,
) -> MigrationReport:
    """Copy (or move) records to another database; ids, user metadata and ``created_at`` are kept.

    Args:
        source: Where they are.
        target: Where they go.
        query: Which ones: conditions alone.
        transform: Gets each record; returns the one to write, or ``None`` to leave it out.
        on_conflict: An id that the target has: ``"insert"`` accepts equal content and fails otherwise, ``"upsert"`` replaces,
            ``"skip"`` keeps the target's. Of several records that a transform gives one id, the first is written first.
        batch_size: Records written at once; at most three batches are in memory.
        on_error: ``"raise"`` after the batch in which something failed, or ``"collect"`` failures and go on. A record that cannot be read
            has failed, whatever the source does with such records otherwise.
        on_progress: Called after each batch.
        checkpoint: A path, URL or ``mount:path``: replaced after each batch, removed at the end. A migration that was killed goes
            on from there; one whose check failed checks again what it has not proved. It is of the same databases, conditions, policy
            and check, and of a transform of the same name and code (the values that code finds around it do not count).
        verify: ``"none"``, ``"count"`` (records may be more, and with a transform that gives several one id fewer than were written),
            ``"sample:200"`` or ``"full"`` (the content of each record is read back).
        delete_source: Remove each record from the source once it was read back from the target, if it is still at the version that was
            read.
        dry_run: Write nothing; the report says what would be. A file or directory that is not there is not made.

    Returns:
        The report.

    Raises:
        MigrationError: Something failed (``on_error="raise"``), the check found a difference, or the checkpoint is of another job; with
            the report so far.
        NotSupportedError: ``delete_source``, and the source has no conditional delete.
        ConfigError: ``delete_source``, and source and target are one.

    Example:
        >>> from holdall.records import Database, Filter, Record
        >>> with Database.open("memory://") as old, Database.open("memory://") as new:
        ...     ids = old.batch_create([Record({"id": f"r{i}", "n": i}) for i in range(10)])
        ...     report = migrate(old, new, Filter("n", "<", 4), verify="full", delete_source=True)
        ...     report.written, report.verified, old.count(), new.count()
        (4, True, 6, 4)
    """
    rules = Rules.of(
        as_query(query),
        transform=transform,
        on_conflict=on_conflict,
        batch_size=batch_size,
        on_error=on_error,
        verify=verify,
        delete_source=delete_source,
        dry_run=dry_run,
    )
    check_sides(source, target, on_progress)
    if delete_source and not source.capabilities.conditional_delete:
        raise NotSupportedError(f"{source!r} cannot delete a record at a version alone, so delete_source is not safe there")
    if delete_source and source.place == target.place:
        raise ConfigError(f"source and target are one, {source!r}: delete_source would delete what was migrated")
    place = None if checkpoint is None or dry_run else resolve(checkpoint)
    if place is not None and not place.key:
        raise ConfigError("a checkpoint is a file: a path, a URL or mount:path")
    return await _Migration(source, target, rules, place).run_async(on_progress)


class _Migration:
    """One run."""

    def __init__(self, source: Database, target: Database, rules: Rules, place: Resolved | None) -> None:
        self._source, self._target, self._rules, self._place = source, target, rules, place
        self._report = MigrationReport(dry_run=rules.dry_run)
        self._job = rules.fingerprint(source, target) if place is not None else ""
        self._unreadable: list[Problem] = []
        self._proofs = Proofs(rules.sample)
        self._before = 0
        self._last = ""  # id of what an earlier run has done
        self._apart = False  # it was seen that the source does not delete from the target

    async def run_async(self, on_progress: Callable[[MigrationProgress], Any] | None) -> MigrationReport:
        """Migrate and return the report."""
        begin = time.monotonic()
        rules, report = self._rules, self._report
        query = rules.query
        await self._resume_async()
        if self._last:
            query = query.filter(Filter("id", ">", self._last))
        elif rules.verify == "count" and not rules.dry_run:
            self._before = await self._target.count_async(max_age=0)
        known = report.read
        total = known + await self._source.count_async(query) if self._source.capabilities.engine == "sql" else None
        stream = self._source.stream_async(query, batch_size=rules.batch_size, max_age=0, unreadable=self._unreadable)
        async with closed_async(stream) as records:
            batch = await self._batch_async(records)
            while batch:
                now, failures = batch, report.failed
                # the next batch is read while this one is written
                steps = [partial(self._carry_async, now), partial(self._batch_async, records)]
                batch = (await gather_async(steps, limit=2))[1]
                report.seconds = time.monotonic() - begin
                if on_progress is not None:
                    await told_async(on_progress, report.progress(before=known, seconds=report.seconds, total=total))
                if report.failed > failures and rules.on_error == "raise":
                    id, error = report.errors[-1]
                    raise MigrationError(f"{report.failed} failed, the last one {id!r}: {error}", report=report) from error
                await self._save_async(str(now[-1].id))
        if not rules.dry_run:
            await self._verify_async()
        report.seconds = time.monotonic() - begin
        if report.verified is False:
            raise MigrationError("the target does not hold what was migrated", report=report)
        if self._place is not None:
            await self._place.store.delete_async(self._place.key)
        return report

    # -- one batch ----------------------------------------------------------------------------------------------------

    async def _batch_async(self, records: AsyncIterator[Record]) -> list[Record | Problem]:
        """Return the next records, so many or fewer if they are long, and what cannot be read, by id; none at the end."""
        batch: list[Record | Problem] = []
        held = 0
        while len(batch) < self._rules.batch_size and held < ROOM:
            record = await anext(records, None)
            passed = [each for each in self._unreadable if record is None or str(each.id) < str(record.id)]
            del self._unreadable[: len(passed)]
            batch += [each for each in passed if str(each.id) > self._last]  # a condition on ids may not exclude them
            if record is None:
                break
            batch.append(record)
            held += length_of(record)
        return batch

    async def _carry_async(self, batch: list[Record | Problem]) -> list[Record | Problem]:
        """Transform and write a batch, decide what became of each record, and return the batch."""
        report, rules = self._report, self._rules
        made: list[tuple[Record, Record, Content]] = []
        for each in batch:
            if isinstance(each, Problem):
                report.fail(str(each.id), RecordError(f"{each.key!r} cannot be read: {each.reason}", id=each.id))
        found = [each for each in batch if isinstance(each, Record)]
        pairs = [(record, record) for record in found] if rules.transform is None else await self._transformed_async(found)
        contents = await run_async(lambda: [_content(changed) for _, changed in in_turns(pairs)])
        for (record, changed), content in zip(pairs, contents, strict=True):
            if isinstance(content, Exception):
                report.fail(str(record.id), content)
                continue
            report.bytes += content.size
            made.append((record, changed, content))
        if rules.dry_run:
            await self._rehearse_async(made)
            return batch
        for some in _rounds(made):
            arrived = await self._write_async(some)
            if rules.verify == "full" or rules.delete_source:
                arrived = await self._read_back_async(arrived)
            for _, changed, content in arrived:
                self._proofs.draw(str(changed.id), content)
            if rules.delete_source:
                rest = await self._first_deleted_async(arrived)
                await gather_async([partial(self._delete_async, record) for record, _, _ in rest], limit=_DELETES)
        return batch

    async def _transformed_async(self, batch: list[Record]) -> list[tuple[Record, Record]]:
        """Return what the user's function makes of records, with each of them; what it drops, or fails on, is left out."""
        assert self._rules.transform is not None
        pairs: list[tuple[Record, Record]] = []
        copies = await run_async(lambda: [record.copy() for record in in_turns(batch)])
        for record, copied in zip(batch, copies, strict=True):
            try:
                changed: Any = await told_async(self._rules.transform, copied)
                if changed is None:
                    self._report.dropped += 1
                    continue
                if not isinstance(changed, Record):
                    raise SerializationError(f"transform returns a Record or None, not a {type(changed).__name__}")
                if changed.id is None:
                    changed.id = str(record.id)
            except Exception as error:  # noqa: BLE001  # a user's function may raise anything: the record failed
                self._report.fail(str(record.id), error)
                continue
            pairs.append((record, changed))
        return pairs

    async def _write_async(self, made: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Write; return what the target holds now."""
        report, changed = self._report, [each[1] for each in made]
        outcomes: Sequence[Outcome] = ()
        try:
            if self._rules.on_conflict == "upsert":
                await self._target.batch_upsert_async(changed)
            else:
                await self._target.batch_create_async(changed)
        except BatchError as error:
            outcomes = error.outcomes
        status = {outcome.index: outcome for outcome in outcomes}
        taken: list[tuple[Record, Record, Content]] = []
        arrived: list[tuple[Record, Record, Content]] = []
        for index, each in enumerate(made):
            outcome = status.get(index)
            if outcome is None or outcome.status == "written":
                report.written += 1
                arrived.append(each)
            elif outcome.status == "exists":
                taken.append(each)
            else:
                cause = outcome.error if isinstance(outcome.error, Exception) else HoldallError(outcome.status)
                report.fail(str(each[1].id), cause)
        return arrived + await self._settle_async(taken)

    async def _rehearse_async(self, made: list[tuple[Record, Record, Content]]) -> None:
        """Count what a real run would do."""
        if _vacant(self._target):
            self._report.written += len(made)
            return
        there = await self._target.batch_read_async([str(changed.id) for _, changed, _ in made])
        taken: list[tuple[Record, Record, Content]] = []
        for each, found in zip(made, there, strict=True):
            if found is None or self._rules.on_conflict == "upsert":
                self._report.written += 1
            else:
                taken.append(each)
        await self._settle_async(taken)

    async def _settle_async(self, taken: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Decide about ids that the target has; return those whose content is equal."""
        report = self._report
        if self._rules.on_conflict == "skip":
            report.skipped += len(taken)
            return []
        if not taken:
            return []
        same: list[tuple[Record, Record, Content]] = []
        for each, equal in await self._compared_async(taken):
            if equal:
                report.same += 1
                same.append(each)
            else:
                id = str(each[1].id)
                report.fail(id, DuplicateRecordError(f"the target has another record {id!r}", id=id))
        return same

    async def _read_back_async(self, arrived: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Return those that the target really holds."""
        held: list[tuple[Record, Record, Content]] = []
        for each, equal in await self._compared_async(arrived):
            if equal:
                held.append(each)
            else:
                self._proofs.doubt(str(each[1].id), each[2])
        return held

    async def _compared_async(
        self, made: list[tuple[Record, Record, Content]]
    ) -> list[tuple[tuple[Record, Record, Content], bool]]:
        """Tell of each whether the target holds its content."""
        there = await self._target.batch_read_async([str(changed.id) for _, changed, _ in made])
        wanted = [content for _, _, content in made]
        return list(zip(made, await run_async(lambda: _equal(there, wanted)), strict=True))

    async def _first_deleted_async(
        self, arrived: list[tuple[Record, Record, Content]]
    ) -> list[tuple[Record, Record, Content]]:
        """Delete one record that keeps its id and look if the target still has it: two names may mean one storage. Return the others."""
        first = next((each for each in arrived if each[0].id == each[1].id), None)
        if self._apart or first is None:
            return arrived
        record, changed, _ = first
        before = self._report.deleted
        await self._delete_async(record)
        if self._report.deleted > before:
            if await self._target.read_async(str(changed.id)) is None:
                await self._target.create_async(changed)
                self._report.deleted = before
                raise MigrationError(
                    f"record {record.id!r} was removed from the source and is gone from the target: are they one? It was put back",
                    report=self._report,
                )
            self._apart = True
        return [each for each in arrived if each is not first]

    async def _delete_async(self, record: Record) -> None:
        """Remove a record from the source, unless it was changed since it was read."""
        try:
            if await self._source.delete_async(str(record.id), expected_version=record.version):
                self._report.deleted += 1
        except ConcurrencyError:
            self._report.kept.append(str(record.id))

    # -- verification and resume --------------------------------------------------------------------------------------

    async def _verify_async(self) -> None:
        report, rules = self._report, self._rules
        missed: list[str] = []
        wanted = list(self._proofs.wanted.items())
        while some := wanted[: rules.batch_size]:
            del wanted[: rules.batch_size]
            there = await self._target.batch_read_async([id for id, _ in some])
            equal = await run_async(partial(_equal, there, [content for _, content in some]))
            missed += [id for (id, _), same in zip(some, equal, strict=True) if not same]
        for id in missed:
            report.errors.append((id, MigrationError(f"record {id!r} is not in the target as it was written")))
        fine = not missed
        if rules.verify == "count":
            least = self._before + (0 if rules.on_conflict == "upsert" else report.written)
            if rules.transform is None:  # each id is of one record
                least = max(least, report.written + report.same + report.skipped)
            fine = fine and await self._target.count_async(max_age=0) >= least
        report.verified = None if fine and rules.verify == "none" else fine

    async def _resume_async(self) -> None:
        """Take over what an earlier run has done."""
        if self._place is None:
            return
        try:
            data = (await self._place.store.get_async(self._place.key)).bytes_async()
        except NotFoundError:
            return
        found = Checkpoint.load(await data, self._job)
        found.resume(self._report, self._proofs)
        self._before, self._last = found.before, found.last

    async def _save_async(self, last: str) -> None:
        if self._place is not None:
            point = await run_async(lambda: Checkpoint.of(self._job, last, self._report, self._before, self._proofs).dump())
            await self._place.store.put_async(self._place.key, point)


def _content(record: Record) -> Content | Exception:
    try:
        return content_of(record)
    except Exception as error:  # noqa: BLE001  # the record failed, whatever a user's function put into it
        return error


def _equal(there: Sequence[Record | None], wanted: Sequence[Content]) -> list[bool]:
    """Tell of each record that was read whether it has the content that is wanted."""
    return [
        found is not None and content_of(found) == content for found, content in in_turns(zip(there, wanted, strict=True))
    ]


def _rounds(made: list[tuple[Record, Record, Content]]) -> list[list[tuple[Record, Record, Content]]]:
    """Return what is to be written, each id once in a round: of several records with one id the last comes last."""
    rounds: list[list[tuple[Record, Record, Content]]] = []
    times: Counter[str] = Counter()
    for each in made:
        id = str(each[1].id)
        if times[id] == len(rounds):
            rounds.append([])
        rounds[times[id]].append(each)
        times[id] += 1
    return rounds


def _vacant(database: Database) -> bool:
    """Tell whether a database is a file or directory that is not there: a look would make it."""
    kind, where, *_ = database.place
    return kind in {"file", "sqlite"} and not os.path.exists(where)
