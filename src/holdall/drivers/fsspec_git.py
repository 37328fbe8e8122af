"""A local git repository as a `Tree`: the files of one commit, and as versions those of any other.

fsspec's filesystem opens the repository; what is in it is asked of pygit2, as the filesystem takes ``@`` and ``:`` in a path for
its own. A version is a commit, branch or tag; the versions of a file are the commits that changed it.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

from holdall.core.meta import ObjectVersion
from holdall.drivers.fsspec_blocking import FileReader, lock_of
from holdall.drivers.fsspec_place import Place
from holdall.drivers.tree import BlockingTree, Entry, Reader, from_timestamp
from holdall.errors import NotDirectoryError, NotFoundError, VersionNotFoundError

__all__ = ["GitFiles"]


class GitFiles(BlockingTree):
    """The files of a repository below a path.

    Args:
        place: Filesystem and path.
    """

    workers = 1

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fs = place.fs
        self._git: Any = importlib.import_module("pygit2")
        self._lock = lock_of(place.fs)

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        with self._lock:
            commit = self._commit(version)
            return self._entry(path.rpartition("/")[2], self._found(commit, path), commit)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        with self._lock:
            commit = self._commit(None)
            found = self._found(commit, path)
            if not isinstance(found, self._git.Tree):
                raise NotDirectoryError(f"a file stands at {path!r}")
            return [self._entry(thing.name, thing, commit) for thing in found]

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`."""
        with self._lock:
            commit = self._commit(version)
            found = self._found(commit, path)
            if not isinstance(found, self._git.Blob):
                raise NotFoundError(f"nothing at {path!r}")
            entry = self._entry(path.rpartition("/")[2], found, commit)
            return FileReader(io.BytesIO(found.data), entry, self._lock)

    def versions(self, path: str) -> list[ObjectVersion]:
        """Return the commits that changed a file, oldest first; of a merge, the side that it was merged into."""
        with self._lock:
            changes = list(self._changes(path))
        return [
            ObjectVersion(
                key=path,
                version=str(commit.id),
                is_latest=place == len(changes) - 1,
                delete_marker=found is None,
                last_modified=from_timestamp(commit.commit_time),
                size=0 if found is None else found.size,
                etag=None if found is None else str(found.id),
            )
            for place, (commit, found) in enumerate(changes)
        ]

    def close(self) -> None:
        """Leave the repository alone: its filesystem is shared by all that asked for the same."""

    def _changes(self, path: str) -> Iterator[tuple[Any, Any]]:
        """Iterate over the commits that changed a file, with what it is in each."""
        order = self._git.enums.SortMode
        walker = self.fs.repo.walk(self._commit(None).id, order.TOPOLOGICAL | order.REVERSE)
        walker.simplify_first_parent()
        before: Any = None
        for commit in walker:
            try:
                found = self._found(commit, path)
            except NotFoundError:
                found = None
            if not isinstance(found, self._git.Blob):
                found = None
            if (found and found.id) != (before and before.id):
                yield commit, found
            before = found

    def _commit(self, version: str | None) -> Any:
        """Return the commit of a version, or the one that the filesystem was made for.

        Raises:
            VersionNotFoundError: There is none.
        """
        if version is None:
            return self.fs.repo.revparse_single(self.fs.ref).peel(self._git.Commit)
        try:
            return self.fs.repo.revparse_single(version).peel(self._git.Commit)
        except (KeyError, ValueError) as error:
            raise VersionNotFoundError(f"the repository has no commit, branch or tag {version!r}") from error

    def _found(self, commit: Any, path: str) -> Any:
        """Return what is at a path in a commit.

        Raises:
            NotFoundError: Nothing.
        """
        full = self.place.full(path)
        try:
            return commit.tree[full] if full else commit.tree
        except KeyError as error:
            raise NotFoundError(f"nothing at {path!r} in commit {commit.short_id}") from error

    def _entry(self, name: str, found: Any, commit: Any) -> Entry:
        if isinstance(found, self._git.Blob):
            return Entry(name=name, size=found.size, etag=str(found.id), version=str(commit.id))
        return Entry(name=name, kind="directory" if isinstance(found, self._git.Tree) else "other")
