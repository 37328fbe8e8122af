"""Modules that load on first use: what takes longer to import than all of ours, or is needed by few programs."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

__all__ = ["lazy"]


class _Lazy(ModuleType):
    """Stands for a module, which is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        known = vars(self)
        module = known.get("_module")
        if module is None:
            module = known["_module"] = importlib.import_module(self.__name__)
        return getattr(module, name)


def lazy(name: str) -> Any:
    """Return a stand-in for a module.

    Example:
        In a module, so that type checkers see the real one::

            if TYPE_CHECKING:
                import asyncio
            else:
                asyncio = lazy("asyncio")
    """
    return _Lazy(name)
