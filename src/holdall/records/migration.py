# Generated from migration_async.py by tools/twins.py: change that file, not this one.
"""`migrate`: records from one database to another, streamed by id, resumable, verified."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from holdall._concurrency import gather, run
from holdall._turns import in_turns
from holdall.engine.colours import closed, told
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

__all__ = ["migrate"]

_DELETES = 8


def migrate(
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
    return _Migration(source, target, rules, place).run(on_progress)


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

    def run(self, on_progress: Callable[[MigrationProgress], Any] | None) -> MigrationReport:
        """Migrate and return the report."""
        begin = time.monotonic()
        rules, report = self._rules, self._report
        query = rules.query
        self._resume()
        if self._last:
            query = query.filter(Filter("id", ">", self._last))
        elif rules.verify == "count" and not rules.dry_run:
            self._before = self._target.count(max_age=0)
        known = report.read
        total = known + self._source.count(query) if self._source.capabilities.engine == "sql" else None
        stream = self._source.stream(query, batch_size=rules.batch_size, max_age=0, unreadable=self._unreadable)
        with closed(stream) as records:
            batch = self._batch(records)
            while batch:
                now, failures = batch, report.failed
                # the next batch is read while this one is written
                steps = [partial(self._carry, now), partial(self._batch, records)]
                batch = (gather(steps, limit=2))[1]
                report.seconds = time.monotonic() - begin
                if on_progress is not None:
                    told(on_progress, report.progress(before=known, seconds=report.seconds, total=total))
                if report.failed > failures and rules.on_error == "raise":
                    id, error = report.errors[-1]
                    raise MigrationError(f"{report.failed} failed, the last one {id!r}: {error}", report=report) from error
                self._save(str(now[-1].id))
        if not rules.dry_run:
            self._verify()
        report.seconds = time.monotonic() - begin
        if report.verified is False:
            raise MigrationError("the target does not hold what was migrated", report=report)
        if self._place is not None:
            self._place.store.delete(self._place.key)
        return report

    # -- one batch ----------------------------------------------------------------------------------------------------

    def _batch(self, records: Iterator[Record]) -> list[Record | Problem]:
        """Return the next records, so many or fewer if they are long, and what cannot be read, by id; none at the end."""
        batch: list[Record | Problem] = []
        held = 0
        while len(batch) < self._rules.batch_size and held < ROOM:
            record = next(records, None)
            passed = [each for each in self._unreadable if record is None or str(each.id) < str(record.id)]
            del self._unreadable[: len(passed)]
            batch += [each for each in passed if str(each.id) > self._last]  # a condition on ids may not exclude them
            if record is None:
                break
            batch.append(record)
            held += length_of(record)
        return batch

    def _carry(self, batch: list[Record | Problem]) -> list[Record | Problem]:
        """Transform and write a batch, decide what became of each record, and return the batch."""
        report, rules = self._report, self._rules
        made: list[tuple[Record, Record, Content]] = []
        for each in batch:
            if isinstance(each, Problem):
                report.fail(str(each.id), RecordError(f"{each.key!r} cannot be read: {each.reason}", id=each.id))
        found = [each for each in batch if isinstance(each, Record)]
        pairs = [(record, record) for record in found] if rules.transform is None else self._transformed(found)
        contents = run(lambda: [_content(changed) for _, changed in in_turns(pairs)])
        for (record, changed), content in zip(pairs, contents, strict=True):
            if isinstance(content, Exception):
                report.fail(str(record.id), content)
                continue
            report.bytes += content.size
            made.append((record, changed, content))
        if rules.dry_run:
            self._rehearse(made)
            return batch
        for some in _rounds(made):
            arrived = self._write(some)
            if rules.verify == "full" or rules.delete_source:
                arrived = self._read_back(arrived)
            for _, changed, content in arrived:
                self._proofs.draw(str(changed.id), content)
            if rules.delete_source:
                rest = self._first_deleted(arrived)
                gather([partial(self._delete, record) for record, _, _ in rest], limit=_DELETES)
        return batch

    def _transformed(self, batch: list[Record]) -> list[tuple[Record, Record]]:
        """Return what the user's function makes of records, with each of them; what it drops, or fails on, is left out."""
        assert self._rules.transform is not None
        pairs: list[tuple[Record, Record]] = []
        copies = run(lambda: [record.copy() for record in in_turns(batch)])
        for record, copied in zip(batch, copies, strict=True):
            try:
                changed: Any = told(self._rules.transform, copied)
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

    def _write(self, made: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Write; return what the target holds now."""
        report, changed = self._report, [each[1] for each in made]
        outcomes: Sequence[Outcome] = ()
        try:
            if self._rules.on_conflict == "upsert":
                self._target.batch_upsert(changed)
            else:
                self._target.batch_create(changed)
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
        return arrived + self._settle(taken)

    def _rehearse(self, made: list[tuple[Record, Record, Content]]) -> None:
        """Count what a real run would do."""
        if _vacant(self._target):
            self._report.written += len(made)
            return
        there = self._target.batch_read([str(changed.id) for _, changed, _ in made])
        taken: list[tuple[Record, Record, Content]] = []
        for each, found in zip(made, there, strict=True):
            if found is None or self._rules.on_conflict == "upsert":
                self._report.written += 1
            else:
                taken.append(each)
        self._settle(taken)

    def _settle(self, taken: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Decide about ids that the target has; return those whose content is equal."""
        report = self._report
        if self._rules.on_conflict == "skip":
            report.skipped += len(taken)
            return []
        if not taken:
            return []
        same: list[tuple[Record, Record, Content]] = []
        for each, equal in self._compared(taken):
            if equal:
                report.same += 1
                same.append(each)
            else:
                id = str(each[1].id)
                report.fail(id, DuplicateRecordError(f"the target has another record {id!r}", id=id))
        return same

    def _read_back(self, arrived: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Return those that the target really holds."""
        held: list[tuple[Record, Record, Content]] = []
        for each, equal in self._compared(arrived):
            if equal:
                held.append(each)
            else:
                self._proofs.doubt(str(each[1].id), each[2])
        return held

    def _compared(self, made: list[tuple[Record, Record, Content]]) -> list[tuple[tuple[Record, Record, Content], bool]]:
        """Tell of each whether the target holds its content."""
        there = self._target.batch_read([str(changed.id) for _, changed, _ in made])
        wanted = [content for _, _, content in made]
        return list(zip(made, run(lambda: _equal(there, wanted)), strict=True))

    def _first_deleted(self, arrived: list[tuple[Record, Record, Content]]) -> list[tuple[Record, Record, Content]]:
        """Delete one record that keeps its id and look if the target still has it: two names may mean one storage. Return the others."""
        first = next((each for each in arrived if each[0].id == each[1].id), None)
        if self._apart or first is None:
            return arrived
        record, changed, _ = first
        before = self._report.deleted
        self._delete(record)
        if self._report.deleted > before:
            if self._target.read(str(changed.id)) is None:
                self._target.create(changed)
                self._report.deleted = before
                raise MigrationError(
                    f"record {record.id!r} was removed from the source and is gone from the target: are they one? It was put back",
                    report=self._report,
                )
            self._apart = True
        return [each for each in arrived if each is not first]

    def _delete(self, record: Record) -> None:
        """Remove a record from the source, unless it was changed since it was read."""
        try:
            if self._source.delete(str(record.id), expected_version=record.version):
                self._report.deleted += 1
        except ConcurrencyError:
            self._report.kept.append(str(record.id))

    # -- verification and resume --------------------------------------------------------------------------------------

    def _verify(self) -> None:
        report, rules = self._report, self._rules
        missed: list[str] = []
        wanted = list(self._proofs.wanted.items())
        while some := wanted[: rules.batch_size]:
            del wanted[: rules.batch_size]
            there = self._target.batch_read([id for id, _ in some])
            equal = run(partial(_equal, there, [content for _, content in some]))
            missed += [id for (id, _), same in zip(some, equal, strict=True) if not same]
        for id in missed:
            report.errors.append((id, MigrationError(f"record {id!r} is not in the target as it was written")))
        fine = not missed
        if rules.verify == "count":
            least = self._before + (0 if rules.on_conflict == "upsert" else report.written)
            if rules.transform is None:  # each id is of one record
                least = max(least, report.written + report.same + report.skipped)
            fine = fine and self._target.count(max_age=0) >= least
        report.verified = None if fine and rules.verify == "none" else fine

    def _resume(self) -> None:
        """Take over what an earlier run has done."""
        if self._place is None:
            return
        try:
            data = (self._place.store.get(self._place.key)).bytes()
        except NotFoundError:
            return
        found = Checkpoint.load(data, self._job)
        found.resume(self._report, self._proofs)
        self._before, self._last = found.before, found.last

    def _save(self, last: str) -> None:
        if self._place is not None:
            point = run(lambda: Checkpoint.of(self._job, last, self._report, self._before, self._proofs).dump())
            self._place.store.put(self._place.key, point)


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
