"""Litestar: answers that stream, uploads, and encoders for files."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from holdall.columns.file import FileObject
from holdall.columns.lists import FileList
from holdall.columns.msgspec import dec_hook
from holdall.errors import MissingExtraError

try:
    from litestar import datastructures
    from litestar.config.app import AppConfig
    from litestar.enums import RequestEncodingType
    from litestar.openapi.spec import OpenAPIType, Schema
    from litestar.params import Body
    from litestar.plugins import InitPluginProtocol, OpenAPISchemaPlugin
    from litestar.response import Stream as LitestarStream
except ImportError as error:
    raise MissingExtraError("holdall.columns.litestar needs Litestar: pip install litestar") from error

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.typing import FieldDefinition

__all__ = ["HoldallPlugin", "Stream", "UploadFile"]

UploadFile: TypeAlias = Annotated[datastructures.UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)]
"""Litestar's own, annotated: ``data: UploadFile`` is the file of a multipart form."""


class Stream(LitestarStream):
    """Litestar's streaming answer that also takes bytes, and a `FileObject`.

    Args:
        content: Bytes, an iterable or async iterable of bytes, or a file.
        options: As Litestar takes them.
    """

    def __init__(self, content: Any, **options: Any) -> None:
        body: Any = content
        if isinstance(content, FileObject):
            options.setdefault("media_type", content.content_type)
            options["headers"] = {**content.headers(), **(options.get("headers") or {})}
            body = content.stream_async()
        elif isinstance(content, (bytes, bytearray, memoryview)):
            options["headers"] = {"Content-Length": str(len(content)), **(options.get("headers") or {})}
            body = _once(bytes(content))
        elif not isinstance(content, (Iterable, AsyncIterable)) and not callable(content):
            raise TypeError(f"an answer streams bytes, iterables of bytes or a FileObject, not a {type(content).__name__}")
        super().__init__(body, **options)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


class HoldallPlugin(InitPluginProtocol, OpenAPISchemaPlugin):
    """Files in bodies: what handlers return and take may hold `FileObject`, and the OpenAPI document says how they look."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the encoders and decoders."""
        encoders: dict[Any, Any] = {FileObject: _encoded}
        app_config.type_encoders = {**encoders, **(app_config.type_encoders or {})}
        app_config.type_decoders = [(_decodable, dec_hook), *(app_config.type_decoders or [])]
        return app_config

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Tell whether a type is one of ours."""
        return _decodable(value)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        """Return how a file, or a list of files, looks in a body."""
        many = field_definition.annotation is FileList
        return Schema(type=OpenAPIType.ARRAY, items=_file_schema()) if many else _file_schema()


def _file_schema() -> Schema:
    text, number = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.NUMBER)
    facts = {
        "content_type": text,
        "size": Schema(type=OpenAPIType.INTEGER),
        "last_modified": number,
        "checksum": text,
        "etag": text,
        "version_id": text,
        "metadata": Schema(type=OpenAPIType.OBJECT),
    }
    null = Schema(type=OpenAPIType.NULL)
    nullable = {name: Schema(one_of=[schema, null]) for name, schema in facts.items()}
    return Schema(
        title="FileObject",
        type=OpenAPIType.OBJECT,
        required=["filename", "backend"],
        properties={"filename": text, "backend": text, **nullable},
    )


def _encoded(file: FileObject) -> dict[str, Any]:
    return file.to_dict()


def _decodable(kind: Any) -> bool:
    return kind in {FileObject, FileList}
