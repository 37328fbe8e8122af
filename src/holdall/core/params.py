"""Parameters of storage types: one table per type, from which mappings and URLs are read, error texts and the reference come.

`bind` turns what people write (any spelling, text or typed, with ``${ENV}`` and ``…_file`` twins) into values by canonical
name, and collects every fault on the way, so that one `ConfigError` names them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from holdall.core.config import expand
from holdall.core.convert import closest, to_bool, to_duration, to_float, to_int, to_size
from holdall.core.keys import clean_path
from holdall.core.secrets import Secret, is_reference, is_secret_name, mask, read_secret
from holdall.errors import ConfigError, InvalidKeyError

__all__ = ["COMMON", "PLACES", "Faults", "Form", "Kind", "Param", "bind", "require"]

Kind = Literal[
    "text", "bool", "int", "float", "duration", "size", "mode", "path", "file", "key", "remote", "mapping", "raw", "any"
]
Form = Literal["mapping", "url"]

_UNSET = object()
PLACES = frozenset({"path", "key", "remote"})
"""Kinds that may be a function, which a manager calls."""
_MODE = re.compile(r"(?:0o)?[0-7]{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a storage type.

    Attributes:
        name: The canonical name.
        kind: ``text``, ``bool``, ``int``, ``float``, ``duration`` (seconds), ``size`` (bytes), ``path`` (a local path: ``~``
            expanded, absolute), ``key`` (a prefix below the root of the store: cleaned), ``remote`` (a path on a server, absolute
            or not), ``file`` (a local path, ``mount:path``, URL or open file), ``mode`` (permission bits, octal), ``mapping`` (what
            stands in it under a secret's name is held as a `Secret`), ``raw`` (references to the environment are left to who uses it),
            ``any``.
        aliases: Other spellings.
        required: Must be there.
        secret: Is held as a `Secret`, never shown, and has a twin ``<name>_file``.
        default: What holds if it is not given, for the reference; the driver applies it.
        choices: The only values allowed (text).
        keyword: The driver's keyword for it, if that is another one; ``""`` if it is not handed to the driver.
        empty: An empty text means "not given".
        nullable: ``None`` is a value of its own, and not "not given".
        form: Where it can stand: anywhere (``None``), or in one form only.
        help: One line for the reference.

    Example:
        >>> Param(name="port", kind="int", default=22).convert("2222")
        2222
    """

    name: str
    kind: Kind = "text"
    aliases: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    keyword: str | None = None
    empty: bool = False
    nullable: bool = False
    form: Form | None = None
    help: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All spellings, the canonical one first."""
        return (self.name, *self.aliases)

    @property
    def spelled(self) -> str:
        """The name as errors show it, with the first other spelling."""
        return f"{self.name!r} (or {self.aliases[0]!r})" if self.aliases else repr(self.name)

    def convert(self, value: Any, *, base: str | None = None) -> Any:
        """Return a value of the parameter's kind.

        Args:
            value: Text, or a value that is of the kind already.
            base: The directory that relative paths are relative to; without one they are refused.

        Raises:
            ValueError: It cannot be one; the message is a sentence without subject and does not quote the value.
        """
        if self.kind in {"any", "raw"} or (self.kind in PLACES and callable(value)):
            return value
        if self.kind in {"text", "key", "remote"}:
            return self._text(os.fspath(value) if isinstance(value, os.PathLike) and self.kind != "text" else value)
        if self.kind == "path":
            return _absolute(value, base)
        if self.kind == "file":
            return _file(value, base)
        if self.kind == "mapping":
            if not isinstance(value, Mapping):
                raise ValueError(f"must be a mapping, not {type(value).__name__}")
            return dict(value)
        return _CONVERTERS[self.kind](value)

    def _text(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be text (in quotes), not {type(value).__name__}")  # noqa: TRY004  # a fault among others
        if "\0" in value:
            raise ValueError("cannot hold NUL")
        if self.choices:
            value = value.lower()
            if value not in self.choices:
                raise ValueError(f"must be one of {', '.join(self.choices)}")
        if self.kind == "key":
            return _clean(value)
        if self.kind == "remote":
            return ("/" if value.startswith("/") else "") + _clean(value)
        return value


def _to_mode(value: Any) -> int:
    if isinstance(value, str) and _MODE.fullmatch(value.strip()):
        return int(value.strip().removeprefix("0o"), 8)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777:
        return value
    raise ValueError("must be permission bits in octal, such as '640'")


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "bool": to_bool,
    "int": to_int,
    "float": to_float,
    "duration": to_duration,
    "size": to_size,
    "mode": _to_mode,
}


def _clean(value: str) -> str:
    try:
        return clean_path(value)
    except InvalidKeyError as error:
        raise ValueError(f"is no path within a store: {error.message}") from None


def _absolute(value: Any, base: str | None) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    path = os.path.expanduser(value)
    if not os.path.isabs(path):
        if base is None:
            raise ValueError(
                f"must be an absolute path (the working directory may change), such as {os.path.abspath(path)!r}"
            )
        path = os.path.join(base, path)
    return os.path.normpath(path) if ".." not in path.split(os.sep) else path


def _file(value: Any, base: str | None) -> Any:
    """Return an absolute path where a path is meant and it is known what it is relative to; everything else as it is."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or (":" in value and not os.path.isabs(value)):
        return value
    path = os.path.expanduser(value)
    return _absolute(path, base) if os.path.isabs(path) or base is not None else path


COMMON: tuple[Param, ...] = (
    Param(name="name", help="name of the mount or location"),
    Param(name="permissions", choices=("readonly", "readwrite", "delete"), help="what may be done: `readwrite` is all but deleting"),
    Param(name="read_only", kind="bool", default=False, help="the same as `permissions=readonly`"),
    Param(name="versioned", kind="bool", help="old versions are kept (or, for S3, whether to ask the bucket)"),
    Param(name="base_url", help="public address of the content"),
    Param(name="options", kind="mapping", form="mapping", help="handed to the driver's library"),
    Param(name="retries", kind="int", help="repetitions of a failed request"),
    Param(name="attempts", kind="int", help="the same counted with the first try"),
    Param(name="timeout", kind="duration", aliases=("stall_timeout",), help="longest time without progress; object stores: five times as long for a write's answer"),
    Param(name="connect_timeout", kind="duration", help="longest time to connect"),
    Param(name="deadline", kind="duration", help="longest time for a call with all its repetitions"),
    Param(name="concurrency", kind="int", help="operations (or, where the driver has it, parts of an upload) at once"),
    Param(name="max_connections", kind="int", help="connections at once"),
    Param(name="layout", choices=("flat", "sharded"), help="how names become keys in a `FileStore`"),
)  # fmt: skip
"""Parameters of every type. A type that has a parameter of the same name replaces the common one."""


@dataclass(slots=True)
class Faults:
    """Faults of one description, collected to be raised together.

    Example:
        >>> faults = Faults("mount 'up'")
        >>> faults.add("'port' must be a whole number")
        >>> faults.check()
        Traceback (most recent call last):
        holdall.errors.ConfigError: mount 'up': 'port' must be a whole number
    """

    what: str
    found: list[str] = field(default_factory=list[str])
    told: set[str] = field(default_factory=set[str])
    """Names of parameters that were given, and refused: they are not missing too."""

    def add(self, fault: str) -> None:
        """Note one fault; the same one twice is one."""
        if fault not in self.found:
            self.found.append(fault)

    def __bool__(self) -> bool:
        return bool(self.found)

    def check(self) -> None:
        """Raise if there was any fault.

        Raises:
            ConfigError: With all of them.
        """
        if self.found:
            raise ConfigError(f"{self.what}: {'; '.join(self.found)}" if self.what else "; ".join(self.found))


def bind(
    params: Iterable[Param],
    raw: Mapping[str, Any],
    faults: Faults,
    *,
    form: Form = "mapping",
    env: Mapping[str, str] | None = None,
    expanded: bool = False,
    base: str | None = None,
    common: bool = True,
    read: Callable[[str], str] = read_secret,
) -> dict[str, Any]:
    """Return the values by canonical name; what is wrong goes to ``faults``.

    Args:
        params: The parameters of the type.
        raw: What was written.
        faults: Takes every fault.
        form: Which form was written.
        env: The environment for ``${NAME}``; the process's if ``None``.
        expanded: ``${NAME}`` is not looked for (or was already dealt with).
        base: The directory that relative paths are relative to.
        common: The parameters that all storages have are taken, too.
        read: Reads the file of a ``…_file`` twin.

    Example:
        >>> faults = Faults("")
        >>> bind([Param(name="bucket"), Param(name="secret", secret=True)], {"bucket": "${B:x}", "secret": "s"}, faults, env={})
        {'bucket': 'x', 'secret': Secret(***)}
    """
    mine = tuple(params)
    taken = {name for p in mine for name in p.names}
    table = [*mine, *(p for p in COMMON if common and not taken.intersection(p.names))]
    by_name = {name: p for p in table if p.form in {None, form} for name in p.names}
    twins = {f"{name}_file": p for name, p in by_name.items() if p.secret and f"{name}_file" not in by_name}
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, value in raw.items():
        param = by_name.get(name) or twins.get(name)
        if param is None:
            faults.add(_unknown(name, [*by_name, *twins], form))
            continue
        try:
            # A file on another protocol is not relative to a directory of this machine.
            near = None if param.kind == "file" and raw.get("target_protocol") else base
            bound = _value(
                param, value, form=form, twin=name not in by_name, env=env, expanded=expanded, base=near, read=read
            )
        except (ValueError, OSError) as error:
            faults.add(_fault(name, param, value, error))
            faults.told.add(param.name)
            continue
        if bound is _UNSET:
            continue
        if param.name in values and not _same(values[param.name], bound):
            faults.add(f"{name!r} and {spelled[param.name]!r} are one parameter with two values")
            continue
        values[param.name] = bound
        spelled.setdefault(param.name, name)
    return values


def require(params: Iterable[Param], values: Mapping[str, Any], faults: Faults) -> None:
    """Note each required parameter that is missing."""
    for param in params:
        missing = values.get(param.name) is None or values[param.name] == ""
        if param.required and missing and param.name not in faults.told:
            faults.add(f"missing required field: {param.spelled}")


def _unknown(name: Any, known: Iterable[str], form: Form) -> str:
    near = closest(name, known) if isinstance(name, str) else None
    what = "parameter" if form == "url" else "field"
    guess = f", did you mean {near!r}?" if near else ""
    return f"unknown {what} {mask(str(name))!r}{guess} (known: {', '.join(sorted(known))})"


def _value(
    param: Param,
    value: Any,
    *,
    form: Form,
    twin: bool,
    env: Mapping[str, str] | None,
    expanded: bool,
    base: str | None,
    read: Callable[[str], str],
) -> Any:
    """Return one converted value, `_UNSET` if it says that nothing was given."""
    if value is None:
        return None if param.nullable else _UNSET
    reference: str | None = None
    if isinstance(value, Secret):
        reference, value = value.reference, value.reveal()
    elif isinstance(value, Mapping):
        value = _held(value, "", env=env, expanded=expanded, every=param.secret)
    elif not expanded and param.kind != "raw":
        reference = value if isinstance(value, str) and is_reference(value) else None
        value = expand(value, env)
    if value == "" and param.empty:
        return _UNSET
    if value == "" and form == "url":
        raise ValueError("is empty")
    if twin:
        path = _absolute(value, base)
        return Secret(read(path), reference=f"file:{path}")
    value = param.convert(value, base=base)
    return Secret(value, reference=reference) if param.secret and isinstance(value, str) else value


def _held(value: Any, name: str, *, env: Mapping[str, str] | None, expanded: bool, every: bool) -> Any:
    """Return a value of a mapping with its references expanded, and what is secret in it (or every text) held as such."""
    if isinstance(value, Mapping):
        return {
            k: _held(v, k if isinstance(k, str) else "", env=env, expanded=expanded, every=every) for k, v in value.items()
        }
    if type(value) in {list, tuple}:
        return type(value)(_held(v, name, env=env, expanded=expanded, every=every) for v in value)
    if not isinstance(value, str):
        return value
    text = value if expanded else expand(value, env)
    if every or is_secret_name(name):
        return Secret(text, reference=value if not expanded and is_reference(value) else None)
    return text


def _fault(name: str, param: Param, value: Any, error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ConfigError):
        return f"cannot read the file: {error.strerror or type(error).__name__} (in {name!r})"
    if isinstance(error, ConfigError):
        return f"{error.message} (in {name!r})"  # not "'password': …", whose sequel would be masked
    shown = f", not {mask(repr(value))}" if isinstance(value, (str, int, float)) and not param.secret else ""
    return f"{name!r} {error}{shown}"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
