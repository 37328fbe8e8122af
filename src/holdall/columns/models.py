"""A declarative base whose models have files: an id, and when a row was made and changed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from holdall.columns.names import uuid7
from holdall.columns.types import type_map

__all__ = ["UTCDateTime", "UUIDAuditBase"]


class UTCDateTime(TypeDecorator[datetime]):
    """A time that is aware and in UTC, also where the database keeps none of it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the time in UTC.

        Raises:
            TypeError: It is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a naive time: say which zone it is in")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the time, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _now() -> datetime:
    return datetime.now(UTC)


class UUIDAuditBase(DeclarativeBase):
    """Base of models with ``id``, ``created_at`` and ``updated_at``; ``Mapped[FileObject]`` works without a column type."""

    type_annotation_map: ClassVar[dict[Any, Any]] = type_map()

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-100)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=_now, sort_order=100)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=_now, onupdate=_now, sort_order=101)
