# Generated from moving_async.py by tools/twins.py: change that file, not this one.
"""Copies between locations: `copy`, and promotion, which never overwrites and never brings a deleted object back (C3, D2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from holdall._concurrency import run
from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PreconditionError
from holdall.results import PutResult
from holdall.store import Store
from holdall.tiers.asking import Answer
from holdall.tiers.content import Content
from holdall.tiers.locations import Location
from holdall.tiers.reading import Reader
from holdall.tiers.reports import WriteReport
from holdall.tiers.settings import Tiers
from holdall.tiers.spooling import content_of_result
from holdall.tiers.writing import Writer

__all__ = ["Promoter", "kept_options"]


class Promoter:
    """Copies objects from some locations to others.

    Args:
        tiers: The rules.
        sources: Where from.
    """

    def __init__(self, tiers: Tiers, sources: Sequence[Location]) -> None:
        self.tiers = tiers
        self.sources = sources

    def fetch(self, name: str) -> Answer[tuple[ObjectMeta, Content]]:
        """Return a whole copy, from the first source that has one."""

        def ask(location: Location, store: Store) -> tuple[ObjectMeta, Content]:
            result = store.get(location.key(name))
            return result.meta, content_of_result(result, self.tiers.rules.digest)

        return Reader(self.tiers, self.sources).first(name, ask)

    def copy(self, name: str, dest: str, writer: Writer) -> WriteReport:
        """Copy one object."""
        answer = self.fetch(name)
        meta, content = answer.value
        try:
            return writer.put(dest, content, kept_options(meta, writer.targets))
        finally:
            content.close()

    def promote(self, name: str, target: Location) -> bool:
        """Create a copy in one location; return whether there was none, and its source still is what was copied.

        Raises:
            NotSupportedError: The location cannot create race-free.
        """
        target.key(name)
        if not target.bare.capabilities.create:
            raise NotSupportedError(f"location {target.name!r} cannot create race-free", key=name, store=self.tiers)
        others = tuple(location for location in self.sources if location is not target)
        if not others:
            return False
        try:
            target.store.head(target.key(name))
        except NotFoundError:
            pass
        else:
            return False
        answer = Promoter(self.tiers, others).fetch(name)
        meta, content = answer.value
        try:
            writer = Writer(self.tiers, (target,))
            algorithm = self.tiers.rules.digest
            if algorithm is not None and not content.known(algorithm):
                run(lambda: content.digest(algorithm))
            put = writer.send(target, name, content, kept_options(meta, (target,)), create=True)
        except AlreadyExistsError:
            return False
        finally:
            content.close()
        return self._still(name, answer.location, meta, target, put)

    def _still(self, name: str, source: Location, meta: ObjectMeta, target: Location, put: PutResult) -> bool:
        """Keep the copy only if its source is still there, and the same."""
        try:
            now = source.store.head(source.key(name))
        except NotFoundError:
            now = None
        if now is not None and (now.etag == meta.etag if meta.etag is not None else now.size == meta.size):
            return True
        remove_own(target, name, put.etag)
        return False


def remove_own(location: Location, name: str, etag: str | None) -> None:
    """Delete a copy if it is still the one that was made here."""
    key = location.key(name)
    try:
        if location.bare.capabilities.conditional_delete and etag is not None:
            location.store.delete(key, if_match=etag)
        elif (location.store.head(key)).etag == etag:
            location.store.delete(key)
    except (NotFoundError, PreconditionError):
        return


def kept_options(meta: ObjectMeta, targets: Sequence[Location]) -> PutOptions | None:
    """Return what is kept of headers and metadata by a copy: as much as every target can."""
    can = [location.bare.capabilities for location in targets]
    metadata = {key: value for key, value in meta.metadata.items() if not key.startswith("holdall-")}
    options = PutOptions.from_attributes(replace(meta.attributes, metadata=metadata))
    if not all(c.metadata for c in can):
        options = replace(options, metadata={})
    if not all(c.attributes for c in can):
        options = PutOptions(metadata=options.metadata)
    return options if options.annotated else None
