"""Whether two stores that look apart are: one service may have two addresses, and a move there would delete what it wrote."""

from __future__ import annotations

import logging
import uuid

from holdall.core.keys import RESERVED, ReservedKey
from holdall.errors import NotFoundError, NotSupportedError, PermissionDeniedError
from holdall.store import Store

__all__ = ["apart_async"]

log = logging.getLogger("holdall.transfer")


async def apart_async(source: Store, key: str, target: Store, other: str) -> bool:
    """Tell whether a mark beside a key in the target does not show beside the same key in the source.

    Args:
        source: A store.
        key: A key there.
        target: A store that can be written.
        other: The same key there.
    """
    name = f"{RESERVED}-{uuid.uuid4().hex}"
    here, there = (ReservedKey(each[: each.rfind("/") + 1] + name) for each in (key, other))
    try:
        await target.put_async(there, b"")
    except (PermissionDeniedError, NotSupportedError) as error:
        log.debug("no mark beside %r: %s", other, error)
        return True  # as far as their names tell
    try:
        await source.head_async(here)
    except NotFoundError:
        return True
    finally:
        await target.delete_async(there)
    return False
