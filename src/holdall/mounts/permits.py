"""Whether a mount may be written or deleted from: looked at before the first request of an act that begins with a question."""

from __future__ import annotations

from holdall.errors import HoldallError, NotSupportedError, PermissionDeniedError
from holdall.store import Store

__all__ = ["check_may_delete", "check_may_write"]


def check_may_write(store: Store, key: str) -> None:
    """Refuse to write where that is not allowed, or not possible.

    Raises:
        PermissionDeniedError: The mount is read-only by its permissions.
        NotSupportedError: The storage itself cannot be written.
    """
    if not store.capabilities.write:
        raise _refusal(store, key, "is read-only", "be written")


def check_may_delete(store: Store, key: str) -> None:
    """Refuse to delete where that is not allowed, or not possible.

    Raises:
        PermissionDeniedError: The mount does not allow it by its permissions.
        NotSupportedError: The storage itself cannot delete.
    """
    capabilities = store.capabilities
    if not capabilities.delete:
        why = "does not have delete permission" if capabilities.write else "is read-only"
        raise _refusal(store, key, why, "be deleted from")


def _refusal(store: Store, key: str, why: str, what: str) -> HoldallError:
    from holdall.wrappers.forwarding import ForwardingStore  # noqa: PLC0415  # only to refuse
    from holdall.wrappers.restricted import RestrictedStore  # noqa: PLC0415

    around = store
    while isinstance(around, ForwardingStore):
        if isinstance(around, RestrictedStore):
            return PermissionDeniedError(f"{key!r}: the mount {why}", key=key, store=store)
        around = around.inner
    return NotSupportedError(f"{key!r}: this storage cannot {what}", key=key, store=store)
