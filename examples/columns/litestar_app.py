"""Litestar: forms in, streams out."""

from collections.abc import AsyncIterator
from uuid import UUID

from examples.columns.models import Paper
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from holdall.columns import FileObject, safe_name
from holdall.columns.litestar import HoldallPlugin, Stream, UploadFile

__all__ = ["make_app"]


@post("/papers", request_max_body_size=1 << 30)  # as the column's max_size; Litestar's own limit is 10 MB
async def create(data: UploadFile, session: NamedDependency[AsyncSession]) -> FileObject:
    name = safe_name(data.filename)
    paper = Paper(title=name, file=FileObject("example", name, content=data.file, content_type=data.content_type))
    session.add(paper)
    await session.commit()  # the bytes are in the store when this returns
    assert paper.file is not None
    paper.file.update_metadata({"paper": str(paper.id)})
    await session.commit()
    return paper.file


@get("/papers/{paper_id:uuid}/content")
async def read(paper_id: FromPath[UUID], session: NamedDependency[AsyncSession]) -> Stream:
    paper = await session.get(Paper, paper_id)
    if paper is None or paper.file is None:
        raise NotFoundException(f"no file of {paper_id}")
    return Stream(paper.file)


def make_app(engine: AsyncEngine) -> Litestar:
    async def opened() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            yield session

    return Litestar([create, read], dependencies={"session": Provide(opened)}, plugins=[HoldallPlugin()])
