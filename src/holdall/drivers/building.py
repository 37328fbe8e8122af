"""From a bound description to a store: what the driver's constructor takes, and what every mount can ask for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdall.core.params import COMMON, PLACES, Param
from holdall.core.secrets import is_secret_name, reveal
from holdall.drivers.backend import Backend, Bound
from holdall.errors import ConfigError, MissingExtraError
from holdall.store import Store

__all__ = ["below", "build", "build_whole", "refuse_faces", "resolved_params", "split_common", "wrapper"]

_COMMON = frozenset(p.name for p in COMMON)
_LABELS = frozenset({"name"})


def resolved_params(backend: Backend, names: Iterable[str] = ()) -> tuple[Param, ...]:
    """Return the parameters of a type; those of a class that was registered without a table come from its signature.

    A class that takes ``**anything`` gets every name that is asked for.
    """
    if not backend.spec.free:
        return backend.spec.params
    found: dict[str, Param] = {}
    anything = False
    for parameter in _signature(backend.load()).values():
        if parameter.kind is parameter.VAR_KEYWORD:
            anything = True
        elif parameter.name not in _COMMON and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
            found[parameter.name] = Param(
                name=parameter.name,
                kind="any",
                required=parameter.default is parameter.empty,
                secret=is_secret_name(parameter.name),
                aliases=("base_path",) if parameter.name == "path" else (),
            )
    if anything:
        for name in names:
            if name not in _COMMON and name not in found:
                found[name] = Param(name=name, kind="any", secret=is_secret_name(name))
    return tuple(found.values())


def _signature(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        # A class of C without a signature: it takes what it takes, and its own error says what it does not.
        return {"anything": inspect.Parameter("anything", inspect.Parameter.VAR_KEYWORD)}


def split_common(params: tuple[Param, ...], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the values of a type from those common to all types."""
    own = {p.name for p in params}
    common = {n: v for n, v in values.items() if n in _COMMON and n not in own}
    return {n: v for n, v in values.items() if n not in common}, common


def build(bound: Bound, settings: Mapping[str, Any] | None = None) -> Store:
    """Call the driver with a description's fields and the settings it takes from the common ones."""
    backend = bound.backend
    target = backend.load()
    accepted = _signature(target)
    anything = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    by_name = {p.name: p for p in bound.params}
    keywords: dict[str, Any] = reveal(dict(settings or {}))
    refused: list[str] = []
    for name, value in bound.fields.items():
        param = by_name.get(name)
        keyword = name if param is None or param.keyword is None else param.keyword
        if callable(value) and param is not None and param.kind in PLACES:
            raise ConfigError(f"{name!r} is a function: only a mount of a StorageManager calls it")
        if not keyword or (value is None and not (param is not None and param.nullable)):
            continue
        if keyword in accepted or anything:
            keywords[keyword] = reveal(value)
        elif param is None or value != param.default:
            refused.append(name)
    if refused:
        raise ConfigError(f"storage type {backend.type!r} has no {', '.join(map(repr, refused))}")
    if bound.url is not None and backend.whole_url:
        keywords["url"] = bound.url
    try:
        made = target(**keywords)
    except ImportError as error:
        if isinstance(error, MissingExtraError):
            raise
        raise backend.missing(error.name or backend.type) from error
    if not isinstance(made, Store) and callable(getattr(made, "as_store", None)):
        made = made.as_store()
    if not isinstance(made, Store):
        raise TypeError(
            f"storage type {backend.type!r} gave a {type(made).__name__}, which is no Store and has no as_store()"
        )
    return made


_OFFLINE = frozenset({"local", "memory", "base64", "zip", "tar", "libarchive", "git"})
"""Types that ask no server: there is nothing to repeat and nobody to wait for."""
_FACES = frozenset({"base_url", "layout", "deadline"})
"""What only a face can honour: `Registry.bind` gives it to them, `Registry.open` refuses it in a description."""


def refuse_faces(bound: Bound) -> None:
    """Refuse what only a face could honour.

    Raises:
        ConfigError: Something of that kind is there.
    """
    for name in sorted(_FACES & bound.common.keys()):
        raise ConfigError(f"{name!r} means nothing to a store alone: it is for a mount or a FileStore")


def build_whole(bound: Bound) -> Store:
    """Make the store and apply what is common to all types."""
    common = {n: v for n, v in bound.common.items() if n not in _LABELS and v is not None}
    permissions = common.pop("permissions", None)
    if common.pop("read_only", False):
        if permissions not in {None, "readonly"}:
            raise ConfigError(f"'read_only' and permissions {permissions!r} contradict each other")
        permissions = "readonly"
    for name in _FACES & common.keys():
        del common[name]
    attempts = common.pop("attempts", None)
    if attempts is not None:
        if attempts < 1 or common.get("retries", attempts - 1) != attempts - 1:
            raise ConfigError("'attempts' is at least 1, and 'retries' one less")
        common["retries"] = attempts - 1
    accepted = _signature(bound.backend.load())
    limits = [common.pop(n) for n in ("concurrency", "max_connections") if n in common and n not in accepted]
    if bound.type in _OFFLINE:
        for name in ("retries", "timeout", "connect_timeout"):
            common.pop(name, None)
    if common.get("versioned") is False and "versioned" not in accepted:
        del common["versioned"]
    if not common.get("options", True):
        del common["options"]
    for name in common:
        if name not in accepted:
            written = "attempts" if name == "retries" and attempts is not None else name
            what = "does not support versioning" if name == "versioned" else f"has no setting {written!r}"
            raise ConfigError(f"storage type {bound.type!r} {what}")
    store = build(bound, common)
    if limits:
        store = wrapper("limited:LimitedStore")(store, concurrency=min(limits))
    if permissions not in {None, "delete"}:
        store = wrapper("restricted:RestrictedStore")(store, permissions)
    return store


def wrapper(name: str) -> Callable[..., Store]:
    """Return a wrapper by its dotted name: wrappers stand above drivers, so they are no import of ours."""
    module, _, attribute = name.partition(":")
    wrapper: Callable[..., Store] = getattr(importlib.import_module(f"holdall.wrappers.{module}"), attribute)
    return wrapper


def below(store: Store, prefix: str) -> Store:
    """Return the part of a store below a prefix."""
    return wrapper("prefix:PrefixStore")(store, prefix) if prefix else store
