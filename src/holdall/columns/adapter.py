"""A backend of the program's own (`StorageBackend` with its four methods) as a Store: whole contents, no conditions."""

from __future__ import annotations

import asyncio
import builtins
import inspect
from collections.abc import AsyncIterator, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import check_key
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.errors import HoldallError, NotFoundError, NotSupportedError, UnavailableError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource, Source, check_source, iter_chunks, iter_chunks_async
from holdall.store import Store

__all__ = ["AdaptedStore"]

MIB = 1024 * 1024


class AdaptedStore(Store):
    """A store over ``get_content``, ``save_object``, ``delete_object`` and ``sign`` of a backend, in either colour.

    Args:
        backend: Has these methods, or their ``_async`` twins, or both.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __repr__(self) -> str:
        return f"AdaptedStore({type(self.backend).__name__}, {self.backend.key!r})"

    @property
    def capabilities(self) -> Capabilities:
        """Reads, writes, deletes; nothing conditional, no listing."""
        return Capabilities(
            delete=self._has("delete_object"),
            list=False,
            ranges=False,
            suffix_ranges=False,
            etag=False,
            sign=frozenset({"GET", "PUT"}) if self._has("sign") else frozenset(),
        )

    @property
    def identity(self) -> Identity:
        """The backend's class and key."""
        return Identity(service=f"backend+{type(self.backend).__name__}", place=self.backend.key)

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Read the whole content; a range is cut out of it. See `Store.get`."""
        self._check_read(key, options)
        return _answer(key, self._call("get_content", key), options)

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Read the whole content. See `get`."""
        self._check_read(key, options)
        return _answer(key, await self._call_async("get_content", key), options)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object by reading it: there is no other way. See `Store.head`."""
        return self.get(key, GetOptions(version=version)).meta

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object by reading it. See `head`."""
        return (await self.get_async(key, GetOptions(version=version))).meta

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """Refuse: these backends cannot list."""
        raise self._refusal("list")

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """Refuse: these backends cannot list."""
        raise self._refusal("list")

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write the whole content. See `Store.put`."""
        check_key(key)
        check_source(source, blocking=True)
        self._check_write(options)
        data = b"".join(iter_chunks(source))
        self._call("save_object", _described(self.backend, key, data, options), data, **_how(options))
        return PutResult(key=key, size=len(data))

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write the whole content. See `put`."""
        check_key(key)
        check_source(source, blocking=False)
        self._check_write(options)
        data = b"".join([chunk async for chunk in iter_chunks_async(source)])
        await self._call_async("save_object", _described(self.backend, key, data, options), data, **_how(options))
        return PutResult(key=key, size=len(data))

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete keys, one call for each. See `Store.delete`."""
        wanted = self._check_delete(keys, if_match)
        results: builtins.list[DeleteResult] = []
        for key in wanted:
            error: HoldallError | None = None
            try:
                self._call("delete_object", key)
            except NotFoundError:
                pass
            except HoldallError as failure:
                if isinstance(keys, str):
                    raise
                error = failure
            results.append(DeleteResult(key=key, error=error))
        return results

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete keys, one call for each. See `delete`."""
        wanted = self._check_delete(keys, if_match)
        results: builtins.list[DeleteResult] = []
        for key in wanted:
            error: HoldallError | None = None
            try:
                await self._call_async("delete_object", key)
            except NotFoundError:
                pass
            except HoldallError as failure:
                if isinstance(keys, str):
                    raise
                error = failure
            results.append(DeleteResult(key=key, error=error))
        return results

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        return str(self._call("sign", check_key(key), **_signing(options)))

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `sign`."""
        return str(await self._call_async("sign", check_key(key), **_signing(options)))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        return callable(getattr(self.backend, name, None)) or callable(getattr(self.backend, f"{name}_async", None))

    def _call(self, name: str, key: Any, *arguments: Any, **named: Any) -> Any:
        method = getattr(self.backend, name, None)
        try:
            if callable(method):
                return method(key, *arguments, **named)
            other = self._other(f"{name}_async")
            return _in_thread(lambda: asyncio.run(_awaited(other(key, *arguments, **named))))
        except Exception as error:
            raise self._translated(error, name, key) from error

    async def _call_async(self, name: str, key: Any, *arguments: Any, **named: Any) -> Any:
        method = getattr(self.backend, f"{name}_async", None)
        try:
            if callable(method):
                return await _awaited(method(key, *arguments, **named))
            other = self._other(name)
            return await asyncio.to_thread(other, key, *arguments, **named)
        except Exception as error:
            raise self._translated(error, name, key) from error

    def _other(self, name: str) -> Any:
        method = getattr(self.backend, name, None)
        if not callable(method):
            raise NotSupportedError(f"{type(self.backend).__name__} has no {name}()", store=self)
        return method

    def _translated(self, error: Exception, name: str, key: Any) -> Exception:
        if isinstance(error, (HoldallError, TypeError)):
            return error
        path = key if isinstance(key, str) else getattr(key, "path", None)
        if isinstance(error, (FileNotFoundError, KeyError)):
            return NotFoundError(f"nothing at {path!r}", key=path, store=self)
        if isinstance(error, NotImplementedError):
            return NotSupportedError(f"{type(self.backend).__name__} has no {name}()", key=path, store=self)
        return UnavailableError(f"{name}() of the backend failed: {type(error).__name__}", key=path, store=self)

    def _check_read(self, key: str, options: GetOptions | None) -> None:
        check_key(key)
        if options is not None and (options.conditional or options.version is not None):
            raise self._refusal("get", "no conditions and no versions here")

    def _check_write(self, options: PutOptions | None) -> None:
        if options is not None and (options.mode != "overwrite" or options.tags or options.storage_class):
            raise self._refusal("put", "no conditions, tags or storage classes here")

    def _check_delete(self, keys: str | Iterable[str], if_match: str | None) -> builtins.list[str]:
        if if_match is not None or not self.capabilities.delete:
            raise self._refusal("delete", "no conditions here" if if_match is not None else "")
        return [check_key(key) for key in ([keys] if isinstance(keys, str) else keys)]


def _answer(key: str, data: Any, options: GetOptions | None) -> GetResult:
    data = bytes(data)
    meta = ObjectMeta(key=key, size=len(data))
    wanted = None if options is None else options.byte_range
    if wanted is None:
        return GetResult(meta, data)
    start, end = wanted.resolve(len(data))
    return GetResult(meta, data[start:end], range=(start, end))


def _described(backend: Any, key: str, data: bytes, options: PutOptions | None) -> Any:
    """Return what such backends look at: the path and what is known of the file."""
    return SimpleNamespace(
        path=key,
        filename=key,
        backend=backend,
        size=len(data),
        content_type=None if options is None else options.content_type,
        metadata={} if options is None else dict(options.metadata),
        last_modified=None,
        etag=None,
        version_id=None,
        checksum=None,
    )


def _how(options: PutOptions | None) -> dict[str, Any]:
    return {
        "use_multipart": None,
        "chunk_size": (options and options.part_size) or 5 * MIB,
        "max_concurrency": (options and options.concurrency) or 12,
    }


def _signing(options: SignOptions | None) -> dict[str, Any]:
    options = options or SignOptions()
    if options.content_type or options.content_disposition or options.version:
        raise NotSupportedError("these backends sign nothing but the path")
    return {"expires_in": options.expires_in, "for_upload": options.method == "PUT"}


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _in_thread(function: Any) -> Any:
    """Run a function in a thread of its own, so that it may have an event loop of its own; its error is raised here."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # for backends of one colour only

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="holdall-backend") as pool:
        return pool.submit(function).result()
