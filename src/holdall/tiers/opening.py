"""From what a caller names as a location to a `Location`; nothing is asked of any storage."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from holdall.core.convert import to_bool
from holdall.core.secrets import mask, refuse_pickle
from holdall.core.urls import StoreURL, url_scheme
from holdall.drivers.backend import Bound
from holdall.drivers.building import below
from holdall.drivers.registry import default_registry
from holdall.engine.resolve import mount_reference, resolve
from holdall.errors import ConfigError
from holdall.store import Store
from holdall.tiers.layout import FLAT, SHARDED, Layout, layout_of
from holdall.tiers.locations import WORDS, Location
from holdall.tiers.settings import Rules
from holdall.wrappers.readonly import ReadOnlyStore
from holdall.wrappers.resilient import Line

__all__ = ["open_locations", "refuse_literal"]

_NAME = re.compile(r"[a-z][a-z0-9_-]+")
_KEYS = {"url", "store", "name", "read_only", "layout"}
_TREES = {"local", "ftp", "ftps", "sftp", "http"}
"""Types where `sharded` applies by default: object stores stay flat unless their own URL says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    store: Store
    scheme: str
    tree: bool
    url: str | None = None
    name: str | None = None
    layout: object = None
    attempts: int | None = None
    deadline: float | None = None


def open_locations(given: Sequence[Any], *, names: Sequence[str] | None, layout: object, rules: Rules) -> list[Location]:
    """Make the locations of a file store, in order.

    Raises:
        ConfigError: None given, a name twice or reserved, a bad value or an unknown key.
    """
    if not given:
        raise ConfigError("a FileStore needs at least one location")
    if isinstance(names, str) or (names is not None and len(names) != len(given)):
        raise ConfigError(f"names is a sequence with one name for each of the {len(given)} locations")
    common = layout_of(layout)
    locations: list[Location] = []
    for index, item in enumerate(given):
        opened = _open(item, rules)
        name = names[index] if names is not None else opened.name or f"{opened.scheme}-{index}"
        _check_name(name, [location.name for location in locations])
        chosen: Layout = layout_of(opened.layout) if opened.layout is not None else common
        if opened.layout is None and common is SHARDED and not opened.tree:
            chosen = FLAT
        retry = rules.retry
        if opened.attempts is not None or opened.deadline is not None:
            retry = replace(retry, attempts=opened.attempts or retry.attempts, deadline=opened.deadline or retry.deadline)
        line = Line(f"location {name!r}", retry, rules.breaker)
        locations.append(
            Location.of(opened.store, name=name, index=index, url=opened.url, read_only=False, layout=chosen, line=line)
        )
    return locations


def refuse_literal(given: Sequence[Any]) -> None:
    """Refuse to pickle what has a secret in its own text.

    Raises:
        TypeError: A location has one.
    """
    for item in given:
        text = item.get("url") if isinstance(item, Mapping) else item
        if isinstance(text, StoreURL) or (isinstance(text, str) and url_scheme(text) is not None):
            secrets = default_registry().bind(text).literal_secrets()
            if secrets:
                refuse_pickle(f"a file store with {', '.join(map(repr, secrets))}")


def _check_name(name: object, taken: Sequence[str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"the name of a location is two or more lower-case letters, digits, '_' and '-', a letter first: {mask(str(name))!r}"
        )
    if name in WORDS:
        raise ConfigError(f"no location can be named {name!r}: that is a word for a position")
    if name in taken:
        raise ConfigError(f"two locations are named {name!r}")


def _open(item: Any, rules: Rules) -> _Opened:
    if isinstance(item, Mapping):
        return _open_mapping(item, rules)
    if isinstance(item, Store):
        scheme = type(item).__name__.removesuffix("Store").lower() or "store"
        return _Opened(store=item, scheme=scheme, tree=item.capabilities.local)
    if isinstance(item, StoreURL):
        return _open_url(item, rules)
    if isinstance(item, os.PathLike):
        path = os.path.abspath(os.fsdecode(item))
        return replace(
            _open_bound(default_registry().bind({"type": "local", "path": path, "create": True}), rules),
            url=path,
            scheme="file",
        )
    if not isinstance(item, str):
        raise ConfigError(f"a location is a URL, a Store, a path, a mount or a mapping, not {type(item).__name__}")
    if url_scheme(item) is not None or item.startswith("${"):
        return _open_url(item, rules)
    reference = mount_reference(item)
    if reference is None:
        raise ConfigError(f"{mask(item)!r} is no URL: a local directory is written file:///path, or as a pathlib.Path")
    found = resolve(item)
    return _Opened(
        store=below(found.store, found.key), scheme=reference[0].lower(), tree=found.store.capabilities.local, url=item
    )


def _open_mapping(item: Mapping[str, Any], rules: Rules) -> _Opened:
    unknown = sorted(str(key) for key in item.keys() - _KEYS)
    if unknown:
        raise ConfigError(f"location: unknown key {mask(unknown[0])!r} (known: {', '.join(sorted(_KEYS))})")
    if ("url" in item) == ("store" in item):
        raise ConfigError("location: either 'url' or 'store'")
    opened = _open(item["url"] if "url" in item else item["store"], rules)
    for key in ("name", "layout"):
        beside, inside = item.get(key), getattr(opened, key)
        if beside is not None and inside is not None and beside != inside:
            raise ConfigError(f"location: {key!r} has one value in the URL and another beside it")
    try:
        read_only = to_bool(item.get("read_only", False))
    except ValueError as error:
        raise ConfigError(f"location: 'read_only' {error}") from None
    return replace(
        opened,
        name=item.get("name") or opened.name,
        layout=item.get("layout") or opened.layout,
        store=ReadOnlyStore(opened.store) if read_only else opened.store,
    )


def _open_url(url: str | StoreURL, rules: Rules) -> _Opened:
    bound = default_registry().bind(url)
    assert bound.url is not None  # it was one
    scheme = bound.url.scheme.replace("+", "-").replace(".", "-")
    return replace(_open_bound(bound, rules), url=str(bound.url), scheme=scheme)


def _open_bound(bound: Bound, rules: Rules) -> _Opened:
    """Open a description: our retry around the driver takes the place of the driver's own, so that attempts never multiply."""
    common = dict(bound.common)
    name, layout = common.pop("name", None), common.pop("layout", None)
    attempts, deadline = common.pop("attempts", None), common.pop("deadline", None)
    if "retries" in common:
        attempts = common.pop("retries") + 1 if attempts is None else attempts
    accepted = inspect.signature(bound.backend.load()).parameters
    ours = {"retries": 0, "connect_timeout": rules.timeouts.connect, "timeout": rules.timeouts.stall}
    common = {**{key: value for key, value in ours.items() if key in accepted}, **common}
    store = default_registry().open(replace(bound, common=common))
    return _Opened(
        store=store,
        scheme=bound.type,
        tree=bound.type in _TREES,
        name=name,
        layout=layout,
        attempts=attempts,
        deadline=deadline,
    )
