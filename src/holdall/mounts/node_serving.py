"""`NodeServing`: a node as the answer to an HTTP request, for any WSGI or ASGI framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.errors import HoldallError, IsDirectoryError
from holdall.mounts import lookup
from holdall.mounts.node_names import NodeNames

if TYPE_CHECKING:
    from holdall.core.responses import Redirect, ServeOptions
    from holdall.engine.asgi import Receive, Scope, Send
    from holdall.engine.wsgi import Environ, StartResponse
    from holdall.mounts import lookup_async
else:
    lookup_async = lazy("holdall.mounts.lookup_async")

__all__ = ["NodeServing"]


class NodeServing(NodeNames):
    """Serving over HTTP to RFC 9110: ranges, conditions, HEAD, safe headers."""

    __slots__ = ()

    def serve(
        self,
        environ: Environ,
        start_response: StartResponse,
        download: bool = False,
        download_name: str | None = None,
        cache_max_age: int | None = None,
        *,
        cache_control: str | None = None,
        content_type: str | None = None,
        redirect: Redirect = "never",
        redirect_min_size: int = 0,
        redirect_expires: int = 300,
    ) -> Iterable[bytes]:
        """Answer a WSGI request with this file.

        Args:
            environ: The request.
            start_response: The server's callable.
            download: Answer as an attachment.
            download_name: File name of the attachment; implies ``download``.
            cache_max_age: Seconds that caches may keep the answer.
            cache_control: Value of ``Cache-Control``, instead of ``cache_max_age``.
            content_type: Replaces the stored or guessed type.
            redirect: ``auto`` sends GETs to a signed URL where the storage can sign, ``always`` insists on it.
            redirect_min_size: Smaller files (bytes) are served all the same.
            redirect_expires: Seconds that the signed URL holds.

        Returns:
            The body, with ``close()``: pieces of at most 1 MiB, or what the server's ``wsgi.file_wrapper`` made of a local
            file. A missing file is a 404, a refusal of the storage 403, an unreachable one 503.

        Raises:
            IsDirectoryError: A directory; ``start_response`` was not called.
            NotSupportedError: ``redirect="always"`` and the storage cannot sign.
            ValueError: An option that cannot stand in a header.

        Example:
            >>> from holdall import StorageManager
            >>> node = StorageManager({"files": {"type": "memory"}}).node("files:a.txt")
            >>> _ = node.write_text("hello")
            >>> request = {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=1-3"}
            >>> b"".join(node.serve(request, lambda status, headers: print(status)))
            206 Partial Content
            b'ell'
        """
        from holdall.engine.answers import Answer, answer, refusal  # noqa: PLC0415  # what is served only
        from holdall.engine.wsgi import deliver, request_headers  # noqa: PLC0415

        options = self._serving(
            download=download, download_name=download_name, cache_max_age=cache_max_age, cache_control=cache_control,
            content_type=content_type, redirect=redirect, redirect_min_size=redirect_min_size, redirect_expires=redirect_expires,
        )  # fmt: skip
        store, method = self._store(), environ.get("REQUEST_METHOD", "GET")
        try:
            version = self._pinned(store)
        except HoldallError as error:  # no such version, or nobody to ask for it
            return deliver(Answer(refusal(error, method)), environ, start_response)
        planned = answer(store, self._key, method, request_headers(environ), options, version=version)
        if planned.response.status == 404 and version is None and lookup.directory(store, self._key) is not None:
            raise self._unservable()
        return deliver(planned, environ, start_response)

    async def serve_async(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        download: bool = False,
        download_name: str | None = None,
        cache_max_age: int | None = None,
        *,
        cache_control: str | None = None,
        content_type: str | None = None,
        redirect: Redirect = "never",
        redirect_min_size: int = 0,
        redirect_expires: int = 300,
    ) -> None:
        """Answer an ASGI request with this file; a client that goes away ends the reading. See `serve`.

        Args:
            scope: The request.
            receive: The server's callable; only watched for ``http.disconnect``.
            send: The server's callable.
            download: Answer as an attachment.
            download_name: File name of the attachment.
            cache_max_age: Seconds that caches may keep the answer.
            cache_control: Value of ``Cache-Control``.
            content_type: Replaces the stored or guessed type.
            redirect: ``never``, ``auto`` or ``always``.
            redirect_min_size: Smaller files (bytes) are served all the same.
            redirect_expires: Seconds that the signed URL holds.
        """
        from holdall.engine.answers_async import Answer, answer_async, refusal  # noqa: PLC0415  # what is served only
        from holdall.engine.asgi import deliver_asgi, scope_headers  # noqa: PLC0415

        options = self._serving(
            download=download, download_name=download_name, cache_max_age=cache_max_age, cache_control=cache_control,
            content_type=content_type, redirect=redirect, redirect_min_size=redirect_min_size, redirect_expires=redirect_expires,
        )  # fmt: skip
        store, method = self._store(), scope.get("method", "GET")
        try:
            version = await self._pinned_async(store)
        except HoldallError as error:
            await deliver_asgi(Answer(refusal(error, method)), scope, receive, send)
            return
        planned = await answer_async(store, self._key, method, scope_headers(scope), options, version=version)
        missing = planned.response.status == 404 and version is None
        if missing and await lookup_async.directory_async(store, self._key) is not None:
            raise self._unservable()
        await deliver_asgi(planned, scope, receive, send)

    def _serving(self, *, download: bool, download_name: str | None, **options: Any) -> ServeOptions:
        from holdall.core.responses import ServeOptions  # noqa: PLC0415  # what is served only

        if download and download_name is None and self._inline:
            download_name = "content"  # the path is the content, not a name
        return ServeOptions(download=download, download_name=download_name, **options)

    def _unservable(self) -> IsDirectoryError:
        return IsDirectoryError(f"a directory cannot be served: {str(self)!r}", key=self._key)
