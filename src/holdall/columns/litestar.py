"""Litestar: answers that stream, uploads, and encoders for files."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Annotated, Any, TypeAlias

from holdall.columns.file import FileObject
from holdall.columns.lists import FileList
from holdall.columns.msgspec import dec_hook
from holdall.errors import MissingExtraError

try:
    from litestar import datastructures
    from litestar.config.app import AppConfig
    from litestar.enums import RequestEncodingType
    from litestar.params import Body
    from litestar.plugins import InitPluginProtocol
    from litestar.response import Stream as LitestarStream
except ImportError as error:
    raise MissingExtraError("holdall.columns.litestar needs Litestar: pip install litestar") from error

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


class HoldallPlugin(InitPluginProtocol):
    """Files in bodies: what handlers return and take may hold `FileObject`."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the encoders and decoders."""
        encoders: dict[Any, Any] = {FileObject: _encoded}
        app_config.type_encoders = {**encoders, **(app_config.type_encoders or {})}
        app_config.type_decoders = [(_decodable, dec_hook), *(app_config.type_decoders or [])]
        return app_config


def _encoded(file: FileObject) -> dict[str, Any]:
    return file.to_dict()


def _decodable(kind: Any) -> bool:
    return kind in {FileObject, FileList}
