"""What goes wrong in the temporary directory, where local copies of objects are kept for a while."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager

from holdall.core.disk_errors import FULL
from holdall.errors import HoldallError, StorageFullError
from holdall.store import Store

__all__ = ["scratching"]


@contextmanager
def scratching(key: str, store: Store) -> Generator[None]:
    """Say, of a temporary directory that is full, that it is this one, and not the store.

    Raises:
        StorageFullError: No room for the local copy.
    """
    try:
        yield
    except HoldallError:
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = tempfile.gettempdir()
        raise StorageFullError(
            f"no space left in the temporary directory {where!r} (TMPDIR) for a local copy of {key!r}", key=key, store=store
        ) from error
