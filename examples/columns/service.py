"""A service over one model on plain SQLAlchemy: what the routes of an application call."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

Model = TypeVar("Model")
Schema = TypeVar("Schema")


class NoSuchRowError(LookupError):
    """There is no row of this id."""


class DocumentService(Generic[Model]):
    """Creates and reads rows; each call is committed when it returns."""

    def __init__(self, session: AsyncSession, model: type[Model]) -> None:
        self.session = session
        self.model = model

    async def create(self, row: Model) -> Model:
        self.session.add(row)
        await self.session.commit()
        return row

    async def get(self, row_id: UUID) -> Model:
        row = await self.session.get(self.model, row_id)
        if row is None:
            raise NoSuchRowError(str(row_id))
        return row

    def to_schema(self, row: Any, *, schema_type: Callable[..., Schema]) -> Schema:
        names = schema_type.__annotations__
        return schema_type(**{name: getattr(row, name) for name in names})
