"""Which conditions an S3 service honours. Amazon's honours all; others ignore some in silence, and would lose data.

Ceph's gateway (16) deletes whatever the `If-Match` of a DELETE says, completes a multipart upload over an object in spite of
``If-None-Match: *``, and heeds the conditions of a PUT in unversioned buckets only; moto ignores `If-Match` on completion;
LocalStack answers 501 to the first. So before the first such request to a service that is not Amazon's, one is sent that must
fail: a made-up etag on a key that does not exist. What was learnt holds for the bucket, for the life of the process; whoever
comes while it is being found out waits, and asks if that was in vain.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdall.core.keys import RESERVED
from holdall.drivers.s3errors import boto_error, boto_facts, boto_failures

if TYPE_CHECKING:
    from holdall.drivers.s3extra import S3Extra
    from holdall.drivers.s3settings import S3Settings

__all__ = ["Conditions", "conditions", "forget", "learn", "probe_complete", "probe_delete"]

_BOGUS = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Whether a service honours conditions on these requests; ``None`` is not known yet."""

    put: bool | None = None
    delete: bool | None = None
    create: bool | None = None
    update: bool | None = None


_ALL = Conditions(put=True, delete=True, create=True, update=True)
_NOTHING = Conditions()
_known: dict[tuple[str, str], Conditions] = {}
_lock = threading.Lock()


def conditions(settings: S3Settings) -> Conditions:
    """Return what is known of a bucket; no I/O."""
    return _ALL if settings.amazon else _known.get((settings.service, settings.bucket), _NOTHING)


def learn(settings: S3Settings, **found: bool) -> None:
    """Note what was found out."""
    where = (settings.service, settings.bucket)
    with _lock:
        _known[where] = replace(_known.get(where, _NOTHING), **found)


@contextlib.contextmanager
def _alone(extra: S3Extra) -> Generator[None]:
    ours = extra.probing.acquire(blocking=False)
    if not ours:
        with extra.probing:
            pass
    try:
        yield
    finally:
        if ours:
            extra.probing.release()


def probe_delete(extra: S3Extra) -> bool:
    """Find out whether DELETE honours ``If-Match``. One request."""
    known = conditions(extra.settings).delete
    if known is not None:
        return known
    with _alone(extra):
        known = conditions(extra.settings).delete
        return _deletes(extra) if known is None else known


def _deletes(extra: S3Extra) -> bool:
    store, settings = extra.store, extra.settings
    try:
        key = _key(extra)
        answer = extra.client.delete_object(Bucket=extra.bucket, Key=key, IfMatch=_BOGUS)
        honoured = False
        forget(extra, key, answer.get("VersionId"))
    except boto_failures() as error:
        facts = boto_facts(error)
        if facts.transient or facts.no_bucket:
            raise boto_error(error, "probe", store=store) from error
        honoured = facts.status in {404, 412}
    learn(settings, delete=honoured)
    return honoured


def probe_complete(extra: S3Extra, mode: str) -> bool:
    """Find out whether the completion of a multipart upload honours its conditions. Three to nine requests, nothing stays."""
    found = _known_of(extra, mode)
    if found is not None:
        return found
    with _alone(extra):
        found = _known_of(extra, mode)
        return _finishes(extra, mode) if found is None else found


def _known_of(extra: S3Extra, mode: str) -> bool | None:
    known = conditions(extra.settings)
    return known.create if mode == "create" else known.update


def _finishes(extra: S3Extra, mode: str) -> bool:
    key = _key(extra)
    update = not _completes(extra, key, IfMatch=_BOGUS)
    if update:
        create = True  # every service that has the one had the other before
    else:  # the object is there now
        create = not _completes(extra, key, IfNoneMatch="*")
        for version in extra.versions(key, key):
            forget(extra, key, version.version)
    learn(extra.settings, create=create, update=update)
    return create if mode == "create" else update


def _completes(extra: S3Extra, key: str, **condition: str) -> bool:
    """Tell whether an upload of one byte is completed in spite of a condition that cannot hold."""
    place: dict[str, Any] = {"Bucket": extra.bucket, "Key": key}
    client = extra.client
    try:
        upload = client.create_multipart_upload(**place)["UploadId"]
        try:
            etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
            parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
            client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, **condition)
        except boto_failures():
            client.abort_multipart_upload(**place, UploadId=upload)
            raise
    except boto_failures() as error:
        facts = boto_facts(error)
        if facts.status in {404, 412} and not facts.no_bucket:
            return False
        raise boto_error(error, "probe", store=extra.store) from error
    return True


def forget(extra: S3Extra, path: str, version: str | None) -> None:
    """Remove what a probe has written, in versioned buckets for good."""
    given = {} if version is None else {"VersionId": version}
    with contextlib.suppress(*boto_failures()):
        extra.client.delete_object(Bucket=extra.bucket, Key=path, **given)


def _key(extra: S3Extra) -> str:
    return f"{extra.store.prefix}{RESERVED}/probe/{secrets.token_hex(12)}"
