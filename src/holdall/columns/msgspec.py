"""msgspec: hooks that encode and decode files as rows have them."""

from __future__ import annotations

from typing import Any

from holdall.columns.file import FileObject
from holdall.columns.lists import FileList

__all__ = ["dec_hook", "enc_hook"]


def enc_hook(value: Any) -> Any:
    """Return what msgspec can encode; for ``msgspec.json.Encoder(enc_hook=…)``.

    Example:
        >>> enc_hook(FileObject("uploads", "a.txt"))["filename"]
        'a.txt'
    """
    if isinstance(value, FileObject):
        return value.to_dict()
    raise NotImplementedError(f"cannot encode a {type(value).__name__}")


def dec_hook(kind: type, value: Any) -> Any:
    """Return a file of its document; for ``msgspec.json.Decoder(dec_hook=…)``.

    Example:
        >>> dec_hook(FileObject, {"filename": "a.txt", "backend": "uploads"})
        FileObject(backend='uploads', filename='a.txt')
    """
    if kind is FileObject:
        if not isinstance(value, dict) or not isinstance(value.get("filename"), str):
            raise ValueError("a file is an object with a filename")
        return FileObject.from_dict(value)
    if kind is FileList:
        if not isinstance(value, list):
            raise ValueError("a list of files is an array")
        return FileList([dec_hook(FileObject, document) for document in value])
    raise NotImplementedError(f"cannot decode a {kind.__name__}")
