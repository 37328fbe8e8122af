"""A storage type, a description of one store that was understood, and how a store can be made again."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holdall.core.params import Param
from holdall.core.secrets import HIDDEN, Secret, abbreviate, mask
from holdall.core.urls import StoreURL, URLSpec
from holdall.errors import ConfigError, MissingExtraError

__all__ = ["Backend", "Bound", "load_target"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backend:
    """One storage type.

    Attributes:
        spec: Its name, parameters and URL schemes.
        target: ``"module:Class"``, imported when first opened; or a class or factory.
        aliases: Other names of the type.
        extra: The extra of holdall that installs what it needs.
        requires: Modules that must be there; looked for before the driver is imported.
        whole_url: The target takes the `StoreURL` itself as ``url``, where there is one.
    """

    spec: URLSpec
    target: str | Callable[..., Any]
    aliases: tuple[str, ...] = ()
    extra: str | None = None
    requires: tuple[str, ...] = ()
    whole_url: bool = False

    @property
    def type(self) -> str:
        """The canonical name."""
        return self.spec.type

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the type."""
        return (self.spec.type, *self.aliases)

    def load(self) -> Callable[..., Any]:
        """Import the driver.

        Raises:
            MissingExtraError: A package it needs is not installed.
            ConfigError: There is no such module or class.
        """
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                raise self.missing(module)
        if not isinstance(self.target, str):
            return self.target
        try:
            return load_target(self.target)
        except ImportError as error:
            if isinstance(error, MissingExtraError):
                raise
            module = self.target.partition(":")[0]
            missing = error.name or module
            if module == missing or module.startswith(f"{missing}."):
                raise ConfigError(f"storage type {self.type!r}: there is no module {module!r}") from error
            raise self.missing(missing) from error
        except (AttributeError, ValueError) as error:
            raise ConfigError(f"storage type {self.type!r}: {error}") from None

    def missing(self, module: str) -> MissingExtraError:
        """Return the error for a package that is not installed."""
        package = f'"holdall[{self.extra}]"' if self.extra else module.partition(".")[0]
        return MissingExtraError(f"storage type {self.type!r} needs {module.partition('.')[0]}: pip install {package}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A description that was understood: every value by canonical name, converted, secrets held as `Secret`.

    Attributes:
        backend: The storage type.
        params: What it takes.
        fields: What the driver takes.
        common: What every mount takes (``name``, ``permissions``, ``timeout`` …), as far as the type has none of its own.
        url: The URL, if it was one.
        source: The description as it was given, unexpanded.
        changes: What differs from it.
    """

    backend: Backend
    params: tuple[Param, ...]
    fields: dict[str, Any]
    common: dict[str, Any] = field(default_factory=dict[str, Any])
    url: StoreURL | None = None
    source: Any = None
    changes: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def type(self) -> str:
        """The canonical name of the storage type."""
        return self.backend.type

    def with_fields(self, **changes: Any) -> Bound:
        """Return the same with some fields changed (a callable ``path`` answered, say); the recipe will know of them."""
        return replace(self, fields={**self.fields, **changes}, changes={**self.changes, **changes})

    def literal_secrets(self) -> tuple[str, ...]:
        """Return the names of secrets that stand in the description itself."""
        found = [name for name, value in {**self.fields, **self.common}.items() if _is_literal(value)]
        if self.url is not None and self.url.password is not None and self.url.password.literal:
            found.append("password")
        return tuple(dict.fromkeys(found))

    def __repr__(self) -> str:
        by_name = {p.name: p for p in self.params}
        shown = [f"{n}={_shown(by_name.get(n), v)}" for n, v in {**self.fields, **self.common}.items() if v is not None]
        return f"Bound({', '.join([repr(self.type), *shown])})"


def _is_literal(value: Any) -> bool:
    if isinstance(value, Secret):
        return value.literal
    if isinstance(value, Mapping):
        return any(_is_literal(v) for v in value.values())
    return isinstance(value, (list, tuple)) and any(_is_literal(v) for v in value)


def _shown(param: Param | None, value: Any) -> str:
    if param is not None and param.secret:
        return HIDDEN
    if param is not None and param.keyword == "access_key_id" and isinstance(value, str):
        return repr(abbreviate(value))
    return mask(repr(value))


def load_target(target: str) -> Callable[..., Any]:
    """Import what ``"module:Class"`` names.

    Raises:
        ImportError: No such module, or one that it needs is missing.
        AttributeError: The module has no such thing.
        ValueError: Not of that form.

    Example:
        >>> load_target("fractions:Fraction")(1, 2)
        Fraction(1, 2)
    """
    module, colon, name = target.partition(":")
    if not colon:
        raise ValueError(f"a class is written 'module:Class', not {target!r}")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # whatever is there is called, and its answer is checked
