"""The one registry of storage types: from a URL or a mapping to a `Store`, by way of a table of what each type takes.

A type is known by name (the ``type`` of a mount) and by URL schemes. Its driver is named as ``module:Class`` and imported when
a store of the type is opened; opening makes no request. Packages add types by an entry point of the group
``holdall.backends``, programs by `register`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.config import expand
from holdall.core.convert import closest
from holdall.core.params import COMMON, Faults, Param, bind, require
from holdall.core.secrets import Secret, refuse_pickle
from holdall.core.urls import StoreURL, URLSpec, parse_url, url_scheme
from holdall.drivers import specs
from holdall.drivers.backend import Backend, Bound
from holdall.drivers.building import build, build_whole, refuse_faces, resolved_params, split_common
from holdall.drivers.factories import open_fsspec, open_memory
from holdall.errors import ConfigError
from holdall.store import Store

if TYPE_CHECKING:
    from importlib import metadata
else:
    metadata = lazy("importlib.metadata")

__all__ = [
    "Backend",
    "Bound",
    "Recipe",
    "Registry",
    "default_registry",
    "open_store",
    "parse",
    "recipe",
    "reference",
    "register",
]

GROUP = "holdall.backends"
"""Entry-point group for packages: the name is the type; the object a `Backend`, a class or a factory."""

_SPELLINGS = ("type", "protocol", "url")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a store can be made again: its description, unexpanded. Pickles unless a secret stands in it literally.

    Attributes:
        source: URL or mapping.
        secrets: Names of the literal secrets.
        changes: Fields that differ from the description.
        base: The directory that its relative paths are relative to.
        registry: Knows the type; the default one if ``None``.
    """

    source: Any
    secrets: tuple[str, ...] = ()
    changes: tuple[tuple[str, Any], ...] = ()
    base: str | None = None
    registry: Registry | None = None

    def open(self) -> Store:
        """Make the store."""
        registry = self.registry or default_registry()
        return registry.open(registry.bind(self.source, base=self.base).with_fields(**dict(self.changes)), base=self.base)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.secrets:
            refuse_pickle(f"a store with {', '.join(map(repr, self.secrets))}")
        return Recipe, (self.source, (), self.changes, self.base, self.registry)

    def __repr__(self) -> str:
        return f"Recipe({', '.join(self.secrets) or 'no literal secret'})"


class Registry:
    """Storage types by name and by URL scheme.

    Args:
        parent: Where to look for what is not here. A manager's own types live in a registry whose parent is the default one.

    Example:
        >>> registry = Registry(parent=default_registry())
        >>> registry.open("memory://").put("a", b"1").size
        1
    """

    def __init__(
        self, backends: Iterable[Backend] = (), *, parent: Registry | None = None, entry_points: bool = False
    ) -> None:
        self._parent = parent
        self._by_type: dict[str, Backend] = {}
        self._by_scheme: dict[str, Backend] = {}
        self._entry_points = entry_points
        for backend in backends:
            self.add(backend)

    # -- what there is ------------------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        target: str | Callable[..., Any],
        *,
        params: Iterable[Param] | None = None,
        schemes: Iterable[str] = (),
        aliases: Iterable[str] = (),
        extra: str | None = None,
        replace: bool = False,
    ) -> Backend:
        """Add a storage type.

        Args:
            name: The ``type`` of a mount.
            target: ``"module:Class"``, a class, or a factory; called with the mount's keys. What it gives is a `Store`, or has
                ``as_store()``.
            params: What it takes; by the signature of the class if ``None``.
            schemes: URL schemes: the path becomes ``path``, the host ``host``, user and password ``username`` and ``password``.
            aliases: Other names.
            extra: The extra of holdall to install.
            replace: Allow a name that is there already.

        Raises:
            ConfigError: The name is taken, or is none.
        """
        spec = URLSpec(
            type=name,
            params=tuple(params) if params is not None else (),
            free=params is None,
            schemes=dict.fromkeys(schemes),
            read=_read_plain,
        )
        return self.add(Backend(spec=spec, target=target, aliases=tuple(aliases), extra=extra), replace=replace)

    def add(self, backend: Backend, *, replace: bool = False) -> Backend:
        """Add a storage type that is described already.

        Raises:
            ConfigError: A name or scheme of it is taken, or is none.
        """
        for name in backend.names:
            if not isinstance(name, str) or not name or not all(c.isalnum() or c in "_-+." for c in name):
                raise ConfigError(f"a storage type's name has letters, digits, '-', '_', '+' and '.': {name!r}")
        taken = [n for n in backend.names if n in self._by_type] + [s for s in backend.spec.schemes if s in self._by_scheme]
        if taken and not replace:
            raise ConfigError(f"storage type {backend.type!r}: {taken[0]!r} is taken (replace=True replaces it)")
        replaced = {id(self._by_type[n]) for n in backend.names if n in self._by_type}
        for scheme, old in list(self._by_scheme.items()):
            if id(old) in replaced:
                del self._by_scheme[scheme]
        # Single steps on a dictionary and copies of it: threads that register at once lose nothing.
        self._by_type.update(dict.fromkeys(backend.names, backend))
        self._by_scheme.update(dict.fromkeys(backend.spec.schemes, backend))
        return backend

    def types(self) -> list[str]:
        """Return the names of all types, without aliases."""
        mine = [b.type for b in list(self._by_type.values())]
        return sorted({*mine, *(self._parent.types() if self._parent is not None else ()), *self._found()})

    def schemes(self) -> dict[str, Backend]:
        """Return the types by URL scheme."""
        return {**(self._parent.schemes() if self._parent is not None else {}), **self._by_scheme.copy()}

    def backends(self) -> list[Backend]:
        """Return all types that are described, in the order in which they came."""
        above = self._parent.backends() if self._parent is not None else []
        return list(dict.fromkeys([*above, *list(self._by_type.values())]))

    def backend(self, name: str) -> Backend:
        """Return the type of a name.

        Raises:
            ConfigError: There is none; the message has the known ones.
        """
        found = self._look_up(name)
        if found is None:
            known = self.types()
            near = closest(name, known) if isinstance(name, str) else None
            guess = f", did you mean {near!r}?" if near else ""
            raise ConfigError(f"Unknown storage type {name!r}{guess} (known: {', '.join(known)})")
        return found

    def _look_up(self, name: str) -> Backend | None:
        found = self._by_type.get(name)
        if found is None and self._parent is not None:
            found = self._parent._look_up(name)
        if found is None and name in self._found():
            found = self._entered(name)
        return found

    def _found(self) -> dict[str, metadata.EntryPoint]:
        """Return the entry points of packages, by name; nothing is imported."""
        if not self._entry_points:
            return {}
        return {e.name: e for e in metadata.entry_points(group=GROUP) if e.name not in self._by_type}

    def _entered(self, name: str) -> Backend:
        """Add the type of an entry point."""
        entry = self._found()[name]
        try:
            loaded = entry.load()
        except Exception as error:
            raise ConfigError(f"storage type {name!r}: the entry point {entry.value!r} cannot be loaded: {error}") from error
        if isinstance(loaded, Backend):
            return self.add(loaded, replace=True)
        return self.register(name, loaded, replace=True)

    def _enter_all(self) -> None:
        """Add the types of all packages: one of them may have the scheme that nobody knows. A broken one is passed over."""
        for name in self._found():
            with contextlib.suppress(ConfigError):
                self._entered(name)
        if self._parent is not None:
            self._parent._enter_all()

    # -- from descriptions to stores ----------------------------------------------------------------------------------

    def parse(self, url: str, *, env: Mapping[str, str] | None = None, expanded: bool = False) -> StoreURL:
        """Parse a URL of any known scheme. See `holdall.core.urls.parse_url`."""
        scheme = url_scheme(url) if isinstance(url, str) else None
        if scheme == "data":
            return StoreURL(scheme="data", segments=(url,), type=specs.BASE64.type)
        known = self.schemes()
        if scheme is not None and scheme not in known and not scheme.startswith("fsspec+"):
            self._enter_all()
            known = self.schemes()
        table = {s: b.spec for s, b in known.items()}
        if scheme is not None and scheme.startswith("fsspec+"):
            table[scheme] = specs.FSSPEC
        if scheme is not None and scheme in table and table[scheme].free:
            table[scheme] = replace(table[scheme], params=resolved_params(self.backend(table[scheme].type)))
        return parse_url(url, table, env=env, expanded=expanded)

    def bind(
        self,
        spec: str | StoreURL | Mapping[str, Any],
        *,
        env: Mapping[str, str] | None = None,
        expanded: bool = False,
        base: str | None = None,
    ) -> Bound:
        """Understand a description, without opening anything.

        Args:
            spec: A URL, or a mapping with ``type`` (or ``protocol``) and the keys of that type, or with ``url`` and common keys.
            env: The environment for ``${NAME}``; the process's if ``None``.
            expanded: ``${NAME}`` is not looked for.
            base: The directory that relative local paths are relative to; without one they are refused.

        Raises:
            ConfigError: With every fault.
        """
        if isinstance(spec, str):
            return self._bind_url(self.parse(spec, env=env, expanded=expanded), spec)
        if isinstance(spec, StoreURL):
            return self._bind_url(spec, spec)
        if not isinstance(spec, Mapping):
            raise TypeError(f"a storage is described by a URL or a mapping, not by {type(spec).__name__}")
        kind, protocol, url = (spec.get(n) for n in _SPELLINGS)
        if not expanded:
            kind, protocol = _named("type", kind, env), _named("protocol", protocol, env)
        if kind is not None and protocol is not None and kind != protocol:
            raise ConfigError(f"'type' and 'protocol' are one key with two values: {kind!r}, {protocol!r}")
        kind = kind if kind is not None else protocol
        if kind is None:
            return self._bind_with_url(spec, url, env=env, expanded=expanded)
        if not isinstance(kind, str):
            raise ConfigError(f"'type' is a name, not {type(kind).__name__}")
        backend = self.backend(kind)
        own = {n for p in backend.spec.params for n in p.names}
        raw = {k: v for k, v in spec.items() if k not in {"type", "protocol"} or k in own}
        faults = Faults(f"mount {spec['name']!r}" if isinstance(spec.get("name"), str) else f"storage type {backend.type!r}")
        params = resolved_params(backend, raw)
        values = bind(params, raw, faults, env=env, expanded=expanded, base=base)
        return self._finished(backend, values, faults, source=dict(spec), params=params)

    def _bind_with_url(self, spec: Mapping[str, Any], url: Any, *, env: Mapping[str, str] | None, expanded: bool) -> Bound:
        """Bind ``{"name": …, "url": …}``: the URL says what it is, common keys stand beside it."""
        if url is None:
            raise ConfigError("missing required field: 'type' (or 'protocol'), or 'url'")
        text = url.reveal() if isinstance(url, Secret) else url
        bound = self.bind(text, env=env, expanded=expanded)
        faults = Faults(f"mount {spec['name']!r}" if isinstance(spec.get("name"), str) else f"{bound.type} URL")
        beside = bind((), {k: v for k, v in spec.items() if k != "url"}, faults, env=env, expanded=expanded)
        for name, value in beside.items():
            if bound.common.get(name, value) != value:
                faults.add(f"{name!r} has one value in the URL and another beside it")
        faults.check()
        return replace(bound, common={**bound.common, **beside}, source=dict(spec))

    def _bind_url(self, url: StoreURL, source: Any) -> Bound:
        backend = self.backend(url.type)
        params = resolved_params(backend, url.fields)
        mine, common = split_common(params, url.fields)
        return Bound(backend=backend, params=params, fields=mine, common=common, url=url, source=source)

    def _finished(
        self, backend: Backend, values: dict[str, Any], faults: Faults, *, source: Any, params: tuple[Param, ...]
    ) -> Bound:
        require(params, values, faults)
        if backend.spec.check is not None:
            backend.spec.check(values, faults)
        faults.check()
        mine, common = split_common(params, values)
        return Bound(backend=backend, params=params, fields=mine, common=common, source=source)

    def build(self, bound: Bound) -> Store:
        """Make the bare store of a description: its driver, and its prefix. What is ``common`` is the caller's to apply.

        Raises:
            MissingExtraError: A package is not installed.
            ConfigError: The driver cannot honour a field.
        """
        return build(bound)

    def open(
        self,
        spec: str | StoreURL | Mapping[str, Any] | Bound,
        *,
        env: Mapping[str, str] | None = None,
        base: str | None = None,
    ) -> Store:
        """Make the store of a description. No request is made.

        What is common to all mounts is applied: ``permissions`` and ``read_only`` by a wrapper, ``concurrency`` by a wrapper or
        the driver, ``timeout``, ``retries``, ``versioned`` and ``options`` by the driver. What cannot be honoured is an error;
        what is a face's business (``base_url``, ``layout``, ``deadline``) is one too, unless the face itself hands in a `Bound`.

        Args:
            spec: A URL, a mapping, or what `bind` gave.
            env: The environment for ``${NAME}``.
            base: As for `bind`.

        Raises:
            ConfigError: With every fault of the description.
            MissingExtraError: A package is not installed; with the command that installs it.
        """
        bound = spec if isinstance(spec, Bound) else self.bind(spec, env=env, base=base)
        if bound is not spec:
            refuse_faces(bound)
        store = build_whole(bound)
        mine = None if self is _default else self
        # The attribute travels with the store and is all that its pickle needs (see Store.__reduce_ex__).
        vars(store)["_reopen"] = Recipe(bound.source, bound.literal_secrets(), tuple(bound.changes.items()), base, mine)
        return store

    def __reduce__(self) -> tuple[Any, ...]:
        if self is _default:
            return default_registry, ()
        return _registry_again, (list(dict.fromkeys(list(self._by_type.values()))), self._parent)

    def __repr__(self) -> str:
        return f"Registry({', '.join(self.types())})"


def _registry_again(backends: list[Backend], parent: Registry | None) -> Registry:
    return Registry(backends, parent=parent)


# -- the built-in types -----------------------------------------------------------------------------------------------------

_BUILT_IN = (
    Backend(spec=specs.LOCAL, target="holdall.drivers.local:LocalStore", aliases=("file",)),
    Backend(spec=specs.MEMORY, target=open_memory),
    Backend(spec=specs.BASE64, target="holdall.drivers.inline:InlineStore", aliases=("inline",)),
    Backend(spec=specs.S3, target="holdall.drivers.s3:S3Store", aliases=("s3a",)),
    Backend(spec=specs.GCS, target="holdall.drivers.gcs:GCSStore", aliases=("gs",)),
    Backend(spec=specs.AZURE, target="holdall.drivers.azure:AzureStore", aliases=("az", "abfs")),
    Backend(spec=specs.HTTP, target="holdall.drivers.http:HTTPStore", aliases=("https",)),
    Backend(
        spec=specs.SFTP, target="holdall.drivers.sftp:SFTPStore", aliases=("ssh",), extra="sftp", requires=("asyncssh",)
    ),
    Backend(spec=specs.FTP, target="holdall.drivers.ftp:FTPStore"),
    Backend(spec=specs.FTPS, target="holdall.drivers.ftp:FTPStore"),
    Backend(spec=specs.SMB, target="holdall.drivers.smb:SMBStore", extra="smb", requires=("smbprotocol",)),
    Backend(
        spec=specs.WEBDAV, target="holdall.drivers.webdav:WebDAVStore", aliases=("dav",), extra="webdav", requires=("httpx",)
    ),
    Backend(spec=specs.ZIP, target="holdall.drivers.protocols:open_zip"),
    Backend(spec=specs.TAR, target="holdall.drivers.protocols:open_tar"),
    Backend(
        spec=specs.LIBARCHIVE,
        target="holdall.drivers.protocols:open_libarchive",
        extra="libarchive",
        requires=("libarchive",),
    ),
    Backend(spec=specs.GIT, target="holdall.drivers.protocols:open_git", extra="git", requires=("pygit2",)),
    Backend(spec=specs.GITHUB, target="holdall.drivers.protocols:open_github", requires=("requests",)),
    Backend(spec=specs.FSSPEC, target=open_fsspec, whole_url=True),
    Backend(spec=specs.TIERS, target="holdall.tiers.loader:open_tiers"),
)

_default: Registry | None = None


def default_registry() -> Registry:
    """Return the process's registry: the built-in types, those of packages, and what `register` added. Made on first use."""
    global _default  # noqa: PLW0603  # the one registry of the process
    if _default is None:
        made = Registry(_BUILT_IN, entry_points=True)
        # Two threads may both make one; the first that is stored is the one.
        _default = _default or made
    return _default


def open_store(
    spec: str | StoreURL | Mapping[str, Any] | Bound,
    *,
    env: Mapping[str, str] | None = None,
    base: str | None = None,
    registry: Registry | None = None,
) -> Store:
    """Make the store that a URL or a mapping describes; no request is made. See `Registry.open`.

    Example:
        >>> open_store("memory://").put("a.txt", b"hello").size
        5
        >>> open_store({"type": "s3", "bucket": "b", "regoin": "eu-west-1"})
        Traceback (most recent call last):
            ...
        holdall.errors.ConfigError: storage type 's3': unknown field 'regoin', did you mean 'region'? ...
    """
    return (registry or default_registry()).open(spec, env=env, base=base)


def parse(url: str, *, env: Mapping[str, str] | None = None) -> StoreURL:
    """Parse a URL of any known scheme.

    Example:
        >>> parse("s3://archive/2026?region=eu-west-1").fields
        {'region': 'eu-west-1', 'bucket': 'archive', 'path': '2026'}
    """
    return default_registry().parse(url, env=env)


def register(name: str, target: str | Callable[..., Any], **options: Any) -> Backend:
    """Add a storage type for the whole process. See `Registry.register`."""
    return default_registry().register(name, target, **options)


def recipe(store: Store) -> Recipe | None:
    """Return how a store can be made again, if it was opened from a description."""
    found: Recipe | None = vars(store).get("_reopen")
    return found


def _read_plain(url: StoreURL, faults: Faults) -> dict[str, Any]:  # noqa: ARG001  # the signature of URLSpec.read
    """Read the URL of a registered type: every part under its plain name."""
    parts = {
        "host": url.host or None,
        "port": url.port,
        "path": url.path or None,
        "username": url.user,
        "password": url.password,
    }
    return {name: value for name, value in parts.items() if value is not None}


def reference(registry: Registry | None = None) -> str:
    """Return the reference of all storage types, in Markdown."""
    lines: list[str] = []
    for backend in (registry or default_registry()).backends():
        spec = backend.spec
        lines += [f"## `{backend.type}`", ""]
        facts: list[str] = []
        if backend.aliases:
            facts.append(f"Also named {_listed(backend.aliases)}.")
        if spec.schemes:
            ports = [
                f"`{s}://`" + (f" (port {p})" if p else "") if s != "data" else "`data:`" for s, p in spec.schemes.items()
            ]
            facts.append(f"URL: {', '.join(ports)}; the path is {spec.path}.")
        if backend.extra:
            facts.append(f'Needs `pip install "holdall[{backend.extra}]"`.')
        lines += [" ".join(facts), ""] if facts else []
        if spec.params:
            lines += ["| key | kind | default | meaning |", "|---|---|---|---|", *(_row(p) for p in spec.params), ""]
    lines += [
        "## Common to all types",
        "",
        "All types know these; one whose library has no such thing refuses it when it is opened (`sftp` repeats no request, for one) and ignores nothing.",
        "",
        "| key | kind | default | meaning |",
        "|---|---|---|---|",
        *(_row(p) for p in COMMON),
    ]
    return "\n".join(lines) + "\n"


def _named(key: str, value: Any, env: Mapping[str, str] | None) -> Any:
    """Return the name of a type with its references to the environment expanded."""
    try:
        return expand(value, env) if isinstance(value, str) else value
    except ConfigError as error:
        raise ConfigError(f"{error.message} (in {key!r})") from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _row(param: Param) -> str:
    name = f"**`{param.name}`**" if param.required else f"`{param.name}`"
    also = f" ({_listed(param.aliases)})" if param.aliases else ""
    kind = " ".join(f"`{c}`" for c in param.choices) or param.kind
    kind += ", secret" if param.secret else ""
    kind += {"url": ", in a URL only", "mapping": ", not in a URL"}.get(param.form or "", "")
    default = (
        ""
        if param.default is None
        else f"`{str(param.default).lower() if isinstance(param.default, bool) else param.default}`"
    )
    return f"| {name}{also} | {kind} | {default} | {param.help} |"
