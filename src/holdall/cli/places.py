"""What stands on the command line, ``mount:path``, a URL or a local path, as a node."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from holdall.cli.configured import configured
from holdall.core.config import find_config
from holdall.core.keys import clean_path
from holdall.core.secrets import mask
from holdall.core.urls import url_scheme
from holdall.engine.resolve import mount_reference, resolve
from holdall.errors import ConfigError, InvalidKeyError, IsDirectoryError, UnavailableError, UnknownMountError
from holdall.mounts import StorageManager, StorageNode
from holdall.wrappers.prefix import PrefixStore

if TYPE_CHECKING:
    from holdall.core.urls import StoreURL
    from holdall.store import Store

__all__ = ["Place", "Places"]

_MEANT = re.compile(r"[%?#]|\$(?=\{)|[^!-~]")
"""What may mean something else in the path of a URL: escapes, the query, references, and what cannot stand there if it is no letter."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One argument.

    Attributes:
        node: What it names; of a directory, without the slash at its end.
        root: What stands before a key when it is shown.
        tail: What stands behind it: the query of a URL.
        text: As it was written, secrets masked.
        name: What it would be called in another directory.
        folder: Whether it was written as a directory: with a slash at its end.
        tree: Whether the storage tells that name from the one without a slash: an object of that other name is not meant.
        url: Whether it is a URL, in which some characters are percent-encoded.
    """

    node: StorageNode
    root: str
    tail: str = ""
    text: str
    name: str
    folder: bool = False
    tree: bool = False
    url: bool = False

    @property
    def exact(self) -> StorageNode:
        """The node of the key to the letter, with the slash at its end: a transfer takes that for a tree."""
        return self.node._at(f"{self.node.path}/") if self.tree else self.node

    @cached_property
    def whole(self) -> StorageNode:
        """What is here, for acts that look for a file of the name first."""
        if not self.tree or not self.node.isfile:
            return self.node
        store = PrefixStore(self.node.store, f"{self.node.path}/")
        return StorageNode(self.node._manager, "", "", given=store)

    @property
    def shown(self) -> str:
        """What it is called when it is shown."""
        return self.show(self.exact.path)

    @property
    def exists(self) -> bool:
        """Whether there is anything."""
        return self.node.isdir if self.tree else self.node.exists

    @property
    def isfile(self) -> bool:
        """Whether there is a file of this name."""
        return not self.tree and self.node.isfile

    def file(self) -> StorageNode:
        """Return the node, which has to be that of a file.

        Raises:
            IsDirectoryError: The name is that of a directory.
        """
        if self.tree:
            raise IsDirectoryError(f"{self.text!r} is the name of a directory", key=self.exact.path)
        return self.node

    def show(self, key: str) -> str:
        """Return a key of this storage as people would write it here."""
        return f"{self.root}{self.spell(key)}{self.tail}"

    def spell(self, name: str) -> str:
        """Return a part of a key as it is written here: in a URL, what has a meaning there is percent-encoded."""
        return _MEANT.sub(_encoded, name) if self.url else name

    def below(self, name: str) -> Place:
        """Return the place of a name in this directory.

        Raises:
            ConfigError: There is no name.
        """
        if not name:
            raise ConfigError(f"what goes into {self.text!r} needs a name: give the target in full")
        node = self.node.child(name)
        return replace(self, node=node, text=self.show(node.path), name=name, folder=False, tree=False)


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
        tree = False
        if node.path != path:
            key, tree = _literal(path, node.store, text)
            node = node._at(key)
        folder = not path or path.endswith("/")
        return Place(
            node=node, root=f"{mount}:", text=text, name=node.name or ("" if tree else mount), folder=folder, tree=tree
        )

    def _file_path(self, url: str) -> str:
        from holdall.drivers.registry import parse  # noqa: PLC0415  # URLs only

        path: str = parse(url).fields["path"]
        return path

    def _url(self, text: str) -> Place:
        found = resolve(text, table=self._bare._table)
        if url_scheme(text) == "data":  # the name is the content
            node = StorageNode(self._bare, "", found.key, given=found.store)
            return Place(node=node, root="", text=mask(text), name=node.name)
        from holdall.drivers.registry import parse  # noqa: PLC0415  # URLs only

        url = parse(text)
        before, path = _parted(url, found.key)
        root, mark, query = str(replace(url, segments=before)).partition("?")
        given = StorageNode(self._bare, "", path, given=found.store)
        place = Place(
            node=given, root=f"{root}/", tail=mark + query, text="", name="", folder=path[-1:] in {"", "/"}, url=True
        )
        text = place.shown
        key, tree = _literal(path, found.store, text)
        if found.store.capabilities.directories != "real":
            if url.type == "fsspec" and "" in before:
                raise InvalidKeyError(f"{text!r} cannot be named: {url.scheme} takes '//' for '/'", key=key)
            if any("/" in segment for segment in url.segments):
                raise InvalidKeyError(f"{text!r} cannot be named: its path would have an encoded '/'", key=key)
        node = given._at(key)
        name = node.name or ("" if tree else next((each for each in reversed(before) if each), url.netloc or url.scheme))
        return replace(place, node=node, text=text, name=name, tree=tree)

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
        return Place(
            node=node,
            root=os.path.join(root, ""),
            text=text,
            name=os.path.basename(full.rstrip(os.sep)) or root,
            folder=text.endswith(("/", os.sep)),
        )

    @cached_property
    def _bare(self) -> StorageManager:
        """A manager for nodes below no mount."""
        return StorageManager()


def _encoded(found: re.Match[str]) -> str:
    """Return a character as it stands in a URL: itself if it can."""
    text = found[0]
    return text if text > "~" and text.isprintable() and not text.isspace() else quote(text, safe="")


def _literal(path: str, store: Store, text: str) -> tuple[str, bool]:
    """Return the key that a path names, without a slash at its end, and whether there was one that tells it from another key.

    The one rule of names: a path is the key to the letter, ``//`` included; where directories are real, it is what the system
    makes of it.

    Raises:
        InvalidKeyError: No storage of ours takes the key: it begins with ``/``, or has a ``.`` or ``..`` segment.
    """
    cleaned = clean_path(path)
    if path == cleaned or store.capabilities.directories == "real":
        return cleaned, False
    wrong = ""
    if path.startswith("/"):
        wrong = "its key would begin with '/', and the key without is another one"
    elif "." in path.split("/"):
        wrong = "its key would have a '.' segment, and the key without is another one"
    elif path.endswith("/") and not store.capabilities.list:
        wrong = "this storage has no directories, and the name without '/' at its end is another one"
    if wrong:
        raise InvalidKeyError(f"{text!r} cannot be named: {wrong}", key=path)
    return path.removesuffix("/"), path.endswith("/")


def _parted(url: StoreURL, key: str) -> tuple[tuple[str, ...], str]:
    """Return the segments of a URL that say where the storage is, and the path there of which ``key`` is the cleaned form."""
    at, left = len(url.segments), sum(map(bool, key.split("/")))
    while at and (left or not url.segments[at - 1]):
        at -= 1
        left -= bool(url.segments[at])
    return url.segments[:at], "/".join(url.segments[at:])


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
