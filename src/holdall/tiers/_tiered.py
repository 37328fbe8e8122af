# Generated from _tiered_async.py by tools/twins.py: change that file, not this one.
"""The verbs of `TieredStore`."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from dataclasses import replace

from holdall.core.keys import check_key, check_prefix
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.errors import NotFoundError, NotSupportedError, PreconditionError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import Source, check_source
from holdall.tiers.listing import Lister
from holdall.tiers.locations import Location
from holdall.tiers.reading import Reader
from holdall.tiers.removing import Remover
from holdall.tiers.settings import parse_etag, shown_meta
from holdall.tiers.sorting import Listed
from holdall.tiers.spooling import content_of
from holdall.tiers.tiered_base import BATCH, PAGE, TieredBase, page_of
from holdall.tiers.writing import Writer

__all__ = ["Verbs"]


class Verbs(TieredBase):
    """The verbs that every tiered store has."""

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        self.tiers.check_open()
        check_key(key)
        chosen, own = self._read_from(key, options)
        if own is not None and own.if_none_match is not None and own.if_none_match != "*":
            chosen, own = self._unless(key, own)
        try:
            answer = Reader(self.tiers, chosen).open(key, own)
        except NotFoundError:
            if chosen != self.chosen:
                Reader(self.tiers, self.chosen).head(key)
                raise PreconditionError(f"{key!r} is not the object of that etag", key=key, store=self) from None
            raise
        return answer.value

    def _unless(self, key: str, options: GetOptions) -> tuple[tuple[Location, ...], GetOptions]:
        """Return where to read, and on what condition, if the caller has an object already."""
        found = Reader(self.tiers, self.chosen).head(key)
        named = parse_etag(options.if_none_match or "", self.tiers.locations)
        own = named[1] if named is not None and named[0] is found.location else None
        return (found.location,), replace(options, if_none_match=own)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        self.tiers.check_open()
        if version is not None:
            raise self._refusal("head", "no versions across locations")
        check_key(key)
        answer = Reader(self.tiers, self.chosen).head(key)
        return shown_meta(answer.value, answer.location, key)

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        self.tiers.check_open()
        check_key(key)
        check_source(source, blocking=False)
        writer = Writer(self.tiers, self.chosen)
        self._check_conditional(options)
        writer.check(key, options)
        content = content_of(source, self.tiers.rules.digest)
        try:
            report = writer.put(key, content, options)
        finally:
            content.close()
        etags = [f"{o.location.name}:{o.etag}" for o in report.outcomes if o.status != "read_only" and o.etag is not None]
        return PutResult(key=key, size=content.size, etag=etags[0] if etags else None)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        self.tiers.check_open()
        if if_match is not None:
            raise self._refusal("delete", "no conditional delete across locations")
        remover = Remover(self.tiers, self.chosen)
        if isinstance(keys, str):
            check_key(keys)
            remover.delete(keys)
            return [DeleteResult(key=keys)]
        results: builtins.list[DeleteResult] = []
        checked = [check_key(key) for key in keys]
        for start in range(0, len(checked), BATCH):
            names = checked[start : start + BATCH]
            reports = remover.many(names)
            results += [
                DeleteResult(key=name, error=remover.failure(name, report))
                for name, report in zip(names, reports, strict=True)
            ]
        return results

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """See `holdall.store.Store.list`."""
        self.tiers.check_open()
        check_prefix(prefix)
        lister = Lister(self.tiers, self.chosen)
        return self._pages(lister, prefix, delimiter, start_after)

    def _pages(self, lister: Lister, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
        entries: builtins.list[tuple[Listed, Location]] = []
        for entry, having in lister.merged(prefix, delimiter=delimiter, start_after=start_after):
            entries.append((entry, having[0]))
            if len(entries) >= PAGE:
                yield page_of(entries)
                entries = []
        if entries:
            yield page_of(entries)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        self.tiers.check_open()
        check_key(key)
        method = "GET" if options is None else options.method
        able = [location for location in self.chosen if method in location.bare.capabilities.sign]
        if not able:
            raise self._refusal("sign", f"no location can sign {method}")
        if method == "PUT":
            return able[0].store.sign(able[0].key(key), options)
        found = Reader(self.tiers, self.chosen).heads(key)
        having = [location for location, answer in found.items() if isinstance(answer, ObjectMeta)]
        signer = next((location for location in having if location in able), None)
        if signer is None and having:
            raise NotSupportedError(f"no location that has {key!r} can sign", key=key, store=self)
        signer = signer or able[0]  # an address of what is not there
        return signer.store.sign(signer.key(key), options)

    def close(self) -> None:
        """Let go of all locations; idempotent."""
        if not self.tiers.closed:
            self.tiers.closed = True
            for location in self.tiers.locations:
                location.store.close()
