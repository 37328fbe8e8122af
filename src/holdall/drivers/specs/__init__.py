"""What the built-in storage types take, as parameters and as URLs: plain data and pure functions, no driver is imported."""

from __future__ import annotations

from holdall.drivers.specs.azure import AZURE
from holdall.drivers.specs.files import BASE64, FSSPEC, GIT, GITHUB, LIBARCHIVE, LOCAL, MEMORY, TAR, ZIP
from holdall.drivers.specs.s3 import S3
from holdall.drivers.specs.servers import FTP, FTPS, GCS, HTTP, SFTP, SMB, WEBDAV
from holdall.drivers.specs.tiers import TIERS

__all__ = [
    "AZURE",
    "BASE64",
    "FSSPEC",
    "FTP",
    "FTPS",
    "GCS",
    "GIT",
    "GITHUB",
    "HTTP",
    "LIBARCHIVE",
    "LOCAL",
    "MEMORY",
    "S3",
    "SFTP",
    "SMB",
    "TAR",
    "TIERS",
    "WEBDAV",
    "ZIP",
]
