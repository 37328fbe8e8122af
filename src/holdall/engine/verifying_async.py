"""Tells whether a copy is what its source was: sizes, digests that stores vouch for, or reading back."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from typing import Any

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.core.plans import MIB, Verify
from holdall.errors import HoldallError, IntegrityError, NotSupportedError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["Verifier", "digest_async"]

log = logging.getLogger("holdall.transfer")


async def digest_async(store: Store, key: str, algorithm: str, options: GetOptions | None = None) -> str:
    """Return the digest of an object in lower-case hex, read as one stream in bounded memory."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    async with await store.get_async(key, options) as result:
        async for chunk in result:
            if len(chunk) > MIB:
                await run_async(lambda data=chunk: digest.update(data))  # type: ignore[misc]
            else:
                digest.update(chunk)
    return digest.hexdigest()


class Verifier:
    """Verifies the copies of one transfer.

    Args:
        source: Where from.
        target: Where to.
        verify: How thoroughly.
    """

    def __init__(self, source: Store, target: Store, verify: Verify) -> None:
        self.source = source
        self.target = target
        self.verify = verify
        vouched = [*sorted(target.capabilities.digests), *sorted(source.capabilities.digests)]
        self.algorithm = next((name for name in vouched if name in hashlib.algorithms_available), "sha256")

    def digest(self) -> Any:
        """Return a digest to be fed while reading, ``None`` if none is needed."""
        if self.verify in {"checksum", "read"}:
            return hashlib.new(self.algorithm, usedforsecurity=False)
        return None

    def check_source(self, meta: ObjectMeta, digest: Any) -> None:
        """Compare what was read with what the source vouches for.

        Raises:
            IntegrityError: Other bytes arrived.
        """
        if digest is None:
            return
        vouched = meta.digests.get(self.algorithm)
        if vouched is not None and vouched != digest.hexdigest():
            raise IntegrityError(
                f"{meta.key!r}: other bytes arrived than the source vouches for", key=meta.key, store=self.source
            )

    async def check_async(self, source: str, target: str, meta: ObjectMeta, put: PutResult, digest: Any) -> str | None:
        """Verify a copy that went through this process; return ``algorithm:hex`` if a digest was taken.

        Raises:
            IntegrityError: The target is not what the source was; it was removed where that is safe.
        """
        if self.verify == "none":
            return None
        if put.size != meta.size:
            raise await self._bad_async(source, target, put, f"{put.size} bytes were written of {meta.size}")
        if digest is None:
            return None
        expected = digest.hexdigest()
        if not (self.verify == "checksum" and await self._vouched_async(target, put, expected)):
            found = await self._read_back_async(target, put, self.algorithm)
            if found != expected:
                raise await self._bad_async(source, target, put, f"{self.algorithm} differs")
        return f"{self.algorithm}:{expected}"

    async def server_async(self, source: str, target: str, meta: ObjectMeta, put: PutResult, *, pinned: bool) -> str | None:
        """Verify a copy that the service made by itself; its bytes were never here.

        ``checksum`` compares digests that both sides vouch for, and otherwise trusts the service; ``read`` reads both sides.

        Raises:
            IntegrityError: See `check_async`.
        """
        if self.verify == "none":
            return None
        if pinned and put.size != meta.size:
            raise await self._bad_async(source, target, put, f"{put.size} bytes were copied of {meta.size}")
        if self.verify == "size":
            return None
        if self.verify == "read":
            expected = await digest_async(self.source, source, self.algorithm)
            if await self._read_back_async(target, put, self.algorithm) != expected:
                raise await self._bad_async(source, target, put, f"{self.algorithm} differs")
            return f"{self.algorithm}:{expected}"
        if self.source.capabilities.digests & self.target.capabilities.digests:
            ours = (await self.source.head_async(source)).digests
            theirs = (await self.target.head_async(target)).digests
            for name in sorted(ours.keys() & theirs.keys()):
                if ours[name] != theirs[name]:
                    raise await self._bad_async(source, target, put, f"{name} differs")
                return f"{name}:{ours[name]}"
        return None

    async def equal_async(self, source: str, target: str) -> tuple[str, str] | None:
        """Compare two objects of equal size by digest: ``(algorithm, digest)`` if they are equal. Each side is read at most once."""
        ours = await self._known_async(self.source, source)
        theirs = await self._known_async(self.target, target)
        algorithm = next(iter(sorted(ours.keys() & theirs.keys()) or sorted({**ours, **theirs})), "sha256")
        mine = ours.get(algorithm) or await digest_async(self.source, source, algorithm)
        other = theirs.get(algorithm) or await digest_async(self.target, target, algorithm)
        return (algorithm, mine) if mine == other else None

    async def _known_async(self, store: Store, key: str) -> dict[str, str]:
        """Return the digests that a store vouches for, at one request if it may vouch for any."""
        if not store.capabilities.digests:
            return {}
        digests = (await store.head_async(key)).digests
        return {name: value for name, value in digests.items() if name in hashlib.algorithms_available}

    async def _vouched_async(self, target: str, put: PutResult, expected: str) -> bool:
        """Tell whether the target itself says that it has these bytes."""
        if put.etag == expected:
            return True
        if self.algorithm not in self.target.capabilities.digests:
            return False
        return (await self.target.head_async(target)).digests.get(self.algorithm) == expected

    async def _read_back_async(self, target: str, put: PutResult, algorithm: str) -> str:
        pin = put.etag if self.target.capabilities.conditional_read else None
        return await digest_async(self.target, target, algorithm, GetOptions(if_match=pin) if pin else None)

    async def _bad_async(self, source: str, target: str, put: PutResult, why: str) -> IntegrityError:
        """Remove a bad target where that is safe, and return the error."""
        error = IntegrityError(
            f"the copy of {source!r} to {target!r} is not what it should be: {why}", key=target, store=self.target
        )
        try:
            if put.etag is not None:
                await self._discard_async(target, put.etag)
        except HoldallError as failure:
            log.warning("could not remove the bad copy %r: %s", target, failure)
            error.add_note(f"the bad copy could not be removed: {failure}")
        return error

    async def _discard_async(self, target: str, etag: str) -> None:
        """Delete what was written just now, unless somebody has replaced it."""
        if self.target.capabilities.conditional_delete:
            with contextlib.suppress(NotSupportedError):  # some services only say so when they are asked
                await self.target.delete_async(target, if_match=etag)
                return
        if (await self.target.head_async(target)).etag == etag:
            await self.target.delete_async(target)
