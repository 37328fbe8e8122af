"""Azure Blob Storage: account in the host or in the path, exactly one way of authenticating."""

from __future__ import annotations

import re
from typing import Any

from holdall.core.params import Faults, Param
from holdall.core.urls import StoreURL, URLSpec
from holdall.drivers.specs.parts import ANON, CA_FILE, PATH, VERIFY, check_ssl, endpoint, given, is_loopback_or_ip, path_of

__all__ = ["AZURE"]

_ACCOUNT = re.compile(r"(?P<account>[a-z0-9-]+)\.(?:blob|dfs)\.(?P<cloud>[a-z0-9.-]+)")
_TRIO = ("tenant_id", "client_id", "client_secret")


def _read(url: StoreURL, faults: Faults) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if url.password is not None:
        faults.add("an azure URL has no password: use access_key=, sas_token= or the client trio")
    match = _ACCOUNT.fullmatch(url.host)
    segments = [s for s in url.segments if s]
    if not url.host:
        faults.add("there is no host: azure://ACCOUNT.blob.core.windows.net/container/prefix")
        return fields
    if match is not None:
        fields["account_name"] = match["account"]
        if match["cloud"] != "core.windows.net" or url.port is not None or url.params.get("use_ssl") is False:
            fields["endpoint_url"] = endpoint(url).replace(".dfs.", ".blob.", 1)
    elif url.scheme != "azure" and "." not in url.host and url.port is None and not is_loopback_or_ip(url.host):
        # adlfs's form: az://container/path
        if url.user is not None:
            faults.add(f"an {url.scheme} URL has its user part before ACCOUNT.dfs.core.windows.net only")
        return {"container": url.host, "path": path_of(url)}
    else:
        account = url.params.get("account_name")
        if account is None and segments:
            account = segments.pop(0)
        fields |= {"account_name": account, "endpoint_url": f"{endpoint(url)}/{account}"}
    if url.user is not None:
        # Hadoop's form: abfss://container@account.dfs.core.windows.net/path
        segments.insert(0, url.user)
    container = url.params.get("container") or (segments.pop(0) if segments else None)
    return {**fields, "container": container, "path": "/".join(segments) or None}


def _check(fields: dict[str, Any], faults: Faults) -> None:
    trio = given(fields, *_TRIO)
    complete = len(trio) == len(_TRIO)
    ways = given(fields, "account_key", "sas_token", "connection_string", "anon")
    # A client id alone names a user-assigned managed identity of the default chain.
    if trio and not complete and trio != ["client_id"]:
        faults.add("tenant_id, client_id and client_secret go together")
    if complete:
        ways.append("the client trio")
    if fields.pop("use_default_credentials", False):
        ways.append("use_default_credentials")
    elif trio == ["client_id"] and ways:
        ways.append("client_id")
    if len(ways) > 1:
        faults.add(f"more than one credential: {', '.join(ways)}")
    if not fields.get("account_name") and not given(fields, "connection_string"):
        faults.add("missing required field: 'account_name' (or 'account')")
    check_ssl(fields, faults)
    fields.pop("allow_directory_access", None)


AZURE = URLSpec(
    type="azure",
    schemes={"azure": 443, "az": 443, "abfs": 443, "abfss": 443},
    path="container, then prefix (`az`, `abfs`: the host is the container)",
    read=_read,
    check=_check,
    params=(
        Param(name="container", required=True, help="the container"),
        Param(name="account_name", aliases=("account",), help="the account; required unless `connection_string` has it"),
        PATH,
        Param(name="account_key", aliases=("access_key",), secret=True, help="the account's key"),
        Param(name="sas_token", secret=True, help="shared access signature"),
        Param(name="connection_string", secret=True, help="as the portal shows it"),
        Param(name="tenant_id", help="with `client_id` and `client_secret`: a service principal"),
        Param(name="client_id", help="alone: a user-assigned managed identity"),
        Param(name="client_secret", secret=True, help="of the service principal"),
        Param(name="use_default_credentials", kind="bool", default=False, keyword="", help="says that the default chain is meant"),
        ANON,
        Param(name="endpoint_url", aliases=("endpoint",), empty=True, help="server, if not Azure's own"),
        Param(name="use_ssl", kind="bool", default=True, keyword="", help="https to the server"),
        Param(name="allow_http", kind="bool", help="plain http is allowed; follows from the endpoint"),
        VERIFY,
        CA_FILE,
        Param(name="create", kind="bool", aliases=("initalize_container", "initialize_container"), default=False, help="make the container if it is missing"),
        Param(name="allow_directory_access", kind="bool", default=True, keyword="", help="accepted; it is the only behaviour"),
    ),
)  # fmt: skip
"""Azure Blob Storage, all clouds, and Azurite."""
