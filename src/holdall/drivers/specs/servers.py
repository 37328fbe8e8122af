"""Google Cloud Storage and servers by protocol: HTTP, SFTP, FTP, SMB, WebDAV."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from holdall.core.params import Faults, Param
from holdall.core.secrets import Secret
from holdall.core.urls import StoreURL, URLSpec
from holdall.drivers.specs.parts import (
    ANON,
    CA_FILE,
    PASSWORD,
    PATH,
    PORT,
    USERNAME,
    VERIFY,
    check_ssl,
    login,
    no_port,
    no_user,
    path_of,
)

__all__ = ["FTP", "FTPS", "GCS", "HTTP", "SFTP", "SMB", "WEBDAV"]

CREATE = Param(name="create", kind="bool", default=True, help="make the base directory if it is missing")
HOST = Param(name="host", required=True, help="name or address of the server")
REMOTE = Param(
    name="path", kind="remote", aliases=("base_path", "prefix"), help="directory on the server; relative to the home if not absolute"
)  # fmt: skip


# -- Google Cloud Storage ---------------------------------------------------------------------------------------------------


def _read_gcs(url: StoreURL, faults: Faults) -> dict[str, Any]:
    no_user(url, faults)
    no_port(url, faults)
    return {"bucket": url.host, "path": path_of(url)}


def _check_gcs(fields: dict[str, Any], faults: Faults) -> None:
    if fields.get("anon") and fields.get("token"):
        faults.add("'anon' and 'token' exclude each other")
    token = fields.get("token")
    if isinstance(token, Secret) and not token.reveal().lstrip().startswith("{"):
        # The path of a key file is no secret; the content of one is.
        fields["token"] = token.reveal()
    check_ssl(fields, faults)
    fields.pop("allow_http", None)


GCS = URLSpec(
    type="gcs",
    schemes={"gs": 443, "gcs": 443},
    path="prefix; the host is the bucket",
    read=_read_gcs,
    check=_check_gcs,
    params=(
        Param(name="bucket", required=True, help="the bucket"),
        PATH,
        Param(name="token", kind="any", secret=True, help="service account: path of a key file, its content as a mapping, or credentials"),
        Param(name="project", help="project of the bucket"),
        ANON,
        Param(name="endpoint_url", aliases=("endpoint",), empty=True, help="server, if not Google's own"),
        VERIFY,
        CA_FILE,
    ),
)  # fmt: skip
"""Google Cloud Storage."""


# -- HTTP -------------------------------------------------------------------------------------------------------------------


def _address(url: StoreURL, scheme: str) -> str:
    path = "".join("/" + quote(segment, safe="-._~!$&'()*+,;=:@") for segment in url.segments)
    return f"{scheme}://{url.netloc}{path}"


def _read_http(url: StoreURL, faults: Faults) -> dict[str, Any]:
    if not url.host:
        faults.add("there is no host")
    return {"base_url": _address(url, url.scheme), **login(url)}


def _check_address(name: str, fields: dict[str, Any], faults: Faults) -> None:
    """Check an address; credentials in it move to where they are not shown."""
    address = fields.get(name)
    if not isinstance(address, str):
        return
    try:
        parts = urlsplit(address)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound, parts = False, urlsplit("")
    if not sound or parts.query or parts.fragment:
        faults.add(f"{name!r} must be an address such as https://host/path")
        return
    if parts.username is not None:
        pair = {"username": unquote(parts.username), "password": Secret(unquote(parts.password or ""))}
        if any(fields.get(k) not in {None, v} for k, v in pair.items()):
            faults.add(f"{name!r} holds credentials that contradict 'username' and 'password'")
        fields.update(pair)
        fields[name] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _check_http(fields: dict[str, Any], faults: Faults) -> None:
    _check_address("base_url", fields, faults)
    if fields.get("token") and fields.get("username"):
        faults.add("'token' and 'username' exclude each other")


HTTP = URLSpec(
    type="http",
    schemes={"http": 80, "https": 443},
    path="base of all names",
    read=_read_http,
    check=_check_http,
    literal=True,
    params=(
        Param(name="base_url", aliases=("path", "base_path"), required=True, help="base of all names"),
        Param(name="headers", kind="mapping", form="mapping", help="sent with each request"),
        USERNAME,
        PASSWORD,
        Param(name="token", secret=True, help="sent as `Authorization: Bearer`"),
        VERIFY,
        CA_FILE,
        Param(name="client_cert", kind="path", aliases=("pki",), help="certificate of the client"),
        Param(name="client_key", kind="path", help="key of that certificate"),
    ),
)
"""Any HTTP server, for reading."""


# -- SFTP -------------------------------------------------------------------------------------------------------------------


def _remote(url: StoreURL) -> str | None:
    """Return the directory that a path names: ``/~/x`` is ``x`` below the home, everything else is absolute."""
    segments = [s for s in url.segments if s]
    if segments[:1] == ["~"]:
        return "/".join(segments[1:]) or None
    return "/" + "/".join(segments) if url.segments else None


def _read_server(url: StoreURL, faults: Faults) -> dict[str, Any]:
    if not url.host:
        faults.add("there is no host")
    return {"host": url.host, "port": url.port, "path": _remote(url), **login(url)}


def _check_sftp(fields: dict[str, Any], faults: Faults) -> None:
    checked = fields.pop("validate_host", True)
    if not checked and (fields.get("known_hosts") or fields.get("host_key")):
        faults.add("'validate_host' is off, but there are 'known_hosts' or a 'host_key'")
    if not checked:
        fields["known_hosts"] = None
    if fields.get("passphrase") and not fields.get("key_filename"):
        faults.add("'passphrase' goes with 'key_filename'")


SFTP = URLSpec(
    type="sftp",
    schemes={"sftp": 22, "ssh": 22},
    path="base directory; `/~/x` is below the home",
    read=_read_server,
    check=_check_sftp,
    params=(
        HOST,
        replace(USERNAME, required=True),
        REMOTE,
        replace(PORT, default=22),
        PASSWORD,
        Param(name="key_filename", kind="path", aliases=("private_key",), help="private key"),
        Param(name="passphrase", aliases=("private_key_pass",), secret=True, help="of the private key"),
        Param(name="known_hosts", kind="path", nullable=True, help="file of known host keys; an explicit `null` turns checking off"),
        Param(name="validate_host", kind="bool", default=True, keyword="", help="check the host's key"),
        Param(name="host_key", help="fingerprint the host must have: `SHA256:…`"),
        Param(name="agent", kind="bool", default=False, help="ask the SSH agent for keys"),
        CREATE,
    ),
)  # fmt: skip
"""SSH servers."""


# -- FTP --------------------------------------------------------------------------------------------------------------------


def _check_ftp(secure: bool, fields: dict[str, Any], faults: Faults) -> None:
    use_tls = fields.pop("use_tls", None)
    tls = fields.get("tls")
    if use_tls is not None and tls is not None and use_tls != (tls != "none"):
        faults.add("'tls' and 'use_tls' contradict each other")
    if tls is None:
        if secure and use_tls is not False:
            # Port 990 is implicit TLS by convention; a server elsewhere is asked by AUTH TLS.
            tls = "implicit" if fields.get("port") in {None, 990} else "explicit"
        else:
            tls = "explicit" if use_tls else "none"
        if secure and use_tls is False:
            faults.add("'use_tls' cannot be off for ftps")
    fields["tls"] = tls
    fields.setdefault("port", 990 if tls == "implicit" else 21)
    if fields.get("password") is not None and not fields.get("username"):
        faults.add("'password' goes with 'username'")


def _ftp(name: str, *, secure: bool, port: int) -> URLSpec:
    return URLSpec(
        type=name,
        schemes={name: port},
        path="base directory",
        read=_read_server,
        check=functools.partial(_check_ftp, secure),
        params=(
            HOST,
            REMOTE,
            replace(PORT, default=port),
            replace(USERNAME, default="anonymous"),
            PASSWORD,
            Param(name="tls", choices=("none", "explicit", "implicit"), default="implicit" if secure else "none", help="how the connection is secured"),
            Param(name="use_tls", kind="bool", keyword="", help="true is `tls=explicit`"),
            VERIFY,
            CA_FILE,
            Param(name="active", kind="bool", default=False, help="active mode"),
            Param(name="encoding", default="utf-8", help="of file names"),
            CREATE,
        ),
    )  # fmt: skip


FTP = _ftp("ftp", secure=False, port=21)
"""FTP servers."""
FTPS = _ftp("ftps", secure=True, port=990)
"""FTP servers over TLS: implicit on port 990, explicit elsewhere."""


# -- SMB and WebDAV ---------------------------------------------------------------------------------------------------------


def _read_smb(url: StoreURL, faults: Faults) -> dict[str, Any]:
    domain, semicolon, user = (url.user or "").partition(";")
    segments = [s for s in url.segments if s]
    if not url.host:
        faults.add("there is no host")
    return {
        "host": url.host,
        "port": url.port,
        "share": segments[0] if segments else None,
        "path": "/".join(segments[1:]) or None,
        "domain": domain if semicolon else None,
        "username": (user if semicolon else domain) or None,
        "password": url.password,
    }


SMB = URLSpec(
    type="smb",
    schemes={"smb": 445},
    path="share, then directory",
    read=_read_smb,
    params=(
        HOST,
        Param(name="share", required=True, help="the share"),
        replace(PATH, keyword="path", help="directory within the share"),
        USERNAME,
        PASSWORD,
        Param(name="domain", help="domain of the user"),
        replace(PORT, default=445),
        Param(name="encrypt", kind="bool", default=False, help="insist on encryption"),
        CREATE,
    ),
)
"""Windows shares and Samba."""


def _read_webdav(url: StoreURL, faults: Faults) -> dict[str, Any]:
    if not url.host:
        faults.add("there is no host")
    return {"url": _address(url, "https" if url.scheme.endswith("s") else "http"), **login(url)}


def _check_webdav(fields: dict[str, Any], faults: Faults) -> None:
    _check_address("url", fields, faults)
    if fields.get("token") and fields.get("username"):
        faults.add("'token' and 'username' exclude each other")


WEBDAV = URLSpec(
    type="webdav",
    schemes={"webdav": 80, "webdavs": 443, "dav": 80, "davs": 443},
    path="base of all names",
    read=_read_webdav,
    check=_check_webdav,
    params=(
        Param(name="url", required=True, help="address of the collection: http or https"),
        replace(PATH, keyword="path", help="collection below it"),
        USERNAME,
        PASSWORD,
        Param(name="token", secret=True, help="sent as `Authorization: Bearer`"),
        Param(name="cert", kind="any", help="client certificate: path, or (path, key)"),
        Param(name="verify_ssl", kind="bool", aliases=("verify",), default=True, help="check certificates"),
        CA_FILE,
        CREATE,
    ),
)
"""WebDAV servers, Nextcloud and the like."""
