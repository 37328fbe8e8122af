"""What the benchmarks of columns need of either library, by its public names: values, a model, sessions."""

import asyncio
import contextlib
import os

ADVANCED = "advanced-alchemy"
MEDIA = ("memory", "local")
KEPT = []
"""What gives sessions would close them when collected."""


class Face:
    """One library with one kind of backend: ``advanced-alchemy fsspec``, ``holdall obstore``, ``holdall`` with its own drivers."""

    def __init__(self, variant, root):
        self.library, _, kind = variant.partition(" ")
        self.theirs = self.library == ADVANCED
        if self.theirs:
            from advanced_alchemy.types.file_object import FileObject, StoredObject, storages
        else:
            from holdall import storages
            from holdall.columns import FileObject, StoredObject
        self.FileObject, self.StoredObject = FileObject, StoredObject
        self.root = os.path.join(root, variant.replace(" ", "-"))
        os.makedirs(self.root, exist_ok=True)
        for medium, backend in getattr(self, f"_{kind or 'own'}")().items():
            storages.register_backend(backend, **({} if kind else {"key": medium}))

    def _own(self):
        from holdall.drivers.local import LocalStore
        from holdall.drivers.memory import MemoryStore

        return {"memory": MemoryStore(), "local": LocalStore(self.root)}

    def _fsspec(self):
        import fsspec

        if self.theirs:
            from advanced_alchemy.types.file_object.backends.fsspec import FSSpecBackend
        else:
            from holdall.columns import FSSpecBackend
        return {
            "memory": FSSpecBackend(key="memory", fs=fsspec.filesystem("memory")),
            "local": FSSpecBackend(key="local", fs=fsspec.filesystem("file", auto_mkdir=True), prefix=self.root),
        }

    def _obstore(self):
        if self.theirs:
            from advanced_alchemy.types.file_object.backends.obstore import ObstoreBackend
        else:
            from holdall.columns import ObstoreBackend
        return {
            "memory": ObstoreBackend(key="memory", fs="memory://"),
            "local": ObstoreBackend(key="local", fs=f"file://{self.root}/"),
        }

    def model(self, medium):
        """Return a model with a column of files."""
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Document(Base):
            __tablename__ = "documents"
            __annotations__ = {"id": Mapped[int], "file": Mapped[self.FileObject | None]}
            id = mapped_column(primary_key=True)
            file = mapped_column(self.StoredObject(backend=medium))

        return Document

    def session(self, database):
        """Return a blocking session of a database, open until the process ends."""
        if self.theirs:
            from advanced_alchemy.config import SQLAlchemySyncConfig, SyncSessionConfig

            config = SQLAlchemySyncConfig(
                connection_string=f"sqlite:///{database}", session_config=SyncSessionConfig(expire_on_commit=False)
            )
            KEPT.append(config.get_session())
            return KEPT[-1].__enter__()
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        return Session(create_engine(f"sqlite:///{database}"), expire_on_commit=False)

    @contextlib.asynccontextmanager
    async def session_async(self, database):
        """Give a session to be awaited."""
        if self.theirs:
            from advanced_alchemy.config import AsyncSessionConfig, SQLAlchemyAsyncConfig

            config = SQLAlchemyAsyncConfig(
                connection_string=f"sqlite+aiosqlite:///{database}",
                session_config=AsyncSessionConfig(expire_on_commit=False),
            )
            engine, session = config.get_engine(), config.get_session()
        else:
            from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

            engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
            session = AsyncSession(engine, expire_on_commit=False)
        async with session as made:
            yield made
        await engine.dispose()


async def durable():
    """Wait for what a library still does in tasks of its own after ``commit()``: the bytes have to be there."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others)
