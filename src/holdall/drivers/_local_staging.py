"""Where the unfinished uploads of local disks lie: ``.holdall/parts/<id>/``, with what each was begun with in ``head``."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.capabilities import PartRules
from holdall.core.keys import RESERVED
from holdall.drivers import _local_system as system
from holdall.drivers._local_root import Root
from holdall.errors import NotFoundError
from holdall.results import Upload

if TYPE_CHECKING:
    import json
else:
    json = lazy("json")

__all__ = ["RULES", "STAGED", "check_number", "exists", "head_of", "is_id", "remove", "uploads"]

RULES = PartRules(largest=1 << 40, most=100_000, copies=True, conditional=True, resumable=True)
STAGED = f"{RESERVED}/parts"
_ID = re.compile(r"[0-9a-f]{32}")


def is_id(upload_id: str) -> bool:
    """Tell whether an upload may have this id."""
    return _ID.fullmatch(upload_id) is not None


def check_number(number: int) -> None:
    """Raise unless a part may have this number."""
    if not 1 <= number <= RULES.most:
        raise ValueError(f"a part's number is 1 to {RULES.most:,}, not {number}")


def uploads(root: Root, prefix: str) -> list[Upload]:
    """Return the unfinished uploads, by key."""
    try:
        fd, before = root.folder(STAGED)
    except (FileNotFoundError, NotADirectoryError) as error:
        answer = root.missing(prefix)
        if isinstance(answer, NotFoundError):
            return []
        raise answer from error
    try:
        names = [name for name in os.listdir(before if fd is None else fd) if _ID.fullmatch(name)]
    finally:
        root.leave(fd)
    found = [(name, head) for name in names if (head := head_of(root, name)) is not None]
    return sorted(
        (
            Upload(key=head["key"], upload_id=name, started=datetime.fromisoformat(head["started"]))
            for name, head in found
            if head["key"].startswith(prefix)
        ),
        key=lambda upload: (upload.key, upload.upload_id),
    )


def remove(root: Root, folder: int | None, before: str, upload_id: str) -> None:
    """Remove a staging directory, and the empty ones above it."""
    for name in os.listdir(before if folder is None else folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(before + name, dir_fd=folder)
    root.unmake([RESERVED, STAGED, f"{STAGED}/{upload_id}"])


def head_of(root: Root, upload_id: str) -> dict[str, Any] | None:
    """Return what an upload was begun with; ``None`` for what is no whole upload, its data published already for one."""
    try:
        folder, before = root.folder(f"{STAGED}/{upload_id}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not exists(f"{before}data", folder):
            return None
        fd = os.open(f"{before}head", system.READ | system.NOFOLLOW, dir_fd=folder)
        try:
            head: dict[str, Any] = json.loads(system.read_at(fd, os.fstat(fd).st_size, 0))
        finally:
            os.close(fd)
    except (FileNotFoundError, ValueError):
        return None
    finally:
        root.leave(folder)
    return head


def exists(name: str, folder: int | None) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
