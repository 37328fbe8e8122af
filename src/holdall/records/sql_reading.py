"""Questions on one connection: SQL leaves a superset, the matcher decides, SQL sorts and cuts where it can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from holdall.records.matching import cursor_after, cursor_mark, cut, predicate, row_key
from holdall.records.pushdown import MARK, SQL, Pushed, render
from holdall.records.query import Query
from holdall.records.record import Record
from holdall.records.results import Explanation, SearchResult
from holdall.records.sql_rows import possible, record_of_row
from holdall.records.sql_table import Layout, run
from holdall.records.sql_writing import BATCH, listed

__all__ = ["Plan", "Reader", "count", "ids_after", "read", "read_many", "search"]


class Plan:
    """How a query is answered: what SQL selects, whether in the query's order, and what is left to do."""

    def __init__(self, layout: Layout, query: Query) -> None:
        self.query, self.layout = query, layout
        self.part: Pushed = layout.where(query.condition)
        self.test = predicate(query.condition)
        self.by_id = all(sort.field == "id" for sort in query.sorting)
        self._down = bool(query.sorting) and query.sorting[0].order == "DESC"
        mark = cursor_mark(query)
        self._behind = None if mark is None else str(mark[-1])

    @property
    def exact(self) -> bool:
        """Whether SQL alone decides, and cuts the page."""
        return self.part.exact and self.by_id

    def rows(self) -> SQL:
        """Return the statement that selects what may be in the result, in order of ids."""
        tests, values = [self.part.loose.text], list(self.part.loose.values)
        if self.by_id and self._behind is not None:
            tests.append(f"t.id {'<' if self._down else '>'} {MARK}")
            values.append(self._behind)
        order = "DESC" if self._down and self.by_id else "ASC"
        text = (
            f"SELECT {self.layout.selected} FROM {self.layout.name} AS t WHERE {' AND '.join(tests)} ORDER BY t.id {order}"
        )
        if self.exact and self.query.count is not None:
            text += f" LIMIT {self.query.count + 1}"  # one more tells whether there is another page
            text += f" OFFSET {self.query.skip}" if self.query.skip else ""
        return SQL(text, tuple(values))

    def open(self, connection: sa.Connection, size: int | None) -> sa.CursorResult[Any]:
        """Return the rows, so many at a time from a cursor of the database, or at once."""
        sql = self.rows()
        if size is None:
            return run(connection, self.layout, sql.text, sql.values)
        return run(connection, self.layout, sql.text, sql.values, yield_per=size)

    def matching(self, rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
        """Return the records that really match, with the page cut if the order of ids is the query's."""
        records = map(record_of_row, rows)
        found = records if self.part.exact else filter(self.test, records)
        if not self.by_id or (self.exact and self.query.count is not None):
            return found
        end = None if self.query.count is None else self.query.skip + self.query.count + 1
        return islice(found, self.query.skip, end)

    def shown(self, record: Record) -> Record:
        """Return the part of a record that the query selects."""
        return record.project(*self.query.paths) if self.query.paths else record

    def explain(self) -> Explanation:
        """Say how the query is answered."""
        text, values = render(self.rows(), self.layout.dialect)
        return Explanation(sql=text, params=tuple(values), exact=self.exact, requests="1 statement")


def read(connection: sa.Connection, layout: Layout, id: str) -> Record | None:
    """Return a record."""
    if not possible(id):
        return None
    row = run(connection, layout, f"SELECT {layout.selected} FROM {layout.name} AS t WHERE t.id = {MARK}", (id,)).first()
    return None if row is None else record_of_row(row)


def read_many(connection: sa.Connection, layout: Layout, ids: Sequence[str]) -> dict[str, Record | Exception]:
    """Return those records of some ids that are there; an error for one that is unreadable."""
    marks, values = listed(layout, ids)
    found: dict[str, Record | Exception] = {}
    for row in run(connection, layout, f"SELECT {layout.selected} FROM {layout.name} AS t WHERE t.id {marks}", values):
        try:
            found[row[0]] = record_of_row(row)
        except ValueError as error:
            found[row[0]] = error
    return found


def search(connection: sa.Connection, plan: Plan) -> SearchResult:
    """Return the records of a query."""
    query = plan.query
    if query.count == 0:
        return SearchResult()
    with plan.open(connection, None if plan.exact else BATCH) as rows:
        if plan.by_id:
            found = list(plan.matching(rows))
            more = query.count is not None and len(found) > query.count
            found = found[: query.count]
        else:
            found, more = cut(replace(query, paths=()), plan.matching(rows))
    cursor = cursor_after(query, found[-1]) if more and found else None
    return SearchResult(map(plan.shown, found), cursor=cursor)


def count(connection: sa.Connection, plan: Plan) -> int:
    """Count; only rows of which SQL is not sure are read."""
    part, layout = plan.part, plan.layout
    text = f"SELECT count(*) FROM {layout.name} AS t WHERE {part.sure.text}"
    total = int(run(connection, layout, text, part.sure.values).scalar_one())
    if part.exact:
        return total
    unsure = f"SELECT {layout.selected} FROM {layout.name} AS t WHERE {part.loose.text} AND ({part.sure.text}) IS NOT TRUE"
    with run(connection, layout, unsure, (*part.loose.values, *part.sure.values), yield_per=BATCH) as rows:
        return total + sum(plan.test(record_of_row(row)) for row in rows)


def ids_after(connection: sa.Connection, layout: Layout, prefix: str, last: str | None) -> list[str]:
    """Return the next ids that start with a text."""
    starts = f"substr(t.id, 1, {len(prefix)}) = {MARK}" if layout.lite else f"starts_with(t.id, {MARK})"
    values = [prefix, prefix] if last is None else [prefix, last]
    sign = ">=" if last is None else ">"
    text = f"SELECT t.id FROM {layout.name} AS t WHERE {starts} AND t.id {sign} {MARK} ORDER BY t.id LIMIT {BATCH}"
    return [str(id) for (id,) in run(connection, layout, text, values)]


class Reader:
    """Reads a query's records in steps, on one connection, with bounded memory: each step is one call on it.

    In the order of ids rows come from a cursor of the database. Any other order is found first, from sort values and ids alone.
    """

    def __init__(self, layout: Layout, query: Query, batch_size: int) -> None:
        self._plan = Plan(layout, query)
        self._layout, self._size = layout, batch_size
        self._rows: sa.CursorResult[Any] | None = None
        self._records: Iterator[Record] | None = None
        self._order: list[str] | None = None
        self._left = query.count

    def step(self, connection: sa.Connection) -> list[Record]:
        """Return the next records, none at the end."""
        if self._left == 0:
            return []
        return self._by_id(connection) if self._plan.by_id else self._sorted(connection)

    def _by_id(self, connection: sa.Connection) -> list[Record]:
        if self._records is None:
            self._rows = self._plan.open(connection, self._size)
            self._records = self._plan.matching(self._rows)
        most = self._size if self._left is None else min(self._size, self._left)
        found = [self._plan.shown(record) for record in islice(self._records, most)]
        if self._left is not None:
            self._left -= len(found)
        return found

    def _sorted(self, connection: sa.Connection) -> list[Record]:
        if self._order is None:
            self._order = self._ordered(connection)
        now, self._order = self._order[: self._size], self._order[self._size :]
        there = read_many(connection, self._layout, now) if now else {}
        found: list[Record] = []
        for id in now:
            record = there[id]
            if isinstance(record, Exception):
                raise record
            found.append(self._plan.shown(record))
        return found

    def _ordered(self, connection: sa.Connection) -> list[str]:
        """Return the ids of the query's page in its order; records are let go of as they pass."""
        query = self._plan.query
        mark = cursor_mark(query)
        with self._plan.open(connection, self._size) as rows:
            keys = [row_key(query, record) for record in self._plan.matching(rows)]
        keys.sort()
        chosen = [key for key in keys if mark is None or mark < key]
        end = None if query.count is None else query.skip + query.count
        return [str(key[-1]) for key in chosen[query.skip : end]]

    def all(self, connection: sa.Connection) -> list[Record]:
        """Return what is left."""
        found: list[Record] = []
        while step := self.step(connection):
            found += step
        return found

    def close(self, connection: sa.Connection) -> None:  # it stands for the place where this may run
        """Let go of the database's cursor."""
        if self._rows is not None:
            self._rows.close()
