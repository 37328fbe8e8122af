"""What stands on the command line, ``mount:path``, a URL or a local path, as a node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from holdall.cli.configured import configured
from holdall.core.config import find_config
from holdall.core.secrets import mask
from holdall.core.urls import url_scheme
from holdall.engine.resolve import mount_reference, resolve
from holdall.errors import ConfigError, UnavailableError, UnknownMountError
from holdall.mounts import StorageManager, StorageNode

__all__ = ["Place", "Places"]


@dataclass(frozen=True)
class Place:
    """One argument.

    Attributes:
        node: What it names.
        root: What stands before a key when it is shown.
        text: As it was written, secrets masked.
        name: What it would be called in another directory.
    """

    node: StorageNode
    root: str
    text: str
    name: str

    @property
    def folder(self) -> bool:
        """Whether it was written as a directory: with a slash at its end."""
        return self.text.endswith("/") or self.text.endswith(":") or (os.sep != "/" and self.text.endswith(os.sep))

    def show(self, key: str) -> str:
        """Return a key of this storage as people would write it here."""
        return f"{self.root}{key}"

    def below(self, name: str) -> Place:
        """Return the place of a name in this directory."""
        return Place(self.node.child(name), self.root, f"{self.text.rstrip('/')}/{name}", name)


class Places:
    """Reads the arguments of one command. Mounts come from ``--config``, else from where `find_config` looks.

    Args:
        config: Path or URL of a configuration file.
    """

    def __init__(self, config: str | None = None) -> None:
        self._config = config

    @cached_property
    def manager(self) -> StorageManager:
        """The mounts, read when a mount is first named."""
        config = self._config or find_config()
        return StorageManager() if config is None else configured(str(config))

    def read(self, text: str, *, whole: bool = False) -> Place:
        """Return the place of an argument.

        Args:
            text: ``mount:path``, a URL, or a local path (``./a:b`` for a name with a colon).
            whole: It may be removed or renamed: a local directory is seen from the one above, a link is not followed.

        Raises:
            UnknownMountError: No such mount.
            ConfigError: A bad URL.
        """
        scheme = url_scheme(text)
        if scheme in {"file", "local"}:
            return self._local(self._file_path(text), text, whole=whole)
        if scheme is not None:
            return self._url(text)
        reference = mount_reference(text)
        if text[1:] == ":" and os.name != "nt":
            reference = text[0], ""  # not a drive: there are none here
        if reference is not None and (reference[0] in self.manager or not os.path.lexists(text)):
            return self._mount(*reference, text)
        return self._local(text, text, whole=whole)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("manager", "_bare"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def _mount(self, mount: str, path: str, text: str) -> Place:
        try:
            node = self.manager.node(f"{mount}:{path}")
        except UnknownMountError as error:
            error.message += "; write ./ before a local name that has a colon"
            error.args = (error.message,)
            raise
        return Place(node, f"{mount}:", text, node.name or mount)

    def _file_path(self, url: str) -> str:
        from holdall.drivers.registry import parse  # noqa: PLC0415  # URLs only

        path: str = parse(url).fields["path"]
        return path

    def _url(self, text: str) -> Place:
        found = resolve(text, table=self._bare._table)
        node = StorageNode(self._bare, "", found.key, given=found.store)
        if url_scheme(text) == "data":  # the name is the content
            return Place(node, "", mask(text), node.name)
        head = mask(text).partition("?")[0].rstrip("/")
        root = head.rsplit("/", found.key.count("/") + 1)[0] if found.key else head
        name = node.name or head.rpartition("://")[2].rpartition("@")[2]
        return Place(node, f"{root}/", mask(text), name)

    def _local(self, path: str, text: str, *, whole: bool) -> Place:
        from holdall.drivers.local import LocalStore  # noqa: PLC0415  # local paths only

        full = _whole(os.path.expanduser(path)) if whole else os.path.realpath(_based(os.path.expanduser(path)))
        root, key = full, ""
        if whole or not os.path.isdir(full):
            root, key = os.path.split(full)
            while not os.path.isdir(root) and os.path.dirname(root) != root:
                root, name = os.path.split(root)
                key = f"{name}/{key}"
        node = StorageNode(self._bare, "", key.strip("/"), given=LocalStore(root))
        return Place(node, os.path.join(root, ""), text, os.path.basename(full.rstrip(os.sep)) or root)

    @cached_property
    def _bare(self) -> StorageManager:
        """A manager for nodes below no mount."""
        return StorageManager()


def _whole(path: str) -> str:
    """Return the full path of what is removed or renamed: links above it are followed, as the system does, itself is not one."""
    if not path.strip(os.sep):
        return os.sep
    above, name = os.path.split(path.rstrip(os.sep))
    if name in {os.curdir, os.pardir}:
        raise ConfigError(f"{path!r} is neither removed nor renamed: name the directory")
    return os.path.join(os.path.realpath(_based(above)), name)


def _based(path: str) -> str:
    """Return a path that the system can follow: a relative one needs a directory to begin at."""
    try:
        os.getcwd()
    except FileNotFoundError:
        if not os.path.isabs(path):
            raise UnavailableError("the current directory is not there any more") from None
    return path
