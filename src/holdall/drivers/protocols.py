"""Factories of the types that fsspec's own filesystems serve: archives, git, GitHub.

Each turns the keys of a mount into the options that the filesystem takes; `holdall.drivers.fsspec` does the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from holdall.drivers.backend import load_target
from holdall.errors import ConfigError
from holdall.store import Store

__all__ = ["open_git", "open_github", "open_libarchive", "open_tar", "open_zip"]

_COMPRESSIONS = {"gz": "gzip", "bz2": "bz2", "xz": "xz"}
_SUFFIXES = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".tbz2": "bz2", ".xz": "xz", ".txz": "xz"}


def open_zip(
    file: Any, *, mode: str = "r", target_protocol: str | None = None, target_options: Mapping[str, Any] | None = None
) -> Store:
    """Make the store of a zip file's entries; for reading, as entries cannot be replaced at once."""
    if mode != "r":
        raise ConfigError(
            f"'mode' {mode!r}: entries of a zip file cannot be written at once; node.zip() writes whole archives"
        )
    return _archive("zip", file, target_protocol, target_options)


def open_tar(
    file: Any,
    *,
    compression: str | None = None,
    target_protocol: str | None = None,
    target_options: Mapping[str, Any] | None = None,
) -> Store:
    """Make the store of a tar file's entries."""
    return _archive("tar", file, target_protocol, target_options, compression=_compression(compression, file))


def _compression(given: str | None, file: Any) -> str | None:
    """Return fsspec's word for the compression of a tar file: as given, or by its name."""
    if given is None:
        name = file if isinstance(file, str) else str(getattr(file, "name", ""))
        given = next((word for suffix, word in _SUFFIXES.items() if name.lower().endswith(suffix)), None)
    return None if given is None else _COMPRESSIONS[given]


def open_libarchive(
    file: Any, *, target_protocol: str | None = None, target_options: Mapping[str, Any] | None = None
) -> Store:
    """Make the store of the entries of any archive that libarchive reads."""
    return _archive("libarchive", file, target_protocol, target_options)


def open_git(path: str, *, ref: str | None = None, fo: str | None = None) -> Store:
    """Make the store of what a local repository holds at a commit, branch or tag."""
    if ref is not None and (":" in ref or "^{" in ref):
        raise ConfigError(f"'ref' is a commit, branch or tag, not what is in one: {ref!r}")
    # The filesystem would take "master", whatever the repository has.
    return _made("git", {"path": path, "ref": ref or "HEAD"}, path=fo or "")


def open_github(
    org: str,
    repo: str,
    *,
    sha: str | None = None,
    username: str | None = None,
    token: str | None = None,
    path: str = "",
    timeout: float | None = None,
) -> Store:
    """Make the store of what a repository on GitHub holds at a commit, branch or tag."""
    if bool(username) != bool(token):
        raise ConfigError("half a pair of credentials: 'username' and 'token' go together")
    return _made(
        "github", {"org": org, "repo": repo, "sha": sha, "username": username, "token": token, "timeout": timeout}, path=path
    )


def _archive(
    protocol: str, file: Any, target_protocol: str | None, target_options: Mapping[str, Any] | None, **options: Any
) -> Store:
    if isinstance(file, str) and target_protocol is None:
        name, colon, _ = file.partition(":")
        if colon and len(name) > 1 and "://" not in file and not os.path.isabs(file):
            raise ConfigError(f"'file' {file!r} is on a mount: open it there, and give the open file")
        file = file if "://" in file else os.path.abspath(file)
    given = {"fo": file, "target_protocol": target_protocol, "target_options": dict(target_options or {}) or None, **options}
    return _made(protocol, given)


def _made(protocol: str, options: Mapping[str, Any], *, path: str = "") -> Store:
    make: Callable[..., Store] = load_target("holdall.drivers.fsspec:FsspecStore")
    return make(protocol, path=path, options={n: v for n, v in options.items() if v is not None})
