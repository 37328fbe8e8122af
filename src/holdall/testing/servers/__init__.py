"""Real servers on 127.0.0.1, each started on a free port and ended by process id, for tests of storage code.

``with Moto.running() as moto: …``; the pytest fixtures of `holdall.testing.fixtures` share one of each between workers.
A server that is not installed raises `ServerMissingError`, which says how to install it. ``python -m
holdall.testing.servers install`` installs beforehand what needs no root. POSIX only.
"""

from __future__ import annotations

from holdall.testing.servers.azure import AzureGround, Azurite, Container
from holdall.testing.servers.base import Server, shared
from holdall.testing.servers.files import FileServer, Folder, Ftpd, FtpdImplicit, FtpdStrict, FtpdTls, Samba, Sshd, WebDav
from holdall.testing.servers.http import Nginx, NginxS3Stub, Site
from holdall.testing.servers.process import ServerMissingError
from holdall.testing.servers.s3 import Bucket, LocalStack, Moto, Radosgw, S3Server
from holdall.testing.servers.sql import Postgres

__all__ = [
    "SERVERS",
    "AzureGround",
    "Azurite",
    "Bucket",
    "Container",
    "FileServer",
    "Folder",
    "Ftpd",
    "FtpdImplicit",
    "FtpdStrict",
    "FtpdTls",
    "LocalStack",
    "Moto",
    "Nginx",
    "NginxS3Stub",
    "Postgres",
    "Radosgw",
    "S3Server",
    "Samba",
    "Server",
    "ServerMissingError",
    "Site",
    "Sshd",
    "WebDav",
    "shared",
]

SERVERS: dict[str, type[Server]] = {
    kind.name: kind
    for kind in (
        *(Moto, LocalStack, Radosgw, Azurite, Nginx, NginxS3Stub),
        *(Sshd, Samba, Ftpd, FtpdTls, FtpdImplicit, WebDav, Postgres),
    )
}
"""Every server by its name."""
