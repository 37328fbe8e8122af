"""Configuration: references to the environment, documents in YAML, TOML and JSON, and where the file is found.

A reference is ``${NAME}``, ``${NAME:default}`` (if unset), ``${NAME:-default}`` (if unset or empty) or ``${NAME:?message}``
(an error if unset or empty); ``$${`` stands for ``${`` itself. References are expanded once, after a document is parsed: what
comes from the environment is never expanded again and can inject no structure. A default may hold references of its own.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.dirs import config_dir
from holdall.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import json
    import tomllib
else:
    json = lazy("json")
    tomllib = lazy("tomllib")

__all__ = ["CONFIG_NAMES", "SUFFIXES", "Reference", "expand", "find_config", "load_document", "parse_document", "pieces"]

CONFIG_NAMES = ("holdall.toml", "holdall.yaml", "holdall.yml", "holdall.json")
"""Names under which a configuration file is looked for, in order."""
SUFFIXES = (".yaml", ".yml", ".json", ".toml")
"""Suffixes of configuration files."""

_HEAD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)([:}])", re.ASCII)


# -- references -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """One ``${...}`` in a text.

    Attributes:
        name: The variable.
        mode: ``""`` (must be set), ``":"`` (default if unset), ``":-"`` (default if unset or empty), ``":?"`` (message).
        rest: The default or the message.
        text: The reference as it was written.
    """

    name: str
    mode: str
    rest: str
    text: str

    def value(self, env: Mapping[str, str]) -> str:
        """Return what the reference stands for.

        Raises:
            ConfigError: The variable is unset (or empty, for ``:?``) and there is no default.
        """
        found = env.get(self.name)
        if found is not None and (found or self.mode not in {":-", ":?"}):
            return found
        if self.mode in {":", ":-"}:
            return _expand_text(self.rest, env)
        if self.mode == ":?":
            raise ConfigError(f"environment variable {self.name}: {self.rest or 'is not set'}")
        raise ConfigError(f"environment variable {self.name} is not set and has no default")


def pieces(text: str) -> Iterator[str | Reference]:
    """Split a text into literal pieces (``$${`` already turned into ``${``) and references.

    Raises:
        ConfigError: A ``${`` that begins no reference.

    Example:
        >>> [p if isinstance(p, str) else p.name for p in pieces("s3://${KEY}@$${x}")]
        ['s3://', 'KEY', '@', '${', 'x}']
    """
    here = 0
    while (start := text.find("${", here)) >= 0:
        if start > here and text[start - 1] == "$":
            if start - 1 > here:
                yield text[here : start - 1]
            yield "${"
            here = start + 2
            continue
        if start > here:
            yield text[here:start]
        head = _HEAD.match(text, start + 2)
        # A brace in a default is matched by its partner, so that "${X:{\"a\": 1}}" ends where people think it does.
        depth, end = 1, start + 2
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if not depth:
                break
            end += 1
        if head is None or depth:
            raise ConfigError(
                "a reference to the environment is ${NAME}, ${NAME:default}, ${NAME:-default} or ${NAME:?message}; "
                "write $${ for the characters ${"
            )
        rest = text[head.end() : end] if head[2] == ":" else ""
        mode = "" if head[2] == "}" else ":" + rest[0] if rest[:1] in {"-", "?"} else ":"
        yield Reference(head[1], mode, rest[1:] if len(mode) == 2 else rest, text[start : end + 1])
        here = end + 1
    if here < len(text):
        yield text[here:]


def _expand_text(text: str, env: Mapping[str, str]) -> str:
    if "${" not in text:
        return text
    return "".join(p if isinstance(p, str) else p.value(env) for p in pieces(text))


def expand(value: Any, env: Mapping[str, str] | None = None) -> Any:
    """Return a value with the references in every text, at any depth of mappings and lists, replaced. Keys stay.

    Args:
        value: What a document holds.
        env: The environment; the process's if ``None``.

    Raises:
        ConfigError: Variables that are unset, all in one message with their places.

    Example:
        >>> expand({"bucket": "${B:archive}", "note": "$${B}"}, {})
        {'bucket': 'archive', 'note': '${B}'}
    """
    faults: list[str] = []
    expanded = _expand(value, os.environ if env is None else env, "", faults)
    if faults:
        raise ConfigError("; ".join(faults))
    return expanded


def _expand(value: Any, env: Mapping[str, str], place: str, faults: list[str]) -> Any:
    if isinstance(value, str):
        try:
            return _expand_text(value, env)
        except ConfigError as error:
            faults.append(f"{place}: {error}" if place else str(error))
            return value
    if isinstance(value, Mapping):
        return {k: _expand(v, env, f"{place}.{k}" if place else str(k), faults) for k, v in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(_expand(v, env, f"{place}[{i}]", faults) for i, v in enumerate(value))
    return value


# -- documents --------------------------------------------------------------------------------------------------------------


def parse_document(text: str, suffix: str, *, name: str = "configuration") -> Any:
    r"""Parse a document by the suffix of its file. References are left as they are.

    Args:
        text: The document.
        suffix: ``.yaml``, ``.yml``, ``.json`` or ``.toml``, in any case.
        name: What the document is called in errors.

    Raises:
        ConfigError: Another suffix, bad syntax, or a name given twice; with line and column, without quoting the text (it
            may hold secrets).
        MissingExtraError: YAML without PyYAML.

    Example:
        >>> parse_document('[mounts.home]\ntype = "local"', ".toml")
        {'mounts': {'home': {'type': 'local'}}}
    """
    suffix = suffix.lower()
    if suffix == ".toml":
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name} is not valid TOML: {error}") from None
    if suffix == ".json":
        try:
            return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, name))
        except json.JSONDecodeError as error:
            # The error object holds the whole document: it must not travel along.
            raise ConfigError(f"{name} is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
        except RecursionError:
            raise ConfigError(f"{name} is nested too deeply") from None
    if suffix in {".yaml", ".yml"}:
        return _parse_yaml(text, name)
    raise ConfigError(f"Unsupported configuration file format {suffix!r}: {name} (known: {', '.join(SUFFIXES)})")


def _unique(pairs: Sequence[tuple[Any, Any]], name: str, where: str = "") -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"{name} has {key!r} twice in one mapping{where}")
        found[key] = value
    return found


def _parse_yaml(text: str, name: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        raise MissingExtraError(f'{name} is YAML, which needs PyYAML: pip install "holdall[yaml]"') from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # the safe one: no object of Python is ever made
        """Refuses a name that is given twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            line = f" (line {node.start_mark.line + 1})"
            keys: list[tuple[Any, Any]] = []
            for key, _ in node.value:
                if key.tag != "tag:yaml.org,2002:merge":
                    made = self.construct_object(key, deep=True)
                    if not isinstance(made, Hashable):
                        raise ConfigError(f"{name} has a name that is no scalar{line}")
                    keys.append((made, None))
            _unique(keys, name, line)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise ConfigError(f"{name} is not valid YAML: {error.problem or 'syntax'}{where}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {type(error).__name__}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{name} is not valid YAML: a value that cannot be read") from None


def load_document(path: str | os.PathLike[str]) -> Any:
    """Read and parse one configuration file (UTF-8, a byte order mark is skipped).

    Raises:
        FileNotFoundError: No such file.
        ConfigError: As `parse_document`; or not UTF-8.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        parse_document("", suffix, name=path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    return parse_document(text, suffix, name=path)


def find_config(
    env: Mapping[str, str] | None = None,
    *,
    directory: str | None = None,
    exists: Callable[[str], bool] = os.path.isfile,
    platform: str | None = None,
) -> str | None:
    """Return the path of the configuration file, or ``None`` if there is none.

    ``HOLDALL_CONFIG`` if set; else ``holdall.toml``, ``.yaml``, ``.yml``, ``.json`` in the working directory; else the same
    names in the user's configuration directory.

    Args:
        env: The environment; the process's if ``None``.
        directory: The working directory.
        exists: Tells whether a file is there.
        platform: As `sys.platform`.

    Raises:
        ConfigError: ``HOLDALL_CONFIG`` names a file that is not there.

    Example:
        >>> find_config({"HOME": "/home/me"}, directory="/srv", exists=lambda p: p == "/srv/holdall.yaml", platform="linux")
        '/srv/holdall.yaml'
    """
    env = os.environ if env is None else env
    named = env.get("HOLDALL_CONFIG")
    if named:
        if not exists(named):
            raise ConfigError(f"HOLDALL_CONFIG names a file that is not there: {named}")
        return named
    places = (os.getcwd() if directory is None else directory, config_dir(env, platform))
    return next((p for place in places for name in CONFIG_NAMES if exists(p := os.path.join(place, name))), None)
