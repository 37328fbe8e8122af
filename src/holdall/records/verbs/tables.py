"""Verbs that turn records into tables and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from holdall._concurrency import run_async
from holdall.records.export import ExportReport, Format, as_pandas, as_polars, table_of
from holdall.records.lengthy import let_go
from holdall.records.query import Condition, Query
from holdall.records.verbs.questions import QuestionVerbs

__all__ = ["TableVerbs"]


class TableVerbs(QuestionVerbs):
    """Arrow, pandas, polars, files."""

    def to_arrow(self, query: Query | Condition | None = None) -> Any:
        """Return the records of a query as a `pyarrow.Table`: the id, a column per field (mixed ones as JSON text), the times."""
        return table_of(self.stream(query))

    async def to_arrow_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `pyarrow.Table`. See `to_arrow`."""
        records = [record async for record in self.stream_async(query)]

        def made() -> Any:
            table = table_of(records)
            let_go(records)
            return table

        return await run_async(made)

    def to_pandas(self, query: Query | Condition | None = None) -> Any:
        """Return a `pandas.DataFrame`. See `to_arrow`."""
        return as_pandas(self.to_arrow(query))

    async def to_pandas_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `pandas.DataFrame`. See `to_arrow`."""
        table = await self.to_arrow_async(query)
        return await run_async(lambda: as_pandas(table))

    def to_polars(self, query: Query | Condition | None = None) -> Any:
        """Return a `polars.DataFrame`. See `to_arrow`."""
        return as_polars(self.to_arrow(query))

    async def to_polars_async(self, query: Query | Condition | None = None) -> Any:
        """Return a `polars.DataFrame`. See `to_arrow`."""
        table = await self.to_arrow_async(query)
        return await run_async(lambda: as_polars(table))

    def export(
        self,
        where: str | os.PathLike[str],
        query: Query | Condition | None = None,
        *,
        format: Format | None = None,
        columns: Sequence[str] | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> ExportReport:
        """Write the records of a query to a file on any storage, or to a Delta table; whole or not at all, with bounded memory.

        Args:
            where: A path, URL or ``mount:path``; for Delta a directory or what `deltalake` takes.
            query: Which records.
            format: ``parquet``, ``arrow``, ``csv``, ``jsonl`` or ``delta``; by the suffix if not given.
            columns: The id and these paths alone; else the id, all fields, the metadata and the times. ``metadata``, ``created_at`` and
                ``updated_at`` are the record's; a field of such a name is ``fields.<name>``.
            storage_options: Of `deltalake`, for Delta on an object store.
        """
        from holdall.records.export_files import format_of, write_file  # noqa: PLC0415  # only where files are written

        return write_file(
            where,
            lambda: self.stream(query),
            format=format_of(where, format),
            columns=columns,
            storage_options=storage_options,
        )

    async def export_async(
        self,
        where: str | os.PathLike[str],
        query: Query | Condition | None = None,
        *,
        format: Format | None = None,
        columns: Sequence[str] | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> ExportReport:
        """Write records to a file, in a thread: the libraries of these formats block. See `export`."""
        from holdall.records.export_files import format_of, write_file  # noqa: PLC0415

        cancelled = False

        def write() -> ExportReport:
            return write_file(
                where,
                lambda: self.stream(query),
                format=format_of(where, format),
                columns=columns,
                storage_options=storage_options,
                stopped=lambda: cancelled,
            )

        try:
            return await run_async(write)
        finally:
            cancelled = True
