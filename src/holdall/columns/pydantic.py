"""Pydantic 2: a `FileObject` in a model accepts itself, a dict or JSON as rows have it, and dumps `to_dict()`.

A client's JSON must not become a file of a row: it could name any key.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import core_schema

from holdall.columns.file import FileObject
from holdall.columns.lists import FileList

__all__ = ["file_schema", "list_schema"]


def _nullable(schema: core_schema.CoreSchema) -> core_schema.TypedDictField:
    return core_schema.typed_dict_field(core_schema.nullable_schema(schema), required=False)


def _document_schema() -> core_schema.CoreSchema:
    text = core_schema.str_schema
    return core_schema.typed_dict_schema(
        {
            "filename": core_schema.typed_dict_field(text(min_length=1)),
            "backend": core_schema.typed_dict_field(text()),
            "content_type": _nullable(text()),
            "size": _nullable(core_schema.int_schema(ge=0)),
            "last_modified": _nullable(core_schema.float_schema()),
            "checksum": _nullable(text()),
            "etag": _nullable(text()),
            "version_id": _nullable(text()),
            "metadata": _nullable(core_schema.dict_schema(text())),
            "name": _nullable(text()),
            "original_filename": _nullable(text()),
            "staged": _nullable(text()),
            "borrowed": _nullable(core_schema.bool_schema()),
        },
        extra_behavior="allow",
    )


def file_schema(cls: type[FileObject]) -> core_schema.CoreSchema:
    """Return the schema of a file."""
    document = core_schema.no_info_after_validator_function(cls.from_dict, _document_schema())
    return core_schema.json_or_python_schema(
        json_schema=document,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), document]),
        serialization=core_schema.plain_serializer_function_ser_schema(_dumped, return_schema=_document_schema()),
    )


def list_schema(cls: type[FileList]) -> core_schema.CoreSchema:
    """Return the schema of a list of files."""
    files = core_schema.no_info_after_validator_function(cls, core_schema.list_schema(file_schema(FileObject)))
    return core_schema.json_or_python_schema(
        json_schema=files,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), files]),
        serialization=core_schema.plain_serializer_function_ser_schema(_all_dumped),
    )


def _dumped(file: FileObject) -> dict[str, Any]:
    return file.to_dict()


def _all_dumped(files: FileList) -> list[dict[str, Any]]:
    return [file.to_dict() for file in files]
