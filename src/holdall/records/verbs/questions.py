"""Verbs that ask: search, stream, count, SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from holdall.records.drafts import checked
from holdall.records.errors import QueryError
from holdall.records.query import And, Condition, Filter, Not, Or, Query
from holdall.records.record import Record
from holdall.records.results import Explanation, Problem, SearchResult
from holdall.records.verbs.base import Verbs

__all__ = ["QuestionVerbs", "as_query"]


class QuestionVerbs(Verbs):
    """Which records there are, and how many."""

    def search(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> SearchResult:
        """Return the records of a query.

        Args:
            query: A query or a condition; all records if ``None``.
            max_age: How old what is kept locally may be, in seconds; the database's ``cache_ttl`` if ``None``.

        Raises:
            QueryError: It is no query, or has a cursor of another one.
            ValueError: ``max_age`` is no number of seconds.
        """
        return self._blocking.search(as_query(query), _age(max_age))

    async def search_async(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> SearchResult:
        """Return the records of a query. See `search`."""
        return await self._async.search_async(as_query(query), _age(max_age))

    def all(self) -> list[Record]:
        """Return all records, by id."""
        return list(self.search())

    async def all_async(self) -> list[Record]:
        """Return all records, by id."""
        return list(await self.search_async())

    def stream(
        self,
        query: Query | Condition | None = None,
        *,
        batch_size: int = 1000,
        max_age: float | None = None,
        unreadable: list[Problem] | None = None,
    ) -> Iterator[Record]:
        """Yield the records of a query (all of it: sort, page, select) with bounded memory; close it early as you like.

        Args:
            query: A query or a condition.
            batch_size: Records fetched at once.
            max_age: See `search`.
            unreadable: Gets a `Problem` for each record that cannot be read; without it the first one is raised, or (objects with
                ``on_corrupt="report"``) an `UnreadableWarning` at the end names them.
        """
        wanted = as_query(query), _positive("batch_size", batch_size), _age(max_age)
        return self._blocking.stream(*wanted) if unreadable is None else self._blocking.legible(*wanted, unreadable)

    def stream_async(
        self,
        query: Query | Condition | None = None,
        *,
        batch_size: int = 1000,
        max_age: float | None = None,
        unreadable: list[Problem] | None = None,
    ) -> AsyncIterator[Record]:
        """Yield the records of a query. See `stream`."""
        wanted = as_query(query), _positive("batch_size", batch_size), _age(max_age)
        return self._async.stream_async(*wanted) if unreadable is None else self._async.legible_async(*wanted, unreadable)

    def ids(self, prefix: str = "") -> Iterator[str]:
        """Yield the ids that start with a text."""
        return self._blocking.ids(_beginning(prefix))

    def ids_async(self, prefix: str = "") -> AsyncIterator[str]:
        """Yield the ids that start with a text."""
        return self._async.ids_async(_beginning(prefix))

    def count(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> int:
        """Count the records for which a query's conditions hold; sort and page do not matter."""
        return self._blocking.count(None if query is None else as_query(query), _age(max_age))

    async def count_async(self, query: Query | Condition | None = None, *, max_age: float | None = None) -> int:
        """Count records. See `count`."""
        return await self._async.count_async(None if query is None else as_query(query), _age(max_age))

    def select_query(
        self, sql: str, params: Sequence[Any] = (), *, timeout: float = 30, max_age: float | None = None
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT`` over ``records``, also named ``S3Object``.

        It has a column per top-level field, beside ``id``, ``created_at``, ``updated_at``, ``version`` and ``metadata``. SQL sees a
        `Decimal` as a number, times in ISO 8601, UUIDs as text, bytes as base64; a field that stands by itself comes back as it was stored.

        Args:
            sql: One statement; values go into ``params``, for each ``?`` one.
            params: Values: numbers, text, bytes, times, UUIDs, ``None``.
            timeout: Seconds.
            max_age: See `search`.

        Raises:
            QueryError: No ``SELECT``, a write, several statements, or wrong SQL; ``params`` are no list of values.
            ValueError: ``timeout`` or ``max_age`` is no number of seconds.
        """
        return self._blocking.select(sql, _values(params), _age(max_age), _bound(timeout))

    async def select_query_async(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        timeout: float = 30,
        max_age: float | None = None,
    ) -> list[dict[str, Any]]:
        """Answer one read-only ``SELECT``. See `select_query`."""
        return await self._async.select_async(sql, _values(params), _age(max_age), _bound(timeout))

    def explain(self, query: Query | Condition | None = None) -> Explanation:
        """Say how a query would be answered; nothing is asked."""
        return self._blocking.explain(as_query(query))

    async def explain_async(self, query: Query | Condition | None = None) -> Explanation:
        """Say how a query would be answered."""
        return await self._async.explain_async(as_query(query))


def as_query(query: Query | Condition | None) -> Query:
    """Return a query for what a caller may hand in.

    Raises:
        QueryError: Neither a query nor a condition.
    """
    if query is None:
        return Query()
    if isinstance(query, Query):
        return query
    if isinstance(query, (Filter, And, Or, Not)):
        return Query().filter(query)
    raise QueryError(f"search takes a Query or a condition, not {type(query).__name__}")


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")
    return value


def _age(max_age: float | None) -> float | None:
    known = max_age is None or (isinstance(max_age, (int, float)) and not isinstance(max_age, bool) and max_age >= 0)
    if not known:
        raise ValueError(f"max_age is a number of seconds of at least 0, not {max_age!r}")
    return max_age


def _bound(timeout: float) -> float:
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not timeout > 0:
        raise ValueError(f"timeout is a number of seconds above 0, not {timeout!r}")
    return timeout


def _beginning(prefix: str) -> str:
    return "" if prefix == "" else checked(prefix)


def _values(params: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(params, (str, bytes, Mapping)):
        raise QueryError(f"params are a list of values, one for each '?', not a {type(params).__name__}")
    return tuple(params)
