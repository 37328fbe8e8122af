"""Where a user's configuration, state and caches belong on each platform (pure: environment in, paths out)."""

from __future__ import annotations

import ntpath
import os
import posixpath
import sys
from collections.abc import Mapping

__all__ = ["cache_dir", "config_dir", "state_dir"]

_APP = "holdall"
_PLACES: dict[str, tuple[str, str, str, str, str, tuple[str, ...]]] = {
    # XDG variable, its default, Windows variable, its default, macOS library, below the application's directory
    "config": ("XDG_CONFIG_HOME", ".config", "APPDATA", "Roaming", "Application Support", ()),
    "state": ("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA", "Local", "Application Support", ("state",)),
    "cache": ("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA", "Local", "Caches", ("cache",)),
}


def config_dir(env: Mapping[str, str] | None = None, platform: str | None = None) -> str:
    """Return the directory of the user's configuration.

    Args:
        env: The environment; the process's if ``None``.
        platform: As `sys.platform`; this one if ``None``.

    Example:
        >>> config_dir({"HOME": "/home/me"}, "linux")
        '/home/me/.config/holdall'
    """
    return _place("config", env, platform)


def state_dir(env: Mapping[str, str] | None = None, platform: str | None = None) -> str:
    """Return the directory of what must outlive the process but not the machine: journals of unfinished transfers.

    Example:
        >>> state_dir({"HOME": "/home/me", "XDG_STATE_HOME": "/var/me"}, "linux")
        '/var/me/holdall'
    """
    return _place("state", env, platform)


def cache_dir(env: Mapping[str, str] | None = None, platform: str | None = None) -> str:
    """Return the directory of what can be made again.

    Example:
        >>> cache_dir({"HOME": "/Users/me"}, "darwin")
        '/Users/me/Library/Caches/holdall'
    """
    return _place("cache", env, platform)


def _place(purpose: str, env: Mapping[str, str] | None, platform: str | None) -> str:
    xdg, default, windows, roaming, library, below = _PLACES[purpose]
    env = os.environ if env is None else env
    platform = sys.platform if platform is None else platform
    if platform == "win32":
        base = env.get(windows) or ntpath.join(env.get("USERPROFILE") or "C:\\", "AppData", roaming)
        return ntpath.join(base, _APP, *below)
    home = env.get("HOME") or "/"
    if platform == "darwin":
        return posixpath.join(home, "Library", library, _APP, *([] if library == "Caches" else below))
    # The XDG specification: a relative path there is invalid and ignored.
    given = env.get(xdg, "")
    return posixpath.join(given if given.startswith("/") else posixpath.join(home, default), _APP)
