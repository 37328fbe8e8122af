"""Alembic: migrations import the column type by themselves."""

from __future__ import annotations

from typing import Any, Literal

from holdall.columns.types import StoredObject

__all__ = ["render_item"]


def render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """Render a column of files in a migration; for ``context.configure(render_item=…)`` in ``env.py``.

    Args:
        kind: What is rendered.
        item: The object.
        context: Alembic's ``AutogenContext``.
    """
    if kind == "type" and isinstance(item, StoredObject):
        context.imports.add("import holdall.columns")
        return f"holdall.columns.{item!r}"
    return False
