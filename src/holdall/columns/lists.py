"""`FileList`: the value of a column with ``multiple=True``; changes in place are noticed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, SupportsIndex

from holdall.columns.file import FileObject
from holdall.columns.value import FileValue, Parent

__all__ = ["FileList", "FileObjectList"]


class FileList(list[FileObject]):
    """A list of files that tells its row when it is changed in place.

    Examples:
        >>> files = FileList([FileObject("uploads", "a.txt")])
        >>> files.append(FileObject("uploads", "b.txt"))
        >>> [file.filename for file in files]
        ['a.txt', 'b.txt']
    """

    __slots__ = ("_parents",)

    def __init__(self, files: Iterable[FileObject] = ()) -> None:
        super().__init__(self._taken(files))
        self._parents: tuple[Parent, ...] = ()

    def changed(self) -> None:
        """Tell the row."""
        for parent in self._parents:
            parent.changed()

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, self._taken(value) if isinstance(index, slice) else self._one(value))
        self.changed()

    def __delitem__(self, index: Any) -> None:
        super().__delitem__(index)
        self.changed()

    def __iadd__(self, files: Iterable[FileObject]) -> Self:  # type: ignore[override,misc]  # what `+=` gives here
        self.extend(files)
        return self

    def __imul__(self, times: SupportsIndex) -> Self:
        super().__imul__(times)
        self.changed()
        return self

    def append(self, file: FileObject) -> None:
        """Add a file. See `list.append`."""
        super().append(self._one(file))
        self.changed()

    def extend(self, files: Iterable[FileObject]) -> None:
        """Add files. See `list.extend`."""
        super().extend(self._taken(files))
        self.changed()

    def insert(self, index: SupportsIndex, file: FileObject) -> None:
        """Put a file before an index. See `list.insert`."""
        super().insert(index, self._one(file))
        self.changed()

    def pop(self, index: SupportsIndex = -1) -> FileObject:
        """Remove a file and return it. See `list.pop`."""
        file = super().pop(index)
        self.changed()
        return file

    def remove(self, file: FileObject) -> None:
        """Remove a file. See `list.remove`."""
        super().remove(file)
        self.changed()

    def clear(self) -> None:
        """Remove all. See `list.clear`."""
        super().clear()
        self.changed()

    def sort(self, **options: Any) -> None:
        """Sort. See `list.sort`."""
        super().sort(**options)
        self.changed()

    def reverse(self) -> None:
        """Turn around. See `list.reverse`."""
        super().reverse()
        self.changed()

    def same(self, other: Any) -> bool:
        """Tell whether two lists say the same. See `FileObject.same`."""
        return self is other or (len(self) == len(other) and all(a.same(b) for a, b in zip(self, other, strict=True)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)

    def _attach(self, parent: Parent) -> None:
        if parent not in self._parents:
            self._parents = (*self._parents, parent)
        for file in self:
            file._attach(self)

    def _detach(self, parent: Parent) -> None:
        self._parents = tuple(p for p in self._parents if p != parent)

    def _one(self, file: Any) -> FileObject:
        if not isinstance(file, FileValue):
            raise TypeError(f"a list of files takes FileObject, not {type(file).__name__}")
        file._attach(self)
        return file  # type: ignore[return-value]  # there is one kind of value

    def _taken(self, files: Iterable[Any]) -> list[FileObject]:
        return [self._one(file) for file in files]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Tell Pydantic how to read and write it."""
        from holdall.columns.pydantic import list_schema  # noqa: PLC0415  # only Pydantic calls this

        return list_schema(cls)


FileObjectList = FileList
