"""`sweep`: what crashes left behind is put right: swaps are finished, what no row holds is deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import String, cast, literal, or_, select, type_coerce, union_all, update
from sqlalchemy.util import greenlet_spawn

from holdall.columns import bridge, placing, placing_async
from holdall.columns.backends import store_named
from holdall.columns.file import FileObject
from holdall.columns.inventory import Inventory
from holdall.columns.survey import DAY, Finding, Kind, Survey, head, of_row
from holdall.columns.tracking import FileAttribute, every_attribute, files_of
from holdall.engine.table import default_table
from holdall.errors import ConfigError, HoldallError, NotSupportedError, PreconditionError

__all__ = ["SweepReport", "sweep", "sweep_async"]

BATCH = 100
SHORTEST = timedelta(minutes=10)


@dataclass(slots=True, kw_only=True)
class SweepReport:
    """What a sweep did.

    Attributes:
        deleted: Objects and unfinished uploads that were deleted.
        finished: Staged objects that were moved to their place.
        tidied: Rows that need not look for a staged object any more.
        nulled, restored: Rows without bytes that were emptied, or whose bytes were brought back.
        reported: What was found and left alone.
        skipped: What was found and had changed before it was touched.
        failures: What went wrong.
    """

    deleted: list[Finding] = field(default_factory=list[Finding])
    finished: list[Finding] = field(default_factory=list[Finding])
    tidied: int = 0
    nulled: list[Finding] = field(default_factory=list[Finding])
    restored: list[Finding] = field(default_factory=list[Finding])
    reported: list[Finding] = field(default_factory=list[Finding])
    skipped: list[Finding] = field(default_factory=list[Finding])
    failures: list[HoldallError] = field(default_factory=list[HoldallError])


def sweep(
    bind: Any,
    *,
    claim: Literal["label", "prefix"],
    kinds: Iterable[Kind] = ("orphan", "staged", "incomplete"),
    dangling: Literal["report", "null", "restore"] = "report",
    columns: Iterable[Any] | None = None,
    stores: Iterable[str] | None = None,
    grace: timedelta = DAY,
    dry_run: bool = False,
    limit: int | None = None,
    progress: Callable[[Finding], Any] | None = None,
    force: bool = False,
) -> SweepReport:
    """Put right what crashes left behind; safe beside writers, twice at once, and to kill.

    Args:
        bind: Engine, connection or session.
        claim: How it is known that an unreferenced object is these columns': ``label``, its metadata says so; ``prefix``, you say
            that everything below the stores' prefixes is.
        kinds: What is put right.
        dangling: What becomes of rows without bytes: nothing, NULL (or the item is dropped), or the last version is brought back.
        columns: Mapped attributes; all by default.
        stores: Keys of backends; those that the columns name by default.
        grace: What is younger is left alone; must exceed the longest transaction.
        dry_run: Change nothing; the report has what would be done under ``reported``.
        limit: Stop after so many findings.
        progress: Called with each finding.
        force: Allow a grace of less than ten minutes.

    Raises:
        ConfigError: No claim that holds, a column in this process writes to a swept store and is left out, or a grace too short.
    """
    if claim not in {"label", "prefix"}:
        raise ConfigError("claim is 'label' or 'prefix': a bucket may hold other people's data")
    if dangling not in {"report", "null", "restore"}:
        raise ValueError(f"dangling is 'report', 'null' or 'restore', not {dangling!r}")
    if grace < SHORTEST and not force:
        raise ConfigError(
            "a grace of less than ten minutes may be shorter than a transaction: give force=True if you know better"
        )
    survey = Survey(bind, columns=columns, stores=stores, grace=grace)
    labels = _check_scope(survey, claim)
    return _Sweep(survey, labels, frozenset(kinds), dangling, dry_run=dry_run).run(limit, progress)


async def sweep_async(bind: Any, **options: Any) -> SweepReport:
    """Put right what crashes left behind. See `sweep`; the bind is an asyncio engine, connection or session."""
    return await greenlet_spawn(lambda: sweep(bind, **options))


def _check_scope(survey: Survey, claim: str) -> frozenset[str] | None:
    """Return the labels to look for, ``None`` if the prefix is claimed."""
    swept = {store_named(key).identity for key in survey.backends}
    chosen = {id(attribute.column) for attribute in survey.attributes}
    for attribute in every_attribute():
        key = attribute.type.backend
        known = key is not None and key in default_table()
        if known and id(attribute.column) not in chosen and store_named(key or "").identity in swept:
            raise ConfigError(f"{attribute.label} writes to {key!r} too: name it in columns=")
    if claim == "prefix":
        return None
    labels = frozenset(attribute.type.label for attribute in survey.attributes if attribute.type.label)
    if not labels or any(attribute.type.label is None for attribute in survey.attributes):
        raise ConfigError("claim='label' needs a label= on every column")
    for key in survey.backends:
        if not store_named(key).capabilities.metadata:
            raise ConfigError(f"{key!r} keeps no metadata, so that nothing there has a label")
    return labels


class _Sweep:
    def __init__(
        self, survey: Survey, labels: frozenset[str] | None, kinds: frozenset[Kind], dangling: str, *, dry_run: bool
    ) -> None:
        self._survey = survey
        self._labels = labels
        self._kinds = kinds
        self._dangling = dangling
        self._dry = dry_run
        self.report = SweepReport()

    def run(self, limit: int | None, progress: Callable[[Finding], Any] | None) -> SweepReport:
        waiting: list[Finding] = []
        rows: list[Finding] = []  # written when no cursor is open any more: SQLite has one lock
        with Inventory() as inventory:
            for number, finding in enumerate(self._survey.findings(inventory)):
                if limit is not None and number >= limit:
                    break
                if progress is not None:
                    progress(finding)
                if self._dry or (finding.kind not in self._kinds and finding.kind != "dangling"):
                    self.report.reported.append(finding)
                elif finding.primary_key is not None:
                    rows.append(finding)
                elif finding.kind == "incomplete":
                    self._abort(finding)
                else:
                    waiting.append(finding)
                if len(waiting) >= BATCH:
                    self._delete(waiting)
                    waiting = []
            self._delete(waiting)
        for finding in rows:
            (self._finish if finding.kind == "staged" else self._mend)(finding)
        if not self._dry and "staged" in self._kinds:
            self._tidy()
        return self.report

    # -- objects that no row holds ------------------------------------------------------------------------------------

    def _delete(self, findings: Sequence[Finding]) -> None:
        """Delete what still is as it was found, and still held by no row."""
        held = self._held([finding.key for finding in findings]) if findings else set[tuple[str, str]]()
        for finding in findings:
            store = store_named(finding.store)
            meta = head(store, finding.key)
            if (finding.store, finding.key) in held or meta is None or meta.etag != finding.etag:
                self.report.skipped.append(finding)
                continue
            if self._labels is not None and meta.metadata.get("holdall-label") not in self._labels:
                self.report.reported.append(finding)
                continue
            condition = meta.etag if store.capabilities.conditional_delete else None
            try:
                bridge.call(_delete_one, _delete_one_async, store, finding.key, condition)
                self.report.deleted.append(finding)
            except PreconditionError:
                self.report.skipped.append(finding)
            except HoldallError as error:
                self.report.failures.append(error)

    def _held(self, keys: Sequence[str]) -> set[tuple[str, str]]:
        """Return which of some keys rows hold now: one statement, so that a file that moves between columns is seen."""
        asked: list[Any] = []
        for number, attribute in enumerate(self._survey.attributes):
            column = attribute.column
            if attribute.type.multiple:
                text = cast(column, String)
                condition = or_(*(text.contains(f'"{key}"', autoescape=True) for key in keys))
            else:
                condition = or_(column["filename"].as_string().in_(keys), column["staged"].as_string().in_(keys))
            asked.append(select(literal(number), type_coerce(column, attribute.type.impl_instance)).where(condition))
        found: set[tuple[str, str]] = set()
        with self._survey.engine.connect() as connection:
            rows: Any = connection.execute(union_all(*asked))
            for number, value in rows:
                kind = self._survey.attributes[number].type
                for file in files_of(kind.process_result_value(value, connection.dialect)):
                    found |= {(file.backend_key or "", key) for key in (file.path, file.staged) if key is not None}
        return found

    def _abort(self, finding: Finding) -> None:
        store = store_named(finding.store)
        if self._labels is not None:
            self.report.reported.append(finding)
            return
        try:
            bridge.call(_abort_one, _abort_one_async, store, finding.key, finding.detail)
            self.report.deleted.append(finding)
        except HoldallError as error:
            self.report.failures.append(error)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _finish(self, finding: Finding) -> None:
        """Move a staged object to the place that its row says, the row being locked."""

        def act(file: FileObject) -> FileObject | None:
            store, staged = file.store, file.staged
            if staged is None or staged != finding.key:
                return None
            present, waiting = head(store, file.path), head(store, staged)
            if waiting is None or (present is not None and _later(present, waiting)):
                return None
            etag = (present.etag or "") if present is not None else None
            moved = bridge.call(placing.moved, placing_async.moved_async, store, staged, file.path, etag)
            file.staged, file.etag = None, moved
            return file

        if self._rewrite(finding, act):
            store = store_named(finding.store)
            bridge.call(_delete_one, _delete_one_async, store, finding.key, None)
            self.report.finished.append(finding)
        else:
            self.report.skipped.append(finding)

    def _mend(self, finding: Finding) -> None:
        """Do with a row without bytes what was asked for."""
        if self._dangling == "report":
            self.report.reported.append(finding)
            return

        def nothing(file: FileObject) -> FileObject | None:
            return _GONE if head(file.store, file.path) is None else None

        def restored(file: FileObject) -> FileObject | None:
            try:
                versions = bridge.call(file.store.versions, file.store.versions_async, file.path)
            except NotSupportedError:
                return None
            old = next((version for version in reversed(versions) if not version.delete_marker), None)
            if old is None:
                return None
            result = bridge.call(file.store.restore, file.store.restore_async, file.path, old.version)
            file.etag, file.version_id, file.staged = result.etag, result.version, None
            return file

        if self._rewrite(finding, nothing if self._dangling == "null" else restored):
            (self.report.nulled if self._dangling == "null" else self.report.restored).append(finding)
        else:
            self.report.skipped.append(finding)

    def _rewrite(self, finding: Finding, act: Callable[[FileObject], FileObject | None]) -> bool:
        """Change one file of one row, locked and unchanged since; tell whether it was."""
        named = (a for a in self._survey.attributes if a.column.table.name == finding.table and self._names(a, finding))
        attribute = next(named, None)
        if attribute is None:  # the row holds it no more
            return False
        column = attribute.column
        row = of_row(column.table, finding.primary_key or ())
        try:
            with self._survey.engine.begin() as connection:
                value = connection.execute(select(column).where(row).with_for_update()).scalar()
                done = False
                kept: list[FileObject] = []
                for file in files_of(value):
                    changed = act(file) if not done and finding.key in {file.path, file.staged} else None
                    done = done or changed is not None
                    if changed is not _GONE:
                        kept.append(changed or file)
                if done:
                    new: Any = kept if attribute.type.multiple else (kept[0] if kept else None)
                    connection.execute(update(column.table).where(row).values({column.name: new}))
                return done
        except HoldallError as error:
            self.report.failures.append(error)
            return False

    def _names(self, attribute: FileAttribute, finding: Finding) -> bool:
        """Tell whether a finding is about this column of its table."""
        column = attribute.column
        with self._survey.engine.connect() as connection:
            value = connection.execute(select(column).where(of_row(column.table, finding.primary_key or ()))).scalar()
        return any(finding.key in {file.path, file.staged} for file in files_of(value))

    def _tidy(self) -> None:
        """Let rows forget staged objects that were moved long ago."""
        for attribute in self._survey.attributes:
            column = attribute.column
            text = cast(column, String)
            statement = select(*column.table.primary_key, column).where(text.contains('"staged"'))
            with self._survey.engine.connect() as connection:
                rows = connection.execute(statement).all()
            for row in rows:
                for file in files_of(row[-1]):
                    if file.staged is not None and head(file.store, file.staged) is None:
                        finding = Finding(
                            kind="staged",
                            store=file.backend_key or "",
                            key=file.staged,
                            table=column.table.name,
                            primary_key=tuple(row[:-1]),
                        )
                        self.report.tidied += self._rewrite(finding, _settled)


_GONE = FileObject(None, "gone")


def _settled(file: FileObject) -> FileObject | None:
    meta = head(file.store, file.path)
    if meta is None or (file.staged is not None and head(file.store, file.staged) is not None):
        return None
    file.staged, file.etag = None, meta.etag
    return file


def _later(present: Any, waiting: Any) -> bool:
    """Tell whether a key was written after the content that waits for it: somebody else's, in a column that shares keys."""
    return bool(present.last_modified and waiting.last_modified and present.last_modified > waiting.last_modified)


def _delete_one(store: Any, key: str, etag: str | None) -> None:
    store.delete(key) if etag is None else store.delete(key, if_match=etag)


async def _delete_one_async(store: Any, key: str, etag: str | None) -> None:
    await (store.delete_async(key) if etag is None else store.delete_async(key, if_match=etag))


def _abort_one(store: Any, key: str, upload_id: str) -> None:
    store.parts(key, upload_id=upload_id).abort()


async def _abort_one_async(store: Any, key: str, upload_id: str) -> None:
    await (await store.parts_async(key, upload_id=upload_id)).abort_async()
