"""What lies in this machine or in one file, and what fsspec reaches: local, memory, base64, archives, git, fsspec."""

from __future__ import annotations

import os
from typing import Any

from holdall.core.params import Faults, Param
from holdall.core.urls import StoreURL, URLSpec
from holdall.drivers.specs.parts import PATH, USERNAME, no_port, no_user, path_of

__all__ = ["BASE64", "FSSPEC", "GIT", "GITHUB", "LIBARCHIVE", "LOCAL", "MEMORY", "TAR", "ZIP"]


# -- local ------------------------------------------------------------------------------------------------------------------


def _read_file(url: StoreURL, faults: Faults) -> dict[str, Any]:
    no_user(url, faults)
    no_port(url, faults)
    segments = [s for s in url.segments if s]
    if url.host not in {"", "localhost"}:
        whole = os.path.abspath(
            os.path.join(*([] if url.host == "." else [url.host]), *segments) if segments or url.host != "." else "."
        )
        faults.add(
            f"the path of a file URL is absolute: write file://{'' if whole.startswith('/') else '/'}{whole.replace(os.sep, '/')}"
        )
        return {}
    drive = bool(segments) and len(segments[0]) == 2 and segments[0][1] == ":" and segments[0][0].isalpha()
    path = "/".join(segments)
    if drive and os.name == "nt":
        return {"path": path if len(segments) > 1 else path + "/", "create": url.params.get("create", True)}
    return {"path": "/" + path, "create": url.params.get("create", True)}


LOCAL = URLSpec(
    type="local",
    schemes={"file": None, "local": None},
    path="absolute base directory",
    read=_read_file,
    params=(
        Param(name="path", kind="path", aliases=("base_path", "root"), keyword="root", required=True, help="the directory, absolute after `~`"),
        Param(name="create", kind="bool", default=False, help="make the directory if it is missing (default true in a URL)"),
        Param(name="durable", kind="bool", aliases=("fsync",), default=False, help="flush each file to the disk before it is published"),
        Param(name="file_mode", kind="mode", help="permissions of new files, octal"),
        Param(name="dir_mode", kind="mode", help="permissions of new directories, octal"),
        Param(name="marker", help="unavailable unless this file lies in the directory: for mount points"),
    ),
)  # fmt: skip
"""A directory of this machine."""


# -- memory and base64 ------------------------------------------------------------------------------------------------------


def _read_memory(url: StoreURL, faults: Faults) -> dict[str, Any]:
    no_user(url, faults)
    no_port(url, faults)
    return {"share": url.host or None, "path": path_of(url)}


MEMORY = URLSpec(
    type="memory",
    schemes={"memory": None},
    path="prefix; a host is the name of a shared one",
    read=_read_memory,
    params=(
        PATH,
        Param(name="share", help="all that name the same one see the same content; else it is private"),
    ),
)
"""Memory of this process."""

BASE64 = URLSpec(type="base64", schemes={"data": None}, path="the content itself")
"""Content in the path itself."""


# -- archives ---------------------------------------------------------------------------------------------------------------

_FILE = Param(name="file", kind="file", required=True, help="path of the archive, `mount:path`, or an open binary file")
_TARGET = (
    Param(name="target_protocol", help="fsspec protocol that reaches the archive"),
    Param(name="target_options", kind="mapping", help="options of that protocol"),
)

ZIP = URLSpec(
    type="zip",
    params=(_FILE, Param(name="mode", choices=("r", "w", "a"), default="r", help="`r` is read-only"), *_TARGET),
)
"""A zip file."""

TAR = URLSpec(
    type="tar",
    params=(
        _FILE,
        Param(name="compression", choices=("gz", "bz2", "xz"), help="how the file is packed; by its name if not given"),
        *_TARGET,
    ),
)
"""A tar file, for reading."""

LIBARCHIVE = URLSpec(type="libarchive", params=(_FILE, *_TARGET))
"""Any archive that libarchive reads."""


# -- git and fsspec ---------------------------------------------------------------------------------------------------------

GIT = URLSpec(
    type="git",
    params=(
        Param(name="path", kind="path", aliases=("base_path",), required=True, help="directory of the repository"),
        Param(name="ref", help="commit, branch or tag"),
        Param(name="fo", help="directory within the repository"),
    ),
)
"""A local git repository, for reading."""

GITHUB = URLSpec(
    type="github",
    params=(
        Param(name="org", required=True, help="user or organisation"),
        Param(name="repo", required=True, help="repository"),
        Param(name="sha", aliases=("ref",), help="commit, branch or tag"),
        USERNAME,
        Param(name="token", secret=True, help="access token"),
        Param(name="path", kind="key", aliases=("base_path", "prefix"), help="directory within the repository"),
    ),
)
"""A repository on GitHub, for reading."""


def _read_fsspec(url: StoreURL, faults: Faults) -> dict[str, Any]:
    protocol = url.scheme.removeprefix("fsspec+")
    if not protocol:
        faults.add("say which filesystem: fsspec+s3://…")
    # The rest of the URL is taken apart by the filesystem's own rules, when it is opened.
    return {"fs": protocol}


FSSPEC = URLSpec(
    type="fsspec",
    schemes={"fsspec+X": None},
    path="as the filesystem says: `fsspec+X://…`",
    read=_read_fsspec,
    params=(
        Param(name="fs", kind="any", required=True, help="a filesystem, or the name of a protocol"),
        Param(name="path", kind="remote", aliases=("base_path", "prefix"), help="directory within the filesystem"),
        Param(name="options", kind="mapping", form="mapping", help="options of the filesystem"),
    ),
)  # fmt: skip
"""Anything that fsspec reaches."""
