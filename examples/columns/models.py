"""The model of the example applications: a document with a file of its own key."""

from sqlalchemy.orm import Mapped, mapped_column

from holdall.columns import FileObject, StoredObject
from holdall.columns.models import UUIDAuditBase


class Paper(UUIDAuditBase):
    __tablename__ = "example_papers"

    title: Mapped[str]
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="example", naming="unique", max_size=1 << 30))
