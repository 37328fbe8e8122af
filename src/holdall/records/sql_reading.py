"""Questions on one connection: SQL leaves a superset, the matcher decides, SQL sorts and cuts where it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import sqlalchemy as sa

from holdall._turns import in_turns
from holdall.records.errors import CorruptRecordError
from holdall.records.matching import predicate
from holdall.records.ordering import Leading, cursor_after, cursor_mark, placed
from holdall.records.pieces import MARK, SQL, Pushed, render
from holdall.records.query import Query
from holdall.records.record import Record
from holdall.records.results import Explanation, Problem, SearchResult
from holdall.records.sql_aside import aside, aside_for, characters, drawn
from holdall.records.sql_rows import possible, record_of_row
from holdall.records.sql_table import Layout, fetched, run
from holdall.records.sql_writing import BATCH, listed
from holdall.records.stride import Stride

__all__ = ["Plan", "Reader", "count", "ids_after", "inspected", "read", "read_many", "search"]


class Plan:
    """How a query is answered: what SQL selects, whether in the query's order, and what is left to do.

    Args:
        layout: Of the table.
        query: What is asked.
        part: What SQL selects, if not by the query's conditions.
        problems: Gets rows that cannot be read; if there is no list, that is raised.
    """

    def __init__(
        self, layout: Layout, query: Query, part: Pushed | None = None, problems: list[Problem] | None = None
    ) -> None:
        self.query, self.layout, self._problems = query, layout, problems
        self.part: Pushed = part or layout.where(query.condition)
        self.test = predicate(query.condition)
        self.by_id = all(sort.field == "id" for sort in query.sorting)
        self._down = bool(query.sorting) and query.sorting[0].order == "DESC"
        mark = cursor_mark(query)
        self._behind = None if mark is None else str(mark[-1])

    @property
    def exact(self) -> bool:
        """Whether SQL alone decides, and cuts the page."""
        return self.part.exact and self.by_id

    @property
    def single(self) -> bool:
        """Whether one statement answers; PostgreSQL sends long answers in pages, that no event loop waits for all of it."""
        return self.exact and (self.layout.lite or (self.query.count is not None and self.query.count < BATCH))

    def _select(self, last: str | None, end: str = "") -> SQL:
        """Return the statement that selects what may be in the result, in order of ids."""
        down = self._down and self.by_id
        tests, values = [self.part.loose.text], list(self.part.loose.values)
        if last is not None:
            tests.append(f"t.id {'<' if down else '>'} {MARK}")
            values.append(last)
        order = "DESC" if down else "ASC"
        where = " AND ".join(tests)
        text = f"SELECT {self.layout.selected} FROM {self.layout.name} AS t WHERE {where} ORDER BY t.id {order}{end}"
        return SQL(text, tuple(values))

    def whole(self) -> SQL:
        """Return the statement that alone answers an exact query, with one row more than its page, to see whether there is another."""
        end = "" if self.query.count is None else f" LIMIT {self.query.count + 1}"
        if self.query.skip:
            end += f" OFFSET {self.query.skip}" if end or not self.layout.lite else f" LIMIT -1 OFFSET {self.query.skip}"
        return self._select(self._behind, end)

    def pages(self, connection: sa.Connection, most: int = BATCH) -> Iterator[list[sa.Row[Any]]]:
        """Yield the rows that may match, in order of ids, so many at once or fewer if they are long.

        Pages instead of a cursor of the server: what a cancelled task leaves behind is a connection, which the pool knows to end.
        """
        last = self._behind if self.by_id else None
        stride = Stride(most)
        while True:
            limit = stride.size
            rows = self.page(connection, last, limit)
            stride.took(len(rows), characters(rows))
            yield rows
            if len(rows) < limit:
                return
            last = str(rows[-1][0])

    def page(self, connection: sa.Connection, last: str | None, limit: int) -> list[sa.Row[Any]]:
        """Return the next rows that may match, in order of ids."""
        sql = self._select(last, f" LIMIT {limit}")
        return fetched(connection, self.layout, sql.text, sql.values)

    def made(self, rows: Sequence[Sequence[Any]]) -> Iterator[Record]:
        """Yield the records of rows that match."""
        return filter(self.test, map(record_of_row, rows) if self._problems is None else _legible(rows, self._problems))

    def matching(self, connection: sa.Connection, most: int = BATCH) -> Iterator[list[Record]]:
        """Yield the records that match, in lists; the query's own page is cut if it goes by id, with one more."""
        skip, left = (self.query.skip, self.query.count) if self.by_id else (0, None)
        for rows in self.pages(connection, most):
            needed = None if left is None else skip + left + 1  # what is behind the page need not be readable
            found = drawn(islice(self.made(rows), needed), rows)
            now, skip = found[skip:], max(0, skip - len(found))
            yield now
            if left is not None:
                left -= len(now)
                if left < 0:
                    return

    def shown(self, records: list[Record]) -> list[Record]:
        """Return the parts of records that the query selects."""
        paths = self.query.paths
        return aside(lambda: [record.project(*paths) for record in in_turns(records)]) if paths and records else records

    def explain(self) -> Explanation:
        """Say how the query is answered."""
        text, values = render(
            self.whole() if self.single else self._select(self._behind, f" LIMIT {BATCH}"), self.layout.dialect
        )
        return Explanation(
            sql=text,
            params=tuple(values),
            exact=self.exact,
            requests="1 statement" if self.single else f"1 statement per {BATCH} rows, or fewer that are long",
        )


def read(connection: sa.Connection, layout: Layout, id: str) -> Record | None:
    """Return a record."""
    if not possible(id):
        return None
    row = run(connection, layout, f"SELECT {layout.selected} FROM {layout.name} AS t WHERE t.id = {MARK}", (id,)).first()
    return None if row is None else drawn(map(record_of_row, [row]), [row])[0]


def read_many(connection: sa.Connection, layout: Layout, ids: Sequence[str]) -> dict[str, Record | Exception]:
    """Return those records of some ids that are there; an error for one that is unreadable."""
    rows = _rows_of(connection, layout, ids)
    return dict(drawn(map(_answer, rows), rows))


def _rows_of(connection: sa.Connection, layout: Layout, ids: Sequence[str]) -> list[sa.Row[Any]]:
    marks, values = listed(layout, ids)
    return fetched(connection, layout, f"SELECT {layout.selected} FROM {layout.name} AS t WHERE t.id {marks}", values)


def inspected(connection: sa.Connection, layout: Layout, last: str | None, stride: Stride) -> dict[str, Exception | None]:
    """Return the next ids, each with why its record cannot be read, if so; none at the end."""
    rows = Plan(layout, Query()).page(connection, last, stride.size)
    stride.took(len(rows), characters(rows))

    def judged() -> dict[str, Exception | None]:
        answers = map(_answer, rows)
        return {id: answer if isinstance(answer, Exception) else None for id, answer in answers}

    return aside_for(rows, judged)


def _answer(row: Sequence[Any]) -> tuple[str, Record | Exception]:
    try:
        return row[0], record_of_row(row)
    except CorruptRecordError as error:
        return row[0], error


def _legible(rows: Sequence[Sequence[Any]], problems: list[Problem]) -> Iterator[Record]:
    """Yield the records of rows, and note those that cannot be read."""
    for row in rows:
        try:
            yield record_of_row(row)
        except CorruptRecordError as error:
            problems.append(Problem(key=row[0], id=row[0], reason=error.reason))


def search(connection: sa.Connection, plan: Plan) -> SearchResult:
    """Return the records of a query."""
    query = plan.query
    if query.count == 0:
        return SearchResult()
    if not plan.by_id:
        found, more = _leading(connection, plan)
    else:
        if plan.single:
            sql = plan.whole()
            rows = fetched(connection, plan.layout, sql.text, sql.values)
            found = drawn(map(record_of_row, rows), rows)
        else:
            found = [record for page in plan.matching(connection) for record in page]
        more = query.count is not None and len(found) > query.count
        found = found[: query.count]
    cursor = None
    if more and found:
        cursor = cursor_after(query, found[-1]) if plan.by_id else aside(lambda: cursor_after(query, found[-1]))
    return SearchResult(plan.shown(found), cursor=cursor)


def _leading(connection: sa.Connection, plan: Plan) -> tuple[list[Record], bool]:
    """Return the page of a query in another order than by id, and whether more follow."""
    query = plan.query
    leading = Leading[Record](query)
    for rows in plan.pages(connection):
        aside_for(rows, partial(leading.add, placed(query, plan.made(rows))))
    return aside(leading.page)


def count(connection: sa.Connection, plan: Plan) -> int:
    """Count; only rows of which SQL is not sure are read."""
    part, layout = plan.part, plan.layout
    text = f"SELECT count(*) FROM {layout.name} AS t WHERE {part.sure.text}"
    total = int(run(connection, layout, text, part.sure.values).scalar_one())
    if part.exact:
        return total
    unsure = Pushed(
        _NONE, SQL(f"({part.loose.text}) AND ({part.sure.text}) IS NOT TRUE", (*part.loose.values, *part.sure.values))
    )
    return total + sum(len(records) for records in Plan(layout, plan.query, unsure).matching(connection))


_NONE = SQL("FALSE")


def ids_after(connection: sa.Connection, layout: Layout, prefix: str, last: str | None) -> list[str]:
    """Return the next ids that start with a text."""
    starts = f"substr(t.id, 1, {len(prefix)}) = {MARK}" if layout.lite else f"starts_with(t.id, {MARK})"
    values = [prefix, prefix] if last is None else [prefix, last]
    sign = ">=" if last is None else ">"
    text = f"SELECT t.id FROM {layout.name} AS t WHERE {starts} AND t.id {sign} {MARK} ORDER BY t.id LIMIT {BATCH}"
    return [str(id) for (id,) in fetched(connection, layout, text, values)]


class Reader:
    """Reads a query's records in steps, on one connection, with bounded memory: each step is one call on it.

    By id, pages come as they are asked for. Any other order is found first, from sort values and ids alone.
    """

    def __init__(self, layout: Layout, query: Query, batch_size: int, problems: list[Problem] | None) -> None:
        self._plan = Plan(layout, query, problems=problems)
        self._layout, self._size = layout, batch_size
        self._pages: Iterator[list[Record]] | None = None
        self._order: list[str] | None = None
        self._at = 0
        self._stride = Stride(batch_size)
        self._left = query.count

    def step(self, connection: sa.Connection) -> list[Record]:
        """Return the next records, none at the end."""
        if self._left == 0:
            return []
        return self._plan.shown(self._by_id(connection) if self._plan.by_id else self._sorted(connection))

    def _by_id(self, connection: sa.Connection) -> list[Record]:
        if self._pages is None:
            self._pages = self._plan.matching(connection, self._size)
        found = next(filter(None, self._pages), list[Record]())
        if self._left is not None:
            found = found[: self._left]
            self._left -= len(found)
        return found

    def _sorted(self, connection: sa.Connection) -> list[Record]:
        if self._order is None:
            self._order = self._ordered(connection)
        now = self._order[self._at : self._at + self._stride.size]
        if not now:
            return []
        self._at += len(now)
        rows = _rows_of(connection, self._layout, now)
        self._stride.took(len(rows), characters(rows))
        there = {record.id: record for record in drawn(map(record_of_row, rows), rows)}
        return [there[id] for id in now]

    def _ordered(self, connection: sa.Connection) -> list[str]:
        """Return the ids of the query's page in its order; records are let go of as they pass."""
        query = self._plan.query
        leading = Leading[str](query)
        for rows in self._plan.pages(connection):
            matches = placed(query, self._plan.made(rows))
            aside_for(rows, partial(leading.add, ((key, str(record.id)) for key, record in matches)))
        return aside(leading.page)[0]

    def all(self, connection: sa.Connection) -> list[Record]:
        """Return what is left."""
        found: list[Record] = []
        while step := self.step(connection):
            found += step
        return found
