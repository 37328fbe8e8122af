"""S3 and what speaks like it: obstore for the plain verbs in both colours, boto3 (extra ``s3``) for the rest.

Without boto3 the store does what obstore can: get, put, head, list, delete, copy, sign, create and compare-and-set. With it come
tags, versions, uploads by explicit parts, conditions on content of any size, copies above 5 GiB, other metadata and storage
classes, odd keys (``a//b``, ``d/``, control characters), profiles and SSO.
"""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote
from urllib.request import Request

import obstore

from holdall._concurrency import run_async
from holdall.core.capabilities import Capabilities, Identity, PartRules
from holdall.core.meta import ObjectVersion
from holdall.core.options import CopyOptions, PutOptions, SignOptions
from holdall.drivers import objects_writing
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_errors import Facts
from holdall.drivers.objects_store import SHORTLY, ObstoreStore
from holdall.drivers.objects_values import is_odd
from holdall.drivers.s3copying import Origin, copy, restored, rewrite
from holdall.drivers.s3extra import S3Extra
from holdall.drivers.s3parts import LARGEST, MOST, SMALLEST, S3Parts, uploads
from holdall.drivers.s3place import MissedBucket
from holdall.drivers.s3probe import Conditions, conditions, forget, learn, probe_complete, probe_delete
from holdall.drivers.s3settings import EXTRA, Addressing, S3Settings, boto_installed
from holdall.errors import ConfigError, InvalidKeyError, MissingExtraError
from holdall.results import PutResult, Upload
from holdall.store import PartWriter, Store

__all__ = ["S3Store"]

_CAPABILITIES = Capabilities(
    create=True,
    update=True,
    conditional_read=True,
    metadata=True,
    attributes=True,
    copy=True,
    sign=frozenset({"GET", "PUT"}),
    strong_etag=True,
)
_PLAIN = CopyOptions()


class S3Store(ObstoreStore):
    """A bucket of S3, or a prefix in it.

    Args:
        bucket: Name of the bucket.
        prefix: What stands before every key.
        region: Else ``AWS_REGION``, the profile's, or ``us-east-1``.
        endpoint_url: Of a service that is not Amazon's; else ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``, Amazon.
        access_key_id, secret_access_key, session_token: Credentials; else environment, profile, SSO, instance.
        profile: Of the AWS configuration (needs boto3).
        anonymous: Ask without credentials.
        sse, sse_kms_key_id: Encryption on the server's side: ``"AES256"``, ``"aws:kms"``, ``"aws:kms:dsse"``.
        request_payer: We pay for requests.
        addressing_style: Bucket in the path or in the host; ``"auto"``: in the host for Amazon, in the path for others.
        allow_http: Plain http; follows from the endpoint if ``None``.
        verify: Check certificates.
        ca_file: PEM file of further certificates to trust.
        storage_class: Of what is written, unless a put says otherwise.
        versioned: Whether the bucket is known to keep versions. ``False`` refuses versions without asking, for servers that have none.
        retries: How often a failed request is sent again.
        timeout: Longest silence in seconds; a request that sends content gets five times as long.
        connect_timeout: Seconds to connect.
        concurrency: Parts of one upload in flight.
        max_connections: Connections kept.
        bulk_delete: Delete many keys in one request.
        sign_payload: Sign the digest of what is sent, too; by default only for plain http to another machine, or with ``verify=False``.
        missing_on_403: Read "forbidden" as "not there", for credentials that may not list.
        create: Make the bucket (needs boto3) when a first request finds that it is missing, or before a first write of what can be read only once.

    Example:
        >>> S3Store("reports", prefix="2026", region="eu-west-1", anonymous=True)
        S3Store('reports', prefix='2026/', region='eu-west-1')
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        region: str | None = None,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        anonymous: bool = False,
        sse: str | None = None,
        sse_kms_key_id: str | None = None,
        request_payer: bool = False,
        addressing_style: Addressing = "auto",
        allow_http: bool | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        storage_class: str | None = None,
        versioned: bool | None = None,
        retries: int = 4,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        concurrency: int = 8,
        max_connections: int | None = None,
        bulk_delete: bool = True,
        sign_payload: bool | None = None,
        missing_on_403: bool = False,
        create: bool = False,
    ) -> None:
        self._begin(
            prefix, {name: value for name, value in locals().items() if name != "self"}, secret=("secret_access_key",)
        )
        endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
        endpoint = endpoint.rstrip("/") if endpoint else None
        self.settings = S3Settings(
            bucket=bucket,
            region=region,
            endpoint=endpoint,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
            profile=profile,
            anonymous=anonymous,
            sse=sse,
            sse_kms_key_id=sse_kms_key_id,
            request_payer=request_payer,
            addressing=addressing_style,
            bulk_delete=bulk_delete,
            sign_payload=sign_payload,
            client=ClientSettings(
                retries=retries,
                timeout=timeout,
                connect_timeout=connect_timeout,
                concurrency=concurrency,
                max_connections=max_connections,
                verify=verify,
                ca_file=ca_file,
                allow_http=allow_http if allow_http is not None else (endpoint or "").startswith("http://"),
            ),
        )
        self.bucket = bucket
        self.client = self.settings.client
        self.storage_class = storage_class
        self.versioned = versioned
        self.retries, self.retries_hidden = retries, False
        self.concurrency = concurrency
        self.missing_on_403 = missing_on_403
        self.copy_limit = 5 * 1024**3
        self.has_side = self.lists_aside = boto_installed()
        self.remedy = "" if self.has_side else f": {EXTRA}"
        self.full_heads = self.has_side and storage_class not in {None, "STANDARD"}
        self.extra = S3Extra(self, self.settings)
        self._making, self._made = threading.Lock(), False
        self._opener = self.settings.native
        self.plain_puts = storage_class is None
        self._identity = Identity(
            service=self.settings.service, place=bucket, prefix=self.prefix, principal=self.settings.principal
        )
        self._known: Conditions | None = None
        if create and not self.has_side:
            raise MissingExtraError(f"making a bucket needs boto3: {EXTRA}")
        if create:
            MissedBucket(self)

    def __repr__(self) -> str:
        shown = {
            "prefix": self.prefix,
            "region": self.settings.region,
            "endpoint_url": self.settings.endpoint,
            "profile": self.settings.profile,
        }
        return f"S3Store({', '.join([repr(self.bucket), *(f'{k}={v!r}' for k, v in shown.items() if v)])})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here, with what is known of the service so far (`probe`)."""
        known = conditions(self.settings)
        if known is not self._known:
            self._known, self._capabilities = known, self._capable(known)
        return self._capabilities

    def _capable(self, known: Conditions) -> Capabilities:
        side = self.has_side
        rules = PartRules(
            smallest=SMALLEST,
            largest=LARGEST,
            most=MOST,
            equal=self.settings.equal_parts,
            copies=True,
            conditional=known.create is not False and known.update is not False,
            resumable=True,
        )
        put = known.put is not False
        return _CAPABILITIES.narrowed(
            create=put,
            update=put,
            large_conditional=side and put,
            conditional_delete=side and known.delete is not False,
            tags=side,
            versions=side and self.versioned is not False,
            versioned=side and bool(self.versioned),
            storage_class=side,
            set_metadata=side,
            parts=rules if side else None,
            directories="marker" if side else "implied",
            sign=frozenset() if self.settings.anonymous else _CAPABILITIES.sign,
        )

    def url(self, key: str) -> str | None:
        """Return the plain address of a key in a bucket that is read without credentials; else ``None``."""
        if not self.settings.anonymous:
            return None
        path = quote(self.prefix + key, safe="/~")
        address = self.settings.endpoint or f"https://s3.{self.settings.resolved_region}.amazonaws.com"
        if not self.settings.virtual:
            return f"{address}/{self.bucket}/{path}"
        scheme, _, host = address.partition("://")
        return f"{scheme}://{self.bucket}.{host}/{path}"

    def probe(self) -> Capabilities:
        """Ask a service that is not Amazon's which conditions it honours, and return the capabilities.

        Asked once per process and endpoint; otherwise the first use of such a condition asks. What is written is removed.
        All that a first call would have to open is opened, too.

        Raises:
            MissingExtraError: boto3 is not installed.
        """
        side = self.side("probe")
        self.check_open()
        self.open_natives()
        objects_writing.prove(self)
        probe_delete(side)
        probe_complete(side, "update")
        return self.capabilities

    async def probe_async(self) -> Capabilities:
        """Ask which conditions the service honours. See `probe`."""
        return await run_async(self.probe)

    # -- what the verbs ask of the store ------------------------------------------------------------------------------

    def side(self, verb: str, key: str | None = None) -> S3Extra:
        """Return the side channel.

        Raises:
            MissingExtraError: boto3 is not installed.
        """
        if not self.has_side:
            raise MissingExtraError(f"cannot {verb} without boto3: {EXTRA}", key=key, store=self)
        return self.extra

    def make_bucket(self) -> None:
        """Make the bucket, unless this store has done so: whoever comes meanwhile waits. Blocks."""
        with self._making:
            if not self._made:
                self.extra.create_bucket()
                self._made = True

    def put_options(self, options: PutOptions) -> PutOptions:
        """Return the options of a write, with the store's storage class."""
        if options.storage_class is None and self.storage_class is not None:
            options = replace(options, storage_class=self.storage_class)
        if options.storage_class not in {None, "STANDARD"}:
            self.full_heads = self.has_side
        if options.mode != "overwrite" and not self.capabilities.create:
            raise self._refusal(f"put with mode {options.mode!r}", "the service ignores conditions of writes to this bucket")
        return options

    @property
    def unproven(self) -> bool:  # type: ignore[override]  # found out once
        """Whether it has to be found out if the service honours conditions of writes."""
        return conditions(self.settings).put is None

    def proven(self, honoured: bool) -> None:
        """Note whether the service honours conditions of writes."""
        learn(self.settings, put=honoured)

    def forget(self, path: str, versions: Sequence[str | None]) -> None:
        """Remove what a probe has written, in versioned buckets for good. Blocks."""
        if not self.has_side:
            obstore.delete(self.writer, path)
            return
        for version in versions:
            forget(self.extra, path, version)

    def puts_aside(self, options: PutOptions) -> bool:
        """Tell whether a write goes by boto3: obstore writes spaces in tags as ``+``, which Ceph's gateway takes for a plus."""
        return self.has_side and bool(options.tags) and " " in "".join((*options.tags, *options.tags.values()))

    def adjusted(self, facts: Facts, verb: str) -> Facts:
        """Read "forbidden" as "not there", if that was asked for."""
        if (
            self.missing_on_403
            and verb in {"read", "describe"}
            and facts.status == 403
            and facts.code in {None, "AccessDenied"}
        ):
            return Facts(answer="not_found", status=404, code="NoSuchKey")
        return facts

    def sends_aside(self, size: int | None, options: PutOptions) -> bool:
        """Tell whether content that is too large for one request goes by the side channel: parts of it can grow."""
        return self.has_side and (size is None or options.mode != "overwrite" or bool(options.tags))

    def boto_conditions(self, mode: str, if_match: str | None) -> Sequence[dict[str, str]]:
        """Return boto3's forms of a write's condition, to be tried in turn."""
        if mode == "overwrite":
            return [{}]
        if mode == "create":
            return [{"IfNoneMatch": "*"}]
        return [{"IfMatch": form["e_tag"]} for form in self.modes(PutOptions(if_match=if_match))]

    def question(self, path: str) -> Request:
        """Return a HEAD of a path, signed by obstore or, for who asks without credentials, plain."""
        address = self.url(path[len(self.prefix) :]) or obstore.sign(self.native, "HEAD", path, SHORTLY)
        return Request(address, method="HEAD")  # noqa: S310  # the endpoint was checked

    def origin_of(self, owner: Store) -> S3Store:
        """Return a store that copies can come from.

        Raises:
            NotSupportedError: It is none of the same service.
        """
        if not isinstance(owner, S3Store) or owner.settings.service != self.settings.service:
            raise self._refusal("copy", f"not from {owner!r} on the server's side")
        return owner

    # -- verbs --------------------------------------------------------------------------------------------------------

    def _delete_if(self, key: str, if_match: str) -> None:
        side, path = self.side(f"delete {key!r} under a condition", key), self.at(key)
        if not probe_delete(side):
            raise self._refusal("delete under a condition", "the service does not honour it")
        side.delete_if(key, path, if_match)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side, of any size. See `Store.copy`."""
        if self._is_plain(src, dst, options, source):
            try:
                return super().copy(src, dst)
            except ConfigError:  # the service refuses: most likely it is larger than 5 GiB
                if not self.has_side:
                    raise
        return self._copy_aside(src, dst, options, source)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side, of any size. See `Store.copy`."""
        if self._is_plain(src, dst, options, source):
            try:
                return await super().copy_async(src, dst)
            except ConfigError:
                if not self.has_side:
                    raise
        return await run_async(partial(self._copy_aside, src, dst, options, source))

    def _is_plain(self, src: str, dst: str, options: CopyOptions | None, source: Store | None) -> bool:
        """Tell whether obstore's own copy does what is asked."""
        odd = is_odd(self.at(dst)) or (source is None and is_odd(self.at(src)))
        limited = self.copy_limit < 5 * 1024**3 or self.storage_class is not None
        return (options is None or options == _PLAIN) and source is None and not odd and not limited

    def _copy_aside(self, src: str, dst: str, options: CopyOptions | None, source: Store | None) -> PutResult:
        options = self._checked_copy(options)
        owner, key = (self, src) if source is None else source.locate(src)
        origin = self.origin_of(owner)
        side, path = self.side(f"copy {src!r} like this", src), self.at(dst)
        return copy(side, Origin(origin, src, origin.at(key), options.version), dst, path, options)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        if self._signs_aside(key, options):
            return self.side(f"sign {key!r} like this", key).sign(self.at(key), options or SignOptions())
        return super().sign(key, options)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        if self._signs_aside(key, options):
            return await run_async(partial(self.sign, key, options))
        return await super().sign_async(key, options)

    def _signs_aside(self, key: str, options: SignOptions | None) -> bool:
        if self.settings.anonymous:
            return False
        limited = options is not None and bool(options.content_type or options.content_disposition or options.version)
        return limited or is_odd(self.at(key))

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key, oldest first. See `Store.versions`."""
        path = self.at(key)
        return self._versions_side("list versions", key).versions(key, path)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return await run_async(partial(self.versions, key))

    def delete_version(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        path = self.at(key)
        self._versions_side("delete versions", key).delete_version(key, path, version)

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        await run_async(partial(self.delete_version, key, version))

    def restore(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one. See `Store.restore`."""
        path = self.at(key)
        return restored(self._versions_side("restore versions", key), Origin(self, key, path, version))

    async def restore_async(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one. See `Store.restore`."""
        return await run_async(partial(self.restore, key, version))

    def _versions_side(self, verb: str, key: str) -> S3Extra:
        if self.versioned is False:
            raise self._refusal(verb, "it was said to keep none")
        return self.side(verb, key)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `Store.tags`."""
        path = self.at(key)
        return self.side("read tags", key).tags(key, path, version)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `Store.tags`."""
        return await run_async(partial(self.tags, key, version=version))

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `Store.set_tags`."""
        path = self.at(key)
        self.side("set tags", key).set_tags(key, path, PutOptions(tags=tags).tags)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `Store.set_tags`."""
        await run_async(partial(self.set_tags, key, tags))

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata by a copy onto itself, of any size. See `Store.set_metadata`."""
        origin = Origin(self, key, self.at(key))
        wanted = PutOptions(metadata=metadata).metadata
        return rewrite(self.side("set metadata", key), origin, metadata=wanted, if_match=if_match)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        return await run_async(partial(self.set_metadata, key, metadata, if_match=if_match))

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `Store.set_storage_class`."""
        origin, side = Origin(self, key, self.at(key)), self.side("set the storage class", key)
        self.full_heads = True
        return rewrite(side, origin, storage_class=storage_class)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `Store.set_storage_class`."""
        return await run_async(partial(self.set_storage_class, key, storage_class))

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        path, side = self.at(key), self.side("write by parts", key)
        if key.endswith("/"):
            raise InvalidKeyError(f"a directory marker holds no bytes: {key!r}", key=key, store=self)
        options = self.put_options(options or PutOptions())
        if upload_id is not None:
            return S3Parts.resume(side, key, path, options, upload_id)
        return S3Parts.begin(side, key, path, options)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        return await run_async(partial(self.parts, key, options, upload_id=upload_id))

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `Store.uploads`."""
        return uploads(self.side("list uploads"), self.below(prefix), len(self.prefix))

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `Store.uploads`."""
        return await run_async(partial(self.uploads, prefix))

    def close(self) -> None:
        """Let go of connections; idempotent."""
        super().close()
        self.extra.close()
