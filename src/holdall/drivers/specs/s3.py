"""S3 and what speaks like it: endpoint or bucket in the host, the forms of Amazon's host names, credentials."""

from __future__ import annotations

import re
from typing import Any

from holdall.core.params import Faults, Param
from holdall.core.secrets import Secret
from holdall.core.urls import StoreURL, URLSpec
from holdall.drivers.specs.parts import ANON, CA_FILE, PATH, VERIFY, check_ssl, endpoint, is_loopback_or_ip, path_of

__all__ = ["S3"]

_AMAZON = re.compile(r"(?P<labels>.+)\.amazonaws\.com(?P<china>\.cn)?")
_LABELS = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?P<fips>-fips)?(?P<dual>\.dualstack)?(?:[.-](?P<region>[a-z]{2,4}(?:-[a-z]+)+-[0-9]+))?"
)
_ACCELERATE = re.compile(r"(?:(?P<bucket>.+)\.)?s3-accelerate(?:\.dualstack)?")
_PRIVATE = re.compile(r"(?:bucket\.)?vpce-[a-z0-9-]+\.s3\.(?P<region>[a-z0-9-]+)\.vpce")


def _read(url: StoreURL, faults: Faults) -> dict[str, Any]:
    params = url.params
    fields: dict[str, Any] = {"key": url.user or None, "secret": url.password}
    if url.user == "" or (url.user is not None and url.password is None):
        faults.add("a user part has both the access key id and the secret key")
    amazon = _AMAZON.fullmatch(url.host)
    kind = params.get("host")
    if kind is None:
        hinted = "bucket" in params or "use_ssl" in params or url.user is not None or url.port is not None
        if amazon or hinted or is_loopback_or_ip(url.host):
            kind = "endpoint"
        elif "." not in url.host:
            kind = "bucket"
        else:
            faults.add(f"is {url.host!r} a server or a bucket? Say host=endpoint or host=bucket")
            return fields
    if not url.host:
        faults.add("there is no host: s3://bucket/prefix, or s3://server/bucket/prefix")
        return fields
    if kind == "bucket":
        if url.port is not None:
            faults.add("a bucket has no port")
        return {**fields, "bucket": url.host, "path": path_of(url)}
    if amazon:
        _read_amazon(url, amazon, fields, faults)
    else:
        fields["endpoint_url"] = endpoint(url)
        fields["addressing_style"] = _addressing(params, "path")
    bucket = fields.get("bucket") or params.get("bucket")
    if bucket is None:
        bucket = next((segment for segment in url.segments if segment), None)
        if bucket is None:
            faults.add("no bucket: give s3_bucket=, or put it first in the path")
        return {**fields, "bucket": bucket, "path": path_of(url, url.segments.index(bucket) + 1) if bucket else None}
    return {**fields, "bucket": bucket, "path": path_of(url)}


def _addressing(params: dict[str, Any], default: str) -> str:
    style = params.get("addressing_style", "auto")
    return default if style == "auto" else style


def _read_amazon(url: StoreURL, match: re.Match[str], fields: dict[str, Any], faults: Faults) -> None:
    """Take region and bucket from a host of Amazon's. Special hosts are kept as an explicit endpoint."""
    labels, china = match["labels"], match["china"] or ""
    private, accelerate, plain = _PRIVATE.fullmatch(labels), _ACCELERATE.fullmatch(labels), _LABELS.fullmatch(labels)
    fields["addressing_style"] = _addressing(url.params, "virtual")
    if private is not None:
        fields |= {"region": private["region"], "endpoint_url": endpoint(url)}
        fields["addressing_style"] = _addressing(url.params, "path")
    elif accelerate is not None:
        fields |= {"bucket": accelerate["bucket"], "endpoint_url": _server(url, accelerate["bucket"])}
    elif plain is not None:
        region = plain["region"]
        fields |= {"bucket": plain["bucket"], "region": region}
        if china or plain["dual"] or plain["fips"] or url.port is not None or url.params.get("use_ssl") is False:
            fields["endpoint_url"] = _server(url, plain["bucket"])
    else:
        faults.add(f"{url.host!r} is no host of Amazon S3")
    bucket = fields.get("bucket") or url.params.get("bucket") or ""
    if "." in bucket and "addressing_style" not in url.params:
        # A certificate for *.s3.amazonaws.com does not cover names with more dots.
        fields["addressing_style"] = "path"


def _server(url: StoreURL, bucket: str | None) -> str:
    address = endpoint(url)
    return address.replace(f"//{bucket}.", "//", 1) if bucket else address


def _check(fields: dict[str, Any], faults: Faults) -> None:
    key, secret = fields.get("key"), fields.get("secret")
    # An empty reference (${S3_KEY:}) means the default chain, as no key at all does.
    if not key and not secret:
        fields.pop("key", None)
        fields.pop("secret", None)
    if bool(key) != bool(secret):
        faults.add("half a pair of credentials: 'key' and 'secret' go together")
    own = bool(key or secret)
    if fields.get("anon") and own:
        faults.add("'anon' and credentials exclude each other")
    if fields.pop("boto_defaults", False) and (own or fields.get("anon")):
        faults.add("'boto_defaults' means the default chain: no credentials and no 'anon' beside it")
    token = fields.get("token")
    if isinstance(token, Secret) and not token:
        fields.pop("token")
    elif token is not None and not own:
        faults.add("'token' goes with 'key' and 'secret'")
    if "/" in (fields.get("bucket") or ""):
        faults.add("'bucket' holds no '/': what is below it goes into 'path'")
    fields.pop("host", None)
    if fields.get("use_ssl") is False and not fields.get("endpoint_url"):
        region = fields.get("region")
        fields["endpoint_url"] = f"http://s3.{region + '.' if region else ''}amazonaws.com"
    check_ssl(fields, faults)


S3 = URLSpec(
    type="s3",
    schemes={"s3": 443, "s3a": 443},
    path="prefix, or bucket then prefix",
    read=_read,
    check=_check,
    params=(
        Param(name="bucket", aliases=("s3_bucket",), required=True, help="the bucket"),
        PATH,
        Param(name="region", aliases=("aws_region", "region_name"), empty=True, help="else `AWS_REGION`, the profile, or one lookup"),
        Param(name="endpoint_url", aliases=("endpoint",), empty=True, help="server, if not Amazon's"),
        Param(name="key", aliases=("access_key", "access_key_id", "aws_access_key_id"), keyword="access_key_id", help="access key id"),
        Param(name="secret", aliases=("secret_key", "secret_access_key", "aws_secret_access_key"), keyword="secret_access_key", secret=True, help="secret key; none: the usual chain (environment, profile, SSO, instance)"),
        Param(name="token", aliases=("session_token", "aws_session_token"), keyword="session_token", secret=True, help="session token"),
        Param(name="profile", empty=True, help="profile of the AWS configuration"),
        ANON,
        Param(name="boto_defaults", kind="bool", default=False, keyword="", help="says that the default chain is meant"),
        Param(name="use_ssl", kind="bool", default=True, keyword="", help="https to the server"),
        VERIFY,
        CA_FILE,
        Param(name="allow_http", kind="bool", help="plain http is allowed; follows from the endpoint"),
        Param(name="host", choices=("endpoint", "bucket"), form="url", keyword="", help="what the host is, if it could be either"),
        Param(name="addressing_style", aliases=("addressing",), choices=("auto", "path", "virtual"), default="auto", help="bucket in the path or in the host"),
        Param(name="sse", help="server-side encryption: `AES256` or `aws:kms`"),
        Param(name="sse_kms_key_id", aliases=("kms_key_id",), help="key for `aws:kms`"),
        Param(name="request_payer", kind="bool", default=False, help="we pay for requests"),
        Param(name="storage_class", help="storage class of what is written"),
        Param(name="create", kind="bool", aliases=("create_bucket",), default=False, help="make the bucket if it is missing"),
        Param(name="missing_on_403", kind="bool", default=False, help="403 means not there (no permission to list)"),
        Param(name="bulk_delete", kind="bool", aliases=("use_batch_delete",), default=True, help="delete many keys in a request"),
        Param(name="sign_payload", kind="bool", help="sign the digest of what is sent, too; by default only for plain http to another machine, or without `verify`"),
    ),
)  # fmt: skip
"""Amazon S3, MinIO, Ceph, R2 and others."""
