"""FastAPI: request bodies straight to the store, forms, streamed downloads, and ranges by holdall's own ASGI answers."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from examples.columns.models import Paper
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from holdall.columns import FileObject, safe_name

__all__ = ["make_app"]


class PaperOut(BaseModel):
    id: UUID
    title: str
    file: FileObject | None


def make_app(engine: AsyncEngine) -> FastAPI:
    app = FastAPI()

    async def opened() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            yield session

    async def upload(name: str, request: Request, session: Annotated[AsyncSession, Depends(opened)]) -> PaperOut:
        file = FileObject(
            "example", safe_name(name), content=request.stream(), content_type=request.headers.get("content-type")
        )
        await file.save_async(session=session, column=Paper.file)  # client-paced: no connection is held
        paper = Paper(title=name, file=file)
        session.add(paper)
        await session.commit()
        return PaperOut.model_validate(paper, from_attributes=True)

    async def download(paper_id: UUID, session: Annotated[AsyncSession, Depends(opened)]) -> StreamingResponse:
        paper = await session.get(Paper, paper_id)
        if paper is None or paper.file is None:
            raise HTTPException(404)
        file = paper.file
        return StreamingResponse(file.stream_async(), media_type=file.content_type, headers=file.headers())

    app.router.routes += [
        APIRoute("/papers/{name}", upload, methods=["PUT"]),
        APIRoute("/papers/{paper_id}/content", download, methods=["GET"]),
    ]
    return app
