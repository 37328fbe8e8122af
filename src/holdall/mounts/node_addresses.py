"""`NodeAddresses`: URLs of a node: public, signed, and within the program's own server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from holdall.core.options import Method, SignOptions
from holdall.errors import NotSupportedError
from holdall.mounts.node_versions import NodePin
from holdall.mounts.permits import check_may_write

if TYPE_CHECKING:
    from holdall.store import Store

__all__ = ["NodeAddresses"]


class NodeAddresses(NodePin):
    """Addresses for others: no request is made to give one."""

    __slots__ = ()

    def url(
        self,
        expires_in: int = 3600,
        *,
        method: Method = "GET",
        download_name: str | None = None,
        content_type: str | None = None,
    ) -> str | None:
        """Return a URL: signed where the storage signs, else its public address, else ``None``.

        Args:
            expires_in: Seconds a signature holds.
            method: ``GET`` or ``PUT``.
            download_name: The name a browser saves it under.
            content_type: The type the answer gets, or the upload must have.

        Raises:
            NotSupportedError: What was asked cannot be signed here.
        """
        store = self._store()
        self._check_method(store, method)
        if method in store.capabilities.sign:
            return store.sign(self._key, self._signing(self._pinned(store), expires_in, method, download_name, content_type))
        return self._plain_url(store, method, download_name, content_type)

    async def url_async(
        self,
        expires_in: int = 3600,
        *,
        method: Method = "GET",
        download_name: str | None = None,
        content_type: str | None = None,
    ) -> str | None:
        """Return a URL. See `url`."""
        store = self._store()
        self._check_method(store, method)
        if method in store.capabilities.sign:
            version = await self._pinned_async(store)
            return await store.sign_async(self._key, self._signing(version, expires_in, method, download_name, content_type))
        return self._plain_url(store, method, download_name, content_type)

    def get_presigned_url(
        self,
        expires_in: int = 3600,
        *,
        method: Method = "GET",
        download_name: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a signed URL. See `url`.

        Raises:
            NotSupportedError: This storage signs no URLs, or not such ones.
        """
        store = self._store()
        self._check_signs(store, method)
        return store.sign(self._key, self._signing(self._pinned(store), expires_in, method, download_name, content_type))

    async def get_presigned_url_async(
        self,
        expires_in: int = 3600,
        *,
        method: Method = "GET",
        download_name: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a signed URL. See `get_presigned_url`."""
        store = self._store()
        self._check_signs(store, method)
        version = await self._pinned_async(store)
        return await store.sign_async(self._key, self._signing(version, expires_in, method, download_name, content_type))

    def internal_url(self, nocache: bool = False) -> str | None:
        """Return the path under the manager's ``internal_base`` that `holdall.serve` resolves; ``None`` without a base.

        Args:
            nocache: Add ``?v=<etag>``, which changes with the content; one request.
        """
        path = self._internal_path()
        if path is None or not nocache:
            return path
        store = self._store()
        return self._marked(path, store.head(self._key, version=self._pinned(store)).etag)

    async def internal_url_async(self, nocache: bool = False) -> str | None:
        """Return the path under the manager's ``internal_base``. See `internal_url`."""
        path = self._internal_path()
        if path is None or not nocache:
            return path
        store = self._store()
        return self._marked(path, (await store.head_async(self._key, version=await self._pinned_async(store))).etag)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _signing(
        self, version: str | None, expires_in: int, method: Method, download_name: str | None, content_type: str | None
    ) -> SignOptions:
        if method == "PUT":
            self._check_writable()
        return SignOptions(
            method=method,
            expires_in=expires_in,
            content_type=content_type,
            content_disposition=None if download_name is None else self._disposition(download_name),
            version=version,
        )

    @staticmethod
    def _disposition(name: str) -> str:
        from holdall.core.responses import content_disposition  # noqa: PLC0415  # signed downloads only

        return content_disposition(name)

    def _check_method(self, store: Store, method: Method) -> None:
        """Refuse unknown methods, and a signature for writing where nothing may be written."""
        if method not in {"GET", "PUT"}:
            raise ValueError(f"method is 'GET' or 'PUT', not {method!r}")
        if method == "PUT":
            check_may_write(store, self._key)

    def _check_signs(self, store: Store, method: Method) -> None:
        self._check_method(store, method)
        if method not in store.capabilities.sign:
            raise NotSupportedError(f"this mount signs no URLs for {method}", key=self._key, store=store)

    def _plain_url(self, store: Store, method: Method, download_name: str | None, content_type: str | None) -> str | None:
        """Return the public address, which can promise nothing about the answer."""
        base = None if self._given is not None else self._manager._base_url(self._mount)
        address = store.url(self._key) if base is None else f"{base.rstrip('/')}/{quote(self._key, safe='/')}"
        if address is not None and (method != "GET" or download_name is not None or content_type is not None):
            raise NotSupportedError(
                "a plain address allows GET and says nothing of name or type", key=self._key, store=store
            )
        return address

    def _internal_path(self) -> str | None:
        base = self._manager.internal_base
        if base is None or self._given is not None:
            return None
        return f"{base.rstrip('/')}/{quote(self._mount, safe='')}/{quote(self._key, safe='/')}"

    def _marked(self, path: str, etag: str | None) -> str:
        return path if etag is None else f"{path}?v={quote(etag, safe='')}"
