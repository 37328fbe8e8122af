"""What permissions allow: the decisions behind `RestrictedStore`."""

from __future__ import annotations

from typing import Literal, get_args

from holdall.core.capabilities import Capabilities
from holdall.core.keys import check_key
from holdall.errors import ConfigError, PermissionDeniedError
from holdall.sources import check_source
from holdall.store import Store
from holdall.wrappers.forwarding import ForwardingStore

__all__ = ["Permissions", "RestrictedBase", "narrowed"]

Permissions = Literal["readonly", "readwrite", "delete"]
"""``readonly``; ``readwrite``: no deletion, so no rename either; ``delete``: everything."""


def narrowed(capabilities: Capabilities, permissions: Permissions) -> Capabilities:
    """Return what is left of capabilities under permissions.

    Example:
        >>> caps = narrowed(Capabilities(create=True, rename=True), "readwrite")
        >>> caps.write, caps.create, caps.delete, caps.rename
        (True, True, False, False)
    """
    if permissions == "delete":
        return capabilities
    kept = capabilities.narrowed(delete=False, conditional_delete=False, rename=False)
    if permissions == "readwrite":
        return kept
    return kept.narrowed(
        write=False,
        create=False,
        update=False,
        large_conditional=False,
        storage_class=False,
        set_metadata=False,
        set_modified=False,
        copy=False,
        sign=capabilities.sign & {"GET"},
        parts=None,
    )


class RestrictedBase(ForwardingStore):
    """What the two halves of a restricted store share."""

    def __init__(self, store: Store, permissions: Permissions) -> None:
        if permissions not in get_args(Permissions):
            raise ConfigError(f"Invalid permissions {permissions!r}: one of {', '.join(get_args(Permissions))}")
        super().__init__(store)
        inner = store.capabilities
        if permissions != "readonly" and not inner.write:
            raise ConfigError(f"{store!r} is read-only: permissions {permissions!r} cannot be given", store=store)
        if permissions == "delete" and not inner.delete:
            raise ConfigError(f"{store!r} does not have delete permission: it cannot be given", store=store)
        self._permissions: Permissions = permissions

    def _narrowed(self, inner: Capabilities) -> Capabilities:
        return narrowed(inner, self._permissions)

    def _check(self, need: Literal["write", "delete"], *keys: str) -> None:
        """Raise unless the permission is there; a key that no store would take is named first.

        Raises:
            PermissionDeniedError: It is not.
        """
        if self._permissions == "delete" or (self._permissions == "readwrite" and need == "write"):
            return
        for key in keys:
            check_key(key)
        why = "is read-only" if self._permissions == "readonly" else "does not have delete permission"
        if not keys:
            raise PermissionDeniedError(f"the store {why}", store=self)
        raise PermissionDeniedError(f"{keys[0]!r}: the store {why}", key=keys[0], store=self)

    def _check_source(self, source: object) -> None:
        if self._permissions == "readonly":
            check_source(source, blocking=True)

    def _check_source_async(self, source: object) -> None:
        if self._permissions == "readonly":
            check_source(source, blocking=False)
