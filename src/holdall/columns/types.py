"""`StoredObject`: the column type. JSON in the row, bytes in a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy import JSON, Index, event, func, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator

from holdall.columns.errors import UnsavedFileError
from holdall.columns.file import FileObject
from holdall.columns.lists import FileList
from holdall.columns.rules import Rules

__all__ = ["StoredObject", "key_index", "normalise_nulls", "type_map"]

Naming = Literal["verbatim", "unique"] | Callable[[FileObject, Any], str]


class _UnsavedError(UnsavedFileError, DontWrapMixin):
    """As it leaves a statement: SQLAlchemy hands it on unwrapped."""


class _WrongTypeError(TypeError, DontWrapMixin):
    """As it leaves a statement: SQLAlchemy hands it on unwrapped."""


class StoredObject(TypeDecorator[Any]):
    """A column of files: its values are `FileObject`, or with ``multiple`` a `FileList`; ``None`` is NULL.

    Args:
        backend: Key of the backend of files that name none.
        multiple: A list of files.
        naming: The key of a file without ``to_filename``: ``verbatim``, its name; ``unique``, a new one each time (recommended
            for what users upload); or a function of the file and a `Naming` context.
        on_conflict: What happens if that key is taken by something that is not the row's own file: ``rename``, ``error``, ``replace``.
        on_delete: ``remove`` deletes files that rows let go of; ``keep`` leaves them.
        min_size, max_size: Bytes.
        content_types: Patterns such as ``image/*``.
        extensions: Suffixes of the original name.
        validators: Functions (also coroutine functions, for asyncio sessions) of the file and its first 4 KiB, that raise.
        object_metadata: Whether the scalar values of `FileObject.metadata` are kept at the object too; or the names of those.
        checksum: ``sha256`` or ``None``.
        label: Written at every object, so that `holdall.columns.sweep` knows its own in a shared bucket.
        strict_backend: A file that names another backend is an error.
        concurrency: Uploads at once.

    Example:
        >>> StoredObject(backend="uploads", max_size=10_000_000)
        StoredObject(backend='uploads')
    """

    impl = JSON
    cache_ok = True

    def __init__(
        self,
        backend: str | None = None,
        multiple: bool = False,
        *,
        naming: Naming = "verbatim",
        on_conflict: Literal["rename", "error", "replace"] = "rename",
        on_delete: Literal["remove", "keep"] = "remove",
        min_size: int | None = None,
        max_size: int | None = None,
        content_types: tuple[str, ...] = (),
        extensions: tuple[str, ...] = (),
        validators: tuple[Any, ...] = (),
        object_metadata: bool | tuple[str, ...] = True,
        checksum: Literal["sha256"] | None = "sha256",
        label: str | None = None,
        strict_backend: bool = False,
        concurrency: int = 16,
    ) -> None:
        super().__init__(none_as_null=True)
        for name, value, allowed in (
            ("naming", naming, ("verbatim", "unique")),
            ("on_conflict", on_conflict, ("rename", "error", "replace")),
            ("on_delete", on_delete, ("remove", "keep")),
            ("checksum", checksum, ("sha256", None)),
        ):
            if value not in allowed and not (name == "naming" and callable(value)):
                raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
        if concurrency < 1:
            raise ValueError("concurrency is at least 1")
        self.backend = backend
        self.multiple = multiple
        self.naming = naming
        self.on_conflict = on_conflict
        self.on_delete = on_delete
        self.min_size = min_size
        self.max_size = max_size
        self.content_types = _texts(content_types)
        self.extensions = _texts(extensions)
        self.validators = tuple(validators)
        self.object_metadata = object_metadata if isinstance(object_metadata, bool) else tuple(object_metadata)
        self.checksum = checksum
        self.label = label
        self.strict_backend = strict_backend
        self.concurrency = concurrency
        self._rules = Rules(
            min_size=min_size,
            max_size=max_size,
            content_types=self.content_types,
            extensions=self.extensions,
            validators=self.validators,
            checksum=checksum is not None,
        )

    @property
    def rules(self) -> Rules:
        """What the column asks of its files."""
        return self._rules

    def coerced(self, value: Any) -> Any:
        """Return a value as the column holds it.

        Raises:
            TypeError: A list in a column of single files, or the reverse, or no file at all.
        """
        if value is None:
            return None
        if not self.multiple:
            if isinstance(value, FileObject):
                return value
            raise _WrongTypeError(f"this column takes one FileObject, not a {type(value).__name__}")
        if isinstance(value, FileList):
            return value
        if isinstance(value, FileObject):
            return FileList([value])
        if isinstance(value, (list, tuple, set, frozenset)):
            return FileList(value)
        raise _WrongTypeError(f"this column takes FileObject in a list, not a {type(value).__name__}")

    def __repr__(self) -> str:
        shown = [] if self.backend is None else [f"backend={self.backend!r}"]
        return f"StoredObject({', '.join(shown + ['multiple=True'] * self.multiple)})"

    # -- TypeDecorator ------------------------------------------------------------------------------------------------

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Use JSONB where the database has it."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(JSON(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Return the JSON of a value whose bytes are stored."""
        value = self.coerced(value)
        if value is None:
            return None
        return [self._document(file) for file in value] if self.multiple else self._document(value)

    def _document(self, file: FileObject) -> dict[str, Any]:
        if file.pending is not None:
            raise _UnsavedError(
                f"the content of {file.filename!r} is not stored: add the row to a session, or call save() first",
                key=file.path,
            )
        document = file.to_dict()
        if document["backend"] is None:
            document["backend"] = self.backend
        return document

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return the files of a row's JSON."""
        if value is None:
            return None
        if isinstance(value, list):
            return FileList([self._stored(document) for document in value])
        return self._stored(value)

    def _stored(self, document: Any) -> FileObject:
        """Return the file of a row's document: the row owns it, unless it says otherwise."""
        file = FileObject.from_dict(document)
        file.owned = not file.borrowed
        if file._backend is None:
            file._backend = self.backend
        return file

    def process_literal_param(self, value: Any, dialect: Any) -> Any:
        """Return the JSON of a value. See `process_bind_param`."""
        return self.process_bind_param(value, dialect)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare parts of the document as JSON does."""
        return self.impl_instance.coerce_compared_value(op, value)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Tell whether two values say the same; a new file with the old key and new bytes does not."""
        if x is y:
            return True
        return type(x) is type(y) and hasattr(x, "same") and x.same(y)


StoredObject.__module__ = "holdall.columns"  # where migrations import it from


def _texts(values: Any) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def type_map(backend: str | None = None, **options: Any) -> dict[Any, Any]:
    """Return a ``type_annotation_map`` for ``Mapped[FileObject]`` and ``Mapped[FileList]``.

    Args:
        backend: Key of the backend.
        options: Those of `StoredObject`.

    Example:
        >>> type_map(backend="uploads")[FileObject]
        StoredObject(backend='uploads')
    """
    return {
        FileObject: StoredObject(backend, **options),
        FileList: StoredObject(backend, multiple=True, **options),
    }


def key_index(attribute: Any, name: str | None = None) -> Index:
    """Return an expression index on the key of a column's files, for the table of a mapped class.

    Args:
        attribute: ``Document.file``.
        name: Of the index.
    """
    column = attribute.property.columns[0]
    return Index(name or f"ix_{column.table.name}_{column.name}_key", column["filename"].as_string())


def normalise_nulls(session: Any, attribute: Any) -> int:
    """Rewrite the JSON ``null`` of rows from elsewhere to NULL; return how many rows there were.

    Args:
        session: A session or connection; inside an asyncio session: ``await session.run_sync(normalise_nulls, Document.file)``.
        attribute: ``Document.file``.
    """
    column = attribute.property.columns[0]
    kind = func.jsonb_typeof if session.get_bind().dialect.name == "postgresql" else func.json_type
    result = session.execute(update(column.table).where(kind(column) == "null").values({column.name: None}))
    return int(result.rowcount)


@event.listens_for(Mapper, "mapper_configured")
def _configured(mapper: Any, cls: type) -> None:
    """Watch a mapped class that has columns of files; the first one attaches the hooks of sessions."""
    if any(isinstance(getattr(column, "type", None), StoredObject) for column in mapper.columns):
        from holdall.columns.hooks import attach  # noqa: PLC0415  # it needs this module
        from holdall.columns.tracking import watch  # noqa: PLC0415

        if watch(mapper, cls):
            attach(mapper)
